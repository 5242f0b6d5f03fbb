//! What can be known before anything is written.

use std::collections::BTreeSet;
use std::net::IpAddr;

use nvme_proto::IpTraddr;

use super::ConnectError;
use super::twin::{is_same_address, is_same_port};
use crate::identity::HostIdentity;
use crate::kernel::device::FabricsDevice;
use crate::kernel::names::ControllerName;
use crate::kernel::sysfs::{Controller, Inventory, Sysfs, entries, read_bounded, text};
use crate::options::ConnectOptions;

/// Every option must be one that this kernel knows, with a value that it takes. Kernels without a list decide themselves when the options are written.
pub(super) fn check_options(
    device: &dyn FabricsDevice,
    options: &ConnectOptions,
) -> Result<(), ConnectError> {
    options
        .check_for_kernel()
        .map_err(|source| ConnectError::BadOption { target: options.to_string(), source })?;
    let known = device
        .option_list()
        .map_err(|source| ConnectError::Device { target: options.to_string(), source })?;
    // What is newer than this crate is newer than every kernel without a list.
    let unlisted = options.newer_names().find(|name| known.knows(name).is_none());
    let unknown = || options.option_names().into_iter().find(|name| known.knows(name) == Some(false));
    match unlisted.or_else(unknown) {
        Some(option) => {
            Err(ConnectError::Unsupported { target: options.to_string(), option: option.to_owned() })
        }
        None => Ok(()),
    }
}

/// A link-local IPv6 address is the same on every link: without an interface, from whichever option, the kernel answers EINVAL and says no more.
pub(super) fn check_interface(options: &ConnectOptions) -> Result<(), ConnectError> {
    let is_bare = |address: &IpTraddr| {
        address.scope().is_none() && matches!(address.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local())
    };
    let Some(address) = options.traddr().filter(|a| is_bare(a)) else { return Ok(()) };
    if options.local_interface().is_some() || options.local_address().is_some_and(|a| a.scope().is_some()) {
        return Ok(());
    }
    Err(ConnectError::NoInterface { target: options.to_string(), address: address.clone() })
}

/// Who looks whether a new connection contradicts those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    /// The kernel, when the options are written. Costs nothing that grows with the number of controllers.
    Kernel,
    /// The kernel for duplicates, and we for identities, before anything is written. Costs two attributes where a controller of this host is the first.
    Shared,
    /// We do, before anything is written: the kernel would let some of it through.
    Us,
}

/// Since 6.5 the kernel itself refuses contradicting identities. Duplicates it always did, of every transport but loop.
///
/// The release is a floor: a kernel that says 6.5 has the check, one that says less may have it. Of one that says nothing nothing is known.
pub(super) fn who_looks(sysfs: &Sysfs, options: &ConnectOptions) -> Looks {
    let release = read_bounded(&sysfs.proc().join("sys/kernel/osrelease")).ok();
    match release.and_then(|text| version(&text)) {
        _ if options.transport() == "loop" => Looks::Us,
        Some(version) if version >= (6, 5) => Looks::Kernel,
        Some(version) if version >= (5, 10) => Looks::Shared,
        _ => Looks::Us,
    }
}

/// `6.12.48+deb13-cloud-amd64` is 6.12.
fn version(release: &str) -> Option<(u32, u32)> {
    let (major, rest) = release.split_once('.')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest.get(..end)?.parse().ok()?))
}

/// The controllers that there are, by name alone.
pub(super) fn names(sysfs: &Sysfs) -> BTreeSet<ControllerName> {
    entries(&sysfs.class("nvme"), ControllerName::parse).into_iter().collect()
}

/// No live controller may be the same connection, or use half of this host's identity with another half.
///
/// Contradicting identities are refused for all kernels: those that let them through (before 6.5) change the identifier of the controllers that are already there.
pub(super) fn check_live_controllers(
    inventory: &Inventory,
    options: &ConnectOptions,
) -> Result<(), ConnectError> {
    let live = || inventory.controllers().map(|(_, c)| c).filter(|c| !c.state.is_terminal());
    if options.refuses_duplicates()
        && let Some(same) = find_same(inventory, options)
    {
        return Err(ConnectError::AlreadyConnected {
            target: options.to_string(),
            controller: same.name,
            state: same.state.clone(),
        });
    }
    live().try_for_each(|c| match (c.host_nqn.as_deref(), c.host_id.as_deref()) {
        (Some(nqn), Some(id)) if Agreement::of(options.host(), nqn, id) == Agreement::Half => {
            Err(conflict(options, c.name, nqn, id))
        }
        _ => Ok(()),
    })
}

/// The identities of [`check_live_controllers`] alone, at the price of as few attributes as that takes.
///
/// A kernel that does not compare identities keeps one identifier for each host NQN, and all controllers of that NQN show it (`fabrics.c: nvmf_host_add`
/// before 6.5). So a controller with both halves of ours speaks for all others: none has our NQN with another identifier. Where one has our identifier
/// with another NQN, that was so before, and this connect makes it no worse.
pub(super) fn check_identities(
    sysfs: &Sysfs,
    names: &BTreeSet<ControllerName>,
    options: &ConnectOptions,
) -> Result<(), ConnectError> {
    for &name in names {
        let dir = sysfs.class("nvme").join(name.to_string());
        let (Some(nqn), Some(id)) = (text(&dir, "hostnqn"), text(&dir, "hostid")) else { continue };
        match Agreement::of(options.host(), &nqn, &id) {
            Agreement::Whole => break,
            Agreement::None => {}
            Agreement::Half => {
                let is_leaving = Controller::read(sysfs, name).is_none_or(|c| c.state.is_terminal());
                if !is_leaving {
                    return Err(conflict(options, name, &nqn, &id));
                }
            }
        }
    }
    Ok(())
}

fn conflict(options: &ConnectOptions, controller: ControllerName, nqn: &str, id: &str) -> ConnectError {
    ConnectError::IdentityConflict {
        target: options.to_string(),
        controller,
        ours: options.host().clone(),
        their_nqn: nqn.to_owned(),
        their_id: id.to_owned(),
    }
}

/// The live controller that is this very path, whether or not the kernel would refuse a second one.
pub(crate) fn find_same<'a>(inventory: &'a Inventory, options: &ConnectOptions) -> Option<&'a Controller> {
    let live = inventory.controllers().map(|(_, c)| c).filter(|c| !c.state.is_terminal());
    live.into_iter().find(|c| is_duplicate(c, options))
}

/// As the kernel decides it (`fabrics.h: nvmf_ctlr_matches_baseopts`, `fabrics.c: nvmf_ip_options_match`), but addresses are compared as addresses: two
/// spellings of one address are one connection.
pub(super) fn is_duplicate(c: &Controller, options: &ConnectOptions) -> bool {
    let host = options.host();
    let (traddr, host_traddr) = options.addresses();
    let optional = |theirs: Option<&str>, ours: Option<String>| match (theirs, ours) {
        (None, None) => true,
        (Some(theirs), Some(ours)) => is_same_address(theirs, &ours),
        _ => false,
    };
    c.transport == options.transport()
        && (c.subsystem_nqn.as_deref() == Some(options.nqn().as_str())
            // A discovery controller shows its own NQN, not the well-known one by which it was asked for.
            || (options.nqn().is_discovery() && c.is_discovery()))
        && c.host_nqn.as_deref() == Some(host.nqn.as_str())
        && c.host_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(&host.id.to_string()))
        && optional(c.address.traddr.as_deref(), traddr)
        && match (c.address.trsvcid.as_deref(), options.port()) {
            (None, None) => true,
            (Some(theirs), Some(ours)) => is_same_port(theirs, ours),
            _ => false,
        }
        && optional(c.address.host_traddr.as_deref(), host_traddr)
        && optional(c.address.host_iface.as_deref(), options.local_interface().map(str::to_owned))
}

/// How much of an identity two hosts have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agreement {
    /// Nothing: two hosts.
    None,
    /// One half: a contradiction.
    Half,
    /// Both halves: one host.
    Whole,
}

impl Agreement {
    fn of(host: &HostIdentity, nqn: &str, id: &str) -> Self {
        match (nqn == host.nqn.as_str(), id.eq_ignore_ascii_case(&host.id.to_string())) {
            (true, true) => Self::Whole,
            (false, false) => Self::None,
            _ => Self::Half,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sysfs::fixture::{Fixture, TCP};

    const ID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn options() -> ConnectOptions {
        let host = HostIdentity::new("me".parse().unwrap(), ID.parse().unwrap());
        ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, "mysub".parse().unwrap(), host).unwrap()
    }

    /// The number of the controller that contradicts.
    fn conflicting(f: &Fixture) -> Option<u32> {
        let sysfs = f.sysfs();
        let error = check_identities(&sysfs, &names(&sysfs), &options()).err()?;
        error.conflicting().map(|name| name.instance())
    }

    #[test]
    fn one_controller_of_this_host_speaks_for_all() {
        let other = "11111111-2222-4333-8444-555555555555";
        let of = |f: &Fixture, name: &str, nqn: &str, id: &str| {
            f.controller(name, TCP, &[("hostnqn", nqn), ("hostid", id)]);
        };
        let f = Fixture::new();
        assert_eq!(conflicting(&f), None, "there is none");
        of(&f, "nvme1", "somebody", other);
        assert_eq!(conflicting(&f), None, "another host");
        of(&f, "nvme10", "me", other);
        assert_eq!(conflicting(&f), Some(10), "this NQN with another identifier");
        of(&f, "nvme3", "she", &ID.to_uppercase());
        assert_eq!(conflicting(&f), Some(3), "this identifier with another NQN");
        f.file("sys/class/nvme/nvme3/state", "deleting (no IO)");
        assert_eq!(conflicting(&f), Some(10), "who is on the way out contradicts nobody");
        of(&f, "nvme2", "me", &ID.to_uppercase());
        assert_eq!(conflicting(&f), None, "what comes after it is not looked at");
        f.file("sys/class/nvme/nvme2/hostid", "");
        assert_eq!(conflicting(&f), Some(10), "one that says nothing speaks for nobody");
    }

    #[test]
    fn who_looks_depends_on_the_kernel_and_the_transport() {
        let f = Fixture::new();
        assert_eq!(who_looks(&f.sysfs(), &options()), Looks::Us, "a kernel that says nothing");
        for (release, looks) in [
            ("7.3.0", Looks::Kernel),
            ("6.5.0", Looks::Kernel),
            ("6.4.16", Looks::Shared),
            ("5.10.0-33-amd64", Looks::Shared),
            ("4.19.0", Looks::Us),
        ] {
            f.file("proc/sys/kernel/osrelease", release);
            assert_eq!(who_looks(&f.sysfs(), &options()), looks, "{release}");
        }
        let host = options().host().clone();
        f.file("proc/sys/kernel/osrelease", "7.3.0");
        let looped = ConnectOptions::loopback("mysub".parse().unwrap(), host).unwrap();
        assert_eq!(who_looks(&f.sysfs(), &looped), Looks::Us);
    }

    #[test]
    fn releases_as_distributions_write_them() {
        for (text, want) in [
            ("6.12.48+deb13-cloud-amd64\n", Some((6, 12))),
            ("6.5", Some((6, 5))),
            ("6.4-rc1", Some((6, 4))),
            ("7.3.0", Some((7, 3))),
            ("5.14.0-427.el9", Some((5, 14))),
            ("6", None),
            ("6.x", None),
            ("", None),
        ] {
            assert_eq!(version(text), want, "{text}");
        }
    }
}
