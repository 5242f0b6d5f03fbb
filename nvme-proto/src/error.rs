//! The error of every byte decoder.

use core::fmt;

/// Bytes that are not the structure they should be: which structure, at which byte, and what is wrong there.
///
/// It is `Copy` and holds no memory, so that a decoder may fail a million times a second without cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub struct DecodeError {
    /// The structure that was being decoded, as the specification calls it ("Identify Controller").
    pub structure: &'static str,
    /// Offset of the offending byte from the first byte of the structure. For [`DecodeErrorKind::TooShort`] the length of the input.
    pub at: usize,
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

/// What a decoder found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The input ends before the structure does.
    TooShort {
        /// Bytes that are needed at least.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// There are bytes behind the end of the structure.
    TooLong {
        /// Bytes the structure has.
        max: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// A field holds a value that this library does not decode.
    Unsupported {
        /// The field's mnemonic ("RECFMT").
        field: &'static str,
        /// The value in it.
        found: u64,
    },
    /// A count or length is beyond the bound the caller set.
    Limit {
        /// The field's mnemonic ("NUMREC").
        field: &'static str,
        /// The value in it.
        found: u64,
        /// The largest value allowed.
        max: u64,
    },
    /// A field holds a value that breaks a rule of the structure.
    Invalid {
        /// The field's mnemonic ("NIDL").
        field: &'static str,
        /// The value in it.
        found: u64,
        /// The rule, in words ("a descriptor has at least one byte").
        rule: &'static str,
    },
}

impl DecodeError {
    /// A field that breaks a rule.
    pub(crate) const fn invalid(
        structure: &'static str,
        at: usize,
        field: &'static str,
        found: u64,
        rule: &'static str,
    ) -> Self {
        Self { structure, at, kind: DecodeErrorKind::Invalid { field, found, rule } }
    }

    /// `bytes` that end before the `need` bytes of the structure.
    #[allow(dead_code, reason = "used by the structures of fixed length")]
    pub(crate) const fn too_short(structure: &'static str, bytes: &[u8], need: usize) -> Self {
        let have = bytes.len();
        Self { structure, at: have, kind: DecodeErrorKind::TooShort { need, have } }
    }

    /// Checks that `bytes` are at least `need` long.
    pub(crate) const fn check_len(structure: &'static str, bytes: &[u8], need: usize) -> Result<(), Self> {
        let have = bytes.len();
        if have < need {
            Err(Self { structure, at: have, kind: DecodeErrorKind::TooShort { need, have } })
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { structure, at, kind } = self;
        match kind {
            DecodeErrorKind::TooShort { need, have } => {
                write!(f, "{structure} ends at byte {at}: it has {have} bytes of the {need} needed")
            }
            DecodeErrorKind::TooLong { max, have } => {
                write!(f, "{structure} has {have} bytes, {max} expected: byte {at} is beyond its end")
            }
            DecodeErrorKind::Unsupported { field, found } => {
                write!(
                    f,
                    "{structure} has {field} {found} at byte {at}, which is not a value this library decodes"
                )
            }
            DecodeErrorKind::Limit { field, found, max } => {
                write!(f, "{structure} has {field} {found} at byte {at}, more than the limit of {max}")
            }
            DecodeErrorKind::Invalid { field, found, rule } => {
                write!(f, "{structure} has {field} {found} at byte {at}: {rule}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn says_which_structure_at_which_byte_and_what() {
        let error = DecodeError::check_len("Identify Controller", &[0; 17], 4096).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Identify Controller ends at byte 17: it has 17 bytes of the 4096 needed"
        );
        assert_eq!(DecodeError::check_len("Identify Controller", &[0; 17], 17), Ok(()));
        let error = DecodeError {
            structure: "discovery log",
            at: 16,
            kind: DecodeErrorKind::Unsupported { field: "RECFMT", found: 1 },
        };
        assert!(error.to_string().contains("RECFMT 1 at byte 16"), "{error}");
        let error = DecodeError::invalid("list", 5, "NIDL", 0, "a descriptor has at least one byte");
        assert_eq!(error.to_string(), "list has NIDL 0 at byte 5: a descriptor has at least one byte");
    }
}
