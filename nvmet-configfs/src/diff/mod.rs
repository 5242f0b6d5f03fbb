//! From what is there to what is wanted: pure and deterministic.

mod check;
mod hosts;
mod namespaces;
mod parts;
mod passthru;
mod policy;
mod ports;
mod remove;
mod settings;
mod subsystems;
mod withdraw;

use crate::attr::{Restore, restore};
use crate::object::Object;
use crate::observe::Observed;
use crate::plan::{Action, Goal, Phase, Plan, Step, Undo, Values, Warning};
use crate::spec::{SpecError, SpecProblem, TargetSpec};
use crate::tree::{Name, RelPath};
use crate::value::Value;

/// The steps from an observed state to a wanted one.
///
/// The order is that of [`Phase`]. Values are compared as what they mean (`0x1144` is 4420, padding is not text), and
/// attributes that the spec leaves open are not touched. An empty plan means the target is as wanted.
///
/// # Errors
/// [`SpecError`] when the spec cannot be applied to this target: see [`SpecProblem`](crate::spec::SpecProblem).
pub fn diff(observed: &Observed, spec: &TargetSpec, policy: &Policy) -> Result<Plan, SpecError> {
    check::check(observed, spec, policy)?;
    let mut builder =
        Builder { steps: Vec::new(), warnings: Vec::new(), problems: Vec::new(), observed, spec, policy };
    builder.remove_foreign();
    builder.target();
    builder.hosts();
    builder.subsystems();
    builder.ports();
    SpecError::from_problems(builder.problems)?;
    let mut steps = builder.steps;
    steps.sort_by_key(|step| step.phase); // stable: within a phase in the order of the objects
    let unsaid = check::unasked_keys(spec).into_iter().chain(check::missing_groups(observed, spec));
    let warnings = builder.warnings.into_iter().chain(unsaid).collect();
    Ok(Plan { steps, goal: Goal::Spec(spec.clone(), policy.clone()), warnings })
}

pub use policy::{Consent, DiscoveryNqn, Foreign, Policy, Scope, Sizes, Unknown};
pub(crate) use ports::address_differences;
pub(crate) use remove::{port as remove_port, subsystem as remove_subsystem};
pub use withdraw::diff_withdraw;

struct Builder<'a> {
    steps: Vec<Step>,
    warnings: Vec<Warning>,
    problems: Vec<SpecProblem>,
    observed: &'a Observed,
    spec: &'a TargetSpec,
    policy: &'a Policy,
}

impl Builder<'_> {
    fn push(&mut self, phase: Phase, action: Action, undo: Undo) {
        self.steps.push(Step { phase, action, undo, unknown: Unknown::Require });
    }

    fn make(&mut self, phase: Phase, path: RelPath) {
        self.push(phase, Action::MakeDir(path), Undo::Remove);
    }

    fn link(&mut self, phase: Phase, link: RelPath, target: RelPath) {
        let undo = Undo::Unlink { rewritten: Values::new(), fresh: Values::new() };
        self.push(phase, Action::Link { link, target }, undo);
    }

    fn unlink(&mut self, phase: Phase, link: RelPath, target: RelPath) {
        self.push(phase, Action::Unlink { link, target }, Undo::Link);
    }

    fn write(&mut self, phase: Phase, attr: RelPath, value: impl Into<Value>, undo: Undo) {
        self.push(phase, Action::Write { attr, value: value.into() }, undo);
    }

    /// A write on an object that was there, undone by its old value.
    fn rewrite(&mut self, phase: Phase, attr: RelPath, value: &str, old: &[u8]) {
        let undo = Undo::Restore(vec![(attr.clone(), old.into())]);
        self.write(phase, attr, value, undo);
    }

    /// Writes that change an object which was there. `changes` are new values with the printed old ones. When an old value
    /// cannot be written back, the first write takes the whole object's rebuild as its undo.
    fn change(
        &mut self,
        phase: Phase,
        dir: &RelPath,
        changes: Vec<Change<'_>>,
        rebuild: impl FnOnce() -> Undo,
    ) {
        let back = |c: &Change<'_>| restore(Object::of(&dir.join(&c.name)), &c.name, c.old);
        let own = |c: &&Change<'_>| c.undone == Undone::Itself;
        let needs_rebuild = changes.iter().filter(own).any(|c| back(c) == Restore::OnlyFresh);
        let mut rebuild = needs_rebuild.then(rebuild);
        for change in changes {
            let attr = dir.join(&change.name);
            let undo = match (needs_rebuild, back(&change), change.undone) {
                (false, _, Undone::ByEarlier) => Undo::Covered,
                (false, Restore::Value(old), Undone::Itself) => {
                    let mut values = vec![(attr.clone(), old.into())];
                    values.extend(change.also);
                    Undo::Restore(values)
                }
                _ => rebuild.take().unwrap_or(Undo::Covered),
            };
            self.write(phase, attr, change.new, undo);
        }
    }
}

/// A new value of an attribute.
struct Change<'a> {
    name: Name,
    new: Value,
    old: &'a [u8],
    /// What else the old value needs to be as it was.
    also: Values,
    undone: Undone,
}

/// How a change is taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undone {
    /// By its old value.
    Itself,
    /// By what takes an earlier change of the same object back.
    ByEarlier,
}

impl<'a> Change<'a> {
    fn new(name: Name, new: impl Into<Value>, old: Option<&'a [u8]>) -> Self {
        Self {
            name,
            new: new.into(),
            old: old.unwrap_or_default(),
            also: Values::new(),
            undone: Undone::Itself,
        }
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
