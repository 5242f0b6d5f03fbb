//! Removing exactly what a spec names.

use std::collections::BTreeSet;

use super::{paths, remove};
use crate::observe::{LinkTarget, Observed};
use crate::plan::{Goal, Phase, Plan};
use crate::spec::TargetSpec;
use crate::tree::Name;

/// The steps that remove the objects a spec names from a target, whole and whatever state they are in, and nothing else.
///
/// | object | removed with it |
/// |---|---|
/// | port | its exports, referrals, ANA groups |
/// | subsystem | its namespaces and permissions, and its exports on ports that stay |
/// | host | its permissions in subsystems that go; a host that another subsystem permits stays |
///
/// What is not there is not missed: an empty plan means that nothing of it is left.
pub fn diff_withdraw(observed: &Observed, spec: &TargetSpec) -> Plan {
    let ports: BTreeSet<&Name> =
        spec.ports.keys().filter_map(|id| Some(observed.named_port(*id)?.0)).collect();
    let goes = |name: &Name| name.to_str().is_some_and(|nqn| spec.subsystems.contains_key(nqn));
    let mut steps = Vec::new();
    for (name, there) in &observed.ports {
        let path = paths::port(name);
        if ports.contains(name) {
            steps.extend(remove::port(&path, there));
            continue;
        }
        for (link, target) in &there.subsystems {
            if let LinkTarget::Subsystem(subsystem) = target
                && goes(subsystem)
            {
                let link = path.at("subsystems").join(link);
                steps.push(remove::unlink(Phase::Unexport, link, paths::subsystem(subsystem)));
            }
        }
    }
    let mut still_permitted = BTreeSet::new();
    for (name, there) in &observed.subsystems {
        if goes(name) {
            steps.extend(remove::subsystem(&paths::subsystem(name), there));
        } else {
            still_permitted.extend(there.allowed_hosts.values());
        }
    }
    for (name, there) in &observed.hosts {
        let named = name.to_str().is_some_and(|nqn| spec.hosts.contains_key(nqn));
        if named && !still_permitted.contains(&LinkTarget::Host(name.clone())) {
            steps.push(remove::host(&paths::host(name), there));
        }
    }
    steps.sort_by_key(|step| step.phase);
    Plan { steps, goal: Goal::Withdrawn(spec.clone()), warnings: Vec::new() }
}
