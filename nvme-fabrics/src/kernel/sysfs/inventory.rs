//! All subsystems, controllers, paths and namespaces in one scan.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use super::namespace::AskController;
use super::{Controller, Namespace, NamespaceParent, NamespacePath, Sysfs, entries, text};
use crate::kernel::names::{ControllerName, NamespaceName, PathName, SubsystemName};

/// Why a scan was impossible. Missing and vanishing attributes are no reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// There is no sysfs to read.
    #[error("cannot list NVMe controllers: {} is not a mounted sysfs", .path.display())]
    NoSysfs {
        /// The `class` directory that should be there.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory of controllers is there and cannot be read.
    #[error("cannot list NVMe controllers in {}", .path.display())]
    Read {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A subsystem: `/sys/class/nvme-subsystem/nvme-subsysS`, with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subsystem {
    /// `nvme-subsysS`.
    pub name: SubsystemName,
    /// Its NQN, kept as text: old PCIe drives have made-up names that are no NQNs.
    pub nqn: Option<String>,
    /// `nvm`, `discovery`, `reserved`. Since 5.17.
    pub subsystem_type: Option<String>,
    /// Model, trimmed.
    pub model: Option<String>,
    /// Serial number, trimmed.
    pub serial: Option<String>,
    /// Firmware revision, trimmed.
    pub firmware: Option<String>,
    /// `numa`, `round-robin`, `queue-depth` (6.11); only with native multipath.
    pub io_policy: Option<String>,
    /// Controllers, by number. May be empty while a namespace is kept without a path.
    pub controllers: Vec<Controller>,
    /// Namespaces, by name: multipath heads and plain ones.
    pub namespaces: Vec<Namespace>,
}

/// Everything that the NVMe host of this machine has, PCIe included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inventory {
    /// Subsystems, by number.
    pub subsystems: Vec<Subsystem>,
    /// Controllers without a subsystem: their first connect is still running, or never got through Identify.
    pub incomplete: Vec<Controller>,
}

impl Inventory {
    /// Reads the trees. A machine without the NVMe modules has an empty inventory.
    ///
    /// Reading how many blocks are in use makes the kernel (since 6.8) ask live controllers, at most every few seconds; a controller whose target has
    /// just died delays the scan until the kernel notices. [`scan_quietly`](Self::scan_quietly) asks nobody.
    ///
    /// # Errors
    /// [`ScanError`] when there is no sysfs at all or its directories refuse to be read.
    pub fn scan(sysfs: &Sysfs) -> Result<Self, ScanError> {
        Self::scan_with(sysfs, AskController::Yes)
    }

    /// As [`scan`](Self::scan), but no command is sent to any controller: the blocks in use stay unknown.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn scan_quietly(sysfs: &Sysfs) -> Result<Self, ScanError> {
        Self::scan_with(sysfs, AskController::No)
    }

    fn scan_with(sysfs: &Sysfs, ask: AskController) -> Result<Self, ScanError> {
        let class = sysfs.sys().join("class");
        std::fs::read_dir(&class).map_err(|source| ScanError::NoSysfs { path: class, source })?;
        let controllers_dir = sysfs.class("nvme");
        if let Err(source) = std::fs::read_dir(&controllers_dir)
            && source.kind() != io::ErrorKind::NotFound
        {
            return Err(ScanError::Read { path: controllers_dir, source });
        }

        let mut listed = BTreeSet::new();
        let mut subsystems = Vec::new();
        for name in entries(&sysfs.class("nvme-subsystem"), SubsystemName::parse) {
            if let Some(subsystem) = Subsystem::read(sysfs, name, ask) {
                listed.extend(subsystem.controllers.iter().map(|c| c.name));
                subsystems.push(subsystem);
            }
        }
        let incomplete = entries(&controllers_dir, ControllerName::parse)
            .into_iter()
            .filter(|name| !listed.contains(name))
            .filter_map(|name| Controller::read(sysfs, name))
            .collect();
        Ok(Self { subsystems, incomplete })
    }

    /// Every controller, the incomplete ones included, with its subsystem if it has one yet.
    pub fn controllers(&self) -> impl Iterator<Item = (Option<&Subsystem>, &Controller)> {
        self.subsystems
            .iter()
            .flat_map(|s| s.controllers.iter().map(move |c| (Some(s), c)))
            .chain(self.incomplete.iter().map(|c| (None, c)))
    }

    /// The controller of this name.
    #[must_use]
    pub fn controller(&self, name: ControllerName) -> Option<&Controller> {
        self.controllers().map(|(_, c)| c).find(|c| c.name == name)
    }

    /// Every namespace with its subsystem.
    pub fn namespaces(&self) -> impl Iterator<Item = (&Subsystem, &Namespace)> {
        self.subsystems.iter().flat_map(|s| s.namespaces.iter().map(move |n| (s, n)))
    }

    /// The namespace of this name, with its subsystem.
    #[must_use]
    pub fn namespace(&self, name: NamespaceName) -> Option<(&Subsystem, &Namespace)> {
        self.namespaces().find(|(_, n)| n.name == name)
    }
}

impl Subsystem {
    /// The subsystem of one controller, with everything in it but the blocks in use (no command is sent). `None` while the controller has none, or when it is gone.
    #[must_use]
    pub fn of_controller(sysfs: &Sysfs, controller: ControllerName) -> Option<Self> {
        let class = sysfs.class("nvme-subsystem");
        let link = |s: &SubsystemName| class.join(s.to_string()).join(controller.to_string());
        let name = entries(&class, SubsystemName::parse).into_iter().find(|s| link(s).exists())?;
        Self::read(sysfs, name, AskController::No)
    }

    /// Reads one subsystem. `None` when it vanished meanwhile.
    fn read(sysfs: &Sysfs, name: SubsystemName, ask: AskController) -> Option<Self> {
        let dir = sysfs.class("nvme-subsystem").join(name.to_string());
        let controllers: Vec<Controller> = entries(&dir, ControllerName::parse)
            .into_iter()
            .filter_map(|controller| Controller::read(sysfs, controller))
            .collect();
        let live = |c: &Controller| c.state.is_live();
        let only_if = |live: bool| if live { ask } else { AskController::No };
        let ask_head = only_if(controllers.iter().any(live));

        let mut namespaces: Vec<Namespace> = entries(&dir, NamespaceName::parse)
            .into_iter()
            .filter_map(|n| Namespace::read(sysfs, &dir, n, NamespaceParent::Subsystem, ask_head))
            .collect();
        for controller in &controllers {
            let controller_dir = sysfs.class("nvme").join(controller.name.to_string());
            let ask = only_if(live(controller));
            for path in entries(&controller_dir, PathName::parse) {
                if let Some(head) = namespaces
                    .iter_mut()
                    .find(|n| n.parent == NamespaceParent::Subsystem && n.name == path.head())
                {
                    head.paths.push(NamespacePath::read(&controller_dir, controller.name, path));
                }
            }
            let parent = NamespaceParent::Controller(controller.name);
            namespaces.extend(
                entries(&controller_dir, NamespaceName::parse)
                    .into_iter()
                    .filter_map(|n| Namespace::read(sysfs, &controller_dir, n, parent, ask)),
            );
        }
        namespaces.sort_by_key(|n| (n.name, n.parent));

        let nqn = text(&dir, "subsysnqn");
        if nqn.is_none() && controllers.is_empty() && namespaces.is_empty() && !dir.exists() {
            return None;
        }
        Some(Self {
            name,
            nqn,
            subsystem_type: text(&dir, "subsystype"),
            model: text(&dir, "model"),
            serial: text(&dir, "serial"),
            firmware: text(&dir, "firmware_rev"),
            io_policy: text(&dir, "iopolicy"),
            controllers,
            namespaces,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, TCP};
    use super::*;
    use crate::kernel::names::GenericName;

    fn scan(f: &Fixture) -> Inventory {
        Inventory::scan(&f.sysfs()).unwrap()
    }

    #[test]
    fn a_multipath_head_collects_its_paths() {
        let f = Fixture::new();
        f.controller("nvme0", TCP, &[])
            .controller("nvme1", TCP, &[])
            .subsystem("nvme-subsys0", "mysub", &["nvme0", "nvme1"])
            .namespace("nvme-subsystem/nvme-subsys0", "nvme0n1", "1", "259:0")
            .path("nvme0", "nvme0c0n1", "optimized")
            .path("nvme1", "nvme0c1n1", "inaccessible");
        let inventory = scan(&f);
        assert_eq!(inventory.subsystems.len(), 1);
        let subsystem = &inventory.subsystems[0];
        assert_eq!(subsystem.controllers.len(), 2);
        assert_eq!(subsystem.namespaces.len(), 1);
        let paths = &subsystem.namespaces[0].paths;
        assert_eq!(paths.iter().map(|p| p.controller.instance()).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(paths[1].ana_state.as_ref().map(super::super::AnaState::as_str), Some("inaccessible"));
        assert_eq!(subsystem.io_policy.as_deref(), Some("numa"));
        assert!(inventory.incomplete.is_empty());
    }

    #[test]
    fn a_plain_namespace_belongs_to_its_controller_not_to_the_number_in_its_name() {
        let f = Fixture::new();
        f.controller("nvme5", TCP, &[])
            .subsystem("nvme-subsys3", "mysub", &["nvme5"])
            .namespace("nvme/nvme5", "nvme3n1", "1", "259:0")
            .dir("sys/class/nvme-generic/ng5n1");
        let inventory = scan(&f);
        let (subsystem, ns) = inventory.namespace(NamespaceName::new(3, 1)).unwrap();
        assert_eq!(subsystem.name, SubsystemName::new(3));
        assert_eq!(ns.parent, NamespaceParent::Controller(ControllerName::new(5)));
        assert_eq!(ns.generic, Some(GenericName::new(5, 1)));
        assert_eq!(ns.controllers(), [ControllerName::new(5)]);
    }

    #[test]
    fn a_heads_generic_device_carries_the_subsystems_number() {
        let f = Fixture::guide();
        assert_eq!(scan(&f).subsystems[0].namespaces[0].generic, None, "no such device on older kernels");
        f.dir("sys/class/nvme-generic/ng0n1");
        assert_eq!(scan(&f).subsystems[0].namespaces[0].generic, Some(GenericName::new(0, 1)));
    }

    #[test]
    fn a_controller_without_subsystem_is_incomplete_and_disturbs_nobody() {
        let f = Fixture::guide();
        f.controller(
            "nvme1",
            &[
                ("state", "connecting"),
                ("transport", "tcp"),
                ("model", "(efault)"),
                ("subsysnqn", "(efault)"),
            ],
            &[("address", "traddr=192.0.2.11,trsvcid=4420"), ("hostnqn", "h")],
        );
        let inventory = scan(&f);
        assert_eq!(inventory.subsystems.len(), 1);
        assert_eq!(inventory.incomplete.len(), 1);
        let c = &inventory.incomplete[0];
        assert_eq!((c.name, &c.model, &c.subsystem_nqn), (ControllerName::new(1), &None, &None));
        assert_eq!(inventory.controllers().count(), 2);
        assert!(inventory.controller(ControllerName::new(1)).is_some());
    }

    #[test]
    fn a_controller_that_vanished_is_skipped() {
        let f = Fixture::guide();
        // The link is still there, the controller is not.
        f.dir("sys/class/nvme-subsystem/nvme-subsys0/nvme7").dir("sys/class/nvme/nvme8");
        let inventory = scan(&f);
        assert_eq!(inventory.controllers().count(), 1);
    }

    #[test]
    fn numeric_order() {
        let f = Fixture::new();
        for n in [10, 2] {
            let nqn = format!("sub{n}");
            f.controller(&format!("nvme{n}"), TCP, &[("subsysnqn", &nqn)]).subsystem(
                &format!("nvme-subsys{n}"),
                &nqn,
                &[&format!("nvme{n}")],
            );
        }
        let names: Vec<_> = scan(&f).controllers().map(|(_, c)| c.name.instance()).collect();
        assert_eq!(names, [2, 10]);
    }

    #[test]
    fn used_blocks_are_not_asked_of_a_controller_that_is_away() {
        let f = Fixture::guide();
        f.file("sys/class/nvme-subsystem/nvme-subsys0/nvme0n1/nuse", "7");
        assert_eq!(scan(&f).subsystems[0].namespaces[0].used_blocks, Some(7));
        let quiet = Inventory::scan_quietly(&f.sysfs()).unwrap();
        assert_eq!(quiet.subsystems[0].namespaces[0].used_blocks, None);
        f.file("sys/class/nvme/nvme0/state", "connecting");
        assert_eq!(scan(&f).subsystems[0].namespaces[0].used_blocks, None);
    }

    #[test]
    fn a_head_kept_without_paths_stays_visible() {
        let f = Fixture::guide();
        f.remove("sys/class/nvme/nvme0");
        f.remove("sys/class/nvme-subsystem/nvme-subsys0/nvme0");
        let inventory = scan(&f);
        assert_eq!(inventory.subsystems[0].controllers.len(), 0);
        assert_eq!(inventory.namespaces().count(), 1);
    }

    #[test]
    fn no_modules_is_empty_and_no_sysfs_is_an_error() {
        let f = Fixture::new();
        for class in ["nvme", "nvme-subsystem", "nvme-generic"] {
            f.remove(format!("sys/class/{class}"));
        }
        assert_eq!(scan(&f), Inventory::default());
        f.remove("sys/class");
        let error = Inventory::scan(&f.sysfs()).unwrap_err();
        assert!(matches!(error, ScanError::NoSysfs { .. }), "{error}");
    }
}
