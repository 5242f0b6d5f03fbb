//! What a target should look like, as plain data.
//!
//! Parts are valid by their types; [`TargetSpec::validate`] checks what only the whole can tell, and
//! [`diff`](crate::diff()) what only the target it meets can. `None` means "leave it as the kernel has it" throughout.

mod ana;
mod host;
mod namespace;
mod passthru;
mod port;
mod problem;
mod referral;
mod settings;
mod subsystem;

use std::collections::BTreeMap;

use nvme_proto::{HostNqn, SubsysNqn};

use crate::object::Object;

pub use ana::{AnaGroupId, AnaGroupIdError, AnaState, AnaStateError};
pub use host::HostSpec;
pub use namespace::{
    Buffering, DevicePath, DevicePathError, NamespaceSpec, Nguid, NguidError, NsUuid, NsUuidError,
};
pub use passthru::PassthruSpec;
pub use port::{OtherAddress, PortId, PortIdError, PortSpec, PortTransport};
pub use problem::{SpecError, SpecProblem};
pub use referral::ReferralSpec;
pub use settings::{SettingError, Settings};
pub use subsystem::{Firmware, HostAccess, Model, Serial, SubsystemSpec, TextError};

/// Most namespaces of a subsystem. Source: `drivers/nvme/target/nvmet.h:NVMET_MAX_NAMESPACES`.
pub const MAX_NAMESPACES: usize = 1024;

/// The wanted state of a target.
///
/// What the target holds beyond it is foreign: left alone or removed, as the [`Policy`](crate::Policy) says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetSpec {
    /// Attributes of the target itself (`discovery_nqn`).
    pub settings: Settings,
    /// Hosts that are defined, so that subsystems can permit them.
    pub hosts: BTreeMap<HostNqn, HostSpec>,
    /// Subsystems by their NQN.
    pub subsystems: BTreeMap<SubsysNqn, SubsystemSpec>,
    /// Ports by their number.
    pub ports: BTreeMap<PortId, PortSpec>,
}

impl Default for TargetSpec {
    fn default() -> Self {
        Self::new()
    }
}

settings::with_settings!(TargetSpec);

impl TargetSpec {
    /// A target without anything.
    pub fn new() -> Self {
        Self {
            settings: Settings::of(Object::Root),
            hosts: BTreeMap::new(),
            subsystems: BTreeMap::new(),
            ports: BTreeMap::new(),
        }
    }

    /// With this host defined, its attributes as they are.
    #[must_use]
    pub fn host(mut self, nqn: HostNqn) -> Self {
        self.hosts.entry(nqn).or_default();
        self
    }

    /// With this host and its attributes.
    #[must_use]
    pub fn host_with(mut self, nqn: HostNqn, host: HostSpec) -> Self {
        self.hosts.insert(nqn, host);
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
            let cntlid = |name| subsystem.settings.number(name);
            if let (Some(min), Some(max)) = (cntlid("attr_cntlid_min"), cntlid("attr_cntlid_max"))
                && min > max
            {
                problems.push(SpecProblem::ControllerIds { subsystem: nqn.clone() });
            }
            if subsystem.passthru.as_ref().is_some_and(|p| p.enabled) {
                if !subsystem.namespaces.is_empty() {
                    problems.push(SpecProblem::PassthruWithNamespaces { subsystem: nqn.clone() });
                }
                if subsystem.settings.value("attr_version").is_some() {
                    problems.push(SpecProblem::PassthruWithVersion { subsystem: nqn.clone() });
                }
            }
        }
        for (id, port) in &self.ports {
            let tsas = port.settings.text("addr_tsas");
            if tsas.is_some() && port.transport.trtype() != "tcp" {
                problems.push(SpecProblem::SecurityNotTcp { port: *id });
            }
            if tsas == Some("tls1.3") && port.settings.text("addr_treq") == Some("not specified") {
                problems.push(SpecProblem::RequirementOpen { port: *id });
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
