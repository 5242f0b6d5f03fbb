//! Why a run cannot begin, or stopped.

use std::io;
use std::path::PathBuf;

use nvme_fabrics::tcp::{CommandError, ConnectError};

use super::job::Op;

/// Why a run cannot begin, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The file or device cannot be opened.
    #[error("cannot open {}{}", .path.display(), open_hint(source))]
    Open {
        /// What was opened.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file or device cannot be looked at.
    #[error("cannot look at {}", .path.display())]
    Look {
        /// What was looked at.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file that was to be made cannot be filled.
    #[error("cannot fill {} with {size} bytes", .path.display())]
    Fill {
        /// The new file.
        path: PathBuf,
        /// The size it should have, in bytes.
        size: u64,
        /// Why not.
        source: io::Error,
    },
    /// Neither a file nor a block device.
    #[error("{} is neither a block device nor a file", .0.display())]
    NoDisk(PathBuf),
    /// Something else uses the device.
    #[error(
        "{} is in use: it, or a partition of it, is mounted, part of another device, swapped to or exported; nothing is \
         written to it",
        .0.display()
    )]
    InUse(PathBuf),
    /// The disk holds data.
    #[error("{0} holds data, and this job would destroy it: name another one, or say --overwrite")]
    NotBlank(String),
    /// The area holds not even one block.
    #[error("{target} has {size} bytes, less than one block of {block_size}")]
    TooSmall {
        /// What was opened.
        target: String,
        /// Its size in bytes.
        size: u64,
        /// Bytes per I/O.
        block_size: u32,
    },
    /// Blocks of this size cannot be read or written there.
    #[error("{target} has logical blocks of {logical} bytes: {block_size} is no multiple of that")]
    Unaligned {
        /// What was opened.
        target: String,
        /// Bytes per I/O.
        block_size: u32,
        /// Bytes of a logical block.
        logical: u32,
    },
    /// An I/O failed.
    #[error("{op} of {block_size} bytes at byte {offset} of {target} failed")]
    Io {
        /// What was read or written.
        target: String,
        /// Which way.
        op: Op,
        /// Where, in bytes.
        offset: u64,
        /// Bytes per I/O.
        block_size: u32,
        /// Why.
        source: io::Error,
    },
    /// The target cannot be reached, or lets us not in.
    #[error("cannot connect to {target}")]
    Connect {
        /// The namespace.
        target: String,
        /// Why.
        source: Box<ConnectError>,
    },
    /// The namespace cannot be looked at, or not be left in order.
    #[error("cannot use {target}")]
    Namespace {
        /// The namespace.
        target: String,
        /// Why.
        source: CommandError,
    },
    /// An I/O through the user-space host failed.
    #[error("{op} of {block_size} bytes at byte {offset} of {target} failed")]
    RemoteIo {
        /// What was read or written.
        target: String,
        /// Which way.
        op: Op,
        /// Where, in bytes.
        offset: u64,
        /// Bytes per I/O.
        block_size: u32,
        /// Why.
        source: CommandError,
    },
    /// io_uring was asked for, and this kernel has none for us.
    #[error("io_uring cannot be used here; --engine threads can")]
    NoUring(#[source] io::Error),
    /// io_uring itself failed in the middle of a run.
    #[error("io_uring failed")]
    Uring(#[source] io::Error),
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// No thread could be made.
    #[error("cannot start a worker thread")]
    Thread(#[source] io::Error),
    /// The picture cannot be drawn or written.
    #[error("cannot write the plot {}: {reason}", .path.display())]
    Plot {
        /// The file.
        path: PathBuf,
        /// What the drawing library said.
        reason: String,
    },
}

fn open_hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(code) if code == nix::errno::Errno::EINVAL as i32 => {
            " for direct I/O: its file system may not have it, and --buffered does without"
        }
        _ => "",
    }
}
