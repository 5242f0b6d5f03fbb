//! When commands have taken too long.

use alloc::boxed::Box;
use alloc::vec;

use crate::machine::Time;

/// The deadline of each slot.
///
/// Nearly all commands are over long before they have to be: so adding and removing one is but a store, and nobody keeps them in order. What is
/// known is a time before which none is due. When it comes, all slots are looked at once; mostly the commands it was for are long over, and the
/// next such time is as far away as the time-out is long.
#[derive(Debug)]
pub(super) struct Deadlines {
    at: Box<[Time]>,
    /// Slots that have a deadline.
    count: usize,
    /// No deadline is before this.
    first: Time,
    /// The slot where the look at all slots goes on; 0: none is going on.
    next: usize,
    /// The first deadline of those that were looked at, or came since the look began.
    least: Time,
}

/// Has no deadline.
const NEVER: Time = Time::from_millis(u64::MAX);

impl Deadlines {
    pub(super) fn new(slots: usize) -> Self {
        Self { at: vec![NEVER; slots].into_boxed_slice(), count: 0, first: NEVER, next: 0, least: NEVER }
    }

    /// The command of a slot, which has no deadline yet, has one now.
    #[inline]
    pub(super) fn add(&mut self, slot: u16, at: Time) {
        let Some(place) = self.at.get_mut(usize::from(slot)) else { return };
        if at == NEVER {
            return;
        }
        *place = at;
        if self.count == 0 {
            // What was known is about commands that are over. Later ones are due later.
            self.first = at;
        }
        if self.next > 0 {
            self.least = self.least.min(at);
        }
        self.count = self.count.wrapping_add(1);
    }

    #[inline]
    pub(super) fn remove(&mut self, slot: u16) {
        if let Some(at) = self.at.get_mut(usize::from(slot))
            && *at != NEVER
        {
            *at = NEVER;
            self.count = self.count.wrapping_sub(1);
        }
    }

    /// A time before which no command is overdue; `None`: no command can be.
    #[inline]
    pub(super) fn first(&self) -> Option<Time> {
        if self.count > 0 { Some(self.first) } else { None }
    }

    /// A command that is overdue; its deadline is removed.
    pub(super) fn overdue(&mut self, now: Time) -> Option<u16> {
        while now >= self.first()? {
            if self.next == 0 {
                self.least = NEVER;
            }
            while let Some(at) = self.at.get(self.next).copied() {
                let slot = self.next;
                self.next = slot.saturating_add(1);
                if at <= now && at != NEVER {
                    let slot = u16::try_from(slot).ok()?;
                    self.remove(slot);
                    return Some(slot);
                }
                self.least = self.least.min(at);
            }
            self.next = 0;
            self.first = self.least;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn due(deadlines: &mut Deadlines, now: u64) -> Vec<u16> {
        core::iter::from_fn(|| deadlines.overdue(Time::from_millis(now))).collect()
    }

    #[test]
    fn each_is_told_once_when_it_is_due_and_not_before() {
        let mut deadlines = Deadlines::new(4);
        assert_eq!(deadlines.first(), None);
        for slot in 0..4 {
            deadlines.add(slot, Time::from_millis(10 + u64::from(slot)));
        }
        assert_eq!(deadlines.first(), Some(Time::from_millis(10)));
        assert_eq!(due(&mut deadlines, 9), []);
        assert_eq!(due(&mut deadlines, 11), [0, 1]);
        assert_eq!(deadlines.first(), Some(Time::from_millis(12)));
        deadlines.remove(2);
        deadlines.remove(2);
        // The time that is known may be that of a command that is over.
        assert_eq!(deadlines.first(), Some(Time::from_millis(12)));
        assert_eq!(due(&mut deadlines, 12), []);
        assert_eq!(deadlines.first(), Some(Time::from_millis(13)));
        deadlines.remove(3);
        assert_eq!((deadlines.first(), due(&mut deadlines, 99)), (None, Vec::new()));
        // Of commands that are over nothing is left.
        deadlines.add(1, Time::from_millis(200));
        assert_eq!(deadlines.first(), Some(Time::from_millis(200)));
        Deadlines::new(0).add(0, Time::START);
    }

    /// A caller may submit while it is told of others.
    #[test]
    fn one_that_comes_while_others_are_told_is_not_forgotten() {
        for new in 0..4 {
            let mut deadlines = Deadlines::new(4);
            (1..4).filter(|slot| *slot != new).for_each(|slot| deadlines.add(slot, Time::from_millis(5)));
            assert!(deadlines.overdue(Time::from_millis(5)).is_some());
            deadlines.add(new, Time::from_millis(20));
            while deadlines.overdue(Time::from_millis(6)).is_some() {}
            assert_eq!(deadlines.first(), Some(Time::from_millis(20)), "{new}");
            assert_eq!(due(&mut deadlines, 20), [new]);
        }
    }

    /// All at once, and each but once looked at.
    #[test]
    fn many_cost_no_more_than_one_look_at_each() {
        let mut deadlines = Deadlines::new(32_768);
        (0..32_768).for_each(|slot| deadlines.add(slot, Time::START));
        for _ in 0..3 {
            assert_eq!(due(&mut deadlines, 0).len(), 32_768);
            assert_eq!(deadlines.first(), None);
            (0..32_768).for_each(|slot| deadlines.add(slot, Time::START));
        }
    }
}
