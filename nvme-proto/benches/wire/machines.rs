//! What both state machines do for one command, without the copy of its data: 32 commands of 4 KiB outstanding, bytes handed over in memory.
//!
//! Each function does `n` commands, a multiple of [`DEPTH`], with one machine; its peer is played by PDUs that are made beforehand.

use nvme_proto::controller::{self, Admission, Buffer, CommandData, Controller, Reply};
use nvme_proto::cqe::Cqe;
use nvme_proto::digest::Digests;
use nvme_proto::host::{self, Command, Data, Host, Placement};
use nvme_proto::machine::Time;
use nvme_proto::pdu::{C2hData, CapsuleCmd, CapsuleResp, DataAlignment, H2cData, IcReq, IcResp, R2t};
use nvme_proto::sgl::Sgl;
use nvme_proto::sqe::Sqe;

/// Commands that are outstanding at once.
pub(crate) const DEPTH: u32 = 32;
const LEN: u32 = 4096;
const NOW: Time = Time::START;

type Bytes = Vec<u8>;

fn entry(opcode: u8) -> Sqe {
    let mut sqe = Sqe::new(opcode);
    sqe.nsid = 1;
    sqe
}

/// A reader that has `head` for the buffer, behind what is missing of the payload; the payload it leaves as it is.
macro_rules! receive {
    ($machine:expr, $head:expr, $behind:expr) => {{
        let head: &[u8] = $head;
        let space = $machine.space();
        let payload = space.payload.len();
        space.buffer[..head.len()].copy_from_slice(head);
        $machine.received(payload + head.len() + $behind);
    }};
}

macro_rules! send {
    ($machine:expr) => {{
        let n = $machine.transmit().map(<[u8]>::len).sum();
        $machine.transmitted(n);
    }};
}

/// A host whose connection is open, with a buffer for each command.
struct HostRig {
    host: Host<Bytes, Bytes>,
    buffers: Vec<Bytes>,
    wires: Vec<u16>,
}

impl HostRig {
    fn new() -> Self {
        let mut host = Host::new(host::Config::io(8192), NOW).unwrap();
        send!(host);
        host.feed(&IcResp::new(DataAlignment::DWORD, Digests::NONE, 128 << 10).encode());
        assert!(matches!(host.poll(NOW), Some(host::Event::Ready(_))));
        Self { host, buffers: vec![vec![0; LEN as usize]; DEPTH as usize], wires: Vec::new() }
    }

    fn submit(&mut self, command: impl Fn(Bytes) -> Command<Bytes, Bytes>) {
        self.wires.clear();
        while let Some(buffer) = self.buffers.pop() {
            self.wires.push(self.host.submit(NOW, command(buffer)).unwrap().wire());
        }
        assert!(self.host.poll(NOW).is_none());
        send!(self.host);
    }

    fn complete(&mut self) {
        while let Some(event) = self.host.poll(NOW) {
            let host::Event::Completed(done) = event else { panic!("{event:?}") };
            assert!(done.result.is_ok());
            match done.data {
                Data::Read(buffer) | Data::Write(buffer) => self.buffers.push(buffer),
                Data::None => {}
            }
        }
    }

    /// All completions at once.
    fn answer(&mut self) {
        let heads =
            self.wires.iter().flat_map(|wire| CapsuleResp::new(Cqe::success(*wire).encode()).encode());
        let heads: Bytes = heads.collect();
        receive!(self.host, &heads, 0);
        self.complete();
        assert_eq!(self.buffers.len(), DEPTH as usize);
    }
}

pub(crate) fn host_read(n: u32) {
    let mut rig = HostRig::new();
    for _ in 0..n / DEPTH {
        rig.submit(|buffer| Command::new(entry(2)).read(buffer));
        for at in 0..DEPTH as usize {
            let wire = rig.wires[at];
            receive!(rig.host, &C2hData::new(wire, 0, LEN).last().encode(), 0);
            assert!(rig.host.poll(NOW).is_none());
            receive!(rig.host, &CapsuleResp::new(Cqe::success(wire).encode()).encode(), 0);
            rig.complete();
        }
    }
}

pub(crate) fn host_write_in_capsule(n: u32) {
    let mut rig = HostRig::new();
    for _ in 0..n / DEPTH {
        rig.submit(|buffer| Command::new(entry(1)).write(buffer));
        rig.answer();
    }
}

pub(crate) fn host_write_asked_for(n: u32) {
    let mut rig = HostRig::new();
    for _ in 0..n / DEPTH {
        rig.submit(|buffer| Command::new(entry(1)).write(buffer).placed(Placement::Transfer));
        let heads: Bytes = rig.wires.iter().flat_map(|wire| R2t::new(*wire, 7, 0, LEN).encode()).collect();
        receive!(rig.host, &heads, 0);
        assert!(rig.host.poll(NOW).is_none());
        send!(rig.host);
        rig.answer();
    }
}

/// A controller whose connection is open.
struct ControllerRig {
    controller: Controller<Bytes, Bytes>,
    buffers: Vec<Bytes>,
}

impl ControllerRig {
    fn new() -> Self {
        let mut config = controller::Config::new();
        config.admission = Admission::Any;
        let mut controller = Controller::new(config, NOW).unwrap();
        controller.feed(&IcReq::new(DataAlignment::DWORD, Digests::NONE, 0).encode());
        assert!(matches!(controller.poll(NOW), Some(controller::Event::Ready(_))));
        send!(controller);
        Self { controller, buffers: vec![vec![0; LEN as usize]; DEPTH as usize] }
    }

    /// All commands at once, with what comes of them.
    fn commands(&mut self, sqe: Sqe) {
        let heads: Bytes =
            (0..DEPTH as u16).flat_map(|cid| CapsuleCmd::new(sqe.with_cid(cid).encode()).encode()).collect();
        receive!(self.controller, &heads, 0);
        self.serve();
    }

    fn serve(&mut self) {
        while let Some(event) = self.controller.poll(NOW) {
            match event {
                controller::Event::Command(command) => {
                    let tag = command.tag;
                    match command.data {
                        CommandData::InCapsule(_) => {
                            self.controller.respond(tag, Reply::success()).unwrap();
                        }
                        CommandData::Transfer { .. } if command.sqe.opcode == 1 => {
                            let buffer = self.buffers.pop().unwrap();
                            self.controller.fetch(tag, buffer).unwrap();
                        }
                        _ => {
                            let buffer = self.buffers.pop().unwrap();
                            self.controller.respond_with_data(tag, buffer, Reply::success()).unwrap();
                        }
                    }
                }
                controller::Event::Fetched { tag, buffer } => {
                    self.buffers.push(buffer);
                    self.controller.respond(tag, Reply::success()).unwrap();
                }
                controller::Event::Released { buffer: Buffer::Send(buffer), .. } => self.buffers.push(buffer),
                event => panic!("{event:?}"),
            }
        }
    }

    /// Sends, and takes the buffers back.
    fn finish(&mut self) {
        send!(self.controller);
        self.serve();
        assert_eq!(self.buffers.len(), DEPTH as usize);
    }
}

pub(crate) fn controller_read(n: u32) {
    let mut rig = ControllerRig::new();
    for _ in 0..n / DEPTH {
        rig.commands(entry(2).with_sgl(Sgl::transport(LEN)));
        rig.finish();
    }
}

pub(crate) fn controller_write_in_capsule(n: u32) {
    let mut rig = ControllerRig::new();
    for _ in 0..n / DEPTH {
        for cid in 0..DEPTH as u16 {
            let sqe = entry(1).with_cid(cid).with_sgl(Sgl::in_capsule(LEN));
            let mut capsule = CapsuleCmd::new(sqe.encode());
            (capsule.envelope.data_offset, capsule.envelope.pdu_len) = (72, 72 + LEN);
            receive!(rig.controller, &capsule.encode(), LEN as usize);
            rig.serve();
        }
        rig.finish();
    }
}

pub(crate) fn controller_write_asked_for(n: u32) {
    let mut rig = ControllerRig::new();
    let mut tags = Vec::new();
    for _ in 0..n / DEPTH {
        rig.commands(entry(1).with_sgl(Sgl::transport(LEN)));
        tags.clear();
        for chunk in rig.controller.transmit() {
            let (pdus, _) = chunk.as_chunks::<24>();
            tags.extend(pdus.iter().map(|pdu| R2t::decode(pdu).unwrap()));
        }
        send!(rig.controller);
        for r2t in &tags {
            let data = H2cData::new(r2t.command_id, r2t.transfer_tag, 0, LEN).last();
            receive!(rig.controller, &data.encode(), 0);
            rig.serve();
        }
        receive!(rig.controller, &[], 0);
        rig.serve();
        rig.finish();
    }
}
