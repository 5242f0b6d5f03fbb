//! All of a target at once.

use std::collections::{BTreeMap, BTreeSet};

use nvme_proto::SubsysNqn;

use super::{ChangeError, Target};
use crate::target::config::{Namespace, Port, PortId, Subsystem};
use crate::target::state::{NamespaceState, lock};

/// Subsystems and ports: what a target is to be, or is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Layout {
    /// The subsystems.
    pub subsystems: Vec<Subsystem>,
    /// The ports.
    pub ports: Vec<Port>,
}

impl Layout {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { subsystems: Vec::new(), ports: Vec::new() }
    }

    /// Adds a subsystem.
    #[must_use]
    pub fn subsystem(mut self, subsystem: Subsystem) -> Self {
        self.subsystems.push(subsystem);
        self
    }

    /// Adds a port.
    #[must_use]
    pub fn port(mut self, port: Port) -> Self {
        self.ports.push(port);
        self
    }
}

impl Target {
    /// What it is at present. Of namespaces and ports that were changed since, it says what they are now.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let registry = lock(&self.shared.registry);
        Layout {
            subsystems: registry.subsystems.values().map(|subsystem| subsystem.config()).collect(),
            ports: registry.ports.values().map(|port| port.config()).collect(),
        }
    }

    /// Makes it what the layout says. What is the same already is left alone, with the hosts that are connected to it; what differs is
    /// changed in place where that is possible, and replaced where not (names and limits of a subsystem, the address of a port, storage and
    /// identifiers of a namespace).
    ///
    /// # Errors
    /// Names or numbers that are there twice, and the discovery service's name; found before anything is changed.
    pub fn apply(&self, layout: Layout) -> Result<(), ChangeError> {
        let mut subsystems = BTreeMap::new();
        for subsystem in layout.subsystems {
            self.not_discovery(&subsystem.nqn)?;
            let nqn = subsystem.nqn.clone();
            if subsystems.insert(nqn.clone(), subsystem).is_some() {
                return Err(ChangeError::SubsystemExists { nqn });
            }
        }
        let mut ports = BTreeMap::new();
        for port in layout.ports {
            port.exports.iter().try_for_each(|nqn| self.not_discovery(nqn))?;
            let id = port.id;
            if ports.insert(id, port).is_some() {
                return Err(ChangeError::PortExists { port: id });
            }
        }
        let present = self.layout();
        for port in present.ports.iter().filter(|port| !ports.contains_key(&port.id)) {
            self.remove_port(port.id)?;
        }
        for subsystem in
            present.subsystems.iter().filter(|subsystem| !subsystems.contains_key(&subsystem.nqn))
        {
            self.remove_subsystem(&subsystem.nqn)?;
        }
        let mut before: BTreeMap<SubsysNqn, Subsystem> =
            present.subsystems.into_iter().map(|subsystem| (subsystem.nqn.clone(), subsystem)).collect();
        for (nqn, wanted) in subsystems {
            self.apply_subsystem(before.remove(&nqn), wanted)?;
        }
        let mut before: BTreeMap<PortId, Port> =
            present.ports.into_iter().map(|port| (port.id, port)).collect();
        for (id, wanted) in ports {
            self.apply_port(before.remove(&id), wanted)?;
        }
        Ok(())
    }

    fn apply_subsystem(&self, present: Option<Subsystem>, wanted: Subsystem) -> Result<(), ChangeError> {
        let nqn = wanted.nqn.clone();
        let Some(present) = present else { return self.add_subsystem(wanted) };
        let fixed =
            |s: &Subsystem| (s.serial.clone(), s.model.clone(), s.firmware.clone(), s.queues, s.cntlids);
        if fixed(&present) != fixed(&wanted) {
            self.remove_subsystem(&nqn)?;
            return self.add_subsystem(wanted);
        }
        for nsid in present.namespaces.keys().filter(|nsid| !wanted.namespaces.contains_key(nsid)) {
            self.remove_namespace(&nqn, *nsid)?;
        }
        for (nsid, namespace) in wanted.namespaces {
            match self.namespace(&nqn, nsid) {
                Ok((_, state)) if same_storage(&state, &namespace) => {
                    self.set_ana_group(&nqn, nsid, namespace.ana_group)?;
                    self.set_write_protect(&nqn, nsid, namespace.protection)?;
                    self.namespace_resized(&nqn, nsid)?;
                }
                Ok(_) => {
                    self.remove_namespace(&nqn, nsid)?;
                    self.add_namespace(&nqn, namespace)?;
                }
                Err(_) => self.add_namespace(&nqn, namespace)?,
            }
        }
        if present.hosts != wanted.hosts {
            self.set_hosts(&nqn, wanted.hosts)?;
        }
        Ok(())
    }

    fn apply_port(&self, present: Option<Port>, wanted: Port) -> Result<(), ChangeError> {
        let id = wanted.id;
        let Some(present) = present else { return self.add_port(wanted) };
        if present.address != wanted.address {
            self.remove_port(id)?;
            return self.add_port(wanted);
        }
        for nqn in present.exports.difference(&wanted.exports) {
            self.withdraw(id, nqn)?;
        }
        for nqn in wanted.exports.difference(&present.exports) {
            self.export(id, nqn)?;
        }
        for referral in present.referrals.difference(&wanted.referrals) {
            self.remove_referral(id, referral)?;
        }
        for referral in wanted.referrals.difference(&present.referrals) {
            self.add_referral(id, referral.clone())?;
        }
        let groups: BTreeSet<_> = present.ana.keys().chain(wanted.ana.keys()).collect();
        for group in groups {
            self.set_ana_state(id, *group, wanted.ana.get(group).copied().unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Whether the namespace needs no other state: storage and identifiers are those it has.
fn same_storage(state: &NamespaceState, wanted: &Namespace) -> bool {
    let present = state.configured().clone();
    present.ana_group(wanted.ana_group).write_protect(wanted.protection) == *wanted
}
