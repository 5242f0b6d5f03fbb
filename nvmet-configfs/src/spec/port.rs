//! Ports: where the target listens, and what it exports there.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use nvme_proto::{IpTraddr, SubsysNqn};

use crate::tree::Name;

/// A port's number, 0 to 65535; also the port id in discovery log entries.
#[doc(alias = "PORTID")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u16);

/// A text is not a port id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a port id is a decimal number from 0 to 65535")]
pub struct PortIdError;

impl FromStr for PortId {
    type Err = PortIdError;
    fn from_str(s: &str) -> Result<Self, PortIdError> {
        // Other spellings (`01`, `0x1`) would be other directories for the same port.
        match s.parse::<u16>() {
            Ok(id) if id.to_string() == s => Ok(Self(id)),
            _ => Err(PortIdError),
        }
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl From<PortId> for Name {
    fn from(id: PortId) -> Self {
        match Self::new(id.to_string()) {
            Ok(name) => name,
            Err(_) => Self::fixed("0"), // digits always are a name
        }
    }
}

/// How a port is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortTransport {
    /// NVMe over TCP (`addr_trtype` = `tcp`).
    Tcp {
        /// Address to listen on; `0.0.0.0` and `::` for all (`::` takes IPv4 too unless `net.ipv6.bindv6only` is set).
        traddr: IpTraddr,
        /// TCP port number; 4420 by custom, 0 lets the kernel choose.
        trsvcid: u16,
    },
    /// NVMe over RDMA (`addr_trtype` = `rdma`).
    Rdma {
        /// Address to listen on.
        traddr: IpTraddr,
        /// Port number; 4420 by custom.
        trsvcid: u16,
    },
    /// Within this machine (`addr_trtype` = `loop`); not in Debian's 6.1.
    Loop,
}

impl PortTransport {
    /// The word in `addr_trtype`.
    pub(crate) fn trtype(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "tcp",
            Self::Rdma { .. } => "rdma",
            Self::Loop => "loop",
        }
    }

    pub(crate) fn address(&self) -> Option<(&IpTraddr, u16)> {
        match self {
            Self::Tcp { traddr, trsvcid } | Self::Rdma { traddr, trsvcid } => Some((traddr, *trsvcid)),
            Self::Loop => None,
        }
    }

    /// Whether the kernel would refuse one of the two with `EADDRINUSE`.
    pub(crate) fn collides_with(&self, other: &Self) -> bool {
        let (Some((a, a_port)), Some((b, b_port))) = (self.address(), other.address()) else { return false };
        if self.trtype() != other.trtype() || a_port != b_port || a_port == 0 {
            return false;
        }
        // RDMA listeners on `::` leave IPv4 alone (`rdma.c:nvmet_rdma_enable_port` sets v6-only).
        let dual = |ip: IpAddr| self.trtype() == "tcp" && ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let same_family = a.ip().is_ipv4() == b.ip().is_ipv4();
        let wild = a.ip().is_unspecified() || b.ip().is_unspecified();
        a == b || dual(a.ip()) || dual(b.ip()) || (same_family && wild)
    }
}

impl fmt::Display for PortTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Some((traddr, trsvcid)) => write!(f, "{} {traddr} port {trsvcid}", self.trtype()),
            None => f.write_str(self.trtype()),
        }
    }
}

/// The wanted state of a port.
///
/// | field | in the tree |
/// |---|---|
/// | `transport` | `addr_trtype`, `addr_adrfam`, `addr_traddr`, `addr_trsvcid` |
/// | `inline_data_size` | `param_inline_data_size`; `None` leaves it, and the kernel fills it in (TCP: 16384) |
/// | `subsystems` | `subsystems/`: the first link takes the port into service, the last one gone takes it out |
///
/// A port in service refuses changes (`EACCES`); a plan takes its exports away for them and brings them back, which
/// disconnects the hosts on it for that time. It listens in the network namespace of the process that applies the plan.
/// Source: `drivers/nvme/target/configfs.c:nvmet_port_attrs`, `core.c:nvmet_enable_port`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortSpec {
    /// How it is reached.
    pub transport: PortTransport,
    /// Largest data carried inside a command capsule, in bytes.
    pub inline_data_size: Option<u32>,
    /// What it exports.
    pub subsystems: BTreeSet<SubsysNqn>,
}

impl PortSpec {
    /// A port of this transport that exports nothing yet.
    pub fn new(transport: PortTransport) -> Self {
        Self { transport, inline_data_size: None, subsystems: BTreeSet::new() }
    }

    /// A TCP port.
    pub fn tcp(traddr: IpTraddr, trsvcid: u16) -> Self {
        Self::new(PortTransport::Tcp { traddr, trsvcid })
    }

    /// A port within this machine.
    pub fn loopback() -> Self {
        Self::new(PortTransport::Loop)
    }

    /// With this subsystem exported.
    #[must_use]
    pub fn export(mut self, subsystem: SubsysNqn) -> Self {
        self.subsystems.insert(subsystem);
        self
    }

    /// With this largest in-capsule data, in bytes.
    #[must_use]
    pub fn inline_data_size(mut self, bytes: u32) -> Self {
        self.inline_data_size = Some(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str, port: u16) -> PortTransport {
        PortTransport::Tcp { traddr: address.parse().unwrap(), trsvcid: port }
    }

    #[test]
    fn ids_have_one_spelling() {
        assert_eq!("65535".parse(), Ok(PortId(65535)));
        for text in ["01", "0x1", "+1", "65536", "", "-1"] {
            assert_eq!(text.parse::<PortId>(), Err(PortIdError), "{text}");
        }
    }

    #[test]
    fn listeners_that_exclude_each_other() {
        for (a, b, collide) in [
            (tcp("127.0.0.1", 4420), tcp("127.0.0.1", 4420), true),
            (tcp("127.0.0.1", 4420), tcp("127.0.0.1", 4421), false),
            (tcp("127.0.0.1", 4420), tcp("127.0.0.2", 4420), false),
            (tcp("0.0.0.0", 4420), tcp("127.0.0.2", 4420), true),
            (tcp("::", 4420), tcp("127.0.0.2", 4420), true),
            (tcp("0.0.0.0", 4420), tcp("::1", 4420), false),
            (tcp("127.0.0.1", 0), tcp("127.0.0.1", 0), false),
            (PortTransport::Loop, PortTransport::Loop, false),
        ] {
            assert_eq!(a.collides_with(&b), collide, "{a} and {b}");
            assert_eq!(b.collides_with(&a), collide, "{b} and {a}");
        }
    }
}
