//! Fields that are bits of dwords: commands, registers, feature values.
//!
//! A layout is written down once, as a table of bits. From it come the fields or getters, the encoder, the decoder, the table in the
//! documentation, and a proof that no two fields share a bit, that every field fits its type, and that it lies inside its words. The proof is a
//! constant: a layout that is wrong does not compile.

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

/// Defines a command: a struct with the fields of its entry, `to_sqe` and `from_sqe`.
///
/// ```text
/// command! {
///     /// What it does.
///     pub struct Abort("Abort", opcode = 0x08) {
///         /// What the field is.
///         CDW10 [15:0] queue: u16, "SQID";
///     }
/// }
/// ```
///
/// Bits are counted from the dword; `[63:0]` reaches into the next one.
macro_rules! command {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($title:literal, $kind:ident = $number:literal) {}
    ) => {
        $crate::bits::command! { @build
            [
                $(#[$meta])*
                ///
                /// It has no fields; what an entry holds beside the opcode is ignored.
            ]
            $name, $title, $kind, $number {}
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $name:ident($title:literal, $kind:ident = $number:literal) {
            $( $(#[$fmeta:meta])* $dword:ident [$($bit:tt)+] $field:ident : $ty:ty, $mnemonic:literal; )+
        }
    ) => {
        $crate::bits::command! { @build
            [
                $(#[$meta])*
                ///
                /// | from | bits | field |
                /// |---|---|---|
                $(#[doc = concat!(
                    "| ", stringify!($dword), " | ", $crate::bits::span!(text $($bit)+), " | `", stringify!($field), "` (",
                    $mnemonic, ") |"
                )])+
                ///
                /// Bits are counted from the dword. All others are reserved: written as zero, ignored when read. Of a value that is too large for
                /// its bits the upper ones are lost.
            ]
            $name, $title, $kind, $number {
                $( $(#[$fmeta])* $dword [$($bit)+] $field : $ty, $mnemonic; )+
            }
        }
    };
    (@build
        [$(#[$meta:meta])*]
        $name:ident, $title:literal, $kind:ident, $number:literal {
            $( $(#[$fmeta:meta])* $dword:ident [$($bit:tt)+] $field:ident : $ty:ty, $mnemonic:literal; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$fmeta])* #[doc(alias = $mnemonic)] pub $field: $ty, )*
        }

        impl $name {
            $crate::bits::command! { @number $kind $number }

            /// What the specification calls the command.
            pub const NAME: &'static str = $title;

            /// The bits of each dword of the entry that the command gives a meaning, beside opcode, flags, command identifier and data pointer.
            pub const DEFINED: [u32; 16] = {
                let used = $crate::bits::command!(@used $kind);
                $( let used = $crate::bits::mark_dword(
                    used,
                    $crate::bits::dword::$dword,
                    $crate::bits::span!(hi $($bit)+),
                    $crate::bits::span!(lo $($bit)+),
                    <$ty as $crate::bits::Bits>::WIDTH,
                ); )*
                used
            };

            /// The command as an entry, with command identifier 0 and without data:
            /// [`with_cid`](crate::sqe::Sqe::with_cid) and [`with_sgl`](crate::sqe::Sqe::with_sgl) give it both.
            #[must_use]
            #[inline]
            pub fn to_sqe(&self) -> $crate::sqe::Sqe {
                #[allow(unused_mut, reason = "a command without fields")]
                let mut sqe = $crate::bits::command!(@entry $kind $number);
                $( sqe.set_bits(
                    $crate::bits::dword::$dword,
                    $crate::bits::span!(hi $($bit)+),
                    $crate::bits::span!(lo $($bit)+),
                    $crate::bits::Bits::to_bits(self.$field),
                ); )*
                sqe
            }

            /// The fields of an entry. That its opcode is this command's is for the caller to know.
            #[must_use]
            #[inline]
            pub fn from_sqe(sqe: &$crate::sqe::Sqe) -> Self {
                #[allow(clippy::no_effect_underscore_binding, reason = "a command without fields")]
                let _ = sqe;
                Self {
                    $( $field: $crate::bits::Bits::from_bits(sqe.bits(
                        $crate::bits::dword::$dword,
                        $crate::bits::span!(hi $($bit)+),
                        $crate::bits::span!(lo $($bit)+),
                    )), )*
                }
            }
        }

        // An associated constant that nobody reads would not be evaluated, and prove nothing.
        const _: [u32; 16] = $name::DEFINED;

        impl Default for $name {
            /// Every field zero.
            fn default() -> Self {
                Self::from_sqe(&$crate::bits::command!(@entry $kind $number))
            }
        }
    };
    (@used opcode) => {
        [0; 16]
    };
    (@used fctype) => {
        $crate::bits::mark_dword([0; 16], $crate::bits::dword::NSID, 7, 0, 8)
    };
    (@number opcode $number:literal) => {
        /// Opcode.
        pub const OPCODE: u8 = $number;
    };
    (@number fctype $number:literal) => {
        /// Opcode, that of every Fabrics command.
        pub const OPCODE: u8 = $crate::sqe::Sqe::FABRICS;

        /// Which Fabrics command.
        pub const FCTYPE: $crate::fabrics::Fctype = $crate::fabrics::Fctype($number);
    };
    (@entry opcode $number:literal) => {
        $crate::sqe::Sqe::new($number)
    };
    (@entry fctype $number:literal) => {
        $crate::sqe::Sqe::fabrics($crate::fabrics::Fctype($number))
    };
}
pub(crate) use command;

/// Defines a newtype over an integer whose bits are fields: getters, and builders that return the changed value.
///
/// ```text
/// bit_group! {
///     /// What it is.
///     pub struct Status("Controller Status", u32) {
///         /// What the field is.
///         [0] ready with_ready: bool, "RDY";
///     }
/// }
/// ```
macro_rules! bit_group {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident($int:ty) {
            $( $(#[$fmeta:meta])* [$($bit:tt)+] $get:ident $with:ident : $ty:ty, $mnemonic:literal; )+
        }
    )+) => {$(
        $(#[$meta])*
        ///
        /// | bits | field |
        /// |---|---|
        $(#[doc = concat!("| ", $crate::bits::span!(text $($bit)+), " | `", stringify!($get), "` (", $mnemonic, ") |")])+
        ///
        /// The other bits are reserved; they are kept as they came. Of a value that is too large for its bits the upper ones are lost.
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
        pub struct $name(pub $int);

        impl $name {
            /// The bits that have a meaning; that each has one only is proved here.
            pub const DEFINED: $int = {
                let used = 0;
                $( let used = $crate::bits::mark(
                    used,
                    $crate::bits::span!(hi $($bit)+),
                    $crate::bits::span!(lo $($bit)+),
                    <$ty as $crate::bits::Bits>::WIDTH,
                ); )+
                assert!(used.leading_zeros() >= 64_u32.saturating_sub(<$int>::BITS), "a field lies inside the word");
                #[allow(clippy::as_conversions, reason = "proved in the line above")]
                {
                    used as $int
                }
            };

            $(
                $(#[$fmeta])*
                #[doc(alias = $mnemonic)]
                #[must_use]
                #[inline]
                pub fn $get(self) -> $ty {
                    $crate::bits::Bits::from_bits($crate::bits::extract(
                        self.0.into(),
                        $crate::bits::span!(hi $($bit)+),
                        $crate::bits::span!(lo $($bit)+),
                    ))
                }

                #[doc = concat!("The same with another [`", stringify!($get), "`](Self::", stringify!($get), ").")]
                #[must_use]
                #[inline]
                pub fn $with(self, value: $ty) -> Self {
                    Self($crate::bits::Bits::from_bits($crate::bits::insert(
                        self.0.into(),
                        $crate::bits::span!(hi $($bit)+),
                        $crate::bits::span!(lo $($bit)+),
                        $crate::bits::Bits::to_bits(value),
                    )))
                }
            )+
        }

        const _: $int = $name::DEFINED;

        impl core::fmt::Debug for $name {
            /// The number and every field by name.
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let mut fields = f.debug_struct(stringify!($name));
                fields.field("raw", &format_args!("{:#x}", self.0));
                $( fields.field(stringify!($get), &self.$get()); )+
                fields.finish()
            }
        }

        impl From<$int> for $name {
            fn from(value: $int) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $int {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        $crate::bits::newtype_bits!($name);
        $crate::layout::newtype_fields!($name);
    )+};
}
pub(crate) use bit_group;

/// Defines a structure of a fixed, small number of bytes.
///
/// ```text
/// record! {
///     /// What it is.
///     pub struct Range("Dataset Management range", 16) {
///         /// What the field is.
///         [0..4] attributes: u32, "CATTR";
///     }
/// }
/// ```
macro_rules! record {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident($title:literal, $len:literal) {
            $( $(#[$fmeta:meta])* [$from:literal .. $to:literal] $field:ident : $ty:ty, $mnemonic:literal; )+
        }
    )+) => {$(
        $(#[$meta])*
        ///
        /// | bytes | field |
        /// |---|---|
        $(#[doc = concat!(
            "| ", stringify!($from), "..", stringify!($to), " | `", stringify!($field), "` (", $mnemonic, ") |"
        )])+
        ///
        #[doc = concat!(
            stringify!($len), " bytes, little-endian. Bytes that are not listed are reserved: written as zero, ignored when read."
        )]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$fmeta])* #[doc(alias = $mnemonic)] pub $field: $ty, )+
        }

        // Every field has the bytes of its type, lies behind the one before it, and inside the structure.
        const _: () = {
            let end = 0_usize;
            $(
                let (from, to): (usize, usize) = ($from, $to);
                assert!(from >= end && to > from && to.saturating_sub(from) == size_of::<$ty>());
                let end = to;
            )+
            assert!(end <= $len);
        };

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The structure in these bytes.
            #[must_use]
            pub fn from_bytes(bytes: &[u8; $len]) -> Self {
                Self { $( $field: $crate::layout::Field::read(bytes, $from), )+ }
            }

            /// The structure at the beginning of these bytes. What is behind it is left alone.
            ///
            /// # Errors
            /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort).
            pub fn decode(bytes: &[u8]) -> Result<Self, $crate::DecodeError> {
                match bytes.first_chunk() {
                    Some(bytes) => Ok(Self::from_bytes(bytes)),
                    None => Err($crate::DecodeError::too_short($title, bytes, $len)),
                }
            }

            /// The structure as bytes.
            #[must_use]
            pub fn encode(&self) -> [u8; $len] {
                let mut bytes = [0; $len];
                $( $crate::layout::Field::write(self.$field, &mut bytes, $from); )+
                bytes
            }
        }

        impl Default for $name {
            /// Every field zero.
            fn default() -> Self {
                Self::from_bytes(&[0; $len])
            }
        }
    )+};
}
pub(crate) use record;

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
