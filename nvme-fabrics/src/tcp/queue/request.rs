//! What is asked of a queue, and what becomes of it.

use bytes::Bytes;
use nvme_proto::cqe::Cqe;
use nvme_proto::host::{CommandError, Data, SubmitError, Watch};
use nvme_proto::machine::Failure;
use nvme_proto::sqe::Sqe;

use super::super::buffer::ReadBuffer;

/// A command to be submitted.
#[derive(Debug)]
pub(crate) struct Request<C = Sqe> {
    pub(crate) command: C,
    pub(crate) data: Payload,
    pub(crate) watch: Watch,
    pub(crate) effect: Effect,
}

/// What the entry of a command is made of when it goes into the table. Futures are moved about before they are polled, and most commands have
/// much less to say than the 64 bytes they become.
pub(crate) trait ToSqe: Copy + Send {
    /// The entry.
    fn to_sqe(&self) -> Sqe;
}

impl ToSqe for Sqe {
    #[inline]
    fn to_sqe(&self) -> Sqe {
        *self
    }
}

/// What a command may do that is not undone when it is executed twice, or late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: it only reads.
    Nothing,
    /// It puts blocks into a state that does not depend on what was there.
    Overwrites,
    /// Something else: it is never sent twice.
    Other,
}

/// The data of a command.
pub(crate) type Payload = Data<ReadBuffer, Bytes>;

/// What became of a command.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) result: Result<Cqe, Fault>,
    /// The data, given back. `None` only when the queue's task itself was taken away.
    pub(crate) data: Payload,
    /// It took longer than it may, and was aborted or its connection was closed for it.
    pub(crate) timed_out: bool,
}

/// Why a command has no successful completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It was submitted and failed.
    Failed(CommandError),
    /// It was not taken: nothing of it was sent.
    Refused(SubmitError),
    /// The queue has no connection: nothing of it was sent.
    Down,
    /// Too many commands wait for their turn: nothing of it was sent.
    Busy,
    /// The connection is gone with whatever was on it. Whether the command was executed is not known.
    Vanished,
}

impl Fault {
    /// Whether the connection was lost, before or after the command was sent.
    pub(crate) const fn is_loss(self) -> bool {
        matches!(self, Self::Failed(CommandError::Lost(_)) | Self::Down | Self::Vanished)
    }

    /// Whether the controller may have executed the command without its host knowing.
    pub(crate) const fn outcome_unknown(self) -> bool {
        matches!(self, Self::Failed(CommandError::Lost(_)) | Self::Vanished)
    }

    /// How the connection ended.
    pub(crate) const fn failure(self) -> Option<Failure> {
        match self {
            Self::Failed(CommandError::Lost(failure)) => Some(failure),
            _ => None,
        }
    }
}
