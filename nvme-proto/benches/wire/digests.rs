//! B4, B5: digests.

use std::hint::black_box;

use nvme_proto::digest::crc32c;

use crate::headers::data_headers;
use crate::table::{Row, race};

pub(crate) fn digests(rows: &mut Vec<Row>) {
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
        [("B5 data digest, 4 KiB", 4096, 256, 25.0), ("B5 data digest, 128 KiB", 131_072, 8, 45.0)]
    {
        // Aligned to a cache line.
        let data: Vec<u8> = (0..len + 64).map(|at| (at % 251) as u8).collect();
        let start = data.as_ptr().align_offset(64);
        let data = &data[start..][..len];
        let [limit, ours] = race(
            n,
            [
                &mut || {
                    for _ in 0..n {
                        black_box(xor(black_box(data)));
                    }
                },
                &mut || {
                    for _ in 0..n {
                        black_box(crc32c(black_box(data)));
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

/// 64 bytes a turn: shorter turns take one cycle or two by where the linker puts them, and the row was twice as fast in one build as in the next.
#[inline(never)]
fn xor(data: &[u8]) -> u64 {
    let (lines, _) = data.as_chunks::<64>();
    let mut all = [0_u64; 8];
    for line in lines {
        let (words, _) = line.as_chunks::<8>();
        for (all, word) in all.iter_mut().zip(words) {
            *all ^= u64::from_le_bytes(*word);
        }
    }
    all.into_iter().fold(0, |all, word| all ^ word)
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
