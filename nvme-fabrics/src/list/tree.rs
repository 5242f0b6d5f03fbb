//! One block a subsystem and host.

use std::fmt::Write as _;

use super::plain::plain;
use crate::kernel::names::NamespaceName;
use crate::kernel::sysfs::{AnaState, Controller, Inventory, Subsystem};

/// A subsystem with those of its controllers that one host identity has connected.
///
/// The kernel puts the controllers of all host identities to one NQN into one subsystem; here they are kept apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubsystemBlock<'a> {
    /// The subsystem.
    pub subsystem: &'a Subsystem,
    /// Host NQN; `None` for PCIe drives.
    pub host_nqn: Option<&'a str>,
    /// Host identifier; `None` for PCIe drives.
    pub host_id: Option<&'a str>,
    /// The controllers, by number; empty for a subsystem whose namespaces are kept without any.
    pub controllers: Vec<&'a Controller>,
}

/// All blocks: subsystems by number, hosts in order of their first controller.
#[must_use]
pub fn blocks(inventory: &Inventory) -> Vec<SubsystemBlock<'_>> {
    let mut blocks: Vec<SubsystemBlock<'_>> = Vec::new();
    for subsystem in &inventory.subsystems {
        let first = blocks.len();
        for controller in &subsystem.controllers {
            let host = (controller.host_nqn.as_deref(), controller.host_id.as_deref());
            match blocks.iter_mut().skip(first).find(|b| (b.host_nqn, b.host_id) == host) {
                Some(block) => block.controllers.push(controller),
                None => blocks.push(SubsystemBlock {
                    subsystem,
                    host_nqn: host.0,
                    host_id: host.1,
                    controllers: vec![controller],
                }),
            }
        }
        // One without anything only waits for its last user to let go.
        if blocks.len() == first && !subsystem.namespaces.is_empty() {
            blocks.push(SubsystemBlock { subsystem, host_nqn: None, host_id: None, controllers: Vec::new() });
        }
    }
    blocks
}

/// The tree of `nvme list-subsys`.
///
/// Two lines that `nvme` does not have: a subsystem without controllers says so, and controllers that have no subsystem yet are
/// listed at the end.
#[must_use]
pub fn subsystems(inventory: &Inventory) -> String {
    tree(inventory, None)
}

/// The same for the subsystem of one namespace, the access state shown with each of its paths. Empty when there is no such namespace.
#[must_use]
pub fn subsystems_of(inventory: &Inventory, namespace: NamespaceName) -> String {
    let Some((subsystem, _)) = inventory.namespace(namespace) else { return String::new() };
    let one = Inventory { subsystems: vec![subsystem.clone()], incomplete: Vec::new() };
    tree(&one, Some(namespace))
}

fn tree(inventory: &Inventory, namespace: Option<NamespaceName>) -> String {
    let mut text = String::new();
    for block in blocks(inventory) {
        let SubsystemBlock { subsystem, host_nqn, controllers, .. } = &block;
        let name = subsystem.name.to_string();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} - NQN={}", plain(subsystem.nqn.as_deref().unwrap_or("?")));
        let indent = name.len().saturating_add(3);
        for (key, value) in [("hostnqn", *host_nqn), ("iopolicy", subsystem.io_policy.as_deref())] {
            if let Some(value) = value {
                let _ = writeln!(text, "{:indent$}{key}={}", "", plain(value));
            }
        }
        if controllers.is_empty() {
            let _ = writeln!(text, "{:indent$}no controllers", "");
            continue;
        }
        text.push_str("\\\n");
        for controller in controllers {
            let ana = namespace.and_then(|n| ana_state(subsystem, n, controller));
            let ana = ana.map(|state| format!(" [{}]", plain(state.as_str()))).unwrap_or_default();
            let _ = writeln!(text, " +- {}{ana}", line(controller));
        }
    }
    if !inventory.incomplete.is_empty() {
        text.push_str("no subsystem yet\n\\\n");
        for controller in &inventory.incomplete {
            let _ = writeln!(text, " +- {}", line(controller));
        }
    }
    text
}

fn line(c: &Controller) -> String {
    let words = [c.name.to_string(), c.transport.clone(), c.address.text.clone(), c.state.to_string()];
    words.iter().filter(|w| !w.is_empty()).map(|word| plain(word)).collect::<Vec<_>>().join(" ")
}

fn ana_state<'a>(
    subsystem: &'a Subsystem,
    ns: NamespaceName,
    controller: &Controller,
) -> Option<&'a AnaState> {
    let ns = subsystem.namespaces.iter().find(|n| n.name == ns)?;
    ns.paths.iter().find(|p| p.controller == controller.name)?.ana_state.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sysfs::fixture::{Fixture, TCP};

    #[test]
    fn the_tree_of_nvme_list_subsys() {
        let f = Fixture::guide();
        let inventory = Inventory::scan(&f.sysfs()).unwrap();
        let want = "\
nvme-subsys0 - NQN=mysub
               hostnqn=nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6
               iopolicy=numa
\\
 +- nvme0 tcp traddr=192.0.2.10,trsvcid=4420,src_addr=192.0.2.55 live [optimized]
";
        assert_eq!(subsystems_of(&inventory, NamespaceName::new(0, 1)), want);
        assert_eq!(subsystems(&inventory), want.replace(" [optimized]", ""));
        assert_eq!(subsystems_of(&inventory, NamespaceName::new(0, 2)), "");
    }

    #[test]
    fn two_hosts_in_one_subsystem_are_two_blocks() {
        let f = Fixture::guide();
        f.controller("nvme1", TCP, &[("hostnqn", "other"), ("hostid", "other")])
            .controller("nvme2", TCP, &[])
            .subsystem("nvme-subsys0", "mysub", &["nvme0", "nvme1", "nvme2"]);
        let inventory = Inventory::scan(&f.sysfs()).unwrap();
        let blocks = blocks(&inventory);
        let names: Vec<Vec<u32>> =
            blocks.iter().map(|b| b.controllers.iter().map(|c| c.name.instance()).collect()).collect();
        assert_eq!(names, [vec![0, 2], vec![1]]);
        assert_eq!(blocks[1].host_nqn, Some("other"));
    }

    #[test]
    fn what_nvme_hides_is_shown() {
        let f = Fixture::new();
        f.subsystem("nvme-subsys3", "lingers", &[])
            .subsystem("nvme-subsys4", "kept", &[])
            .namespace("nvme-subsystem/nvme-subsys4", "nvme4n1", "1", "259:0")
            .controller("nvme9", &[("state", "connecting"), ("transport", "tcp")], &[]);
        let text = subsystems(&Inventory::scan(&f.sysfs()).unwrap());
        assert!(text.contains("nvme-subsys4 - NQN=kept\n"), "{text}");
        assert!(!text.contains("lingers"), "{text}");
        assert!(text.contains("               no controllers\n"), "{text}");
        assert!(text.ends_with("no subsystem yet\n\\\n +- nvme9 tcp connecting\n"), "{text}");
    }
}
