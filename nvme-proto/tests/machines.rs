//! A host against a controller over an in-memory pipe: however the bytes are cut on their way, the same happens.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use nvme_proto::controller::{self, Buffer, CommandData, Controller, Reply, SuccessFlag, Tag};
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::Connect;
use nvme_proto::host::{self, Command, CommandError, Data, Host, Placement};
use nvme_proto::machine::{Close, Failure, KeepAlive, Time};
use nvme_proto::pdu::DataAlignment;
use nvme_proto::sqe::Sqe;
use nvme_proto::{Status, pdu};
use proptest::prelude::*;

type Bytes = Vec<u8>;

/// What is on a disk at first.
static DISK: LazyLock<Bytes> = LazyLock::new(|| (0..64 << 10).map(|at: u32| (at % 253) as u8).collect());

/// A disk of bytes: 01h writes at CDW10, 02h reads from there, 00h does nothing, 81h fails after fetching, 82h fails without data.
struct Target {
    machine: Controller<Bytes, Bytes>,
    disk: Bytes,
    fetching: HashMap<Tag, usize>,
    log: Vec<String>,
    returned: usize,
    given: usize,
}

impl Target {
    fn new(config: controller::Config) -> Self {
        Self {
            machine: Controller::new(config, Time::START).unwrap(),
            disk: DISK.to_vec(),
            fetching: HashMap::new(),
            log: Vec::new(),
            returned: 0,
            given: 0,
        }
    }

    fn poll(&mut self, now: Time) {
        let invalid = Reply::failed(Status::INVALID_FIELD.with_dnr());
        while let Some(event) = self.machine.poll(now) {
            match event {
                controller::Event::Command(command) => {
                    let (tag, sqe) = (command.tag, command.sqe);
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
struct Pair {
    host: Host<Bytes, Bytes>,
    target: Target,
    now: Time,
    to_controller: Bytes,
    to_host: Bytes,
    done: Vec<String>,
    data: Vec<Bytes>,
}

impl Pair {
    fn new(host: host::Config, target: controller::Config) -> Self {
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

    fn poll(&mut self) {
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
    fn run(&mut self, mut piece: impl FnMut() -> usize) {
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

fn sqe(opcode: u8, at: u32) -> Sqe {
    let mut sqe = Sqe::new(opcode);
    sqe.nsid = 1;
    sqe.cdw10 = at;
    sqe
}

fn pattern(len: usize, seed: u8) -> Bytes {
    (0..len).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

/// Connect, then everything data can do: in the capsule, by one and by several R2Ts, in one and in several C2HData, none, odd lengths,
/// failures.
fn conversation(pair: &mut Pair) {
    let now = pair.now;
    let connect = Connect::admin(31, 0).to_sqe();
    pair.host.submit(now, Command::new(connect).write(vec![0xc0; 1024])).unwrap();
}

/// Lengths of the data in [`work`].
#[derive(Clone, Copy)]
struct Sizes {
    capsule: usize,
    written: usize,
    read: usize,
    refused: usize,
}

/// Several R2Ts of several H2CData.
const LARGE: Sizes = Sizes { capsule: 512, written: 8200, read: 4100, refused: 9000 };
/// As many PDUs and a tenth of the bytes, with 100 bytes for each R2T.
const SMALL: Sizes = Sizes { capsule: 64, written: 250, read: 300, refused: 130 };

fn work(pair: &mut Pair, sizes: Sizes) {
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

fn configs(digests: Digests, hpda: u8, cpda: u8, max_r2ts: u16) -> (host::Config, controller::Config) {
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
fn check(pair: &Pair, sizes: Sizes) {
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

const SETTINGS: [(Digests, u8, u8, u16); 5] = [
    (Digests::NONE, 0, 0, 1),
    (Digests::HEADER, 0, 0, 2),
    (Digests::DATA, 3, 0, 16),
    (Digests::BOTH, 3, 15, 3),
    (Digests::BOTH, 31, 31, 1),
];

/// Everything at once, or a byte at a time, or in pieces of one length.
#[test]
fn all_settings_work_whatever_the_pieces() {
    for (digests, hpda, cpda, max_r2ts) in SETTINGS {
        for piece in [usize::MAX, 1, 2, 3, 7, 24, 71, 72, 73, 1000, 4096] {
            let (host, controller) = configs(digests, hpda, cpda, max_r2ts);
            let mut pair = Pair::new(host, controller);
            conversation(&mut pair);
            pair.run(|| piece);
            work(&mut pair, LARGE);
            pair.run(|| piece);
            check(&pair, LARGE);
            let agreed = pair.host.negotiated().unwrap();
            assert_eq!(Some(agreed), pair.target.machine.negotiated());
            assert_eq!(agreed.digests, digests);
            assert_eq!(agreed.to_host.alignment.field(), hpda);
            assert_eq!(agreed.to_controller.alignment.field(), cpda);
        }
    }
}

/// One cut at every byte of both directions: what is behind it comes only when everything that follows from what is before it was done.
#[test]
fn a_cut_at_every_byte_changes_nothing() {
    let run = |host_cut: usize, controller_cut: usize| {
        let (host, mut controller) = configs(Digests::BOTH, 3, 15, 2);
        (controller.max_r2t_data, controller.max_c2h_data) = (100, 120);
        let mut pair = Pair::new(host, controller);
        conversation(&mut pair);
        work(&mut pair, SMALL);
        let (mut to_controller, mut to_host) = (0, 0);
        // One byte less than the whole pipe at the cut, and no more until nothing else moves.
        loop {
            pair.poll();
            let out: Bytes = pair.host.transmit().flatten().copied().collect();
            pair.host.transmitted(out.len());
            let back: Bytes = pair.target.machine.transmit().flatten().copied().collect();
            pair.target.machine.transmitted(back.len());
            if out.is_empty() && back.is_empty() {
                break;
            }
            for (bytes, sent, cut, is_host) in
                [(out, &mut to_controller, controller_cut, false), (back, &mut to_host, host_cut, true)]
            {
                let at = cut.saturating_sub(*sent).min(bytes.len());
                *sent += bytes.len();
                for part in [&bytes[..at], &bytes[at..]] {
                    let mut part = part;
                    while !part.is_empty() {
                        let n = if is_host { pair.host.feed(part) } else { pair.target.machine.feed(part) };
                        part = &part[n..];
                        pair.poll();
                    }
                }
            }
        }
        check(&pair, SMALL);
        (to_controller, to_host, pair.done, pair.target.log)
    };
    let (to_controller, to_host, done, log) = run(0, 0);
    assert!(to_controller > 2500 && to_host > 800, "{to_controller} {to_host}");
    for cut in 1..to_controller.max(to_host) {
        let (a, b, done_now, log_now) = run(cut, cut);
        assert_eq!((a, b), (to_controller, to_host), "{cut}");
        assert_eq!(log_now, log, "{cut}");
        assert_eq!(done_now, done, "{cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_host_takes_any_operations(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        nvme_proto::testing::host_machine(&data);
    }

    #[test]
    fn a_controller_takes_any_operations(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        nvme_proto::testing::controller_machine(&data);
    }

    /// Any sequence of pieces, any digests, alignments and windows.
    #[test]
    fn pieces_of_any_length(
        pieces in proptest::collection::vec(0_usize..3000, 1..40),
        dgst in 0_u8..4, hpda in 0_u8..32, cpda in 0_u8..32, max_r2ts in 1_u16..20, batch in 1_usize..70,
        success in prop_oneof![Just(SuccessFlag::Never), Just(SuccessFlag::Always), Just(SuccessFlag::WithoutFlowControl)],
    ) {
        let (mut host, mut controller) = configs(Digests::from_dgst(dgst), hpda, cpda, max_r2ts);
        (host.batch, controller.batch, controller.success) = (batch, batch, success);
        let mut pair = Pair::new(host, controller);
        conversation(&mut pair);
        pair.run(|| 4096);
        work(&mut pair, LARGE);
        let mut turn = pieces.iter().cycle();
        // A pause is no end: every few turns something moves.
        let mut pause = 0;
        pair.run(|| {
            let piece = *turn.next().unwrap();
            pause = if piece == 0 { pause + 1 } else { 0 };
            if pause > 2 { 1 } else { piece }
        });
        check(&pair, LARGE);
    }
}

#[test]
fn data_read_straight_into_the_buffer_are_the_same() {
    let (host, controller) = configs(Digests::BOTH, 0, 0, 1);
    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    pair.host.submit(pair.now, Command::new(sqe(0x02, 100)).read(vec![0; 4100])).unwrap();
    pair.poll();
    let out: Bytes = pair.host.transmit().flatten().copied().collect();
    pair.host.transmitted(out.len());
    assert_eq!(pair.target.machine.feed(&out), out.len());
    pair.poll();
    let mut straight = 0;
    loop {
        let back: Bytes = pair.target.machine.transmit().flatten().copied().collect();
        if back.is_empty() {
            break;
        }
        pair.target.machine.transmitted(back.len());
        let mut rest = &back[..];
        while !rest.is_empty() {
            pair.poll();
            let mut space = pair.host.space();
            let n = rest.len().min(space.payload.len() + 100.min(space.buffer.len()));
            let direct = n.min(space.payload.len());
            straight += direct;
            space.payload[..direct].copy_from_slice(&rest[..direct]);
            space.buffer = &mut space.buffer[..n - direct];
            space.buffer.copy_from_slice(&rest[direct..n]);
            pair.host.received(n);
            rest = &rest[n..];
        }
        pair.poll();
    }
    assert!(straight > 3000, "{straight} bytes were read straight");
    let disk = &*DISK;
    assert!(pair.data == [&disk[100..][..4100]]);
}

#[test]
fn the_queue_head_goes_round_and_flow_control_can_be_off() {
    for no_flow_control in [false, true] {
        let (host, controller) = configs(Digests::NONE, 0, 0, 1);
        let mut pair = Pair::new(host, controller);
        let mut connect = Connect::admin(3, 0);
        if no_flow_control {
            connect.attributes = nvme_proto::fabrics::ConnectAttributes(4);
        }
        pair.host.submit(pair.now, Command::new(connect.to_sqe()).write(vec![0xc0; 1024])).unwrap();
        pair.run(|| usize::MAX);
        let mut heads = vec![pair.host.sq_head()];
        for at in 0..5 {
            pair.host.submit(pair.now, Command::new(sqe(0, at))).unwrap();
            pair.run(|| usize::MAX);
            heads.push(pair.host.sq_head());
        }
        let want = if no_flow_control { [0xffff, 0, 0, 0, 0, 0] } else { [1, 2, 3, 0, 1, 2] };
        assert_eq!(heads, want);
        // Only without flow control may a read end without a completion: 24 bytes less.
        pair.host.submit(pair.now, Command::new(sqe(2, 0)).read(vec![0; 8])).unwrap();
        pair.poll();
        let out: Bytes = pair.host.transmit().flatten().copied().collect();
        pair.host.transmitted(out.len());
        pair.target.machine.feed(&out);
        pair.poll();
        let back: usize = pair.target.machine.transmit().map(<[u8]>::len).sum();
        assert_eq!(back, if no_flow_control { 32 } else { 56 });
        pair.run(|| usize::MAX);
        assert!(pair.done.last().unwrap().contains("Ok(Cqe"), "{:?}", pair.done);
    }
}

#[test]
fn digests_that_are_not_granted_end_the_connection() {
    let (host, mut controller) = configs(Digests::BOTH, 0, 0, 1);
    controller.digests = Digests::HEADER;
    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    let failure = Failure::DigestsRefused { required: Digests::BOTH, granted: Digests::HEADER };
    assert_eq!(pair.done[0], format!("{:?}", host::Event::<Bytes, Bytes>::Failed(failure)));
    assert!(pair.done[1].contains("Lost"), "{:?}", pair.done);
    assert!(pair.done[2].contains("Close(Orderly)"));
    // Nothing of the command was sent.
    assert!(pair.target.log.iter().all(|event| event.contains("Ready")), "{:?}", pair.target.log);

    let (host, mut controller) = configs(Digests::HEADER, 0, 0, 1);
    controller.required = Digests::BOTH;
    let mut pair = Pair::new(host, controller);
    pair.run(|| usize::MAX);
    assert!(pair.target.log[0].contains("DigestsRefused"), "{:?}", pair.target.log);
    let told = Failure::PeerTerminated { fes: pdu::FatalErrorStatus::UNSUPPORTED_PARAMETER, fei: 11 };
    assert_eq!(pair.done[0], format!("{:?}", host::Event::<Bytes, Bytes>::Failed(told)));
}

#[test]
fn damaged_data_fail_the_command_and_nothing_else() {
    // Which direction, and which byte of the stream behind the command's own headers is turned.
    let (host, controller) = configs(Digests::BOTH, 0, 0, 1);
    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    let flip = |pair: &mut Pair, command, to_host: bool, at: usize| {
        pair.host.submit(pair.now, command).unwrap();
        let mut flipped = false;
        loop {
            pair.poll();
            let mut out: Bytes = pair.host.transmit().flatten().copied().collect();
            pair.host.transmitted(out.len());
            if !to_host && !flipped && out.len() > at {
                out[at] ^= 1;
                flipped = true;
            }
            let mut part = &out[..];
            while !part.is_empty() {
                let n = pair.target.machine.feed(part);
                part = &part[n..];
                pair.poll();
            }
            let mut back: Bytes = pair.target.machine.transmit().flatten().copied().collect();
            pair.target.machine.transmitted(back.len());
            if to_host && !flipped && back.len() > at {
                back[at] ^= 1;
                flipped = true;
            }
            let mut part = &back[..];
            while !part.is_empty() {
                let n = pair.host.feed(part);
                part = &part[n..];
                pair.poll();
            }
            if out.is_empty() && back.is_empty() {
                break;
            }
        }
        assert!(flipped);
        pair.done.last().unwrap().clone()
    };
    // In the capsule: head 76 bytes, so byte 80 is data.
    let capsule = Command::new(sqe(1, 0)).write(pattern(512, 1));
    assert!(flip(&mut pair, capsule, false, 80).contains("Transient Transport Error"));
    assert!(pair.target.log.last().unwrap().contains("Rejected"));
    // By R2T: the H2CData is the first thing of more than 1000 bytes.
    let transfer = Command::new(sqe(1, 0)).write(pattern(3000, 1)).placed(Placement::Transfer);
    assert!(flip(&mut pair, transfer, false, 1000).contains("Transient Transport Error"));
    assert!(pair.target.log.last().unwrap().contains("FetchFailed"));
    // From the controller, the digest itself turned, in the first of several C2HData.
    let read = || Command::new(sqe(2, 0)).read(vec![0; 3000]);
    assert!(flip(&mut pair, read(), true, 28 + 1200 + 1).contains("DataDigest"));
    assert!(flip(&mut pair, read(), true, 100).contains("DataDigest"));
    // The connection lives.
    pair.host.submit(pair.now, Command::new(sqe(0, 1))).unwrap();
    pair.run(|| usize::MAX);
    assert!(pair.done.last().unwrap().contains("Ok(Cqe"));
}

#[test]
fn a_damaged_header_ends_the_connection() {
    let (host, controller) = configs(Digests::BOTH, 0, 0, 1);
    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    pair.host.submit(pair.now, Command::new(sqe(0, 1))).unwrap();
    pair.poll();
    let mut out: Bytes = pair.host.transmit().flatten().copied().collect();
    pair.host.transmitted(out.len());
    out[50] ^= 1;
    let digest = u32::from_le_bytes(out[72..76].try_into().unwrap());
    pair.target.machine.feed(&out);
    pair.run(|| usize::MAX);
    let told = Failure::PeerTerminated { fes: pdu::FatalErrorStatus::HEADER_DIGEST_ERROR, fei: digest };
    let at =
        pair.done.iter().position(|done| *done == format!("{:?}", host::Event::<Bytes, Bytes>::Failed(told)));
    let at = at.unwrap_or_else(|| panic!("{:?}", pair.done));
    assert!(pair.done[at + 1].contains("Lost(PeerTerminated"), "{:?}", pair.done);
    assert!(pair.done[at + 2].contains("Close(Orderly)"));
    // The controller waits for the host to close, and not for ever.
    assert_eq!(pair.target.machine.poll_timeout(), Some(Time::START.after(Duration::from_secs(30))));
    pair.target.poll(Time::from_millis(29_999));
    assert!(!pair.target.log.last().unwrap().contains("Close"), "{:?}", pair.target.log);
    pair.target.poll(Time::from_millis(30_000));
    assert!(pair.target.log.last().unwrap().contains("Close(Reset)"));
}

#[test]
fn timers_of_the_host() {
    let (host, controller) = configs(Digests::NONE, 0, 0, 1);
    // No ICResp.
    let mut alone: Host = Host::new(host, Time::from_millis(5)).unwrap();
    assert_eq!(alone.poll_timeout(), Some(Time::from_millis(10_005)));
    assert_eq!(alone.poll(Time::from_millis(10_004)), None);
    let failure = Failure::HandshakeTimeout { waited: Duration::from_secs(10) };
    assert_eq!(alone.poll(Time::from_millis(10_005)), Some(host::Event::Failed(failure)));
    assert_eq!(alone.poll(Time::from_millis(10_005)), Some(host::Event::Close(Close::Orderly)));
    assert_eq!((alone.poll(Time::from_millis(99_999)), alone.poll_timeout()), (None, None));
    assert_eq!(
        alone.submit(Time::START, Command::new(sqe(0, 0))).unwrap_err().reason,
        host::SubmitError::Ended
    );

    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    assert_eq!(pair.host.poll_timeout(), None);
    // Keep-alive by commands: other commands do not count.
    pair.host.set_keep_alive(pair.now, Some(KeepAlive::Commands(Duration::from_secs(5))));
    pair.now = Time::from_millis(3000);
    pair.host.submit(pair.now, Command::new(sqe(0, 0))).unwrap();
    assert_eq!(pair.host.poll_timeout(), Some(Time::from_millis(5000)));
    pair.run(|| usize::MAX);
    pair.now = Time::from_millis(5000);
    pair.poll();
    assert_eq!(pair.done.last().unwrap(), "KeepAliveDue");
    pair.host.submit(pair.now, Command::new(Sqe::new(0x18))).unwrap();
    assert_eq!(pair.host.poll_timeout(), Some(Time::from_millis(10_000)));
    pair.run(|| usize::MAX);
    pair.host.set_keep_alive(pair.now, Some(KeepAlive::Traffic(Duration::from_secs(5))));
    pair.now = Time::from_millis(9000);
    pair.host.submit(pair.now, Command::new(sqe(0, 0))).unwrap();
    pair.run(|| usize::MAX);
    assert_eq!(pair.host.poll_timeout(), Some(Time::from_millis(14_000)));
    pair.host.set_keep_alive(pair.now, None);

    // A command that takes too long is told once; one that is not watched never.
    let event = pair.host.submit(pair.now, Command::new(sqe(0, 0)).unwatched()).unwrap();
    pair.now = Time::from_millis(10_000);
    let slow = pair.host.submit(pair.now, Command::new(sqe(0, 1))).unwrap();
    assert_ne!(event.slot(), slow.slot());
    pair.now = Time::from_millis(70_000);
    assert_eq!(pair.host.poll_timeout(), Some(pair.now));
    assert_eq!(pair.host.poll(pair.now), Some(host::Event::TimedOut(slow)));
    assert_eq!((pair.host.poll(pair.now), pair.host.poll_timeout()), (None, None));
    // It may be answered later nevertheless.
    pair.run(|| usize::MAX);
    assert_eq!(pair.done.iter().rev().take(2).filter(|done| done.contains("Ok(Cqe")).count(), 2);
}

#[test]
fn timers_of_the_controller() {
    let (host, controller) = configs(Digests::NONE, 0, 0, 1);
    let mut alone: Controller = Controller::new(controller, Time::START).unwrap();
    assert_eq!(alone.poll_timeout(), Some(Time::from_millis(10_000)));
    assert_eq!(alone.poll(Time::from_millis(9_999)), None);
    let failure = Failure::HandshakeTimeout { waited: Duration::from_secs(10) };
    assert_eq!(alone.poll(Time::from_millis(10_000)), Some(controller::Event::Failed(failure)));
    assert_eq!(alone.poll(Time::from_millis(10_000)), Some(controller::Event::Close(Close::Orderly)));

    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    let machine = &mut pair.target.machine;
    machine.set_keep_alive(Time::START, Some(KeepAlive::Commands(Duration::from_secs(10))));
    pair.now = Time::from_millis(6000);
    pair.host.submit(pair.now, Command::new(sqe(0, 0))).unwrap();
    pair.run(|| usize::MAX);
    assert_eq!(pair.target.machine.poll_timeout(), Some(Time::from_millis(10_000)));
    pair.host.submit(pair.now, Command::new(Sqe::new(0x18))).unwrap();
    pair.run(|| usize::MAX);
    assert_eq!(pair.target.machine.poll_timeout(), Some(Time::from_millis(16_000)));
    pair.target.machine.keep_alive(Time::from_millis(8000));
    pair.now = Time::from_millis(18_000);
    pair.poll();
    assert!(pair.target.log[pair.target.log.len() - 2].contains("KeepAliveExpired"), "{:?}", pair.target.log);
    assert!(pair.target.log.last().unwrap().contains("Close(Orderly)"));
}

#[test]
fn every_buffer_comes_back_when_the_connection_ends() {
    let (mut host, controller) = configs(Digests::NONE, 0, 0, 1);
    host.depth = 4;
    let mut pair = Pair::new(host, controller);
    conversation(&mut pair);
    pair.run(|| usize::MAX);
    for n in 0..4 {
        let command = match n % 2 {
            0 => Command::new(sqe(1, 0)).write(pattern(9000, n)),
            _ => Command::new(sqe(2, 0)).read(vec![0; 9000]),
        };
        pair.host.submit(pair.now, command).unwrap();
    }
    let refused = pair.host.submit(pair.now, Command::new(sqe(2, 0)).read(vec![7; 3])).unwrap_err();
    assert_eq!(refused.reason, host::SubmitError::Full { depth: 4 });
    assert_eq!(refused.command.data, Data::Read(vec![7; 3]));
    // Until data are under way in both directions, then the socket breaks.
    for _ in 0..3 {
        pair.poll();
        let out: Bytes = pair.host.transmit().flatten().copied().take(3000).collect();
        pair.host.transmitted(out.len());
        let mut part = &out[..];
        while !part.is_empty() {
            let n = pair.target.machine.feed(part);
            part = &part[n..];
            pair.target.poll(pair.now);
        }
        let back: Bytes = pair.target.machine.transmit().flatten().copied().take(700).collect();
        pair.target.machine.transmitted(back.len());
        let mut part = &back[..];
        while !part.is_empty() {
            let n = pair.host.feed(part);
            part = &part[n..];
            pair.poll();
        }
    }
    let before = pair.done.len();
    pair.host.end_of_stream();
    pair.target.machine.close(pair.now);
    pair.poll();
    let events = &pair.done[before..];
    assert_eq!(events.len(), 6, "{events:?}");
    assert!(events[0].contains("Failed(EndOfStream)") && events[5].contains("Close(Orderly)"));
    assert!(events[1..5].iter().all(|event| event.contains("Err(Lost(EndOfStream))")));
    assert_eq!(pair.target.given, pair.target.returned);
    assert!(pair.target.given >= 3);
    assert_eq!((pair.host.outstanding(), pair.target.machine.outstanding()), (0, 0));
    assert!(pair.host.transmit().next().is_none() && pair.target.machine.transmit().next().is_none());
    let lost = CommandError::Lost(Failure::EndOfStream);
    assert_eq!(lost.status(), Status::COMMAND_ABORTED_BY_HOST);
}
