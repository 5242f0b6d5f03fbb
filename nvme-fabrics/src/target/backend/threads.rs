//! Storage that waits, on threads of its own.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::Backend;
use super::error::IoError;
use super::geometry::Geometry;
use super::io::Io;
use super::store::BlockStore;

/// A [`Backend`] of a [`BlockStore`] that waits: requests run on a few threads.
///
/// Requests wait in one queue. When it is full ([`queue`](Self::with_queue)), more are completed with [`IoError::Busy`], which makes hosts repeat
/// them; the target lets no connection have more outstanding than its queue has entries, so that this needs very many connections.
///
/// A store that panics completes its request with [`IoError::Abandoned`] and nothing else happens. Dropping the backend waits until every
/// request is done.
pub struct Threads<S> {
    shared: Arc<Shared<S>>,
    threads: Vec<JoinHandle<()>>,
    alignment: usize,
}

struct Shared<S> {
    store: S,
    queue: Mutex<Queue>,
    /// Something was put into the queue, or it ends.
    ready: Condvar,
    limit: usize,
}

struct Queue {
    requests: VecDeque<Io>,
    /// Threads that wait for a request.
    idle: usize,
    ends: bool,
}

/// Threads could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThreadsError {
    /// None, or more than 1024.
    #[error("{threads} threads cannot serve storage: 1 to {} can", MAX_THREADS)]
    Count {
        /// The number asked for.
        threads: usize,
    },
    /// The system gave none.
    #[error("cannot start a thread for storage")]
    Start(#[source] io::Error),
}

const MAX_THREADS: usize = 1024;

/// Requests that wait, unless told otherwise.
const QUEUE: usize = 65536;

impl<S: BlockStore> Threads<S> {
    /// Requests to `store` run on this many threads, 1 to 1024.
    ///
    /// # Errors
    /// No such number of threads, or the system gave none.
    pub fn new(store: S, threads: usize) -> Result<Self, ThreadsError> {
        Self::with_queue(store, threads, QUEUE)
    }

    /// The same with a limit of requests that wait for a thread; at least 1.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_queue(store: S, threads: usize, limit: usize) -> Result<Self, ThreadsError> {
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(ThreadsError::Count { threads });
        }
        let queue = Mutex::new(Queue { requests: VecDeque::new(), idle: 0, ends: false });
        let shared = Arc::new(Shared { store, queue, ready: Condvar::new(), limit: limit.max(1) });
        let mut this = Self { shared, threads: Vec::with_capacity(threads), alignment: 1 };
        for number in 0..threads {
            let shared = Arc::clone(&this.shared);
            let thread = std::thread::Builder::new()
                .name(format!("nvme-store-{number}"))
                .spawn(move || shared.work())
                .map_err(ThreadsError::Start)?;
            this.threads.push(thread);
        }
        Ok(this)
    }

    /// The alignment in memory that requests get, in bytes.
    #[must_use]
    pub fn with_buffer_alignment(mut self, bytes: usize) -> Self {
        self.alignment = bytes;
        self
    }

    /// The store.
    pub fn inner(&self) -> &S {
        &self.shared.store
    }
}

impl<S: BlockStore> Shared<S> {
    fn work(&self) {
        while let Some(mut io) = self.next() {
            let result = catch_unwind(AssertUnwindSafe(|| io.perform(&self.store)));
            io.complete(result.unwrap_or(Err(IoError::Abandoned)));
        }
    }

    /// The next request; `None` when it ends and all are done.
    fn next(&self) -> Option<Io> {
        let mut queue = self.lock();
        loop {
            if let Some(io) = queue.requests.pop_front() {
                return Some(io);
            }
            if queue.ends {
                return None;
            }
            queue.idle = queue.idle.saturating_add(1);
            queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle = queue.idle.saturating_sub(1);
        }
    }
}

impl<S> Shared<S> {
    /// Nothing panics while it is locked, and if it did, the queue would be whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: BlockStore> Backend for Threads<S> {
    fn geometry(&self) -> Geometry {
        self.shared.store.geometry()
    }

    fn submit(&self, io: Io) {
        let mut queue = self.shared.lock();
        if queue.requests.len() >= self.shared.limit {
            drop(queue);
            io.complete(Err(IoError::Busy));
            return;
        }
        queue.requests.push_back(io);
        let wake = queue.idle > 0;
        drop(queue);
        if wake {
            self.shared.ready.notify_one();
        }
    }

    fn buffer_alignment(&self) -> usize {
        self.alignment
    }
}

impl<S> Drop for Threads<S> {
    fn drop(&mut self) {
        self.shared.lock().ends = true;
        self.shared.ready.notify_all();
        let this = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // The last owner may be a request that one of them completed: a thread cannot wait for itself.
            if thread.thread().id() != this {
                let _ = thread.join();
            }
        }
    }
}

impl<S: BlockStore> fmt::Debug for Threads<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads")
            .field("geometry", &self.geometry())
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::geometry::BlockSize;
    use super::super::op::{Durability, Extent, IoOp};
    use super::*;
    use std::sync::mpsc;
    use std::sync::{Barrier, RwLock};

    /// Every read waits for `gate`; a read of byte 1024 panics.
    struct Slow {
        gate: RwLock<()>,
        all_here: Barrier,
    }

    impl BlockStore for Slow {
        fn geometry(&self) -> Geometry {
            Geometry::new(BlockSize::B512, 8)
        }
        fn read_at(&self, at: u64, to: &mut [u8]) -> Result<(), IoError> {
            self.all_here.wait();
            drop(self.gate.read());
            assert_ne!(at, 1024, "as the test wants it");
            to.fill(9);
            Ok(())
        }
        fn write_at(&self, _: u64, _: &[u8], _: Durability) -> Result<(), IoError> {
            Err(IoError::ReadOnly)
        }
    }

    fn read(at: u64, to: &mpsc::Sender<(u64, Result<(), IoError>, Vec<u8>)>) -> Io {
        let to = to.clone();
        Io::new(IoOp::Read(Extent::new(at, 4)), vec![0; 4], move |done| {
            to.send((at, done.result, done.buffer)).unwrap();
        })
    }

    #[test]
    fn requests_run_side_by_side_and_too_many_are_busy() {
        let (sender, receiver) = mpsc::channel();
        // The barrier is passed only when two threads and the test are there.
        let store = Slow { gate: RwLock::new(()), all_here: Barrier::new(3) };
        let pool = Threads::with_queue(store, 2, 1).unwrap();
        let shut = pool.shared.store.gate.write().unwrap();
        pool.submit(read(0, &sender));
        while !pool.shared.lock().requests.is_empty() {
            std::thread::yield_now();
        }
        pool.submit(read(1024, &sender));
        pool.shared.store.all_here.wait();
        // Both threads stand before the gate; one more waits, and the next has no place.
        pool.submit(read(512, &sender));
        pool.submit(read(1536, &sender));
        let (at, result, _) = receiver.recv().unwrap();
        assert!(at == 1536 && matches!(result, Err(IoError::Busy)));
        drop(shut);
        let mut first: Vec<_> = (0..2).map(|_| receiver.recv().unwrap()).collect();
        first.sort_by_key(|told| told.0);
        assert!(first[0].1.is_ok() && first[0].2 == [9; 4]);
        assert!(matches!(first[1].1, Err(IoError::Abandoned)), "a panic fails its request alone");
        // The thread that panicked serves on.
        pool.submit(read(0, &sender));
        pool.shared.store.all_here.wait();
        assert!(receiver.recv().unwrap().1.is_ok() && receiver.recv().unwrap().1.is_ok());
        drop(pool);
        drop(sender);
        assert!(receiver.recv().is_err(), "nothing is told twice");
    }

    #[test]
    fn a_number_of_threads_that_cannot_be() {
        for threads in [0, MAX_THREADS + 1] {
            let store = Slow { gate: RwLock::new(()), all_here: Barrier::new(1) };
            assert!(matches!(Threads::new(store, threads), Err(ThreadsError::Count { .. })));
        }
    }
}
