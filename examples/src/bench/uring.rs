//! I/O with one io_uring and one thread a job.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::disk::Disk;
use super::drive::{Worker, drive};
use super::error::BenchError;
use super::job::{Job, Op, Stream};
use super::measure::{Latencies, Run, Tick};
use super::report::Report;
use super::ring::Ring;

/// Runs the job.
///
/// # Errors
/// The first I/O that fails ends the run and is named with its offset; [`BenchError::Uring`] when the ring itself fails.
pub fn run(disk: &Disk, job: &Job, tick: impl FnMut(Tick) -> bool) -> Result<Report, BenchError> {
    let streams = job.streams(disk.size(), 1);
    let workers = streams.into_iter().map(|stream| {
        let body = move |run: &Arc<Run>, number: usize| work(disk, stream, run, number);
        Box::new(body) as Worker<'_>
    });
    drive(job, disk.name(), disk.way(), workers.collect(), tick)
}

/// One job: keeps its ring full until the end.
fn work(disk: &Disk, mut stream: Stream, run: &Arc<Run>, number: usize) -> Result<Latencies, BenchError> {
    let job = *stream.job();
    let ring = Ring::new(disk.file(), job.io_depth, job.block_size, |memory| stream.fill(memory));
    let mut ring = ring.map_err(BenchError::NoUring)?;
    let mut flights = vec![(Op::Read, 0, Instant::now()); usize::try_from(job.io_depth).unwrap_or(0)];
    let mut recorder = run.recorder(number);
    let mut failed = None;
    run.begin();
    loop {
        while let Some(slot) = ring.free_slot().filter(|_| run.goes_on() && failed.is_none()) {
            let (op, offset) = stream.next();
            ring.queue(slot, op, offset).map_err(BenchError::Uring)?;
            flights[slot] = (op, offset, Instant::now());
        }
        if ring.is_idle() {
            break;
        }
        let complete = |slot: usize, moved: io::Result<u32>| {
            let (op, offset, begun) = flights[slot];
            let short = |moved| if moved == job.block_size { Ok(()) } else { Err(short(op)) };
            match moved.and_then(short) {
                Ok(()) => recorder.record(op, begun),
                Err(source) => failed = Some((op, offset, source)),
            }
        };
        ring.wait(complete).map_err(BenchError::Uring)?;
    }
    match failed {
        None => Ok(recorder.finish()),
        Some((op, offset, source)) => {
            let target = disk.name();
            Err(BenchError::Io { target, op, offset, block_size: job.block_size, source })
        }
    }
}

/// Fewer bytes than asked for: direct I/O has no other reason than the end of the disk.
fn short(op: Op) -> io::Error {
    match op {
        Op::Read => io::ErrorKind::UnexpectedEof.into(),
        Op::Write => io::ErrorKind::WriteZero.into(),
    }
}
