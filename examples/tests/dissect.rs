//! The dissector on captures of real kernels, and on what packets may suffer on their way into a capture.

mod common;

use std::collections::BTreeMap;

use common::{Found, capture, dissect, file, packets};

/// The captures whose packets are whole.
const WHOLE: &[&str] = &["plain", "io", "hdrdigest", "digests", "auth", "authbad", "denied", "discover"];

#[test]
fn captures_of_a_real_kernel_obey_every_rule_and_encode_to_the_same_bytes() {
    let mut total = 0;
    for name in WHOLE {
        let found = dissect(&capture(name));
        assert_eq!(found.rules, [""; 0], "{name}: {}", found.text());
        assert_eq!(
            (found.passed.len(), found.holes, found.differing, found.broken),
            (0, 0, 0, false),
            "{name}"
        );
        assert!(found.count() >= 8, "{name}: {}", found.count());
        total += found.count();
    }
    assert_eq!(total, 355);
}

#[test]
fn what_is_in_them_is_said_in_words() {
    for (name, words) in [
        (
            "denied",
            "this host is not allowed to connect to the subsystem: Connect Invalid Host (SCT 1 SC 0x84, do not retry)",
        ),
        ("denied", "no subsystem of this NQN at this address: Connect Invalid Parameters"),
        ("denied", "subnqn=nqn.2024-01.org.example:nothere"),
        ("authbad", "AUTH_Failure1: reason=\"authentication failure\" explanation=\"authentication failed\""),
        ("authbad", "DH-HMAC-CHAP_Challenge: hash=sha256 group=ffdhe2048"),
        ("auth", "authentication_required=true"),
        ("auth", "DH-HMAC-CHAP_Success2"),
        ("plain", "Property Set CC"),
        ("plain", "version=1.3.0"),
        ("plain", "IdentifyController: serial=96f8a7bc500a8689bc34 model=Linux firmware=6.12.107"),
        ("plain", "block_bytes=512"),
        ("plain", "AnaLog: change_count=0 group_count=1 groups=[\"1 optimized [1, 7]\"]"),
        ("io", "Read: nsid=1 lba=0 blocks_less_one=7"),
        ("plain", "(798.000 us)"),
        ("digests", "ICReq header_digest=true data_digest=true"),
        ("discover", "DiscoveryLog: generation=6 records=3"),
        ("discover", "nvme subsystem tcp 127.0.0.1:4420 port 1 cntlid 65535 nqn.2024-01.org.example:disk1"),
    ] {
        let text = dissect(&capture(name)).text();
        assert!(text.contains(words), "{name}: {words}\n{text}");
    }
}

#[test]
fn names_give_no_commands_to_a_terminal() {
    let (name, nasty) = (b"org.example:nothere", b"org.\x1b[2J\x07\x7f\xc2\x9b31mhere");
    let original = capture("denied");
    let at = original.windows(name.len()).position(|bytes| bytes == name).unwrap();
    let mut bytes = original;
    bytes[at..at + name.len()].copy_from_slice(nasty);
    let found = dissect(&bytes);
    let all = found.lines.iter().chain(found.pdus.values().flatten());
    for line in all {
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    assert!(found.text().contains("[2J"), "the name is not shown: {}", found.text());
}

#[test]
fn the_order_of_packets_does_not_matter_as_long_as_none_is_lost() {
    for name in WHOLE {
        let (head, original) = packets(&capture(name));
        let expected = dissect(&capture(name));
        for seed in 0..6_u64 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut packets: Vec<(usize, Vec<u8>)> = Vec::new();
            for (at, packet) in original.iter().enumerate() {
                // Up to 6 places early or late, and sometimes twice.
                packets.push((at + random.usize(..7), packet.clone()));
                if random.u8(..4) == 0 {
                    packets.push((at + random.usize(..7), packet.clone()));
                }
            }
            packets.sort_by_key(|(at, _)| *at);
            let packets: Vec<Vec<u8>> = packets.into_iter().map(|(_, packet)| packet).collect();
            let found = dissect(&file(&head, &packets));
            assert_eq!(found.rules, [""; 0], "{name} {seed}: {}", found.text());
            assert_eq!(found.passed, [], "{name} {seed}");
            // Connections are numbered as they are found.
            let sorted = |found: &Found| {
                let strip = |pdu: &String| pdu.replacen("\"connection\":2", "\"connection\":1", 1);
                let mut all: Vec<Vec<String>> =
                    found.pdus.values().map(|pdus| pdus.iter().map(strip).collect()).collect();
                all.sort();
                all
            };
            assert_eq!(sorted(&found), sorted(&expected), "{name} {seed}");
        }
    }
}

#[test]
fn lost_packets_are_gaps_and_never_violations() {
    for name in WHOLE {
        let (head, original) = packets(&capture(name));
        let all = dissect(&capture(name));
        for lost in 0..original.len() {
            let mut packets = original.clone();
            packets.remove(lost);
            let found = dissect(&file(&head, &packets));
            assert_eq!(found.rules, [""; 0], "{name} without packet {lost}: {}", found.text());
            let pdus = found.count() + found.passed.len();
            assert!(pdus + 8 >= all.count(), "{name} without packet {lost}: {pdus} of {}", all.count());
        }
    }
}

#[test]
fn packets_cut_by_a_snapshot_length_show_what_is_there() {
    let found = dissect(&capture("snapped"));
    assert_eq!(found.rules, [""; 0], "{}", found.text());
    assert!(found.count() > 150 && found.holes > 10, "{} {}", found.count(), found.holes);
    let text = found.text();
    assert!(text.contains("R2T") && text.contains("H2CData"), "{text}");
    assert!(text.contains("(some data are not in the capture)"), "{text}");
}

#[test]
fn a_capture_that_begins_in_the_middle_is_read_from_there() {
    for name in ["plain", "hdrdigest"] {
        let (head, packets) = packets(&capture(name));
        for first in [8, 15, 20] {
            let found = dissect(&file(&head, &packets[first..]));
            assert_eq!(found.rules, [""; 0], "{name} from {first}: {}", found.text());
            assert!(found.count() > 20, "{name} from {first}: {}", found.text());
            assert!(found.text().contains("from the middle on"));
        }
    }
}

/// Bits of the first 24 bytes of a PDU of each type turned over: with header digests every one of them is named.
#[test]
fn turned_bits_are_named() {
    let (head, original) = packets(&capture("digests"));
    // IPv6 without options: 14 + 40 + 32 bytes before the payload, 16 of pcap's own.
    let start = 16 + 14 + 40 + 32;
    let mut named = BTreeMap::<String, usize>::new();
    for pdu_type in [0, 1, 4, 5, 7] {
        let is_pdu = |packet: &Vec<u8>| packet.len() >= start + 24 && packet[start] == pdu_type;
        let at = original.iter().position(is_pdu).unwrap();
        for bit in 0..24 * 8 {
            let mut packets = original.get(..=at + 2).unwrap().to_vec();
            packets[at][start + bit / 8] ^= 1 << (bit % 8);
            let found = dissect(&file(&head, &packets));
            for rule in &found.rules {
                *named.entry(rule.clone()).or_default() += 1;
            }
            // The handshake has no digest: other values may be as good.
            assert!(
                pdu_type < 2 || !found.rules.is_empty(),
                "bit {bit} of type {pdu_type}: {}",
                found.text()
            );
        }
    }
    for rule in [
        "HeaderDigest",
        "HeaderDigestFlag",
        "DataDigestFlag",
        "HeaderLen",
        "PduLen",
        "PduTooLong",
        "DataPlace",
        "WrongDirection",
        "UnknownType",
        "BeforeHandshake",
        "SecondHandshake",
        "Version",
        "Alignment",
        "MaxH2cData",
        "DigestNotRequested",
    ] {
        assert!(named.contains_key(rule), "{rule}: {named:?}");
    }
}

#[test]
fn turned_bits_of_data_are_found_by_their_digest() {
    let (head, mut packets) = packets(&capture("digests"));
    let start = 16 + 14 + 40 + 32;
    let at = packets.iter().position(|packet| packet.get(start) == Some(&7)).unwrap();
    packets[at][start + 100] ^= 1;
    let found = dissect(&file(&head, &packets));
    assert_eq!(found.rules, ["DataDigest"]);
    assert!(found.text().contains("VIOLATION DataDigest at byte"), "{}", found.text());
    assert!(found.text().contains("Transient Transport Error"));
}

#[test]
fn no_file_makes_it_panic() {
    for name in ["denied", "snapped", "discover"] {
        let original = capture(name);
        for seed in 0..60 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bytes = original.clone();
            for _ in 0..random.usize(1..40) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()));
            dissect(&bytes);
        }
        for len in 0..200 {
            dissect(&original[..len]);
        }
        let cut = dissect(&original[..original.len() - 5]);
        assert!(cut.broken && cut.count() > 0);
    }
    assert!(dissect(b"not a capture").broken && dissect(b"").broken);
}
