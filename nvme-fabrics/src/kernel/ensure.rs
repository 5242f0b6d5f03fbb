//! Desired paths: these connections shall exist.
//!
//! | wanted path | outcome |
//! |---|---|
//! | is there | [`PathState::Present`]: nothing is written; a lost controller that reconnects by itself is there, too |
//! | is not there | [`PathState::Added`] |
//! | stands in the list before | [`PathState::Repeated`] |
//! | cannot be connected | [`PathState::Failed`], and the others are connected all the same |
//!
//! A path is there when transport, NQN, host NQN, host identifier, address, port, local address and local interface are all the same, as the kernel itself
//! decides; two spellings of one address are one. Running it twice writes nothing the second time.

use super::connect::{ConnectError, Connected, connect_with, find_same};
use super::device::FabricsDevice;
use super::log::KernelLog;
use super::names::ControllerName;
use super::sysfs::{ControllerState, Inventory, ScanError, Sysfs};
use crate::options::ConnectOptions;

/// What became of one wanted path.
#[derive(Debug)]
#[non_exhaustive]
pub enum PathState {
    /// It was there.
    Present {
        /// The controller that is this path.
        controller: ControllerName,
        /// What it is doing. `connecting`: it has lost its target and tries to come back.
        state: ControllerState,
    },
    /// It was made.
    Added(Connected),
    /// The same path stands in the list before.
    Repeated {
        /// Where.
        index: usize,
    },
    /// It could not be made.
    Failed(ConnectError),
}

/// One wanted path.
#[derive(Debug)]
#[non_exhaustive]
pub struct PathOutcome {
    /// What was wanted.
    pub options: ConnectOptions,
    /// What became of it.
    pub state: PathState,
}

/// What became of all of them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ensured {
    /// In the order in which they were wanted.
    pub paths: Vec<PathOutcome>,
    /// Further controllers of the same subsystems and host identities, which nobody wanted. They are left alone.
    pub extra: Vec<ControllerName>,
}

impl Ensured {
    /// Whether every wanted path is there now.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failures().next().is_none()
    }

    /// What could not be connected.
    pub fn failures(&self) -> impl Iterator<Item = (&ConnectOptions, &ConnectError)> {
        self.paths.iter().filter_map(|p| match &p.state {
            PathState::Failed(error) => Some((&p.options, error)),
            _ => None,
        })
    }

    /// Controllers that were made.
    pub fn added(&self) -> impl Iterator<Item = ControllerName> {
        self.paths.iter().filter_map(|p| match &p.state {
            PathState::Added(connected) => Some(connected.controller),
            _ => None,
        })
    }
}

/// Connects what is missing of the wanted paths; leaves alone what is there. `duplicate_connect` counts for nothing here: one path is one
/// controller.
///
/// # Errors
/// [`ScanError`] when the controllers of this machine cannot be listed; nothing was done then. Everything else is told path by path.
#[cfg(target_os = "linux")]
pub fn ensure_paths(
    device: &dyn FabricsDevice,
    sysfs: &Sysfs,
    wanted: &[ConnectOptions],
) -> Result<Ensured, ScanError> {
    ensure_paths_with(device, sysfs, &mut super::log::OsKernelLog::system(), wanted)
}

/// As [`ensure_paths`], with another source of reasons.
///
/// # Errors
/// As [`ensure_paths`].
pub fn ensure_paths_with(
    device: &dyn FabricsDevice,
    sysfs: &Sysfs,
    log: &mut dyn KernelLog,
    wanted: &[ConnectOptions],
) -> Result<Ensured, ScanError> {
    let before = Inventory::scan_quietly(sysfs)?;
    let mut paths: Vec<PathOutcome> = Vec::with_capacity(wanted.len());
    for options in wanted {
        let state = match paths.iter().position(|p| p.options.is_same_path(options)) {
            Some(index) => PathState::Repeated { index },
            None => match find_same(&before, options) {
                Some(there) => PathState::Present { controller: there.name, state: there.state.clone() },
                None => match connect_with(device, sysfs, log, options) {
                    Ok(connected) => PathState::Added(connected),
                    // Somebody else made it in the meantime.
                    Err(ConnectError::AlreadyConnected { controller, state, .. }) => {
                        PathState::Present { controller, state }
                    }
                    Err(error) => PathState::Failed(error),
                },
            },
        };
        paths.push(PathOutcome { options: options.clone(), state });
    }
    let ours = |name: ControllerName| {
        paths.iter().any(|p| matches!(&p.state, PathState::Present { controller, .. } if *controller == name))
    };
    let is_related = |c: &super::sysfs::Controller| {
        wanted.iter().any(|o| {
            c.subsystem_nqn.as_deref() == Some(o.nqn().as_str())
                && c.host_nqn.as_deref() == Some(o.host().nqn.as_str())
        })
    };
    let live = before.controllers().map(|(_, c)| c).filter(|c| !c.state.is_terminal());
    let extra = live.filter(|c| is_related(c) && !ours(c.name)).map(|c| c.name).collect();
    Ok(Ensured { paths, extra })
}

#[cfg(test)]
mod tests {
    use super::super::device::{OptionList, ScriptedDevice};
    use super::super::errno::Errno;
    use super::super::log::NoLog;
    use super::super::sysfs::fixture::{Fixture, TCP};
    use super::*;
    use crate::identity::HostIdentity;

    fn path(address: &str) -> ConnectOptions {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        ConnectOptions::tcp(address.parse().unwrap(), 4420, "mysub".parse().unwrap(), host).unwrap()
    }

    /// `nvme5` is the path to 192.0.2.10, and lost; `nvme6` that to 192.0.2.99.
    fn two() -> Fixture {
        let f = Fixture::new();
        f.controller("nvme5", TCP, &[("state", "connecting")])
            .controller("nvme6", TCP, &[("address", "traddr=192.0.2.99,trsvcid=4420")])
            .subsystem("nvme-subsys5", "mysub", &["nvme5", "nvme6"]);
        f
    }

    fn words(ensured: &Ensured) -> Vec<String> {
        let word = |p: &PathOutcome| match &p.state {
            PathState::Present { controller, state } => format!("{controller} {state}"),
            PathState::Added(connected) => format!("added {}", connected.controller),
            PathState::Repeated { index } => format!("as {index}"),
            PathState::Failed(error) => format!("failed {:?}", error.errno()),
        };
        ensured.paths.iter().map(word).collect()
    }

    #[test]
    fn only_what_is_missing_is_connected_and_nothing_twice() {
        let f = two();
        let device = ScriptedDevice::new(OptionList::Unavailable)
            .answer(Err(Errno::ECONNREFUSED))
            .answer(Ok("instance=7,cntlid=3\n"));
        let wanted = ["192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.12"].map(path);
        let wanted: Vec<_> = wanted.into_iter().map(|o| o.data_digest().unwrap()).collect();
        let got = ensure_paths_with(&device, &f.sysfs(), &mut NoLog, &wanted).unwrap();
        assert_eq!(words(&got), ["nvme5 connecting", "failed Some(ECONNREFUSED)", "added nvme7", "as 2"]);
        assert_eq!(device.written().len(), 2);
        assert!(!got.is_complete());
        assert_eq!(got.extra, [ControllerName::new(6)]);
        assert_eq!(got.added().collect::<Vec<_>>(), [ControllerName::new(7)]);
    }

    #[test]
    fn when_all_is_there_nothing_is_written() {
        let f = two();
        let device = ScriptedDevice::new(OptionList::Unavailable);
        // Asking for duplicates does not make one path two controllers.
        let wanted = [path("192.0.2.10"), path("192.0.2.99").duplicate_connect().unwrap()];
        let got = ensure_paths_with(&device, &f.sysfs(), &mut NoLog, &wanted).unwrap();
        assert_eq!(words(&got), ["nvme5 connecting", "nvme6 live"]);
        assert!(got.is_complete() && got.extra.is_empty() && device.written().is_empty());
    }

    #[test]
    fn the_loop_target_has_its_path_once_though_the_kernel_would_make_more() {
        let f = Fixture::new();
        f.controller("nvme5", TCP, &[("transport", "loop"), ("address", "")]).subsystem(
            "nvme-subsys5",
            "mysub",
            &["nvme5"],
        );
        let tcp = path("192.0.2.10");
        let options = ConnectOptions::loopback(tcp.nqn().clone(), tcp.host().clone()).unwrap();
        let device = ScriptedDevice::new(OptionList::Unavailable);
        let got = ensure_paths_with(&device, &f.sysfs(), &mut NoLog, &[options]).unwrap();
        assert_eq!(words(&got), ["nvme5 live"]);
    }
}
