//! All bytes of a chunk as one piece of memory.

use std::ops::{Deref, DerefMut};

use super::chunk::{LEN, PAGE};

/// All bytes of a chunk. They begin at a page of the system's memory, so that a page that is read is one page there too and not parts of two: whatever
/// copies it has one address less to translate, and one line less to wait for.
///
/// Aligned by taking more and beginning later, so that no unsafe code is needed. The counter of who has it is not here but where it is in the cache
/// (the memory of a small `Arc`): in front of the bytes it was a miss for each read.
pub(in crate::target::backend) struct Block {
    memory: Box<[u8]>,
    start: usize,
}

impl Block {
    /// Zeros.
    pub(super) fn new() -> Self {
        let memory = vec![0; LEN + PAGE].into_boxed_slice();
        let address = memory.as_ptr().addr();
        Self { start: address.next_multiple_of(PAGE).saturating_sub(address), memory }
    }
}

impl Deref for Block {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.memory.get(self.start..).and_then(|bytes| bytes.get(..LEN)).unwrap_or_default()
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..).and_then(|bytes| bytes.get_mut(..LEN)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_page_and_has_all_bytes_of_a_chunk() {
        let blocks: Vec<Block> = std::iter::repeat_with(Block::new).take(3).collect();
        for mut block in blocks {
            assert_eq!((block.as_ptr().addr() % PAGE, block.len()), (0, LEN));
            block.fill(7);
            assert!(block.iter().all(|byte| *byte == 7));
        }
    }
}
