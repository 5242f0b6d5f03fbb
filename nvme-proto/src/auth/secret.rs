//! The secret of DH-HMAC-CHAP.

use core::fmt;
use core::str::FromStr;

use zeroize::Zeroizing;

use super::terms::{HashId, HashLen};
use crate::key_text::{self, KeyTextError, SecretBytes, SecretText};

/// A secret that a host and a subsystem share: 32, 48 or 64 bytes, and the hash function they are transformed with.
///
/// Text form, 59, 83 or 103 characters:
///
/// ```text
/// DHHC-1:HH:BASE64:        HH      00 used as it is, 01 SHA-256 (32 bytes), 02 SHA-384 (48 bytes), 03 SHA-512 (64 bytes)
///                          BASE64  the secret and its CRC-32 (IEEE 802.3, little-endian)
/// ```
///
/// Parsing is stricter than the kernel, which takes any length with any hash number, hash numbers that do not exist (authentication then fails later) and
/// a missing final colon. The bytes are wiped when the value is dropped; `Debug` shows none of them, and there is no `Display`:
/// [`expose_text`](Self::expose_text) is the one way to the text.
///
/// nvme-cli 2.x writes secrets with the transformation of one host already applied (`gen-dhchap-key --hmac=1` to `3`). Such a secret is one like any
/// other: both sides transform it again.
///
/// Source: NVMe Base 2.0 section 8.13.5.8, kernel `drivers/nvme/common/auth.c: nvme_auth_extract_key`.
#[derive(Clone)]
#[doc(alias = "DHHC-1")]
pub struct DhchapSecret {
    bytes: SecretBytes,
    hash: Option<HashId>,
}

const PREFIX: &str = "DHHC-1:";
const LENGTHS: &str = "32, 48 and 64";

impl DhchapSecret {
    /// The secret of these bytes. `hash`: the function it is transformed with before use; `None` to use it as it is.
    ///
    /// A new secret is made of random bytes: `DhchapSecret::new(Some(HashId::SHA256), &random[..32])`.
    ///
    /// # Errors
    /// [`KeyTextError::Length`] for other lengths than 32, 48 and 64, [`KeyTextError::LengthForHash`] when the length is not that of the hash,
    /// [`KeyTextError::UnknownHash`].
    pub fn new(hash: Option<HashId>, secret: &[u8]) -> Result<Self, KeyTextError> {
        let number = hash.map_or(0, |hash| hash.0);
        Self::checked(number, Zeroizing::new(secret.to_vec()))
    }

    fn checked(number: u8, bytes: SecretBytes) -> Result<Self, KeyTextError> {
        let len = bytes.len();
        if HashLen::from_bytes(len).is_none() {
            return Err(KeyTextError::Length { len, known: LENGTHS });
        }
        if number == 0 {
            return Ok(Self { bytes, hash: None });
        }
        let hash = HashId(number);
        let Some(expected) = hash.hash_len() else {
            return Err(KeyTextError::UnknownHash { found: number, known: "00 to 03" });
        };
        if expected.bytes() != len {
            return Err(KeyTextError::LengthForHash { len, hash: number, expected: expected.bytes() });
        }
        Ok(Self { bytes, hash: Some(hash) })
    }

    /// The function the secret is transformed with before use; `None` when it is used as it is.
    #[must_use]
    pub const fn hash(&self) -> Option<HashId> {
        self.hash
    }

    /// The secret itself. Do not print or log it.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text form, as it goes into configfs, the kernel's option string or nvme-cli. Do not print or log it.
    #[must_use]
    pub fn expose_text(&self) -> SecretText {
        key_text::format(PREFIX, self.hash.map_or(0, |hash| hash.0), &self.bytes)
    }
}

impl FromStr for DhchapSecret {
    type Err = KeyTextError;

    /// Parses the text form. It takes one form for each secret: the final colon is needed, and no white space is allowed.
    ///
    /// # Errors
    /// See [`KeyTextError`], which never shows anything of the text.
    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let (number, bytes) = key_text::parse(text, PREFIX, LENGTHS)?;
        Self::checked(number, bytes)
    }
}

/// In a time that depends on the lengths only.
impl PartialEq for DhchapSecret {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && key_text::equal(&self.bytes, &other.bytes)
    }
}

impl Eq for DhchapSecret {}

impl fmt::Debug for DhchapSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DhchapSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    const EXAMPLE: &str = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:";

    #[test]
    fn text_and_bytes() {
        let count = |len: u8| (0..len).collect::<Vec<u8>>();
        for (hash, len, text) in [
            (None, 32, "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"),
            (Some(HashId::SHA256), 32, "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"),
            (
                Some(HashId::SHA384),
                48,
                "DHHC-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:",
            ),
            (
                Some(HashId::SHA512),
                64,
                "DHHC-1:03:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P4zODhA=:",
            ),
        ] {
            let secret = DhchapSecret::new(hash, &count(len)).unwrap();
            assert_eq!(secret.expose_text().as_str(), text);
            assert_eq!(text.parse::<DhchapSecret>(), Ok(secret.clone()));
            assert_eq!((secret.hash(), secret.expose_bytes()), (hash, count(len).as_slice()));
        }
        let example: DhchapSecret = EXAMPLE.parse().unwrap();
        assert_eq!(example.expose_bytes()[..4], [0x89, 0xae, 0xb3, 0x1a]);
        assert_eq!(example.expose_text().as_str(), EXAMPLE);
    }

    #[test]
    fn every_single_changed_character_is_found() {
        for at in 0..EXAMPLE.len() {
            for to in ["A", "b", "0", "!", ":", "=", " ", "\u{e9}"] {
                let mut text = String::from(EXAMPLE);
                text.replace_range(at..=at, to);
                // The hash number is the one part the checksum does not cover; 01 with 32 bytes is another secret.
                if text != EXAMPLE {
                    assert!(text.parse::<DhchapSecret>().is_err(), "{text}");
                }
            }
            assert!(EXAMPLE[..at].parse::<DhchapSecret>().is_err());
        }
    }

    #[test]
    fn the_length_belongs_to_the_hash() {
        let error = |hash, len: usize| DhchapSecret::new(hash, &[7; 80][..len]).unwrap_err();
        assert_eq!(error(None, 20), KeyTextError::Length { len: 20, known: LENGTHS });
        assert_eq!(error(None, 0), KeyTextError::Length { len: 0, known: LENGTHS });
        assert_eq!(error(None, 65), KeyTextError::Length { len: 65, known: LENGTHS });
        let expected = KeyTextError::LengthForHash { len: 48, hash: 1, expected: 32 };
        assert_eq!(error(Some(HashId::SHA256), 48), expected);
        assert_eq!(error(Some(HashId(4)), 32), KeyTextError::UnknownHash { found: 4, known: "00 to 03" });
        // As text: a 48-byte secret that says SHA-256.
        let text = DhchapSecret::new(None, &[7; 48]).unwrap().expose_text();
        let text = text.as_str().replace(":00:", ":01:");
        assert_eq!(text.parse::<DhchapSecret>(), Err(expected));
        assert!(EXAMPLE.replace(":00:", ":04:").parse::<DhchapSecret>().is_err());
    }

    #[test]
    fn nothing_prints_the_secret() {
        let secret: DhchapSecret = EXAMPLE.parse().unwrap();
        assert_eq!(format!("{secret:?} {:?}", secret.expose_text()), "DhchapSecret(..) SecretText(..)");
        let error = EXAMPLE.replace("ia6z", "ia6y").parse::<DhchapSecret>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("ia6"), "{error}");
        assert!(error.to_string().contains("checksum"), "{error}");
    }
}
