//! The buffers of one connection.

use std::sync::Arc;

use super::budget::{Account, Budget};
use crate::target::backend::Buffer;

/// Buffers that were given back, to be used again: new memory is zeroed and its pages are touched for the first time, which is what most of
/// the time of a large read would go to.
#[derive(Debug)]
pub(super) struct Pool {
    account: Arc<Account>,
    /// Buffers of 4 KiB times a power of two.
    classes: [Vec<Buffer>; CLASSES],
    /// Bytes in them.
    kept: usize,
    /// Alignment of new buffers: the largest that any storage asked for.
    alignment: usize,
}

const SMALLEST: usize = 4096;
const CLASSES: usize = 10;
/// Bytes that are kept at most.
const KEPT: usize = 1 << 20;

impl Pool {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self { account, classes: Default::default(), kept: 0, alignment: 1 }
    }

    pub(super) fn budget(&self) -> &Budget {
        self.account.budget()
    }

    /// Whether this connection has memory that others wait for.
    pub(super) fn has_shared(&self) -> bool {
        self.account.has_shared()
    }

    /// A buffer of `len` bytes with any content, if there is memory for it.
    pub(super) fn take(&mut self, len: usize) -> Option<Buffer> {
        let class = class_of(len);
        if let Some(mut buffer) = self.classes.get_mut(class).and_then(Vec::pop) {
            self.kept = self.kept.saturating_sub(buffer.capacity());
            buffer.reset(len, self.alignment);
            return Some(buffer);
        }
        let size = size_of(class, len);
        let mut charge = self.account.take(size);
        if charge.is_none() && self.kept > 0 {
            // What is kept for other sizes is memory too.
            self.shrink();
            charge = self.account.take(size);
        }
        Some(Buffer::charged(size, len, self.alignment, charge?))
    }

    /// The same for data that were received already.
    pub(super) fn overdraw(&mut self, len: usize) -> Buffer {
        match self.take(len) {
            Some(buffer) => buffer,
            None => {
                let size = size_of(class_of(len), len);
                Buffer::charged(size, len, self.alignment, self.account.overdraw(size))
            }
        }
    }

    /// Storage asked for buffers of this alignment; `buffer` gets it now, later ones at once.
    pub(super) fn align(&mut self, buffer: &mut Buffer, alignment: usize) {
        if alignment > self.alignment {
            self.alignment = alignment;
        }
        buffer.realign(self.alignment);
    }

    /// A buffer is not needed any more.
    pub(super) fn give(&mut self, buffer: Buffer) {
        let capacity = buffer.capacity();
        if !buffer.is_charged() || self.kept.saturating_add(capacity) > KEPT || self.budget().is_wanted() {
            return;
        }
        if let Some(class) = self.classes.get_mut(class_of(buffer.size())) {
            class.push(buffer);
            self.kept = self.kept.saturating_add(capacity);
        }
    }

    /// Whether anything is kept for later.
    pub(super) const fn keeps(&self) -> bool {
        self.kept > 0
    }

    /// Gives up what is kept for later.
    pub(super) fn shrink(&mut self) {
        self.classes = Default::default();
        self.kept = 0;
    }
}

/// The class of buffers that hold `len` bytes; beyond the last: none.
fn class_of(len: usize) -> usize {
    let pages = len.div_ceil(SMALLEST).max(1);
    let log2 = usize::BITS.saturating_sub(pages.saturating_sub(1).leading_zeros());
    usize::try_from(log2).unwrap_or(CLASSES)
}

/// Bytes of a buffer of this class.
fn size_of(class: usize, len: usize) -> usize {
    if class >= CLASSES {
        return len;
    }
    u32::try_from(class).ok().and_then(|class| SMALLEST.checked_shl(class)).unwrap_or(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(bytes: usize) -> (Pool, Arc<Budget>) {
        let budget = Budget::new(bytes);
        (Pool::new(Account::new(Arc::clone(&budget), 0, bytes)), budget)
    }

    #[test]
    fn sizes_are_rounded_up_and_found_again() {
        for len in [0, 1, 4096, 4097, 8192, 100_000, 1 << 20, (1 << 20) + 1, 2 << 20, (2 << 20) + 1, 5 << 20]
        {
            let (mut pool, budget) = pool(16 << 20);
            let buffer = pool.take(len).unwrap();
            assert_eq!(buffer.as_ref().len(), len);
            let size = buffer.size();
            assert!(size >= len && size <= (2 * len).max(SMALLEST), "{size} for {len}");
            assert_eq!(budget.free(), (16 << 20) - size);
            assert_eq!(class_of(size), class_of(len), "it goes back to where it was taken from");
            let address = buffer.as_ref().as_ptr();
            pool.give(buffer);
            if size <= KEPT {
                assert_eq!(pool.take(len).unwrap().as_ref().as_ptr(), address);
            } else {
                assert_eq!(budget.free(), 16 << 20);
            }
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_given_up_for_another_size() {
        let (mut pool, budget) = pool(1 << 20);
        let buffers: Vec<Buffer> = std::iter::from_fn(|| pool.take(4096)).collect();
        assert_eq!((buffers.len(), budget.free()), (256, 0));
        buffers.into_iter().for_each(|buffer| pool.give(buffer));
        assert_eq!((pool.kept, budget.free()), (1 << 20, 0));
        let large = pool.take(1 << 20).unwrap();
        assert_eq!(pool.kept, 0);
        assert!(pool.take(1).is_none());
        let over = pool.overdraw(1);
        drop((large, over));
        assert_eq!(budget.free(), 1 << 20);
        assert!(pool.take(2 << 20).is_none());
    }

    #[test]
    fn buffers_become_aligned_when_storage_wants_it() {
        let (mut pool, _) = pool(1 << 20);
        let mut buffer = pool.take(8192).unwrap();
        pool.align(&mut buffer, 4096);
        assert_eq!((buffer.as_ref().len(), buffer.as_ref().as_ptr().addr() % 4096), (8192, 0));
        pool.give(buffer);
        for _ in 0..3 {
            assert_eq!(pool.take(5000).unwrap().as_ref().as_ptr().addr() % 4096, 0);
        }
    }
}
