//! What can go wrong with several paths.

use std::time::Duration;

use nvme_proto::{Cntlid, Nsid, Status, SubsysNqn};

use super::super::error::CommandError;
use super::PathId;

/// Why a controller did not become a path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// It belongs to another subsystem.
    #[error("the controller belongs to subsystem {theirs}, and these are paths to {ours}")]
    OtherSubsystem {
        /// The subsystem of the paths.
        ours: SubsysNqn,
        /// The controller's.
        theirs: SubsysNqn,
    },
    /// It is a path already.
    #[error("controller {cntlid} is {path} already")]
    SameController {
        /// Its identifier.
        cntlid: Cntlid,
        /// The path that it is.
        path: PathId,
    },
    /// It holds back or repeats commands itself.
    #[error(
        "the controller {} a command whose connection is lost, which is up to the paths here; connect it through `multipath::path`",
        if *.waits { "holds back" } else { "repeats" }
    )]
    NotAPath {
        /// It holds commands back ([`FastIoFail`](crate::FastIoFail)); otherwise it repeats them ([`Replay`](crate::tcp::Replay)).
        waits: bool,
    },
    /// It did not answer what has to be asked.
    #[error("the controller cannot be asked what it reaches")]
    Command(#[from] CommandError),
    /// There are as many paths as there may be.
    #[error("there are {max} paths already")]
    TooMany {
        /// How many there may be.
        max: usize,
    },
}

/// Why a namespace is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no path that is connected.
    #[error("namespace {nsid} cannot be opened: there is no path that is connected")]
    NoPath {
        /// Which.
        nsid: Nsid,
    },
    /// No controller has it.
    #[error("namespace {nsid} cannot be opened by any path")]
    Command {
        /// Which.
        nsid: Nsid,
        /// What the last path said.
        source: CommandError,
    },
}

/// Why a request to a namespace with several paths failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// It is about the request itself, or it must not be repeated.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// No path reaches the namespace, and none did in the time that was waited.
    #[error("no path reached the namespace within {} s{}", .waited.as_secs_f32(), before(.last.as_deref()))]
    NoPath {
        /// How long was waited; nothing when no path is left that might come back.
        waited: Duration,
        /// What happened on the last path that was tried.
        last: Option<Box<CommandError>>,
    },
    /// As many requests wait for a path as may wait.
    #[error("{waiting} requests wait for a path already")]
    Busy {
        /// How many.
        waiting: usize,
    },
}

fn before(error: Option<&CommandError>) -> String {
    error.map_or_else(String::new, |error| format!("; before that: {error}"))
}

impl DiskError {
    /// The controller's status, if it gave one.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Command(error) => error.status(),
            _ => None,
        }
    }

    /// Whether a controller may have executed the request without this host knowing. No controller executes it any more, unless
    /// [`LateWrites::AsLinux`](super::LateWrites::AsLinux) was chosen.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Command(error) if error.outcome_unknown())
    }

    /// Whether the same request may succeed later, and repeating it does no harm.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Command(error) => error.is_retryable(),
            Self::NoPath { .. } | Self::Busy { .. } => true,
        }
    }
}

/// A request that failed, with the buffer it was to fill.
pub type FailedRead<B> = crate::tcp::FailedRead<B, DiskError>;

impl<B> From<FailedRead<B>> for DiskError {
    fn from(failed: FailedRead<B>) -> Self {
        failed.error
    }
}
