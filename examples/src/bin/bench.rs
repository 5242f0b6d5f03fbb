//! `bench`: the guide's fio profile and its relatives, on a block device, a file, or a target through the host in user space.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{CommandFactory, Parser, ValueEnum};
use nvme_examples::bench::disk::{Caching, Content, uring_works};
use nvme_examples::bench::remote::{self, Remote};
use nvme_examples::bench::{self, BenchError, Disk, Engine, Job, Pattern, Report, Tick, fio, plot};
use nvme_examples::stop::{self, Stopped};
use nvme_examples::{cli, host, size};
use nvme_fabrics::kernel::wait::Cancel;
use nvme_fabrics::tcp::BusyPoll;
use nvme_proto::digest::Digests;
use nvme_proto::{HostId, HostNqn, IpTraddr, Nsid, SubsysNqn};

/// Measure a disk with fio's random 4 KiB profile, or another.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Args {
    /// Block device or file; a file that does not exist is made, --size bytes long, and stays
    #[arg(long, value_name = "PATH", required_unless_present = "traddr")]
    device: Option<PathBuf>,
    /// Instead of a device: address of a target, for I/O through the host in user space
    #[arg(short = 'a', long, value_name = "ADDR", conflicts_with = "device", requires = "nqn")]
    traddr: Option<IpTraddr>,
    /// TCP port of the target
    #[arg(short = 's', long, value_name = "PORT", default_value_t = 4420)]
    trsvcid: u16,
    /// NQN of the subsystem
    #[arg(short = 'n', long, value_name = "NQN", requires = "traddr")]
    nqn: Option<SubsysNqn>,
    /// Namespace of the subsystem
    #[arg(long, value_name = "NSID", default_value = "1")]
    nsid: Nsid,
    /// Host NQN to connect with
    #[arg(short = 'q', long, value_name = "NQN", requires = "traddr")]
    hostnqn: Option<HostNqn>,
    /// Host ID to connect with
    #[arg(short = 'I', long, value_name = "UUID", requires = "traddr")]
    hostid: Option<HostId>,
    /// Protect headers with digests
    #[arg(short = 'g', long, requires = "traddr")]
    hdr_digest: bool,
    /// Protect data with digests
    #[arg(short = 'G', long, requires = "traddr")]
    data_digest: bool,
    /// Wait for answers by asking again and again
    #[arg(long, requires = "traddr")]
    busy_poll: bool,
    /// randread, randwrite, read, write (both in order) or randrw
    #[arg(long, value_name = "PATTERN", default_value = "randread")]
    rw: Pattern,
    /// Percent of the I/Os of randrw that read
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(..=100))]
    rwmixread: u8,
    /// Bytes per I/O: a multiple of the device's logical block size, up to 16m
    #[arg(long, value_name = "SIZE", default_value = "4k", value_parser = block_size)]
    bs: u32,
    /// I/Os in flight per job
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = RangedU64ValueParser::<u32>::new().range(1..=4096))]
    iodepth: u32,
    /// Jobs at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = RangedU64ValueParser::<u32>::new().range(1..=1024))]
    numjobs: u32,
    /// Bytes of the area at the start of the disk that all jobs share; all of a smaller disk
    #[arg(long, value_name = "SIZE", default_value = "1g", value_parser = size::parse)]
    size: u64,
    /// Seconds it runs
    #[arg(long, value_name = "SECS", default_value = "60", value_parser = host::seconds)]
    runtime: Duration,
    /// How I/O on a device is done; by itself io_uring where the kernel allows it, else threads
    #[arg(long, value_name = "ENGINE", conflicts_with = "traddr")]
    engine: Option<EngineName>,
    /// Go through the page cache instead of direct I/O
    #[arg(long, conflicts_with = "traddr")]
    buffered: bool,
    /// Write to the disk although it holds data, which is then destroyed
    #[arg(long)]
    overwrite: bool,
    /// Draw the latency distribution and the IOPS over time into this SVG file
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Print JSON in fio's shape
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineName {
    #[value(name = "io_uring")]
    IoUring,
    Threads,
}

/// The largest block: what a queue of the deepest depth can still hold in memory.
const LARGEST_BLOCK: u64 = 16 << 20;

fn block_size(text: &str) -> Result<u32, cli::Failure> {
    let wrong =
        || cli::Failure(format!("`{text}` is not between 512 bytes and {}", size::show(LARGEST_BLOCK)));
    let bytes = Some(size::parse(text)?).filter(|bytes| (512..=LARGEST_BLOCK).contains(bytes));
    bytes.and_then(|bytes| u32::try_from(bytes).ok()).ok_or_else(wrong)
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> cli::Outcome {
    let job = Job {
        pattern: args.rw,
        read_share: args.rwmixread,
        block_size: args.bs,
        io_depth: args.iodepth,
        jobs: args.numjobs,
        area: args.size,
        runtime: args.runtime,
    };
    if args.runtime.is_zero() {
        host::usage(&mut Args::command(), "--runtime 0 measures nothing");
    }
    let stop = stop::on_signal("what is under way comes to its end")?;
    let measured = match (&args.device, &args.traddr, &args.nqn) {
        (Some(path), _, _) => on_disk(args, path, &job, &stop),
        (None, Some(traddr), Some(nqn)) => {
            let remote = Remote {
                address: host::socket_address(traddr, args.trsvcid)?,
                nqn: nqn.clone(),
                nsid: args.nsid,
                host: host::identity(args.hostnqn.clone(), args.hostid)?,
                digests: Digests { header: args.hdr_digest, data: args.data_digest },
                busy_poll: if args.busy_poll { BusyPoll::Always } else { BusyPoll::Off },
            };
            let title = format!("{nqn}: {}", job.pattern);
            watched(&title, &job, &stop, |tick| remote::run(&remote, &job, content(args), tick))
        }
        _ => return Err(cli::failure("neither a device nor a target was given")),
    };
    let report = measured.map_err(|error| match error {
        BenchError::Interrupted => Stopped("half a measurement is none").into(),
        error => Box::<dyn Error + Send + Sync>::from(error),
    })?;
    if let Some(path) = &args.plot {
        plot::write(&report, path)?;
        cli::note(&format!("plot: {}", path.display()));
    }
    match args.json {
        true => cli::print_json(&fio::json(&report)),
        false => Ok(cli::print(&report.to_string())?),
    }
}

fn content(args: &Args) -> Content {
    if args.overwrite { Content::Overwrite } else { Content::Keep }
}

fn on_disk(args: &Args, path: &Path, job: &Job, stop: &Cancel) -> Result<Report, BenchError> {
    let caching = if args.buffered { Caching::PageCache } else { Caching::Direct };
    let mut content = content(args);
    if Disk::may_create(path) {
        let spinner = cli::spinner(format!("making {} of {}", path.display(), size::show(args.size)));
        let made = Disk::create(path, args.size, || !stop.is_cancelled());
        spinner.finish_and_clear();
        made?;
        content = Content::Overwrite;
    }
    let mut disk = Disk::open(path, job, caching, content)?;
    match args.engine {
        Some(EngineName::IoUring) => disk = disk.with_engine(Engine::IoUring)?,
        Some(EngineName::Threads) => disk = disk.with_engine(Engine::Threads)?,
        None => {
            if let Err(why) = uring_works() {
                cli::note(&format!("using threads, since io_uring cannot be used here: {why}"));
            }
        }
    }
    let title = format!("{}: {}", path.display(), job.pattern);
    watched(&title, job, stop, |tick| bench::run(&disk, job, tick))
}

/// Runs with a progress bar that tells the current rate, until it is done or the user has enough.
fn watched(
    title: &str,
    job: &Job,
    stop: &Cancel,
    run: impl FnOnce(&mut dyn FnMut(Tick) -> bool) -> Result<Report, BenchError>,
) -> Result<Report, BenchError> {
    let bar = cli::timed_bar(title.to_owned(), job.runtime);
    let report = run(&mut |tick| {
        bar.set_position(u64::try_from(tick.passed.as_millis()).unwrap_or(u64::MAX));
        bar.set_message(format!("{title}, {:.0} IOPS", tick.iops));
        !stop.is_cancelled()
    });
    bar.finish_and_clear();
    report
}
