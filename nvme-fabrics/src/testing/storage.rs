//! Storage that fails, and storage that takes its time, the same way again for the same seed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::faults::Random;
use crate::target::backend::{Backend, Geometry, Io, IoError};

/// What goes wrong in storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageFaults {
    seed: u64,
    fail: Option<u32>,
    drop: Option<u32>,
    delay: Option<(u32, Duration)>,
}

impl StorageFaults {
    /// Nothing goes wrong yet.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, fail: None, drop: None, delay: None }
    }

    /// One of `one_in` requests fails without being done: a read with a read error, everything else with a write fault.
    #[must_use]
    pub const fn fail(mut self, one_in: u32) -> Self {
        self.fail = Some(one_in);
        self
    }

    /// One of `one_in` requests is dropped without an answer, and not done.
    #[must_use]
    pub const fn drop(mut self, one_in: u32) -> Self {
        self.drop = Some(one_in);
        self
    }

    /// One of `one_in` requests is begun up to this much later, on a thread of its own, while later ones overtake it.
    #[must_use]
    pub const fn delay(mut self, one_in: u32, up_to: Duration) -> Self {
        self.delay = Some((one_in, up_to));
        self
    }
}

/// Storage with faults in front of it.
///
/// ```
/// use nvme_fabrics::target::backend::Memory;
/// use nvme_fabrics::testing::storage::{FaultyStorage, StorageFaults};
/// use std::sync::Arc;
/// let disk = Arc::new(Memory::new(1 << 20)?);
/// let faulty = FaultyStorage::new(disk, StorageFaults::new(7).fail(100).drop(1000));
/// # Ok::<(), nvme_fabrics::target::backend::MemoryError>(())
/// ```
#[derive(Debug)]
pub struct FaultyStorage {
    inner: Arc<dyn Backend>,
    faults: StorageFaults,
    random: Mutex<Random>,
}

impl FaultyStorage {
    /// `inner` with faults.
    #[must_use]
    pub fn new(inner: Arc<dyn Backend>, faults: StorageFaults) -> Self {
        Self { inner, random: Mutex::new(Random(faults.seed)), faults }
    }
}

impl Backend for FaultyStorage {
    fn geometry(&self) -> Geometry {
        self.inner.geometry()
    }

    fn submit(&self, io: Io) {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let mut happens = |one_in: Option<u32>| one_in.is_some_and(|one_in| random.below(one_in.into()) == 0);
        let (fails, drops) = (happens(self.faults.fail), happens(self.faults.drop));
        let delayed = happens(self.faults.delay.map(|(one_in, _)| one_in));
        let longest = self.faults.delay.map_or(0, |(_, up_to)| up_to.as_millis());
        let delay = Duration::from_millis(random.below(u64::try_from(longest).unwrap_or(u64::MAX)));
        drop(random);
        if fails {
            let error = std::io::Error::from_raw_os_error(5); // EIO
            let modifies = io.op().modifies();
            io.complete(Err(if modifies { IoError::Write(error) } else { IoError::Read(error) }));
        } else if drops {
            drop(io);
        } else if delayed {
            let inner = Arc::clone(&self.inner);
            std::thread::spawn(move || {
                std::thread::sleep(delay);
                inner.submit(io);
            });
        } else {
            self.inner.submit(io);
        }
    }

    fn buffer_alignment(&self) -> usize {
        self.inner.buffer_alignment()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::backend::{Durability, Extent, IoOp, Memory};
    use std::sync::mpsc;

    #[test]
    fn some_requests_fail_and_none_is_forgotten() {
        let disk = Arc::new(Memory::new(1 << 20).unwrap());
        let faults = StorageFaults::new(1).fail(5).drop(7).delay(3, Duration::from_millis(20));
        let faulty = FaultyStorage::new(disk, faults);
        let (sender, receiver) = mpsc::channel();
        for number in 0..200_u64 {
            let extent = Extent::new(number * 512, 512);
            let op = match number % 2 {
                0 => IoOp::Read(extent),
                _ => IoOp::Write { extent, durability: Durability::Cached },
            };
            let sender = sender.clone();
            faulty.submit(Io::new(op, vec![1; 512], move |done| sender.send(done.result).unwrap()));
        }
        drop(sender);
        let results: Vec<Result<(), IoError>> = receiver.iter().collect();
        let count = |is: fn(&Result<(), IoError>) -> bool| results.iter().filter(|result| is(result)).count();
        assert_eq!(results.len(), 200);
        assert!((60..160).contains(&count(Result::is_ok)));
        assert!(count(|result| matches!(result, Err(IoError::Read(_)))) > 5);
        assert!(count(|result| matches!(result, Err(IoError::Write(_)))) > 5);
        assert!(count(|result| matches!(result, Err(IoError::Abandoned))) > 5);
    }
}
