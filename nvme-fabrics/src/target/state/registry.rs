//! Subsystems and ports of a target, and what the discovery log says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nvme_proto::discovery::{DiscoveryEntry, EntryFlags, SubsystemType};
use nvme_proto::{HostNqn, IpTraddr, SubsysNqn};

use super::{PortState, SubsystemState};
use crate::target::config::{Port, PortId, Referral};

/// A port with what it offers.
#[derive(Debug)]
pub(crate) struct PortEntry {
    pub(crate) state: Arc<PortState>,
    /// As configured.
    pub(crate) address: SocketAddr,
    pub(crate) exports: BTreeSet<SubsysNqn>,
    pub(crate) referrals: BTreeSet<Referral>,
}

impl PortEntry {
    pub(crate) fn new(port: Port) -> Self {
        Self {
            state: Arc::new(PortState::new(port.id, &port.ana)),
            address: port.address,
            exports: port.exports,
            referrals: port.referrals,
        }
    }

    /// The value that makes such a port, as it is now.
    pub(crate) fn config(&self) -> Port {
        Port {
            id: self.state.id,
            address: self.address,
            exports: self.exports.clone(),
            ana: self.state.ana_set(),
            referrals: self.referrals.clone(),
        }
    }

    /// Where hosts connect, as one is told that connected to `local`.
    fn told(&self, bound: Option<&SocketAddr>, local: Option<SocketAddr>) -> (IpAddr, u16) {
        let bound = bound.unwrap_or(&self.address);
        let port = if self.address.port() == 0 { bound.port() } else { self.address.port() };
        let ip = match local.map(|local| local.ip().to_canonical()) {
            // The address the host is known to reach, where it is of no other family than those the port takes.
            Some(ip) if self.address.ip().is_unspecified() && (ip.is_ipv4() || self.address.is_ipv6()) => ip,
            _ => self.address.ip(),
        };
        (ip, port)
    }
}

/// Whom a discovery log is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiscoveryView<'a> {
    pub(crate) host: &'a HostNqn,
    /// The port the host connected to.
    pub(crate) port: PortId,
    /// The address it connected to.
    pub(crate) local: Option<SocketAddr>,
}

/// Which ports a discovery log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiscoveryScope {
    /// All.
    AllPorts,
    /// The one the host connected to.
    ThisPort,
}

/// Everything a target has.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) subsystems: BTreeMap<SubsysNqn, Arc<SubsystemState>>,
    pub(crate) ports: BTreeMap<PortId, PortEntry>,
    /// Where ports listen, as far as that is known.
    pub(crate) bound: BTreeMap<PortId, SocketAddr>,
    /// Changes that a discovery log may show, counted.
    pub(crate) generation: u64,
}

impl Registry {
    /// The entries of the discovery log: the discovery service, this port first; the subsystems this host may connect to; the other discovery
    /// services.
    pub(crate) fn discovery(
        &self,
        view: DiscoveryView<'_>,
        scope: DiscoveryScope,
        discovery_nqn: &SubsysNqn,
        admin_queue: u16,
    ) -> Vec<DiscoveryEntry> {
        let mut entries = Vec::new();
        let mut ports: Vec<&PortEntry> = self
            .ports
            .values()
            .filter(|port| scope == DiscoveryScope::AllPorts || port.state.id == view.port)
            .collect();
        ports.sort_by_key(|port| port.state.id != view.port);
        let entry = |kind, nqn: &SubsysNqn, (ip, svc): (IpAddr, u16), port: PortId| {
            let mut entry = DiscoveryEntry::tcp(kind, nqn, &IpTraddr::new(ip), svc);
            entry.set_port_id(port.0);
            entry.set_admin_queue_size(admin_queue);
            entry
        };
        let told = |port: &PortEntry| port.told(self.bound.get(&port.state.id), view.local);
        for port in &ports {
            let id = port.state.id;
            let kind = SubsystemType::CURRENT_DISCOVERY;
            let mut current = entry(kind, discovery_nqn, told(port), id);
            if id != view.port {
                current.set_flags(EntryFlags::DUPLICATE_INFORMATION);
            }
            entries.push(current);
        }
        for port in &ports {
            for nqn in &port.exports {
                if self.subsystems.get(nqn).is_some_and(|subsystem| subsystem.allows(view.host)) {
                    entries.push(entry(SubsystemType::NVM, nqn, told(port), port.state.id));
                }
            }
        }
        let referrals: BTreeSet<&Referral> = ports.iter().flat_map(|port| &port.referrals).collect();
        for referral in referrals {
            let place = (referral.address.ip(), referral.address.port());
            entries.push(entry(SubsystemType::REFERRAL, &referral.nqn, place, referral.port));
        }
        entries
    }
}

/// By what a log is told from one that says something else.
pub(crate) fn fingerprint(entries: &[DiscoveryEntry]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for entry in entries {
        entry.as_bytes().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::ControllerKind;
    use super::*;
    use crate::target::config::Subsystem;

    fn nqn(name: &str) -> SubsysNqn {
        SubsysNqn::new(format!("nqn.2014-08.org.example:{name}")).unwrap()
    }

    fn host(name: &str) -> HostNqn {
        HostNqn::new(format!("nqn.2014-08.org.example:{name}")).unwrap()
    }

    fn registry() -> Registry {
        let mut registry = Registry::default();
        for subsystem in [
            Subsystem::new(nqn("any")).allow_any_host(),
            Subsystem::new(nqn("one")).allow(host("a")),
            Subsystem::new(nqn("none")),
        ] {
            let state = SubsystemState::new(ControllerKind::Io, subsystem);
            registry.subsystems.insert(state.config.nqn.clone(), Arc::new(state));
        }
        let first = Port::tcp(PortId(1), "192.0.2.1:4420".parse().unwrap())
            .export(nqn("any"))
            .export(nqn("one"))
            .export(nqn("none"))
            .referral(Referral::tcp("192.0.2.9:8009".parse().unwrap()));
        let second = Port::tcp(PortId(2), "0.0.0.0:0".parse().unwrap()).export(nqn("any"));
        for port in [first, second] {
            registry.ports.insert(port.id, PortEntry::new(port));
        }
        registry.bound.insert(PortId(2), "0.0.0.0:5555".parse().unwrap());
        registry
    }

    /// The log as lines.
    fn log(registry: &Registry, name: &str, port: u16, scope: DiscoveryScope) -> Vec<String> {
        let host = host(name);
        let local = Some("[::ffff:192.0.2.7]:5555".parse().unwrap());
        let view = DiscoveryView { host: &host, port: PortId(port), local };
        let entries = registry.discovery(view, scope, &nqn("discovery"), 128);
        entries
            .iter()
            .map(|e| {
                let name = e.subnqn_text();
                let name = name.rsplit(':').next().unwrap_or_default();
                format!(
                    "{} {name} {}:{} {} {}",
                    e.subsystem_type().0,
                    e.traddr_text(),
                    e.trsvcid_text(),
                    e.port_id(),
                    e.flags().0
                )
            })
            .collect()
    }

    #[test]
    fn a_host_is_told_what_it_may_connect_to() {
        let registry = registry();
        let all = DiscoveryScope::AllPorts;
        assert_eq!(
            log(&registry, "a", 1, all),
            [
                "3 discovery 192.0.2.1:4420 1 0",
                "3 discovery 192.0.2.7:5555 2 1",
                "2 any 192.0.2.1:4420 1 0",
                "2 one 192.0.2.1:4420 1 0",
                "2 any 192.0.2.7:5555 2 0",
                "1 nqn.2014-08.org.nvmexpress.discovery 192.0.2.9:8009 0 0",
            ]
        );
        assert_eq!(
            log(&registry, "b", 2, all),
            [
                "3 discovery 192.0.2.7:5555 2 0",
                "3 discovery 192.0.2.1:4420 1 1",
                "2 any 192.0.2.7:5555 2 0",
                "2 any 192.0.2.1:4420 1 0",
                "1 nqn.2014-08.org.nvmexpress.discovery 192.0.2.9:8009 0 0",
            ]
        );
        assert_eq!(
            log(&registry, "b", 2, DiscoveryScope::ThisPort),
            ["3 discovery 192.0.2.7:5555 2 0", "2 any 192.0.2.7:5555 2 0"]
        );
    }

    #[test]
    fn logs_that_differ_are_told_apart() {
        let registry = registry();
        let print = |name: &str| {
            let host = host(name);
            let view = DiscoveryView { host: &host, port: PortId(1), local: None };
            fingerprint(&registry.discovery(view, DiscoveryScope::AllPorts, &nqn("discovery"), 128))
        };
        assert_eq!(print("b"), print("c"));
        assert_ne!(print("a"), print("b"));
    }
}
