//! How a connection ends.

use alloc::vec::Vec;
use core::time::Duration;

use crate::digest::Digests;
use crate::pdu::{FatalErrorStatus, ProtocolError, Role, TermReq};

/// Why a connection came to its end. Every command that was running is over too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The peer broke the protocol; it is told how by a terminate request where the protocol has one for it.
    #[error("the peer broke the protocol, so the connection is terminated")]
    Violation(#[from] ProtocolError),
    /// The peer found that this side broke the protocol, and terminates the connection.
    #[error(
        "the peer terminated the connection: {fes}, information {fei:#x}; \
         it believes that what it was sent is wrong"
    )]
    PeerTerminated {
        /// What it found.
        fes: FatalErrorStatus,
        /// Further information, by `fes` an offset or a digest. Some controllers fill it in for others too; it means nothing then.
        fei: u32,
    },
    /// Digests that this side requires are not granted by the peer. Nothing goes over a connection that is less protected than asked for.
    #[error(
        "the peer does not use the digests required here (required: {}, granted: {}); \
         allow them at the peer, or do not require them",
        words(.required), words(.granted)
    )]
    DigestsRefused {
        /// What was required.
        required: Digests,
        /// What the peer would use.
        granted: Digests,
    },
    /// The peer's half of the handshake did not come in time.
    #[error("the peer did not answer within {} ms; does something else listen at this address?", .waited.as_millis())]
    HandshakeTimeout {
        /// How long it had.
        waited: Duration,
    },
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    EndOfStream,
    /// No Keep Alive came in time.
    #[error("the host sent no Keep Alive within {} ms", .timeout.as_millis())]
    KeepAliveExpired {
        /// The keep-alive time-out.
        timeout: Duration,
    },
    /// This side closed the connection.
    #[error("the connection was closed by this side")]
    Closed,
}

impl Failure {
    /// Whether a new connection may fare better: the peer was silent, went away or lost data on the way.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::EndOfStream | Self::HandshakeTimeout { .. } | Self::KeepAliveExpired { .. } => true,
            Self::Violation(error) => error.fes == FatalErrorStatus::HEADER_DIGEST_ERROR,
            Self::PeerTerminated { fes, .. } => *fes == FatalErrorStatus::HEADER_DIGEST_ERROR,
            _ => false,
        }
    }
}

/// The digests in words.
const fn words(digests: &Digests) -> &'static str {
    match (digests.header, digests.data) {
        (false, false) => "none",
        (true, false) => "header",
        (false, true) => "data",
        (true, true) => "header and data",
    }
}

/// How to close the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Close {
    /// Close it: what was to be said is said.
    Orderly,
    /// Reset it (linger time zero): the peer has not reacted to a terminate request in time.
    Reset,
}

/// The terminate request for a PDU with this header.
pub(crate) fn term_req(sender: Role, fes: FatalErrorStatus, fei: u32, cause: &[u8]) -> Vec<u8> {
    let cause = cause.get(..TermReq::MAX_DATA).unwrap_or(cause);
    let mut request = TermReq::new(sender, fes, fei);
    let len = u32::try_from(cause.len()).unwrap_or(0); // at most 128
    request.envelope.pdu_len = request.envelope.pdu_len.saturating_add(len);
    let mut bytes = request.encode().to_vec();
    bytes.extend_from_slice(cause);
    bytes
}

/// Where a connection stands. Shared by both roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// ICReq and ICResp are not exchanged yet.
    Handshake,
    /// Open.
    Ready,
    /// A terminate request is on its way; the peer has to close.
    Terminating,
    /// The socket is to be closed.
    Closing(Close),
    /// That was said.
    Closed,
}
