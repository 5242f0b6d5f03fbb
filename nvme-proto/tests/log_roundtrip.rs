//! Log pages and Identify's structures survive being written and read, and answer whatever is thrown at them.

use nvme_proto::discovery::{DiscoveryLog, LogEntry, LogFlags};
use nvme_proto::identify::{ControllerList, NamespaceIds, NamespaceList, PowerState};
use nvme_proto::log::{AnaLog, ChangedNamespaces};
use nvme_proto::testing::{
    ana_log, extended_discovery_entry, extended_discovery_log, identify_controller, log_pages, namespace_ids,
};
use nvme_proto::{Cntlid, DecodeErrorKind};
use proptest::prelude::*;

proptest! {
    #[test]
    fn identifiers_of_namespaces_survive(ids in namespace_ids()) {
        prop_assert_eq!(NamespaceIds::decode(&ids.encode()), Ok(ids));
    }

    #[test]
    fn lists_survive(nsids in prop::collection::vec(1..=u32::MAX, 0..1100), ids in prop::collection::vec(any::<u16>(), 0..2100)) {
        let list = NamespaceList::of(nsids.iter().copied());
        prop_assert!(list.ids().eq(nsids.iter().copied().take(1024)));
        let list = ControllerList::of(ids.iter().copied().map(Cntlid));
        prop_assert!(list.ids().eq(ids.iter().copied().take(2047).map(Cntlid)));
        // 0xffff_ffff is not an identifier but the mark of too many.
        let page = ChangedNamespaces::of(nsids.iter().map(|nsid| nsid & 0x7fff_ffff | 1)).into_bytes();
        match ChangedNamespaces::new_checked(page) {
            Ok(ChangedNamespaces::Listed(list)) => prop_assert_eq!(list.ids().count(), nsids.len()),
            Ok(ChangedNamespaces::TooMany) => prop_assert!(nsids.len() > 1024),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn groups_survive_and_cuts_are_found(log in ana_log(), at in any::<prop::sample::Index>()) {
        let bytes = log.as_bytes();
        let again = AnaLog::new_checked(bytes).unwrap();
        prop_assert!(again.groups().eq(log.groups()) && again.groups().all(|group| group.is_ok()));
        let cut = at.index(bytes.len());
        match AnaLog::new_checked(&bytes[..cut]) {
            Ok(short) if log.group_count() > 0 => {
                let last = short.groups().last().unwrap();
                let found = matches!(last.map_err(|error| error.kind), Err(DecodeErrorKind::TooShort { have, .. }) if have == cut);
                prop_assert!(found, "cut at {}", cut);
            }
            Ok(_) => prop_assert!(cut >= 16),
            Err(_) => prop_assert!(cut < 16),
        }
    }

    #[test]
    fn extended_entries_survive(entry in extended_discovery_entry()) {
        let bytes = entry.as_bytes();
        let again = LogEntry::new_extended(bytes).unwrap();
        prop_assert_eq!(again.to_owned(), entry.clone());
        let attributes: Vec<_> = entry.attributes().map(Result::unwrap).collect();
        prop_assert_eq!(entry.with_attributes(&attributes), Ok(entry.clone()));
    }

    #[test]
    fn extended_logs_survive(log in extended_discovery_log(), at in any::<prop::sample::Index>()) {
        let page = log.encode();
        prop_assert_eq!(DiscoveryLog::decode(&page), Ok(log.clone()));
        prop_assert!(log.flags.contains(LogFlags::EXTENDED));
        prop_assert_eq!(u32::from_le_bytes(page[20..24].try_into().unwrap()) as usize, page.len());
        prop_assert!(DiscoveryLog::decode(&page[..at.index(page.len())]).is_err());
    }

    #[test]
    fn any_controller_keeps_its_bytes_and_power_states(mut view in identify_controller(), index in 0..32_u8) {
        let before = view.as_bytes().to_vec();
        let state = PowerState::new_checked(view.power_state(index).unwrap().as_bytes().to_vec()).unwrap();
        view.set_power_state(index, &state);
        prop_assert_eq!(view.as_bytes(), before);
        prop_assert!(!view.serial().contains(char::is_control));
    }

    #[test]
    fn pages_answer_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), choice in any::<u8>()) {
        log_pages(&[&[choice][..], &bytes].concat());
    }
}

proptest! {
    // Long inputs take long to make.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_answer_long_bytes(bytes in prop::collection::vec(any::<u8>(), 4096..8300), choice in any::<u8>()) {
        log_pages(&[&[choice][..], &bytes].concat());
    }
}
