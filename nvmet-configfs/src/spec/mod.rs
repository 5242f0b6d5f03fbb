//! What a target should look like, as plain data.
//!
//! Parts are valid by their types; [`TargetSpec::validate`] checks what only the whole can tell, and
//! [`diff`](crate::diff()) what only the target it meets can. `None` means "leave it as the kernel has it" throughout.

mod namespace;
mod port;
mod problem;
mod subsystem;

use std::collections::BTreeMap;

use nvme_proto::{HostNqn, SubsysNqn};

pub use namespace::{
    Buffering, DevicePath, DevicePathError, NamespaceSpec, Nguid, NguidError, NsUuid, NsUuidError,
};
pub use port::{PortId, PortIdError, PortSpec, PortTransport};
pub use problem::{SpecError, SpecProblem};
pub use subsystem::{HostAccess, Model, Serial, SubsystemSpec, TextError};

/// Most namespaces of a subsystem. Source: `drivers/nvme/target/nvmet.h:NVMET_MAX_NAMESPACES`.
pub const MAX_NAMESPACES: usize = 1024;

/// The wanted state of a target.
///
/// What the target holds beyond it is foreign: left alone or removed, as the [`Policy`](crate::Policy) says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetSpec {
    /// Hosts that are defined, so that subsystems can permit them.
    pub hosts: BTreeMap<HostNqn, HostSpec>,
    /// Subsystems by their NQN.
    pub subsystems: BTreeMap<SubsysNqn, SubsystemSpec>,
    /// Ports by their number.
    pub ports: BTreeMap<PortId, PortSpec>,
}

/// A defined host. It has no settings here; keys that a host on the target has are left as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostSpec {}

impl TargetSpec {
    /// A target without anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this host defined.
    #[must_use]
    pub fn host(mut self, nqn: HostNqn) -> Self {
        self.hosts.insert(nqn, HostSpec::default());
        self
    }

    /// With this subsystem.
    #[must_use]
    pub fn subsystem(mut self, nqn: SubsysNqn, subsystem: SubsystemSpec) -> Self {
        self.subsystems.insert(nqn, subsystem);
        self
    }

    /// With this port.
    #[must_use]
    pub fn port(mut self, id: PortId, port: PortSpec) -> Self {
        self.ports.insert(id, port);
        self
    }

    /// Checks what can be checked without a target: the discovery NQN as a subsystem, more than [`MAX_NAMESPACES`], two
    /// ports that would listen at the same place.
    ///
    /// Whether the hosts and subsystems that are referred to exist depends on the target too;
    /// [`diff`](crate::diff()) checks it.
    ///
    /// # Errors
    /// All problems at once.
    pub fn validate(&self) -> Result<(), SpecError> {
        let mut problems = Vec::new();
        for (nqn, subsystem) in &self.subsystems {
            if nqn.is_discovery() {
                problems.push(SpecProblem::DiscoverySubsystem);
            }
            let count = subsystem.namespaces.len();
            if count > MAX_NAMESPACES {
                problems.push(SpecProblem::TooManyNamespaces { subsystem: nqn.clone(), count });
            }
        }
        let ports: Vec<_> = self.ports.iter().filter(|(_, p)| !p.subsystems.is_empty()).collect();
        for (i, (first, a)) in ports.iter().enumerate() {
            for (second, b) in ports.iter().skip(i + 1) {
                if a.transport.collides_with(&b.transport) {
                    problems.push(SpecProblem::SameAddress {
                        first: **first,
                        second: **second,
                        address: a.transport.clone(),
                    });
                }
            }
        }
        SpecError::from_problems(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nvme_proto::Nsid;

    fn nqn(s: &str) -> SubsysNqn {
        s.parse().unwrap()
    }

    #[test]
    fn finds_all_problems_at_once() {
        let mut crowded = SubsystemSpec::any_host();
        for nsid in 1..=1025 {
            let namespace = NamespaceSpec::new("/dev/sdb".parse().unwrap());
            crowded = crowded.namespace(Nsid::new(nsid).unwrap(), namespace);
        }
        let port = |a: &str| PortSpec::tcp(a.parse().unwrap(), 4420).export(nqn("s"));
        let spec = TargetSpec::new()
            .subsystem(nqn("s"), crowded)
            .subsystem(SubsysNqn::discovery(), SubsystemSpec::any_host())
            .port(PortId(1), port("192.0.2.1"))
            .port(PortId(2), port("0.0.0.0"));
        let error = spec.validate().unwrap_err();
        assert_eq!(error.problems.len(), 3, "{error}");
        let text = error.to_string();
        assert!(text.contains("1025 namespaces") && text.contains("ports 1 and 2"), "{text}");
    }

    #[test]
    fn ports_that_export_nothing_do_not_listen() {
        let port = PortSpec::tcp("192.0.2.1".parse().unwrap(), 4420);
        let spec = TargetSpec::new().port(PortId(1), port.clone()).port(PortId(2), port);
        spec.validate().unwrap();
    }
}
