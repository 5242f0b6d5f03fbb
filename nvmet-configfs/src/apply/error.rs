//! Why a plan failed, and what is left of it.

use std::fmt;

use crate::plan::{Action, Disruption, Step};
use crate::spec::{DevicePath, PortTransport, SpecError};
use crate::tree::TreeError;

/// A plan that did not reach its goal. What it had done was undone; [`rollback`](Self::rollback) says how well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplyError {
    /// What went wrong.
    pub failure: ApplyFailure,
    /// Whether everything is as before.
    pub rollback: Rollback,
}

/// What went wrong while a plan ran.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApplyFailure {
    /// A step failed.
    Step(Box<StepFailure>),
    /// All steps were done and the target still is not as wanted: the kernel stored another value without saying so, or
    /// another tool changed the target meanwhile.
    Verify {
        /// What would still have to be done.
        differences: Vec<Step>,
    },
    /// Another tool has changed the target since the plan was made; nothing was done.
    Changed {
        /// What would have to be done now.
        now: Vec<Step>,
    },
    /// The plan disturbs hosts that may be connected, and its policy does not say that it may; nothing was done.
    NeedsConsent {
        /// What they would notice.
        disruptions: Vec<Disruption>,
    },
    /// The spec does not fit the target any more: another tool changed it after the plan was made.
    Spec(SpecError),
    /// The target could not be read: before the first step, or after the last one to verify it.
    Observe(TreeError),
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepFailure {
    /// Its place in the plan, from 0.
    pub index: usize,
    /// Steps of the plan.
    pub of: usize,
    /// The step.
    pub step: Step,
    /// What it is about, when its path does not say.
    pub subject: Option<StepSubject>,
    /// What the tree answered.
    pub source: TreeError,
}

/// What a step is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepSubject {
    /// The device of a namespace.
    Device(DevicePath),
    /// Where a port listens.
    Listener(PortTransport),
}

impl fmt::Display for StepSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(f, "device {path}"),
            Self::Listener(transport) => write!(f, "{transport}"),
        }
    }
}

/// How well a failed plan was undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollback {
    /// Everything is as before.
    Complete,
    /// These undo actions failed, in this order; all others were done.
    Incomplete(Vec<Leftover>),
}

impl Rollback {
    pub(crate) fn from_leftovers(leftovers: Vec<Leftover>) -> Self {
        if leftovers.is_empty() { Self::Complete } else { Self::Incomplete(leftovers) }
    }

    /// Whether everything is as before.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }
}

/// An undo action that failed: what is still to be done by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// What should have been done.
    pub action: Action,
    /// Why it was not.
    pub source: TreeError,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.action, self.source.errno())
    }
}

impl fmt::Display for ApplyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(failed) => {
                write!(f, "step {} of {} failed: {}", failed.index + 1, failed.of, failed.source)?;
                match &failed.subject {
                    Some(subject) => write!(f, " [{subject}]"),
                    None => Ok(()),
                }
            }
            Self::Verify { differences } => {
                f.write_str("the target is not as wanted although every step was done; still missing: ")?;
                list(f, differences)
            }
            Self::Changed { now } => {
                f.write_str("another tool has changed the target since the plan was made; what would have to be done now: ")?;
                if now.is_empty() { f.write_str("nothing") } else { list(f, now) }
            }
            Self::NeedsConsent { disruptions } => {
                f.write_str("this would disturb connected hosts, and consent to that was not given: ")?;
                list(f, disruptions)
            }
            Self::Spec(error) => write!(f, "another tool changed the target meanwhile: {error}"),
            Self::Observe(error) => {
                write!(f, "the target cannot be read: {error}")
            }
        }
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.failure)?;
        match &self.rollback {
            Rollback::Complete => f.write_str("; everything is as before"),
            Rollback::Incomplete(leftovers) => {
                f.write_str("; not all of it could be undone, this is left to do: ")?;
                list(f, leftovers)
            }
        }
    }
}

impl std::error::Error for ApplyError {
    /// The error number of the failed call; its object and hint are part of the text already.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.failure {
            ApplyFailure::Step(failed) => std::error::Error::source(&failed.source),
            ApplyFailure::Observe(source) => std::error::Error::source(source),
            ApplyFailure::Verify { .. }
            | ApplyFailure::Changed { .. }
            | ApplyFailure::NeedsConsent { .. }
            | ApplyFailure::Spec(_) => None,
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str("; ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}
