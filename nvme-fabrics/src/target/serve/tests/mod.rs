//! The server over in-memory pipes and loopback.

mod host;

use std::sync::Arc;

use nvme_proto::SubsysNqn;
use nvme_proto::host::Config;
use tokio::task::JoinHandle;

use super::*;
use crate::net::Plain;
use crate::target::backend::{Backend, Memory};
use crate::target::{PortId, testing};
use host::{Identity, Queue, read, write};

const PORT: PortId = PortId(1);

fn nqn() -> SubsysNqn {
    SubsysNqn::new("nqn.2014-08.org.example:disk").unwrap()
}

async fn server(backend: Arc<dyn Backend>) -> Server {
    Server::builder(testing::target(&nqn(), backend).unwrap()).start().await.unwrap()
}

type Pipe = Plain<tokio::io::DuplexStream>;

/// One end of a connection to the server.
fn pipe(server: &Server) -> (Pipe, JoinHandle<()>) {
    let (here, there) = tokio::io::duplex(1 << 16);
    (Plain(here), tokio::spawn(server.over(PORT, there)))
}

/// A host with an admin queue and one I/O queue.
async fn host(server: &Server, config: Config) -> (Queue<Pipe>, Queue<Pipe>) {
    let identity = Identity::new(1, &nqn());
    let (admin, cntlid) = identity.admin(pipe(server).0, Config::admin()).await;
    let io = identity.io(pipe(server).0, 1, cntlid, config).await;
    (admin, io)
}

#[tokio::test]
async fn data_come_back_over_a_pipe() {
    let server = server(Arc::new(Memory::new(64 << 20).unwrap())).await;
    let (admin, mut queue) = host(&server, Config::io(8192)).await;
    for (block, len) in [(0, 512), (100, 4096), (1000, 200 << 10), (5000, 1 << 20)] {
        queue.call(write(block, vec![7; len])).await.result.unwrap();
        let blocks = u16::try_from(len / 512).unwrap();
        let done = queue.call(read(block, blocks)).await;
        done.result.unwrap();
        assert!(done.data.into_read().unwrap().iter().all(|byte| *byte == 7));
    }
    for block in 0..100 {
        queue.submit(read(block, 8));
    }
    assert_eq!(queue.done(100).await.len(), 100);
    queue.close().await;
    admin.close().await;
    let statistics = server.statistics();
    assert_eq!((statistics.accepted, statistics.failed_handshakes, statistics.violations), (2, 0, 0));
    assert_eq!(statistics.bytes_written, 512 + 4096 + (200 << 10) + (1 << 20));
    assert_eq!(statistics.bytes_read, statistics.bytes_written + 100 * 4096);
}

mod bounds;
mod ending;
mod storage;
