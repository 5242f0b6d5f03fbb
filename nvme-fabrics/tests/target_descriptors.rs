//! A target in a process that has no file descriptor left: who is connected goes on, who comes waits, and nothing spins.
//!
//! Alone in its file, since the limit is the whole process's.
#![cfg(all(feature = "tokio", feature = "soft-target", target_os = "linux"))]

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nvme_fabrics::HostIdentity;
use nvme_fabrics::target::backend::Memory;
use nvme_fabrics::target::{Namespace, Port, PortId, Server, Subsystem, Target};
use nvme_fabrics::tcp::Connect;
use nvme_proto::digest::Digests;
use nvme_proto::pdu::{DataAlignment, IcReq};
use nvme_proto::{HostId, Nsid, SubsysNqn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

const PORT: PortId = PortId(1);
/// As long as anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

async fn server() -> (Server, SocketAddr, SubsysNqn) {
    let nqn = SubsysNqn::new("nqn.2014-08.org.example:disk").unwrap();
    let target = Target::new();
    let namespace = Namespace::new(Nsid::ONE, Arc::new(Memory::new(1 << 20).unwrap()));
    target.add_subsystem(Subsystem::new(nqn.clone()).allow_any_host().namespace(namespace).unwrap()).unwrap();
    target.add_port(Port::tcp(PORT, ([127, 0, 0, 1], 0).into()).export(nqn.clone())).unwrap();
    let server = Server::builder(target).listen(PORT, ([127, 0, 0, 1], 0).into()).start().await.unwrap();
    let address = server.addresses()[0].1;
    (server, address, nqn)
}

/// Takes every descriptor that is left below a limit just above those in use.
fn take_all(hard: u64) -> Vec<File> {
    let numbers = std::fs::read_dir("/proc/self/fd").unwrap();
    let names = numbers.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let last: u64 = names.map(|name| name.parse().unwrap()).max().unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, last + 8, hard).unwrap();
    let mut taken = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(nix::libc::EMFILE));
                return taken;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_newcomers_wait_and_nothing_spins() {
    let (server, address, nqn) = server().await;
    let identity = HostIdentity::from_uuid(HostId::from_bytes([1; 16]));
    let controller = Connect::new(address, nqn, identity).queues(1).connect().await.unwrap();
    let disk = controller.namespace(Nsid::ONE).await.unwrap();
    // They have their descriptors already; the server's ends are what is missing.
    let sockets: Vec<TcpSocket> = (0..5).map(|_| TcpSocket::new_v4().unwrap()).collect();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let taken = take_all(hard);
    let since = Instant::now();
    let mut waiting = Vec::new();
    for socket in sockets {
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(&IcReq::new(DataAlignment::DWORD, Digests::NONE, 0).encode()).await.unwrap();
        waiting.push(stream);
    }
    while server.statistics().accept_errors < 8 {
        assert!(since.elapsed() < PATIENCE, "{:?}", server.statistics());
        disk.write(0, vec![3; 512]).await.unwrap();
        assert_eq!(disk.read(0, 1).await.unwrap(), vec![3; 512]);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Pauses of 5 ms, 10 ms, and so on up to 1 s lie between them: 8 of them, and then at most one a second.
    let (errors, most) = (server.statistics().accept_errors, 9 + since.elapsed().as_secs());
    assert!(errors <= most, "{errors} failures in {:?}", since.elapsed());
    assert_eq!(server.statistics().accepted, 2, "those of the first host");
    drop(taken);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    for stream in &mut waiting {
        let mut answer = [0; 128];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer[0], 1, "ICResp");
    }
    controller.disconnect().await;
}
