//! A disk in memory.

mod ahead;
mod block;
mod chunk;
mod hash;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Backend;
use super::error::IoError;
use super::geometry::{BlockSize, Geometry};
use super::io::Io;
use super::op::{Deallocate, Durability, Extent};
use super::store::{BlockStore, Lent};
use chunk::Chunk;
use hash::Key;

pub(super) use block::Block;
pub(super) use chunk::Pages;

/// A disk in memory. Memory is taken in pages of 4 KiB when they are written for the first time, and given back by discards; what was never
/// written reads as zeros. So a disk of many terabytes costs nothing until it is used.
///
/// Pages are spread over 64 locks: readers of a page never wait for each other, and writers rarely for anybody. Reads within a page are
/// [lent](BlockStore::lend) and not copied, and so are those within 256 KiB all of which were written; a page that is written meanwhile is
/// replaced by another one, so that what was read stays what it was.
///
/// ```
/// use nvme_fabrics::target::backend::{BlockSize, BlockStore, Durability, Memory};
/// let disk = Memory::with_block_size(16 << 40, BlockSize::B4096)?;
/// disk.write_at(8 << 40, &[7; 4096], Durability::Cached)?;
/// let mut block = [0; 4096];
/// disk.read_at(8 << 40, &mut block)?;
/// assert_eq!((block, disk.allocated()), ([7; 4096], 4096));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Memory {
    shards: Box<[RwLock<Shard>]>,
    bytes: AtomicU64,
    block_size: BlockSize,
    /// Pages that are there.
    pages: AtomicU64,
}

/// The chunks of one lock, by their number.
type Shard = HashMap<u64, Chunk, Key>;

/// Bytes of a chunk.
const CHUNK: u64 = 256 << 10;
const _: () = assert!(CHUNK == chunk::LEN as u64);
const PAGE: u64 = 4096;
const SHARDS: u64 = 64;

/// A size that a disk cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// Not a whole number of blocks.
    #[error("{bytes} bytes are not a whole number of blocks of {block_size} bytes")]
    Unaligned {
        /// The size asked for.
        bytes: u64,
        /// Bytes of a block.
        block_size: BlockSize,
    },
    /// No block at all.
    #[error("a disk needs at least one block")]
    Empty,
}

impl Memory {
    /// A disk of this many bytes, with blocks of 512 bytes.
    ///
    /// # Errors
    /// Not a whole number of blocks, or none.
    pub fn new(bytes: u64) -> Result<Self, MemoryError> {
        Self::with_block_size(bytes, BlockSize::B512)
    }

    /// A disk of this many bytes.
    ///
    /// # Errors
    /// Not a whole number of blocks, or none.
    pub fn with_block_size(bytes: u64, block_size: BlockSize) -> Result<Self, MemoryError> {
        check(bytes, block_size)?;
        let key = Key::new();
        let shards = (0..SHARDS).map(|_| RwLock::new(HashMap::with_hasher(key))).collect();
        Ok(Self { shards, bytes: AtomicU64::new(bytes), block_size, pages: AtomicU64::new(0) })
    }

    /// Changes the size. What is beyond a smaller size is forgotten. Tell the target, so that hosts learn of it.
    ///
    /// # Errors
    /// Not a whole number of blocks, or none.
    pub fn resize(&self, bytes: u64) -> Result<(), MemoryError> {
        check(bytes, self.block_size)?;
        let before = self.bytes.swap(bytes, Ordering::SeqCst);
        if bytes < before {
            self.forget(Extent::new(bytes, bytes.next_multiple_of(CHUNK).saturating_sub(bytes)));
            let first = bytes.div_ceil(CHUNK);
            for shard in &self.shards {
                write(shard).retain(|number, chunk| {
                    let stays = *number < first;
                    if !stays {
                        self.recount(chunk.held(), 0);
                    }
                    stays
                });
            }
        }
        Ok(())
    }

    /// Size and properties.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        let blocks = self.bytes.load(Ordering::Relaxed) >> self.block_size.log2();
        Geometry {
            discard_granularity: 4096,
            optimal_io: self.block_size.bytes().max(4096),
            ..Geometry::new(self.block_size, blocks)
        }
    }

    /// Bytes of memory that its pages take.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        self.pages.load(Ordering::Relaxed).saturating_mul(PAGE)
    }

    /// A chunk has so many pages now.
    fn recount(&self, before: usize, after: usize) {
        let pages = |count| u64::try_from(count).unwrap_or(u64::MAX);
        if after >= before {
            self.pages.fetch_add(pages(after).saturating_sub(pages(before)), Ordering::Relaxed);
        } else {
            self.pages.fetch_sub(pages(before).saturating_sub(pages(after)), Ordering::Relaxed);
        }
    }

    fn check(&self, at: u64, len: usize) -> Result<(), IoError> {
        let end = u64::try_from(len).ok().and_then(|len| at.checked_add(len));
        match end {
            Some(end) if end <= self.bytes.load(Ordering::Relaxed) => Ok(()),
            _ => Err(IoError::OutOfRange),
        }
    }

    /// The lock of a chunk.
    fn shard(&self, chunk: u64) -> Result<&RwLock<Shard>, IoError> {
        // Less than SHARDS.
        usize::try_from(chunk % SHARDS)
            .ok()
            .and_then(|shard| self.shards.get(shard))
            .ok_or(IoError::OutOfRange)
    }

    /// Makes an extent zeros: pages that are inside are given back, parts of others are filled.
    fn forget(&self, extent: Extent) {
        let end = extent.at.saturating_add(extent.len);
        let mut at = extent.at;
        while at < end {
            let number = at / CHUNK;
            let next = number.saturating_add(1).saturating_mul(CHUNK).min(end);
            if let Ok(shard) = self.shard(number)
                && read(shard).contains_key(&number)
            {
                let mut shard = write(shard);
                if let Some(chunk) = shard.get_mut(&number) {
                    let before = chunk.held();
                    chunk.forget(within(at), within_len(at, next));
                    self.recount(before, chunk.held());
                    if chunk.held() == 0 {
                        shard.remove(&number);
                    }
                }
            }
            at = next;
        }
    }
}

/// Where byte `at` is in its chunk.
fn within(at: u64) -> usize {
    usize::try_from(at % CHUNK).unwrap_or(chunk::LEN)
}

/// Bytes `at` to `end`, which are in one chunk.
fn within_len(at: u64, end: u64) -> usize {
    usize::try_from(end.saturating_sub(at)).unwrap_or(0)
}

/// The end of the chunk of byte `at`, or `end` before it.
fn chunk_end(at: u64, end: u64) -> u64 {
    (at / CHUNK).saturating_add(1).saturating_mul(CHUNK).min(end)
}

fn check(bytes: u64, block_size: BlockSize) -> Result<(), MemoryError> {
    match bytes {
        0 => Err(MemoryError::Empty),
        _ if !block_size.divides(bytes) => Err(MemoryError::Unaligned { bytes, block_size }),
        _ => Ok(()),
    }
}

/// A panic while a chunk was copied leaves bytes that are old or new, as a failed write does.
fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

impl BlockStore for Memory {
    fn geometry(&self) -> Geometry {
        self.geometry()
    }

    fn read_at(&self, mut at: u64, mut to: &mut [u8]) -> Result<(), IoError> {
        self.check(at, to.len())?;
        let end = at.saturating_add(u64::try_from(to.len()).unwrap_or(u64::MAX));
        while at < end {
            let (number, next) = (at / CHUNK, chunk_end(at, end));
            let (now, later) =
                std::mem::take(&mut to).split_at_mut_checked(within_len(at, next)).unwrap_or_default();
            match read(self.shard(number)?).get(&number) {
                Some(chunk) => chunk.read(within(at), now),
                None => now.fill(0),
            }
            to = later;
            at = next;
        }
        Ok(())
    }

    fn lend(&self, at: u64, len: usize) -> Option<Lent> {
        self.check(at, len).ok()?;
        let from = within(at);
        if len > chunk::LEN.saturating_sub(from) {
            return None;
        }
        let number = at / CHUNK;
        read(self.shard(number).ok()?).get(&number)?.lend(from, len)
    }

    fn write_at(&self, mut at: u64, mut data: &[u8], _: Durability) -> Result<(), IoError> {
        let end = at.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        self.check(at, data.len())?;
        while at < end {
            let (number, next) = (at / CHUNK, chunk_end(at, end));
            let mut shard = write(self.shard(number)?);
            // Once more, since the disk may have been made smaller meanwhile: what is stored behind its end would come back later.
            self.check(at, usize::try_from(next.saturating_sub(at)).unwrap_or(usize::MAX))?;
            let chunk = shard.entry(number).or_insert_with(Chunk::new);
            let (now, later) = data.split_at_checked(within_len(at, next)).unwrap_or_default();
            let before = chunk.held();
            chunk.write(within(at), now);
            self.recount(before, chunk.held());
            data = later;
            at = next;
        }
        Ok(())
    }

    fn discard(&self, extent: Extent) -> Result<(), IoError> {
        if !self.geometry().holds(extent.at, extent.len) {
            return Err(IoError::OutOfRange);
        }
        self.forget(extent);
        Ok(())
    }

    fn write_zeroes(&self, extent: Extent, _: Deallocate) -> Result<(), IoError> {
        self.discard(extent)
    }
}

impl Backend for Memory {
    fn geometry(&self) -> Geometry {
        self.geometry()
    }

    fn submit(&self, mut io: Io) {
        let result = io.perform(self);
        io.complete(result);
    }

    fn store(&self) -> Option<&dyn BlockStore> {
        Some(self)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("geometry", &self.geometry())
            .field("allocated", &self.allocated())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u64 = 2 * CHUNK + 5 * PAGE + 1024;

    #[test]
    fn a_long_history_matches_one_vector() {
        let disk = Memory::new(BYTES).unwrap();
        let mut model = vec![0_u8; usize::try_from(BYTES).unwrap()];
        let mut random = fastrand::Rng::with_seed(7);
        for turn in 0..3000_u32 {
            let at = random.u64(0..BYTES / 512) * 512;
            let longest = if turn % 4 == 0 { BYTES } else { 8192 };
            let len = (random.u64(1..=longest / 512) * 512).min(BYTES - at);
            let range = usize::try_from(at).unwrap()..usize::try_from(at + len).unwrap();
            match turn % 5 {
                0 => {
                    disk.discard(Extent::new(at, len)).unwrap();
                    model[range].fill(0);
                }
                1 => {
                    disk.write_zeroes(Extent::new(at, len), Deallocate::Keep).unwrap();
                    model[range].fill(0);
                }
                2 | 3 => {
                    let data: Vec<u8> = (0..len).map(|n| random.u8(..) ^ n.to_le_bytes()[0]).collect();
                    disk.write_at(at, &data, Durability::Forced).unwrap();
                    model[range].copy_from_slice(&data);
                }
                _ => {
                    let mut data = vec![0xa5; range.len()];
                    disk.read_at(at, &mut data).unwrap();
                    assert!(data == model[range], "turn {turn}: {len} bytes at {at}");
                }
            }
            let pages = |shard| read(shard).values().map(Chunk::held).sum::<usize>();
            let pages: usize = disk.shards.iter().map(pages).sum();
            assert_eq!(disk.allocated(), u64::try_from(pages).unwrap() * PAGE);
        }
    }

    #[test]
    fn the_end_is_the_end_whatever_the_size() {
        for bytes in [512, CHUNK, CHUNK + 512, 1 << 50, !511] {
            let disk = Memory::new(bytes).unwrap();
            let mut block = [0; 512];
            assert!(disk.read_at(bytes - 512, &mut block).is_ok());
            assert!(disk.write_at(bytes - 512, &block, Durability::Cached).is_ok());
            assert_eq!(disk.allocated(), PAGE);
            for at in [bytes, bytes - 1, u64::MAX, u64::MAX - 100] {
                assert!(matches!(disk.read_at(at, &mut block), Err(IoError::OutOfRange)), "{at} of {bytes}");
                assert!(matches!(disk.write_at(at, &block, Durability::Cached), Err(IoError::OutOfRange)));
                assert!(disk.discard(Extent::new(at, 512)).is_err());
            }
        }
        assert_eq!(Memory::new(0).unwrap_err(), MemoryError::Empty);
        assert!(matches!(Memory::new(513), Err(MemoryError::Unaligned { .. })));
    }

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let disk = Memory::new(4 * CHUNK).unwrap();
        let len = usize::try_from(CHUNK).unwrap();
        disk.write_at(0, &vec![7; 4 * len], Durability::Cached).unwrap();
        disk.resize(CHUNK + 512).unwrap();
        assert_eq!(disk.allocated(), CHUNK + PAGE);
        disk.resize(1 << 40).unwrap();
        let mut all = vec![1; 4 * len];
        disk.read_at(0, &mut all).unwrap();
        let (kept, gone) = all.split_at(len + 512);
        assert!(kept.iter().all(|byte| *byte == 7) && gone.iter().all(|byte| *byte == 0));
        assert_eq!(disk.geometry().len(), 1 << 40);
    }

    #[test]
    fn what_was_lent_stays_as_it_was() {
        let disk = Memory::new(1 << 20).unwrap();
        assert!(disk.lend(0, 512).is_none(), "nothing is there to be lent");
        disk.write_at(0, &[1; 8192], Durability::Cached).unwrap();
        assert!(disk.lend(4096 - 512, 1024).is_none() && disk.lend((1 << 20) - 512, 1024).is_none());
        let lent: Vec<Lent> =
            [(0, 4096), (512, 1024), (4096, 512)].map(|(at, len)| disk.lend(at, len).unwrap()).into();
        disk.write_at(0, &[2; 4096], Durability::Cached).unwrap();
        disk.write_at(4608, &[2; 512], Durability::Cached).unwrap();
        disk.discard(Extent::new(512, 512)).unwrap();
        for lent in &lent {
            assert!(lent.as_ref().iter().all(|byte| *byte == 1));
        }
        drop(lent);
        let mut now = vec![9; 8192];
        disk.read_at(0, &mut now).unwrap();
        let want = [vec![2; 512], vec![0; 512], vec![2; 3072], vec![1; 512], vec![2; 512], vec![1; 3072]];
        assert!(now == want.concat());
        assert_eq!(disk.lend(0, 4096).unwrap().as_ref(), &now[..4096]);
        assert_eq!(disk.allocated(), 8192);
    }

    #[test]
    fn threads_write_and_read_their_own_without_mixing() {
        let disk = Memory::new(1 << 20).unwrap();
        std::thread::scope(|scope| {
            for me in 0..4_u8 {
                let disk = &disk;
                scope.spawn(move || {
                    let mut back = [0; 4096];
                    for turn in 0..500_u64 {
                        // Blocks of all threads share their chunks.
                        let at = (turn % 64 * 4 + u64::from(me)) * 4096;
                        disk.write_at(at, &[me ^ turn.to_le_bytes()[0]; 4096], Durability::Cached).unwrap();
                        disk.read_at(at, &mut back).unwrap();
                        assert!(back.iter().all(|byte| *byte == me ^ turn.to_le_bytes()[0]));
                    }
                });
            }
        });
    }
}
