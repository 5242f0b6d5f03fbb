//! Sizes in words, in the columns of `nvme list`.

/// Largest first; each with the power of its base.
const SI: [(&str, i32); 8] = [("Y", 8), ("Z", 7), ("E", 6), ("P", 5), ("T", 4), ("G", 3), ("M", 2), ("k", 1)];
const BINARY: [(&str, i32); 5] = [("Pi", 5), ("Ti", 4), ("Gi", 3), ("Mi", 2), ("Ki", 1)];

fn scaled(bytes: u64, base: f64, units: &[(&'static str, i32)]) -> (f64, &'static str) {
    // Above 2^53 the last digits are rounded; two are printed.
    #[allow(clippy::cast_precision_loss)]
    let value = bytes as f64;
    units
        .iter()
        .find(|(_, power)| value >= base.powi(*power))
        .map_or((value, ""), |(unit, power)| (value / base.powi(*power), *unit))
}

/// Powers of 1000, ten columns: `  4.29  GB`, `  0.00   B`.
#[must_use]
pub fn si(bytes: u64) -> String {
    let (value, unit) = scaled(bytes, 1000.0, &SI);
    format!("{value:6.2} {unit:>2}B")
}

/// Powers of 1024, seven columns: `  4 KiB`, `512   B`.
#[must_use]
pub fn binary(bytes: u64) -> String {
    let (value, unit) = scaled(bytes, 1024.0, &BINARY);
    format!("{value:3.0} {unit:>2}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn si_sizes() {
        assert_eq!(si(4_294_967_296), "  4.29  GB");
        assert_eq!(si(1_048_576), "  1.05  MB");
        assert_eq!(si(0), "  0.00   B");
        assert_eq!(si(999), "999.00   B");
        assert_eq!(si(1000), "  1.00  kB");
        assert_eq!(si(u64::MAX), " 18.45  EB");
    }

    #[test]
    fn binary_sizes() {
        assert_eq!(binary(4096), "  4 KiB");
        assert_eq!(binary(512), "512   B");
        assert_eq!(binary(1 << 20), "  1 MiB");
    }
}
