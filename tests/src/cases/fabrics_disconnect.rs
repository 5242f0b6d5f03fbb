//! Disconnecting: by address, from under users, while others disconnect, while the kernel gives up, and before a first connect is through.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nvme_examples::vm::Release;
use nvme_fabrics::{
    AddressSelector, ConnectOptions, Controller, ControllerLoss, DeleteFailure, DisconnectError, Errno,
    Force, Inventory, OsDevice, Selector, Sysfs, connect, disconnect, plan_disconnect,
};
use nvmet_configfs::{OsTree, PortId, PortSpec, RelPath, TargetSpec, Tree};
use serde_json::Value;

use super::fabrics_discover::{connected, leave_all};
use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_disconnect::by_address", by_address),
    Case::new("fabrics_disconnect::two_at_once_remove_one", two_at_once_remove_one),
    Case::new("fabrics_disconnect::while_the_first_connect_hangs", while_the_first_connect_hangs),
    Case::new("fabrics_disconnect::while_the_kernel_gives_up", while_the_kernel_gives_up),
    Case::new("fabrics_disconnect::the_last_path_of_a_mounted_disk", the_last_path_of_a_mounted_disk),
    Case::new("fabrics_disconnect::what_is_used_otherwise", what_is_used_otherwise),
];

const NQN: &str = "nqn.2024-05.org.example:paths";
/// `O_EXCL` of all architectures: claims a block device.
const O_EXCL: i32 = 0o200;

/// One subsystem at three addresses.
fn target(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let nqn = scene::subsystem(NQN)?;
    let port =
        |address: &str| Ok::<_, Failure>(PortSpec::tcp(address.parse()?, scene::PORT).export(nqn.clone()));
    let spec = TargetSpec::new()
        .subsystem(nqn.clone(), scene::open_subsystem(&ctx.ram_disk(0)?)?)
        .port(PortId(1), port("127.0.0.1")?)
        .port(PortId(2), port("127.0.0.2")?)
        .port(PortId(3), port("::1")?);
    scene::configure(&spec)?;
    Ok(())
}

fn paths() -> Result<Vec<nvme_fabrics::ControllerName>, Failure> {
    let made = ["127.0.0.1", "127.0.0.2", "::1"]
        .map(|address| scene::connect_as(scene::me()?, NQN, address).map_err(Failure::from));
    made.into_iter().map(|made| Ok(made?.controller)).collect()
}

fn by_address(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let made = paths()?;
    let sysfs = Sysfs::system();
    let by = |address: AddressSelector| {
        disconnect(&sysfs, &Selector::Address(address), Force::No, scene::PATIENCE)
    };
    // Any spelling finds it; what does not fit in one part does not.
    for wrong in [
        AddressSelector::new("127.0.0.9"),
        AddressSelector::new("::1").port(4421),
        AddressSelector::new("::1").nqn(scene::subsystem("other")?),
        AddressSelector::new("::1").host_iface("eth9"),
    ] {
        match by(wrong) {
            Err(error @ DisconnectError::NothingMatched { .. }) => ctx.note(&error.to_string()),
            other => return Err(Failure::new(format!("{other:?}"))),
        }
    }
    let done = by(AddressSelector::new("0:0:0:0:0:0:0:1").port(scene::PORT).nqn(scene::subsystem(NQN)?))?;
    ensure_eq!(done.controllers, vec![made[2]], "by the long form of ::1");
    ensure!(done.namespaces.is_empty(), "the disk stays by the other paths");
    let ran = ctx.try_run("disconnect", ["-a", "127.0.0.2", "-t", "tcp", "-s", "4420", "--json"])?;
    let value: Value = serde_json::from_str(&ran.stdout)?;
    ensure_eq!(value["disconnected"], serde_json::json!([made[1].to_string()]), "the program's answer");
    let ran = ctx.try_run("disconnect", ["-a", "127.0.0.2"])?;
    ensure!(ran.code == Some(1) && ran.stderr.contains("address 127.0.0.2 is not connected"), "{ran:?}");
    for usage in [
        &["-n", NQN, "--all"][..],
        &["-n", NQN, "-d", "nvme0"],
        &["-a", "127.0.0.1", "--all"],
        &["-s", "4420"],
        &[],
    ] {
        let ran = ctx.try_run("disconnect", usage)?;
        ensure_eq!(ran.code, Some(2), format!("exit status of disconnect {usage:?}"));
    }
    ensure_eq!(leave_all()?, 1, "what is left");
    scene::clear_target()
}

fn two_at_once_remove_one(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    for _ in 0..4 {
        let made = scene::connect_as(scene::me()?, NQN, "127.0.0.1")?.controller;
        let sysfs = Sysfs::system();
        let plan = || plan_disconnect(&sysfs, &Selector::Controller(made));
        let (one, two) = (plan()?, plan()?);
        let done = thread::scope(|scope| {
            let both =
                [one, two].map(|plan| scope.spawn(|| plan.execute(&sysfs, Force::No, scene::PATIENCE)));
            both.map(thread::ScopedJoinHandle::join)
        });
        for done in done {
            let done = done.map_err(|_| Failure::new("a thread panicked"))??;
            ensure_eq!(done.controllers, vec![made], "each says that it is gone");
        }
        ensure!(connected()?.is_empty(), "{:?}", connected()?);
    }
    scene::clear_target()
}

/// Since 6.3 the kernel refuses to delete a controller that never was live.
fn while_the_first_connect_hangs(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (accepted, has_accepted) = mpsc::channel();
    let (enough, heard_enough) = mpsc::channel::<()>();
    // Older kernels delete it when its connect has failed, so there it must fail by itself.
    let hangs = Duration::from_secs(if ctx.release() == Release::V6_1 { 2 } else { 40 });
    thread::spawn(move || {
        if let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 128]);
            let _ = accepted.send(());
            let _ = heard_enough.recv_timeout(hangs);
        }
    });
    let options = ConnectOptions::tcp("127.0.0.1".parse()?, port, scene::subsystem(NQN)?, scene::me()?)?;
    let connecting = thread::spawn(move || connect(&OsDevice::system(), &Sysfs::system(), &options));
    has_accepted.recv_timeout(scene::PATIENCE).map_err(|_| Failure::new("nobody connects"))?;
    let name = Inventory::scan(&Sysfs::system())?.controllers().next().map(|(_, c)| c.name);
    let name = name.ok_or_else(|| Failure::new("the controller is not listed"))?;
    match disconnect(&Sysfs::system(), &Selector::Controller(name), Force::No, Duration::from_secs(45)) {
        Err(DisconnectError::Incomplete { failed, .. }) => {
            let [DeleteFailure::Refused { source, .. }] = &failed[..] else {
                return Err(Failure::new(format!("{failed:?}")));
            };
            ensure_eq!(Errno::of(source), Some(Errno::EBUSY), "errno");
            ctx.note(&failed[0].to_string());
        }
        // Older kernels take it away; and by then it may have gone by itself.
        other if ctx.release() == Release::V6_1 => ctx.note(&format!("{other:?}")),
        other => return Err(Failure::new(format!("{other:?}"))),
    }
    drop(enough);
    let outcome = connecting.join().map_err(|_| Failure::new("the connect panicked"))?;
    ensure!(outcome.is_err(), "{outcome:?}");
    ensure!(connected()?.is_empty(), "a controller is left");
    Ok(())
}

/// The time for reconnecting is over just when somebody disconnects: both remove it.
fn while_the_kernel_gives_up(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let options =
        ConnectOptions::tcp("127.0.0.1".parse()?, scene::PORT, scene::subsystem(NQN)?, scene::me()?)?
            .keep_alive(Duration::from_secs(1))?
            .reconnect_delay(Duration::from_secs(1))?
            .controller_loss(ControllerLoss::After(Duration::from_secs(2)))?;
    let made = connect(&OsDevice::system(), &Sysfs::system(), &options)?.controller;
    OsTree::open_default()?.unlink(&RelPath::new(format!("ports/1/subsystems/{NQN}"))?)?;
    let sysfs = Sysfs::system();
    ctx.wait_for("the controller to be lost", scene::PATIENCE, || {
        Ok(Controller::read(&sysfs, made).is_none_or(|c| !c.state.is_live()))
    })?;
    match disconnect(&sysfs, &Selector::Controller(made), Force::No, scene::PATIENCE) {
        Ok(done) => ensure_eq!(done.controllers, vec![made], "what went"),
        Err(error @ DisconnectError::NothingMatched { .. }) => ctx.note(&format!("gone before: {error}")),
        Err(error) => return Err(error.into()),
    }
    ensure!(Controller::read(&sysfs, made).is_none(), "it is still there");
    scene::clear_target()
}

/// One path of two may go under a mounted file system; the last one only by force.
fn the_last_path_of_a_mounted_disk(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let made = paths()?;
    let disk = scene::device_of(made[0])?;
    let disk = disk.to_string_lossy().into_owned();
    ctx.run("mkfs.ext4", ["-q", "-F", &*disk])?;
    let point = ctx.mount(&disk, "ext4")?;
    // Without native multipath each path is a disk of its own, and the mounted one is that of the first path.
    let is_shared = Inventory::scan(&Sysfs::system())?.namespaces().any(|(_, n)| n.paths.len() == 3);
    if is_shared {
        for controller in &made[1..] {
            scene::leave(*controller)?;
        }
    }
    let by = |force| {
        disconnect(
            &Sysfs::system(),
            &Selector::Address(AddressSelector::new("127.0.0.1")),
            force,
            scene::PATIENCE,
        )
    };
    match by(Force::No) {
        Err(error @ DisconnectError::InUse { .. }) => {
            ctx.note(&error.to_string());
            ensure!(error.to_string().contains("is mounted on"), "{error}");
        }
        other => return Err(Failure::new(format!("{other:?}"))),
    }
    std::fs::write(point.join("file"), "still writable")?;
    ctx.umount(&point)?;
    ensure_eq!(by(Force::No)?.controllers, vec![made[0]], "once it is not mounted");
    leave_all()?;
    scene::clear_target()
}

/// A mirror of one disk, made as mdadm would make it; gives its directory in sysfs.
fn mirror(ctx: &mut Ctx, disk: &str) -> Result<PathBuf, Failure> {
    ctx.modprobe("md-mod")?;
    ctx.modprobe("raid1")?;
    fs::write("/sys/module/md_mod/parameters/new_array", "md_above")?;
    let array = PathBuf::from("/sys/block/md_above/md");
    let name = disk.trim_start_matches("/dev/");
    let number = fs::read_to_string(format!("/sys/block/{name}/dev"))?;
    for (attribute, value) in [
        ("level", "raid1"),
        ("raid_disks", "1"),
        ("metadata_version", "none"),
        ("new_dev", number.trim()),
        ("component_size", "1024"),
        (&*format!("dev-{name}/slot"), "0"),
        ("array_state", "active"),
    ] {
        fs::write(array.join(attribute), value)
            .map_err(|error| Failure::new(format!("{attribute} of md_above: {error}")))?;
    }
    Ok(array)
}

/// A disk below another one and below a mirror, swap space, and one that somebody has claimed; by its block device, its character device and its controller.
fn what_is_used_otherwise(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let made = scene::connect_as(scene::me()?, NQN, "127.0.0.1")?.controller;
    let disk = scene::device_of(made)?;
    let disk = disk.to_string_lossy().into_owned();
    let inventory = Inventory::scan(&Sysfs::system())?;
    let generic = inventory.namespaces().find_map(|(_, namespace)| namespace.generic);
    let generic = generic.ok_or_else(|| Failure::new("the namespace has no character device"))?;
    let by = |selector: &Selector| disconnect(&Sysfs::system(), selector, Force::No, scene::PATIENCE);
    let refused = |ctx: &mut Ctx, words: &str| {
        let device = generic.dev_path().to_string_lossy().into_owned();
        for selector in
            [Selector::device(&disk)?, Selector::device(&device)?, Selector::Controller(made), Selector::All]
        {
            match by(&selector) {
                Err(error @ DisconnectError::InUse { .. }) if error.to_string().contains(words) => {
                    ctx.note(&error.to_string());
                }
                other => return Err(Failure::new(format!("{selector}: {other:?}"))),
            }
        }
        Ok(())
    };

    ctx.modprobe("dm-mod")?;
    ctx.run("dmsetup", ["create", "above", "--noudevsync", "--table", &format!("0 2048 linear {disk} 0")])?;
    let held = refused(ctx, "is used by dm-");
    ctx.run("dmsetup", ["remove", "--noudevsync", "above"])?;
    held?;

    let array = mirror(ctx, &disk)?;
    let held = refused(ctx, "is used by md_above");
    fs::write(array.join("array_state"), "clear")?;
    held?;

    ctx.run("mkswap", [&*disk])?;
    ctx.run("swapon", [&*disk])?;
    let swap = refused(ctx, "is swap space");
    ctx.run("swapoff", [&*disk])?;
    swap?;

    let claim = OpenOptions::new().read(true).custom_flags(O_EXCL).open(&disk)?;
    refused(ctx, "is in use: mounted in another mount namespace, or opened for one user only")?;
    drop(claim);

    ensure_eq!(by(&Selector::Generic(generic))?.controllers, vec![made], "once nobody uses it");
    ensure!(connected()?.is_empty(), "something is left");
    scene::clear_target()
}
