//! Structures as no honest peer sends them: one test for each way in which the data of a log page or of Identify can lie.

mod common;

use nvme_proto::discovery::{
    DiscoveryEntry, DiscoveryLog, ExtendedAttribute, ExtendedAttributeType, LogEntry, LogFlags, LogHeader,
    SubsystemType,
};
use nvme_proto::identify::{
    CommandSet, ControllerList, IdentifyController, IdentifyNamespace, LbaFormat, NamespaceDescriptors,
    NamespaceIds, NamespaceList,
};
use nvme_proto::log::{AnaLog, AnaState, ChangedNamespaces, ErrorLog};
use nvme_proto::{AddressFamily, DecodeError, DecodeErrorKind, TransportType};

fn log_page() -> Vec<u8> {
    let [_, page, _] = common::discovery_pages();
    page
}

#[track_caller]
fn invalid(error: DecodeError, at: usize, field: &str) {
    assert_eq!(error.at, at, "{error}");
    assert!(matches!(error.kind, DecodeErrorKind::Invalid { field: found, .. } if found == field), "{error}");
}

/// D1.
#[test]
fn a_count_of_records_beyond_the_bytes() {
    let mut page = log_page();
    page[8..16].fill(0xff);
    let error = DiscoveryLog::decode(&page).unwrap_err();
    assert!(matches!(error.kind, DecodeErrorKind::TooShort { have: 3072, .. }), "{error}");
}

/// D2.
#[test]
fn another_record_format() {
    let mut page = log_page();
    page[16] = 1;
    let error = DiscoveryLog::decode(&page).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::Unsupported { field: "RECFMT", found: 1 });
}

/// D3.
#[test]
fn a_log_shorter_than_its_header() {
    let page = log_page();
    for have in 20..1024 {
        assert_eq!(LogHeader::decode(&page[..have]).unwrap().records, 2);
        assert!(DiscoveryLog::decode(&page[..have]).is_err());
    }
    assert!(LogHeader::decode(&page[..19]).is_err());
}

/// D4: whole entries can be read one by one, and what is left is no entry.
#[test]
fn a_log_that_ends_within_an_entry() {
    let page = log_page();
    let entries = page[1024..3000].chunks(1024).map(LogEntry::new_checked).collect::<Vec<_>>();
    assert_eq!(entries.len(), 2);
    assert!(entries[0].is_ok());
    assert_eq!(entries[1].unwrap_err().kind, DecodeErrorKind::TooShort { need: 1024, have: 952 });
}

/// D5.
#[test]
fn numbers_without_a_name_in_an_entry() {
    let mut page = log_page();
    page[1024..1027].copy_from_slice(&[0x7f, 0x7e, 0x7d]);
    let log = DiscoveryLog::decode(&page).unwrap();
    let entry = &log.entries[0];
    assert_eq!((entry.transport_type(), entry.address_family()), (TransportType(0x7f), AddressFamily(0x7e)));
    assert_eq!((entry.subsystem_type(), log.encode()), (SubsystemType(0x7d), page));
}

/// D6 and D7.
#[test]
fn addresses_with_every_padding_and_services_that_are_no_port() {
    for fill in [0, b' '] {
        let mut bytes = [fill; 1024];
        bytes[512..519].copy_from_slice(b"2001::1");
        bytes[32..35].copy_from_slice(b"abc");
        let entry = LogEntry::new_checked(bytes).unwrap();
        assert_eq!(entry.traddr().unwrap().as_str(), "2001::1");
        assert_eq!(entry.trsvcid().map(|service| service.port()), Ok(None));
    }
    let mut full = [b'7'; 1024];
    assert_eq!(LogEntry::new_checked(full).unwrap().traddr_text().len(), 256);
    full[32..64].fill(0);
    full[32..37].copy_from_slice(b"65536");
    let entry = LogEntry::new_checked(full).unwrap();
    assert_eq!((entry.trsvcid_text().as_str(), entry.trsvcid().unwrap().port()), ("65536", None));
    full[32] = 0;
    assert!(LogEntry::new_checked(full).unwrap().trsvcid().is_err());
}

/// D8.
#[test]
fn a_name_without_an_end_costs_its_entry_only() {
    let mut page = log_page();
    page[1024 + 256..1024 + 512].fill(b'n');
    page[2048 + 256] = 0xff;
    let log = DiscoveryLog::decode(&page).unwrap();
    assert!(log.entries[0].subnqn().is_err() && log.entries[1].subnqn().is_err());
    assert_eq!(log.entries[0].traddr_text(), log.entries[1].traddr_text());
}

/// D9 and D10.
#[test]
fn extended_entries_whose_lengths_cannot_be() {
    let label = ExtendedAttribute { kind: ExtendedAttributeType::ADMIN_LABEL_ASCII, value: b"rack" };
    let entry = DiscoveryEntry::zeroed().with_attributes(&[label]).unwrap();
    let mut log = DiscoveryLog::new(1, vec![entry; 2]);
    log.flags = LogFlags::EXTENDED;
    let page = log.encode();
    for tel in [0_u32, 1031, 1032 + 6, 4096] {
        let mut page = page.clone();
        page[3088..3092].copy_from_slice(&tel.to_le_bytes());
        invalid(DiscoveryLog::decode(&page).unwrap_err(), 3088, "TEL");
    }
    for (at, value, field) in [(1034, 5, "EXATLEN"), (1034, 8, "EXATLEN"), (1028, 2, "NUMEXAT")] {
        let mut bytes = page[1024..2064].to_vec();
        bytes[at] = value;
        let attributes: Vec<_> =
            LogEntry::new_extended(&bytes).unwrap().attributes().map(|a| a.map(|_| ())).collect();
        invalid(attributes.last().copied().unwrap().unwrap_err(), at, field);
    }
}

/// D11, D12 and D13.
#[test]
fn descriptors_that_are_empty_long_unknown_or_there_twice() {
    for bytes in
        [&[3, 0, 0, 0][..], &[3, 15, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], &[9, 200, 0, 0, 1]]
    {
        invalid(NamespaceDescriptors::new(bytes).last().unwrap().unwrap_err(), 1, "NIDL");
        assert_eq!(NamespaceDescriptors::new(bytes).count(), 1);
    }
    let bytes = [9, 3, 0, 0, 1, 2, 3, 4, 1, 0, 0, 2, 4, 1, 0, 0, 0, 0];
    assert_eq!(NamespaceIds::decode(&bytes).unwrap().command_set, Some(CommandSet::ZONED));
}

/// D14 and D15.
#[test]
fn namespaces_in_no_order_without_an_end_or_too_many() {
    let mut bytes = vec![0; 4096];
    for (id, to) in (1..=1024_u32).rev().zip(bytes.chunks_exact_mut(4)) {
        to.copy_from_slice(&id.to_le_bytes());
    }
    let list = NamespaceList::new_checked(bytes.as_slice()).unwrap();
    assert!(list.ids().eq((1..=1024).rev()));
    bytes[..4].fill(0xff);
    assert_eq!(ChangedNamespaces::new_checked(bytes), Ok(ChangedNamespaces::TooMany));
}

/// D16 and D17.
#[test]
fn groups_beyond_the_bytes_and_states_without_a_name() {
    let bytes = common::log_ana_made();
    for (at, fill) in [(8..10, 0xff), (20..24, 0xff)] {
        let mut bytes = bytes.clone();
        bytes[at].fill(fill);
        let log = AnaLog::new_checked(bytes).unwrap();
        let last = log.groups().last().unwrap().unwrap_err();
        assert!(matches!(last.kind, DecodeErrorKind::TooShort { have: 88, .. }), "{last}");
        assert!(log.groups().count() <= 3);
    }
    for state in [0, 5] {
        let mut bytes = bytes.clone();
        bytes[32] = state;
        let log = AnaLog::new_checked(bytes).unwrap();
        assert_eq!(log.groups().next().unwrap().unwrap().state, AnaState(state));
    }
}

/// D18.
#[test]
fn more_controllers_than_the_list_has_room_for() {
    let mut bytes = [0; 4096];
    bytes[..2].copy_from_slice(&[0xff, 0xff]);
    let error = ControllerList::new_checked(bytes).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::Limit { field: "NUMID", found: 65535, max: 2047 });
}

/// D21.
#[test]
fn controllers_that_contradict_themselves() {
    let mut bytes = common::identify_controller_io();
    assert_eq!(IdentifyController::new_checked(&bytes).unwrap().oddities().count(), 0);
    bytes[77] = 200;
    bytes[512] = 0x46;
    bytes[320..322].fill(0);
    bytes[1792..1796].copy_from_slice(&[3, 0, 0, 0]);
    let view = IdentifyController::new_checked(&bytes).unwrap();
    assert_eq!(view.max_data_bytes(12), None);
    let found: Vec<_> = view.oddities().collect();
    assert_eq!(found.len(), 4);
    for (error, (at, field)) in
        found.into_iter().zip([(77, "MDTS"), (320, "KAS"), (512, "SQES"), (1792, "IOCCSZ")])
    {
        invalid(error, at, field);
    }
    let discovery = common::identify_controller_discovery();
    assert_eq!(IdentifyController::new_checked(discovery).unwrap().oddities().count(), 0);
}

/// D22.
#[test]
fn blocks_of_no_size() {
    let mut view = IdentifyNamespace::new_checked(common::identify_namespace()).unwrap();
    for data_log2 in [0, 64, 255] {
        view.set_lba_format_at(0, LbaFormat { metadata_bytes: 0, data_log2, performance: 0 });
        assert_eq!((view.block_bytes(), view.size_bytes()), (None, None));
    }
}

/// D23.
#[test]
fn errors_that_are_none() {
    let mut bytes = common::log_error();
    bytes[0] = 0;
    let log = ErrorLog::new(bytes);
    assert_eq!((log.entries().count(), log.errors().count()), (64, 0));
}

/// D24.
#[test]
fn text_that_is_no_text() {
    let mut bytes = common::identify_controller_io();
    bytes[4..8].copy_from_slice(b"a\0b\xff");
    bytes[24..28].copy_from_slice(b"a\xffb\x07");
    let view = IdentifyController::new_checked(&bytes).unwrap();
    assert_eq!((view.serial_bytes(), view.model_bytes().first_chunk()), (&b"a"[..], Some(b"a\xffb\x07")));
    assert!(view.model().starts_with("a\\xffb\\u{7}") && view.as_bytes() == bytes);
}
