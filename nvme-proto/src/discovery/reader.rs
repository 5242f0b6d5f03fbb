//! Reading the discovery log in pieces while it may change.

use alloc::vec::Vec;
use core::mem;

use super::{DiscoveryLog, DiscoveryRequest, GetLogPage, LogFlags, LogHeader, RetainAsyncEvent};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::status::{CommandContext, Status};

/// Reads the discovery log without doing I/O itself: it says what to read, is given the bytes, and ends with a log whose entries are all
/// of one generation.
///
/// ```text
///            +------------------------ generation changed, or Discover Restart -------------------------+
///            v                                                                                          |
///   header, 20 bytes --> entries, 4096 bytes at a time, from byte 1024 on --> header again, clears event -+--> the log
/// ```
///
/// A single Get Log Page command is atomic, several are not; so the generation counter is compared before and after. Every command but
/// the last of a round retains the asynchronous event, so that a change is announced again exactly when it is not in the log returned.
///
/// What the controller says is bounded before memory is taken: a log of more than [`LogReaderLimits::max_records`] entries is an error, and
/// so is one that changes [`LogReaderLimits::max_rounds`] times in a row.
///
/// Extended entries, a log of one port only and such are asked for with [`asking`](Self::asking). Their length is known from the header's total
/// length, so that 24 bytes of it are read, and it is bounded by [`LogReaderLimits::max_bytes`]. A controller that does not know them answers
/// with the plain log.
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
    request: DiscoveryRequest,
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
    /// Bytes a log of extended entries may have. Only those that are read take memory.
    pub max_bytes: u32,
}

/// 64 MiB.
const MAX_BYTES: u32 = 64 << 20;

impl Default for LogReaderLimits {
    /// 16384 entries (16 MiB), 10 rounds; 64 MiB of extended entries.
    fn default() -> Self {
        Self { max_records: 16_384, max_rounds: 10, max_bytes: MAX_BYTES }
    }
}

impl LogReaderLimits {
    /// These bounds; 64 MiB of extended entries.
    #[must_use]
    pub const fn new(max_records: u32, max_rounds: u32) -> Self {
        Self { max_records, max_rounds, max_bytes: MAX_BYTES }
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
    /// Entries are to be read: those that are there are in `body`, which is to become `len` bytes long.
    Entries { header: LogHeader, body: Vec<u8>, len: u64 },
    /// The header is to be read again. `failure`: reading the entries failed, which is the log's change if it has changed.
    Confirm { header: LogHeader, body: Vec<u8>, failure: Option<Status> },
    /// Everything is there.
    Done(DiscoveryLog),
}

/// Bytes of entries read by one command, which every controller can transfer.
const BYTES_PER_READ: u64 = 4096;
/// Bytes in front of the entries.
const HEADER_LEN: u64 = 1024;
/// Bytes of a plain entry, and of an extended one at least.
const ENTRY_LEN: u64 = 1024;
const EXTENDED_LEN: u64 = 1032;

impl LogReader {
    /// A reader with these bounds.
    #[must_use]
    pub const fn new(limits: LogReaderLimits) -> Self {
        Self { limits, request: DiscoveryRequest::NONE, round: 0, phase: Phase::Header }
    }

    /// The same reader, asking for this log.
    #[must_use]
    pub const fn asking(mut self, request: DiscoveryRequest) -> Self {
        self.request = request;
        self
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
            _ => Next::Read(self.header_command(RetainAsyncEvent::Retain)),
        }
    }

    /// The command this phase waits for; `None` when there is none.
    fn command(&self) -> Option<GetLogPage> {
        match &self.phase {
            Phase::Header => Some(self.header_command(RetainAsyncEvent::Retain)),
            Phase::Confirm { .. } => Some(self.header_command(RetainAsyncEvent::Clear)),
            Phase::Done(_) => None,
            Phase::Entries { body, len, .. } => {
                let read = u64::try_from(body.len()).unwrap_or(u64::MAX);
                let wanted = len.saturating_sub(read).clamp(4, BYTES_PER_READ);
                Some(self.read(HEADER_LEN.saturating_add(read), wanted / 4, RetainAsyncEvent::Retain))
            }
        }
    }

    /// 20 bytes hold what a reader needs, but for the total length.
    fn header_command(&self, retain: RetainAsyncEvent) -> GetLogPage {
        let extended = self.request.contains(DiscoveryRequest::EXTENDED);
        self.read(0, if extended { 6 } else { 5 }, retain)
    }

    /// Reads 1 to 1024 dwords.
    fn read(&self, offset: u64, dwords: u64, retain: RetainAsyncEvent) -> GetLogPage {
        let dwords = u32::try_from(dwords).unwrap_or(u32::MAX);
        let mut command = GetLogPage::discovery(offset, dwords.saturating_sub(1), retain);
        command.lsp = self.request.0;
        command
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
                let len = self.bounded_len(&header)?;
                self.phase = Phase::after(header, Vec::new(), len);
            }
            Phase::Entries { header, mut body, len } => {
                body.extend_from_slice(bytes);
                self.phase = Phase::after(header, body, len);
            }
            Phase::Confirm { header, body, failure } => {
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
                self.phase = Phase::Done(DiscoveryLog::decode_entries(&header, &body, 0)?);
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
                self.phase = Phase::Confirm { header, body: Vec::new(), failure: Some(status) };
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

    /// Bytes of the entries `header` counts.
    fn bounded_len(&self, header: &LogHeader) -> Result<u64, DecodeError> {
        const STRUCTURE: &str = "discovery log header";
        if !header.flags.contains(LogFlags::EXTENDED) {
            return Ok(header.records.saturating_mul(ENTRY_LEN));
        }
        if !self.request.contains(DiscoveryRequest::EXTENDED) {
            // Nobody gets extended entries who did not ask for them.
            let kind = DecodeErrorKind::Unsupported { field: "DLPF", found: header.flags.0.into() };
            return Err(DecodeError { structure: STRUCTURE, at: 18, kind });
        }
        let total = u64::from(header.total_len);
        let least = header.records.saturating_mul(EXTENDED_LEN).saturating_add(HEADER_LEN);
        let max = u64::from(self.limits.max_bytes);
        if total > max {
            let kind = DecodeErrorKind::Limit { field: "TDLPL", found: total, max };
            return Err(DecodeError { structure: STRUCTURE, at: 20, kind });
        }
        if header.records == 0 {
            return Ok(0);
        }
        if total < least {
            let rule = "the page is too short for the extended entries it counts";
            return Err(DecodeError::invalid(STRUCTURE, 20, "TDLPL", total, rule));
        }
        if !total.is_multiple_of(4) {
            let rule = "the length of a page is a multiple of 4";
            return Err(DecodeError::invalid(STRUCTURE, 20, "TDLPL", total, rule));
        }
        Ok(total.saturating_sub(HEADER_LEN))
    }
}

impl Phase {
    /// What to do with so much of the body read.
    fn after(header: LogHeader, body: Vec<u8>, len: u64) -> Self {
        if u64::try_from(body.len()).unwrap_or(u64::MAX) < len {
            Self::Entries { header, body, len }
        } else {
            Self::Confirm { header, body, failure: None }
        }
    }
}
