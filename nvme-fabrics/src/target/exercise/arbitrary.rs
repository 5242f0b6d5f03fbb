//! Arbitrary commands, changes and ends of connections.

use std::sync::Arc;

use nvme_proto::fabrics::Connect;
use nvme_proto::machine::Time;
use nvme_proto::sgl::{Sgl, SglIdentifier};
use nvme_proto::sqe::{Sqe, SqeFlags};
use nvme_proto::{Cntlid, Nsid, Status, SubsysNqn};

use super::{Host, Line, Outcome};
use crate::target::backend::Memory;
use crate::target::connection::Payload;
use crate::target::{
    AnaGroup, AnaState, Hosts, Namespace, Port, PortId, Referral, Settings, Subsystem, Target, WriteProtect,
};

/// Bytes that a command may move.
const MAX_TRANSFER: u32 = 16 << 10;
/// Bytes of a namespace.
const DISK: u64 = 1 << 20;
/// Requests for events that may wait.
const WAITING: usize = 4;

/// Numbers from the fuzzer's bytes; zeros when they are used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes([self.u8(), self.u8(), self.u8(), self.u8()])
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.u8()).checked_rem(n).unwrap_or(0)
    }

    /// Mostly a small number, sometimes any.
    fn number(&mut self) -> u32 {
        match self.u8() {
            n @ 0..=199 => u32::from(n % 20),
            200..=219 => u32::MAX,
            _ => self.u32(),
        }
    }
}

/// Hosts that connect, send arbitrary commands and go, while the target is changed: nothing panics; every command is answered, or waits for an
/// event, of which no more than 4 do; data are never more than a command may move; an answer is never given twice; and when all hosts are gone
/// nothing of them is left.
pub(crate) fn commands(bytes: &[u8]) {
    let mut input = Input(bytes);
    let Ok(settings) = Settings::new().max_transfer(MAX_TRANSFER) else { return };
    let target = Target::with_settings(settings);
    let nqn = |n: usize| {
        let name =
            ["nqn.2014-08.org.example:a", "nqn.2014-08.org.example:b", nvme_proto::DISCOVERY_NQN][n % 3];
        SubsysNqn::new(name).unwrap()
    };
    for n in 0..2 {
        target.add_subsystem(Subsystem::new(nqn(n)).allow_any_host().io_queues(4).unwrap()).unwrap();
    }
    for id in [1, 2] {
        let address = ([192, 0, 2, id], 4420).into();
        target.add_port(Port::tcp(PortId(id.into()), address).export(nqn(0)).export(nqn(1))).unwrap();
    }
    let mut lines: Vec<Line> = Vec::new();
    let mut now = 0_u64;
    while !input.0.is_empty() {
        now = now.saturating_add(input.u8().into());
        match input.u8() {
            0..=31 => connect(&mut input, &target, &mut lines, &nqn, now),
            32..=63 => change(&mut input, &target, &nqn),
            64..=71 if !lines.is_empty() => {
                let which = input.below(lines.len());
                drop(lines.swap_remove(which));
            }
            _ => {
                let which = input.below(lines.len());
                if let Some(line) = lines.get_mut(which) {
                    line.now = Time::from_millis(now);
                    command(&mut input, line);
                }
            }
        }
        lines.iter_mut().for_each(drain);
        assert!(target.associations().len() <= lines.len(), "an association has an admin queue");
    }
    drop(lines);
    assert_eq!(target.associations(), [], "all hosts are gone");
}

fn connect(
    input: &mut Input<'_>,
    target: &Target,
    lines: &mut Vec<Line>,
    nqn: &dyn Fn(usize) -> SubsysNqn,
    now: u64,
) {
    if lines.len() >= 8 {
        lines.swap_remove(0);
    }
    let host = Host::number(input.u8() % 3);
    let nqn = nqn(input.u8().into());
    let mut line = Line::open(target, u16::from(input.u8() % 3));
    line.now = Time::from_millis(now);
    let (command, cntlid) = match input.u8() % 4 {
        0 | 1 => (Connect::admin(31, input.number()), Cntlid::DYNAMIC),
        n => (Connect::io(u16::from(input.u8() % 6), 31), Cntlid(u16::from(n))),
    };
    let done = line.connect(command, cntlid, &nqn, &host).status() == Some(Status::SUCCESS);
    if done && command.is_admin() && input.below(4) != 0 {
        line.enable();
    }
    lines.push(line);
}

fn command(input: &mut Input<'_>, line: &mut Line) {
    // Opcodes that are known are tried more often than others.
    const OPCODES: [u8; 20] = [
        0x00, 0x01, 0x02, 0x05, 0x08, 0x09, 0x0c, 0x0d, 0x0e, 0x11, 0x15, 0x06, 0x0a, 0x18, 0x7f, 0x02, 0x0c,
        0x09, 0x08, 0x7f,
    ];
    let mut sqe = Sqe::new(match input.u8() {
        n @ 0..=239 => OPCODES[usize::from(n) % OPCODES.len()],
        _ => input.u8(),
    });
    if input.u8() > 250 {
        sqe.flags = SqeFlags(input.u8());
    }
    sqe.cid = u16::from(input.u8());
    sqe.nsid = input.number();
    sqe.cdw10 = input.number();
    sqe.cdw11 = input.number();
    sqe.cdw12 = input.number();
    if input.u8() > 200 {
        (sqe.cdw13, sqe.cdw14, sqe.cdw15) = (input.u32(), input.u32(), input.u32());
    }
    let len = match input.u8() {
        n @ 0..=19 => u32::from(n) * 4,
        20..=99 => 4096,
        100..=179 => (sqe.cdw12 & 0xffff).saturating_add(1).saturating_mul(512),
        180..=219 => 512,
        220..=249 => 16,
        _ => input.u32(),
    };
    sqe.sgl = match input.u8() {
        0..=99 => Sgl::in_capsule(len),
        100..=249 => Sgl::transport(len),
        other => Sgl { address: input.u32().into(), identifier: SglIdentifier(other), ..Sgl::transport(len) },
    };
    // What a machine makes of it: it has checked the descriptor, and no more than it takes is ever there.
    let data = vec![input.u8(); usize::try_from(len.min(MAX_TRANSFER)).unwrap_or(0)];
    let outcome = match sqe.sgl.place() {
        _ if len == 0 => line.raw(sqe, Payload::None),
        Ok(nvme_proto::sgl::SglPlace::InCapsule { .. }) if len <= MAX_TRANSFER => {
            line.raw(sqe, Payload::Here(&data))
        }
        Ok(nvme_proto::sgl::SglPlace::Transport { .. }) => {
            line.late = data;
            line.raw(sqe, Payload::Expected { len })
        }
        _ => return,
    };
    match outcome {
        Outcome::Later(_) => assert!(line.waiting() <= WAITING, "more requests wait than may"),
        Outcome::Data(data) => assert!(data.len() <= len as usize, "more data than asked for"),
        Outcome::Reply(_) => {}
    }
}

/// Takes what the target has to say.
fn drain(line: &mut Line) {
    // Every event at most once, every request that waits, the timer, the end.
    let said = (0..16).take_while(|_| line.notice().is_some()).count();
    assert!(said < 16, "a target that never stops talking");
}

fn change(input: &mut Input<'_>, target: &Target, nqn: &dyn Fn(usize) -> SubsysNqn) {
    let nqn = nqn(input.u8().into());
    let Ok(nsid) = Nsid::new(u32::from(input.u8() % 4) + 1) else { return };
    let port = PortId(u16::from(input.u8() % 3));
    let group = AnaGroup::new(u32::from(input.u8() % 3) + 1).unwrap_or_default();
    let host = Host::number(input.u8() % 3).nqn;
    // Whether a change can be made is for the target to say.
    let _ = match input.u8() % 16 {
        0..=3 => match Memory::new(DISK) {
            Ok(disk) => target.add_namespace(&nqn, Namespace::new(nsid, Arc::new(disk)).ana_group(group)),
            Err(_) => return,
        },
        4 => target.remove_namespace(&nqn, nsid),
        5 => target.set_ana_group(&nqn, nsid, group),
        6 | 7 => {
            const STATES: [AnaState; 5] = [
                AnaState::Optimized,
                AnaState::NonOptimized,
                AnaState::Inaccessible,
                AnaState::PersistentLoss,
                AnaState::Change,
            ];
            target.set_ana_state(port, group, STATES[input.below(STATES.len())])
        }
        8 => target.set_write_protect(&nqn, nsid, WriteProtect::Protected),
        9 => target.set_write_protect(&nqn, nsid, WriteProtect::None),
        10 => target.set_hosts(&nqn, [host].into_iter().collect()),
        11 => target.set_hosts(&nqn, Hosts::Any),
        12 => target.withdraw(port, &nqn),
        13 => target.export(port, &nqn),
        14 => target.add_referral(port, Referral::tcp(([192, 0, 2, 9], 8009).into())),
        _ => target.disconnect(&nqn, Cntlid(u16::from(input.u8() % 8))),
    };
}
