//! A disk in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Backend;
use super::error::IoError;
use super::geometry::{BlockSize, Geometry};
use super::io::Io;
use super::op::{Deallocate, Durability, Extent};
use super::store::BlockStore;

/// A disk in memory. Memory is taken in chunks of 64 KiB when they are written for the first time, and given back by discards; what was
/// never written reads as zeros. So a disk of many terabytes costs nothing until it is used.
///
/// Chunks are spread over 64 locks: readers of a chunk never wait for each other, and writers rarely for anybody.
///
/// ```
/// use nvme_fabrics::target::backend::{BlockSize, BlockStore, Durability, Memory};
/// let disk = Memory::with_block_size(16 << 40, BlockSize::B4096)?;
/// disk.write_at(8 << 40, &[7; 4096], Durability::Cached)?;
/// let mut block = [0; 4096];
/// disk.read_at(8 << 40, &mut block)?;
/// assert_eq!((block, disk.allocated()), ([7; 4096], 64 << 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Memory {
    shards: Box<[RwLock<Shard>]>,
    bytes: AtomicU64,
    block_size: BlockSize,
    allocated: AtomicU64,
}

/// The chunks of one lock, by their number.
type Shard = HashMap<u64, Box<[u8]>>;

/// Bytes of a chunk.
const CHUNK: u64 = 64 << 10;
const CHUNK_LEN: usize = 64 << 10;
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
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Ok(Self { shards, bytes: AtomicU64::new(bytes), block_size, allocated: AtomicU64::new(0) })
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
                let mut shard = write(shard);
                let count = shard.len();
                shard.retain(|number, _| *number < first);
                self.freed(count.saturating_sub(shard.len()));
            }
        }
        Ok(())
    }

    /// Size and properties.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        let blocks = self.bytes.load(Ordering::Relaxed) >> self.block_size.log2();
        Geometry {
            discard_granularity: 64 << 10,
            optimal_io: self.block_size.bytes().max(4096),
            ..Geometry::new(self.block_size, blocks)
        }
    }

    /// Bytes of memory that its chunks take.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        self.allocated.load(Ordering::Relaxed)
    }

    fn freed(&self, chunks: usize) {
        let bytes = u64::try_from(chunks).unwrap_or(0).saturating_mul(CHUNK);
        self.allocated.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn check(&self, at: u64, len: usize) -> Result<(), IoError> {
        let end = u64::try_from(len).ok().and_then(|len| at.checked_add(len));
        match end {
            Some(end) if end <= self.bytes.load(Ordering::Relaxed) => Ok(()),
            _ => Err(IoError::OutOfRange),
        }
    }

    fn shard(&self, chunk: u64) -> Option<&RwLock<Shard>> {
        // Less than SHARDS.
        usize::try_from(chunk % SHARDS).ok().and_then(|shard| self.shards.get(shard))
    }

    /// Makes an extent zeros: chunks that are inside are given back, the others' parts are filled.
    fn forget(&self, extent: Extent) {
        let end = extent.at.saturating_add(extent.len);
        let mut at = extent.at;
        while at < end {
            let number = at / CHUNK;
            let next = number.saturating_add(1).saturating_mul(CHUNK).min(end);
            if let Some(shard) = self.shard(number) {
                if next.saturating_sub(at) == CHUNK {
                    if read(shard).contains_key(&number) && write(shard).remove(&number).is_some() {
                        self.freed(1);
                    }
                } else if read(shard).contains_key(&number)
                    && let Some(chunk) = write(shard).get_mut(&number)
                {
                    part(at, next).and_then(|part| chunk.get_mut(part)).unwrap_or_default().fill(0);
                }
            }
            at = next;
        }
    }
}

fn check(bytes: u64, block_size: BlockSize) -> Result<(), MemoryError> {
    match bytes {
        0 => Err(MemoryError::Empty),
        _ if !block_size.divides(bytes) => Err(MemoryError::Unaligned { bytes, block_size }),
        _ => Ok(()),
    }
}

/// The part of a chunk that is bytes `at` to `end` of the disk.
fn part(at: u64, end: u64) -> Option<std::ops::Range<usize>> {
    let from = usize::try_from(at % CHUNK).ok()?;
    let len = usize::try_from(end.saturating_sub(at)).ok()?;
    Some(from..from.saturating_add(len).min(CHUNK_LEN))
}

/// A panic while a chunk was copied leaves bytes that are old or new, as a failed write does.
fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes from `at` to the end of its chunk, `len` at most.
fn step(at: u64, len: usize) -> usize {
    let rest = CHUNK.saturating_sub(at % CHUNK);
    usize::try_from(rest).unwrap_or(len).min(len)
}

impl BlockStore for Memory {
    fn geometry(&self) -> Geometry {
        self.geometry()
    }

    fn read_at(&self, mut at: u64, mut to: &mut [u8]) -> Result<(), IoError> {
        self.check(at, to.len())?;
        while !to.is_empty() {
            let (piece, rest) = to.split_at_mut(step(at, to.len()));
            let number = at / CHUNK;
            let from = usize::try_from(at % CHUNK).unwrap_or(CHUNK_LEN);
            let shard = self.shard(number).map(read);
            match shard.as_ref().and_then(|shard| shard.get(&number)) {
                Some(chunk) => {
                    let stored = chunk.get(from..).and_then(|chunk| chunk.get(..piece.len()));
                    piece.copy_from_slice(stored.ok_or(IoError::OutOfRange)?);
                }
                None => piece.fill(0),
            }
            at = at.saturating_add(u64::try_from(piece.len()).unwrap_or(CHUNK));
            to = rest;
        }
        Ok(())
    }

    fn write_at(&self, mut at: u64, mut data: &[u8], _: Durability) -> Result<(), IoError> {
        self.check(at, data.len())?;
        while !data.is_empty() {
            let (piece, rest) = data.split_at(step(at, data.len()));
            let number = at / CHUNK;
            let from = usize::try_from(at % CHUNK).unwrap_or(CHUNK_LEN);
            let mut shard = write(self.shard(number).ok_or(IoError::OutOfRange)?);
            // Once more, since the disk may have been made smaller meanwhile: what is stored behind its end would come back later.
            self.check(at, piece.len())?;
            let chunk = shard.entry(number).or_insert_with(|| {
                self.allocated.fetch_add(CHUNK, Ordering::Relaxed);
                vec![0; CHUNK_LEN].into_boxed_slice()
            });
            let stored = chunk.get_mut(from..).and_then(|chunk| chunk.get_mut(..piece.len()));
            stored.ok_or(IoError::OutOfRange)?.copy_from_slice(piece);
            at = at.saturating_add(u64::try_from(piece.len()).unwrap_or(CHUNK));
            data = rest;
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

    const BYTES: u64 = 5 * CHUNK + 1024;

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
            let chunks: usize = disk.shards.iter().map(|shard| read(shard).len()).sum();
            assert_eq!(disk.allocated(), u64::try_from(chunks).unwrap() * CHUNK);
        }
    }

    #[test]
    fn the_end_is_the_end_whatever_the_size() {
        for bytes in [512, CHUNK, CHUNK + 512, 1 << 50, !511] {
            let disk = Memory::new(bytes).unwrap();
            let mut block = [0; 512];
            assert!(disk.read_at(bytes - 512, &mut block).is_ok());
            assert!(disk.write_at(bytes - 512, &block, Durability::Cached).is_ok());
            assert_eq!(disk.allocated(), CHUNK);
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
        disk.write_at(0, &vec![7; 4 * CHUNK_LEN], Durability::Cached).unwrap();
        disk.resize(CHUNK + 512).unwrap();
        assert_eq!(disk.allocated(), 2 * CHUNK);
        disk.resize(1 << 40).unwrap();
        let mut all = vec![1; 4 * CHUNK_LEN];
        disk.read_at(0, &mut all).unwrap();
        let (kept, gone) = all.split_at(CHUNK_LEN + 512);
        assert!(kept.iter().all(|byte| *byte == 7) && gone.iter().all(|byte| *byte == 0));
        assert_eq!(disk.geometry().len(), 1 << 40);
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
