//! What connected hosts notice of a plan.

use std::collections::BTreeSet;

use super::{Action, Phase, Step, Undo};
use crate::attr::{self, Effect};
use crate::object::Object;
use crate::tree::{Name, RelPath};
use crate::value::Value;

/// What a plan does to hosts that are connected while it runs. Everything else leaves them alone: new objects, permissions given and
/// taken, better ANA states, referrals, namespaces that are added.
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
    /// All hosts of a subsystem are disconnected, through all ports.
    #[error(
        "hosts connected to {subsystem} are disconnected and have to connect again, since {attr} is written"
    )]
    SubsystemRestarts {
        /// Directory name of the subsystem.
        subsystem: Name,
        /// The attribute.
        attr: Name,
    },
    /// Namespaces cannot be reached through a port any more: the state of their ANA group says so, or the port has the group no longer.
    /// Hosts with another path move to it; for the others I/O stands still.
    #[error("namespaces in ANA group {group} cannot be reached through port {port} any more")]
    GroupEnds {
        /// Directory name of the port.
        port: Name,
        /// Directory name of the group.
        group: Name,
    },
    /// Pass-through ends, or starts again with another controller.
    #[error("the controller that {subsystem} passes through goes away")]
    PassthruEnds {
        /// Directory name of the subsystem.
        subsystem: Name,
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

/// The disruptions of steps, in their order. Linear in their number.
pub(super) fn of(steps: &[Step]) -> Vec<Disruption> {
    let back: BTreeSet<&RelPath> = steps.iter().filter(|s| comes_back(s)).map(Step::path).collect();
    steps.iter().filter_map(|step| one(step, &back)).collect()
}

/// Whether a step brings something back, or new, into service.
fn comes_back(step: &Step) -> bool {
    matches!(step.phase, Phase::Export | Phase::BringOnline)
}

/// Whether a state of an ANA group lets hosts reach its namespaces.
fn is_accessible(state: &Value) -> bool {
    matches!(&**state, b"optimized" | b"non-optimized")
}

fn one(step: &Step, back: &BTreeSet<&RelPath>) -> Option<Disruption> {
    let path = step.path();
    let nth = |n: usize| path.components().nth(n).and_then(|c| Name::new(c).ok());
    let again = back.contains(path);
    match (&step.action, Object::of(path)) {
        (Action::Unlink { target, .. }, Object::Export) => {
            let (port, subsystem) = (nth(1)?, target.file_name()?);
            Some(if again {
                Disruption::ExportRestarts { port, subsystem }
            } else {
                Disruption::ExportEnds { port, subsystem }
            })
        }
        (Action::Write { value, .. }, Object::NamespaceAttribute)
            if step.phase == Phase::TakeOffline && **value == *b"0" =>
        {
            let (subsystem, namespace) = (nth(1)?, nth(3)?);
            Some(if again {
                Disruption::NamespaceRestarts { subsystem, namespace }
            } else {
                Disruption::NamespaceEnds { subsystem, namespace }
            })
        }
        (Action::RemoveDir(_), Object::Namespace) => {
            let enabled = |(attr, value): &(RelPath, Value)| {
                attr.file_name().is_some_and(|n| n.as_bytes() == b"enable") && **value == *b"1"
            };
            let was_enabled = matches!(&step.undo, Undo::Recreate(values) if values.iter().any(enabled));
            was_enabled.then_some(Disruption::NamespaceEnds { subsystem: nth(1)?, namespace: nth(3)? })
        }
        (Action::Write { .. }, Object::PassthruAttribute) if step.phase == Phase::EndPassthru => {
            Some(Disruption::PassthruEnds { subsystem: nth(1)? })
        }
        (Action::Write { value, .. }, Object::AnaGroupAttribute) => {
            let was = matches!(&step.undo, Undo::Restore(old) if old.iter().any(|(_, v)| is_accessible(v)));
            (was && !is_accessible(value)).then_some(Disruption::GroupEnds { port: nth(1)?, group: nth(3)? })
        }
        // One that goes with its port is told of by the exports that end.
        (Action::RemoveDir(_), Object::AnaGroup) if step.phase == Phase::RetirePortPart => {
            let was = matches!(&step.undo, Undo::Recreate(old) if old.iter().any(|(_, v)| is_accessible(v)));
            was.then_some(Disruption::GroupEnds { port: nth(1)?, group: nth(3)? })
        }
        // On a subsystem that the plan makes there is nobody yet.
        (Action::Write { attr, .. }, Object::SubsystemAttribute) if step.undo != Undo::Covered => {
            let name = attr.file_name()?;
            let known = attr::known(Object::Subsystem, &name)?;
            (known.effect == Effect::DisconnectsSubsystem)
                .then_some(Disruption::SubsystemRestarts { subsystem: nth(1)?, attr: name })
        }
        _ => None,
    }
}
