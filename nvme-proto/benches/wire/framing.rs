//! B9: framing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hint::black_box;

use bytes::BytesMut;
use nvme_proto::frame::{BytesFramer, Framer, Limits, Placed, Transmit};
use nvme_proto::pdu::{C2hData, Format, Role};

use crate::table::{Row, race};

/// How much arrives at a time, and bytes in all.
const READ: usize = 64 << 10;
const BYTES: usize = 8 << 20;

/// Places in memory that each row is tried at.
///
/// How fast bytes are copied depends by a third on where they come from and go to, modulo a page: the best place of a row is compared with the
/// best of its limit.
const PLACES: usize = 8;

pub(crate) fn framing(rows: &mut Vec<Row>) {
    // Freeing this much once makes the allocator of glibc keep large pieces, as it does in a program that has run for a while.
    drop(black_box(vec![1_u8; 24 << 20]));
    for (payload_len, names) in [
        (
            4096,
            ["B9 framer, borrowed, 4 KiB", "B9 framer, placed, 4 KiB", "B9 framer, owned, 128 of 4 KiB held"],
        ),
        (
            128 << 10,
            [
                "B9 framer, borrowed, 128 KiB",
                "B9 framer, placed, 128 KiB",
                "B9 framer, owned, 128 of 128 KiB held",
            ],
        ),
    ] {
        let stream = Stream::new(payload_len);
        let (mut best, mut best_placed) = ([f64::MAX; 4], [f64::MAX; 2]);
        for place in 0..PLACES {
            let shift = vec![0_u8; place * 520];
            let least = |best: &mut [f64], times: &[f64]| {
                best.iter_mut().zip(times).for_each(|(best, time)| *best = best.min(*time));
            };
            least(&mut best, &stream.through_a_buffer());
            least(&mut best_placed, &stream.to_places());
            black_box(shift);
        }
        let ([copy, borrowed, copy_held, owned], [copy_to_places, placed]) = (best, best_placed);
        rows.push(Row::times(names[0], "one memcpy into the buffer", copy, borrowed, 1.15));
        rows.push(Row::times(
            names[1],
            "header decoded, one memcpy to the place",
            copy_to_places,
            placed,
            1.30,
        ));
        rows.push(Row::times(names[2], "one memcpy each to memory held likewise", copy_held, owned, 2.3));
    }
}

/// C2HData of one size, one behind the other.
struct Stream {
    bytes: Vec<u8>,
    payload_len: usize,
    pdus: usize,
}

impl Stream {
    fn new(payload_len: usize) -> Self {
        let pdus = BYTES / payload_len;
        let mut bytes = Vec::new();
        for n in 0..pdus {
            let payload = vec![n as u8; payload_len];
            let header = C2hData::new(n as u16, 0, payload_len as u32).last();
            bytes.extend(Transmit::new(header, Format::PLAIN, payload).unwrap().chunks().concat());
        }
        Self { bytes, payload_len, pdus }
    }

    /// One memcpy into a buffer; PDUs lent from one; one memcpy into memory that is held; PDUs that own their data.
    fn through_a_buffer(&self) -> [f64; 4] {
        let limits = Limits::default();
        // Through all of a buffer of the same size, one read after the other; each lap begins behind what a PDU that was cut would leave.
        let capacity = Framer::DEFAULT_CAPACITY.max(8 * self.payload_len);
        let mut copy = vec![0; capacity];
        let mut memcpy = || {
            let mut rest = &self.bytes[..];
            let mut left = 0;
            while !rest.is_empty() {
                left = (left + 1000) % 4096;
                for at in (left..copy.len() - READ).step_by(READ) {
                    let n = READ.min(rest.len());
                    copy[at..at + n].copy_from_slice(&rest[..n]);
                    black_box(&copy[at..at + n]);
                    rest = &rest[n..];
                }
            }
        };

        let mut framer = Framer::with_capacity(Role::Host, limits, capacity);
        framer.ready(Format::PLAIN, limits);
        let mut borrowed = || {
            let mut rest = &self.bytes[..];
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
            assert_eq!(count, self.pdus);
        };

        let mut held_copies = VecDeque::with_capacity(129);
        let mut memcpy_held = || {
            for pdu in self.bytes.chunks_exact(self.payload_len + 24) {
                held_copies.push_back(pdu.to_vec());
                if held_copies.len() > 128 {
                    held_copies.pop_front();
                }
            }
        };

        let mut owned_framer = BytesFramer::new(Role::Host, limits);
        owned_framer.ready(Format::PLAIN, limits);
        let mut held = VecDeque::with_capacity(129);
        let mut owned = || {
            let mut rest = &self.bytes[..];
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
            assert_eq!(count, self.pdus);
        };
        race(self.pdus as u32, [&mut memcpy, &mut borrowed, &mut memcpy_held, &mut owned])
    }

    /// A header read and decoded, and one memcpy to the final place; the framer placing the same. There are as many places as commands outstanding.
    fn to_places(&self) -> [f64; 2] {
        let places = RefCell::new(vec![vec![0_u8; self.payload_len]; 32]);
        let mut head = [0; 24];
        let mut memcpy = || {
            let mut places = places.borrow_mut();
            for (n, pdu) in self.bytes.chunks_exact(self.payload_len + 24).enumerate() {
                let (front, data) = pdu.split_at(black_box(24));
                head[..front.len()].copy_from_slice(front);
                let header = C2hData::decode(black_box(&head)).unwrap();
                places[n % 32][..header.len as usize].copy_from_slice(data);
            }
            black_box(&places);
        };

        let limits = Limits::default();
        let mut framer = Framer::with_capacity(Role::Host, limits, 4096);
        framer.ready(Format::PLAIN, limits);
        // A reader that fills what is missing of the place first and the buffer with what comes behind, as readv does.
        let mut placed = || {
            let mut places = places.borrow_mut();
            let mut rest = &self.bytes[..];
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
                black_box(&header);
                let place = &mut places[count % 32];
                while let Placed::More { filled, missing } = framer.place(place).unwrap() {
                    place[filled..filled + missing].copy_from_slice(&rest[..missing]);
                    framer.placed(missing);
                    rest = &rest[missing..];
                }
                count += 1;
            }
            assert_eq!(count, self.pdus);
            black_box(&places);
        };
        race(self.pdus as u32, [&mut memcpy, &mut placed])
    }
}

/// What a socket does: at most `READ` bytes.
fn read(space: &mut [u8], from: &[u8]) -> usize {
    let n = READ.min(space.len()).min(from.len());
    space[..n].copy_from_slice(&from[..n]);
    n
}

/// 32 PDUs of 4 KiB are received and lent, their data not copied.
pub(crate) fn count_borrowed(n: u32) {
    let limits = Limits::default();
    let mut framer = Framer::new(Role::Host, limits);
    framer.ready(Format::PLAIN, limits);
    let head = C2hData::new(7, 0, 4096).last().encode();
    for _ in 0..n / 32 {
        let space = framer.space();
        for pdu in space.chunks_exact_mut(24 + 4096).take(32) {
            pdu[..24].copy_from_slice(&head);
        }
        framer.filled(32 * (24 + 4096));
        for _ in 0..32 {
            let pdu = framer.next().unwrap();
            black_box(&pdu);
        }
    }
}

/// Headers are received, then their data straight to the place, and not copied.
pub(crate) fn count_placed(n: u32) {
    let limits = Limits::default();
    let mut framer = Framer::new(Role::Host, limits);
    framer.ready(Format::PLAIN, limits);
    let head = C2hData::new(7, 0, 4096).last().encode();
    let mut place = vec![0; 4096];
    for _ in 0..n {
        framer.push(&head);
        black_box(&framer.next_header().unwrap());
        while let Placed::More { missing, .. } = framer.place(&mut place).unwrap() {
            framer.placed(missing);
        }
    }
}
