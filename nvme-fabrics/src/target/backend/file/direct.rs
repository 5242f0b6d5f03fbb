//! Reading and writing past the page cache.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::super::buffer::Buffer;

/// Alignment in memory that direct I/O gets: no device has larger blocks than pages.
pub(super) const ALIGNMENT: usize = 4096;

/// Bytes that are copied at a time when memory is not aligned.
const PIECE: usize = 64 << 10;

/// Zeros to write. Not aligned: they are copied.
pub(super) static ZEROS: [u8; PIECE] = [0; PIECE];

/// Whether the page cache is to be gone past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DirectIo {
    /// If the file and its filesystem can; [`File::directness`](super::File::directness) tells.
    #[default]
    Try,
    /// Or the file is not opened.
    Require,
    /// The page cache is used.
    Never,
}

/// Whether the page cache is gone past.
#[derive(Debug)]
#[non_exhaustive]
pub enum Directness {
    /// It is.
    Direct,
    /// It is used, as was asked for.
    Cached,
    /// It is used, since the filesystem refuses direct reads.
    Refused(io::Error),
}

impl Directness {
    /// Whether the page cache is gone past.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        matches!(self, Self::Direct)
    }
}

impl fmt::Display for Directness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct I/O"),
            Self::Cached => f.write_str("through the page cache"),
            Self::Refused(error) => write!(f, "through the page cache, since direct reads fail: {error}"),
        }
    }
}

fn is_aligned(memory: &[u8]) -> bool {
    memory.as_ptr().addr().is_multiple_of(ALIGNMENT)
}

/// Reads exactly `to`; memory that is not aligned is read through some that is.
pub(super) fn read(file: &File, mut at: u64, to: &mut [u8]) -> io::Result<()> {
    if is_aligned(to) {
        return file.read_exact_at(to, at);
    }
    let mut aligned = Buffer::new(PIECE.min(to.len()), ALIGNMENT);
    for piece in to.chunks_mut(PIECE) {
        let through = aligned.as_mut().get_mut(..piece.len()).unwrap_or_default();
        file.read_exact_at(through, at)?;
        piece.copy_from_slice(through);
        at = at.saturating_add(super::bytes(piece.len()));
    }
    Ok(())
}

/// Writes all of `data`; memory that is not aligned is written through some that is.
pub(super) fn write(file: &File, mut at: u64, data: &[u8]) -> io::Result<()> {
    if is_aligned(data) {
        return file.write_all_at(data, at);
    }
    let mut aligned = Buffer::new(PIECE.min(data.len()), ALIGNMENT);
    for piece in data.chunks(PIECE) {
        let through = aligned.as_mut().get_mut(..piece.len()).unwrap_or_default();
        through.copy_from_slice(piece);
        file.write_all_at(through, at)?;
        at = at.saturating_add(super::bytes(piece.len()));
    }
    Ok(())
}
