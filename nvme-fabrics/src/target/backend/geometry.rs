//! Size and properties of storage.

use std::fmt;

/// Size and properties of a [`Backend`](super::Backend).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Geometry {
    /// Bytes of a block.
    #[doc(alias = "LBADS")]
    pub block_size: BlockSize,
    /// Number of blocks.
    #[doc(alias = "NSZE")]
    pub blocks: u64,
    /// Bytes that are freed together by a discard; 0: discards free nothing.
    #[doc(alias = "NPDG")]
    pub discard_granularity: u32,
    /// Whether a completed write may be lost with the power before it is flushed.
    #[doc(alias = "VWC")]
    pub write_cache: WriteCache,
    /// Whether it can be written.
    #[doc(alias = "NSATTR")]
    pub access: Access,
    /// Bytes that are best read and written together; at least a block.
    #[doc(alias = "NOWS")]
    pub optimal_io: u32,
}

impl Geometry {
    /// This many blocks that can be written, need no flush, and are not freed by discards.
    #[must_use]
    pub const fn new(block_size: BlockSize, blocks: u64) -> Self {
        Self {
            block_size,
            blocks,
            discard_granularity: 0,
            write_cache: WriteCache::None,
            access: Access::ReadWrite,
            optimal_io: block_size.bytes(),
        }
    }

    /// Its size in bytes, or the largest number if it is beyond that.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a disk of no blocks is no disk")]
    pub const fn len(&self) -> u64 {
        self.blocks.saturating_mul(self.block_size.bytes() as u64)
    }

    /// Whether `len` bytes from byte `at` on are inside.
    #[must_use]
    pub const fn holds(&self, at: u64, len: u64) -> bool {
        match at.checked_add(len) {
            Some(end) => end <= self.len(),
            None => false,
        }
    }
}

/// Bytes of a block: a power of two from 512 to 65536.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSize(u8);

impl BlockSize {
    /// 512 bytes.
    pub const B512: Self = Self(9);
    /// 4096 bytes.
    pub const B4096: Self = Self(12);

    /// This many bytes.
    ///
    /// # Errors
    /// Not a power of two, below 512 or above 65536.
    pub const fn new(bytes: u32) -> Result<Self, BlockSizeError> {
        if bytes.is_power_of_two() && bytes >= 512 && bytes <= 65536 {
            // At most 16.
            return Ok(Self(bytes.trailing_zeros() as u8));
        }
        Err(BlockSizeError { bytes })
    }

    /// Bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        1 << self.0
    }

    /// The power of two: 9 to 16.
    #[must_use]
    #[doc(alias = "LBADS")]
    pub const fn log2(self) -> u8 {
        self.0
    }

    /// Whether `bytes` is a whole number of blocks.
    #[must_use]
    pub const fn divides(self, bytes: u64) -> bool {
        bytes.trailing_zeros() >= self.0 as u32
    }
}

impl fmt::Debug for BlockSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockSize({})", self.bytes())
    }
}

impl fmt::Display for BlockSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.bytes(), f)
    }
}

/// A number that is no block size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are no block size: it is a power of two from 512 to 65536")]
pub struct BlockSizeError {
    /// The number.
    pub bytes: u32,
}

/// Whether a completed write may be lost with the power before it is flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WriteCache {
    /// Nothing is won by a flush: a completed write is as safe as it gets.
    #[default]
    None,
    /// Only a flush, or a write with [`Durability::Forced`](super::Durability::Forced), makes it safe.
    Volatile,
}

/// Whether storage can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Access {
    /// It can.
    #[default]
    ReadWrite,
    /// It cannot: writes are answered with Namespace is Write Protected.
    ReadOnly,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_sizes_are_powers_of_two_in_range() {
        for bytes in [0, 1, 256, 511, 513, 1000, 131_072, u32::MAX] {
            assert_eq!(BlockSize::new(bytes), Err(BlockSizeError { bytes }));
        }
        for log2 in 9..=16 {
            let size = BlockSize::new(1 << log2).unwrap();
            assert_eq!((size.bytes(), size.log2()), (1 << log2, log2));
            assert!(size.divides(0) && size.divides(3 << log2) && !size.divides((3 << log2) + 256));
        }
    }

    #[test]
    fn ranges_do_not_wrap() {
        let geometry = Geometry::new(BlockSize::B512, 8);
        assert!(geometry.holds(0, 4096) && geometry.holds(4096, 0) && geometry.holds(3584, 512));
        assert!(!geometry.holds(3584, 513) && !geometry.holds(u64::MAX, 2) && !geometry.holds(4097, 0));
        assert_eq!(Geometry::new(BlockSize::B4096, u64::MAX).len(), u64::MAX);
    }
}
