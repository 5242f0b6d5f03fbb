//! Why a command failed, and which it was.

use nvme_proto::command::{AdminCommand, IoCommand};
use nvme_proto::cqe::Cqe;
use nvme_proto::host::{CommandError as Failed, SubmitError};
use nvme_proto::machine::Failure;
use nvme_proto::sqe::Sqe;
use nvme_proto::{CommandContext, DecodeError, Status};

use super::super::queue::Fault;

/// Which command an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandName {
    name: Option<&'static str>,
    opcode: u8,
    context: CommandContext,
}

impl CommandName {
    /// The command in an entry of the admin queue.
    pub(crate) fn admin(sqe: &Sqe) -> Self {
        let command = AdminCommand::from_sqe(sqe);
        Self { name: command.name(), opcode: sqe.opcode, context: command.context() }
    }

    /// The command in an entry of an I/O queue.
    pub(crate) fn io(sqe: &Sqe) -> Self {
        let command = IoCommand::from_sqe(sqe);
        Self { name: command.name(), opcode: sqe.opcode, context: command.context() }
    }

    /// The kind of command, by which a status has its name.
    #[must_use]
    pub const fn context(&self) -> CommandContext {
        self.context
    }
}

impl std::fmt::Display for CommandName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "command {:#04x}", self.opcode),
        }
    }
}

/// Why a command did not do what it should.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The controller says so.
    #[error("{command} failed: {}", .cqe.status.in_words(.command.context()))]
    Status {
        /// Which command.
        command: CommandName,
        /// The completion.
        cqe: Cqe,
    },
    /// It took too long and was aborted, or its connection was closed because it could not be.
    #[error("{command} took longer than it may and was given up{}", if *.aborted { "" } else { "; its outcome is unknown" })]
    TimedOut {
        /// Which command.
        command: CommandName,
        /// The controller confirmed that it was aborted.
        aborted: bool,
    },
    /// Data were damaged on the way, or not all of them came.
    #[error("{command} failed on the way")]
    Transfer {
        /// Which command.
        command: CommandName,
        /// What happened.
        #[source]
        error: Failed,
    },
    /// The connection was lost after the command was sent, and the command was not repeated because that might not be safe.
    #[error("{command} was on its way when the connection was lost; its outcome is unknown")]
    Lost {
        /// Which command.
        command: CommandName,
        /// How the connection was lost, if that is known.
        failure: Option<Failure>,
    },
    /// There is no connection, and none was waited for (any longer). The command was not sent.
    #[error("{command} was not sent: {}", if *.gone { "the controller is gone" } else { "the connection is lost and being made again" })]
    NotConnected {
        /// Which command.
        command: CommandName,
        /// There will be no connection any more.
        gone: bool,
    },
    /// The command cannot be sent as it is.
    #[error("{command} cannot be sent")]
    Refused {
        /// Which command.
        command: CommandName,
        /// Why.
        #[source]
        reason: SubmitError,
    },
    /// Too many commands wait for their turn already.
    #[error("{command} was not sent: too many commands wait for their turn")]
    Busy {
        /// Which command.
        command: CommandName,
    },
    /// The blocks are not all within the namespace.
    #[error("blocks {lba} to {} are not all within the namespace, which has {size}", .lba.saturating_add(*.blocks).saturating_sub(1))]
    OutOfRange {
        /// The first block.
        lba: u64,
        /// How many.
        blocks: u64,
        /// Blocks of the namespace.
        size: u64,
    },
    /// A number of bytes is not a whole number of blocks.
    #[error("{what} of {bytes} bytes is not a whole number of blocks of {block_size} bytes, or none")]
    Unaligned {
        /// What is.
        what: &'static str,
        /// Bytes.
        bytes: u64,
        /// Bytes of a block.
        block_size: u32,
    },
    /// A parameter is outside of what the command can say.
    #[error("{what} is {value}; {allowed}")]
    Parameter {
        /// Which.
        what: &'static str,
        /// What it is.
        value: u64,
        /// What it may be.
        allowed: &'static str,
    },
    /// The answer cannot be read.
    #[error("the controller's answer cannot be read")]
    Decode(#[from] DecodeError),
    /// The namespace cannot be used here.
    #[error("namespace {nsid} cannot be used: {why}")]
    Unusable {
        /// Which.
        nsid: u32,
        /// Why.
        why: &'static str,
    },
}

impl CommandError {
    /// What became of a command, in words.
    pub(crate) fn new(command: CommandName, fault: Fault, timed_out: bool, gone: bool) -> Self {
        match fault {
            Fault::Failed(Failed::Status(cqe)) if timed_out && cqe.status.is(Status::ABORT_REQUESTED) => {
                Self::TimedOut { command, aborted: true }
            }
            fault if timed_out && fault.outcome_unknown() => Self::TimedOut { command, aborted: false },
            Fault::Failed(Failed::Status(cqe)) => Self::Status { command, cqe },
            Fault::Failed(Failed::Lost(_)) | Fault::Vanished => {
                Self::Lost { command, failure: fault.failure() }
            }
            Fault::Failed(error) => Self::Transfer { command, error },
            Fault::Refused(SubmitError::Ended) | Fault::Down => Self::NotConnected { command, gone },
            Fault::Refused(reason) => Self::Refused { command, reason },
            Fault::Busy => Self::Busy { command },
        }
    }

    /// The status of the controller, if it gave one.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::Status { cqe, .. } => Some(cqe.status),
            _ => None,
        }
    }

    /// Whether the controller may have executed the command without this host knowing. Such a command must be repeated only when that does no
    /// harm, and not before the old connection is surely dead.
    #[must_use]
    pub const fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::TimedOut { aborted: false, .. })
    }

    /// Of the errors of several pieces of one request, keeps the first; but one whose outcome is unknown goes before those that are known, since it holds for
    /// the request as a whole.
    pub(crate) fn keep(kept: &mut Option<Self>, error: Self) {
        if kept.as_ref().is_none_or(|kept| error.outcome_unknown() && !kept.outcome_unknown()) {
            *kept = Some(error);
        }
    }

    /// Whether the same command may succeed if it is sent again, and repeating it does no harm.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Status { cqe, .. } => !cqe.status.dnr(),
            Self::Transfer { error, .. } => matches!(error, Failed::DataDigest { .. }),
            Self::TimedOut { aborted, .. } => *aborted,
            Self::NotConnected { gone, .. } => !*gone,
            Self::Busy { .. } => true,
            _ => false,
        }
    }
}

/// A command or request that failed, with the buffer it was to fill.
pub struct FailedRead<B, E = CommandError> {
    /// Why.
    pub error: E,
    /// The buffer, with whatever came. `None` only when the runtime that the connection lived on has ended.
    pub buffer: Option<B>,
}

impl<B, E: std::fmt::Debug> std::fmt::Debug for FailedRead<B, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FailedRead").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<B, E: std::fmt::Display> std::fmt::Display for FailedRead<B, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl<B, E: std::error::Error> std::error::Error for FailedRead<B, E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl<B> From<FailedRead<B>> for CommandError {
    fn from(failed: FailedRead<B>) -> Self {
        failed.error
    }
}
