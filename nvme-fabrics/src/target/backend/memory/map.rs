//! Where the chunks of a disk are.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::chunk::Chunk;
use super::hash::Key;

/// The chunks of a disk, by their number. Those of its first 4 GiB are in a list, each with its lock: 32 bytes for 256 KiB; the others are hashed, since
/// disks may be far larger than memory.
///
/// Steps through a hash table are misses of the cache one after the other where reads are random; the list is one.
pub(super) struct Map {
    near: Box<[RwLock<Option<Chunk>>]>,
    far: Box<[RwLock<Shard>]>,
}

/// The chunks of one lock.
type Shard = HashMap<u64, Chunk, Key>;

/// Chunks in the list at most.
const NEAR: u64 = 16 << 10;
const SHARDS: usize = 64;

impl Map {
    /// For a disk that begins with so many chunks, none of which was written.
    pub(super) fn new(chunks: u64) -> Self {
        let near = usize::try_from(chunks.min(NEAR)).unwrap_or(0);
        let key = Key::new();
        Self {
            near: std::iter::repeat_with(RwLock::default).take(near).collect(),
            far: (0..SHARDS).map(|_| RwLock::new(HashMap::with_hasher(key))).collect(),
        }
    }

    /// Looks at a chunk; `None`: nothing of it was written.
    #[inline]
    pub(super) fn look<T>(&self, number: u64, look: impl FnOnce(Option<&Chunk>) -> T) -> T {
        if let Some(chunk) = self.near(number) {
            return look(read(chunk).as_ref());
        }
        match self.far(number) {
            Some(shard) => look(read(shard).get(&number)),
            None => look(None),
        }
    }

    /// Changes a chunk, which may come to be or to be no more.
    pub(super) fn change<T>(&self, number: u64, change: impl FnOnce(&mut Option<Chunk>) -> T) -> T {
        if let Some(chunk) = self.near(number) {
            return change(&mut write(chunk));
        }
        let Some(shard) = self.far(number) else { return change(&mut None) };
        let mut shard = write(shard);
        let mut chunk = shard.remove(&number);
        let result = change(&mut chunk);
        if let Some(chunk) = chunk {
            shard.insert(number, chunk);
        }
        result
    }

    /// Takes away every chunk from `first` on, and shows them once more.
    pub(super) fn cut(&self, first: u64, mut gone: impl FnMut(&Chunk)) {
        for chunk in self.near.iter().skip(usize::try_from(first).unwrap_or(usize::MAX)) {
            if let Some(chunk) = write(chunk).take() {
                gone(&chunk);
            }
        }
        for shard in &self.far {
            write(shard).retain(|number, chunk| {
                let stays = *number < first;
                if !stays {
                    gone(chunk);
                }
                stays
            });
        }
    }

    #[inline]
    fn near(&self, number: u64) -> Option<&RwLock<Option<Chunk>>> {
        self.near.get(usize::try_from(number).ok()?)
    }

    fn far(&self, number: u64) -> Option<&RwLock<Shard>> {
        let shards = u64::try_from(self.far.len()).ok()?;
        self.far.get(usize::try_from(number.checked_rem(shards)?).ok()?)
    }
}

/// A panic while a chunk was copied leaves bytes that are old or new, as a failed write does.
#[inline]
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_near_and_far_come_and_go_alike() {
        let map = Map::new(u64::MAX / 2);
        let numbers = [0, NEAR - 1, NEAR, NEAR + 64, u64::MAX / 4];
        for number in numbers {
            assert!(map.look(number, |chunk| chunk.is_none()));
            map.change(number, |chunk| chunk.get_or_insert_with(Chunk::new).write(0, &[7; 512]));
            assert_eq!(map.look(number, |chunk| chunk.map(Chunk::held)), Some(1));
        }
        map.change(NEAR, |chunk| *chunk = None);
        assert!(map.look(NEAR, |chunk| chunk.is_none()) && map.look(NEAR + 64, |chunk| chunk.is_some()));
        let mut gone = 0;
        map.cut(NEAR - 1, |chunk| gone += chunk.held());
        assert_eq!(gone, 3);
        assert!(numbers[1..].iter().all(|number| map.look(*number, |chunk| chunk.is_none())));
        assert!(map.look(0, |chunk| chunk.is_some()));
    }
}
