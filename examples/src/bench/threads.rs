//! I/O with one thread for each I/O in flight: works everywhere.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant;

use super::disk::Disk;
use super::drive::{Worker, drive};
use super::error::BenchError;
use super::job::{Job, Op, Stream};
use super::measure::{Latencies, Run, Tick};
use super::report::Report;

/// Alignment of direct I/O buffers in bytes; covers every logical block size in use.
pub(super) const ALIGNMENT: usize = 4096;

/// Runs the job: `jobs` x `io_depth` threads.
///
/// # Errors
/// The first I/O that fails ends the run and is named with its offset.
pub fn run(disk: &Disk, job: &Job, tick: impl FnMut(Tick) -> bool) -> Result<Report, BenchError> {
    let streams = job.streams(disk.size(), job.io_depth);
    let workers = streams.into_iter().map(|stream| {
        let body = move |run: &Arc<Run>, number: usize| work(disk, stream, run, number);
        Box::new(body) as Worker<'_>
    });
    drive(job, disk.name(), disk.way(), workers.collect(), tick)
}

/// One I/O in flight, again and again.
fn work(disk: &Disk, mut stream: Stream, run: &Arc<Run>, number: usize) -> Result<Latencies, BenchError> {
    let block_size = stream.job().block_size;
    let len = usize::try_from(block_size).unwrap_or(usize::MAX);
    let mut memory = vec![0; len + ALIGNMENT];
    let start = memory.as_ptr().align_offset(ALIGNMENT);
    let buffer = &mut memory[start..start + len];
    stream.fill(buffer);
    let mut recorder = run.recorder(number);
    run.begin();
    while run.goes_on() {
        let (op, offset) = stream.next();
        let begun = Instant::now();
        let done = match op {
            Op::Read => disk.file().read_exact_at(buffer, offset),
            Op::Write => disk.file().write_all_at(buffer, offset),
        };
        done.map_err(|source| BenchError::Io { target: disk.name(), op, offset, block_size, source })?;
        recorder.record(op, begun);
    }
    Ok(recorder.finish())
}
