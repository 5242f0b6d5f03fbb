//! When commands have taken too long. All have the same time-out, so that the order of submission is the order of the deadlines.

use alloc::boxed::Box;
use alloc::vec;

use crate::machine::Time;

/// A list through the slots; adding, removing and asking for the first take constant time and no memory.
#[derive(Debug)]
pub(super) struct Deadlines {
    links: Box<[Link]>,
    first: u16,
    last: u16,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u16,
    after: u16,
    at: Option<Time>,
}

/// No slot: there are at most 32768.
const NONE: u16 = u16::MAX;

impl Deadlines {
    pub(super) fn new(slots: usize) -> Self {
        let links = vec![Link { before: NONE, after: NONE, at: None }; slots].into_boxed_slice();
        Self { links, first: NONE, last: NONE }
    }

    /// Adds a slot behind all others. A slot that is in is moved.
    #[inline]
    pub(super) fn add(&mut self, slot: u16, at: Time) {
        self.remove(slot);
        let before = self.last;
        let Some(link) = self.links.get_mut(usize::from(slot)) else { return };
        *link = Link { before, after: NONE, at: Some(at) };
        self.last = slot;
        match self.links.get_mut(usize::from(before)) {
            Some(link) => link.after = slot,
            None => self.first = slot,
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, slot: u16) {
        let Some(link) = self.links.get_mut(usize::from(slot)) else { return };
        if link.at.is_none() {
            return;
        }
        let Link { before, after, .. } =
            core::mem::replace(link, Link { before: NONE, after: NONE, at: None });
        match self.links.get_mut(usize::from(before)) {
            Some(link) => link.after = after,
            None => self.first = after,
        }
        match self.links.get_mut(usize::from(after)) {
            Some(link) => link.before = before,
            None => self.last = before,
        }
    }

    /// The first deadline and its slot.
    #[inline]
    pub(super) fn first(&self) -> Option<(Time, u16)> {
        let at = self.links.get(usize::from(self.first))?.at?;
        Some((at, self.first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_first_out_wherever_one_is_taken_out() {
        for gone in 0..4 {
            let mut deadlines = Deadlines::new(4);
            for slot in 0..4 {
                deadlines.add(slot, Time::from_millis(u64::from(slot)));
            }
            deadlines.remove(gone);
            deadlines.remove(gone);
            deadlines.add(gone, Time::from_millis(9));
            let mut order = std::vec::Vec::new();
            while let Some((at, slot)) = deadlines.first() {
                order.push((at.as_millis(), slot));
                deadlines.remove(slot);
            }
            let rest = (0..4).filter(|slot| *slot != gone).map(|slot| (u64::from(slot), slot));
            assert_eq!(order, rest.chain([(9, gone)]).collect::<std::vec::Vec<_>>());
            assert_eq!((deadlines.first, deadlines.last), (NONE, NONE));
        }
        Deadlines::new(0).add(0, Time::START);
    }
}
