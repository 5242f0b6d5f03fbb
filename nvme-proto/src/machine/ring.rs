//! A queue of a fixed size.

use alloc::boxed::Box;
use alloc::vec;

/// A queue that never grows: its room is taken once, and what does not fit is not taken.
///
/// The room is a power of two, so that going round costs a mask and no comparison.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    items: Box<[T]>,
    first: usize,
    len: usize,
}

impl<T: Copy + Default> Ring<T> {
    /// Room for at least `room` items.
    pub(crate) fn new(room: usize) -> Self {
        let room = room.max(1).checked_next_power_of_two().unwrap_or(1);
        Self { items: vec![T::default(); room].into_boxed_slice(), first: 0, len: 0 }
    }

    /// Items there is room for.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.items.len()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the item with this number is. There is room for one at least.
    #[inline(always)]
    fn place(&self, number: usize) -> usize {
        self.first.wrapping_add(number) & self.items.len().wrapping_sub(1)
    }

    /// Adds an item at the end, unless there is no room; whether there was.
    #[inline]
    pub(crate) fn push(&mut self, item: T) -> bool {
        let place = self.place(self.len);
        if self.len < self.items.len()
            && let Some(to) = self.items.get_mut(place)
        {
            *to = item;
            self.len = self.len.wrapping_add(1);
            return true;
        }
        false
    }

    /// The item with this number, from the front.
    #[inline]
    pub(crate) fn get(&self, number: usize) -> Option<&T> {
        if number < self.len { self.items.get(self.place(number)) } else { None }
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        let place = self.place(number);
        if number < self.len { self.items.get_mut(place) } else { None }
    }

    #[inline]
    pub(crate) fn front(&self) -> Option<&T> {
        self.get(0)
    }

    /// Takes the item in front.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let item = self.front().copied()?;
        self.first = self.place(1);
        self.len = self.len.wrapping_sub(1);
        Some(item)
    }

    /// Takes the item at the end.
    pub(crate) fn pop_last(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        let item = self.get(last).copied()?;
        self.len = last;
        Some(item)
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;
    use alloc::vec::Vec;

    #[test]
    fn it_does_what_a_queue_does_and_does_not_grow() {
        for room in [0, 1, 3, 8] {
            let mut ring = Ring::new(room);
            let room = ring.room();
            assert!(room.is_power_of_two());
            let mut queue = VecDeque::new();
            for step in 0..1000_u32 {
                match step.wrapping_mul(2_654_435_761) >> 29 {
                    0..4 => {
                        assert_eq!(ring.push(step), queue.len() < room);
                        if queue.len() < room {
                            queue.push_back(step);
                        }
                    }
                    4 => assert_eq!(ring.pop_last(), queue.pop_back()),
                    5 => {
                        let last = queue.len().saturating_sub(1);
                        assert_eq!(ring.get_mut(last), queue.back_mut());
                        assert!(ring.get(queue.len()).is_none() && ring.get_mut(queue.len()).is_none());
                    }
                    _ => assert_eq!(ring.pop(), queue.pop_front()),
                }
                let items: Vec<_> = (0..ring.len()).map_while(|number| ring.get(number)).collect();
                assert_eq!(items, queue.iter().collect::<Vec<_>>());
                assert_eq!(
                    (ring.len(), ring.front(), ring.is_empty()),
                    (queue.len(), queue.front(), queue.is_empty())
                );
                assert_eq!(ring.room(), room);
            }
            ring.clear();
            assert_eq!(ring.pop(), None);
        }
    }
}
