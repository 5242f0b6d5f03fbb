//! Hours of mixed I/O between the host and the target in user space, over loopback with random faults, and what is left of it in memory and file
//! descriptors: nothing.
//!
//! `cargo run --release -p nvme-fabrics --example soak --features tokio,soft-target,testing -- --seconds 1200`
//!
//! Every worker has blocks of its own and knows what they may hold; whatever it reads is checked. Connections are cut, half closed and chopped at
//! random by a relay between host and target. Exits with 1 when a block holds what it cannot, a command takes longer than all its time-outs, or memory
//! or descriptors have grown from the first third of the time to its end.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nvme_fabrics::target::backend::{Backend, File, FileOptions, Memory};
use nvme_fabrics::target::{Namespace as Space, Port, PortId, Server, Subsystem, Target};
use nvme_fabrics::tcp::{BlockRange, CommandError, Connect, Controller, Deallocate, Namespace};
use nvme_fabrics::testing::faults::{Faults, Faulty};
use nvme_fabrics::testing::model::Model;
use nvme_fabrics::{ControllerLoss, HostIdentity};
use nvme_proto::digest::Digests;
use nvme_proto::{HostId, Nsid, SubsysNqn};
use tokio::net::{TcpListener, TcpStream};

const PORT: PortId = PortId(1);
const BLOCK: usize = 4096;
const DISK: u64 = 64 << 20;
/// Blocks of a worker, and workers of a host.
const BLOCKS: usize = 1024;
const WORKERS: u64 = 4;
/// A command that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(300);

fn nqn(disk: &str) -> SubsysNqn {
    SubsysNqn::new(format!("nqn.2014-08.org.example:{disk}")).expect("a name")
}

#[derive(Default)]
struct Count {
    commands: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
    connections: AtomicU64,
    wrong: AtomicU64,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let after =
        |flag: &str| args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1)?.parse().ok());
    let seconds: u64 = after("--seconds").unwrap_or(60);
    let seed: u64 = after("--seed").unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(soak(Duration::from_secs(seconds), seed)),
        Err(error) => {
            eprintln!("no runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn soak(time: Duration, seed: u64) -> ExitCode {
    let image = tempfile::NamedTempFile::new().expect("a temporary file");
    image.as_file().set_len(DISK).expect("its size");
    let file = File::open(image.path(), &FileOptions::new().threads(4)).expect("our own file");
    println!("file: {}", file.directness());
    let memory =
        Memory::with_block_size(DISK, nvme_fabrics::target::backend::BlockSize::B4096).expect("a size");
    let server = server(&[("memory", Arc::new(memory)), ("file", Arc::new(file))]).await;
    let target = server.addresses()[0].1;
    let count = Arc::new(Count::default());
    let until = Instant::now() + time;

    let mut hosts = tokio::task::JoinSet::new();
    for (number, disk) in (0_u64..).zip(["memory", "file"]) {
        // Up to 200 MB a connection: hundreds of them in a soak, thousands of commands in each.
        let faults = Faults::new(seed + number).cut(1 << 20..200 << 20).chop(200_000);
        let relay = relay(target, faults, Arc::clone(&count)).await;
        hosts.spawn(host(relay, nqn(disk), seed + number, until, Arc::clone(&count)));
    }
    let samples = watch(until, &count).await;
    let mut complete = true;
    while let Some(ended) = hosts.join_next().await {
        complete &= matches!(ended, Ok(true));
    }
    let statistics = server.statistics();
    let shutdown = server.shutdown(Duration::from_secs(10)).await;
    println!("server: {statistics:?}, then {shutdown:?}");
    verdict(&count, &samples, complete)
}

async fn server(disks: &[(&str, Arc<dyn Backend>)]) -> Server {
    let target = Target::new();
    let mut port = Port::tcp(PORT, ([127, 0, 0, 1], 0).into());
    for (name, backend) in disks {
        let subsystem = Subsystem::new(nqn(name)).allow_any_host();
        let subsystem =
            subsystem.namespace(Space::new(Nsid::ONE, Arc::clone(backend))).expect("one namespace");
        target.add_subsystem(subsystem).expect("a new name");
        port = port.export(nqn(name));
    }
    target.add_port(port).expect("a new port");
    let builder = Server::builder(target).listen(PORT, ([127, 0, 0, 1], 0).into()).workers(2);
    builder.start().await.expect("a free port")
}

/// Passes connections on, with faults.
async fn relay(to: SocketAddr, faults: Faults, count: Arc<Count>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((from, _)) = listener.accept().await else { continue };
            let Ok(to) = TcpStream::connect(to).await else { continue };
            let _ = (from.set_nodelay(true), to.set_nodelay(true));
            count.connections.fetch_add(1, Ordering::Relaxed);
            let mut from = Faulty::new(from, &faults.of_connection(number));
            tokio::spawn(async move {
                let mut to = to;
                // Whatever ends it ends both.
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    address
}

/// A host with its workers. Whether it came to its end with its disk as it should be.
async fn host(at: SocketAddr, nqn: SubsysNqn, seed: u64, until: Instant, count: Arc<Count>) -> bool {
    let controller = loop {
        match connect(at, &nqn).await {
            Ok(controller) => break controller,
            Err(error) if Instant::now() < until => eprintln!("{nqn}: {error}; again"),
            Err(error) => {
                eprintln!("{nqn}: {error}");
                return false;
            }
        }
    };
    let disk = loop {
        match controller.namespace(Nsid::ONE).await {
            Ok(disk) => break disk,
            Err(error) => eprintln!("{nqn}: {error}; again"),
        }
    };
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..WORKERS {
        let model = Model::new(worker * BLOCKS as u64, BLOCKS, BLOCK);
        workers.spawn(work(disk.clone(), model, seed << 8 | worker, until, Arc::clone(&count)));
    }
    let mut fine = true;
    while let Some(ended) = workers.join_next().await {
        fine &= matches!(ended, Ok(true));
    }
    drop(disk);
    let _ = tokio::time::timeout(LONGEST, controller.disconnect()).await;
    fine
}

async fn connect(at: SocketAddr, nqn: &SubsysNqn) -> Result<Controller, nvme_fabrics::tcp::ConnectError> {
    let identity = HostIdentity::from_uuid(HostId::from_bytes([9; 16]));
    Connect::new(at, nqn.clone(), identity)
        .digests(Digests::BOTH)
        .queues(2)
        .queue_size(32)
        .keep_alive(Some(Duration::from_secs(1)))
        .reconnect_delay(Duration::from_millis(200))
        .controller_loss(ControllerLoss::Never)
        .connect()
        .await
}

/// One worker. Whether all it read was what it could be, and nothing hung.
async fn work(disk: Namespace, mut model: Model, seed: u64, until: Instant, count: Arc<Count>) -> bool {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut fine = true;
    while Instant::now() < until {
        match tokio::time::timeout(LONGEST, step(&disk, &mut model, &mut random, &count)).await {
            Ok(right) => fine &= right,
            Err(_) => {
                eprintln!("a command hangs");
                return false;
            }
        }
    }
    fine
}

/// One command.
async fn step(disk: &Namespace, model: &mut Model, random: &mut fastrand::Rng, count: &Count) -> bool {
    let blocks = if random.u8(..) < 240 { random.usize(1..=4) } else { random.usize(1..=64) };
    let at = random.usize(0..=model.len() - blocks);
    let lba = model.first() + at as u64;
    let mut right = true;
    let done: Result<(), CommandError> = match random.u8(0..16) {
        0..6 => {
            let (version, data) = model.write(at, blocks);
            let done = disk.write(lba, data).await;
            match &done {
                Ok(()) => model.acknowledged(at, blocks, version),
                Err(_) => model.unknown(at, blocks, version),
            }
            done
        }
        6 => {
            let done =
                disk.write_zeroes(BlockRange { lba, blocks: blocks as u64 }, Deallocate::Allowed).await;
            match &done {
                Ok(()) => model.acknowledged(at, blocks, 0),
                Err(_) => model.unknown(at, blocks, 0),
            }
            done
        }
        7 => disk.flush().await,
        _ => disk.read(lba, blocks as u32).await.map(|data| {
            if let Err(wrong) = model.check(at, &data) {
                eprintln!("WRONG: {wrong}");
                count.wrong.fetch_add(1, Ordering::Relaxed);
                right = false;
            }
        }),
    };
    count.commands.fetch_add(1, Ordering::Relaxed);
    count.bytes.fetch_add((blocks * BLOCK) as u64, Ordering::Relaxed);
    if done.is_err() {
        count.failed.fetch_add(1, Ordering::Relaxed);
    }
    right
}

/// What the process has.
#[derive(Debug, Clone, Copy)]
struct Sample {
    kib: u64,
    descriptors: usize,
}

fn sample() -> Sample {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0);
    let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    Sample { kib, descriptors }
}

/// Samples until the time has come, and prints some of them.
async fn watch(until: Instant, count: &Count) -> Vec<Sample> {
    let mut samples = Vec::new();
    let began = Instant::now();
    let mut told = Duration::ZERO;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = sample();
        samples.push(now);
        if began.elapsed() >= told {
            told += Duration::from_secs(30);
            println!(
                "{:5} s: {:9} commands, {:4} failed, {:5} connections, {:4} MiB resident, {} descriptors",
                began.elapsed().as_secs(),
                count.commands.load(Ordering::Relaxed),
                count.failed.load(Ordering::Relaxed),
                count.connections.load(Ordering::Relaxed),
                now.kib >> 10,
                now.descriptors,
            );
        }
    }
    samples
}

/// The middle of the values.
fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn verdict(count: &Count, samples: &[Sample], complete: bool) -> ExitCode {
    let third = samples.len() / 3;
    let (early, late) = (&samples[third..2 * third], &samples[2 * third..]);
    let memory = [early, late].map(|part| median(part.iter().map(|sample| sample.kib)));
    let descriptors = [early, late].map(|part| median(part.iter().map(|sample| sample.descriptors as u64)));
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} commands, {} MiB, {} failed, {} connections, {} wrong; \
         resident {} MiB then {} MiB, descriptors {} then {}",
        load(&count.commands),
        load(&count.bytes) >> 20,
        load(&count.failed),
        load(&count.connections),
        load(&count.wrong),
        memory[0] >> 10,
        memory[1] >> 10,
        descriptors[0],
        descriptors[1],
    );
    // Allocators and the state of connections sway a little.
    let grows = memory[1] > memory[0] + memory[0] / 10 + (16 << 10) || descriptors[1] > descriptors[0] + 12;
    let busy = load(&count.commands) > 100;
    if !complete || load(&count.wrong) > 0 || grows || !busy {
        println!("FAILED{}", if grows { ": memory or descriptors have grown" } else { "" });
        return ExitCode::FAILURE;
    }
    println!("passed");
    ExitCode::SUCCESS
}
