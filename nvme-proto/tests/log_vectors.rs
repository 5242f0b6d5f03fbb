//! Log pages from a real target, read, written back, cut short and changed.

mod common;

use nvme_proto::log::{
    AnaLog, AnaState, CommandEffects, CriticalWarning, EffectsLog, ErrorEntry, ErrorLog, HealthLog,
};
use nvme_proto::{DecodeErrorKind, Status, TransportType};

#[test]
fn ana_log_of_a_linux_target() {
    let bytes = common::log_ana();
    let log = AnaLog::new_checked(bytes.as_slice()).unwrap();
    assert_eq!((log.change_count(), log.group_count()), (0, 1));
    let groups: Vec<_> = log.groups().map(Result::unwrap).collect();
    assert_eq!((groups.len(), groups[0].id, groups[0].change_count), (1, 1, 0));
    assert_eq!((groups[0].state, groups[0].nsids().collect::<Vec<_>>()), (AnaState::OPTIMIZED, vec![1, 7]));
    // Written back; the buffer was larger than the log.
    let mut made = AnaLog::empty(0);
    made.push(1, 0, AnaState::OPTIMIZED, &[1, 7]);
    let made = made.into_inner();
    assert_eq!(made, bytes[..made.len()]);
    assert!(bytes[made.len()..].iter().all(|byte| *byte == 0));
}

#[test]
fn ana_log_of_two_groups() {
    let bytes = common::log_ana_made();
    let log = AnaLog::new_checked(bytes.as_slice()).unwrap();
    let groups: Vec<_> = log
        .groups()
        .map(|group| {
            let group = group.unwrap();
            (group.id, group.change_count, group.state, group.nsids().collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(groups, [(1, 2, AnaState::OPTIMIZED, vec![1, 7]), (2, 3, AnaState::INACCESSIBLE, vec![])]);
    let mut made = AnaLog::empty(3);
    for (id, count, state, nsids) in groups {
        made.push(id, count, state, &nsids);
    }
    assert_eq!(made.into_inner(), bytes);
}

#[test]
fn every_changed_byte_of_an_ana_log_shows_or_is_refused() {
    let bytes = common::log_ana_made();
    let show = |bytes: &[u8]| format!("{:?}", AnaLog::new_checked(bytes).unwrap());
    let before = show(&bytes);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            // Reserved: behind the header's count, and behind the states, of which the lower half counts.
            let reserved = matches!(at, 10..=15 | 33..=47 | 73..=87) || matches!((at, bit), (32 | 72, 4..));
            assert_eq!(show(&changed) == before, reserved, "byte {at} bit {bit}");
            let log = AnaLog::new_checked(changed).unwrap();
            assert!(log.groups().count() <= 3);
            for error in log.groups().filter_map(Result::err) {
                assert!(matches!(error.kind, DecodeErrorKind::TooShort { have: 88, .. }), "{error}");
            }
        }
    }
}

#[test]
fn effects_of_a_linux_target() {
    let bytes = common::log_effects();
    let log = EffectsLog::new_checked(bytes.as_slice()).unwrap();
    let admin: Vec<_> = log.admin_commands().map(|(opcode, _)| opcode).collect();
    assert_eq!(admin, [0x02, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x18]);
    let io: Vec<_> = log.io_commands().collect();
    let (read, write) =
        (CommandEffects::SUPPORTED, CommandEffects::SUPPORTED | CommandEffects::BLOCK_CONTENT);
    assert_eq!(io, [(0x00, read), (0x01, write), (0x02, read), (0x08, write), (0x09, read)]);
    let mut made = EffectsLog::zeroed();
    for (opcode, effects) in log.admin_commands() {
        made.set_admin(opcode, effects);
    }
    for (opcode, effects) in log.io_commands() {
        made.set_io(opcode, effects);
    }
    assert_eq!(made.as_bytes(), bytes);
}

#[test]
fn health_of_a_linux_target() {
    let bytes = common::log_health();
    let log = HealthLog::new_checked(bytes.as_slice()).unwrap();
    // A memory disk counts nothing; one error is in the log.
    assert_eq!((log.warning(), log.temperature(), log.error_entries()), (CriticalWarning::NONE, 0, 1));
    let mut made = HealthLog::zeroed();
    made.set_error_entries(1);
    assert_eq!(made.as_bytes(), bytes);
}

#[test]
fn errors_of_a_linux_target() {
    let log = ErrorLog::new(common::log_error());
    assert_eq!(log.entries().count(), 64);
    let errors: Vec<_> = log.errors().collect();
    assert_eq!(errors.len(), 1);
    let error = errors[0];
    assert_eq!((error.count(), error.queue_id(), error.command_id()), (1, 0, 0x2004));
    assert_eq!(error.status(), Status::INVALID_FIELD.with_dnr());
    // The CNS, in command dword 10.
    assert_eq!(
        (error.parameter(), error.nsid(), error.transport_type()),
        (Some((40, 0)), 1, TransportType(0))
    );
    let mut made = ErrorEntry::zeroed();
    made.set_count(1);
    made.set_command_id(0x2004);
    made.set_status(Status::INVALID_FIELD.with_dnr());
    made.set_parameter_location(40);
    made.set_nsid(1);
    assert_eq!(made.as_bytes(), &common::log_error()[..64]);
}

#[test]
fn an_error_with_the_fields_linux_leaves_zero() {
    let bytes = common::log_error_made();
    let entry = ErrorEntry::new_checked(bytes.as_slice()).unwrap();
    assert_eq!((entry.count(), entry.queue_id(), entry.command_id()), (1, 0, 5));
    assert_eq!((entry.status_and_phase(), entry.status()), (0x8005, Status::INVALID_FIELD.with_dnr()));
    assert_eq!((entry.parameter(), entry.lba(), entry.nsid()), (Some((40, 0)), 0, u32::MAX));
    assert_eq!((entry.transport_type(), entry.opcode(), entry.version()), (TransportType::TCP, 0x0a, 0));
    assert_eq!(entry.as_bytes(), bytes);
}

/// Pages of a fixed length are refused below it, at every length, and show each changed byte where a field is.
#[test]
fn fixed_pages_cut_short_are_refused() {
    macro_rules! check {
        ($view:ident, $bytes:expr) => {{
            let bytes = $bytes;
            let len = $view::<&[u8]>::LEN;
            for have in 0..len {
                let error = $view::new_checked(&bytes[..have]).unwrap_err();
                assert_eq!((error.at, error.kind), (have, DecodeErrorKind::TooShort { need: len, have }));
            }
            let longer = [&bytes[..], &[0xff; 3]].concat();
            assert_eq!($view::new_checked(longer.as_slice()).unwrap().as_bytes(), &bytes[..len]);
        }};
    }
    check!(EffectsLog, common::log_effects());
    check!(HealthLog, common::log_health());
    check!(ErrorEntry, common::log_error_made());
}
