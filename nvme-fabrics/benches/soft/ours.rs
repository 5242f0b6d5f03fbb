//! The host and the target of this crate, by their public interfaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nvme_fabrics::HostIdentity;
use nvme_fabrics::target::backend::{Backend, BlockStore, Durability, Memory};
use nvme_fabrics::target::{Namespace, Port, PortId, Server, Subsystem, Target};
use nvme_fabrics::tcp::{BusyPoll, Connect, Controller, FlowControl, Namespace as Disk};
use nvme_proto::digest::Digests;
use nvme_proto::{HostId, Nsid, SubsysNqn};
use tokio::task::JoinSet;

use crate::raw::{DISK, SLICE, WARM_UP};

/// Storage with the content of `disk`.
pub(crate) fn memory(disk: &[u8]) -> Arc<dyn Backend> {
    let memory = Memory::new(disk.len() as u64).expect("a size");
    memory.write_at(0, disk, Durability::Cached).expect("it fits");
    Arc::new(memory)
}

fn nqn() -> SubsysNqn {
    SubsysNqn::new("nqn.2014-08.org.example:bench").expect("a name")
}

fn target(backend: &Arc<dyn Backend>) -> Target {
    let target = Target::new();
    let subsystem = Subsystem::new(nqn()).allow_any_host();
    let subsystem =
        subsystem.namespace(Namespace::new(Nsid::ONE, Arc::clone(backend))).expect("one namespace");
    target.add_subsystem(subsystem).expect("a new subsystem");
    target.add_port(Port::tcp(PortId(1), ([127, 0, 0, 1], 0).into()).export(nqn())).expect("a new port");
    target
}

async fn server(backend: &Arc<dyn Backend>, workers: Option<usize>, busy: BusyPoll) -> Server {
    let builder =
        Server::builder(target(backend)).listen(PortId(1), ([127, 0, 0, 1], 0).into()).busy_poll(busy);
    let builder = match workers {
        Some(workers) => builder.workers(workers),
        None => builder,
    };
    builder.start().await.expect("a free port")
}

async fn connect(server: &Server, digests: Digests, busy: BusyPoll) -> (Controller, Disk) {
    let identity = HostIdentity::from_uuid(HostId::from_bytes([7; 16]));
    let controller = Connect::new(server.addresses()[0].1, nqn(), identity)
        .digests(digests)
        .queues(1)
        .queue_size(129)
        .busy_poll(busy)
        // The target answers a read by its data alone, as the raw one does.
        .flow_control(FlowControl::Off)
        .connect()
        .await
        .expect("our own target");
    let disk = controller.namespace(Nsid::ONE).await.expect("the namespace");
    (controller, disk)
}

/// How a program asks for many reads at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A task for each, which waits for one read after the other.
    Tasks,
    /// One task, which submits them and takes them as they are completed.
    Ring,
}

/// What the readers share.
#[derive(Clone)]
struct Readers {
    disk: Disk,
    len: usize,
    /// Reads that were begun, and how many may be.
    begun: Arc<AtomicU64>,
    most: u64,
    over: Arc<AtomicBool>,
}

impl Readers {
    fn new(disk: &Disk, len: usize, most: u64) -> Self {
        let (begun, over) = (Arc::default(), Arc::default());
        Self { disk: disk.clone(), len, begun, most, over }
    }

    /// Whether to begin another read.
    fn go_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed) && self.begun.fetch_add(1, Ordering::Relaxed) < self.most
    }

    /// A random block of the disk.
    fn block(&self, random: &mut fastrand::Rng) -> u64 {
        (random.usize(0..DISK / self.len) * (self.len / 512)) as u64
    }

    fn start(&self, depth: usize, way: Way) -> JoinSet<u64> {
        let mut tasks = JoinSet::new();
        match way {
            Way::Tasks => (0..depth).for_each(|number| drop(tasks.spawn(self.clone().one(number)))),
            Way::Ring => drop(tasks.spawn(self.clone().ring(depth))),
        }
        tasks
    }

    async fn one(self, number: usize) -> u64 {
        let mut random = fastrand::Rng::with_seed(number as u64);
        let mut buffer = vec![0; self.len];
        let mut count = 0;
        while self.go_on() {
            buffer = self.disk.read_into(self.block(&mut random), buffer).await.expect("a read");
            count += 1;
        }
        count
    }

    async fn ring(self, depth: usize) -> u64 {
        let mut random = fastrand::Rng::with_seed(7);
        let mut ring = self.disk.ring(depth);
        let mut count = 0;
        for token in 0..depth as u64 {
            ring.read(token, self.block(&mut random), vec![0; self.len]).expect("room");
        }
        while let Some(done) = ring.next().await {
            done.result.expect("a read");
            count += 1;
            if self.go_on() {
                let buffer = done.buffer.expect("that of the read");
                ring.read(done.token, self.block(&mut random), buffer).expect("room");
            }
        }
        count
    }
}

/// Reads random blocks of `len` bytes, `depth` at a time, until the time has come; how many there were.
async fn read(disk: &Disk, depth: usize, len: usize, way: Way, time: Duration) -> u64 {
    let readers = Readers::new(disk, len, u64::MAX);
    let tasks = readers.start(depth, way);
    tokio::time::sleep(time).await;
    readers.over.store(true, Ordering::Relaxed);
    tasks.join_all().await.iter().sum()
}

/// Reads a second of processor time, both ends on this thread.
pub(crate) fn one_thread(
    backend: &Arc<dyn Backend>,
    depth: usize,
    len: usize,
    digests: Digests,
    way: Way,
) -> f64 {
    crate::raw::runtime().block_on(async {
        let server = server(backend, None, BusyPoll::Off).await;
        let (controller, disk) = connect(&server, digests, BusyPoll::Off).await;
        read(&disk, depth, len, way, WARM_UP).await;
        let before = crate::cpu::time();
        let count = read(&disk, depth, len, way, SLICE).await;
        let rate = count as f64 / (crate::cpu::time() - before).as_secs_f64();
        controller.disconnect().await;
        rate
    })
}

/// Reads a second of the wall clock, each end on a thread that looks all the time.
pub(crate) fn polling(backend: &Arc<dyn Backend>, len: usize) -> f64 {
    crate::raw::runtime().block_on(async {
        let server = server(backend, Some(1), BusyPoll::Always).await;
        let (controller, disk) = connect(&server, Digests::NONE, BusyPoll::Always).await;
        read(&disk, 1, len, Way::Tasks, WARM_UP).await;
        let before = Instant::now();
        let count = read(&disk, 1, len, Way::Tasks, SLICE).await;
        let rate = count as f64 / before.elapsed().as_secs_f64();
        controller.disconnect().await;
        rate
    })
}

/// So many reads, for whoever counts what they cost.
pub(crate) fn count(
    backend: &Arc<dyn Backend>,
    depth: usize,
    len: usize,
    reads: u64,
    digests: Digests,
    way: Way,
) {
    crate::raw::runtime().block_on(async {
        let server = server(backend, None, BusyPoll::Off).await;
        let (controller, disk) = connect(&server, digests, BusyPoll::Off).await;
        Readers::new(&disk, len, reads).start(depth, way).join_all().await;
        controller.disconnect().await;
    });
}
