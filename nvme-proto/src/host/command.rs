//! What is submitted, and what comes of it.

use core::fmt;

use crate::Status;
use crate::cqe::Cqe;
use crate::machine::Failure;
use crate::sqe::{DataDirection, Sqe};

/// The data of a command, in a buffer that the machine has while the command runs and gives back with its completion.
///
/// `R` is a buffer to read into, such as `Vec<u8>` or `BytesMut`; `W` one to write from, such as `Vec<u8>`, `Bytes` or `&'static [u8]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Data<R, W> {
    /// No data.
    #[default]
    None,
    /// From the controller into this buffer; the buffer's length is the length of the transfer.
    Read(R),
    /// To the controller from this buffer.
    Write(W),
}

impl<R, W> Data<R, W> {
    /// The buffer that was read into.
    #[must_use]
    pub fn into_read(self) -> Option<R> {
        match self {
            Self::Read(buffer) => Some(buffer),
            _ => None,
        }
    }

    /// The buffer that was written from.
    #[must_use]
    pub fn into_write(self) -> Option<W> {
        match self {
            Self::Write(buffer) => Some(buffer),
            _ => None,
        }
    }
}

/// Where data to the controller travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Placement {
    /// In the capsule when they fit there, else when the controller asks for them. **Linux's target never asks for data that fit into a
    /// capsule**, it waits for them: so this is what to use.
    #[default]
    Auto,
    /// In the capsule, or the command is refused.
    InCapsule,
    /// When the controller asks for them, however few they are.
    Transfer,
}

/// Whether a command is watched by [`Config::command_timeout`](super::Config::command_timeout).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Watch {
    /// It is.
    #[default]
    TimeOut,
    /// It may take for ever, as an Asynchronous Event Request does.
    Never,
}

/// A command to submit.
///
/// The command identifier, PSDT and the SGL descriptor are written by the machine; all else of the entry is sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Command<R, W> {
    /// The submission queue entry.
    pub sqe: Sqe,
    /// Its data.
    pub data: Data<R, W>,
    /// Where data to the controller travel.
    pub placement: Placement,
    /// Whether it is timed.
    pub watch: Watch,
}

impl<R, W> Command<R, W> {
    /// A command without data.
    #[must_use]
    pub const fn new(sqe: Sqe) -> Self {
        Self { sqe, data: Data::None, placement: Placement::Auto, watch: Watch::TimeOut }
    }

    /// With data from the controller into `buffer`.
    #[must_use]
    pub fn read(mut self, buffer: R) -> Self {
        self.data = Data::Read(buffer);
        self
    }

    /// With data to the controller from `buffer`.
    #[must_use]
    pub fn write(mut self, buffer: W) -> Self {
        self.data = Data::Write(buffer);
        self
    }

    /// With data to the controller travelling so.
    #[must_use]
    pub fn placed(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// Not timed.
    #[must_use]
    pub fn unwatched(mut self) -> Self {
        self.watch = Watch::Never;
        self
    }
}

/// A command that was submitted.
///
/// The identifier on the wire is made of the slot and a generation, so that an answer that comes twice or late is told from the answer to
/// the slot's next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandId {
    pub(super) slot: u16,
    pub(super) wire: u16,
}

impl CommandId {
    /// The slot: 0 up to [`Config::depth`](super::Config::depth), and free again with the completion. A table of waiters indexed by it needs
    /// no more entries.
    #[must_use]
    pub fn slot(self) -> usize {
        usize::from(self.slot)
    }

    /// The identifier on the wire, as Abort wants it.
    #[must_use]
    #[doc(alias = "CID")]
    pub const fn wire(self) -> u16 {
        self.wire
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completion<R, W> {
    /// The command.
    pub id: CommandId,
    /// The completion queue entry of a command that succeeded with all its data, or what went wrong.
    ///
    /// A controller may leave the entry out for a successful command with data; then it is made up, with a result of zero.
    pub result: Result<Cqe, CommandError>,
    /// Bytes of data that were transferred.
    pub transferred: u32,
    /// The command's data.
    pub data: Data<R, W>,
}

/// Why a command failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The controller says so.
    #[error("the controller answered: {}", .0.status)]
    Status(Cqe),
    /// Data came with a digest that is not theirs: they were damaged on the way. The command can be repeated.
    #[error(
        "the data from the controller were damaged on the way \
         (digest {received:#010x} received, {computed:#010x} computed); repeat the command"
    )]
    DataDigest {
        /// The digest that came with the data.
        received: u32,
        /// The digest of the data that came.
        computed: u32,
    },
    /// The controller says that the command succeeded, but not all of its data were transferred.
    #[error("the controller reports success after {transferred} of {len} bytes")]
    Short {
        /// The completion.
        cqe: Cqe,
        /// Bytes that were transferred.
        transferred: u32,
        /// Bytes that the command has.
        len: u32,
    },
    /// The connection ended before the command. Whether the controller has executed it is not known.
    #[error("the connection ended before the command was answered")]
    Lost(#[source] Failure),
}

impl CommandError {
    /// The error as a status: that of the controller, or the one the specification has for the case.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Status(cqe) => cqe.status,
            Self::DataDigest { .. } => Status::TRANSIENT_TRANSPORT_ERROR,
            Self::Short { .. } => Status::DATA_TRANSFER_ERROR,
            Self::Lost(_) => Status::COMMAND_ABORTED_BY_HOST,
        }
    }
}

/// Why a command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// As many commands as can be are outstanding. Wait for a completion. With keep-alive on, the last slot is for Keep Alive.
    #[error("all {depth} slots of the queue are taken; wait for a completion")]
    Full {
        /// Slots of the queue.
        depth: u16,
    },
    /// The connection has ended.
    #[error("the connection has ended")]
    Ended,
    /// A buffer of no bytes; a command without data has none.
    #[error("the command's buffer is empty; submit it without data")]
    Empty,
    /// The data are longer than [`Config::max_transfer`](super::Config::max_transfer).
    #[error("{len} bytes of data are more than the {max} a command may have here")]
    TooLong {
        /// Bytes of the command.
        len: usize,
        /// Bytes allowed.
        max: u32,
    },
    /// The data do not fit into the capsule, where they were to be.
    #[error(
        "{len} bytes of data do not fit into the capsule, which takes {max}; let the controller ask for them"
    )]
    CapsuleTooSmall {
        /// Bytes of the command.
        len: u32,
        /// Bytes a capsule of this queue takes.
        max: u32,
    },
    /// The opcode says that data move the other way, or not at all.
    #[error("the command's opcode says that data move {direction:?}, which its buffer does not")]
    Direction {
        /// By the opcode, or for Fabrics commands by the type.
        direction: DataDirection,
    },
}

/// A command that was not taken, given back with the reason.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused<R, W> {
    /// Why.
    pub reason: SubmitError,
    /// The command.
    pub command: alloc::boxed::Box<Command<R, W>>,
}

impl<R, W> fmt::Debug for Refused<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<R, W> fmt::Display for Refused<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

impl<R, W> core::error::Error for Refused<R, W> {}

impl<R, W> From<Refused<R, W>> for SubmitError {
    fn from(refused: Refused<R, W>) -> Self {
        refused.reason
    }
}
