//! What a controller connection tells its caller.

use core::fmt;

use crate::Status;
use crate::machine::{Close, Failure};
use crate::pdu::Negotiated;
use crate::sqe::Sqe;

/// What [`Controller::poll`](super::Controller::poll) tells.
///
/// Every buffer given to the machine comes back exactly once, in `Fetched`, `FetchFailed` or `Released`, by `Close` at the latest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a, R, W> {
    /// The handshake is through: these are the terms.
    Ready(Negotiated),
    /// The host sent a command. It has to be answered by [`respond`](super::Controller::respond) or
    /// [`respond_with_data`](super::Controller::respond_with_data), at any time.
    Command(Incoming<'a>),
    /// The host sent a command that was answered at once with this status; it is over. Told for logs and counters.
    Rejected {
        /// The submission queue entry, lent until the next call.
        sqe: &'a Sqe,
        /// The answer.
        status: Status,
    },
    /// The data that [`fetch`](super::Controller::fetch) asked for are there. The command still has to be answered.
    Fetched {
        /// The command.
        tag: Tag,
        /// The buffer given to `fetch`.
        buffer: R,
    },
    /// The data that [`fetch`](super::Controller::fetch) asked for were damaged on the way. The command was answered with Transient Transport
    /// Error and is over.
    FetchFailed {
        /// The command.
        tag: Tag,
        /// The buffer given to `fetch`. Its content is not to be used.
        buffer: R,
    },
    /// A buffer is not needed any more: its command's answer is sent, or the connection failed.
    Released {
        /// The command.
        tag: Tag,
        /// The buffer.
        buffer: Buffer<R, W>,
    },
    /// The connection is at its end. What is still to be sent ([`Controller::transmit`](super::Controller::transmit)) tells the host why.
    /// Every command is over; answers to them are refused.
    Failed(Failure),
    /// Close the socket now. This is the last event.
    Close(Close),
}

/// A command from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incoming<'a> {
    /// By what it is answered.
    pub tag: Tag,
    /// The submission queue entry, lent until the next call: a copy is a `*` away.
    pub sqe: &'a Sqe,
    /// Its data.
    pub data: CommandData<'a>,
}

/// Where the data of a command are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandData<'a> {
    /// It has none.
    None,
    /// They came with it. They are lent until the next call; take what is needed.
    InCapsule(&'a [u8]),
    /// They are to be transferred, this many bytes: to the host by [`respond_with_data`](super::Controller::respond_with_data), from the host by
    /// [`fetch`](super::Controller::fetch).
    Transfer {
        /// Bytes.
        len: u32,
    },
}

/// A buffer that is given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Buffer<R, W> {
    /// One that was given to [`fetch`](super::Controller::fetch).
    Fetch(R),
    /// One that was given to [`respond_with_data`](super::Controller::respond_with_data).
    Send(W),
}

/// A command that is to be answered. A tag of a command that is over is refused everywhere, also when its slot has another command.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag {
    pub(super) slot: u16,
    pub(super) serial: u32,
}

impl Tag {
    /// The slot: 0 up to [`Config::depth`](super::Config::depth). No two commands that are outstanding have the same.
    #[must_use]
    pub fn slot(self) -> usize {
        usize::from(self.slot)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({}.{})", self.slot, self.serial)
    }
}

/// The answer to a command. The machine adds the command identifier and the head of the submission queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reply {
    /// The status.
    pub status: Status,
    /// The result: dwords 0 (lower half) and 1 of the completion.
    pub result: u64,
}

impl Reply {
    /// Success, result 0.
    #[must_use]
    pub const fn success() -> Self {
        Self { status: Status::SUCCESS, result: 0 }
    }

    /// Success with a result.
    #[must_use]
    pub const fn with_result(result: u64) -> Self {
        Self { status: Status::SUCCESS, result }
    }

    /// Failure with this status.
    #[must_use]
    pub const fn failed(status: Status) -> Self {
        Self { status, result: 0 }
    }
}

/// Why an answer, or the wish for data, was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The command is over: it was answered, or the connection has ended.
    #[error("the command is over: it was answered already, or its connection has ended")]
    Over,
    /// The command has no data that could be fetched.
    #[error("the command has no data to fetch")]
    NothingToFetch,
    /// Its data are being fetched, or were.
    #[error("the command's data are being fetched, or were")]
    Fetching,
    /// The buffer has fewer bytes than the command's data.
    #[error("a buffer of {have} bytes does not take the command's {need}")]
    BufferTooSmall {
        /// Bytes of the command.
        need: u32,
        /// Bytes of the buffer.
        have: usize,
    },
    /// More data than the command asked for.
    #[error("{have} bytes are more than the {max} the command asks for")]
    TooMuchData {
        /// Bytes the host has room for.
        max: u32,
        /// Bytes given.
        have: usize,
    },
}

/// A buffer that was not taken, given back with the reason.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused<B> {
    /// Why.
    pub reason: AnswerError,
    /// The buffer.
    pub buffer: B,
}

impl<B> fmt::Debug for Refused<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<B> fmt::Display for Refused<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

impl<B> core::error::Error for Refused<B> {}

impl<B> From<Refused<B>> for AnswerError {
    fn from(refused: Refused<B>) -> Self {
        refused.reason
    }
}
