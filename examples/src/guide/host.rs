//! The host's half of the story: discover, connect, list, use, disconnect.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nvme_fabrics::{
    ConnectOptions, ControllerName, DiscoveryRequest, Force, HostIdentity, Inventory, Namespace, OsDevice,
    Patience, Selector, Sysfs, WhichNamespace, connect, disconnect, discover, discovery, list, modules,
    wait_for_namespace,
};

use super::Guide;
use super::story::Step;
use crate::bench::disk::{Caching, Content};
use crate::bench::{self, BenchError, Disk, Job, Pattern};
use crate::filesystem::{self, Checked, FilesystemError, Mounted};

/// Why a step on the host's side failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostStepError {
    /// The module cannot be loaded.
    #[error(transparent)]
    Load(#[from] modules::ModuleError),
    /// Who this host is cannot be found out.
    #[error(transparent)]
    Identity(#[from] nvme_fabrics::IdentityError),
    /// An option is out of range.
    #[error(transparent)]
    Option(#[from] nvme_fabrics::OptionError),
    /// The target did not answer, or not with its log.
    #[error(transparent)]
    Discover(#[from] nvme_fabrics::DiscoverError),
    /// The target answered and does not export the subsystem to this host.
    #[error("the target's discovery log does not list {0}")]
    NotExported(String),
    /// The connection was refused.
    #[error(transparent)]
    Connect(#[from] nvme_fabrics::ConnectError),
    /// The block device did not appear.
    #[error(transparent)]
    Wait(#[from] nvme_fabrics::WaitError),
    /// sysfs cannot be read.
    #[error(transparent)]
    Scan(#[from] nvme_fabrics::ScanError),
    /// The controller cannot be removed.
    #[error(transparent)]
    Disconnect(#[from] nvme_fabrics::DisconnectError),
    /// The file system failed.
    #[error(transparent)]
    Filesystem(#[from] FilesystemError),
    /// The I/O profile failed.
    #[error(transparent)]
    Profile(#[from] BenchError),
    /// A step needs what an earlier one makes.
    #[error("there is no {0} yet")]
    Missing(&'static str),
    /// The mount point cannot be made or removed.
    #[error("cannot {operation} the mount point {}", .path.display())]
    MountPoint {
        /// `make` or `remove`.
        operation: &'static str,
        /// The directory, or where it should be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How long the block device may take to appear, and the controller to go.
const PATIENCE: Duration = Duration::from_secs(60);

/// The initiator, as far as it has come.
pub(super) struct Host {
    device: OsDevice,
    sysfs: Sysfs,
    identity: HostIdentity,
    controller: Option<ControllerName>,
    namespace: Option<Namespace>,
    mounted: Option<Mounted>,
    /// A directory of ours. It is only ever removed empty: never with what is mounted on it.
    mount_point: Option<PathBuf>,
}

impl Host {
    /// Loads `nvme-tcp`, which brings `nvme-fabrics` and its device node.
    pub(super) fn load(step: &mut Step<'_>) -> Result<(), HostStepError> {
        if modules::state(&Sysfs::system(), "nvme-tcp") == modules::ModuleState::Loaded {
            step.did("nvme-tcp is there already");
            return Ok(());
        }
        modules::load("nvme-tcp")?;
        step.did("modprobe nvme-tcp");
        Ok(())
    }

    /// Asks the discovery controller and checks that the subsystem is in its log.
    pub(super) fn discover(guide: &Guide, step: &mut Step<'_>) -> Result<Self, HostStepError> {
        let (device, sysfs) = (OsDevice::system(), Sysfs::system());
        let sourced = nvme_fabrics::IdentityFiles::system().resolve(guide.host_nqn.clone(), None)?;
        step.did(format!("as host {} ({})", sourced.identity.nqn, sourced.source));
        let request = DiscoveryRequest::tcp(guide.traddr.clone(), guide.trsvcid, sourced.identity.clone())?;
        let log = discover(&device, &sysfs, &request)?.log;
        step.did(discovery::text::render(&log).trim());
        let wanted = guide.nqn.as_str();
        if !log.entries.iter().any(|entry| discovery::text::subnqn(entry) == wanted) {
            return Err(HostStepError::NotExported(wanted.to_owned()));
        }
        Ok(Self {
            device,
            sysfs,
            identity: sourced.identity,
            controller: None,
            namespace: None,
            mounted: None,
            mount_point: None,
        })
    }

    /// Connects and waits for the block device.
    pub(super) fn connect(&mut self, guide: &Guide, step: &mut Step<'_>) -> Result<(), HostStepError> {
        let options = ConnectOptions::tcp(
            guide.traddr.clone(),
            guide.trsvcid,
            guide.nqn.clone(),
            self.identity.clone(),
        )?;
        let connected = connect(&self.device, &self.sysfs, &options)?;
        self.controller = Some(connected.controller);
        step.did(format!("{} is controller {}", connected.controller, connected.cntlid.0));
        let patience = Patience::new(PATIENCE).cancelled_by(step.stop());
        let namespace = wait_for_namespace(&self.sysfs, connected.controller, WhichNamespace::Any, patience)?;
        step.did(format!("{} is namespace {}", namespace.name.dev_path().display(), namespace.nsid));
        self.namespace = Some(namespace);
        Ok(())
    }

    /// Shows the device as `nvme list` does, and its subsystem with the path to it.
    pub(super) fn list(&self, step: &mut Step<'_>) -> Result<(), HostStepError> {
        let mut inventory = Inventory::scan(&self.sysfs)?;
        let controller = self.controller.ok_or(HostStepError::Missing("controller"))?;
        inventory.subsystems.retain(|s| s.controllers.iter().any(|c| c.name == controller));
        step.did(list::table(&list::rows(&inventory)));
        step.did(list::subsystems(&inventory));
        Ok(())
    }

    /// Makes the file system and mounts it on a temporary directory.
    pub(super) fn mount(&mut self, step: &mut Step<'_>) -> Result<(), HostStepError> {
        let disk = self.disk()?;
        filesystem::make_ext4(&disk)?;
        step.did(format!("mkfs.ext4 {}", disk.display()));
        let point = tempfile::Builder::new().prefix("nvme-guide-").tempdir().map_err(|source| {
            HostStepError::MountPoint { operation: "make", path: std::env::temp_dir(), source }
        })?;
        let point = &*self.mount_point.insert(point.keep());
        self.mounted = Some(Mounted::mount(&disk, point)?);
        step.did(format!("mount {} {}", disk.display(), point.display()));
        Ok(())
    }

    /// Writes a file, and compares what the device gives back.
    pub(super) fn use_disk(&self, step: &mut Step<'_>) -> Result<(), HostStepError> {
        let (path, len) = self.file("checked", 8)?;
        let checked = Checked::write(&path, len, 1)?;
        step.did(format!("wrote {} MiB, SHA-256 {}", len >> 20, checked.sha256));
        checked.verify()?;
        step.did("read back with direct I/O: the same");
        Ok(())
    }

    /// Runs the profile on a file of the mounted file system, so that random writes do not destroy it.
    pub(super) fn load_disk(&self, runtime: Duration, step: &mut Step<'_>) -> Result<(), HostStepError> {
        let (path, len) = self.file("profile", 4)?;
        Checked::write(&path, len, 2)?;
        for pattern in [Pattern::RandRead, Pattern::RandWrite] {
            let job = Job::guide(pattern, runtime);
            let disk = Disk::open(&path, &job, Caching::Direct, Content::Overwrite)?;
            let bar = step.bar(pattern.to_string(), runtime);
            let report = bench::run(&disk, &job, |tick| {
                bar.set_position(u64::try_from(tick.passed.as_millis()).unwrap_or(u64::MAX));
                step.goes_on()
            });
            bar.finish_and_clear();
            step.did(report?.to_string());
        }
        Ok(())
    }

    /// Unmounts and disconnects, as far as there is something to unmount and to disconnect.
    pub(super) fn leave(&mut self, step: &mut Step<'_>) -> Result<(), HostStepError> {
        if let Some(mounted) = self.mounted.take() {
            let point = mounted.point().to_owned();
            mounted.unmount()?;
            step.did(format!("umount {}", point.display()));
        }
        let removed = self.mount_point.take().map_or(Ok(()), |path| {
            let error =
                |source| HostStepError::MountPoint { operation: "remove", path: path.clone(), source };
            fs::remove_dir(&path).map_err(error)
        });
        if let Some(controller) = self.controller.take() {
            let gone = disconnect(&self.sysfs, &Selector::Controller(controller), Force::No, PATIENCE)?;
            for name in gone.controllers {
                step.did(format!("disconnected {name}"));
            }
        }
        removed
    }

    fn disk(&self) -> Result<PathBuf, HostStepError> {
        self.namespace.as_ref().map(|n| n.name.dev_path()).ok_or(HostStepError::Missing("block device"))
    }

    /// A file on the mounted file system of at most 1/`share` of the disk and at most 64 MiB.
    fn file(&self, name: &str, share: u64) -> Result<(PathBuf, u64), HostStepError> {
        let mounted = self.mounted.as_ref().ok_or(HostStepError::Missing("mounted file system"))?;
        let bytes = self.namespace.as_ref().map_or(0, |n| n.bytes);
        let len = (bytes / share).min(64 << 20) >> 20 << 20;
        Ok((mounted.point().join(name), len))
    }
}
