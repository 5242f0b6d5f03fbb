//! One queue of a controller: what callers and the connection's task share.
//!
//! ```text
//!   callers, any thread                    the connection's task
//!   Op::poll ── add to the table ── wake ─►  take what waits, submit, send all by one write
//!   Op::poll ◄─ wake ── finish in the table ──  receive, take completions
//! ```
//!
//! The state machine and the stream belong to the task alone; callers touch only a small table below a lock that is held for some tens of
//! nanoseconds. A wake-up of the task stands for all commands that come before it runs, and so they leave in one system call.
//!
//! A future that is dropped leaves its command with the controller, which cannot be told to forget it: the slot and the buffer stay taken until
//! the answer comes (or the connection ends). Commands that were not submitted yet are forgotten at once.

mod driver;
mod op;
mod report;
mod table;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use nvme_proto::machine::KeepAlive;

pub(crate) use driver::{HostMachine, QueueDriver};
pub(crate) use op::Op;
pub(crate) use report::{Lost, Reports, TimedOut};
pub(crate) use table::{Effect, Fault, Finished, Payload, Request, ToSqe};

use table::Table;

/// A queue. It outlives its connections.
#[derive(Debug)]
pub(crate) struct Queue {
    id: u16,
    /// Commands that may wait for their turn.
    max_waiting: usize,
    shared: Mutex<Shared>,
    /// Something was put below the lock for the task, so that it need not look when nothing was. Set below the lock.
    news: AtomicBool,
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
}

impl Queue {
    /// A queue without a connection.
    pub(crate) fn new(id: u16, max_waiting: usize) -> Self {
        Self { id, max_waiting, shared: Mutex::default(), news: AtomicBool::new(false) }
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
