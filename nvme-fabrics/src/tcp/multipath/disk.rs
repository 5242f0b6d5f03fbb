//! A namespace that is reached by several paths.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::choose::{Choice, choose};
use super::events::PathEvent;
use super::member::{Found, Member};
use super::paths::Shared;
use super::{Mismatch, NamespaceIdentity, PathId, PathUse, Paths};

/// A namespace that is reached by several paths: a disk of blocks. Copies are handles to the same one.
///
/// It has the calls of [`Namespace`](crate::tcp::Namespace), with the same meaning of what they take and give; a request goes on by another path
/// where the [module](super) says so.
///
/// Any of the futures may be dropped before it is ready, with the same consequences as there.
#[derive(Debug, Clone)]
pub struct Disk {
    pub(super) core: Arc<DiskCore>,
}

/// What all handles to a disk share.
#[derive(Debug)]
pub(super) struct DiskCore {
    pub(super) shared: Arc<Shared>,
    pub(super) identity: NamespaceIdentity,
    blocks: AtomicU64,
    members: RwLock<Arc<[Arc<Member>]>>,
    /// The index of the path that was used last.
    last: AtomicUsize,
    /// Requests that wait for a path.
    pub(super) waiting: AtomicUsize,
}

/// The path for a request.
pub(super) enum Picked {
    Path(Arc<Member>),
    Wait,
    None,
}

impl DiskCore {
    pub(super) fn new(shared: Arc<Shared>, identity: NamespaceIdentity, blocks: u64) -> Arc<Self> {
        Arc::new(Self {
            shared,
            identity,
            blocks: AtomicU64::new(blocks),
            members: RwLock::new(Arc::new([])),
            last: AtomicUsize::new(usize::MAX),
            waiting: AtomicUsize::new(0),
        })
    }

    /// The paths to it.
    pub(super) fn members(&self) -> Arc<[Arc<Member>]> {
        Arc::clone(&self.members.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn insert(&self, member: Arc<Member>) {
        member.regrade(self.identity.nsid);
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        *members = members.iter().cloned().chain([member]).collect();
    }

    pub(super) fn remove(&self, id: PathId) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        *members = members.iter().filter(|member| member.path.id != id).cloned().collect();
    }

    /// What a path's controller has is used, or refused with an event.
    pub(super) fn judge(&self, shared: &Shared, path: PathId, found: Found) -> Found {
        let others = self.members();
        let alone = || {
            let mut this = others.iter().filter(|m| m.path.id != path && matches!(m.found(), Found::This(_)));
            this.next().is_none()
        };
        let found = match found {
            Found::This(_) if !found.is_shared() && !alone() => Found::Other(Mismatch::NotShared),
            found => found,
        };
        let refused = match &found {
            Found::Other(mismatch) => Some(Some(*mismatch)),
            Found::Absent => Some(None),
            Found::This(namespace) => {
                self.blocks.store(namespace.blocks(), Ordering::Relaxed);
                None
            }
            Found::Unasked => None,
        };
        if let Some(mismatch) = refused {
            shared.tell(PathEvent::Refused { path, nsid: self.identity.nsid, mismatch });
        }
        found
    }

    /// Looks anew what all paths are good for.
    pub(super) fn regrade(&self) {
        for member in self.members().iter() {
            member.regrade(self.identity.nsid);
        }
    }

    /// A path for a request that has failed on those in `tried`.
    pub(super) fn pick(&self, tried: &[PathId]) -> Picked {
        let members = self.members();
        let last = self.last.load(Ordering::Relaxed);
        let candidates = members.iter().map(|member| member.candidate(tried.contains(&member.path.id)));
        match choose(self.shared.options.policy, candidates, last) {
            Choice::Path(index) => {
                self.last.store(index, Ordering::Relaxed);
                members.get(index).map_or(Picked::Wait, |member| Picked::Path(Arc::clone(member)))
            }
            Choice::Wait => Picked::Wait,
            Choice::None => Picked::None,
        }
    }
}

impl Disk {
    pub(super) const fn new(core: Arc<DiskCore>) -> Self {
        Self { core }
    }

    /// What names it.
    #[must_use]
    pub fn identity(&self) -> &NamespaceIdentity {
        &self.core.identity
    }

    /// Bytes of a block: a power of two, 512 and up.
    #[must_use]
    pub fn block_size(&self) -> u32 {
        self.core.identity.block_size
    }

    /// Number of blocks, as a controller said it last.
    #[must_use]
    #[doc(alias = "NSZE")]
    pub fn blocks(&self) -> u64 {
        self.core.blocks.load(Ordering::Relaxed)
    }

    /// Its size in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "one without blocks is not active")]
    pub fn len(&self) -> u64 {
        self.blocks().saturating_mul(self.block_size().into())
    }

    /// How the paths are used for it.
    #[must_use]
    pub fn paths(&self) -> Vec<PathUse> {
        self.core.members().iter().map(|member| member.in_use(self.core.identity.nsid)).collect()
    }

    /// The paths, also those that do not reach it.
    #[must_use]
    pub fn all_paths(&self) -> Paths {
        Paths { shared: Arc::clone(&self.core.shared) }
    }
}
