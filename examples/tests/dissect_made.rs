//! The dissector on captures of our own encoder, which can be as wrong as we like.

mod common;

use std::io::Write as _;
use std::net::SocketAddrV4;
use std::process::Command;

use common::{Found, dissect, dissect_with};
use nvme_examples::dissect::authentication::Keys;
use nvme_examples::dissect::record::{Conversation, pcap};
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
    C2hData, CapsuleCmd, CapsuleResp, Format, H2cData, IcReq, IcResp, PduHeader, R2t, Role,
};
use nvme_proto::sgl::Sgl;
use nvme_proto::sqe::Sqe;
use nvme_proto::{Cntlid, DataAlignment, HostId, HostNqn, SubsysNqn};

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

/// A file of secrets, a capture of an authentication with them, and one with others: as a line of text and as JSON, and no secret is shown.
#[test]
fn the_program_checks_responses_with_a_file_of_secrets() {
    let written = |bytes: &[u8]| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    };
    let capture = written(&authentication(HOST, CONTROLLER, DhGroupId::NULL));
    let run = |keys: &str, more: &[&str]| {
        let keys = written(keys.as_bytes());
        let mut program = Command::new(env!("CARGO_BIN_EXE_dissect"));
        let output = program.arg("--keys").arg(keys.path()).arg(capture.path()).args(more).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!text.contains("AAECAwQF"), "{text}");
        (output.status.code(), text)
    };
    let both = format!("# host, then controller\n{HOST}\n{CONTROLLER}\n");
    for json in [&[][..], &["--json"]] {
        let (code, text) = run(&both, json);
        let proofs = ["made with secret 1 of the file", "made with secret 2 of the file"];
        assert_eq!(code, Some(0), "{text}");
        assert!(proofs.iter().all(|proof| text.contains(proof)), "{text}");
        let (code, text) = run(CONTROLLER, json);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("AuthResponse") && text.contains("none of the secrets"), "{text}");
    }
    let (code, text) = run("hunter2", &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("word 1 of line 1") && !text.contains("hunter2"), "{text}");
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

/// A pcapng file with time stamps in nanoseconds, of packets with their time in microseconds.
fn pcapng(link: u16, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let body = [body, &[0; 3][..(4 - body.len() % 4) % 4]].concat();
        let len = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
        [&kind.to_le_bytes()[..], &len, &body, &len].concat()
    };
    let mut file =
        block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
    let [low, high] = link.to_le_bytes();
    // if_tsresol 9, end of options.
    file.extend(block(1, &[low, high, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]));
    for (micros, packet) in packets {
        let stamp = micros * 1000;
        let len = u32::try_from(packet.len()).unwrap().to_le_bytes();
        let (high, low) = (u32::try_from(stamp >> 32).unwrap(), stamp as u32);
        let head = [[0; 4], high.to_le_bytes(), low.to_le_bytes(), len, len].concat();
        file.extend(block(6, &[&head[..], packet].concat()));
    }
    file
}

#[test]
fn every_format_and_link_gives_the_same() {
    let mut queue = Queue::new();
    queue.connect(Connect::io(1, 31));
    let ethernet = queue.conversation.packets();
    let expected = queue.found();
    assert_eq!(expected.count(), 4);
    let linked = |head: &[u8]| -> Vec<(u64, Vec<u8>)> {
        ethernet.iter().map(|(micros, packet)| (*micros, [head, &packet[14..]].concat())).collect()
    };
    let cooked = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    let cooked2 = [8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    let tagged = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 7, 8, 0];
    for (link, packets) in [
        (1, ethernet.to_vec()),
        (1, linked(&tagged)),
        (101, linked(&[])),
        (228, linked(&[])),
        (0, linked(&[2, 0, 0, 0])),
        (113, linked(&cooked)),
        (276, linked(&cooked2)),
    ] {
        let found = dissect(&pcapng(link, &packets));
        assert_eq!((&found.lines, found.broken), (&expected.lines, false), "link {link}");
        let mut classic = pcap(&packets);
        classic[20..22].copy_from_slice(&link.to_le_bytes());
        assert_eq!(dissect(&classic).lines, expected.lines, "link {link}");
    }
}
