//! Hosts at work: blocks are written, read back and compared, without a pause, and the longest pause is kept.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;

use super::scene::PATIENCE;
use crate::ensure;
use crate::guest::{Ctx, Failure};

const BLOCK: usize = 4096;
/// The part of the disk that is used, in blocks: every namespace of these cases is larger.
const BLOCKS: u64 = 1024;

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// Blocks that were written, read and found right.
    done: AtomicU64,
    /// The longest time between two of them, in microseconds.
    longest: AtomicU64,
}

/// A thread at work on one disk.
#[derive(Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<(), Failure>>,
}

impl Load {
    /// Starts; returns when the first blocks have been found right.
    pub(super) fn start(ctx: &Ctx, disk: &Path) -> Result<Self, Failure> {
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_DIRECT.bits()).open(disk)?;
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        let thread = thread::spawn(move || work(&file, &of_thread));
        let load = Self { shared, thread };
        load.goes_on(ctx, "the first blocks")?;
        Ok(load)
    }

    /// Waits until some more blocks are done.
    pub(super) fn goes_on(&self, ctx: &Ctx, when: &str) -> Result<(), Failure> {
        let wanted = self.shared.done.load(Ordering::Relaxed) + 20;
        ctx.wait_for(&format!("I/O to go on: {when}"), PATIENCE, || {
            // An error of the thread is told when it is joined.
            Ok(self.thread.is_finished() || self.shared.done.load(Ordering::Relaxed) >= wanted)
        })?;
        ensure!(!self.thread.is_finished(), "I/O has ended: {when}");
        Ok(())
    }

    /// Whether nothing at all is done for this long.
    pub(super) fn stands_still_for(&self, time: Duration) -> bool {
        let before = self.shared.done.load(Ordering::Relaxed);
        thread::sleep(time);
        self.shared.done.load(Ordering::Relaxed) == before
    }

    /// The longest pause since the last question.
    pub(super) fn longest(&self) -> Duration {
        Duration::from_micros(self.shared.longest.swap(0, Ordering::Relaxed))
    }

    /// Ends; any error of the disk, and any block that was not as written, is a failure. Gives how many were right.
    pub(super) fn stop(self) -> Result<u64, Failure> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Failure::new("the thread that does I/O panicked"))??;
        Ok(self.shared.done.load(Ordering::Relaxed))
    }
}

fn work(disk: &File, shared: &Shared) -> Result<(), Failure> {
    let mut memory = vec![0; 3 * BLOCK];
    let start = memory.as_ptr().align_offset(BLOCK);
    let (write, read) = memory[start..start + 2 * BLOCK].split_at_mut(BLOCK);
    let mut random = fastrand::Rng::with_seed(1);
    let mut last = Instant::now();
    for version in 1u64.. {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let block = random.u64(0..BLOCKS);
        for (index, word) in write.chunks_exact_mut(16).enumerate() {
            word[..8].copy_from_slice(&(block ^ (index as u64) << 40).to_le_bytes());
            word[8..].copy_from_slice(&version.to_le_bytes());
        }
        disk.write_all_at(write, block * BLOCK as u64)?;
        disk.read_exact_at(read, block * BLOCK as u64)?;
        ensure!(read == write, "block {block} is not as it was written the {version}th time");
        shared.done.fetch_add(1, Ordering::Relaxed);
        let pause = u64::try_from(last.elapsed().as_micros()).unwrap_or(u64::MAX);
        shared.longest.fetch_max(pause, Ordering::Relaxed);
        last = Instant::now();
    }
    Ok(())
}
