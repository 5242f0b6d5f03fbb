//! One namespace by two ports of a kernel target: names, asymmetric access that the target changes, a path that goes and comes back under verified
//! writes, the policies.

use std::fs;
use std::time::Duration;

use nvme_fabrics::{AnaState, Inventory, NamespaceParent, Sysfs};

use super::scene;
use super::scene::PATIENCE;
use super::two_ports::{self, ADDRESSES, access, join, set_access, state};
use super::verified::Writers;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_multipath::names_and_policies", names_and_policies),
    Case::new("fabrics_multipath::access_changes_under_writes", access_changes_under_writes),
    Case::new("fabrics_multipath::a_port_goes_and_comes_back_under_writes", port_comes_back_under_writes),
];

const LOSS: Duration = Duration::from_secs(600);

fn names_and_policies(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (first, disk) = join(ADDRESSES[0], LOSS)?;
    let (second, same) = join(ADDRESSES[1], LOSS)?;
    ensure_eq!(same.name, disk.name, "both paths lead to one block device");

    let generic = two_ports::generic_of(ctx, &disk)?;
    let inventory = Inventory::scan(&Sysfs::system())?;
    let (subsystem, head) = inventory.namespace(disk.name).ok_or_else(|| Failure::new("no namespace"))?;
    ensure_eq!(head.parent, NamespaceParent::Subsystem, "parent");
    ensure_eq!(head.name.owner(), subsystem.name.instance(), "X is the subsystem's number");
    ensure_eq!(head.controllers(), [first, second], "paths");
    for path in &head.paths {
        let name = path.name.to_string();
        ensure!(!std::path::Path::new("/dev").join(&name).exists(), "{name} has a node");
        ensure_eq!(fs::read_to_string(format!("/sys/block/{name}/hidden"))?.trim(), "1", "hidden");
        ensure_eq!(path.ana_group, Some(1), "group");
        ensure_eq!(path.ana_state, Some(AnaState::new(AnaState::OPTIMIZED)), "access");
    }
    ensure_eq!(head.generic, Some(generic), "character device");
    ensure_eq!(head.ana_state, None, "a head has no state of its own");

    let policy = || -> Result<Option<String>, Failure> {
        Ok(Inventory::scan_quietly(&Sysfs::system())?.subsystems[0].io_policy.clone())
    };
    ensure_eq!(policy()?.as_deref(), Some("numa"), "policy");
    let attribute = format!("/sys/class/nvme-subsystem/{}/iopolicy", subsystem.name);
    fs::write(attribute, "round-robin")?;
    ensure_eq!(policy()?.as_deref(), Some("round-robin"), "policy");

    // nvme-cli calls everything the same.
    let said = ctx.run("nvme", ["list", "-v", "-o", "json"])?.stdout;
    for name in head.paths.iter().map(|p| p.name.to_string()).chain([head.name.to_string()]) {
        ensure!(said.contains(&name), "{name} in {said}");
    }
    scene::leave(first)?;
    let left = Inventory::scan(&Sysfs::system())?;
    let (_, head) = left.namespace(disk.name).ok_or_else(|| Failure::new("the head went with a path"))?;
    ensure_eq!(head.controllers(), [second], "paths");
    scene::leave(second)?;
    ensure_eq!(Inventory::scan(&Sysfs::system())?.namespaces().count(), 0, "namespaces");
    scene::clear_target()
}

fn access_changes_under_writes(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (first, disk) = join(ADDRESSES[0], LOSS)?;
    let (second, _) = join(ADDRESSES[1], LOSS)?;
    let writers = Writers::start(&disk.name.dev_path());
    writers.progress(ctx)?;
    for (one, two) in [
        ("inaccessible", "optimized"),
        ("optimized", "inaccessible"),
        ("non-optimized", "optimized"),
        ("persistent-loss", "non-optimized"),
        ("optimized", "optimized"),
    ] {
        // The path that gets better first: at no time is there none.
        let better = |state: &str| state.ends_with("optimized");
        let mut order = [(1, first, one), (2, second, two)];
        order.sort_by_key(|(_, _, state)| !better(state));
        for (port, controller, state) in order {
            set_access(port, state)?;
            ctx.wait_for(&format!("{controller} to be {state}"), PATIENCE, || {
                Ok(access(controller)?.is_some_and(|seen| seen.as_str() == state))
            })?;
        }
        writers.progress(ctx)?;
    }
    let written = writers.check()?;
    ctx.note(&format!("{written} writes, five changes of access"));
    scene::leave(first)?;
    scene::leave(second)?;
    scene::clear_target()
}

fn port_comes_back_under_writes(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (first, disk) = join(ADDRESSES[0], LOSS)?;
    let (second, _) = join(ADDRESSES[1], LOSS)?;
    let writers = Writers::start(&disk.name.dev_path());
    writers.progress(ctx)?;
    for (port, controller) in [(1, first), (2, second), (1, first)] {
        two_ports::close(port)?;
        ctx.wait_for("the path to be lost", PATIENCE, || {
            Ok(state(controller)?.as_deref() == Some("connecting"))
        })?;
        writers.progress(ctx)?;
        two_ports::open(port)?;
        nvme_fabrics::wait_live(&Sysfs::system(), controller, PATIENCE)?;
        writers.progress(ctx)?;
    }
    let written = writers.check()?;
    ctx.note(&format!("{written} writes, a port lost three times"));
    scene::leave(first)?;
    scene::leave(second)?;
    scene::clear_target()
}
