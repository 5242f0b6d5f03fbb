//! CRC-32C by tables: eight bytes a step.

/// `TABLES[k][b]`: the remainder of byte `b` followed by `k` zero bytes.
static TABLES: [[u32; 256]; 8] = tables();

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "runs at compile time, where a wrong index or an overflow is an error"
)]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u32 = tables[zeros - 1][byte];
            tables[zeros][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// The entry of `byte`: a table has one for every byte.
#[inline]
fn entry(table: &[u32; 256], byte: u8) -> u32 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Continues the (inverted) remainder `state` over `data`.
#[cfg_attr(
    all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(dead_code, reason = "the tests compare it with the fast one")
)]
pub(super) fn extend(state: u32, data: &[u8]) -> u32 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
    let (steps, rest) = data.as_chunks::<8>();
    let state = steps.iter().fold(state, |state, step| {
        let [a, b, c, d, e, f, g, h] = (u64::from_le_bytes(*step) ^ u64::from(state)).to_le_bytes();
        entry(t7, a)
            ^ entry(t6, b)
            ^ entry(t5, c)
            ^ entry(t4, d)
            ^ entry(t3, e)
            ^ entry(t2, f)
            ^ entry(t1, g)
            ^ entry(t0, h)
    });
    rest.iter().fold(state, |state, byte| {
        let [low, ..] = state.to_le_bytes();
        state >> 8 ^ entry(t0, low ^ byte)
    })
}
