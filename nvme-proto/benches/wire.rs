//! What the wire costs, each figure beside its limit: the least work that could do the same, in the same process and the same round.
//!
//! `cargo bench -p nvme-proto --bench wire` prints the table of `benches/README.md`; `-- --check` fails when a ratio is beyond its budget, and
//! `headers`, `digests` or `framing` run that group alone.
//! Times are the best of many short rounds, in which a row and its limit take turns, so that what else the machine does hits both.
#![allow(missing_docs, clippy::unwrap_used, reason = "a program")]
#![allow(unsafe_code, reason = "the limit rows are what a careless C program would do")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::BytesMut;
use nvme_proto::digest::crc32c;
use nvme_proto::frame::{BytesFramer, Framer, Limits, Placed, Transmit};
use nvme_proto::pdu::{C2hData, CapsuleCmd, Format, ProtocolError, Role};

/// Rounds a row and its limit take turns for; one when it is not `cargo bench` that runs this, but somebody who wants to see it work.
static ROUNDS: AtomicUsize = AtomicUsize::new(1);

/// The best time of each closure, in nanoseconds a call; `n` calls a round.
fn race<const K: usize>(n: u32, mut rows: [&mut dyn FnMut(); K]) -> [f64; K] {
    let mut best = [f64::MAX; K];
    for _ in 0..ROUNDS.load(Ordering::Relaxed) {
        for (row, best) in rows.iter_mut().zip(&mut best) {
            let start = Instant::now();
            row();
            *best = best.min(start.elapsed().as_nanos() as f64 / f64::from(n));
        }
    }
    best
}

/// One row of the table.
struct Row {
    bench: &'static str,
    limit: &'static str,
    limit_ns: f64,
    ns: f64,
    /// What is compared with the budget, and the budget.
    value: f64,
    budget: f64,
    unit: &'static str,
    at_most: bool,
}

impl Row {
    fn times(bench: &'static str, limit: &'static str, limit_ns: f64, ns: f64, budget: f64) -> Self {
        Self { bench, limit, limit_ns, ns, value: ns / limit_ns, budget, unit: "x", at_most: true }
    }

    fn is_met(&self) -> bool {
        if self.at_most { self.value <= self.budget } else { self.value >= self.budget }
    }
}

/// Decodes and encodes many different headers, so that nothing is predicted that could not be on a connection.
const HEADERS: usize = 256;
const CALLS: u32 = 20 * HEADERS as u32;

fn data_headers() -> Vec<[u8; 24]> {
    (0..HEADERS as u32).map(|n| C2hData::new(n as u16, n * 4096, 4096).last().encode()).collect()
}

fn capsules() -> Vec<[u8; 72]> {
    let sqe = |n: usize| std::array::from_fn(|at| (at * 7 + n * 13) as u8);
    (0..HEADERS).map(|n| CapsuleCmd::new(sqe(n)).encode()).collect()
}

/// What a C program does: the struct laid over the bytes, nothing checked.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct RawData {
    common: [u8; 4],
    plen: u32,
    command_id: u16,
    transfer_tag: u16,
    offset: u32,
    len: u32,
    reserved: u32,
}

#[derive(Clone, Copy)]
#[repr(C, packed)]
struct RawCapsule {
    common: [u8; 4],
    plen: u32,
    sqe: [u8; 64],
}

fn raw_read<T: Copy>(bytes: &[u8]) -> T {
    assert!(bytes.len() >= size_of::<T>());
    // SAFETY: the structs have no padding and any bytes are a value of them; the length was checked.
    unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
}

fn raw_write<T: Copy>(bytes: &mut [u8], value: T) {
    assert!(bytes.len() >= size_of::<T>());
    // SAFETY: the structs have no padding; the length was checked.
    unsafe { bytes.as_mut_ptr().cast::<T>().write_unaligned(value) }
}

#[inline(never)]
fn raw_data(bytes: &[u8; 24]) -> RawData {
    raw_read(bytes)
}

#[inline(never)]
fn raw_capsule(bytes: &[u8; 72]) -> RawCapsule {
    raw_read(bytes)
}

#[inline(never)]
fn typed_data(bytes: &[u8; 24]) -> Result<C2hData, ProtocolError> {
    C2hData::decode(bytes)
}

#[inline(never)]
fn typed_capsule(bytes: &[u8; 72]) -> Result<CapsuleCmd, ProtocolError> {
    CapsuleCmd::decode(bytes)
}

#[inline(never)]
fn write_raw_data(to: &mut [u8; 24], value: &RawData) {
    raw_write(to, *value);
}

#[inline(never)]
fn write_raw_capsule(to: &mut [u8; 72], value: &RawCapsule) {
    raw_write(to, *value);
}

#[inline(never)]
fn write_data(to: &mut [u8; 24], value: &C2hData) {
    *to = value.encode();
}

#[inline(never)]
fn write_capsule(to: &mut [u8; 72], value: &CapsuleCmd) {
    *to = value.encode();
}

fn over<T>(all: &[T], mut each: impl FnMut(&T)) -> impl FnMut() {
    move || {
        for _ in 0..CALLS as usize / HEADERS {
            for one in all {
                each(black_box(one));
            }
        }
    }
}

fn headers(rows: &mut Vec<Row>) {
    let (data, capsules) = (data_headers(), capsules());
    let [raw, typed] = race(
        CALLS,
        [
            &mut over(&data, |bytes| {
                black_box(raw_data(bytes));
            }),
            &mut over(&data, |bytes| {
                let _ = black_box(typed_data(bytes));
            }),
        ],
    );
    rows.push(Row::times("B1 decode C2HData header, 24 bytes, all checks", "pointer read", raw, typed, 2.3));
    let [raw, typed] = race(
        CALLS,
        [
            &mut over(&capsules, |bytes| {
                black_box(raw_capsule(bytes));
            }),
            &mut over(&capsules, |bytes| {
                let _ = black_box(typed_capsule(bytes));
            }),
        ],
    );
    rows.push(Row::times(
        "B1 decode CapsuleCmd header, 72 bytes, all checks",
        "pointer read",
        raw,
        typed,
        2.3,
    ));

    let values: Vec<_> =
        data.iter().map(|bytes| (raw_data(bytes), C2hData::decode(bytes).unwrap())).collect();
    let (mut to_raw, mut to) = ([0; 24], [0; 24]);
    let [raw, typed] = race(
        CALLS,
        [
            &mut over(&values, |(value, _)| write_raw_data(black_box(&mut to_raw), value)),
            &mut over(&values, |(_, value)| write_data(black_box(&mut to), value)),
        ],
    );
    rows.push(Row::times("B3 encode C2HData header, 24 bytes", "pointer write", raw, typed, 1.2));
    let values: Vec<_> =
        capsules.iter().map(|bytes| (raw_capsule(bytes), CapsuleCmd::decode(bytes).unwrap())).collect();
    let (mut to_raw, mut to) = ([0; 72], [0; 72]);
    let [raw, typed] = race(
        CALLS,
        [
            &mut over(&values, |(value, _)| write_raw_capsule(black_box(&mut to_raw), value)),
            &mut over(&values, |(_, value)| write_capsule(black_box(&mut to), value)),
        ],
    );
    rows.push(Row::times("B3 encode CapsuleCmd header, 72 bytes", "pointer write", raw, typed, 1.7));
}

fn digests(rows: &mut Vec<Row>) {
    let header: [u8; 24] = data_headers()[7];
    let n = 4096;
    let [limit, ours] = race(
        n,
        [
            &mut || {
                for _ in 0..n {
                    black_box(by_instruction(black_box(&header)));
                }
            },
            &mut || {
                for _ in 0..n {
                    black_box(crc32c(black_box(&header)));
                }
            },
        ],
    );
    assert_eq!(by_instruction(&header), crc32c(&header));
    rows.push(Row {
        bench: "B4 header digest, 24 bytes",
        limit: "CRC instruction by hand",
        limit_ns: limit,
        ns: ours,
        value: ours,
        budget: 6.5,
        unit: " ns",
        at_most: true,
    });
    for (bench, len, n, budget) in
        [("B5 data digest, 4 KiB", 4096, 256, 25.0), ("B5 data digest, 128 KiB", 131_072, 8, 60.0)]
    {
        let data: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let [limit, ours] = race(
            n,
            [
                &mut || {
                    for _ in 0..n {
                        black_box(xor(black_box(&data)));
                    }
                },
                &mut || {
                    for _ in 0..n {
                        black_box(crc32c(black_box(&data)));
                    }
                },
            ],
        );
        rows.push(Row {
            bench,
            limit: "XOR of every byte",
            limit_ns: limit,
            ns: ours,
            value: 100.0 * limit / ours,
            budget,
            unit: " % of its speed",
            at_most: false,
        });
    }
}

#[inline(never)]
fn xor(data: &[u8]) -> u64 {
    let (words, _) = data.as_chunks::<8>();
    words.iter().fold(0, |all, word| all ^ u64::from_le_bytes(*word))
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn by_instruction(data: &[u8; 24]) -> u32 {
    #[target_feature(enable = "sse4.2")]
    fn crc(data: &[u8; 24]) -> u32 {
        use std::arch::x86_64::_mm_crc32_u64;
        let (words, _) = data.as_chunks::<8>();
        let crc =
            words.iter().fold(u64::from(!0_u32), |crc, word| _mm_crc32_u64(crc, u64::from_le_bytes(*word)));
        !(crc as u32)
    }
    assert!(std::arch::is_x86_feature_detected!("sse4.2"), "no CRC instruction");
    // SAFETY: the processor has SSE 4.2.
    unsafe { crc(data) }
}

#[cfg(not(target_arch = "x86_64"))]
fn by_instruction(data: &[u8; 24]) -> u32 {
    crc32c(data)
}

/// How much arrives at a time, and bytes in all.
const READ: usize = 64 << 10;
const BYTES: usize = 8 << 20;

fn framing(rows: &mut Vec<Row>) {
    framing_of(
        rows,
        4096,
        ["B9 framer, borrowed, 4 KiB", "B9 framer, placed, 4 KiB", "B9 framer, owned, 128 of 4 KiB held"],
    );
    framing_of(
        rows,
        128 << 10,
        [
            "B9 framer, borrowed, 128 KiB",
            "B9 framer, placed, 128 KiB",
            "B9 framer, owned, 128 of 128 KiB held",
        ],
    );
}

fn framing_of(rows: &mut Vec<Row>, payload_len: usize, names: [&'static str; 3]) {
    let pdus = BYTES / payload_len;
    let limits = Limits::default();
    let mut stream = Vec::new();
    for n in 0..pdus {
        let payload = vec![n as u8; payload_len];
        let header = C2hData::new(n as u16, 0, payload_len as u32).last();
        stream.extend(Transmit::new(header, Format::PLAIN, payload).unwrap().chunks().concat());
    }
    let stream = &stream[..];

    // Through all of a buffer of the same size, one read after the other; each lap begins behind what a PDU that was cut would leave, since
    // a copy between places that are aligned alike is faster than any that a stream of PDUs meets.
    let mut copy = vec![0; Framer::DEFAULT_CAPACITY + 4096];
    let mut memcpy = || {
        let mut rest = stream;
        let mut left = 0;
        while !rest.is_empty() {
            left = (left + 1000) % 4096;
            for at in (left..Framer::DEFAULT_CAPACITY).step_by(READ) {
                let n = READ.min(rest.len()).min(copy.len() - at);
                copy[at..at + n].copy_from_slice(&rest[..n]);
                black_box(&copy[at..at + n]);
                rest = &rest[n..];
            }
        }
    };

    let mut framer = Framer::new(Role::Host, limits);
    framer.ready(Format::PLAIN, limits);
    let mut borrowed = || {
        let mut rest = stream;
        let mut count = 0;
        while !rest.is_empty() {
            let n = read(framer.space(), rest);
            framer.filled(n);
            rest = &rest[n..];
            while let Some(pdu) = framer.next().unwrap() {
                black_box(pdu.data);
                count += 1;
            }
        }
        assert_eq!(count, pdus);
    };

    // The final places: as many as commands are outstanding at once.
    let mut places = vec![vec![0_u8; payload_len]; 32];
    let mut memcpy_to_places = || {
        for (n, pdu) in stream.chunks_exact(payload_len + 24).enumerate() {
            places[n % 32].copy_from_slice(&pdu[24..]);
        }
        black_box(&places);
    };

    let mut framer = Framer::with_capacity(Role::Host, limits, 4096);
    framer.ready(Format::PLAIN, limits);
    let mut final_places = vec![vec![0_u8; payload_len]; 32];
    // A reader that fills what is missing of the place first and the buffer with what comes behind, as readv does.
    let mut placed = || {
        let mut rest = stream;
        let mut count = 0;
        loop {
            let Some(header) = framer.next_header().unwrap() else {
                if rest.is_empty() {
                    break;
                }
                // Headers and little else: what comes behind a payload.
                let n = framer.push(&rest[..rest.len().min(24)]);
                rest = &rest[n..];
                continue;
            };
            black_box(header);
            let place = &mut final_places[count % 32];
            while let Placed::More { filled, missing } = framer.place(place).unwrap() {
                place[filled..filled + missing].copy_from_slice(&rest[..missing]);
                framer.placed(missing);
                rest = &rest[missing..];
            }
            count += 1;
        }
        assert_eq!(count, pdus);
        black_box(&final_places);
    };

    let mut owned_framer = BytesFramer::new(Role::Host, limits);
    owned_framer.ready(Format::PLAIN, limits);
    let mut held = std::collections::VecDeque::with_capacity(129);
    let mut owned = || {
        let mut rest = stream;
        let mut count = 0;
        while !rest.is_empty() {
            let n = READ.min(rest.len());
            let buffer: &mut BytesMut = owned_framer.buffer_mut();
            buffer.extend_from_slice(&rest[..n]);
            rest = &rest[n..];
            while let Some(pdu) = owned_framer.next().unwrap() {
                held.push_back(pdu);
                if held.len() > 128 {
                    held.pop_front();
                }
                count += 1;
            }
        }
        assert_eq!(count, pdus);
    };

    let n = pdus as u32;
    let [limit, lent, own] = race(n, [&mut memcpy, &mut borrowed, &mut owned]);
    rows.push(Row::times(names[0], "one memcpy into the buffer", limit, lent, 1.10));
    let [limit_placed, direct] = race(n, [&mut memcpy_to_places, &mut placed]);
    rows.push(Row::times(names[1], "one memcpy to the places", limit_placed, direct, 1.05));
    rows.push(Row::times(names[2], "one memcpy into the buffer", limit, own, 2.0));
}

/// What a socket does: at most `READ` bytes.
fn read(space: &mut [u8], from: &[u8]) -> usize {
    let n = READ.min(space.len()).min(from.len());
    space[..n].copy_from_slice(&from[..n]);
    n
}

/// Benches that belong together.
type Group = fn(&mut Vec<Row>);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--bench") {
        ROUNDS.store(60, Ordering::Relaxed);
    }
    let mut rows = Vec::new();
    let groups: [(&str, Group); 3] = [("headers", headers), ("digests", digests), ("framing", framing)];
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = !groups.iter().any(|(name, _)| named(name));
    for (name, group) in groups {
        if all || named(name) {
            group(&mut rows);
        }
    }
    let mut table =
        String::from("| bench | limit row | limit | ours | | budget | |\n|---|---|---|---|---|---|---|\n");
    let mut missed = 0;
    for row in &rows {
        let sign = if row.at_most { "<=" } else { ">=" };
        let verdict = if row.is_met() { "" } else { "**missed**" };
        missed += usize::from(!row.is_met());
        writeln!(
            table,
            "| {} | {} | {:.2} ns | {:.2} ns | {:.2}{} | {sign} {}{} | {verdict} |",
            row.bench, row.limit, row.limit_ns, row.ns, row.value, row.unit, row.budget, row.unit
        )
        .unwrap();
    }
    println!("{table}");
    if missed > 0 && arguments.iter().any(|argument| argument == "--check") {
        eprintln!("{missed} of {} budgets missed", rows.len());
        std::process::exit(1);
    }
}
