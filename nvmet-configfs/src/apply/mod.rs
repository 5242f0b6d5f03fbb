//! Running a plan: all of it, verified, or everything is put back.

mod error;
mod undo;

use crate::diff::{Foreign, Policy, diff, diff_withdraw};
use crate::error::Error;
use crate::object::Object;
use crate::observe::{observe, observe_for};
use crate::plan::{Action, Goal, Plan, Step, Undo};
use crate::spec::{DevicePath, PortTransport, TargetSpec};
use crate::tree::{RelPath, Tree, TreeError};

pub use error::{ApplyError, ApplyFailure, Leftover, Rollback, StepFailure, StepSubject};

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    steps: Vec<Step>,
}

impl Applied {
    /// The steps, in the order they were done.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether anything was written.
    pub fn changed(&self) -> bool {
        !self.steps.is_empty()
    }
}

/// Runs the steps of a plan, then reads the target again and compares it with what the plan was for.
///
/// An empty plan neither writes nor reads. Removing a namespace or port and taking one offline wait inside the kernel for
/// outstanding I/O, without a time-out.
///
/// The calling process matters: devices are opened in its mount namespace, ports listen in its network namespace.
///
/// # Errors
/// [`ApplyError`] when a step fails, or when the target is not as wanted afterwards. What was done by then has been undone in
/// reverse order; if some of that failed too, [`ApplyError::rollback`] lists exactly what.
pub fn apply(tree: &dyn Tree, plan: &Plan) -> Result<Applied, ApplyError> {
    for (index, step) in plan.steps.iter().enumerate() {
        if let Err(source) = perform(tree, &step.action) {
            let mut leftovers = Vec::new();
            // The kernel may fill in a port's parameters and fail to take it into service nevertheless.
            if let Undo::Unlink { rewritten, fresh, rebuild } = &step.undo {
                undo::settle(tree, rewritten, fresh, rebuild, &mut leftovers);
            }
            undo::all(tree, plan.steps.get(..index).unwrap_or_default(), &mut leftovers);
            let subject = subject(plan.goal.spec(), step.path());
            let failed = StepFailure { index, of: plan.steps.len(), step: step.clone(), subject, source };
            let failure = ApplyFailure::Step(Box::new(failed));
            return Err(ApplyError { failure, rollback: Rollback::from_leftovers(leftovers) });
        }
    }
    if !plan.is_empty()
        && let Err(failure) = verify(tree, plan)
    {
        let mut leftovers = Vec::new();
        undo::all(tree, &plan.steps, &mut leftovers);
        return Err(ApplyError { failure, rollback: Rollback::from_leftovers(leftovers) });
    }
    Ok(Applied { steps: plan.steps.clone() })
}

/// Observes, plans, applies and verifies: brings the target to what `spec` says.
///
/// Devices are not looked at first; see [`preflight`](crate::preflight()).
///
/// # Errors
/// [`Error`]: the spec does not fit the target, the target cannot be read, or applying failed (and was undone).
pub fn reconcile(tree: &dyn Tree, spec: &TargetSpec, policy: &Policy) -> Result<Applied, Error> {
    let observed = observe_for(tree, spec, policy)?;
    let plan = diff(&observed, spec, policy)?;
    Ok(apply(tree, &plan)?)
}

/// The plan that [`reconcile`] would run, for showing it first.
///
/// # Errors
/// [`Error`]: the spec does not fit the target, or the target cannot be read.
pub fn plan(tree: &dyn Tree, spec: &TargetSpec, policy: &Policy) -> Result<Plan, Error> {
    let observed = observe_for(tree, spec, policy)?;
    Ok(diff(&observed, spec, policy)?)
}

/// Removes exactly what `spec` names, whole and whatever state it is in, and nothing else: see [`diff_withdraw`].
///
/// # Errors
/// As [`reconcile`].
pub fn withdraw(tree: &dyn Tree, spec: &TargetSpec) -> Result<Applied, Error> {
    let observed = observe(tree)?;
    Ok(apply(tree, &diff_withdraw(&observed, spec))?)
}

/// Removes every host, subsystem and port: hosts that are connected are disconnected.
///
/// # Errors
/// As [`reconcile`].
pub fn clear(tree: &dyn Tree) -> Result<Applied, Error> {
    reconcile(tree, &TargetSpec::new(), &Policy::foreign(Foreign::Remove))
}

fn perform(tree: &dyn Tree, action: &Action) -> Result<(), TreeError> {
    match action {
        Action::MakeDir(path) => tree.mkdir(path),
        Action::RemoveDir(path) => tree.rmdir(path),
        Action::Write { attr, value } => tree.write(attr, value),
        Action::Link { link, target } => tree.symlink(link, target),
        Action::Unlink { link, .. } => tree.unlink(link),
    }
}

fn verify(tree: &dyn Tree, plan: &Plan) -> Result<(), ApplyFailure> {
    let rest = match &plan.goal {
        Goal::Spec(spec, policy) => {
            let observed = observe_for(tree, spec, policy).map_err(ApplyFailure::Observe)?;
            diff(&observed, spec, policy)
        }
        Goal::Withdrawn(spec) => Ok(diff_withdraw(&observe(tree).map_err(ApplyFailure::Observe)?, spec)),
    };
    match rest {
        Ok(rest) if rest.is_empty() => Ok(()),
        Ok(rest) => Err(ApplyFailure::Verify { differences: rest.steps }),
        Err(error) => Err(ApplyFailure::Spec(error)),
    }
}

/// What a step is about, when its path does not say: the device of a namespace, the address of a port.
fn subject(spec: &TargetSpec, path: &RelPath) -> Option<StepSubject> {
    let parts: Vec<&[u8]> = path.components().collect();
    let text = |n: usize| parts.get(n).and_then(|p| str::from_utf8(p).ok());
    match Object::of(path) {
        Object::NamespaceAttribute => {
            let namespaces = &spec.subsystems.get(text(1)?)?.namespaces;
            let device: &DevicePath = &namespaces.get(&text(3)?.parse().ok()?)?.device_path;
            Some(StepSubject::Device(device.clone()))
        }
        Object::Export => {
            let transport: &PortTransport = &spec.ports.get(&text(1)?.parse().ok()?)?.transport;
            Some(StepSubject::Listener(transport.clone()))
        }
        _ => None,
    }
}
