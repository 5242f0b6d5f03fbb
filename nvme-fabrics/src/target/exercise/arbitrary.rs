//! Arbitrary commands, changes and ends of connections.

use std::sync::Arc;

use nvme_proto::command::{AdminCommand, IoCommand};
use nvme_proto::fabrics::{
    CommandSetSelected, Connect, ControllerConfiguration, Property, PropertyGet, PropertySet,
    ShutdownNotification,
};
use nvme_proto::machine::Time;
use nvme_proto::sgl::{Sgl, SglIdentifier, SglPlace};
use nvme_proto::sqe::{DataDirection, Sqe, SqeFlags};
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

/// A connection, and what it was opened as.
struct Open {
    line: Line,
    admin: bool,
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
    for nsid in [1, 2] {
        let (Ok(nsid), Ok(disk)) = (Nsid::new(nsid), Memory::new(DISK)) else { return };
        target.add_namespace(&nqn(0), Namespace::new(nsid, Arc::new(disk))).unwrap();
    }
    // Two hosts are connected from the beginning.
    let mut lines: Vec<Open> = Vec::new();
    for number in [1, 2] {
        let host = Host::number(number);
        let (line, cntlid) = Line::admin(&target, 1, &nqn(0), &host);
        lines.push(Open { line, admin: true });
        let line = Line::io(&target, 1, 1, cntlid, &nqn(0), &host);
        lines.push(Open { line, admin: false });
    }
    let mut now = 0_u64;
    while !input.0.is_empty() {
        now = now.saturating_add(input.u8().into());
        match input.u8() {
            0..=15 => connect(&mut input, &target, &mut lines, &nqn, now),
            16..=31 => change(&mut input, &target, &nqn),
            32..=35 if !lines.is_empty() => {
                let which = input.below(lines.len());
                drop(lines.swap_remove(which));
            }
            _ => {
                let which = input.below(lines.len());
                if let Some(open) = lines.get_mut(which) {
                    open.line.now = Time::from_millis(now);
                    command(&mut input, open);
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
    lines: &mut Vec<Open>,
    nqn: &dyn Fn(usize) -> SubsysNqn,
    now: u64,
) {
    if lines.len() >= 8 {
        lines.swap_remove(0);
    }
    let host = Host::number(input.u8() % 2 + 1);
    let nqn = nqn(input.u8().into());
    let mut line = Line::open(target, u16::from(input.u8() % 3));
    line.now = Time::from_millis(now);
    let (command, cntlid) = match input.u8() % 4 {
        0 | 1 => (Connect::admin(31, input.number()), Cntlid::DYNAMIC),
        _ => (Connect::io(u16::from(input.u8() % 6), 31), Cntlid(u16::from(input.u8() % 8))),
    };
    let done = line.connect(command, cntlid, &nqn, &host).status() == Some(Status::SUCCESS);
    if done && command.is_admin() && input.below(4) != 0 {
        line.enable();
    }
    lines.push(Open { line, admin: command.is_admin() });
}

/// Admin commands, their dword 10: what a host asks.
const ADMIN: [(u8, u32); 30] = [
    (0x06, 0x00),
    (0x06, 0x01),
    (0x06, 0x02),
    (0x06, 0x03),
    (0x06, 0x05),
    (0x06, 0x06),
    (0x06, 0x08),
    (0x06, 0x12),
    (0x06, 0x13),
    (0x06, 0x1c),
    (0x02, 0x007f_0000),
    (0x02, 0x007f_0001),
    (0x02, 0x007f_0002),
    (0x02, 0x03ff_0004),
    (0x02, 0x03ff_0005),
    (0x02, 0x03ff_800c),
    (0x02, 0x03ff_000c),
    (0x02, 0x03ff_0070),
    (0x02, 0x000f_0080),
    (0x09, 0x07),
    (0x09, 0x0b),
    (0x09, 0x0e),
    (0x09, 0x0f),
    (0x09, 0x82),
    (0x09, 0x84),
    (0x0a, 0x0b),
    (0x0a, 0x81),
    (0x0c, 0),
    (0x0c, 0),
    (0x08, 0),
];

/// Opcodes of I/O queues; those that do most come more than once.
const IO: [u8; 16] = [1, 2, 1, 2, 0, 5, 8, 9, 0x0c, 0x0d, 0x0d, 0x0e, 0x11, 0x11, 0x15, 0x04];

/// A command that mostly means something.
fn sensible(input: &mut Input<'_>, admin: bool) -> Sqe {
    let mut sqe = if admin {
        match input.u8() {
            0..=19 => PropertyGet::new(Property(u32::from(input.u8() % 8) * 4)).to_sqe(),
            20..=29 => {
                let config = ControllerConfiguration::enabled(CommandSetSelected::ALL);
                let shutdown = ShutdownNotification(input.u8() % 4);
                let config = config.with_enable(input.below(3) != 0).with_shutdown(shutdown);
                PropertySet::new(Property::CC, config.0.into()).to_sqe()
            }
            n => {
                let (opcode, cdw10) = ADMIN[usize::from(n) % ADMIN.len()];
                let values = [0, 1, 2, 3, 7, 0x100, 0x800, 0x900, 1 << 31, 5000];
                Sqe { cdw10, cdw11: values[input.below(values.len())], ..Sqe::new(opcode) }
            }
        }
    } else {
        let mut sqe = Sqe::new(IO[input.below(IO.len())]);
        sqe.cdw10 = match sqe.opcode {
            // What a reservation command does; the kind of the reservation is in bits 15:8.
            0x0d | 0x11 | 0x15 => u32::from(input.u8() % 3) | u32::from(input.u8() % 7) << 8,
            // One dword less than there is room for, or as many ranges.
            0x0e => u32::from(input.u8()),
            _ => u32::from(input.u8() % 8),
        };
        sqe.cdw11 = match sqe.opcode {
            0x0e => 1,
            0x09 => 4,
            _ => 0,
        };
        sqe.cdw12 = u32::from(input.u8() % 8);
        sqe
    };
    if !sqe.is_fabrics() {
        sqe.nsid = u32::from(input.u8() % 4);
    }
    sqe
}

fn command(input: &mut Input<'_>, open: &mut Open) {
    let Open { line, admin } = open;
    let mut sqe = sensible(input, *admin);
    // Often something in it is anything.
    match input.u8() {
        0..=159 => {}
        160..=179 => sqe.opcode = input.u8(),
        180..=199 => sqe.nsid = input.number(),
        200..=219 => sqe.cdw10 = input.number(),
        220..=229 => sqe.cdw11 = input.number(),
        230..=239 => sqe.cdw12 = input.number(),
        240..=247 => (sqe.cdw13, sqe.cdw14, sqe.cdw15) = (input.u32(), input.u32(), input.u32()),
        _ => sqe.flags = SqeFlags(input.u8()),
    }
    sqe.cid = u16::from(input.u8());
    let len = if *admin {
        AdminCommand::from_sqe(&sqe).data_len()
    } else {
        IoCommand::from_sqe(&sqe).data_len(512)
    };
    let len = match input.u8() {
        0..=219 => len.and_then(|len| u32::try_from(len).ok()).unwrap_or(0),
        220..=239 => input.number().saturating_mul(4),
        _ => input.u32(),
    };
    let brings = sqe.direction() == DataDirection::HostToController;
    sqe.sgl = match input.u8() {
        0..=119 if brings => Sgl::in_capsule(len),
        0..=249 => Sgl::transport(len),
        other => Sgl { address: input.u32().into(), identifier: SglIdentifier(other), ..Sgl::transport(len) },
    };
    // What a machine makes of it: it has checked the descriptor, and no more than it takes is ever there.
    let mut data = vec![0; usize::try_from(len.min(MAX_TRANSFER)).unwrap_or(0)];
    data.iter_mut().take(16).step_by(8).for_each(|byte| *byte = input.u8() % 4);
    let outcome = match sqe.sgl.place() {
        Ok(_) if len == 0 => line.raw(sqe, Payload::None),
        Ok(SglPlace::InCapsule { .. }) if len <= MAX_TRANSFER => line.raw(sqe, Payload::Here(&data)),
        Ok(SglPlace::Transport { .. }) => {
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
fn drain(open: &mut Open) {
    // Every event at most once, every request that waits, the timer, the end.
    let said = (0..16).take_while(|_| open.line.notice().is_some()).count();
    assert!(said < 16, "a target that never stops talking");
}

fn change(input: &mut Input<'_>, target: &Target, nqn: &dyn Fn(usize) -> SubsysNqn) {
    let nqn = nqn(input.u8().into());
    let Ok(nsid) = Nsid::new(u32::from(input.u8() % 4) + 1) else { return };
    let port = PortId(u16::from(input.u8() % 3));
    let group = AnaGroup::new(u32::from(input.u8() % 3) + 1).unwrap_or_default();
    let host = Host::number(input.u8() % 2 + 1).nqn;
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
