//! What can be wrong with a spec on a given target.

use nvme_proto::SubsysNqn;

use super::{Foreign, Policy};
use crate::observe::{Observed, port_id};
use crate::spec::{HostAccess, SpecError, SpecProblem, TargetSpec};
use crate::tree::Name;

/// Checks a spec, alone and against the target.
pub(super) fn check(observed: &Observed, spec: &TargetSpec, policy: &Policy) -> Result<(), SpecError> {
    let mut problems = match spec.validate() {
        Ok(()) => Vec::new(),
        Err(error) => error.problems,
    };
    let keep = policy.foreign == Foreign::Keep;
    for (nqn, subsystem) in &spec.subsystems {
        if let HostAccess::Only(hosts) = &subsystem.access {
            for host in hosts {
                let known =
                    spec.hosts.contains_key(host) || (keep && observed.hosts.contains_key(&Name::from(host)));
                if !known {
                    problems.push(SpecProblem::UnknownHost { subsystem: nqn.clone(), host: host.clone() });
                }
            }
        }
        let passthru = observed.subsystems.get(&Name::from(nqn)).is_some_and(|s| s.is_passthru());
        if passthru && !subsystem.namespaces.is_empty() {
            problems.push(SpecProblem::PassthruEnabled { subsystem: nqn.clone() });
        }
    }
    for (id, port) in &spec.ports {
        for nqn in &port.subsystems {
            let name = Name::from(nqn);
            if spec.subsystems.contains_key(nqn) || (keep && observed.subsystems.contains_key(&name)) {
                continue;
            }
            problems.push(if is_host(nqn, observed, spec) {
                SpecProblem::HostAsSubsystem { port: *id, name: nqn.clone() }
            } else {
                SpecProblem::UnknownSubsystem { port: *id, subsystem: nqn.clone() }
            });
        }
        if port.subsystems.is_empty() || !keep {
            continue;
        }
        for (other, foreign) in &observed.ports {
            let named = port_id(other).is_some_and(|other| spec.ports.contains_key(&other));
            let there = foreign.transport().filter(|_| !named && foreign.is_live());
            if there.is_some_and(|there| there.collides_with(&port.transport)) {
                let address = port.transport.clone();
                problems.push(SpecProblem::AddressTaken { port: *id, address, other: other.clone() });
            }
        }
    }
    SpecError::from_problems(problems)
}

fn is_host(nqn: &SubsysNqn, observed: &Observed, spec: &TargetSpec) -> bool {
    observed.hosts.contains_key(&Name::from(nqn)) || spec.hosts.keys().any(|h| h.as_str() == nqn.as_str())
}
