//! From what is there to what is wanted: pure and deterministic.

mod check;
mod hosts;
mod namespaces;
mod ports;
mod remove;
mod subsystems;
mod withdraw;

use crate::attr::{Restore, restore};
use crate::object::Object;
use crate::observe::Observed;
use crate::plan::{Action, Goal, Phase, Plan, Step, Undo, Values};
use crate::spec::{SpecError, TargetSpec};
use crate::tree::{Name, RelPath};

/// What happens to objects that the spec does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// They are left alone.
    #[default]
    Keep,
    /// They are removed.
    Remove,
}

/// How a spec is read.
///
/// What the spec does name is always exact: a host that a named subsystem does not permit loses its permission, and a named
/// subsystem that a named port does not export loses that export, whatever the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Foreign objects: hosts, subsystems, ports, namespaces, and exports of foreign subsystems.
    pub foreign: Foreign,
}

impl Policy {
    /// Foreign objects are treated so.
    pub fn foreign(foreign: Foreign) -> Self {
        Self { foreign }
    }
}

/// The steps from an observed state to a wanted one.
///
/// The order is that of [`Phase`]. Values are compared as what they mean (`0x1144` is 4420, padding is not text), and
/// attributes that the spec leaves open are not touched. An empty plan means the target is as wanted.
///
/// # Errors
/// [`SpecError`] when the spec cannot be applied to this target: see [`SpecProblem`](crate::spec::SpecProblem).
pub fn diff(observed: &Observed, spec: &TargetSpec, policy: &Policy) -> Result<Plan, SpecError> {
    check::check(observed, spec, policy)?;
    let mut builder = Builder { steps: Vec::new(), observed, spec, policy };
    builder.remove_foreign();
    builder.hosts();
    builder.subsystems();
    builder.ports();
    let mut steps = builder.steps;
    steps.sort_by_key(|step| step.phase); // stable: within a phase in the order of the objects
    Ok(Plan { steps, goal: Goal::Spec(spec.clone(), *policy) })
}

pub use withdraw::diff_withdraw;

struct Builder<'a> {
    steps: Vec<Step>,
    observed: &'a Observed,
    spec: &'a TargetSpec,
    policy: &'a Policy,
}

impl Builder<'_> {
    fn push(&mut self, phase: Phase, action: Action, undo: Undo) {
        self.steps.push(Step { phase, action, undo });
    }

    fn make(&mut self, phase: Phase, path: RelPath) {
        self.push(phase, Action::MakeDir(path), Undo::Remove);
    }

    fn link(&mut self, phase: Phase, link: RelPath, target: RelPath) {
        let undo = Undo::Unlink { rewritten: Values::new(), fresh: Values::new(), rebuild: Vec::new() };
        self.push(phase, Action::Link { link, target }, undo);
    }

    fn unlink(&mut self, phase: Phase, link: RelPath, target: RelPath) {
        self.push(phase, Action::Unlink { link, target }, Undo::Link);
    }

    fn write(&mut self, phase: Phase, attr: RelPath, value: impl Into<Vec<u8>>, undo: Undo) {
        self.push(phase, Action::Write { attr, value: value.into() }, undo);
    }

    /// A write on an object that was there, undone by its old value.
    fn rewrite(&mut self, phase: Phase, attr: RelPath, value: &str, old: &[u8]) {
        let undo = Undo::Restore(vec![(attr.clone(), old.to_vec())]);
        self.write(phase, attr, value, undo);
    }

    /// Writes that change an object which was there. `changes` are new values with the printed old ones. When an old value
    /// cannot be written back, the first write takes the whole object's rebuild as its undo.
    fn change(
        &mut self,
        phase: Phase,
        dir: &RelPath,
        changes: Vec<Change<'_>>,
        rebuild: impl FnOnce() -> Vec<Step>,
    ) {
        let back = |c: &Change<'_>| restore(Object::of(&dir.at(c.name)), &Name::fixed(c.name), c.old);
        let needs_rebuild = changes.iter().any(|c| back(c) == Restore::OnlyFresh);
        let mut rebuild = needs_rebuild.then(rebuild);
        for change in changes {
            let attr = dir.at(change.name);
            let undo = match (needs_rebuild, back(&change)) {
                (false, Restore::Value(old)) => {
                    let mut values = vec![(attr.clone(), old)];
                    values.extend(change.also);
                    Undo::Restore(values)
                }
                _ => rebuild.take().map_or(Undo::Covered, Undo::Rebuild),
            };
            self.write(phase, attr, change.new, undo);
        }
    }
}

/// A new value of an attribute.
struct Change<'a> {
    name: &'static str,
    new: String,
    old: &'a [u8],
    /// What else the old value needs to be as it was.
    also: Values,
}

impl<'a> Change<'a> {
    fn new(name: &'static str, new: impl ToString, old: Option<&'a [u8]>) -> Self {
        Self { name, new: new.to_string(), old: old.unwrap_or_default(), also: Values::new() }
    }
}

/// Where everything is.
mod paths {
    use crate::tree::{Name, RelPath};

    pub(super) fn host(name: &Name) -> RelPath {
        RelPath::root().at("hosts").join(name)
    }

    pub(super) fn subsystem(name: &Name) -> RelPath {
        RelPath::root().at("subsystems").join(name)
    }

    pub(super) fn port(name: &Name) -> RelPath {
        RelPath::root().at("ports").join(name)
    }
}
