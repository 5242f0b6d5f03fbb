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

/// Reads random blocks of `len` bytes, `depth` at a time, until the time has come; how many there were.
async fn read(disk: &Disk, depth: usize, len: usize, time: Duration) -> u64 {
    let count = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for number in 0..depth {
        let (disk, count, over) = (disk.clone(), Arc::clone(&count), Arc::clone(&over));
        readers.spawn(async move {
            let mut random = fastrand::Rng::with_seed(number as u64);
            let mut buffer = vec![0; len];
            while !over.load(Ordering::Relaxed) {
                let block = random.usize(0..DISK / len) * (len / 512);
                buffer = disk.read_into(block as u64, buffer).await.expect("a read");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(time).await;
    over.store(true, Ordering::Relaxed);
    while readers.join_next().await.is_some() {}
    count.load(Ordering::Relaxed)
}

/// Reads a second of processor time, both ends on this thread.
pub(crate) fn one_thread(backend: &Arc<dyn Backend>, depth: usize, len: usize, digests: Digests) -> f64 {
    crate::raw::runtime().block_on(async {
        let server = server(backend, None, BusyPoll::Off).await;
        let (controller, disk) = connect(&server, digests, BusyPoll::Off).await;
        read(&disk, depth, len, WARM_UP).await;
        let before = crate::cpu::time();
        let count = read(&disk, depth, len, SLICE).await;
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
        read(&disk, 1, len, WARM_UP).await;
        let before = Instant::now();
        let count = read(&disk, 1, len, SLICE).await;
        let rate = count as f64 / before.elapsed().as_secs_f64();
        controller.disconnect().await;
        rate
    })
}

/// So many reads, for whoever counts what they cost.
pub(crate) fn count(backend: &Arc<dyn Backend>, depth: usize, len: usize, reads: u64) {
    crate::raw::runtime().block_on(async {
        let server = server(backend, None, BusyPoll::Off).await;
        let (controller, disk) = connect(&server, Digests::NONE, BusyPoll::Off).await;
        let mut readers = JoinSet::new();
        for number in 0..depth {
            let disk = disk.clone();
            readers.spawn(async move {
                let mut random = fastrand::Rng::with_seed(number as u64);
                let mut buffer = vec![0; len];
                for _ in 0..reads / depth as u64 {
                    let block = random.usize(0..DISK / len) * (len / 512);
                    buffer = disk.read_into(block as u64, buffer).await.expect("a read");
                }
            });
        }
        while readers.join_next().await.is_some() {}
        controller.disconnect().await;
    });
}
