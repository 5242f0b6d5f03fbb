//! The same histories as in memory over real connections on loopback, with the real clock: every acknowledged write is there afterwards, nothing hangs,
//! and nothing is leaked.
#![cfg(all(feature = "tokio", feature = "soft-target"))]

mod history;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nvme_fabrics::target::backend::Memory;
use nvme_fabrics::target::{Namespace as Exported, Port, PortId, Server, Subsystem, Target};
use nvme_fabrics::tcp::{Connect, Controller};
use nvme_fabrics::testing::faults::{Faults, Faulty};
use nvme_fabrics::{ControllerLoss, HostIdentity};
use nvme_proto::digest::Digests;
use nvme_proto::{HostId, Nsid, SubsysNqn};
use tokio::net::TcpStream;

use self::history::{afterwards, workers};

const PORT: PortId = PortId(1);
/// What takes longer hangs, also on a machine with other things to do.
const LONGEST: Duration = Duration::from_secs(300);

fn nqn() -> SubsysNqn {
    SubsysNqn::new("nqn.2014-08.org.example:disk").unwrap()
}

async fn server() -> (Server, SocketAddr) {
    let target = Target::new();
    let disk = Exported::new(Nsid::ONE, Arc::new(Memory::new(4 << 20).unwrap()));
    target.add_subsystem(Subsystem::new(nqn()).allow_any_host().namespace(disk).unwrap()).unwrap();
    target.add_port(Port::tcp(PORT, ([127, 0, 0, 1], 0).into()).export(nqn())).unwrap();
    let server = Server::builder(target).listen(PORT, ([127, 0, 0, 1], 0).into()).workers(2);
    let server = server.start().await.unwrap();
    let address = server.addresses()[0].1;
    (server, address)
}

/// Connects; the faults of each connection are its own. How many connections were made is counted.
async fn connect(to: SocketAddr, faults: &Faults, digests: Digests, made: &Arc<AtomicU64>) -> Controller {
    loop {
        let (faults, made) = (faults.clone(), Arc::clone(made));
        let dial = move || {
            let faults = faults.of_connection(made.fetch_add(1, Ordering::Relaxed));
            async move {
                let stream = TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                Ok(Faulty::new(stream, &faults))
            }
        };
        let identity = HostIdentity::from_uuid(HostId::from_bytes([7; 16]));
        let connecting = Connect::over(dial, nqn(), identity)
            .digests(digests)
            .queues(2)
            .queue_size(16)
            .keep_alive(Some(Duration::from_secs(1)))
            .reconnect_delay(Duration::from_millis(100))
            .controller_loss(ControllerLoss::Never)
            .connect()
            .await;
        match connecting {
            Ok(controller) => return controller,
            Err(error) => assert!(error.is_retryable(), "{error:?}"),
        }
    }
}

/// A history with these faults; how many connections it took, and how many commands failed.
async fn history(faults: Faults, digests: Digests) -> (u64, u32) {
    let whole = async {
        let (server, address) = server().await;
        let made = Arc::new(AtomicU64::new(0));
        let controller = connect(address, &faults, digests, &made).await;
        let disk = loop {
            if let Ok(disk) = controller.namespace(Nsid::ONE).await {
                break disk;
            }
        };
        let (mut models, failed) = workers(&disk, 20).await;
        drop(disk);
        controller.disconnect().await;
        let took = made.load(Ordering::Relaxed);
        let plain = connect(address, &Faults::new(0), Digests::NONE, &made).await;
        afterwards(&plain.namespace(Nsid::ONE).await.unwrap(), &mut models).await;
        plain.disconnect().await;
        while server.statistics().connections > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(server.free_memory(), 256 << 20, "all memory came back");
        assert_eq!(server.target().associations(), [], "no association is left");
        (took, failed)
    };
    match tokio::time::timeout(LONGEST, whole).await {
        Ok(done) => done,
        Err(_) => panic!("it hangs: {faults:?} {digests:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_chopped_stalled_and_cut() {
    let faults = Faults::new(31).chop(30_000).stall(200, Duration::from_millis(30)).cut(100_000..900_000);
    let (took, _) = history(faults, Digests::NONE).await;
    assert!(took > 3, "{took} connections: nothing was cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_whose_other_end_stops_talking() {
    let (took, _) = history(Faults::new(32).half_close(20_000..200_000), Digests::from_dgst(1)).await;
    assert!(took > 3, "{took} connections: nothing was closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_damaged_on_the_way() {
    let (took, failed) = history(Faults::new(33).corrupt(15_000).chop(100_000), Digests::BOTH).await;
    assert!(took > 3 || failed > 3, "{took} connections, {failed} failures: nothing was noticed");
}
