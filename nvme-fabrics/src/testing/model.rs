//! What a disk may hold, by the simplest rules there are: the other side of every test that writes, fails, and reads back.
//!
//! A block holds what was written last. A write whose outcome is not known leaves two possibilities, and a read tells which it was. Each block's
//! content names the block and the write, so that every mix-up is seen.

use std::collections::BTreeSet;
use std::fmt;

use super::faults::Random;

/// What a range of blocks may hold. One task owns it: its commands follow each other.
#[derive(Debug, Clone)]
pub struct Model {
    first: u64,
    block_size: usize,
    /// For each block, the writes that it may be the content of; 0: zeros.
    blocks: Vec<BTreeSet<u64>>,
    /// The last write.
    version: u64,
}

/// A block that holds what it cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The block.
    pub block: u64,
    /// The writes whose content it could have; 0: zeros.
    pub expected: Vec<u64>,
    /// What it has: the block and the write that its content names; `None` if it is no content of ours.
    pub found: Option<(u64, u64)>,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { block, expected, found } = self;
        write!(f, "block {block} should hold one of the writes {expected:?} and holds ")?;
        match found {
            Some((of, write)) => write!(f, "write {write} of block {of}"),
            None => f.write_str("what nobody wrote"),
        }
    }
}

impl std::error::Error for Contradiction {}

impl Model {
    /// `blocks` blocks from block `first` on that hold zeros.
    #[must_use]
    pub fn new(first: u64, blocks: usize, block_size: usize) -> Self {
        Self { first, block_size, blocks: vec![BTreeSet::from([0]); blocks], version: 0 }
    }

    /// Number of its blocks.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a model of nothing is good for nothing")]
    pub const fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The first block.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// The content of a new write to `count` blocks from the model's block `at` on, and its number.
    pub fn write(&mut self, at: usize, count: usize) -> (u64, Vec<u8>) {
        self.version = self.version.wrapping_add(1);
        let content = (at..at.saturating_add(count)).flat_map(|index| self.content(index, self.version));
        (self.version, content.collect())
    }

    /// The content of a block: its number and that of the write, then bytes that follow from both.
    fn content(&self, index: usize, version: u64) -> Vec<u8> {
        if version == 0 {
            return vec![0; self.block_size];
        }
        let block = self.block(index);
        let mut random = Random(block.rotate_left(32) ^ version);
        let head = [block.to_le_bytes(), version.to_le_bytes()].concat();
        let rest = std::iter::from_fn(|| Some(random.next().to_le_bytes())).flatten();
        head.into_iter().chain(rest).take(self.block_size).collect()
    }

    fn block(&self, index: usize) -> u64 {
        self.first.saturating_add(u64::try_from(index).unwrap_or(u64::MAX))
    }

    /// A write (0: zeros) to these blocks was acknowledged.
    pub fn acknowledged(&mut self, at: usize, count: usize, version: u64) {
        for block in self.blocks.iter_mut().skip(at).take(count) {
            *block = BTreeSet::from([version]);
        }
    }

    /// A write (0: zeros) to these blocks failed, and may have been done all the same.
    pub fn unknown(&mut self, at: usize, count: usize, version: u64) {
        for block in self.blocks.iter_mut().skip(at).take(count) {
            block.insert(version);
        }
    }

    /// The content of these blocks, if it is certain: no write to them has an unknown outcome.
    #[must_use]
    pub fn certain(&self, at: usize, count: usize) -> Option<Vec<u8>> {
        let mut all = Vec::with_capacity(count.saturating_mul(self.block_size));
        for index in at..at.saturating_add(count) {
            let mut possible = self.blocks.get(index)?.iter();
            let (Some(version), None) = (possible.next(), possible.next()) else { return None };
            all.extend(self.content(index, *version));
        }
        Some(all)
    }

    /// Checks what was read from these blocks, and learns from it.
    ///
    /// # Errors
    /// The first block that holds what it cannot.
    pub fn check(&mut self, at: usize, data: &[u8]) -> Result<(), Contradiction> {
        for (index, data) in (at..).zip(data.chunks(self.block_size)) {
            let expected = self.blocks.get(index).cloned().unwrap_or_default();
            let version = expected.iter().copied().find(|version| self.content(index, *version) == data);
            match (version, self.blocks.get_mut(index)) {
                (Some(version), Some(block)) => *block = BTreeSet::from([version]),
                _ => {
                    return Err(Contradiction {
                        block: self.block(index),
                        expected: expected.into_iter().collect(),
                        found: self.recognize(data),
                    });
                }
            }
        }
        Ok(())
    }

    /// The block and the write that made this content.
    fn recognize(&self, data: &[u8]) -> Option<(u64, u64)> {
        let block = u64::from_le_bytes(*data.first_chunk()?);
        let version = u64::from_le_bytes(*data.get(8..)?.first_chunk()?);
        let index = usize::try_from(block.checked_sub(self.first)?).ok()?;
        (self.content(index, version) == data).then_some((block, version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_what_was_written_last_and_nothing_else() {
        let mut model = Model::new(100, 8, 512);
        let zeros = vec![0; 1024];
        model.check(0, &zeros).unwrap();
        let (one, first) = model.write(0, 2);
        model.acknowledged(0, 2, one);
        model.check(0, &first).unwrap();
        assert_eq!(model.check(0, &zeros).unwrap_err().expected, [1], "a lost write is seen");
        let (two, second) = model.write(0, 2);
        model.unknown(0, 2, two);
        assert_eq!((model.certain(0, 2), model.certain(2, 1)), (None, Some(vec![0; 512])));
        // Either may be there, of each block on its own; once read it is known.
        let mixed = [&second[..512], &first[512..]].concat();
        model.check(0, &mixed).unwrap();
        assert_eq!(model.certain(0, 2).unwrap(), mixed);
        assert_eq!(model.certain(7, 2), None, "there is no block 8");
        let wrong = model.check(0, &first).unwrap_err();
        assert_eq!((wrong.block, wrong.found), (100, Some((100, 1))));
        assert!(wrong.to_string().contains("[2] and holds write 1 of block 100"), "{wrong}");
        // A block in the wrong place, and a wrong byte.
        assert_eq!(model.check(1, &first[..512]).unwrap_err().found, Some((100, 1)));
        let mut damaged = mixed;
        damaged[300] ^= 1;
        assert_eq!(model.check(0, &damaged).unwrap_err().found, None);
        assert!(model.check(8, &zeros).is_err(), "there is no such block");
    }
}
