//! Changing a target that hosts use: what disturbs nobody is simply done, what cuts somebody off needs consent.
//!
//! `cargo run --example live_changes --features testing`

use nvme_proto::{HostNqn, Nsid, SubsysNqn};
use nvmet_configfs::handle::Target;
use nvmet_configfs::{
    AnaGroupId, AnaState, ApplyFailure, Consent, Disruption, Error, FakeKernel, FakeTree, NamespaceSpec,
    Policy, PortId, PortSpec, Sizes, SubsystemSpec, TargetSpec, plan, reconcile,
};

/// The target: as many disks and hosts as asked for, on this TCP port.
fn wanted(
    disks: u32,
    hosts: u32,
    trsvcid: u16,
    state: AnaState,
) -> Result<TargetSpec, Box<dyn std::error::Error>> {
    let mysub: SubsysNqn = "nqn.2024-05.org.example:disks".parse()?;
    let (mut target, mut subsystem) = (TargetSpec::new(), SubsystemSpec::nobody());
    for n in 0..hosts {
        let host: HostNqn = format!("nqn.2024-05.org.example:host{n}").parse()?;
        target = target.host(host.clone());
        subsystem = subsystem.allow(host);
    }
    for n in 1..=disks {
        subsystem = subsystem.namespace(Nsid::new(n)?, NamespaceSpec::new(format!("/dev/ram{n}").parse()?));
    }
    let port =
        PortSpec::tcp("127.0.0.1".parse()?, trsvcid).ana_group(AnaGroupId::ONE, state).export(mysub.clone());
    Ok(target.subsystem(mysub, subsystem).port(PortId(1), port))
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tree = FakeTree::new(FakeKernel::V6_12);
    let policy = Policy::default();
    reconcile(&tree, &wanted(1, 1, 4420, AnaState::Optimized)?, &policy)?;

    // One more disk, one more host, another state of the path: hosts are told, none is cut off.
    let more = wanted(2, 2, 4420, AnaState::NonOptimized)?;
    assert!(plan(&tree, &more, &policy)?.disruptions().is_empty());
    reconcile(&tree, &more, &policy)?;

    // A disk that has grown: the kernel looks again, and tells the hosts. For one disk, or for all of a spec.
    let disks = "nqn.2024-05.org.example:disks".parse()?;
    Target::new(&tree).subsystem(&disks).namespace(Nsid::ONE).revalidate_size()?;
    reconcile(&tree, &more, &policy.clone().sizes(Sizes::Refresh))?;

    // Another TCP port: the listener has to go away for it, and everyone who came through it.
    let moved = wanted(2, 2, 4421, AnaState::NonOptimized)?;
    let Err(Error::Apply(refused)) = reconcile(&tree, &moved, &policy) else {
        return Err("done without consent".into());
    };
    let ApplyFailure::NeedsConsent { disruptions } = &refused.failure else { return Err(refused.into()) };
    assert!(matches!(disruptions.as_slice(), [Disruption::ExportRestarts { .. }]));
    println!("{}", disruptions.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    reconcile(&tree, &moved, &policy.consent(Consent::Given))?;
    Ok(())
}
