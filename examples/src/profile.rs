//! The guide's fio profile: random reads, then random writes, 4 KiB blocks, queue depth 32, 16 jobs, direct I/O,
//! reported as one group.
//!
//! A job's queue is that many threads, each with one direct read or write in flight: 16 x 32 threads keep 512 I/Os
//! outstanding, as the guide's fio run does with its asynchronous engine.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Alignment of direct I/O buffers in bytes; covers every logical block size in use.
const ALIGNMENT: usize = 4096;

/// What every I/O of a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// `randread`
    RandRead,
    /// `randwrite`
    RandWrite,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RandRead => "random read",
            Self::RandWrite => "random write",
        })
    }
}

/// The shape of the load.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Bytes per I/O, a multiple of the logical block size.
    pub block_size: usize,
    /// I/Os in flight per job.
    pub io_depth: usize,
    /// Jobs that run at the same time.
    pub jobs: usize,
    /// How long each direction runs.
    pub runtime: Duration,
}

impl Profile {
    /// The guide's numbers: 4 KiB, queue depth 32, 16 jobs.
    pub const fn guide(runtime: Duration) -> Self {
        Self { block_size: 4096, io_depth: 32, jobs: 16, runtime }
    }
}

/// What a run measured over all its jobs.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was done.
    pub direction: Direction,
    /// I/Os completed.
    pub ios: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Seconds from the first I/O to the last.
    pub seconds: f64,
    /// Completion latencies in microseconds: mean, 50th, 99th and 99.9th percentile, maximum.
    pub latency_us: Latency,
}

/// Completion latency in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    #[serde(rename = "p99.9")]
    pub p999: u64,
    /// The slowest I/O.
    pub max: u64,
}

impl Report {
    /// I/Os per second.
    pub fn iops(&self) -> f64 {
        if self.seconds > 0.0 { self.ios as f64 / self.seconds } else { 0.0 }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.bytes as f64 / f64::from(1 << 20) / self.seconds.max(f64::MIN_POSITIVE);
        let l = &self.latency_us;
        write!(
            f,
            "{}: {:.0} IOPS, {mib:.1} MiB/s, latency mean {:.0} us, p50 {} us, p99 {} us, p99.9 {} us, max {} us",
            self.direction,
            self.iops(),
            l.mean,
            l.p50,
            l.p99,
            l.p999,
            l.max
        )
    }
}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The file or device could not be opened for direct I/O.
    #[error("cannot open {} for direct I/O", .path.display())]
    Open {
        /// What was opened.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The area holds not even one block.
    #[error("{} has {size} bytes, less than one block of {block_size}", .path.display())]
    TooSmall {
        /// What was opened.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// Bytes per I/O.
        block_size: usize,
    },
    /// An I/O failed.
    #[error("{direction} of {block_size} bytes at byte {offset} of {} failed", .path.display())]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// Which way.
        direction: Direction,
        /// Where, in bytes.
        offset: u64,
        /// Bytes per I/O.
        block_size: usize,
        /// Why.
        source: io::Error,
    },
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// No thread could be made.
    #[error("cannot start a worker thread")]
    Thread(#[source] io::Error),
}

/// Runs one direction over the first `size` bytes of `path`.
///
/// `tick` is called about ten times a second with the time that has passed; when it returns `false` the run ends with
/// [`ProfileError::Interrupted`].
///
/// # Errors
/// The first I/O that fails ends the run and is named with its offset.
pub fn run(
    path: &Path,
    size: u64,
    direction: Direction,
    profile: Profile,
    mut tick: impl FnMut(Duration) -> bool,
) -> Result<Report, ProfileError> {
    let blocks = size / profile.block_size as u64;
    if blocks == 0 {
        return Err(ProfileError::TooSmall { path: path.to_owned(), size, block_size: profile.block_size });
    }
    let files = (0..profile.jobs).map(|_| open_direct(path, direction)).collect::<Result<Vec<_>, _>>()?;
    let stop = AtomicBool::new(false);
    // Held while the threads are made: on a small machine the first ones would keep the last ones from being born.
    let gate = RwLock::new(());
    let mut started = Instant::now();
    let (results, kept_going) = thread::scope(|scope| {
        let closed = gate.write();
        let mut workers = Vec::with_capacity(profile.jobs * profile.io_depth);
        for (job, file) in files.iter().enumerate() {
            for slot in 0..profile.io_depth {
                let block_size = profile.block_size;
                let worker = Worker { path, file, blocks, direction, block_size, stop: &stop, gate: &gate };
                let seed = (job * profile.io_depth + slot) as u64;
                match thread::Builder::new()
                    .stack_size(64 << 10)
                    .spawn_scoped(scope, move || worker.run(seed))
                {
                    Ok(handle) => workers.push(handle),
                    Err(error) => {
                        stop.store(true, Ordering::Relaxed);
                        return (vec![Err(ProfileError::Thread(error))], true);
                    }
                }
            }
        }
        drop(closed);
        started = Instant::now();
        let mut kept_going = true;
        while started.elapsed() < profile.runtime && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(100).min(profile.runtime.saturating_sub(started.elapsed())));
            if !tick(started.elapsed()) {
                kept_going = false;
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        (workers.into_iter().filter_map(|w| w.join().ok()).collect(), kept_going)
    });
    let seconds = started.elapsed().as_secs_f64();
    let mut all: Histogram<u64> = histogram();
    for result in results {
        // Both histograms have the same bounds, so adding cannot fail.
        let _ = all.add(result?);
    }
    if !kept_going {
        return Err(ProfileError::Interrupted);
    }
    Ok(Report {
        direction,
        ios: all.len(),
        bytes: all.len() * profile.block_size as u64,
        seconds,
        latency_us: Latency {
            mean: all.mean(),
            p50: all.value_at_quantile(0.5),
            p99: all.value_at_quantile(0.99),
            p999: all.value_at_quantile(0.999),
            max: all.max(),
        },
    })
}

fn open_direct(path: &Path, direction: Direction) -> Result<File, ProfileError> {
    let direct = nix::fcntl::OFlag::O_DIRECT.bits();
    OpenOptions::new()
        .read(true)
        .write(direction == Direction::RandWrite)
        .custom_flags(direct)
        .open(path)
        .map_err(|source| ProfileError::Open { path: path.to_owned(), source })
}

/// Latencies from 1 us to 60 s with two significant digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 2)
        .unwrap_or_else(|_| unreachable!("the bounds are constant and valid"))
}

/// One I/O in flight, again and again.
struct Worker<'a> {
    path: &'a Path,
    file: &'a File,
    blocks: u64,
    direction: Direction,
    block_size: usize,
    stop: &'a AtomicBool,
    gate: &'a RwLock<()>,
}

impl Worker<'_> {
    fn run(self, seed: u64) -> Result<Histogram<u64>, ProfileError> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut latencies = histogram();
        let mut memory = vec![0; self.block_size + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        let buffer = &mut memory[start..start + self.block_size];
        random.fill(buffer);
        drop(self.gate.read());
        while !self.stop.load(Ordering::Relaxed) {
            let offset = random.u64(0..self.blocks) * self.block_size as u64;
            let begun = Instant::now();
            let done = match self.direction {
                Direction::RandRead => self.file.read_exact_at(buffer, offset),
                Direction::RandWrite => self.file.write_all_at(buffer, offset),
            };
            if let Err(source) = done {
                self.stop.store(true, Ordering::Relaxed);
                return Err(ProfileError::Io {
                    path: self.path.to_owned(),
                    direction: self.direction,
                    offset,
                    block_size: self.block_size,
                    source,
                });
            }
            let us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            latencies.saturating_record(us);
        }
        Ok(latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: u64) -> tempfile::NamedTempFile {
        // Not in /tmp: it may be a tmpfs of a kernel without direct I/O there.
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.as_file().set_len(bytes).unwrap();
        file
    }

    fn short() -> Profile {
        Profile { block_size: 4096, io_depth: 2, jobs: 2, runtime: Duration::from_millis(50) }
    }

    #[test]
    fn writes_then_reads_and_counts() {
        let file = file(1 << 20);
        for direction in [Direction::RandWrite, Direction::RandRead] {
            let report = run(file.path(), 1 << 20, direction, short(), |_| true).unwrap();
            assert!(report.ios > 0);
            assert_eq!(report.bytes, report.ios * 4096);
            assert!(report.latency_us.p50 <= report.latency_us.max);
        }
        let written = std::fs::read(file.path()).unwrap();
        assert!(written.iter().any(|b| *b != 0), "random writes must leave random data");
    }

    #[test]
    fn an_area_without_a_block_is_refused() {
        let file = file(100);
        let error = run(file.path(), 100, Direction::RandRead, short(), |_| true).unwrap_err();
        assert!(matches!(error, ProfileError::TooSmall { size: 100, .. }), "{error}");
    }

    #[test]
    fn a_failing_io_names_its_offset() {
        let file = file(4096);
        // The area is said to be larger than the file: reads beyond its end come back short.
        let error = run(file.path(), 1 << 30, Direction::RandRead, short(), |_| true).unwrap_err();
        assert!(matches!(error, ProfileError::Io { .. }), "{error}");
    }

    #[test]
    fn a_tick_that_says_no_ends_the_run() {
        let file = file(1 << 20);
        let profile = Profile { runtime: Duration::from_secs(60), ..short() };
        let error = run(file.path(), 1 << 20, Direction::RandRead, profile, |_| false).unwrap_err();
        assert!(matches!(error, ProfileError::Interrupted), "{error}");
    }
}
