//! The kernel's own host against our soft target: every way to connect, and every block command.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use nvme_examples::filesystem::Checked;
use nvme_fabrics::{DiscoveryRequest, OsDevice, Sysfs, discover, discovery};

use super::scene;
use super::soft::{Connected, NQN, Soft};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("soft_target::connects_with_every_setting", connects_with_every_setting),
    Case::new("soft_target::discovery_lists_what_a_host_may_use", discovery_lists_what_a_host_may_use),
    Case::new("soft_target::discard_zeroes_and_flush", discard_zeroes_and_flush),
    Case::new("soft_target::a_host_that_is_not_allowed_learns_why", a_host_that_is_not_allowed_learns_why),
];

const MIB: u64 = 1 << 20;

/// Digests, both families, one to eight queues: the data arrives, and the number of queues is what was agreed on.
fn connects_with_every_setting(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let soft = Soft::start(&["-a", "127.0.0.1", "-s", "4420", "-a", "::1", "--device", "mem:24m"])?;
    let processors = std::thread::available_parallelism()?.get();
    let settings = [
        ("127.0.0.1", false, false, 1),
        ("::1", false, false, 2),
        ("127.0.0.1", true, false, 4),
        ("::1", false, true, 8),
        ("127.0.0.1", true, true, 8),
    ];
    for (seed, (address, header, data, queues)) in (1..).zip(settings) {
        let mut options = soft.options(address)?.nr_io_queues(queues)?;
        if header {
            options = options.header_digest()?;
        }
        if data {
            options = options.data_digest()?;
        }
        let connected = Connected::to(&options)?;
        // With the admin queue; the host makes no more than one for each processor.
        let wanted = (queues as usize).min(processors) + 1;
        ensure_eq!(connected.attribute("queue_count")?, wanted.to_string(), "queues");
        // The whole disk.
        Checked::write(&connected.disk, 24 * MIB, seed)?.verify()?;
        connected.leave()?;
    }
    soft.stop()
}

fn discovery_lists_what_a_host_may_use(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let me = scene::me()?;
    let soft = Soft::start(&["-a", "127.0.0.1", "-s", "0", "--device", "mem:1m", "--host", me.nqn.as_str()])?;
    for (host, wanted) in [(me, 1), (scene::host("nqn.2024-05.org.example:stranger")?, 0)] {
        let request = DiscoveryRequest::tcp("127.0.0.1".parse()?, soft.port, host)?;
        let log = discover(&OsDevice::system(), &Sysfs::system(), &request)?.log;
        let named = log.entries.iter().filter(|entry| discovery::text::subnqn(entry) == NQN).count();
        ensure_eq!(named, wanted, "records of the subsystem");
    }
    soft.stop()
}

fn direct(path: &Path) -> Result<File, Failure> {
    Ok(OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_DIRECT.bits()).open(path)?)
}

/// Bytes at a place, aligned as direct I/O wants it.
fn read(disk: &File, at: u64, len: usize) -> Result<Vec<u8>, Failure> {
    let mut memory = vec![0; len + 4096];
    let start = memory.as_ptr().align_offset(4096);
    disk.read_exact_at(&mut memory[start..start + len], at)?;
    Ok(memory[start..start + len].to_vec())
}

fn discard_zeroes_and_flush(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let file = ctx.scratch().join("backing");
    File::create(&file)?.set_len(16 * MIB)?;
    for device in ["mem:16m", &*file.to_string_lossy()] {
        let soft = Soft::start(&["-a", "127.0.0.1", "-s", "0", "--device", device])?;
        let connected = Connected::to(&soft.options("127.0.0.1")?)?;
        let disk = connected.disk.clone();
        let queue = Path::new("/sys/block").join(disk.file_name().unwrap_or_default()).join("queue");
        for limit in ["discard_max_bytes", "write_zeroes_max_bytes"] {
            let value = std::fs::read_to_string(queue.join(limit))?;
            ensure!(value.trim() != "0", "{device}: the host sees no {limit}");
        }
        std::fs::write(&disk, vec![0xa5; 16 << 20])?;
        let open = direct(&disk)?;
        open.sync_all()?;
        // One MiB at 2 MiB, discarded; one MiB at 4 MiB, zeroed by a command, without a fallback.
        ctx.run("blkdiscard", ["-o", "2097152", "-l", "1048576", &*disk.to_string_lossy()])?;
        let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        fallocate(&open, hole, 4 << 20, 1 << 20)?;
        open.sync_all()?;
        for (at, wanted) in [(1, 0xa5), (2, 0), (3, 0xa5), (4, 0), (5, 0xa5)] {
            let seen = read(&open, at * MIB, 1 << 20)?;
            ensure!(seen.iter().all(|byte| *byte == wanted), "{device}: MiB {at} is not {wanted:#x}");
        }
        drop(open);
        connected.leave()?;
        soft.stop()?;
    }
    let kept = std::fs::read(&file)?;
    ensure!(
        kept[1 << 20..2 << 20].iter().all(|byte| *byte == 0xa5),
        "the file does not hold what was written"
    );
    ensure!(kept[2 << 20..3 << 20].iter().all(|byte| *byte == 0), "the file holds what was discarded");
    Ok(())
}

fn a_host_that_is_not_allowed_learns_why(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let owner = "nqn.2024-05.org.example:owner";
    let soft = Soft::start(&["-a", "127.0.0.1", "-s", "4420", "--device", "mem:1m", "--host", owner])?;
    let error = scene::refused(scene::connect_as(scene::me()?, NQN, "127.0.0.1")).map(|e| e.to_string())?;
    ensure!(error.contains("nqn.2024-05.org.example:me"), "{error}");
    let connected = scene::connect_as(scene::host(owner)?, NQN, "127.0.0.1")?;
    scene::leave(connected.controller)?;
    soft.stop()
}
