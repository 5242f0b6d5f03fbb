//! Identify's lists and descriptors from a real target, read, written back, cut short and changed.

mod common;

use nvme_proto::identify::{
    CommandSet, IdentifyNamespace, LbaFormat, NamespaceDescriptors, NamespaceIdType, NamespaceIds,
    NamespaceList,
};
use nvme_proto::{DecodeError, DecodeErrorKind, HostId};

/// UUIDs have the byte order of host identifiers: that of their text.
fn uuid(text: &str) -> [u8; 16] {
    *text.parse::<HostId>().unwrap().as_bytes()
}

#[test]
fn active_namespaces_of_a_linux_target() {
    let bytes = common::active_namespaces();
    let list = NamespaceList::new_checked(bytes.as_slice()).unwrap();
    assert_eq!((list.ids().collect::<Vec<_>>(), list.is_full()), (vec![1, 7], false));
    assert_eq!(NamespaceList::of([1, 7]).as_bytes(), bytes);
}

#[test]
fn descriptors_of_a_linux_target_are_a_uuid_and_the_command_set() {
    for (bytes, text) in [
        (common::namespace_descriptors_1(), "9fb54ef5-68b7-41f3-93c6-803cdbf5ff57"),
        (common::namespace_descriptors_7(), "5cd52885-a829-4f19-afa3-5172613f084d"),
    ] {
        let ids = NamespaceIds::decode(&bytes).unwrap();
        assert_eq!((ids.uuid, ids.command_set), (Some(uuid(text)), Some(CommandSet::NVM)));
        assert_eq!((ids.eui64, ids.nguid), (None, None));
        assert_eq!(ids.encode()[..], bytes);
    }
}

#[test]
fn descriptors_of_every_type() {
    let bytes = common::namespace_descriptors_made();
    let list: Vec<_> = NamespaceDescriptors::new(&bytes).map(Result::unwrap).collect();
    let kinds: Vec<_> = list.iter().map(|descriptor| (descriptor.kind, descriptor.value.len())).collect();
    assert_eq!(
        kinds,
        [
            (NamespaceIdType::EUI64, 8),
            (NamespaceIdType::NGUID, 16),
            (NamespaceIdType::UUID, 16),
            (NamespaceIdType::COMMAND_SET, 1)
        ]
    );
    let ids = NamespaceIds::decode(&bytes).unwrap();
    assert_eq!(ids.eui64, Some([0x00, 0x25, 0x38, 0x5b, 0x71, 0xb0, 0x01, 0x23]));
    assert_eq!(ids.nguid.map(u128::from_be_bytes), Some(0x6479_a7a7_e7b2_0000_0025_385b_71b0_0123));
    assert_eq!(ids.uuid, Some(uuid("9fb54ef5-68b7-41f3-93c6-803cdbf5ff57")));
    assert_eq!(ids.encode()[..], bytes);
}

#[test]
fn a_second_namespace_of_the_same_target() {
    let bytes = common::identify_namespace_7();
    let view = IdentifyNamespace::new_checked(&bytes).unwrap();
    assert_eq!(view.lba_format(), Some(LbaFormat { metadata_bytes: 0, data_log2: 9, performance: 0 }));
    assert_eq!((view.sharing(), view.ana_group()), (1, 1));
    assert_eq!(view.size_bytes(), view.size().checked_mul(512));
    // The same bytes from the setters.
    let mut made = IdentifyNamespace::zeroed();
    made.set_size(view.size());
    made.set_capacity(view.size());
    made.set_used(view.size());
    made.set_features(0x12);
    made.set_sharing(1);
    made.set_atomic_write(7);
    made.set_atomic_write_power_fail(7);
    made.set_atomic_compare_write(7);
    made.set_write_granularity(7);
    made.set_write_alignment(7);
    made.set_deallocate_granularity(7);
    made.set_deallocate_alignment(7);
    made.set_ana_group(1);
    made.set_lba_format_at(0, LbaFormat { metadata_bytes: 0, data_log2: 9, performance: 0 });
    assert_eq!(made.as_bytes(), bytes);
}

/// What a list gives: how many descriptors, and where it found an error.
fn outcome(bytes: &[u8]) -> (usize, Option<DecodeError>) {
    let all: Vec<_> = NamespaceDescriptors::new(bytes).collect();
    let good = all.iter().filter(|descriptor| descriptor.is_ok()).count();
    let error = all.last().and_then(|last| last.as_ref().err().copied());
    assert_eq!(good + usize::from(error.is_some()), all.len(), "an error is the last");
    (good, error)
}

#[test]
fn descriptors_cut_short_are_found() {
    let bytes = common::namespace_descriptors_made();
    let ends = [12, 32, 52, 57];
    for have in 0..=bytes.len() {
        let (good, error) = outcome(&bytes[..have]);
        assert_eq!(good, ends.iter().filter(|end| **end <= have).count(), "{have}");
        // At the end of a descriptor, or behind the last, the list just ends.
        assert_eq!(error.is_none(), have == 0 || ends.contains(&have) || have > 57, "{have}: {error:?}");
    }
}

#[test]
fn every_changed_byte_of_the_descriptors_is_kept_or_refused() {
    let bytes = common::namespace_descriptors_made();
    let before = NamespaceIds::decode(&bytes).unwrap();
    let heads = [0, 12, 32, 52];
    for at in 0..80 {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            match (NamespaceIds::decode(&changed), at) {
                (Ok(ids), 0..57) if heads.iter().any(|head| matches!(at - head.min(&at), 2 | 3)) => {
                    assert_eq!(ids, before, "reserved byte {at}");
                }
                (Ok(ids), _) => assert_eq!(ids != before, at < 57, "byte {at}"),
                (Err(error), _) => {
                    // Only types and lengths can be malformed, and what was zero fill.
                    assert!(matches!(error.kind, DecodeErrorKind::Invalid { field: "NIDL", .. }), "{error}");
                    assert!(
                        heads.iter().any(|head| at == *head || at == head + 1) || at >= 57,
                        "byte {at}: {error}"
                    );
                }
            }
        }
    }
}
