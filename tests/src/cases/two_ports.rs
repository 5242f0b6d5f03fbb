//! A subsystem behind two ports of this kernel's target, whose access can be changed from the target's side.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nvme_fabrics::{
    AnaState, ConnectOptions, Connected, ControllerName, GenericName, Inventory, Namespace, OsDevice, Sysfs,
    WhichNamespace, connect, wait_for_namespace,
};
use nvmet_configfs::{AnaGroupId, PortId, PortSpec, TargetSpec};

use super::scene::{self, PATIENCE, PORT};
use crate::guest::{Ctx, Failure};

/// The subsystem.
pub(super) const NQN: &str = "nqn.2024-05.org.example:two-ports";
/// The addresses of port 1 and port 2.
pub(super) const ADDRESSES: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

const TARGET: &str = "/sys/kernel/config/nvmet";

/// Makes the target: namespace 1 on a memory disk, ports 1 and 2, ANA group 1 optimized on both.
pub(super) fn make(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let nqn = scene::subsystem(NQN)?;
    let mut spec = TargetSpec::new().subsystem(nqn.clone(), scene::open_subsystem(&ctx.ram_disk(0)?)?);
    for (number, address) in (1..).zip(ADDRESSES) {
        let port = PortSpec::tcp(address.parse()?, PORT).export(nqn.clone());
        let group = AnaGroupId::new(1)?;
        spec = spec.port(PortId(number), port.ana_group(group, nvmet_configfs::AnaState::Optimized));
    }
    scene::configure(&spec).map(drop)
}

/// How this host connects to one of the ports: a lost connection is tried again every second, for `loss`.
pub(super) fn options(address: &str, loss: Duration) -> Result<ConnectOptions, Failure> {
    let loss = nvme_fabrics::ControllerLoss::After(loss);
    Ok(ConnectOptions::tcp(address.parse()?, PORT, scene::subsystem(NQN)?, scene::me()?)?
        .reconnect_delay(Duration::from_secs(1))?
        .controller_loss(loss)?)
}

/// Connects by a port, and waits for the block device.
pub(super) fn join(address: &str, loss: Duration) -> Result<(ControllerName, Namespace), Failure> {
    let Connected { controller, .. } =
        connect(&OsDevice::system(), &Sysfs::system(), &options(address, loss)?)?;
    let namespace = wait_for_namespace(&Sysfs::system(), controller, WhichNamespace::Nsid(1), PATIENCE)?;
    Ok((controller, namespace))
}

/// The character device of a namespace, which the kernel makes a moment after the block device.
pub(super) fn generic_of(ctx: &Ctx, namespace: &Namespace) -> Result<GenericName, Failure> {
    let mut generic = None;
    ctx.wait_for("a character device", PATIENCE, || {
        let inventory = Inventory::scan_quietly(&Sysfs::system())?;
        generic = inventory.namespace(namespace.name).and_then(|(_, now)| now.generic);
        Ok(generic.is_some_and(|generic| generic.dev_path().exists()))
    })?;
    generic.ok_or_else(|| Failure::new("no character device"))
}

/// Changes the access by one port.
pub(super) fn set_access(port: u16, state: &str) -> Result<(), Failure> {
    Ok(fs::write(format!("{TARGET}/ports/{port}/ana_groups/1/ana_state"), state)?)
}

fn link(port: u16) -> PathBuf {
    Path::new(TARGET).join(format!("ports/{port}/subsystems/{NQN}"))
}

/// Takes the subsystem off a port: the target breaks all connections by it.
pub(super) fn close(port: u16) -> Result<(), Failure> {
    Ok(fs::remove_file(link(port))?)
}

/// Puts it back.
pub(super) fn open(port: u16) -> Result<(), Failure> {
    Ok(std::os::unix::fs::symlink(format!("{TARGET}/subsystems/{NQN}"), link(port))?)
}

/// The access by a controller as this host sees it.
pub(super) fn access(controller: ControllerName) -> Result<Option<AnaState>, Failure> {
    let inventory = Inventory::scan_quietly(&Sysfs::system())?;
    let path = inventory.namespaces().flat_map(|(_, n)| &n.paths).find(|p| p.controller == controller);
    Ok(path.and_then(|path| path.ana_state.clone()))
}

/// A controller's state; `None` when it is gone.
pub(super) fn state(controller: ControllerName) -> Result<Option<String>, Failure> {
    let inventory = Inventory::scan_quietly(&Sysfs::system())?;
    Ok(inventory.controller(controller).map(|c| c.state.to_string()))
}
