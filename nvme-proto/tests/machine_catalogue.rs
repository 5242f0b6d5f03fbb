//! Malformed and odd input, row by row: what a connection answers, to the status and the byte it names.
//!
//! The rows are those of the catalogue of malformed inputs by their numbers: C for what a host may do to a controller, H for what a
//! controller may do to a host. Rows that are about the content of a command and not about its transport are answered by whoever executes
//! commands, and are not here: C62, C63, C70 to C86 and C88 to C95 (Connect data and parameters), C68, C69, C115, C128, C129 and C155 (PSDT and
//! FUSE), C96 to C114, C116 to C126, C130 to C142 (admin commands), C144 to C149, C157 and C158 (I/O commands).

use nvme_proto::controller::{self, CommandData, Controller, Reply};
use nvme_proto::cqe::Cqe;
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::{Connect, Property, PropertyGet};
use nvme_proto::frame::Transmit;
use nvme_proto::host::{self, Command, CommandError, Host, Placement};
use nvme_proto::machine::{Failure, Time};
use nvme_proto::pdu::{
    C2hData, CapsuleCmd, CapsuleResp, DataAlignment, Format, H2cData, IcReq, IcResp, PduHeader, R2t,
};
use nvme_proto::sgl::{Sgl, SglIdentifier};
use nvme_proto::sqe::Sqe;
use nvme_proto::{Status, digest};

type Bytes = Vec<u8>;

/// What one side answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    /// A terminate request with this FES and FEI, and the header at fault.
    Term(u16, u32),
    /// No terminate request; the connection is closed.
    Close,
    /// ICResp.
    IcResp,
    /// A completion with this status (SCT and SC), the connection stays.
    Status(u16),
    /// A completion with success.
    Ok,
    /// An R2T for this many bytes.
    R2t(u32),
    /// The host's command succeeds.
    Done,
    /// The host's command fails in this way, the connection stays.
    Fails(&'static str),
    /// Nothing.
    Silence,
}

fn pdu<H: PduHeader>(header: H, digests: Digests, data: &[u8]) -> Bytes {
    let format = Format { digests, alignment: DataAlignment::DWORD };
    Transmit::new(header, format, data).unwrap().chunks().concat()
}

/// Changes bytes of a PDU.
fn with(mut bytes: Bytes, at: usize, new: &[u8]) -> Bytes {
    bytes[at..][..new.len()].copy_from_slice(new);
    bytes
}

/// Turns a bit.
fn flip(mut bytes: Bytes, at: usize) -> Bytes {
    bytes[at] ^= 1;
    bytes
}

/// The first of the terminate requests in `bytes`, which are whole PDUs: FES, FEI and the header that is its data.
fn term_req(bytes: &[u8]) -> Option<(u16, u32, Bytes)> {
    pdus(bytes).into_iter().find(|pdu| matches!(pdu[0], 2 | 3)).map(|pdu| {
        let fes = u16::from_le_bytes([pdu[8], pdu[9]]);
        let fei = u32::from_le_bytes(pdu[10..14].try_into().unwrap());
        assert!((24..=152).contains(&pdu.len()) && pdu[1] == 0 && pdu[2] == 24, "{pdu:?}");
        assert_eq!(pdu[14..24], [0; 10]);
        (fes, fei, pdu[24..].to_vec())
    })
}

fn pdus(mut bytes: &[u8]) -> Vec<Bytes> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let len = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        all.push(bytes[..len].to_vec());
        bytes = &bytes[len..];
    }
    all
}

// ---------------------------------------------------------------------------------------------------------------- controller

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

fn capsule(sqe: Sqe, digests: Digests, data: &[u8]) -> Bytes {
    pdu(CapsuleCmd::new(sqe.encode()), digests, data)
}

/// Connect of the admin queue, its data in the capsule.
fn connect_sqe() -> Sqe {
    Connect::admin(31, 0).to_sqe().with_cid(1).with_sgl(Sgl::in_capsule(1024))
}

fn connect(data: &[u8]) -> Bytes {
    capsule(connect_sqe(), Digests::NONE, data)
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

// ---------------------------------------------------------------------------------------------------------------------- host

/// What the host has outstanding; its identifier on the wire is in [`Initiator::cid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outstanding {
    /// It waits for ICResp.
    Handshake,
    /// Connect, its data in the capsule.
    Connect,
    /// A read of 4096 bytes.
    Read,
    /// A write of 8192 bytes that are to be asked for.
    Write,
}

struct Initiator {
    machine: Host<Bytes, Bytes>,
    cid: u16,
    out: Bytes,
    done: Vec<Result<Cqe, CommandError>>,
    failed: Option<Failure>,
    closed: bool,
}

impl Initiator {
    fn at(outstanding: Outstanding, digests: Digests) -> Self {
        let mut config = host::Config::admin();
        config.digests = digests;
        let machine = Host::new(config, Time::START).unwrap();
        let mut host = Self { machine, cid: 0, out: vec![], done: vec![], failed: None, closed: false };
        let mut sqe = Sqe::new(2);
        sqe.nsid = 1;
        let command = match outstanding {
            Outstanding::Handshake => None,
            Outstanding::Connect => Some(Command::new(Connect::admin(31, 0).to_sqe()).write(vec![0; 1024])),
            Outstanding::Read => Some(Command::new(sqe).read(vec![0; 4096])),
            Outstanding::Write => {
                sqe.opcode = 1;
                Some(Command::new(sqe).write(vec![0; 8192]).placed(Placement::Transfer))
            }
        };
        if let Some(command) = command {
            host.cid = host.machine.submit(Time::START, command).unwrap().wire();
            host.send(&IcResp::new(DataAlignment::DWORD, digests, 4096).encode());
            assert_eq!(pdus(&host.out).last().unwrap()[0], 4);
        } else {
            host.send(&[]);
        }
        host.out.clear();
        host
    }

    fn send(&mut self, mut bytes: &[u8]) {
        loop {
            let n = self.machine.feed(bytes);
            bytes = &bytes[n..];
            while let Some(event) = self.machine.poll(Time::START) {
                match event {
                    host::Event::Completed(done) => self.done.push(done.result),
                    host::Event::Failed(failure) => self.failed = Some(failure),
                    host::Event::Close(_) => self.closed = true,
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

    fn answer(&self) -> Want {
        if let Some((fes, fei, _)) = term_req(&self.out) {
            return Want::Term(fes, fei);
        }
        if self.closed {
            return Want::Close;
        }
        match self.done.last() {
            None => Want::Silence,
            Some(Ok(_)) => Want::Done,
            Some(Err(CommandError::Status(_))) => Want::Fails("status"),
            Some(Err(CommandError::DataDigest { .. })) => Want::Fails("digest"),
            Some(Err(CommandError::Short { .. })) => Want::Fails("short"),
            Some(Err(error)) => panic!("{error}"),
        }
    }
}

#[track_caller]
fn host_row(row: &str, outstanding: Outstanding, digests: Digests, input: impl Fn(u16) -> Bytes, want: Want) {
    let mut whole = Initiator::at(outstanding, digests);
    let input = input(whole.cid);
    whole.send(&input);
    assert_eq!(whole.answer(), want, "{row}");
    let mut cut = Initiator::at(outstanding, digests);
    for byte in &input {
        cut.send(&[*byte]);
    }
    assert_eq!(cut.answer(), want, "{row} in single bytes");
    assert_eq!(cut.done.len(), whole.done.len(), "{row}");
    if let Want::Term(..) = want {
        let (_, _, cause) = term_req(&whole.out).unwrap();
        assert!(cause.starts_with(&term_req(&cut.out).unwrap().2), "{row}");
        assert!(input.windows(cause.len()).any(|window| window == cause), "{row}: {cause:?}");
        assert!(matches!(whole.failed, Some(Failure::Violation(_))), "{row}");
        // Every command is over, and said so once.
        assert!(whole.machine.outstanding() == 0 && whole.done.len() <= 2, "{row}");
        whole.machine.end_of_stream();
        whole.send(&[]);
        assert!(whole.closed, "{row}");
    }
}

fn resp(cid: u16) -> Bytes {
    pdu(CapsuleResp::new(Cqe::success(cid).encode()), Digests::NONE, &[])
}

fn c2h(cid: u16, offset: u32, len: u32) -> C2hData {
    C2hData::new(cid, offset, len)
}

fn data(header: C2hData) -> Bytes {
    pdu(header, Digests::NONE, &vec![7; header.len as usize])
}

#[test]
fn icresp() {
    let good = || IcResp::new(DataAlignment::DWORD, Digests::NONE, 4096).encode().to_vec();
    let row = |row, input: Bytes, want| {
        host_row(row, Outstanding::Handshake, Digests::NONE, |_| input.clone(), want);
    };
    row("the good one", good(), Want::Silence);
    row("H1", with(good(), 2, &[127]), Want::Term(1, 2));
    row("H2", with(good(), 4, &[132]), Want::Term(1, 4));
    row("H3", with(good(), 8, &[1]), Want::Term(1, 8));
    row("H4", with(good(), 10, &[1]), Want::Silence);
    row("H5", with(good(), 10, &[32]), Want::Term(1, 10));
    row("H6", with(good(), 11, &[1]), Want::Term(1, 11));
    row("H7", with(good(), 11, &[0x80]), Want::Silence);
    row("H8", with(good(), 12, &[0; 4]), Want::Term(1, 12));
    row("H9", with(good(), 12, &4092_u32.to_le_bytes()), Want::Term(1, 12));
    row("H10", with(good(), 12, &4098_u32.to_le_bytes()), Want::Term(1, 12));
    row("H11", connect(&[0; 1024]), Want::Term(1, 0));
    row("H12", with(vec![0; 24], 0, &[3, 0, 24, 0, 24]), Want::Close);
    host_row("H52", Outstanding::Handshake, Digests::BOTH, |_| good(), Want::Close);
    let mut refused = Initiator::at(Outstanding::Handshake, Digests::BOTH);
    refused.send(&good());
    let failure = Failure::DigestsRefused { required: Digests::BOTH, granted: Digests::NONE };
    assert_eq!(refused.failed, Some(failure));
}

#[test]
fn completions() {
    let row = |row, input: &dyn Fn(u16) -> Bytes, want| {
        host_row(row, Outstanding::Connect, Digests::NONE, input, want);
    };
    row("the good one", &resp, Want::Done);
    row("H13", &|cid| resp(cid ^ 0x100), Want::Term(1, 20));
    row("H14", &|cid| with(resp(cid), 2, &[25]), Want::Term(1, 2));
    row("H15", &|cid| with(resp(cid), 4, &[28]), Want::Term(1, 4));
    row("H16", &|cid| with(resp(cid), 1, &[0xff]), Want::Term(1, 1));
    row("H17", &|cid| with(resp(cid), 4, &[0]), Want::Term(1, 4));
    row("H18", &|cid| R2t::new(cid, 0, 0, 1024).encode().to_vec(), Want::Term(2, 0));
    row("H21", &|cid| data(c2h(cid, 0, 16).last()), Want::Term(2, 0));
    row("H22", &|_| connect(&[0; 1024]), Want::Term(1, 0));
    row("H23", &|cid| with(resp(cid), 0, &[0x0a]), Want::Term(1, 0));
    row(
        "H24",
        &|_| IcResp::new(DataAlignment::DWORD, Digests::NONE, 4096).encode().to_vec(),
        Want::Term(2, 0),
    );
    let term = |len: u8| with(with(vec![0; 24], 0, &[3, 0, 24, 0, len]), 8, &[1]);
    row("H25", &|_| term(24), Want::Close);
    row("H26", &|_| term(23), Want::Close);
    row("H27", &|cid| [resp(cid), resp(cid)].concat(), Want::Term(1, 20));
    let rejected = Status(0x182).with_dnr();
    let failed = |cid| pdu(CapsuleResp::new(Cqe::failed(cid, rejected).encode()), Digests::NONE, &[]);
    row("H28", &failed, Want::Fails("status"));
    let mut silent = Initiator::at(Outstanding::Connect, Digests::NONE);
    silent.machine.end_of_stream();
    silent.send(&[]);
    assert_eq!(silent.answer(), Want::Close, "H29");
    assert_eq!(silent.done, [Err(CommandError::Lost(Failure::EndOfStream))]);
}

#[test]
fn data_from_the_controller() {
    let row = |row, input: &dyn Fn(u16) -> Bytes, want| {
        host_row(row, Outstanding::Read, Digests::NONE, input, want);
    };
    let all = |cid| data(c2h(cid, 0, 4096).last());
    row("the good one", &|cid| [all(cid), resp(cid)].concat(), Want::Done);
    row("H30", &|cid| data(c2h(cid, 0, 4096).success()), Want::Done);
    row("H31", &|cid| with(all(cid), 1, &[8]), Want::Term(1, 1));
    row("H32", &|cid| [data(c2h(cid, 0, 4096)), resp(cid)].concat(), Want::Done);
    let halves = |cid| [data(c2h(cid, 0, 2048)), data(c2h(cid, 2048, 2048).last()), resp(cid)].concat();
    row("H33", &halves, Want::Done);
    row("H34", &|cid| data(c2h(cid, 4, 4092)), Want::Term(2, 0));
    row("H35", &|cid| data(c2h(cid, 2048, 2048)), Want::Term(2, 0));
    row("H36", &|cid| data(c2h(cid, 0, 4608).last()), Want::Term(4, 0));
    row("H37", &|cid| with(all(cid), 16, &4092_u32.to_le_bytes()), Want::Term(1, 16));
    let short = |cid| with(data(c2h(cid, 0, 4092).last()), 16, &4096_u32.to_le_bytes());
    row("H38", &short, Want::Term(1, 16));
    row("H39", &|cid| all(cid ^ 0x100), Want::Term(1, 8));
    row("H40", &|cid| with(all(cid), 2, &[20]), Want::Term(1, 2));
    let padded = |cid| {
        let bytes = [&all(cid)[..24], &[0; 8], &[7; 4096]].concat();
        [with(with(bytes, 3, &[32]), 4, &4128_u32.to_le_bytes()), resp(cid)].concat()
    };
    row("H41", &padded, Want::Done);
    row("H42", &|cid| [data(c2h(cid, 0, 2048).last()), resp(cid)].concat(), Want::Fails("short"));
    row("H42 with SUCCESS", &|cid| data(c2h(cid, 0, 2048).success()), Want::Fails("short"));
    row("H43", &resp, Want::Fails("short"));
    row("H44", &|cid| R2t::new(cid, 0, 0, 4096).encode().to_vec(), Want::Term(2, 0));
    row("H45", &|cid| [all(cid), resp(cid), all(cid)].concat(), Want::Term(1, 8));
    row("H46", &|cid| with(all(cid), 1, &[5]), Want::Term(1, 1));
    row("H47", &|cid| with(with(all(cid), 16, &[0; 4]), 4, &[24, 0, 0, 0])[..24].to_vec(), Want::Term(1, 16));
    row(
        "after LAST_PDU",
        &|cid| [data(c2h(cid, 0, 2048).last()), data(c2h(cid, 2048, 2048))].concat(),
        Want::Term(2, 0),
    );
    row("unaligned in the middle", &|cid| data(c2h(cid, 0, 6)), Want::Term(1, 16));

    let both = |header: C2hData| pdu(header, Digests::BOTH, &[7; 4096]);
    let good = |cid| both(c2h(cid, 0, 4096).last());
    let end = |cid| pdu(CapsuleResp::new(Cqe::success(cid).encode()), Digests::BOTH, &[]);
    let row = |row, input: &dyn Fn(u16) -> Bytes, want| {
        host_row(row, Outstanding::Read, Digests::BOTH, input, want);
    };
    row("the good one with digests", &|cid| [good(cid), end(cid)].concat(), Want::Done);
    let cid = Initiator::at(Outstanding::Read, Digests::BOTH).cid;
    let received = u32::from_le_bytes(good(cid)[24..28].try_into().unwrap());
    row("H48", &|cid| flip(good(cid), 24), Want::Term(3, received ^ 1));
    // The verdict stands although the controller reports success.
    row("H49", &|cid| [flip(good(cid), 100), end(cid)].concat(), Want::Fails("digest"));
    row("H49 with SUCCESS", &|cid| flip(both(c2h(cid, 0, 4096).success()), 100), Want::Fails("digest"));
    row("H50", &|cid| with(good(cid), 1, &[4]), Want::Term(1, 1));
    row("H51", &|cid| with(good(cid), 1, &[5]), Want::Term(1, 1));
}

#[test]
fn requests_for_data() {
    let row = |row, input: &dyn Fn(u16) -> Bytes, want| {
        host_row(row, Outstanding::Write, Digests::NONE, input, want);
    };
    let r2t = |cid, offset, len| R2t::new(cid, 3, offset, len).encode().to_vec();
    let mut good = Initiator::at(Outstanding::Write, Digests::NONE);
    good.send(&r2t(good.cid, 0, 8192));
    let sent = pdus(&good.out);
    let heads: Vec<_> = sent.iter().map(|pdu| (pdu[0], pdu[1], pdu[10], pdu[12..20].to_vec())).collect();
    assert_eq!(
        heads,
        [(6, 0, 3, vec![0, 0, 0, 0, 0, 16, 0, 0]), (6, 4, 3, vec![0, 16, 0, 0, 0, 16, 0, 0])],
        "two pieces of MAXH2CDATA, LAST_PDU on the second"
    );
    row("H19", &|cid| r2t(cid, 0, 0), Want::Term(1, 16));
    row("H20", &|cid| r2t(cid ^ 0x100, 0, 8192), Want::Term(1, 8));
    row("not at the beginning", &|cid| r2t(cid, 4, 4096), Want::Term(2, 0));
    row("beyond the data", &|cid| r2t(cid, 0, 8196), Want::Term(4, 0));
    row("beyond 32 bits", &|cid| r2t(cid, 0xffff_fffc, 8192), Want::Term(4, 0));
    row(
        "success before all was asked for",
        &|cid| [r2t(cid, 0, 4096), resp(cid)].concat(),
        Want::Fails("short"),
    );

    // More at once than MAXR2T allows: the first is not served yet when the second comes.
    let mut host = Initiator::at(Outstanding::Write, Digests::NONE);
    let both = [r2t(host.cid, 0, 4096), r2t(host.cid, 4096, 4096)].concat();
    assert_eq!(host.machine.feed(&both), both.len());
    host.send(&[]);
    assert_eq!(host.answer(), Want::Term(5, 0));
}
