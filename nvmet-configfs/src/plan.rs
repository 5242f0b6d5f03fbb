//! A plan: small steps in the one order the kernel accepts, each with its undo.

use std::fmt;

use crate::attr;
use crate::diff::Policy;
use crate::object::Object;
use crate::spec::TargetSpec;
use crate::tree::{Name, RelPath};

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
/// | [`CreateHost`](Self::CreateHost), [`CreateSubsystem`](Self::CreateSubsystem) | objects | links need their targets (`ENOENT`) |
/// | [`SetSubsystem`](Self::SetSubsystem) | serial, model | fixed once a host has connected (`EINVAL`) |
/// | [`CreateNamespace`](Self::CreateNamespace), [`SetNamespace`](Self::SetNamespace) | namespaces, their device and ids | – |
/// | [`BringOnline`](Self::BringOnline) | namespaces are enabled | hosts see them from their first moment |
/// | [`Access`](Self::Access) | `attr_allow_any_host` | must be 0 before hosts are permitted (`EINVAL`) |
/// | [`Permit`](Self::Permit) | permissions of hosts | – |
/// | [`CreatePort`](Self::CreatePort), [`SetPort`](Self::SetPort) | ports, their addresses | – |
/// | [`Export`](Self::Export) | exports: the port goes into service | last, when all it offers is complete |
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
    CreateHost,
    CreateSubsystem,
    SetSubsystem,
    CreateNamespace,
    SetNamespace,
    BringOnline,
    Access,
    Permit,
    CreatePort,
    SetPort,
    Export,
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
        value: Vec<u8>,
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
pub(crate) type Values = Vec<(RelPath, Vec<u8>)>;

/// How a step is taken back, made from what was observed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Undo {
    /// By nothing: it goes with the object that the plan made, or an earlier step takes it back too.
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
    /// happens even when the link failed. What only a new port has needs a rebuild.
    Unlink { rewritten: Values, fresh: Values, rebuild: Vec<Step> },
    /// A removed link is made again.
    Link,
}

/// One step of a plan: an action, its place in the order, and how it is taken back.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    pub(crate) phase: Phase,
    pub(crate) action: Action,
    pub(crate) undo: Undo,
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
            (Undo::Rebuild(_), _) => f.write_str(" (was not set)"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What a plan does to hosts that are connected while it runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Disruption {
    /// An export ends: its hosts lose this path.
    #[error("hosts connected to {subsystem} through port {port} lose that path")]
    ExportEnds {
        /// Directory name of the port.
        port: Name,
        /// The subsystem, as the link points.
        subsystem: Name,
    },
    /// An export is taken away and brought back, since the port has to change.
    #[error("hosts connected to {subsystem} through port {port} are disconnected and have to connect again")]
    ExportRestarts {
        /// Directory name of the port.
        port: Name,
        /// The subsystem, as the link points.
        subsystem: Name,
    },
    /// A namespace disappears.
    #[error("namespace {namespace} of {subsystem} goes away")]
    NamespaceEnds {
        /// Directory name of the subsystem.
        subsystem: Name,
        /// Directory name of the namespace.
        namespace: Name,
    },
    /// A namespace disappears and comes back, since it has to change.
    #[error("namespace {namespace} of {subsystem} goes away and comes back changed")]
    NamespaceRestarts {
        /// Directory name of the subsystem.
        subsystem: Name,
        /// Directory name of the namespace.
        namespace: Name,
    },
}

/// Steps that lead from an observed state to a wanted one, made by [`diff`](crate::diff()).
///
/// `Display` prints one line a step. Nothing happens until it is [applied](crate::apply()).
#[must_use = "a plan does nothing until it is applied"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) goal: Goal,
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

    /// What connected hosts will notice.
    pub fn disruptions(&self) -> Vec<Disruption> {
        let later = |i: usize, action: &Action| self.steps.iter().skip(i + 1).any(|s| s.action == *action);
        let nth = |path: &RelPath, n: usize| path.components().nth(n).and_then(|c| Name::new(c).ok());
        let mut found = Vec::new();
        for (i, step) in self.steps.iter().enumerate() {
            let path = step.path();
            let object = Object::of(path);
            let disruption = match &step.action {
                Action::Unlink { link, target } if object == Object::Export => {
                    let again = Action::Link { link: link.clone(), target: target.clone() };
                    let (Some(port), Some(subsystem)) = (nth(link, 1), target.file_name()) else { continue };
                    if later(i, &again) {
                        Disruption::ExportRestarts { port, subsystem }
                    } else {
                        Disruption::ExportEnds { port, subsystem }
                    }
                }
                Action::Write { attr, value } if step.phase == Phase::TakeOffline && value == b"0" => {
                    let again = Action::Write { attr: attr.clone(), value: b"1".to_vec() };
                    let (Some(subsystem), Some(namespace)) = (nth(attr, 1), nth(attr, 3)) else { continue };
                    if later(i, &again) {
                        Disruption::NamespaceRestarts { subsystem, namespace }
                    } else {
                        Disruption::NamespaceEnds { subsystem, namespace }
                    }
                }
                Action::RemoveDir(path) if object == Object::Namespace => {
                    let (Some(subsystem), Some(namespace)) = (nth(path, 1), nth(path, 3)) else { continue };
                    let enabled = |(attr, value): &(RelPath, Vec<u8>)| {
                        attr.file_name().is_some_and(|n| n.as_bytes() == b"enable") && value == b"1"
                    };
                    match &step.undo {
                        Undo::Recreate(values) if values.iter().any(enabled) => {
                            Disruption::NamespaceEnds { subsystem, namespace }
                        }
                        _ => continue,
                    }
                }
                _ => continue,
            };
            found.push(disruption);
        }
        found
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
