//! Ports: where the target listens, and what it exports there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use nvme_proto::{IpTraddr, SubsysNqn};

use super::settings::{SettingError, Settings, with_settings};
use super::{AnaGroupId, AnaState, ReferralSpec};
use crate::attr::{self, ValueKind};
use crate::object::Object;
use crate::text;
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
    /// Anything else: Fibre Channel, a PCI endpoint, a port whose address is not complete. Made by [`PortTransport::from_texts`].
    Other(OtherAddress),
}

/// The address of a port that is none of the typed ones: four texts, each of which may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherAddress {
    trtype: String,
    adrfam: String,
    traddr: String,
    trsvcid: String,
}

fn family(traddr: &IpTraddr) -> &'static str {
    if traddr.ip().is_ipv4() { "ipv4" } else { "ipv6" }
}

impl PortTransport {
    /// What four attributes of a port say, as the kernel prints them; any of them may be empty.
    ///
    /// # Errors
    /// [`SettingError`] for a text that the attribute cannot hold. Whether the texts fit each other is for the kernel to say, when the
    /// port goes into service.
    pub fn from_texts(trtype: &str, adrfam: &str, traddr: &str, trsvcid: &str) -> Result<Self, SettingError> {
        let texts = [
            ("addr_trtype", trtype),
            ("addr_adrfam", adrfam),
            ("addr_traddr", traddr),
            ("addr_trsvcid", trsvcid),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            let kind = attr::attribute(Object::Port, name).map_or(ValueKind::Opaque, |a| a.kind);
            kind.canonical(text.as_bytes()).map_err(|fault| SettingError::Value {
                owner: Object::Port,
                name: Name::fixed(name),
                fault,
            })?;
        }
        let address = || {
            let number = text::unsigned(trsvcid.as_bytes(), 0xffff).ok()?;
            let traddr: IpTraddr = traddr.parse().ok()?;
            (adrfam == family(&traddr)).then_some((traddr, u16::try_from(number).ok()?))
        };
        Ok(match (trtype, address()) {
            ("tcp", Some((traddr, trsvcid))) => Self::Tcp { traddr, trsvcid },
            ("rdma", Some((traddr, trsvcid))) => Self::Rdma { traddr, trsvcid },
            ("loop", _) if [adrfam, traddr, trsvcid].iter().all(|t| t.is_empty()) => Self::Loop,
            _ => {
                let [trtype, adrfam, traddr, trsvcid] = [trtype, adrfam, traddr, trsvcid].map(str::to_owned);
                Self::Other(OtherAddress { trtype, adrfam, traddr, trsvcid })
            }
        })
    }

    /// The word in `addr_trtype`.
    pub(crate) fn trtype(&self) -> &str {
        match self {
            Self::Tcp { .. } => "tcp",
            Self::Rdma { .. } => "rdma",
            Self::Loop => "loop",
            Self::Other(other) => &other.trtype,
        }
    }

    pub(crate) fn address(&self) -> Option<(&IpTraddr, u16)> {
        match self {
            Self::Tcp { traddr, trsvcid } | Self::Rdma { traddr, trsvcid } => Some((traddr, *trsvcid)),
            Self::Loop | Self::Other(_) => None,
        }
    }

    /// The attributes that make it, in the order they are stored in. Empty ones are left out, since they cannot be written.
    pub(crate) fn attributes(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![("addr_trtype", self.trtype().to_owned())];
        match self {
            Self::Tcp { traddr, trsvcid } | Self::Rdma { traddr, trsvcid } => {
                all.push(("addr_adrfam", family(traddr).to_owned()));
                all.push(("addr_traddr", traddr.to_string()));
                all.push(("addr_trsvcid", trsvcid.to_string()));
            }
            Self::Loop => {}
            Self::Other(other) => {
                all.push(("addr_adrfam", other.adrfam.clone()));
                all.push(("addr_traddr", other.traddr.clone()));
                all.push(("addr_trsvcid", other.trsvcid.clone()));
            }
        }
        all.retain(|(_, value)| !value.is_empty());
        all
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
        match (self, self.address()) {
            (_, Some((traddr, trsvcid))) => write!(f, "{} {traddr} port {trsvcid}", self.trtype()),
            (Self::Other(other), None) => {
                let words = [&other.trtype, &other.adrfam, &other.traddr, &other.trsvcid];
                let words: Vec<&str> =
                    words.into_iter().map(String::as_str).filter(|w| !w.is_empty()).collect();
                f.write_str(if words.is_empty() { "no address" } else { "" })?;
                write!(f, "{}", words.join(" "))
            }
            (_, None) => f.write_str(self.trtype()),
        }
    }
}

/// The wanted state of a port.
///
/// | field | in the tree |
/// |---|---|
/// | `transport` | `addr_trtype`, `addr_adrfam`, `addr_traddr`, `addr_trsvcid` |
/// | `subsystems` | `subsystems/`: the first link takes the port into service, the last one gone takes it out |
/// | `ana_groups` | `ana_groups/`: the state of each; groups that are not named are left |
/// | `referrals` | `referrals/` |
/// | `settings` | `addr_treq`, `addr_tsas`, `param_inline_data_size`, `param_max_queue_size`, `param_mdts`, `param_pi_enable` |
///
/// A port in service refuses changes of its address and parameters (`EACCES`); a plan takes its exports away for them and brings them
/// back, which disconnects the hosts on it for that time. ANA states and referrals change without that. A parameter of -1 leaves the
/// value to the transport, and so is fulfilled by whatever a port in service has. It listens in the network namespace of the process
/// that applies the plan. Source: `drivers/nvme/target/configfs.c:nvmet_port_attrs`, `core.c:nvmet_enable_port`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortSpec {
    /// How it is reached.
    pub transport: PortTransport,
    /// What it exports.
    pub subsystems: BTreeSet<SubsysNqn>,
    /// The state of its ANA groups.
    pub ana_groups: BTreeMap<AnaGroupId, AnaState>,
    /// Its referrals by name.
    pub referrals: BTreeMap<Name, ReferralSpec>,
    /// Its other attributes.
    pub settings: Settings,
}

with_settings!(PortSpec);

impl PortSpec {
    /// A port of this transport that exports nothing yet.
    pub fn new(transport: PortTransport) -> Self {
        Self {
            transport,
            subsystems: BTreeSet::new(),
            ana_groups: BTreeMap::new(),
            referrals: BTreeMap::new(),
            settings: Settings::of(Object::Port),
        }
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

    /// With this state of an ANA group.
    #[must_use]
    pub fn ana_group(mut self, group: AnaGroupId, state: AnaState) -> Self {
        self.ana_groups.insert(group, state);
        self
    }

    /// With this referral. The name is any; it only tells referrals apart.
    #[must_use]
    pub fn referral(mut self, name: Name, referral: ReferralSpec) -> Self {
        self.referrals.insert(name, referral);
        self
    }

    /// With this largest in-capsule data, in bytes (at most 2147483647).
    #[must_use]
    pub fn inline_data_size(mut self, bytes: u32) -> Self {
        self.settings.set_checked("param_inline_data_size", bytes.min(0x7fff_ffff)); // the kernel keeps an int
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
