//! Registry values: numbers with names, kept exactly as they came.
//!
//! A value from a registry (a transport type, an opcode, a feature) is a newtype over its integer with one constant for each
//! name known today. A number without a name is a value like any other: it is compared, printed and encoded unchanged. There is
//! no `Unknown` variant, since that would give one number two spellings.

/// Defines newtypes over an integer with named constants, [`Debug`](core::fmt::Debug) (name or hex), `Display` and `name()`.
///
/// ```text
/// wire_values! {
///     /// What it is. 1 byte.
///     pub struct Kind(u8) {
///         /// One.
///         ONE = 1 => "one",
///     }
/// }
/// ```
macro_rules! wire_values {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident($int:ty) {
            $( $(#[$vmeta:meta])* $konst:ident = $value:expr => $text:expr ),+ $(,)?
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
        pub struct $name(pub $int);

        impl $name {
            $( $(#[$vmeta])* pub const $konst: Self = Self($value); )+

            /// Every value that has a name, in the order of the registry.
            pub const NAMED: &'static [Self] = &[$( Self::$konst ),+];

            /// The name of this value; `None` for a number that has none here.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $( Self::$konst => Some($text), )+
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $name {
            /// The name, or `unknown (0x..)`.
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => write!(f, "unknown ({:#x})", self.0),
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => write!(f, "{}({name})", stringify!($name)),
                    None => write!(f, "{}({:#x})", stringify!($name), self.0),
                }
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
    )+};
}

pub(crate) use wire_values;

#[cfg(test)]
mod tests {
    use alloc::format;

    wire_values! {
        /// A registry for the test.
        pub struct Sample(u8) {
            /// One.
            ONE = 1 => "one",
            /// The last.
            LAST = 0xff => "last",
        }
    }

    #[test]
    fn named_values_print_their_name_and_others_their_number() {
        assert_eq!(format!("{} {:?}", Sample::ONE, Sample::ONE), "one Sample(one)");
        assert_eq!(format!("{} {:?}", Sample(0x2a), Sample(0x2a)), "unknown (0x2a) Sample(0x2a)");
        assert_eq!(Sample::NAMED, [Sample(1), Sample(255)]);
    }

    #[test]
    fn every_number_survives() {
        for n in 0..=u8::MAX {
            assert_eq!(u8::from(Sample::from(n)), n);
        }
    }
}
