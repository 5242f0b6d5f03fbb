//! The soft target goes away in the middle of writes, by a signal or for good, and comes back: the kernel's host waits for
//! it, and nothing that was acknowledged is lost.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;

use super::scene::PATIENCE;
use super::soft::{Connected, Soft};
use crate::ensure;
use crate::guest::{Case, Ctx, Failure};

/// The cases of this file.
pub const CASES: &[Case] =
    &[Case::new("soft_outage::nothing_acknowledged_is_lost", nothing_acknowledged_is_lost)];

const BLOCK: usize = 4096;
const BLOCKS: u64 = 2048;
const WRITERS: u64 = 4;

/// The content of a block: its number and how often it was written.
fn pattern(buffer: &mut [u8], block: u64, version: u64) {
    for (index, word) in buffer.chunks_exact_mut(16).enumerate() {
        word[..8].copy_from_slice(&(block ^ (index as u64) << 40).to_le_bytes());
        word[8..].copy_from_slice(&version.to_le_bytes());
    }
}

fn direct(path: &Path) -> Result<File, Failure> {
    Ok(OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_DIRECT.bits()).open(path)?)
}

/// Writes the blocks of one residue again and again; `acknowledged` holds each block's last version that was confirmed.
fn write(disk: &Path, number: u64, stop: &AtomicBool, acknowledged: &[AtomicU64]) -> Result<(), Failure> {
    let disk = direct(disk)?;
    let mut random = fastrand::Rng::with_seed(number);
    let mut memory = vec![0; 2 * BLOCK];
    let start = memory.as_ptr().align_offset(BLOCK);
    let buffer = &mut memory[start..start + BLOCK];
    while !stop.load(Ordering::Relaxed) {
        let block = random.u64(0..BLOCKS / WRITERS) * WRITERS + number;
        let last = &acknowledged[usize::try_from(block)?];
        let version = last.load(Ordering::Relaxed) + 1;
        pattern(buffer, block, version);
        disk.write_all_at(buffer, block * BLOCK as u64)?;
        last.store(version, Ordering::Relaxed);
    }
    Ok(())
}

fn nothing_acknowledged_is_lost(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let file = ctx.scratch().join("backing");
    File::create(&file)?.set_len(BLOCKS * BLOCK as u64)?;
    let file = file.to_string_lossy().into_owned();
    let words = ["-a", "127.0.0.1", "-s", "4420", "--device", &*file];
    let mut soft = Soft::start(&words)?;
    let options = soft.options("127.0.0.1")?.reconnect_delay(Duration::from_secs(1))?;
    let connected = Connected::to(&options)?;

    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged: Arc<Vec<AtomicU64>> = Arc::new((0..BLOCKS).map(|_| AtomicU64::new(0)).collect());
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let (disk, stop, acknowledged) = (connected.disk.clone(), stop.clone(), acknowledged.clone());
            thread::spawn(move || write(&disk, number, &stop, &acknowledged))
        })
        .collect();
    let written = || acknowledged.iter().map(|version| version.load(Ordering::Relaxed)).sum::<u64>();
    let progress = |ctx: &Ctx| {
        let before = written();
        ctx.wait_for("writes to go on", PATIENCE, || Ok(written() > before + 100))
    };
    progress(ctx)?;
    for graceful in [false, true, false] {
        match graceful {
            true => soft.stop()?,
            false => soft.kill()?,
        }
        soft = Soft::start(&words)?;
        progress(ctx)?;
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().map_err(|_| Failure::new("a writer panicked"))??;
    }
    ctx.note(&format!("{} writes acknowledged over three outages", written()));

    let disk = direct(&connected.disk)?;
    let mut memory = vec![0; 2 * BLOCK];
    let start = memory.as_ptr().align_offset(BLOCK);
    let (mut wanted, mut touched) = (vec![0; BLOCK], 0);
    for block in 0..BLOCKS {
        let seen = &mut memory[start..start + BLOCK];
        disk.read_exact_at(seen, block * BLOCK as u64)?;
        let version = acknowledged[usize::try_from(block)?].load(Ordering::Relaxed);
        if version == 0 {
            wanted.fill(0);
        } else {
            pattern(&mut wanted, block, version);
            touched += 1;
        }
        ensure!(*seen == *wanted, "block {block} does not hold version {version}");
    }
    ensure!(touched > 100, "only {touched} blocks were written");
    drop(disk);
    connected.leave()?;
    soft.stop()
}
