//! Who has connected what.

use super::{Controller, Inventory, Subsystem};

/// The controllers of one host identity, and which subsystem each is of.
///
/// The kernel puts the controllers of all identities to one NQN into one subsystem; here they are kept apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Host<'a> {
    /// Host NQN; `None` for drives of this machine, and on kernels before 5.10.
    pub nqn: Option<&'a str>,
    /// Host identifier.
    pub id: Option<&'a str>,
    /// Controllers in the order of the inventory; `None` while one has no subsystem yet.
    pub controllers: Vec<(Option<&'a Subsystem>, &'a Controller)>,
}

impl Host<'_> {
    /// Its subsystems, each once, in the order of the inventory.
    #[must_use]
    pub fn subsystems(&self) -> Vec<&Subsystem> {
        let mut found: Vec<&Subsystem> = Vec::new();
        for subsystem in self.controllers.iter().filter_map(|(subsystem, _)| *subsystem) {
            if !found.iter().any(|s| s.name == subsystem.name) {
                found.push(subsystem);
            }
        }
        found
    }
}

impl Inventory {
    /// All host identities, in the order of their first controller.
    #[must_use]
    pub fn hosts(&self) -> Vec<Host<'_>> {
        let mut hosts: Vec<Host<'_>> = Vec::new();
        for (subsystem, controller) in self.controllers() {
            let (nqn, id) = (controller.host_nqn.as_deref(), controller.host_id.as_deref());
            match hosts.iter_mut().find(|host| (host.nqn, host.id) == (nqn, id)) {
                Some(host) => host.controllers.push((subsystem, controller)),
                None => hosts.push(Host { nqn, id, controllers: vec![(subsystem, controller)] }),
            }
        }
        hosts
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, TCP};
    use super::*;

    #[test]
    fn two_hosts_may_share_a_subsystem() {
        let f = Fixture::guide();
        f.controller("nvme1", TCP, &[("hostnqn", "other"), ("hostid", "other")])
            .controller("nvme2", TCP, &[])
            .controller("nvme9", &[("state", "connecting"), ("hostnqn", "other"), ("hostid", "other")], &[])
            .subsystem("nvme-subsys0", "mysub", &["nvme0", "nvme1"])
            .subsystem("nvme-subsys2", "second", &["nvme2"]);
        let inventory = Inventory::scan(&f.sysfs()).unwrap();
        let hosts = inventory.hosts();
        let numbers = |host: &Host<'_>| -> Vec<u32> {
            host.controllers.iter().map(|(_, c)| c.name.instance()).collect()
        };
        assert_eq!(hosts.iter().map(numbers).collect::<Vec<_>>(), [vec![0, 2], vec![1, 9]]);
        assert_eq!(hosts[1].nqn, Some("other"));
        let subsystems =
            |host: &Host<'_>| -> Vec<u32> { host.subsystems().iter().map(|s| s.name.instance()).collect() };
        assert_eq!((subsystems(&hosts[0]), subsystems(&hosts[1])), (vec![0, 2], vec![0]));
    }
}
