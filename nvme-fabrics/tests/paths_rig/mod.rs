//! A target with two ports, and cables to them that can be cut in ways that real ones are.
#![allow(dead_code, reason = "each test uses its part of it")]

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use nvme_fabrics::HostIdentity;
use nvme_fabrics::target::backend::Memory;
use nvme_fabrics::target::{AnaGroup, AnaState, Namespace, Port, PortId, Server, Subsystem, Target};
use nvme_fabrics::tcp::multipath::{self, Disk, PathId, PathOptions, PathUse, Paths, Policy};
use nvme_fabrics::tcp::{Connect, Controller, DialWith};
use nvme_proto::{Nsid, SubsysNqn};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

pub(crate) const BLOCK: usize = 512;
pub(crate) const PORTS: [PortId; 2] = [PortId(1), PortId(2)];

pub(crate) fn nqn() -> SubsysNqn {
    "nqn.2014-08.org.example:disk".parse().unwrap()
}

pub(crate) fn identity() -> HostIdentity {
    HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap())
}

/// How a cable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cable {
    /// Everything goes through.
    Good,
    /// What the host sends stays on its way.
    Held,
    /// Cut: connections end at both sides at once, and no new ones are made.
    Cut,
    /// Cut at the host's side; what was held goes on to the target after this time, and its end of the connection stays open. As when a switch loses the way
    /// back, or the host's interface: the target does not hear of it.
    Late(Duration),
}

/// A target, its server, and a cable to each of its ports.
pub(crate) struct Rig {
    pub(crate) target: Target,
    server: Arc<Server>,
    cables: Vec<watch::Sender<Cable>>,
}

impl Rig {
    pub(crate) async fn new(blocks: usize) -> Self {
        Self::with(|subsystem| {
            let memory = Arc::new(Memory::new((blocks * BLOCK) as u64).unwrap());
            subsystem.namespace(Namespace::new(Nsid::ONE, memory).nguid([7; 16])).unwrap()
        })
        .await
    }

    pub(crate) async fn with(subsystem: impl FnOnce(Subsystem) -> Subsystem) -> Self {
        let target = Target::new();
        target.add_subsystem(subsystem(Subsystem::new(nqn()).allow_any_host())).unwrap();
        for port in PORTS {
            target.add_port(Port::tcp(port, "127.0.0.1:4420".parse().unwrap()).export(nqn())).unwrap();
        }
        let server = Arc::new(Server::builder(target.clone()).start().await.unwrap());
        let cables = PORTS.iter().map(|_| watch::Sender::new(Cable::Good)).collect();
        Self { target, server, cables }
    }

    /// Makes the cable to a port like this.
    pub(crate) fn cable(&self, port: usize, cable: Cable) {
        self.cables[port].send_replace(cable);
    }

    /// Sets how port `port` reaches the namespaces of group 1.
    pub(crate) fn access(&self, port: usize, state: AnaState) {
        self.target.set_ana_state(PORTS[port], AnaGroup::ONE, state).unwrap();
    }

    /// What dials a port, by its cable.
    pub(crate) fn dial(&self, port: usize) -> Connect<DialWith<impl FnMut() -> Dialing + Send + use<>>> {
        let (server, cable) = (Arc::clone(&self.server), self.cables[port].clone());
        Connect::over(move || plug(Arc::clone(&server), PORTS[port], cable.subscribe()), nqn(), identity())
    }

    /// A controller by a port, as a path.
    pub(crate) async fn connect(&self, port: usize) -> Controller {
        let connect = multipath::path(self.dial(port)).reconnect_delay(Duration::from_secs(1));
        connect.connect().await.unwrap()
    }

    /// A path by each port, in their order.
    pub(crate) async fn join(&self, paths: &Paths) -> Vec<PathId> {
        let mut ids = Vec::new();
        for port in 0..PORTS.len() {
            ids.push(paths.join(self.connect(port).await).await.unwrap());
        }
        ids
    }
}

type Dialing = Pin<Box<dyn Future<Output = io::Result<DuplexStream>> + Send>>;

/// A connection through a cable.
fn plug(server: Arc<Server>, port: PortId, cable: watch::Receiver<Cable>) -> Dialing {
    Box::pin(async move {
        if matches!(*cable.borrow(), Cable::Cut | Cable::Late(_)) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (host, near) = tokio::io::duplex(1 << 16);
        let (far, target) = tokio::io::duplex(1 << 16);
        tokio::spawn(server.over(port, target));
        tokio::spawn(carry(near, far, cable));
        Ok(host)
    })
}

/// Carries bytes both ways until the cable is cut or a side ends.
async fn carry(near: DuplexStream, far: DuplexStream, mut cable: watch::Receiver<Cable>) {
    let (mut from_host, mut to_host) = tokio::io::split(near);
    let (mut from_target, mut to_target) = tokio::io::split(far);
    let (mut up, mut down) = (vec![0; 1 << 14], vec![0; 1 << 14]);
    let mut held = Vec::new();
    loop {
        let state = *cable.borrow_and_update();
        match state {
            Cable::Cut => return,
            Cable::Late(after) => {
                drop((from_host, to_host));
                sleep(after).await;
                let _ = to_target.write_all(&held).await;
                // The target's answers come to nobody, until it gives up.
                while matches!(from_target.read(&mut down).await, Ok(n) if n > 0) {}
                return;
            }
            Cable::Good => {
                if to_target.write_all(&std::mem::take(&mut held)).await.is_err() {
                    return;
                }
            }
            Cable::Held => {}
        }
        tokio::select! {
            changed = cable.changed() => if changed.is_err() { return },
            read = from_host.read(&mut up) => match read {
                Ok(n) if n > 0 => held.extend_from_slice(&up[..n]),
                _ => return,
            },
            read = from_target.read(&mut down) => match read {
                Ok(n) if n > 0 => if to_host.write_all(&down[..n]).await.is_err() { return },
                _ => return,
            },
        }
    }
}

/// Both paths in turn.
pub(crate) fn options() -> PathOptions {
    PathOptions::default().policy(Policy::RoundRobin)
}

/// A disk over both ports.
pub(crate) async fn two_paths(options: PathOptions) -> (Rig, Paths, Disk) {
    let rig = Rig::new(64).await;
    let paths = Paths::new(nqn(), options);
    rig.join(&paths).await;
    let disk = paths.disk(Nsid::ONE).await.unwrap();
    (rig, paths, disk)
}

/// A block of one byte.
pub(crate) fn block(fill: u8) -> Vec<u8> {
    vec![fill; BLOCK]
}

/// Waits until the paths are used like this.
pub(crate) async fn until(disk: &Disk, want: impl Fn(&[PathUse]) -> bool) {
    let waiting = async {
        while !want(&disk.paths()) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("{:?}", disk.paths()));
}

/// Waits until these paths are usable.
pub(crate) async fn usable(disk: &Disk, want: [bool; 2]) {
    until(disk, |paths| paths.iter().map(|path| path.usable).eq(want)).await;
}

/// How long something takes.
pub(crate) async fn timed<T>(what: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let result = what.await;
    (result, start.elapsed())
}
