//! Keys as text: what DH-HMAC-CHAP secrets and pre-shared keys for TLS have in common.
//!
//! `PREFIX:HH:BASE64:`, where HH is the number of a hash function and BASE64 holds the key and its CRC-32. Nothing here looks a value up by secret bytes or
//! branches on them, and every buffer that holds a key is wiped.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use zeroize::{Zeroize as _, Zeroizing};

/// Text that is not a key. It says what is wrong and where, and nothing of what the text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTextError {
    /// Another beginning.
    #[error("the key does not begin with `{expected}`")]
    Prefix {
        /// How it should begin.
        expected: &'static str,
    },
    /// What follows the prefix is not two decimal digits and a colon.
    #[error("at byte {at} of the key there is no hash number: two digits and a colon belong there")]
    HashNumber {
        /// Offset in the text, bytes.
        at: usize,
    },
    /// A hash number that is not defined.
    #[error("the key has hash number {found:02}, which does not exist: {known} do")]
    UnknownHash {
        /// The number.
        found: u8,
        /// Those that exist.
        known: &'static str,
    },
    /// The last character is not a colon.
    #[error("the key does not end with a colon; it may be cut off")]
    FinalColon,
    /// A character that is not base64, or padding at the wrong place.
    #[error(
        "byte {at} of the key is not base64 (A-Z, a-z, 0-9, + and /, padded with = to a multiple of four characters)"
    )]
    Base64 {
        /// Offset in the text, bytes.
        at: usize,
    },
    /// A length that no key has.
    #[error("the key holds {len} bytes besides its checksum; {known} are possible")]
    Length {
        /// Bytes it has.
        len: usize,
        /// Lengths that exist.
        known: &'static str,
    },
    /// A length that does not belong to the hash function.
    #[error("the key holds {len} bytes, but with hash number {hash:02} it must hold {expected}")]
    LengthForHash {
        /// Bytes it has.
        len: usize,
        /// The hash number.
        hash: u8,
        /// Bytes it should have.
        expected: usize,
    },
    /// The checksum is that of other bytes.
    #[error("the checksum of the key is wrong: a character was changed, or it was made for another key")]
    Checksum,
}

/// Text that holds a secret: wiped when it is dropped, never printed by accident.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The text. Do not print or log it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// Bytes of a secret: on the heap, so that moving them leaves no copy behind; wiped when dropped.
pub(crate) type SecretBytes = Zeroizing<Vec<u8>>;

/// The longest key in bytes.
const MAX_KEY: usize = 64;
const CRC_LEN: usize = 4;

/// Reads `prefix` `HH:` base64 `:`; gives the number and the key, whose checksum is right. `known`: lengths of keys, in words.
pub(crate) fn parse(
    text: &str,
    prefix: &'static str,
    known: &'static str,
) -> Result<(u8, SecretBytes), KeyTextError> {
    let rest = text.strip_prefix(prefix).ok_or(KeyTextError::Prefix { expected: prefix })?;
    let number_at = prefix.len();
    let [tens, ones, b':', payload @ ..] = rest.as_bytes() else {
        return Err(KeyTextError::HashNumber { at: number_at });
    };
    let (Some(tens), Some(ones)) = (digit(*tens), digit(*ones)) else {
        return Err(KeyTextError::HashNumber { at: number_at });
    };
    let number = tens.wrapping_mul(10).wrapping_add(ones);
    let [payload @ .., b':'] = payload else {
        return Err(KeyTextError::FinalColon);
    };
    // Longer than any key: refused before it is decoded.
    if payload.len() > base64_len(MAX_KEY + CRC_LEN) {
        let len = (payload.len() / 4).saturating_mul(3).saturating_sub(CRC_LEN);
        return Err(KeyTextError::Length { len, known });
    }
    let mut bytes = base64_decode(payload)
        .map_err(|at| KeyTextError::Base64 { at: number_at.saturating_add(3).saturating_add(at) })?;
    let Some((key, crc)) = bytes.split_last_chunk::<CRC_LEN>() else {
        return Err(KeyTextError::Length { len: 0, known });
    };
    let (len, same) = (key.len(), equal(&crc32(key).to_le_bytes(), crc));
    if !matches!(len, 32 | 48 | 64) {
        return Err(KeyTextError::Length { len, known });
    }
    if !same {
        return Err(KeyTextError::Checksum);
    }
    for byte in bytes.iter_mut().skip(len) {
        byte.zeroize();
    }
    bytes.truncate(len);
    Ok((number, bytes))
}

/// The text [`parse`] reads.
pub(crate) fn format(prefix: &str, number: u8, key: &[u8]) -> SecretText {
    let mut payload: SecretBytes = Zeroizing::new(Vec::with_capacity(key.len().saturating_add(CRC_LEN)));
    payload.extend_from_slice(key);
    payload.extend(crc32(key).to_le_bytes());
    let len = prefix.len().saturating_add(4).saturating_add(base64_len(payload.len()));
    // Long enough from the beginning: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(len));
    text.push_str(prefix);
    for digit in [number / 10 % 10, number % 10] {
        text.push(char::from(b'0'.wrapping_add(digit)));
    }
    text.push(':');
    base64_encode(&payload, &mut text);
    text.push(':');
    SecretText(text)
}

const fn digit(byte: u8) -> Option<u8> {
    if byte.is_ascii_digit() { Some(byte.wrapping_sub(b'0')) } else { None }
}

/// Whether both are the same, in a time that depends on their lengths only.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    let difference =
        a.iter().zip(b).fold(0, |difference, (a, b)| core::hint::black_box(difference | (a ^ b)));
    a.len() == b.len() && core::hint::black_box(difference) == 0
}

/// The CRC-32 of IEEE 802.3 (polynomial 0x04c11db7 reflected), bit by bit: a table would be looked up by secret bytes.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let mask = (crc & 1).wrapping_neg();
            crc = (crc >> 1) ^ (0xedb8_8320 & mask);
        }
    }
    !crc
}

/// Characters for this many bytes.
const fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4)
}

/// Appends `bytes` in base64.
pub(crate) fn base64_encode(bytes: &[u8], text: &mut String) {
    for group in bytes.chunks(3) {
        let byte = |at| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            if at > group.len() {
                text.push('=');
            } else {
                let [low, ..] = (bits >> shift & 0x3f).to_le_bytes();
                text.push(char::from(to_character(low)));
            }
        }
    }
}

/// Decodes padded base64 in its one canonical form; fails with the offset of the character out of place.
pub(crate) fn base64_decode(text: &[u8]) -> Result<SecretBytes, usize> {
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let characters = text.get(..text.len().saturating_sub(padding)).unwrap_or_default();
    let mut bytes: SecretBytes = Zeroizing::new(Vec::with_capacity((text.len() / 4).saturating_mul(3)));
    for (index, group) in characters.chunks(4).enumerate() {
        let start = index.saturating_mul(4);
        let mut bits = 0_u32;
        for (at, byte) in group.iter().enumerate() {
            let value = from_character(*byte).ok_or(start.saturating_add(at))?;
            bits |= u32::from(value) << 18_usize.saturating_sub(at.saturating_mul(6));
        }
        let whole = match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => 0,
        };
        let [_, decoded @ ..] = bits.to_be_bytes();
        bytes.extend(decoded.iter().take(whole));
        // What the padding leaves of the last character must be zero, else two texts would be one key.
        if whole == 0 || decoded.iter().skip(whole).any(|byte| *byte != 0) {
            return Err(start.saturating_add(group.len()).saturating_sub(1));
        }
    }
    if text.len().is_multiple_of(4) { Ok(bytes) } else { Err(text.len()) }
}

/// The character of a value below 64, without a table.
fn to_character(value: u8) -> u8 {
    let value = i16::from(value);
    // Each line adds the distance between two ranges once the value is beyond the first.
    let mut character = value.wrapping_add(0x41);
    let beyond = |limit: i16| limit.wrapping_sub(value) >> 8;
    character = character.wrapping_add(beyond(25) & 6);
    character = character.wrapping_sub(beyond(51) & 75);
    character = character.wrapping_sub(beyond(61) & 15);
    character = character.wrapping_add(beyond(62) & 3);
    let [low, _] = character.to_le_bytes();
    low
}

/// The value of a character, without a table.
fn from_character(character: u8) -> Option<u8> {
    let c = i16::from(character);
    // All ones where `low <= c <= high`.
    let within = |low: u8, high: u8| {
        let (low, high) = (i16::from(low), i16::from(high));
        (low.wrapping_sub(1).wrapping_sub(c) & c.wrapping_sub(high).wrapping_sub(1)) >> 8
    };
    let mut value = -1_i16;
    value = value.wrapping_add(within(b'A', b'Z') & c.wrapping_sub(64));
    value = value.wrapping_add(within(b'a', b'z') & c.wrapping_sub(70));
    value = value.wrapping_add(within(b'0', b'9') & c.wrapping_add(5));
    value = value.wrapping_add(within(b'+', b'+') & 63);
    value = value.wrapping_add(within(b'/', b'/') & 64);
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_character_has_its_value_and_back() {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (value, character) in alphabet.bytes().enumerate() {
            assert_eq!(from_character(character), u8::try_from(value).ok());
            assert_eq!(to_character(value as u8), character);
        }
        let others = (0..=u8::MAX).filter(|byte| !alphabet.as_bytes().contains(byte));
        assert!(others.map(from_character).all(|value| value.is_none()));
    }

    /// The vectors of RFC 4648 section 10.
    #[test]
    fn base64_as_in_its_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut encoded = String::new();
            base64_encode(bytes.as_bytes(), &mut encoded);
            assert_eq!(encoded, text);
            assert_eq!(base64_decode(text.as_bytes()).as_deref().map(Vec::as_slice), Ok(bytes.as_bytes()));
        }
    }

    #[test]
    fn other_forms_of_base64_are_refused_where_they_differ() {
        for (text, at) in [
            ("Zg=", 3),
            ("Zg", 2),
            ("Zm8", 3),
            ("Z", 0),
            ("Z===", 1),
            ("====", 0),
            ("Zh==", 1),
            ("Zm9=", 2),
            ("Zm9v\n", 4),
            ("Zg==Zg==", 2),
            ("Zm9-", 3),
            ("Z\u{e9}9v", 1),
        ] {
            assert_eq!(base64_decode(text.as_bytes()).map(|bytes| bytes.to_vec()), Err(at), "{text}");
        }
    }

    #[test]
    fn crc_is_that_of_ieee_802_3() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn equality_looks_at_everything() {
        assert!(equal(b"", b"") && equal(b"abc", b"abc"));
        assert!(
            !equal(b"abc", b"abd") && !equal(b"abc", b"ab") && !equal(b"xbc", b"abc") && !equal(b"", b"a")
        );
    }

    #[test]
    fn errors_name_the_part_and_nothing_of_the_key() {
        let key = [0x5a; 32];
        let good = format("KEY-1:", 1, &key);
        assert_eq!(good.as_str().len(), 6 + 3 + 48 + 1);
        assert_eq!(alloc::format!("{good:?}"), "SecretText(..)");
        let (number, parsed) = parse(good.as_str(), "KEY-1:", "32").unwrap();
        assert_eq!((number, parsed.as_slice()), (1, key.as_slice()));
        let good = good.as_str();
        let change = |at: usize, to: &str| {
            let mut text = good.to_string();
            text.replace_range(at..at + 1, to);
            text
        };
        let last = good.len() - 1;
        for (text, expected) in [
            (String::new(), KeyTextError::Prefix { expected: "KEY-1:" }),
            (change(0, "k"), KeyTextError::Prefix { expected: "KEY-1:" }),
            (change(6, "x"), KeyTextError::HashNumber { at: 6 }),
            (change(7, "+"), KeyTextError::HashNumber { at: 6 }),
            (change(8, ""), KeyTextError::HashNumber { at: 6 }),
            (good[..8].into(), KeyTextError::HashNumber { at: 6 }),
            (good[..last].into(), KeyTextError::FinalColon),
            (good[..9].into(), KeyTextError::FinalColon),
            ("KEY-1:01::".into(), KeyTextError::Length { len: 0, known: "32" }),
            (change(20, "!"), KeyTextError::Base64 { at: 20 }),
            (change(last - 1, "="), KeyTextError::Base64 { at: last - 2 }),
            (change(20, "B"), KeyTextError::Checksum),
            (change(last - 3, "B"), KeyTextError::Checksum),
            (format("KEY-1:", 1, &[1; 20]).as_str().into(), KeyTextError::Length { len: 20, known: "32" }),
            (format("KEY-1:", 1, &[1; 68]).as_str().into(), KeyTextError::Length { len: 68, known: "32" }),
        ] {
            let error = parse(&text, "KEY-1:", "32").map(|(number, _)| number).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("WloZ"), "{error}");
        }
    }
}
