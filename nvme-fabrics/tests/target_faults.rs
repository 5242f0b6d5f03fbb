//! Host and target over connections on which everything goes wrong that can: every acknowledged write is there afterwards, nothing hangs, and nothing
//! is leaked.
//!
//! The clock is tokio's, paused: time-outs, fences and reconnects take no time. The seed of a failing run is in the message.
#![cfg(all(feature = "tokio", feature = "soft-target"))]

mod history;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nvme_fabrics::target::backend::{Backend, Memory};
use nvme_fabrics::target::{Port, PortId, Server, Subsystem, Target};
use nvme_fabrics::tcp::{BlockRange, Connect, Controller, Deallocate};
use nvme_fabrics::testing::faults::{Faults, Faulty};
use nvme_fabrics::testing::model::Model;
use nvme_fabrics::{ControllerLoss, HostIdentity};
use nvme_proto::digest::Digests;
use nvme_proto::{HostId, Nsid, SubsysNqn};
use tokio::io::DuplexStream;

use self::history::{BLOCK, afterwards, compare, workers};

const PORT: PortId = PortId(1);
/// I/O queues: the workers' commands go over all of them.
const QUEUES: u16 = 4;

fn nqn() -> SubsysNqn {
    SubsysNqn::new("nqn.2014-08.org.example:disk").unwrap()
}

async fn server(backend: Arc<dyn Backend>) -> Arc<Server> {
    let target = Target::new();
    let namespace = nvme_fabrics::target::Namespace::new(Nsid::ONE, backend);
    target.add_subsystem(Subsystem::new(nqn()).allow_any_host().namespace(namespace).unwrap()).unwrap();
    target.add_port(Port::tcp(PORT, ([127, 0, 0, 1], 4420).into()).export(nqn())).unwrap();
    Arc::new(Server::builder(target).start().await.unwrap())
}

/// Which end the faults are at.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Host,
    Target,
}

/// Makes connections to a server, of which the later ones have faults too.
fn dial(
    server: &Arc<Server>,
    faults: &Faults,
    side: Side,
) -> impl FnMut() -> std::future::Ready<std::io::Result<Faulty<DuplexStream>>> + Send + 'static {
    let (server, faults, number) = (Arc::clone(server), faults.clone(), AtomicU64::new(0));
    move || {
        let faults = faults.of_connection(number.fetch_add(1, Ordering::Relaxed));
        let (here, there) = tokio::io::duplex(1 << 16);
        let plain = Faults::new(0);
        let (here_faults, there_faults) = match side {
            Side::Host => (&faults, &plain),
            Side::Target => (&plain, &faults),
        };
        tokio::spawn(server.over(PORT, Faulty::new(there, there_faults)));
        std::future::ready(Ok(Faulty::new(here, here_faults)))
    }
}

async fn connect(server: &Arc<Server>, faults: &Faults, side: Side, digests: Digests) -> Controller {
    for attempt in 0.. {
        let identity = HostIdentity::from_uuid(HostId::from_bytes([7; 16]));
        let connecting =
            Connect::over(dial(server, &faults.of_connection(attempt << 32), side), nqn(), identity)
                .digests(digests)
                .queues(QUEUES)
                .queue_size(16)
                .keep_alive(Some(Duration::from_secs(5)))
                .reconnect_delay(Duration::from_secs(1))
                .controller_loss(ControllerLoss::Never)
                .connect()
                .await;
        match connecting {
            Ok(controller) => return controller,
            // The first association has no second attempt by itself.
            Err(error) => assert!(attempt < 200, "no connection comes about: {error}"),
        }
    }
    unreachable!()
}

/// A history of several tasks over connections with these faults, then everything is looked at over one without. How many commands failed, and how
/// many connections there were.
async fn history(faults: &Faults, side: Side, digests: Digests, turns: u32) -> (u32, u64) {
    let whole = async {
        let memory = Arc::new(Memory::new(4 << 20).unwrap());
        let server = server(memory.clone()).await;
        let controller = connect(&server, faults, side, digests).await;
        let disk = loop {
            if let Ok(disk) = controller.namespace(Nsid::ONE).await {
                break disk;
            }
        };
        let (mut models, failed) = workers(&disk, turns).await;
        drop(disk);
        controller.disconnect().await;

        let plain = connect(&server, &Faults::new(0), Side::Host, Digests::NONE).await;
        let disk = plain.namespace(Nsid::ONE).await.unwrap();
        afterwards(&disk, &mut models).await;
        drop(disk);
        plain.disconnect().await;
        // What is cut on one side is seen by the other at the latest when its time is over.
        while server.statistics().connections > 0 {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        assert_eq!(server.free_memory(), 256 << 20, "all memory came back");
        assert_eq!(server.target().associations(), [], "no association is left");
        (failed, server.statistics().accepted)
    };
    let hours = Duration::from_secs(24 * 3600);
    match tokio::time::timeout(hours, whole).await {
        Ok(done) => done,
        Err(_) => panic!("it hangs: {faults:?} {side:?} {digests:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_fails_where_nothing_is_lost() {
    for digests in [0, 1, 2, 3].map(Digests::from_dgst) {
        for faults in [
            Faults::new(1),
            Faults::new(2).chop(64),
            Faults::new(3).chop(5000).stall(200, Duration::from_millis(500)),
        ] {
            let (failed, connections) = history(&faults, Side::Host, digests, 12).await;
            assert_eq!((failed, connections), (0, 2 * (1 + u64::from(QUEUES))), "{faults:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn acknowledged_writes_survive_connections_that_are_cut() {
    let mut connections = 0;
    for seed in 0..4 {
        let side = if seed % 2 == 0 { Side::Host } else { Side::Target };
        let digests = Digests::from_dgst((seed % 4) as u8);
        let faults = Faults::new(seed).cut(10_000..800_000).chop(20_000);
        connections += history(&faults, side, digests, 40).await.1;
    }
    assert!(connections > 40, "{connections} connections are too few to have tested anything");
}

#[tokio::test(start_paused = true)]
async fn acknowledged_writes_survive_ends_and_stalls() {
    let mut connections = 0;
    for seed in 10..14 {
        let side = if seed % 2 == 0 { Side::Host } else { Side::Target };
        let faults = Faults::new(seed).half_close(10_000..800_000).stall(300, Duration::from_secs(20));
        connections += history(&faults, side, Digests::NONE, 40).await.1;
    }
    assert!(connections > 40, "{connections} connections are too few to have tested anything");
}

#[tokio::test(start_paused = true)]
async fn damaged_bytes_are_never_taken_for_data() {
    let mut trouble = 0;
    for seed in 20..24 {
        let side = if seed % 2 == 0 { Side::Host } else { Side::Target };
        let faults = Faults::new(seed).corrupt(200_000).chop(100_000);
        let (failed, connections) = history(&faults, side, Digests::BOTH, 40).await;
        trouble += u64::from(failed) + connections;
    }
    assert!(trouble > 40, "{trouble} failures and connections are too few to have tested anything");
}

/// One command of each kind, and the end of the connection. Its last byte may be any.
async fn short_history(mut faults: Faults, only: u64, side: Side) {
    let memory = Arc::new(Memory::new(1 << 20).unwrap());
    let server = server(memory).await;
    let controller = loop {
        let (to, wrong, number) = (Arc::clone(&server), faults.clone(), AtomicU64::new(0));
        let dial = move || {
            let plain = Faults::new(0);
            let faults = if number.fetch_add(1, Ordering::Relaxed) == only { &wrong } else { &plain };
            let (here_faults, there_faults) = match side {
                Side::Host => (faults, &plain),
                Side::Target => (&plain, faults),
            };
            let (here, there) = tokio::io::duplex(1 << 14);
            tokio::spawn(to.over(PORT, Faulty::new(there, there_faults)));
            std::future::ready(Ok(Faulty::new(here, here_faults)))
        };
        let identity = HostIdentity::from_uuid(HostId::from_bytes([8; 16]));
        let connect = Connect::over(dial, nqn(), identity)
            .queues(1)
            .queue_size(16)
            .keep_alive(Some(Duration::from_secs(5)))
            .reconnect_delay(Duration::from_secs(1))
            .controller_loss(ControllerLoss::Never);
        match connect.connect().await {
            Ok(controller) => break controller,
            // Lost while it was being made: whoever asked is told, and asks again; nothing goes wrong then.
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
                faults = Faults::new(0);
            }
        }
    };
    let disk = controller.namespace(Nsid::ONE).await.unwrap();
    let mut model = Model::new(0, 64, BLOCK);
    for (at, count) in [(0, 1), (4, 24), (2, 8)] {
        let (version, data) = model.write(at, count);
        disk.write(at as u64, data).await.unwrap();
        model.acknowledged(at, count, version);
    }
    disk.write_zeroes(BlockRange { lba: 6, blocks: 2 }, Deallocate::No).await.unwrap();
    model.acknowledged(6, 2, 0);
    disk.discard(&[BlockRange { lba: 20, blocks: 3 }]).await.unwrap();
    model.acknowledged(20, 3, 0);
    compare(&disk, &model, 0, 30).await.unwrap();
    disk.flush().await.unwrap();
    model.check(0, &disk.read(0, 64).await.unwrap()).unwrap();
    controller.disconnect().await;
}

/// With time-outs that take no time, a history is a millisecond: cut and half closed at all the places of a connection, on both of its sides.
#[tokio::test(start_paused = true)]
async fn any_byte_of_a_connection_may_be_its_last() {
    // More than either connection carries: 0 is the admin queue's, 1 the I/O queue's.
    for (only, end, step) in [(0, 12_000, 397), (1, 60_000, 997)] {
        for side in [Side::Host, Side::Target] {
            for at in (0..end).step_by(step) {
                let places = [Faults::new(at).cut(at..at + 1), Faults::new(at).half_close(at..at + 1)];
                for faults in places {
                    let what = format!("{faults:?} of connection {only} on side {side:?}");
                    let history = short_history(faults, only, side);
                    let hour = tokio::time::timeout(Duration::from_secs(3600), history).await;
                    assert!(hour.is_ok(), "it hangs: {what}");
                }
            }
        }
    }
}
