//! Addresses that people write: numeric ones, and names of machines.

use std::net::ToSocketAddrs as _;

use nvme_proto::{IpTraddr, IpTraddrError};

/// The longest name that the domain name system knows, in bytes.
const MAX_NAME: usize = 253;

/// A text is no address, and stands for none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// Neither an address nor the name of a machine.
    #[error("`{}` is not an address to connect to: {source}", .text.escape_debug())]
    NoAddress {
        /// The text.
        text: String,
        /// The rule that it breaks.
        source: IpTraddrError,
    },
    /// Nobody knows the name.
    #[error(
        "`{name}` has no address that is known here (name the address itself, or see /etc/hosts and the name servers)"
    )]
    Unknown {
        /// The name.
        name: String,
        /// What the resolver said.
        source: std::io::Error,
    },
}

/// The address that a text means. The kernel takes numeric addresses only, so names are looked up here; of several addresses the first one counts, as with
/// nvme-cli. Only a name asks the resolver, and blocks as long as that takes.
///
/// Numbers with leading zeros are refused rather than looked up: `010.0.0.1` is 10.0.0.1 to the kernel and 8.0.0.1 to the C library.
///
/// ```
/// use nvme_fabrics::options::lookup;
///
/// assert_eq!(lookup("0:0:0:0:0:0:0:1")?.to_string(), "::1");
/// assert!(lookup("010.0.0.1").is_err());
/// # Ok::<(), nvme_fabrics::options::LookupError>(())
/// ```
///
/// # Errors
/// [`LookupError`].
pub fn lookup(text: &str) -> Result<IpTraddr, LookupError> {
    let no_address = |source| LookupError::NoAddress { text: text.to_owned(), source };
    let error = match text.parse() {
        Ok(address) => return Ok(address),
        Err(error) => error,
    };
    if !is_name(text) {
        return Err(no_address(error));
    }
    let unknown = |source| LookupError::Unknown { name: text.to_owned(), source };
    let first = (text, 0).to_socket_addrs().map_err(unknown)?.next();
    let address = first.ok_or_else(|| unknown(std::io::ErrorKind::NotFound.into()))?;
    // An address of a socket in words, without its port.
    address.ip().to_string().parse().map_err(no_address)
}

/// Whether a text has the form of a machine's name. The last part begins with a letter, so that no number in another notation is taken for one.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let name = text.strip_suffix('.').unwrap_or(text);
    let mut parts = name.split('.');
    name.len() <= MAX_NAME
        && parts.all(|part| !part.is_empty() && part.bytes().all(plain))
        && name.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_numbers() {
        for name in ["localhost", "storage-1.example", "a_b.example.", "x"] {
            assert!(is_name(name), "{name}");
        }
        for other in
            ["", ".", "010.0.0.1", "0x7f.1", "127.1", "1", "a..b", "[::1]", "a b", "a,b", "fe80::1%eth0"]
        {
            assert!(!is_name(other), "{other}");
        }
        assert!(!is_name(&"a".repeat(254)));
    }

    #[test]
    fn addresses_ask_nobody_and_this_machine_has_a_name() {
        assert_eq!(lookup("FD00::00A").unwrap().to_string(), "fd00::a");
        assert!(lookup("localhost").unwrap().ip().is_loopback());
        let error = lookup("127.000.000.001").unwrap_err();
        assert!(
            error.to_string().starts_with("`127.000.000.001` is not an address to connect to: "),
            "{error}"
        );
        // A name that is reserved for not existing.
        let error = lookup("nowhere.invalid").unwrap_err();
        assert!(error.to_string().starts_with("`nowhere.invalid` has no address"), "{error}");
    }
}
