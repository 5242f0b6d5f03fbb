//! The block device or file under load: what it is, and whether it may be written to.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::error::BenchError;
use super::job::Job;
use crate::{direct, filesystem};

/// How I/O is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// One io_uring a job.
    IoUring,
    /// One thread for each I/O in flight.
    Threads,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IoUring => "io_uring",
            Self::Threads => "threads",
        })
    }
}

/// Whether the page cache lies between the job and the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Direct I/O.
    Direct,
    /// Through the page cache.
    PageCache,
}

/// What may be done to what is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// It is kept: a job that writes wants a blank disk.
    Keep,
    /// It may be destroyed.
    Overwrite,
}

/// An open block device or file.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    file: File,
    size: u64,
    logical: u32,
    caching: Caching,
    engine: Engine,
}

impl Disk {
    /// Opens a device or file for the job. A device that the job writes to is opened for this process alone.
    ///
    /// The engine is io_uring where this kernel gives us one; [`Disk::with_engine`] changes that.
    ///
    /// # Errors
    /// [`BenchError::InUse`] and [`BenchError::NotBlank`] when the job writes and should not, [`BenchError::NoDisk`],
    /// [`BenchError::Open`] and [`BenchError::Look`].
    pub fn open(path: &Path, job: &Job, caching: Caching, content: Content) -> Result<Self, BenchError> {
        let look = |source| BenchError::Look { path: path.to_owned(), source };
        let kind = fs::metadata(path).map_err(look)?.file_type();
        if !kind.is_block_device() && !kind.is_file() {
            return Err(BenchError::NoDisk(path.to_owned()));
        }
        let mut flags = if caching == Caching::Direct { direct::FLAG } else { 0 };
        let writes = job.pattern.writes();
        if writes && kind.is_block_device() {
            // Without O_CREAT this is the kernel's own test: mounted, held by another device, or a partition of it is.
            flags |= OFlag::O_EXCL.bits();
        }
        let opened = OpenOptions::new().read(true).write(writes).custom_flags(flags).open(path);
        let mut file = opened.map_err(|source| match source.raw_os_error() {
            Some(code) if code == Errno::EBUSY as i32 => BenchError::InUse(path.to_owned()),
            _ => BenchError::Open { path: path.to_owned(), source },
        })?;
        if writes && content == Content::Keep && !filesystem::is_blank(path).map_err(look)? {
            return Err(BenchError::NotBlank(path.display().to_string()));
        }
        let size = file.seek(SeekFrom::End(0)).map_err(look)?;
        let logical = if kind.is_block_device() { logical_block(path).map_err(look)? } else { 1 };
        let engine = if uring_works().is_ok() { Engine::IoUring } else { Engine::Threads };
        Ok(Self { path: path.to_owned(), file, size, logical, caching, engine })
    }

    /// Whether a file is made where nothing has this path: not among the devices, where it would be memory in place of a disk whose name was
    /// mistyped.
    pub fn may_create(path: &Path) -> bool {
        let folder = match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => return false,
        };
        let is_device = folder.canonicalize().is_ok_and(|folder| folder.starts_with("/dev"));
        let is_memory = path.starts_with("/dev/shm");
        !path.exists() && folder.is_dir() && (!is_device || is_memory)
    }

    /// Makes a file of that size and fills it, so that reads reach the disk instead of holes.
    ///
    /// # Errors
    /// [`BenchError::Fill`]; an existing file is not touched, and nothing is left of a new one. [`BenchError::Interrupted`] when `go_on` says no,
    /// likewise.
    pub fn create(path: &Path, size: u64, mut go_on: impl FnMut() -> bool) -> Result<(), BenchError> {
        let fill = |source| BenchError::Fill { path: path.to_owned(), size, source };
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(fill)?;
        let made = Self::fill(&mut file, size, &mut go_on);
        if !matches!(made, Ok(true)) {
            // The reason why it is not whole is what counts.
            let _ = std::fs::remove_file(path);
        }
        if made.map_err(fill)? { Ok(()) } else { Err(BenchError::Interrupted) }
    }

    /// Whether all was written.
    fn fill(file: &mut File, size: u64, go_on: &mut impl FnMut() -> bool) -> io::Result<bool> {
        let (mut chunk, mut left) = (vec![0; 1 << 20], size);
        let mut random = fastrand::Rng::with_seed(size);
        while left > 0 {
            if !go_on() {
                return Ok(false);
            }
            let now = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            random.fill(&mut chunk[..now]);
            file.write_all(&chunk[..now])?;
            left -= now as u64;
        }
        file.sync_all()?;
        Ok(true)
    }

    /// Does I/O in this way instead.
    ///
    /// # Errors
    /// [`BenchError::NoUring`] where the kernel has no io_uring for us.
    pub fn with_engine(mut self, engine: Engine) -> Result<Self, BenchError> {
        if engine == Engine::IoUring {
            uring_works().map_err(BenchError::NoUring)?;
        }
        self.engine = engine;
        Ok(self)
    }

    /// How I/O is done.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// What it is called in reports.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The engine, and what lies between it and the disk.
    pub(super) fn way(&self) -> String {
        match self.caching {
            Caching::Direct => format!("{}, direct I/O", self.engine),
            Caching::PageCache => format!("{}, through the page cache", self.engine),
        }
    }

    /// Whether the job fits the disk.
    pub(super) fn check(&self, job: &Job) -> Result<(), BenchError> {
        if !job.block_size.is_multiple_of(self.logical) {
            return Err(BenchError::Unaligned {
                target: self.name(),
                block_size: job.block_size,
                logical: self.logical,
            });
        }
        if job.block_size == 0 || job.blocks(self.size) == 0 {
            let size = job.area.min(self.size);
            return Err(BenchError::TooSmall { target: self.name(), size, block_size: job.block_size });
        }
        Ok(())
    }
}

/// Whether this kernel gives us an io_uring.
///
/// # Errors
/// Why not: it is too old, or an administrator or a container forbids it.
pub fn uring_works() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return super::ring::probe();
    #[cfg(not(target_os = "linux"))]
    Err(io::ErrorKind::Unsupported.into())
}

/// Bytes of a device's logical block, as sysfs tells; a partition's is its disk's.
#[cfg(target_os = "linux")]
fn logical_block(path: &Path) -> io::Result<u32> {
    use nix::sys::stat::{major, minor};
    use std::os::unix::fs::MetadataExt;

    let number = fs::metadata(path)?.rdev();
    let device = format!("/sys/dev/block/{}:{}", major(number), minor(number));
    let own = fs::read_to_string(format!("{device}/queue/logical_block_size"));
    let text = own.or_else(|_| fs::read_to_string(format!("{device}/../queue/logical_block_size")))?;
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Nothing tells it here: the smallest there is, and what does not fit fails with its offset.
#[cfg(not(target_os = "linux"))]
fn logical_block(_: &Path) -> io::Result<u32> {
    Ok(512)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::job::Pattern;
    use super::*;

    fn open(path: &Path, pattern: Pattern, content: Content) -> Result<Disk, BenchError> {
        Disk::open(path, &Job::guide(pattern, Duration::ZERO), Caching::PageCache, content)
    }

    #[test]
    fn a_file_with_data_is_written_only_when_that_was_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        Disk::create(&path, 1 << 20, || true).unwrap();
        open(&path, Pattern::RandRead, Content::Keep).unwrap();
        let error = open(&path, Pattern::RandRw, Content::Keep).unwrap_err();
        assert!(matches!(&error, BenchError::NotBlank(p) if *p == path.display().to_string()), "{error}");
        assert_eq!(open(&path, Pattern::RandRw, Content::Overwrite).unwrap().size(), 1 << 20);
        assert!(matches!(Disk::create(&path, 1, || true), Err(BenchError::Fill { .. })), "it exists");
        assert!(path.exists());
    }

    #[test]
    fn a_file_is_made_whole_or_not_at_all_and_never_among_devices() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        assert!(Disk::may_create(&path) && Disk::may_create(Path::new("disk-that-is-not-there")));
        let mut chunks = 0;
        let stopped = Disk::create(&path, 4 << 20, || {
            chunks += 1;
            chunks < 3
        });
        assert!(matches!(stopped, Err(BenchError::Interrupted)));
        assert!(!path.exists());
        for device in ["/dev/nvme99n1", "/dev/disk/../nvme99n1", "/nowhere/at/all", "/"] {
            assert!(!Disk::may_create(Path::new(device)), "{device}");
        }
        assert!(!Disk::may_create(dir.path()));
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        let error = open(Path::new("/dev/null"), Pattern::Read, Content::Keep).unwrap_err();
        assert!(matches!(error, BenchError::NoDisk(_)), "{error}");
        let error = open(Path::new("/nowhere/at/all"), Pattern::Read, Content::Keep).unwrap_err();
        assert!(matches!(error, BenchError::Look { .. }), "{error}");
    }

    #[test]
    fn an_area_without_a_block_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        fs::write(&path, [0; 100]).unwrap();
        let job = Job::guide(Pattern::Read, Duration::ZERO);
        let error = open(&path, Pattern::Read, Content::Keep).unwrap().check(&job).unwrap_err();
        assert!(matches!(error, BenchError::TooSmall { size: 100, .. }), "{error}");
    }
}
