//! What a host may do to a controller.

use nvme_proto::controller::{self, CommandData, Controller, Reply};
use nvme_proto::cqe::Cqe;
use nvme_proto::digest;
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::{Connect, Property, PropertyGet};
use nvme_proto::machine::Time;
use nvme_proto::pdu::{CapsuleCmd, DataAlignment, Format, H2cData, IcReq, IcResp};
use nvme_proto::sgl::{Sgl, SglIdentifier};
use nvme_proto::sqe::Sqe;

use crate::wire::*;

/// How far the connection has come before the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    /// ICReq and ICResp are through.
    Ready(Digests),
    /// The admin queue is connected.
    Admin(Digests),
    /// An I/O queue is connected; 4096 bytes in a capsule.
    Io(Digests),
    /// An I/O queue has a write of 8192 bytes outstanding, CID 9, and asked for all of it.
    Asked(Digests),
}

struct Target {
    machine: Controller<Bytes, Bytes>,
    out: Bytes,
    closed: bool,
}

impl Target {
    fn at(stage: Stage) -> Self {
        let mut config = controller::Config::new();
        config.io_in_capsule = 4096;
        config.max_h2c_data = 16 << 10;
        config.max_r2t_data = 8192;
        let mut target =
            Self { machine: Controller::new(config, Time::START).unwrap(), out: vec![], closed: false };
        let (digests, connect) = match stage {
            Stage::Fresh => return target,
            Stage::Ready(digests) => (digests, None),
            Stage::Admin(digests) => (digests, Some(0)),
            Stage::Io(digests) | Stage::Asked(digests) => (digests, Some(1)),
        };
        target.send(&IcReq::new(DataAlignment::DWORD, digests, 0).encode());
        if let Some(qid) = connect {
            let connect = if qid == 0 { Connect::admin(31, 0) } else { Connect::io(qid, 31) };
            target.send(&capsule(connect.to_sqe().with_sgl(Sgl::in_capsule(1024)), digests, &[0; 1024]));
        }
        if matches!(stage, Stage::Asked(_)) {
            target.send(&capsule(write(8192).with_cid(9).with_sgl(Sgl::transport(8192)), digests, &[]));
            assert!(
                pdus(&target.out).iter().any(|pdu| pdu[0] == 9 && pdu[12..20] == [0, 0, 0, 0, 0, 32, 0, 0])
            );
        }
        target.out.clear();
        target
    }

    fn send(&mut self, mut bytes: &[u8]) {
        loop {
            let n = self.machine.feed(bytes);
            bytes = &bytes[n..];
            while let Some(event) = self.machine.poll(Time::START) {
                match event {
                    controller::Event::Command(command) => {
                        let (tag, opcode) = (command.tag, command.sqe.opcode);
                        match command.data {
                            CommandData::Transfer { len } if opcode & 3 == 2 => {
                                let data = vec![7; len as usize];
                                self.machine.respond_with_data(tag, data, Reply::success()).unwrap();
                            }
                            CommandData::Transfer { len } => {
                                self.machine.fetch(tag, vec![0; len as usize]).unwrap();
                            }
                            // An Asynchronous Event Request stays.
                            _ if opcode == 0x0c => {}
                            _ => self.machine.respond(tag, Reply::success()).unwrap(),
                        }
                    }
                    controller::Event::Fetched { tag, .. } => {
                        self.machine.respond(tag, Reply::success()).unwrap();
                    }
                    controller::Event::Close(_) => self.closed = true,
                    _ => {}
                }
            }
            let out: Bytes = self.machine.transmit().flatten().copied().collect();
            self.machine.transmitted(out.len());
            self.out.extend_from_slice(&out);
            if bytes.is_empty() {
                return;
            }
        }
    }

    /// What was answered to the last input.
    fn answer(&self) -> Want {
        if let Some((fes, fei, _)) = term_req(&self.out) {
            return Want::Term(fes, fei);
        }
        if self.closed {
            return Want::Close;
        }
        match pdus(&self.out).last() {
            None => Want::Silence,
            Some(pdu) => match pdu[0] {
                1 => Want::IcResp,
                9 => Want::R2t(u32::from_le_bytes(pdu[16..20].try_into().unwrap())),
                5 => match Cqe::from_bytes(pdu[8..24].try_into().unwrap()).status {
                    status if status.is_success() => Want::Ok,
                    status => Want::Status(status.code()),
                },
                other => panic!("a PDU of type {other}"),
            },
        }
    }
}

fn write(len: u32) -> Sqe {
    let mut sqe = Sqe::new(0x01).with_sgl(Sgl::in_capsule(len)).with_cid(9);
    sqe.nsid = 1;
    sqe
}

/// Identifier, length and data as they are in a capsule of `data`.
fn sgl(identifier: u8, length: u32, address: u64) -> Sgl {
    let mut sgl = Sgl::in_capsule(length);
    (sgl.identifier, sgl.address) = (SglIdentifier(identifier), address);
    sgl
}

fn h2c(tag: u16, offset: u32, len: u32) -> Bytes {
    pdu(H2cData::new(9, tag, offset, len), Digests::NONE, &vec![3; len as usize])
}

fn last(tag: u16, offset: u32, len: u32) -> Bytes {
    pdu(H2cData::new(9, tag, offset, len).last(), Digests::NONE, &vec![3; len as usize])
}

#[track_caller]
fn controller_row(row: &str, stage: Stage, input: Bytes, want: Want) {
    let mut whole = Target::at(stage);
    whole.send(&input);
    assert_eq!(whole.answer(), want, "{row}");
    // The same a byte at a time.
    let mut cut = Target::at(stage);
    for byte in &input {
        cut.send(&[*byte]);
    }
    assert_eq!(cut.answer(), want, "{row} in single bytes");
    if let Want::Term(..) = want {
        let (_, _, cause) = term_req(&whole.out).unwrap();
        // Bytes that come one by one are judged before the whole header is there.
        assert!(cause.starts_with(&term_req(&cut.out).unwrap().2), "{row}");
        assert!(!cause.is_empty() && cause.len() <= 128, "{row}");
        assert!(input.windows(cause.len()).any(|window| window == cause), "{row}: {cause:?}");
        // Nothing is taken any more, and the end of the stream closes.
        whole.send(&input);
        whole.machine.end_of_stream();
        whole.send(&[]);
        assert!(whole.closed, "{row}");
    }
}

#[test]
fn before_icreq() {
    let ic = || IcReq::new(DataAlignment::DWORD, Digests::NONE, 0).encode().to_vec();
    let row = |row, input, want| controller_row(row, Stage::Fresh, input, want);
    row("C1", connect(&[0; 1024]), Want::Term(2, 0));
    row("C2", with(ic(), 2, &[127]), Want::Term(1, 2));
    row("C3", [with(ic(), 4, &[132]), vec![0; 4]].concat(), Want::Term(1, 4));
    row("C4", with(ic(), 4, &[124]), Want::Term(1, 4));
    row("C5", with(ic(), 8, &[1]), Want::Term(1, 8));
    row("C6", with(ic(), 10, &[32]), Want::Term(1, 10));
    row("C7", with(ic(), 10, &[3]), Want::IcResp);
    row("C8", with(ic(), 11, &[4]), Want::IcResp);
    row("C9", with(ic(), 16, &[0xff; 112]), Want::IcResp);
    row("C10", with(ic(), 1, &[0xff]), Want::IcResp);
    row("C11", with(ic(), 3, &[0x80]), Want::IcResp);
    row("C12", with(ic(), 12, &[0xff; 4]), Want::IcResp);
    row("C13", IcResp::new(DataAlignment::DWORD, Digests::NONE, 4096).encode().to_vec(), Want::Term(1, 0));
    row("C14", with(with(vec![0; 24], 0, &[2, 0, 24, 0, 24]), 8, &[1]), Want::Close);
    row("C15", h2c(0, 0, 4), Want::Term(2, 0));
    row("C16", with(ic(), 0, &[0x0a]), Want::Term(1, 0));
    row("C16", with(ic(), 0, &[0xff]), Want::Term(1, 0));
    row("C17", with(ic(), 4, &[0; 4]), Want::Term(1, 4));
    row("C18", with(ic(), 4, &[0xff; 4]), Want::Term(1, 4));
    row("C19", [ic(), ic()].concat(), Want::Term(2, 0));
    row("C20", b"GET / HTTP/1.1\r\n\r\n".to_vec(), Want::Term(1, 0));
    // C22 is every row with IcResp, since each runs in single bytes too.
    let mut cut_short = Target::at(Stage::Fresh);
    cut_short.send(&ic()[..64]);
    assert_eq!(cut_short.answer(), Want::Silence);
    cut_short.machine.end_of_stream();
    cut_short.send(&[]);
    assert_eq!(cut_short.answer(), Want::Close, "C21");
}

#[test]
fn common_header_of_what_a_host_sends() {
    let none = Stage::Ready(Digests::NONE);
    let row = |row, input, want| controller_row(row, none, input, want);
    let good = || connect(&[0; 1024]);
    row("the good one", good(), Want::Ok);
    for (name, hlen) in [("C23", 71), ("C24", 73), ("C25", 8), ("C26", 255)] {
        row(name, with(good(), 2, &[hlen]), Want::Term(1, 2));
    }
    row("C27", with(good(), 4, &[71, 0, 0, 0]), Want::Term(1, 4));
    row("C28", with(good(), 4, &[8, 0, 0, 0]), Want::Term(1, 4));
    row("C29", with(good(), 4, &[0xff; 4]), Want::Term(1, 4));
    let sqe = connect_sqe().with_sgl(Sgl::in_capsule(65536));
    row("C30", capsule(sqe, Digests::NONE, &[0; 65536]), Want::Term(5, 0));
    for (name, pdo) in [("C31", 60), ("C32", 0), ("C33", 73)] {
        row(name, with(good(), 3, &[pdo]), Want::Term(1, 3));
    }
    let get = || capsule(PropertyGet::new(Property::CAP).to_sqe(), Digests::NONE, &[]);
    row("C34", with(get(), 3, &[255]), Want::Status(0x0c));
    let padded = [&good()[..72], &[0; 4], &good()[72..]].concat();
    row("C35", with(with(padded, 3, &[76]), 4, &1100_u32.to_le_bytes()), Want::Ok);
    row("C36", with(good(), 1, &[1]), Want::Term(1, 1));
    row("C38", with(good(), 1, &[2]), Want::Term(1, 1));
    row("C42", with(good(), 1, &[0x80]), Want::Ok);
    row("C43", with(good(), 1, &[0x0c]), Want::Ok);
    for (name, code) in [("C45", 7), ("C46", 9), ("C47", 8), ("C47", 0x0a), ("C47", 0xc0)] {
        row(name, with(good(), 0, &[code]), Want::Term(1, 0));
    }
    row("C48", IcReq::new(DataAlignment::DWORD, Digests::NONE, 0).encode().to_vec(), Want::Term(2, 0));
    let term = |len: u32| with(with(vec![0; 160], 0, &[2, 0, 24, 0]), 4, &len.to_le_bytes());
    row("C49", term(24), Want::Close);
    row("C50", term(152), Want::Close);
    row("C51", term(153), Want::Close);
    row("C52", term(8), Want::Close);
    row("C53", with(term(24), 8, &[0xff, 0xff]), Want::Close);
    row("C54", with(term(24), 2, &[20]), Want::Close);

    let both = |data| capsule(connect_sqe(), Digests::BOTH, data);
    let row = |row, input, want| controller_row(row, Stage::Ready(Digests::BOTH), input, want);
    row("the good one with digests", both(&[0; 1024]), Want::Ok);
    row("C37", with(both(&[0; 1024]), 1, &[2]), Want::Term(1, 1));
    row("C39", with(both(&[0; 1024]), 1, &[1]), Want::Term(1, 1));
    let wrong = flip(both(&[0; 1024]), 72);
    let received = u32::from_le_bytes(wrong[72..76].try_into().unwrap());
    row("C40", wrong, Want::Term(3, received));
    row("C41", flip(both(&[0; 1024]), 80), Want::Status(0x22));
    let mut flush = CapsuleCmd::new(Sqe::new(0).with_cid(2).with_sgl(Sgl::no_data()).encode());
    Format { digests: Digests::BOTH, alignment: DataAlignment::DWORD }.apply(&mut flush, 0).unwrap();
    flush.envelope.flags.0 |= 2;
    let header = flush.encode();
    let bytes = [&header[..], &digest::crc32c(&header).to_le_bytes()].concat();
    controller_row("C44", Stage::Admin(Digests::BOTH), bytes, Want::Ok);
}

#[test]
fn capsules_before_and_at_connect() {
    let none = Stage::Ready(Digests::NONE);
    let row = |row, input, want| controller_row(row, none, input, want);
    let mut identify = Sqe::new(0x06).with_cid(4).with_sgl(Sgl::transport(4096));
    row("C55", capsule(identify, Digests::NONE, &[]), Want::Status(0x0c));
    row("C56", capsule(PropertyGet::new(Property::CAP).to_sqe(), Digests::NONE, &[]), Want::Status(0x0c));
    let sqe = connect_sqe;
    row("C57", capsule(sqe().with_sgl(Sgl::transport(1024)), Digests::NONE, &[]), Want::R2t(1024));
    row("C58", capsule(sqe(), Digests::NONE, &[]), Want::Term(1, 4));
    row("C59", capsule(sqe().with_sgl(Sgl::in_capsule(1023)), Digests::NONE, &[0; 1024]), Want::Term(1, 4));
    row("C60", capsule(sqe(), Digests::NONE, &[0; 1020]), Want::Term(1, 4));
    row("C61", capsule(sqe().with_sgl(sgl(1, 1024, 4)), Digests::NONE, &[0; 1024]), Want::Status(0x16));
    for (name, identifier) in [("C64", 0x00), ("C65", 0x40), ("C66", 0x21), ("C66", 0x31), ("C67", 0x5b)] {
        let bytes = capsule(sqe().with_sgl(sgl(identifier, 1024, 0)), Digests::NONE, &[0; 1024]);
        // Its data are thrown away, and the next command is understood.
        row(name, bytes.clone(), Want::Status(0x11));
        row(name, [bytes, with(connect(&[0; 1024]), 10, &[2])].concat(), Want::Ok);
    }
    let admin = Stage::Admin(Digests::NONE);
    controller_row("C87", admin, connect(&[0; 1024]), Want::Status(0x0c));
    row(
        "C87, the first not yet answered",
        [connect(&[0; 1024]), with(connect(&[0; 1024]), 10, &[2])].concat(),
        Want::Status(0x0c),
    );
    identify.sgl = Sgl::in_capsule(4096);
    controller_row("C127", admin, capsule(identify, Digests::NONE, &[]), Want::Status(0x11));
    let event = || capsule(Sqe::new(0x0c).with_cid(77).with_sgl(Sgl::no_data()), Digests::NONE, &[]);
    controller_row("C143", admin, [event(), event()].concat(), Want::Status(0x03));
    // One command more than there are slots.
    let many: Bytes = (100..229).flat_map(|cid| with(event(), 10, &u16::to_le_bytes(cid))).collect();
    controller_row("too many commands", admin, many, Want::Term(2, 0));
}

#[test]
fn data_from_the_host() {
    let io = Stage::Io(Digests::NONE);
    let row = |row, input, want| controller_row(row, io, input, want);
    row("the good one", capsule(write(512), Digests::NONE, &[0; 512]), Want::Ok);
    row("C150", capsule(write(516), Digests::NONE, &[0; 512]), Want::Term(1, 4));
    row("C151", capsule(write(508), Digests::NONE, &[0; 512]), Want::Term(1, 4));
    row("C152", capsule(write(0).with_sgl(sgl(1, 512, 8)), Digests::NONE, &[0; 512]), Want::Status(0x16));
    row("C153", capsule(write(4100), Digests::NONE, &[0; 4100]), Want::Term(5, 0));
    row("C154", capsule(write(0).with_sgl(Sgl::transport(512)), Digests::NONE, &[0; 512]), Want::Term(1, 4));
    row("C156", capsule(write(0).with_sgl(Sgl::transport(1 << 31)), Digests::NONE, &[]), Want::Status(0x0f));
    row("C182", last(0, 0, 512), Want::Term(1, 10));
    let mut read = write(0).with_sgl(Sgl::transport(512));
    read.opcode = 2;
    // The read is answered at once; data for it are data for nothing.
    let mut for_a_read = Target::at(io);
    for_a_read.send(&capsule(read, Digests::NONE, &[]));
    for_a_read.send(&last(0, 0, 512));
    assert_eq!(for_a_read.answer(), Want::Term(1, 10), "C183");

    let row = |row, input, want| controller_row(row, Stage::Asked(Digests::NONE), input, want);
    // The tag of the only R2T: slot 0, first R2T.
    row("the good one in two", [h2c(0, 0, 4096), last(0, 4096, 4096)].concat(), Want::Ok);
    row("C159", last(5, 0, 8192), Want::Term(1, 10));
    row("C160", last(0xffff, 0, 8192), Want::Term(1, 10));
    row("C161", with(last(0, 0, 8192), 8, &[10, 0]), Want::Term(1, 8));
    row("C162", h2c(0, 4, 4096), Want::Term(2, 0));
    row("C163", [h2c(0, 0, 4096), last(0, 4100, 4092)].concat(), Want::Term(2, 0));
    row("C164", [h2c(0, 0, 4096), last(0, 4092, 4100)].concat(), Want::Term(2, 0));
    row("C165", last(0, 0, 8196), Want::Term(4, 0));
    row("C166", with(with(last(0, 0, 4), 16, &[0]), 4, &[24])[..24].to_vec(), Want::Term(1, 16));
    row("C167", h2c(0, 0, 6), Want::Term(1, 16));
    row("C168", with(last(0, 0, 8192), 16, &8188_u32.to_le_bytes()), Want::Term(1, 16));
    row("C169", with(last(0, 0, 8188), 16, &8192_u32.to_le_bytes()), Want::Term(1, 16));
    row("C170", last(0, 0, (16 << 10) + 4), Want::Term(5, 0));
    row("C171", h2c(0, 0, 8192), Want::Term(2, 0));
    row("C172", last(0, 0, 4096), Want::Term(2, 0));
    row("C173", [last(0, 0, 8192), last(0, 0, 8192)].concat(), Want::Term(1, 10));
    row("C174", with(last(0, 0, 8192), 2, &[20]), Want::Term(1, 2));
    row("C175", with(last(0, 0, 8192), 1, &[4 | 8]), Want::Ok);
    row("C176", with(last(0, 0, 8192), 3, &[20]), Want::Term(1, 3));
    let padded = [&last(0, 0, 8192)[..24], &[0; 8], &vec![3; 8192][..]].concat();
    row("C177", with(with(padded, 3, &[32]), 4, &8224_u32.to_le_bytes()), Want::Ok);
    row("C180", with(last(0, 0, 8192), 4, &[24, 0, 0, 0])[..24].to_vec(), Want::Term(1, 16));
    row("C181", with(last(0, 0, 8192), 20, &[0xff; 4]), Want::Ok);

    let digests = Digests::BOTH;
    let data = pdu(H2cData::new(9, 0, 0, 8192).last(), digests, &[3; 8192]);
    let row = |row, input, want| controller_row(row, Stage::Asked(digests), input, want);
    row("the good one with digests", data.clone(), Want::Ok);
    row("C178", flip(data.clone(), 100), Want::Status(0x22));
    let received = u32::from_le_bytes(data[24..28].try_into().unwrap());
    row("C179", flip(data, 24), Want::Term(3, received ^ 1));
    let bytes = flip(capsule(write(512), digests, &[0; 512]), 300);
    controller_row("C184", Stage::Io(digests), bytes, Want::Status(0x22));
}
