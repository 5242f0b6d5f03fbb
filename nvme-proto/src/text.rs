//! Fixed text fields of NVMe structures.

/// The text of a fixed field: up to the first NUL or the field's end, without the blanks behind it.
pub(crate) fn trimmed(field: &[u8]) -> &[u8] {
    let end = field.split(|byte| *byte == 0).next().unwrap_or_default();
    end.trim_ascii_end()
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
}
