//! The dissector on captures of unusual shape: file formats, links, halves of connections, and files that are no captures.

mod common;

use std::io::{Read as _, Write as _};
use std::net::SocketAddrV4;
use std::process::{Command, Stdio};

use common::dissect;
use nvme_examples::dissect::record::{Conversation, pcap};
use nvme_proto::cqe::Cqe;
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::{Connect, ConnectData};
use nvme_proto::frame::Transmit;
use nvme_proto::pdu::{CapsuleCmd, CapsuleResp, Format, IcReq, IcResp, PduHeader, Role};
use nvme_proto::sgl::Sgl;
use nvme_proto::{Cntlid, DataAlignment, HostId, HostNqn, SubsysNqn};

fn end(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

fn send<H: PduHeader>(conversation: &mut Conversation, from: Role, header: H, data: &[u8]) {
    conversation.send(from, &Transmit::new(header, Format::PLAIN, data).unwrap().chunks().concat());
}

/// A handshake and a Connect, and what came of it.
fn conversation(host: &str, controller: &str) -> Conversation {
    let mut conversation = Conversation::open(end(host), end(controller));
    let c = &mut conversation;
    send(c, Role::Host, IcReq::new(DataAlignment::DWORD, Digests::NONE, 0), b"");
    send(c, Role::Controller, IcResp::new(DataAlignment::DWORD, Digests::NONE, 4096), b"");
    connect(c, 0);
    send(c, Role::Controller, CapsuleResp::new(Cqe::success(0).with_dw0(1).encode()), b"");
    conversation
}

fn connect(conversation: &mut Conversation, cid: u16) {
    let host_id = HostId::from_bytes([7; 16]);
    let subsystem = SubsysNqn::new("nqn.2024-01.org.example:disk1").unwrap();
    let data = ConnectData::new(host_id, Cntlid::DYNAMIC, &subsystem, &HostNqn::from_uuid(host_id));
    let sqe = Connect::io(1, 1).to_sqe().with_cid(cid).with_sgl(Sgl::in_capsule(1024));
    send(conversation, Role::Host, CapsuleCmd::new(sqe.encode()), data.as_bytes());
}

fn ordinary() -> Conversation {
    conversation("192.0.2.1:40000", "192.0.2.2:4420")
}

/// Numbers of a pcapng file in one of both byte orders.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn short(self, number: u16) -> [u8; 2] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    fn word(self, number: u32) -> [u8; 4] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let body = [body, &[0; 3][..(4 - body.len() % 4) % 4]].concat();
        let len = self.word(u32::try_from(body.len() + 12).unwrap());
        [&self.word(kind)[..], &len, &body, &len].concat()
    }

    fn section(self) -> Vec<u8> {
        let body = [&self.word(0x1a2b_3c4d)[..], &self.short(1), &[0; 2], &[255; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(value.len()).unwrap();
        [&self.short(code)[..], &self.short(len), value, &[0; 3][..(4 - value.len() % 4) % 4]].concat()
    }

    fn interface(self, link: u16, options: &[u8]) -> Vec<u8> {
        let end = if options.is_empty() { &[][..] } else { &[0; 4] };
        self.block(1, &[&self.short(link)[..], &[0; 6], options, end].concat())
    }

    fn packet(self, stamp: u64, packet: &[u8]) -> Vec<u8> {
        let len = self.word(u32::try_from(packet.len()).unwrap());
        let [high, low] = [(stamp >> 32) as u32, stamp as u32].map(|half| self.word(half));
        self.block(6, &[&[0; 4], &high, &low, &len, &len, packet].concat())
    }

    fn obsolete(self, stamp: u64, packet: &[u8]) -> Vec<u8> {
        let len = self.word(u32::try_from(packet.len()).unwrap());
        let [high, low] = [(stamp >> 32) as u32, stamp as u32].map(|half| self.word(half));
        let head = [&self.short(0)[..], &self.short(7), &high, &low, &len, &len].concat();
        self.block(2, &[&head[..], packet].concat())
    }
}

#[test]
fn clocks_of_any_resolution_and_beginning_give_the_same_times() {
    let ordinary = ordinary();
    let expected = dissect(&ordinary.pcap()).lines;
    let second = |micros: u64| micros / 1_000_000;
    let base = second(ordinary.packets()[0].0);
    for order in [Order::Little, Order::Big] {
        let offset = |seconds: i64| match order {
            Order::Little => seconds.to_le_bytes(),
            Order::Big => seconds.to_be_bytes(),
        };
        let since = order.option(14, &offset(base.cast_signed()));
        let nanoseconds = order.option(9, &[9]);
        type Stamp = fn(u64) -> u64;
        let clocks: [(Vec<u8>, bool, Stamp); 5] = [
            (vec![], false, |micros| micros),
            (nanoseconds.clone(), false, |micros| micros * 1000),
            (order.option(9, &[4]), false, |micros| micros / 100),
            (since, true, |micros| micros),
            // 2^-32 of a second, rounded up, so that it is the same microsecond.
            (order.option(9, &[0x80 | 32]), false, |micros| {
                ((u128::from(micros) << 32).div_ceil(1_000_000)) as u64
            }),
        ];
        for (options, relative, stamp) in clocks {
            let block = |(micros, packet): &(u64, Vec<u8>)| {
                let micros = if relative { *micros - base * 1_000_000 } else { *micros };
                order.packet(stamp(micros), packet)
            };
            let packets: Vec<u8> = ordinary.packets().iter().flat_map(block).collect();
            let file = [order.section(), order.interface(1, &options), packets].concat();
            let lines = dissect(&file).lines;
            assert_eq!(lines.len(), expected.len());
            // The first ten of a line are those of its time to the microsecond.
            for (line, expected) in lines.iter().zip(&expected) {
                assert_eq!(line[..11], expected[..11], "{options:?}");
            }
        }
    }
}

#[test]
fn blocks_that_old_programs_wrote_are_packets() {
    let ordinary = ordinary();
    for order in [Order::Little, Order::Big] {
        let packets = ordinary.packets().iter().flat_map(|(micros, packet)| order.obsolete(*micros, packet));
        let file = [order.section(), order.interface(1, &[]), packets.collect()].concat();
        assert_eq!(dissect(&file).lines, dissect(&ordinary.pcap()).lines);
    }
}

#[test]
fn other_numbers_of_the_same_links_are_known() {
    let ordinary = ordinary();
    let expected = dissect(&ordinary.pcap()).lines;
    let bare: Vec<_> =
        ordinary.packets().iter().map(|(time, packet)| (*time, packet[14..].to_vec())).collect();
    for (link, packets) in [
        (12_u32, bare.clone()),
        (14, bare),
        // Four bytes of check sum are behind each frame.
        (
            2 << 28 | 1 << 26 | 1,
            ordinary.packets().iter().map(|(t, p)| (*t, [p, &[9; 4][..]].concat())).collect(),
        ),
    ] {
        let mut file = pcap(&packets);
        file[20..24].copy_from_slice(&link.to_le_bytes());
        assert_eq!(dissect(&file).lines, expected, "{link}");
    }
}

/// Segments beyond 64 KiB, which only the local machine sees, have no length in their IP header.
#[test]
fn an_ip_header_without_a_length_takes_the_length_of_the_packet() {
    let ordinary = ordinary();
    let without = ordinary.packets().iter().map(|(time, packet)| {
        let mut packet = packet.clone();
        packet[16..18].fill(0);
        (*time, packet)
    });
    assert_eq!(dissect(&pcap(&without.collect::<Vec<_>>())).lines, dissect(&ordinary.pcap()).lines);
}

fn half(conversation: &Conversation, port: u16) -> Vec<(u64, Vec<u8>)> {
    let from = |packet: &[u8]| u16::from_be_bytes([packet[34], packet[35]]);
    conversation.packets().iter().filter(|(_, packet)| from(packet) == port).cloned().collect()
}

#[test]
fn half_a_connection_violates_nothing() {
    let mut conversation = ordinary();
    for cid in 1..9 {
        connect(&mut conversation, cid);
        let cqe = Cqe::success(cid);
        send(&mut conversation, Role::Controller, CapsuleResp::new(cqe.encode()), b"");
    }
    conversation.close();
    for (port, count) in [(40000, 10), (4420, 10)] {
        let found = dissect(&pcap(&half(&conversation, port)));
        assert_eq!((found.rules.as_slice(), found.count()), (&[][..], count), "{}", found.text());
    }
}

#[test]
fn an_answer_to_the_handshake_that_was_not_captured_is_no_violation() {
    let conversation = ordinary();
    // Without the packets of the SYN and of the ICResp from the controller.
    let packets = conversation
        .packets()
        .iter()
        .enumerate()
        .filter(|(at, _)| ![1, 4].contains(at))
        .map(|(_, p)| p.clone());
    let packets: Vec<_> = packets.collect();
    let found = dissect(&pcap(&packets));
    assert_eq!((found.rules.as_slice(), found.count()), (&[][..], 3), "{}", found.text());
}

#[test]
fn what_answers_the_end_of_a_connection_is_told_in_its_time() {
    let mut first = ordinary();
    first.end(Role::Host);
    // After the host's FIN the controller has more to say, and has seen the FIN.
    send(&mut first, Role::Controller, CapsuleResp::new(Cqe::success(9).encode()), b"");
    let second = conversation("192.0.2.1:40001", "192.0.2.2:4420");
    let later = second.packets().iter().map(|(time, packet)| (time + 1_000_000, packet.clone()));
    let packets: Vec<_> = first.packets().iter().cloned().chain(later).collect();
    let connection = |line: &String| line.split('#').nth(1).unwrap().chars().next().unwrap();
    let lines = dissect(&pcap(&packets)).lines;
    assert!(lines.iter().any(|line| line.contains("cid=9")), "{lines:?}");
    assert!(lines.is_sorted_by_key(connection), "{}", lines.join("\n"));
}

#[test]
fn encrypted_traffic_is_recognised_in_the_middle_too() {
    let record = [&[0x17, 3, 3, 0x01, 0x00][..], &[0xa7; 256]].concat();
    let mut conversation = Conversation::open(end("192.0.2.1:40000"), end("192.0.2.2:4420"));
    for _ in 0..3 {
        conversation.send(Role::Host, &record);
        conversation.send(Role::Controller, &record);
    }
    let found = dissect(&pcap(&conversation.packets()[4..]));
    assert_eq!((found.rules.as_slice(), found.lines.len()), (&[][..], 1), "{}", found.text());
    assert!(found.text().contains("encrypted (TLS)"), "{}", found.text());
}

#[test]
fn ports_are_used_again_after_a_connection_of_something_else() {
    let mut other = Conversation::open(end("192.0.2.1:40000"), end("192.0.2.2:23456"));
    other.send(Role::Host, b"GET / HTTP/1.1\r\n\r\n");
    other.send(Role::Controller, b"HTTP/1.1 404 Not Found\r\n\r\n");
    let next = conversation("192.0.2.1:40000", "192.0.2.2:23456");
    let packets = [other.packets(), next.packets()].concat();
    assert_eq!(dissect(&pcap(&packets)).count(), 4);
    // And when the first one was captured from its middle on.
    let mut middle = conversation("192.0.2.1:40000", "192.0.2.2:4420");
    connect(&mut middle, 7);
    let next = conversation("192.0.2.1:40000", "192.0.2.2:4420");
    let mut moved = next.packets().to_vec();
    for (_, packet) in &mut moved {
        // Other initial sequence numbers, far away.
        packet[38] ^= 0x55;
        packet[42] ^= 0x55;
    }
    let packets = [&middle.packets()[7..], &moved].concat();
    let found = dissect(&pcap(&packets));
    assert_eq!((found.rules.as_slice(), found.passed.len()), (&[][..], 0), "{}", found.text());
    assert_eq!(found.lines.iter().filter(|line| line.contains("==")).count(), 2, "{}", found.text());
}

/// What the program prints and says about a file, and its status.
fn program(arguments: &[&str], stdin: &[u8]) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dissect"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that reads no input has closed it.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn what_is_no_capture_is_named_with_what_to_do() {
    let section = Order::Big.section();
    for (bytes, words) in [
        (&b""[..], "it is empty"),
        (b"hello, this is a text file\n", "neither a pcap nor a pcapng file"),
        (&[0x1f, 0x8b, 8, 0, 0, 0], "gzip -dc FILE | dissect -"),
        (&[0x28, 0xb5, 0x2f, 0xfd, 0, 0], "zstd -dc FILE | dissect -"),
        (b"snoop\0\0\0\0\0\0\x02\0\0\0\x04", "editcap"),
        (&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0], "ends in the middle"),
        (&section[..20], "ends in the middle"),
        (&[0x0a, 0x0d, 0x0d, 0x0a, 0xff, 0xff, 0xff, 0x7f, 0x4d, 0x3c, 0x2b, 0x1a], "longer than 1 MiB"),
    ] {
        let file = written(bytes);
        let (code, text, errors) = program(&[file.path().to_str().unwrap()], b"");
        assert_eq!((code, text.as_str()), (Some(1), ""), "{words}: {errors}");
        assert!(errors.starts_with("error: ") && errors.contains(words), "{words}: {errors}");
    }
    let folder = tempfile::tempdir().unwrap();
    let (code, _, errors) = program(&[folder.path().to_str().unwrap()], b"");
    assert_eq!(code, Some(1));
    assert!(errors.contains("cannot read") && errors.contains("irectory"), "{errors}");
}

#[test]
fn a_capture_without_nvme_says_why_nothing_is_printed() {
    let mut other = Conversation::open(end("192.0.2.1:40000"), end("192.0.2.2:80"));
    other.send(Role::Host, b"GET / HTTP/1.1\r\n\r\n");
    let mut strange = other.pcap();
    strange[20] = 127;
    let mut fragments = ordinary().packets().to_vec();
    for (_, packet) in &mut fragments[3..] {
        packet[20] |= 0x20;
    }
    let short: Vec<_> =
        ordinary().packets().iter().map(|(time, packet)| (*time, packet[..40].to_vec())).collect();
    let lonely = [Order::Big.section(), Order::Big.packet(5, b"abcd")].concat();
    for (file, words) in [
        (pcap(&[]), &["there is no packet"][..]),
        (
            other.pcap(),
            &["no NVMe/TCP connection in the 4 TCP segments", "(4420, 8009); --port names others"],
        ),
        (strange, &["no TCP segment could be read", "4 packets come from a link of kind 127"]),
        (pcap(&fragments), &["no NVMe/TCP connection", "4 packets are IP fragments"]),
        (pcap(&short), &["7 packets are cut before the end of their TCP header"]),
        (lonely, &["1 packets come from an interface that the file does not describe"]),
    ] {
        let file = written(&file);
        let (code, text, notes) = program(&["--json", file.path().to_str().unwrap()], b"");
        assert_eq!((code, text.as_str()), (Some(0), ""), "{notes}");
        for words in words {
            assert!(notes.contains(words), "{words}: {notes}");
        }
    }
    let file = written(&ordinary().pcap());
    assert_eq!(program(&[file.path().to_str().unwrap()], b"").2, "");
}

#[test]
fn the_file_may_come_through_a_pipe_and_ports_in_any_form() {
    let capture = ordinary().pcap();
    let file = written(&capture);
    let path = file.path().to_str().unwrap();
    let expected = program(&[path], b"");
    assert_eq!((expected.0, expected.1.lines().count(), expected.2.as_str()), (Some(0), 5, ""));
    assert_eq!(program(&["-"], &capture), expected);
    for arguments in [
        &["--port", "4420", path][..],
        &["--port", "4420", "8009", path],
        &["--port", "4420,8009", path],
        &["--port=4420", path],
        &["--port", "4420", "--port", "8009", "--", path],
        &[path, "--port", "4420", "8009"],
    ] {
        assert_eq!(program(arguments, b""), expected, "{arguments:?}");
    }
    for (arguments, words) in [
        (&["--port", "0", path][..], "`0` is no TCP port"),
        (&["--port", "4420,x", path], "`x` is no TCP port"),
        (&["--port", "70000", path], "`70000` is no TCP port"),
        (&["--port", "4420"], "FILE is missing"),
        (&[], "FILE is missing"),
    ] {
        let (code, text, errors) = program(arguments, b"");
        assert_eq!((code, text.as_str()), (Some(2), ""), "{errors}");
        assert!(errors.contains(words) && errors.contains("Usage: dissect [OPTIONS] FILE"), "{errors}");
    }
}

/// As behind `| head -1`.
#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let mut conversation = ordinary();
    for cid in 0..2000 {
        send(&mut conversation, Role::Controller, CapsuleResp::new(Cqe::success(cid).encode()), b"");
    }
    let file = written(&conversation.pcap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_dissect"))
        .arg(file.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn a_file_of_secrets_that_has_no_end_is_refused() {
    let file = written(&ordinary().pcap());
    let (code, _, errors) = program(&["--keys", "/dev/zero", file.path().to_str().unwrap()], b"");
    assert_eq!(code, Some(1));
    assert!(errors.contains("longer than 1 MiB"), "{errors}");
}
