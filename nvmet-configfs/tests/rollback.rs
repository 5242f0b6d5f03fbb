//! A failure at any step of a plan leaves the tree exactly as it was; a plan that worked has no sequel.

use nvme_proto::{HostNqn, Nsid, SubsysNqn};
use nvmet_configfs::{
    ApplyFailure, Consent, Errno, Error, FakeKernel, FakeTree, Foreign, HostAccess, Instrumented,
    NamespaceSpec, Policy, PortId, PortSpec, RelPath, Rollback, SubsystemSpec, TargetSpec, Tree, Unknown,
    apply, clear, dump, plan, reconcile, withdraw,
};

fn path(p: &str) -> RelPath {
    RelPath::new(p).unwrap()
}

/// Disturbing hosts is fine.
fn willing(foreign: Foreign) -> Policy {
    Policy::foreign(foreign).consent(Consent::Given)
}

fn mysub() -> SubsysNqn {
    "mysub".parse().unwrap()
}

fn host(n: u8) -> HostNqn {
    format!("nqn.2014-08.org.example:host{n}").parse().unwrap()
}

fn disk(n: u8) -> NamespaceSpec {
    NamespaceSpec::new(format!("/dev/ram{n}").parse().unwrap())
}

/// What the guide makes.
fn guide() -> TargetSpec {
    TargetSpec::new()
        .subsystem(mysub(), SubsystemSpec::any_host().namespace(Nsid::ONE, disk(0)))
        .port(PortId(1), PortSpec::tcp("127.0.0.1".parse().unwrap(), 4420).export(mysub()))
}

/// Something else in every respect: other hosts, device, address, a second subsystem and port.
fn other() -> TargetSpec {
    let second: SubsysNqn = "nqn.2014-08.org.example:second".parse().unwrap();
    let first = SubsystemSpec::nobody()
        .allow(host(0))
        .allow(host(1))
        .serial("SN1".parse().unwrap())
        .model("Model".parse().unwrap())
        .namespace(Nsid::ONE, disk(1).uuid("1b4e28ba-2fa1-11d2-883f-0016d3ccabcd".parse().unwrap()))
        .namespace(Nsid::new(7).unwrap(), disk(2).disabled());
    TargetSpec::new()
        .host(host(0))
        .host(host(1))
        .subsystem(mysub(), first)
        .subsystem(second.clone(), SubsystemSpec::any_host().namespace(Nsid::ONE, disk(3)))
        .port(PortId(1), PortSpec::tcp("::1".parse().unwrap(), 4421).inline_data_size(8192).export(mysub()))
        .port(PortId(2), PortSpec::tcp("127.0.0.1".parse().unwrap(), 4420).export(mysub()).export(second))
}

/// Not a secret of anyone.
const KEY: &str = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:";

/// What other tools left behind.
fn clutter(tree: &dyn Tree) {
    let make = |p: &str| tree.mkdir(&path(p)).unwrap();
    let set = |p: &str, v: &str| tree.write(&path(p), v.as_bytes()).unwrap();
    make("hosts/other");
    if tree.kind(&path("hosts/other/dhchap_key")).unwrap().is_some() {
        set("hosts/other/dhchap_key", KEY);
        set("hosts/other/dhchap_hash", "hmac(sha512)");
    }
    make("subsystems/other");
    set("subsystems/other/attr_serial", "OTHER");
    set("subsystems/other/attr_cntlid_max", "200");
    set("subsystems/other/attr_cntlid_min", "100");
    make("subsystems/other/namespaces/5");
    set("subsystems/other/namespaces/5/device_path", "/dev/ram3");
    set("subsystems/other/namespaces/5/enable", "1");
    tree.symlink(&path("subsystems/other/allowed_hosts/link"), &path("hosts/other")).unwrap();
    make("ports/9");
    set("ports/9/addr_trtype", "tcp");
    set("ports/9/addr_adrfam", "ipv4");
    set("ports/9/addr_traddr", "127.0.0.9");
    set("ports/9/addr_trsvcid", "4420");
    make("ports/9/referrals/r");
    set("ports/9/referrals/r/addr_traddr", "192.0.2.1");
    set("ports/9/referrals/r/enable", "1");
    make("ports/9/ana_groups/2");
    set("ports/9/ana_groups/2/ana_state", "optimized");
    set("ports/9/ana_groups/1/ana_state", "non-optimized");
    tree.symlink(&path("ports/9/subsystems/any"), &path("subsystems/other")).unwrap();
}

/// Fails the n-th call of reconciling `spec`, for every n, on trees made by `prepare`.
fn fails_everywhere(
    kernel: FakeKernel,
    prepare: &dyn Fn(&dyn Tree),
    spec: &TargetSpec,
    policy: Policy,
) -> usize {
    for step in 0.. {
        let tree = Instrumented::new(FakeTree::new(kernel));
        prepare(tree.inner());
        let before = dump(&tree).unwrap();
        tree.fail_mutation(step, Errno::EIO);
        match reconcile(&tree, spec, &policy) {
            Ok(applied) => {
                assert_eq!(applied.steps().len(), step, "every call of the plan failed once");
                let mutations = tree.mutations();
                assert!(!reconcile(&tree, spec, &policy).unwrap().changed());
                assert_eq!(tree.mutations(), mutations, "{kernel}: a second run writes");
                return step;
            }
            Err(Error::Apply(error)) => {
                assert_eq!(error.rollback, Rollback::Complete, "{kernel}, step {step}");
                assert!(matches!(&error.failure, ApplyFailure::Step(failed) if failed.index == step));
                assert_eq!(dump(&tree).unwrap(), before, "{kernel}, step {step}: {error}");
            }
            Err(error) => panic!("{kernel}, step {step}: {error}"),
        }
    }
    unreachable!()
}

#[test]
fn the_guides_target_appears_whole_or_not_at_all() {
    for kernel in FakeKernel::ALL {
        let steps = fails_everywhere(kernel, &|_| {}, &guide(), Policy::default());
        assert_eq!(steps, 11, "{kernel}");
    }
}

#[test]
fn a_change_of_everything_is_undone_from_any_step() {
    for kernel in FakeKernel::ALL {
        let there = |tree: &dyn Tree| {
            reconcile(tree, &guide(), &Policy::default()).unwrap();
        };
        fails_everywhere(kernel, &there, &other(), willing(Foreign::Keep));
        let back = |tree: &dyn Tree| {
            reconcile(tree, &other(), &Policy::default()).unwrap();
        };
        fails_everywhere(kernel, &back, &guide(), willing(Foreign::Remove));
    }
}

#[test]
fn a_port_in_service_moves_to_another_transport_and_back() {
    for kernel in [FakeKernel::V6_12, FakeKernel::V7_3] {
        let within = guide().port(PortId(1), PortSpec::loopback().export(mysub()));
        let there = |tree: &dyn Tree| {
            reconcile(tree, &within, &Policy::default()).unwrap();
            tree.mkdir(&path("ports/1/ana_groups/3")).unwrap();
        };
        fails_everywhere(kernel, &there, &guide(), willing(Foreign::Keep));
    }
}

#[test]
fn removed_clutter_of_other_tools_comes_back_exactly() {
    for kernel in FakeKernel::ALL {
        let steps = fails_everywhere(kernel, &clutter, &guide(), willing(Foreign::Remove));
        assert!(steps > 18, "{kernel}: {steps}");
        fails_everywhere(kernel, &clutter, &TargetSpec::new(), willing(Foreign::Remove));
    }
}

#[test]
fn keys_of_hosts_come_back_and_are_never_shown() {
    let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
    clutter(tree.inner());
    let plan = plan(&tree, &guide(), &willing(Foreign::Remove)).unwrap();
    let lines: Vec<String> = plan.steps().iter().map(ToString::to_string).collect();
    let made = lines.iter().position(|l| l == "remove hosts/other").unwrap() + 1;
    tree.fail_mutation(made, Errno::EIO);
    let error = apply(&tree, &plan).unwrap_err();
    assert!(error.rollback.is_complete());
    let key = tree.read(&path("hosts/other/dhchap_key")).unwrap();
    assert_eq!(key.trim_ascii(), KEY.as_bytes());
    let shown = format!("{plan}{plan:?}{error}{error:?}{}{}", tree.log().join("\n"), dump(&tree).unwrap());
    let observed = nvmet_configfs::observe(&tree).unwrap();
    assert!(!format!("{shown}{observed:?}").contains("DHHC"), "{shown}");
}

#[test]
fn kept_clutter_is_not_touched() {
    for kernel in FakeKernel::ALL {
        let tree = FakeTree::new(kernel);
        clutter(&tree);
        let before = dump(&tree).unwrap();
        reconcile(&tree, &guide(), &Policy::default()).unwrap();
        let after = dump(&tree).unwrap();
        for line in before.lines() {
            assert!(after.lines().any(|l| l == line), "{kernel}: {line} is gone");
        }
    }
}

#[test]
fn half_made_objects_are_completed_and_can_be_left_as_they_were() {
    let half = |tree: &dyn Tree| {
        for p in [
            "subsystems/mysub",
            "subsystems/mysub/namespaces/1",
            "ports/1",
            "ports/1/referrals/r",
            "ports/1/ana_groups/4",
        ] {
            tree.mkdir(&path(p)).unwrap();
        }
        tree.write(&path("ports/1/addr_trsvcid"), b"1").unwrap();
    };
    for kernel in FakeKernel::ALL {
        fails_everywhere(kernel, &half, &guide(), Policy::default());
    }
}

#[test]
fn a_port_that_cannot_listen_gets_its_parameters_back() {
    // The kernel fills in the inline data size before it finds the address missing.
    let tree = FakeTree::new(FakeKernel::V7_3);
    reconcile(&tree, &guide(), &Policy::default()).unwrap();
    tree.mkdir(&path("ports/2")).unwrap();
    tree.write(&path("ports/2/addr_trtype"), b"tcp").unwrap();
    tree.write(&path("ports/2/addr_adrfam"), b"ipv4").unwrap();
    tree.write(&path("ports/2/addr_traddr"), b"192.0.2.77").unwrap();
    tree.write(&path("ports/2/addr_trsvcid"), b"4420").unwrap();
    let before = dump(&tree).unwrap();
    assert!(before.contains("ports/2/param_inline_data_size = -1"));
    let spec = guide().port(PortId(2), PortSpec::tcp("192.0.2.77".parse().unwrap(), 4420).export(mysub()));
    let error = reconcile(&tree, &spec, &Policy::default()).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EADDRNOTAVAIL));
    let text = error.to_string();
    assert!(text.contains("ports/2") && text.contains("[tcp 192.0.2.77 port 4420]"), "{text}");
    assert!(
        text.contains("no interface of this machine") && text.contains("everything is as before"),
        "{text}"
    );
    assert_eq!(dump(&tree).unwrap(), before);
}

#[test]
fn failing_rollback_lists_exactly_what_is_left() {
    let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
    let plan = plan(&tree, &guide(), &Policy::default()).unwrap();
    let last = plan.len() - 1;
    tree.fail_mutation(last, Errno::EADDRINUSE); // the export
    tree.fail_mutation(last + 3, Errno::EINTR); // undone before: the namespace and the subsystem
    let error = apply(&tree, &plan).unwrap_err();
    let Rollback::Incomplete(left) = &error.rollback else { panic!("{error}") };
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].to_string(), "remove ports/1 (EINTR)");
    assert!(error.to_string().contains("left to do: remove ports/1"), "{error}");
    let after = dump(&tree).unwrap();
    assert!(after.contains("ports/1/") && !after.contains("mysub"), "everything else is gone:\n{after}");
}

#[test]
fn a_namespace_that_silently_stays_disabled_is_found_by_verification() {
    // A tree that swallows writes, as the kernel does with `enable` while pass-through is on.
    struct Deaf(FakeTree);
    impl Tree for Deaf {
        fn write(&self, attr: &RelPath, value: &[u8]) -> Result<(), nvmet_configfs::TreeError> {
            let enable = attr.file_name().is_some_and(|n| n.as_bytes() == b"enable");
            if enable { Ok(()) } else { self.0.write(attr, value) }
        }
        fn list(&self, p: &RelPath) -> Result<Vec<nvmet_configfs::Entry>, nvmet_configfs::TreeError> {
            self.0.list(p)
        }
        fn read(&self, p: &RelPath) -> Result<Vec<u8>, nvmet_configfs::TreeError> {
            self.0.read(p)
        }
        fn mkdir(&self, p: &RelPath) -> Result<(), nvmet_configfs::TreeError> {
            self.0.mkdir(p)
        }
        fn rmdir(&self, p: &RelPath) -> Result<(), nvmet_configfs::TreeError> {
            self.0.rmdir(p)
        }
        fn symlink(&self, l: &RelPath, t: &RelPath) -> Result<(), nvmet_configfs::TreeError> {
            self.0.symlink(l, t)
        }
        fn unlink(&self, p: &RelPath) -> Result<(), nvmet_configfs::TreeError> {
            self.0.unlink(p)
        }
        fn read_link(&self, p: &RelPath) -> Result<Vec<u8>, nvmet_configfs::TreeError> {
            self.0.read_link(p)
        }
        fn kind(&self, p: &RelPath) -> Result<Option<nvmet_configfs::NodeKind>, nvmet_configfs::TreeError> {
            self.0.kind(p)
        }
    }
    let tree = Deaf(FakeTree::new(FakeKernel::V6_12));
    let before = dump(&tree).unwrap();
    let Err(Error::Apply(error)) = reconcile(&tree, &guide(), &Policy::default()) else {
        panic!("not noticed")
    };
    let ApplyFailure::Verify { differences } = &error.failure else { panic!("{error}") };
    assert_eq!(differences[0].to_string(), "set subsystems/mysub/namespaces/1/enable = 1 (was 0)");
    assert!(error.rollback.is_complete());
    assert_eq!(dump(&tree).unwrap(), before);
}

#[test]
fn clearing_empties_any_target() {
    for kernel in FakeKernel::ALL {
        let tree = FakeTree::new(kernel).with_controller("/dev/nvme0");
        let empty = dump(&tree).unwrap();
        reconcile(&tree, &other(), &Policy::default()).unwrap();
        clutter(&tree);
        if kernel >= FakeKernel::V6_12 {
            tree.mkdir(&path("subsystems/passed")).unwrap();
            tree.write(&path("subsystems/passed/passthru/device_path"), b"/dev/nvme0").unwrap();
            tree.write(&path("subsystems/passed/passthru/enable"), b"1").unwrap();
        }
        assert!(clear(&tree).unwrap().changed());
        assert_eq!(dump(&tree).unwrap(), empty, "{kernel}");
        assert!(!clear(&tree).unwrap().changed());
    }
}

#[test]
fn withdrawing_removes_what_is_named_and_nothing_else() {
    for kernel in FakeKernel::ALL {
        let tree = Instrumented::new(FakeTree::new(kernel));
        clutter(&tree);
        let before = dump(&tree).unwrap();
        reconcile(&tree, &other(), &Policy::default()).unwrap();
        // Another tool exports our subsystem on its port, and permits one of our hosts.
        tree.symlink(&path("ports/9/subsystems/ours"), &path("subsystems/mysub")).unwrap();
        let link = path("subsystems/other/allowed_hosts/ours");
        tree.symlink(&link, &path(&format!("hosts/{}", host(1)))).unwrap();
        let made = dump(&tree).unwrap();
        for step in 0.. {
            tree.fail_mutation(step, Errno::EIO);
            match withdraw(&tree, &other()) {
                Ok(applied) => {
                    assert_eq!(applied.steps().len(), step);
                    tree.clear_failures();
                    break;
                }
                Err(error) => assert_eq!(dump(&tree).unwrap(), made, "{kernel}, step {step}: {error}"),
            }
            tree.clear_failures();
        }
        assert!(
            tree.kind(&path(&format!("hosts/{}", host(1)))).unwrap().is_some(),
            "still permitted elsewhere"
        );
        assert!(!withdraw(&tree, &other()).unwrap().changed());
        tree.unlink(&link).unwrap();
        assert!(withdraw(&tree, &other()).unwrap().changed());
        assert_eq!(dump(&tree).unwrap(), before, "{kernel}");
    }
}

#[test]
fn a_requirement_changes_on_a_kernel_that_has_no_tls() {
    let policy = || willing(Foreign::Keep).unknown(Unknown::Ignore);
    for kernel in FakeKernel::ALL {
        let tree = FakeTree::new(kernel);
        for treq in ["not required", "required"] {
            let port = PortSpec::tcp("127.0.0.1".parse().unwrap(), 4420)
                .set("addr_tsas", "tls1.3")
                .and_then(|port| port.set("addr_treq", treq));
            reconcile(&tree, &TargetSpec::new().port(PortId(1), port.unwrap()), &policy()).unwrap();
            let there = tree.read(&path("ports/1/addr_treq")).unwrap();
            assert_eq!(there.trim_ascii_end(), treq.as_bytes(), "{kernel}");
        }
    }
}

#[test]
fn removing_the_last_host_leaves_nobody() {
    let tree = FakeTree::new(FakeKernel::V6_12);
    let with = TargetSpec::new().host(host(0)).subsystem(mysub(), SubsystemSpec::nobody().allow(host(0)));
    reconcile(&tree, &with, &Policy::default()).unwrap();
    let mut without = with;
    if let Some(subsystem) = without.subsystems.get_mut(&mysub()) {
        subsystem.access.revoke(&host(0));
        assert_eq!(subsystem.access, HostAccess::Only([].into()));
    }
    reconcile(&tree, &without, &Policy::default()).unwrap();
    assert_eq!(tree.read(&path("subsystems/mysub/attr_allow_any_host")).unwrap(), b"0\n");
    assert!(tree.list(&path("subsystems/mysub/allowed_hosts")).unwrap().is_empty());
}
