//! What can be wrong with a spec as a whole.

use std::fmt;

use nvme_proto::{HostNqn, SubsysNqn};

use super::{PortId, PortTransport};
use crate::tree::Name;

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
