//! Every vector cut short at every length, and changed at every byte.

mod common;

use nvme_proto::discovery::{DiscoveryLog, LogEntry, LogHeader};
use nvme_proto::identify::{IdentifyController, IdentifyNamespace};
use nvme_proto::{DecodeError, DecodeErrorKind};

/// Decodes every prefix: below `need` bytes the error says so, from there on it decodes.
fn truncate<T>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
    need: impl Fn(usize) -> usize,
) {
    for have in 0..=bytes.len() {
        match decode(&bytes[..have]) {
            Ok(_) => assert!(have >= need(have), "{have} bytes decode, {} are needed", need(have)),
            Err(error) => {
                assert!(have < need(have), "{have} bytes do not decode: {error}");
                assert_eq!(
                    (error.at, error.kind),
                    (have, DecodeErrorKind::TooShort { need: need(have), have })
                );
            }
        }
    }
}

#[test]
fn every_prefix_is_refused_with_its_length() {
    truncate(&common::identify_controller_io(), |b| IdentifyController::new_checked(b.to_vec()), |_| 4096);
    truncate(&common::identify_namespace(), |b| IdentifyNamespace::new_checked(b.to_vec()), |_| 4096);
    truncate(&common::discovery_entries_3(), |b| LogEntry::new_checked(b.to_vec()), |_| 1024);
    truncate(&common::discovery_header_3(), LogHeader::decode, |_| 20);
    for page in common::discovery_pages() {
        let whole = page.len();
        // A page tells its length step by step: the short header, the header, the entries it counts.
        let need = |have| match have {
            0..20 => 20,
            20..1024 => 1024,
            _ => whole,
        };
        truncate(&page, DiscoveryLog::decode, need);
    }
}

/// Calls `check` with each byte of `bytes` changed in each of several ways.
fn mutate(bytes: &[u8], mut check: impl FnMut(usize, &[u8])) {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() {
        let original = bytes[at];
        for changed in
            [original ^ 0x01, original ^ 0x80, original ^ 0xff, original.wrapping_add(1), b'/', b'\n']
        {
            if changed != original {
                bytes[at] = changed;
                check(at, &bytes);
            }
        }
        bytes[at] = original;
    }
}

/// Bytes whose change shows in the fields of Identify Controller.
fn shows_in_controller(at: usize) -> bool {
    matches!(at,
        0..=102 | 104..=107 | 110..=134 | 253..=358 | 360..=361 | 368..=384 | 386..=387 | 512..=576 | 578..=587 | 768..=1023
        | 1792..=1806 | 2048..=2049 | 2051..=2066 | 2068..=2075)
}

#[test]
fn every_changed_byte_of_identify_shows_where_a_field_is_and_nowhere_else() {
    for bytes in [common::identify_controller_io(), common::identify_controller_made()] {
        let before = format!("{:?}", IdentifyController::new_checked(&bytes).unwrap());
        mutate(&bytes, |at, changed| {
            let view = IdentifyController::new_checked(changed).unwrap();
            assert_eq!(view.as_bytes(), changed);
            let same = format!("{view:?}") == before;
            if !shows_in_controller(at) {
                assert!(same, "byte {at} is no field, and its change shows");
            } else if !(4..72).contains(&at) && at < 768 || at >= 1792 {
                // Text shows its changes only in front of its padding.
                assert!(!same, "byte {at} is a field, and its change does not show");
            }
            let _ = (view.subnqn(), view.max_data_bytes(changed[at]));
        });
    }
}

#[test]
fn every_changed_byte_of_a_namespace_shows_where_a_field_is_and_nowhere_else() {
    let bytes = common::identify_namespace();
    let before = format!("{:?}", IdentifyNamespace::new_checked(&bytes).unwrap());
    mutate(&bytes, |at, changed| {
        let view = IdentifyNamespace::new_checked(changed).unwrap();
        let same = format!("{view:?}") == before;
        match at {
            // The format in use; of its last byte two bits count.
            0..=82 | 84..=87 | 92..=95 | 99..=130 => assert!(!same, "byte {at}"),
            131 => assert_eq!(same, changed[at] & 3 == 0, "byte {at}"),
            _ => assert!(same, "byte {at}"),
        }
        let _ = (view.block_bytes(), view.size_bytes());
    });
}

#[test]
fn every_changed_byte_of_a_log_is_kept_or_refused() {
    for page in common::discovery_pages() {
        let records = page.len() / 1024 - 1;
        let before = DiscoveryLog::decode(&page).unwrap();
        mutate(&page, |at, changed| match DiscoveryLog::decode(changed) {
            Ok(log) if at < 1024 => {
                // The header: the generation, a smaller count, or bytes that mean nothing to a reader.
                assert!(
                    log.entries.len() <= records && log.entries == before.entries[..log.entries.len()],
                    "byte {at}"
                );
                assert_eq!(log.generation != before.generation, at < 8, "byte {at}");
            }
            Ok(log) => {
                assert_ne!(log, before, "byte {at}");
                assert_eq!(log.encode()[1024..], changed[1024..], "byte {at}");
                for entry in &log.entries {
                    let _ = (entry.subnqn(), entry.traddr(), entry.trsvcid(), format!("{entry:?}"));
                }
            }
            Err(error) => {
                assert!(matches!(at, 8..=18), "byte {at}: {error}");
                let expected = match at {
                    8..16 => {
                        matches!(error.kind, DecodeErrorKind::TooShort { have, .. } if have == changed.len())
                    }
                    16..18 => {
                        matches!(error.kind, DecodeErrorKind::Unsupported { field: "RECFMT", .. })
                            && error.at == 16
                    }
                    // The entries become extended ones, for which the page is too short.
                    _ => changed[18] & 1 == 1 && error.at == changed.len(),
                };
                assert!(expected, "byte {at}: {error}");
            }
        });
    }
}
