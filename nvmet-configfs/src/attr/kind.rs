//! What kinds of values there are: how they are checked, written and compared.

use std::net::Ipv6Addr;

use super::key;
use crate::text::{self, NotANumber};
use crate::value::Value;

/// What an attribute holds.
///
/// | kind | takes | is written as | is compared |
/// |---|---|---|---|
/// | `Flag` | 0, 1, yes, no, on, off, true, false | 0 or 1 | as a flag |
/// | `Choice` | one of the words, exactly | the word | exactly |
/// | `Number` | decimal, `0x` hexadecimal, `0` octal, in the range | decimal | as a number |
/// | `Auto` | the same, or a negative number: the transport decides | decimal | as a number |
/// | `Version` | `M.m` or `M.m.t` | without `.0` at the end | as a version |
/// | `Ascii` | 1 to `max` printable ASCII characters, not ending in a blank | as it is | without padding |
/// | `Line` | 1 to `max` bytes, no NUL, no line break | as it is | exactly |
/// | `Word` | 1 to `max` bytes, no white space, no NUL | as it is | exactly, addresses by what they mean |
/// | `Path` | an absolute path, up to 4094 bytes | as it is | exactly |
/// | `Uuid`, `Nguid` | 8-4-4-4-12 digits; an NGUID also without or with other separators | 8-4-4-4-12 | by their bytes |
/// | `Key` | `DHHC-1:HH:BASE64:` with a right check sum; empty for no key | as it is | exactly |
/// | `Peer` | 0, 1 or a PCI address (`0000:01:00.1`) | as it is | exactly |
/// | `Opaque` | 1 to 4094 bytes, no NUL | as it is | exactly |
///
/// The kernel takes more spellings than these and cuts some values short without saying so (at white space, modulo 65536); what
/// would be stored as something else is refused here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // the table above says what each is
pub enum ValueKind {
    Flag,
    Choice(&'static [&'static str]),
    Number { min: u32, max: u32 },
    Auto { min: u32, max: u32 },
    Version,
    Ascii { max: usize },
    Line { max: usize },
    Word { max: usize },
    Path,
    Uuid,
    Nguid,
    Key,
    Peer,
    Opaque,
}

/// Why a text is no value of an attribute. Never shows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueFault {
    /// No flag.
    #[error("0 or 1 is meant")]
    Flag,
    /// None of the words.
    #[error("one of {} is meant", Words(.0))]
    Choice(&'static [&'static str]),
    /// No number, or outside the range.
    #[error("a number from {min} to {max} is meant")]
    Number {
        /// The smallest.
        min: u32,
        /// The largest.
        max: u32,
    },
    /// No number, or outside the range and not negative.
    #[error("a number from {min} to {max} is meant, or -1 to leave it to the transport")]
    Auto {
        /// The smallest.
        min: u32,
        /// The largest.
        max: u32,
    },
    /// No version.
    #[error("a version is two or three numbers with dots: 1.4 or 1.4.0 (65535.255.255 at most)")]
    Version,
    /// Empty or too long.
    #[error("{len} bytes; 1 to {max} are possible")]
    Length {
        /// Its length in bytes.
        len: usize,
        /// Most bytes.
        max: usize,
    },
    /// A byte that cannot be part of it.
    #[error("byte {byte:#04x} at offset {at} cannot be part of it")]
    Byte {
        /// The byte.
        byte: u8,
        /// Byte offset.
        at: usize,
    },
    /// A blank at the end, where the kernel pads with blanks.
    #[error("a blank at the end cannot be told from the padding")]
    TrailingBlank,
    /// Not from the root.
    #[error("a path from the root is meant, for example /dev/sdb")]
    NotAbsolute,
    /// No UUID.
    #[error("a UUID is 36 characters: 8-4-4-4-12 hexadecimal digits")]
    Uuid,
    /// No NGUID.
    #[error("an NGUID is 32 hexadecimal digits; pairs may be separated by - or :")]
    Nguid,
    /// No key.
    #[error("a key is DHHC-1:HH:BASE64: with HH from 00 to 03, 32, 48 or 64 bytes and their check sum")]
    Key,
    /// No setting of peer-to-peer memory.
    #[error("0, 1 or the address of a PCI device (0000:01:00.1) is meant")]
    Peer,
    /// An attribute that can only be read, or that the kernel sets by itself.
    #[error("this is not a setting: it is part of how the object is described")]
    Structural,
}

/// Words as a list for messages.
struct Words(&'static [&'static str]);

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, word) in self.0.iter().enumerate() {
            write!(f, "{}`{word}`", if i > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// Most bytes of a value. One write delivers one more (`fs/configfs/file.c:SIMPLE_ATTR_SIZE` less one), but reading such a value back,
/// with its newline, makes the kernel write a NUL behind its page (`configfs.c:nvmet_ns_device_path_show`): seen to crash it.
const MAX_VALUE: usize = 4094;

impl ValueKind {
    /// The one spelling in which this crate writes a value.
    ///
    /// # Errors
    /// [`ValueFault`] says what is meant.
    pub fn canonical(self, value: &[u8]) -> Result<Value, ValueFault> {
        let as_it_is = |checked: Result<(), ValueFault>| checked.map(|()| Value::from(value));
        match self {
            Self::Flag => Ok(if flag(value)? { "1" } else { "0" }.into()),
            Self::Choice(words) => as_it_is(
                words.iter().any(|w| w.as_bytes() == value).then_some(()).ok_or(ValueFault::Choice(words)),
            ),
            Self::Number { min, max } => match number(value, max) {
                Some(n) if n >= min => Ok(n.to_string().into()),
                _ => Err(ValueFault::Number { min, max }),
            },
            Self::Auto { min, max } => match number(value, max) {
                Some(n) if n >= min => Ok(n.to_string().into()),
                None if is_negative(value) => Ok("-1".into()),
                _ => Err(ValueFault::Auto { min, max }),
            },
            Self::Version => version(value).map(Value::from).ok_or(ValueFault::Version),
            Self::Ascii { max } => as_it_is(ascii(value, max)),
            Self::Line { max } => as_it_is(bytes(value, max, |b| matches!(b, 0 | b'\n' | b'\r'))),
            Self::Word { max } => {
                as_it_is(bytes(value, max, |b| b == 0 || b.is_ascii_whitespace() || b == 0x0b))
            }
            Self::Path if !value.starts_with(b"/") => Err(ValueFault::NotAbsolute),
            Self::Path => as_it_is(bytes(value, MAX_VALUE, |b| matches!(b, 0 | b'\n' | b'\r'))),
            Self::Uuid => match text::hex_pairs(value) {
                Some((id, b"")) if text::hyphenated(&id).as_bytes().eq_ignore_ascii_case(value) => {
                    Ok(text::hyphenated(&id).into())
                }
                _ => Err(ValueFault::Uuid),
            },
            Self::Nguid => match text::hex_pairs(value) {
                Some((id, b"")) => Ok(text::hyphenated(&id).into()),
                _ => Err(ValueFault::Nguid),
            },
            Self::Key => {
                as_it_is((value.is_empty() || key::check(value)).then_some(()).ok_or(ValueFault::Key))
            }
            Self::Peer => as_it_is(is_peer(value).then_some(()).ok_or(ValueFault::Peer)),
            Self::Opaque => as_it_is(bytes(value, MAX_VALUE, |b| b == 0)),
        }
    }

    /// Whether a wanted value, in its canonical spelling, is what the kernel prints (without the newline).
    pub fn is_same(self, wanted: &[u8], printed: &[u8]) -> bool {
        let printed = match self {
            Self::Ascii { .. } => printed.trim_ascii_end(),
            _ => printed,
        };
        if wanted == printed {
            return true;
        }
        match self {
            Self::Flag
            | Self::Number { .. }
            | Self::Auto { .. }
            | Self::Version
            | Self::Uuid
            | Self::Nguid => self.canonical(printed).is_ok_and(|printed| *printed == *wanted),
            Self::Word { .. } => match (address(wanted), address(printed)) {
                (Some(wanted), Some(printed)) => wanted == printed,
                _ => false,
            },
            _ => false,
        }
    }
}

fn flag(value: &[u8]) -> Result<bool, ValueFault> {
    let word = |words: [&str; 5]| words.iter().any(|w| w.as_bytes().eq_ignore_ascii_case(value));
    if word(["1", "y", "yes", "on", "true"]) {
        return Ok(true);
    }
    if word(["0", "n", "no", "off", "false"]) { Ok(false) } else { Err(ValueFault::Flag) }
}

fn number(value: &[u8], max: u32) -> Option<u32> {
    match text::unsigned(value, u64::from(max)) {
        Ok(n) => u32::try_from(n).ok(),
        Err(NotANumber::Syntax | NotANumber::Range) => None,
    }
}

/// A negative number that the kernel's `int` holds.
pub(super) fn is_negative(value: &[u8]) -> bool {
    value.strip_prefix(b"-").is_some_and(|digits| number(digits, 0x7fff_ffff).is_some_and(|n| n > 0))
}

/// The kernel packs it into 16, 8 and 8 bits without looking (`configfs.c:nvmet_subsys_attr_version_store_locked`).
fn version(value: &[u8]) -> Option<String> {
    let parts: Vec<&str> = str::from_utf8(value).ok()?.split('.').collect();
    let plain = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !parts.iter().all(plain) {
        return None;
    }
    let part = |n: usize, max: u32| parts.get(n).map_or(Some(0), |t| t.parse().ok().filter(|v| *v <= max));
    let (major, minor, tertiary) = (part(0, 65535)?, part(1, 255)?, part(2, 255)?);
    match (parts.len(), tertiary) {
        (2, _) | (3, 0) => Some(format!("{major}.{minor}")),
        (3, _) => Some(format!("{major}.{minor}.{tertiary}")),
        _ => None,
    }
}

fn bytes(value: &[u8], max: usize, bad: impl Fn(u8) -> bool) -> Result<(), ValueFault> {
    if value.is_empty() || value.len() > max {
        return Err(ValueFault::Length { len: value.len(), max });
    }
    match value.iter().copied().enumerate().find(|(_, b)| bad(*b)) {
        Some((at, byte)) => Err(ValueFault::Byte { byte, at }),
        None => Ok(()),
    }
}

fn ascii(value: &[u8], max: usize) -> Result<(), ValueFault> {
    bytes(value, max, |b| !matches!(b, 0x20..=0x7e))?;
    if value.ends_with(b" ") { Err(ValueFault::TrailingBlank) } else { Ok(()) }
}

/// A word that is a number or an IPv6 address, by what it means.
fn address(word: &[u8]) -> Option<Result<u32, Ipv6Addr>> {
    if let Some(n) = number(word, u32::MAX) {
        return Some(Ok(n));
    }
    str::from_utf8(word).ok()?.parse().ok().map(Err)
}

/// `drivers/pci/p2pdma.c:pci_p2pdma_enable_store`: a flag of one character, or `domain:bus:device.function`.
fn is_peer(value: &[u8]) -> bool {
    if matches!(value, b"0" | b"1") {
        return true;
    }
    let shape = b"hhhh:hh:hh.h";
    value.len() == shape.len()
        && value.iter().zip(shape).all(|(b, s)| if *s == b'h' { b.is_ascii_hexdigit() } else { b == s })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(kind: ValueKind, value: &str) -> Result<String, ValueFault> {
        kind.canonical(value.as_bytes()).map(|v| v.to_str().unwrap().to_owned())
    }

    #[test]
    fn values_have_one_spelling() {
        let qid = ValueKind::Number { min: 1, max: 128 };
        let auto = ValueKind::Auto { min: 16, max: 1024 };
        for (kind, text, want) in [
            (ValueKind::Flag, "yes", "1"),
            (ValueKind::Flag, "False", "0"),
            (qid, "0x10", "16"),
            (qid, "128", "128"),
            (auto, "-7", "-1"),
            (auto, "16", "16"),
            (ValueKind::Version, "1.4.0", "1.4"),
            (ValueKind::Version, "2.1.7", "2.1.7"),
            (ValueKind::Nguid, "0123456789ABCDEF0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"),
            (ValueKind::Peer, "0000:01:00.1", "0000:01:00.1"),
            (ValueKind::Word { max: 255 }, "192.0.2.1", "192.0.2.1"),
            (ValueKind::Ascii { max: 8 }, "a b", "a b"),
        ] {
            assert_eq!(canonical(kind, text).as_deref(), Ok(want), "{kind:?} {text}");
            assert_eq!(canonical(kind, want).as_deref(), Ok(want), "{kind:?} {want} again");
        }
    }

    #[test]
    fn what_the_kernel_would_store_as_something_else_is_refused() {
        for (kind, text) in [
            (ValueKind::Flag, "2"),
            (ValueKind::Flag, "1xyz"),
            (ValueKind::Number { min: 1, max: 65535 }, "65537"),
            (ValueKind::Number { min: 1, max: 65535 }, "5abc"),
            (ValueKind::Number { min: 0, max: 9 }, "-1"),
            (ValueKind::Auto { min: 16, max: 1024 }, "4"),
            (ValueKind::Auto { min: 16, max: 1024 }, "-x"),
            (ValueKind::Version, "1"),
            (ValueKind::Version, "1.300"),
            (ValueKind::Version, "1.4x"),
            (ValueKind::Word { max: 255 }, "a b"),
            (ValueKind::Word { max: 31 }, "01234567890123456789012345678901"),
            (ValueKind::Line { max: 99 }, "a\nb"),
            (ValueKind::Ascii { max: 8 }, "nine char"),
            (ValueKind::Ascii { max: 8 }, "blank "),
            (ValueKind::Choice(&["tcp", "rdma"]), "TCP"),
            (ValueKind::Uuid, "1b4e28ba2fa111d2883f0016d3ccabcd"),
            (ValueKind::Path, "dev/sdb"),
            (ValueKind::Peer, "yes"),
            (ValueKind::Opaque, ""),
        ] {
            assert!(canonical(kind, text).is_err(), "{kind:?} {text:?}");
        }
    }

    #[test]
    fn no_value_is_so_long_that_reading_it_harms_the_kernel() {
        for kind in crate::ATTRIBUTES.iter().map(|a| a.kind).chain([ValueKind::Opaque]) {
            for text in ["/", "DHHC-1:00:", "x", "1"] {
                let long = text.repeat(5000);
                assert!(kind.canonical(&long.as_bytes()[..4095]).is_err(), "{kind:?}");
            }
        }
        assert!(ValueKind::Path.canonical("/".repeat(4094).as_bytes()).is_ok());
    }

    #[test]
    fn values_are_compared_by_what_they_mean() {
        let hex = ValueKind::Number { min: 0, max: 0xffff };
        assert!(hex.is_same(b"6900", b"0x1af4") && !hex.is_same(b"6900", b"0x1af5"));
        assert!(ValueKind::Ascii { max: 20 }.is_same(b"SN", b"SN                  "));
        assert!(ValueKind::Word { max: 31 }.is_same(b"4420", b"0x1144"));
        assert!(ValueKind::Word { max: 255 }.is_same(b"::1", b"0:0::1"));
        assert!(!ValueKind::Word { max: 255 }.is_same(b"192.0.2.1", b"192.0.2.2"));
        assert!(!ValueKind::Path.is_same(b"/dev/a", b"(null)"));
    }
}
