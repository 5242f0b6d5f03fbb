//! What can go wrong.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use nvme_proto::command::{AdminCommand, IoCommand};
use nvme_proto::connect::ConnectReject;
use nvme_proto::cqe::Cqe;
use nvme_proto::fabrics::{ConnectResponse, ControllerStatus};
use nvme_proto::host::{CommandError as Failed, ConfigError, SubmitError};
use nvme_proto::machine::Failure;
use nvme_proto::sqe::Sqe;
use nvme_proto::{CommandContext, DecodeError, Status};

use super::queue::Fault;

/// How far a connect came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Reaching the address.
    Dial,
    /// The handshake of NVMe/TCP: ICReq and ICResp.
    Handshake,
    /// Connect of the admin queue.
    Connect,
    /// Authentication.
    Authenticate,
    /// Reading the controller's properties, and enabling it.
    Enable,
    /// Identify Controller.
    Identify,
    /// Features: the number of queues, events.
    Configure,
    /// The I/O queues.
    Queues,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dial => "reaching the address",
            Self::Handshake => "the handshake",
            Self::Connect => "connecting the admin queue",
            Self::Authenticate => "authentication",
            Self::Enable => "enabling the controller",
            Self::Identify => "identifying the controller",
            Self::Configure => "setting the controller up",
            Self::Queues => "connecting the I/O queues",
        })
    }
}

/// Why there is no controller.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address could not be reached.
    #[error("{peer} cannot be reached (queue {queue})")]
    Unreachable {
        /// Where to.
        peer: String,
        /// For which queue; 0 is the admin queue.
        queue: u16,
        /// What the system says.
        #[source]
        error: Arc<io::Error>,
    },
    /// It took too long.
    #[error("{peer} did not answer within {} s while {stage} (queue {queue})", .after.as_secs_f32())]
    TimedOut {
        /// Where to.
        peer: String,
        /// During what.
        stage: Stage,
        /// On which queue.
        queue: u16,
        /// How long was waited.
        after: Duration,
    },
    /// The connection ended.
    #[error("the connection to {peer} ended during {stage} (queue {queue})")]
    Ended {
        /// Where to.
        peer: String,
        /// During what.
        stage: Stage,
        /// On which queue.
        queue: u16,
        /// Why.
        #[source]
        failure: Failure,
        /// What the socket said, if it failed.
        error: Option<io::ErrorKind>,
    },
    /// The controller refused Connect.
    #[error("{peer} refused queue {queue}: {reject} ({})", .reject.hint())]
    Refused {
        /// Where to.
        peer: String,
        /// Which queue; 0 is the admin queue.
        queue: u16,
        /// Why, with the parameter it does not accept.
        reject: ConnectReject,
    },
    /// The controller wants the host to authenticate.
    #[error(
        "{peer} requires authentication{} on queue {queue}, and none is set up here",
        if .response.requires_secure_channel() { " and a secure channel" } else { "" }
    )]
    AuthenticationRequired {
        /// Where to.
        peer: String,
        /// On which queue.
        queue: u16,
        /// What it asks for.
        response: ConnectResponse,
    },
    /// The controller did not prove who it is, as it has to.
    #[error("{peer} does not authenticate itself on queue {queue}, which is required here")]
    NotAuthenticated {
        /// Where to.
        peer: String,
        /// On which queue.
        queue: u16,
    },
    /// Authentication failed.
    #[cfg(feature = "auth")]
    #[cfg_attr(docsrs, doc(cfg(feature = "auth")))]
    #[error("authentication with {peer} failed (queue {queue})")]
    Authentication {
        /// Where to.
        peer: String,
        /// On which queue.
        queue: u16,
        /// Why.
        #[source]
        error: nvme_proto::auth::AuthError,
    },
    /// The system gives no random numbers, without which authentication is worth nothing.
    #[cfg(feature = "auth")]
    #[cfg_attr(docsrs, doc(cfg(feature = "auth")))]
    #[error("the system gives no random numbers")]
    NoRandom,
    /// The controller did not become ready.
    #[error("the controller did not become ready within {} s ({})", .waited.as_secs_f32(), csts(.status))]
    NotReady {
        /// How long was waited, by what the controller says it takes (CAP.TO).
        waited: Duration,
        /// Its status.
        status: ControllerStatus,
    },
    /// The controller's answer makes no sense.
    #[error("what the controller says of itself is unusable: {what}")]
    Nonsense {
        /// What is wrong.
        what: &'static str,
    },
    /// A structure of the controller cannot be read.
    #[error("the controller's answer cannot be read")]
    Decode(#[from] DecodeError),
    /// A command failed.
    #[error("{stage} failed")]
    Command {
        /// During what.
        stage: Stage,
        /// Which, and why.
        #[source]
        error: Box<CommandError>,
    },
    /// The options cannot work.
    #[error("the options of the connection cannot work")]
    Config(#[from] ConfigError),
    /// The connect was given up by this side.
    #[error("the connect was given up")]
    Cancelled,
}

impl ConnectError {
    /// How far it came.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Unreachable { .. } | Self::Config(_) | Self::Cancelled => Stage::Dial,
            Self::TimedOut { stage, .. } | Self::Ended { stage, .. } | Self::Command { stage, .. } => *stage,
            Self::Refused { queue: 0, .. } => Stage::Connect,
            Self::Refused { .. } => Stage::Queues,
            Self::AuthenticationRequired { .. } | Self::NotAuthenticated { .. } => Stage::Authenticate,
            #[cfg(feature = "auth")]
            Self::Authentication { .. } | Self::NoRandom => Stage::Authenticate,
            Self::NotReady { .. } => Stage::Enable,
            Self::Nonsense { .. } | Self::Decode(_) => Stage::Identify,
        }
    }

    /// The status of the controller, if it gave one.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Refused { reject, .. } => Some(reject.status()),
            Self::Command { error, .. } => error.status(),
            _ => None,
        }
    }

    /// Whether the same connect may succeed later: the controller did not forbid to try again, and nothing here has to be changed first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::NotReady { .. } => true,
            Self::Ended { failure, .. } => failure.is_retryable(),
            Self::Refused { reject, .. } => reject.is_retryable(),
            Self::Command { error, .. } => error.is_retryable(),
            _ => false,
        }
    }
}

fn csts(status: &ControllerStatus) -> &'static str {
    if status.fatal() { "it reports a fatal error (CSTS.CFS)" } else { "it does not say why" }
}

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

/// A command that failed, with the buffer it was to fill.
pub struct FailedRead<B> {
    /// Why.
    pub error: CommandError,
    /// The buffer, with whatever came. `None` only when the runtime that the connection lived on has ended.
    pub buffer: Option<B>,
}

impl<B> std::fmt::Debug for FailedRead<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FailedRead").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<B> std::fmt::Display for FailedRead<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl<B> std::error::Error for FailedRead<B> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl<B> From<FailedRead<B>> for CommandError {
    fn from(failed: FailedRead<B>) -> Self {
        failed.error
    }
}
