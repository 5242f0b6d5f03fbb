//! Running a plan: all of it, verified, or everything is put back.

mod error;
mod undo;

use crate::diff::{Consent, Foreign, Policy, Unknown, diff, diff_withdraw};
use crate::errno::Errno;
use crate::error::Error;
use crate::object::Object;
use crate::observe::{observe, observe_for};
use crate::plan::{Action, Goal, Phase, Plan, Step, Undo, Warning};
use crate::spec::{DevicePath, PortTransport, SpecError, TargetSpec};
use crate::tree::{RelPath, Tree, TreeError};

pub use error::{ApplyError, ApplyFailure, Leftover, Rollback, StepFailure, StepSubject};

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    steps: Vec<Step>,
    warnings: Vec<Warning>,
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

    /// What was left out, and what may not be meant.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Runs the steps of a plan, then reads the target again and compares it with what the plan was for.
///
/// First it reads what the plan was made from once more: when that would give another plan by now, since another tool changed the
/// target, nothing is done ([`ApplyFailure::Changed`]). Between that look and the last step another tool can still come in between,
/// unless both hold the lock (`OsTree::lock`).
///
/// An empty plan neither writes nor reads. Removing a namespace or port and taking one offline wait inside the kernel for
/// outstanding I/O, without a time-out.
///
/// | step | takes |
/// |---|---|
/// | removing or disabling a namespace that is enabled | 16 ms each on kernels with a timer of 250 Hz (Debian's), even without any I/O and whether or not it is exported: the kernel waits until no processor can see it any more (`core.c:nvmet_ns_disable`, `synchronize_rcu`), for every tool alike. Threads that remove namespaces of different subsystems wait at the same time; a plan does one step after the other |
/// | all else | a tenth of a millisecond or less, apart from what a device or transport does when it is opened |
///
/// The calling process matters: devices are opened in its mount namespace, ports listen in its network namespace.
///
/// # Errors
/// [`ApplyError`] when a step fails, or when the target is not as wanted afterwards. What was done by then has been undone in
/// reverse order; if some of that failed too, [`ApplyError::rollback`] lists exactly what.
pub fn apply(tree: &dyn Tree, plan: &Plan) -> Result<Applied, ApplyError> {
    if !plan.is_empty() {
        let untouched = |failure| ApplyError { failure, rollback: Rollback::Complete };
        match again(tree, plan) {
            Ok(fresh) if fresh.steps == plan.steps => {}
            Ok(fresh) => return Err(untouched(ApplyFailure::Changed { now: fresh.steps })),
            Err(Again::Spec(error)) => return Err(untouched(ApplyFailure::Spec(error))),
            Err(Again::Tree(error)) => return Err(untouched(ApplyFailure::Observe(error))),
        }
    }
    run(tree, plan)
}

/// Runs a plan that was made just now.
fn run(tree: &dyn Tree, plan: &Plan) -> Result<Applied, ApplyError> {
    if plan.needs_consent() {
        let failure = ApplyFailure::NeedsConsent { disruptions: plan.disruptions() };
        return Err(ApplyError { failure, rollback: Rollback::Complete });
    }
    let mut done: Vec<&Step> = Vec::with_capacity(plan.steps.len());
    let mut warnings = plan.warnings.clone();
    for (index, step) in plan.steps.iter().enumerate() {
        let Err(source) = perform(tree, &step.action) else {
            done.push(step);
            continue;
        };
        if source.errno() == Errno::ENOENT && step.unknown != Unknown::Require {
            if step.unknown == Unknown::Warn {
                warnings.push(Warning::UnknownAttribute { attr: step.path().clone() });
            }
            continue;
        }
        let mut leftovers = Vec::new();
        // The kernel may fill in a port's parameters and fail to take it into service nevertheless.
        if let (Undo::Unlink { rewritten, fresh }, Some(port)) = (&step.undo, port_of(step.path())) {
            undo::settle(tree, &port, rewritten, fresh, &mut leftovers);
        }
        undo::all(tree, done, &mut leftovers);
        let subject = subject(plan.goal.spec(), step.path());
        let failed = StepFailure { index, of: plan.steps.len(), step: step.clone(), subject, source };
        let failure = ApplyFailure::Step(Box::new(failed));
        return Err(ApplyError { failure, rollback: Rollback::from_leftovers(leftovers) });
    }
    if !plan.is_empty()
        && let Err(failure) = verify(tree, plan)
    {
        let mut leftovers = Vec::new();
        undo::all(tree, done, &mut leftovers);
        return Err(ApplyError { failure, rollback: Rollback::from_leftovers(leftovers) });
    }
    Ok(Applied { steps: done.into_iter().cloned().collect(), warnings })
}

/// The port that an export belongs to.
fn port_of(export: &RelPath) -> Option<RelPath> {
    export.parent()?.parent()
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
    Ok(run(tree, &plan)?)
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
    Ok(run(tree, &diff_withdraw(&observed, spec))?)
}

/// Removes every host, subsystem and port: hosts that are connected are disconnected.
///
/// # Errors
/// As [`reconcile`].
pub fn clear(tree: &dyn Tree) -> Result<Applied, Error> {
    reconcile(tree, &TargetSpec::new(), &Policy::foreign(Foreign::Remove).consent(Consent::Given))
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
    match again(tree, plan).map(|rest| rest.steps) {
        // Looking at sizes is never done with.
        Ok(rest) if rest.iter().all(|step| step.phase == Phase::RefreshSize) => Ok(()),
        Ok(differences) => Err(ApplyFailure::Verify { differences }),
        Err(Again::Spec(error)) => Err(ApplyFailure::Spec(error)),
        Err(Again::Tree(error)) => Err(ApplyFailure::Observe(error)),
    }
}

/// Why a plan cannot be made once more.
enum Again {
    Spec(SpecError),
    Tree(TreeError),
}

/// The plan to the same goal from what is there now.
fn again(tree: &dyn Tree, plan: &Plan) -> Result<Plan, Again> {
    match &plan.goal {
        Goal::Spec(spec, policy) => {
            let observed = observe_for(tree, spec, policy).map_err(Again::Tree)?;
            diff(&observed, spec, policy).map_err(Again::Spec)
        }
        Goal::Withdrawn(spec) => Ok(diff_withdraw(&observe(tree).map_err(Again::Tree)?, spec)),
    }
}

/// What a step is about, when its path does not say: the device of a namespace, the address of a port.
fn subject(spec: &TargetSpec, path: &RelPath) -> Option<StepSubject> {
    let parts: Vec<&[u8]> = path.components().collect();
    let text = |n: usize| parts.get(n).and_then(|p| str::from_utf8(p).ok());
    match Object::of(path) {
        Object::NamespaceAttribute => {
            let namespaces = &spec.subsystems.get(text(1)?)?.namespaces;
            let device: &DevicePath = namespaces.get(&text(3)?.parse().ok()?)?.device_path.as_ref()?;
            Some(StepSubject::Device(device.clone()))
        }
        Object::Export => {
            let transport: &PortTransport = &spec.ports.get(&text(1)?.parse().ok()?)?.transport;
            Some(StepSubject::Listener(transport.clone()))
        }
        _ => None,
    }
}
