//! How a controller is, for whoever wants to watch.

use std::fmt;
use std::sync::Arc;

use nvme_proto::machine::Failure;
use tokio::sync::watch;

use super::error::ConnectError;

/// How a controller is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum State {
    /// It is being connected for the first time.
    Connecting,
    /// It takes commands.
    Live,
    /// Its connection was lost, and a new one is being made. Commands wait, as long as [`FastIoFail`](crate::FastIoFail) lets them.
    Reconnecting {
        /// Attempts that failed since then.
        attempts: u32,
        /// Why it is not connected: the loss, or what came of the last attempt.
        cause: Arc<Cause>,
    },
    /// It is being disconnected by this side.
    Disconnecting,
    /// It is gone for good.
    Gone {
        /// Why; `None`: it was disconnected by this side.
        cause: Option<Arc<Cause>>,
    },
}

impl State {
    /// Whether it takes commands.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }

    /// Whether it is gone for good, or about to be.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. } | Self::Disconnecting)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Live => f.write_str("live"),
            Self::Reconnecting { attempts, cause } => {
                write!(f, "reconnecting after {attempts} failed attempts: {cause}")
            }
            Self::Disconnecting => f.write_str("disconnecting"),
            Self::Gone { cause: None } => f.write_str("disconnected"),
            Self::Gone { cause: Some(cause) } => write!(f, "gone: {cause}"),
        }
    }
}

/// Why a controller is not connected.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// A connection ended.
    #[error("the connection of queue {queue} ended")]
    Lost {
        /// Which queue's; 0 is the admin queue.
        queue: u16,
        /// Why.
        #[source]
        failure: Failure,
        /// What the socket said, if it failed.
        error: Option<std::io::ErrorKind>,
    },
    /// A command took too long and could not be aborted.
    #[error("a command on queue {queue} took too long and could not be aborted")]
    Stuck {
        /// On which queue.
        queue: u16,
    },
    /// [`Controller::reset`](super::Controller::reset) was called.
    #[error("it was reset by this side")]
    Reset,
    /// An attempt to connect failed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// The state of a controller as a value that can be waited for.
#[derive(Debug, Clone)]
pub struct Watch {
    states: watch::Receiver<State>,
}

impl Watch {
    pub(super) const fn new(states: watch::Receiver<State>) -> Self {
        Self { states }
    }

    /// The state now; [`changed`](Self::changed) waits for the one after it.
    pub fn current(&mut self) -> State {
        self.states.borrow_and_update().clone()
    }

    /// Waits until the state has changed since it was looked at last; intermediate states may be left out. `None` when no further change will
    /// come.
    pub async fn changed(&mut self) -> Option<State> {
        self.states.changed().await.ok()?;
        Some(self.states.borrow_and_update().clone())
    }
}
