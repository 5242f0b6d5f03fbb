//! One connection: what the state machine says, answered from the disk and the script.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nvme_proto::command::admin::{GetFeatures, SetFeatures};
use nvme_proto::command::io::{DatasetManagement, Read, Write, WriteZeroes};
use nvme_proto::controller::{CommandData, Controller, Event, Reply, Tag};
use nvme_proto::discovery::LogId;
use nvme_proto::fabrics::{
    Capabilities, Connect, ConnectData, ConnectResponse, Fctype, Property, PropertyGet, PropertySet,
};
use nvme_proto::feature::{FeatureId, NumberOfQueues};
use nvme_proto::identify::{
    AsyncEvents, Cns, ControllerAttributes, IdentifyCommand, IdentifyController, IdentifyNamespace,
    LbaFormat, NamespaceList, Version,
};
use nvme_proto::machine::Time;
use nvme_proto::sqe::Sqe;
use nvme_proto::{Cntlid, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::{BLOCK, Fault, Shared, identity, nqn};
/// One connection of a peer.
struct Peer<S> {
    stream: S,
    machine: Controller<Vec<u8>, Vec<u8>>,
    shared: Arc<Shared>,
    start: Instant,
    enabled: bool,
    shut_down: bool,
    writes: BTreeMap<usize, (Tag, Sqe)>,
    event_requests: VecDeque<Tag>,
    silent: Vec<(u16, Tag)>,
    late: Vec<(Instant, Tag, Sqe, Option<Vec<u8>>)>,
    close: bool,
    raw: Vec<u8>,
    end: bool,
}

pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, shared: Arc<Shared>) {
    shared.connections.fetch_add(1, Ordering::SeqCst);
    shared.open.fetch_add(1, Ordering::SeqCst);
    let mut config = shared.options.config;
    config.io_in_capsule = shared.options.in_capsule;
    let mut peer = Peer {
        stream,
        machine: Controller::new(config, Time::START).unwrap(),
        start: Instant::now(),
        enabled: false,
        shut_down: false,
        writes: BTreeMap::new(),
        event_requests: VecDeque::new(),
        silent: Vec::new(),
        late: Vec::new(),
        close: false,
        raw: Vec::new(),
        end: false,
        shared: Arc::clone(&shared),
    };
    let _ = peer.run().await;
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    async fn run(&mut self) -> io::Result<()> {
        let mut events = self.shared.events.subscribe();
        let mut aborted = self.shared.aborted.subscribe();
        loop {
            if self.step() {
                return Ok(());
            }
            loop {
                let bytes: Vec<u8> = self.machine.transmit().flatten().copied().collect();
                if bytes.is_empty() {
                    break;
                }
                self.stream.write_all(&bytes).await?;
                self.machine.transmitted(bytes.len());
                if self.step() {
                    return Ok(());
                }
            }
            let raw = std::mem::take(&mut self.raw);
            self.stream.write_all(&raw).await?;
            if std::mem::take(&mut self.end) {
                self.stream.shutdown().await?;
            }
            if self.close {
                return Ok(());
            }
            let wake = self.late.iter().map(|late| late.0).min();
            let wake = wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                n = self.stream.read(self.machine.space().first()) => match n? {
                    0 => self.machine.end_of_stream(),
                    n => self.machine.received(n),
                },
                () = tokio::time::sleep_until(wake) => {}
                Ok((queue, cid)) = aborted.recv() => {
                    let at = self.silent.iter().position(|(silent, _)| *silent == cid);
                    if let (true, Some(at)) = (self.machine.queue_id() == Some(queue), at) {
                        let (_, tag) = self.silent.remove(at);
                        self.answer(tag, Reply::failed(Status::ABORT_REQUESTED));
                    }
                }
                Ok(event) = events.recv() => {
                    if let Some(tag) = self.event_requests.pop_front() {
                        self.machine.respond(tag, Reply::with_result(event.into())).unwrap();
                    }
                }
            }
        }
    }

    fn now(&self) -> Time {
        Time::from(self.start.elapsed())
    }

    /// Handles all events; true at the end.
    fn step(&mut self) -> bool {
        let now = Instant::now();
        let (due, late) = std::mem::take(&mut self.late).into_iter().partition(|late| late.0 <= now);
        self.late = late;
        let due: Vec<_> = due;
        for (_, tag, sqe, data) in due {
            self.execute(tag, &sqe, data);
        }
        loop {
            let now = self.now();
            let (tag, sqe, data) = match self.machine.poll(now) {
                None => return false,
                Some(Event::Command(command)) => {
                    let data = match command.data {
                        CommandData::InCapsule(data) => Some(data.to_vec()),
                        _ => None,
                    };
                    let fetch = match command.data {
                        CommandData::Transfer { len } if command.sqe.opcode & 3 == 1 => Some(len),
                        _ => None,
                    };
                    let (tag, sqe) = (command.tag, *command.sqe);
                    if let Some(len) = fetch {
                        self.writes.insert(tag.slot(), (tag, sqe));
                        self.machine.fetch(tag, vec![0; len as usize]).unwrap();
                        continue;
                    }
                    (tag, sqe, data)
                }
                Some(Event::Fetched { tag, buffer }) => {
                    let (_, sqe) = self.writes.remove(&tag.slot()).unwrap();
                    (tag, sqe, Some(buffer))
                }
                Some(Event::Close(_)) => return true,
                Some(_) => continue,
            };
            self.command(tag, sqe, data);
            if self.close {
                return false;
            }
        }
    }

    fn command(&mut self, tag: Tag, sqe: Sqe, data: Option<Vec<u8>>) {
        let admin = self.machine.queue_id().unwrap_or(0) == 0;
        let fault = if sqe.is_fabrics() {
            None
        } else {
            if !admin {
                self.shared.seen.lock().unwrap().push(sqe.opcode);
            }
            let faults = if admin { &self.shared.admin_faults } else { &self.shared.io_faults };
            faults.lock().unwrap().get_mut(&sqe.opcode).and_then(VecDeque::pop_front)
        };
        match fault {
            None => self.execute(tag, &sqe, data),
            Some(Fault::Status(status)) => self.answer(tag, Reply::failed(status)),
            Some(Fault::Silence) => self.silent.push((sqe.cid, tag)),
            Some(Fault::Raw(make)) => {
                self.raw = make(sqe.cid);
                self.silent.push((sqe.cid, tag));
            }
            Some(Fault::RawThenEnd(make)) => {
                self.raw = make(sqe.cid);
                self.end = true;
                self.silent.push((sqe.cid, tag));
            }
            Some(Fault::Close) => self.close = true,
            Some(Fault::ExecuteAndClose) => {
                let _ = self.apply(&sqe, data.as_deref());
                self.close = true;
            }
            Some(Fault::Delay(delay)) => self.late.push((Instant::now() + delay, tag, sqe, data)),
        }
    }

    fn answer(&mut self, tag: Tag, reply: Reply) {
        let _ = self.machine.respond(tag, reply);
    }

    fn data(&mut self, tag: Tag, data: Vec<u8>) {
        let _ = self.machine.respond_with_data(tag, data, Reply::success());
    }

    fn execute(&mut self, tag: Tag, sqe: &Sqe, data: Option<Vec<u8>>) {
        if sqe.is_fabrics() {
            return self.fabrics(tag, sqe, data);
        }
        if self.machine.queue_id() == Some(0) {
            return self.admin(tag, sqe);
        }
        match self.apply(sqe, data.as_deref()) {
            Ok(Some(data)) => self.data(tag, data),
            Ok(None) => self.answer(tag, Reply::success()),
            Err(status) => self.answer(tag, Reply::failed(status)),
        }
    }

    /// What an I/O command does to the disk.
    fn apply(&self, sqe: &Sqe, data: Option<&[u8]>) -> Result<Option<Vec<u8>>, Status> {
        let mut disk = self.shared.disk.lock().unwrap();
        let range = |lba: u64, blocks: u32| {
            let from = lba as usize * BLOCK;
            let to = from + blocks as usize * BLOCK;
            if to <= self.shared.options.blocks as usize * BLOCK {
                Ok(from..to)
            } else {
                Err(Status::LBA_OUT_OF_RANGE)
            }
        };
        match sqe.opcode {
            0x00 => Ok(None),
            0x01 => {
                let write = Write::from_sqe(sqe);
                let range = range(write.lba, write.blocks())?;
                let data = data.ok_or(Status::INVALID_FIELD)?;
                if data.len() != range.len() {
                    return Err(Status::DATA_SGL_LENGTH_INVALID);
                }
                disk[range].copy_from_slice(data);
                Ok(None)
            }
            0x02 => {
                let read = Read::from_sqe(sqe);
                Ok(Some(disk[range(read.lba, read.blocks())?].to_vec()))
            }
            0x05 => {
                let compare = Read::from_sqe(sqe);
                let same =
                    disk[range(compare.lba, compare.blocks())?] == *data.ok_or(Status::INVALID_FIELD)?;
                if same { Ok(None) } else { Err(Status::COMPARE_FAILURE) }
            }
            0x08 => {
                let zeroes = WriteZeroes::from_sqe(sqe);
                disk[range(zeroes.lba, zeroes.blocks())?].fill(0);
                Ok(None)
            }
            0x09 => {
                let command = DatasetManagement::from_sqe(sqe);
                for range in command.ranges(data.unwrap_or_default()).map_err(|_| Status::INVALID_FIELD)? {
                    disk[range.lba as usize * BLOCK..][..range.blocks as usize * BLOCK].fill(0);
                }
                Ok(None)
            }
            0x0c => {
                let verify = Read::from_sqe(sqe);
                range(verify.lba, verify.blocks())?;
                Ok(None)
            }
            _ => Err(Status::INVALID_OPCODE.with_dnr()),
        }
    }

    fn fabrics(&mut self, tag: Tag, sqe: &Sqe, data: Option<Vec<u8>>) {
        match sqe.fctype() {
            Fctype::CONNECT => {
                let connect = Connect::from_sqe(sqe);
                let data = ConnectData::new_checked(data.unwrap()).unwrap();
                assert_eq!(data.subnqn().unwrap(), nqn());
                assert_eq!((data.hostnqn().unwrap(), data.host_id()), (identity().nqn, identity().id));
                let refuse = *self.shared.refuse.lock().unwrap();
                if let Some((status, dw0)) = refuse {
                    let reply = Reply { status, result: dw0.into() };
                    return self.answer(tag, reply);
                }
                if connect.qid == 0 {
                    self.shared.associations.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(data.cntlid(), Cntlid::DYNAMIC);
                } else {
                    assert_eq!(data.cntlid(), Cntlid(1));
                }
                let authentication = self.shared.options.authentication;
                let response = ConnectResponse::new(Cntlid(1)).with_authentication(authentication);
                self.answer(tag, Reply::with_result(response.0.into()));
            }
            Fctype::PROPERTY_GET => {
                let value = match PropertyGet::from_sqe(sqe).property {
                    Property::CAP => {
                        let capabilities = Capabilities::default()
                            .with_max_queue_entries(self.shared.options.max_queue_entries - 1)
                            .with_contiguous_queues(true)
                            .with_timeout(10)
                            .with_nvm_command_set(true);
                        capabilities.0
                    }
                    Property::VS => 0x0002_0000,
                    Property::CC => 0x0046_0001,
                    Property::CSTS => u64::from(self.enabled) | if self.shut_down { 8 } else { 0 },
                    _ => return self.answer(tag, Reply::failed(Status::INVALID_FIELD)),
                };
                self.answer(tag, Reply::with_result(value));
            }
            Fctype::PROPERTY_SET => {
                let set = PropertySet::from_sqe(sqe);
                let value = set.value as u32;
                self.shared.configurations.lock().unwrap().push(value);
                self.enabled = value & 1 != 0;
                self.shut_down = value & 0xc000 != 0;
                self.answer(tag, Reply::success());
            }
            _ => self.answer(tag, Reply::failed(Status::INVALID_FIELD)),
        }
    }

    fn admin(&mut self, tag: Tag, sqe: &Sqe) {
        match sqe.opcode {
            0x02 => {
                let len = ((u64::from(sqe.cdw10 >> 16) | u64::from(sqe.cdw11 & 0xffff) << 16) + 1) * 4;
                let offset = u64::from(sqe.cdw12) | u64::from(sqe.cdw13) << 32;
                assert_eq!(LogId(sqe.cdw10 as u8), LogId(0x70));
                let data = (offset..offset + len).map(|at| (at / 4) as u8).collect();
                self.data(tag, data);
            }
            0x06 => self.identify(tag, &IdentifyCommand::from_sqe(sqe)),
            0x08 => {
                self.shared.aborts.fetch_add(1, Ordering::SeqCst);
                let deaf = self.shared.options.deaf;
                if !deaf {
                    self.shared.aborted.send((sqe.cdw10 as u16, (sqe.cdw10 >> 16) as u16)).unwrap();
                }
                self.answer(tag, Reply::with_result(u64::from(deaf)));
            }
            0x09 => {
                let set = SetFeatures::from_sqe(sqe);
                match set.feature {
                    FeatureId::NUMBER_OF_QUEUES => {
                        let granted = NumberOfQueues::pairs(self.shared.options.granted - 1);
                        self.answer(tag, Reply::with_result(granted.0.into()));
                    }
                    _ => self.answer(tag, Reply::success()),
                }
            }
            0x0a => {
                let get = GetFeatures::from_sqe(sqe);
                self.answer(tag, Reply::with_result(u64::from(get.feature.0)));
            }
            0x0c => self.event_requests.push_back(tag),
            0x18 => {
                self.shared.keep_alives.fetch_add(1, Ordering::SeqCst);
                self.answer(tag, Reply::success());
            }
            _ => self.answer(tag, Reply::failed(Status::INVALID_OPCODE.with_dnr())),
        }
    }

    fn identify(&mut self, tag: Tag, command: &IdentifyCommand) {
        let options = self.shared.options;
        let data = match command.cns {
            Cns::CONTROLLER => {
                let mut identify = IdentifyController::zeroed();
                identify.set_cntlid(Cntlid(1));
                identify.set_version(Version(0x0002_0000));
                identify.set_max_data_transfer(options.mdts);
                identify.set_namespaces(4);
                identify.set_io_capsule_size(4 + options.in_capsule / 16);
                identify.set_async_event_limit(3);
                identify.set_async_events(AsyncEvents::NAMESPACE | AsyncEvents::ANA);
                identify.set_keep_alive_granularity(10);
                if options.traffic_keep_alive {
                    identify.set_attributes(ControllerAttributes::TRAFFIC_KEEP_ALIVE);
                }
                identify.set_subnqn(&nqn());
                identify.as_bytes().to_vec()
            }
            Cns::ACTIVE_NAMESPACES => {
                let ids = [1, 3].into_iter().filter(|nsid| *nsid > command.nsid);
                NamespaceList::of(ids).as_bytes().to_vec()
            }
            Cns::NAMESPACE if matches!(command.nsid, 1 | 3) => {
                let mut identify = IdentifyNamespace::zeroed();
                identify.set_size(options.blocks);
                identify.set_capacity(options.blocks);
                identify.set_optimal_io_boundary(options.noiob);
                identify.set_lba_format_at(0, LbaFormat { metadata_bytes: 0, data_log2: 9, performance: 0 });
                identify.as_bytes().to_vec()
            }
            Cns::NAMESPACE => vec![0; 4096],
            _ => return self.answer(tag, Reply::failed(Status::INVALID_FIELD.with_dnr())),
        };
        self.data(tag, data);
    }
}
