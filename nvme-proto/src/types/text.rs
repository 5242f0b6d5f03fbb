//! Transport addresses and services as text.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use super::{IpTraddr, serde_as_text};

/// Why a text is no transport address or service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AddrTextError {
    /// Nothing there.
    #[error("a {what} cannot be empty")]
    Empty {
        /// Which text.
        what: &'static str,
    },
    /// Longer than its field.
    #[error("a {what} has at most {max} bytes, this one has {len}")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Bytes the text has.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// White space, a comma, a control character or something that is not ASCII.
    #[error(
        "{character:?} at byte {at} is not allowed in a {what}: it is printable ASCII without blanks and commas"
    )]
    Forbidden {
        /// Which text.
        what: &'static str,
        /// Offset of the character.
        at: usize,
        /// The character.
        character: char,
    },
}

fn check(what: &'static str, max: usize, text: &str) -> Result<(), AddrTextError> {
    if text.is_empty() {
        return Err(AddrTextError::Empty { what });
    }
    if text.len() > max {
        return Err(AddrTextError::TooLong { what, len: text.len(), max });
    }
    match text.char_indices().find(|(_, c)| !c.is_ascii_graphic() || *c == ',') {
        Some((at, character)) => Err(AddrTextError::Forbidden { what, at, character }),
        None => Ok(()),
    }
}

/// A newtype over checked text.
macro_rules! address_text {
    ($(#[$meta:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The longest text, in bytes: the field on the wire less one for a NUL.
            pub const MAX_LEN: usize = $max;

            /// Checks a text.
            ///
            /// # Errors
            /// When it is empty, too long, or holds something else than printable ASCII without blanks and commas.
            pub fn new(text: impl Into<String>) -> Result<Self, AddrTextError> {
                let text = text.into();
                check($what, Self::MAX_LEN, &text)?;
                Ok(Self(text))
            }

            /// Reads a field on the wire, which ends at the first NUL or at its padding of blanks: both are in use.
            ///
            /// # Errors
            /// Those of [`new`](Self::new); a byte that is not ASCII is shown as the character of its number.
            pub fn decode(field: &[u8]) -> Result<Self, AddrTextError> {
                let text = crate::text::trimmed(field);
                Self::new(text.iter().map(|byte| char::from(*byte)).collect::<String>())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = AddrTextError;

            fn from_str(text: &str) -> Result<Self, AddrTextError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        serde_as_text!($name);
    };
}

address_text! {
    /// Transport address (TRADDR): what a transport needs to find a port. 1 to 255 bytes of printable ASCII without blanks and
    /// commas. For TCP it is an IP address, see [`IpTraddr`].
    ///
    /// | bytes  | field on the wire (256 bytes)                    |
    /// |--------|--------------------------------------------------|
    /// | 0..n   | the text                                         |
    /// | n..256 | NULs (Linux) or blanks (the standard, SPDK)      |
    #[doc(alias = "TRADDR")]
    Traddr, "transport address", 255
}

address_text! {
    /// Transport service (TRSVCID): for TCP the port in decimal. 1 to 31 bytes of printable ASCII without blanks and commas.
    ///
    /// | bytes | field on the wire (32 bytes)                      |
    /// |-------|---------------------------------------------------|
    /// | 0..n  | the text                                          |
    /// | n..32 | NULs (Linux) or blanks (the standard, SPDK)       |
    #[doc(alias = "TRSVCID")]
    Trsvcid, "transport service", 31
}

impl Traddr {
    /// The IP address this is; `None` for an address of another kind.
    #[must_use]
    pub fn ip(&self) -> Option<IpTraddr> {
        self.0.parse().ok()
    }
}

impl From<&IpTraddr> for Traddr {
    fn from(ip: &IpTraddr) -> Self {
        // An IPv6 address has at most 45 bytes, a scope at most 15, all printable.
        Self(ip.to_string())
    }
}

impl Trsvcid {
    /// The TCP port: plain decimal digits, no sign, no leading zero, 0 to 65535. `None` for anything else.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        let plain =
            self.0.bytes().all(|b| b.is_ascii_digit()) && (self.0.len() == 1 || !self.0.starts_with('0'));
        self.0.parse().ok().filter(|_| plain)
    }
}

impl From<u16> for Trsvcid {
    fn from(port: u16) -> Self {
        Self(port.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_each_with_its_rule() {
        let what = "transport service";
        for (text, error) in [
            ("", AddrTextError::Empty { what }),
            ("44 20", AddrTextError::Forbidden { what, at: 2, character: ' ' }),
            ("4420\n", AddrTextError::Forbidden { what, at: 4, character: '\n' }),
            ("4420,nqn=x", AddrTextError::Forbidden { what, at: 4, character: ',' }),
            ("\u{e9}", AddrTextError::Forbidden { what, at: 0, character: '\u{e9}' }),
            ("12345678901234567890123456789012", AddrTextError::TooLong { what, len: 32, max: 31 }),
        ] {
            assert_eq!(Trsvcid::new(text), Err(error), "{text:?}");
        }
        assert!(Traddr::new("a".repeat(255)).is_ok());
        assert!(Traddr::new("a".repeat(256)).is_err());
    }

    #[test]
    fn fields_may_be_padded_either_way() {
        for field in [&b"4420\0\0\0\0"[..], b"4420    ", b"4420", b"4420  \0\0", b"4420\0junk"] {
            assert_eq!(Trsvcid::decode(field), Ok(Trsvcid::from(4420)), "{field:?}");
        }
        assert_eq!(Trsvcid::decode(&[0; 32]), Err(AddrTextError::Empty { what: "transport service" }));
        let error = Traddr::decode(b"a\xffb\0").unwrap_err();
        assert_eq!(error, AddrTextError::Forbidden { what: "transport address", at: 1, character: '\u{ff}' });
    }

    #[test]
    fn only_plain_decimal_is_a_port() {
        for (text, port) in [("0", Some(0)), ("4420", Some(4420)), ("65535", Some(65535))] {
            assert_eq!(Trsvcid::new(text).unwrap().port(), port);
        }
        for text in ["65536", "abc", "+1", "04420", "-1", "0x10", "99999999999999999999"] {
            assert_eq!(Trsvcid::new(text).unwrap().port(), None, "{text}");
        }
        for port in [0, 1, 4420, u16::MAX] {
            assert_eq!(Trsvcid::from(port).port(), Some(port));
        }
    }
}
