//! What a controller may do to a host.

use nvme_proto::Status;
use nvme_proto::cqe::Cqe;
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::Connect;
use nvme_proto::host::{self, Command, CommandError, Host, Placement};
use nvme_proto::machine::{Failure, Time};
use nvme_proto::pdu::{C2hData, CapsuleResp, DataAlignment, IcResp, R2t};
use nvme_proto::sqe::Sqe;

use crate::wire::*;

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
