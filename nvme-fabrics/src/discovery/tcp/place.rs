//! Where a discovery service is, and when two places are the same.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use nvme_proto::discovery::{DiscoveryEntry, SubsystemType, TcpSecurity};
use nvme_proto::{AddressFamily, IpTraddr, SubsysNqn, TransportType};

use super::crawl::SkipReason;

/// An address and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Portal {
    /// The address.
    pub traddr: IpTraddr,
    /// The TCP port, 1 to 65535.
    pub port: u16,
}

impl fmt::Display for Portal {
    /// `192.0.2.10:8009`, `[2001:db8::1]:8009`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.traddr.ip() {
            IpAddr::V4(_) => write!(f, "{}:{}", self.traddr, self.port),
            IpAddr::V6(_) => write!(f, "[{}]:{}", self.traddr, self.port),
        }
    }
}

/// A discovery service: a portal, and the NQN to ask there for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// Where.
    pub portal: Portal,
    /// The well-known discovery NQN, or the service's own.
    pub nqn: SubsysNqn,
}

impl fmt::Display for Service {
    /// The portal; the NQN too when it is not the well-known one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.portal)?;
        if self.nqn.is_discovery() { Ok(()) } else { write!(f, " ({})", self.nqn) }
    }
}

impl Service {
    /// The service that a referral leads to. `from` is where the referral was read: a link-local address means something on that link only,
    /// and the target cannot know what the link is called here.
    pub(super) fn of_referral(entry: &DiscoveryEntry, from: &Portal) -> Result<Self, SkipReason> {
        let transport = entry.transport_type();
        if transport != TransportType::TCP {
            return Err(SkipReason::OtherTransport { transport });
        }
        let portal = portal(entry, from)?;
        let nqn = entry.subnqn().map_err(|source| SkipReason::BadName { source })?;
        let secured = !matches!(entry.tcp_security(), None | Some(TcpSecurity::NONE));
        if secured && entry.requirements().secure_channel() == nvme_proto::discovery::SecureChannel::REQUIRED
        {
            return Err(SkipReason::NeedsTls);
        }
        Ok(Self { portal, nqn })
    }

    /// What is equal for two ways to write one service.
    pub(super) fn key(&self) -> ServiceKey {
        ServiceKey {
            address: address_key(&self.portal.traddr),
            port: self.portal.port,
            nqn: self.nqn.clone(),
        }
    }
}

fn portal(entry: &DiscoveryEntry, from: &Portal) -> Result<Portal, SkipReason> {
    let text = entry.traddr_text();
    let traddr = text.parse::<IpTraddr>().map_err(|source| SkipReason::BadAddress { text, source })?;
    if entry.address_family() != traddr.family() {
        return Err(SkipReason::OtherFamily { family: entry.address_family(), traddr });
    }
    let port = entry.trsvcid().ok().and_then(|trsvcid| trsvcid.port()).filter(|port| *port != 0);
    let port = port.ok_or_else(|| SkipReason::BadPort { text: entry.trsvcid_text() })?;
    Ok(Portal { traddr: on_the_same_link(traddr, from), port })
}

/// A link-local address without its interface gets the one of the address it was read at.
fn on_the_same_link(traddr: IpTraddr, from: &Portal) -> IpTraddr {
    match (traddr.ip(), traddr.scope(), from.traddr.scope()) {
        (IpAddr::V6(ip), None, Some(scope)) if ip.is_unicast_link_local() => {
            IpTraddr::with_scope(ip, scope).unwrap_or(traddr)
        }
        _ => traddr,
    }
}

/// A service whatever its spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ServiceKey {
    address: (IpAddr, Option<String>),
    port: u16,
    nqn: SubsysNqn,
}

/// An address whatever its spelling. An IPv4 address inside an IPv6 one leads to the same socket, and an interface matters to link-local addresses only.
fn address_key(traddr: &IpTraddr) -> (IpAddr, Option<String>) {
    let ip = traddr.ip().to_canonical();
    let local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local() || Ipv6Addr::is_multicast(&ip));
    (ip, traddr.scope().filter(|_| local).map(str::to_owned))
}

/// What two entries have in common that lead to the same place: the same way to the same subsystem.
///
/// Numbers of ports and controllers, requirements and flags are what may change about it. Text that is no address or no port counts as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct EntryKey {
    transport: TransportType,
    kind: SubsystemType,
    address: AddressKey,
    port: PortKey,
    subnqn: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum AddressKey {
    Ip(IpAddr, Option<String>),
    Text(AddressFamily, String),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum PortKey {
    Port(u16),
    Text(String),
}

impl EntryKey {
    pub(super) fn of(entry: &DiscoveryEntry) -> Self {
        let text = entry.traddr_text();
        let address = match text.parse::<IpTraddr>() {
            Ok(traddr) => {
                let (ip, scope) = address_key(&traddr);
                AddressKey::Ip(ip, scope)
            }
            Err(_) => AddressKey::Text(entry.address_family(), text),
        };
        let port = match entry.trsvcid().ok().and_then(|trsvcid| trsvcid.port()) {
            Some(port) => PortKey::Port(port),
            None => PortKey::Text(entry.trsvcid_text()),
        };
        Self {
            transport: entry.transport_type(),
            kind: entry.subsystem_type(),
            address,
            port,
            subnqn: entry.subnqn_text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use nvme_proto::{Traddr, Trsvcid};

    use super::*;

    fn at(traddr: &str) -> Portal {
        Portal { traddr: traddr.parse().unwrap(), port: 8009 }
    }

    fn referral(traddr: &str, port: &str) -> DiscoveryEntry {
        let mut entry =
            DiscoveryEntry::tcp(SubsystemType::REFERRAL, &SubsysNqn::discovery(), &"::1".parse().unwrap(), 1);
        entry.set_traddr(&Traddr::new(traddr).unwrap());
        entry.set_trsvcid(&Trsvcid::new(port).unwrap());
        let family = if traddr.contains(':') { AddressFamily::IPV6 } else { AddressFamily::IPV4 };
        entry.set_address_family(family);
        entry
    }

    #[test]
    fn spellings_of_one_address_are_one_place() {
        let key = |traddr: &str, port: &str| EntryKey::of(&referral(traddr, port));
        assert_eq!(key("2001:DB8:0::1", "8009"), key("2001:db8::1", "8009"));
        assert_eq!(key("::ffff:192.0.2.1", "8009"), key("192.0.2.1", "8009"));
        assert_eq!(key("2001:db8::1%eth0", "8009"), key("2001:db8::1", "8009"));
        assert_ne!(key("fe80::1%eth0", "8009"), key("fe80::1%eth1", "8009"));
        assert_ne!(key("192.0.2.1", "8009"), key("192.0.2.1", "4420"));
        assert_ne!(key("nowhere", "8009"), key("elsewhere", "8009"));
        let service = |traddr: &str| Service { portal: at(traddr), nqn: SubsysNqn::discovery() }.key();
        assert_eq!(service("2001:db8:0:0::1"), service("2001:db8::1"));
        assert_ne!(service("fe80::1%eth0"), service("fe80::1%eth1"));
    }

    #[test]
    fn a_referral_to_a_link_local_address_stays_on_its_link() {
        let entry = referral("fe80::2", "8009");
        let service = Service::of_referral(&entry, &at("fe80::1%eth3")).unwrap();
        assert_eq!(service.to_string(), "[fe80::2%eth3]:8009");
        let service = Service::of_referral(&referral("2001:db8::2", "8009"), &at("fe80::1%eth3")).unwrap();
        assert_eq!(service.to_string(), "[2001:db8::2]:8009");
        // From elsewhere there is no link to take: connecting will say so.
        let service = Service::of_referral(&entry, &at("2001:db8::1")).unwrap();
        assert_eq!(service.portal.traddr.scope(), None);
    }

    #[test]
    fn what_cannot_be_followed_says_why() {
        let from = at("192.0.2.1");
        let why = |entry: &DiscoveryEntry| Service::of_referral(entry, &from).unwrap_err();
        assert!(matches!(why(&referral("storage-1", "8009")), SkipReason::BadAddress { .. }));
        assert!(matches!(why(&referral("192.0.2.2", "http")), SkipReason::BadPort { .. }));
        assert!(matches!(why(&referral("192.0.2.2", "0")), SkipReason::BadPort { .. }));
        let mut entry = referral("192.0.2.2", "8009");
        entry.set_address_family(AddressFamily::IPV6);
        assert!(matches!(why(&entry), SkipReason::OtherFamily { .. }));
        entry.set_transport_type(TransportType::RDMA);
        assert_eq!(why(&entry), SkipReason::OtherTransport { transport: TransportType::RDMA });
        let mut bytes = referral("192.0.2.2", "8009").encode();
        bytes[256..512].fill(b'x');
        let entry = nvme_proto::discovery::LogEntry::new_checked(&bytes[..]).unwrap().to_owned();
        assert!(matches!(why(&entry), SkipReason::BadName { .. }));
        let mut entry = referral("192.0.2.2", "8009");
        entry.set_tcp_security(TcpSecurity::TLS13);
        assert!(Service::of_referral(&entry, &from).is_ok(), "TLS is offered, not required");
        entry.set_requirements(nvme_proto::discovery::TransportRequirements(1));
        assert_eq!(why(&entry), SkipReason::NeedsTls);
    }
}
