//! Where to connect to, and from where: options as a socket takes them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use nvme_proto::IpTraddr;

use super::dial::DialTcp;

/// An address, and what is to be used on this side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    to: SocketAddr,
    from: Option<SocketAddr>,
    interface: Option<String>,
}

/// An address that no socket takes here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The interface behind `%` does not exist.
    #[error("{address}: there is no network interface `{interface}` here")]
    NoInterface {
        /// The address.
        address: IpTraddr,
        /// The interface.
        interface: String,
    },
    /// A link-local address, and nothing says by which interface.
    #[error("{address}: a link-local address is the same on every link; name the interface: {address}%eth0")]
    WhichInterface {
        /// The address.
        address: IpTraddr,
    },
    /// Local and remote address are of different families.
    #[error("{to} cannot be reached from {from}: one is IPv4 and the other IPv6")]
    Families {
        /// The remote address.
        to: IpTraddr,
        /// The local address.
        from: IpTraddr,
    },
}

impl Endpoint {
    /// To this address and port, from the local address and by the local interface given.
    ///
    /// # Errors
    /// [`EndpointError`]. That an address is not one of this machine turns out only when it is used.
    pub(crate) fn new(
        to: &IpTraddr,
        port: u16,
        from: Option<&IpTraddr>,
        interface: Option<&str>,
    ) -> Result<Self, EndpointError> {
        if let Some(from) = from
            && from.ip().is_ipv4() != to.ip().is_ipv4()
        {
            return Err(EndpointError::Families { to: to.clone(), from: from.clone() });
        }
        let hint = interface.or_else(|| from.and_then(IpTraddr::scope));
        let from = from.map(|from| socket_addr(from, 0, None)).transpose()?;
        Ok(Self { to: socket_addr(to, port, hint)?, from, interface: interface.map(str::to_owned) })
    }

    /// What makes connections so.
    pub(crate) fn dial(&self) -> DialTcp {
        DialTcp { peer: self.to, local: self.from, interface: self.interface.clone() }
    }
}

/// The address as a socket takes it. `hint` is the interface when the address does not name one.
fn socket_addr(address: &IpTraddr, port: u16, hint: Option<&str>) -> Result<SocketAddr, EndpointError> {
    let ip = match address.ip() {
        IpAddr::V4(ip) => return Ok((ip, port).into()),
        IpAddr::V6(ip) => ip,
    };
    // Linux looks at the scope of link-local addresses only.
    if !(ip.is_unicast_link_local() || is_link_local_multicast(ip)) {
        return Ok((ip, port).into());
    }
    let Some(interface) = address.scope().or(hint) else {
        return Err(EndpointError::WhichInterface { address: address.clone() });
    };
    let index = index_of(interface).ok_or_else(|| EndpointError::NoInterface {
        address: address.clone(),
        interface: interface.to_owned(),
    })?;
    Ok(SocketAddrV6::new(ip, port, 0, index).into())
}

const fn is_link_local_multicast(ip: Ipv6Addr) -> bool {
    matches!(ip.octets(), [0xff, flags_and_scope, ..] if flags_and_scope & 0xf == 2)
}

/// The number of an interface, which its name may be already. Names are known on Linux only.
fn index_of(interface: &str) -> Option<u32> {
    if let Ok(index) = interface.parse() {
        return Some(index);
    }
    // Scopes are checked to have no slash, and not to be a dot or two.
    let path = std::path::Path::new("/sys/class/net").join(interface).join("ifindex");
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::dial::Dialer;
    use super::*;

    fn endpoint(to: &str, from: Option<&str>, interface: Option<&str>) -> Result<Endpoint, EndpointError> {
        let from: Option<IpTraddr> = from.map(|from| from.parse().unwrap());
        Endpoint::new(&to.parse().unwrap(), 4420, from.as_ref(), interface)
    }

    #[test]
    fn a_link_local_address_needs_to_know_its_link() {
        let to = |endpoint: Result<Endpoint, EndpointError>| endpoint.map(|endpoint| endpoint.to.to_string());
        assert_eq!(to(endpoint("192.0.2.1", None, None)), Ok("192.0.2.1:4420".into()));
        assert_eq!(to(endpoint("2001:db8::1%nosuch", None, None)), Ok("[2001:db8::1]:4420".into()));
        assert_eq!(to(endpoint("fe80::1%7", None, None)), Ok("[fe80::1%7]:4420".into()));
        assert_eq!(to(endpoint("fe80::1", None, Some("7"))), Ok("[fe80::1%7]:4420".into()));
        assert_eq!(to(endpoint("fe80::1", Some("fe80::2%7"), None)), Ok("[fe80::1%7]:4420".into()));
        let error = endpoint("fe80::1", None, None).unwrap_err();
        assert!(error.to_string().contains("name the interface: fe80::1%eth0"), "{error}");
        let error = endpoint("fe80::1%nosuch0", None, None).unwrap_err();
        assert!(matches!(error, EndpointError::NoInterface { .. }), "{error}");
    }

    #[test]
    fn both_ends_are_of_one_family() {
        let error = endpoint("192.0.2.1", Some("::1"), None).unwrap_err();
        assert!(matches!(error, EndpointError::Families { .. }), "{error}");
        assert!(endpoint("192.0.2.1", Some("192.0.2.2"), None).is_ok());
    }

    #[tokio::test]
    async fn the_local_address_is_the_one_that_was_asked_for() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = "127.0.0.1".parse().unwrap();
        let connect = |from: &str| {
            let from: IpTraddr = from.parse().unwrap();
            Endpoint::new(&to, port, Some(&from), None).unwrap().dial().dial()
        };
        let (connected, accepted) = tokio::join!(connect("127.0.0.1"), listener.accept());
        let local = connected.unwrap().socket().local_addr().unwrap();
        assert_eq!(accepted.unwrap().1, local);
        // An address of documentation is none of this machine's.
        let error = connect("192.0.2.1").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable);
    }
}
