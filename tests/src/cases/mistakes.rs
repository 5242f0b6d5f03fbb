//! The guide's own mistakes, and input that no target and no host can use: each gives a reason and a way out, and the
//! tree is as before.

use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nvme_fabrics::{DisconnectError, Force, Selector, Sysfs, disconnect};
use nvme_proto::SubsysNqn;
use nvmet_configfs::{DevicePath, Errno, OsTree, RelPath, Tree, preflight};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("mistakes::namespace_is_spelled_in_the_plural", namespace_is_spelled_in_the_plural),
    Case::new("mistakes::enabling_without_a_device", enabling_without_a_device),
    Case::new("mistakes::disconnecting_by_namespace_and_nqn", disconnecting_by_namespace_and_nqn),
    Case::new("mistakes::disconnecting_what_is_not_connected", disconnecting_what_is_not_connected),
    Case::new("mistakes::disconnecting_a_mounted_disk", disconnecting_a_mounted_disk),
    Case::new("mistakes::disconnecting_a_claimed_disk", disconnecting_a_claimed_disk),
    Case::new("mistakes::disconnecting_four_times_at_once", disconnecting_four_times_at_once),
    Case::new(
        "mistakes::link_local_addresses_need_their_interface",
        link_local_addresses_need_their_interface,
    ),
    Case::new("mistakes::not_being_root", not_being_root),
    Case::new("mistakes::a_module_that_is_not_loaded", a_module_that_is_not_loaded),
    Case::new("mistakes::devices_that_are_none", devices_that_are_none),
    Case::new("mistakes::names_that_are_none", names_that_are_none),
    Case::new("mistakes::the_programs_exit_with_2_on_wrong_usage", the_programs_exit_with_2_on_wrong_usage),
];

/// The guide says `namespace/1`.
fn namespace_is_spelled_in_the_plural(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let tree = OsTree::open_default()?;
    tree.mkdir(&RelPath::new("subsystems/mysub")?)?;
    for (path, errno) in
        [("subsystems/mysub/namespace", Errno::EPERM), ("subsystems/mysub/namespace/1", Errno::ENOENT)]
    {
        let Err(error) = tree.mkdir(&RelPath::new(path)?) else {
            return Err(Failure::new(format!("{path} was made")));
        };
        ensure_eq!(error.errno(), errno, path);
        ensure!(error.to_string().contains("namespaces"), "{error}");
        ctx.note(&error.to_string());
    }
    scene::clear_target()
}

fn enabling_without_a_device(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let tree = OsTree::open_default()?;
    tree.mkdir(&RelPath::new("subsystems/mysub")?)?;
    tree.mkdir(&RelPath::new("subsystems/mysub/namespaces/1")?)?;
    let Err(error) = tree.write(&RelPath::new("subsystems/mysub/namespaces/1/enable")?, b"1") else {
        return Err(Failure::new("a namespace without a device was enabled"));
    };
    ensure_eq!(error.errno(), Errno::EINVAL, "errno");
    ensure!(error.to_string().contains("device_path"), "{error}");
    ctx.note(&error.to_string());
    scene::clear_target()
}

/// The guide disconnects with a namespace device and an NQN at once.
fn disconnecting_by_namespace_and_nqn(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    let connected = scene::connect_as(scene::me()?, "mysub", "127.0.0.1")?;
    let device = scene::device_of(connected.controller)?;
    let device = device.display().to_string();

    let ran = ctx.try_run("disconnect", [&*device, "-n", "mysub"])?;
    ensure_eq!(ran.code, Some(2), "exit status of the guide's own form");
    // Usage follows every such error, so it must be our own words that name both ways out.
    let ways = format!("-d {device} finds the subsystem by itself");
    ensure!(ran.stderr.contains(&ways) && ran.stderr.contains("either -d or -n"), "{}", ran.stderr);
    ctx.note(ran.stderr.trim());
    let alone = ctx.try_run("disconnect", [&*device])?;
    ensure!(alone.code == Some(2) && alone.stderr.contains(&ways), "{alone:?}");

    let out = ctx.run("disconnect", ["-d", &*device])?;
    ensure_eq!(
        out.stdout.trim(),
        format!("disconnected 1 controller: {}", connected.controller),
        "what it says"
    );
    scene::clear_target()
}

fn disconnecting_what_is_not_connected(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let sysfs = Sysfs::system();
    for selector in [
        Selector::Subsystem(SubsysNqn::new("mysub")?),
        Selector::device("nvme7")?,
        Selector::device("/dev/nvme7n1")?,
    ] {
        let error = match disconnect(&sysfs, &selector, Force::No, scene::PATIENCE) {
            Ok(done) => return Err(Failure::new(format!("{:?} went", done.controllers))),
            Err(error) => error,
        };
        ensure!(matches!(error, DisconnectError::NothingMatched { .. }), "{error:?}");
        ctx.note(&error.to_string());
    }
    let ran = ctx.try_run("disconnect", ["-n", "mysub"])?;
    ensure_eq!(ran.code, Some(1), "exit status");
    ensure!(ran.stderr.contains("mysub"), "{}", ran.stderr);
    Ok(())
}

fn disconnecting_a_mounted_disk(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    let connected = scene::connect_as(scene::me()?, "mysub", "127.0.0.1")?;
    let device = scene::device_of(connected.controller)?;
    nvme_examples::filesystem::make_ext4(&device)?;
    let point = ctx.mount(&device, "ext4")?;
    let Err(failure) = scene::leave(connected.controller) else {
        return Err(Failure::new("a mounted disk went away"));
    };
    ensure!(failure.to_string().contains(&*point.to_string_lossy()), "{failure}");
    ctx.note(&failure.to_string());
    ctx.umount(&point)?;
    scene::leave(connected.controller)?;
    scene::clear_target()
}

/// A program that has the disk for itself (LVM, MD, a database) holds it without a mount.
fn disconnecting_a_claimed_disk(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    let connected = scene::connect_as(scene::me()?, "mysub", "127.0.0.1")?;
    let device = scene::device_of(connected.controller)?;
    let exclusive = nix::fcntl::OFlag::O_EXCL.bits();
    let holder = std::fs::OpenOptions::new().read(true).custom_flags(exclusive).open(&device)?;
    let Err(failure) = scene::leave(connected.controller) else {
        return Err(Failure::new("a claimed disk went away"));
    };
    ctx.note(&failure.to_string());
    ensure!(failure.to_string().contains("nvme0n1"), "{failure}");
    drop(holder);
    scene::leave(connected.controller)?;
    scene::clear_target()
}

fn disconnecting_four_times_at_once(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    let connected = scene::connect_as(scene::me()?, "mysub", "127.0.0.1")?;
    scene::device_of(connected.controller)?;
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let selector = Selector::Controller(connected.controller);
                    disconnect(&Sysfs::system(), &selector, Force::No, scene::PATIENCE)
                })
            })
            .collect();
        all.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    ensure_eq!(outcomes.len(), 4, "threads that came back");
    let mut removed = 0;
    for outcome in outcomes {
        match outcome {
            Ok(done) => removed += done.controllers.len(),
            // Who came last found nothing any more.
            Err(DisconnectError::NothingMatched { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    ensure!(removed >= 1, "nobody says that the controller went");
    scene::clear_target()
}

fn link_local_addresses_need_their_interface(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    for (address, wanted) in [("fe80::1", "interface"), ("fe80::1%nosuch", "nosuch")] {
        let failure = match scene::connect_as(scene::me()?, "mysub", address) {
            Ok(connected) => return Err(Failure::new(format!("{address} is connected: {connected:?}"))),
            Err(failure) => Failure::from(failure),
        };
        ensure!(failure.to_string().contains(wanted), "{address}: {failure}");
        ctx.note(&failure.to_string());
    }
    Ok(())
}

/// `echo` under sudo: the redirection runs as the user.
fn not_being_root(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    let before = ctx.nvmet_dump()?;
    for (program, args, wanted) in [
        ("target", &["clear"][..], "root"),
        ("connect", &["-t", "tcp", "-a", "127.0.0.1", "-n", "mysub"][..], "root"),
        ("discover", &["-a", "127.0.0.1", "-s", "4420", "--kernel"][..], "root"),
    ] {
        let out = Command::new(program).args(args).uid(65534).gid(65534).output()?;
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        ensure_eq!(out.status.code(), Some(1), format!("exit status of {program}: {stderr}"));
        ensure!(stderr.contains(wanted), "{program}: {stderr}");
        ctx.note(stderr.trim());
    }
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    scene::clear_target()
}

fn a_module_that_is_not_loaded(ctx: &mut Ctx) -> Result<(), Failure> {
    for module in ["nvmet-tcp", "nvme-tcp", "nvme-loop", "nvmet", "nvme-fabrics"] {
        // Not every kernel has all of them, and not all of them are loaded.
        ctx.try_run("rmmod", [module])?;
    }
    ensure!(!Path::new("/dev/nvme-fabrics").exists(), "nvme-fabrics cannot be unloaded");
    let target = ctx.try_run("target", ["show"])?;
    ensure_eq!(target.code, Some(1), "exit status of target show");
    ensure!(target.stderr.contains("modprobe nvmet-tcp"), "{}", target.stderr);
    ctx.note(target.stderr.trim());
    let connect = ctx.try_run("connect", ["-t", "tcp", "-a", "127.0.0.1", "-n", "mysub"])?;
    ensure_eq!(connect.code, Some(1), "exit status of connect");
    ensure!(connect.stderr.contains("modprobe nvme-tcp"), "{}", connect.stderr);
    ctx.note(connect.stderr.trim().lines().last().unwrap_or_default());
    let check = ctx.run("target", ["check"])?;
    ensure!(check.stdout.contains("modprobe nvmet-tcp"), "{}", check.stdout);
    Ok(())
}

fn devices_that_are_none(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let before = ctx.nvmet_dump()?;
    let missing = ctx.scratch().join("missing");
    // No name may be part of the reason that is looked for.
    let directory = ctx.scratch().join("one");
    let empty = ctx.scratch().join("two");
    std::fs::create_dir(&directory)?;
    std::fs::write(&empty, [])?;
    for (path, reason) in [(missing, "no such"), (directory, "directory"), (empty, "empty")] {
        let spec = scene::guide_spec("mysub", &path, "127.0.0.1")?;
        let Err(error) = preflight(&spec) else {
            return Err(Failure::new(format!("{} passes", path.display())));
        };
        let text = nvme_examples::cli::explain(&error).to_lowercase();
        ensure!(text.contains(reason) && text.contains(&*path.to_string_lossy()), "{text}");

        let shown = path.display().to_string();
        let args = ["create", "-n", "mysub", "--device", &shown, "-a", "127.0.0.1", "--allow-any-host"];
        let ran = ctx.try_run("target", args)?;
        ensure_eq!(ran.code, Some(1), format!("exit status for {shown}"));
        ensure!(ran.stderr.contains(&shown), "{}", ran.stderr);
        ctx.note(ran.stderr.trim());
        ensure_eq!(ctx.nvmet_dump()?, before, format!("the tree after {shown}"));
    }
    Ok(())
}

fn names_that_are_none(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let before = ctx.nvmet_dump()?;
    let long = "n".repeat(224);
    for name in ["", "a/b", "..", ".", "a\0b", "a,b", "a\nb", &long] {
        let Err(error) = SubsysNqn::new(name) else {
            return Err(Failure::new(format!("{name:?} is a name")));
        };
        ensure!(!error.to_string().is_empty(), "{name:?}");
    }
    ensure!(DevicePath::new("relative/path").is_err() && DevicePath::new("/a\nb").is_err(), "device paths");
    // NUL cannot be an argument of a program.
    for name in ["", "a/b", "..", "a,b", "a\nb", &long] {
        let args = ["create", "-n", name, "--device", "/dev/ram0", "-a", "127.0.0.1", "--allow-any-host"];
        let ran = ctx.try_run("target", args)?;
        ensure_eq!(ran.code, Some(2), format!("exit status for {name:?}: {}", ran.stderr));
        ctx.note(ran.stderr.lines().next().unwrap_or_default());
    }
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    Ok(())
}

fn the_programs_exit_with_2_on_wrong_usage(ctx: &mut Ctx) -> Result<(), Failure> {
    for (program, args) in [
        ("target", &["create", "-n", "mysub"][..]),
        ("connect", &["-t", "tcp", "-n", "mysub"][..]),
        ("connect", &["-t", "tcp", "-a", "256.1.1.1", "-n", "mysub"][..]),
        ("connect", &["-t", "tcp", "-a", "127.0.0.1", "-n", "mysub", "-Q", "15"][..]),
        ("discover", &["-a", "[::1]"][..]),
        ("discover", &["-a", "127.0.0.1", "-f", "a,b"][..]),
        ("connect", &["-t", "tcp", "-a", "127.0.0.1", "-n", "x", "--wait", "18446744073709551615"][..]),
        ("disconnect", &[][..]),
        ("disconnect", &["-d", "sda"][..]),
        ("disconnect", &["-n", "mysub", "--timeout", "18446744073709551615"][..]),
        ("disconnect", &["-n", "mysub", "-d", "nvme0"][..]),
        ("list", &["--nonsense"][..]),
        ("guide", &["--vm", "5.4"][..]),
        ("guide", &["--vm", "--runtime", "18446744073709551615"][..]),
        ("guide", &["--vm", "--device", "/dev/sdz"][..]),
    ] {
        let ran = ctx.try_run(program, args.iter().copied())?;
        ensure_eq!(ran.code, Some(2), format!("exit status of {program} {args:?}: {}", ran.stderr));
    }
    Ok(())
}
