//! Who is connected.

use nvme_proto::{Cntlid, HostId, HostNqn, SubsysNqn};
use std::net::SocketAddr;
use std::time::Duration;

use super::Target;
use crate::target::config::PortId;
use crate::target::state::lock;

/// A host that is connected: one association, with its controller.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Association {
    /// What it is connected to.
    pub subsystem: SubsysNqn,
    /// Its controller.
    pub cntlid: Cntlid,
    /// The host.
    pub host: HostNqn,
    /// Its identifier; all zero for none.
    pub host_id: HostId,
    /// The port it connected to.
    pub port: PortId,
    /// The address it connected to.
    pub local: Option<SocketAddr>,
    /// I/O queues that are connected.
    pub io_queues: usize,
    /// Its keep-alive time-out; `None` without.
    pub keep_alive: Option<Duration>,
    /// Whether its controller is enabled and ready.
    pub ready: bool,
}

impl Target {
    /// Who is connected, to subsystems in the order of their names and to the discovery service.
    #[must_use]
    pub fn associations(&self) -> Vec<Association> {
        let subsystems: Vec<_> = {
            let registry = lock(&self.shared.registry);
            registry.subsystems.values().chain([&self.shared.discovery]).cloned().collect()
        };
        let controllers = subsystems.iter().flat_map(|subsystem| subsystem.controllers());
        let told = |controller: std::sync::Arc<crate::target::state::Controller>| {
            let millis = controller.keep_alive_millis();
            Association {
                subsystem: controller.subsystem.config.nqn.clone(),
                cntlid: controller.cntlid,
                host: controller.hostnqn.clone(),
                host_id: controller.host_id,
                port: controller.port.id,
                local: controller.local,
                io_queues: controller.io_queues(),
                keep_alive: (millis != 0).then(|| Duration::from_millis(millis.into())),
                ready: controller.is_ready(),
            }
        };
        controllers.map(told).collect()
    }
}
