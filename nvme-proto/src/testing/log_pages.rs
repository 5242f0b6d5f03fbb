//! Log pages and Identify's structures: values, and what must hold for any bytes a controller may answer with.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::discovery_entry;
use crate::DecodeErrorKind;
use crate::discovery::{
    DiscoveryEntry, DiscoveryLog, ExtendedAttribute, ExtendedAttributeType, LogEntry, LogFlags,
};
use crate::identify::*;
use crate::log::*;
use crate::types::Cntlid;

/// Any identifiers of a namespace.
pub fn namespace_ids() -> impl Strategy<Value = NamespaceIds> {
    let bytes = (option::of(any::<[u8; 8]>()), option::of(any::<[u8; 16]>()), option::of(any::<[u8; 16]>()));
    (bytes, option::of(any::<u8>())).prop_map(|((eui64, nguid, uuid), set)| NamespaceIds {
        eui64,
        nguid,
        uuid,
        command_set: set.map(CommandSet),
    })
}

/// A log of asymmetric access with up to 8 groups of up to 20 namespaces each.
pub fn ana_log() -> impl Strategy<Value = AnaLog<Vec<u8>>> {
    let group = (any::<u32>(), any::<u64>(), 0..16_u8, vec(any::<u32>(), 0..20));
    (any::<u64>(), vec(group, 0..8)).prop_map(|(change_count, groups)| {
        let mut log = AnaLog::empty(change_count);
        for (id, change_count, state, nsids) in groups {
            log.push(id, change_count, AnaState(state), &nsids);
        }
        log
    })
}

/// A discovery log entry with an extension of up to 4 attributes.
pub fn extended_discovery_entry() -> impl Strategy<Value = DiscoveryEntry> {
    let attribute = (any::<u16>(), vec(any::<[u8; 4]>(), 0..70));
    (discovery_entry(), vec(attribute, 0..4)).prop_filter_map("lengths that fit", |(entry, attributes)| {
        let attributes: Vec<_> = attributes
            .iter()
            .map(|(kind, value)| ExtendedAttribute {
                kind: ExtendedAttributeType(*kind),
                value: value.as_flattened(),
            })
            .collect();
        entry.with_attributes(&attributes).ok()
    })
}

/// A discovery log of up to 6 extended entries.
pub fn extended_discovery_log() -> impl Strategy<Value = DiscoveryLog> {
    (any::<u64>(), any::<u8>(), vec(extended_discovery_entry(), 0..6)).prop_map(
        |(generation, flags, entries)| {
            let mut log = DiscoveryLog::new(generation, entries);
            log.flags = LogFlags(flags) | LogFlags::EXTENDED;
            log
        },
    )
}

/// The first byte chooses a structure, the rest are its bytes, as they are and with zeros behind. Whatever they are, a view takes them or says
/// what it refuses; it keeps every byte; iterators end within the bytes; and what was read without an error, written anew, reads the same.
pub fn log_pages(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let mut padded = bytes.to_vec();
    padded.resize(padded.len().max(4096), 0);
    for bytes in [bytes, padded.as_slice()] {
        match choice % 8 {
            0 => fixed_pages(bytes),
            1 => counted_pages(bytes),
            2 => identify_structures(bytes),
            3 => identify_lists(bytes),
            4 => ana(bytes),
            5 => extended(bytes),
            6 => registrations(bytes),
            _ => persistent(bytes),
        }
    }
}

/// Views of a fixed length that take any bytes.
macro_rules! fixed {
    ($bytes:expr; $($view:ident)+) => {$(
        match $view::new_checked($bytes) {
            Ok(view) => {
                assert_eq!(Some(view.as_bytes()), $bytes.get(..$view::<&[u8]>::LEN));
                assert!(!format!("{view:?}").is_empty());
            }
            Err(error) => {
                assert!($bytes.len() < $view::<&[u8]>::LEN);
                assert!(matches!(error.kind, DecodeErrorKind::TooShort { .. }) && error.at == $bytes.len());
            }
        }
    )+};
}

fn fixed_pages(bytes: &[u8]) {
    fixed!(bytes; HealthLog EnduranceGroupLog FirmwareLog ErrorEntry SelfTestLog TelemetryLog ReservationLog SanitizeLog);
    if let Ok(log) = FirmwareLog::new_checked(bytes) {
        for slot in 0..=8 {
            assert!(log.revision_bytes(slot).len() <= 8);
        }
    }
    if let Ok(log) = SelfTestLog::new_checked(bytes) {
        assert!(log.results().count() <= 20);
    }
    if let Ok(log) = TelemetryLog::new_checked(bytes) {
        assert!((1..=4).all(|area| log.area(area).is_some_and(|range| range.start <= range.end)));
    }
    let errors = ErrorLog::new(bytes);
    assert!(
        errors.errors().count() <= errors.entries().count() && errors.entries().count() <= bytes.len() / 64
    );
}

fn counted_pages(bytes: &[u8]) {
    fixed!(bytes; EffectsLog FeatureEffectsLog SupportedLogPages ChangedZones);
    if let Ok(log) = EffectsLog::new_checked(bytes) {
        let mut again = EffectsLog::zeroed();
        log.admin_commands().for_each(|(opcode, effects)| again.set_admin(opcode, effects));
        log.io_commands().for_each(|(opcode, effects)| again.set_io(opcode, effects));
        assert_eq!(again.as_bytes().get(..2048), bytes.get(..2048));
    }
    if let Ok(list) = ChangedZones::new_checked(bytes) {
        let mut again = ChangedZones::zeroed();
        again.set_zones(list.zones());
        assert!(again.zones().eq(list.zones()) && list.zones().count() <= 511);
    }
    if let Ok(ChangedNamespaces::Listed(list)) = ChangedNamespaces::new_checked(bytes) {
        match ChangedNamespaces::of(list.ids()) {
            ChangedNamespaces::Listed(again) => assert!(again.ids().eq(list.ids())),
            ChangedNamespaces::TooMany => {
                assert!(list.ids().count() > 1024, "what fitted a page fits a page");
            }
        }
    }
    if let Ok(request) = PullModelRequest::new_checked(bytes) {
        let again = PullModelRequest::of(request.operation(), request.parameters());
        assert_eq!(again.parameters(), request.parameters());
        assert!(request.as_bytes().len() <= bytes.len());
    }
}

fn identify_structures(bytes: &[u8]) {
    fixed!(bytes; NvmNamespace NvmController ZonedNamespace ZonedController IndependentNamespace PrimaryCapabilities);
    if let Ok(view) = IdentifyController::new_checked(bytes) {
        for state in view.supported_power_states() {
            let _ = (state.max_microwatts(), state.idle_microwatts(), state.active_microwatts());
        }
        assert!((1..=32).contains(&view.supported_power_states().count()));
    }
    if let Ok(view) = NvmController::new_checked(bytes) {
        let _ = bytes.iter().take(25).map(|limit| view.limit_bytes(*limit, 12)).collect::<Vec<_>>();
    }
    let descriptors = NamespaceDescriptors::new(bytes).count();
    // The smallest descriptor has 5 bytes.
    assert!(descriptors <= 4096 / 5 + 1);
    if let Ok(ids) = NamespaceIds::decode(bytes) {
        assert_eq!(NamespaceIds::decode(&ids.encode()), Ok(ids));
    }
}

fn identify_lists(bytes: &[u8]) {
    fixed!(bytes; NamespaceList UuidList CommandSetCombinations);
    macro_rules! counted {
        ($view:ident, $max:literal, $items:ident) => {
            match $view::new_checked(bytes) {
                Ok(list) => {
                    assert!(list.$items().count() <= $max);
                    assert!(!format!("{list:?}").is_empty());
                    Some(list)
                }
                Err(error) => {
                    assert!(bytes.len() < 4096 || matches!(error.kind, DecodeErrorKind::Limit { .. }));
                    None
                }
            }
        };
    }
    let controllers = counted!(ControllerList, 2047, ids);
    let groups = counted!(EnduranceGroupList, 2047, ids);
    counted!(NvmSetList, 31, sets);
    counted!(DomainList, 31, domains);
    counted!(SecondaryControllerList, 127, controllers);
    counted!(GranularityList, 16, descriptors);
    if let (Some(controllers), Some(groups)) = (controllers, groups) {
        let again = ControllerList::of(controllers.ids());
        assert!(again.ids().eq(controllers.ids()));
        assert!(groups.ids().map(Cntlid).eq(controllers.ids()), "both are laid out alike");
    }
    if let Ok(list) = NamespaceList::new_checked(bytes) {
        assert!(NamespaceList::of(list.ids()).ids().eq(list.ids()));
    }
}

fn ana(bytes: &[u8]) {
    let Ok(log) = AnaLog::new_checked(bytes) else {
        assert!(bytes.len() < 16);
        return;
    };
    assert!(!format!("{log:?}").is_empty());
    let groups: Vec<_> = log.groups().collect();
    assert!(groups.len() <= (bytes.len() / 32).saturating_add(1));
    let good: Vec<_> = groups.iter().filter_map(|group| group.ok()).collect();
    assert!(good.len().saturating_add(1) >= groups.len(), "an error ends the list");
    let mut again = AnaLog::empty(log.change_count());
    for group in &good {
        again.push(group.id, group.change_count, group.state, &group.nsids().collect::<Vec<_>>());
    }
    assert!(again.as_bytes().len() <= bytes.len());
    let reread: Vec<_> = again.groups().filter_map(Result::ok).collect();
    assert!(reread.len() == good.len() && again.groups().count() == good.len());
    for (one, other) in reread.iter().zip(&good) {
        assert!(one.id == other.id && one.state == other.state && one.nsids().eq(other.nsids()));
    }
}

fn extended(bytes: &[u8]) {
    if let Ok(log) = DiscoveryLog::decode(bytes) {
        let page = log.encode();
        assert!(page.len() <= bytes.len());
        assert_eq!(DiscoveryLog::decode(&page).as_ref(), Ok(&log));
    }
    let Ok(entry) = LogEntry::new_extended(bytes) else { return };
    assert!(entry.as_bytes().len() >= 1032 && entry.as_bytes().len() <= bytes.len());
    assert_eq!(entry.to_owned().as_bytes(), entry.as_bytes());
    let attributes: Vec<_> = entry.attributes().collect();
    assert!(attributes.len() <= entry.as_bytes().len() / 4);
    if let Ok(attributes) = attributes.into_iter().collect::<Result<Vec<_>, _>>()
        && let Ok(again) = entry.with_attributes(&attributes)
    {
        assert!(again.attributes().eq(attributes.into_iter().map(Ok)));
        assert_eq!(again.encode(), entry.encode());
    }
}

fn registrations(bytes: &[u8]) {
    if let Ok(header) = RegistrationLogHeader::decode(bytes) {
        assert_eq!(RegistrationLogHeader::decode(&header.encode()), Ok(header));
    }
    if let Ok(entries) = HostEntries::new(bytes) {
        assert!(entries.clone().count() <= (bytes.len() / 1032).saturating_add(1));
        for entry in entries.filter_map(Result::ok) {
            let _ = (entry.hostnqn(), entry.traddr(), entry.attributes().count(), entry.tcp_security());
            assert!(!format!("{entry:?}").is_empty());
        }
    }
    if let Ok(entries) = AveEntries::new(bytes) {
        assert!(entries.clone().count() <= (bytes.len() / 232).saturating_add(1));
        for entry in entries.filter_map(Result::ok) {
            let records: Vec<_> = entry.records().collect();
            if let Ok(nqn) = entry.nqn() {
                let again = AveEntry::encode(&nqn, &records);
                assert!(again.len() <= entry.as_bytes().len());
            }
        }
    }
}

fn persistent(bytes: &[u8]) {
    fixed!(bytes; PersistentEventLog);
    if let Ok(log) = PersistentEventLog::new_checked(bytes) {
        assert!(!log.subnqn_text().contains(char::is_control));
        let _ = (log.subnqn(), (0..=255).filter(|event| log.supports(PersistentEventType(*event))).count());
    }
    if let Ok(events) = PersistentEvents::new(bytes) {
        assert!(events.clone().count() <= (bytes.len() / 24).saturating_add(1));
        for event in events.filter_map(Result::ok) {
            assert!(event.vendor.len().saturating_add(event.data.len()) <= bytes.len());
        }
    }
}

/// Any Identify Controller: bytes from a seed, serial, model and firmware being text.
pub fn identify_controller() -> impl Strategy<Value = IdentifyController<Box<[u8]>>> {
    (any::<u64>(), "[ -~]{0,20}", "[ -~]{0,40}", "[ -~]{0,8}").prop_filter_map(
        "4096 bytes",
        |(seed, serial, model, firmware)| {
            // 512 numbers of 8 bytes: a linear congruential generator is random enough.
            let next =
                |x: &u64| Some(x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f));
            let numbers = core::iter::successors(Some(seed), next).take(512);
            let bytes: Box<[u8]> = numbers.flat_map(u64::to_be_bytes).collect();
            let mut view = IdentifyController::new_checked(bytes).ok()?;
            view.set_serial(serial.as_bytes());
            view.set_model(model.as_bytes());
            view.set_firmware(firmware.as_bytes());
            Some(view)
        },
    )
}
