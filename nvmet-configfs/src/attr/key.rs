//! Keys of DH-HMAC-CHAP as text. The kernel looks at their first characters only, and a wrong one fails when a host connects.

use zeroize::Zeroizing;

/// Whether a text is `DHHC-1:HH:BASE64:`: HH from 00 to 03, and 32, 48 or 64 bytes followed by their CRC-32 (little-endian).
/// Source: `drivers/nvme/common/auth.c:nvme_auth_extract_key`.
pub(super) fn check(text: &[u8]) -> bool {
    let Some([b'0', b'0'..=b'3', b':', rest @ ..]) = text.strip_prefix(b"DHHC-1:") else { return false };
    let Some(bytes) = rest.strip_suffix(b":").and_then(decode) else { return false };
    let Some((key, sum)) = bytes.split_last_chunk::<4>() else { return false };
    matches!(key.len(), 32 | 48 | 64) && crc32(key) == u32::from_le_bytes(*sum)
}

/// Base 64 with its padding (RFC 4648, section 4).
fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !text.len().is_multiple_of(4) || text.len() > 128 {
        return None;
    }
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut out = Zeroizing::new(Vec::with_capacity(96));
    let (mut bits, mut count) = (0u32, 0u32);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(out)
}

/// CRC-32 of IEEE 802.3, bit by bit: a key has 64 bytes at most.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
    !bytes.iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked_to_the_last_bit() {
        // Not a secret of anyone.
        let good = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:";
        assert!(check(good.as_bytes()));
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        for (from, to) in
            [("DHHC-1:00", "DHHC-1:04"), ("DHHC-1:00", "DHHC-1:0"), ("ia6z", "ib6z"), ("2n:", "2n")]
        {
            assert!(!check(good.replacen(from, to, 1).as_bytes()), "{to}");
        }
        assert!(!check(b"") && !check(b"DHHC-1:00::") && !check(b"DHHC-1:00:===="));
    }
}
