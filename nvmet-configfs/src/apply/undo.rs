//! Taking steps back.

use super::error::Leftover;
use super::perform;
use crate::plan::{Action, Step, Undo, Values};
use crate::text;
use crate::tree::{RelPath, Tree};

/// Takes steps back, the last one first. What fails is noted, the rest is done nevertheless.
pub(super) fn all(tree: &dyn Tree, done: &[Step], leftovers: &mut Vec<Leftover>) {
    for step in done.iter().rev() {
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
        (Undo::Unlink { rewritten, fresh, rebuild }, Action::Link { link, target }) => {
            attempt(tree, Action::Unlink { link: link.clone(), target: target.clone() }, leftovers);
            settle(tree, rewritten, fresh, rebuild, leftovers);
        }
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
    rewritten: &Values,
    fresh: &Values,
    steps: &[Step],
    leftovers: &mut Vec<Leftover>,
) {
    if fresh.iter().any(|(attr, value)| differs(tree, attr, value)) {
        rebuild(tree, steps, leftovers);
    }
    for (attr, value) in rewritten {
        if differs(tree, attr, value) {
            attempt(tree, Action::Write { attr: attr.clone(), value: value.clone() }, leftovers);
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
