//! A load and what it measures: fio's random 4 KiB profile of the guide and its relatives, on a block device, on a file,
//! or on a namespace of a target in user space.
//!
//! | module | concern |
//! |---|---|
//! | [`job`] | what to do: pattern, block size, depth, jobs |
//! | [`disk`] | the device or file: opened for direct I/O, refused when it is in use or holds data |
//! | [`uring`], [`ring`], [`threads`] | I/O with io_uring, or with a thread for each I/O in flight |
//! | [`remote`] | I/O on a target through the host in user space |
//! | [`drive`], [`measure`], [`cpu`] | starting, stopping, counting |
//! | [`report`], [`fio`], [`plot`] | the result as text, as JSON in fio's shape, as a picture |

pub mod cpu;
pub mod disk;
pub mod drive;
mod error;
pub mod fio;
pub mod job;
pub mod measure;
pub mod plot;
pub mod remote;
pub mod report;
#[cfg(target_os = "linux")]
pub mod ring;
pub mod threads;
#[cfg(target_os = "linux")]
pub mod uring;

pub use disk::{Disk, Engine};
pub use error::BenchError;
pub use job::{Job, Op, Pattern};
pub use measure::Tick;
pub use report::Report;

/// Runs the job on a disk with io_uring, or with threads where the kernel has none for us.
///
/// `tick` is called about ten times a second; when it returns `false` the run ends with [`BenchError::Interrupted`].
///
/// # Errors
/// [`BenchError::Unaligned`] and [`BenchError::TooSmall`] when the job does not fit the disk; the first I/O that fails ends
/// the run and is named with its offset.
pub fn run(disk: &Disk, job: &Job, tick: impl FnMut(Tick) -> bool) -> Result<Report, BenchError> {
    disk.check(job)?;
    match disk.engine() {
        #[cfg(target_os = "linux")]
        Engine::IoUring => uring::run(disk, job, tick),
        _ => threads::run(disk, job, tick),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::disk::{Caching, Content};
    use super::*;

    fn file(bytes: u64) -> tempfile::TempPath {
        // Not in /tmp: it may be a tmpfs of a kernel without direct I/O there.
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.as_file().set_len(bytes).unwrap();
        file.into_temp_path()
    }

    fn short(pattern: Pattern) -> Job {
        Job { io_depth: 2, jobs: 2, ..Job::guide(pattern, Duration::from_millis(50)) }
    }

    fn engines() -> Vec<Engine> {
        let uring = disk::uring_works().is_ok().then_some(Engine::IoUring);
        uring.into_iter().chain([Engine::Threads]).collect()
    }

    fn open(path: &Path, job: &Job, engine: Engine) -> Disk {
        Disk::open(path, job, Caching::Direct, Content::Overwrite).unwrap().with_engine(engine).unwrap()
    }

    #[test]
    fn every_engine_does_every_pattern_and_counts() {
        for engine in engines() {
            let file = file(1 << 20);
            for pattern in
                [Pattern::RandWrite, Pattern::RandRead, Pattern::Read, Pattern::Write, Pattern::RandRw]
            {
                let job = short(pattern);
                let mut last = 0;
                let report = run(&open(&file, &job, engine), &job, |tick| {
                    last = tick.reads + tick.writes;
                    true
                });
                let report = report.unwrap();
                assert!(report.ios() > 0 && last > 0 && last <= report.ios(), "{engine} {pattern}");
                assert_eq!(
                    report.reads.is_some(),
                    pattern != Pattern::RandWrite && pattern != Pattern::Write
                );
                assert_eq!(report.writes.is_some(), pattern.writes());
                assert!(!report.timeline.is_empty());
            }
            let written = std::fs::read(&file).unwrap();
            assert!(written.iter().any(|b| *b != 0), "random writes must leave random data");
        }
    }

    #[test]
    fn a_failing_io_names_its_offset() {
        for engine in engines() {
            let file = file(1 << 20);
            let job = short(Pattern::Read);
            let disk = open(&file, &job, engine);
            // Shorter than it was when it was opened.
            std::fs::File::options().write(true).open(&file).unwrap().set_len(8192).unwrap();
            let error = run(&disk, &job, |_| true).unwrap_err();
            match error {
                BenchError::Io { offset, source, .. } => {
                    assert!(offset >= 8192, "{offset}");
                    assert_eq!(source.kind(), std::io::ErrorKind::UnexpectedEof);
                }
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_tick_that_says_no_ends_the_run() {
        for engine in engines() {
            let file = file(1 << 20);
            let job = Job { runtime: Duration::from_secs(60), ..short(Pattern::RandRead) };
            let error = run(&open(&file, &job, engine), &job, |_| false).unwrap_err();
            assert!(matches!(error, BenchError::Interrupted), "{error}");
        }
    }
}
