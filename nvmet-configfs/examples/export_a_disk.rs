//! What a target shall look like, the plan for it, and the plan carried out: all of it, or nothing.
//!
//! `cargo run --example export_a_disk --features testing` runs on a simulated kernel; on a real machine the tree is
//! `OsTree::open_default()?`, and everything else is the same.

use nvme_proto::{HostNqn, Nsid, SubsysNqn};
use nvmet_configfs::{
    FakeKernel, FakeTree, NamespaceSpec, Policy, PortId, PortSpec, SubsystemSpec, TargetSpec, apply, plan,
};

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tree = FakeTree::new(FakeKernel::V6_12);

    let alice: HostNqn = "nqn.2024-05.org.example:alice".parse()?;
    let mysub: SubsysNqn = "nqn.2024-05.org.example:disks".parse()?;
    let disk = NamespaceSpec::new("/dev/ram0".parse()?);
    let subsystem = SubsystemSpec::nobody().allow(alice.clone()).namespace(Nsid::ONE, disk);
    let wanted = TargetSpec::new()
        .host(alice)
        .subsystem(mysub.clone(), subsystem)
        .port(PortId(1), PortSpec::tcp("127.0.0.1".parse()?, 4420).export(mysub));

    let todo = plan(&tree, &wanted, &Policy::default())?;
    print!("{todo}"); // one step a line, in the order the kernel accepts
    // The export comes last: nothing is on the network before everything else is in place.
    assert!(todo.steps().last().is_some_and(|step| step.to_string().starts_with("link ports/1/subsystems/")));
    apply(&tree, &todo)?;

    // A second plan has nothing to do.
    assert!(plan(&tree, &wanted, &Policy::default())?.is_empty());
    Ok(())
}
