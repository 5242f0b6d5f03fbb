//! How several paths are used.

use std::time::Duration;

use super::super::connect::Connect;
use super::super::dial::Dial;
use super::super::reconnect::Replay;
use super::{LateWrites, Policy};
use crate::options::FastIoFail;

/// What happens to requests while no path reaches the namespace, but one may again: while a controller is being connected anew, or calls the namespace
/// inaccessible or changing.
///
/// When no path is left that might come back, requests fail at once whatever is chosen here: all controllers are gone
/// ([`controller_loss`](Connect::controller_loss)), have lost the namespace for good, or never had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoPath {
    /// They fail at once.
    Fail,
    /// They wait, each for this long at most, counted from when it found no path first.
    Wait(Duration),
    /// They wait, as long as a path may come back. As the kernel's host does it.
    WaitForEver,
}

/// How several paths are used.
///
/// | option | setter | range | default |
/// |---|---|---|---|
/// | which path | [`policy`](Self::policy) | | [`Policy::QueueDepth`] |
/// | no path | [`no_path`](Self::no_path) | | waits 60 s |
/// | requests that wait for a path | [`max_waiting`](Self::max_waiting) | 0 up, for each namespace | 65536 |
/// | writes that were on a lost path | [`late_writes`](Self::late_writes) | | [`LateWrites::Fenced`] |
/// | paths | [`max_paths`](Self::max_paths) | 1 up | 64 |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct PathOptions {
    pub(super) policy: Policy,
    pub(super) no_path: NoPath,
    pub(super) max_waiting: usize,
    pub(super) late_writes: LateWrites,
    pub(super) max_paths: usize,
}

impl Default for PathOptions {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            no_path: NoPath::Wait(Duration::from_secs(60)),
            max_waiting: 1 << 16,
            late_writes: LateWrites::default(),
            max_paths: 64,
        }
    }
}

impl PathOptions {
    /// How a path is chosen among equally good ones.
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What happens to requests while there is no path.
    pub const fn no_path(mut self, no_path: NoPath) -> Self {
        self.no_path = no_path;
        self
    }

    /// How many requests to a namespace may wait for a path; more fail with [`DiskError::Busy`](super::DiskError::Busy).
    pub const fn max_waiting(mut self, requests: usize) -> Self {
        self.max_waiting = requests;
        self
    }

    /// What happens to writes that were on their way when their path was lost.
    pub const fn late_writes(mut self, late_writes: LateWrites) -> Self {
        self.late_writes = late_writes;
        self
    }

    /// How many paths there may be.
    pub const fn max_paths(mut self, paths: usize) -> Self {
        self.max_paths = if paths == 0 { 1 } else { paths };
        self
    }
}

/// A connection as a path has to be: a command whose connection is lost fails at once and is not repeated by the controller itself, so that it can go
/// another way. Everything else is as it was.
///
/// ```
/// # use nvme_fabrics::{HostIdentity, tcp::{Connect, multipath}};
/// # let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse()?);
/// let connect = multipath::path(Connect::new("192.0.2.10:4420".parse()?, "mysub".parse()?, host)).queues(4);
/// # drop(connect);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn path<D: Dial>(connect: Connect<D>) -> Connect<D> {
    connect.fast_io_fail(FastIoFail::After(Duration::ZERO)).replay(Replay::Never)
}
