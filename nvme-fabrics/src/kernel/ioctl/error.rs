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
    /// A reset of the subsystem.
    ResetSubsystem,
    /// Asking which namespace a node is.
    NamespaceId,
    /// Another admin command.
    Admin,
    /// An I/O command.
    Io,
}

impl AdminOp {
    fn words(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Identify => "send Identify to",
            Self::GetLogPage => "read a log page of",
            Self::Rescan => "rescan",
            Self::Reset => "reset",
            Self::ResetSubsystem => "reset the subsystem of",
            Self::NamespaceId => "ask for the namespace of",
            Self::Admin => "send an admin command to",
            Self::Io => "send an I/O command to",
        }
    }
}

/// An operation on the device node of a controller or a namespace failed.
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
    /// The memory is not as large as what the command moves. Nothing was sent.
    #[error("the command moves {wanted} bytes, and the memory has {len}")]
    Length {
        /// Bytes of the memory.
        len: u64,
        /// Bytes that the command moves.
        wanted: u64,
    },
    /// How much the command moves is not known. Nothing was sent.
    #[error("how many bytes the command moves is not known (the raw functions send it)")]
    UnknownLength,
    /// The command moves its data the other way. Nothing was sent.
    #[error("the command moves its data the other way")]
    Direction,
    /// The command is one that the driver alone may send. Nothing was sent.
    #[error("the command belongs to the driver")]
    Driver,
    /// The node is no namespace with blocks.
    #[error("it is no namespace that has blocks")]
    NoNamespace,
    /// A log page of such a length cannot be read.
    #[error("a log page is read in dwords: {len} bytes is not a multiple of 4 above 0")]
    LogLength {
        /// Bytes asked for.
        len: u64,
    },
    /// The log page changed each time it was read.
    #[error("the log page changed while it was read, {rounds} times")]
    Unstable {
        /// How often it was read.
        rounds: u32,
    },
    /// The list of namespaces does not go up.
    #[error("the list of active namespaces goes back to {nsid}")]
    Unordered {
        /// The first that is not above the one before it.
        nsid: u32,
    },
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
            (AdminOp::Io | AdminOp::NamespaceId, Errno::EAGAIN) => {
                Some("no path to the namespace works at the moment")
            }
            (AdminOp::Reset, Errno::EBUSY) => Some("it is connecting or being removed"),
            (_, Errno::ENOTTY) => Some("it is no NVMe device, or has no such request"),
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
