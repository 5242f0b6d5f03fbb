//! The dissector on captures of real kernels, on captures of our own encoder, and on broken ones.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddrV4;
use std::path::Path;
use std::process::Command;

use nvme_examples::dissect::authentication::Keys;
use nvme_examples::dissect::event::{Completeness, Event, SeenPdu, What, Why};
use nvme_examples::dissect::output::{self, Text};
use nvme_examples::dissect::record::{Conversation, pcap};
use nvme_examples::dissect::{self, Options};
use nvme_proto::auth::{
    AuthRandom, ControllerAuthConfig, ControllerAuthentication, DhGroupId, DhchapSecret, HostAuthConfig,
    HostAuthentication, HostStep,
};
use nvme_proto::command::io::{Read, Write};
use nvme_proto::cqe::Cqe;
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::{AuthenticationReceive, AuthenticationSend, Connect, ConnectData};
use nvme_proto::frame::Transmit;
use nvme_proto::pdu::{
    C2hData, CapsuleCmd, CapsuleResp, Format, H2cData, Header, IcReq, IcResp, PduHeader, R2t, Role,
};
use nvme_proto::sgl::Sgl;
use nvme_proto::sqe::Sqe;
use nvme_proto::{Cntlid, DataAlignment, HostId, HostNqn, SubsysNqn};

/// The captures whose packets are whole.
const WHOLE: &[&str] = &["plain", "io", "hdrdigest", "digests", "auth", "authbad", "denied", "discover"];

fn capture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/captures/{name}.pcap"));
    std::fs::read(&path).unwrap()
}

/// What was found in a capture.
#[derive(Debug, Default)]
struct Found {
    /// Lines of text.
    lines: Vec<String>,
    /// PDUs as JSON without time and latency, by connection and sender.
    pdus: BTreeMap<(u64, String), Vec<String>>,
    rules: Vec<String>,
    passed: Vec<(Why, u64)>,
    holes: usize,
    /// PDUs that encode to other bytes: only reserved bytes of headers, wrong digests and missing bytes make them.
    differing: usize,
    broken: bool,
}

impl Found {
    fn count(&self) -> usize {
        self.pdus.values().map(Vec::len).sum()
    }

    fn text(&self) -> String {
        self.lines.join("\n")
    }
}

fn reencoded(pdu: &SeenPdu<'_>) -> Vec<u8> {
    fn with<H: PduHeader>(header: &H, data: &[u8]) -> Vec<u8> {
        Transmit::verbatim(header, data).chunks().concat()
    }
    match pdu.header {
        Header::IcReq(h) => with(&h, pdu.data),
        Header::IcResp(h) => with(&h, pdu.data),
        Header::TermReq(h) => with(&h, pdu.data),
        Header::CapsuleCmd(h) => with(&h, pdu.data),
        Header::CapsuleResp(h) => with(&h, pdu.data),
        Header::H2cData(h) => with(&h, pdu.data),
        Header::C2hData(h) => with(&h, pdu.data),
        Header::R2t(h) => with(&h, pdu.data),
        other => panic!("{other:?}"),
    }
}

fn dissect_with(file: &[u8], keys: Keys) -> Found {
    let mut found = Found::default();
    let mut text = Text::default();
    let mut temporary = tempfile::NamedTempFile::new().unwrap();
    temporary.write_all(file).unwrap();
    let mut sink = |event: &Event<'_>| {
        found.lines.push(text.line(event));
        let mut json = output::json(event);
        match &event.what {
            What::Pdu(pdu) => {
                found.differing += usize::from(reencoded(pdu) != pdu.bytes);
                found.holes += usize::from(pdu.completeness == Completeness::Holes);
                let map = json.as_object_mut().unwrap();
                map.remove("time");
                map.remove("latency_ns");
                let key = (map["connection"].as_u64().unwrap(), map["from"].as_str().unwrap().to_owned());
                found.pdus.entry(key).or_default().push(json.to_string());
            }
            What::Violation(violation) => found.rules.push(violation.rule.clone()),
            What::Passed(passed) => found.passed.push((passed.why, passed.bytes)),
            What::Opened(_) => {}
        }
        Ok(())
    };
    let options = Options { ports: vec![4420, 4421], keys };
    let broken = dissect::file(temporary.path(), options, &mut sink).is_err();
    found.broken = broken;
    found
}

fn dissect(file: &[u8]) -> Found {
    dissect_with(file, Keys::default())
}

/// The packets of a pcap file with little-endian headers.
fn packets(file: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (head, mut rest) = file.split_at(24);
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let len = 16 + u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        packets.push(rest[..len].to_vec());
        rest = &rest[len..];
    }
    (head.to_vec(), packets)
}

fn file(head: &[u8], packets: &[Vec<u8>]) -> Vec<u8> {
    [head, &packets.concat()].concat()
}

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

/// A queue made by our encoder.
struct Queue {
    conversation: Conversation,
    format: Format,
}

impl Queue {
    fn new() -> Self {
        let end = |text: &str| text.parse::<SocketAddrV4>().unwrap();
        // A port that nobody knows: the beginning tells what it is.
        let conversation = Conversation::open(end("192.0.2.1:40000"), end("192.0.2.2:23456"));
        let mut queue = Self { conversation, format: Format::PLAIN };
        let digests = Digests::BOTH;
        queue.send(Role::Host, IcReq::new(DataAlignment::DWORD, digests, 0), b"");
        queue.send(Role::Controller, IcResp::new(DataAlignment::DWORD, digests, 4096), b"");
        queue.format = Format { digests, ..Format::PLAIN };
        queue
    }

    fn send<H: PduHeader>(&mut self, from: Role, header: H, data: &[u8]) {
        let pdu = Transmit::new(header, self.format, data).unwrap().chunks().concat();
        self.conversation.send(from, &pdu);
    }

    fn command(&mut self, sqe: Sqe, data: &[u8]) {
        let sgl = if data.is_empty() { sqe.sgl } else { Sgl::in_capsule(data.len().try_into().unwrap()) };
        self.send(Role::Host, CapsuleCmd::new(sqe.with_sgl(sgl).encode()), data);
    }

    fn complete(&mut self, cqe: Cqe) {
        self.send(Role::Controller, CapsuleResp::new(cqe.encode()), b"");
    }

    fn connect(&mut self, connect: Connect) {
        let host_id = HostId::from_bytes([7; 16]);
        let data = ConnectData::new(host_id, Cntlid::DYNAMIC, &subsystem(), &HostNqn::from_uuid(host_id));
        self.command(connect.to_sqe(), data.as_bytes());
        self.complete(Cqe::success(0).with_dw0(1));
    }

    fn found(&self) -> Found {
        dissect(&self.conversation.pcap())
    }
}

fn subsystem() -> SubsysNqn {
    SubsysNqn::new("nqn.2024-01.org.example:disk1").unwrap()
}

fn write(cid: u16, len: u32) -> Sqe {
    Write::new(1, 0, 7).to_sqe().with_cid(cid).with_sgl(Sgl::transport(len))
}

fn read(cid: u16, len: u32) -> Sqe {
    Read::new(1, 0, 7).to_sqe().with_cid(cid).with_sgl(Sgl::transport(len))
}

#[test]
fn transfers_that_obey_the_rules() {
    let mut queue = Queue::new();
    queue.connect(Connect::io(1, 31));
    queue.command(write(1, 8192), b"");
    for part in [0, 4096] {
        queue.send(Role::Controller, R2t::new(1, 9, part, 4096), b"");
        queue.send(Role::Host, H2cData::new(1, 9, part, 2048), &[5; 2048]);
        queue.send(Role::Host, H2cData::new(1, 9, part + 2048, 2048).last(), &[6; 2048]);
    }
    queue.complete(Cqe::success(1));
    queue.command(read(1, 4096), b"");
    queue.send(Role::Controller, C2hData::new(1, 0, 4096).success(), &[7; 4096]);
    queue.conversation.close();
    let found = queue.found();
    assert_eq!(found.rules, [""; 0], "{}", found.text());
    assert_eq!((found.count(), found.differing), (14, 0));
    assert!(found.text().contains("Read: success, without a completion"), "{}", found.text());
}

#[test]
fn violations_between_pdus_are_named() {
    type Wrong = fn(&mut Queue);
    let rules: [(&str, Wrong); 13] = [
        ("DuplicateCommand", |q| {
            q.command(read(1, 4096), b"");
            q.command(read(1, 4096), b"");
        }),
        ("UnknownCompletion", |q| q.complete(Cqe::success(9))),
        ("UnknownCommand", |q| q.send(Role::Controller, C2hData::new(9, 0, 4).last(), b"abcd")),
        ("UnknownTag", |q| q.send(Role::Host, H2cData::new(9, 9, 0, 4).last(), b"abcd")),
        ("NoDataExpected", |q| {
            q.command(write(1, 8), b"");
            q.send(Role::Controller, C2hData::new(1, 0, 4).last(), b"abcd");
        }),
        ("OutOfOrder", |q| {
            q.command(read(1, 8), b"");
            q.send(Role::Controller, C2hData::new(1, 4, 4).last(), b"abcd");
        }),
        ("OutOfRange", |q| {
            q.command(write(1, 8), b"");
            q.send(Role::Controller, R2t::new(1, 1, 0, 12), b"");
        }),
        ("R2tLimit", |q| {
            q.command(write(1, 8), b"");
            q.send(Role::Controller, R2t::new(1, 1, 0, 4), b"");
            q.send(Role::Controller, R2t::new(1, 2, 4, 4), b"");
        }),
        ("LastFlag", |q| {
            q.command(write(1, 8), b"");
            q.send(Role::Controller, R2t::new(1, 1, 0, 8), b"");
            q.send(Role::Host, H2cData::new(1, 1, 0, 8), b"abcdefgh");
        }),
        ("ForeignTag", |q| {
            q.command(write(1, 8), b"");
            q.send(Role::Controller, R2t::new(1, 1, 0, 8), b"");
            q.send(Role::Host, H2cData::new(2, 1, 0, 8).last(), b"abcdefgh");
        }),
        ("DataLimit", |q| {
            q.command(write(1, 8192), b"");
            q.send(Role::Controller, R2t::new(1, 1, 0, 8192), b"");
            q.send(Role::Host, H2cData::new(1, 1, 0, 8192).last(), &[0; 8192]);
        }),
        ("SecondHandshake", |q| {
            let plain = std::mem::replace(&mut q.format, Format::PLAIN);
            q.send(Role::Host, IcReq::new(DataAlignment::DWORD, Digests::NONE, 0), b"");
            q.format = plain;
        }),
        ("CapsuleDataLen", |q| {
            let sqe = write(1, 8).with_sgl(Sgl::in_capsule(8));
            q.send(Role::Host, CapsuleCmd::new(sqe.encode()), b"abcd");
        }),
    ];
    for (rule, wrong) in rules {
        let mut queue = Queue::new();
        queue.connect(Connect::io(1, 31));
        wrong(&mut queue);
        let found = queue.found();
        assert_eq!(found.rules, [rule], "{}", found.text());
        assert!(found.text().contains(&format!("VIOLATION {rule} at byte")), "{}", found.text());
    }
    let mut queue = Queue::new();
    queue.connect(Connect::io(1, 1));
    for cid in 0..3 {
        queue.command(read(cid, 8), b"");
    }
    assert_eq!(queue.found().rules, ["CommandLimit"]);
}

/// A whole authentication in both directions, by our state machines.
fn authentication(secret: &str, controller_secret: &str, group: DhGroupId) -> Vec<u8> {
    let host_id = HostId::from_bytes([7; 16]);
    let parse = |text: &str| text.parse::<DhchapSecret>().unwrap();
    let mut host_config = HostAuthConfig::new(HostNqn::from_uuid(host_id), subsystem(), parse(secret));
    host_config.controller_secret = Some(parse(controller_secret));
    let mut config = ControllerAuthConfig::new(HostNqn::from_uuid(host_id), subsystem(), parse(secret));
    config.controller_secret = Some(parse(controller_secret));
    config.groups = vec![group];
    let random = |seed| AuthRandom::from_bytes(&[seed; AuthRandom::LEN]);
    let mut host = HostAuthentication::new(host_config, 5, random(1)).unwrap();
    let mut controller = ControllerAuthentication::new(config, random(2));
    let mut queue = Queue::new();
    queue.connect(Connect::admin(31, 5000));
    loop {
        match host.next() {
            HostStep::Send(message) => {
                let len = message.len().try_into().unwrap();
                let message = message.to_vec();
                queue.command(AuthenticationSend::dh_hmac_chap(len).to_sqe(), &message);
                controller.send(&message).unwrap();
                queue.complete(Cqe::success(0));
                host.sent();
            }
            HostStep::Receive { len } => {
                let buffer = u32::try_from(len).unwrap();
                let sqe =
                    AuthenticationReceive::dh_hmac_chap(buffer).to_sqe().with_sgl(Sgl::transport(buffer));
                queue.command(sqe, b"");
                let mut answer = controller.receive(len).unwrap();
                // Zeros behind the message, as Linux does.
                answer.resize(len, 0);
                queue.send(Role::Controller, C2hData::new(0, 0, buffer).last(), &answer);
                queue.complete(Cqe::success(0));
                host.received(&answer);
            }
            HostStep::Done(_) => break,
            other => panic!("{other:?}"),
        }
    }
    queue.conversation.pcap()
}

const HOST: &str = "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";
const CONTROLLER: &str = "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";

#[test]
fn responses_are_checked_with_the_secrets() {
    let keys = |texts: &[&str]| Keys::new(texts.iter().map(|text| text.parse().unwrap()).collect());
    let file = authentication(HOST, CONTROLLER, DhGroupId::NULL);
    let found = dissect_with(&file, keys(&[HOST, CONTROLLER]));
    assert_eq!(found.rules, [""; 0], "{}", found.text());
    assert!(found.text().contains("made with secret 1 of the file"), "{}", found.text());
    assert!(found.text().contains("made with secret 2 of the file"), "{}", found.text());
    let found = dissect_with(&file, keys(&[CONTROLLER]));
    assert_eq!(found.rules, ["AuthResponse"], "{}", found.text());
    let found = dissect_with(&authentication(HOST, CONTROLLER, DhGroupId::FFDHE2048), keys(&[HOST]));
    assert_eq!(found.rules, [""; 0], "{}", found.text());
    assert!(found.text().contains("not checked: the Diffie-Hellman group"), "{}", found.text());
    assert!(!dissect(&file).text().contains("proof"));
}

#[test]
fn the_program_says_with_its_status_what_it_found() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_dissect")).args(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let path = |name: &str| format!("{}/tests/captures/{name}.pcap", env!("CARGO_MANIFEST_DIR"));
    let (code, text, _) = run(&[&path("denied")]);
    assert_eq!((code, text.lines().count()), (Some(0), 10));
    let (code, text, _) = run(&[&path("digests"), "--json"]);
    assert_eq!(code, Some(0));
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value["kind"].is_string() && value["time"].is_string() && value["connection"].is_u64());
    }
    let mut queue = Queue::new();
    queue.connect(Connect::io(1, 31));
    queue.complete(Cqe::success(9));
    let mut wrong = tempfile::NamedTempFile::new().unwrap();
    wrong.write_all(&queue.conversation.pcap()).unwrap();
    let (code, text, stderr) = run(&[wrong.path().to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (Some(1), "1 violation\n"));
    assert!(text.contains("UnknownCompletion"));
    assert_eq!(run(&["/no/such/file"]).0, Some(1));
    assert_eq!(run(&[]).0, Some(2));
    assert_eq!(run(&["--port", "x", &path("denied")]).0, Some(2));
    assert_eq!(run(&["--keys", "/no/such/file", &path("denied")]).0, Some(1));
}

#[test]
fn many_connections_do_not_fill_the_memory() {
    let mut packets = Vec::new();
    for port in 0..3000_u16 {
        let end = |port| SocketAddrV4::new([192, 0, 2, 1].into(), port);
        let mut conversation = Conversation::open(end(10_000 + port), end(4420));
        conversation.send(Role::Host, &IcReq::new(DataAlignment::DWORD, Digests::NONE, 0).encode());
        packets.extend(conversation.packets().to_vec());
    }
    let found = dissect(&pcap(&packets));
    assert_eq!((found.rules.len(), found.count()), (0, 3000));
}
