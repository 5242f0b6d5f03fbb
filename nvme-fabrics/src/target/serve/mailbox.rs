//! What other threads have for a connection.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use nvme_proto::controller::Tag;

use crate::target::backend::Finished;

/// What a connection is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Go on.
    Serve,
    /// Finish what was accepted, take nothing more, then end.
    Drain,
    /// End at once.
    Stop,
}

/// Completions of storage, and orders from the server. No more completions are in it than commands run.
#[derive(Debug)]
pub(super) struct Mailbox {
    order: AtomicU8,
    /// There is something that was not looked at.
    full: AtomicBool,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    finished: Vec<(Tag, Finished)>,
    waker: Option<Waker>,
}

impl Mailbox {
    pub(super) fn new() -> Self {
        Self {
            order: AtomicU8::new(0),
            full: AtomicBool::new(false),
            content: Mutex::new(Content::default()),
        }
    }

    /// Storage has done a command.
    pub(super) fn finished(&self, tag: Tag, finished: Finished) {
        let mut content = self.lock();
        content.finished.push((tag, finished));
        self.notify(content);
    }

    /// Gives an order; an earlier and stricter one stays.
    pub(super) fn order(&self, order: Order) {
        let code = match order {
            Order::Serve => 0,
            Order::Drain => 1,
            Order::Stop => 2,
        };
        self.order.fetch_max(code, Ordering::SeqCst);
        self.notify(self.lock());
    }

    fn notify(&self, content: MutexGuard<'_, Content>) {
        self.full.store(true, Ordering::SeqCst);
        let waker = content.waker.clone();
        drop(content);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Who is woken from now on.
    pub(super) fn set_waker(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    /// What the connection is to do.
    pub(super) fn current(&self) -> Order {
        match self.order.load(Ordering::Relaxed) {
            0 => Order::Serve,
            1 => Order::Drain,
            _ => Order::Stop,
        }
    }

    /// Whether something was put in since it was collected.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Swaps the completions with an empty vector, if there are any.
    pub(super) fn collect(&self, into: &mut Vec<(Tag, Finished)>) {
        if self.is_full() && self.full.swap(false, Ordering::SeqCst) {
            std::mem::swap(&mut self.lock().finished, into);
        }
    }

    /// Nothing panics while it is locked.
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
