//! A host of one queue, for tests.

use std::future::poll_fn;
use std::task::Poll;

use nvme_proto::fabrics::{
    CommandSetSelected, Connect, ConnectData, ControllerConfiguration, Property, PropertySet,
};
use nvme_proto::host::{Command, Completion, Config, Event, Host};
use nvme_proto::machine::Failure;
use nvme_proto::sqe::Sqe;
use nvme_proto::{Cntlid, HostId, HostNqn, SubsysNqn};

use crate::net::{BusyPoll, Clock, Link, Stream};

pub(super) type Done = Completion<Vec<u8>, Vec<u8>>;

/// A connection that is driven only while something is asked of it.
pub(super) struct Queue<S> {
    link: Link<Host<Vec<u8>, Vec<u8>>, S>,
    pub(super) failure: Option<Failure>,
}

impl<S: Stream> Queue<S> {
    pub(super) fn new(stream: S, config: Config) -> Self {
        let clock = Clock::new();
        let host = Host::new(config, clock.now()).unwrap();
        Self { link: Link::new(host, stream, clock, BusyPoll::Off), failure: None }
    }

    /// Gives the machine a command; it is sent when the queue is driven.
    pub(super) fn submit(&mut self, command: Command<Vec<u8>, Vec<u8>>) {
        let now = self.link.clock().now();
        self.link.machine().submit(now, command).unwrap();
    }

    /// Drives until this many commands are done, or the connection ends.
    pub(super) async fn done(&mut self, count: usize) -> Vec<Done> {
        let mut done = Vec::new();
        let failure = &mut self.failure;
        let link = &mut self.link;
        poll_fn(|cx| {
            let turn = link.poll_turn(cx, |host, now, _| {
                while let Some(event) = host.poll(now) {
                    match event {
                        Event::Completed(completion) => done.push(completion),
                        Event::Failed(why) => *failure = Some(why),
                        Event::Close(how) => return Some(how),
                        _ => {}
                    }
                }
                None
            });
            if turn.is_ready() || done.len() >= count { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        done
    }

    /// Sends what there is, and takes what comes, but gives the machine no time to answer it.
    pub(super) async fn send_only(&mut self) {
        let link = &mut self.link;
        poll_fn(|cx| {
            let _ = link.poll_turn(cx, |_, _, _| None);
            Poll::Ready(())
        })
        .await;
    }

    /// One command.
    pub(super) async fn call(&mut self, command: Command<Vec<u8>, Vec<u8>>) -> Done {
        self.submit(command);
        let mut done = self.done(1).await;
        done.pop().expect("the connection ended before the command")
    }

    /// Drives until the other side ends the connection; commands that were lost with it are given back.
    pub(super) async fn until_closed(&mut self) -> Vec<Done> {
        self.done(usize::MAX).await
    }

    /// Ends the connection from this side.
    pub(super) async fn close(mut self) {
        let now = self.link.clock().now();
        self.link.machine().close(now);
        self.until_closed().await;
    }
}

/// A read of whole blocks of 512 bytes.
pub(super) fn read(block: u64, blocks: u16) -> Command<Vec<u8>, Vec<u8>> {
    Command::new(io(0x02, block, blocks)).read(vec![0; usize::from(blocks) * 512])
}

/// A write of whole blocks of 512 bytes.
pub(super) fn write(block: u64, data: Vec<u8>) -> Command<Vec<u8>, Vec<u8>> {
    let blocks = u16::try_from(data.len() / 512).unwrap();
    Command::new(io(0x01, block, blocks)).write(data)
}

fn io(opcode: u8, block: u64, blocks: u16) -> Sqe {
    let mut sqe = Sqe::new(opcode);
    sqe.nsid = 1;
    sqe.cdw10 = u32::try_from(block & 0xffff_ffff).unwrap();
    sqe.cdw11 = u32::try_from(block >> 32).unwrap();
    sqe.cdw12 = u32::from(blocks) - 1;
    sqe
}

/// A host that is known by a number.
pub(super) struct Identity {
    keep_alive: u32,
    id: HostId,
    nqn: HostNqn,
    subsystem: SubsysNqn,
}

impl Identity {
    pub(super) fn new(number: u8, subsystem: &SubsysNqn) -> Self {
        let id = HostId::from_bytes([number; 16]);
        Self { keep_alive: 0, id, nqn: HostNqn::from_uuid(id), subsystem: subsystem.clone() }
    }

    /// With a keep-alive time-out, in milliseconds.
    pub(super) const fn keep_alive(mut self, millis: u32) -> Self {
        self.keep_alive = millis;
        self
    }

    /// Connects an admin queue and switches the controller on.
    pub(super) async fn admin<S: Stream>(&self, stream: S, config: Config) -> (Queue<S>, Cntlid) {
        let mut queue = Queue::new(stream, config);
        let connect = self.connect(Connect::admin(31, self.keep_alive), Cntlid::DYNAMIC);
        let cqe = queue.call(connect).await.result.unwrap();
        let cntlid = Cntlid(u16::try_from(cqe.result() & 0xffff).unwrap());
        let on = ControllerConfiguration::enabled(CommandSetSelected::NVM);
        queue.call(Command::new(PropertySet::new(Property::CC, on.0.into()).to_sqe())).await.result.unwrap();
        (queue, cntlid)
    }

    /// Connects an I/O queue.
    pub(super) async fn io<S: Stream>(
        &self,
        stream: S,
        number: u16,
        cntlid: Cntlid,
        config: Config,
    ) -> Queue<S> {
        let mut queue = Queue::new(stream, config);
        let connect = self.connect(Connect::io(number, 127), cntlid);
        queue.call(connect).await.result.unwrap();
        queue
    }

    fn connect(&self, connect: Connect, cntlid: Cntlid) -> Command<Vec<u8>, Vec<u8>> {
        let data = ConnectData::new(self.id, cntlid, &self.subsystem, &self.nqn);
        Command::new(connect.to_sqe()).write(data.as_bytes().to_vec())
    }
}
