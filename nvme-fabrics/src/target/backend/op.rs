//! What is asked of storage.

/// What a request asks for. Offsets and lengths are in bytes, and multiples of the block size.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IoOp {
    /// Fill the request's buffer.
    Read(Extent),
    /// Keep the content of the request's buffer.
    Write {
        /// Where.
        extent: Extent,
        /// How safe it has to be when it is completed.
        durability: Durability,
    },
    /// Make every write that was completed before safe from a loss of power.
    Flush,
    /// Forget what these extents hold; afterwards they read as zeros. Storage that cannot forget may leave them as they are.
    Discard(Box<[Extent]>),
    /// Make an extent read as zeros.
    WriteZeroes {
        /// Where.
        extent: Extent,
        /// Whether its space may be given up.
        deallocate: Deallocate,
    },
    /// Complete with [`IoError::Differs`](super::IoError::Differs) unless the extent holds what the request's buffer does.
    Compare(Extent),
    /// Complete with an error if the extent cannot be read.
    Verify(Extent),
}

impl IoOp {
    /// Bytes that the request's buffer has.
    #[must_use]
    pub fn buffer_len(&self) -> u64 {
        match self {
            Self::Read(extent) | Self::Write { extent, .. } | Self::Compare(extent) => extent.len,
            Self::Flush | Self::Discard(_) | Self::WriteZeroes { .. } | Self::Verify(_) => 0,
        }
    }

    /// Whether it changes what is stored.
    #[must_use]
    pub const fn modifies(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Discard(_) | Self::WriteZeroes { .. })
    }
}

/// A piece of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Extent {
    /// Its first byte.
    pub at: u64,
    /// Bytes.
    pub len: u64,
}

impl Extent {
    /// `len` bytes from byte `at` on.
    #[must_use]
    pub const fn new(at: u64, len: u64) -> Self {
        Self { at, len }
    }
}

/// How safe a write has to be when it is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// It may be lost with the power until it is flushed.
    #[default]
    Cached,
    /// It survives a loss of power.
    #[doc(alias = "FUA")]
    Forced,
}

/// Whether space may be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Deallocate {
    /// It stays reserved, so that a later write does not run out of it.
    #[default]
    Keep,
    /// It may be given up.
    #[doc(alias = "DEAC")]
    Allow,
}
