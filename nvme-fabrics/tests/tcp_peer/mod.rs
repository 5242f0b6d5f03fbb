//! A controller that does as it is told: `nvme_proto`'s state machine, an association's few answers, a disk in memory, and a script of faults.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses its part")]

mod answers;
mod peer;
pub mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nvme_fabrics::HostIdentity;
use nvme_fabrics::tcp::{Connect, Controller, Namespace};
use nvme_proto::controller::Config;
use nvme_proto::{Nsid, Status, SubsysNqn};
use tokio::io::DuplexStream;

pub use peer::serve;

pub const BLOCK: usize = 512;
/// Opcodes.
pub const WRITE: u8 = 0x01;
pub const READ: u8 = 0x02;
pub const NQN: &str = "nqn.2025-01.io.example:disk";

pub fn identity() -> HostIdentity {
    HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap())
}

pub fn nqn() -> SubsysNqn {
    SubsysNqn::new(NQN).unwrap()
}

/// What a peer does with a command instead of answering it as it should.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It answers with this status.
    Status(Status),
    /// It never answers.
    Silence,
    /// It closes the connection instead.
    Close,
    /// It executes the command and closes the connection instead of answering.
    ExecuteAndClose,
    /// It answers this much later.
    Delay(Duration),
    /// It sends these bytes instead, made of the command's identifier.
    Raw(fn(u16) -> Vec<u8>),
    /// It sends these bytes and then nothing more: it shuts its half of the connection.
    RawThenEnd(fn(u16) -> Vec<u8>),
}

/// The disk and the script that all connections share.
#[derive(Debug)]
pub struct Shared {
    pub disk: Mutex<Vec<u8>>,
    /// Commands of I/O queues by opcode, in the order in which they came.
    pub seen: Mutex<Vec<u8>>,
    /// What happens to the next command of an I/O queue with this opcode.
    pub io_faults: Mutex<BTreeMap<u8, VecDeque<Fault>>>,
    /// The same for the admin queue.
    pub admin_faults: Mutex<BTreeMap<u8, VecDeque<Fault>>>,
    pub keep_alives: AtomicU64,
    pub aborts: AtomicU64,
    pub associations: AtomicU64,
    pub connections: AtomicU64,
    pub open: AtomicU64,
    /// Properties that were set: CC.
    pub configurations: Mutex<Vec<u32>>,
    pub refuse: Mutex<Option<(Status, u32)>>,
    pub options: Options,
    /// Events for the host.
    pub events: tokio::sync::broadcast::Sender<u32>,
    /// Commands that are to be aborted: queue and identifier.
    pub aborted: tokio::sync::broadcast::Sender<(u16, u16)>,
}

#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub config: Config,
    pub mdts: u8,
    pub in_capsule: u32,
    pub max_queue_entries: u16,
    pub granted: u16,
    pub blocks: u64,
    pub traffic_keep_alive: bool,
    pub authentication: bool,
    pub noiob: u16,
    /// Abort has no effect.
    pub deaf: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: Config::new(),
            mdts: 5,
            in_capsule: 8192,
            max_queue_entries: 128,
            granted: 16,
            blocks: 4096,
            traffic_keep_alive: false,
            authentication: false,
            noiob: 0,
            deaf: false,
        }
    }
}

pub fn shared(options: Options) -> Arc<Shared> {
    Arc::new(Shared {
        disk: Mutex::new(vec![0; options.blocks as usize * BLOCK]),
        seen: Mutex::default(),
        io_faults: Mutex::default(),
        admin_faults: Mutex::default(),
        keep_alives: AtomicU64::new(0),
        aborts: AtomicU64::new(0),
        associations: AtomicU64::new(0),
        connections: AtomicU64::new(0),
        open: AtomicU64::new(0),
        configurations: Mutex::default(),
        refuse: Mutex::new(None),
        options,
        events: tokio::sync::broadcast::Sender::new(16),
        aborted: tokio::sync::broadcast::Sender::new(1024),
    })
}

impl Shared {
    pub fn io_fault(&self, opcode: u8, fault: Fault) {
        self.io_faults.lock().unwrap().entry(opcode).or_default().push_back(fault);
    }

    pub fn admin_fault(&self, opcode: u8, fault: Fault) {
        self.admin_faults.lock().unwrap().entry(opcode).or_default().push_back(fault);
    }

    pub fn seen(&self, opcode: u8) -> usize {
        self.seen.lock().unwrap().iter().filter(|seen| **seen == opcode).count()
    }

    pub fn block(&self, lba: usize) -> Vec<u8> {
        self.disk.lock().unwrap()[lba * BLOCK..][..BLOCK].to_vec()
    }
}

/// Makes streams to a peer, each with a task of its own.
pub type Dialing = std::future::Ready<io::Result<DuplexStream>>;
pub type DialShared = nvme_fabrics::tcp::DialWith<Box<dyn FnMut() -> Dialing + Send>>;

pub fn dial(shared: &Arc<Shared>, room: usize) -> Box<dyn FnMut() -> Dialing + Send> {
    let shared = Arc::clone(shared);
    Box::new(move || {
        let (here, there) = tokio::io::duplex(room);
        tokio::spawn(serve(there, Arc::clone(&shared)));
        std::future::ready(Ok(here))
    })
}

/// A connection that is yet to be made to a peer.
pub fn options(shared: &Arc<Shared>) -> Connect<DialShared> {
    Connect::over(dial(shared, 1 << 16), nqn(), identity())
}

/// Connects, and looks at the first namespace.
pub async fn open(connect: Connect<DialShared>) -> (Controller, Namespace) {
    let controller = connect.connect().await.unwrap();
    let namespace = controller.namespace(Nsid::ONE).await.unwrap();
    (controller, namespace)
}
