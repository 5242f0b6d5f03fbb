//! Fields that are bits of dwords: commands, registers, feature values.
//!
//! A layout is written down once, as a table of bits. From it come the fields or getters, the encoder, the decoder, the table in the
//! documentation, and a proof that no two fields share a bit, that every field fits its type, and that it lies inside its words. The proof is a
//! constant: a layout that is wrong does not compile.

mod command;
mod group;
mod record;

pub(crate) use command::command;
pub(crate) use group::bit_group;
pub(crate) use record::record;

/// A value that is some bits of a word.
pub(crate) trait Bits: Copy {
    /// Bits the value can have.
    const WIDTH: u32;

    /// The value of these bits; those above [`WIDTH`](Self::WIDTH) are zero.
    fn from_bits(bits: u64) -> Self;

    /// The bits of the value.
    fn to_bits(self) -> u64;
}

macro_rules! int_bits {
    ($($int:ty),+) => {$(
        impl Bits for $int {
            const WIDTH: u32 = <$int>::BITS;

            #[inline]
            fn from_bits(bits: u64) -> Self {
                let bytes = bits.to_le_bytes();
                Self::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
            }

            #[inline]
            fn to_bits(self) -> u64 {
                u64::from(self)
            }
        }
    )+};
}

int_bits!(u8, u16, u32, u64);

impl Bits for bool {
    const WIDTH: u32 = 1;

    #[inline]
    fn from_bits(bits: u64) -> Self {
        bits & 1 != 0
    }

    #[inline]
    fn to_bits(self) -> u64 {
        u64::from(self)
    }
}

/// Newtypes over an integer as bits and as fields of structures.
macro_rules! newtype_bits {
    ($($name:ty),+ $(,)?) => {$(
        impl $crate::bits::Bits for $name {
            const WIDTH: u32 = {
                let bytes = size_of::<Self>();
                assert!(bytes <= 8);
                // At most 8, so that no bit is lost.
                #[expect(clippy::as_conversions, reason = "at most 8")]
                (bytes as u32).saturating_mul(8)
            };

            #[inline]
            fn from_bits(bits: u64) -> Self {
                Self($crate::bits::Bits::from_bits(bits))
            }

            #[inline]
            fn to_bits(self) -> u64 {
                $crate::bits::Bits::to_bits(self.0)
            }
        }
    )+};
}
pub(crate) use newtype_bits;

newtype_bits!(crate::types::Cntlid);

/// Ones in the bits `hi` to `lo`, moved down to bit 0.
const fn mask(hi: u32, lo: u32) -> u64 {
    u64::MAX.unbounded_shr(63_u32.saturating_sub(hi.saturating_sub(lo)))
}

/// The bits `hi` to `lo` of a word.
#[inline]
pub(crate) const fn extract(word: u64, hi: u32, lo: u32) -> u64 {
    word.unbounded_shr(lo) & mask(hi, lo)
}

/// The word with the bits `hi` to `lo` replaced; what does not fit into them is cut off.
#[inline]
pub(crate) const fn insert(word: u64, hi: u32, lo: u32, value: u64) -> u64 {
    let mask = mask(hi, lo);
    word & !mask.unbounded_shl(lo) | (value & mask).unbounded_shl(lo)
}

/// Proves a field: its bits lie inside 64, fit its type, and are not marked yet. The bits marked then.
pub(crate) const fn mark(used: u64, hi: u32, lo: u32, width: u32) -> u64 {
    assert!(lo <= hi && hi < 64, "a field has its highest bit first, and at most 64 bits");
    assert!(hi.saturating_sub(lo) < width, "a field fits its type");
    let bits = mask(hi, lo).unbounded_shl(lo);
    assert!(used & bits == 0, "no two fields share a bit");
    used | bits
}

/// Two dwords as one word, the first one lower.
#[inline]
pub(crate) const fn join(low: u32, high: u32) -> u64 {
    let [a, b, c, d] = low.to_le_bytes();
    let [e, f, g, h] = high.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The lower and the upper half of a word.
#[inline]
pub(crate) const fn split(word: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// [`mark`] for a field of an entry, whose bits are counted from dword `at`.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
pub(crate) const fn mark_dword(mut used: [u32; 16], at: usize, hi: u32, lo: u32, width: u32) -> [u32; 16] {
    let next = at.saturating_add(1);
    let before = join(used[at], if hi < 32 { 0 } else { used[next] });
    let (low, high) = split(mark(before, hi, lo, width));
    used[at] = low;
    if hi >= 32 {
        used[next] = high;
    }
    used
}

/// The dwords of an entry by name.
pub(crate) mod dword {
    pub(crate) const NSID: usize = 1;
    pub(crate) const CDW2: usize = 2;
    pub(crate) const CDW10: usize = 10;
    pub(crate) const CDW11: usize = 11;
    pub(crate) const CDW12: usize = 12;
    pub(crate) const CDW13: usize = 13;
    pub(crate) const CDW14: usize = 14;
    pub(crate) const CDW15: usize = 15;
}

/// A span of bits, `15:0` or `3`: its highest bit, its lowest bit, its text.
macro_rules! span {
    (hi $hi:literal : $lo:literal) => {
        $hi
    };
    (lo $hi:literal : $lo:literal) => {
        $lo
    };
    (text $hi:literal : $lo:literal) => {
        concat!(stringify!($hi), ":", stringify!($lo))
    };
    (hi $bit:literal) => {
        $bit
    };
    (lo $bit:literal) => {
        $bit
    };
    (text $bit:literal) => {
        stringify!($bit)
    };
}
pub(crate) use span;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_taken_out_and_put_in() {
        assert_eq!(extract(0x1234_5678_9abc_def0, 63, 0), 0x1234_5678_9abc_def0);
        assert_eq!(extract(0x1234_5678_9abc_def0, 15, 8), 0xde);
        assert_eq!(extract(1 << 63, 63, 63), 1);
        assert_eq!(insert(u64::MAX, 15, 8, 0), 0xffff_ffff_ffff_00ff);
        assert_eq!(insert(0, 15, 8, 0x1ff), 0xff00);
        assert_eq!(insert(7, 63, 0, 9), 9);
        assert_eq!((join(1, 2), split(join(1, 2))), (0x2_0000_0001, (1, 2)));
    }

    #[test]
    fn fields_that_share_bits_are_found() {
        assert_eq!(mark(0xff, 15, 8, 8), 0xffff);
        for (used, hi, lo, width) in [(1, 0, 0, 8), (0, 8, 0, 8), (0, 0, 1, 8), (0, 64, 0, 64)] {
            assert!(std::panic::catch_unwind(|| mark(used, hi, lo, width)).is_err());
        }
        let used = mark_dword([0; 16], dword::CDW10, 63, 0, 64);
        assert_eq!((used[10], used[11], used[12]), (u32::MAX, u32::MAX, 0));
        assert!(std::panic::catch_unwind(|| mark_dword(used, dword::CDW11, 0, 0, 1)).is_err());
    }
}
