//! What older kernels do not show in sysfs, asked of the controllers.

use nvme_proto::Nsid;

use super::ioctl::{AdminError, ControllerNode};
use super::names::ControllerName;
use super::sysfs::{Inventory, Sysfs};

/// What Identify Namespace adds to a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    used_blocks: u64,
    metadata_bytes: u32,
}

impl Inventory {
    /// Fills in the blocks in use and the metadata size of namespaces where sysfs does not have them (kernels before 6.8), by Identify
    /// commands to live controllers. Best effort: without the permission to send commands, fields stay unknown.
    pub fn complete(&mut self, sysfs: &Sysfs) {
        self.complete_with(|controller, nsid| {
            let node = ControllerNode::open(sysfs.dev().join(controller.to_string()))?;
            let identify = node.identify_namespace(nsid)?;
            let metadata = identify.lba_format().map_or(0, |format| format.metadata_bytes);
            Ok(Facts { used_blocks: identify.used(), metadata_bytes: u32::from(metadata) })
        });
    }

    fn complete_with(&mut self, ask: impl Fn(ControllerName, Nsid) -> Result<Facts, AdminError>) {
        for subsystem in &mut self.subsystems {
            let controllers = &subsystem.controllers;
            let live =
                |name: &ControllerName| controllers.iter().any(|c| c.name == *name && c.state.is_live());
            for namespace in &mut subsystem.namespaces {
                if namespace.used_blocks.is_some() && namespace.metadata_bytes.is_some() {
                    continue;
                }
                let Ok(nsid) = Nsid::new(namespace.nsid) else { continue };
                let answer = namespace.controllers().into_iter().filter(live).find_map(|c| ask(c, nsid).ok());
                if let Some(facts) = answer {
                    namespace.used_blocks.get_or_insert(facts.used_blocks);
                    namespace.metadata_bytes.get_or_insert(facts.metadata_bytes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::sysfs::fixture::{Fixture, TCP};
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_and_only_of_live_controllers() {
        let f = Fixture::guide();
        f.controller("nvme1", TCP, &[("state", "connecting")])
            .subsystem("nvme-subsys0", "mysub", &["nvme0", "nvme1"])
            .path("nvme1", "nvme0c1n1", "optimized");
        let mut inventory = Inventory::scan(&f.sysfs()).unwrap();
        let asked = Cell::new(0);
        inventory.complete_with(|controller, nsid| {
            asked.set(asked.get() + 1);
            assert_eq!((controller, nsid.get()), (ControllerName::new(0), 1));
            Ok(Facts { used_blocks: 9, metadata_bytes: 8 })
        });
        let ns = &inventory.subsystems[0].namespaces[0];
        assert_eq!((ns.used_blocks, ns.metadata_bytes, asked.get()), (Some(9), Some(8), 1));
        inventory.complete_with(|_, _| unreachable!("everything is known"));
    }

    #[test]
    fn a_node_that_cannot_be_opened_leaves_fields_unknown() {
        let f = Fixture::guide();
        let mut inventory = Inventory::scan(&f.sysfs()).unwrap();
        inventory.complete(&f.sysfs());
        assert_eq!(inventory.subsystems[0].namespaces[0].used_blocks, None);
    }
}
