//! Registers and values of features: fields in one word.

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
