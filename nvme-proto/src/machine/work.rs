//! Which slots have something to send.

use alloc::boxed::Box;
use alloc::vec;

use super::Ring;

/// Slots in the order in which they take turns; each is in at most once, so that it never grows beyond the number of slots.
#[derive(Debug)]
pub(crate) struct Work {
    queue: Ring<u16>,
    queued: Box<[bool]>,
}

impl Work {
    pub(crate) fn new(slots: usize) -> Self {
        Self { queue: Ring::new(slots), queued: vec![false; slots].into_boxed_slice() }
    }

    /// Puts a slot at the end; one that is in already stays where it is.
    #[inline]
    pub(crate) fn push(&mut self, slot: u16) {
        if let Some(queued) = self.queued.get_mut(usize::from(slot))
            && !*queued
        {
            *queued = true;
            self.queue.push(slot);
        }
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<u16> {
        let slot = self.queue.pop()?;
        if let Some(queued) = self.queued.get_mut(usize::from(slot)) {
            *queued = false;
        }
        Some(slot)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.queued.fill(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_waits_once_and_in_order() {
        let mut work = Work::new(3);
        for slot in [2, 0, 2, 1, 0, 9] {
            work.push(slot);
        }
        assert_eq!([work.pop(), work.pop(), work.pop(), work.pop()], [Some(2), Some(0), Some(1), None]);
        work.push(1);
        work.clear();
        assert!(work.is_empty());
        work.push(1);
        assert_eq!(work.pop(), Some(1));
    }
}
