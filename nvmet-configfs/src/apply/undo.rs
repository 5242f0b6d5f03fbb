//! Taking steps back.

use super::error::Leftover;
use super::perform;
use crate::diff::{remove_port, remove_subsystem};
use crate::errno::Errno;
use crate::object::Object;
use crate::observe::{Attributes, LinkTarget, observe};
use crate::plan::{Action, Step, Undo, Values};
use crate::text;
use crate::tree::{Op, RelPath, Tree, TreeError};

/// Takes steps back, the last one first. What fails is noted, the rest is done nevertheless.
pub(super) fn all<'s>(
    tree: &dyn Tree,
    done: impl IntoIterator<Item = &'s Step, IntoIter: DoubleEndedIterator>,
    leftovers: &mut Vec<Leftover>,
) {
    for step in done.into_iter().rev() {
        one(tree, step, leftovers);
    }
}

fn one(tree: &dyn Tree, step: &Step, leftovers: &mut Vec<Leftover>) {
    match (&step.undo, &step.action) {
        (Undo::Covered, _) => {}
        (Undo::Remove, action) => attempt(tree, Action::RemoveDir(action.path().clone()), leftovers),
        (Undo::Recreate(values), action) => {
            attempt(tree, Action::MakeDir(action.path().clone()), leftovers);
            store(tree, values, leftovers);
        }
        (Undo::Restore(values), _) => store(tree, values, leftovers),
        (Undo::Rebuild(steps), _) => rebuild(tree, steps, leftovers),
        (Undo::Unlink { rewritten, fresh }, Action::Link { link, target }) => {
            attempt(tree, Action::Unlink { link: link.clone(), target: target.clone() }, leftovers);
            if let Some(port) = super::port_of(link) {
                settle(tree, &port, rewritten, fresh, leftovers);
            }
        }
        (Undo::Remake { object, fresh }, _) => remake(tree, object, fresh, leftovers),
        (Undo::Link, Action::Unlink { link, target }) => {
            attempt(tree, Action::Link { link: link.clone(), target: target.clone() }, leftovers);
        }
        // No other pairs are ever made.
        (Undo::Unlink { .. } | Undo::Link, _) => {}
    }
}

/// Puts the parameters of an idle port back as they were before the kernel filled them in.
pub(super) fn settle(
    tree: &dyn Tree,
    port: &RelPath,
    rewritten: &Values,
    fresh: &Values,
    leftovers: &mut Vec<Leftover>,
) {
    if fresh.iter().any(|(attr, value)| differs(tree, attr, value)) {
        remake(tree, port, fresh, leftovers);
    }
    for (attr, value) in rewritten {
        if differs(tree, attr, value) {
            attempt(tree, Action::Write { attr: attr.clone(), value: value.clone() }, leftovers);
        }
    }
}

/// Makes a port or a subsystem anew as it is, but with values that only a new one has. Not while something links to it: hosts may be
/// connected, and a value of that kind that was not in use before does no harm.
fn remake(tree: &dyn Tree, object: &RelPath, fresh: &Values, leftovers: &mut Vec<Leftover>) {
    let mut fail = |source| leftovers.push(Leftover { action: Action::RemoveDir(object.clone()), source });
    let mut observed = match observe(tree) {
        Ok(observed) => observed,
        Err(source) => return fail(source),
    };
    let Some(name) = object.file_name() else { return };
    let steps = if Object::of(object) == Object::Port {
        let Some(port) = observed.ports.get_mut(&name) else { return };
        freshen(&mut port.attributes, fresh);
        if port.is_live() {
            return fail(TreeError::new(Op::Rmdir, object, Errno::EBUSY));
        }
        remove_port(object, port)
    } else {
        let target = LinkTarget::Subsystem(name.clone());
        if observed.ports.values().any(|port| port.subsystems.values().any(|link| *link == target)) {
            return fail(TreeError::new(Op::Rmdir, object, Errno::EBUSY));
        }
        let Some(subsystem) = observed.subsystems.get_mut(&name) else { return };
        if let Some(passthru) = &mut subsystem.passthru {
            freshen(passthru, fresh);
        }
        remove_subsystem(object, subsystem)
    };
    rebuild(tree, &steps, leftovers);
}

fn freshen(attributes: &mut Attributes, fresh: &Values) {
    for (attr, value) in fresh {
        if let Some(name) = attr.file_name() {
            attributes.insert(name, Ok(value.clone()));
        }
    }
}

fn differs(tree: &dyn Tree, attr: &RelPath, value: &[u8]) -> bool {
    tree.read(attr).map_or(true, |now| text::line(&now) != value)
}

/// Removes an object and makes it again with its old values.
fn rebuild(tree: &dyn Tree, steps: &[Step], leftovers: &mut Vec<Leftover>) {
    for (i, step) in steps.iter().enumerate() {
        if let Err(source) = perform(tree, &step.action) {
            leftovers.push(Leftover { action: step.action.clone(), source });
            return all(tree, steps.get(..i).unwrap_or_default(), leftovers);
        }
    }
    all(tree, steps, leftovers);
}

fn store(tree: &dyn Tree, values: &Values, leftovers: &mut Vec<Leftover>) {
    for (attr, value) in values {
        attempt(tree, Action::Write { attr: attr.clone(), value: value.clone() }, leftovers);
    }
}

fn attempt(tree: &dyn Tree, action: Action, leftovers: &mut Vec<Leftover>) {
    if let Err(source) = perform(tree, &action) {
        leftovers.push(Leftover { action, source });
    }
}
