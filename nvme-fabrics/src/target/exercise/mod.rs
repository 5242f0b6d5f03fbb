//! A host in process: commands go straight to a [`Connection`], without machines and sockets.
//!
//! For tests, and for the property that arbitrary commands never break a target ([`commands`]).

mod arbitrary;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

use nvme_proto::controller::{Admission, Config, Controller, Event, Reply, Tag};
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::{
    CommandSetSelected, Connect, ConnectData, ControllerConfiguration, Property, PropertySet,
};
use nvme_proto::frame::Transmit;
use nvme_proto::machine::Time;
use nvme_proto::pdu::{CapsuleCmd, DataAlignment, IcReq, PduHeader};
use nvme_proto::sgl::Sgl;
use nvme_proto::sqe::Sqe;
use nvme_proto::{Cntlid, HostId, HostNqn, Status, SubsysNqn};

use super::backend::Io;
use super::connection::{Answer, Connection, Endpoint, Notice, Payload};
use super::{PortId, Target};

pub(crate) use arbitrary::commands;

/// Tags that are all different. Only a machine makes tags, so that one has to make these.
fn tags() -> &'static [Tag] {
    fn pdu(header: impl PduHeader) -> Vec<u8> {
        Transmit::verbatim(&header, &[][..]).chunks().concat()
    }
    static TAGS: OnceLock<Vec<Tag>> = OnceLock::new();
    TAGS.get_or_init(|| {
        let mut config = Config::new();
        config.admission = Admission::Any;
        config.depth = 64;
        let Ok(mut machine) = Controller::<Vec<u8>, Vec<u8>>::new(config, Time::START) else {
            return Vec::new();
        };
        machine.feed(&pdu(IcReq::new(DataAlignment::DWORD, Digests::NONE, 1)));
        let mut tags = Vec::new();
        for cid in 0..64 {
            let sqe = Sqe::new(0x0c).with_cid(cid).with_sgl(Sgl::no_data());
            machine.feed(&pdu(CapsuleCmd::new(sqe.encode())));
            while let Some(event) = machine.poll(Time::START) {
                if let Event::Command(command) = event {
                    tags.push(command.tag);
                }
            }
        }
        assert_eq!(tags.len(), 64, "each command has a slot");
        tags
    })
}

/// Who connects.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) nqn: HostNqn,
    pub(crate) id: HostId,
}

impl Host {
    /// A host that is told from others by this number.
    pub(crate) fn number(number: u8) -> Self {
        let id = HostId::from_bytes([number; 16]);
        Self { nqn: HostNqn::from_uuid(id), id }
    }
}

/// What came of a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer without data.
    Reply(Reply),
    /// Data, and success.
    Data(Vec<u8>),
    /// It waits.
    Later(Tag),
}

impl Outcome {
    /// The status, without the bit that says not to retry; what waits has none.
    pub(crate) fn status(&self) -> Option<Status> {
        match self {
            Self::Reply(reply) => Some(Status(reply.status.code())),
            Self::Data(_) => Some(Status::SUCCESS),
            Self::Later(_) => None,
        }
    }

    /// The result.
    pub(crate) fn result(&self) -> u64 {
        match self {
            Self::Reply(reply) => reply.result,
            _ => 0,
        }
    }
}

/// A connection with a host at its other end.
pub(crate) struct Line {
    pub(crate) connection: Connection,
    pub(crate) now: Time,
    cid: u16,
    /// Data that are fetched when the target asks for them.
    late: Vec<u8>,
    /// Slots of the commands that wait.
    waiting: BTreeSet<usize>,
}

impl Line {
    /// A connection to this port.
    pub(crate) fn open(target: &Target, port: u16) -> Self {
        let connection = target.open(Endpoint::new(PortId(port)));
        Self { connection, now: Time::START, cid: 0, late: Vec::new(), waiting: BTreeSet::new() }
    }

    /// A command as it is, with these data or room for them.
    pub(crate) fn raw(&mut self, sqe: Sqe, payload: Payload<'_>) -> Outcome {
        // As a machine has it: a slot whose command waits is not given again.
        let free = |at: &usize| !self.waiting.contains(&tags()[at % tags().len()].slot());
        let at = (usize::from(self.cid)..).find(free).unwrap_or(0);
        let tag = tags()[at % tags().len()];
        self.cid = self.cid.wrapping_add(1);
        let answer = self.connection.execute(self.now, tag, &sqe, payload);
        let data = match payload {
            Payload::Here(data) => data.to_vec(),
            _ => std::mem::take(&mut self.late),
        };
        let outcome = self.outcome(answer, tag, &sqe, data);
        if matches!(outcome, Outcome::Later(_)) {
            self.waiting.insert(tag.slot());
        }
        outcome
    }

    /// How many commands wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn outcome(&mut self, answer: Answer, tag: Tag, sqe: &Sqe, data: Vec<u8>) -> Outcome {
        match answer {
            Answer::Reply(reply) => Outcome::Reply(reply),
            Answer::Data(data, reply) => {
                assert!(reply.status.is_success() && reply.result == 0, "data come with plain success");
                Outcome::Data(data)
            }
            Answer::Later => Outcome::Later(tag),
            Answer::Fetch => {
                let answer = self.connection.execute(self.now, tag, sqe, Payload::Here(&data));
                assert!(!matches!(answer, Answer::Fetch), "data are fetched once");
                self.outcome(answer, tag, sqe, Vec::new())
            }
            Answer::Io(work) => {
                let len = usize::try_from(work.op.buffer_len()).unwrap_or(usize::MAX);
                let reads = matches!(work.op, super::backend::IoOp::Read(_));
                let buffer = if reads { vec![0; len] } else { data };
                assert!(len == 0 || buffer.len() == len, "as many data as blocks");
                let done = Arc::new(Mutex::new(None));
                let to = done.clone();
                let io = Io::new(work.op.clone(), buffer, move |done| {
                    *super::state::lock(&to) = Some(done);
                });
                work.backend().submit(io);
                let Some(done) = super::state::lock(&done).take() else { return Outcome::Later(tag) };
                let reply = work.finish(&done.result);
                if reads && reply.status.is_success() {
                    Outcome::Data(done.buffer)
                } else {
                    Outcome::Reply(reply)
                }
            }
        }
    }

    /// A command that its storage has begun with, and is not done with yet.
    #[cfg(test)]
    pub(crate) fn begin(&mut self, sqe: Sqe, len: u32) -> super::connection::Work {
        let sqe = sqe.with_cid(self.cid).with_sgl(Sgl::transport(len));
        match self.connection.execute(self.now, tags()[63], &sqe, Payload::Expected { len }) {
            Answer::Io(work) => work,
            other => panic!("{other:?}"),
        }
    }

    /// The command identifier of the last command.
    pub(crate) fn last_cid(&self) -> u16 {
        self.cid.wrapping_sub(1)
    }

    /// A command without data.
    pub(crate) fn plain(&mut self, sqe: Sqe) -> Outcome {
        let sqe = sqe.with_cid(self.cid).with_sgl(Sgl::no_data());
        self.raw(sqe, Payload::None)
    }

    /// A command that takes data from the target.
    pub(crate) fn fetch(&mut self, sqe: Sqe, len: u32) -> Outcome {
        let sqe = sqe.with_cid(self.cid).with_sgl(Sgl::transport(len));
        self.raw(sqe, Payload::Expected { len })
    }

    /// A command that brings data in its capsule.
    pub(crate) fn bring(&mut self, sqe: Sqe, data: &[u8]) -> Outcome {
        let sqe = sqe.with_cid(self.cid).with_sgl(Sgl::in_capsule(data.len() as u32));
        self.raw(sqe, Payload::Here(data))
    }

    /// A command whose data the target fetches.
    pub(crate) fn bring_late(&mut self, sqe: Sqe, data: &[u8]) -> Outcome {
        let len = data.len() as u32;
        self.late = data.to_vec();
        self.raw(sqe.with_cid(self.cid).with_sgl(Sgl::transport(len)), Payload::Expected { len })
    }

    /// What the target has to say by itself.
    pub(crate) fn notice(&mut self) -> Option<Notice> {
        match self.connection.poll_notice(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(notice) => {
                if let Notice::Answer(tag, _) = &notice {
                    assert!(self.waiting.remove(&tag.slot()), "an answer to a command that does not wait");
                }
                Some(notice)
            }
            Poll::Pending => None,
        }
    }

    /// Connect.
    pub(crate) fn connect(
        &mut self,
        command: Connect,
        cntlid: Cntlid,
        nqn: &SubsysNqn,
        host: &Host,
    ) -> Outcome {
        let data = ConnectData::new(host.id, cntlid, nqn, &host.nqn);
        self.bring(command.to_sqe(), data.as_bytes())
    }

    /// An admin queue whose controller is enabled.
    pub(crate) fn admin(target: &Target, port: u16, nqn: &SubsysNqn, host: &Host) -> (Self, Cntlid) {
        let mut line = Self::open(target, port);
        let outcome = line.connect(Connect::admin(31, 5000), Cntlid::DYNAMIC, nqn, host);
        assert_eq!(outcome.status(), Some(Status::SUCCESS), "{outcome:?}");
        line.enable();
        (line, Cntlid(outcome.result() as u16))
    }

    /// Enables the controller.
    pub(crate) fn enable(&mut self) {
        let config = ControllerConfiguration::enabled(CommandSetSelected::ALL);
        let outcome = self.plain(PropertySet::new(Property::CC, config.0.into()).to_sqe());
        assert_eq!(outcome.status(), Some(Status::SUCCESS));
        // What the keep-alive timer is from now on.
        while let Some(Notice::KeepAlive(_)) = self.notice() {}
    }

    /// An I/O queue.
    pub(crate) fn io(
        target: &Target,
        port: u16,
        number: u16,
        cntlid: Cntlid,
        nqn: &SubsysNqn,
        host: &Host,
    ) -> Self {
        let mut line = Self::open(target, port);
        let outcome = line.connect(Connect::io(number, 31), cntlid, nqn, host);
        assert_eq!(outcome.status(), Some(Status::SUCCESS), "{outcome:?}");
        line
    }
}
