//! A target that goes away: back in time, back too late, with its module; and what waits, inventories and events say of it.

use std::path::Path;
use std::time::{Duration, Instant};

use nvme_fabrics::kernel::wait::Patience;
use nvme_fabrics::{
    Cancel, Change, ConnectError, Controller, ControllerName, EventSocket, Inventory, OsDevice, Stage, Sysfs,
    WaitError, connect, wait_gone, wait_live,
};

use super::scene::{self, PATIENCE};
use super::two_ports::{self, ADDRESSES, join, state};
use super::verified::{Writers, read_first};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_outage::back_in_time_loses_nothing", back_in_time_loses_nothing),
    Case::new("fabrics_outage::back_too_late_is_gone", back_too_late_is_gone),
    Case::new("fabrics_outage::fast_io_fail_is_before_the_loss", fast_io_fail_is_before_the_loss),
    Case::new("fabrics_outage::modules_are_unloaded_and_loaded", modules_are_unloaded_and_loaded),
];

fn connection(controller: ControllerName) -> Result<Controller, Failure> {
    Controller::read(&Sysfs::system(), controller).ok_or_else(|| Failure::new("the controller is gone"))
}

fn lost(ctx: &Ctx, controller: ControllerName) -> Result<(), Failure> {
    ctx.wait_for("the loss to be noticed", PATIENCE, || {
        Ok(state(controller)?.as_deref() == Some("connecting"))
    })
}

fn back_in_time_loses_nothing(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (controller, disk) = join(ADDRESSES[0], Duration::from_secs(600))?;
    let writers = Writers::start(&disk.name.dev_path());
    writers.progress(ctx)?;
    let before = connection(controller)?;
    two_ports::close(1)?;
    lost(ctx, controller)?;

    // It counts as connected, is listed as what it is, and cannot be used.
    let again = connect(&OsDevice::system(), &Sysfs::system(), &two_ports::options(ADDRESSES[0], PATIENCE)?);
    ensure!(
        matches!(&again, Err(ConnectError::AlreadyConnected { controller: c, .. }) if *c == controller),
        "{again:?}"
    );
    let node = nvme_fabrics::kernel::ioctl::ControllerNode::open(controller.dev_path());
    let error = node.err().ok_or_else(|| Failure::new("a controller that is not live was opened"))?;
    ensure_eq!(error.errno(), Some(nvme_fabrics::Errno::EAGAIN), "errno of open");
    let short = wait_live(&Sysfs::system(), controller, Duration::from_millis(300));
    ensure!(matches!(short, Err(WaitError::NotLive { .. })), "{short:?}");
    let stop = Cancel::new();
    let stopper = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            stop.cancel();
        })
    };
    let begun = Instant::now();
    let stopped = wait_live(&Sysfs::system(), controller, Patience::new(PATIENCE).cancelled_by(&stop));
    ensure_eq!(stopped, Err(WaitError::Cancelled { controller }), "a stopped wait");
    ensure!(begun.elapsed() < PATIENCE / 2, "stopping took {:?}", begun.elapsed());
    stopper.join().map_err(|_| Failure::new("the stopper panicked"))?;

    two_ports::open(1)?;
    let now = wait_live(&Sysfs::system(), controller, PATIENCE)?;
    writers.progress(ctx)?;
    ensure_eq!((&now.name, &now.subsystem_nqn), (&before.name, &before.subsystem_nqn), "the controller");
    ensure_eq!(now.reconnect_delay, Some(Duration::from_secs(1)), "reconnect_delay");
    let written = writers.check()?;
    ctx.note(&format!("{written} writes over the outage"));
    scene::leave(controller)?;
    scene::clear_target()
}

fn back_too_late_is_gone(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let socket = EventSocket::open()?;
    let (controller, disk) = join(ADDRESSES[0], Duration::from_secs(2))?;
    let before = connection(controller)?;
    ensure_eq!(
        before.controller_loss,
        Some(nvme_fabrics::ControllerLoss::After(Duration::from_secs(2))),
        "ctrl_loss_tmo"
    );
    two_ports::close(1)?;
    let begun = Instant::now();
    wait_gone(&Sysfs::system(), &before, PATIENCE)?;
    ctx.note(&format!("gone {:.1} s after the target", begun.elapsed().as_secs_f64()));
    ensure!(begun.elapsed() > Duration::from_secs(1), "gone at once");
    ensure_eq!(state(controller)?, None, "state");
    ensure!(!disk.name.dev_path().exists(), "{} is still there", disk.name);
    let gone = wait_live(&Sysfs::system(), controller, PATIENCE);
    ensure_eq!(gone, Err(WaitError::Gone { controller, state: None }), "waiting for it to come back");

    let mut seen = Vec::new();
    while let Some(event) = socket.next_within(Duration::from_secs(2))? {
        seen.push(event.change);
    }
    let place = |change: &Change| match change {
        Change::ControllerRemoved { controller: c, place } if *c == controller => Some(place.clone()),
        _ => None,
    };
    let place = seen.iter().find_map(place).ok_or_else(|| Failure::new(format!("{seen:?}")))?;
    ensure_eq!(place.traddr.as_deref(), Some(ADDRESSES[0]), "where it was connected to");
    ensure!(seen.contains(&Change::NamespaceRemoved { namespace: disk.name }), "{seen:?}");
    scene::clear_target()
}

fn fast_io_fail_is_before_the_loss(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let options = two_ports::options(ADDRESSES[0], Duration::from_secs(600))?
        .fast_io_fail(nvme_fabrics::FastIoFail::After(Duration::from_secs(1)))?;
    let controller = connect(&OsDevice::system(), &Sysfs::system(), &options)?.controller;
    let disk = scene::device_of(controller)?;
    two_ports::close(1)?;
    lost(ctx, controller)?;
    // The read waits at first, and fails long before the controller is given up.
    let begun = Instant::now();
    let read = read_first(&disk);
    ensure!(read.is_err(), "a read without a path succeeded");
    ensure!(begun.elapsed() < PATIENCE, "the read took {:?}", begun.elapsed());
    ensure!(state(controller)?.is_some(), "the controller was given up");
    two_ports::open(1)?;
    wait_live(&Sysfs::system(), controller, PATIENCE)?;
    read_first(&disk)?;
    scene::leave(controller)?;
    scene::clear_target()
}

fn modules_are_unloaded_and_loaded(ctx: &mut Ctx) -> Result<(), Failure> {
    two_ports::make(ctx)?;
    let (controller, _) = join(ADDRESSES[0], Duration::from_secs(600))?;
    let before = connection(controller)?;
    // Unloading the transport takes all its controllers with it.
    ctx.run("rmmod", ["nvme_tcp"])?;
    wait_gone(&Sysfs::system(), &before, PATIENCE)?;
    ensure_eq!(Inventory::scan(&Sysfs::system())?.controllers().count(), 0, "controllers");

    // Earlier cases may have loaded other transports.
    for module in ["nvme_loop", "nvme_rdma", "nvme_fc"] {
        if Path::new("/sys/module").join(module).exists() {
            ctx.run("rmmod", [module])?;
        }
    }
    ctx.run("rmmod", ["nvme_fabrics"])?;
    let options = two_ports::options(ADDRESSES[0], PATIENCE)?;
    let refused = connect(&OsDevice::system(), &Sysfs::system(), &options);
    let error = refused.err().ok_or_else(|| Failure::new("connected without a module"))?;
    ensure_eq!((error.stage(), error.errno()), (Stage::Device, Some(nvme_fabrics::Errno::ENOENT)), "refusal");
    ensure!(error.hint().contains("modprobe nvme-tcp"), "{}", error.hint());

    ctx.modprobe("nvme-tcp")?;
    let (controller, _) = join(ADDRESSES[0], PATIENCE)?;
    scene::leave(controller)?;
    scene::clear_target()
}
