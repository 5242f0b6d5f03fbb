//! Reading the discovery log in pieces while it may change.

use alloc::vec::Vec;
use core::mem;

use super::{DiscoveryEntry, DiscoveryLog, GetLogPage, LogEntry, LogHeader, RetainAsyncEvent};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::status::{CommandContext, Status};

/// Reads the discovery log without doing I/O itself: it says what to read, is given the bytes, and ends with a log whose entries are all
/// of one generation.
///
/// ```text
///            +------------------------ generation changed, or Discover Restart -------------------------+
///            v                                                                                          |
///   header, 20 bytes --> entries, up to 4 at a time, from byte 1024 on --> header again, clears event --+--> the log
/// ```
///
/// A single Get Log Page command is atomic, several are not; so the generation counter is compared before and after. Every command but
/// the last of a round retains the asynchronous event, so that a change is announced again exactly when it is not in the log returned.
///
/// What the controller says is bounded before memory is taken: a log of more than [`LogReaderLimits::max_records`] entries is an error, and
/// so is one that changes [`LogReaderLimits::max_rounds`] times in a row.
///
/// ```
/// use nvme_proto::discovery::{DiscoveryLog, LogReader, LogReaderLimits, Next};
/// let page = DiscoveryLog::new(1, Vec::new()).encode(); // stands for a controller
/// let mut reader = LogReader::new(LogReaderLimits::default());
/// let log = loop {
///     match reader.next() {
///         Next::Read(command) => {
///             let at = command.offset() as usize;
///             reader.supply(&page[at..][..command.len() as usize])?;
///         }
///         Next::Done(log) => break log,
///     }
/// };
/// assert_eq!(log.generation, 1);
/// # Ok::<(), nvme_proto::discovery::LogReadError>(())
/// ```
///
/// Source: NVMe over Fabrics 1.1 section 5.2.
#[derive(Debug, Clone)]
pub struct LogReader {
    limits: LogReaderLimits,
    round: u32,
    phase: Phase,
}

/// Bounds for [`LogReader`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LogReaderLimits {
    /// Entries a log may have; each takes 1 KiB of memory.
    pub max_records: u32,
    /// How often the log is read from the beginning before it is given up; at least once.
    pub max_rounds: u32,
}

impl Default for LogReaderLimits {
    /// 16384 entries (16 MiB), 10 rounds.
    fn default() -> Self {
        Self { max_records: 16_384, max_rounds: 10 }
    }
}

impl LogReaderLimits {
    /// These bounds.
    #[must_use]
    pub const fn new(max_records: u32, max_rounds: u32) -> Self {
        Self { max_records, max_rounds }
    }
}

/// What [`LogReader`] wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Send this command, then call [`LogReader::supply`] with the bytes, or [`LogReader::failed`] with the status.
    Read(GetLogPage),
    /// The log is read. The reader begins anew when asked again.
    Done(DiscoveryLog),
}

/// Why the discovery log could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogReadError {
    /// What the controller returned is not a discovery log, or more of it than allowed.
    #[error("cannot read the discovery log: the controller's answer does not decode")]
    Decode(#[from] DecodeError),
    /// A read returned another number of bytes than asked for.
    #[error(
        "cannot read the discovery log: {want} bytes from offset {offset} were asked for and {have} came"
    )]
    Length {
        /// Offset in the page, bytes.
        offset: u64,
        /// Bytes asked for.
        want: u64,
        /// Bytes given.
        have: usize,
    },
    /// The command failed.
    #[error("cannot read the discovery log: the controller answered Get Log Page with {}", .status.in_words(CommandContext::Admin))]
    Status {
        /// The status.
        status: Status,
    },
    /// It changed during every one of the rounds.
    #[error(
        "cannot read the discovery log: it changed while it was read, {rounds} times in a row; is the target being reconfigured? Try again"
    )]
    KeepsChanging {
        /// Rounds made.
        rounds: u32,
    },
    /// Two headers of the same generation have different numbers of entries.
    #[error(
        "cannot read the discovery log: the controller says generation {generation} has {before} entries and then that it has {after}; \
         a log that changes must change its generation"
    )]
    Inconsistent {
        /// Generation of both headers.
        generation: u64,
        /// Entries by the first header.
        before: u64,
        /// Entries by the second.
        after: u64,
    },
    /// Bytes or a status were given though nothing had been asked for.
    #[error("the discovery log reader was given an answer to a command it had not asked for")]
    NotAsked,
}

#[derive(Debug, Clone)]
enum Phase {
    /// The first header is to be read.
    Header,
    /// Entries are to be read.
    Entries { header: LogHeader, entries: Vec<DiscoveryEntry> },
    /// The header is to be read again. `failure`: reading the entries failed, which is the log's change if it has changed.
    Confirm { header: LogHeader, entries: Vec<DiscoveryEntry>, failure: Option<Status> },
    /// Everything is there.
    Done(DiscoveryLog),
}

/// Entries read by one command: 4096 bytes, which every controller can transfer.
const ENTRIES_PER_READ: u64 = 4;

impl LogReader {
    /// A reader with these bounds.
    #[must_use]
    pub const fn new(limits: LogReaderLimits) -> Self {
        Self { limits, round: 0, phase: Phase::Header }
    }

    /// What to do next. Asking again without an answer gives the same command.
    #[expect(clippy::should_implement_trait, reason = "it has no end: after the log it begins anew")]
    pub fn next(&mut self) -> Next {
        if let Some(command) = self.command() {
            return Next::Read(command);
        }
        match mem::replace(&mut self.phase, Phase::Header) {
            Phase::Done(log) => {
                self.round = 0;
                Next::Done(log)
            }
            // Every other phase has a command, so this is not reached; beginning anew is right at any time.
            _ => Next::Read(header_command(RetainAsyncEvent::Retain)),
        }
    }

    /// The command this phase waits for; `None` when there is none.
    fn command(&self) -> Option<GetLogPage> {
        match &self.phase {
            Phase::Header => Some(header_command(RetainAsyncEvent::Retain)),
            Phase::Confirm { .. } => Some(header_command(RetainAsyncEvent::Clear)),
            Phase::Done(_) => None,
            Phase::Entries { header, entries } => {
                let read = u64::try_from(entries.len()).unwrap_or(u64::MAX);
                let count = header.records.saturating_sub(read).clamp(1, ENTRIES_PER_READ);
                let offset = read.saturating_add(1).saturating_mul(ENTRY_LEN);
                // 1 to 4 entries: 256 to 1024 dwords.
                let dwords = u32::try_from(count.saturating_mul(ENTRY_LEN / 4)).unwrap_or(u32::MAX);
                Some(GetLogPage::discovery(offset, dwords.saturating_sub(1), RetainAsyncEvent::Retain))
            }
        }
    }

    /// Takes the bytes the command returned: exactly [`GetLogPage::len`].
    ///
    /// # Errors
    /// See [`LogReadError`]; the reader begins anew afterwards.
    pub fn supply(&mut self, bytes: &[u8]) -> Result<(), LogReadError> {
        let Some(command) = self.command() else {
            return Err(LogReadError::NotAsked);
        };
        let round = mem::take(&mut self.round);
        let phase = mem::replace(&mut self.phase, Phase::Header);
        // Until the end of this function the reader stands at the beginning: so it stays when something is wrong.
        if u64::try_from(bytes.len()) != Ok(command.len()) {
            return Err(LogReadError::Length {
                offset: command.offset(),
                want: command.len(),
                have: bytes.len(),
            });
        }
        match phase {
            Phase::Header => {
                let header = self.bounded_header(bytes)?;
                self.phase = if header.records == 0 {
                    Phase::Confirm { header, entries: Vec::new(), failure: None }
                } else {
                    Phase::Entries { header, entries: Vec::new() }
                };
            }
            Phase::Entries { header, mut entries } => {
                for entry in bytes.chunks_exact(DiscoveryEntry::LEN) {
                    entries.push(LogEntry::new_checked(entry)?.to_owned());
                }
                let read = u64::try_from(entries.len()).unwrap_or(u64::MAX);
                self.phase = if read < header.records {
                    Phase::Entries { header, entries }
                } else {
                    Phase::Confirm { header, entries, failure: None }
                };
            }
            Phase::Confirm { header, entries, failure } => {
                let after = self.bounded_header(bytes)?;
                if after.generation != header.generation {
                    return self.start_over(round);
                }
                if let Some(status) = failure {
                    return Err(LogReadError::Status { status });
                }
                if after.records != header.records {
                    let (generation, before) = (header.generation, header.records);
                    return Err(LogReadError::Inconsistent { generation, before, after: after.records });
                }
                self.phase = Phase::Done(DiscoveryLog::new(header.generation, entries));
            }
            Phase::Done(_) => return Err(LogReadError::NotAsked),
        }
        self.round = round;
        Ok(())
    }

    /// Takes the status of a command that failed. Discover Restart begins a new round. Another failure while reading entries may mean
    /// that the log has become shorter, so the header decides.
    ///
    /// # Errors
    /// See [`LogReadError`]; the reader begins anew afterwards.
    pub fn failed(&mut self, status: Status) -> Result<(), LogReadError> {
        if self.command().is_none() {
            return Err(LogReadError::NotAsked);
        }
        let round = mem::take(&mut self.round);
        match mem::replace(&mut self.phase, Phase::Header) {
            _ if status.is(Status::DISCOVER_RESTART) => self.start_over(round),
            Phase::Entries { header, .. } => {
                self.round = round;
                self.phase = Phase::Confirm { header, entries: Vec::new(), failure: Some(status) };
                Ok(())
            }
            _ => Err(LogReadError::Status { status }),
        }
    }

    fn start_over(&mut self, round: u32) -> Result<(), LogReadError> {
        let rounds = round.saturating_add(1);
        if rounds >= self.limits.max_rounds {
            return Err(LogReadError::KeepsChanging { rounds });
        }
        self.round = rounds;
        Ok(())
    }

    /// A header whose number of entries is within the bounds.
    fn bounded_header(&self, bytes: &[u8]) -> Result<LogHeader, DecodeError> {
        let header = LogHeader::decode(bytes)?;
        let max = u64::from(self.limits.max_records);
        if header.records > max {
            let kind = DecodeErrorKind::Limit { field: "NUMREC", found: header.records, max };
            return Err(DecodeError { structure: "discovery log header", at: 8, kind });
        }
        Ok(header)
    }
}

/// Bytes of an entry.
const ENTRY_LEN: u64 = 1024;

const fn header_command(retain: RetainAsyncEvent) -> GetLogPage {
    // 20 bytes: 5 dwords.
    GetLogPage::discovery(0, 4, retain)
}
