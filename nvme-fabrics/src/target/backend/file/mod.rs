//! A disk in a file.

mod direct;
mod open;
mod space;

use std::fmt;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use direct::{DirectIo, Directness};
pub use open::{FileError, FileOptions};

use super::Backend;
use super::error::IoError;
use super::geometry::{Access, BlockSize, Geometry, WriteCache};
use super::io::Io;
use super::op::{Deallocate, Durability, Extent};
use super::store::{BlockStore, in_pieces};
use super::threads::Threads;
use space::Space;

/// A disk in a regular file or on a block device.
///
/// | a host's command | what the file gets |
/// |---|---|
/// | read, write | `pread`, `pwrite`, past the page cache where that works ([`DirectIo`]) |
/// | flush, and write with FUA | `fdatasync` |
/// | discard | `fallocate` that punches a hole; nothing where the filesystem or device cannot, and can therefore not promise zeros |
/// | write zeroes | `fallocate` that zeroes the range, or punches a hole if the host allows it; else zeros are written |
///
/// Hosts are told that discarded blocks read as zeros. A file's holes do; on a block device a hole is the device's own Write Zeroes, which may
/// unmap. A device that can discard and not zero (a disk whose `queue/write_zeroes_max_bytes` in sysfs is 0) keeps its data instead.
///
/// Requests run on a few threads ([`FileOptions::threads`]). A file of its own is not locked: two targets on one file are as dangerous as two hosts
/// on one disk.
///
/// ```no_run
/// use nvme_fabrics::target::backend::{File, FileOptions};
/// let disk = File::open("/var/lib/disks/one.img", &FileOptions::new())?;
/// println!("{} bytes, {}", disk.len(), disk.directness());
/// # Ok::<(), nvme_fabrics::target::backend::FileError>(())
/// ```
pub struct File {
    threads: Threads<Opened>,
}

/// The file and what was found out about it.
struct Opened {
    path: PathBuf,
    file: fs::File,
    bytes: AtomicU64,
    block_size: BlockSize,
    access: Access,
    directness: Directness,
    space: Space,
    /// Whether its size can be changed.
    regular: bool,
}

impl File {
    /// Opens a file or a block device that exists.
    ///
    /// # Errors
    /// It cannot be opened, is neither, is not a whole number of blocks long, or cannot be read directly where that is required.
    pub fn open(path: impl AsRef<Path>, options: &FileOptions) -> Result<Self, FileError> {
        let opened = open::open(path.as_ref(), options)?;
        let alignment = if opened.directness.is_direct() { direct::ALIGNMENT } else { 1 };
        let threads = Threads::new(opened, options.threads).map_err(FileError::Threads)?;
        Ok(Self { threads: threads.with_buffer_alignment(alignment) })
    }

    /// Its size in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "it has at least one block")]
    pub fn len(&self) -> u64 {
        self.opened().bytes.load(Ordering::Relaxed)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.opened().path
    }

    /// Whether it is read and written past the page cache, and if not, why.
    #[must_use]
    pub fn directness(&self) -> &Directness {
        &self.opened().directness
    }

    /// Makes a regular file longer or shorter, and a block device as long as it has become meanwhile. Tell the target, so that hosts learn of it.
    ///
    /// # Errors
    /// Not a whole number of blocks, a block device that is shorter, or whatever the system says.
    pub fn resize(&self, bytes: u64) -> Result<(), FileError> {
        let opened = self.opened();
        open::check_len(&opened.path, bytes, opened.block_size)?;
        open::resize(opened, bytes)?;
        opened.bytes.store(bytes, Ordering::SeqCst);
        Ok(())
    }

    fn opened(&self) -> &Opened {
        self.threads.inner()
    }
}

impl Opened {
    fn check(&self, at: u64, len: u64) -> Result<(), IoError> {
        match at.checked_add(len) {
            Some(end) if end <= self.bytes.load(Ordering::Relaxed) => Ok(()),
            _ => Err(IoError::OutOfRange),
        }
    }

    fn check_write(&self, at: u64, len: u64) -> Result<(), IoError> {
        match self.access {
            Access::ReadWrite => self.check(at, len),
            Access::ReadOnly => Err(IoError::ReadOnly),
        }
    }
}

fn bytes(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

impl BlockStore for Opened {
    fn geometry(&self) -> Geometry {
        let blocks = self.bytes.load(Ordering::Relaxed) >> self.block_size.log2();
        Geometry {
            discard_granularity: self.space.granularity(),
            write_cache: WriteCache::Volatile,
            access: self.access,
            optimal_io: self.block_size.bytes().max(4096),
            ..Geometry::new(self.block_size, blocks)
        }
    }

    fn read_at(&self, at: u64, to: &mut [u8]) -> Result<(), IoError> {
        self.check(at, bytes(to.len()))?;
        if self.directness.is_direct() {
            return direct::read(&self.file, at, to).map_err(IoError::reading);
        }
        self.file.read_exact_at(to, at).map_err(IoError::reading)
    }

    fn write_at(&self, at: u64, data: &[u8], durability: Durability) -> Result<(), IoError> {
        self.check_write(at, bytes(data.len()))?;
        if self.directness.is_direct() {
            direct::write(&self.file, at, data).map_err(IoError::writing)?;
        } else {
            self.file.write_all_at(data, at).map_err(IoError::writing)?;
        }
        match durability {
            Durability::Cached => Ok(()),
            Durability::Forced => self.flush(),
        }
    }

    fn flush(&self) -> Result<(), IoError> {
        self.file.sync_data().map_err(IoError::writing)
    }

    fn discard(&self, extent: Extent) -> Result<(), IoError> {
        self.check_write(extent.at, extent.len)?;
        self.space.discard(&self.file, extent).map_err(IoError::writing)
    }

    fn write_zeroes(&self, extent: Extent, deallocate: Deallocate) -> Result<(), IoError> {
        self.check_write(extent.at, extent.len)?;
        if self.space.zero(&self.file, extent, deallocate).map_err(IoError::writing)? {
            return Ok(());
        }
        in_pieces(extent, |at, len| {
            let zeros = direct::ZEROS.get(..len).ok_or(IoError::OutOfRange)?;
            self.write_at(at, zeros, Durability::Cached)
        })
    }
}

impl Backend for File {
    fn geometry(&self) -> Geometry {
        self.opened().geometry()
    }

    fn submit(&self, io: Io) {
        self.threads.submit(io);
    }

    fn buffer_alignment(&self) -> usize {
        self.threads.buffer_alignment()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", &self.opened().path)
            .field("geometry", &self.geometry())
            .field("directness", self.directness())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
