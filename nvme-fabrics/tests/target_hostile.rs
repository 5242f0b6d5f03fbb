//! Hostile and merely unlucky peers on loopback: the others do not notice.
#![cfg(all(feature = "tokio", feature = "soft-target"))]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nvme_fabrics::HostIdentity;
use nvme_fabrics::target::backend::{Backend, Memory};
use nvme_fabrics::target::{Limits, Namespace, Port, PortId, Server, Subsystem, Target};
use nvme_fabrics::tcp::{Connect, Controller};
use nvme_fabrics::testing::model::Model;
use nvme_fabrics::testing::storage::{FaultyStorage, StorageFaults};
use nvme_proto::digest::Digests;
use nvme_proto::frame::Transmit;
use nvme_proto::pdu::{CapsuleCmd, Format, IcReq};
use nvme_proto::sgl::Sgl;
use nvme_proto::sqe::Sqe;
use nvme_proto::{DataAlignment, HostId, Nsid, SubsysNqn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const PORT: PortId = PortId(1);

fn nqn() -> SubsysNqn {
    SubsysNqn::new("nqn.2014-08.org.example:disk").unwrap()
}

async fn server(backend: Arc<dyn Backend>, limits: Limits) -> (Server, SocketAddr) {
    let target = Target::new();
    let subsystem = Subsystem::new(nqn()).allow_any_host();
    target.add_subsystem(subsystem.namespace(Namespace::new(Nsid::ONE, backend)).unwrap()).unwrap();
    target.add_port(Port::tcp(PORT, ([127, 0, 0, 1], 0).into()).export(nqn())).unwrap();
    let builder = Server::builder(target).listen(PORT, ([127, 0, 0, 1], 0).into());
    let server = builder.workers(2).limits(limits).start().await.unwrap();
    let address = server.addresses()[0].1;
    (server, address)
}

async fn host(address: SocketAddr, number: u8, digests: Digests) -> Controller {
    let identity = HostIdentity::from_uuid(HostId::from_bytes([number; 16]));
    Connect::new(address, nqn(), identity).digests(digests).queues(2).connect().await.unwrap()
}

/// A connection from another address of this machine.
async fn from(last: u8, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, last], 0).into())?;
    socket.connect(to).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_hosts_with_all_digests_have_their_own_data() {
    let (server, address) = server(Arc::new(Memory::new(64 << 20).unwrap()), Limits::new()).await;
    let hosts: Vec<_> = (0..8_u8)
        .map(|number| {
            tokio::spawn(async move {
                let controller = host(address, number + 1, Digests::from_dgst(number % 4)).await;
                let disk = controller.namespace(Nsid::ONE).await.unwrap();
                let mut model = Model::new(u64::from(number) * 4096, 1000, 512);
                for turn in 0..40_usize {
                    let (at, count) = (turn * 7 % 500, 1 + turn * 13 % 500);
                    let (version, data) = model.write(at, count);
                    disk.write(model.first() + at as u64, data).await.unwrap();
                    model.acknowledged(at, count, version);
                    let data = disk.read(model.first(), 1000).await.unwrap();
                    model.check(0, &data).unwrap();
                }
                controller.disconnect().await;
            })
        })
        .collect();
    for host in hosts {
        host.await.unwrap();
    }
    let statistics = server.statistics();
    assert_eq!((statistics.violations, statistics.expired, statistics.failed_handshakes), (0, 0, 0));
}

/// Lets this process open as many descriptors as it may. How many connections fit, both ends counted, with some to spare.
#[cfg(target_os = "linux")]
fn room_for_connections() -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    usize::try_from(hard).unwrap_or(usize::MAX) - 500
}

/// Bytes of this process in memory.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_leave_others_alone() {
    let limits = Limits::new().connections_per_peer(300).handshake_timeout(Duration::from_secs(60));
    let (server, address) = server(Arc::new(Memory::new(1 << 20).unwrap()), limits).await;
    let controller = host(address, 1, Digests::NONE).await;
    let disk = controller.namespace(Nsid::ONE).await.unwrap();
    disk.write(0, vec![7; 4096]).await.unwrap();
    let (room, before) = (room_for_connections(), resident());
    let mut idle = std::collections::VecDeque::new();
    let (mut opened, mut reads) = (0, 0);
    for number in 0..10_000 {
        if let Ok(mut stream) = from(2, address).await {
            opened += 1;
            // Some say nothing, some a part of something, some shake hands and go no further.
            let said = match number % 3 {
                0 => Vec::new(),
                1 => vec![0, 0, 128],
                _ => IcReq::new(DataAlignment::DWORD, Digests::NONE, 0).encode().to_vec(),
            };
            // One that was closed already cannot be told.
            let _ = stream.write_all(&said).await;
            idle.push_back(stream);
            if idle.len() > room {
                idle.pop_front();
            }
        }
        if number % 250 == 0 {
            assert_eq!(disk.read(0, 8).await.unwrap(), vec![7; 4096]);
            reads += 1;
        }
    }
    // A new host comes in all the same.
    let other = host(address, 3, Digests::BOTH).await;
    assert_eq!(other.namespace(Nsid::ONE).await.unwrap().read(0, 8).await.unwrap(), vec![7; 4096]);
    let statistics = server.statistics();
    assert!(opened > 9_000 && reads == 40, "{opened} opened, {reads} reads");
    assert!(statistics.connections <= 300 + 6, "{statistics:?}");
    assert!(statistics.refused + 300 >= opened, "{statistics:?}");
    assert_eq!(server.free_memory(), 256 << 20);
    // The other ends of all of them are in this process too.
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    drop(idle);
}

/// Shakes hands, and sends these bytes; what comes back until the connection ends.
async fn after_handshake(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = from(4, address).await.unwrap();
    stream.write_all(&IcReq::new(DataAlignment::DWORD, Digests::NONE, 0).encode()).await.unwrap();
    stream.read_exact(&mut [0; 128]).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came).await;
    came
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_beyond_the_queue_and_before_connect_are_answered_and_bounded() {
    let (server, address) = server(Arc::new(Memory::new(1 << 20).unwrap()), Limits::new()).await;
    let controller = host(address, 1, Digests::NONE).await;
    let disk = controller.namespace(Nsid::ONE).await.unwrap();
    // Far more commands than any queue has, none of them after a Connect.
    let mut flood = Vec::new();
    for cid in 0..20_000_u16 {
        flood.extend(capsule(Sqe::new(0x02), cid));
    }
    let came = after_handshake(address, &flood).await;
    // Command Sequence Error for each that was looked at: 24 bytes each, or a terminate request at the end.
    assert!(!came.is_empty() && came.len() <= 24 * 20_000 + 200, "{} bytes", came.len());
    // Bytes that are nothing.
    let came = after_handshake(address, &[0xff; 4096]).await;
    assert_eq!(came.first(), Some(&0x03), "C2HTermReq");
    disk.write(0, vec![7; 512]).await.unwrap();
    assert_eq!(disk.read(0, 1).await.unwrap(), vec![7; 512]);
    assert!(server.statistics().violations >= 1);
}

/// A command that reads or sends nothing in its capsule, as it is on the wire.
fn capsule(mut sqe: Sqe, cid: u16) -> Vec<u8> {
    sqe.cid = cid;
    Transmit::new(CapsuleCmd::new(sqe.encode()), Format::PLAIN, []).unwrap().chunks().concat()
}

/// A host that has connected an admin queue of 32 commands and enabled its controller.
#[cfg(target_os = "linux")]
async fn admin_queue(address: SocketAddr) -> TcpStream {
    use nvme_proto::fabrics::{
        CommandSetSelected, Connect as ConnectCommand, ConnectData, ControllerConfiguration, Property,
        PropertySet,
    };
    use nvme_proto::{Cntlid, HostNqn};
    let mut stream = from(5, address).await.unwrap();
    stream.write_all(&IcReq::new(DataAlignment::DWORD, Digests::NONE, 0).encode()).await.unwrap();
    stream.read_exact(&mut [0; 128]).await.unwrap();
    let id = HostId::from_bytes([5; 16]);
    let data = ConnectData::new(id, Cntlid::DYNAMIC, &nqn(), &HostNqn::from_uuid(id));
    let mut connect = ConnectCommand::admin(31, 0).to_sqe();
    connect.sgl = Sgl::in_capsule(1024);
    let pdu = Transmit::new(CapsuleCmd::new(connect.encode()), Format::PLAIN, data.as_bytes()).unwrap();
    stream.write_all(&pdu.chunks().concat()).await.unwrap();
    let enable = ControllerConfiguration::enabled(CommandSetSelected::NVM);
    let enable = PropertySet::new(Property::CC, enable.0.into()).to_sqe();
    for answer in [None, Some(capsule(enable, 1))] {
        if let Some(capsule) = answer {
            stream.write_all(&capsule).await.unwrap();
        }
        let mut response = [0; 24];
        stream.read_exact(&mut response).await.unwrap();
        assert_eq!((response[0], &response[22..]), (0x05, &[0, 0][..]), "a response capsule of success");
    }
    stream
}

/// Fifty thousand commands at once on a queue of 32, each of which asks for 4 KiB, and nobody who takes the answers: they are not kept.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_flooded_and_never_read_from_costs_its_host_alone() {
    let (server, address) = server(Arc::new(Memory::new(1 << 20).unwrap()), Limits::new()).await;
    let controller = host(address, 1, Digests::NONE).await;
    let disk = controller.namespace(Nsid::ONE).await.unwrap();
    disk.write(0, vec![7; 4096]).await.unwrap();
    let (free, connections) = (server.free_memory(), server.statistics().connections);
    let mut identify = Sqe::new(0x06);
    identify.cdw10 = 1;
    identify.sgl = Sgl::transport(4096);
    let flood: Vec<u8> = (0..50_000).flat_map(|cid| capsule(identify, cid)).collect();
    let mut stream = admin_queue(address).await;
    let before = resident();
    let writer = tokio::spawn(async move {
        // It gets as far as the target and the sockets take it, or learns that it was thrown out.
        let _ = tokio::time::timeout(Duration::from_secs(3), stream.write_all(&flood)).await;
        stream
    });
    for _ in 0..200 {
        assert_eq!(disk.read(0, 8).await.unwrap(), vec![7; 4096]);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let stream = writer.await.unwrap();
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more, of 200 MB that were asked for");
    assert!(server.free_memory() > 128 << 20, "{} bytes are free", server.free_memory());
    drop(stream);
    let gone = async {
        while server.statistics().connections > connections || server.free_memory() < free {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone)
        .await
        .expect("the connection and its memory are gone");
    assert_eq!(disk.read(0, 8).await.unwrap(), vec![7; 4096]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storage_that_fails_and_takes_its_time_loses_nothing_that_was_acknowledged() {
    let memory = Arc::new(Memory::new(8 << 20).unwrap());
    let faults = StorageFaults::new(5).fail(20).drop(50).delay(4, Duration::from_millis(5));
    let (_server, address) = server(Arc::new(FaultyStorage::new(memory, faults)), Limits::new()).await;
    let controller = host(address, 1, Digests::NONE).await;
    let disk = controller.namespace(Nsid::ONE).await.unwrap();
    let (mut model, mut failed) = (Model::new(0, 512, 512), 0);
    for turn in 0..300_usize {
        let (at, count) = (turn * 37 % 480, 1 + turn % 32);
        let (version, data) = model.write(at, count);
        match disk.write(at as u64, data).await {
            Ok(()) => model.acknowledged(at, count, version),
            Err(_) => {
                model.unknown(at, count, version);
                failed += 1;
            }
        }
        if let Ok(data) = disk.read(at as u64, count as u32).await {
            model.check(at, &data).unwrap();
        }
    }
    assert!((5..150).contains(&failed), "{failed}");
}
