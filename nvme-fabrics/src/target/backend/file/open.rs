//! Opening files and block devices.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use super::super::buffer::Buffer;
use super::super::geometry::{Access, BlockSize};
use super::super::threads::ThreadsError;
use super::Opened;
use super::direct::{ALIGNMENT, DirectIo, Directness};
use super::space::Space;

/// How a file is used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileOptions {
    /// Whether hosts may write.
    pub access: Access,
    /// Bytes of a block; `None`: 4096 if the file is a whole number of those, else 512.
    pub block_size: Option<BlockSize>,
    /// Whether the page cache is gone past.
    pub direct: DirectIo,
    /// Requests that run side by side, 1 to 1024.
    pub threads: usize,
}

impl FileOptions {
    /// Written and read, blocks as they fit, directly if possible, 8 threads.
    #[must_use]
    pub const fn new() -> Self {
        Self { access: Access::ReadWrite, block_size: None, direct: DirectIo::Try, threads: 8 }
    }

    /// Only read.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.access = Access::ReadOnly;
        self
    }

    /// With blocks of this size.
    #[must_use]
    pub const fn block_size(mut self, block_size: BlockSize) -> Self {
        self.block_size = Some(block_size);
        self
    }

    /// Past the page cache or through it.
    #[must_use]
    pub const fn direct(mut self, direct: DirectIo) -> Self {
        self.direct = direct;
        self
    }

    /// This many requests side by side, 1 to 1024.
    #[must_use]
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }
}

impl Default for FileOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A file cannot be a disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refuses.
    #[error("cannot open {} as a disk", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its size cannot be found out or changed.
    #[error("cannot {} the size of {}", .what, .path.display())]
    Size {
        /// `find out` or `change`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory, a pipe, a terminal.
    #[error("{} is neither a regular file nor a block device", .path.display())]
    Kind {
        /// What it is about.
        path: PathBuf,
    },
    /// It has no blocks.
    #[error("{} is empty; truncate(1) gives it a size", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It has a part of a block.
    #[error(
        "{} has {bytes} bytes, which is not a whole number of blocks of {block_size} bytes; truncate(1) changes it",
        .path.display()
    )]
    Unaligned {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// Bytes of a block.
        block_size: BlockSize,
    },
    /// Direct I/O was required.
    #[error(
        "{} cannot be read past the page cache in blocks of {block_size} bytes; try larger blocks, or let the page cache be used",
        .path.display()
    )]
    NotDirect {
        /// The file.
        path: PathBuf,
        /// Bytes of a block.
        block_size: BlockSize,
        /// Why.
        source: io::Error,
    },
    /// A block device is smaller than it should become.
    #[error("{} has {have} bytes; a block device does not become {want} bytes long here", .path.display())]
    DeviceSize {
        /// The device.
        path: PathBuf,
        /// Its size in bytes.
        have: u64,
        /// The size asked for, in bytes.
        want: u64,
    },
    /// Its threads could not be started.
    #[error(transparent)]
    Threads(ThreadsError),
}

pub(super) fn open(path: &Path, options: &FileOptions) -> Result<Opened, FileError> {
    let failed = |source| FileError::Open { path: path.to_owned(), source };
    // Before it is opened: opening a pipe would wait for its other end.
    let kind = fs::metadata(path).map_err(failed)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err(FileError::Kind { path: path.to_owned() });
    }
    let cached = open_with(path, options.access, Direct::No).map_err(failed)?;
    let bytes = size(path, &cached)?;
    let block_size = options.block_size.unwrap_or(match bytes % 4096 {
        0 => BlockSize::B4096,
        _ => BlockSize::B512,
    });
    check_len(path, bytes, block_size)?;
    let (file, directness) = match options.direct {
        DirectIo::Never => (cached, Directness::Cached),
        how => match try_direct(path, options.access, block_size) {
            Ok(file) => (file, Directness::Direct),
            Err(source) if how == DirectIo::Require => {
                return Err(FileError::NotDirect { path: path.to_owned(), block_size, source });
            }
            Err(error) => (cached, Directness::Refused(error)),
        },
    };
    Ok(Opened {
        path: path.to_owned(),
        file,
        bytes: AtomicU64::new(bytes),
        block_size,
        access: options.access,
        directness,
        space: Space::new(block_size.bytes().max(4096)),
        regular: kind.is_file(),
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Direct {
    Yes,
    No,
}

fn open_with(path: &Path, access: Access, direct: Direct) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.read(true).write(access == Access::ReadWrite);
    #[cfg(target_os = "linux")]
    if direct == Direct::Yes {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(nix::fcntl::OFlag::O_DIRECT.bits());
    }
    #[cfg(not(target_os = "linux"))]
    if direct == Direct::Yes {
        return Err(io::ErrorKind::Unsupported.into());
    }
    options.open(path)
}

/// Opens for direct I/O and reads a block, since some filesystems take the flag and refuse the reads.
fn try_direct(path: &Path, access: Access, block_size: BlockSize) -> io::Result<fs::File> {
    use std::os::unix::fs::FileExt as _;
    let file = open_with(path, access, Direct::Yes)?;
    let len = usize::try_from(block_size.bytes()).unwrap_or(ALIGNMENT);
    let mut block = Buffer::new(len, ALIGNMENT);
    file.read_exact_at(block.as_mut(), 0)?;
    Ok(file)
}

/// The length of a file, or of a device, whose metadata say 0.
fn size(path: &Path, mut file: &fs::File) -> Result<u64, FileError> {
    let failed = |source| FileError::Size { what: "find out", path: path.to_owned(), source };
    file.seek(SeekFrom::End(0)).map_err(failed)
}

pub(super) fn check_len(path: &Path, bytes: u64, block_size: BlockSize) -> Result<(), FileError> {
    match bytes {
        0 => Err(FileError::Empty { path: path.to_owned() }),
        _ if block_size.divides(bytes) => Ok(()),
        _ => Err(FileError::Unaligned { path: path.to_owned(), bytes, block_size }),
    }
}

pub(super) fn resize(opened: &Opened, bytes: u64) -> Result<(), FileError> {
    let path = || opened.path.clone();
    if opened.regular {
        let failed = |source| FileError::Size { what: "change", path: path(), source };
        return opened.file.set_len(bytes).map_err(failed);
    }
    let have = size(&opened.path, &opened.file)?;
    if have < bytes {
        return Err(FileError::DeviceSize { path: path(), have, want: bytes });
    }
    Ok(())
}
