//! Removing what is foreign, so that it can be put back exactly.

use super::{Builder, Foreign, Unknown, paths};
use crate::attr::{self, Restore};
use crate::object::Object;
use crate::observe::{
    Attributes, LinkTarget, ObservedHost, ObservedNamespace, ObservedPort, ObservedSubsystem, port_id,
};
use crate::plan::{Action, Phase, Step, Undo, Values};
use crate::tree::{Name, RelPath};

impl Builder<'_> {
    pub(super) fn remove_foreign(&mut self) {
        if self.policy.foreign == Foreign::Keep {
            return;
        }
        let (spec, observed, scope) = (self.spec, self.observed, &self.policy.scope);
        for (name, there) in &observed.ports {
            // Of several spellings of an id only one is the spec's.
            let named = port_id(name).filter(|id| spec.ports.contains_key(id));
            let chosen = named.and_then(|id| observed.named_port(id)).map(|(chosen, _)| chosen);
            if chosen == Some(name) {
                continue;
            }
            if scope.has_port(port_id(name)) {
                self.steps.extend(port(&paths::port(name), there));
            } else {
                self.unexport_foreign(name, there);
            }
        }
        for (name, there) in &observed.subsystems {
            let named = name.to_str().is_some_and(|nqn| spec.subsystems.contains_key(nqn));
            if !named && scope.has_nqn(name.as_bytes()) {
                self.steps.extend(subsystem(&paths::subsystem(name), there));
            }
        }
        for (name, there) in &observed.hosts {
            let named = name.to_str().is_some_and(|nqn| spec.hosts.contains_key(nqn));
            if !named && scope.has_nqn(name.as_bytes()) && !self.is_permitted_elsewhere(name) {
                self.steps.push(host(&paths::host(name), there));
            }
        }
    }

    /// What goes is exported no more by a port that stays.
    fn unexport_foreign(&mut self, name: &Name, there: &ObservedPort) {
        for (link, target) in &there.subsystems {
            if let LinkTarget::Subsystem(subsystem) = target
                && self.policy.scope.has_nqn(subsystem.as_bytes())
                && !subsystem.to_str().is_some_and(|nqn| self.spec.subsystems.contains_key(nqn))
            {
                let link = paths::port(name).at("subsystems").join(link);
                self.steps.push(unlink(Phase::Unexport, link, paths::subsystem(subsystem)));
            }
        }
    }

    /// Whether a subsystem outside of the scope permits a host, which has to stay then.
    fn is_permitted_elsewhere(&self, host: &Name) -> bool {
        let outside =
            self.observed.subsystems.iter().filter(|(s, _)| !self.policy.scope.has_nqn(s.as_bytes()));
        let mut permitted = outside.flat_map(|(_, s)| s.allowed_hosts.values());
        permitted.any(|target| *target == LinkTarget::Host(host.clone()))
    }
}

fn step(phase: Phase, action: Action, undo: Undo) -> Step {
    Step { phase, action, undo, unknown: Unknown::Require }
}

pub(super) fn unlink(phase: Phase, link: RelPath, target: RelPath) -> Step {
    step(phase, Action::Unlink { link, target }, Undo::Link)
}

/// The values that make a new object like this one, in the order they are stored in.
fn values(dir: &RelPath, attributes: &Attributes) -> Values {
    let mut readable: Vec<_> =
        attributes.entries().filter_map(|(name, value)| Some((name, value.ok()?))).collect();
    readable.sort_by(|(a, _), (b, _)| attr::rank(a).cmp(&attr::rank(b)));
    let mut values = Values::new();
    for (name, value) in readable {
        let attr = dir.join(name);
        // As a new object is.
        let disabled = name.as_bytes() == b"enable" && value != b"1";
        let keyless = attr::is_secret(name) && value.is_empty();
        if disabled || keyless {
            continue;
        }
        if let Restore::Value(value) = attr::restore(Object::of(&attr), name, value) {
            values.push((attr, value.into()));
        }
    }
    values
}

pub(super) fn host(path: &RelPath, there: &ObservedHost) -> Step {
    let undo = Undo::Recreate(values(path, &there.attributes));
    step(Phase::RemoveHost, Action::RemoveDir(path.clone()), undo)
}

/// An enabled namespace may be removed; the kernel takes it offline (`configfs.c:nvmet_ns_release`).
pub(super) fn namespace(path: &RelPath, there: &ObservedNamespace) -> Vec<Step> {
    let undo = Undo::Recreate(values(path, &there.attributes));
    vec![step(Phase::RemoveNamespace, Action::RemoveDir(path.clone()), undo)]
}

pub(crate) fn subsystem(path: &RelPath, there: &ObservedSubsystem) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, there) in &there.namespaces {
        steps.extend(namespace(&path.at("namespaces").join(name), there));
    }
    for (link, target) in &there.allowed_hosts {
        if let LinkTarget::Host(host) = target {
            steps.push(unlink(Phase::Forbid, path.at("allowed_hosts").join(link), paths::host(host)));
        }
    }
    let passthru = path.at("passthru");
    if there.is_passthru() {
        let attr = passthru.at("enable");
        let undo = Undo::Restore(vec![(attr.clone(), b"1".as_slice().into())]);
        steps.push(step(Phase::EndPassthru, Action::Write { attr, value: b"0".as_slice().into() }, undo));
    }
    let mut old = values(path, &there.attributes);
    if let Some(attributes) = &there.passthru {
        // Enabling is the undo of its own step.
        old.extend(
            values(&passthru, attributes).into_iter().filter(|(attr, _)| *attr != passthru.at("enable")),
        );
    }
    steps.push(step(Phase::RemoveSubsystem, Action::RemoveDir(path.clone()), Undo::Recreate(old)));
    steps
}

/// An ANA group or a referral.
pub(super) fn part(phase: Phase, path: &RelPath, attributes: &Attributes) -> Step {
    step(phase, Action::RemoveDir(path.clone()), Undo::Recreate(values(path, attributes)))
}

pub(crate) fn port(path: &RelPath, there: &ObservedPort) -> Vec<Step> {
    let mut steps = Vec::new();
    for (link, target) in &there.subsystems {
        if let LinkTarget::Subsystem(subsystem) = target {
            steps.push(unlink(
                Phase::Unexport,
                path.at("subsystems").join(link),
                paths::subsystem(subsystem),
            ));
        }
    }
    let mut old = values(path, &there.attributes);
    for (name, attributes) in &there.referrals {
        steps.push(part(Phase::RemovePortParts, &path.at("referrals").join(name), attributes));
    }
    for (name, attributes) in &there.ana_groups {
        let group = path.at("ana_groups").join(name);
        if name.as_bytes() == b"1" {
            old.extend(values(&group, attributes)); // made by the kernel, goes with the port
        } else {
            steps.push(part(Phase::RemovePortParts, &group, attributes));
        }
    }
    steps.push(step(Phase::RemovePort, Action::RemoveDir(path.clone()), Undo::Recreate(old)));
    steps
}
