//! Between a connection's state machine and what its commands mean: memory, data, storage, answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use nvme_proto::Status;
use nvme_proto::controller::{
    self, AnswerError, CommandData, Controller, Event, Incoming, Refused, Reply, Tag,
};
use nvme_proto::machine::{Close, Failure, Time};
use nvme_proto::sqe::Sqe;

use super::mailbox::{Mailbox, Order};
use super::pool::Pool;
use super::statistics::Statistics;
use crate::target::backend::{Buffer, Finished, Io, IoError, IoOp, Lent, perform, take};
use crate::target::connection::{Answer, Connection, Notice, Payload, Work};

/// The machine of a connection.
pub(super) type Machine = Controller<Buffer, Outgoing>;

/// Data on their way to the host.
#[derive(Debug)]
pub(super) enum Outgoing {
    Buffer(Buffer),
    /// Memory of the storage.
    Lent(Lent),
}

impl AsRef<[u8]> for Outgoing {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Buffer(buffer) => buffer.as_ref(),
            Self::Lent(lent) => lent.as_ref(),
        }
    }
}

/// How long an answer may take to be sent before a connection that is to be closed is.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(2);

/// One connection above its state machine.
pub(super) struct Session {
    queue: Connection,
    pool: Pool,
    mailbox: Arc<Mailbox>,
    /// What becomes of a command whose data are being fetched, or that storage works on; by the machine's slot.
    slots: Vec<Option<(Tag, Stage)>>,
    /// Commands in `slots`.
    busy: usize,
    /// Commands that wait for memory, the first come first: no more than the machine has slots.
    waiting: VecDeque<Waiting>,
    /// Completions that are being looked at; kept for its memory.
    finished: Vec<(Tag, Finished)>,
    /// The connection is to be closed when its answers are sent, at this time at the latest.
    closing: Option<Time>,
    failure: Option<Failure>,
    /// The time of the last turn.
    now: Time,
    progress: u64,
    pub(super) counts: Statistics,
}

/// A command that was begun.
enum Stage {
    /// Its data are fetched for storage.
    Fetching(Work),
    /// Its data are fetched for the target itself.
    Asking(Sqe),
    /// Storage works on it.
    Running(Work),
}

/// A command that needs memory.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    tag: Tag,
    sqe: Sqe,
    len: u32,
}

/// What is to be told the machine about a command.
enum Outcome {
    Reply(Reply),
    Data(Outgoing, Reply),
    Fetch(Buffer, Stage),
    /// Nothing yet.
    Later,
}

impl Session {
    pub(super) fn new(queue: Connection, pool: Pool, mailbox: Arc<Mailbox>, depth: u16) -> Self {
        let depth = usize::from(depth);
        Self {
            queue,
            pool,
            mailbox,
            slots: std::iter::repeat_with(|| None).take(depth).collect(),
            busy: 0,
            waiting: VecDeque::new(),
            finished: Vec::new(),
            closing: None,
            failure: None,
            now: Time::START,
            progress: 0,
            counts: Statistics::default(),
        }
    }

    /// Whether buffers are kept that nobody uses.
    pub(super) const fn keeps_memory(&self) -> bool {
        self.pool.keeps()
    }

    /// Gives up buffers that nobody uses.
    pub(super) fn release_memory(&mut self) {
        self.pool.shrink();
    }

    /// Whether this connection has memory that others could wait for.
    pub(super) fn has_shared_memory(&self) -> bool {
        self.pool.has_shared()
    }

    /// Grows with everything that was begun or done with whole commands: a peer that sends a byte now and then makes none.
    pub(super) const fn progress(&self) -> u64 {
        self.progress
    }

    /// The time of the last turn: as good as the clock's, and cheaper.
    pub(super) const fn now(&self) -> Time {
        self.now
    }

    /// Why the connection ended.
    pub(super) const fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Everything there is to do now. `Some`: the stream is to be closed.
    pub(super) fn turn(&mut self, machine: &mut Machine, now: Time, cx: &mut Context<'_>) -> Option<Close> {
        self.now = now;
        self.collect(machine);
        self.hear(machine, now, cx);
        if machine.poll_timeout().is_some_and(|at| at <= now)
            && let Some(seen) = self.queue.keep_alive_seen()
        {
            machine.keep_alive(seen);
        }
        loop {
            while let Some(event) = machine.poll(now) {
                self.progress = self.progress.wrapping_add(1);
                let (tag, outcome) = match event {
                    Event::Command(Incoming { tag, sqe, data, .. }) => {
                        // What storage lends needs no memory, waits for none, and is answered at once.
                        if matches!(data, CommandData::Transfer { .. })
                            && self.mailbox.current() == Order::Serve
                            && let Some(lent) = self.queue.lend(now, sqe)
                        {
                            self.lent(machine, tag, lent);
                            continue;
                        }
                        (tag, self.command(now, tag, sqe, data))
                    }
                    Event::Fetched { tag, buffer } => (tag, self.fetched(now, tag, buffer)),
                    Event::FetchFailed { tag, buffer } => {
                        self.leave(tag);
                        self.pool.give(buffer);
                        continue;
                    }
                    Event::Released { tag, buffer } => {
                        match buffer {
                            controller::Buffer::Fetch(buffer) => {
                                self.leave(tag);
                                self.pool.give(buffer);
                            }
                            controller::Buffer::Send(data) => self.give(data),
                        }
                        continue;
                    }
                    Event::Failed(failure) => {
                        self.fail(failure);
                        continue;
                    }
                    Event::Close(how) => return Some(how),
                    _ => continue,
                };
                self.settle(machine, tag, outcome);
            }
            if !self.retry(machine, now, cx) {
                break;
            }
        }
        if self.may_close(machine, now) { self.close(machine, now) } else { None }
    }

    /// Ends the connection from this side.
    #[cold]
    fn close(&mut self, machine: &mut Machine, now: Time) -> Option<Close> {
        machine.close(now);
        // Tells `Failed` and `Close`, and gives buffers back.
        while let Some(event) = machine.poll(now) {
            match event {
                Event::Failed(failure) => self.fail(failure),
                Event::Close(how) => return Some(how),
                _ => {}
            }
        }
        None
    }

    /// When it has to be looked at again; never a time at which nothing would be done.
    pub(super) fn deadline(&self) -> Option<Time> {
        let by_time = self.failure.is_none() && self.mailbox.current() == Order::Serve;
        self.closing.filter(|_| by_time)
    }

    fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.waiting.clear();
        self.queue.ended(Some(failure));
    }

    /// Whether nothing keeps a connection that is to be closed.
    fn may_close(&self, machine: &Machine, now: Time) -> bool {
        if self.failure.is_some() {
            return false;
        }
        let told = || !machine.wants_transmit();
        match self.mailbox.current() {
            Order::Stop => true,
            Order::Drain => self.busy == 0 && told(),
            Order::Serve => self.closing.is_some_and(|until| now >= until || told()),
        }
    }

    /// Storage that is done.
    fn collect(&mut self, machine: &mut Machine) {
        if !self.mailbox.is_full() {
            return;
        }
        let mut finished = std::mem::take(&mut self.finished);
        self.mailbox.collect(&mut finished);
        for (tag, Finished { result, buffer }) in finished.drain(..) {
            let outcome = match self.leave(tag) {
                Some(Stage::Running(work)) => self.done(work, &result, buffer),
                // It is asked once for each command, which stays in its slot until it answers.
                _ => Outcome::Later,
            };
            self.settle(machine, tag, outcome);
        }
        self.finished = finished;
    }

    /// What the target has to say by itself.
    fn hear(&mut self, machine: &mut Machine, now: Time, cx: &mut Context<'_>) {
        while let Poll::Ready(notice) = self.queue.poll_notice(cx) {
            match notice {
                Notice::Answer(tag, reply) => self.settle(machine, tag, Outcome::Reply(reply)),
                Notice::KeepAlive(keep_alive) => machine.set_keep_alive(now, keep_alive),
                Notice::Terminate(_) => {
                    self.closing.get_or_insert(now.after(LAST_WORDS));
                    // Endings of an association may be told more than once, and then never end.
                    break;
                }
            }
        }
    }

    fn command(&mut self, now: Time, tag: Tag, sqe: &Sqe, data: CommandData<'_>) -> Outcome {
        if self.mailbox.current() >= Order::Drain {
            // Neither done nor answered: for the host it was lost on the way, and is repeated on another connection.
            return Outcome::Later;
        }
        match data {
            CommandData::None => {
                let answer = self.queue.execute(now, tag, sqe, Payload::None);
                self.answered(tag, sqe, answer, None)
            }
            CommandData::InCapsule(data) => {
                let answer = self.queue.execute(now, tag, sqe, Payload::Here(data));
                self.answered_here(tag, answer, data)
            }
            CommandData::Transfer { len } => {
                if self.waiting.is_empty()
                    && let Some(buffer) = self.buffer(len)
                {
                    return self.expected(now, tag, sqe, len, buffer);
                }
                self.counts.memory_waits = self.counts.memory_waits.saturating_add(1);
                self.waiting.push_back(Waiting { tag, sqe: *sqe, len });
                Outcome::Later
            }
        }
    }

    fn buffer(&mut self, len: u32) -> Option<Buffer> {
        self.pool.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Begins a command that waited for memory, if there is some; says whether it did.
    fn retry(&mut self, machine: &mut Machine, now: Time, cx: &Context<'_>) -> bool {
        let Some(Waiting { tag, sqe, len }) = self.waiting.front().copied() else { return false };
        let buffer = match self.buffer(len) {
            Some(buffer) => buffer,
            None => {
                self.pool.budget().wait(cx.waker());
                // Once more: what was given back before the line above woke nobody.
                match self.buffer(len) {
                    Some(buffer) => buffer,
                    None => return false,
                }
            }
        };
        self.waiting.pop_front();
        let outcome = match self.mailbox.current() {
            Order::Serve => self.expected(now, tag, &sqe, len, buffer),
            Order::Drain | Order::Stop => Outcome::Later,
        };
        self.settle(machine, tag, outcome);
        true
    }

    /// A command whose data are to be transferred either way, with memory for them.
    fn expected(&mut self, now: Time, tag: Tag, sqe: &Sqe, len: u32, buffer: Buffer) -> Outcome {
        let answer = self.queue.execute(now, tag, sqe, Payload::Expected { len });
        self.answered(tag, sqe, answer, Some(buffer))
    }

    fn answered(&mut self, tag: Tag, sqe: &Sqe, answer: Answer, buffer: Option<Buffer>) -> Outcome {
        match (answer, buffer) {
            (Answer::Io(work), Some(mut buffer)) if work.op.buffer_len() > 0 => {
                let alignment = work.backend().buffer_alignment();
                if alignment > 1 {
                    self.pool.align(&mut buffer, alignment);
                }
                match work.op {
                    IoOp::Read(_) => self.run(tag, work, buffer),
                    _ => Outcome::Fetch(buffer, Stage::Fetching(work)),
                }
            }
            (Answer::Fetch, Some(buffer)) => Outcome::Fetch(buffer, Stage::Asking(*sqe)),
            (answer, buffer) => {
                if let Some(buffer) = buffer {
                    self.pool.give(buffer);
                }
                match answer {
                    Answer::Reply(reply) => Outcome::Reply(reply),
                    Answer::Data(data, reply) => Outcome::Data(Outgoing::Buffer(data.into()), reply),
                    Answer::Io(work) => self.run(tag, work, Buffer::default()),
                    Answer::Later => Outcome::Later,
                    // Asked for data that there are none of.
                    Answer::Fetch => Outcome::Reply(Reply::failed(Status::INVALID_FIELD.with_dnr())),
                }
            }
        }
    }

    /// The same for a command whose data came with it.
    fn answered_here(&mut self, tag: Tag, answer: Answer, data: &[u8]) -> Outcome {
        let work = match answer {
            Answer::Io(work) => work,
            Answer::Reply(reply) => return Outcome::Reply(reply),
            Answer::Data(data, reply) => return Outcome::Data(Outgoing::Buffer(data.into()), reply),
            Answer::Later => return Outcome::Later,
            Answer::Fetch => return Outcome::Reply(Reply::failed(Status::INVALID_FIELD.with_dnr())),
        };
        if let Some(store) = work.backend().store() {
            let result = take(store, &work.op, data);
            return self.done(work, &result, Buffer::default());
        }
        let mut buffer = self.pool.overdraw(data.len());
        self.pool.align(&mut buffer, work.backend().buffer_alignment());
        buffer.as_mut().copy_from_slice(data);
        self.submit(tag, work, buffer)
    }

    /// The data of a command have come.
    fn fetched(&mut self, now: Time, tag: Tag, buffer: Buffer) -> Outcome {
        match self.leave(tag) {
            Some(Stage::Fetching(work)) => self.run(tag, work, buffer),
            Some(Stage::Asking(sqe)) => {
                let answer = self.queue.execute(now, tag, &sqe, Payload::Here(buffer.as_ref()));
                let outcome = self.answered_here(tag, answer, buffer.as_ref());
                self.pool.give(buffer);
                outcome
            }
            // Only what is in a slot is fetched for.
            _ => Outcome::Reply(Reply::failed(Status::INTERNAL_ERROR)),
        }
    }

    /// Storage has lent the data of a read.
    #[inline]
    fn lent(&mut self, machine: &mut Machine, tag: Tag, lent: Lent) {
        let bytes = u64::try_from(lent.len()).unwrap_or(u64::MAX);
        self.counts.bytes_read = self.counts.bytes_read.saturating_add(bytes);
        match machine.respond_with_data(tag, Outgoing::Lent(lent), Reply::success()) {
            Ok(()) => self.counts.commands = self.counts.commands.saturating_add(1),
            Err(refused) => self.refused(machine, tag, refused.reason),
        }
    }

    /// Has storage do a command.
    fn run(&mut self, tag: Tag, work: Work, mut buffer: Buffer) -> Outcome {
        match work.backend().store() {
            Some(store) => {
                let result = perform(store, &work.op, buffer.as_mut());
                self.done(work, &result, buffer)
            }
            None => self.submit(tag, work, buffer),
        }
    }

    fn submit(&mut self, tag: Tag, work: Work, buffer: Buffer) -> Outcome {
        let mailbox = Arc::clone(&self.mailbox);
        let io = Io::with(work.op.clone(), buffer, Box::new(move |finished| mailbox.finished(tag, finished)));
        let backend = work.backend_arc();
        self.enter(tag, Stage::Running(work));
        backend.submit(io);
        Outcome::Later
    }

    /// Storage has done a command.
    fn done(&mut self, work: Work, result: &Result<(), IoError>, buffer: Buffer) -> Outcome {
        let reads = matches!(work.op, IoOp::Read(_));
        let bytes = work.op.buffer_len();
        let reply = work.finish(result);
        if result.is_err() {
            self.pool.give(buffer);
            return Outcome::Reply(reply);
        }
        if reads {
            self.counts.bytes_read = self.counts.bytes_read.saturating_add(bytes);
            return Outcome::Data(Outgoing::Buffer(buffer), reply);
        }
        self.counts.bytes_written = self.counts.bytes_written.saturating_add(bytes);
        self.pool.give(buffer);
        Outcome::Reply(reply)
    }

    /// Tells the machine.
    fn settle(&mut self, machine: &mut Machine, tag: Tag, outcome: Outcome) {
        let refused = match outcome {
            Outcome::Later => return,
            Outcome::Reply(reply) => machine.respond(tag, reply).err(),
            Outcome::Data(buffer, reply) => match machine.respond_with_data(tag, buffer, reply) {
                Ok(()) => None,
                Err(Refused { reason, buffer, .. }) => {
                    self.give(buffer);
                    Some(reason)
                }
            },
            Outcome::Fetch(buffer, stage) => match machine.fetch(tag, buffer) {
                Ok(()) => {
                    self.enter(tag, stage);
                    return;
                }
                Err(Refused { reason, buffer, .. }) => {
                    self.pool.give(buffer);
                    Some(reason)
                }
            },
        };
        match refused {
            None => self.counts.commands = self.counts.commands.saturating_add(1),
            Some(reason) => self.refused(machine, tag, reason),
        }
    }

    /// The machine did not take an answer.
    #[cold]
    fn refused(&mut self, machine: &mut Machine, tag: Tag, reason: AnswerError) {
        match reason {
            // The connection has failed meanwhile.
            AnswerError::Over => {}
            // The host said one thing in the opcode and another in the command.
            _ => {
                let _ = machine.respond(tag, Reply::failed(Status::INVALID_FIELD.with_dnr()));
            }
        }
    }

    #[inline]
    fn give(&mut self, data: Outgoing) {
        match data {
            Outgoing::Buffer(buffer) => self.pool.give(buffer),
            Outgoing::Lent(_) => {}
        }
    }

    fn enter(&mut self, tag: Tag, stage: Stage) {
        if let Some(slot) = self.slots.get_mut(tag.slot()) {
            *slot = Some((tag, stage));
            self.busy = self.busy.saturating_add(1);
        }
    }

    fn leave(&mut self, tag: Tag) -> Option<Stage> {
        let (_, stage) = self.slots.get_mut(tag.slot())?.take_if(|(known, _)| *known == tag)?;
        self.busy = self.busy.saturating_sub(1);
        Some(stage)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.queue.ended(self.failure);
    }
}
