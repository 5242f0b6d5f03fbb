//! Small structures: fields at fixed bytes.

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
