//! Finding the kernel's list of controllers.

use std::path::{Path, PathBuf};

use nix::sys::statfs::{DEBUGFS_MAGIC, statfs};

use crate::errno::Errno;
use crate::tree::{OpenError, OsTree};

/// Where debugfs is by custom.
const DEFAULT_ROOT: &str = "/sys/kernel/debug";

/// The kernel's list of controllers cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionsError {
    /// debugfs is not mounted.
    #[error("cannot tell who is connected: debugfs is not mounted: mount -t debugfs none {}", .at.display())]
    NotMounted {
        /// Where it should be.
        at: PathBuf,
    },
    /// The kernel has no list.
    #[error(
        "cannot tell who is connected: there is no {}: the kernel is older than 6.11, built without CONFIG_NVME_TARGET_DEBUGFS, or nvmet is \
         not loaded", .at.display()
    )]
    Unsupported {
        /// Where it should be.
        at: PathBuf,
    },
    /// Only root may look.
    #[error("cannot tell who is connected: only root reads {}", .at.display())]
    NotPermitted {
        /// What could not be opened.
        at: PathBuf,
    },
    /// Anything else.
    #[error("cannot tell who is connected: {} cannot be opened", .at.display())]
    Os {
        /// What could not be opened.
        at: PathBuf,
        /// What the system answered.
        source: Errno,
    },
}

/// The kernel's list of controllers, `/sys/kernel/debug/nvmet`, for [`sessions`](super::sessions). Linux only.
///
/// # Errors
/// [`SessionsError`] says what is missing.
pub fn open() -> Result<OsTree, SessionsError> {
    let at = Path::new(DEFAULT_ROOT);
    match statfs(at) {
        Ok(found) if found.filesystem_type() == DEBUGFS_MAGIC => open_at(at),
        Err(nix::errno::Errno::EACCES) => Err(SessionsError::NotPermitted { at: at.to_owned() }),
        _ => Err(SessionsError::NotMounted { at: at.to_owned() }),
    }
}

/// The same where debugfs is mounted elsewhere, or on a directory that looks like it.
///
/// # Errors
/// [`SessionsError`], but not [`SessionsError::NotMounted`].
pub fn open_at(debugfs: impl AsRef<Path>) -> Result<OsTree, SessionsError> {
    let at = debugfs.as_ref().join("nvmet");
    OsTree::open_unchecked(&at).map_err(|error| match error {
        OpenError::Os { source: Errno::ENOENT, .. } => SessionsError::Unsupported { at },
        OpenError::Os { source: Errno::EACCES | Errno::EPERM, .. } => SessionsError::NotPermitted { at },
        OpenError::Os { source, .. } => SessionsError::Os { at, source },
        // Not of an unchecked root.
        _ => SessionsError::Unsupported { at },
    })
}
