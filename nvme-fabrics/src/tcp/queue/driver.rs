//! The task of one connection.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use nvme_proto::command::admin::KeepAlive as KeepAliveCommand;
use nvme_proto::host::{Command, CommandError, Completion, Data, Event, Host};
use nvme_proto::machine::{Close, Failure, Time};

use super::super::buffer::ReadBuffer;
use super::home::Home;
use super::{DEEP, Effect, Fault, Finished, Lost, Queue, Reports, Request, TimedOut};
use crate::net::{BusyPoll, Ended, Link, Stream};

/// The state machine of a queue.
pub(crate) type HostMachine = Host<ReadBuffer, Bytes>;

/// How often commands are held back at most before they are sent.
const HOLDS: u8 = 3;
/// Data that are not worth a copy: 32 KiB.
const BULK: usize = 32 << 10;
/// Slots whose command is not in the table.
const NOBODY: u32 = u32::MAX;
/// The slot of a Keep Alive.
const KEEP_ALIVE: u32 = u32::MAX - 1;

/// A connection and the queue it serves: a future that is ready when the connection has ended.
pub(crate) struct QueueDriver<S> {
    home: Arc<Home<S>>,
    /// Callers may drive it too.
    lent: bool,
    ended: bool,
    /// Others had their turn since it was woken.
    yielded: bool,
}

/// What is driven, by one at a time.
pub(super) struct Engine<S> {
    link: Link<HostMachine, S>,
    work: Work,
    ended: bool,
}

/// Who drives a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Task,
    /// A caller, by whom it was borrowed: it waits for nothing but the answer of its own commands.
    Caller,
}

/// What the task knows beside the connection.
struct Work {
    queue: Arc<Queue>,
    reports: Arc<Reports>,
    /// Which entry of the table each slot's command is, and what it may have done.
    slots: Box<[(u32, Effect)]>,
    /// Slots that may be taken: one is left for Keep Alive.
    usable: usize,
    /// Completions on their way to the table.
    over: Vec<(u32, Completion<ReadBuffer, Bytes>)>,
    wakers: Vec<std::task::Waker>,
    failure: Option<Failure>,
    /// Commands may be held back for a moment.
    batching: bool,
    /// The connection is lent: it is looked at with the queue's waker.
    lent: bool,
    /// Whose turn it is.
    by: By,
    /// They are in this turn.
    holding: bool,
    /// How often those that wait were.
    held: u8,
    /// Completions were given to callers in this turn.
    delivered: bool,
    /// Who is woken when there is something to submit.
    task: Option<std::task::Waker>,
    /// Commands wait that there was no room for.
    waiting: bool,
    /// The last command read long data.
    bulk: bool,
    /// Commands that were lost and may have changed something.
    unknown: usize,
}

impl<S> QueueDriver<S> {
    /// The task for a connection on which Connect has succeeded. `depth` is that of the machine, of which `reserved` slots are left alone.
    pub(crate) fn new(
        mut link: Link<HostMachine, S>,
        queue: Arc<Queue>,
        reports: Arc<Reports>,
        depth: u16,
        reserved: u16,
    ) -> Self {
        let slots = usize::from(depth);
        if queue.id() == 0 {
            // Nothing on it is in a hurry, and each look would be one at the I/O queues less.
            link.set_busy_poll(BusyPoll::Off);
        }
        // Who looks all the time wants no pause at all.
        let batching = link.busy_poll() == BusyPoll::Off;
        reports.began();
        queue.connected();
        let work = Work {
            queue: Arc::clone(&queue),
            reports,
            slots: vec![(NOBODY, Effect::Nothing); slots].into_boxed_slice(),
            usable: slots.saturating_sub(usize::from(reserved)).max(1),
            over: Vec::with_capacity(slots),
            wakers: Vec::with_capacity(slots),
            failure: None,
            batching,
            lent: false,
            by: By::Task,
            holding: false,
            held: 0,
            delivered: false,
            task: None,
            waiting: false,
            bulk: false,
            unknown: 0,
        };
        let home = Arc::new(Home::new(Engine { link, work, ended: false }, queue));
        Self { home, lent: false, ended: false, yielded: false }
    }

    /// Lends the connection to callers. One that is looked at all the time is not lent: its task is never far.
    pub(crate) fn lend(mut self) -> Self
    where
        S: Stream + Send + 'static,
    {
        let mut engine = self.home.wait();
        if engine.link.busy_poll() == BusyPoll::Off {
            (self.lent, engine.work.lent) = (true, true);
            let queue = self.home.queue();
            queue.rung.store(true, Ordering::Release); // nobody has looked yet
            let home: Arc<Home<S>> = Arc::clone(&self.home);
            queue.lock().lent = Some(home);
        }
        drop(engine);
        self
    }
}

impl<S: Stream> Engine<S> {
    /// Drives the connection until nothing moves.
    pub(super) fn turn(&mut self, by: By, cx: &mut Context<'_>) -> Poll<()> {
        let Self { link, work, ended } = self;
        if *ended {
            return Poll::Ready(());
        }
        link.expect_bulk(work.bulk);
        (work.by, work.delivered, work.holding) = (by, false, false);
        // If nothing has happened since somebody looked, there is nothing to receive, and whoever is to be woken is known.
        let quiet = work.lent && !work.queue.rung.swap(false, Ordering::AcqRel);
        let turn = match by {
            By::Task => {
                link.send_first(work.queue.news.load(Ordering::Relaxed));
                link.expect_nothing(quiet);
                link.poll_turn(cx, |host, now, cx| work.turn(host, now, cx))
            }
            By::Caller => {
                link.expect_nothing(quiet);
                link.borrowed_turn(cx, |host, now, cx| work.turn(host, now, cx));
                Poll::Pending
            }
        };
        turn.map(|end| {
            *ended = true;
            work.end(Some(end));
        })
    }
}

impl<S: Stream> Future for QueueDriver<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { home, lent, ended, yielded } = self.get_mut();
        if *ended {
            return Poll::Ready(());
        }
        if *lent {
            let queue = home.queue();
            queue.lock().task.get_or_insert_with(|| cx.waker().clone());
            // From here on whatever happens wakes it. A caller may have done everything.
            if !queue.rung.load(Ordering::Acquire) && !queue.news.load(Ordering::Acquire) {
                return Poll::Pending;
            }
        }
        let turn = home.with(|engine| {
            // Whoever is ready to send or to submit more on this thread does so first, and all of it moves together. Otherwise a deep queue falls
            // into halves that never meet: at depth 32 each read cost 0.31 system calls instead of 0.19.
            if !*yielded && engine.link.machine().outstanding() >= DEEP {
                *yielded = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            *yielded = false;
            if *lent {
                return engine.turn(By::Task, &mut Context::from_waker(home.waker()));
            }
            engine.turn(By::Task, cx)
        });
        // Who has it wakes this task afterwards.
        let Some(turn) = turn else { return Poll::Pending };
        *ended = turn.is_ready();
        turn
    }
}

impl<S> Unpin for QueueDriver<S> {}

impl<S> Drop for QueueDriver<S> {
    /// A task that is taken away (its runtime ends) takes its connection with it: nobody waits for ever.
    fn drop(&mut self) {
        if !self.ended {
            let mut engine = self.home.wait();
            engine.ended = true;
            engine.work.end(None);
        }
    }
}

impl<S> fmt::Debug for QueueDriver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueDriver").field("home", &self.home).finish_non_exhaustive()
    }
}

impl Work {
    /// Completions to those who wait, then what waits to the machine.
    fn turn(&mut self, host: &mut HostMachine, now: Time, cx: &mut Context<'_>) -> Option<Close> {
        loop {
            let close = self.events(host, now);
            self.deliver();
            if close.is_some() || self.submit(host, now, cx).is_continue() {
                return close;
            }
        }
    }

    /// Takes the machine's events.
    fn events(&mut self, host: &mut HostMachine, now: Time) -> Option<Close> {
        while let Some(event) = host.poll(now) {
            match event {
                Event::Completed(completion) => {
                    let free = (NOBODY, Effect::Nothing);
                    let slot = self.slots.get_mut(completion.id.slot());
                    let (entry, effect) = slot.map_or(free, |slot| std::mem::replace(slot, free));
                    if effect != Effect::Nothing && matches!(completion.result, Err(CommandError::Lost(_))) {
                        self.unknown = self.unknown.saturating_add(1);
                    }
                    match entry {
                        NOBODY => {}
                        KEEP_ALIVE => {
                            if completion.result.is_err() {
                                // A controller that refuses to be kept alive ends the association soon.
                                host.close(now);
                            }
                        }
                        entry => self.over.push((entry, completion)),
                    }
                }
                Event::TimedOut(id) => match self.slots.get(id.slot()).map_or(NOBODY, |(entry, _)| *entry) {
                    NOBODY => {}
                    KEEP_ALIVE => host.close(now),
                    entry => {
                        self.queue.lock().table.time_out(entry, id.wire());
                        let (queue, wire) = (self.queue.id(), id.wire());
                        self.reports.timed_out(TimedOut { queue, entry, wire });
                    }
                },
                // Another command was a sign of life.
                Event::KeepAliveDue if self.reports.take_traffic() => {}
                Event::KeepAliveDue => {
                    let command = Command::new(KeepAliveCommand::default().to_sqe());
                    // Without a free slot the last one is still on its way, and watched.
                    if let Ok(id) = host.submit(now, command)
                        && let Some(slot) = self.slots.get_mut(id.slot())
                    {
                        *slot = (KEEP_ALIVE, Effect::Nothing);
                    }
                }
                Event::Failed(failure) => {
                    self.failure.get_or_insert(failure);
                }
                Event::Close(how) => return Some(how),
                _ => {} // Ready was before
            }
        }
        None
    }

    /// Gives completions to the table and wakes who waits for them, all by one look at the lock.
    fn deliver(&mut self) {
        if self.over.is_empty() {
            return;
        }
        self.delivered = true;
        self.reports.traffic();
        let mut shared = self.queue.lock();
        for (entry, completion) in self.over.drain(..) {
            let result = completion.result.map_err(Fault::Failed);
            self.wakers.extend(shared.table.finish(entry, result, completion.data));
        }
        drop(shared);
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }

    /// Submits what waits, as far as there is room. Breaks if the connection was closed instead.
    fn submit(&mut self, host: &mut HostMachine, now: Time, cx: &mut Context<'_>) -> ControlFlow<()> {
        let room = host.outstanding() < self.usable;
        // Whoever looks at one that is lent has the same waker, and its task is known already.
        let known = self.lent || self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        let news = self.queue.news.swap(false, Ordering::Acquire);
        if known && !news && !(self.waiting && room) {
            return ControlFlow::Continue(());
        }
        if !known {
            self.task = Some(cx.waker().clone());
        }
        if news && self.hold(host.outstanding(), cx) {
            self.queue.news.store(true, Ordering::Release);
            return ControlFlow::Continue(());
        }
        let mut shared = self.queue.lock();
        if shared.close && shared.up {
            shared.up = false;
            drop(shared);
            host.close(now);
            return ControlFlow::Break(());
        }
        if let Some(keep_alive) = shared.keep_alive.take() {
            host.set_keep_alive(now, Some(keep_alive));
        }
        while host.outstanding() < self.usable
            && let Some((entry, Request { command, data, watch, effect })) = shared.table.take()
        {
            if let Data::Read(buffer) = &data {
                self.bulk = buffer.len() >= BULK;
            }
            let mut command = Command::new(command);
            command.data = data;
            command.watch = watch;
            match host.submit(now, command) {
                Ok(id) => {
                    shared.table.issued(entry, id.wire());
                    if let Some(slot) = self.slots.get_mut(id.slot()) {
                        *slot = (entry, effect);
                    }
                }
                Err(refused) => {
                    let result = Err(Fault::Refused(refused.reason));
                    self.wakers.extend(shared.table.finish(entry, result, refused.command.data));
                }
            }
        }
        self.waiting = shared.table.waiting() > 0;
        if !self.lent && !shared.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            shared.task = Some(cx.waker().clone());
        }
        drop(shared);
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
        ControlFlow::Continue(())
    }

    /// Whether commands are held back for a moment, since others are about to come that can leave with them in the same call: those of callers
    /// who were just woken, and of those whose answers have come meanwhile. Without that, what was once sent in two parts stays in two parts for
    /// ever, and each part takes all the calls that the whole does.
    fn hold(&mut self, outstanding: usize, cx: &mut Context<'_>) -> bool {
        if self.by == By::Caller {
            // All that it has is there.
            self.held = 0;
            return false;
        }
        if self.holding {
            return true;
        }
        if !self.batching || self.held >= HOLDS {
            self.held = 0;
            return false;
        }
        if self.delivered {
            // Behind those who were woken.
            cx.waker().wake_by_ref();
        } else if self.held == 0 && outstanding > 0 {
            // Behind the next look at what has come; the waker is kept by whoever wakes, not by the future.
            let _ = std::pin::pin!(tokio::task::yield_now()).poll(cx);
        } else {
            self.held = 0;
            return false;
        }
        self.holding = true;
        self.held = self.held.saturating_add(1);
        true
    }

    /// The connection has ended: nobody waits any more.
    fn end(&mut self, ended: Option<Ended>) {
        self.deliver();
        if ended.is_none() {
            // The machine is gone with what it had.
            let lost = self.slots.iter().filter(|(_, effect)| *effect != Effect::Nothing).count();
            self.unknown = self.unknown.saturating_add(lost);
        }
        let (wakers, _lent) = {
            let mut shared = self.queue.lock();
            (shared.up, shared.task) = (false, None);
            (shared.table.clear(Fault::Down, Fault::Vanished), shared.lent.take())
        };
        for waker in wakers {
            waker.wake();
        }
        self.reports.ended(Lost {
            queue: self.queue.id(),
            failure: self.failure.unwrap_or(Failure::Closed),
            unknown: self.unknown,
            error: ended.and_then(|ended| ended.error).map(|error| error.kind()),
        });
    }
}

impl Finished {
    /// The buffer that was read into, as memory of this crate.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self.data {
            Data::Read(buffer) => buffer.into_bytes().freeze(),
            _ => Bytes::new(),
        }
    }
}
