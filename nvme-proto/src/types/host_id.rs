//! The host identifier.

use core::fmt;
use core::str::FromStr;

use super::serde_as_text;

/// Host identifier: 16 bytes that name a host in reservations and in the Connect data.
///
/// | bytes | field                                                                                              |
/// |-------|----------------------------------------------------------------------------------------------------|
/// | 0..16 | HOSTID; when it is a UUID (it should be), in RFC 9562 order: text and bytes read in the same order |
///
/// Text form: a UUID, `1b4e28ba-2fa1-11d2-883f-0016d3cca427`. Parsing takes exactly these 36 characters, digits in either case;
/// printing gives lower case. All zero means "no host identifier" ([`HostId::ZERO`]).
///
/// Source: NVMe over Fabrics 1.1 section 3.3 (Connect data), kernel `drivers/nvme/host/fabrics.c: nvmf_host_add`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "HOSTID")]
pub struct HostId([u8; 16]);

/// Text that is not a host identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HostIdError {
    /// Not 36 bytes long.
    #[error(
        "a host id is a UUID of 36 characters such as 1b4e28ba-2fa1-11d2-883f-0016d3cca427; this text has {len} bytes \
         (without braces, `urn:` or `uuid:` in front)"
    )]
    Length {
        /// Bytes the text has.
        len: usize,
    },
    /// A byte that is neither the hexadecimal digit nor the hyphen its place asks for.
    #[error("byte {at} of the host id is {found:?}: {}", expected(*.at))]
    Character {
        /// Offset of the byte, from 0.
        at: usize,
        /// The character there.
        found: char,
    },
}

const fn expected(at: usize) -> &'static str {
    if is_hyphen_place(at) { "a hyphen belongs there" } else { "a hexadecimal digit belongs there" }
}

const fn is_hyphen_place(at: usize) -> bool {
    matches!(at, 8 | 13 | 18 | 23)
}

impl HostId {
    /// Length on the wire, in bytes.
    pub const LEN: usize = 16;
    /// Length of the text form, in bytes.
    pub const TEXT_LEN: usize = 36;
    /// All zero: no host identifier.
    pub const ZERO: Self = Self([0; 16]);

    /// The identifier of these 16 bytes, which are taken in the order they have on the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes as on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether all bytes are zero, which means that there is no identifier.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl FromStr for HostId {
    type Err = HostIdError;

    /// Parses exactly 36 characters of UUID text, digits in either case.
    ///
    /// # Errors
    /// [`HostIdError::Length`] for another length, [`HostIdError::Character`] for the first character out of place.
    fn from_str(text: &str) -> Result<Self, HostIdError> {
        if text.len() != Self::TEXT_LEN {
            return Err(HostIdError::Length { len: text.len() });
        }
        let mut bits = 0_u128;
        for (at, found) in text.char_indices() {
            match found.to_digit(16) {
                Some(digit) if !is_hyphen_place(at) => bits = bits << 4 | u128::from(digit),
                None if found == '-' && is_hyphen_place(at) => {}
                _ => return Err(HostIdError::Character { at, found }),
            }
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

impl fmt::Display for HostId {
    /// Lower-case UUID text, 36 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostId({self})")
    }
}

impl From<[u8; 16]> for HostId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<HostId> for [u8; 16] {
    fn from(id: HostId) -> Self {
        id.0
    }
}

serde_as_text!(HostId);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    const TEXT: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
    const BYTES: [u8; 16] =
        [0x1b, 0x4e, 0x28, 0xba, 0x2f, 0xa1, 0x11, 0xd2, 0x88, 0x3f, 0x00, 0x16, 0xd3, 0xcc, 0xa4, 0x27];

    #[test]
    fn text_and_bytes_read_in_the_same_order() {
        assert_eq!(TEXT.parse(), Ok(HostId::from_bytes(BYTES)));
        assert_eq!(HostId::from_bytes(BYTES).to_string(), TEXT);
        assert_eq!(TEXT.to_uppercase().parse(), Ok(HostId::from_bytes(BYTES)));
        assert_eq!(format!("{:?}", HostId::ZERO), "HostId(00000000-0000-0000-0000-000000000000)");
    }

    #[test]
    fn refuses_every_other_length() {
        for len in (0..TEXT.len()).chain([37, 38, 45]) {
            let text: alloc::string::String = TEXT.chars().cycle().take(len).collect();
            assert_eq!(text.parse::<HostId>(), Err(HostIdError::Length { len }));
        }
    }

    #[test]
    fn names_the_character_out_of_place() {
        for at in 0..HostId::TEXT_LEN {
            let mut text = TEXT.to_string();
            text.replace_range(at..=at, "x");
            let error = text.parse::<HostId>().unwrap_err();
            assert_eq!(error, HostIdError::Character { at, found: 'x' });
            let place = if TEXT.as_bytes()[at] == b'-' { "hyphen" } else { "hexadecimal" };
            assert!(error.to_string().contains(place), "{error}");
        }
        // A digit where a hyphen belongs, and characters of several bytes.
        assert!("1b4e28ba02fa1011d20883f00016d3cca427".parse::<HostId>().is_err());
        assert!("\u{e9}".repeat(18).parse::<HostId>().is_err());
    }
}
