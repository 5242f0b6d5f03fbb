//! Fields made of bits with names; every bit is kept, whether it has a name or not.

/// Defines a newtype over an integer with one constant for each bit (or group of bits) that has a name.
macro_rules! wire_flags {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident($int:ty) {
            $( $(#[$vmeta:meta])* $konst:ident = $value:expr => $text:expr ),+ $(,)?
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
        pub struct $name(pub $int);

        impl $name {
            /// No bit.
            pub const NONE: Self = Self(0);
            $( $(#[$vmeta])* pub const $konst: Self = Self($value); )+

            /// Every bit that has a name, from the lowest on, and its name.
            pub const NAMED: &'static [(Self, &'static str)] = &[$( (Self::$konst, $text) ),+];

            /// Whether all bits of `other` are set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The bits of both.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl core::ops::BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                self.with(other)
            }
        }

        impl core::fmt::Display for $name {
            /// The names, separated by commas; bits without a name as one number; `none` where no bit is set.
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let mut rest = self.0;
                let mut separator = "";
                for (bit, name) in Self::NAMED {
                    if self.contains(*bit) {
                        write!(f, "{separator}{name}")?;
                        separator = ", ";
                        rest &= !bit.0;
                    }
                }
                match (self.0, rest) {
                    (0, _) => f.write_str("none"),
                    (_, 0) => Ok(()),
                    (_, rest) => write!(f, "{separator}{rest:#x}"),
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}({:#x}: {self})", stringify!($name), self.0)
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

        $crate::layout::newtype_fields!($name);
    )+};
}
pub(crate) use wire_flags;

#[cfg(test)]
mod tests {
    use alloc::format;

    wire_flags! {
        /// Bits for the test.
        pub struct Sample(u16) {
            /// One.
            ONE = 1 => "one",
            /// Four.
            FOUR = 4 => "four",
        }
    }

    #[test]
    fn names_and_the_rest_are_shown() {
        assert_eq!(format!("{}", Sample::NONE), "none");
        assert_eq!(format!("{}", Sample::ONE | Sample::FOUR), "one, four");
        assert_eq!(format!("{} {:?}", Sample(0x104), Sample(2)), "four, 0x100 Sample(0x2: 0x2)");
    }

    #[test]
    fn all_bits_have_to_be_set() {
        assert!(
            Sample(7).contains(Sample(5))
                && !Sample(3).contains(Sample(5))
                && Sample(0).contains(Sample::NONE)
        );
        assert_eq!(u16::from(Sample::from(0xffff)), 0xffff);
    }
}
