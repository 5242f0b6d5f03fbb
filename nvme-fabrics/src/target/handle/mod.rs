//! The handle of a target: what its owner does with it.
//!
//! | file | what |
//! |---|---|
//! | this | [`Target`] and what is behind it |
//! | `change` | changes while it runs |
//! | `error` | [`ChangeError`]: why one cannot be made |
//! | `apply` | [`Layout`]: all of it at once |
//! | `association` | [`Association`]: who is connected |

mod apply;
mod association;
mod change;
mod error;

use std::sync::{Arc, Mutex};

use nvme_proto::SubsysNqn;
use nvme_proto::discovery::DiscoveryEntry;

pub use apply::Layout;
pub use association::Association;
pub use error::ChangeError;

use super::config::{PortId, Settings, Subsystem};
use super::connection::{Connection, Endpoint};
use super::state::{
    Controller, ControllerKind, DiscoveryScope, DiscoveryView, Event, PortState, Registry, SubsystemState,
    fingerprint, lock,
};
use crate::net::Clock;

/// A target: subsystems at ports, and the hosts that are connected to them.
///
/// It answers commands and does no input or output: a server brings it connections. Clones are handles of the same target. Everything can be
/// changed while hosts are connected; a change takes effect at once, the hosts concerned are told by asynchronous events, and associations of
/// hosts that may no longer connect are ended.
///
/// ```
/// use nvme_fabrics::target::backend::Memory;
/// use nvme_fabrics::target::{Namespace, Port, PortId, Subsystem, Target};
/// use nvme_proto::{HostNqn, Nsid, SubsysNqn};
/// use std::sync::Arc;
///
/// let nqn = SubsysNqn::new("nqn.2014-08.org.example:disk")?;
/// let target = Target::new();
/// let disk = Namespace::new(Nsid::ONE, Arc::new(Memory::new(64 << 20)?));
/// target.add_subsystem(Subsystem::new(nqn.clone()).namespace(disk)?)?;
/// target.add_port(Port::tcp(PortId(1), ([127, 0, 0, 1], 4420).into()).export(nqn.clone()))?;
/// target.allow_host(&nqn, HostNqn::new("nqn.2014-08.org.example:host")?)?;
/// assert_eq!(target.associations(), []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Target {
    pub(crate) shared: Arc<Shared>,
}

/// What is behind the handles.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    /// The name that the discovery log and Identify say.
    discovery_nqn: SubsysNqn,
    discovery: Arc<SubsystemState>,
    registry: Mutex<Registry>,
    clock: Clock,
}

impl Target {
    /// A target without subsystems and ports.
    #[must_use]
    pub fn new() -> Self {
        Self::with_settings(Settings::new())
    }

    /// A target without subsystems and ports, with these settings.
    #[must_use]
    pub fn with_settings(settings: Settings) -> Self {
        let discovery_nqn = settings.discovery_nqn.clone().unwrap_or_else(SubsysNqn::discovery);
        let config = Subsystem::new(discovery_nqn.clone()).allow_any_host();
        let discovery = Arc::new(SubsystemState::new(ControllerKind::Discovery, config));
        let registry = Mutex::default();
        let clock = Clock::new();
        Self { shared: Arc::new(Shared { settings, discovery_nqn, discovery, registry, clock }) }
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Its clock.
    pub(crate) fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// A host has connected. Whether its port exists, and what it finds there, is looked at when it sends Connect.
    pub(crate) fn open(&self, endpoint: Endpoint) -> Connection {
        Connection::new(self.shared.clone(), endpoint)
    }
}

impl Default for Target {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    /// The subsystem that a host finds under this name at this port.
    pub(crate) fn find(
        &self,
        port: PortId,
        nqn: &SubsysNqn,
    ) -> Option<(Arc<SubsystemState>, Arc<PortState>)> {
        let registry = lock(&self.registry);
        let port = registry.ports.get(&port)?;
        let subsystem = if nqn.is_discovery() || *nqn == self.discovery_nqn {
            &self.discovery
        } else {
            registry.subsystems.get(port.exports.get(nqn)?)?
        };
        Some((subsystem.clone(), port.state.clone()))
    }

    /// Whether a subsystem is still found at this port.
    pub(crate) fn is_exported(&self, port: PortId, subsystem: &Arc<SubsystemState>) -> bool {
        self.find(port, &subsystem.config.nqn).is_some_and(|(found, _)| Arc::ptr_eq(&found, subsystem))
    }

    /// The discovery log of a controller, and the number of changes so far.
    pub(crate) fn discovery(
        &self,
        controller: &Controller,
        scope: DiscoveryScope,
    ) -> (u64, Vec<DiscoveryEntry>) {
        let registry = lock(&self.registry);
        (registry.generation, self.entries(&registry, controller, scope))
    }

    fn entries(
        &self,
        registry: &Registry,
        controller: &Controller,
        scope: DiscoveryScope,
    ) -> Vec<DiscoveryEntry> {
        let view =
            DiscoveryView { host: &controller.hostnqn, port: controller.port.id, local: controller.local };
        registry.discovery(view, scope, &self.discovery_nqn, self.settings.queue_entries)
    }

    /// A discovery controller was made: what its log says now is what its host is not told of again.
    pub(crate) fn watch_discovery(&self, controller: &Controller) {
        if controller.kind == ControllerKind::Discovery {
            let registry = lock(&self.registry);
            let print = fingerprint(&self.entries(&registry, controller, DiscoveryScope::AllPorts));
            *lock(&controller.discovery) = print;
        }
    }

    /// The discovery log may have changed: hosts whose own has are told.
    fn discovery_changed(&self, registry: &mut Registry) {
        registry.generation = registry.generation.wrapping_add(1);
        for controller in self.discovery.controllers() {
            let print = fingerprint(&self.entries(registry, &controller, DiscoveryScope::AllPorts));
            if std::mem::replace(&mut *lock(&controller.discovery), print) != print {
                controller.raise(Event::Discovery);
            }
        }
    }
}
