//! The configured key.

use core::fmt;
use core::str::FromStr;

use zeroize::Zeroizing;

use crate::auth::{HashLen, KeyTextError, SecretText};
use crate::key_text::{self, SecretBytes};

/// A hash function of TLS keys, and with it the cipher suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PskHash {
    /// 1: SHA-256, keys of 32 bytes, TLS_AES_128_GCM_SHA256.
    Sha256,
    /// 2: SHA-384, keys of 48 bytes, TLS_AES_256_GCM_SHA384.
    Sha384,
}

impl PskHash {
    /// Its number in the text forms: 1 or 2.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha384 => 2,
        }
    }

    /// The function of this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha384),
            _ => None,
        }
    }

    /// Length of its keys and digests.
    #[must_use]
    pub const fn hash_len(self) -> HashLen {
        match self {
            Self::Sha256 => HashLen::Bytes32,
            Self::Sha384 => HashLen::Bytes48,
        }
    }

    /// The function whose keys have this length.
    #[must_use]
    pub const fn from_hash_len(len: HashLen) -> Option<Self> {
        match len {
            HashLen::Bytes32 => Some(Self::Sha256),
            HashLen::Bytes48 => Some(Self::Sha384),
            HashLen::Bytes64 => None,
        }
    }
}

/// A pre-shared key as an administrator configures it: 32 or 48 bytes, and the hash function it is derived with.
///
/// Text form (PSK interchange format), 65 or 89 characters:
///
/// ```text
/// NVMeTLSkey-1:HH:BASE64:      HH      00 used as it is, 01 SHA-256 (32 bytes), 02 SHA-384 (48 bytes)
///                              BASE64  the key and its CRC-32 (IEEE 802.3, little-endian)
/// ```
///
/// The bytes are wiped when the value is dropped; `Debug` shows none of them, and there is no `Display`: [`expose_text`](Self::expose_text) is the
/// one way to the text.
///
/// Source: NVMe/TCP 1.0 section 3.6.1.5, libnvme `nvme_import_tls_key_versioned`.
#[derive(Clone)]
#[doc(alias = "NVMeTLSkey-1")]
pub struct ConfiguredPsk {
    bytes: SecretBytes,
    hash: Option<PskHash>,
}

const PREFIX: &str = "NVMeTLSkey-1:";
const LENGTHS: &str = "32 and 48";

impl ConfiguredPsk {
    /// The key of these bytes. `hash`: the function it is derived with; `None` to use it as it is.
    ///
    /// # Errors
    /// [`KeyTextError::Length`] for other lengths than 32 and 48, [`KeyTextError::LengthForHash`] when the length is not that of the hash.
    pub fn new(hash: Option<PskHash>, key: &[u8]) -> Result<Self, KeyTextError> {
        Self::checked(hash, Zeroizing::new(key.to_vec()))
    }

    fn checked(hash: Option<PskHash>, bytes: SecretBytes) -> Result<Self, KeyTextError> {
        let len = bytes.len();
        if HashLen::from_bytes(len).and_then(PskHash::from_hash_len).is_none() {
            return Err(KeyTextError::Length { len, known: LENGTHS });
        }
        if let Some(hash) = hash
            && hash.hash_len().bytes() != len
        {
            let expected = hash.hash_len().bytes();
            return Err(KeyTextError::LengthForHash { len, hash: hash.number(), expected });
        }
        Ok(Self { bytes, hash })
    }

    /// The function the key is derived with; `None` when it is used as it is.
    #[must_use]
    pub const fn hash(&self) -> Option<PskHash> {
        self.hash
    }

    /// The function for everything derived: [`hash`](Self::hash), else the one whose keys are as long as this one.
    #[must_use]
    pub fn function(&self) -> PskHash {
        let by_length = if self.bytes.len() == 48 { PskHash::Sha384 } else { PskHash::Sha256 };
        self.hash.unwrap_or(by_length)
    }

    /// The key itself. Do not print or log it.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text form. Do not print or log it.
    #[must_use]
    pub fn expose_text(&self) -> SecretText {
        key_text::format(PREFIX, self.hash.map_or(0, PskHash::number), &self.bytes)
    }
}

impl FromStr for ConfiguredPsk {
    type Err = KeyTextError;

    /// Parses the text form. It takes one form for each key: the final colon is needed, and no white space is allowed.
    ///
    /// # Errors
    /// See [`KeyTextError`], which never shows anything of the text.
    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let (number, bytes) = key_text::parse(text, PREFIX, LENGTHS)?;
        let hash = PskHash::from_number(number);
        if hash.is_none() && number != 0 {
            return Err(KeyTextError::UnknownHash { found: number, known: "00 to 02" });
        }
        Self::checked(hash, bytes)
    }
}

/// In a time that depends on the lengths only.
impl PartialEq for ConfiguredPsk {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && key_text::equal(&self.bytes, &other.bytes)
    }
}

impl Eq for ConfiguredPsk {}

impl fmt::Debug for ConfiguredPsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConfiguredPsk(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn text_and_bytes() {
        for (hash, len, text) in [
            (None, 32, "NVMeTLSkey-1:00:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:"),
            (Some(PskHash::Sha256), 32, "NVMeTLSkey-1:01:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:"),
            (
                Some(PskHash::Sha384),
                48,
                "NVMeTLSkey-1:02:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwP/w0S89ELi3W2LxIcLXVsDn8kXZQ==:",
            ),
        ] {
            let psk: ConfiguredPsk = text.parse().unwrap();
            assert_eq!((psk.hash(), psk.expose_bytes().len()), (hash, len));
            assert_eq!(psk.expose_bytes()[..4], [0x55, 0x12, 0xdb, 0xb6]);
            assert_eq!(psk.expose_text().as_str(), text);
            assert_eq!(ConfiguredPsk::new(hash, psk.expose_bytes()), Ok(psk.clone()));
            assert_eq!(psk.function().hash_len().bytes(), len);
            assert_eq!(format!("{psk:?}"), "ConfiguredPsk(..)");
        }
        let long = ConfiguredPsk::new(None, &[1; 48]).unwrap();
        assert_eq!(long.function(), PskHash::Sha384);
    }

    #[test]
    fn names_the_part_that_is_wrong() {
        let good = "NVMeTLSkey-1:01:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:";
        let long = ConfiguredPsk::new(None, &[1; 48]).unwrap().expose_text();
        let secret = crate::auth::DhchapSecret::new(None, &[1; 64]).unwrap().expose_text();
        for (text, expected) in [
            (good.replace("-1:", "-2:"), KeyTextError::Prefix { expected: PREFIX }),
            (good.replace(":01:", ":0x:"), KeyTextError::HashNumber { at: 13 }),
            (good.replace(":01:", ":03:"), KeyTextError::UnknownHash { found: 3, known: "00 to 02" }),
            (good.replace(":01:", ":02:"), KeyTextError::LengthForHash { len: 32, hash: 2, expected: 48 }),
            (
                long.as_str().replace(":00:", ":01:"),
                KeyTextError::LengthForHash { len: 48, hash: 1, expected: 32 },
            ),
            (good.replace("VRL", "VRM"), KeyTextError::Checksum),
            (good.replace("VRL", "VR!"), KeyTextError::Base64 { at: 18 }),
            (good.trim_end_matches(':').into(), KeyTextError::FinalColon),
            (secret.as_str().replace("DHHC-1:", PREFIX), KeyTextError::Length { len: 64, known: LENGTHS }),
        ] {
            assert_eq!(text.parse::<ConfiguredPsk>(), Err(expected), "{text}");
        }
        assert_eq!(ConfiguredPsk::new(None, &[0; 33]), Err(KeyTextError::Length { len: 33, known: LENGTHS }));
    }
}
