//! Why something was not disconnected.

use std::io;
use std::time::Duration;

use super::InUse;
use crate::kernel::errno::Errno;
use crate::kernel::names::ControllerName;
use crate::kernel::sysfs::ScanError;

/// Nothing, or not everything, was disconnected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectError {
    /// The selector matches nothing.
    #[error("{selector} is not connected ({})", connected_words(.connected))]
    NothingMatched {
        /// What was asked for.
        selector: String,
        /// The fabrics controllers that are connected, with their subsystems.
        connected: Vec<String>,
    },
    /// The subsystem has no controller left; the kernel keeps its namespaces for a while.
    #[error(
        "{subsystem} is not connected any more: it has no controller (the kernel removes its namespaces by itself)"
    )]
    NoControllers {
        /// The subsystem.
        subsystem: String,
    },
    /// The controller is no fabrics controller.
    #[error("{controller} is a {transport} controller, not a fabrics one: it cannot be disconnected")]
    NotFabrics {
        /// The controller.
        controller: ControllerName,
        /// Its transport.
        transport: String,
    },
    /// Namespaces that would go are in use.
    #[error("cannot disconnect {selector}: {} (unmount or stop it first, or force it)", list(.in_use))]
    InUse {
        /// What was asked for.
        selector: String,
        /// The uses.
        in_use: Vec<InUse>,
    },
    /// Some controllers did not go.
    #[error("{}{}", list(.failed), removed_words(.removed))]
    Incomplete {
        /// Controllers that are gone.
        removed: Vec<ControllerName>,
        /// Controllers that are not.
        failed: Vec<DeleteFailure>,
    },
    /// sysfs cannot be read.
    #[error("cannot find out what is connected")]
    Scan(#[from] ScanError),
}

impl DisconnectError {
    /// Why, as a word that stays the same for ever, for logs and scripts: `nothing-matched`, `no-controllers`, `not-fabrics`, `in-use`, `incomplete`,
    /// `cannot-list`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NothingMatched { .. } => "nothing-matched",
            Self::NoControllers { .. } => "no-controllers",
            Self::NotFabrics { .. } => "not-fabrics",
            Self::InUse { .. } => "in-use",
            Self::Incomplete { .. } => "incomplete",
            Self::Scan(_) => "cannot-list",
        }
    }

    /// Whether the same request may succeed later without any change to it: what is in use may be given back, and a controller may go by itself.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Incomplete { .. })
    }
}

/// Why one controller did not go.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteFailure {
    /// The kernel refused.
    #[error("cannot disconnect {controller}: {}", refused_words(.source))]
    Refused {
        /// The controller.
        controller: ControllerName,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel has not finished.
    #[error("{controller} is still there after {:.1} s (the kernel goes on removing it)", .after.as_secs_f64())]
    StillThere {
        /// The controller.
        controller: ControllerName,
        /// How long was waited.
        after: Duration,
    },
}

impl DeleteFailure {
    /// The controller.
    #[must_use]
    pub fn controller(&self) -> ControllerName {
        match self {
            Self::Refused { controller, .. } | Self::StillThere { controller, .. } => *controller,
        }
    }
}

fn refused_words(source: &io::Error) -> String {
    match Errno::of(source) {
        Some(Errno::EACCES | Errno::EPERM) => "permission denied (it needs root)".to_owned(),
        Some(Errno::EBUSY) => {
            "its first connect is still running; it goes away by itself when that fails".to_owned()
        }
        Some(errno) => errno.to_string(),
        None => source.to_string(),
    }
}

fn connected_words(connected: &[String]) -> String {
    if connected.is_empty() {
        "nothing is connected".to_owned()
    } else {
        format!("connected are: {}", connected.join(", "))
    }
}

fn removed_words(removed: &[ControllerName]) -> String {
    if removed.is_empty() { String::new() } else { format!("; disconnected: {}", list(removed)) }
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_result_tells_both_halves() {
        let error = DisconnectError::Incomplete {
            removed: vec![ControllerName::new(1)],
            failed: vec![
                DeleteFailure::Refused { controller: ControllerName::new(2), source: Errno::EBUSY.into() },
                DeleteFailure::Refused { controller: ControllerName::new(3), source: Errno::EACCES.into() },
            ],
        };
        assert_eq!(
            error.to_string(),
            "cannot disconnect nvme2: its first connect is still running; it goes away by itself when that fails, \
             cannot disconnect nvme3: permission denied (it needs root); disconnected: nvme1"
        );
    }
}
