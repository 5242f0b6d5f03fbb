//! One path: a controller, and what is known of it at this moment.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nvme_proto::Nsid;
use nvme_proto::log::AnaState;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::super::controller::Controller;
use super::super::error::CommandError;
use super::super::state::State;
use super::ana::{AnaRequest, AnaTable};
use super::choose::Grade;

/// A path, for as long as its [`Paths`](super::Paths) are there. Numbers are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub(super) u32);

impl fmt::Display for PathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "path {}", self.0)
    }
}

/// A controller as a path.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) id: PathId,
    /// Lower ones come first.
    pub(super) preference: u32,
    pub(super) controller: Controller,
    /// Requests on their way.
    busy: AtomicUsize,
    view: Mutex<View>,
    /// The log is to be read.
    pub(super) doubted: Notify,
    watcher: Mutex<Option<AbortHandle>>,
}

/// What is known of a path.
#[derive(Debug)]
struct View {
    link: Link,
    access: Access,
    /// Namespaces that were refused since the log was read.
    doubtful: HashSet<u32>,
}

/// How the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Live,
    Down,
    Gone,
}

/// What the controller says of its namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    /// Not read since the connection was made.
    Unread,
    /// It reports nothing: it reaches them all.
    Symmetric,
    /// By its log.
    Table(AnaTable),
    /// It reports, and the log cannot be read.
    Unreadable,
}

impl Path {
    pub(super) fn new(id: PathId, preference: u32, controller: Controller) -> Self {
        let view = View { link: Link::Down, access: Access::Unread, doubtful: HashSet::new() };
        Self {
            id,
            preference,
            controller,
            busy: AtomicUsize::new(0),
            view: Mutex::new(view),
            doubted: Notify::new(),
            watcher: Mutex::new(None),
        }
    }

    /// The task that looks after it; it ends with the path.
    pub(super) fn set_watcher(&self, watcher: AbortHandle) {
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(watcher);
    }

    /// Nobody looks after it any more.
    pub(super) fn abandon(&self) {
        if let Some(watcher) = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).take() {
            watcher.abort();
        }
    }

    /// Requests on their way.
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// What it is good for, for a namespace that says it is in this group.
    pub(super) fn grade(&self, nsid: Nsid, group: u32) -> Grade {
        let view = self.view();
        match (view.link, &view.access) {
            (Link::Gone, _) => Grade::Never,
            (Link::Down, _) | (Link::Live, Access::Unread) => Grade::Waiting,
            (Link::Live, _) if view.doubtful.contains(&nsid.get()) => Grade::Waiting,
            (Link::Live, Access::Symmetric) => Grade::Optimized,
            (Link::Live, Access::Unreadable) => Grade::NonOptimized,
            (Link::Live, Access::Table(table)) => {
                // A namespace of no group that is known is as good as one whose controller says nothing of it.
                table.state(nsid, group).map_or(Grade::NonOptimized, Grade::of)
            }
        }
    }

    /// How its controller says it reaches a namespace; `None` when it does not say.
    pub(super) fn access(&self, nsid: Nsid, group: u32) -> Option<AnaState> {
        match &self.view().access {
            Access::Table(table) => table.state(nsid, group),
            _ => None,
        }
    }

    /// The connection is like this now. What the log said before does not hold for another connection.
    pub(super) fn connection(&self, state: &State) {
        let mut view = self.view();
        view.link = match state {
            State::Live => Link::Live,
            State::Gone { .. } | State::Disconnecting => Link::Gone,
            _ => Link::Down,
        };
        if view.link != Link::Live {
            view.access = Access::Unread;
            view.doubtful.clear();
        }
    }

    /// A request was refused because the controller does not reach the namespace: it is not used for it until the log is read.
    pub(super) fn doubt(&self, nsid: Nsid) {
        {
            let mut view = self.view();
            if matches!(view.access, Access::Symmetric) {
                // A controller that reports no states and refuses by state: only time tells. The pause of the request is all there is.
                return;
            }
            view.doubtful.insert(nsid.get());
        }
        self.doubted.notify_one();
    }

    /// Reads the log. Gives the groups that are different now.
    pub(super) async fn read_access(&self) -> Result<Vec<(u32, AnaState)>, CommandError> {
        let Some(request) = AnaRequest::of(&self.controller.identify()) else {
            self.learn(Access::Symmetric);
            return Ok(Vec::new());
        };
        let Some(command) = request.command() else {
            self.learn(Access::Unreadable);
            return Ok(Vec::new());
        };
        match self.controller.log_page_with(command).await {
            Ok(bytes) => Ok(match AnaTable::decode(&bytes) {
                Ok(table) => self.learn(Access::Table(table)),
                Err(_) => self.learn(Access::Unreadable),
            }),
            // The controller is there and does not give it.
            Err(error @ CommandError::Status { .. }) => {
                self.learn(Access::Unreadable);
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    fn learn(&self, access: Access) -> Vec<(u32, AnaState)> {
        let mut view = self.view();
        view.doubtful.clear();
        let before = std::mem::replace(&mut view.access, access);
        let known = |group| match &before {
            Access::Table(table) => table.group(group),
            _ => None,
        };
        match &view.access {
            Access::Table(table) => {
                let mut news: Vec<_> =
                    table.groups().filter(|(group, state)| known(*group) != Some(*state)).collect();
                news.sort_unstable_by_key(|(group, _)| *group);
                news
            }
            _ => Vec::new(),
        }
    }

    /// Whether namespaces have to be asked for their group, because the log does not list them.
    pub(super) fn lists_groups_only(&self) -> bool {
        AnaRequest::of(&self.controller.identify()).is_some_and(AnaRequest::groups_only)
    }

    /// When a change that is under way has to be over; `None` when there is none.
    pub(super) fn change_ends(&self) -> Option<Instant> {
        let changing = matches!(&self.view().access, Access::Table(table) if table.is_changing());
        let seconds = self.controller.identify().ana_transition_time();
        let patience = Duration::from_secs(if seconds == 0 { 10 } else { seconds.into() });
        changing.then(|| Instant::now().checked_add(patience)).flatten()
    }

    /// When commands that are lost with the connection now are surely not executed any more; `None` when that cannot be known.
    pub(super) fn fence(&self) -> Option<Instant> {
        // A connection that was made again meanwhile: what was lost was lost no later than now.
        let latest = || Instant::now().checked_add(self.controller.details().quiesced_after?);
        self.controller.quiesced_at().or_else(latest)
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// A request on its way, counted until it is dropped.
pub(super) struct Busy(Arc<Path>);

impl Busy {
    pub(super) fn new(path: &Arc<Path>) -> Self {
        path.busy.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(path))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
