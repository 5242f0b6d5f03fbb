//! NVMe Qualified Names.

use alloc::borrow::Cow;
use alloc::string::String;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use nom::bytes::complete::{tag, take_while_m_n};
use nom::character::complete::char;
use nom::{IResult, Parser};

use super::{HostId, serde_as_text};

/// The name every discovery service answers to.
pub const DISCOVERY_NQN: &str = "nqn.2014-08.org.nvmexpress.discovery";

/// What stands before the UUID in a name made from one.
pub(super) const UUID_PREFIX: &str = "nqn.2014-08.org.nvmexpress:uuid:";

/// An NVMe Qualified Name: 1 to 223 bytes of UTF-8 that name a subsystem or a host.
///
/// | bytes  | field on the wire (256 bytes)    |
/// |--------|----------------------------------|
/// | 0..n   | the name, n from 1 to 223        |
/// | n      | NUL                              |
/// | n..256 | reserved; written as NUL         |
///
/// Names are compared byte by byte. A value of this type can be used as a directory name, as a value in a comma-separated
/// option string and on the wire; so these are refused, with the offset of what offends:
///
/// | refused                                    | because                                                                            |
/// |--------------------------------------------|------------------------------------------------------------------------------------|
/// | empty, more than 223 bytes                 | the field has no room for it (kernel `include/linux/nvme.h: NVMF_NQN_SIZE`)        |
/// | `/`, and the names `.` and `..`            | the name is a directory name in the target's tree                                  |
/// | `,`                                        | it ends the option in the string written to the fabrics device                     |
/// | control characters (NUL, line feed, …)     | NUL ends the field, line feed the option; none of them can be seen                 |
/// | white space at the beginning or the end    | the kernel strips it in some places and keeps it in others                         |
///
/// Everything else is allowed, also names that are not of a standard form such as `mysub`: Linux takes them, and they are in use.
/// [`form`](Self::form) tells the forms apart. Linux's host takes one byte less than the wire
/// ([`MAX_HOST_LEN`](Self::MAX_HOST_LEN)).
///
/// Source: NVMe Base 2.0 section 4.5, NVMe over Fabrics 1.1 section 3.3, kernel `drivers/nvme/host/fabrics.c:
/// nvmf_parse_options`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "NQN")]
pub struct Nqn(pub(super) String);

/// Why a text or a field holds no usable [`Nqn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NqnError {
    /// Nothing there.
    #[error("an NQN cannot be empty: it has 1 to 223 bytes")]
    Empty,
    /// More than 223 bytes.
    #[error("an NQN has at most 223 bytes, this one has {len}")]
    TooLong {
        /// Bytes the text has; in a field without a NUL, the bytes of the field.
        len: usize,
    },
    /// A character that would end or split the name somewhere.
    #[error("{character:?} at byte {at} is not allowed in an NQN: {}", why_forbidden(*.character))]
    Forbidden {
        /// Offset of the character's first byte.
        at: usize,
        /// The character.
        character: char,
    },
    /// White space in front of or behind the name.
    #[error(
        "an NQN cannot begin or end with white space, and there is {character:?} at byte {at}; was it read from a file with its line end?"
    )]
    OuterWhitespace {
        /// Offset of the character's first byte.
        at: usize,
        /// The character.
        character: char,
    },
    /// `.` or `..`.
    #[error(
        "\".\" and \"..\" cannot be NQNs: in the target's tree they name the directory itself and the one above"
    )]
    DotName,
    /// Not UTF-8.
    #[error("an NQN is UTF-8 text, and byte {at} is not")]
    NotUtf8 {
        /// Offset of the first byte that is not UTF-8.
        at: usize,
    },
    /// A field on the wire without a NUL in it.
    #[error("the NQN field of {len} bytes has no NUL that ends the name")]
    Unterminated {
        /// Bytes of the field.
        len: usize,
    },
}

const fn why_forbidden(character: char) -> &'static str {
    match character {
        '/' => "it would name another directory in the target's tree",
        ',' => "it would end the option in the kernel's option string",
        '\0' => "NUL ends the name on the wire",
        '\n' => "a line feed ends the option in the kernel's option string",
        _ => "control characters cannot be seen",
    }
}

/// The form of an [`Nqn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NqnForm {
    /// The well-known name of the discovery service, [`DISCOVERY_NQN`].
    Discovery,
    /// `nqn.2014-08.org.nvmexpress:uuid:` and a lower-case UUID.
    Uuid(HostId),
    /// `nqn.yyyy-mm.reverse-domain:string`, the month being one in which the naming authority owned the domain.
    Domain,
    /// None of the standard's forms; a legal name nevertheless.
    Other,
}

impl Nqn {
    /// The longest name, in bytes: what the wire and Linux's target take.
    pub const MAX_LEN: usize = 223;
    /// The longest name Linux's host takes, in bytes (kernel `drivers/nvme/host/fabrics.c`: names of `NVMF_NQN_SIZE` = 223
    /// bytes or more are refused with EINVAL).
    pub const MAX_HOST_LEN: usize = 222;
    /// Length of the field on the wire, in bytes.
    pub const FIELD_LEN: usize = 256;

    /// Checks a name.
    ///
    /// # Errors
    /// The first rule in the table above that the text breaks, with the offset.
    pub fn new(text: impl Into<String>) -> Result<Self, NqnError> {
        let text = text.into();
        check(&text)?;
        Ok(Self(text))
    }

    /// Reads a name from a field on the wire: the bytes before the first NUL. What is behind it is ignored.
    ///
    /// # Errors
    /// [`NqnError::Unterminated`] without a NUL, [`NqnError::NotUtf8`], and those of [`new`](Self::new).
    pub fn decode(field: &[u8]) -> Result<Self, NqnError> {
        let mut parts = field.splitn(2, |byte| *byte == 0);
        let (Some(name), Some(_)) = (parts.next(), parts.next()) else {
            return Err(NqnError::Unterminated { len: field.len() });
        };
        let text =
            core::str::from_utf8(name).map_err(|error| NqnError::NotUtf8 { at: error.valid_up_to() })?;
        Self::new(text)
    }

    /// The field on the wire: the name, then NULs.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::FIELD_LEN] {
        let mut field = [0; Self::FIELD_LEN];
        for (to, from) in field.iter_mut().zip(self.0.bytes()) {
            *to = from;
        }
        field
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of the standard's forms the name has.
    #[must_use]
    pub fn form(&self) -> NqnForm {
        if self.0 == DISCOVERY_NQN {
            return NqnForm::Discovery;
        }
        if let Some(uuid) = self.0.strip_prefix(UUID_PREFIX) {
            let lower = !uuid.bytes().any(|b| b.is_ascii_uppercase());
            return uuid.parse().ok().filter(|_| lower).map_or(NqnForm::Other, NqnForm::Uuid);
        }
        match domain_form(&self.0) {
            Ok((rest, ())) if !rest.is_empty() => NqnForm::Domain,
            _ => NqnForm::Other,
        }
    }
}

/// All rules for a name's text, in one place.
fn check(text: &str) -> Result<(), NqnError> {
    let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) else {
        return Err(NqnError::Empty);
    };
    if text.len() > Nqn::MAX_LEN {
        return Err(NqnError::TooLong { len: text.len() });
    }
    if first.is_whitespace() {
        return Err(NqnError::OuterWhitespace { at: 0, character: first });
    }
    if last.is_whitespace() {
        return Err(NqnError::OuterWhitespace {
            at: text.len().saturating_sub(last.len_utf8()),
            character: last,
        });
    }
    let forbidden = |character: char| matches!(character, '/' | ',') || character.is_control();
    if let Some((at, character)) = text.char_indices().find(|(_, character)| forbidden(*character)) {
        return Err(NqnError::Forbidden { at, character });
    }
    if text == "." || text == ".." {
        return Err(NqnError::DotName);
    }
    Ok(())
}

/// `nqn.yyyy-mm.reverse-domain:`; what follows must not be empty.
fn domain_form(text: &str) -> IResult<&str, ()> {
    let digits = |n| take_while_m_n(n, n, |c: char| c.is_ascii_digit());
    let (rest, (_, _, _, month, _)) =
        (tag("nqn."), digits(4), char('-'), digits(2), char('.')).parse(text)?;
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    match rest.split_once(':') {
        Some((domain, rest)) if ("01"..="12").contains(&month) && domain.split('.').all(label) => {
            Ok((rest, ()))
        }
        _ => Err(nom::Err::Error(nom::error::Error::new(rest, nom::error::ErrorKind::Verify))),
    }
}

impl FromStr for Nqn {
    type Err = NqnError;

    fn from_str(text: &str) -> Result<Self, NqnError> {
        check(text)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for Nqn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What all three types share.
macro_rules! text_impls {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NqnError;

            fn try_from(text: &str) -> Result<Self, NqnError> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NqnError;

            fn try_from(text: String) -> Result<Self, NqnError> {
                Self::new(text)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl From<$name> for Cow<'_, str> {
            fn from(name: $name) -> Self {
                Cow::Owned(String::from(name))
            }
        }

        serde_as_text!($name);
    };
}

pub(super) use text_impls;

text_impls!(Nqn);

impl From<Nqn> for String {
    fn from(name: Nqn) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    #[test]
    fn takes_what_linux_takes() {
        for text in [
            "mysub",
            "nqn.2014-08.org.nvmexpress.discovery",
            "a",
            "a b",
            "caf\u{e9}",
            "...",
            ".a",
            "a=b;c",
            "%s",
            "x:y",
        ] {
            assert_eq!(Nqn::new(text).map(|n| n.to_string()), Ok(text.to_string()));
        }
        assert!(Nqn::new("n".repeat(223)).is_ok());
    }

    #[test]
    fn refuses_each_with_its_rule_and_offset() {
        for (text, error) in [
            ("", NqnError::Empty),
            ("a/b", NqnError::Forbidden { at: 1, character: '/' }),
            ("/", NqnError::Forbidden { at: 0, character: '/' }),
            ("../x", NqnError::Forbidden { at: 2, character: '/' }),
            ("a,nr_io_queues=1", NqnError::Forbidden { at: 1, character: ',' }),
            ("a\0b", NqnError::Forbidden { at: 1, character: '\0' }),
            ("\u{e9}\nb", NqnError::Forbidden { at: 2, character: '\n' }),
            ("a\u{7f}b", NqnError::Forbidden { at: 1, character: '\u{7f}' }),
            ("a\u{85}b", NqnError::Forbidden { at: 1, character: '\u{85}' }),
            ("a\tb", NqnError::Forbidden { at: 1, character: '\t' }),
            (" a", NqnError::OuterWhitespace { at: 0, character: ' ' }),
            ("a\n", NqnError::OuterWhitespace { at: 1, character: '\n' }),
            ("a\u{3000}", NqnError::OuterWhitespace { at: 1, character: '\u{3000}' }),
            (".", NqnError::DotName),
            ("..", NqnError::DotName),
        ] {
            assert_eq!(Nqn::new(text), Err(error), "{text:?}");
            assert_eq!(text.parse::<Nqn>(), Err(error), "{text:?}");
        }
        assert_eq!(Nqn::new("n".repeat(224)), Err(NqnError::TooLong { len: 224 }));
        // 223 characters, but more bytes.
        assert_eq!(Nqn::new("\u{e9}".repeat(112)), Err(NqnError::TooLong { len: 224 }));
    }

    #[test]
    fn the_message_shows_the_character_escaped() {
        let text = Nqn::new("a\nb").unwrap_err().to_string();
        assert!(text.contains(r"'\n' at byte 1"), "{text}");
    }

    #[test]
    fn forms_are_told_apart() {
        let id: HostId = "1b4e28ba-2fa1-11d2-883f-0016d3cca427".parse().unwrap();
        for (text, form) in [
            (DISCOVERY_NQN, NqnForm::Discovery),
            ("nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427", NqnForm::Uuid(id)),
            ("nqn.2014-08.org.nvmexpress:uuid:1B4E28BA-2fa1-11d2-883f-0016d3cca427", NqnForm::Other),
            ("nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca42", NqnForm::Other),
            ("nqn.2014-08.com.example:nvme:target1", NqnForm::Domain),
            ("nqn.2014-13.com.example:x", NqnForm::Other),
            ("nqn.2014-00.com.example:x", NqnForm::Other),
            ("nqn.2014-08.com.example:", NqnForm::Other),
            ("nqn.2014-08.com.example", NqnForm::Other),
            ("nqn.2014-08.com..example:x", NqnForm::Other),
            ("nqn.14-08.com.example:x", NqnForm::Other),
            ("mysub", NqnForm::Other),
        ] {
            assert_eq!(Nqn::new(text).unwrap().form(), form, "{text}");
        }
    }

    #[test]
    fn the_field_is_the_name_and_nuls() {
        let name = Nqn::new("mysub").unwrap();
        let field = name.encode();
        assert_eq!(field[..5], *b"mysub");
        assert!(field[5..].iter().all(|b| *b == 0));
        assert_eq!(Nqn::decode(&field), Ok(name));
        // What is behind the NUL is ignored.
        assert_eq!(Nqn::decode(b"mysub\0junk/").unwrap(), "mysub");
    }

    #[test]
    fn fields_without_an_end_or_with_other_bytes_are_refused() {
        assert_eq!(Nqn::decode(&[b'n'; 256]), Err(NqnError::Unterminated { len: 256 }));
        assert_eq!(Nqn::decode(b""), Err(NqnError::Unterminated { len: 0 }));
        assert_eq!(Nqn::decode(&[0; 256]), Err(NqnError::Empty));
        assert_eq!(Nqn::decode(b"ab\xff\0"), Err(NqnError::NotUtf8 { at: 2 }));
        let mut long: Vec<u8> = [b'n'; 224].into();
        long.push(0);
        assert_eq!(Nqn::decode(&long), Err(NqnError::TooLong { len: 224 }));
    }
}
