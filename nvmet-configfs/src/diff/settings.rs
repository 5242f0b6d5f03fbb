//! Settings: which attributes differ, and what a kernel without them means.

use super::{Builder, Change, Undone, Unknown};
use crate::attr::{self, ValueKind, Writable};
use crate::errno::Errno;
use crate::object::Object;
use crate::observe::Attributes;
use crate::plan::{Action, Phase, Step, Undo, Warning};
use crate::spec::{Settings, SpecProblem};
use crate::tree::{Name, RelPath};
use crate::value::Value;

/// Whether the kernel decides by itself what a value is in the end, so that nothing is to be written.
pub(super) fn is_left_to_kernel(owner: Object, name: &Name, wanted: &Value) -> bool {
    let automatic = matches!(attr::known(owner, name).map(|a| a.kind), Some(ValueKind::Auto { .. }));
    automatic && **wanted == *b"-1"
}

/// What is written for a value: a key is cleared by one NUL byte (since Linux 6.12).
pub(super) fn written(value: &Value) -> Value {
    if value.is_empty() { b"\0".as_slice().into() } else { value.clone() }
}

/// Whether an attribute can change while its namespace is enabled.
pub(super) fn is_live(name: &Name) -> bool {
    attr::known(Object::Namespace, name).is_some_and(|a| a.writable == Writable::Always)
}

impl Builder<'_> {
    /// The settings of an object that was there which differ.
    pub(super) fn differing<'t>(
        &mut self,
        dir: &RelPath,
        wanted: &Settings,
        there: &'t Attributes,
    ) -> Vec<Change<'t>> {
        let mut changes = Vec::new();
        for (name, value) in wanted.entries() {
            // No key is what a kernel without authentication has too.
            let no_key = value.is_empty() && there.result(name).is_none();
            if is_left_to_kernel(wanted.owner(), name, value) || no_key {
                continue;
            }
            if let Some(old) = self.old_value(dir, wanted.owner(), name, value, there) {
                changes.push(Change::new(name.clone(), written(value), Some(old)));
            }
        }
        changes
    }

    /// The old value of an attribute that has to change; `None` when it is as wanted, or this kernel does not have it.
    pub(super) fn old_value<'t>(
        &mut self,
        dir: &RelPath,
        owner: Object,
        name: &Name,
        wanted: &Value,
        there: &'t Attributes,
    ) -> Option<&'t [u8]> {
        let known = attr::known(owner, name);
        match there.result(name) {
            Some(Ok(old)) => {
                let kind = known.map_or(ValueKind::Opaque, |a| a.kind);
                (!kind.is_same(wanted, old)).then_some(old)
            }
            Some(Err(Errno::EACCES)) => {
                self.warnings.push(Warning::Unreadable { attr: dir.join(name) });
                None
            }
            Some(Err(_)) => Some(b""),
            None => {
                let attr = dir.join(name);
                match self.policy.unknown {
                    Unknown::Require => {
                        let build = known.map(|a| a.build).filter(|b| !b.is_empty());
                        self.problems.push(SpecProblem::UnknownAttribute { attr, build });
                    }
                    Unknown::Warn => self.warnings.push(Warning::UnknownAttribute { attr }),
                    Unknown::Ignore => {}
                }
                None
            }
        }
    }

    /// All settings of a new object. Whether this kernel has them shows when they are written.
    pub(super) fn set_new(&mut self, phase: Phase, dir: &RelPath, wanted: &Settings) {
        for (name, value) in wanted.entries() {
            // A new host has no keys.
            if !is_left_to_kernel(wanted.owner(), name, value) && !value.is_empty() {
                self.write_new(phase, dir.join(name), value.clone());
            }
        }
    }

    /// A setting of a new object.
    pub(super) fn write_new(&mut self, phase: Phase, attr: RelPath, value: impl Into<Value>) {
        let action = Action::Write { attr, value: value.into() };
        self.steps.push(Step { phase, action, undo: Undo::Covered, unknown: self.policy.unknown });
    }
}

/// Puts `attr_cntlid_min` before `attr_cntlid_max` where the other order would cross: when the new maximum is below the old minimum.
pub(super) fn order_controller_ids(changes: &mut [Change<'_>], there: &Attributes) {
    let at = |name: &[u8], changes: &[Change<'_>]| changes.iter().position(|c| c.name.as_bytes() == name);
    let number = |text: &[u8]| str::from_utf8(text).ok().and_then(|t| t.parse::<u32>().ok());
    let (Some(max), Some(min)) = (at(b"attr_cntlid_max", changes), at(b"attr_cntlid_min", changes)) else {
        return;
    };
    let new_max = changes.get(max).and_then(|c| number(&c.new));
    let old_min = there.get("attr_cntlid_min").and_then(number);
    // Equal bounds are refused up to Linux 6.6.
    if new_max <= old_min && max < min {
        changes.swap(max, min);
    }
}

/// A change that is taken back together with an earlier one.
pub(super) fn undone_by_earlier(mut change: Change<'_>) -> Change<'_> {
    change.undone = Undone::ByEarlier;
    change
}
