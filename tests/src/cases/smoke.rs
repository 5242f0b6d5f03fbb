//! What every other case stands on: the modules load, the target's tree is there, a file system can be made.

use std::fs;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("smoke::modules_load_and_unload", modules_load_and_unload),
    Case::new("smoke::target_tree_is_there_and_empty", target_tree_is_there_and_empty),
    Case::new("smoke::ext4_on_a_memory_disk", ext4_on_a_memory_disk),
    Case::new("smoke::loop_device_is_the_file_behind_it", loop_device_is_the_file_behind_it),
    Case::new("smoke::loopback_has_both_addresses", loopback_has_both_addresses),
    Case::new("smoke::kernel_log_since_a_mark", kernel_log_since_a_mark),
];

fn modules_load_and_unload(ctx: &mut Ctx) -> Result<(), Failure> {
    for (module, folder) in
        [("nvmet-tcp", "nvmet_tcp"), ("nvme-tcp", "nvme_tcp"), ("null_blk", "null_blk"), ("dummy", "dummy")]
    {
        ctx.modprobe(module)?;
        ensure!(Path::new("/sys/module").join(folder).is_dir(), "{module} is not loaded");
        ctx.run("rmmod", [folder])?;
        ensure!(!Path::new("/sys/module").join(folder).exists(), "{module} is still loaded");
    }
    let ran = ctx.try_run("modprobe", ["no-such-module"])?;
    ensure!(ran.code != Some(0) && ran.stderr.contains("no-such-module"), "{ran:?}");
    Ok(())
}

fn target_tree_is_there_and_empty(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvmet-tcp")?;
    let dump = ctx.nvmet_dump()?;
    for folder in ["hosts/", "ports/", "subsystems/"] {
        ensure!(dump.lines().any(|line| line == folder), "no {folder} in:\n{dump}");
    }
    let path = Path::new("/sys/kernel/config/nvmet/subsystems/smoke");
    fs::create_dir(path)?;
    let with = ctx.nvmet_dump()?;
    ensure!(with.lines().any(|line| line == "subsystems/smoke/attr_allow_any_host=0"), "{with}");
    fs::remove_dir(path)?;
    ensure_eq!(ctx.nvmet_dump()?, dump, "the tree afterwards");
    Ok(())
}

fn ext4_on_a_memory_disk(ctx: &mut Ctx) -> Result<(), Failure> {
    let disk = ctx.ram_disk(0)?;
    let mut first = [1; 4096];
    fs::File::open(&disk)?.read_exact(&mut first)?;
    ensure!(first == [0; 4096], "the disk is not fresh");
    ctx.run("mkfs.ext4", ["-q".as_ref(), disk.as_os_str()])?;
    let point = ctx.mount(&disk, "ext4")?;
    fs::write(point.join("file"), vec![7; 1 << 20])?;
    ctx.umount(&point)?;
    let point = ctx.mount(&disk, "ext4")?;
    ensure_eq!(fs::read(point.join("file"))?, vec![7; 1 << 20], "the file");
    Ok(())
}

fn loop_device_is_the_file_behind_it(ctx: &mut Ctx) -> Result<(), Failure> {
    let device = ctx.loop_device(8 << 20)?;
    let mut file = fs::OpenOptions::new().read(true).write(true).open(&device)?;
    ensure_eq!(file.seek(std::io::SeekFrom::End(0))?, 8 << 20, "size of the device");
    file.rewind()?;
    file.write_all(&[9; 4096])?;
    file.sync_all()?;
    let disk = fs::read(ctx.scratch().join("disk1"))?;
    ensure!(disk.starts_with(&[9; 4096]), "the file has other content");
    Ok(())
}

fn loopback_has_both_addresses(_ctx: &mut Ctx) -> Result<(), Failure> {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = std::net::TcpListener::bind(address)?;
        std::net::TcpStream::connect_timeout(&listener.local_addr()?, Duration::from_secs(10))?;
    }
    Ok(())
}

fn kernel_log_since_a_mark(ctx: &mut Ctx) -> Result<(), Failure> {
    fs::write("/dev/kmsg", "<6>before the mark\n")?;
    let mark = ctx.kernel_log_mark()?;
    fs::write("/dev/kmsg", "<6>after the mark\n")?;
    let log = ctx.kernel_log_since(&mark)?;
    ensure_eq!(log, ["after the mark"], "the log");
    Ok(())
}
