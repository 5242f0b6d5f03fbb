//! A subsystem.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};

use nvme_proto::log::ReservationEvent;
use nvme_proto::{Cntlid, HostId, HostNqn, Nsid};

use super::controller::living;
use super::{Controller, ControllerKind, Event, NamespaceState, Notices, lock, read, write};
use crate::target::config::{Hosts, Namespace, Subsystem};
use crate::target::connection::Termination;

/// The namespaces of a subsystem.
pub(super) type NamespaceMap = BTreeMap<Nsid, Arc<NamespaceState>>;

/// A subsystem, shared by its controllers. The discovery service is one too.
#[derive(Debug)]
pub(crate) struct SubsystemState {
    pub(crate) kind: ControllerKind,
    /// Names and limits. What can be changed is beside it, and empty in it.
    pub(crate) config: Subsystem,
    hosts: RwLock<Hosts>,
    /// Replaced as a whole when one comes or goes.
    namespaces: RwLock<Arc<NamespaceMap>>,
    generation: AtomicU64,
    controllers: Mutex<Controllers>,
}

#[derive(Debug, Default)]
struct Controllers {
    by_number: BTreeMap<u16, Weak<Controller>>,
    /// The last number that was given.
    last: u16,
    /// It was removed: no controller is made any more.
    closed: bool,
}

impl SubsystemState {
    pub(crate) fn new(kind: ControllerKind, mut config: Subsystem) -> Self {
        let nqn = config.nqn.clone();
        let made = |(nsid, namespace)| (nsid, Arc::new(NamespaceState::new(&nqn, namespace)));
        let namespaces = std::mem::take(&mut config.namespaces).into_iter().map(made).collect();
        let hosts = std::mem::take(&mut config.hosts);
        Self {
            kind,
            config,
            hosts: RwLock::new(hosts),
            namespaces: RwLock::new(Arc::new(namespaces)),
            generation: AtomicU64::new(0),
            controllers: Mutex::default(),
        }
    }

    /// Changes when namespaces come or go.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The namespaces at present.
    pub(crate) fn namespaces(&self) -> Arc<NamespaceMap> {
        read(&self.namespaces).clone()
    }

    /// The namespace with this number.
    pub(crate) fn namespace(&self, nsid: u32) -> Option<Arc<NamespaceState>> {
        let nsid = Nsid::new(nsid).ok()?;
        read(&self.namespaces).get(&nsid).cloned()
    }

    /// Adds a namespace, unless there is one with its number or no room; hosts are told.
    pub(crate) fn add_namespace(&self, namespace: Namespace) -> bool {
        let nsid = namespace.nsid;
        {
            let mut namespaces = write(&self.namespaces);
            if namespaces.contains_key(&nsid) || namespaces.len() >= Subsystem::MAX_NAMESPACES {
                return false;
            }
            let state = Arc::new(NamespaceState::new(&self.config.nqn, namespace));
            Arc::make_mut(&mut namespaces).insert(nsid, state);
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        self.namespace_changed(nsid);
        true
    }

    /// Removes a namespace; hosts are told.
    pub(crate) fn remove_namespace(&self, nsid: Nsid) -> Option<Arc<NamespaceState>> {
        let removed = {
            let mut namespaces = write(&self.namespaces);
            let removed = Arc::make_mut(&mut namespaces).remove(&nsid)?;
            self.generation.fetch_add(1, Ordering::AcqRel);
            removed
        };
        self.namespace_changed(nsid);
        Some(removed)
    }

    /// Tells hosts that a namespace came, went or changed.
    pub(crate) fn namespace_changed(&self, nsid: Nsid) {
        self.controllers().iter().for_each(|controller| controller.namespace_changed(nsid));
    }

    /// Tells hosts, except those of other ports if one is named, that the access to a group changed.
    pub(crate) fn ana_changed(&self, port: Option<crate::target::config::PortId>) {
        let concerned = |c: &&Arc<Controller>| port.is_none_or(|port| c.port.id == port);
        self.controllers().iter().filter(concerned).for_each(|controller| controller.raise(Event::Ana));
    }

    /// Tells hosts what happened to a reservation.
    pub(crate) fn reservation_changed(&self, nsid: Nsid, notices: &Notices) {
        if notices.is_empty() {
            return;
        }
        let mut by_host: HashMap<HostId, Vec<ReservationEvent>> = HashMap::new();
        for (host, event) in notices {
            by_host.entry(*host).or_default().push(*event);
        }
        for controller in self.controllers() {
            for event in by_host.get(&controller.host_id).into_iter().flatten() {
                controller.reservation_changed(nsid, *event);
            }
        }
    }

    /// Who may connect.
    pub(crate) fn hosts(&self) -> Hosts {
        read(&self.hosts).clone()
    }

    /// Whether this host may connect.
    pub(crate) fn allows(&self, host: &HostNqn) -> bool {
        read(&self.hosts).allow(host)
    }

    /// Changes who may connect, and ends the associations of those that may no longer.
    pub(crate) fn set_hosts(&self, hosts: Hosts) {
        *write(&self.hosts) = hosts;
        // Whoever connects at the same time looks at the hosts after it is in the list, or is in the list now.
        for controller in self.controllers() {
            if !self.allows(&controller.hostnqn) {
                controller.terminate(Termination::HostRevoked);
            }
        }
    }

    /// The controllers at present.
    pub(crate) fn controllers(&self) -> Vec<Arc<Controller>> {
        living(&lock(&self.controllers).by_number)
    }

    /// The controller with this number.
    pub(crate) fn controller(&self, cntlid: Cntlid) -> Option<Arc<Controller>> {
        lock(&self.controllers).by_number.get(&cntlid.0).and_then(Weak::upgrade)
    }

    /// Makes a controller; `None` when there are as many as there may be, or the subsystem is gone.
    pub(crate) fn found(
        &self,
        most: u16,
        make: impl FnOnce(Cntlid) -> Controller,
    ) -> Option<Arc<Controller>> {
        let mut controllers = lock(&self.controllers);
        controllers.by_number.retain(|_, controller| controller.strong_count() > 0);
        if controllers.closed || controllers.by_number.len() >= usize::from(most) {
            return None;
        }
        let range = self.config.cntlids;
        let free = |number: &u16| !controllers.by_number.contains_key(number);
        // A number is given again as late as possible, so that a host does not take a new controller for the one it lost.
        let after = controllers.last.saturating_add(1).clamp(range.first, range.last);
        let number = (after..=range.last).chain(range.first..=after).find(free)?;
        controllers.last = if number == range.last { 0 } else { number };
        let controller = Arc::new(make(Cntlid(number)));
        controllers.by_number.insert(number, Arc::downgrade(&controller));
        Some(controller)
    }

    /// An association is over.
    pub(crate) fn remove_controller(&self, controller: &Controller) {
        let mut controllers = lock(&self.controllers);
        let listed = controllers.by_number.get(&controller.cntlid.0);
        if listed.is_some_and(|listed| std::ptr::eq(listed.as_ptr(), controller)) {
            controllers.by_number.remove(&controller.cntlid.0);
        }
    }

    /// It is removed: associations end, and none is made any more.
    pub(crate) fn close(&self, reason: Termination) {
        lock(&self.controllers).closed = true;
        self.controllers().iter().for_each(|controller| controller.terminate(reason));
    }

    /// The value that makes such a subsystem, as it is now.
    pub(crate) fn config(&self) -> Subsystem {
        let mut config = self.config.clone().hosts(self.hosts());
        config.namespaces = self.namespaces().iter().map(|(nsid, state)| (*nsid, state.config())).collect();
        config
    }
}
