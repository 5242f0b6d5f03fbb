//! What a large target costs: calls grow with what changes, not with its square, and nothing is read that is not needed.
#![cfg(feature = "testing")]

use nvme_proto::{Nsid, SubsysNqn};
use nvmet_configfs::{
    FakeKernel, FakeTree, Instrumented, NamespaceSpec, Policy, PortId, PortSpec, SubsystemSpec, TargetSpec,
    reconcile,
};

fn target(namespaces: u32) -> TargetSpec {
    let nqn: SubsysNqn = "mysub".parse().unwrap();
    let disk = NamespaceSpec::new("/dev/ram0".parse().unwrap());
    let subsystem = (1..=namespaces)
        .fold(SubsystemSpec::any_host(), |s, nsid| s.namespace(Nsid::new(nsid).unwrap(), disk.clone()));
    TargetSpec::new()
        .subsystem(nqn.clone(), subsystem)
        .port(PortId(1), PortSpec::tcp("127.0.0.1".parse().unwrap(), 4420).export(nqn))
}

/// Calls that read and that change when going from nothing to `namespaces`, and when doing it again.
fn effort(namespaces: u32) -> [usize; 4] {
    let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
    reconcile(&tree, &target(namespaces), &Policy::default()).unwrap();
    let (reads, mutations) = (tree.reads(), tree.mutations());
    reconcile(&tree, &target(namespaces), &Policy::default()).unwrap();
    [reads, mutations, tree.reads() - reads, tree.mutations() - mutations]
}

#[test]
fn a_thousand_namespaces_take_three_changing_and_two_reading_calls_each() {
    let (few, many) = (effort(24), effort(1024));
    let each = [0, 1, 2, 3].map(|i| (many[i] - few[i]) as f64 / 1000.0);
    // Made: mkdir, device_path, enable. Verified: device_path and enable. Each call is one or three system calls.
    assert_eq!(each, [2.0, 3.0, 2.0, 0.0]);
}

#[test]
fn a_namespace_takes_at_most_ten_system_calls_each_way() {
    // With an identifier of its own, as most have.
    let with_uuid = |namespaces: u32| {
        let mut spec = target(namespaces);
        let mut subsystem = spec.subsystems.pop_first().unwrap();
        for (nsid, namespace) in &mut subsystem.1.namespaces {
            let id = format!("1b4e28ba-2fa1-11d2-883f-{:012x}", nsid.get());
            namespace.settings.set("device_uuid", id).unwrap();
        }
        spec.subsystems.insert(subsystem.0, subsystem.1);
        let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
        reconcile(&tree, &spec, &Policy::default()).unwrap();
        tree.system_calls()
    };
    let (few, many) = (with_uuid(24), with_uuid(1024));
    assert_eq!((many.writing - few.writing) / 1000, 10, "mkdir, and three writes");
    assert_eq!((many.reading - few.reading) / 1000, 9, "three reads");
}

#[test]
fn foreign_objects_cost_a_look_at_their_name() {
    use nvmet_configfs::{RelPath, Tree};
    let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
    reconcile(&tree, &target(1), &Policy::default()).unwrap();
    let reads = |tree: &Instrumented<FakeTree>| {
        let before = tree.reads();
        reconcile(tree, &target(1), &Policy::default()).unwrap();
        tree.reads() - before
    };
    let alone = reads(&tree);
    for n in 0..100 {
        tree.inner().mkdir(&RelPath::new(format!("subsystems/foreign{n}")).unwrap()).unwrap();
        tree.inner().mkdir(&RelPath::new(format!("hosts/foreign{n}")).unwrap()).unwrap();
    }
    assert_eq!(reads(&tree), alone);
}
