//! Controllers by their address, as they were connected.

use std::fmt;

use nvme_proto::{IpTraddr, SubsysNqn};

use crate::kernel::sysfs::Controller;
use crate::options::TransportName;

/// Controllers by what was given when they were connected. What is not said is not compared; addresses are compared as addresses and not as
/// text: `fd00::1` finds `fd00:0:0:0:0:0:0:1`.
///
/// | part | compared with |
/// |---|---|
/// | transport, address, port, local interface, NQN | those of the controller; a discovery controller is found by the well-known NQN too |
/// | local address | the one that was asked for; where none was, the one in use |
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct AddressSelector {
    traddr: String,
    transport: Option<TransportName>,
    port: Option<u16>,
    host_traddr: Option<String>,
    host_iface: Option<String>,
    nqn: Option<SubsysNqn>,
}

impl AddressSelector {
    /// Controllers at this address, in the form of its transport: `192.0.2.10`, `fd00::1`, `nn-0x…:pn-0x…`.
    pub fn new(traddr: &str) -> Self {
        Self {
            traddr: traddr.to_owned(),
            transport: None,
            port: None,
            host_traddr: None,
            host_iface: None,
            nqn: None,
        }
    }

    /// By this transport only.
    pub fn transport(mut self, transport: TransportName) -> Self {
        self.transport = Some(transport);
        self
    }

    /// At this port only.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// From this local address only.
    pub fn host_traddr(mut self, address: &str) -> Self {
        self.host_traddr = Some(address.to_owned());
        self
    }

    /// Through this local interface only.
    pub fn host_iface(mut self, interface: &str) -> Self {
        self.host_iface = Some(interface.to_owned());
        self
    }

    /// Of this subsystem only.
    pub fn nqn(mut self, nqn: SubsysNqn) -> Self {
        self.nqn = Some(nqn);
        self
    }

    /// Whether this controller, of the subsystem with this NQN, is meant.
    pub(super) fn matches(&self, subsystem: Option<&str>, c: &Controller) -> bool {
        let a = &c.address;
        let is = |wanted: Option<&str>, has: Option<&str>| match wanted {
            None => true,
            Some(wanted) => has.is_some_and(|has| is_same(wanted, has)),
        };
        let is_of = |nqn: &SubsysNqn| {
            [subsystem, c.subsystem_nqn.as_deref()].contains(&Some(nqn.as_str()))
                || (nqn.is_discovery() && c.is_discovery())
        };
        is(Some(&self.traddr), a.traddr.as_deref())
            && self.transport.is_none_or(|t| t.as_str() == c.transport)
            && is(self.port.map(|p| p.to_string()).as_deref(), a.trsvcid.as_deref())
            && is(self.host_traddr.as_deref(), a.host_traddr.as_deref().or(a.src_addr.as_deref()))
            && is(self.host_iface.as_deref(), a.host_iface.as_deref())
            && self.nqn.as_ref().is_none_or(is_of)
    }
}

/// The same text in any case of letters, or the same IP address.
fn is_same(one: &str, other: &str) -> bool {
    let ip = |text: &str| text.parse::<IpTraddr>().map(|a| a.to_string());
    one.eq_ignore_ascii_case(other) || ip(one).is_ok_and(|one| ip(other).is_ok_and(|other| one == other))
}

impl fmt::Display for AddressSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(nqn) = &self.nqn {
            write!(f, "subsystem {nqn} at ")?;
        }
        write!(f, "address {}", self.traddr.escape_debug())?;
        if let Some(port) = self.port {
            write!(f, " port {port}")?;
        }
        if let Some(transport) = self.transport {
            write!(f, " by {transport}")?;
        }
        if let Some(local) = &self.host_traddr {
            write!(f, " from {}", local.escape_debug())?;
        }
        if let Some(interface) = &self.host_iface {
            write!(f, " through {}", interface.escape_debug())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sysfs::Inventory;
    use crate::kernel::sysfs::fixture::{Fixture, TCP};

    fn matches(address: &str, selector: &AddressSelector) -> bool {
        let f = Fixture::new();
        f.controller("nvme0", TCP, &[("address", address)]).subsystem("nvme-subsys0", "mysub", &["nvme0"]);
        let inventory = Inventory::scan_quietly(&f.sysfs()).unwrap();
        inventory.controllers().all(|(s, c)| selector.matches(s.and_then(|s| s.nqn.as_deref()), c))
    }

    #[test]
    fn what_is_said_is_compared_as_addresses() {
        let v6 = "traddr=fd00:0:0::1,trsvcid=4420,host_iface=eth0,src_addr=fd00::9";
        let all = AddressSelector::new("FD00::1")
            .transport(TransportName::Tcp)
            .port(4420)
            .host_traddr("fd00:0::9")
            .host_iface("eth0")
            .nqn("mysub".parse().unwrap());
        assert!(matches(v6, &all) && matches(v6, &AddressSelector::new("fd00::1")));
        assert_eq!(
            all.to_string(),
            "subsystem mysub at address FD00::1 port 4420 by tcp from fd00:0::9 through eth0"
        );
        for other in [
            AddressSelector::new("fd00::2"),
            all.clone().port(4421),
            all.clone().transport(TransportName::Rdma),
            all.clone().host_traddr("fd00::8"),
            all.clone().host_iface("eth1"),
            all.clone().nqn("other".parse().unwrap()),
        ] {
            assert!(!matches(v6, &other), "{other}");
        }
        // The address that was asked for counts before the one in use.
        let bound = "traddr=192.0.2.1,trsvcid=4420,host_traddr=192.0.2.7,src_addr=192.0.2.8";
        assert!(matches(bound, &AddressSelector::new("192.0.2.1").host_traddr("192.0.2.7")));
        assert!(!matches(bound, &AddressSelector::new("192.0.2.1").host_traddr("192.0.2.8")));
        assert!(!matches("", &AddressSelector::new("192.0.2.1")));
    }
}
