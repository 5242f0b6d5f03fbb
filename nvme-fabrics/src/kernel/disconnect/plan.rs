//! What a selector means right now.

use std::fmt;

use super::in_use::{self, InUse};
use super::{DisconnectError, Selector};
use crate::config::{Owner, Registry};
use crate::kernel::names::{ControllerName, NamespaceName};
use crate::kernel::sysfs::{AnaState, Controller, Inventory, Namespace, NamespacePath, Subsystem, Sysfs};
use crate::list::plain;

/// What would go. Shown line by line through `Display`; done by [`execute`](Self::execute).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a plan does nothing until it is executed"]
pub struct DisconnectPlan {
    /// What was asked for.
    pub selector: Selector,
    /// Controllers that go, by number.
    pub controllers: Vec<Controller>,
    /// Namespaces that go with them: those without another path.
    pub namespaces: Vec<NamespaceName>,
    /// Namespaces that stay, by another path that works.
    pub surviving: Vec<NamespaceName>,
    /// Namespaces that stay listed, though none of the paths that they keep works now: I/O waits, and fails once the kernel gives
    /// these paths up too.
    pub stranded: Vec<NamespaceName>,
    /// Uses of the namespaces that go, and of those that are stranded.
    pub in_use: Vec<InUse>,
    /// Controllers that are left alone since somebody looks after them; with [`Selector::Unowned`] only.
    pub owned: Vec<(ControllerName, Owner)>,
}

impl DisconnectPlan {
    /// Exactly this connection, which has no namespaces.
    pub(crate) fn of_one(connection: Controller) -> Self {
        Self {
            selector: Selector::Controller(connection.name),
            controllers: vec![connection],
            namespaces: Vec::new(),
            surviving: Vec::new(),
            stranded: Vec::new(),
            in_use: Vec::new(),
            owned: Vec::new(),
        }
    }
}

impl fmt::Display for DisconnectPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "disconnect {}:", self.selector)?;
        for c in &self.controllers {
            let nqn = c.subsystem_nqn.as_deref().unwrap_or("subsystem not known yet");
            let (nqn, address) = (plain(nqn), c.address.to_string());
            writeln!(f, "  controller {} ({nqn}, {} {})", c.name, plain(&c.transport), plain(&address))?;
        }
        for n in &self.namespaces {
            writeln!(f, "  namespace {n} goes")?;
        }
        for n in &self.surviving {
            writeln!(f, "  namespace {n} stays by another path")?;
        }
        for n in &self.stranded {
            writeln!(f, "  namespace {n} stays, without a path that works now")?;
        }
        for used in &self.in_use {
            writeln!(f, "  in use: {used}")?;
        }
        for (controller, owner) in &self.owned {
            writeln!(f, "  controller {controller} stays: {owner} looks after it")?;
        }
        Ok(())
    }
}

/// Finds out what the selector means. Changes nothing.
///
/// # Errors
/// [`DisconnectError::NothingMatched`], [`DisconnectError::NoControllers`] and [`DisconnectError::NotFabrics`] when there is nothing to disconnect;
/// [`DisconnectError::Scan`] when sysfs cannot be read.
pub fn plan_disconnect(sysfs: &Sysfs, selector: &Selector) -> Result<DisconnectPlan, DisconnectError> {
    let inventory = Inventory::scan_quietly(sysfs)?;
    let registry = Registry::of(sysfs);
    let fabrics = || inventory.controllers().map(|(_, c)| c).filter(|c| c.is_fabrics());
    let matched: Vec<&Controller> = match selector {
        Selector::All => fabrics().collect(),
        Selector::Unowned => fabrics().filter(|c| registry.owner(c.name).is_none()).collect(),
        Selector::OwnedBy(owner) => {
            fabrics().filter(|c| registry.owner(c.name).as_ref() == Some(owner)).collect()
        }
        Selector::Address(address) => {
            let is_it =
                |s: Option<&Subsystem>, c: &Controller| address.matches(s.and_then(|s| s.nqn.as_deref()), c);
            inventory.controllers().filter(|(s, c)| is_it(*s, c)).map(|(_, c)| c).collect()
        }
        Selector::Controller(name) => inventory.controller(*name).into_iter().collect(),
        Selector::Namespace(name) => serving(inventory.namespace(*name))?,
        Selector::Generic(name) => {
            serving(inventory.namespaces().find(|(_, namespace)| namespace.generic == Some(*name)))?
        }
        Selector::Subsystem(nqn) => {
            // A controller may have got its subsystem while the trees were read: its own word counts too.
            let is_it = |s: Option<&Subsystem>, c: &Controller| {
                s.is_some_and(|s| s.nqn.as_deref() == Some(nqn.as_str()))
                    || c.subsystem_nqn.as_deref() == Some(nqn.as_str())
                    || (nqn.is_discovery() && c.is_discovery())
            };
            let matched: Vec<_> =
                inventory.controllers().filter(|(s, c)| is_it(*s, c)).map(|(_, c)| c).collect();
            if matched.is_empty()
                && let Some(empty) = inventory
                    .subsystems
                    .iter()
                    .find(|s| s.nqn.as_deref() == Some(nqn.as_str()) && !s.namespaces.is_empty())
            {
                return Err(DisconnectError::NoControllers { subsystem: words(empty) });
            }
            matched
        }
    };
    if matched.is_empty() && !selector.may_be_none() {
        return Err(DisconnectError::NothingMatched {
            selector: selector.to_string(),
            connected: fabrics().map(one_line).collect(),
        });
    }
    let mut controllers: Vec<Controller> =
        matched.iter().filter(|c| c.is_fabrics()).map(|c| (*c).clone()).collect();
    if controllers.is_empty()
        && let Some(other) = matched.first()
    {
        return Err(DisconnectError::NotFabrics {
            controller: other.name,
            transport: plain(&other.transport).into_owned(),
        });
    }
    controllers.sort_by_key(|c| c.name);

    let goes = |name| controllers.iter().any(|c| c.name == name);
    let (mut namespaces, mut surviving, mut stranded) = (Vec::new(), Vec::new(), Vec::new());
    let mut in_use = Vec::new();
    for (subsystem, namespace) in inventory.namespaces() {
        if !namespace.controllers().iter().any(|c| goes(*c)) {
            continue;
        }
        // A controller on its way out holds nothing: its paths go with these.
        let stays = |c: &Controller| !goes(c.name) && !c.state.is_terminal();
        let remaining: Vec<&Controller> =
            subsystem.controllers.iter().filter(|c| namespace.is_served_by(c.name) && stays(c)).collect();
        if remaining.iter().any(|c| works(namespace, c)) {
            surviving.push(namespace.name);
            continue;
        }
        if remaining.is_empty() { &mut namespaces } else { &mut stranded }.push(namespace.name);
        let mut uses = in_use::uses(sysfs, namespace.name);
        // Opening a disk none of whose paths works could wait for them.
        if uses.is_empty()
            && subsystem.controllers.iter().any(|c| works(namespace, c))
            && in_use::is_claimed(sysfs, namespace.name)
        {
            uses.push(InUse::Claimed { device: namespace.name.to_string() });
        }
        in_use.append(&mut uses);
    }
    let owned = match selector {
        Selector::Unowned => fabrics().filter_map(|c| Some((c.name, registry.owner(c.name)?))).collect(),
        _ => Vec::new(),
    };
    Ok(DisconnectPlan {
        selector: selector.clone(),
        controllers,
        namespaces,
        surviving,
        stranded,
        in_use,
        owned,
    })
}

/// The controllers that serve a namespace, if it is there.
fn serving<'i>(
    found: Option<(&'i Subsystem, &'i Namespace)>,
) -> Result<Vec<&'i Controller>, DisconnectError> {
    let Some((subsystem, namespace)) = found else { return Ok(Vec::new()) };
    let names = namespace.controllers();
    let serving: Vec<_> = subsystem.controllers.iter().filter(|c| names.contains(&c.name)).collect();
    if serving.is_empty() {
        return Err(DisconnectError::NoControllers { subsystem: words(subsystem) });
    }
    Ok(serving)
}

/// Whether I/O to the namespace can take the way over this controller now.
fn works(namespace: &Namespace, controller: &Controller) -> bool {
    let closed = |p: &NamespacePath| {
        p.controller == controller.name
            && p.ana_state
                .as_ref()
                .is_some_and(|ana| matches!(ana.as_str(), AnaState::INACCESSIBLE | AnaState::PERSISTENT_LOSS))
    };
    controller.state.is_live()
        && namespace.is_served_by(controller.name)
        && !namespace.paths.iter().any(closed)
}

fn words(subsystem: &Subsystem) -> String {
    format!("{} ({})", subsystem.name, plain(subsystem.nqn.as_deref().unwrap_or("NQN not known")))
}

fn one_line(c: &Controller) -> String {
    format!("{} ({})", c.name, plain(c.subsystem_nqn.as_deref().unwrap_or("subsystem not known yet")))
}

#[cfg(test)]
mod tests {
    use super::super::AddressSelector;
    use super::*;
    use crate::kernel::names::ControllerName;
    use crate::kernel::sysfs::fixture::{Fixture, TCP};

    fn plan(f: &Fixture, selector: Selector) -> Result<DisconnectPlan, DisconnectError> {
        plan_disconnect(&f.sysfs(), &selector)
    }

    fn numbers(plan: &DisconnectPlan) -> Vec<u32> {
        plan.controllers.iter().map(|c| c.name.instance()).collect()
    }

    /// Subsystem 2 with controllers 5 and 7, and a PCIe drive that has number 2.
    fn crossed() -> Fixture {
        let f = Fixture::new();
        f.controller("nvme5", TCP, &[])
            .controller("nvme7", TCP, &[("address", "traddr=192.0.2.11,trsvcid=4420")])
            .subsystem("nvme-subsys2", "mysub", &["nvme5", "nvme7"])
            .namespace("nvme-subsystem/nvme-subsys2", "nvme2n1", "1", "259:0")
            .path("nvme5", "nvme2c5n1", "optimized")
            .path("nvme7", "nvme2c7n1", "optimized")
            .controller(
                "nvme2",
                &[("state", "live"), ("transport", "pcie"), ("address", "0000:01:00.0")],
                &[],
            )
            .subsystem("nvme-subsys9", "pcie-drive", &["nvme2"]);
        f
    }

    #[test]
    fn a_namespace_means_the_controllers_of_its_paths_not_the_number_in_its_name() {
        let got = plan(&crossed(), Selector::device("/dev/nvme2n1").unwrap()).unwrap();
        assert_eq!(numbers(&got), [5, 7]);
        assert_eq!(got.namespaces, [NamespaceName::new(2, 1)]);
        let text = got.to_string();
        assert!(text.contains("controller nvme7 (mysub, tcp traddr=192.0.2.11,trsvcid=4420)"), "{text}");
        assert!(text.contains("namespace nvme2n1 goes"), "{text}");
    }

    #[test]
    fn a_character_device_means_the_namespace_that_has_it() {
        let f = crossed();
        f.dir("sys/class/nvme-generic/ng2n1");
        assert_eq!(numbers(&plan(&f, Selector::device("/dev/ng2n1").unwrap()).unwrap()), [5, 7]);
        assert!(matches!(
            plan(&f, Selector::device("ng5n1").unwrap()),
            Err(DisconnectError::NothingMatched { .. })
        ));
    }

    #[test]
    fn an_address_means_one_path_and_not_its_subsystem() {
        let by = |a: AddressSelector| plan(&crossed(), Selector::Address(a)).map(|p| numbers(&p));
        assert_eq!(by(AddressSelector::new("192.0.2.11")).unwrap(), [7]);
        assert_eq!(by(AddressSelector::new("192.0.2.11").nqn("mysub".parse().unwrap())).unwrap(), [7]);
        let error = by(AddressSelector::new("192.0.2.11").port(1)).unwrap_err();
        assert!(
            error.to_string().starts_with("address 192.0.2.11 port 1 is not connected (connected are: nvme5"),
            "{error}"
        );
    }

    #[test]
    fn what_somebody_looks_after_stays_when_all_is_to_go() {
        let f = crossed();
        f.file("run/nvme/registry/nvme7/owner", "stas\n");
        let got = plan(&f, Selector::Unowned).unwrap();
        assert_eq!((numbers(&got), got.owned.len()), (vec![5], 1));
        assert!(got.to_string().contains("controller nvme7 stays: stas looks after it"), "{got}");
        assert_eq!(got.surviving, [NamespaceName::new(2, 1)]);
        assert_eq!(numbers(&plan(&f, Selector::OwnedBy("stas".parse().unwrap())).unwrap()), [7]);
        assert_eq!(numbers(&plan(&f, Selector::OwnedBy("nbft".parse().unwrap())).unwrap()), [0; 0]);
        assert_eq!(numbers(&plan(&f, Selector::All).unwrap()), [5, 7], "named by hand");
    }

    #[test]
    fn one_path_of_two_leaves_the_namespace() {
        let got = plan(&crossed(), Selector::Controller(ControllerName::new(5))).unwrap();
        assert_eq!((numbers(&got), got.namespaces), (vec![5], vec![]));
        assert_eq!(got.surviving, [NamespaceName::new(2, 1)]);
    }

    #[test]
    fn a_path_that_does_not_work_keeps_no_mounted_disk() {
        let one = || Selector::Controller(ControllerName::new(5));
        let f = crossed();
        f.file("proc/self/mountinfo", "36 35 259:0 / /mnt rw - ext4 /dev/nvme2n1 rw");
        assert_eq!(plan(&f, one()).unwrap().in_use, [], "the other path works");
        f.file("sys/class/nvme/nvme7/state", "connecting");
        let got = plan(&f, one()).unwrap();
        assert_eq!((got.namespaces, got.surviving), (vec![], vec![]));
        assert_eq!((got.stranded, got.in_use.len()), (vec![NamespaceName::new(2, 1)], 1));
        f.file("sys/class/nvme/nvme7/state", "deleting");
        let got = plan(&f, one()).unwrap();
        assert_eq!((got.namespaces, got.stranded), (vec![NamespaceName::new(2, 1)], vec![]));
        assert_eq!(got.in_use.len(), 1, "it goes with the last path that is not on its way out");
        f.file("sys/class/nvme/nvme7/state", "live").path("nvme7", "nvme2c7n1", "inaccessible");
        let got = plan(&f, one()).unwrap();
        assert_eq!((got.stranded, got.in_use.len()), (vec![NamespaceName::new(2, 1)], 1));
    }

    #[test]
    fn a_controller_that_has_just_got_its_subsystem_is_found() {
        let f = Fixture::new();
        f.controller("nvme3", TCP, &[]);
        assert_eq!(numbers(&plan(&f, Selector::Subsystem("mysub".parse().unwrap())).unwrap()), [3]);
    }

    #[test]
    fn pcie_drives_are_refused_in_words_and_never_part_of_all() {
        let f = crossed();
        for selector in
            [Selector::Controller(ControllerName::new(2)), Selector::Subsystem("pcie-drive".parse().unwrap())]
        {
            let error = plan(&f, selector).unwrap_err();
            assert!(matches!(error, DisconnectError::NotFabrics { .. }), "{error}");
            assert!(error.to_string().contains("nvme2 is a pcie controller"), "{error}");
        }
        assert_eq!(numbers(&plan(&f, Selector::All).unwrap()), [5, 7]);
    }

    #[test]
    fn nothing_matched_lists_what_is_connected() {
        let f = crossed();
        for selector in [
            Selector::Subsystem("MYSUB".parse().unwrap()),
            Selector::Controller(ControllerName::new(1)),
            Selector::device("nvme5n1").unwrap(),
        ] {
            let error = plan(&f, selector).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("is not connected") && text.contains("nvme5 (mysub), nvme7 (mysub)"),
                "{text}"
            );
        }
        let error = plan(&Fixture::new(), Selector::Controller(ControllerName::new(1))).unwrap_err();
        assert!(error.to_string().contains("nothing is connected"), "{error}");
    }

    #[test]
    fn a_subsystem_kept_without_controllers_is_its_own_outcome() {
        let f = Fixture::guide();
        f.remove("sys/class/nvme/nvme0");
        f.remove("sys/class/nvme-subsystem/nvme-subsys0/nvme0");
        for selector in
            [Selector::Subsystem("mysub".parse().unwrap()), Selector::Namespace(NamespaceName::new(0, 1))]
        {
            let error = plan(&f, selector).unwrap_err();
            assert!(matches!(error, DisconnectError::NoControllers { .. }), "{error}");
        }
    }

    #[test]
    fn a_subsystem_that_only_lingers_is_not_connected() {
        let f = Fixture::new();
        f.subsystem("nvme-subsys0", "mysub", &[]);
        let error = plan(&f, Selector::Subsystem("mysub".parse().unwrap())).unwrap_err();
        assert!(matches!(error, DisconnectError::NothingMatched { .. }), "{error}");
    }

    #[test]
    fn the_well_known_discovery_name_finds_controllers_that_report_their_own() {
        let f = Fixture::new();
        f.controller("nvme1", TCP, &[("subsysnqn", "unique-discovery"), ("cntrltype", "discovery")])
            .subsystem("nvme-subsys1", "unique-discovery", &["nvme1"]);
        let got = plan(&f, Selector::Subsystem(nvme_proto::SubsysNqn::discovery())).unwrap();
        assert_eq!(numbers(&got), [1]);
    }

    #[test]
    fn a_first_connect_can_be_named_by_its_controller() {
        let f = Fixture::new();
        f.controller("nvme3", &[("state", "connecting"), ("transport", "tcp"), ("hostnqn", "h")], &[]);
        assert_eq!(numbers(&plan(&f, Selector::Controller(ControllerName::new(3))).unwrap()), [3]);
    }
}
