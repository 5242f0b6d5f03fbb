//! Writes that are checked afterwards: several threads write numbered versions of blocks past the page cache; at the end each block must hold the
//! last version that was acknowledged.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use nix::fcntl::OFlag;

use super::scene::PATIENCE;
use crate::ensure;
use crate::guest::{Ctx, Failure};

/// Bytes of a block.
pub(super) const BLOCK: usize = 4096;
/// Blocks that are written.
pub(super) const BLOCKS: u64 = 2048;
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

/// Memory of one block as direct I/O wants it, and where it begins.
fn aligned() -> (Vec<u8>, usize) {
    let memory = vec![0; 2 * BLOCK];
    let start = memory.as_ptr().align_offset(BLOCK);
    (memory, start)
}

/// Reads the first block past the page cache.
pub(super) fn read_first(disk: &Path) -> Result<(), Failure> {
    let (mut memory, start) = aligned();
    Ok(direct(disk)?.read_exact_at(&mut memory[start..start + BLOCK], 0)?)
}

/// Writes the blocks of one residue again and again; `acknowledged` holds each block's last version that was confirmed.
fn write(disk: &Path, number: u64, stop: &AtomicBool, acknowledged: &[AtomicU64]) -> Result<(), Failure> {
    let disk = direct(disk)?;
    let mut random = fastrand::Rng::with_seed(number);
    let (mut memory, start) = aligned();
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

/// Threads that write until they are told to stop. An error ends the thread it hits, and is reported by [`Self::check`].
#[derive(Debug)]
pub(super) struct Writers {
    disk: PathBuf,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Vec<AtomicU64>>,
    threads: Vec<JoinHandle<Result<(), Failure>>>,
}

impl Writers {
    /// Begins to write to a disk of at least [`BLOCKS`] blocks.
    pub(super) fn start(disk: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged: Arc<Vec<AtomicU64>> = Arc::new((0..BLOCKS).map(|_| AtomicU64::new(0)).collect());
        let threads = (0..WRITERS)
            .map(|number| {
                let (disk, stop, acknowledged) = (disk.to_owned(), stop.clone(), acknowledged.clone());
                thread::spawn(move || write(&disk, number, &stop, &acknowledged))
            })
            .collect();
        Self { disk: disk.to_owned(), stop, acknowledged, threads }
    }

    /// Writes that were acknowledged so far.
    pub(super) fn written(&self) -> u64 {
        self.acknowledged.iter().map(|version| version.load(Ordering::Relaxed)).sum()
    }

    /// Waits until a hundred more are.
    pub(super) fn progress(&self, ctx: &Ctx) -> Result<(), Failure> {
        let before = self.written();
        ctx.wait_for("writes to go on", PATIENCE, || {
            ensure!(self.threads.iter().all(|thread| !thread.is_finished()), "a writer has ended");
            Ok(self.written() > before + 100)
        })
    }

    /// Stops the threads and reads everything back; gives the number of writes.
    pub(super) fn check(self) -> Result<u64, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        let written = || self.acknowledged.iter().map(|version| version.load(Ordering::Relaxed)).sum();
        for writer in self.threads {
            writer.join().map_err(|_| Failure::new("a writer panicked"))??;
        }
        let disk = direct(&self.disk)?;
        let (mut memory, start) = aligned();
        let (mut wanted, mut touched) = (vec![0; BLOCK], 0);
        for block in 0..BLOCKS {
            let seen = &mut memory[start..start + BLOCK];
            disk.read_exact_at(seen, block * BLOCK as u64)?;
            let version = self.acknowledged[usize::try_from(block)?].load(Ordering::Relaxed);
            if version == 0 {
                wanted.fill(0);
            } else {
                pattern(&mut wanted, block, version);
                touched += 1;
            }
            ensure!(*seen == *wanted, "block {block} does not hold version {version}");
        }
        ensure!(touched > 100, "only {touched} blocks were written");
        Ok(written())
    }
}
