//! How a spec is read: what of the target is its business, and what it must not do without being told.
#![cfg(feature = "testing")]

use nvme_proto::{HostNqn, Nsid, SubsysNqn};
use nvmet_configfs::{
    ApplyFailure, Consent, DiscoveryNqn, Disruption, Errno, Error, FakeKernel, FakeTree, Foreign, HostSpec,
    Instrumented, NamespaceSpec, Phase, Policy, PortId, PortSpec, RelPath, Scope, Sizes, SpecProblem,
    SubsystemSpec, TargetSpec, Tree, Unknown, Warning, apply, dump, plan, reconcile,
};

fn path(p: &str) -> RelPath {
    RelPath::new(p).unwrap()
}

fn nqn(name: &str) -> SubsysNqn {
    format!("nqn.2024-05.org.example:{name}").parse().unwrap()
}

fn host(name: &str) -> HostNqn {
    format!("nqn.2024-05.org.example:{name}").parse().unwrap()
}

fn disk(n: u8) -> NamespaceSpec {
    NamespaceSpec::new(format!("/dev/ram{n}").parse().unwrap())
}

fn tcp(trsvcid: u16) -> PortSpec {
    PortSpec::tcp("127.0.0.1".parse().unwrap(), trsvcid)
}

/// A subsystem with a host and a disk, exported on a port.
fn exported(name: &str, port: u16) -> TargetSpec {
    let subsystem = SubsystemSpec::nobody().allow(host(name)).namespace(Nsid::ONE, disk(0));
    TargetSpec::new()
        .host(host(name))
        .subsystem(nqn(name), subsystem)
        .port(PortId(port), tcp(4420 + port).export(nqn(name)))
}

fn prune() -> Policy {
    Policy::foreign(Foreign::Remove).consent(Consent::Given)
}

fn problems(error: Error) -> Vec<SpecProblem> {
    let Error::Spec(error) = error else { panic!("{error}") };
    error.problems
}

#[test]
fn a_scope_is_all_that_is_pruned() {
    for kernel in FakeKernel::ALL {
        let tree = FakeTree::new(kernel);
        reconcile(&tree, &exported("backup:old", 7), &Policy::default()).unwrap();
        reconcile(&tree, &exported("other", 1), &Policy::default()).unwrap();
        let scope = Scope::prefix("nqn.2024-05.org.example:backup:", [PortId(7), PortId(8)]);
        let policy = prune().within(scope);
        let foreign: Vec<String> = {
            let before = dump(&tree).unwrap();
            before
                .lines()
                .filter(|l| l.contains("other") || l.contains("ports/1"))
                .map(str::to_owned)
                .collect()
        };
        reconcile(&tree, &exported("backup:new", 8), &policy).unwrap();
        let after = dump(&tree).unwrap();
        assert!(!after.contains("backup:old") && !after.contains("ports/7"), "{kernel}:\n{after}");
        assert!(after.contains("ports/8/subsystems/nqn.2024-05.org.example:backup:new"));
        for line in &foreign {
            assert!(after.lines().any(|l| l == line), "{kernel}: {line} is gone");
        }
        // With nothing wanted the scope is emptied, and the rest stays.
        reconcile(&tree, &TargetSpec::new(), &policy).unwrap();
        let after = dump(&tree).unwrap();
        assert!(!after.contains("backup") && foreign.iter().all(|line| after.contains(line.as_str())));
    }
}

#[test]
fn what_is_outside_of_the_scope_cannot_be_named() {
    let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
    let policy = Policy::default().within(Scope::prefix("nqn.2024-05.org.example:backup:", [PortId(7)]));
    let spec = exported("other", 1).set("discovery_nqn", "nqn.2024-05.org.example:d").unwrap();
    let found = problems(reconcile(&tree, &spec, &policy).unwrap_err());
    let outside: Vec<String> = found
        .iter()
        .filter_map(|p| match p {
            SpecProblem::OutOfScope { object } => Some(object.to_string()),
            _ => None,
        })
        .collect();
    let wanted =
        ["hosts/nqn.2024-05.org.example:other", "subsystems/nqn.2024-05.org.example:other", "ports/1", "."];
    assert_eq!(outside, wanted);
    assert_eq!(tree.mutations(), 0);
}

#[test]
fn exports_of_others_on_a_named_port_are_named_by_it() {
    // A port belongs to who names it, with its exports; a subsystem with its permissions.
    let tree = FakeTree::new(FakeKernel::V6_12);
    reconcile(&tree, &exported("mine", 1), &Policy::default()).unwrap();
    tree.mkdir(&path("subsystems/foreign")).unwrap();
    tree.symlink(&path("ports/1/subsystems/foreign"), &path("subsystems/foreign")).unwrap();
    let kept = plan(&tree, &exported("mine", 1), &Policy::default()).unwrap();
    assert!(kept.is_empty(), "{kept}");
    let pruned = plan(&tree, &exported("mine", 1), &prune()).unwrap();
    assert_eq!(
        pruned.disruptions(),
        [Disruption::ExportEnds { port: "1".parse().unwrap(), subsystem: "foreign".parse().unwrap() }]
    );
}

#[test]
fn attributes_that_this_kernel_does_not_have() {
    let spec = || {
        let subsystem = SubsystemSpec::any_host().set("attr_vendor_id", "0x1af4").unwrap();
        TargetSpec::new().subsystem(nqn("s"), subsystem.set("attr_of_tomorrow", "x").unwrap())
    };
    for (unknown, done, warned) in
        [(Unknown::Require, false, 0), (Unknown::Warn, true, 2), (Unknown::Ignore, true, 0)]
    {
        // Told from a subsystem that is there, and while making one.
        for there in [false, true] {
            let tree = FakeTree::new(FakeKernel::V6_12);
            if there {
                reconcile(
                    &tree,
                    &TargetSpec::new().subsystem(nqn("s"), SubsystemSpec::any_host()),
                    &Policy::default(),
                )
                .unwrap();
            }
            let before = dump(&tree).unwrap();
            match reconcile(&tree, &spec(), &Policy::default().unknown(unknown)) {
                Ok(applied) => {
                    assert!(done, "{unknown:?}");
                    let of = |w: &&Warning| matches!(w, Warning::UnknownAttribute { .. });
                    assert_eq!(applied.warnings().iter().filter(of).count(), warned, "{unknown:?} {there}");
                    assert!(
                        !reconcile(&tree, &spec(), &Policy::default().unknown(unknown)).unwrap().changed()
                    );
                }
                Err(error) => {
                    assert!(!done, "{unknown:?} {there}: {error}");
                    assert!(error.to_string().contains("attr_"), "{error}");
                    assert_eq!(dump(&tree).unwrap(), before);
                }
            }
        }
    }
}

#[test]
fn values_that_say_nothing_are_not_missed() {
    // Debian's 6.1 has none of these.
    let tree = FakeTree::new(FakeKernel::V6_1);
    let port = tcp(4420).set("addr_tsas", "none").unwrap().set("param_max_queue_size", "-1").unwrap();
    let spec = exported("s", 2).port(PortId(1), port.export(nqn("s")));
    reconcile(&tree, &spec, &Policy::default()).unwrap();
    let port = tcp(4420).set("addr_tsas", "tls1.3").unwrap();
    let error = reconcile(&tree, &spec.port(PortId(1), port.export(nqn("s"))), &prune()).unwrap_err();
    assert!(error.to_string().contains("addr_tsas"), "TLS is never left out silently: {error}");
}

#[test]
fn hosts_are_not_disturbed_without_consent() {
    let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
    reconcile(&tree, &exported("s", 1), &Policy::default()).unwrap();
    let other_disk = SubsystemSpec::nobody().allow(host("s")).namespace(Nsid::ONE, disk(1));
    let queues =
        |n| SubsystemSpec::nobody().allow(host("s")).namespace(Nsid::ONE, disk(0)).set("attr_qid_max", n);
    let changes = [
        exported("s", 1).subsystem(nqn("s"), other_disk),
        exported("s", 1).subsystem(nqn("s"), queues("4").unwrap()),
        exported("s", 1).port(PortId(1), tcp(4500).export(nqn("s"))),
        exported("s", 1).port(PortId(1), tcp(4421)),
    ];
    let mutations = tree.mutations();
    for change in &changes {
        let Err(Error::Apply(error)) = reconcile(&tree, change, &Policy::default()) else { panic!("done") };
        let ApplyFailure::NeedsConsent { disruptions } = &error.failure else { panic!("{error}") };
        assert_eq!(disruptions.len(), 1, "{disruptions:?}");
    }
    assert_eq!(tree.mutations(), mutations, "nothing was written");
    for change in &changes {
        reconcile(&tree, change, &Policy::default().consent(Consent::Given)).unwrap();
    }
    // What disturbs nobody needs none.
    let tree = FakeTree::new(FakeKernel::V6_12);
    reconcile(&tree, &exported("s", 1), &Policy::default()).unwrap();
    let more = SubsystemSpec::nobody().allow(host("s")).allow(host("t")).namespace(Nsid::ONE, disk(0));
    let more = more.namespace(Nsid::new(2).unwrap(), disk(1));
    let spec = exported("s", 1).host(host("t")).subsystem(nqn("s"), more);
    assert!(reconcile(&tree, &spec, &Policy::default()).unwrap().changed());
}

#[test]
fn a_target_that_changed_since_the_plan_is_left_alone() {
    let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
    let todo = plan(&tree, &exported("s", 1), &Policy::default()).unwrap();
    tree.inner().mkdir(&path("ports/1")).unwrap();
    let error = apply(&tree, &todo).unwrap_err();
    assert!(matches!(error.failure, ApplyFailure::Changed { .. }), "{error}");
    assert_eq!(tree.mutations(), 0);
    // What others do elsewhere does not matter.
    let todo = plan(&tree, &exported("s", 1), &Policy::default()).unwrap();
    tree.inner().mkdir(&path("ports/9")).unwrap();
    tree.inner().mkdir(&path("subsystems/foreign")).unwrap();
    apply(&tree, &todo).unwrap();
}

#[test]
fn an_object_that_another_tool_makes_meanwhile_is_not_taken_over() {
    // Between the look and the step: the kernel says so (EEXIST), and everything is put back.
    let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
    let todo = plan(&tree, &exported("s", 1), &Policy::default()).unwrap();
    let at = todo.steps().iter().position(|s| s.to_string().starts_with("make subsystems/")).unwrap();
    let before = dump(&tree).unwrap();
    tree.fail_mutation(at, Errno::EEXIST);
    let error = apply(&tree, &todo).unwrap_err();
    assert!(error.to_string().contains("another tool may have made it just now"), "{error}");
    assert_eq!(dump(&tree).unwrap(), before);
}

#[test]
fn the_discovery_nqn_is_written_only_where_that_is_safe() {
    let spec = TargetSpec::new().set("discovery_nqn", "nqn.2024-05.org.example:d").unwrap();
    let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
    let found = problems(reconcile(&tree, &spec, &Policy::default()).unwrap_err());
    assert!(matches!(found.as_slice(), [SpecProblem::DiscoveryNqn]) && tree.mutations() == 0);
    let policy = Policy::default().discovery_nqn(DiscoveryNqn::Write);
    reconcile(&tree, &spec, &policy).unwrap();
    // As it is, it needs no writing and no leave.
    assert!(!reconcile(&tree, &spec, &Policy::default()).unwrap().changed());
}

#[test]
fn taking_hosts_away_never_opens_a_subsystem() {
    for kernel in FakeKernel::ALL {
        let tree = FakeTree::new(kernel);
        reconcile(&tree, &exported("s", 1), &Policy::default()).unwrap();
        // The host goes altogether: first its permission, then itself.
        let nobody = SubsystemSpec::nobody().namespace(Nsid::ONE, disk(0));
        let spec = TargetSpec::new().subsystem(nqn("s"), nobody).port(PortId(1), tcp(4421).export(nqn("s")));
        let tree = Instrumented::new(tree);
        reconcile(&tree, &spec, &prune()).unwrap();
        assert!(!tree.log().iter().any(|line| line.contains("attr_allow_any_host 1")), "{:?}", tree.log());
        let any = path("subsystems/nqn.2024-05.org.example:s/attr_allow_any_host");
        assert_eq!(tree.read(&any).unwrap(), b"0\n");
        assert!(tree.list(&path("hosts")).unwrap().is_empty());
    }
}

#[test]
fn keys_that_nobody_asks_for_are_warned_of() {
    // Not a secret of anyone.
    const KEY: &str = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:";
    let keyed = HostSpec::new().set("dhchap_key", KEY).unwrap();
    let spec = TargetSpec::new().host_with(host("a"), keyed).subsystem(nqn("s"), SubsystemSpec::any_host());
    let applied = reconcile(&FakeTree::new(FakeKernel::V6_12), &spec, &Policy::default()).unwrap();
    assert!(matches!(applied.warnings(), [Warning::KeyNotAsked { .. }]));
}

#[test]
fn sizes_are_looked_at_again_where_that_is_asked_for() {
    for kernel in FakeKernel::ALL {
        let tree = FakeTree::new(kernel);
        let refresh = Policy::default().sizes(Sizes::Refresh);
        let two: Nsid = "2".parse().unwrap();
        let with = |second: NamespaceSpec| {
            let subsystem = SubsystemSpec::any_host().namespace(Nsid::ONE, disk(0)).namespace(two, second);
            TargetSpec::new().subsystem(nqn("s"), subsystem)
        };
        // A namespace that is brought online is looked at anyway, and one that is disabled refuses it.
        let first = reconcile(&tree, &with(disk(1).disabled()), &refresh).unwrap();
        assert!(first.steps().iter().all(|step| step.phase() != Phase::RefreshSize), "{kernel}");
        let shown = |spec: &TargetSpec| plan(&tree, spec, &refresh).unwrap().to_string();
        let one = format!("set subsystems/{}/namespaces/1/revalidate_size = 1\n", nqn("s"));
        assert_eq!(shown(&with(disk(1).disabled())), one, "{kernel}");
        // It comes last and disturbs nobody; what changes in the same plan is not looked at twice.
        let enabled = plan(&tree, &with(disk(1)), &refresh).unwrap();
        assert!(enabled.to_string().ends_with(&one) && enabled.len() == 2, "{kernel}: {enabled}");
        assert_eq!(enabled.disruptions(), [], "{kernel}");
        apply(&tree, &enabled).unwrap();
        // It is never done with, and leaves the tree as it is.
        let before = dump(&tree).unwrap();
        let again = reconcile(&tree, &with(disk(1)), &refresh).unwrap();
        assert_eq!(again.steps().len(), 2, "{kernel}");
        assert_eq!(dump(&tree).unwrap(), before, "{kernel}");
        assert!(!reconcile(&tree, &with(disk(1)), &Policy::default()).unwrap().changed(), "{kernel}");
    }
}
