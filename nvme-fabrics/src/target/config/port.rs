//! Ports: where hosts connect, and what they find there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use nvme_proto::SubsysNqn;

use super::{AnaGroup, AnaState};

/// The number of a port, as the discovery log says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "PORTID")]
pub struct PortId(pub u16);

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Another discovery service that hosts are told of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Referral {
    /// Where it is.
    pub address: SocketAddr,
    /// The number of its port.
    pub port: PortId,
    /// Its name: the well-known one, or its own.
    pub nqn: SubsysNqn,
}

impl Referral {
    /// The discovery service at this address, port 0, with the well-known name.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        Self { address, port: PortId(0), nqn: SubsysNqn::discovery() }
    }

    /// Gives it a port number.
    #[must_use]
    pub const fn port(mut self, port: PortId) -> Self {
        self.port = port;
        self
    }

    /// Gives it a name of its own.
    #[must_use]
    pub fn nqn(mut self, nqn: SubsysNqn) -> Self {
        self.nqn = nqn;
        self
    }
}

/// A port: an address that hosts connect to, the subsystems they find there, and how well these are reached.
///
/// The discovery service is at every port.
///
/// ```
/// use nvme_fabrics::target::{AnaGroup, AnaState, Port, PortId};
/// use nvme_proto::SubsysNqn;
/// let disk = SubsysNqn::new("nqn.2014-08.org.example:disk")?;
/// let port = Port::tcp(PortId(1), ([127, 0, 0, 1], 4420).into())
///     .export(disk)
///     .ana(AnaGroup::ONE, AnaState::NonOptimized);
/// assert_eq!(port.id(), PortId(1));
/// # Ok::<(), nvme_proto::NqnError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub(crate) id: PortId,
    pub(crate) address: SocketAddr,
    pub(crate) exports: BTreeSet<SubsysNqn>,
    pub(crate) ana: BTreeMap<AnaGroup, AnaState>,
    pub(crate) referrals: BTreeSet<Referral>,
}

impl Port {
    /// A port at this address, as the discovery log says it. With an unspecified address (`0.0.0.0`, `::`) the log says the address that the
    /// host connected to; with port 0 it says the one that was bound, once that is known.
    #[must_use]
    #[doc(alias = "addr_traddr")]
    pub const fn tcp(id: PortId, address: SocketAddr) -> Self {
        Self { id, address, exports: BTreeSet::new(), ana: BTreeMap::new(), referrals: BTreeSet::new() }
    }

    /// Lets hosts find this subsystem there.
    #[must_use]
    pub fn export(mut self, subsystem: SubsysNqn) -> Self {
        self.exports.insert(subsystem);
        self
    }

    /// How the namespaces of a group are reached over it; [`AnaState::Optimized`] unless said otherwise.
    #[must_use]
    #[doc(alias = "ana_groups")]
    pub fn ana(mut self, group: AnaGroup, state: AnaState) -> Self {
        self.ana.insert(group, state);
        self
    }

    /// Tells hosts of another discovery service.
    #[must_use]
    pub fn referral(mut self, referral: Referral) -> Self {
        self.referrals.insert(referral);
        self
    }

    /// Its number.
    #[must_use]
    pub const fn id(&self) -> PortId {
        self.id
    }

    /// The subsystems that hosts find there.
    pub fn exports(&self) -> impl Iterator<Item = &SubsysNqn> {
        self.exports.iter()
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}
