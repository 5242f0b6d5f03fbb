//! One writer at a time, among those that ask.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use super::os::OsTree;
use crate::errno::Errno;

/// Sole right to change a target, until it is dropped. Only tools that ask for it are kept out.
///
/// It is an advisory lock (`flock`) on the root of the tree itself, which is the same directory in every mount namespace, so nothing is
/// left behind by a process that dies. Other programs take part with `flock(1)`:
///
/// ```text
/// flock /sys/kernel/config/nvmet nvmetcli restore
/// ```
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct TreeLock {
    _held: Flock<OwnedFd>,
}

/// The right to change a target was not had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another program has it.
    #[error(
        "another program is changing the target: waited {} s for the lock on {1} (fuser {1} shows which)",
        .waited.as_secs(), .path.display()
    )]
    Busy {
        /// The root of the tree.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The lock cannot be asked for.
    #[error("cannot lock {}", .path.display())]
    Os {
        /// The root of the tree.
        path: PathBuf,
        /// What the system answered.
        source: Errno,
    },
}

impl OsTree {
    /// Waits up to `patience` for the sole right to change this target: from before the tree is read until the change is done.
    ///
    /// # Errors
    /// [`LockError::Busy`] when another program has it for longer.
    pub fn lock(&self, patience: Duration) -> Result<TreeLock, LockError> {
        let begun = Instant::now();
        let fail =
            |e: nix::errno::Errno| LockError::Os { path: self.root().to_owned(), source: Errno(e as i32) };
        let mut dir =
            self.reopen().map_err(|source| LockError::Os { path: self.root().to_owned(), source })?;
        loop {
            match Flock::lock(dir, FlockArg::LockExclusiveNonblock) {
                Ok(held) => return Ok(TreeLock { _held: held }),
                Err((again, nix::errno::Errno::EWOULDBLOCK | nix::errno::Errno::EINTR)) => dir = again,
                Err((_, error)) => return Err(fail(error)),
            }
            let waited = begun.elapsed();
            if waited >= patience {
                return Err(LockError::Busy { path: self.root().to_owned(), waited });
            }
            thread::sleep(Duration::from_millis(20).min(patience - waited));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_given_back_on_drop() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) =
            (OsTree::open_unchecked(dir.path()).unwrap(), OsTree::open_unchecked(dir.path()).unwrap());
        let held = first.lock(Duration::ZERO).unwrap();
        let error = second.lock(Duration::from_millis(50)).unwrap_err();
        assert!(
            matches!(&error, LockError::Busy { waited, .. } if *waited >= Duration::from_millis(50)),
            "{error}"
        );
        drop(held);
        let _held = second.lock(Duration::ZERO).unwrap();
        assert!(first.lock(Duration::ZERO).is_err(), "the same process is another holder");
    }
}
