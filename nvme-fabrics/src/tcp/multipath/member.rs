//! One path to one namespace.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use nvme_proto::Nsid;
use nvme_proto::log::AnaState;

use super::super::error::CommandError;
use super::super::namespace::Namespace;
use super::choose::{Candidate, Grade};
use super::path::Path;
use super::{Mismatch, NamespaceIdentity, PathId};

/// A path to a namespace.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) path: Arc<Path>,
    found: RwLock<Found>,
    /// A [`Grade`], kept so that choosing looks at nothing else.
    grade: AtomicU8,
}

/// What the controller has under the number of the namespace.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// It was not asked yet, or did not answer.
    Unasked,
    /// The namespace.
    This(Namespace),
    /// None.
    Absent,
    /// Another one.
    Other(Mismatch),
}

/// How a path is used for a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathUse {
    /// Which path.
    pub path: PathId,
    /// Requests go this way, if there is no better one.
    pub usable: bool,
    /// What its controller says of the namespace; `None` when it says nothing.
    pub access: Option<AnaState>,
    /// Why it is not a path to this namespace: there is another one of the number.
    pub mismatch: Option<Mismatch>,
    /// Requests on their way by this path, for this and other namespaces.
    pub busy: usize,
}

impl Member {
    pub(super) fn new(path: Arc<Path>, found: Found) -> Self {
        Self { path, found: RwLock::new(found), grade: AtomicU8::new(Grade::Waiting as u8) }
    }

    /// The namespace, if it is there.
    pub(super) fn namespace(&self) -> Option<Namespace> {
        match &*self.found.read().unwrap_or_else(PoisonError::into_inner) {
            Found::This(namespace) => Some(namespace.clone()),
            _ => None,
        }
    }

    pub(super) fn found(&self) -> Found {
        self.found.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, found: Found) {
        *self.found.write().unwrap_or_else(PoisonError::into_inner) = found;
    }

    /// Looks anew what the path is good for.
    pub(super) fn regrade(&self, nsid: Nsid) {
        let grade = match self.found() {
            Found::This(namespace) => self.path.grade(nsid, namespace.identify().ana_group()),
            Found::Unasked => self.path.grade(nsid, 0).max(Grade::Waiting),
            Found::Absent | Found::Other(_) => Grade::Never,
        };
        self.grade.store(grade as u8, Ordering::Relaxed);
    }

    pub(super) fn candidate(&self, tried: bool) -> Candidate {
        Candidate {
            id: self.path.id,
            grade: Grade::from_u8(self.grade.load(Ordering::Relaxed)),
            busy: self.path.busy(),
            preference: self.path.preference,
            tried,
        }
    }

    pub(super) fn in_use(&self, nsid: Nsid) -> PathUse {
        let found = self.found();
        let group = match &found {
            Found::This(namespace) => namespace.identify().ana_group(),
            _ => 0,
        };
        let grade = Grade::from_u8(self.grade.load(Ordering::Relaxed));
        PathUse {
            path: self.path.id,
            usable: matches!(grade, Grade::Optimized | Grade::NonOptimized),
            access: self.path.access(nsid, group),
            mismatch: match found {
                Found::Other(mismatch) => Some(mismatch),
                _ => None,
            },
            busy: self.path.busy(),
        }
    }
}

impl Found {
    /// Asks the controller of a path for a namespace that should be this one.
    pub(super) async fn look(path: &Path, identity: &NamespaceIdentity) -> Result<Self, CommandError> {
        match path.controller.namespace(identity.nsid).await {
            Ok(namespace) => Ok(match identity.check(&NamespaceIdentity::of(&namespace)) {
                Ok(()) => Self::This(namespace),
                Err(mismatch) => Self::Other(mismatch),
            }),
            Err(CommandError::Unusable { .. }) => Ok(Self::Absent),
            // Some targets refuse to identify what is not there.
            Err(error) if error.status().is_some_and(|status| status.dnr()) => Ok(Self::Absent),
            Err(error) => Err(error),
        }
    }

    /// Whether several controllers can have it (NMIC).
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::This(namespace) if namespace.identify().sharing() & 1 != 0)
    }
}
