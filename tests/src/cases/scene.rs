//! What the cases set up again and again: a target made through `nvmet-configfs`, and a host of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nvme_fabrics::{
    ConnectError, ConnectOptions, Connected, ControllerName, Disconnected, Force, HostIdentity, OsDevice,
    Selector, Sysfs, WhichNamespace, connect, disconnect, wait_for_namespace,
};
use nvme_proto::{HostNqn, IpTraddr, Nsid, SubsysNqn};
use nvmet_configfs::{
    Consent, DevicePath, NamespaceSpec, OsTree, Policy, PortId, PortSpec, SubsystemSpec, TargetSpec, clear,
    reconcile,
};

use crate::guest::{Ctx, Failure};

/// How long anything may take in an emulated machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The target's port in all cases.
pub(super) const PORT: u16 = 4420;

/// A subsystem NQN.
pub(super) fn subsystem(name: &str) -> Result<SubsysNqn, Failure> {
    Ok(SubsysNqn::new(name)?)
}

/// A host with an NQN and an ID that belong together.
pub(super) fn host(nqn: &str) -> Result<HostIdentity, Failure> {
    Ok(HostIdentity::for_nqn(HostNqn::new(nqn)?))
}

/// The default host of the cases.
pub(super) fn me() -> Result<HostIdentity, Failure> {
    host("nqn.2024-05.org.example:me")
}

/// Namespace 1 on a device.
pub(super) fn disk(path: &Path) -> Result<(Nsid, NamespaceSpec), Failure> {
    Ok((Nsid::new(1)?, NamespaceSpec::new(DevicePath::new(path.to_string_lossy())?)))
}

/// The guide's subsystem: `nqn` with namespace 1 on `device`, open to any host.
pub(super) fn open_subsystem(device: &Path) -> Result<SubsystemSpec, Failure> {
    let (nsid, namespace) = disk(device)?;
    Ok(SubsystemSpec::any_host().namespace(nsid, namespace))
}

/// The guide's target: one subsystem on tcp `address`, port 1.
pub(super) fn guide_spec(nqn: &str, device: &Path, address: &str) -> Result<TargetSpec, Failure> {
    let nqn = subsystem(nqn)?;
    Ok(TargetSpec::new()
        .subsystem(nqn.clone(), open_subsystem(device)?)
        .port(PortId(1), PortSpec::tcp(address.parse()?, PORT).export(nqn)))
}

/// Loads both sides' modules.
pub(super) fn load(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvmet-tcp")?;
    ctx.modprobe("nvme-tcp")
}

/// Brings the target into a state, and says nothing of what it did.
pub(super) fn configure(spec: &TargetSpec) -> Result<OsTree, Failure> {
    let tree = OsTree::open_default()?;
    reconcile(&tree, spec, &Policy::default().consent(Consent::Given))?;
    Ok(tree)
}

/// Empties the target.
pub(super) fn clear_target() -> Result<(), Failure> {
    clear(&OsTree::open_default()?)?;
    Ok(())
}

/// Connects to a subsystem at an address as a host.
pub(super) fn connect_as(
    identity: HostIdentity,
    nqn: &str,
    address: &str,
) -> Result<Connected, ConnectFailure> {
    let address: IpTraddr = address.parse().map_err(|e| ConnectFailure::Other(Failure::from(e)))?;
    let nqn = SubsysNqn::new(nqn).map_err(|e| ConnectFailure::Other(Failure::from(e)))?;
    let options = ConnectOptions::tcp(address, PORT, nqn, identity)
        .map_err(|e| ConnectFailure::Other(Failure::from(e)))?;
    connect(&OsDevice::system(), &Sysfs::system(), &options).map_err(ConnectFailure::Connect)
}

/// Keeps the typed error of a connect apart from everything else that can go wrong in a case.
#[derive(Debug)]
pub(super) enum ConnectFailure {
    /// What `nvme_fabrics::connect` said.
    Connect(ConnectError),
    /// A name or address of the case is wrong.
    Other(Failure),
}

impl From<ConnectFailure> for Failure {
    fn from(failure: ConnectFailure) -> Self {
        match failure {
            ConnectFailure::Connect(error) => Self::from(error),
            ConnectFailure::Other(failure) => failure,
        }
    }
}

/// The error of a connect that must not work.
pub(super) fn refused(outcome: Result<Connected, ConnectFailure>) -> Result<ConnectError, Failure> {
    match outcome {
        Ok(connected) => {
            leave(connected.controller)?;
            Err(Failure::new("the connect was not refused"))
        }
        Err(ConnectFailure::Connect(error)) => Ok(error),
        Err(ConnectFailure::Other(failure)) => Err(failure),
    }
}

/// Waits for a controller's first block device.
pub(super) fn device_of(controller: ControllerName) -> Result<PathBuf, Failure> {
    Ok(wait_for_namespace(&Sysfs::system(), controller, WhichNamespace::Any, PATIENCE)?.name.dev_path())
}

/// Removes one controller.
pub(super) fn leave(controller: ControllerName) -> Result<Disconnected, Failure> {
    Ok(disconnect(&Sysfs::system(), &Selector::Controller(controller), Force::No, PATIENCE)?)
}

/// What nvme-cli of Debian 13 says when it tries to connect as this host, with these options, and must not get through; printed below the case.
pub(super) fn nvme_cli_is_refused(
    ctx: &mut Ctx,
    me: &HostIdentity,
    nqn: &str,
    more: &[&str],
) -> Result<(), Failure> {
    let (host, id, port) = (me.nqn.to_string(), me.id.to_string(), PORT.to_string());
    let place =
        ["connect", "-t", "tcp", "-a", "127.0.0.1", "-s", &*port, "-n", nqn, "-q", &*host, "-I", &*id];
    let ran = ctx.try_run("nvme-2.13", [&place[..], more].concat())?;
    if ran.code == Some(0) {
        return Err(Failure::new("nvme-cli connected"));
    }
    ctx.note(&format!("    nvme-cli 2.13: {}", ran.stderr.trim()));
    Ok(())
}
