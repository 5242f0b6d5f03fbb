//! The texts by which a subsystem is told from others: serial number, model, firmware.

use std::fmt;
use std::str::FromStr;

/// A text that does not fit its field of Identify Controller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityTextError {
    /// Nothing, or blanks only.
    #[error("the {what} is empty")]
    Empty {
        /// Which text.
        what: &'static str,
    },
    /// Longer than the field.
    #[error("the {what} has {len} characters, the field has room for {max}")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length.
        len: usize,
        /// The room.
        max: usize,
    },
    /// A character that is not printable ASCII, or a blank at an end.
    #[error(
        "{character:?} at byte {at} of the {what} is not allowed: it is printable ASCII, without blanks around it"
    )]
    Forbidden {
        /// Which text.
        what: &'static str,
        /// Where.
        at: usize,
        /// The character.
        character: char,
    },
}

fn check(what: &'static str, max: usize, text: &str) -> Result<(), IdentityTextError> {
    if text.trim().is_empty() {
        return Err(IdentityTextError::Empty { what });
    }
    if text.len() > max {
        return Err(IdentityTextError::TooLong { what, len: text.len(), max });
    }
    let last = text.len().saturating_sub(1);
    let forbidden =
        |(at, c): &(usize, char)| !matches!(c, ' '..='~') || *c == ' ' && (*at == 0 || *at == last);
    match text.char_indices().find(forbidden) {
        Some((at, character)) => Err(IdentityTextError::Forbidden { what, at, character }),
        None => Ok(()),
    }
}

macro_rules! identity_text {
    ($( $(#[$meta:meta])* $name:ident, $what:literal, $max:literal; )+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Most characters.
            pub const MAX_LEN: usize = $max;

            /// This text.
            ///
            /// # Errors
            /// Empty, longer than [`MAX_LEN`](Self::MAX_LEN), not printable ASCII, or with blanks around it, which the field could not keep.
            pub fn new(text: impl Into<String>) -> Result<Self, IdentityTextError> {
                let text = text.into();
                check($what, Self::MAX_LEN, &text)?;
                Ok(Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdentityTextError;

            fn from_str(text: &str) -> Result<Self, IdentityTextError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )+};
}

identity_text! {
    /// A serial number, 1 to 20 characters.
    #[doc(alias = "SN")]
    Serial, "serial number", 20;
    /// The name of a model, 1 to 40 characters.
    #[doc(alias = "MN")]
    Model, "model", 40;
    /// A firmware revision, 1 to 8 characters.
    #[doc(alias = "FR")]
    Firmware, "firmware revision", 8;
}

impl Serial {
    /// The serial number of a subsystem that was given none: 20 hexadecimal digits that depend on its name alone.
    pub(crate) fn derived(digest: &[u8]) -> Self {
        Self(digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Default for Model {
    fn default() -> Self {
        Self("nvme-fabrics soft target".into())
    }
}

impl Default for Firmware {
    /// The version of this library.
    fn default() -> Self {
        Self(env!("CARGO_PKG_VERSION").chars().take(Self::MAX_LEN).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_their_fields_can_keep() {
        assert_eq!(Serial::new("0123456789abcdef").unwrap().as_str(), "0123456789abcdef");
        assert_eq!(
            Serial::new("x".repeat(21)),
            Err(IdentityTextError::TooLong { what: "serial number", len: 21, max: 20 })
        );
        assert_eq!(Model::new("  "), Err(IdentityTextError::Empty { what: "model" }));
        assert!(Model::new("a b").is_ok());
        for (text, at) in [(" a", 0), ("a ", 1), ("a\n", 1), ("\u{e4}", 0), ("a\u{7f}b", 1)] {
            match Firmware::new(text) {
                Err(IdentityTextError::Forbidden { at: found, .. }) => assert_eq!(found, at),
                other => panic!("{other:?}"),
            }
        }
        for made in [Model::default().as_str(), Firmware::default().as_str()] {
            assert!(check("made", 40, made).is_ok());
        }
        assert_eq!(Serial::derived(&[0xab; 32]).as_str().len(), 20);
    }
}
