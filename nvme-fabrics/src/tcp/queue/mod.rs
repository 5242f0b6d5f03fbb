//! One queue of a controller: what callers and the connection's task share.
//!
//! ```text
//!   callers, any thread                    the connection's task
//!   Op::poll ── add to the table ── wake ─►  take what waits, submit, send all by one write
//!   Op::poll ◄─ wake ── finish in the table ──  receive, take completions
//! ```
//!
//! Callers touch a small table below a lock that is held for some tens of nanoseconds. A wake-up of the task stands for all commands that come
//! before it runs, and so they leave in one system call.
//!
//! The state machine and the stream belong to the task, which may lend them ([`QueueDriver::lend`]): then a caller with many commands of its own
//! ([`Group`]) sends them and takes the answers by itself ([`Drive`]), without waiting for the task's turn. Nothing depends on that: whatever happens
//! wakes the task as well, which finds nothing left to do. So a caller that is not polled, or goes away, holds nobody up.
//!
//! A future that is dropped leaves its command with the controller, which cannot be told to forget it: the slot and the buffer stay taken until
//! the answer comes (or the connection ends). Commands that were not submitted yet are forgotten at once.

mod driver;
mod group;
mod home;
mod op;
mod report;
mod request;
mod table;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use nvme_proto::machine::KeepAlive;

pub(crate) use driver::{HostMachine, QueueDriver};
pub(crate) use group::Group;
pub(crate) use op::Op;
pub(crate) use report::{Lost, Reports, TimedOut};
pub(crate) use request::{Effect, Fault, Finished, Payload, Request, ToSqe};
pub(crate) use table::{Failed, Over};

use home::Drive;
use table::Table;

/// Commands outstanding from which on it pays to let others go first.
const DEEP: usize = 8;

/// A queue. It outlives its connections.
#[derive(Debug)]
pub(crate) struct Queue {
    id: u16,
    /// Commands that may wait for their turn.
    max_waiting: usize,
    shared: Mutex<Shared>,
    /// Something was put below the lock for the task, so that it need not look when nothing was. Set below the lock.
    news: AtomicBool,
    /// Something has happened on the connection since it was looked at, which was lent.
    rung: AtomicBool,
}

#[derive(Debug, Default)]
struct Shared {
    table: Table,
    /// The task of the connection, if it is to be woken; it is not when it was and has not looked yet.
    task: Option<Waker>,
    /// There is a connection.
    up: bool,
    /// It is for everyone, and not only for the one who sets the controller up.
    open: bool,
    /// The connection is to be closed.
    close: bool,
    /// A keep-alive timer that the machine is to be given.
    keep_alive: Option<KeepAlive>,
    /// The connection, if it is lent.
    lent: Option<Arc<dyn Drive>>,
    /// The group that is woken before the task when something happens on it.
    leader: Option<u32>,
}

impl Shared {
    /// Why no command is taken.
    #[inline]
    fn refuses(&self, max_waiting: usize, first: bool) -> Option<Fault> {
        match () {
            () if !self.up || self.close || !(self.open || first) => Some(Fault::Down),
            () if self.table.waiting() >= max_waiting => Some(Fault::Busy),
            () => None,
        }
    }

    /// Wakes `waker` when a command of the group is over, and when something happens on a connection that is lent.
    #[inline]
    fn watch(&mut self, group: u32, waker: &Waker) {
        self.table.watch(group, waker);
        self.leader = Some(group);
    }
}

impl Queue {
    /// A queue without a connection.
    pub(crate) fn new(id: u16, max_waiting: usize) -> Self {
        Self {
            id,
            max_waiting,
            shared: Mutex::default(),
            news: AtomicBool::new(false),
            rung: AtomicBool::new(false),
        }
    }

    /// Its number.
    pub(crate) const fn id(&self) -> u16 {
        self.id
    }

    /// Submits a command when the future is polled first.
    #[inline]
    pub(crate) const fn submit<C: ToSqe>(&self, request: Request<C>) -> Op<'_, C> {
        Op::new(self, request, false)
    }

    /// The same while the controller is being set up and the queue is closed to others.
    pub(crate) const fn submit_first(&self, request: Request) -> Op<'_> {
        Op::new(self, request, true)
    }

    /// A connection was made for it.
    fn connected(&self) {
        let mut shared = self.lock();
        (shared.up, shared.open, shared.close, shared.task, shared.keep_alive) =
            (true, false, false, None, None);
        (shared.lent, shared.leader) = (None, None);
    }

    /// How the controller is kept alive from now on.
    pub(crate) fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) {
        let task = {
            let mut shared = self.lock();
            shared.keep_alive = keep_alive;
            self.news.store(true, Ordering::Release);
            shared.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    /// The controller is set up: commands of everyone are taken.
    pub(crate) fn open(&self) {
        self.lock().open = true;
    }

    /// Whether commands of everyone are taken.
    pub(crate) fn is_open(&self) -> bool {
        let shared = self.lock();
        shared.up && shared.open && !shared.close
    }

    /// Tells the task to close the connection.
    pub(crate) fn close(&self) {
        let task = {
            let mut shared = self.lock();
            shared.close = true;
            self.news.store(true, Ordering::Release);
            shared.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Whether the command with this identifier is still with the controller.
    pub(crate) fn is_issued(&self, timed_out: &TimedOut) -> bool {
        self.lock().table.is_issued(timed_out.entry, timed_out.wire)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Nothing panics below the lock; a poisoned one is as good as another.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker of a connection that is lent: that which it is looked at with, whoever looks.
impl Wake for Queue {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        let (leader, task) = {
            let mut shared = self.lock();
            let leader = shared.leader.take().and_then(|group| shared.table.take_watch(group));
            (leader, shared.task.take())
        };
        // The task last: there is nothing left to do for it then, if both are of one thread.
        if let Some(leader) = leader {
            leader.wake();
        }
        if let Some(task) = task {
            task.wake();
        }
    }
}
