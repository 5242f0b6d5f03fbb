//! Connecting with a time-out.
//!
//! A connect waits in the kernel and cannot be called back: a target that accepts and keeps silent holds it for over a minute, and so does somebody else's connect,
//! since the kernel makes one at a time. So it runs on a thread of its own, and when the time is up the caller goes on.
//!
//! | when the time is up, the connect | then |
//! |---|---|
//! | fails in the end | nothing is left |
//! | succeeds in the end | its controller is removed at once, by the same thread |
//!
//! The thread belongs to the process: a process that ends before its connect does leaves the controller to nobody. [`Unfinished::wait`] waits for that.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, SendError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{ConnectError, Connected, connect_with};
use crate::kernel::device::FabricsDevice;
use crate::kernel::disconnect::{DisconnectError, DisconnectPlan, Force};
use crate::kernel::log::KernelLog;
use crate::kernel::names::ControllerName;
use crate::kernel::sysfs::{Controller, Sysfs};
use crate::options::ConnectOptions;

/// How long the removal of a controller that came too late may take.
const REMOVE_PATIENCE: Duration = Duration::from_secs(60);

/// A connect did not succeed in time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WithinError {
    /// It failed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It has not ended.
    #[error(
        "cannot connect to {target}: no answer after {:.1} s (the kernel goes on trying; what comes of it is removed)",
        .after.as_secs_f64()
    )]
    TimedOut {
        /// What was to be connected.
        target: String,
        /// How long was waited.
        after: Duration,
        /// The connect that goes on.
        rest: Unfinished,
    },
    /// No thread can be started; nothing was done.
    #[error("cannot connect to {target}: no thread can be started for it")]
    Thread {
        /// What was to be connected.
        target: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A connect whose time was up. Dropping it changes nothing: the connect goes on, and what comes of it is removed.
#[derive(Debug)]
pub struct Unfinished(Mutex<mpsc::Receiver<Settled>>);

/// How a connect ended whose time was up.
#[derive(Debug)]
#[non_exhaustive]
pub enum Settled {
    /// It failed by itself.
    Failed(ConnectError),
    /// It succeeded, and the controller is gone again.
    Removed(ControllerName),
    /// It succeeded, and the controller is still there.
    LeftOver {
        /// The controller.
        controller: ControllerName,
        /// Why.
        source: DisconnectError,
    },
}

impl Unfinished {
    /// Waits until the kernel is through with it and nothing of it is left, or the time is up again.
    ///
    /// # Errors
    /// Itself, when the time is up.
    pub fn wait(self, timeout: Duration) -> Result<Settled, Self> {
        let settled = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(timeout);
        settled.map_err(|_| self)
    }
}

/// Connects as [`connect`](super::connect), for at most `timeout`.
///
/// # Errors
/// [`WithinError`]. After [`WithinError::TimedOut`] nothing stays connected that this call has made.
#[cfg(target_os = "linux")]
pub fn connect_within(
    device: impl FabricsDevice + Send + 'static,
    sysfs: &Sysfs,
    options: &ConnectOptions,
    timeout: Duration,
) -> Result<Connected, WithinError> {
    connect_within_with(device, sysfs, crate::kernel::log::OsKernelLog::system(), options, timeout)
}

/// As [`connect_within`], with another source of reasons.
///
/// # Errors
/// As [`connect_within`].
pub fn connect_within_with(
    device: impl FabricsDevice + Send + 'static,
    sysfs: &Sysfs,
    mut log: impl KernelLog + Send + 'static,
    options: &ConnectOptions,
    timeout: Duration,
) -> Result<Connected, WithinError> {
    // Without a buffer: an answer is either taken by somebody who waits for it, or comes back to the thread.
    let (answer, answers) = mpsc::sync_channel(0);
    let (late, settled) = mpsc::channel();
    let (sysfs, wanted) = (sysfs.clone(), options.clone());
    let started = thread::Builder::new().name("nvme-connect".to_owned()).spawn(move || {
        let outcome = connect_with(&device, &sysfs, &mut log, &wanted);
        if let Err(SendError(outcome)) = answer.send(outcome) {
            // Nobody may want to know.
            let _ = late.send(settle(&sysfs, outcome));
        }
    });
    let target = || options.to_string();
    started.map_err(|source| WithinError::Thread { target: target(), source })?;
    match answers.recv_timeout(timeout) {
        Ok(outcome) => Ok(outcome?),
        Err(RecvTimeoutError::Timeout) => {
            drop(answers);
            Err(WithinError::TimedOut {
                target: target(),
                after: timeout,
                rest: Unfinished(Mutex::new(settled)),
            })
        }
        // Only a device or a log of the caller's own that panics.
        Err(RecvTimeoutError::Disconnected) => {
            Err(WithinError::Thread { target: target(), source: io::ErrorKind::BrokenPipe.into() })
        }
    }
}

/// Nobody waits for this any more.
fn settle(sysfs: &Sysfs, outcome: Result<Connected, ConnectError>) -> Settled {
    let controller = match outcome {
        Ok(connected) => connected.controller,
        Err(error) => return Settled::Failed(error),
    };
    match remove(sysfs, controller) {
        Ok(()) => Settled::Removed(controller),
        Err(source) => Settled::LeftOver { controller, source },
    }
}

/// Takes a controller back that was made a moment ago, and whose name nobody was told.
pub(super) fn remove(sysfs: &Sysfs, controller: ControllerName) -> Result<(), DisconnectError> {
    match Controller::read(sysfs, controller) {
        Some(connection) => {
            DisconnectPlan::of_one(connection).execute(sysfs, Force::Yes, REMOVE_PATIENCE).map(drop)
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::identity::HostIdentity;
    use crate::kernel::device::{DeviceError, DeviceOp, OptionList};
    use crate::kernel::errno::Errno;
    use crate::kernel::log::NoLog;
    use crate::kernel::sysfs::fixture::{Fixture, TCP};
    use crate::kernel::wait::poll;

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(20);

    /// A kernel that holds the write until the gate opens.
    struct Slow {
        gate: Arc<Mutex<()>>,
        answer: Result<&'static str, Errno>,
    }

    impl FabricsDevice for Slow {
        fn option_list(&self) -> Result<OptionList, DeviceError> {
            Ok(OptionList::Unavailable)
        }
        fn create(&self, _: &str) -> Result<String, DeviceError> {
            let _open = self.gate.lock();
            self.answer.map(str::to_owned).map_err(|errno| DeviceError {
                op: DeviceOp::Write,
                path: self.path().to_owned(),
                source: errno.into(),
            })
        }
        fn path(&self) -> &Path {
            Path::new("/dev/nvme-fabrics")
        }
    }

    fn options() -> ConnectOptions {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, "mysub".parse().unwrap(), host).unwrap()
    }

    /// A connect that answers after its time was up.
    fn late(f: &Fixture, answer: Result<&'static str, Errno>) -> Settled {
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock().unwrap();
        let device = Slow { gate: gate.clone(), answer };
        let error = connect_within_with(device, &f.sysfs(), NoLog, &options(), SHORT).unwrap_err();
        assert!(error.to_string().contains("no answer after 0.0 s"), "{error}");
        let WithinError::TimedOut { rest, .. } = error else { panic!("{error}") };
        let rest = rest.wait(SHORT).unwrap_err();
        f.controller("nvme3", TCP, &[("subsysnqn", "mysub"), ("delete_controller", "")]);
        drop(closed);
        let dir = f.root().join("sys/class/nvme/nvme3");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let asked = || fs::read(dir.join("delete_controller")).is_ok_and(|t| t.starts_with(b"1"));
                if answer.is_ok() && poll(LONG, || asked().then_some(())).is_some() {
                    fs::remove_dir_all(&dir).unwrap();
                }
            });
            rest.wait(LONG).unwrap()
        })
    }

    #[test]
    fn what_comes_too_late_is_removed() {
        let f = Fixture::new();
        let settled = late(&f, Ok("instance=3,cntlid=1\n"));
        assert!(matches!(settled, Settled::Removed(name) if name == ControllerName::new(3)), "{settled:?}");
        assert!(!f.root().join("sys/class/nvme/nvme3").exists());
    }

    #[test]
    fn what_fails_too_late_leaves_others_alone() {
        let f = Fixture::new();
        let settled = late(&f, Err(Errno::ETIMEDOUT));
        assert!(matches!(&settled, Settled::Failed(e) if e.errno() == Some(Errno::ETIMEDOUT)), "{settled:?}");
        assert!(f.root().join("sys/class/nvme/nvme3").exists());
    }

    #[test]
    fn in_time_it_is_as_without() {
        let quick = |answer| {
            let device = Slow { gate: Arc::default(), answer };
            connect_within_with(device, &Fixture::new().sysfs(), NoLog, &options(), LONG)
        };
        assert_eq!(quick(Ok("instance=3,cntlid=1\n")).unwrap().controller, ControllerName::new(3));
        let error = quick(Err(Errno::ECONNREFUSED)).unwrap_err();
        assert!(
            matches!(&error, WithinError::Connect(e) if e.errno() == Some(Errno::ECONNREFUSED)),
            "{error}"
        );
    }
}
