//! Storage whose functions return when they are done.

use std::fmt;
use std::sync::Arc;

use super::error::IoError;
use super::geometry::Geometry;
use super::memory::{Block, Pages};
use super::op::{Deallocate, Durability, Extent, IoOp};

/// Storage with functions that return when they are done. [`Inline`](super::Inline) or [`Threads`](super::Threads) make a
/// [`Backend`](super::Backend) of it.
///
/// Every function may be called from several threads at the same time. Offsets and lengths are in bytes, and multiples of the block size. What
/// [`Backend`](super::Backend) says about the order of requests holds here too.
pub trait BlockStore: Send + Sync + 'static {
    /// Size and properties: cheap, and may change.
    fn geometry(&self) -> Geometry;

    /// Fills `to` with what is stored from byte `at` on. On success every byte of `to` must have been written.
    ///
    /// # Errors
    /// Whatever kept it from that; what was put into `to` does not matter then.
    fn read_at(&self, at: u64, to: &mut [u8]) -> Result<(), IoError>;

    /// The same without a copy: memory that holds `len` bytes from byte `at` on, and stays as it is until it is given back. `None`, as
    /// always unless this is implemented: it is to be read.
    ///
    /// Only storage whose memory is never written while it is lent can do this. Asked of storage that runs
    /// [inline](super::Backend::store) alone.
    fn lend(&self, at: u64, len: usize) -> Option<Lent> {
        let _ = (at, len);
        None
    }

    /// Stores `data` from byte `at` on.
    ///
    /// # Errors
    /// Whatever kept it from that; blocks may hold old or new data then.
    fn write_at(&self, at: u64, data: &[u8], durability: Durability) -> Result<(), IoError>;

    /// Makes every write that was completed before safe from a loss of power. Nothing to do unless there is a volatile write cache.
    ///
    /// # Errors
    /// Whatever kept it from that.
    fn flush(&self) -> Result<(), IoError> {
        Ok(())
    }

    /// Forgets what an extent holds. Afterwards it reads as zeros, or as before where that is not possible, which is what happens
    /// unless this is implemented.
    ///
    /// # Errors
    /// Whatever went wrong; that it cannot be done is not an error.
    fn discard(&self, extent: Extent) -> Result<(), IoError> {
        let _ = extent;
        Ok(())
    }

    /// Makes an extent read as zeros. Unless implemented, zeros are written.
    ///
    /// # Errors
    /// Whatever kept it from that.
    fn write_zeroes(&self, extent: Extent, deallocate: Deallocate) -> Result<(), IoError> {
        let _ = deallocate;
        in_pieces(extent, |at, len| self.write_at(at, ZEROS.get(..len).unwrap_or(&ZEROS), Durability::Cached))
    }
}

/// Memory that storage lends: it must not change before this is dropped.
#[derive(Clone)]
pub struct Lent {
    owner: Owner,
    from: usize,
    len: usize,
}

#[derive(Clone)]
enum Owner {
    Any(Arc<dyn AsRef<[u8]> + Send + Sync>),
    /// A page of a disk in memory.
    Page(Arc<Pages>, usize),
    /// A chunk of a disk in memory.
    Block(Arc<Block>),
}

impl Lent {
    /// `len` bytes from byte `from` of `owner`.
    #[must_use]
    pub fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, from: usize, len: usize) -> Self {
        Self { owner: Owner::Any(owner), from, len }
    }

    /// Bytes it is said to have.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn of_block(block: Arc<Block>, from: usize, len: usize) -> Self {
        Self { owner: Owner::Block(block), from, len }
    }

    pub(super) const fn of_page(pages: Arc<Pages>, page: usize, from: usize, len: usize) -> Self {
        Self { owner: Owner::Page(pages, page), from, len }
    }
}

impl AsRef<[u8]> for Lent {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        let owner: &[u8] = match &self.owner {
            Owner::Any(owner) => (**owner).as_ref(),
            Owner::Page(pages, page) => pages.page(*page),
            Owner::Block(block) => block,
        };
        owner.get(self.from..).and_then(|owner| owner.get(..self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for Lent {
    /// Without the data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Bytes that are compared, verified or zeroed at a time.
const PIECE: usize = 64 << 10;

static ZEROS: [u8; PIECE] = [0; PIECE];

/// Calls `each` with the pieces of an extent.
pub(super) fn in_pieces(
    extent: Extent,
    mut each: impl FnMut(u64, usize) -> Result<(), IoError>,
) -> Result<(), IoError> {
    let Extent { mut at, mut len } = extent;
    while len > 0 {
        let piece = usize::try_from(len).unwrap_or(PIECE).min(PIECE);
        each(at, piece)?;
        let piece = u64::try_from(piece).unwrap_or(len);
        at = at.saturating_add(piece);
        len = len.saturating_sub(piece);
    }
    Ok(())
}

/// Does what a request that has its own buffer asks for: data are read into it or taken from it.
pub(crate) fn perform(store: &dyn BlockStore, op: &IoOp, buffer: &mut [u8]) -> Result<(), IoError> {
    match op {
        IoOp::Read(extent) => store.read_at(extent.at, buffer),
        IoOp::Verify(extent) => {
            let mut scratch = vec![0; PIECE];
            in_pieces(*extent, |at, len| match scratch.get_mut(..len) {
                Some(piece) => store.read_at(at, piece),
                None => Err(IoError::OutOfRange),
            })
        }
        _ => take(store, op, buffer),
    }
}

/// Does what a request that takes its data from `data` asks for.
pub(crate) fn take(store: &dyn BlockStore, op: &IoOp, data: &[u8]) -> Result<(), IoError> {
    match op {
        IoOp::Write { extent, durability } => store.write_at(extent.at, data, *durability),
        IoOp::Flush => store.flush(),
        IoOp::Discard(extents) => extents.iter().try_for_each(|extent| store.discard(*extent)),
        IoOp::WriteZeroes { extent, deallocate } => store.write_zeroes(*extent, *deallocate),
        IoOp::Compare(extent) => compare(store, extent.at, data),
        IoOp::Read(_) | IoOp::Verify(_) => Err(IoError::NotSupported),
    }
}

fn compare(store: &dyn BlockStore, mut at: u64, data: &[u8]) -> Result<(), IoError> {
    let mut scratch = vec![0; PIECE.min(data.len())];
    for want in data.chunks(PIECE) {
        let have = scratch.get_mut(..want.len()).unwrap_or_default();
        store.read_at(at, have)?;
        if have != want {
            return Err(IoError::Differs);
        }
        at = at.saturating_add(u64::try_from(want.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}
