//! What to do: which way, in which order, how much at once.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use crate::cli::Failure;

/// One I/O's direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// From the disk.
    Read,
    /// To the disk.
    Write,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// Which way and in which order; the names are fio's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// `randread`
    RandRead,
    /// `randwrite`
    RandWrite,
    /// `read`: in order, from the start again at the end.
    Read,
    /// `write`: in order, from the start again at the end.
    Write,
    /// `randrw`: at random, reads and writes mixed as [`Job::read_share`] says.
    RandRw,
}

impl Pattern {
    const ALL: [Self; 5] = [Self::RandRead, Self::RandWrite, Self::Read, Self::Write, Self::RandRw];

    /// fio's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RandRead => "randread",
            Self::RandWrite => "randwrite",
            Self::Read => "read",
            Self::Write => "write",
            Self::RandRw => "randrw",
        }
    }

    /// Whether it writes at all.
    pub const fn writes(self) -> bool {
        matches!(self, Self::RandWrite | Self::Write | Self::RandRw)
    }

    const fn is_random(self) -> bool {
        matches!(self, Self::RandRead | Self::RandWrite | Self::RandRw)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RandRead => "random read",
            Self::RandWrite => "random write",
            Self::Read => "sequential read",
            Self::Write => "sequential write",
            Self::RandRw => "random read and write",
        })
    }
}

impl FromStr for Pattern {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let words = || Self::ALL.map(Self::word).join(", ");
        Self::ALL
            .into_iter()
            .find(|pattern| pattern.word() == text)
            .ok_or_else(|| Failure(format!("`{text}` is none of {}", words())))
    }
}

/// The shape of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which way, in which order.
    pub pattern: Pattern,
    /// Percent of the I/Os of [`Pattern::RandRw`] that read, 0 to 100.
    pub read_share: u8,
    /// Bytes per I/O, a multiple of the logical block size.
    pub block_size: u32,
    /// I/Os in flight per job, at least 1.
    pub io_depth: u32,
    /// Jobs that run at the same time, at least 1; they share the area.
    pub jobs: u32,
    /// Bytes of the area at the start of the disk; the whole disk where that is smaller.
    pub area: u64,
    /// How long it runs.
    pub runtime: Duration,
}

impl Job {
    /// The guide's numbers: 4 KiB, queue depth 32, 16 jobs, the first GiB.
    pub const fn guide(pattern: Pattern, runtime: Duration) -> Self {
        Self { pattern, read_share: 50, block_size: 4096, io_depth: 32, jobs: 16, area: 1 << 30, runtime }
    }

    /// Blocks of the area on a disk of `size` bytes.
    pub(super) fn blocks(&self, size: u64) -> u64 {
        self.area.min(size) / u64::from(self.block_size)
    }

    /// The streams of I/Os of all jobs: `lanes` of them a job, which share the job's place in the order.
    pub(super) fn streams(&self, size: u64, lanes: u32) -> Vec<Stream> {
        let blocks = self.blocks(size);
        let mut streams = Vec::new();
        for job in 0..self.jobs {
            // Jobs that read in order begin in different places, or all but the first would read from a cache.
            let first = u64::from(job) * blocks / u64::from(self.jobs.max(1));
            let place = Arc::new(AtomicU64::new(first));
            for lane in 0..lanes {
                let seed = u64::from(job) << 32 | u64::from(lane);
                let random = fastrand::Rng::with_seed(seed);
                streams.push(Stream { job: *self, blocks, random, place: Arc::clone(&place) });
            }
        }
        streams
    }
}

/// Which I/O comes next. Its numbers are the same in every run.
#[derive(Debug)]
pub(super) struct Stream {
    job: Job,
    blocks: u64,
    random: fastrand::Rng,
    place: Arc<AtomicU64>,
}

impl Stream {
    /// The next I/O: which way, and at which byte.
    pub(super) fn next(&mut self) -> (Op, u64) {
        let op = match self.job.pattern {
            Pattern::RandRead | Pattern::Read => Op::Read,
            Pattern::RandWrite | Pattern::Write => Op::Write,
            Pattern::RandRw if self.random.u8(0..100) < self.job.read_share => Op::Read,
            Pattern::RandRw => Op::Write,
        };
        let block = match self.job.pattern.is_random() {
            true => self.random.u64(0..self.blocks.max(1)),
            false => self.place.fetch_add(1, Ordering::Relaxed) % self.blocks.max(1),
        };
        (op, block * u64::from(self.job.block_size))
    }

    /// Bytes that no compression can make smaller.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) {
        self.random.fill(buffer);
    }

    /// The load it belongs to.
    pub(super) fn job(&self) -> &Job {
        &self.job
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn job(pattern: Pattern) -> Job {
        Job { jobs: 4, io_depth: 2, ..Job::guide(pattern, Duration::ZERO) }
    }

    #[test]
    fn words_are_fios() {
        for pattern in Pattern::ALL {
            assert_eq!(pattern.word().parse::<Pattern>().unwrap(), pattern);
        }
        assert!("rw".parse::<Pattern>().unwrap_err().to_string().contains("randrw"));
    }

    #[test]
    fn random_offsets_are_whole_blocks_within_the_area() {
        for mut stream in job(Pattern::RandRead).streams(1 << 20, 2) {
            for _ in 0..1000 {
                let (op, offset) = stream.next();
                assert_eq!(op, Op::Read);
                assert!(offset % 4096 == 0 && offset + 4096 <= 1 << 20, "{offset}");
            }
        }
    }

    #[test]
    fn jobs_in_order_begin_apart_and_lanes_share_a_jobs_place() {
        let mut streams = job(Pattern::Write).streams(16 * 4096, 2);
        let first: Vec<u64> = streams.iter_mut().map(|s| s.next().1 / 4096).collect();
        assert_eq!(first, [0, 1, 4, 5, 8, 9, 12, 13]);
        let seen: BTreeSet<u64> = (0..16).map(|_| streams[0].next().1 / 4096).collect();
        assert_eq!(seen.len(), 16, "a job that reaches the end goes on from the start");
    }

    #[test]
    fn mixed_jobs_keep_their_share() {
        let mut stream = Job { read_share: 70, ..job(Pattern::RandRw) }.streams(1 << 20, 1).remove(0);
        let reads = (0..10_000).filter(|_| stream.next().0 == Op::Read).count();
        assert!((6_700..7_300).contains(&reads), "{reads}");
        let mut all = Job { read_share: 100, ..job(Pattern::RandRw) }.streams(1 << 20, 1).remove(0);
        assert!((0..1000).all(|_| all.next().0 == Op::Read));
    }
}
