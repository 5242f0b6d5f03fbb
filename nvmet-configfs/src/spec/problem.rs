//! What can be wrong with a spec as a whole.

use std::fmt;

use nvme_proto::{HostNqn, Nsid, SubsysNqn};

use super::{PortId, PortTransport};
use crate::tree::{Name, RelPath};

/// A spec that cannot be applied: everything that is wrong with it. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpecError {
    /// At least one.
    pub problems: Vec<SpecProblem>,
}

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecProblem {
    /// A subsystem with the well-known discovery NQN.
    #[error(
        "the discovery NQN cannot be a subsystem of its own: every port in service offers discovery by itself"
    )]
    DiscoverySubsystem,
    /// More namespaces than the kernel holds.
    #[error("subsystem {subsystem} has {count} namespaces; the kernel holds 1024 at most")]
    TooManyNamespaces {
        /// The subsystem.
        subsystem: SubsysNqn,
        /// How many it has.
        count: usize,
    },
    /// Two ports that would listen at the same place.
    #[error(
        "ports {first} and {second} would both listen on {address}: give one of them another address or number"
    )]
    SameAddress {
        /// One port.
        first: PortId,
        /// The other.
        second: PortId,
        /// Where the first listens.
        address: PortTransport,
    },
    /// A port of another tool listens there already.
    #[error(
        "port {port} would listen on {address}, where ports/{other} of the target, which this spec does not name, \
         already does"
    )]
    AddressTaken {
        /// The port.
        port: PortId,
        /// Where it would listen.
        address: PortTransport,
        /// Directory name of the other port.
        other: Name,
    },
    /// An exported subsystem that is nowhere.
    #[error("port {port} exports subsystem {subsystem}, which is neither in this spec nor on the target")]
    UnknownSubsystem {
        /// The port.
        port: PortId,
        /// The subsystem.
        subsystem: SubsysNqn,
    },
    /// A host where a subsystem is meant.
    #[error(
        "port {port} exports {name}, which is a host: a host NQN cannot stand in place of a subsystem NQN. Export the \
         subsystem, and permit the host in the subsystem's access"
    )]
    HostAsSubsystem {
        /// The port.
        port: PortId,
        /// The name.
        name: SubsysNqn,
    },
    /// A permitted host that is nowhere.
    #[error(
        "subsystem {subsystem} permits host {host}, which is defined neither in this spec nor on the target: add it with \
         TargetSpec::host"
    )]
    UnknownHost {
        /// The subsystem.
        subsystem: SubsysNqn,
        /// The host.
        host: HostNqn,
    },
    /// The lowest controller id above the highest.
    #[error("subsystem {subsystem} has attr_cntlid_min above attr_cntlid_max")]
    ControllerIds {
        /// The subsystem.
        subsystem: SubsysNqn,
    },
    /// Pass-through and namespaces.
    #[error(
        "subsystem {subsystem} has both namespaces and pass-through enabled: the kernel offers one or the other"
    )]
    PassthruWithNamespaces {
        /// The subsystem.
        subsystem: SubsysNqn,
    },
    /// Pass-through, which sets the version, and another version.
    #[error("subsystem {subsystem} has pass-through enabled, which sets attr_version: leave that out")]
    PassthruWithVersion {
        /// The subsystem.
        subsystem: SubsysNqn,
    },
    /// Pass-through without a controller.
    #[error("subsystem {subsystem} has pass-through enabled and no device_path for it")]
    PassthruWithoutDevice {
        /// The subsystem.
        subsystem: SubsysNqn,
    },
    /// An enabled namespace without a device.
    #[error("namespace {nsid} of {subsystem} is enabled and has no device_path")]
    NamespaceWithoutDevice {
        /// The subsystem.
        subsystem: SubsysNqn,
        /// The namespace.
        nsid: Nsid,
    },
    /// An attribute that this kernel does not have.
    #[error(
        "this kernel has no {attr}{}", .build.map_or_else(String::new, |b| format!(" (it needs CONFIG_{b})"))
    )]
    UnknownAttribute {
        /// Where it would be.
        attr: RelPath,
        /// The build option it needs, if it is known to need one.
        build: Option<&'static str>,
    },
    /// A security that the transport does not have.
    #[error("port {port} has addr_tsas, and its transport is not tcp")]
    SecurityNotTcp {
        /// The port.
        port: PortId,
    },
    /// A requirement that the security excludes.
    #[error(
        "port {port} has addr_tsas tls1.3 and addr_treq `not specified`: say `required` or `not required`"
    )]
    RequirementOpen {
        /// The port.
        port: PortId,
    },
    /// The unique discovery NQN, which kernels before 6.12.33 overwrite memory for.
    #[error(
        "discovery_nqn differs and would be written; kernels before 6.12.33 overwrite memory when it is.          Policy::discovery_nqn says that this kernel is a newer one"
    )]
    DiscoveryNqn,
    /// An object that the policy's scope leaves to others.
    #[error("{object} is outside the scope that this spec may change")]
    OutOfScope {
        /// Its path.
        object: RelPath,
    },
    /// Namespaces in a subsystem that passes a controller through.
    #[error(
        "subsystem {subsystem} has pass-through enabled, so its namespaces cannot be: write 0 to its passthru/enable first"
    )]
    PassthruEnabled {
        /// The subsystem.
        subsystem: SubsysNqn,
    },
}

impl SpecError {
    pub(crate) fn from_problems(problems: Vec<SpecProblem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this target cannot be made: ")?;
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecError {}
