//! One connection: what the state machine says, answered from the disk and the script.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nvme_proto::Status;
use nvme_proto::command::io::{DatasetManagement, Read, Write, WriteZeroes};
use nvme_proto::controller::{CommandData, Controller, Event, Reply, Tag};
use nvme_proto::machine::Time;
use nvme_proto::sqe::Sqe;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::{BLOCK, Fault, Shared};

/// One connection of a peer.
pub(super) struct Peer<S> {
    stream: S,
    pub(super) machine: Controller<Vec<u8>, Vec<u8>>,
    pub(super) shared: Arc<Shared>,
    start: Instant,
    pub(super) enabled: bool,
    pub(super) shut_down: bool,
    writes: BTreeMap<usize, (Tag, Sqe)>,
    pub(super) event_requests: VecDeque<Tag>,
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

    pub(super) fn answer(&mut self, tag: Tag, reply: Reply) {
        let _ = self.machine.respond(tag, reply);
    }

    pub(super) fn data(&mut self, tag: Tag, data: Vec<u8>) {
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
}
