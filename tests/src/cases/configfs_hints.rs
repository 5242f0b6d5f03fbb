//! Refusals of the kernel beyond the recorded ones, each provoked, and each with a hint that names the way out.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{Uid, setfsuid};
use nvme_examples::vm::Release;
use nvmet_configfs::{Errno, OsTree, RelPath, Tree, TreeError, clear};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("configfs_hints::refusals_on_the_tree_itself", refusals_on_the_tree_itself),
    Case::new("configfs_hints::devices_that_cannot_be_enabled", devices_that_cannot_be_enabled),
    Case::new(
        "configfs_hints::what_is_fixed_once_a_host_has_connected",
        what_is_fixed_once_a_host_has_connected,
    ),
    Case::new("configfs_hints::the_target_goes_away", the_target_goes_away),
    Case::new("configfs_hints::a_port_number_that_needs_a_capability", a_port_number_that_needs_a_capability),
    Case::new("configfs_hints::without_being_root", without_being_root),
    Case::new("configfs_hints::a_kernel_without_ipv6", a_kernel_without_ipv6)
        .on_a_kernel_with("ipv6.disable=1"),
];

const S: &str = "subsystems/s";
const N: &str = "subsystems/s/namespaces/1";

fn path(text: &str) -> Result<RelPath, Failure> {
    Ok(RelPath::new(text)?)
}

/// The target as the operations below expect it: a subsystem with a namespace, a host, two ports.
fn begin(ctx: &mut Ctx) -> Result<OsTree, Failure> {
    scene::load(ctx)?;
    ctx.ram_disk(1)?;
    let tree = OsTree::open_default()?;
    for object in ["hosts/h", S, N, "ports/1", "ports/2"] {
        tree.mkdir(&path(object)?)?;
    }
    write(&tree, &format!("{N}/device_path"), "/dev/ram0")?;
    for (port, service) in [(1, "4420"), (2, "4421")] {
        for (name, value) in
            [("trtype", "tcp"), ("adrfam", "ipv4"), ("traddr", "127.0.0.1"), ("trsvcid", service)]
        {
            write(&tree, &format!("ports/{port}/addr_{name}"), value)?;
        }
    }
    Ok(tree)
}

fn write(tree: &OsTree, attribute: &str, value: &str) -> Result<(), Failure> {
    Ok(tree.write(&path(attribute)?, value.as_bytes())?)
}

/// The error that was expected, with a hint that says this.
fn refused<T>(result: Result<T, TreeError>, errno: Errno, hint: &str) -> Result<(), Failure> {
    let Err(error) = result else { return Err(Failure::new(format!("not refused; {errno:?} was expected"))) };
    ensure_eq!(error.errno(), errno, format!("{error}"));
    ensure!(error.hint().is_some_and(|text| text.contains(hint)), "{error}: the hint lacks {hint:?}");
    Ok(())
}

fn refusals_on_the_tree_itself(ctx: &mut Ctx) -> Result<(), Failure> {
    let tree = begin(ctx)?;
    let mkdir = |at: &str| -> Result<_, Failure> { Ok(tree.mkdir(&path(at)?)) };
    let rmdir = |at: &str| -> Result<_, Failure> { Ok(tree.rmdir(&path(at)?)) };
    let read = |at: &str| -> Result<_, Failure> { Ok(tree.read(&path(at)?)) };
    let store =
        |at: &str, value: &str| -> Result<_, Failure> { Ok(tree.write(&path(at)?, value.as_bytes())) };
    let link = |at: &str, to: &str| -> Result<_, Failure> { Ok(tree.symlink(&path(at)?, &path(to)?)) };
    let unlink = |at: &str| -> Result<_, Failure> { Ok(tree.unlink(&path(at)?)) };

    refused(store("subsystems/s/namespace/1/enable", "1")?, Errno::ENOENT, "plural")?;
    refused(read("subsystems/s/namespace/1/enable")?, Errno::ENOENT, "plural")?;
    for object in ["hosts/h", S, N, "ports/1"] {
        refused(mkdir(object)?, Errno::EEXIST, "another tool may have made it")?;
    }
    refused(mkdir("subsystems/none/namespaces/1")?, Errno::ENOENT, "make the subsystem first")?;
    refused(mkdir("subsystems/s/allowed_hosts/h")?, Errno::EPERM, "by a link to `hosts/")?;
    refused(mkdir("ports/1/subsystems/s")?, Errno::EPERM, "by a link to `subsystems/")?;
    refused(mkdir("ports/1/anything")?, Errno::EPERM, "no objects can be made here")?;
    refused(read(&format!("{N}/revalidate_size"))?, Errno::EACCES, "can only be written")?;
    refused(store(&format!("{N}/revalidate_size"), "1")?, Errno::EINVAL, "while the namespace is enabled")?;
    refused(store(&format!("{N}/no_such"), "1")?, Errno::ENOENT, "no such attribute")?;
    refused(store(&format!("{S}/attr_no_such"), "1")?, Errno::ENOENT, "no such attribute")?;
    refused(store("ports/1/addr_no_such", "1")?, Errno::ENOENT, "no such attribute")?;
    refused(store(&format!("{S}/attr_model"), "")?, Errno::EFAULT, "an empty value")?;
    refused(unlink(&format!("{S}/attr_model"))?, Errno::EPERM, "cannot be removed")?;
    refused(unlink(&format!("{S}/namespaces"))?, Errno::EISDIR, "is a directory")?;
    refused(rmdir(&format!("{S}/namespaces"))?, Errno::EPERM, "made by the kernel")?;
    refused(rmdir("ports/1/ana_groups/1")?, Errno::EPERM, "goes with its port")?;
    refused(mkdir("ports/1/ana_groups/129")?, Errno::EINVAL, "from 2 to 127")?;

    refused(
        link("subsystems/s/allowed_hosts/x", "hosts/none")?,
        Errno::ENOENT,
        "make `hosts/<host NQN>` first",
    )?;
    refused(link("ports/1/subsystems/x", "subsystems/none")?, Errno::ENOENT, "no such subsystem")?;
    refused(link("ports/1/subsystems/x", "hosts/h")?, Errno::EINVAL, "a host NQN cannot stand")?;
    refused(link("ports/1/subsystems/x", "ports/2")?, Errno::EINVAL, "only a subsystem")?;
    refused(link("hosts/x", "hosts/h")?, Errno::EPERM, "only be made below")?;
    link("subsystems/s/allowed_hosts/h", "hosts/h")??;
    refused(link("subsystems/s/allowed_hosts/again", "hosts/h")?, Errno::EEXIST, "another link name")?;
    refused(store(&format!("{S}/attr_allow_any_host"), "1")?, Errno::EINVAL, "`allowed_hosts` holds a link")?;
    refused(rmdir("hosts/h")?, Errno::EBUSY, "a subsystem permits it")?;
    refused(rmdir(S)?, Errno::ENOTEMPTY, "still has namespaces or allowed hosts")?;
    link("ports/1/subsystems/s", S)??;
    refused(link("ports/1/subsystems/again", S)?, Errno::EEXIST, "another link name")?;
    refused(rmdir(S)?, Errno::EBUSY, "a port exports it")?;
    refused(rmdir("ports/1")?, Errno::ENOTEMPTY, "still exports subsystems")?;
    refused(store("ports/1/addr_traddr", "::1")?, Errno::EACCES, "the port is in service")?;
    write(&tree, "ports/2/addr_trsvcid", "4420")?;
    refused(link("ports/2/subsystems/s", S)?, Errno::EADDRINUSE, "are taken")?;
    write(&tree, "ports/2/addr_traddr", "192.0.2.77")?;
    refused(link("ports/2/subsystems/s", S)?, Errno::EADDRNOTAVAIL, "no interface of this machine")?;
    write(&tree, "ports/2/addr_traddr", "localhost")?;
    refused(link("ports/2/subsystems/s", S)?, Errno::EINVAL, "plain IP address")?;
    // Another program has the address.
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    write(&tree, "ports/2/addr_traddr", "127.0.0.1")?;
    write(&tree, "ports/2/addr_trsvcid", &taken.local_addr()?.port().to_string())?;
    refused(link("ports/2/subsystems/s", S)?, Errno::EADDRINUSE, "or another program")?;

    match ctx.release() {
        Release::V6_1 => {
            refused(store("discovery_nqn", "nqn.x")?, Errno::ENOENT, "only the well-known discovery NQN")?;
            refused(store("hosts/h/dhchap_key", "DHHC-1:00:x:")?, Errno::ENOENT, "CONFIG_NVME_TARGET_AUTH")?;
            refused(
                store(&format!("{S}/passthru/enable"), "1")?,
                Errno::ENOENT,
                "CONFIG_NVME_TARGET_PASSTHRU",
            )?;
        }
        _ => {
            refused(
                store("discovery_nqn", "s")?,
                Errno::EINVAL,
                "no subsystem may have a name that starts with it",
            )?;
            refused(store("hosts/h/dhchap_key", "key")?, Errno::EINVAL, "starts with `DHHC-1:`")?;
            refused(store(&format!("{S}/passthru/enable"), "1")?, Errno::EINVAL, "needs `device_path`")?;
            refused(store(&format!("{S}/passthru/io_timeout"), "x")?, Errno::EINVAL, "a number")?;
        }
    }
    Ok(clear(&tree).map(drop)?)
}

fn devices_that_cannot_be_enabled(ctx: &mut Ctx) -> Result<(), Failure> {
    let tree = begin(ctx)?;
    // A device node without a driver, a device that is read-only, a file on a file system that is read-only.
    let node = ctx.scratch().join("node");
    mknod(&node, SFlag::S_IFBLK, Mode::from_bits_truncate(0o600), makedev(240, 7))?;
    ctx.run("blockdev", ["--setro", "/dev/ram1"])?;
    let image = ctx.loop_device(16 << 20)?;
    ctx.run("mkfs.ext4", ["-q".as_ref(), image.as_os_str()])?;
    let point = ctx.mount(&image, "ext4")?;
    let file = point.join("file");
    File::create(&file)?.set_len(1 << 20)?;
    mount(None::<&str>, &point, None::<&str>, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, None::<&str>)?;
    let on_tmpfs = ctx.scratch().join("on-tmpfs");
    File::create(&on_tmpfs)?.set_len(1 << 20)?;
    let folder = ctx.scratch().to_owned();
    let text = |path: &Path| path.display().to_string();
    let mut refusals = vec![
        (text(&node), Errno::ENXIO, "no driver behind it"),
        ("/dev/ram1".to_owned(), Errno::EACCES, "read-only"),
        (text(&file), Errno::EROFS, "read-only file system"),
        (text(&file.join("below")), Errno::ENOTDIR, "not a directory"),
        (text(&folder), Errno::EISDIR, "is a directory"),
        ("/dev/there-is-none".to_owned(), Errno::ENOENT, "names nothing that is here"),
        ("/dev/null".to_owned(), Errno::EINVAL, "no character device"),
    ];
    // A program that runs from tmpfs cannot be opened for writing.
    let program = ctx.scratch().join("sleep");
    fs::copy("/bin/busybox", &program)?;
    let mut running = Command::new(&program).arg("100").spawn()?;
    refusals.push((text(&program), Errno::ETXTBSY, "program"));
    if ctx.release() == Release::V6_1 {
        // Later ones do direct I/O on tmpfs.
        refusals.push((text(&on_tmpfs), Errno::EINVAL, "`buffered_io`"));
    }
    for (device, errno, hint) in &refusals {
        write(&tree, &format!("{N}/device_path"), device)?;
        let outcome = tree.write(&path(&format!("{N}/enable"))?, b"1");
        refused(outcome, *errno, hint).map_err(|e| e.while_doing(device))?;
    }
    running.kill()?;
    running.wait()?;
    ctx.run("blockdev", ["--setrw", "/dev/ram1"])?;
    // And one that can be: then its device is fixed.
    write(&tree, &format!("{N}/device_path"), "/dev/ram1")?;
    write(&tree, &format!("{N}/enable"), "1")?;
    for (attribute, errno) in
        [("device_path", Errno::EBUSY), ("device_uuid", Errno::EBUSY), ("buffered_io", Errno::EINVAL)]
    {
        let outcome = tree.write(&path(&format!("{N}/{attribute}"))?, b"1");
        refused(outcome, errno, "write 0 to its `enable` first")?;
    }
    ctx.note(&format!("{} devices refused", refusals.len()));
    clear(&tree)?;
    Ok(fs::remove_file(node)?)
}

fn what_is_fixed_once_a_host_has_connected(ctx: &mut Ctx) -> Result<(), Failure> {
    let tree = begin(ctx)?;
    write(&tree, &format!("{S}/attr_allow_any_host"), "1")?;
    write(&tree, &format!("{N}/enable"), "1")?;
    let mut fixed = vec![("attr_serial", "S1"), ("attr_model", "M1"), ("attr_version", "1.4")];
    if ctx.release() != Release::V6_1 {
        fixed.extend([("attr_firmware", "F1"), ("attr_ieee_oui", "1")]);
    }
    for (attribute, value) in &fixed {
        write(&tree, &format!("{S}/{attribute}"), value)?;
    }
    tree.symlink(&path("ports/1/subsystems/s")?, &path(S)?)?;
    let connected = scene::connect_as(scene::me()?, "s", "127.0.0.1")?;
    scene::leave(connected.controller)?;
    for (attribute, value) in &fixed {
        let outcome = tree.write(&path(&format!("{S}/{attribute}"))?, value.as_bytes());
        refused(outcome, Errno::EINVAL, "fixed once a host has connected")
            .map_err(|e| e.while_doing(attribute))?;
    }
    ctx.note(&format!("{} attributes are fixed", fixed.len()));
    Ok(clear(&tree).map(drop)?)
}

fn the_target_goes_away(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let tree = OsTree::open_default()?;
    for module in ["nvmet_tcp", "nvme_loop", "nvmet"] {
        if Path::new("/sys/module").join(module).exists() {
            ctx.run("rmmod", [module])?;
        }
    }
    refused(tree.list(&RelPath::root()), Errno::ENOENT, "modprobe nvmet-tcp")
}

fn a_port_number_that_needs_a_capability(ctx: &mut Ctx) -> Result<(), Failure> {
    let tree = begin(ctx)?;
    let file = ctx.scratch().join("privileged.toml");
    fs::write(
        &file,
        "version = 1\n[subsystems.s]\nhosts = []\n[ports.1]\naddr_trtype = 'tcp'\naddr_adrfam = 'ipv4'\n\
         addr_traddr = '127.0.0.1'\naddr_trsvcid = '1023'\nsubsystems = ['s']\n",
    )?;
    let file = file.display().to_string();
    let before = ctx.nvmet_dump()?;
    let without = ["--bounding-set=-net_bind_service", "target", "apply", &*file];
    let ran = ctx.try_run("setpriv", without)?;
    ensure_eq!(ran.code, Some(1), format!("exit status: {}", ran.stderr));
    ensure!(ran.stderr.contains("CAP_NET_BIND_SERVICE"), "{}", ran.stderr);
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    ctx.run("target", ["apply", &*file])?;
    Ok(clear(&tree).map(drop)?)
}

fn without_being_root(ctx: &mut Ctx) -> Result<(), Failure> {
    let tree = begin(ctx)?;
    tree.symlink(&path("subsystems/s/allowed_hosts/h")?, &path("hosts/h")?)?;
    tree.mkdir(&path("hosts/i")?)?;
    let before = ctx.nvmet_dump()?;
    let refused_all = || -> Result<(), Failure> {
        let store = |at: &str| -> Result<_, Failure> { Ok(tree.write(&path(at)?, b"1")) };
        refused(tree.mkdir(&path("hosts/x")?), Errno::EACCES, "only root")?;
        refused(tree.rmdir(&path("hosts/i")?), Errno::EACCES, "only root")?;
        let permission = path("subsystems/s/allowed_hosts/i")?;
        refused(tree.symlink(&permission, &path("hosts/i")?), Errno::EACCES, "only root")?;
        refused(tree.unlink(&path("subsystems/s/allowed_hosts/h")?), Errno::EACCES, "only root")?;
        refused(store(&format!("{S}/attr_model"))?, Errno::EACCES, "only root")?;
        // What another answer of the same number would be is said first here.
        let export = path("ports/1/subsystems/s")?;
        refused(tree.symlink(&export, &path(S)?), Errno::EACCES, "or this process is not root")?;
        for attribute in ["ports/1/addr_traddr", "subsystems/s/namespaces/1/enable"] {
            refused(store(attribute)?, Errno::EACCES, "or this process is not root")?;
        }
        Ok(())
    };
    // The user whom the file system asks about belongs to the thread.
    thread::scope(|scope| {
        let unprivileged = scope.spawn(|| {
            setfsuid(Uid::from_raw(65534));
            refused_all()
        });
        unprivileged.join().map_err(|_| Failure::new("the thread panicked"))?
    })?;
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    Ok(clear(&tree).map(drop)?)
}

fn a_kernel_without_ipv6(ctx: &mut Ctx) -> Result<(), Failure> {
    let tree = begin(ctx)?;
    write(&tree, "ports/2/addr_adrfam", "ipv6")?;
    write(&tree, "ports/2/addr_traddr", "::1")?;
    let refusal = tree.symlink(&path("ports/2/subsystems/s")?, &path(S)?);
    refused(refusal, Errno::EAFNOSUPPORT, "has no IPv6, or it is switched off")?;
    // IPv4 is as it was.
    tree.symlink(&path("ports/1/subsystems/s")?, &path(S)?)?;
    Ok(clear(&tree).map(drop)?)
}
