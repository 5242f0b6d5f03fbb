//! What a namespace keeps its blocks in: memory, a file, or storage of your own.
//!
//! | module | what |
//! |---|---|
//! | this | [`Backend`], what a namespace needs |
//! | `store` | [`BlockStore`], the simple way to make one: functions that return when they are done |
//! | `inline`, `threads` | [`Inline`] and [`Threads`] make a [`Backend`] of a [`BlockStore`] |
//! | `io`, `op` | [`Io`], a request that is completed when its storage has done it; [`IoOp`], what it asks for |
//! | `geometry` | [`Geometry`]: block size, number of blocks, what discards and flushes are good for |
//! | `memory` | [`Memory`]: a sparse disk in memory |
//! | `file` | [`File`]: a regular file or a block device |
//! | `error` | [`IoError`], and the status it becomes |
//!
//! # Storage of your own
//!
//! Storage that answers at once, or may be waited for on a thread of its own, implements [`BlockStore`]:
//!
//! ```
//! use nvme_fabrics::target::backend::*;
//! use std::sync::{Arc, RwLock};
//!
//! /// A disk of one megabyte in one vector.
//! struct Small(RwLock<Vec<u8>>);
//!
//! impl BlockStore for Small {
//!     fn geometry(&self) -> Geometry {
//!         Geometry::new(BlockSize::B512, 2048)
//!     }
//!     fn read_at(&self, at: u64, to: &mut [u8]) -> Result<(), IoError> {
//!         let disk = self.0.read().map_err(|_| IoError::Abandoned)?;
//!         let from = usize::try_from(at).ok().and_then(|at| disk.get(at..)?.get(..to.len()));
//!         to.copy_from_slice(from.ok_or(IoError::OutOfRange)?);
//!         Ok(())
//!     }
//!     fn write_at(&self, at: u64, data: &[u8], _: Durability) -> Result<(), IoError> {
//!         let mut disk = self.0.write().map_err(|_| IoError::Abandoned)?;
//!         let to = usize::try_from(at).ok().and_then(|at| disk.get_mut(at..)?.get_mut(..data.len()));
//!         to.ok_or(IoError::OutOfRange)?.copy_from_slice(data);
//!         Ok(())
//!     }
//! }
//!
//! let at_once: Arc<dyn Backend> = Arc::new(Inline::new(Small(RwLock::new(vec![0; 1 << 20]))));
//! let on_threads: Arc<dyn Backend> = Arc::new(Threads::new(Small(RwLock::new(vec![0; 1 << 20])), 4)?);
//! # Ok::<(), ThreadsError>(())
//! ```
//!
//! Storage that completes later, from a callback or a task, implements [`Backend`]: [`Backend::submit`] keeps the [`Io`], and whoever is told
//! that it is done calls [`Io::complete`].

mod buffer;
mod error;
#[cfg(unix)]
mod file;
mod geometry;
mod inline;
mod io;
mod memory;
mod op;
mod store;
mod threads;

use std::fmt;

pub use error::IoError;
#[cfg(unix)]
pub use file::{DirectIo, Directness, File, FileError, FileOptions};
pub use geometry::{Access, BlockSize, BlockSizeError, Geometry, WriteCache};
pub use inline::Inline;
pub use io::{Done, Io};
pub use memory::{Memory, MemoryError};
pub use op::{Deallocate, Durability, Extent, IoOp};
pub use store::{BlockStore, Lent};
pub use threads::{Threads, ThreadsError};

pub(crate) use buffer::Buffer;
pub(crate) use io::Finished;
pub(crate) use store::{perform, take};

/// The storage of a namespace. What a namespace has is an `Arc<dyn Backend>`; two namespaces may have the same.
///
/// Offsets and lengths are in bytes, multiples of the block size, and inside [`geometry`](Self::geometry) as it was when the command came: the
/// target checks that, and a backend that shrank since answers [`IoError::OutOfRange`].
///
/// # Order
///
/// Requests that overlap may run in any order while they are outstanding together, as on any disk; a request that was completed happened
/// before one that is submitted later. A flush covers the writes completed before it was submitted.
pub trait Backend: Send + Sync + 'static {
    /// Size and properties. Asked for with every command, so it has to be cheap; it may change, and the target has to be told when it does.
    fn geometry(&self) -> Geometry;

    /// Takes a request, and completes it by [`Io::complete`]: before this returns, or later from any thread. **It must not wait**: the thread
    /// it is called on serves many connections.
    fn submit(&self, io: Io);

    /// Storage that answers at once, so that the target runs requests on the thread of the connection: data go from where they were received to
    /// where they belong without another copy, and no queue is between. `None` unless nothing in it ever waits.
    fn store(&self) -> Option<&dyn BlockStore> {
        None
    }

    /// The alignment in memory that buffers of [`Io`] get, in bytes: a power of two up to 64 KiB.
    fn buffer_alignment(&self) -> usize {
        1
    }
}

impl fmt::Debug for dyn Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("geometry", &self.geometry()).finish_non_exhaustive()
    }
}
