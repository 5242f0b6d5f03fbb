//! Discovery through the kernel: make a discovery controller, read its log, delete it.

use std::time::Duration;

use nvme_proto::discovery::{GetLogPage, LogReadError, LogReader, LogReaderLimits, Next};

use super::{Discovered, DiscoveryController, DiscoveryRequest};
use crate::kernel::connect::{ConnectError, connect_with};
use crate::kernel::device::FabricsDevice;
use crate::kernel::disconnect::{DisconnectError, DisconnectPlan, Force};
use crate::kernel::errno::Errno;
use crate::kernel::ioctl::{AdminError, ControllerNode};
use crate::kernel::log::{KernelLog, OsKernelLog};
use crate::kernel::names::ControllerName;
use crate::kernel::sysfs::{Controller, Sysfs};
use crate::kernel::wait::poll;

/// How long a new controller may stay unusable. It is live when it is made; only a loss of the connection right then delays it.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);

/// How long its removal is waited for.
const DELETE_PATIENCE: Duration = Duration::from_secs(60);

/// Discovery failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoverError {
    /// The discovery controller could not be made.
    #[error("cannot ask for the discovery log")]
    Connect(#[from] ConnectError),
    /// A command to the discovery controller failed.
    #[error("cannot ask for the discovery log")]
    Command(#[from] AdminError),
    /// The log is broken, or does not stand still.
    #[error("the discovery controller's answer is unusable")]
    Log(#[from] LogReadError),
    /// The controller that was made for the purpose could not be removed.
    #[error(
        "{controller} was made to ask for the discovery log, and is left over (remove it: disconnect -d {controller}){}",
        before(.earlier.as_deref())
    )]
    LeftOver {
        /// The controller.
        controller: ControllerName,
        /// The log, if it was read.
        found: Option<Box<Discovered>>,
        /// What failed before that, if anything did.
        earlier: Option<Box<Self>>,
        /// Why it could not be removed.
        source: DisconnectError,
    },
}

/// What failed first, with its causes: the chain of sources leads to the removal only.
fn before(earlier: Option<&DiscoverError>) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = earlier.map(|e| e as _);
    while let Some(error) = next {
        text.push_str(if text.is_empty() { "; before that: " } else { ": " });
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

/// Asks a discovery controller what it offers to this host.
///
/// Makes a discovery controller, identifies it, reads its log in pieces that are checked to be of one generation, and removes
/// the controller again, on every way out; only a signal that ends the process in between leaves it behind. Controllers that others have made are neither used nor touched. Needs root: the kernel lets nobody
/// else read log pages.
///
/// # Errors
/// [`DiscoverError`].
pub fn discover(
    device: &dyn FabricsDevice,
    sysfs: &Sysfs,
    request: &DiscoveryRequest,
) -> Result<Discovered, DiscoverError> {
    discover_with(device, sysfs, &mut OsKernelLog::system(), request, open_live)
}

/// The two commands that discovery needs.
trait LogSource {
    fn controller(&self) -> Result<DiscoveryController, AdminError>;
    fn read(&self, command: &GetLogPage) -> Result<Vec<u8>, AdminError>;
}

impl LogSource for ControllerNode {
    fn controller(&self) -> Result<DiscoveryController, AdminError> {
        Ok(DiscoveryController::of(&self.identify_controller()?))
    }

    fn read(&self, command: &GetLogPage) -> Result<Vec<u8>, AdminError> {
        self.get_log_page(command)
    }
}

/// Opens the node, once more while the controller is not live (EAGAIN) or its node is not made yet (ENOENT).
fn open_live(node: &std::path::Path) -> Result<ControllerNode, AdminError> {
    let mut last = None;
    poll(OPEN_PATIENCE, || match ControllerNode::open(node) {
        Err(error) if matches!(error.errno(), Some(Errno::EAGAIN | Errno::ENOENT)) => {
            last = Some(error);
            None
        }
        answer => Some(answer),
    })
    .unwrap_or_else(|| match last {
        Some(error) => Err(error),
        None => ControllerNode::open(node),
    })
}

fn discover_with<S: LogSource>(
    device: &dyn FabricsDevice,
    sysfs: &Sysfs,
    log: &mut dyn KernelLog,
    request: &DiscoveryRequest,
    open: impl Fn(&std::path::Path) -> Result<S, AdminError>,
) -> Result<Discovered, DiscoverError> {
    let controller = connect_with(device, sysfs, log, request.options())?.controller;
    // Known before anything can fail, so that exactly this connection is removed and no other that gets its number.
    let connection = Controller::read(sysfs, controller);
    let answer = read_log(&sysfs.dev().join(controller.to_string()), open);
    let removed = match connection {
        Some(connection) => DisconnectPlan::of_one(connection).execute(sysfs, Force::Yes, DELETE_PATIENCE),
        // Lost and removed by the kernel already.
        None => Ok(crate::kernel::disconnect::Disconnected::default()),
    };
    match (answer, removed) {
        (answer, Ok(_)) => answer,
        (Ok(found), Err(source)) => {
            Err(DiscoverError::LeftOver { controller, found: Some(Box::new(found)), earlier: None, source })
        }
        (Err(earlier), Err(source)) => {
            Err(DiscoverError::LeftOver { controller, found: None, earlier: Some(Box::new(earlier)), source })
        }
    }
}

fn read_log<S: LogSource>(
    node: &std::path::Path,
    open: impl Fn(&std::path::Path) -> Result<S, AdminError>,
) -> Result<Discovered, DiscoverError> {
    let source = open(node)?;
    let controller = source.controller()?;
    let mut reader = LogReader::new(LogReaderLimits::default());
    loop {
        match reader.next() {
            Next::Done(log) => return Ok(Discovered { log, controller }),
            Next::Read(command) => match source.read(&command) {
                Ok(bytes) => reader.supply(&bytes)?,
                // The reader knows which statuses mean that the log has changed.
                Err(error) => match error.status() {
                    Some(status) => reader.failed(status)?,
                    None => return Err(error.into()),
                },
            },
        }
    }
}

impl DiscoverError {
    /// The kernel's error number, if there is one at the bottom of it.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Connect(error) => error.errno(),
            Self::Command(error) => error.errno(),
            Self::LeftOver { earlier, .. } => earlier.as_ref().and_then(|e| e.errno()),
            Self::Log(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use nvme_proto::Cntlid;
    use nvme_proto::discovery::{DiscoveryEntry, DiscoveryLog, RetainAsyncEvent, SubsystemType};

    use super::*;
    use crate::identity::HostIdentity;
    use crate::kernel::device::{OptionList, ScriptedDevice};
    use crate::kernel::ioctl::{AdminFailure, AdminOp};
    use crate::kernel::log::NoLog;
    use crate::kernel::sysfs::fixture::{Fixture, TCP};

    /// A controller with these bytes as its log, or one that fails.
    struct Page {
        bytes: Vec<u8>,
        reads: RefCell<Vec<(u64, u64, RetainAsyncEvent)>>,
        fail: bool,
    }

    impl LogSource for &Page {
        fn controller(&self) -> Result<DiscoveryController, AdminError> {
            Ok(DiscoveryController {
                subsystem_nqn: "d".into(),
                model: "m".into(),
                serial: "s".into(),
                firmware: "f".into(),
                cntlid: Cntlid(1),
            })
        }

        fn read(&self, command: &GetLogPage) -> Result<Vec<u8>, AdminError> {
            self.reads.borrow_mut().push((command.offset(), command.len(), command.retain));
            if self.fail {
                let failure = AdminFailure::Io(std::io::Error::from(Errno::EACCES));
                return Err(AdminError { op: AdminOp::GetLogPage, path: "/dev/nvme3".into(), failure });
            }
            let at = usize::try_from(command.offset()).unwrap();
            let mut piece = self.bytes[at..].to_vec();
            piece.resize(usize::try_from(command.len()).unwrap(), 0);
            Ok(piece)
        }
    }

    fn page(records: u16, fail: bool) -> Page {
        let entries = (0..records).map(|n| {
            let nqn = format!("sub{n}").parse().unwrap();
            DiscoveryEntry::tcp(SubsystemType::NVM, &nqn, &"192.0.2.10".parse().unwrap(), 4420)
        });
        let bytes = DiscoveryLog::new(7, entries.collect()).encode();
        Page { bytes, reads: RefCell::default(), fail }
    }

    fn request() -> DiscoveryRequest {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        DiscoveryRequest::tcp("192.0.2.10".parse().unwrap(), 8009, host).unwrap()
    }

    /// Runs a discovery against the page; the controller appears with the write and goes when it is asked to.
    fn run(page: &Page) -> (Result<Discovered, DiscoverError>, bool) {
        let f = Fixture::new();
        let dir = f.root().join("sys/class/nvme/nvme3");
        let device = ScriptedDevice::new(OptionList::Unavailable).answer(Ok("instance=3,cntlid=1\n"));
        f.controller("nvme3", TCP, &[("subsysnqn", "d"), ("delete_controller", "")]);
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                let asked = || fs::read(dir.join("delete_controller")).is_ok_and(|t| t.starts_with(b"1"));
                if poll(Duration::from_secs(5), || asked().then_some(())).is_some() {
                    fs::remove_dir_all(&dir).unwrap();
                }
            });
            discover_with(&device, &f.sysfs(), &mut NoLog, &request(), |_| Ok(page))
        });
        (result, dir.exists())
    }

    #[test]
    fn the_log_is_read_in_pieces_and_the_controller_removed() {
        let page = page(5, false);
        let (found, still_there) = run(&page);
        let found = found.unwrap();
        assert_eq!(found.log.entries.len(), 5);
        assert_eq!(found.log.entries[4].subnqn_text(), "sub4");
        assert!(!still_there);
        let pieces: Vec<(u64, u64)> = page.reads.borrow().iter().map(|(at, len, _)| (*at, *len)).collect();
        assert_eq!(pieces, [(0, 20), (1024, 4096), (5120, 1024), (0, 20)]);
    }

    #[test]
    fn the_controller_is_removed_after_a_failure_too() {
        let (error, still_there) = run(&page(1, true));
        let error = error.unwrap_err();
        assert!(matches!(error, DiscoverError::Command(_)), "{error}");
        assert_eq!(error.errno(), Some(Errno::EACCES));
        assert!(!still_there);
    }

    #[test]
    fn a_controller_that_cannot_be_removed_is_named_with_the_log() {
        let f = Fixture::new();
        // No delete_controller: the kernel says ENOENT.
        f.controller("nvme3", TCP, &[("subsysnqn", "d")]);
        let device = ScriptedDevice::new(OptionList::Unavailable).answer(Ok("instance=3,cntlid=1\n"));
        let page = page(2, false);
        let error = discover_with(&device, &f.sysfs(), &mut NoLog, &request(), |_| Ok(&page)).unwrap_err();
        assert!(error.to_string().contains("disconnect -d nvme3"), "{error}");
        let DiscoverError::LeftOver { found, .. } = error else { panic!("{error}") };
        assert_eq!(found.unwrap().log.entries.len(), 2);
    }

    #[test]
    fn what_failed_first_is_told_too() {
        let f = Fixture::new();
        f.controller("nvme3", TCP, &[("subsysnqn", "d")]);
        let device = ScriptedDevice::new(OptionList::Unavailable).answer(Ok("instance=3,cntlid=1\n"));
        let page = page(1, true);
        let error = discover_with(&device, &f.sysfs(), &mut NoLog, &request(), |_| Ok(&page)).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("disconnect -d nvme3); before that: cannot ask for the discovery log: cannot "),
            "{text}"
        );
        assert_eq!(error.errno(), Some(Errno::EACCES));
    }

    #[test]
    fn a_refused_connection_leaves_nothing_to_remove() {
        let f = Fixture::new();
        let device = ScriptedDevice::new(OptionList::Unavailable).answer(Err(Errno::ECONNREFUSED));
        let page = page(0, false);
        let error = discover_with(&device, &f.sysfs(), &mut NoLog, &request(), |_| Ok(&page)).unwrap_err();
        assert!(matches!(error, DiscoverError::Connect(_)), "{error}");
        assert!(page.reads.borrow().is_empty());
    }
}
