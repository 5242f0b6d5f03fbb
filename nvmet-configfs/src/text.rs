//! Numbers and flags as the kernel reads and prints them.

/// Why the kernel would not take a text as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotANumber {
    /// Not a number at all.
    Syntax,
    /// A number too large.
    Range,
}

/// An unsigned number the way `kstrtouint` and its kin read it with base 0: `0x` is hexadecimal, a leading `0` octal, one
/// leading `+` and one trailing newline are fine, nothing else is. Source: `lib/kstrtox.c:kstrtoull`.
pub(crate) fn unsigned(text: &[u8], max: u64) -> Result<u64, NotANumber> {
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let (digits, base) = match text {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => (rest, 16),
        [b'0', ..] => (text, 8),
        _ => (text, 10),
    };
    if digits.is_empty() {
        return Err(NotANumber::Syntax);
    }
    let mut value: u64 = 0;
    let mut range = false;
    for digit in digits {
        let digit = char::from(*digit).to_digit(base).ok_or(NotANumber::Syntax)?;
        match value.checked_mul(u64::from(base)).and_then(|v| v.checked_add(u64::from(digit))) {
            Some(v) => value = v,
            None => range = true,
        }
    }
    if range || value > max { Err(NotANumber::Range) } else { Ok(value) }
}

/// A flag the way `kstrtobool` reads it since Linux 6.1: by its first one or two characters.
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        [b'1' | b'y' | b'Y' | b't' | b'T', ..] | [b'o' | b'O', b'n' | b'N', ..] => Some(true),
        [b'0' | b'n' | b'N' | b'f' | b'F', ..] | [b'o' | b'O', b'f' | b'F', ..] => Some(false),
        _ => None,
    }
}

/// A value without the newline that the kernel prints behind each.
pub(crate) fn line(value: &[u8]) -> &[u8] {
    value.strip_suffix(b"\n").unwrap_or(value)
}

/// Sixteen bytes as `8-4-4-4-12` lower-case hexadecimal digits, the way the kernel prints UUIDs and NGUIDs.
pub(crate) fn hyphenated(bytes: &[u8; 16]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let _ = write!(out, "{byte:02x}"); // writing to a String cannot fail
    }
    out
}

/// Sixteen bytes from pairs of hexadecimal digits, each pair but the last followed by at most one `-` or `:`; the rest
/// of the text is returned. Source: `drivers/nvme/target/configfs.c:nvmet_ns_device_nguid_store`.
pub(crate) fn hex_pairs(text: &[u8]) -> Option<([u8; 16], &[u8])> {
    let mut out = [0; 16];
    let mut rest = text;
    for (i, byte) in out.iter_mut().enumerate() {
        if i > 0 {
            rest = rest.strip_prefix(b"-").or_else(|| rest.strip_prefix(b":")).unwrap_or(rest);
        }
        let (high, low) = match rest {
            [high, low, tail @ ..] => {
                rest = tail;
                (char::from(*high).to_digit(16)?, char::from(*low).to_digit(16)?)
            }
            _ => return None,
        };
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some((out, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_kstrtouint() {
        for (text, want) in [
            ("0", Ok(0)),
            ("7", Ok(7)),
            ("007", Ok(7)),
            ("010", Ok(8)),
            ("0x10", Ok(16)),
            ("+5", Ok(5)),
            ("5\n", Ok(5)),
            ("65535", Ok(65535)),
            ("65536", Err(NotANumber::Range)),
            ("99999999999999999999999", Err(NotANumber::Range)),
            ("", Err(NotANumber::Syntax)),
            ("-1", Err(NotANumber::Syntax)),
            (" 1", Err(NotANumber::Syntax)),
            ("1 ", Err(NotANumber::Syntax)),
            ("1a", Err(NotANumber::Syntax)),
            ("08", Err(NotANumber::Syntax)),
            ("0x", Err(NotANumber::Syntax)),
            ("++1", Err(NotANumber::Syntax)),
        ] {
            assert_eq!(unsigned(text.as_bytes(), 65535), want, "{text:?}");
        }
    }

    #[test]
    fn flags_as_kstrtobool() {
        for (text, want) in [("1", Some(true)), ("yes", Some(true)), ("on", Some(true)), ("10", Some(true))] {
            assert_eq!(boolean(text.as_bytes()), want, "{text}");
        }
        for (text, want) in
            [("off", Some(false)), ("0\n", Some(false)), ("2", None), ("", None), (" 1", None)]
        {
            assert_eq!(boolean(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn sixteen_bytes_in_all_spellings() {
        let want = [1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
        for text in [
            "0123456789abcdef0123456789abcdef",
            "01234567-89ab-cdef-0123-456789ABCDEF",
            "01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef",
        ] {
            assert_eq!(hex_pairs(text.as_bytes()), Some((want, &b""[..])), "{text}");
        }
        assert_eq!(hex_pairs(b"0123"), None);
        assert_eq!(hex_pairs(b"0123456789abcdef0123456789abcdefgg").unwrap().1, b"gg");
        assert_eq!(hyphenated(&want), "01234567-89ab-cdef-0123-456789abcdef");
    }
}
