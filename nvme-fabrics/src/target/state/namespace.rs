//! A namespace.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};

use nvme_proto::command::io::ReservationType;
use nvme_proto::feature::WriteProtectionState;
use nvme_proto::{Nsid, SubsysNqn};

use super::{Attached, Reservations, Totals, lock, read, write};
use crate::target::backend::{Access, Backend, Geometry};
use crate::target::config::{AnaGroup, Namespace, WriteProtect};

/// A namespace, shared by every connection that sees it.
#[derive(Debug)]
pub(crate) struct NamespaceState {
    pub(crate) nsid: Nsid,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) nguid: [u8; 16],
    pub(crate) eui64: Option<[u8; 8]>,
    pub(crate) uuid: [u8; 16],
    /// The value as it was configured, except for what can be changed later.
    configured: Namespace,
    group: AtomicU8,
    protection: AtomicU8,
    /// The size that hosts were last told of, in blocks.
    blocks: AtomicU64,
    reservations: RwLock<Reservations>,
    /// The kind of the reservation: looked at by every command, so that those without one take no lock.
    reserved: AtomicU8,
    /// What queues did that are closed.
    totals: Totals,
    attached: Mutex<Vec<Weak<Attached>>>,
}

impl NamespaceState {
    pub(crate) fn new(subsystem: &SubsysNqn, namespace: Namespace) -> Self {
        let (nguid, uuid) = crate::target::config::derived_identifiers(subsystem, namespace.nsid);
        let protection = match namespace.protection {
            WriteProtect::None => WriteProtectionState::NONE,
            WriteProtect::Protected => WriteProtectionState::PROTECTED,
            WriteProtect::Permanent => WriteProtectionState::PERMANENT,
        };
        Self {
            nsid: namespace.nsid,
            nguid: namespace.nguid.unwrap_or(nguid),
            eui64: namespace.eui64,
            uuid: namespace.uuid.unwrap_or(uuid),
            group: AtomicU8::new(namespace.ana_group.get()),
            protection: AtomicU8::new(protection.0),
            blocks: AtomicU64::new(namespace.backend.geometry().blocks),
            backend: namespace.backend.clone(),
            configured: namespace,
            reservations: RwLock::default(),
            reserved: AtomicU8::new(0),
            totals: Totals::default(),
            attached: Mutex::default(),
        }
    }

    /// Size and properties at present.
    pub(crate) fn geometry(&self) -> Geometry {
        self.backend.geometry()
    }

    /// Whether the size is another one than hosts were last told of; it counts as told from now on.
    pub(crate) fn resized(&self) -> bool {
        let blocks = self.geometry().blocks;
        self.blocks.swap(blocks, Ordering::Relaxed) != blocks
    }

    /// Its group of asymmetric access.
    pub(crate) fn group(&self) -> AnaGroup {
        AnaGroup::new(self.group.load(Ordering::Relaxed).into()).unwrap_or_default()
    }

    /// Puts it into another group; says whether that is a change.
    pub(crate) fn set_group(&self, group: AnaGroup) -> bool {
        self.group.swap(group.get(), Ordering::Relaxed) != group.get()
    }

    /// Whether it is protected from writes.
    pub(crate) fn protection(&self) -> WriteProtectionState {
        WriteProtectionState(self.protection.load(Ordering::Relaxed))
    }

    /// Protects it from writes, or lifts the protection; says whether that is a change.
    pub(crate) fn set_protection(&self, state: WriteProtectionState) -> bool {
        self.protection.swap(state.0, Ordering::Relaxed) != state.0
    }

    /// Whether it can be written, as far as its storage and its protection go.
    pub(crate) fn is_writable(&self, geometry: &Geometry) -> bool {
        geometry.access == Access::ReadWrite
            && self.protection.load(Ordering::Relaxed) == WriteProtectionState::NONE.0
    }

    /// Whether there is a reservation.
    pub(crate) fn is_reserved(&self) -> bool {
        self.reserved.load(Ordering::Acquire) != ReservationType::NONE.0
    }

    /// The reservations, to look at.
    pub(crate) fn reservations<T>(&self, look: impl FnOnce(&Reservations) -> T) -> T {
        look(&read(&self.reservations))
    }

    /// The reservations, to change.
    pub(crate) fn change_reservations<T>(&self, change: impl FnOnce(&mut Reservations) -> T) -> T {
        let mut reservations = write(&self.reservations);
        let result = change(&mut reservations);
        self.reserved.store(reservations.kind().0, Ordering::Release);
        result
    }

    /// A queue sees it from now on.
    pub(super) fn attach(&self, attached: &Arc<Attached>) {
        let mut all = lock(&self.attached);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(attached));
    }

    /// Queues that see it, with what they are doing.
    pub(crate) fn attached(&self) -> Vec<Arc<Attached>> {
        lock(&self.attached).iter().filter_map(Weak::upgrade).collect()
    }

    /// A queue that saw it is closed.
    pub(super) fn detach(&self, done: &Totals) {
        self.totals.add(done);
    }

    /// What was done with it.
    pub(crate) fn totals(&self) -> Totals {
        let sum = Totals::default();
        sum.add(&self.totals);
        self.attached().iter().for_each(|attached| sum.add(&attached.totals));
        sum
    }

    /// The value that makes such a namespace, as it is now.
    pub(crate) fn config(&self) -> Namespace {
        let mut config = self.configured.clone().ana_group(self.group());
        config.protection = match self.protection() {
            WriteProtectionState::NONE => WriteProtect::None,
            WriteProtectionState::PERMANENT => WriteProtect::Permanent,
            _ => WriteProtect::Protected,
        };
        config
    }

    /// The value it was made of.
    pub(crate) const fn configured(&self) -> &Namespace {
        &self.configured
    }
}
