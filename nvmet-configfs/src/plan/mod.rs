//! A plan: small steps in the one order the kernel accepts, each with its undo.

mod disruption;
mod warning;

use std::fmt;

use crate::attr;
use crate::diff::{Consent, Policy, Unknown};
use crate::object::Object;
use crate::spec::TargetSpec;
use crate::tree::RelPath;
use crate::value::Value;

pub use disruption::Disruption;
pub use warning::Warning;

/// When a step comes: the order of all steps of a plan.
///
/// | phase | does | comes before the next because |
/// |---|---|---|
/// | [`Unexport`](Self::Unexport) | exports are taken away | a port in service refuses changes (`EACCES`), an exported subsystem cannot go (`EBUSY`) |
/// | [`RemovePortParts`](Self::RemovePortParts) | referrals, ANA groups | a port that holds some cannot go (`ENOTEMPTY`) |
/// | [`RemovePort`](Self::RemovePort) | ports | frees their addresses |
/// | [`TakeOffline`](Self::TakeOffline) | namespaces are disabled | an enabled namespace refuses changes (`EBUSY`) |
/// | [`RemoveNamespace`](Self::RemoveNamespace) | namespaces | a subsystem that holds some cannot go (`ENOTEMPTY`) |
/// | [`EndPassthru`](Self::EndPassthru) | pass-through is disabled | cannot come back while there are namespaces (`EINVAL`, since Linux 6.13) |
/// | [`Forbid`](Self::Forbid) | permissions of hosts | they exclude `attr_allow_any_host` (`EINVAL`), a permitted host cannot go (`EBUSY`) |
/// | [`RemoveSubsystem`](Self::RemoveSubsystem), [`RemoveHost`](Self::RemoveHost) | objects nothing refers to any more | – |
/// | [`SetTarget`](Self::SetTarget) | `discovery_nqn` | no subsystem may have its name (`EINVAL`) |
/// | [`CreateHost`](Self::CreateHost), [`SetHost`](Self::SetHost) | hosts, their keys | links need their targets (`ENOENT`); keys are there before a host may connect |
/// | [`CreatePort`](Self::CreatePort), [`SetPort`](Self::SetPort) | ports, their addresses | – |
/// | [`CreatePortPart`](Self::CreatePortPart), [`SetPortPart`](Self::SetPortPart) | ANA groups, referrals | a namespace in a group that its port does not have is inaccessible |
/// | [`CreateSubsystem`](Self::CreateSubsystem), [`SetSubsystem`](Self::SetSubsystem) | subsystems, serial, model and more | fixed once a host has connected (`EINVAL`) |
/// | [`CreateNamespace`](Self::CreateNamespace), [`SetNamespace`](Self::SetNamespace) | namespaces, their device and ids | – |
/// | [`SetPassthru`](Self::SetPassthru) | the controller to pass through | – |
/// | [`BringOnline`](Self::BringOnline) | namespaces or pass-through are enabled | hosts see them from their first moment |
/// | [`Access`](Self::Access) | `attr_allow_any_host` | must be 0 before hosts are permitted (`EINVAL`) |
/// | [`Permit`](Self::Permit) | permissions of hosts | – |
/// | [`Export`](Self::Export) | exports: the port goes into service | when all it offers is complete |
/// | [`RetirePortPart`](Self::RetirePortPart) | ANA groups and referrals of ports that stay | when no namespace is in them any more |
/// | [`RefreshSize`](Self::RefreshSize) | hosts are told the sizes of devices ([`Sizes::Refresh`](crate::Sizes::Refresh)) | cannot be taken back, and need not be: it is how large they are |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // the table above says what each is
pub enum Phase {
    Unexport,
    RemovePortParts,
    RemovePort,
    TakeOffline,
    RemoveNamespace,
    EndPassthru,
    Forbid,
    RemoveSubsystem,
    RemoveHost,
    SetTarget,
    CreateHost,
    SetHost,
    CreatePort,
    SetPort,
    CreatePortPart,
    SetPortPart,
    CreateSubsystem,
    SetSubsystem,
    CreateNamespace,
    SetNamespace,
    SetPassthru,
    BringOnline,
    Access,
    Permit,
    Export,
    RetirePortPart,
    RefreshSize,
}

/// One change of the tree.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Make an object.
    MakeDir(RelPath),
    /// Remove an object.
    RemoveDir(RelPath),
    /// Store a value.
    Write {
        /// The attribute.
        attr: RelPath,
        /// Its new value, without a newline.
        value: Value,
    },
    /// Make a link.
    Link {
        /// Where.
        link: RelPath,
        /// To what.
        target: RelPath,
    },
    /// Remove a link.
    Unlink {
        /// Where.
        link: RelPath,
        /// What it points to.
        target: RelPath,
    },
}

impl Action {
    /// The path that changes.
    pub fn path(&self) -> &RelPath {
        match self {
            Self::MakeDir(path) | Self::RemoveDir(path) => path,
            Self::Write { attr, .. } => attr,
            Self::Link { link, .. } | Self::Unlink { link, .. } => link,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeDir(path) => write!(f, "make {path}"),
            Self::RemoveDir(path) => write!(f, "remove {path}"),
            Self::Write { attr, value } => write!(f, "set {attr} = {}", shown(attr, value)),
            Self::Link { link, target } => write!(f, "link {link} -> {target}"),
            Self::Unlink { link, target } => write!(f, "unlink {link} -> {target}"),
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}") // which does not show secrets
    }
}

fn shown(attr: &RelPath, value: &[u8]) -> String {
    if attr.file_name().is_some_and(|n| attr::is_secret(&n)) {
        "(secret)".to_owned()
    } else {
        String::from_utf8_lossy(value).escape_debug().to_string()
    }
}

/// Values of attributes below an object, in the order they are stored in.
pub(crate) type Values = Vec<(RelPath, Value)>;

/// How a step is taken back, made from what was observed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Undo {
    /// By nothing: it goes with the object that the plan made, an earlier step takes it back too, or it changes nothing of the tree.
    Covered,
    /// A new object is removed.
    Remove,
    /// A removed object is made again with these values.
    Recreate(Values),
    /// Old values are stored.
    Restore(Values),
    /// The object had a value that only a new object has: it is removed by these steps and made again by their undo.
    Rebuild(Vec<Step>),
    /// A new link is removed. If it took a port into service, parameters that the kernel filled in are put back; this
    /// happens even when the link failed. What only a new port has needs the port to be made anew.
    Unlink { rewritten: Values, fresh: Values },
    /// Only a new object has these values: the object is read as it is by then, and made anew with them, unless something links to it.
    Remake { object: RelPath, fresh: Values },
    /// A removed link is made again.
    Link,
}

/// One step of a plan: an action, its place in the order, and how it is taken back.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    pub(crate) phase: Phase,
    pub(crate) action: Action,
    pub(crate) undo: Undo,
    /// What happens when the kernel does not have the attribute.
    pub(crate) unknown: Unknown,
}

impl Step {
    /// Why it comes when it comes.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What it changes.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The path that changes.
    pub fn path(&self) -> &RelPath {
        self.action.path()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        match (&self.undo, &self.action) {
            (Undo::Restore(old), Action::Write { attr, .. }) => match old.iter().find(|(a, _)| a == attr) {
                Some((_, old)) => write!(f, " (was {})", shown(attr, old)),
                None => Ok(()),
            },
            (Undo::Rebuild(_) | Undo::Remake { .. }, _)
                if Object::of(self.path()) != Object::ReferralAttribute =>
            {
                f.write_str(" (was not set)")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Steps that lead from an observed state to a wanted one, made by [`diff`](crate::diff()).
///
/// `Display` prints one line a step. Nothing happens until it is [applied](crate::apply()).
#[must_use = "a plan does nothing until it is applied"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) goal: Goal,
    pub(crate) warnings: Vec<Warning>,
}

/// What a plan is for, so that its result can be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The target is as the spec says.
    Spec(TargetSpec, Policy),
    /// Nothing of what the spec names is left.
    Withdrawn(TargetSpec),
}

impl Goal {
    pub(crate) fn spec(&self) -> &TargetSpec {
        match self {
            Self::Spec(spec, _) | Self::Withdrawn(spec) => spec,
        }
    }
}

impl Plan {
    /// The steps in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether the target is as wanted already.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// What is left out, and what may not be meant.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether it disturbs connected hosts and its policy does not say that it may.
    pub fn needs_consent(&self) -> bool {
        match &self.goal {
            Goal::Spec(_, policy) => policy.consent == Consent::Required && !self.disruptions().is_empty(),
            Goal::Withdrawn(_) => false,
        }
    }

    /// What connected hosts will notice.
    pub fn disruptions(&self) -> Vec<Disruption> {
        disruption::of(&self.steps)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        Ok(())
    }
}
