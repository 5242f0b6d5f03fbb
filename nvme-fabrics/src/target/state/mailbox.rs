//! What a connection is told from outside: that it has to end, that an event is to be reported, that its keep-alive timer changes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;

use super::lock;
use crate::target::connection::Termination;

/// Something for a connection to look at. Letters of a kind are one, however often they are sent: a mailbox never grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Letter {
    /// It has to end.
    Terminate = 1 << 0,
    /// An event may have to be reported.
    Event = 1 << 1,
    /// The keep-alive timer changed.
    KeepAlive = 1 << 2,
    /// Namespaces are to be looked at anew.
    Renew = 1 << 3,
    /// Commands that were waited for are done.
    Drained = 1 << 4,
}

/// The mailbox of one connection. Anyone may send; one task reads.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    letters: AtomicU32,
    /// Why it has to end: the first reason counts.
    reason: Mutex<Option<Termination>>,
    reader: Mutex<Option<Waker>>,
}

impl Mailbox {
    /// Sends a letter and wakes the reader.
    pub(crate) fn send(&self, letter: Letter) {
        // Release: what the letter is about was written before it. It is sent before the waker is looked at, and a reader leaves its waker
        // before it looks at the letters, so that one of the two sees the other.
        let before = self.letters.fetch_or(letter as u32, Ordering::SeqCst);
        if before & letter as u32 == 0
            && let Some(reader) = lock(&self.reader).as_ref()
        {
            reader.wake_by_ref();
        }
    }

    /// Tells the connection to end.
    pub(crate) fn terminate(&self, reason: Termination) {
        lock(&self.reason).get_or_insert(reason);
        self.send(Letter::Terminate);
    }

    /// Whether there is anything.
    pub(crate) fn has_letters(&self) -> bool {
        self.letters.load(Ordering::SeqCst) != 0
    }

    /// Takes a letter of this kind.
    pub(crate) fn take(&self, letter: Letter) -> bool {
        // A look first: most of the time there is none, and looking does not take the memory from other threads.
        self.letters.load(Ordering::Acquire) & letter as u32 != 0
            && self.letters.fetch_and(!(letter as u32), Ordering::SeqCst) & letter as u32 != 0
    }

    /// Why it has to end.
    pub(crate) fn reason(&self) -> Option<Termination> {
        *lock(&self.reason)
    }

    /// Whom to wake from now on.
    pub(crate) fn register(&self, reader: &Waker) {
        *lock(&self.reader) = Some(reader.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn letters_of_a_kind_are_one_and_wake_once() {
        let (mailbox, count) = (Mailbox::default(), Arc::new(Count::default()));
        mailbox.send(Letter::Event);
        mailbox.register(&Waker::from(count.clone()));
        assert!(mailbox.has_letters() && !mailbox.take(Letter::KeepAlive));
        assert!(mailbox.take(Letter::Event) && !mailbox.take(Letter::Event) && !mailbox.has_letters());
        mailbox.send(Letter::Event);
        mailbox.send(Letter::Event);
        mailbox.send(Letter::KeepAlive);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_first_reason_to_end_counts() {
        let mailbox = Mailbox::default();
        assert_eq!(mailbox.reason(), None);
        mailbox.terminate(Termination::HostRevoked);
        mailbox.terminate(Termination::SubsystemRemoved);
        assert!(mailbox.take(Letter::Terminate));
        assert_eq!(mailbox.reason(), Some(Termination::HostRevoked));
    }
}
