//! What can be known before anything is written.

use std::collections::BTreeSet;
use std::net::IpAddr;

use nvme_proto::IpTraddr;

use super::ConnectError;
use super::twin::{is_same_address, is_same_port};
use crate::kernel::device::FabricsDevice;
use crate::kernel::names::ControllerName;
use crate::kernel::sysfs::{Controller, Inventory, Sysfs, entries, read_bounded};
use crate::options::ConnectOptions;

/// Every option must be one that this kernel knows. Kernels without a list decide themselves when the options are written.
pub(super) fn check_options(
    device: &dyn FabricsDevice,
    options: &ConnectOptions,
) -> Result<(), ConnectError> {
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
    /// We do, before anything is written: the kernel would let some of it through.
    Us,
}

/// Since 6.5 the kernel itself refuses contradicting identities, and duplicates of every transport but loop.
///
/// The release is a floor: a kernel that says 6.5 has the check, one that says less may have it.
pub(super) fn who_looks(sysfs: &Sysfs, options: &ConnectOptions) -> Looks {
    let release = read_bounded(&sysfs.proc().join("sys/kernel/osrelease")).ok();
    let checks = release.and_then(|text| version(&text)).is_some_and(|version| version >= (6, 5));
    if checks && options.transport() != "loop" { Looks::Kernel } else { Looks::Us }
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
    if let Some((other, nqn, id)) = live().find_map(|c| contradiction(c, options)) {
        return Err(ConnectError::IdentityConflict {
            target: options.to_string(),
            controller: other.name,
            ours: options.host().clone(),
            their_nqn: nqn.to_owned(),
            their_id: id.to_owned(),
        });
    }
    Ok(())
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

/// The controller's identity, if it shares exactly one half with ours.
fn contradiction<'a>(
    c: &'a Controller,
    options: &ConnectOptions,
) -> Option<(&'a Controller, &'a str, &'a str)> {
    let (nqn, id) = (c.host_nqn.as_deref()?, c.host_id.as_deref()?);
    let host = options.host();
    let same_nqn = nqn == host.nqn.as_str();
    let same_id = id.eq_ignore_ascii_case(&host.id.to_string());
    (same_nqn != same_id).then_some((c, nqn, id))
}

#[cfg(test)]
mod tests {
    use super::*;

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
