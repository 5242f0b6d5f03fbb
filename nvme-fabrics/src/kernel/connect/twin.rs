//! A connection that another program made under another spelling of the same address.
//!
//! The kernel compares addresses and ports as text, so to it `::1` and `0:0:0:0:0:0:0:1` are two places. This crate writes one spelling only
//! ([`IpTraddr`]'s, and ports in plain decimal), so the kernel finds what this crate connected; what another program wrote differently is found here, after
//! the kernel has said yes.
//!
//! | the new controller | looked at |
//! |---|---|
//! | is the first of its subsystem, which then bears its number | one name |
//! | has siblings | the names of the subsystems of this machine until its own is found, and these siblings |
//!
//! Every discovery controller is a subsystem of its own to the kernel, so twins of these are not found; two of them harm nobody.
//!
//! Source: `fabrics.c: nvmf_ip_options_match`, `core.c: nvme_init_subsystem`, `net/core/utils.c: inet_pton_with_scope`.

use std::net::Ipv4Addr;

use nvme_proto::IpTraddr;

use super::preflight::is_duplicate;
use crate::kernel::names::{ControllerName, SubsystemName};
use crate::kernel::sysfs::{Controller, Sysfs, entries};
use crate::options::ConnectOptions;

/// The live controller that is the same connection as the one that was just made; `None` also when its subsystem cannot be found.
pub(super) fn find(sysfs: &Sysfs, options: &ConnectOptions, made: ControllerName) -> Option<Controller> {
    let subsystems = sysfs.class("nvme-subsystem");
    let holds = |subsystem: &str| subsystems.join(subsystem).join(made.to_string()).exists();
    if !options.refuses_duplicates() || holds(&format!("nvme-subsys{}", made.instance())) {
        return None;
    }
    let all = entries(&subsystems, SubsystemName::parse);
    let own = all.into_iter().map(|name| name.to_string()).find(|name| holds(name))?;
    entries(&subsystems.join(own), ControllerName::parse)
        .into_iter()
        .filter(|sibling| *sibling != made)
        .filter_map(|sibling| Controller::read(sysfs, sibling))
        .find(|sibling| !sibling.state.is_terminal() && is_duplicate(sibling, options))
}

/// Whether a text of the kernel's means this address; `ours` is canonical.
pub(super) fn is_same_address(theirs: &str, ours: &str) -> bool {
    theirs == ours || meaning(theirs).is_some_and(|theirs| theirs == ours)
}

/// An address in its canonical spelling. The kernel takes leading zeros of IPv4 for nothing, where the C library takes them for octal.
fn meaning(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<IpTraddr>() {
        return Some(address.to_string());
    }
    let mut parts = text.split('.').map(decimal::<u8>);
    let mut next = || parts.next().flatten();
    let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    parts.next().is_none().then(|| address.to_string())
}

/// Digits, with any number of zeros in front.
fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Whether a port as the kernel keeps it means this one. It reads C notation: `0x1144` is 4420, and `04420` is octal, 2320.
pub(super) fn is_same_port(theirs: &str, ours: u16) -> bool {
    let (digits, radix) = match theirs.strip_prefix("0x").or(theirs.strip_prefix("0X")) {
        Some(hexadecimal) => (hexadecimal, 16),
        None if theirs.len() > 1 && theirs.starts_with('0') => (theirs, 8),
        None => (theirs, 10),
    };
    !digits.starts_with('+') && u16::from_str_radix(digits, radix) == Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::HostIdentity;
    use crate::kernel::sysfs::fixture::{Fixture, TCP};

    fn options() -> ConnectOptions {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, "mysub".parse().unwrap(), host).unwrap()
    }

    /// Two controllers of one subsystem, the second one just made.
    fn two(first: &str) -> Fixture {
        let f = Fixture::new();
        f.controller("nvme3", TCP, &[("address", first)])
            .controller("nvme5", TCP, &[])
            .subsystem("nvme-subsys1", "other", &["nvme1"])
            .subsystem("nvme-subsys3", "mysub", &["nvme3", "nvme5"]);
        f
    }

    fn found(f: &Fixture, options: &ConnectOptions) -> Option<u32> {
        find(&f.sysfs(), options, ControllerName::new(5)).map(|c| c.name.instance())
    }

    #[test]
    fn a_sibling_at_the_same_place_in_other_words_is_a_twin() {
        for spelled in ["traddr=192.000.2.010,trsvcid=4420", "traddr=192.0.2.10,trsvcid=0x1144"] {
            assert_eq!(found(&two(spelled), &options()), Some(3), "{spelled}");
        }
        for other in [
            "traddr=192.0.2.8,trsvcid=4420",
            "traddr=192.0.2.10,trsvcid=04420",
            "traddr=192.0.2.10,trsvcid=4420,host_iface=eth0",
        ] {
            assert_eq!(found(&two(other), &options()), None, "{other}");
        }
    }

    #[test]
    fn who_asks_for_a_duplicate_and_who_is_first_has_no_twin() {
        let f = two("traddr=192.000.2.010,trsvcid=4420");
        assert_eq!(found(&f, &options().duplicate_connect().unwrap()), None);
        f.subsystem("nvme-subsys5", "mysub", &["nvme5"]);
        assert_eq!(found(&f, &options()), None, "its subsystem has its number");
        let f = two("traddr=192.000.2.010,trsvcid=4420");
        f.file("sys/class/nvme/nvme3/state", "deleting");
        assert_eq!(found(&f, &options()), None, "it is on its way out");
        f.remove("sys/class/nvme-subsystem/nvme-subsys3");
        assert_eq!(found(&f, &options()), None, "nobody knows the subsystem");
    }

    #[test]
    fn spellings_of_addresses_and_ports() {
        for (theirs, ours) in [
            ("127.000.000.001", "127.0.0.1"),
            ("010.1.1.1", "10.1.1.1"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("FD00::00A", "fd00::a"),
        ] {
            assert!(is_same_address(theirs, ours), "{theirs}");
        }
        for theirs in ["127.0.0.256", "127.0.1", "127.0.0.1.0", "127.0.0.+1", "127.0.0.", "127.0.0.0x1", ""] {
            assert!(!is_same_address(theirs, "127.0.0.1"), "{theirs}");
        }
        for (text, want) in [
            ("4420", true),
            ("0x1144", true),
            ("010504", true),
            ("04420", false),
            ("+4420", false),
            ("", false),
        ] {
            assert_eq!(is_same_port(text, 4420), want, "{text}");
        }
    }
}
