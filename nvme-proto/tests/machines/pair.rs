//! Both machines, and the bytes between them.

use std::collections::HashMap;
use std::sync::LazyLock;

use nvme_proto::Status;
use nvme_proto::controller::{self, Buffer, CommandData, Controller, Reply, Tag};
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::Connect;
use nvme_proto::host::{self, Command, Host, Placement};
use nvme_proto::machine::Time;
use nvme_proto::pdu::DataAlignment;
use nvme_proto::sqe::Sqe;

pub(crate) type Bytes = Vec<u8>;

/// What is on a disk at first.
pub(crate) static DISK: LazyLock<Bytes> =
    LazyLock::new(|| (0..64 << 10).map(|at: u32| (at % 253) as u8).collect());

/// A disk of bytes: 01h writes at CDW10, 02h reads from there, 00h does nothing, 81h fails after fetching, 82h fails without data.
pub(crate) struct Target {
    pub(crate) machine: Controller<Bytes, Bytes>,
    pub(crate) disk: Bytes,
    pub(crate) fetching: HashMap<Tag, usize>,
    pub(crate) log: Vec<String>,
    pub(crate) returned: usize,
    pub(crate) given: usize,
}

impl Target {
    pub(crate) fn new(config: controller::Config) -> Self {
        Self {
            machine: Controller::new(config, Time::START).unwrap(),
            disk: DISK.to_vec(),
            fetching: HashMap::new(),
            log: Vec::new(),
            returned: 0,
            given: 0,
        }
    }

    pub(crate) fn poll(&mut self, now: Time) {
        let invalid = Reply::failed(Status::INVALID_FIELD.with_dnr());
        while let Some(event) = self.machine.poll(now) {
            match event {
                controller::Event::Command(command) => {
                    let (tag, sqe) = (command.tag, *command.sqe);
                    let at = sqe.cdw10 as usize;
                    self.log.push(format!("{sqe:?}"));
                    match (sqe.opcode, command.data) {
                        (0x01, CommandData::InCapsule(data)) => {
                            self.disk[at..][..data.len()].copy_from_slice(data);
                            self.machine.respond(tag, Reply::success()).unwrap();
                        }
                        (0x01 | 0x81, CommandData::Transfer { len }) => {
                            self.fetching.insert(tag, at);
                            self.given += 1;
                            self.machine.fetch(tag, vec![0; len as usize]).unwrap();
                            if sqe.opcode == 0x81 {
                                self.machine.respond(tag, invalid).unwrap();
                                assert_eq!(
                                    self.machine.respond(tag, invalid),
                                    Err(controller::AnswerError::Over)
                                );
                            }
                        }
                        (0x02, CommandData::Transfer { len }) => {
                            let data = self.disk[at..][..len as usize].to_vec();
                            self.given += 1;
                            self.machine.respond_with_data(tag, data, Reply::success()).unwrap();
                        }
                        (0x7f, CommandData::InCapsule(data)) => {
                            assert!(data == [0xc0; 1024], "the data of Connect");
                            self.machine.respond(tag, Reply::with_result(1)).unwrap();
                        }
                        (0x00, CommandData::None) => {
                            self.machine
                                .respond(tag, Reply::with_result(u64::from(sqe.cdw10) << 20))
                                .unwrap();
                        }
                        _ => self.machine.respond(tag, invalid).unwrap(),
                    }
                }
                controller::Event::Fetched { tag, buffer } => {
                    let at = self.fetching.remove(&tag).unwrap();
                    self.returned += 1;
                    self.disk[at..][..buffer.len()].copy_from_slice(&buffer);
                    self.machine.respond(tag, Reply::success()).unwrap();
                }
                controller::Event::Released { buffer: Buffer::Fetch(_) | Buffer::Send(_), .. } => {
                    self.returned += 1;
                }
                event => self.log.push(format!("{event:?}")),
            }
        }
    }
}

/// Both ends and the bytes between them.
pub(crate) struct Pair {
    pub(crate) host: Host<Bytes, Bytes>,
    pub(crate) target: Target,
    pub(crate) now: Time,
    pub(crate) to_controller: Bytes,
    pub(crate) to_host: Bytes,
    pub(crate) done: Vec<String>,
    pub(crate) data: Vec<Bytes>,
}

impl Pair {
    pub(crate) fn new(host: host::Config, target: controller::Config) -> Self {
        Self {
            host: Host::new(host, Time::START).unwrap(),
            target: Target::new(target),
            now: Time::START,
            to_controller: Vec::new(),
            to_host: Vec::new(),
            done: Vec::new(),
            data: Vec::new(),
        }
    }

    pub(crate) fn poll(&mut self) {
        while let Some(event) = self.host.poll(self.now) {
            match event {
                host::Event::Completed(mut done) => {
                    self.data.extend(std::mem::take(&mut done.data).into_read());
                    self.done.push(format!("{:?} {:?} {}", done.id, done.result, done.transferred));
                }
                event => self.done.push(format!("{event:?}")),
            }
        }
        self.target.poll(self.now);
    }

    /// Moves bytes, `piece()` at a time, until nothing moves any more. At most `take()` bytes are taken from a machine at once.
    pub(crate) fn run(&mut self, mut piece: impl FnMut() -> usize) {
        loop {
            self.poll();
            let mut moved = false;
            for (to_host, pipe) in [(false, &mut self.to_controller), (true, &mut self.to_host)] {
                let max = piece().max(1);
                let chunks: Bytes = if to_host {
                    self.target.machine.transmit().flatten().copied().take(max).collect()
                } else {
                    self.host.transmit().flatten().copied().take(max).collect()
                };
                if to_host {
                    self.target.machine.transmitted(chunks.len());
                } else {
                    self.host.transmitted(chunks.len());
                }
                moved |= !chunks.is_empty();
                pipe.extend_from_slice(&chunks);
            }
            for to_host in [false, true] {
                let n = piece();
                let pipe = if to_host { &mut self.to_host } else { &mut self.to_controller };
                let bytes = &pipe[..n.min(pipe.len())];
                let taken = if to_host { self.host.feed(bytes) } else { self.target.machine.feed(bytes) };
                moved |= taken > 0;
                pipe.drain(..taken);
            }
            if !moved {
                self.poll();
                let idle = self.to_controller.is_empty() && self.to_host.is_empty();
                if idle && !self.host.wants_transmit() && !self.target.machine.wants_transmit() {
                    return;
                }
            }
        }
    }
}

pub(crate) fn sqe(opcode: u8, at: u32) -> Sqe {
    let mut sqe = Sqe::new(opcode);
    sqe.nsid = 1;
    sqe.cdw10 = at;
    sqe
}

pub(crate) fn pattern(len: usize, seed: u8) -> Bytes {
    (0..len).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

/// Connect, then everything data can do: in the capsule, by one and by several R2Ts, in one and in several C2HData, none, odd lengths,
/// failures.
pub(crate) fn conversation(pair: &mut Pair) {
    let now = pair.now;
    let connect = Connect::admin(31, 0).to_sqe();
    pair.host.submit(now, Command::new(connect).write(vec![0xc0; 1024])).unwrap();
}

/// Lengths of the data in [`work`].
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) capsule: usize,
    pub(crate) written: usize,
    pub(crate) read: usize,
    pub(crate) refused: usize,
}

/// Several R2Ts of several H2CData.
pub(crate) const LARGE: Sizes = Sizes { capsule: 512, written: 8200, read: 4100, refused: 9000 };
/// As many PDUs and a tenth of the bytes, with 100 bytes for each R2T.
pub(crate) const SMALL: Sizes = Sizes { capsule: 64, written: 250, read: 300, refused: 130 };

pub(crate) fn work(pair: &mut Pair, sizes: Sizes) {
    let now = pair.now;
    let commands = [
        Command::new(sqe(0x01, 0)).write(pattern(sizes.capsule, 1)),
        Command::new(sqe(0x01, 1000)).write(pattern(sizes.written, 2)).placed(Placement::Transfer),
        Command::new(sqe(0x02, 20_000)).read(vec![0; sizes.read]),
        Command::new(sqe(0x00, 7)),
        Command::new(sqe(0x81, 0)).write(pattern(sizes.refused, 3)).placed(Placement::Transfer),
        Command::new(sqe(0x02, 30_000)).read(vec![0; 5]),
        Command::new(sqe(0x01, 30_000)).write(pattern(7, 4)).placed(Placement::Transfer),
        Command::new(sqe(0x82, 0)).read(vec![0; 64]),
    ];
    for command in commands {
        pair.host.submit(now, command).unwrap();
    }
}

pub(crate) fn configs(
    digests: Digests,
    hpda: u8,
    cpda: u8,
    max_r2ts: u16,
) -> (host::Config, controller::Config) {
    let mut host = host::Config::io(1024);
    host.digests = digests;
    host.alignment = DataAlignment::new(hpda).unwrap();
    host.max_r2ts = max_r2ts;
    host.batch = 3;
    host.receive_buffer = 300;
    let mut controller = controller::Config::new();
    controller.alignment = DataAlignment::new(cpda).unwrap();
    controller.max_h2c_data = 4096;
    controller.max_c2h_data = 1200;
    controller.max_r2t_data = 4100;
    controller.batch = 3;
    controller.receive_buffer = 300;
    (host, controller)
}

/// What must have come of [`work`].
pub(crate) fn check(pair: &Pair, sizes: Sizes) {
    let original = &*DISK;
    let mut disk = original.clone();
    disk[..sizes.capsule].copy_from_slice(&pattern(sizes.capsule, 1));
    disk[1000..][..sizes.written].copy_from_slice(&pattern(sizes.written, 2));
    disk[30_000..][..7].copy_from_slice(&pattern(7, 4));
    if pair.target.disk != disk {
        let at = pair.target.disk.iter().zip(&disk).position(|(a, b)| a != b);
        panic!("the disk differs from byte {at:?} on: {:?}", pair.done);
    }
    let mut data = pair.data.clone();
    data.sort_by_key(Vec::len);
    assert_eq!(data.len(), 3, "{:?}", pair.done);
    assert!(data[0] == original[30_000..][..5] || data[0] == disk[30_000..][..5]);
    assert_eq!(data[1], [0; 64]);
    assert!(data[2] == original[20_000..][..sizes.read]);
    let count = |text: &str| pair.done.iter().filter(|done| done.contains(text)).count();
    assert_eq!((count("Ok(Cqe"), count("Err(Status(Cqe")), (7, 2), "{:#?}", pair.done);
    assert_eq!(count("Failed") + count("Close"), 0);
    assert_eq!((pair.host.outstanding(), pair.target.machine.outstanding()), (0, 0));
    assert_eq!(pair.target.given, pair.target.returned);
}
