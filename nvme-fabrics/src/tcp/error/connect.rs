//! Why there is no controller, and how far its connect came.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use nvme_proto::connect::ConnectReject;
use nvme_proto::fabrics::{ConnectResponse, ControllerStatus};
use nvme_proto::host::ConfigError;
use nvme_proto::machine::Failure;
use nvme_proto::{DecodeError, Status};

use super::command::CommandError;

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
    #[error("{peer} cannot be reached (queue {queue}){}", way_out(.error))]
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
            // What the socket says (a reset, an unreachable host) is no fault of what was said on it.
            Self::Ended { failure, error, .. } => error.is_some() || failure.is_retryable(),
            Self::Refused { reject, .. } => reject.is_retryable(),
            // A controller that nobody uses yet: what a lost connection has left undone there harms nobody.
            Self::Command { error, .. } => match error.as_ref() {
                CommandError::Lost { failure: Some(failure), .. } => failure.is_retryable(),
                error => error.is_retryable() || error.outcome_unknown(),
            },
            _ => false,
        }
    }
}

fn csts(status: &ControllerStatus) -> &'static str {
    if status.fatal() { "it reports a fatal error (CSTS.CFS)" } else { "it does not say why" }
}

/// `EMFILE` and `ENFILE`, for which `io::ErrorKind` has no name; the same numbers on Linux, the BSDs and macOS.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

/// What to do about an address that cannot be reached.
fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            ": nothing listens there; is the target running, and is this its port?"
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            ": this machine has no way there; `ip route get` shows which it takes"
        }
        io::ErrorKind::AddrNotAvailable => ": the address to connect from is none of this machine's",
        io::ErrorKind::PermissionDenied => ": a firewall or sandbox on this machine forbids it",
        _ if error.raw_os_error().is_some_and(|errno| TOO_MANY_FILES.contains(&errno)) => {
            ": no more files may be open, and each queue is one; `ulimit -n` raises that"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable(error: io::Error) -> String {
        let error = Arc::new(error);
        ConnectError::Unreachable { peer: "192.0.2.1:4420".to_owned(), queue: 3, error }.to_string()
    }

    #[test]
    fn an_address_that_cannot_be_reached_comes_with_a_way_out() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let refused = unreachable(std::net::TcpStream::connect(address).unwrap_err());
        assert!(refused.contains("192.0.2.1:4420 cannot be reached (queue 3): nothing listens"), "{refused}");
        #[cfg(unix)]
        {
            let full = unreachable(io::Error::from_raw_os_error(24));
            assert!(full.contains("ulimit -n"), "{full}");
        }
        assert!(unreachable(io::ErrorKind::NetworkUnreachable.into()).contains("ip route get"));
        assert!(unreachable(io::ErrorKind::Other.into()).ends_with("(queue 3)"));
    }
}
