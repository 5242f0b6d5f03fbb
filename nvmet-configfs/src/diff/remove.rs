//! Removing what is foreign, so that it can be put back exactly.

use super::{Builder, Foreign, paths};
use crate::attr::{self, Restore};
use crate::object::Object;
use crate::observe::{
    Attributes, LinkTarget, ObservedHost, ObservedNamespace, ObservedPort, ObservedSubsystem, port_id,
};
use crate::plan::{Action, Phase, Step, Undo, Values};
use crate::tree::RelPath;

impl Builder<'_> {
    pub(super) fn remove_foreign(&mut self) {
        if self.policy.foreign == Foreign::Keep {
            return;
        }
        let (spec, observed) = (self.spec, self.observed);
        for (name, there) in &observed.ports {
            // Of several spellings of an id only one is the spec's.
            let named = port_id(name).filter(|id| spec.ports.contains_key(id));
            let chosen = named.and_then(|id| observed.named_port(id)).map(|(chosen, _)| chosen);
            if chosen != Some(name) {
                self.steps.extend(port(&paths::port(name), there));
            }
        }
        for (name, there) in &observed.subsystems {
            if !name.to_str().is_some_and(|nqn| spec.subsystems.contains_key(nqn)) {
                self.steps.extend(subsystem(&paths::subsystem(name), there));
            }
        }
        for (name, there) in &observed.hosts {
            if !name.to_str().is_some_and(|nqn| spec.hosts.contains_key(nqn)) {
                self.steps.push(host(&paths::host(name), there));
            }
        }
    }
}

fn step(phase: Phase, action: Action, undo: Undo) -> Step {
    Step { phase, action, undo }
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
        let disabled = name.as_bytes() == b"enable" && value != b"1"; // as a new object is
        if let (Restore::Value(value), false) = (attr::restore(Object::of(&attr), name, value), disabled) {
            values.push((attr, value));
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

pub(super) fn subsystem(path: &RelPath, there: &ObservedSubsystem) -> Vec<Step> {
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
        let undo = Undo::Restore(vec![(attr.clone(), b"1".to_vec())]);
        steps.push(step(Phase::EndPassthru, Action::Write { attr, value: b"0".to_vec() }, undo));
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

pub(super) fn port(path: &RelPath, there: &ObservedPort) -> Vec<Step> {
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
        let referral = path.at("referrals").join(name);
        let undo = Undo::Recreate(values(&referral, attributes));
        steps.push(step(Phase::RemovePortParts, Action::RemoveDir(referral), undo));
    }
    for (name, attributes) in &there.ana_groups {
        let group = path.at("ana_groups").join(name);
        if name.as_bytes() == b"1" {
            old.extend(values(&group, attributes)); // made by the kernel, goes with the port
        } else {
            let undo = Undo::Recreate(values(&group, attributes));
            steps.push(step(Phase::RemovePortParts, Action::RemoveDir(group), undo));
        }
    }
    steps.push(step(Phase::RemovePort, Action::RemoveDir(path.clone()), Undo::Recreate(old)));
    steps
}
