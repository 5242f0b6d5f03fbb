//! How much memory the buffers of all connections take.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Bytes that all connections share.
#[derive(Debug)]
pub(crate) struct Budget {
    free: AtomicUsize,
    /// Somebody waits.
    wanted: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            free: AtomicUsize::new(bytes),
            wanted: AtomicBool::new(false),
            waiting: Mutex::new(Vec::new()),
        })
    }

    /// Whether a connection waits for memory: then nothing is kept for later.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Bytes that are free.
    pub(crate) fn free(&self) -> usize {
        self.free.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        bytes == 0
            || self
                .free
                .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |free| free.checked_sub(bytes))
                .is_ok()
    }

    fn give(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.free.fetch_add(bytes, Ordering::SeqCst);
        // Whoever registers looks again afterwards; see `wait`.
        if self.wanted.swap(false, Ordering::SeqCst) {
            for waker in std::mem::take(&mut *self.lock()) {
                waker.wake();
            }
        }
    }

    /// Wakes this task when something is given back. Try again after this, before waiting.
    pub(crate) fn wait(&self, waker: &Waker) {
        let mut waiting = self.lock();
        // No more than one of each connection, and all are taken out together.
        if !waiting.iter().any(|known| known.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        self.wanted.store(true, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The share of one connection.
#[derive(Debug)]
pub(crate) struct Account {
    budget: Arc<Budget>,
    /// Bytes that are this connection's alone, and how many of them are free.
    reserved: usize,
    reserved_free: AtomicUsize,
    /// Bytes that it has, and may have.
    used: AtomicUsize,
    limit: usize,
}

impl Account {
    /// With `reserved` bytes of its own, and at most `limit`.
    pub(crate) fn new(budget: Arc<Budget>, reserved: usize, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            budget,
            reserved,
            reserved_free: AtomicUsize::new(reserved),
            used: AtomicUsize::new(0),
            limit: limit.max(reserved),
        })
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether it has memory that others wait for.
    pub(crate) fn has_shared(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.reserved
    }

    /// `bytes` of memory, if there are that many. Only the connection's own thread takes.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        if bytes > self.limit.saturating_sub(self.used.load(Ordering::Relaxed)) {
            return None;
        }
        let own = bytes.min(self.reserved_free.load(Ordering::Acquire));
        let shared = bytes.saturating_sub(own);
        if !self.budget.take(shared) {
            return None;
        }
        Some(self.charge(own, shared))
    }

    /// `bytes` of memory whether or not they are there; for what was received already and is bounded by the depth of the queue.
    pub(crate) fn overdraw(self: &Arc<Self>, bytes: usize) -> Charge {
        self.take(bytes).unwrap_or_else(|| self.charge(0, 0))
    }

    fn charge(self: &Arc<Self>, own: usize, shared: usize) -> Charge {
        self.reserved_free.fetch_sub(own, Ordering::AcqRel);
        self.used.fetch_add(own.saturating_add(shared), Ordering::Relaxed);
        Charge { account: Some(Arc::clone(self)), own, shared }
    }
}

/// Memory that was taken. It is given back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    account: Option<Arc<Account>>,
    own: usize,
    shared: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(account) = &self.account {
            account.used.fetch_sub(self.own.saturating_add(self.shared), Ordering::Relaxed);
            account.reserved_free.fetch_add(self.own, Ordering::AcqRel);
            account.budget.give(self.shared);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn everybody_has_their_own_whatever_others_hold() {
        let budget = Budget::new(1000);
        let greedy = Account::new(Arc::clone(&budget), 100, 5000);
        let held: Vec<Charge> = std::iter::from_fn(|| greedy.take(100)).collect();
        assert_eq!((held.len(), budget.free()), (11, 0));
        assert!(greedy.has_shared());
        let modest = Account::new(Arc::clone(&budget), 100, 5000);
        let own = modest.take(100).unwrap();
        assert!(modest.take(1).is_none() && !modest.has_shared());
        drop(own);
        assert!(modest.take(100).is_some());
        drop(held);
        assert_eq!((budget.free(), greedy.has_shared()), (1000, false));
    }

    #[test]
    fn a_connection_has_its_limit() {
        let budget = Budget::new(1 << 20);
        let account = Account::new(Arc::clone(&budget), 100, 300);
        let first = account.take(250).unwrap();
        assert!(account.take(51).is_none());
        let more = account.overdraw(51);
        assert_eq!(budget.free(), (1 << 20) - 150, "what is overdrawn is nobody's");
        drop((first, more));
        assert_eq!(budget.free(), 1 << 20);
        assert!(account.take(300).is_some() && account.take(301).is_none());
    }

    #[test]
    fn who_waits_is_woken_once() {
        let budget = Budget::new(10);
        let account = Account::new(Arc::clone(&budget), 0, 10);
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let held = account.take(10).unwrap();
        budget.wait(&waker);
        budget.wait(&waker);
        assert!(budget.is_wanted());
        drop(held);
        assert!(!budget.is_wanted());
        drop(account.take(10));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }
}
