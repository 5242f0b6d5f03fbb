//! Disconnect: what goes, whether it may, and that it is gone.
//!
//! | module | what |
//! |---|---|
//! | this | [`Selector`], [`disconnect`] |
//! | `address` | [`AddressSelector`]: controllers by how they were connected |
//! | `plan` | [`DisconnectPlan`]: what a selector means right now |
//! | `in_use` | [`InUse`]: mounts, holders, swap |
//! | `error` | [`DisconnectError`] |
//!
//! The kernel takes a controller away when anything is written to its `delete_controller`. It does not ask whether a file system
//! is mounted; this crate does. The write returns when the controller is gone, or at once when somebody else is
//! already removing it; so its end is waited for in every case.
//!
//! Source: `drivers/nvme/host/sysfs.c: nvme_sysfs_delete`, `core.c: nvme_delete_ctrl_sync`.

mod address;
mod error;
mod in_use;
mod plan;

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::str::FromStr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nvme_proto::SubsysNqn;

pub use address::AddressSelector;
pub use error::{DeleteFailure, DisconnectError};
pub use in_use::InUse;
#[cfg(any(test, feature = "testing"))]
pub(crate) use in_use::unescaped;
pub use plan::{DisconnectPlan, plan_disconnect};

use crate::config::Owner;

use super::errno::Errno;
use super::names::{ControllerName, GenericName, NameError, NamespaceName};
use super::sysfs::{Controller, Sysfs};
use super::wait::{poll, wait_gone};

/// What to disconnect. Exactly one thing; no two selectors are ever combined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Every fabrics controller of this subsystem. The well-known discovery NQN means every discovery controller, whatever NQN it reports.
    Subsystem(SubsysNqn),
    /// One controller.
    Controller(ControllerName),
    /// Every controller that serves this namespace: all paths, and with them all other namespaces that have no further path.
    Namespace(NamespaceName),
    /// The same, by the namespace's character device: `ng3n1` need not be the one of `nvme3n1`.
    Generic(GenericName),
    /// Every controller that was connected like this.
    Address(AddressSelector),
    /// Every fabrics controller of this machine.
    All,
    /// Every fabrics controller of this machine that nobody looks after: see [`Registry`](crate::config::Registry).
    Unowned,
    /// Every fabrics controller of this machine that this one looks after.
    OwnedBy(Owner),
}

impl Selector {
    /// Whether it is about all controllers of a kind, so that none at all is an answer and no mistake.
    fn may_be_none(&self) -> bool {
        matches!(self, Self::All | Self::Unowned | Self::OwnedBy(_))
    }
}

impl Selector {
    /// What a device name means: `nvme3` or `/dev/nvme3` is a controller, `nvme3n1` or `/dev/nvme3n1` a namespace, as is `ng3n1` or `/dev/ng3n1`.
    ///
    /// # Errors
    /// [`NameError`] for everything else, partitions included.
    pub fn device(name: &str) -> Result<Self, NameError> {
        ControllerName::from_str(name)
            .map(Self::Controller)
            .or_else(|_| NamespaceName::from_str(name).map(Self::Namespace))
            .or_else(|_| GenericName::from_str(name).map(Self::Generic))
            .map_err(|_| NameError {
                text: name.to_owned(),
                expected: "a controller (like `nvme3`) or of a namespace (like `nvme3n1` or `ng3n1`)",
            })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subsystem(nqn) => write!(f, "subsystem {nqn}"),
            Self::Controller(name) => write!(f, "controller {name}"),
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::Generic(name) => write!(f, "namespace {name}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::All => f.write_str("all fabrics controllers"),
            Self::Unowned => f.write_str("all fabrics controllers without an owner"),
            Self::OwnedBy(owner) => write!(f, "all controllers of {owner}"),
        }
    }
}

/// Whether namespaces that are in use may be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Refuse.
    No,
    /// Take them away: mounted file systems get I/O errors and lose what was not written yet.
    Yes,
}

/// What was disconnected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disconnected {
    /// Controllers that were there before and are gone now, by number.
    pub controllers: Vec<ControllerName>,
    /// Namespaces that went with them.
    pub namespaces: Vec<NamespaceName>,
    /// Controllers that were left alone since somebody looks after them; with [`Selector::Unowned`] only.
    pub owned: Vec<(ControllerName, Owner)>,
}

/// Disconnects what the selector means, and waits until it is gone.
///
/// Controllers are removed at the same time, so that several unreachable targets do not add up. Blocks up to `timeout`; a
/// controller in the middle of a connection attempt can take that long. When the time is up the kernel goes on by itself.
///
/// [`Selector::All`], [`Selector::Unowned`] and [`Selector::OwnedBy`] on a machine without such controllers succeed with nothing; every other selector that matches
/// nothing is an error.
///
/// # Errors
/// [`DisconnectError`]. Those of planning leave everything as it was; [`DisconnectError::Incomplete`] lists what is gone and what is not.
pub fn disconnect(
    sysfs: &Sysfs,
    selector: &Selector,
    force: Force,
    timeout: Duration,
) -> Result<Disconnected, DisconnectError> {
    plan_disconnect(sysfs, selector)?.execute(sysfs, force, timeout)
}

impl DisconnectPlan {
    /// Does what the plan says. See [`disconnect`].
    ///
    /// # Errors
    /// [`DisconnectError::InUse`] without [`Force::Yes`]; [`DisconnectError::Incomplete`] when a controller refuses or does not go in time.
    pub fn execute(
        self,
        sysfs: &Sysfs,
        force: Force,
        timeout: Duration,
    ) -> Result<Disconnected, DisconnectError> {
        if force == Force::No && !self.in_use.is_empty() {
            return Err(DisconnectError::InUse { selector: self.selector.to_string(), in_use: self.in_use });
        }
        let start = Instant::now();
        let (sender, results) = mpsc::channel();
        let mut removed = Vec::new();
        let mut failed = Vec::new();
        let mut waiting: Vec<Controller> = Vec::new();
        for connection in self.controllers {
            let (sender, sysfs, copy) = (sender.clone(), sysfs.clone(), connection.clone());
            // The write cannot be interrupted, so it does not hold up this thread beyond the deadline.
            let started =
                std::thread::Builder::new().name(format!("delete-{}", copy.name)).spawn(move || {
                    let result = delete(&sysfs, &copy);
                    // The receiver is gone when the time was up: nobody to tell.
                    let _ = sender.send((copy, result));
                });
            match started {
                Ok(_) => waiting.push(connection),
                Err(source) => failed.push(DeleteFailure::Refused { controller: connection.name, source }),
            }
        }
        drop(sender);

        while let Ok((connection, result)) = results.recv_timeout(timeout.saturating_sub(start.elapsed())) {
            waiting.retain(|c| c.name != connection.name);
            let left = timeout.saturating_sub(start.elapsed());
            match result {
                Err(source) => failed.push(DeleteFailure::Refused { controller: connection.name, source }),
                Ok(()) => match wait_gone(sysfs, &connection, left) {
                    Ok(()) => removed.push(connection.name),
                    Err(_) => {
                        failed
                            .push(DeleteFailure::StillThere { controller: connection.name, after: timeout });
                    }
                },
            }
        }
        failed
            .extend(waiting.iter().map(|c| DeleteFailure::StillThere { controller: c.name, after: timeout }));
        removed.sort();
        if failed.is_empty() {
            return Ok(Disconnected { controllers: removed, namespaces: self.namespaces, owned: self.owned });
        }
        failed.sort_by_key(DeleteFailure::controller);
        Err(DisconnectError::Incomplete { removed, failed })
    }
}

/// Asks the kernel to remove one controller. Its absence is success. Blocks until the kernel has answered.
pub(crate) fn delete(sysfs: &Sysfs, connection: &Controller) -> io::Result<()> {
    // The number may have changed hands since the plan was made: never take a stranger away.
    match Controller::read(sysfs, connection.name) {
        Some(now) if now.is_same_connection(connection) => {}
        _ => return Ok(()),
    }
    let path = sysfs.class("nvme").join(connection.name.to_string()).join("delete_controller");
    let written = OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(b"1"));
    match written {
        Err(e) if attribute_vanished(&e) && is_leaving(sysfs, connection) => Ok(()),
        other => other,
    }
}

/// How long a controller that somebody else removes may still look as if it stayed: first its attribute goes, then its state changes.
const LEAVE_PATIENCE: Duration = Duration::from_millis(200);

/// ENOENT: the attribute is gone. ENODEV: it went after it was opened, or is just going.
fn attribute_vanished(error: &io::Error) -> bool {
    matches!(Errno::of(error), Some(Errno::ENOENT | Errno::ENODEV))
}

/// Whether the controller is gone, or somebody else is removing it: the first one to write takes the attribute away, before the controller.
fn is_leaving(sysfs: &Sysfs, connection: &Controller) -> bool {
    poll(LEAVE_PATIENCE, || match Controller::read(sysfs, connection.name) {
        Some(now) if now.is_same_connection(connection) && !now.state.is_terminal() => None,
        _ => Some(()),
    })
    .is_some()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::sysfs::fixture::{Fixture, TCP};
    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(30);

    /// Plays the kernel: takes controllers away as they are asked to go, then runs `body`.
    fn with_kernel<T>(f: &Fixture, controllers: &[&str], body: impl FnOnce() -> T) -> T {
        for c in controllers {
            fs::write(f.root().join(format!("sys/class/nvme/{c}/delete_controller")), "").unwrap();
        }
        std::thread::scope(|scope| {
            for c in controllers {
                scope.spawn(move || {
                    let dir = f.root().join("sys/class/nvme").join(c);
                    let asked = || fs::read(dir.join("delete_controller")).is_ok_and(|t| t == b"1");
                    if super::super::wait::poll(Duration::from_secs(5), || asked().then_some(())).is_some() {
                        fs::remove_dir_all(&dir).unwrap();
                    }
                });
            }
            body()
        })
    }

    #[test]
    fn by_subsystem_removes_all_its_controllers() {
        let f = Fixture::guide();
        f.controller("nvme1", TCP, &[]).subsystem("nvme-subsys0", "mysub", &["nvme0", "nvme1"]);
        let selector = Selector::Subsystem("mysub".parse().unwrap());
        let done =
            with_kernel(&f, &["nvme0", "nvme1"], || disconnect(&f.sysfs(), &selector, Force::No, LONG))
                .unwrap();
        assert_eq!(done.controllers, [ControllerName::new(0), ControllerName::new(1)]);
        assert_eq!(done.namespaces, [NamespaceName::new(0, 1)]);
    }

    #[test]
    fn a_mounted_namespace_stays_unless_forced() {
        let f = Fixture::guide();
        f.file("proc/self/mountinfo", "36 35 259:0 / /mnt rw - ext4 /dev/nvme0n1 rw");
        let selector = Selector::device("/dev/nvme0n1").unwrap();
        let error = disconnect(&f.sysfs(), &selector, Force::No, SHORT).unwrap_err();
        assert!(error.to_string().contains("nvme0n1 is mounted on /mnt"), "{error}");
        assert!(f.root().join("sys/class/nvme/nvme0/state").exists());
        let done =
            with_kernel(&f, &["nvme0"], || disconnect(&f.sysfs(), &selector, Force::Yes, LONG)).unwrap();
        assert_eq!(done.controllers, [ControllerName::new(0)]);
    }

    #[test]
    fn a_controller_that_stays_is_an_error_that_says_so() {
        let f = Fixture::guide();
        f.file("sys/class/nvme/nvme0/delete_controller", "");
        let error = disconnect(&f.sysfs(), &Selector::All, Force::No, SHORT).unwrap_err();
        let DisconnectError::Incomplete { removed, failed } = &error else { panic!("{error}") };
        assert!(removed.is_empty());
        assert!(matches!(failed[..], [DeleteFailure::StillThere { .. }]), "{failed:?}");
        assert!(error.to_string().contains("nvme0 is still there after 0.0 s"), "{error}");
    }

    #[test]
    fn a_missing_attribute_of_a_controller_that_is_there_is_no_success() {
        let f = Fixture::guide();
        let error = disconnect(&f.sysfs(), &Selector::All, Force::No, LONG).unwrap_err();
        let DisconnectError::Incomplete { failed, .. } = &error else { panic!("{error}") };
        assert!(
            matches!(&failed[..], [DeleteFailure::Refused { source, .. }] if Errno::of(source) == Some(Errno::ENOENT)),
            "{failed:?}"
        );
    }

    #[test]
    fn a_controller_that_somebody_else_is_removing_is_waited_for() {
        let f = Fixture::guide();
        // The first to write has taken the attribute away already.
        f.file("sys/class/nvme/nvme0/state", "deleting");
        let done = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(SHORT);
                f.remove("sys/class/nvme/nvme0");
            });
            disconnect(&f.sysfs(), &Selector::All, Force::No, LONG)
        });
        assert_eq!(done.unwrap().controllers, [ControllerName::new(0)]);
    }

    #[test]
    fn an_attribute_vanishes_in_two_ways() {
        assert!(attribute_vanished(&Errno::ENOENT.into()) && attribute_vanished(&Errno::ENODEV.into()));
        assert!(!attribute_vanished(&Errno::EBUSY.into()) && !attribute_vanished(&Errno::EACCES.into()));
    }

    #[test]
    fn a_number_that_changed_hands_is_left_alone_and_counts_as_gone() {
        let f = Fixture::guide();
        let plan = plan_disconnect(&f.sysfs(), &Selector::All).unwrap();
        f.controller("nvme0", TCP, &[("subsysnqn", "other"), ("delete_controller", "")]);
        let done = plan.execute(&f.sysfs(), Force::No, LONG).unwrap();
        assert_eq!(done.controllers, [ControllerName::new(0)]);
        assert_eq!(fs::read(f.root().join("sys/class/nvme/nvme0/delete_controller")).unwrap(), b"\n");
    }

    #[test]
    fn all_of_nothing_is_nothing() {
        let f = Fixture::new();
        assert_eq!(
            disconnect(&f.sysfs(), &Selector::All, Force::No, SHORT).unwrap(),
            Disconnected::default()
        );
    }

    #[test]
    fn device_names() {
        assert_eq!(Selector::device("/dev/nvme2").unwrap(), Selector::Controller(ControllerName::new(2)));
        assert_eq!(Selector::device("nvme2n1").unwrap(), Selector::Namespace(NamespaceName::new(2, 1)));
        for bad in ["nvme2n1p1", "sda", "", "nvme0c0n1", "mysub"] {
            let error = Selector::device(bad).unwrap_err();
            assert!(error.to_string().contains("is not the name of a controller"), "{error}");
        }
    }
}
