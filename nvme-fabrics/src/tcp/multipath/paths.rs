//! The controllers of a subsystem.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use nvme_proto::{Cntlid, Nsid, SubsysNqn};
use tokio::sync::{broadcast, watch};

use super::super::controller::Controller;
use super::super::error::CommandError;
use super::super::reconnect::Replay;
use super::super::state::State;
use super::disk::{Disk, DiskCore};
use super::events::{PathEvent, PathEvents, ROOM};
use super::member::{Found, Member};
use super::path::{Path, PathId};
use super::{JoinError, NamespaceIdentity, OpenError, PathOptions, watcher};
use crate::options::FastIoFail;

/// The controllers of a subsystem, each a path to its namespaces. Copies are handles to the same ones.
///
/// A task for each path looks after it, on the runtime in which it joined. The paths are let go when the last handle to them and to their disks is dropped; a
/// controller that nobody else has a handle to is disconnected then.
///
/// What the controllers tell by themselves ([`Controller::events`]) is taken by the paths, and passed on by [`events`](Self::events).
#[derive(Debug, Clone)]
pub struct Paths {
    pub(super) shared: Arc<Shared>,
}

/// A path at a moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PathInfo {
    /// Which.
    pub id: PathId,
    /// The controller's identifier.
    pub cntlid: Cntlid,
    /// Where it is.
    pub peer: String,
    /// How its connection is.
    pub state: State,
    /// Requests on their way.
    pub busy: usize,
}

/// What the handles, the disks and the watchers share.
#[derive(Debug)]
pub(super) struct Shared {
    subsystem: SubsysNqn,
    pub(super) options: PathOptions,
    paths: RwLock<Vec<Arc<Path>>>,
    disks: Mutex<Vec<Weak<DiskCore>>>,
    /// Goes up with everything that may make a path usable.
    changed: watch::Sender<u64>,
    events: broadcast::Sender<PathEvent>,
    next: AtomicU32,
    /// Paths join and disks are opened one after the other.
    order: tokio::sync::Mutex<()>,
}

impl Paths {
    /// No path yet to this subsystem.
    #[must_use]
    pub fn new(subsystem: SubsysNqn, options: PathOptions) -> Self {
        let shared = Shared {
            subsystem,
            options,
            paths: RwLock::default(),
            disks: Mutex::default(),
            changed: watch::Sender::new(0),
            events: broadcast::Sender::new(ROOM),
            next: AtomicU32::new(0),
            order: tokio::sync::Mutex::new(()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Adds a controller, which was connected through [`path`](super::path()). It is a path to the disks that are open at once, as far as it has them.
    ///
    /// # Errors
    /// [`JoinError`]; the controller is let go.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as [`tokio::spawn`] does.
    pub async fn join(&self, controller: Controller) -> Result<PathId, JoinError> {
        self.join_preferred(controller, u32::MAX).await
    }

    /// The same with its place among the others for [`Policy::Preferred`](super::Policy::Preferred): the path of the lowest number is used.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    ///
    /// # Panics
    /// As [`join`](Self::join).
    pub async fn join_preferred(&self, controller: Controller, preference: u32) -> Result<PathId, JoinError> {
        let shared = &self.shared;
        let _one_at_a_time = shared.order.lock().await;
        shared.admit(&controller)?;
        let id = PathId(shared.next.fetch_add(1, Ordering::Relaxed));
        let path = Arc::new(Path::new(id, preference, controller));
        path.connection(&path.controller.state());
        let unreachable = |error: &CommandError| error.status().is_none();
        if let Err(error) = path.read_access().await
            && unreachable(&error)
        {
            return Err(error.into());
        }
        for disk in shared.disks() {
            let found = Found::look(&path, &disk.identity).await?;
            disk.add(shared, &path, found);
        }
        shared.write_paths().push(Arc::clone(&path));
        let task = tokio::spawn(watcher::watch_over(Arc::downgrade(shared), Arc::clone(&path)));
        path.set_watcher(task.abort_handle());
        shared.tell(PathEvent::Joined(id));
        shared.news();
        Ok(id)
    }

    /// Takes a path away and gives back its controller. Requests that are on their way by it go on; disconnect it when they are over, or do it at once: then
    /// they go another way.
    ///
    /// `None` when there is no such path.
    #[must_use = "the controller stays connected as long as anybody has a handle to it"]
    pub fn leave(&self, id: PathId) -> Option<Controller> {
        let path = {
            let mut paths = self.shared.write_paths();
            let index = paths.iter().position(|path| path.id == id)?;
            paths.remove(index)
        };
        path.abandon();
        for disk in self.shared.disks() {
            disk.remove(id);
        }
        self.shared.tell(PathEvent::Left(id));
        self.shared.news();
        Some(path.controller.clone())
    }

    /// Opens a namespace. Opened twice it is the same disk.
    ///
    /// # Errors
    /// [`OpenError`] when no path is connected that has it.
    pub async fn disk(&self, nsid: Nsid) -> Result<Disk, OpenError> {
        let shared = &self.shared;
        let _one_at_a_time = shared.order.lock().await;
        if let Some(core) = shared.disks().into_iter().find(|disk| disk.identity.nsid == nsid) {
            return Ok(Disk::new(core));
        }
        let paths = shared.paths();
        let mut failed = None;
        let mut first = None;
        for path in &paths {
            match path.controller.namespace(nsid).await {
                Ok(namespace) => {
                    first = Some((path.id, namespace));
                    break;
                }
                Err(error) => failed = Some(error),
            }
        }
        let Some((id, namespace)) = first else {
            return Err(match failed {
                Some(source) => OpenError::Command { nsid, source },
                None => OpenError::NoPath { nsid },
            });
        };
        let identity = NamespaceIdentity::of(&namespace);
        let core = DiskCore::new(Arc::clone(shared), identity, namespace.blocks());
        for path in &paths {
            let found = if path.id == id {
                Found::This(namespace.clone())
            } else {
                // One that does not answer is asked again when it is connected again.
                Found::look(path, &core.identity).await.unwrap_or(Found::Unasked)
            };
            core.add(shared, path, found);
        }
        shared.lock_disks().push(Arc::downgrade(&core));
        Ok(Disk::new(core))
    }

    /// The paths there are.
    #[must_use]
    pub fn list(&self) -> Vec<PathInfo> {
        let info = |path: &Arc<Path>| PathInfo {
            id: path.id,
            cntlid: path.controller.id(),
            peer: path.controller.peer().to_owned(),
            state: path.controller.state(),
            busy: path.busy(),
        };
        self.shared.paths().iter().map(info).collect()
    }

    /// The controller of a path.
    #[must_use]
    pub fn controller(&self, id: PathId) -> Option<Controller> {
        self.shared.paths().iter().find(|path| path.id == id).map(|path| path.controller.clone())
    }

    /// What happens to the paths from now on.
    #[must_use]
    pub fn events(&self) -> PathEvents {
        PathEvents::new(self.shared.events.subscribe())
    }

    /// The subsystem.
    #[must_use]
    pub fn subsystem(&self) -> &SubsysNqn {
        &self.shared.subsystem
    }
}

impl Shared {
    /// Whether a controller can be a path here.
    fn admit(&self, controller: &Controller) -> Result<(), JoinError> {
        let settings = &controller.core().settings;
        // What it says itself; older controllers say nothing.
        let theirs = controller.identify().subnqn().unwrap_or_else(|_| settings.nqn.clone());
        if theirs != self.subsystem {
            return Err(JoinError::OtherSubsystem { ours: self.subsystem.clone(), theirs });
        }
        let waits = settings.fast_io_fail != FastIoFail::After(Duration::ZERO);
        if waits || settings.replay != Replay::Never {
            return Err(JoinError::NotAPath { waits });
        }
        let paths = self.paths();
        if paths.len() >= self.options.max_paths {
            return Err(JoinError::TooMany { max: self.options.max_paths });
        }
        let cntlid = controller.id();
        match paths.iter().find(|path| path.controller.id() == cntlid) {
            Some(path) => Err(JoinError::SameController { cntlid, path: path.id }),
            None => Ok(()),
        }
    }

    pub(super) fn paths(&self) -> Vec<Arc<Path>> {
        self.paths.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write_paths(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Arc<Path>>> {
        self.paths.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_disks(&self) -> MutexGuard<'_, Vec<Weak<DiskCore>>> {
        self.disks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disks that are open.
    pub(super) fn disks(&self) -> Vec<Arc<DiskCore>> {
        let mut disks = self.lock_disks();
        disks.retain(|disk| disk.strong_count() > 0);
        disks.iter().filter_map(Weak::upgrade).collect()
    }

    /// Something may be usable now that was not; or the other way round.
    pub(super) fn news(&self) {
        for disk in self.disks() {
            disk.regrade();
        }
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// To wait for news.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Tells whoever listens.
    pub(super) fn tell(&self, event: PathEvent) {
        // Nobody need listen.
        let _ = self.events.send(event);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for path in self.paths() {
            path.abandon();
        }
    }
}

impl DiskCore {
    /// Makes a path one to this disk, as far as it is.
    fn add(&self, shared: &Shared, path: &Arc<Path>, found: Found) {
        let found = self.judge(shared, path.id, found);
        self.insert(Arc::new(Member::new(Arc::clone(path), found)));
    }
}
