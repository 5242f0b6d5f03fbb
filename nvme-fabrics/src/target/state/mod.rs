//! What a target is at present: shared by its handle and by every connection.
//!
//! ```text
//!   Target ── Registry ──┬── SubsystemState ──┬── NamespaceState ── Reservations
//!                        │                    └── Controller (one for each association)
//!                        └── PortState
//!   Connection ── its Controller, and a view of the namespaces that is renewed when they change
//! ```
//!
//! Locks are small, held for a few lines, and taken in this order: registry, subsystem, namespace, controller. The path of a read or write takes
//! none of them: it looks at atomics, and at a view that belongs to the connection.

mod attached;
mod changes;
mod controller;
mod drain;
mod errors;
mod events;
mod mailbox;
mod namespace;
mod port;
mod registry;
mod reservation_actions;
mod reservations;
mod subsystem;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use attached::{Attached, Totals, View};
pub(crate) use changes::ChangedNamespaces;
pub(crate) use controller::{Controller, ControllerKind, Founding};
pub(crate) use drain::Drain;
pub(crate) use errors::{ErrorRecord, ErrorRing};
pub(crate) use events::{Event, Events};
pub(crate) use mailbox::{Letter, Mailbox};
pub(crate) use namespace::NamespaceState;
pub(crate) use port::PortState;
pub(crate) use registry::{DiscoveryScope, DiscoveryView, PortEntry, Registry, fingerprint};
pub(crate) use reservation_actions::{Acquire, Register, Release};
pub(crate) use reservations::{Group, Notices, Reservations};
pub(crate) use subsystem::SubsystemState;

/// Locks; what a thread that panicked left behind is still what was last written, each value being written whole.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], for reading.
pub(crate) fn read<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], for writing.
pub(crate) fn write<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
