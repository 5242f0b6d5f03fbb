//! Commands: fields in the dwords of an entry.

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
