//! Changes while a target runs.

use std::net::SocketAddr;
use std::sync::Arc;

use nvme_proto::feature::WriteProtectionState;
use nvme_proto::{Cntlid, HostNqn, Nsid, SubsysNqn};

use super::{ChangeError, Target};
use crate::target::config::{
    AnaGroup, AnaState, Hosts, Namespace, Port, PortId, Referral, Subsystem, WriteProtect,
};
use crate::target::connection::Termination;
use crate::target::state::{ControllerKind, NamespaceState, PortEntry, Registry, SubsystemState, lock};

impl Target {
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Registry) -> Result<T, ChangeError>,
    ) -> Result<T, ChangeError> {
        change(&mut lock(&self.shared.registry))
    }

    /// A change that the discovery log may show.
    fn change_told<T>(
        &self,
        change: impl FnOnce(&mut Registry) -> Result<T, ChangeError>,
    ) -> Result<T, ChangeError> {
        self.change(|registry| {
            let result = change(registry)?;
            self.shared.discovery_changed(registry);
            Ok(result)
        })
    }

    fn subsystem(&self, nqn: &SubsysNqn) -> Result<Arc<SubsystemState>, ChangeError> {
        self.change(|registry| find(registry, nqn))
    }

    pub(super) fn namespace(
        &self,
        nqn: &SubsysNqn,
        nsid: Nsid,
    ) -> Result<(Arc<SubsystemState>, Arc<NamespaceState>), ChangeError> {
        let subsystem = self.subsystem(nqn)?;
        match subsystem.namespace(nsid.get()) {
            Some(namespace) => Ok((subsystem, namespace)),
            None => Err(ChangeError::NoNamespace { nqn: nqn.clone(), nsid }),
        }
    }

    /// Adds a subsystem. Hosts find it when a port exports it; that it is not there yet does not keep a port from exporting it.
    ///
    /// # Errors
    /// [`ChangeError::SubsystemExists`], [`ChangeError::DiscoveryName`].
    pub fn add_subsystem(&self, subsystem: Subsystem) -> Result<(), ChangeError> {
        self.change_told(|registry| {
            self.not_discovery(&subsystem.nqn)?;
            let nqn = subsystem.nqn.clone();
            if registry.subsystems.contains_key(&nqn) {
                return Err(ChangeError::SubsystemExists { nqn });
            }
            let state = SubsystemState::new(ControllerKind::Io, subsystem);
            registry.subsystems.insert(nqn, Arc::new(state));
            Ok(())
        })
    }

    /// Removes a subsystem and ends its associations. Ports that export it go on to name it.
    ///
    /// # Errors
    /// [`ChangeError::NoSubsystem`].
    pub fn remove_subsystem(&self, nqn: &SubsysNqn) -> Result<(), ChangeError> {
        let removed = self.change_told(|registry| {
            registry.subsystems.remove(nqn).ok_or_else(|| ChangeError::NoSubsystem { nqn: nqn.clone() })
        })?;
        removed.close(Termination::SubsystemRemoved);
        Ok(())
    }

    /// Adds a namespace. Hosts are told (Namespace Attribute Changed).
    ///
    /// # Errors
    /// [`ChangeError::NoSubsystem`], [`ChangeError::NamespaceExists`].
    pub fn add_namespace(&self, nqn: &SubsysNqn, namespace: Namespace) -> Result<(), ChangeError> {
        let nsid = namespace.nsid;
        if self.subsystem(nqn)?.add_namespace(namespace) {
            Ok(())
        } else {
            Err(ChangeError::NamespaceExists { nqn: nqn.clone(), nsid })
        }
    }

    /// Removes a namespace. Hosts are told; commands that its storage has begun are finished.
    ///
    /// # Errors
    /// [`ChangeError::NoSubsystem`], [`ChangeError::NoNamespace`].
    pub fn remove_namespace(&self, nqn: &SubsysNqn, nsid: Nsid) -> Result<(), ChangeError> {
        let removed = self.subsystem(nqn)?.remove_namespace(nsid);
        removed.map(drop).ok_or_else(|| ChangeError::NoNamespace { nqn: nqn.clone(), nsid })
    }

    /// Looks at the size of a namespace's storage. If it is another one than hosts were told of, they are told.
    ///
    /// # Errors
    /// [`ChangeError::NoSubsystem`], [`ChangeError::NoNamespace`].
    #[doc(alias = "revalidate_size")]
    pub fn namespace_resized(&self, nqn: &SubsysNqn, nsid: Nsid) -> Result<(), ChangeError> {
        let (subsystem, namespace) = self.namespace(nqn, nsid)?;
        if namespace.resized() {
            subsystem.namespace_changed(nsid);
        }
        Ok(())
    }

    /// Protects a namespace from writes, or lifts the protection. Hosts are told.
    ///
    /// # Errors
    /// [`ChangeError::NoSubsystem`], [`ChangeError::NoNamespace`].
    pub fn set_write_protect(
        &self,
        nqn: &SubsysNqn,
        nsid: Nsid,
        protection: WriteProtect,
    ) -> Result<(), ChangeError> {
        let (subsystem, namespace) = self.namespace(nqn, nsid)?;
        let state = match protection {
            WriteProtect::None => WriteProtectionState::NONE,
            WriteProtect::Protected => WriteProtectionState::PROTECTED,
            WriteProtect::Permanent => WriteProtectionState::PERMANENT,
        };
        if namespace.set_protection(state) {
            subsystem.namespace_changed(nsid);
        }
        Ok(())
    }

    /// Puts a namespace into another group of asymmetric access. Hosts are told (Asymmetric Namespace Access Change).
    ///
    /// # Errors
    /// [`ChangeError::NoSubsystem`], [`ChangeError::NoNamespace`].
    pub fn set_ana_group(&self, nqn: &SubsysNqn, nsid: Nsid, group: AnaGroup) -> Result<(), ChangeError> {
        let (subsystem, namespace) = self.namespace(nqn, nsid)?;
        if namespace.set_group(group) {
            subsystem.ana_changed(None);
        }
        Ok(())
    }

    /// Says how a group is reached over a port. Hosts that are connected there are told (Asymmetric Namespace Access Change).
    ///
    /// # Errors
    /// [`ChangeError::NoPort`].
    #[doc(alias = "ana_state")]
    pub fn set_ana_state(&self, port: PortId, group: AnaGroup, state: AnaState) -> Result<(), ChangeError> {
        self.change(|registry| {
            if find_port(registry, port)?.state.set_ana(group, state) {
                let has_group = |subsystem: &&Arc<SubsystemState>| {
                    subsystem.namespaces().values().any(|namespace| namespace.group() == group)
                };
                for subsystem in registry.subsystems.values().filter(has_group) {
                    subsystem.ana_changed(Some(port));
                }
            }
            Ok(())
        })
    }

    /// Says who may connect to a subsystem. Associations of those that may no longer are ended.
    ///
    /// # Errors
    /// [`ChangeError::NoSubsystem`].
    pub fn set_hosts(&self, nqn: &SubsysNqn, hosts: Hosts) -> Result<(), ChangeError> {
        self.change_told(|registry| {
            find(registry, nqn)?.set_hosts(hosts);
            Ok(())
        })
    }

    /// Lets a host connect, beside those that may already.
    ///
    /// # Errors
    /// [`ChangeError::NoSubsystem`].
    pub fn allow_host(&self, nqn: &SubsysNqn, host: HostNqn) -> Result<(), ChangeError> {
        self.change_told(|registry| {
            let subsystem = find(registry, nqn)?;
            if let Hosts::Only(mut hosts) = subsystem.hosts() {
                hosts.insert(host);
                subsystem.set_hosts(Hosts::Only(hosts));
            }
            Ok(())
        })
    }

    /// Lets a host connect no longer, and ends its associations.
    ///
    /// # Errors
    /// [`ChangeError::NoSubsystem`], [`ChangeError::EveryHostAllowed`].
    pub fn revoke_host(&self, nqn: &SubsysNqn, host: &HostNqn) -> Result<(), ChangeError> {
        self.change_told(|registry| {
            let subsystem = find(registry, nqn)?;
            let Hosts::Only(mut hosts) = subsystem.hosts() else {
                return Err(ChangeError::EveryHostAllowed { nqn: nqn.clone(), host: host.clone() });
            };
            hosts.remove(host);
            subsystem.set_hosts(Hosts::Only(hosts));
            Ok(())
        })
    }

    /// Adds a port. It is the server that listens at its address.
    ///
    /// # Errors
    /// [`ChangeError::PortExists`], [`ChangeError::DiscoveryName`] for a port that exports that name.
    pub fn add_port(&self, port: Port) -> Result<(), ChangeError> {
        self.change_told(|registry| {
            if registry.ports.contains_key(&port.id) {
                return Err(ChangeError::PortExists { port: port.id });
            }
            port.exports.iter().try_for_each(|nqn| self.not_discovery(nqn))?;
            registry.ports.insert(port.id, PortEntry::new(port));
            Ok(())
        })
    }

    /// Removes a port and ends the associations made there.
    ///
    /// # Errors
    /// [`ChangeError::NoPort`].
    pub fn remove_port(&self, port: PortId) -> Result<(), ChangeError> {
        self.change_told(|registry| {
            registry.ports.remove(&port).ok_or(ChangeError::NoPort { port })?;
            for subsystem in registry.subsystems.values().chain([&self.shared.discovery]) {
                for controller in subsystem.controllers() {
                    if controller.port.id == port {
                        controller.terminate(Termination::PortRemoved);
                    }
                }
            }
            Ok(())
        })
    }

    /// Lets hosts find a subsystem at a port.
    ///
    /// # Errors
    /// [`ChangeError::NoPort`], [`ChangeError::DiscoveryName`].
    pub fn export(&self, port: PortId, nqn: &SubsysNqn) -> Result<(), ChangeError> {
        self.change_told(|registry| {
            self.not_discovery(nqn)?;
            find_port(registry, port)?.exports.insert(nqn.clone());
            Ok(())
        })
    }

    /// Lets hosts find a subsystem at a port no longer, and ends its associations made there.
    ///
    /// # Errors
    /// [`ChangeError::NoPort`].
    pub fn withdraw(&self, port: PortId, nqn: &SubsysNqn) -> Result<(), ChangeError> {
        self.change_told(|registry| {
            find_port(registry, port)?.exports.remove(nqn);
            for controller in registry.subsystems.get(nqn).map_or(Vec::new(), |s| s.controllers()) {
                if controller.port.id == port {
                    controller.terminate(Termination::Withdrawn);
                }
            }
            Ok(())
        })
    }

    /// Tells hosts at a port of another discovery service.
    ///
    /// # Errors
    /// [`ChangeError::NoPort`].
    pub fn add_referral(&self, port: PortId, referral: Referral) -> Result<(), ChangeError> {
        self.change_told(|registry| {
            find_port(registry, port)?.referrals.insert(referral);
            Ok(())
        })
    }

    /// Tells hosts at a port no longer of another discovery service.
    ///
    /// # Errors
    /// [`ChangeError::NoPort`].
    pub fn remove_referral(&self, port: PortId, referral: &Referral) -> Result<(), ChangeError> {
        self.change_told(|registry| {
            find_port(registry, port)?.referrals.remove(referral);
            Ok(())
        })
    }

    /// Says where a port listens: what hosts are told when its address leaves that open (port 0). It may be said before the port is added. The
    /// server says it by itself.
    pub fn set_address(&self, port: PortId, address: SocketAddr) {
        let mut registry = lock(&self.shared.registry);
        if registry.bound.insert(port, address) != Some(address) {
            self.shared.discovery_changed(&mut registry);
        }
    }

    /// Ends an association. The host may connect again.
    ///
    /// # Errors
    /// [`ChangeError::NoSubsystem`], [`ChangeError::NoAssociation`].
    pub fn disconnect(&self, nqn: &SubsysNqn, cntlid: Cntlid) -> Result<(), ChangeError> {
        let subsystem = if nqn.is_discovery() { self.shared.discovery.clone() } else { self.subsystem(nqn)? };
        match subsystem.controller(cntlid) {
            Some(controller) => {
                controller.terminate(Termination::Requested);
                Ok(())
            }
            None => Err(ChangeError::NoAssociation { nqn: nqn.clone(), cntlid }),
        }
    }

    pub(super) fn not_discovery(&self, nqn: &SubsysNqn) -> Result<(), ChangeError> {
        if nqn.is_discovery() || *nqn == self.shared.discovery_nqn {
            return Err(ChangeError::DiscoveryName { nqn: nqn.clone() });
        }
        Ok(())
    }
}

fn find(registry: &Registry, nqn: &SubsysNqn) -> Result<Arc<SubsystemState>, ChangeError> {
    registry.subsystems.get(nqn).cloned().ok_or_else(|| ChangeError::NoSubsystem { nqn: nqn.clone() })
}

fn find_port(registry: &mut Registry, port: PortId) -> Result<&mut PortEntry, ChangeError> {
    registry.ports.get_mut(&port).ok_or(ChangeError::NoPort { port })
}
