//! What a target answers, command by command.

/// A command with some fields changed.
macro_rules! with {
    ($command:expr, $($field:ident: $value:expr),+ $(,)?) => {{
        let mut command = $command;
        $( command.$field = $value; )+
        command
    }};
}

mod admin;
mod arbitrary;
mod catalogue;
mod changes;
mod discovery;
mod events;
mod io;
mod reservations;

use std::sync::Arc;

use nvme_proto::{Cntlid, Nsid, Status, SubsysNqn};

use super::backend::{BlockSize, Memory};
use super::exercise::{Host, Line, Outcome};
use super::{Namespace, Port, PortId, Subsystem, Target};

pub(super) const MIB: u64 = 1 << 20;

pub(super) fn nqn(name: &str) -> SubsysNqn {
    SubsysNqn::new(format!("nqn.2014-08.org.example:{name}")).unwrap()
}

pub(super) fn nsid(number: u32) -> Nsid {
    Nsid::new(number).unwrap()
}

pub(super) fn memory() -> Arc<Memory> {
    Arc::new(Memory::new(MIB).unwrap())
}

/// One subsystem, "disk", open to every host at ports 1 and 2: namespace 1 with 2048 blocks of 512 bytes, namespace 3 with 256 of 4096.
pub(super) fn target() -> Target {
    let target = Target::new();
    let second = Memory::with_block_size(MIB, BlockSize::B4096).unwrap();
    let subsystem = Subsystem::new(nqn("disk"))
        .allow_any_host()
        .namespace(Namespace::new(nsid(1), memory()))
        .unwrap()
        .namespace(Namespace::new(nsid(3), Arc::new(second)))
        .unwrap();
    target.add_subsystem(subsystem).unwrap();
    for id in [1, 2] {
        let address = format!("192.0.2.{id}:4420").parse().unwrap();
        target.add_port(Port::tcp(PortId(id), address).export(nqn("disk"))).unwrap();
    }
    target
}

/// An association with one I/O queue: admin queue, I/O queue, controller.
pub(super) fn association(target: &Target, port: u16, host: &Host) -> (Line, Line, Cntlid) {
    let (admin, cntlid) = Line::admin(target, port, &nqn("disk"), host);
    let io = Line::io(target, port, 1, cntlid, &nqn("disk"), host);
    (admin, io, cntlid)
}

/// The status alone.
#[track_caller]
pub(super) fn refused(outcome: &Outcome, status: Status) {
    assert_eq!(outcome.status(), Some(status), "{outcome:?}");
}

#[track_caller]
pub(super) fn done(outcome: &Outcome) {
    refused(outcome, Status::SUCCESS);
}

/// The data.
#[track_caller]
pub(super) fn data(outcome: Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Data(data) => data,
        other => panic!("no data: {other:?}"),
    }
}
