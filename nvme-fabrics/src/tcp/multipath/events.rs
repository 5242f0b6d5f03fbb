//! What happens to paths.

use nvme_proto::Nsid;
use nvme_proto::log::AnaState;
use tokio::sync::broadcast;

use super::super::events::ControllerEvent;
use super::super::state::State;
use super::{Mismatch, PathId};

/// Events that are kept for whoever is slow.
pub(super) const ROOM: usize = 256;

/// Something that happened to a path.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PathEvent {
    /// A path was added.
    Joined(PathId),
    /// A path was taken away.
    Left(PathId),
    /// Its connection is another one now.
    Connection {
        /// Which path.
        path: PathId,
        /// How it is.
        state: State,
    },
    /// Its controller reaches a group of namespaces in another way.
    Access {
        /// Which path.
        path: PathId,
        /// The group.
        group: u32,
        /// How.
        state: AnaState,
    },
    /// Its controller does not have a namespace that is open here, or has another one of that number: the path is not used for it.
    Refused {
        /// Which path.
        path: PathId,
        /// Which namespace.
        nsid: Nsid,
        /// What is different; `None`: it has none of that number.
        mismatch: Option<Mismatch>,
    },
    /// Its controller told something else.
    Controller {
        /// Which path.
        path: PathId,
        /// What.
        event: ControllerEvent,
    },
    /// This many events were not taken in time.
    Missed(u64),
}

/// The events of all paths, for one listener: each has all of them, from when it was made on.
#[derive(Debug)]
pub struct PathEvents {
    events: broadcast::Receiver<PathEvent>,
}

impl PathEvents {
    pub(super) const fn new(events: broadcast::Receiver<PathEvent>) -> Self {
        Self { events }
    }

    /// The next event; `None` when the paths are gone. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Option<PathEvent> {
        match self.events.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(PathEvent::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
