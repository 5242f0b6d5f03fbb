//! The log reader against controllers that have extended entries, and against those that lie about them.

use nvme_proto::discovery::{
    DiscoveryEntry, DiscoveryLog, DiscoveryRequest, ExtendedAttribute, ExtendedAttributeType, GetLogPage,
    LogFlags, LogReadError, LogReader, LogReaderLimits, Next, SubsystemType,
};
use nvme_proto::{DecodeError, DecodeErrorKind, Status, SubsysNqn};
use proptest::prelude::*;

/// A log of so many entries with 0 to 3 attributes each.
fn log_of(generation: u64, attributes: &[usize]) -> DiscoveryLog {
    let value = [0x5a; 64];
    let entry = |place: usize, count: usize| {
        let name = SubsysNqn::new(format!("generation{generation}:entry{place}")).unwrap();
        let entry = DiscoveryEntry::tcp(SubsystemType::NVM, &name, &"192.0.2.1".parse().unwrap(), 4420);
        let kind = ExtendedAttributeType::ADMIN_LABEL_ASCII;
        let all: Vec<_> = (1..=count).map(|n| ExtendedAttribute { kind, value: &value[..n * 16] }).collect();
        entry.with_attributes(&all).unwrap()
    };
    let mut log = DiscoveryLog::new(
        generation,
        attributes.iter().enumerate().map(|(place, count)| entry(place, *count)).collect(),
    );
    log.flags = LogFlags::EXTENDED;
    log
}

/// Answers from `page`, zeros behind it, until the log is there or the reader gives up. `see` is shown every command, and may change the page.
fn read(
    mut page: Vec<u8>,
    mut reader: LogReader,
    mut see: impl FnMut(GetLogPage, &mut Vec<u8>),
) -> Result<DiscoveryLog, LogReadError> {
    loop {
        match reader.next() {
            Next::Done(log) => return Ok(log),
            Next::Read(command) => {
                see(command, &mut page);
                let bytes = page.iter().copied().chain(std::iter::repeat(0)).skip(command.offset() as usize);
                reader.supply(&bytes.take(command.len() as usize).collect::<Vec<_>>())?;
            }
        }
    }
}

fn reader() -> LogReader {
    LogReader::new(LogReaderLimits::new(64, 10)).asking(DiscoveryRequest::EXTENDED)
}

#[test]
fn extended_entries_are_read_by_the_total_length() {
    let log = log_of(7, &[0, 3, 1, 2]);
    let page = log.encode();
    let mut seen = Vec::new();
    let got = read(page.clone(), reader(), |command, _| {
        assert_eq!(command.lsp, 1);
        seen.push((command.offset(), command.len()));
    });
    assert_eq!(got, Ok(log));
    let rest = page.len() as u64 - 1024 - 4096;
    assert_eq!(seen, [(0, 24), (1024, 4096), (5120, rest), (0, 24)]);
}

#[test]
fn a_controller_that_does_not_know_them_answers_with_the_plain_log() {
    let mut log = log_of(7, &[0, 0, 0]);
    log.flags = LogFlags::NONE;
    let got = read(log.encode(), reader(), |_, _| {}).unwrap();
    assert_eq!((got.flags, got.entries.len()), (LogFlags::NONE, 3));
    assert!(got.entries.iter().all(|entry| !entry.is_extended()));
}

#[test]
fn each_request_has_its_bit() {
    for (request, lsp) in [
        (DiscoveryRequest::NONE, 0_u32),
        (DiscoveryRequest::PORT_LOCAL, 2),
        (DiscoveryRequest::ALL_SUBSYSTEMS | DiscoveryRequest::EXTENDED, 5),
    ] {
        let mut reader = LogReader::new(LogReaderLimits::default()).asking(request);
        let Next::Read(command) = reader.next() else { panic!("a header first") };
        assert_eq!(command.cdw10(), lsp << 8 | 0x8070 | if lsp & 1 == 1 { 5 } else { 4 } << 16);
    }
}

#[test]
fn a_change_starts_over_also_where_it_makes_nonsense_of_the_entries() {
    let new = log_of(8, &[3, 2, 1, 0, 0]);
    let mut commands = 0;
    let got = read(log_of(7, &[0, 1, 2, 3]).encode(), reader(), |_, page| {
        commands += 1;
        if commands == 3 {
            *page = new.encode();
        }
    });
    assert_eq!(got, Ok(new.clone()));
}

/// What a header that says this is answered with.
fn refused(change: impl FnOnce(&mut Vec<u8>)) -> DecodeError {
    let mut page = log_of(7, &[0, 0]).encode();
    change(&mut page);
    match read(page, reader(), |_, _| {}) {
        Err(LogReadError::Decode(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn headers_that_lie_take_no_memory() {
    let total = |total: u32| move |page: &mut Vec<u8>| page[20..24].copy_from_slice(&total.to_le_bytes());
    for too_short in [0, 1024, 1024 + 2 * 1032 - 4] {
        let error = refused(total(too_short));
        assert!(matches!(error.kind, DecodeErrorKind::Invalid { field: "TDLPL", .. }), "{error}");
        assert_eq!(error.at, 20);
    }
    let error = refused(total(1024 + 2 * 1032 + 2));
    assert!(matches!(error.kind, DecodeErrorKind::Invalid { field: "TDLPL", .. }), "{error}");
    let error = refused(total(u32::MAX));
    let max = 64 << 20;
    assert_eq!(error.kind, DecodeErrorKind::Limit { field: "TDLPL", found: u32::MAX.into(), max });
    let error = refused(|page| page[8..16].fill(0xff));
    assert_eq!(error.kind, DecodeErrorKind::Limit { field: "NUMREC", found: u64::MAX, max: 64 });
    // An entry that says it is longer than the page.
    let error = refused(|page| page[2048..2052].fill(0xfc));
    assert!(matches!(error.kind, DecodeErrorKind::Invalid { field: "TEL", .. }), "{error}");
}

#[test]
fn nobody_gets_extended_entries_who_did_not_ask() {
    let reader = LogReader::new(LogReaderLimits::default());
    let error = read(log_of(7, &[1]).encode(), reader, |_, _| {}).unwrap_err();
    let LogReadError::Decode(error) = error else { panic!("{error}") };
    assert_eq!((error.at, error.kind), (18, DecodeErrorKind::Unsupported { field: "DLPF", found: 1 }));
}

#[test]
fn an_empty_log_has_no_entries_to_read() {
    let log = log_of(7, &[]);
    assert_eq!(read(log.encode(), reader(), |_, _| {}), Ok(log));
}

#[test]
fn a_failure_is_said_when_nothing_changed() {
    let page = log_of(7, &[1, 1]).encode();
    let mut reader = reader();
    assert!(matches!(reader.next(), Next::Read(_)));
    reader.supply(&page[..24]).unwrap();
    let status = Status::INVALID_FIELD.with_dnr();
    reader.failed(status).unwrap();
    assert!(matches!(reader.next(), Next::Read(command) if command.offset() == 0));
    assert_eq!(reader.supply(&page[..24]), Err(LogReadError::Status { status }));
}

proptest! {
    #[test]
    fn any_log_comes_through(attributes in prop::collection::vec(0..4_usize, 0..20), tail in 0..50_usize) {
        let log = log_of(1, &attributes);
        let mut page = log.encode();
        // Bytes behind the last entry belong to the page; they are not looked at.
        let total = page.len() + tail * 4;
        page.resize(total, 0xff);
        page[20..24].copy_from_slice(&u32::try_from(total).unwrap().to_le_bytes());
        prop_assert_eq!(read(page, reader(), |_, _| {}), Ok(log));
    }
}
