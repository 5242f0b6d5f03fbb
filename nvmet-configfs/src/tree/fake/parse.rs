//! The parsers of the kernel that the simulated target needs, beside those of [`crate::text`].

use crate::errno::Errno;
use crate::text::{self, NotANumber};

/// `lib/string_helpers.c:sysfs_streq`: one of `words`, exactly, with at most one newline behind it.
pub(super) fn word<'a>(value: &[u8], words: &[&'a str]) -> Result<&'a str, Errno> {
    let value = text::line(value);
    words.iter().find(|w| w.as_bytes() == value).copied().ok_or(Errno::EINVAL)
}

/// `strcspn(page, "\n")`: the first line, within a length and a range of bytes.
pub(super) fn line(value: &[u8], max: usize) -> Result<&[u8], Errno> {
    let line = value.split(|b| *b == b'\n').next().unwrap_or_default();
    if line.is_empty() || line.len() > max { Err(Errno::EINVAL) } else { Ok(line) }
}

/// A first line of printable ASCII characters. `configfs.c:nvmet_is_ascii`.
pub(super) fn ascii_line(value: &[u8], max: usize) -> Result<&[u8], Errno> {
    let line = line(value, max)?;
    if line.iter().all(|b| matches!(b, 0x20..=0x7e)) { Ok(line) } else { Err(Errno::EINVAL) }
}

/// `sscanf("%s")`: the first word, empty if there is none.
pub(super) fn first_word(value: &[u8]) -> &[u8] {
    value.split(u8::is_ascii_whitespace).find(|w| !w.is_empty()).unwrap_or_default()
}

/// `sscanf("%hu")`: leading digits, modulo 65536.
pub(super) fn scanned_u16(value: &[u8]) -> Result<u16, Errno> {
    let value = value.trim_ascii_start();
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return Err(Errno::EINVAL);
    }
    let number =
        value.iter().take(digits).fold(0u16, |n, d| n.wrapping_mul(10).wrapping_add(u16::from(d - b'0')));
    Ok(number)
}

/// `kstrtobool`.
pub(super) fn flag(value: &[u8]) -> Result<bool, Errno> {
    text::boolean(value).ok_or(Errno::EINVAL)
}

/// `kstrtou16`, `kstrtou32` with their own error numbers.
pub(super) fn unsigned(value: &[u8], max: u64) -> Result<u64, Errno> {
    text::unsigned(value, max).map_err(|e| match e {
        NotANumber::Syntax => Errno::EINVAL,
        NotANumber::Range => Errno::ERANGE,
    })
}

/// `kstrtoint` in a caller that folds all errors into `EINVAL`.
pub(super) fn int(value: &[u8]) -> Result<i64, Errno> {
    let (digits, sign) = match value.strip_prefix(b"-") {
        Some(digits) => (digits, -1),
        None => (value, 1),
    };
    let number = text::unsigned(digits, 0x7fff_ffff).map_err(|_| Errno::EINVAL)?;
    i64::try_from(number).map(|n| n * sign).map_err(|_| Errno::EINVAL)
}

/// `sscanf("%d.%d.%d")` with two or three numbers, packed as `NVME_VS` does. Printed as the kernel prints it.
pub(super) fn version(value: &[u8]) -> Result<String, Errno> {
    let mut parts = [0u32; 3];
    let mut found = 0;
    let mut rest = value;
    for (i, part) in parts.iter_mut().enumerate() {
        if i > 0 {
            match rest.strip_prefix(b".") {
                Some(tail) => rest = tail,
                None => break,
            }
        }
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            break;
        }
        let (number, tail) = rest.split_at(digits);
        *part = number.iter().fold(0u32, |n, d| n.wrapping_mul(10).wrapping_add(u32::from(d - b'0')));
        rest = tail;
        found += 1;
    }
    if found < 2 {
        return Err(Errno::EINVAL);
    }
    let [major, minor, tertiary] = parts;
    let packed = (major << 16) | (minor << 8) | tertiary;
    let (major, minor, tertiary) = (packed >> 16, (packed >> 8) & 0xff, packed & 0xff);
    Ok(if tertiary == 0 { format!("{major}.{minor}") } else { format!("{major}.{minor}.{tertiary}") })
}

/// `lib/uuid.c:uuid_parse`: the first 36 characters.
pub(super) fn uuid(value: &[u8]) -> Result<[u8; 16], Errno> {
    let text = value.get(..36).ok_or(Errno::EINVAL)?;
    let hyphens = |i: usize| matches!(i, 8 | 13 | 18 | 23);
    if !text.iter().enumerate().all(|(i, b)| if hyphens(i) { *b == b'-' } else { b.is_ascii_hexdigit() }) {
        return Err(Errno::EINVAL);
    }
    text::hex_pairs(text).map(|(bytes, _)| bytes).ok_or(Errno::EINVAL)
}
