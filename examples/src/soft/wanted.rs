//! What is to be served, in the library's terms.

use std::net::{IpAddr, SocketAddr};

use nvme_fabrics::target::{Hosts, Namespace, Port, PortId, Settings, Subsystem, SubsystemError};
use nvme_proto::{HostNqn, Nsid, SubsysNqn};

use super::device::{Caching, Device, DeviceError, Devices};

/// Subsystems, the ports that export them, and what holds for all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The subsystems.
    pub subsystems: Vec<Subsystem>,
    /// The ports.
    pub ports: Vec<Port>,
    /// Limits of the whole target; they hold from its start to its end.
    pub settings: Settings,
}

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Plain {
    /// The only subsystem.
    pub nqn: SubsysNqn,
    /// Its namespaces, numbered from 1.
    pub devices: Vec<Device>,
    /// Who may connect; anybody when nobody is named.
    pub hosts: Vec<HostNqn>,
    /// Where to listen.
    pub addresses: Vec<IpAddr>,
    /// The TCP port at all of them.
    pub trsvcid: u16,
}

/// Why what is wanted cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WantedError {
    /// A disk.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The subsystem.
    #[error(transparent)]
    Subsystem(#[from] SubsystemError),
    /// More of something than there are numbers.
    #[error("too many {0}")]
    TooMany(&'static str),
}

impl Wanted {
    /// One subsystem on some addresses.
    ///
    /// # Errors
    /// See [`WantedError`].
    pub fn plain(plain: &Plain, devices: &mut Devices) -> Result<Self, WantedError> {
        let hosts = match plain.hosts.as_slice() {
            [] => Hosts::Any,
            named => named.iter().cloned().collect(),
        };
        let mut subsystem = Subsystem::new(plain.nqn.clone()).hosts(hosts);
        for (index, device) in plain.devices.iter().enumerate() {
            let number = u32::try_from(index + 1).ok().and_then(|number| Nsid::new(number).ok());
            let nsid = number.ok_or(WantedError::TooMany("devices"))?;
            let backend = devices.open(device, Caching::Direct, index)?;
            subsystem = subsystem.namespace(Namespace::new(nsid, backend))?;
        }
        let mut ports = Vec::new();
        for (id, address) in (1u16..).zip(&plain.addresses) {
            let address = SocketAddr::new(*address, plain.trsvcid);
            ports.push(Port::tcp(PortId(id), address).export(plain.nqn.clone()));
        }
        if ports.len() < plain.addresses.len() {
            return Err(WantedError::TooMany("addresses"));
        }
        Ok(Self { subsystems: vec![subsystem], ports, settings: Settings::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_numbered_and_every_address_is_a_port() {
        let plain = Plain {
            nqn: SubsysNqn::new("nqn.2024-05.org.example:disk").unwrap(),
            devices: vec![Device::Memory(1 << 20), Device::Memory(1 << 20)],
            hosts: Vec::new(),
            addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            trsvcid: 4420,
        };
        let wanted = Wanted::plain(&plain, &mut Devices::default()).unwrap();
        let numbers: Vec<u32> = wanted.subsystems[0].namespaces().map(|n| n.nsid().get()).collect();
        assert_eq!(numbers, [1, 2]);
        let ports: Vec<_> =
            wanted.ports.iter().map(|port| (port.id().0, port.address().to_string())).collect();
        assert_eq!(ports, [(1, "127.0.0.1:4420".to_owned()), (2, "[::1]:4420".to_owned())]);
    }
}
