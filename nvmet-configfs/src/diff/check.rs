//! What can be wrong with a spec on a given target.

use nvme_proto::SubsysNqn;

use super::parts::group_id;
use super::{DiscoveryNqn, Foreign, Policy, Scope, paths};
use crate::observe::{Observed, ObservedSubsystem, port_id};
use crate::plan::Warning;
use crate::spec::{HostAccess, SpecError, SpecProblem, SubsystemSpec, TargetSpec};
use crate::tree::{Name, RelPath};

/// Checks a spec, alone and against the target.
pub(super) fn check(observed: &Observed, spec: &TargetSpec, policy: &Policy) -> Result<(), SpecError> {
    let mut problems = match spec.validate() {
        Ok(()) => Vec::new(),
        Err(error) => error.problems,
    };
    out_of_scope(spec, policy, &mut problems);
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
        let there = observed.subsystems.get(&Name::from(nqn));
        let ends = subsystem.passthru.as_ref().is_some_and(|p| !p.enabled);
        if there.is_some_and(|s| s.is_passthru()) && !ends && !subsystem.namespaces.is_empty() {
            problems.push(SpecProblem::PassthruEnabled { subsystem: nqn.clone() });
        }
        let version = subsystem.settings.value("attr_version");
        let fixed = there.filter(|s| s.is_passthru() && !ends).and_then(|s| s.attributes.get("attr_version"));
        if version.is_some_and(|wanted| fixed.is_some_and(|fixed| *fixed != **wanted)) {
            problems.push(SpecProblem::PassthruWithVersion { subsystem: nqn.clone() });
        }
        devices(nqn, subsystem, there, &mut problems);
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
    let nqn = spec.settings.value("discovery_nqn");
    if nqn.is_some_and(|n| observed.attributes.get("discovery_nqn").is_some_and(|old| *old != **n))
        && policy.discovery_nqn == DiscoveryNqn::Refuse
    {
        problems.push(SpecProblem::DiscoveryNqn);
    }
    SpecError::from_problems(problems)
}

/// Objects that the policy leaves to others.
fn out_of_scope(spec: &TargetSpec, policy: &Policy, problems: &mut Vec<SpecProblem>) {
    let scope = &policy.scope;
    if *scope == Scope::Everything {
        return;
    }
    let hosts =
        spec.hosts.keys().map(|n| (scope.has_nqn(n.as_str().as_bytes()), paths::host(&Name::from(n))));
    let subsystems = spec
        .subsystems
        .keys()
        .map(|n| (scope.has_nqn(n.as_str().as_bytes()), paths::subsystem(&Name::from(n))));
    let ports = spec.ports.keys().map(|id| (scope.has_port(Some(*id)), paths::port(&Name::from(*id))));
    let target = (spec.settings.is_empty(), RelPath::root());
    for (inside, object) in hosts.chain(subsystems).chain(ports).chain([target]) {
        if !inside {
            problems.push(SpecProblem::OutOfScope { object });
        }
    }
}

/// What is enabled needs a device, from the spec or from before.
fn devices(
    nqn: &SubsysNqn,
    subsystem: &SubsystemSpec,
    there: Option<&ObservedSubsystem>,
    problems: &mut Vec<SpecProblem>,
) {
    for (nsid, namespace) in &subsystem.namespaces {
        let has = || there.and_then(|s| s.namespace(*nsid)).is_some_and(|n| n.device_path().is_some());
        if namespace.enabled && namespace.device_path.is_none() && !has() {
            problems.push(SpecProblem::NamespaceWithoutDevice { subsystem: nqn.clone(), nsid: *nsid });
        }
    }
    let Some(passthru) = &subsystem.passthru else { return };
    let old = there.and_then(|s| s.passthru.as_ref()).and_then(|p| p.get("device_path"));
    if passthru.enabled && passthru.device_path.is_none() && old.is_none_or(|p| p == b"(null)") {
        problems.push(SpecProblem::PassthruWithoutDevice { subsystem: nqn.clone() });
    }
}

/// Namespaces in ANA groups that a port does not have: neither from the spec nor from before.
pub(super) fn missing_groups(observed: &Observed, spec: &TargetSpec) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (id, port) in &spec.ports {
        let there = observed.port(*id);
        for nqn in &port.subsystems {
            let Some(subsystem) = spec.subsystems.get(nqn) else { continue };
            for (nsid, namespace) in &subsystem.namespaces {
                let group = namespace.settings.number("ana_grpid").and_then(|g| u32::try_from(g).ok());
                let Some(group) = group.filter(|group| *group != 1) else { continue };
                let named = port.ana_groups.keys().any(|g| g.number() == group);
                // Groups that the spec does not speak of were perhaps not read.
                let old = there.is_some_and(|port| {
                    port.ana_groups.is_empty() || port.ana_groups.keys().any(|g| group_id(g) == Some(group))
                });
                if !named && !old {
                    warnings.push(Warning::GroupMissing {
                        subsystem: nqn.clone(),
                        nsid: *nsid,
                        group,
                        port: *id,
                    });
                }
            }
        }
    }
    warnings
}

/// Hosts with keys that nobody will ask for.
pub(super) fn unasked_keys(spec: &TargetSpec) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (host, wanted) in &spec.hosts {
        if wanted.settings.value("dhchap_key").is_none_or(|key| key.is_empty()) {
            continue;
        }
        for (subsystem, _) in spec.subsystems.iter().filter(|(_, s)| s.access == HostAccess::Any) {
            warnings.push(Warning::KeyNotAsked { host: host.clone(), subsystem: subsystem.clone() });
        }
    }
    warnings
}

fn is_host(nqn: &SubsysNqn, observed: &Observed, spec: &TargetSpec) -> bool {
    observed.hosts.contains_key(&Name::from(nqn)) || spec.hosts.keys().any(|h| h.as_str() == nqn.as_str())
}
