//! Block devices behind the soft target: what the kernel's host writes is on the device; size, direct I/O, flush, discard and zeros go through.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use nvme_examples::filesystem::Checked;

use super::soft::{Connected, Soft};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("soft_block::a_loop_device_is_a_disk", a_loop_device_is_a_disk),
    Case::new("soft_block::a_disk_with_blocks_of_4096_bytes_is_one", a_disk_with_blocks_of_4096_bytes),
    Case::new("soft_block::a_device_that_cannot_discard_is_one", a_device_that_cannot_discard),
];

const MIB: usize = 1 << 20;

fn direct(path: &Path) -> Result<File, Failure> {
    Ok(OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_DIRECT.bits()).open(path)?)
}

/// A MiB of a disk, past the page cache.
fn mib(disk: &Path, number: usize) -> Result<Vec<u8>, Failure> {
    let mut memory = vec![0; MIB + 4096];
    let start = memory.as_ptr().align_offset(4096);
    let place = &mut memory[start..start + MIB];
    direct(disk)?.read_exact_at(place, (number * MIB) as u64)?;
    Ok(place.to_vec())
}

/// A number from the `queue` folder of a disk in sysfs.
fn limit(disk: &Path, name: &str) -> Result<u64, Failure> {
    let folder = Path::new("/sys/block").join(disk.file_name().unwrap_or_default());
    Ok(fs::read_to_string(folder.join("queue").join(name))?.trim().parse()?)
}

fn size(disk: &Path) -> Result<u64, Failure> {
    let folder = Path::new("/sys/block").join(disk.file_name().unwrap_or_default());
    Ok(fs::read_to_string(folder.join("size"))?.trim().parse::<u64>()? * 512)
}

/// How many flushes a disk has done.
///
/// Source: `Documentation/block/stat.rst`, field 16.
fn flushes(disk: &Path) -> Result<u64, Failure> {
    let folder = Path::new("/sys/block").join(disk.file_name().unwrap_or_default());
    let text = fs::read_to_string(folder.join("stat"))?;
    let field = text.split_whitespace().nth(15);
    Ok(field.ok_or_else(|| Failure::new(format!("no flushes in `{text}`")))?.parse()?)
}

/// Whether a process has a file open for direct I/O.
fn opened_directly(pid: u32, path: &Path) -> Result<bool, Failure> {
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        if fs::read_link(entry.path())? != path {
            continue;
        }
        let info = Path::new("/proc").join(pid.to_string()).join("fdinfo").join(entry.file_name());
        let info = fs::read_to_string(info)?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = i32::from_str_radix(flags.unwrap_or_default().trim(), 8)?;
        if flags & OFlag::O_DIRECT.bits() != 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Serves a device, uses all of it through this kernel's host, and compares with what the device holds.
fn exercise(ctx: &mut Ctx, device: &Path) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let soft = Soft::start(&["-a", "127.0.0.1", "-s", "0", "--device", &device.to_string_lossy()])?;
    let connected = Connected::to(&soft.options("127.0.0.1")?)?;
    let disk = connected.disk.clone();
    ensure_eq!(size(&disk)?, size(device)?, "bytes");
    ensure!(
        limit(&disk, "logical_block_size")? >= limit(device, "logical_block_size")?,
        "blocks are smaller than those of the device"
    );
    ensure!(opened_directly(soft.pid(), device)?, "the device is used through the page cache");
    let all = Checked::write(&disk, size(&disk)?, 11)?;
    all.verify()?;
    for number in [0, 3, usize::try_from(size(device)?)? / MIB - 1] {
        ensure!(mib(&disk, number)? == mib(device, number)?, "MiB {number} of disk and device differ");
    }
    // A discard is passed on where what is discarded then reads as zeros, which the target promises to hosts.
    let zeroes = limit(device, "write_zeroes_max_bytes")? != 0;
    let discarded = if zeroes { 0 } else { 0xa5 };
    let before = flushes(device)?;
    fs::write(&disk, vec![0xa5; 8 * MIB])?;
    let open = direct(&disk)?;
    open.sync_all()?;
    ctx.run("blkdiscard", ["-o", "2097152", "-l", "1048576", &*disk.to_string_lossy()])?;
    let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&open, hole, 4 << 20, 1 << 20)?;
    let range = FallocateFlags::FALLOC_FL_ZERO_RANGE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&open, range, 6 << 20, 1 << 20)?;
    open.sync_all()?;
    drop(open);
    // A device that has a volatile cache is told to flush it; one without has nothing to do.
    let cache = fs::read_to_string(
        Path::new("/sys/block").join(device.file_name().unwrap_or_default()).join("queue/write_cache"),
    )?;
    let after = flushes(device)?;
    ensure_eq!(after > before, cache.trim() == "write back", format!("flushes: {before}, then {after}"));
    for (number, wanted) in [(1, 0xa5), (2, discarded), (3, 0xa5), (4, 0), (5, 0xa5), (6, 0), (7, 0xa5)] {
        let (ours, theirs) = (mib(&disk, number)?, mib(device, number)?);
        ensure!(ours == theirs, "MiB {number} of disk and device differ");
        ensure!(theirs.iter().all(|byte| *byte == wanted), "MiB {number} is not {wanted:#x}");
    }
    ctx.note(&format!(
        "{}: {} bytes, cache {}, {} flushes, discards reach it: {zeroes}",
        device.display(),
        size(device)?,
        cache.trim(),
        after - before
    ));
    connected.leave()?;
    soft.stop()
}

fn a_loop_device_is_a_disk(ctx: &mut Ctx) -> Result<(), Failure> {
    let device = ctx.loop_device(24 << 20)?;
    exercise(ctx, &device)?;
    // Not a whole number of 4096 bytes: it has blocks of 512.
    let odd = ctx.loop_device((24 << 20) + 512)?;
    exercise(ctx, &odd)
}

/// A device in memory with large blocks and a cache, which can discard and does not say what is read then.
fn a_disk_with_blocks_of_4096_bytes(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.run("modprobe", ["null_blk", "nr_devices=0"])?;
    let folder = PathBuf::from("/sys/kernel/config/nullb/soft");
    fs::create_dir(&folder)?;
    for (name, value) in [
        ("memory_backed", "1"),
        ("size", "24"),
        ("blocksize", "4096"),
        ("discard", "1"),
        ("cache_size", "4"),
        ("power", "1"),
    ] {
        fs::write(folder.join(name), value)?;
    }
    let number = fs::read_to_string(folder.join("index"))?;
    let named = ["nullb".to_owned() + number.trim(), "soft".to_owned()]
        .into_iter()
        .map(|name| Path::new("/dev").join(name))
        .find(|path| path.exists());
    let device = named.ok_or_else(|| Failure::new("null_blk made no device"))?;
    let outcome = exercise(ctx, &device);
    fs::remove_dir(&folder)?;
    ctx.run("rmmod", ["null_blk"])?;
    outcome
}

/// Memory without a cache, and, on older kernels, without discard and Write Zeroes: zeros are written.
fn a_device_that_cannot_discard(ctx: &mut Ctx) -> Result<(), Failure> {
    let device = ctx.ram_disk(0)?;
    exercise(ctx, &device)
}
