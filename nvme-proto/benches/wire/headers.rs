//! B1, B2, B3: headers.

use std::hint::black_box;

use nvme_proto::pdu::{C2hData, CapsuleCmd, ProtocolError};
use nvme_proto::sqe::Sqe;

use crate::table::{Row, race};

/// Decodes and encodes many different headers, so that nothing is predicted that could not be on a connection.
const HEADERS: usize = 256;
const CALLS: u32 = 20 * HEADERS as u32;

pub(crate) fn data_headers() -> Vec<[u8; 24]> {
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

/// Opcode, CID and NSID, from where they are.
#[inline(never)]
fn checked_view(bytes: &[u8; 72]) -> Option<(u8, u16, u32)> {
    let sqe = Sqe::from_bytes(CapsuleCmd::entry(bytes).ok()?);
    Some((sqe.opcode, sqe.cid, sqe.nsid))
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

pub(crate) fn headers(rows: &mut Vec<Row>) {
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

    let [raw, typed] = race(
        CALLS,
        [
            &mut over(&capsules, |bytes| {
                black_box(raw_capsule(bytes));
            }),
            &mut over(&capsules, |bytes| {
                let _ = black_box(checked_view(bytes));
            }),
        ],
    );
    rows.push(Row::times(
        "B2 CapsuleCmd, 72 bytes, all checks, 3 fields read in place",
        "pointer read",
        raw,
        typed,
        1.15,
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
    rows.push(Row::times("B3 encode C2HData header, 24 bytes", "pointer write", raw, typed, 1.25));
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

/// Runs `each` over the headers, `n` times in all.
fn count<T>(all: &[T], n: u32, mut each: impl FnMut(&T)) {
    for one in all.iter().cycle().take(n as usize) {
        each(black_box(one));
    }
}

pub(crate) fn count_decode_24(n: u32) {
    count(&data_headers(), n, |bytes| {
        black_box(&typed_data(bytes));
    });
}

pub(crate) fn count_decode_72(n: u32) {
    count(&capsules(), n, |bytes| {
        black_box(&typed_capsule(bytes));
    });
}

pub(crate) fn count_view_72(n: u32) {
    count(&capsules(), n, |bytes| {
        let _ = black_box(checked_view(bytes));
    });
}

pub(crate) fn count_encode_24(n: u32) {
    let values: Vec<_> = data_headers().iter().map(|bytes| C2hData::decode(bytes).unwrap()).collect();
    let mut to = [0; 24];
    count(&values, n, |value| write_data(black_box(&mut to), value));
}

pub(crate) fn count_encode_72(n: u32) {
    let values: Vec<_> = capsules().iter().map(|bytes| CapsuleCmd::decode(bytes).unwrap()).collect();
    let mut to = [0; 72];
    count(&values, n, |value| write_capsule(black_box(&mut to), value));
}
