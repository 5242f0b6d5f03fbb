//! Why an admin command failed.

use std::fmt;
use std::io;
use std::path::PathBuf;

use nvme_proto::{CommandContext, DecodeError, Status};

use crate::kernel::errno::Errno;

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdminOp {
    /// Opening the device node.
    Open,
    /// Identify.
    Identify,
    /// Get Log Page.
    GetLogPage,
    /// A scan for namespaces.
    Rescan,
    /// A reset of the controller.
    Reset,
}

impl AdminOp {
    fn words(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Identify => "send Identify to",
            Self::GetLogPage => "read a log page of",
            Self::Rescan => "rescan",
            Self::Reset => "reset",
        }
    }
}

/// An operation on a controller's device node failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {} {}{}", .op.words(), .path.display(), after(.failure, self.hint()))]
pub struct AdminError {
    /// What was tried.
    pub op: AdminOp,
    /// The device node.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub failure: AdminFailure,
}

/// How it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminFailure {
    /// The command was not completed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The controller (or the driver in its place) answered with this status.
    #[error("{}", .0.in_words(CommandContext::Admin))]
    Status(Status),
    /// The answer is not what the command returns.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// More was asked for than is read at once.
    #[error("{len} bytes are more than the {max} that are read at once")]
    TooLong {
        /// Bytes asked for.
        len: u64,
        /// Largest number.
        max: u64,
    },
}

impl AdminError {
    /// The kernel's error number, if the command was not completed.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match &self.failure {
            AdminFailure::Io(source) => Errno::of(source),
            _ => None,
        }
    }

    /// The status, if the command was completed with an error.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match &self.failure {
            AdminFailure::Status(status) => Some(*status),
            _ => None,
        }
    }

    /// What to do, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match (self.op, self.errno()?) {
            (AdminOp::Open, Errno::EAGAIN) => Some("the controller is not live at the moment"),
            (_, Errno::EACCES | Errno::EPERM) => Some("it needs root"),
            (AdminOp::Open, Errno::ENOENT) => {
                Some("there is no such controller, or udev has not made its node")
            }
            (AdminOp::Reset, Errno::EBUSY) => Some("it is connecting or being removed"),
            (_, Errno::ENOTTY) => Some("it is no NVMe controller"),
            _ => None,
        }
    }
}

fn after(failure: &AdminFailure, hint: Option<&str>) -> impl fmt::Display {
    match (failure, hint) {
        (_, Some(hint)) => format!(" ({hint})"),
        _ => String::new(),
    }
}
