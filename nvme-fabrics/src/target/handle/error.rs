//! Why a change cannot be made.

use nvme_proto::{Cntlid, HostNqn, Nsid, SubsysNqn};

use crate::target::config::{PortId, Subsystem};
/// A change that cannot be made. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// There is no such subsystem.
    #[error("there is no subsystem {nqn}; add it first")]
    NoSubsystem {
        /// Its name.
        nqn: SubsysNqn,
    },
    /// There is one already.
    #[error("there is a subsystem {nqn} already")]
    SubsystemExists {
        /// Its name.
        nqn: SubsysNqn,
    },
    /// The name is the discovery service's.
    #[error(
        "{nqn} is the name of the discovery service, which is at every port and cannot be added or exported"
    )]
    DiscoveryName {
        /// The name.
        nqn: SubsysNqn,
    },
    /// There is no such namespace.
    #[error("subsystem {nqn} has no namespace {nsid}")]
    NoNamespace {
        /// The subsystem.
        nqn: SubsysNqn,
        /// The number.
        nsid: Nsid,
    },
    /// There is one already, or no room.
    #[error(
        "subsystem {nqn} has a namespace {nsid} already, or {} of them, which is as many as there can be",
        Subsystem::MAX_NAMESPACES
    )]
    NamespaceExists {
        /// The subsystem.
        nqn: SubsysNqn,
        /// The number.
        nsid: Nsid,
    },
    /// There is no such port.
    #[error("there is no port {port}; add it first")]
    NoPort {
        /// The port.
        port: PortId,
    },
    /// There is one already.
    #[error("there is a port {port} already")]
    PortExists {
        /// The port.
        port: PortId,
    },
    /// Every host may connect, so that none can be excepted.
    #[error("every host may connect to subsystem {nqn}; set a list of hosts to keep {host} out")]
    EveryHostAllowed {
        /// The subsystem.
        nqn: SubsysNqn,
        /// The host.
        host: HostNqn,
    },
    /// There is no such association.
    #[error("subsystem {nqn} has no controller {cntlid}")]
    NoAssociation {
        /// The subsystem.
        nqn: SubsysNqn,
        /// The controller.
        cntlid: Cntlid,
    },
}
