//! Sizes in bytes as people and fio write them: `512`, `4k`, `128KiB`, `1g`.

use crate::cli::Failure;

/// Reads a size. Suffixes `k`, `m`, `g`, `t` are powers of 1,024, in either case, with or without `b` or `ib` behind them.
///
/// # Errors
/// No number, an unknown suffix, or 2^64 bytes and more.
pub fn parse(text: &str) -> Result<u64, Failure> {
    let wrong = || {
        Failure(format!("`{text}` is not a size: say a number of bytes, or one with k, m, g or t behind it"))
    };
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, suffix) = lower.split_at(digits);
    let unit = suffix.strip_suffix("ib").or_else(|| suffix.strip_suffix('b')).unwrap_or(suffix);
    let shift = match unit {
        "" if !suffix.starts_with('i') => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// A size in the largest unit that holds it as a whole number: `4 KiB`, `1 GiB`, `1000 bytes`.
pub fn show(bytes: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >= 1 << shift && bytes.trailing_zeros() >= shift {
            return format!("{} {unit}", bytes >> shift);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("512b", 512),
            ("4k", 4096),
            ("4K", 4096),
            ("128KiB", 128 << 10),
            ("64mb", 64 << 20),
            ("1g", 1 << 30),
            ("2T", 2 << 40),
        ] {
            assert_eq!(parse(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_size() {
        for text in ["", "k", "-1", "1.5g", "4x", "4 k", "1ib", "18446744073709551616", "16777216t"] {
            assert!(parse(text).unwrap_err().to_string().contains(text), "{text}");
        }
    }

    #[test]
    fn shows_whole_units_only() {
        assert_eq!(show(4096), "4 KiB");
        assert_eq!(show(1 << 30), "1 GiB");
        assert_eq!(show(1536), "1536 bytes");
        assert_eq!(show(0), "0 bytes");
    }
}
