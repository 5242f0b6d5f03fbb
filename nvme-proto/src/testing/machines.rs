//! The properties of both state machines under arbitrary operations.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a property that does not hold panics"
)]

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::controller::{self, Buffer, CommandData, Controller, Reply, SuccessFlag, Tag};
use crate::cqe::Cqe;
use crate::digest::Digests;
use crate::fabrics::Connect;
use crate::frame::{Framer, Limits, Transmit};
use crate::host::{self, Command, Host, Placement};
use crate::machine::{KeepAlive, Time};
use crate::pdu::{
    C2hData, CapsuleCmd, CapsuleResp, DataAlignment, Format, H2cData, Header, IcReq, IcResp, Negotiated,
    PduHeader, R2t, Role,
};
use crate::sgl::{Sgl, SglIdentifier};
use crate::sqe::Sqe;
use crate::status::Status;

type Bytes = Vec<u8>;

/// Numbers from the fuzzer's bytes; zeros when they are used up.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    /// Small numbers mostly, aligned to 4 mostly.
    fn len(&mut self) -> u32 {
        match self.u8() {
            n @ 0..200 => u32::from(n) * 4,
            n @ 200..250 => u32::from(n) * 200,
            _ => u32::from(self.u16()),
        }
    }

    fn bytes(&mut self) -> &'a [u8] {
        let n = usize::from(self.u8()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(n);
        self.0 = rest;
        bytes
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let n = usize::from(self.u8());
        from.get(n.checked_rem(from.len())?).copied()
    }
}

/// What a machine sends, judged by a framer that has never seen the machine.
struct Judge {
    framer: Framer,
    ready: bool,
    /// The R2Ts it saw.
    r2ts: Vec<R2t>,
}

impl Judge {
    fn new(receiver: Role) -> Self {
        let limits = Limits { in_capsule_data: u32::MAX, ..Limits::default() };
        Self { framer: Framer::with_capacity(receiver, limits, 4096), ready: false, r2ts: Vec::new() }
    }

    fn take(&mut self, mut bytes: &[u8], format: Option<Format>) {
        loop {
            let n = self.framer.push(bytes);
            bytes = bytes.get(n..).unwrap_or_default();
            loop {
                match self.framer.next() {
                    Ok(None) => break,
                    Ok(Some(pdu)) => {
                        assert!(pdu.data_digest.is_ok(), "a wrong data digest was sent");
                        match pdu.header {
                            Header::R2t(r2t) => self.r2ts.push(r2t),
                            Header::IcReq(_) | Header::IcResp(_) => {
                                self.ready = true;
                                if let Some(format) = format {
                                    self.framer.ready(format, self.framer.rules().limits);
                                }
                            }
                            _ => {}
                        }
                    }
                    // A host that sent ICReq is ready when the answer has come.
                    Err(error) => panic!("the machine sent a PDU that is refused: {error}"),
                }
            }
            if bytes.is_empty() {
                return;
            }
        }
    }

    fn settle(&mut self, format: Option<Format>) {
        if let (true, Some(format)) = (self.ready, format) {
            self.framer.ready(format, self.framer.rules().limits);
        }
    }
}

fn pdu<H: PduHeader>(mut header: H, agreed: Option<Format>, data: &[u8]) -> Bytes {
    let format = agreed.unwrap_or(Format::PLAIN);
    // What cannot be encoded is sent as it is.
    let _ = format.apply(&mut header, u32::try_from(data.len()).unwrap_or(u32::MAX));
    Transmit::verbatim(&header, data).chunks().concat()
}

/// A host takes any operations and any bytes: it never panics, ends every command exactly once, tells its end once, and whatever it sends
/// is right.
pub fn host_machine(data: &[u8]) {
    let mut input = Input(data);
    let mut config = host::Config::io(u32::from(input.u8()) * 16);
    config.digests = Digests::from_dgst(input.u8() & 3);
    config.max_r2ts = u16::from(input.u8() % 4) + 1;
    config.depth = u16::from(input.u8() % 8) + 1;
    config.batch = usize::from(input.u8() % 8) + 1;
    config.receive_buffer = 256;
    config.max_transfer = 1 << 16;
    let mut now = Time::START;
    let Ok(mut host) = Host::<Bytes, Bytes>::new(config, now) else { return };
    let mut judge = Judge::new(Role::Controller);
    let mut open: BTreeMap<u16, (usize, usize)> = BTreeMap::new();
    let (mut failed, mut closed) = (false, false);
    while !input.0.is_empty() {
        let agreed = host.negotiated().copied();
        let to_host = agreed.map(|agreed| agreed.to_host);
        let cids: Vec<u16> = open.keys().copied().collect();
        let cid =
            |input: &mut Input<'_>| input.pick(&cids).unwrap_or(0) ^ (u16::from(input.u8() == 255) << 4);
        let mut bytes = Vec::new();
        match input.u8() % 14 {
            0 => bytes.extend_from_slice(input.bytes()),
            1 => {
                let alignment = DataAlignment::new(input.u8()).unwrap_or_default();
                let digests = Digests::from_dgst(input.u8());
                bytes = IcResp::new(alignment, digests, 4096 + 4 * u32::from(input.u8())).encode().to_vec();
            }
            n @ 2..=4 => {
                let mut sqe = Sqe::new(n & 2 | u8::from(n == 3));
                sqe.opcode = [2, 1, 0x18][usize::from(n - 2)];
                sqe.nsid = input.u8().into();
                let len = usize::try_from(input.len()).unwrap_or(0);
                let placement =
                    [Placement::Auto, Placement::Transfer, Placement::InCapsule][usize::from(input.u8() % 3)];
                let command = match n {
                    2 => Command::new(sqe).read(vec![0; len]),
                    3 => Command::new(sqe).write(vec![n; len]).placed(placement),
                    _ => Command::new(sqe).unwatched(),
                };
                let given = if n == 4 { 0 } else { len };
                if let Ok(id) = host.submit(now, command) {
                    assert!(!failed && open.insert(id.wire(), (id.slot(), given)).is_none());
                }
            }
            5 | 6 => {
                let mut cqe = Cqe::success(cid(&mut input));
                cqe.status = Status(input.u8().into());
                bytes = pdu(CapsuleResp::new(cqe.encode()), to_host, &[]);
            }
            7 | 8 => {
                let (offset, len) = (input.len(), input.len());
                let mut header = C2hData::new(cid(&mut input), offset, len);
                header = match input.u8() % 4 {
                    0 => header.success(),
                    1 | 2 => header.last(),
                    _ => header,
                };
                bytes = pdu(header, to_host, &vec![5; usize::try_from(len).unwrap_or(0)]);
                if input.u8() == 7
                    && let Some(byte) = bytes.last_mut()
                {
                    *byte ^= 1;
                }
            }
            9 => {
                let (tag, offset, len) = (input.u16(), input.len(), input.len());
                bytes = pdu(R2t::new(cid(&mut input), tag, offset, len), to_host, &[]);
            }
            10 => {
                let n = usize::from(input.u16());
                let sent: Bytes = host.transmit().flatten().copied().take(n).collect();
                host.transmitted(sent.len());
                judge.settle(agreed.map(|agreed| agreed.to_controller));
                judge.take(&sent, agreed.map(|agreed| agreed.to_controller));
            }
            11 => now = now.after(Duration::from_millis(u64::from(input.u16()))),
            12 => {
                let interval = Duration::from_millis(input.u8().into());
                let keep_alive = if input.u8() % 2 == 0 { KeepAlive::Commands } else { KeepAlive::Traffic };
                host.set_keep_alive(now, Some(keep_alive(interval)));
            }
            _ => match input.u8() % 8 {
                0 => host.end_of_stream(),
                1 => host.close(now),
                _ => host.set_in_capsule(input.len()),
            },
        }
        let mut rest = bytes.as_slice();
        let step = usize::from(input.u8()).max(1);
        loop {
            let n = host.feed(rest.get(..step.min(rest.len())).unwrap_or_default());
            rest = rest.get(n..).unwrap_or_default();
            let mut events = 0;
            while let Some(event) = host.poll(now) {
                events += 1;
                assert!(events < 100 && !closed, "no end of events");
                match event {
                    host::Event::Ready(agreed) => assert!(config.digests.is_subset_of(agreed.digests)),
                    host::Event::Completed(done) => {
                        let (slot, len) =
                            open.remove(&done.id.wire()).unwrap_or_else(|| panic!("{:?}", done.id));
                        assert_eq!(slot, done.id.slot());
                        let full = usize::try_from(done.transferred) == Ok(len);
                        assert!(done.result.is_err() || full, "success without all data");
                        let back = match done.data {
                            host::Data::Read(buffer) | host::Data::Write(buffer) => buffer.len(),
                            host::Data::None => 0,
                        };
                        assert_eq!(back, len);
                    }
                    host::Event::Failed(_) => {
                        assert!(!failed, "the end was told twice");
                        failed = true;
                    }
                    host::Event::Close(_) => {
                        assert!(failed && open.is_empty() && host.outstanding() == 0);
                        closed = true;
                    }
                    host::Event::TimedOut(id) => assert!(open.contains_key(&id.wire())),
                    host::Event::KeepAliveDue => {}
                }
            }
            if rest.is_empty() || n == 0 {
                break;
            }
        }
        assert!(!closed || host.transmit().next().is_none());
        assert!(host.poll_timeout().is_none_or(|at| closed || at >= now || failed), "a timer was not told");
    }
    // Whatever happened, closing ends everything.
    host.close(now);
    host.end_of_stream();
    while let Some(event) = host.poll(Time::from_millis(u64::MAX)) {
        if let host::Event::Completed(done) = event {
            assert!(open.remove(&done.id.wire()).is_some());
        }
    }
    assert!(open.is_empty() && host.outstanding() == 0, "commands were lost");
}

/// A controller takes any operations and any bytes: it never panics, gives every buffer back exactly once, tells its end once, refuses stale
/// tags, and whatever it sends is right.
pub fn controller_machine(data: &[u8]) {
    let mut input = Input(data);
    let mut config = controller::Config::new();
    config.digests = Digests::from_dgst(input.u8() & 3);
    config.required = Digests::from_dgst(input.u8() & input.u8() & 3);
    config.depth = u16::from(input.u8() % 8) + 1;
    config.batch = usize::from(input.u8() % 8) + 1;
    config.max_r2t_data = 4 * (u32::from(input.u8()) + 1);
    config.max_c2h_data = 4 * (u32::from(input.u8()) + 1);
    config.max_h2c_data = 4096;
    config.max_transfer = 1 << 16;
    config.max_r2ts = u16::from(input.u8() % 5) + 1;
    config.alignment = DataAlignment::new(input.u8() % 32).unwrap_or_default();
    config.receive_buffer = 256;
    let kind = input.u8();
    config.admission =
        if kind & 1 == 0 { controller::Admission::Any } else { controller::Admission::ConnectFirst };
    config.success = if kind & 2 == 0 { SuccessFlag::Always } else { SuccessFlag::WithoutFlowControl };
    let mut now = Time::START;
    let Ok(mut machine) = Controller::<Bytes, Bytes>::new(config, now) else { return };
    let mut judge = Judge::new(Role::Host);
    let mut open: Vec<(Tag, u32)> = Vec::new();
    let mut over: Vec<Tag> = Vec::new();
    let mut lent = 0_u32;
    let (mut failed, mut closed) = (false, false);
    while !input.0.is_empty() {
        let agreed: Option<Negotiated> = machine.negotiated().copied();
        let to_controller = agreed.map(|agreed| agreed.to_controller);
        let mut bytes = Vec::new();
        match input.u8() % 12 {
            0 => bytes.extend_from_slice(input.bytes()),
            1 => {
                let alignment = DataAlignment::new(input.u8()).unwrap_or_default();
                let digests = Digests::from_dgst(input.u8());
                bytes = IcReq::new(alignment, digests, input.u8().into()).encode().to_vec();
            }
            2 | 3 => {
                let len = input.len();
                let in_capsule = input.u8() % 2 == 0;
                let mut sqe = match input.u8() % 8 {
                    0 => Connect::io(input.u8().into(), input.u8().into()).to_sqe(),
                    n => Sqe::new(n),
                };
                sqe.cid = input.u8().into();
                sqe.sgl = if in_capsule { Sgl::in_capsule(len) } else { Sgl::transport(len) };
                if input.u8() > 240 {
                    sqe.sgl.identifier = SglIdentifier(input.u8());
                }
                let data = if in_capsule { vec![9; usize::try_from(len).unwrap_or(0)] } else { Vec::new() };
                bytes = pdu(CapsuleCmd::new(sqe.encode()), to_controller, &data);
                if input.u8() == 7
                    && let Some(byte) = bytes.last_mut()
                {
                    *byte ^= 1;
                }
            }
            4 | 5 => {
                // Mostly what the oldest R2T asks for.
                let r2t = if judge.r2ts.is_empty() { R2t::new(0, 0, 0, 4) } else { judge.r2ts.remove(0) };
                let (offset, len) =
                    if input.u8() < 230 { (r2t.offset, r2t.len) } else { (input.len(), input.len()) };
                let mut header = H2cData::new(r2t.command_id, r2t.transfer_tag, offset, len);
                if input.u8() < 250 {
                    header = header.last();
                }
                bytes = pdu(header, to_controller, &vec![6; usize::try_from(len).unwrap_or(0)]);
                if input.u8() == 7
                    && let Some(byte) = bytes.last_mut()
                {
                    *byte ^= 1;
                }
            }
            6 => {
                let n = usize::from(input.u16());
                let sent: Bytes = machine.transmit().flatten().copied().take(n).collect();
                machine.transmitted(sent.len());
                judge.take(&sent, agreed.map(|agreed| agreed.to_host));
            }
            7 => {
                if let Some((tag, len)) = input.pick(&open) {
                    let have = if input.u8() == 0 { 0 } else { usize::try_from(len).unwrap_or(0) };
                    lent += u32::from(machine.fetch(tag, vec![0; have]).is_ok());
                }
            }
            8 | 9 => {
                if let Some((tag, len)) = input.pick(&open) {
                    let reply = if input.u8() < 200 { Reply::success() } else { Reply::failed(Status(2)) };
                    let answered = if input.u8() % 2 == 0 {
                        machine.respond(tag, reply).is_ok()
                    } else {
                        let have = usize::try_from(len).unwrap_or(0) / (usize::from(input.u8() == 0) + 1);
                        let taken = machine.respond_with_data(tag, vec![8; have], reply).is_ok();
                        lent += u32::from(taken);
                        taken
                    };
                    if answered {
                        open.retain(|(other, _)| *other != tag);
                        over.push(tag);
                    }
                }
            }
            10 => {
                now = now.after(Duration::from_millis(u64::from(input.u16())));
                if let Some(tag) = input.pick(&over) {
                    assert!(machine.respond(tag, Reply::success()).is_err(), "a command was answered twice");
                }
            }
            _ => match input.u8() % 8 {
                0 => machine.end_of_stream(),
                1 => machine.close(now),
                2 => machine.keep_alive(now),
                _ => {
                    let timeout = Duration::from_millis(input.u16().into());
                    machine.set_keep_alive(now, Some(KeepAlive::Commands(timeout)));
                }
            },
        }
        let mut rest = bytes.as_slice();
        let step = usize::from(input.u8()).max(1);
        loop {
            let n = machine.feed(rest.get(..step.min(rest.len())).unwrap_or_default());
            rest = rest.get(n..).unwrap_or_default();
            let mut events = 0;
            while let Some(event) = machine.poll(now) {
                events += 1;
                assert!(events < 100 && !closed, "no end of events");
                match event {
                    controller::Event::Ready(agreed) => {
                        assert!(config.required.is_subset_of(agreed.digests));
                    }
                    controller::Event::Command(command) => {
                        let len = match command.data {
                            CommandData::Transfer { len } => len,
                            CommandData::InCapsule(data) => {
                                assert!(!data.is_empty());
                                0
                            }
                            CommandData::None => 0,
                        };
                        assert!(!failed && open.iter().all(|(tag, _)| tag.slot() != command.tag.slot()));
                        open.push((command.tag, len));
                    }
                    controller::Event::Fetched { tag, buffer } => {
                        lent -= 1;
                        assert!(
                            open.iter().any(
                                |(other, len)| *other == tag && usize::try_from(*len) == Ok(buffer.len())
                            )
                        );
                    }
                    controller::Event::FetchFailed { tag, .. } => {
                        lent -= 1;
                        open.retain(|(other, _)| *other != tag);
                        over.push(tag);
                    }
                    controller::Event::Released { buffer: Buffer::Fetch(_) | Buffer::Send(_), .. } => {
                        lent -= 1;
                    }
                    controller::Event::Rejected { status, .. } => assert!(!status.is_success()),
                    controller::Event::Failed(_) => {
                        assert!(!failed, "the end was told twice");
                        failed = true;
                        over.extend(open.drain(..).map(|(tag, _)| tag));
                    }
                    controller::Event::Close(_) => {
                        assert!(failed && lent == 0 && machine.outstanding() == 0);
                        closed = true;
                    }
                }
            }
            if rest.is_empty() || n == 0 {
                break;
            }
        }
        assert!(machine.outstanding() <= usize::from(config.depth));
        assert!(!closed || machine.transmit().next().is_none());
    }
    machine.close(now);
    machine.end_of_stream();
    while let Some(event) = machine.poll(Time::from_millis(u64::MAX)) {
        match event {
            controller::Event::Released { .. }
            | controller::Event::Fetched { .. }
            | controller::Event::FetchFailed { .. } => lent -= 1,
            _ => {}
        }
    }
    assert!(lent == 0 && machine.outstanding() == 0, "buffers were lost");
}
