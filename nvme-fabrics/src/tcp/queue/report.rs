//! What the tasks of the connections tell the one that looks after the controller.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nvme_proto::machine::Failure;
use tokio::sync::Notify;

/// A connection has ended.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    /// Which queue's.
    pub(crate) queue: u16,
    /// Why.
    pub(crate) failure: Failure,
    /// Commands that may have changed something and whose outcome is not known.
    pub(crate) unknown: usize,
    /// What the socket said.
    pub(crate) error: Option<std::io::ErrorKind>,
}

/// A command has taken too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimedOut {
    /// Of which queue.
    pub(crate) queue: u16,
    /// Its entry in the queue's table.
    pub(crate) entry: u32,
    /// Its identifier on the wire.
    pub(crate) wire: u16,
}

/// The post box. It holds no more than each command once, and one loss.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    inbox: Mutex<Inbox>,
    arrived: Notify,
    /// Commands were completed, on whichever queue, since that was asked last.
    traffic: AtomicBool,
    /// That keeps the controller alive.
    traffic_based: AtomicBool,
}

#[derive(Debug, Default)]
struct Inbox {
    /// Connections that have a task.
    running: usize,
    /// The first that ended.
    lost: Option<Lost>,
    /// Commands of all that ended which may have changed something and whose outcome is not known.
    unknown: usize,
    timed_out: VecDeque<TimedOut>,
}

impl Reports {
    /// A new association: what is left of the last one is forgotten.
    pub(crate) fn clear(&self) {
        let mut inbox = self.lock();
        (inbox.lost, inbox.unknown) = (None, 0);
        inbox.timed_out.clear();
    }

    /// Whether any command keeps the controller alive, or only Keep Alive.
    pub(crate) fn set_traffic_based(&self, traffic_based: bool) {
        self.traffic_based.store(traffic_based, Ordering::Relaxed);
    }

    /// Commands were completed.
    pub(super) fn traffic(&self) {
        self.traffic.store(true, Ordering::Relaxed);
    }

    /// Whether a Keep Alive is spared by other commands since the last one was due.
    pub(super) fn take_traffic(&self) -> bool {
        self.traffic_based.load(Ordering::Relaxed) && self.traffic.swap(false, Ordering::Relaxed)
    }

    /// A connection has a task now.
    pub(super) fn began(&self) {
        let mut inbox = self.lock();
        inbox.running = inbox.running.saturating_add(1);
    }

    /// Its task has ended.
    pub(super) fn ended(&self, lost: Lost) {
        let mut inbox = self.lock();
        inbox.running = inbox.running.saturating_sub(1);
        inbox.unknown = inbox.unknown.saturating_add(lost.unknown);
        inbox.lost.get_or_insert(lost);
        drop(inbox);
        self.arrived.notify_waiters();
    }

    /// A command has taken too long.
    pub(super) fn timed_out(&self, timed_out: TimedOut) {
        self.lock().timed_out.push_back(timed_out);
        self.arrived.notify_waiters();
    }

    /// Waits until a connection has ended.
    pub(crate) async fn lost(&self) -> Lost {
        self.wait(|inbox| inbox.lost.clone()).await
    }

    /// Waits for a command that has taken too long.
    pub(crate) async fn next_timed_out(&self) -> TimedOut {
        self.wait(|inbox| inbox.timed_out.pop_front()).await
    }

    /// Waits until no connection has a task; says how many commands may have changed something without anyone knowing.
    pub(crate) async fn all_ended(&self) -> usize {
        self.wait(|inbox| (inbox.running == 0).then_some(inbox.unknown)).await
    }

    async fn wait<T>(&self, mut look: impl FnMut(&mut Inbox) -> Option<T>) -> T {
        loop {
            let mut arrived = std::pin::pin!(self.arrived.notified());
            // From here on nothing is missed.
            arrived.as_mut().enable();
            let found = look(&mut self.lock());
            if let Some(found) = found {
                return found;
            }
            arrived.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
