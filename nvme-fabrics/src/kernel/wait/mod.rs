//! Waiting for what the kernel does after a call has returned.
//!
//! | function | waits for |
//! |---|---|
//! | [`wait_live`] | a controller to become usable (Fibre Channel connects in the background; others reconnect) |
//! | [`wait_for_namespace`], [`wait_for_namespaces`] | block devices: the scan for namespaces runs after connect has returned |
//! | [`wait_gone`] | a controller to disappear |
//!
//! All look at sysfs whenever the kernel announces that something has changed, and every half a second besides; where events cannot be had or are not about
//! the tree that is looked at, in short, growing pauses (1 ms to 50 ms). None waits longer than it must, and all can be stopped: see [`Patience`].

mod patience;

use std::time::Duration;

pub(crate) use patience::poll;
pub use patience::{Cancel, Patience};
use patience::{Ended, look_until};

use super::names::{ControllerName, NamespaceName};
use super::sysfs::{Controller, ControllerState, Namespace, Subsystem, Sysfs};

/// What was waited for did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The controller was not there any more, or was on its way out.
    #[error("{controller} is gone: {}", if .state.is_some() { "it is being removed or was given up" } else { "there is no such controller" })]
    Gone {
        /// The controller.
        controller: ControllerName,
        /// Its last state, if it is still listed.
        state: Option<ControllerState>,
    },
    /// The controller did not become usable in time.
    #[error("{controller} is `{state}` and not live after {} (is the target reachable?)", seconds(*.after))]
    NotLive {
        /// The controller.
        controller: ControllerName,
        /// Its state.
        state: ControllerState,
        /// How long was waited.
        after: Duration,
    },
    /// Not all namespaces appeared in time.
    #[error("{controller} has {} after {}{} ({})", found_words(.found), seconds(*.after), wanted(.missing), hint(.missing))]
    NoNamespace {
        /// The controller.
        controller: ControllerName,
        /// Identifiers that did not appear; empty when any namespace would have done.
        missing: Vec<u32>,
        /// What did appear.
        found: Vec<NamespaceName>,
        /// How long was waited.
        after: Duration,
    },
    /// The wait was stopped by its [`Cancel`].
    #[error("stopped waiting for {controller}")]
    Cancelled {
        /// The controller.
        controller: ControllerName,
    },
    /// The controller is still there.
    #[error("{controller} is `{state}` and not gone after {}", seconds(*.after))]
    StillThere {
        /// The controller.
        controller: ControllerName,
        /// Its state.
        state: ControllerState,
        /// How long was waited.
        after: Duration,
    },
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn found_words(names: &[NamespaceName]) -> String {
    if names.is_empty() {
        return "no namespace".to_owned();
    }
    format!("only {}", names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

fn wanted(missing: &[u32]) -> String {
    match missing {
        [] => String::new(),
        some => {
            format!(", and not NSID {}", some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
    }
}

fn hint(missing: &[u32]) -> &'static str {
    if missing.is_empty() {
        "does the target's subsystem have an enabled namespace?"
    } else {
        "is the namespace enabled on the target, and are its identifiers different from those of other subsystems?"
    }
}

/// Which namespace will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichNamespace {
    /// The first that appears; the lowest identifier if there are several.
    Any,
    /// The one with this identifier.
    Nsid(u32),
}

/// Waits until the controller is live.
///
/// # Errors
/// [`WaitError::Gone`] as soon as it will never be; [`WaitError::NotLive`] when the time is up.
pub fn wait_live(
    sysfs: &Sysfs,
    controller: ControllerName,
    patience: impl Into<Patience>,
) -> Result<Controller, WaitError> {
    let patience = patience.into();
    let mut last = None;
    look_until(sysfs, &patience, || match still_coming(sysfs, controller) {
        Ok(c) if c.state.is_live() => Some(Ok(c)),
        Ok(c) => {
            last = Some(c.state);
            None
        }
        Err(gone) => Some(Err(gone)),
    })
    .unwrap_or_else(|ended| {
        let state = last.unwrap_or_else(|| ControllerState::new(""));
        Err(ended.or(controller, WaitError::NotLive { controller, state, after: patience.timeout() }))
    })
}

/// Waits until a namespace of the controller is there: listed in sysfs with its block size, and with its device node.
///
/// # Errors
/// [`WaitError::Gone`] as soon as the controller will never have one; [`WaitError::NoNamespace`] when the time is up.
pub fn wait_for_namespace(
    sysfs: &Sysfs,
    controller: ControllerName,
    which: WhichNamespace,
    patience: impl Into<Patience>,
) -> Result<Namespace, WaitError> {
    let missing = match which {
        WhichNamespace::Any => Vec::new(),
        WhichNamespace::Nsid(nsid) => vec![nsid],
    };
    let ready = |n: &Namespace| match which {
        WhichNamespace::Any => true,
        WhichNamespace::Nsid(nsid) => n.nsid == nsid,
    };
    wait_until(sysfs, controller, &patience.into(), &missing, |found| {
        found.iter().filter(|n| ready(n)).min_by_key(|n| n.nsid).cloned()
    })
}

/// Waits until all these namespaces of the controller are there. Their order is kept.
///
/// # Errors
/// As [`wait_for_namespace`]; the error lists what is missing.
pub fn wait_for_namespaces(
    sysfs: &Sysfs,
    controller: ControllerName,
    nsids: &[u32],
    patience: impl Into<Patience>,
) -> Result<Vec<Namespace>, WaitError> {
    wait_until(sysfs, controller, &patience.into(), nsids, |found| {
        nsids.iter().map(|nsid| found.iter().find(|n| n.nsid == *nsid).cloned()).collect()
    })
}

fn wait_until<T>(
    sysfs: &Sysfs,
    controller: ControllerName,
    patience: &Patience,
    wanted: &[u32],
    enough: impl Fn(&[Namespace]) -> Option<T>,
) -> Result<T, WaitError> {
    let mut last: Vec<Namespace> = Vec::new();
    look_until(sysfs, patience, || {
        if let Err(gone) = still_coming(sysfs, controller) {
            return Some(Err(gone));
        }
        last = ready_namespaces(sysfs, controller);
        enough(&last).map(Ok)
    })
    .unwrap_or_else(|ended| {
        let missing = wanted.iter().filter(|nsid| !last.iter().any(|n| n.nsid == **nsid)).copied().collect();
        let found = last.iter().map(|n| n.name).collect();
        let after = patience.timeout();
        Err(ended.or(controller, WaitError::NoNamespace { controller, missing, found, after }))
    })
}

/// Namespaces that the controller serves and that can be used: the device node exists, and the kernel has finished the block device (it makes
/// the queue's attributes last, after the node).
fn ready_namespaces(sysfs: &Sysfs, controller: ControllerName) -> Vec<Namespace> {
    let Some(subsystem) = Subsystem::of_controller(sysfs, controller) else { return Vec::new() };
    let ready = |n: &Namespace| {
        n.is_served_by(controller) && n.block_size.is_some() && sysfs.dev().join(n.name.to_string()).exists()
    };
    subsystem.namespaces.into_iter().filter(ready).collect()
}

/// The controller, unless it is gone or will never come.
fn still_coming(sysfs: &Sysfs, controller: ControllerName) -> Result<Controller, WaitError> {
    match Controller::read(sysfs, controller) {
        Some(c) if !c.state.is_terminal() => Ok(c),
        other => Err(WaitError::Gone { controller, state: other.map(|c| c.state) }),
    }
}

/// Waits until this very connection is gone. Another one that got its number in the meantime does not count.
///
/// # Errors
/// [`WaitError::StillThere`] when the time is up.
pub fn wait_gone(
    sysfs: &Sysfs,
    connection: &Controller,
    patience: impl Into<Patience>,
) -> Result<(), WaitError> {
    let patience = patience.into();
    let controller = connection.name;
    let mut last = connection.state.clone();
    look_until(sysfs, &patience, || match Controller::read(sysfs, connection.name) {
        Some(now) if now.is_same_connection(connection) => {
            last = now.state;
            None
        }
        _ => Some(()),
    })
    .map_err(|ended| {
        let after = patience.timeout();
        ended.or(controller, WaitError::StillThere { controller, state: last, after })
    })
}

impl Ended {
    /// The error of a wait that ended so: `late` when the time was up.
    fn or(self, controller: ControllerName, late: WaitError) -> WaitError {
        match self {
            Self::TimeUp => late,
            Self::Cancelled => WaitError::Cancelled { controller },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::sysfs::fixture::{Fixture, TCP};
    use super::*;

    const NVME0: ControllerName = ControllerName::new(0);
    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_namespace_needs_its_device_node_and_a_finished_block_device() {
        let f = Fixture::guide();
        let queue = "sys/class/nvme-subsystem/nvme-subsys0/nvme0n1/queue/logical_block_size";
        f.remove(queue);
        assert!(wait_for_namespace(&f.sysfs(), NVME0, WhichNamespace::Any, SHORT).is_err());
        f.file(queue, "512");
        assert_eq!(wait_for_namespace(&f.sysfs(), NVME0, WhichNamespace::Any, SHORT).unwrap().nsid, 1);
        f.remove("dev/nvme0n1");
        let error = wait_for_namespace(&f.sysfs(), NVME0, WhichNamespace::Any, SHORT).unwrap_err();
        assert!(matches!(&error, WaitError::NoNamespace { missing, .. } if missing.is_empty()), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("nvme0 has no namespace after 0.0 s (does the target"), "{text}");
    }

    #[test]
    fn what_appears_later_is_seen() {
        let f = Fixture::new();
        f.controller("nvme0", TCP, &[("state", "connecting")]).subsystem("nvme-subsys0", "mysub", &["nvme0"]);
        let sysfs = f.sysfs();
        std::thread::scope(|scope| {
            let live = scope.spawn(|| wait_live(&sysfs, NVME0, LONG));
            let two = scope.spawn(|| wait_for_namespaces(&sysfs, NVME0, &[2, 1], LONG));
            f.file("sys/class/nvme/nvme0/state", "live")
                .namespace("nvme-subsystem/nvme-subsys0", "nvme0n1", "1", "259:0")
                .path("nvme0", "nvme0c0n1", "optimized")
                .namespace("nvme-subsystem/nvme-subsys0", "nvme0n2", "2", "259:1")
                .path("nvme0", "nvme0c0n2", "optimized");
            assert!(live.join().unwrap().unwrap().state.is_live());
            let nsids: Vec<u32> = two.join().unwrap().unwrap().iter().map(|n| n.nsid).collect();
            assert_eq!(nsids, [2, 1]);
        });
    }

    #[test]
    fn another_controllers_namespace_does_not_count() {
        let f = Fixture::guide();
        f.controller("nvme1", TCP, &[]).subsystem("nvme-subsys0", "mysub", &["nvme0", "nvme1"]);
        let nvme1 = ControllerName::new(1);
        assert!(wait_for_namespace(&f.sysfs(), nvme1, WhichNamespace::Any, SHORT).is_err());
        f.path("nvme1", "nvme0c1n1", "optimized");
        assert!(wait_for_namespace(&f.sysfs(), nvme1, WhichNamespace::Nsid(1), SHORT).is_ok());
    }

    #[test]
    fn the_error_lists_what_is_missing_and_what_came() {
        let f = Fixture::guide();
        let error = wait_for_namespaces(&f.sysfs(), NVME0, &[1, 7], SHORT).unwrap_err();
        let want = WaitError::NoNamespace {
            controller: NVME0,
            missing: vec![7],
            found: vec![NamespaceName::new(0, 1)],
            after: SHORT,
        };
        assert_eq!(error, want);
        assert!(error.to_string().contains("has only nvme0n1 after"), "{error}");
    }

    #[test]
    fn a_controller_that_will_never_come_ends_the_wait_at_once() {
        let f = Fixture::guide();
        let start = Instant::now();
        assert_eq!(
            wait_live(&f.sysfs(), ControllerName::new(9), LONG).unwrap_err(),
            WaitError::Gone { controller: ControllerName::new(9), state: None }
        );
        f.file("sys/class/nvme/nvme0/state", "deleting");
        assert!(matches!(
            wait_for_namespace(&f.sysfs(), NVME0, WhichNamespace::Any, LONG).unwrap_err(),
            WaitError::Gone { state: Some(_), .. }
        ));
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn a_controller_that_does_not_become_live() {
        let f = Fixture::guide();
        f.file("sys/class/nvme/nvme0/state", "connecting");
        let error = wait_live(&f.sysfs(), NVME0, SHORT).unwrap_err();
        assert!(error.to_string().contains("`connecting` and not live"), "{error}");
    }

    #[test]
    fn every_wait_can_be_stopped() {
        let f = Fixture::guide();
        f.file("sys/class/nvme/nvme0/state", "connecting");
        let stop = Cancel::new();
        stop.cancel();
        let patience = || Patience::new(Duration::from_secs(600)).cancelled_by(&stop);
        let stopped = WaitError::Cancelled { controller: NVME0 };
        let connection = Controller::read(&f.sysfs(), NVME0).unwrap();
        assert_eq!(wait_live(&f.sysfs(), NVME0, patience()), Err(stopped.clone()));
        assert_eq!(wait_gone(&f.sysfs(), &connection, patience()), Err(stopped.clone()));
        let which = WhichNamespace::Nsid(9);
        assert_eq!(wait_for_namespace(&f.sysfs(), NVME0, which, patience()), Err(stopped.clone()));
        assert_eq!(wait_for_namespaces(&f.sysfs(), NVME0, &[9], patience()), Err(stopped));
    }

    #[test]
    fn gone_means_this_connection_not_this_number() {
        let f = Fixture::guide();
        let connection = Controller::read(&f.sysfs(), NVME0).unwrap();
        assert!(matches!(wait_gone(&f.sysfs(), &connection, SHORT), Err(WaitError::StillThere { .. })));
        f.file("sys/class/nvme/nvme0/subsysnqn", "other");
        assert_eq!(wait_gone(&f.sysfs(), &connection, SHORT), Ok(()));
        f.remove("sys/class/nvme/nvme0");
        assert_eq!(wait_gone(&f.sysfs(), &connection, SHORT), Ok(()));
    }
}
