//! Waiting until commands that have begun are done.
//!
//! Preempt and Abort is answered when the hosts that lost their registration have no command on its way any more: one that was let in before could
//! write afterwards. Their queues are told to look at the namespace anew, so that only commands that have begun hold what they saw it by
//! ([`Attached`](super::Attached)); when the last of them lets go, that is counted here. Commands that come meanwhile hold something else, so that none
//! can keep the wait from ending, and nothing of this is on their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Letter, Mailbox};

/// A wait for queues to be done with what they had begun.
#[derive(Debug)]
pub(crate) struct Drain {
    remaining: AtomicUsize,
    waits: Arc<Mailbox>,
}

impl Drain {
    /// A wait that `waits` is told the end of; so far for nothing but its own beginning, which ends with [`begun`](Self::begun).
    pub(crate) fn new(waits: Arc<Mailbox>) -> Arc<Self> {
        Arc::new(Self { remaining: AtomicUsize::new(1), waits })
    }

    /// One more to wait for.
    pub(super) fn add(&self) {
        self.remaining.fetch_add(1, Ordering::Relaxed);
    }

    /// All that is waited for is known. Says whether it is over already.
    pub(crate) fn begun(&self) -> bool {
        self.remaining.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// One is done.
    pub(super) fn one_done(&self) {
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waits.send(Letter::Drained);
        }
    }

    /// Whether all are.
    pub(crate) fn is_over(&self) -> bool {
        self.remaining.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_tells_and_nobody_before() {
        let mailbox = Arc::new(Mailbox::default());
        let drain = Drain::new(mailbox.clone());
        drain.add();
        drain.add();
        drain.one_done();
        assert!(!drain.begun() && !drain.is_over() && !mailbox.has_letters());
        drain.one_done();
        assert!(drain.is_over() && mailbox.take(Letter::Drained));
        assert!(Drain::new(mailbox.clone()).begun() && !mailbox.has_letters());
    }
}
