//! The target's half of the story: its module, the subsystem with its namespace, the port, and their removal.

use nvme_proto::{Nsid, SubsysNqn};
use nvmet_configfs::kernel::{self, Module, ModuleState, Roots};
use nvmet_configfs::{
    Buffering, DevicePath, NamespaceSpec, OsTree, Policy, PortId, PortSpec, SubsystemSpec, TargetSpec,
    observe, preflight, reconcile, withdraw,
};

use super::Guide;
use super::backing::Backing;
use super::story::Step;

/// Why the target could not be configured or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetStepError {
    /// The name is taken by something that is not the guide's.
    #[error(
        "the target has a subsystem `{0}` already, and the guide touches only what it made: choose another name with -n"
    )]
    SubsystemExists(SubsysNqn),
    /// All port numbers are taken.
    #[error("the target has no free port number")]
    NoPort,
    /// The module cannot be loaded.
    #[error(transparent)]
    Load(#[from] kernel::LoadError),
    /// configfs cannot be mounted.
    #[error(transparent)]
    MountConfigfs(#[from] kernel::MountError),
    /// The target's tree cannot be opened.
    #[error(transparent)]
    Open(#[from] nvmet_configfs::OpenError),
    /// The target's tree cannot be read.
    #[error(transparent)]
    Observe(#[from] nvmet_configfs::TreeError),
    /// The disk cannot be exported.
    #[error(transparent)]
    Device(#[from] nvmet_configfs::PreflightError),
    /// The disk's path is none the kernel takes.
    #[error(transparent)]
    DevicePath(#[from] nvmet_configfs::DevicePathError),
    /// The namespace number is none.
    #[error(transparent)]
    Nsid(#[from] nvme_proto::NsidError),
    /// The change was refused; the target is as it was.
    #[error(transparent)]
    Apply(#[from] nvmet_configfs::Error),
}

/// The target that the story made.
pub(super) struct Target {
    tree: OsTree,
    spec: TargetSpec,
}

impl Target {
    /// Loads `nvmet-tcp` and mounts configfs where that is missing.
    pub(super) fn load(step: &mut Step<'_>) -> Result<(), TargetStepError> {
        let report = kernel::check(&Roots::default());
        match report.modules.get(&Module::NvmetTcp) {
            Some(ModuleState::Loaded | ModuleState::BuiltIn) => step.did("nvmet-tcp is there already"),
            _ => {
                kernel::load_module(Module::NvmetTcp)?;
                step.did("modprobe nvmet-tcp");
            }
        }
        if !report.configfs.is_mounted() && !kernel::check(&Roots::default()).configfs.is_mounted() {
            kernel::mount_configfs()?;
            step.did("mount -t configfs none /sys/kernel/config");
        }
        Ok(())
    }

    /// Makes the subsystem with namespace 1 and exports it on a port of its own.
    pub(super) fn configure(
        guide: &Guide,
        disk: &Backing,
        step: &mut Step<'_>,
    ) -> Result<Self, TargetStepError> {
        let tree = OsTree::open_default()?;
        let before = observe(&tree)?;
        if before.subsystem(&guide.nqn).is_some() {
            return Err(TargetStepError::SubsystemExists(guide.nqn.clone()));
        }
        let port = (1..=u16::MAX)
            .map(PortId)
            .find(|id| before.port(*id).is_none())
            .ok_or(TargetStepError::NoPort)?;

        let mut namespace = NamespaceSpec::new(DevicePath::try_from(disk.path())?);
        if disk.needs_page_cache() {
            namespace = namespace.buffered(Buffering::PageCache);
        }
        let mut spec = TargetSpec::new();
        let mut subsystem = match &guide.host_nqn {
            None => SubsystemSpec::any_host(),
            Some(host) => {
                if before.host(host).is_none() {
                    spec = spec.host(host.clone());
                }
                SubsystemSpec::nobody().allow(host.clone())
            }
        };
        subsystem = subsystem.namespace(Nsid::new(1)?, namespace);
        let spec = spec
            .subsystem(guide.nqn.clone(), subsystem)
            .port(port, PortSpec::tcp(guide.traddr.clone(), guide.trsvcid).export(guide.nqn.clone()));

        preflight(&spec)?;
        let applied = reconcile(&tree, &spec, &Policy::default())?;
        for done in applied.steps() {
            step.did(done.to_string());
        }
        step.did(format!(
            "port {port} is enabled: tcp {}:{} exports {}",
            guide.traddr, guide.trsvcid, guide.nqn
        ));
        Ok(Self { tree, spec })
    }

    /// Removes what [`Target::configure`] made, and nothing else.
    pub(super) fn remove(self, step: &mut Step<'_>) -> Result<(), TargetStepError> {
        let applied = withdraw(&self.tree, &self.spec)?;
        for done in applied.steps() {
            step.did(done.to_string());
        }
        Ok(())
    }
}
