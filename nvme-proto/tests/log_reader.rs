//! The log reader against a simulated controller whose log changes while it is read.

use nvme_proto::discovery::{
    DiscoveryEntry, DiscoveryLog, GetLogPage, LogHeader, LogId, LogReadError, LogReader, LogReaderLimits,
    Next, RetainAsyncEvent, SubsystemType,
};
use nvme_proto::{DecodeErrorKind, Status, SubsysNqn};
use proptest::prelude::*;

/// What a controller does when asked for what is beyond the end of its log.
#[derive(Debug, Clone, Copy)]
enum Beyond {
    Zeros,
    InvalidField,
}

/// A controller that changes its log in front of chosen commands.
struct Controller {
    page: Vec<u8>,
    generation: u64,
    beyond: Beyond,
    /// For each command the number of entries to change to in front of it, if any.
    changes: Vec<Option<usize>>,
    restarts: bool,
    commands: usize,
    /// Whether a change has happened that no command cleared the event of.
    event_pending: bool,
}

/// The log of one generation: every entry says which generation and which place it is of.
fn log_of(generation: u64, records: usize) -> DiscoveryLog {
    let entry = |place: usize| {
        let name = SubsysNqn::new(format!("generation{generation}:entry{place}")).unwrap();
        DiscoveryEntry::tcp(SubsystemType::NVM, &name, &"192.0.2.1".parse().unwrap(), 4420)
    };
    DiscoveryLog::new(generation, (0..records).map(entry).collect())
}

impl Controller {
    fn new(records: usize, changes: Vec<Option<usize>>, beyond: Beyond) -> Self {
        let page = log_of(0, records).encode();
        Self { page, generation: 0, beyond, changes, restarts: false, commands: 0, event_pending: true }
    }

    fn execute(&mut self, command: GetLogPage) -> Result<Vec<u8>, Status> {
        assert_eq!((command.lid, command.nsid, command.lsp), (LogId::DISCOVERY, 0, 0));
        assert!(command.len() <= 4096, "more than every controller can transfer");
        let change = self.changes.get(self.commands).copied().flatten();
        self.commands += 1;
        if let Some(records) = change {
            self.generation += 1;
            self.page = log_of(self.generation, records).encode();
            self.event_pending = true;
            if self.restarts && command.offset() != 0 {
                return Err(Status::DISCOVER_RESTART);
            }
        }
        if command.retain == RetainAsyncEvent::Clear {
            self.event_pending = false;
        }
        let (from, len) = (command.offset() as usize, command.len() as usize);
        if from + len > self.page.len() && matches!(self.beyond, Beyond::InvalidField) {
            return Err(Status::INVALID_FIELD.with_dnr());
        }
        let mut bytes: Vec<u8> = self.page.iter().copied().skip(from).take(len).collect();
        bytes.resize(len, 0);
        Ok(bytes)
    }
}

/// Reads until the log is there or the reader gives up.
fn read(controller: &mut Controller, reader: &mut LogReader) -> Result<DiscoveryLog, LogReadError> {
    loop {
        match reader.next() {
            Next::Done(log) => return Ok(log),
            Next::Read(command) => {
                assert_eq!(reader.next(), Next::Read(command), "asking again gives the same");
                match controller.execute(command) {
                    Ok(bytes) => reader.supply(&bytes)?,
                    Err(status) => reader.failed(status)?,
                }
            }
        }
    }
}

fn reader() -> LogReader {
    LogReader::new(LogReaderLimits::new(64, 10))
}

#[test]
fn a_quiet_log_is_read_in_order_and_its_event_cleared() {
    for records in 0..=13 {
        let mut controller = Controller::new(records, vec![], Beyond::InvalidField);
        let log = read(&mut controller, &mut reader()).unwrap();
        assert_eq!(log, log_of(0, records));
        // Header, 4 entries at a time, header.
        assert_eq!(controller.commands, 2 + records.div_ceil(4));
        assert!(!controller.event_pending);
    }
}

#[test]
fn the_commands_of_a_round() {
    let mut reader = reader();
    let mut seen = Vec::new();
    let page = log_of(7, 5).encode();
    let log = loop {
        match reader.next() {
            Next::Done(log) => break log,
            Next::Read(command) => {
                seen.push((command.offset(), command.len(), command.retain));
                reader.supply(&page[command.offset() as usize..][..command.len() as usize]).unwrap();
            }
        }
    };
    let (keep, clear) = (RetainAsyncEvent::Retain, RetainAsyncEvent::Clear);
    assert_eq!(seen, [(0, 20, keep), (1024, 4096, keep), (5120, 1024, keep), (0, 20, clear)]);
    assert_eq!(log.generation, 7);
    // It begins anew: the same again.
    assert!(matches!(reader.next(), Next::Read(command) if command.offset() == 0));
}

#[test]
fn a_change_at_every_command_of_a_round_starts_over_once() {
    for beyond in [Beyond::Zeros, Beyond::InvalidField] {
        for restarts in [false, true] {
            for records in [0, 1, 4, 9] {
                // A change in front of the very first command is no change for the reader.
                for at in 1..=4 {
                    let mut changes = vec![None; at];
                    changes.push(Some(records));
                    let mut controller = Controller::new(9, changes, beyond);
                    controller.restarts = restarts;
                    let log = read(&mut controller, &mut reader()).unwrap();
                    assert_eq!(log, log_of(1, records), "{beyond:?} {restarts} {records} {at}");
                    assert!(!controller.event_pending);
                }
            }
        }
    }
}

#[test]
fn a_log_that_always_changes_is_given_up() {
    for max_rounds in 1..=4 {
        let mut controller = Controller::new(5, vec![Some(5); 1000], Beyond::Zeros);
        let mut reader = LogReader::new(LogReaderLimits::new(64, max_rounds));
        let error = read(&mut controller, &mut reader).unwrap_err();
        assert_eq!(error, LogReadError::KeepsChanging { rounds: max_rounds });
        assert_eq!(controller.commands, 4 * max_rounds as usize);
        // A reader that gave up can be used again.
        controller.changes.clear();
        let generation = controller.generation;
        assert_eq!(read(&mut controller, &mut reader), Ok(log_of(generation, 5)));
    }
}

#[test]
fn a_failure_that_is_no_change_is_said() {
    // The controller counts 9 entries but refuses to return them.
    let mut reader = reader();
    let header = LogHeader::new(3, 9).encode();
    let status = Status::INVALID_FIELD.with_dnr();
    assert!(matches!(reader.next(), Next::Read(_)));
    reader.supply(&header[..20]).unwrap();
    assert!(matches!(reader.next(), Next::Read(command) if command.offset() == 1024));
    // First it is asked whether the log changed...
    reader.failed(status).unwrap();
    assert!(matches!(reader.next(), Next::Read(command) if command.offset() == 0));
    // ... which it did not.
    let error = reader.supply(&header[..20]).unwrap_err();
    assert_eq!(error, LogReadError::Status { status });
    assert!(error.to_string().contains("Invalid Field in Command"), "{error}");
    // A header that cannot be read is an error at once.
    let status = Status::INVALID_OPCODE;
    assert_eq!(reader.failed(status), Err(LogReadError::Status { status }));
}

#[test]
fn a_count_beyond_the_bound_takes_no_memory() {
    let mut reader = reader();
    let Next::Read(_) = reader.next() else { panic!("a header first") };
    let error = reader.supply(&LogHeader::new(1, u64::MAX).encode()[..20]).unwrap_err();
    let LogReadError::Decode(error) = error else { panic!("{error}") };
    assert_eq!(error.kind, DecodeErrorKind::Limit { field: "NUMREC", found: u64::MAX, max: 64 });
    assert_eq!(error.at, 8);
}

#[test]
fn the_same_generation_with_another_count_is_the_controllers_fault() {
    let mut reader = reader();
    let page = log_of(1, 2).encode();
    let Next::Read(_) = reader.next() else { panic!("a header first") };
    reader.supply(&page[..20]).unwrap();
    let Next::Read(command) = reader.next() else { panic!("entries") };
    reader.supply(&page[1024..][..command.len() as usize]).unwrap();
    let Next::Read(_) = reader.next() else { panic!("the header again") };
    let error = reader.supply(&LogHeader::new(1, 3).encode()[..20]).unwrap_err();
    assert_eq!(error, LogReadError::Inconsistent { generation: 1, before: 2, after: 3 });
}

#[test]
fn answers_of_another_length_are_refused() {
    for have in [0, 19, 21, 1024] {
        let mut reader = reader();
        let error = reader.supply(&vec![0; have]).unwrap_err();
        assert_eq!(error, LogReadError::Length { offset: 0, want: 20, have });
    }
    // And answers to nothing.
    let mut reader = reader();
    let header = LogHeader::new(1, 0).encode();
    reader.supply(&header[..20]).unwrap();
    reader.supply(&header[..20]).unwrap();
    assert_eq!(reader.supply(&header[..20]), Err(LogReadError::NotAsked));
    assert_eq!(reader.failed(Status::INVALID_FIELD), Err(LogReadError::NotAsked));
    assert_eq!(reader.next(), Next::Done(DiscoveryLog::new(1, vec![])));
}

proptest! {
    /// Whatever changes when: a log that is returned is exactly one generation's, the newest the last command could see, and every later
    /// change is announced.
    #[test]
    fn a_log_returned_is_of_one_generation(
        records in 0..20_usize,
        changes in prop::collection::vec(prop::option::weighted(0.2, 0..20_usize), 0..60),
        zeros in any::<bool>(),
        restarts in any::<bool>(),
    ) {
        let beyond = if zeros { Beyond::Zeros } else { Beyond::InvalidField };
        let total = changes.iter().flatten().count();
        let mut controller = Controller::new(records, changes, beyond);
        controller.restarts = restarts;
        match read(&mut controller, &mut reader()) {
            Ok(log) => {
                prop_assert_eq!(log.generation, controller.generation);
                prop_assert_eq!(log.encode(), controller.page.clone());
                prop_assert!(!controller.event_pending);
            }
            Err(error) => {
                prop_assert_eq!(error, LogReadError::KeepsChanging { rounds: 10 });
                prop_assert!(total >= 10);
            }
        }
    }
}
