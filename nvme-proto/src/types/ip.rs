//! IP addresses as transport addresses.

use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

use super::{AddressFamily, serde_as_text};

/// The transport address of a TCP port: a numeric IPv4 or IPv6 address, the latter with an optional scope (`fe80::1%eth0`).
///
/// No host name, no port, no brackets: the kernel's target and host take numbers only, and the port is the transport service. Two
/// spellings of one address are equal; `Display` gives the canonical one. An IPv4 address inside an IPv6 one (`::ffff:192.0.2.1`) stays
/// an IPv6 address, since the kernel sees it as one.
///
/// Source: kernel `net/core/utils.c: inet_pton_with_scope` (which both ends use for NVMe/TCP).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpTraddr {
    ip: IpAddr,
    /// Only with an IPv6 address; checked by [`check_scope`].
    scope: Option<String>,
}

/// Why a text is no IP address to connect or listen at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum IpTraddrError {
    /// Nothing there.
    #[error("the address is empty: give a numeric IPv4 or IPv6 address")]
    Empty,
    /// An address in brackets.
    #[error(
        "an IPv6 address is written without brackets here, and its port apart (as the transport service)"
    )]
    Brackets,
    /// An IPv4 address and a port behind it.
    #[error("the address has a port behind it: give the port apart (as the transport service)")]
    Port,
    /// A network, not an address.
    #[error("this is a network with its prefix length: give one address, without what follows the slash")]
    Prefix,
    /// A name.
    #[error("this looks like a host name, and the kernel takes numeric addresses only: resolve it first")]
    HostName,
    /// A scope behind an IPv4 address.
    #[error("only an IPv6 address can have a scope (the interface behind %)")]
    ScopeOnIpv4,
    /// An empty or impossible scope.
    #[error(
        "the scope behind % is the name or the number of a network interface: 1 to 15 printable characters \
         without blanks, commas, colons, slashes and percent signs"
    )]
    Scope,
    /// None of the above, and no address.
    #[error("this is neither an IPv4 nor an IPv6 address in numbers")]
    NotAnAddress,
}

/// Interface names have at most 15 bytes (kernel `IFNAMSIZ`, with its NUL), neither `/` nor `:` nor white space.
fn check_scope(scope: &str) -> Result<(), IpTraddrError> {
    let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b',' | b'/' | b':' | b'%');
    let named = !matches!(scope, "" | "." | "..") && scope.len() <= 15 && scope.bytes().all(allowed);
    if named { Ok(()) } else { Err(IpTraddrError::Scope) }
}

impl IpTraddr {
    /// This address, without a scope.
    #[must_use]
    pub const fn new(ip: IpAddr) -> Self {
        Self { ip, scope: None }
    }

    /// This IPv6 address on the interface named (or numbered) by `scope`, which link-local addresses need.
    ///
    /// # Errors
    /// [`IpTraddrError::Scope`] when `scope` cannot be the name of an interface.
    pub fn with_scope(ip: Ipv6Addr, scope: impl Into<String>) -> Result<Self, IpTraddrError> {
        let scope = scope.into();
        check_scope(&scope)?;
        Ok(Self { ip: IpAddr::V6(ip), scope: Some(scope) })
    }

    /// The address.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The interface behind `%`.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// [`AddressFamily::IPV4`] or [`AddressFamily::IPV6`].
    #[must_use]
    pub const fn family(&self) -> AddressFamily {
        match self.ip {
            IpAddr::V4(_) => AddressFamily::IPV4,
            IpAddr::V6(_) => AddressFamily::IPV6,
        }
    }
}

impl FromStr for IpTraddr {
    type Err = IpTraddrError;

    fn from_str(text: &str) -> Result<Self, IpTraddrError> {
        let (address, scope) = match text.split_once('%') {
            Some((address, scope)) => (address, Some(scope)),
            None => (text, None),
        };
        let ip: IpAddr = address.parse().map_err(|_| explain(address))?;
        match (ip, scope) {
            (_, None) => Ok(Self::new(ip)),
            (IpAddr::V4(_), Some(_)) => Err(IpTraddrError::ScopeOnIpv4),
            (IpAddr::V6(ip), Some(scope)) => Self::with_scope(ip, scope),
        }
    }
}

/// Which of the usual mistakes a text is that is not an address.
fn explain(text: &str) -> IpTraddrError {
    let is_ip = |text: &str| text.parse::<IpAddr>().is_ok();
    if text.is_empty() {
        return IpTraddrError::Empty;
    }
    if text.starts_with('[') {
        return IpTraddrError::Brackets;
    }
    if text.split_once('/').is_some_and(|(ip, _)| is_ip(ip)) {
        return IpTraddrError::Prefix;
    }
    if text.rsplit_once(':').is_some_and(|(ip, _)| is_ip(ip)) {
        return IpTraddrError::Port;
    }
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if text.bytes().all(name) && text.bytes().any(|b| b.is_ascii_alphabetic()) {
        return IpTraddrError::HostName;
    }
    IpTraddrError::NotAnAddress
}

impl From<IpAddr> for IpTraddr {
    fn from(ip: IpAddr) -> Self {
        Self::new(ip)
    }
}

impl fmt::Display for IpTraddr {
    /// The canonical text (RFC 5952 for IPv6), the scope behind `%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            None => fmt::Display::fmt(&self.ip, f),
            Some(scope) => write!(f, "{}%{scope}", self.ip),
        }
    }
}

impl fmt::Debug for IpTraddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(IpTraddr);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn takes_numbers_and_prints_them_canonically() {
        for (text, canonical, family) in [
            ("192.0.2.10", "192.0.2.10", AddressFamily::IPV4),
            ("2001:DB8:0::1", "2001:db8::1", AddressFamily::IPV6),
            ("::1", "::1", AddressFamily::IPV6),
            ("fe80::1%eth0", "fe80::1%eth0", AddressFamily::IPV6),
            ("fe80::1%3", "fe80::1%3", AddressFamily::IPV6),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1", AddressFamily::IPV6),
        ] {
            let address: IpTraddr = text.parse().unwrap();
            assert_eq!(address.to_string(), canonical);
            assert_eq!(address.family(), family);
            assert_eq!(canonical.parse(), Ok(address));
        }
    }

    #[test]
    fn each_usual_mistake_is_named() {
        for (text, error) in [
            ("", IpTraddrError::Empty),
            ("[::1]", IpTraddrError::Brackets),
            ("[2001:db8::1]:4420", IpTraddrError::Brackets),
            ("192.0.2.10:4420", IpTraddrError::Port),
            ("192.0.2.0/24", IpTraddrError::Prefix),
            ("2001:db8::/32", IpTraddrError::Prefix),
            ("localhost", IpTraddrError::HostName),
            ("storage-1.example.com", IpTraddrError::HostName),
            ("192.0.2.10%eth0", IpTraddrError::ScopeOnIpv4),
            ("fe80::1%", IpTraddrError::Scope),
            ("fe80::1%a,b", IpTraddrError::Scope),
            ("fe80::1%..", IpTraddrError::Scope),
            ("fe80::1%a%b", IpTraddrError::Scope),
            ("fe80::1%interface-name-x", IpTraddrError::Scope),
            ("%eth0", IpTraddrError::Empty),
            ("192.0.2", IpTraddrError::NotAnAddress),
            ("192.0.2.256", IpTraddrError::NotAnAddress),
            ("192.0.02.1", IpTraddrError::NotAnAddress),
            (" 192.0.2.1", IpTraddrError::NotAnAddress),
            ("192.0.2.1\n", IpTraddrError::NotAnAddress),
            ("192.0.2.1,nqn=x", IpTraddrError::NotAnAddress),
        ] {
            assert_eq!(text.parse::<IpTraddr>(), Err(error), "{text:?}");
        }
    }
}
