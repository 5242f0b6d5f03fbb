//! What a plan says beside its steps.

use nvme_proto::{HostNqn, Nsid, SubsysNqn};

use crate::spec::PortId;
use crate::tree::RelPath;

/// What a plan leaves undone, and what it does that may not be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// An attribute that this kernel does not have, under [`Unknown::Warn`](crate::Unknown::Warn).
    #[error("this kernel has no {attr}: left out")]
    UnknownAttribute {
        /// Where it would be.
        attr: RelPath,
    },
    /// An attribute that can only be written, so that nobody knows what it holds.
    #[error("{attr} cannot be read, so whether it is as wanted is not known: left as it is")]
    Unreadable {
        /// Where it is.
        attr: RelPath,
    },
    /// A host has a key, and the subsystem lets in any host without asking for one.
    #[error(
        "host {host} has a key, but {subsystem} lets any host connect, and asks nobody for a key then: permit hosts by name"
    )]
    KeyNotAsked {
        /// The host.
        host: HostNqn,
        /// The subsystem.
        subsystem: SubsysNqn,
    },
    /// A namespace is in an ANA group that a port which exports it does not have.
    #[error(
        "namespace {nsid} of {subsystem} is in ANA group {group}, which port {port} does not have: it cannot be reached there"
    )]
    GroupMissing {
        /// The subsystem.
        subsystem: SubsysNqn,
        /// The namespace.
        nsid: Nsid,
        /// Its group.
        group: u32,
        /// The port.
        port: PortId,
    },
}
