//! Fixed text fields of NVMe structures.

use alloc::string::String;
use core::fmt::Write;

/// The text of a fixed field: up to the first NUL or the field's end, without the blanks behind it.
pub(crate) fn trimmed(field: &[u8]) -> &[u8] {
    let end = field.split(|byte| *byte == 0).next().unwrap_or_default();
    end.trim_ascii_end()
}

/// A field's text for people: printable ASCII and UTF-8 as they are, everything else escaped. Two different fields may print alike.
pub(crate) fn printable(field: &[u8]) -> String {
    let mut text = String::new();
    for chunk in trimmed(field).utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_end_at_nul_or_padding() {
        for field in [&b"abc"[..], b"abc   ", b"abc\0\0", b"abc  \0x", b"abc\0"] {
            assert_eq!(trimmed(field), b"abc", "{field:?}");
        }
        assert_eq!(trimmed(b" a b "), b" a b");
        assert_eq!(trimmed(b""), b"");
        assert_eq!(trimmed(b"\0abc"), b"");
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(printable(b"a\xffb\x1b[0m\xc3\xa9  "), "a\\xffb\\u{1b}[0m\u{e9}");
    }
}
