//! New secrets and keys, from the system's source of randomness.

use nvme_proto::auth::{DhchapSecret, HashId};
use nvme_proto::tls::{ConfiguredPsk, PskHash};
use nvme_proto::{HostNqn, SubsysNqn};
use zeroize::Zeroizing;

use super::KeyTextError;

/// A secret could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[from] getrandom::Error),
    /// The hash function and the length do not go together.
    #[error("there is no such secret")]
    Form(#[from] KeyTextError),
}

/// Bytes of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SecretLen {
    /// 32, as for SHA-256.
    #[default]
    Bytes32,
    /// 48, as for SHA-384.
    Bytes48,
    /// 64, as for SHA-512.
    Bytes64,
}

impl SecretLen {
    /// How many they are.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bytes32 => 32,
            Self::Bytes48 => 48,
            Self::Bytes64 => 64,
        }
    }

    /// The length of this many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: usize) -> Option<Self> {
        match bytes {
            32 => Some(Self::Bytes32),
            48 => Some(Self::Bytes48),
            64 => Some(Self::Bytes64),
            _ => None,
        }
    }

    /// The length that goes with a hash function.
    #[must_use]
    pub fn of(hash: HashId) -> Option<Self> {
        Self::from_bytes(hash.hash_len()?.bytes())
    }
}

fn random(len: usize) -> Result<Zeroizing<Vec<u8>>, GenerateError> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A new secret for DH-HMAC-CHAP. `hash`: the function that both sides transform it with before use; `None`: none, with any length.
///
/// The text holds the secret itself, as the standard has it. nvme-cli 2.x writes secrets with the transformation applied already
/// ([`transformed`]); both are secrets like any other.
///
/// # Errors
/// [`GenerateError`]: no random bytes, or a length that does not go with the hash function.
pub fn generate_secret(hash: Option<HashId>, len: SecretLen) -> Result<DhchapSecret, GenerateError> {
    Ok(DhchapSecret::new(hash, &random(len.bytes())?)?)
}

/// A new configured key for TLS: 32 bytes for SHA-256, 48 for SHA-384.
///
/// # Errors
/// [`GenerateError::Random`].
pub fn generate_psk(hash: PskHash) -> Result<ConfiguredPsk, GenerateError> {
    Ok(ConfiguredPsk::new(Some(hash), &random(hash.hash_len().bytes())?)?)
}

/// Whom a secret is transformed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretOf<'a> {
    /// The host's own secret.
    Host(&'a HostNqn),
    /// The secret of a subsystem's controllers.
    Subsystem(&'a SubsysNqn),
}

/// The secret that `nvme gen-dhchap-key` of nvme-cli 2.x prints for these bytes (`--secret`), this function (`--hmac`) and this name (`--nqn`): the
/// transformed one. Only needed to make the same text again; the kernel transforms what it is given in any case.
///
/// # Errors
/// None today: the transformed secret has the length of the hash function.
pub fn transformed(secret: &DhchapSecret, of: SecretOf<'_>) -> Result<DhchapSecret, KeyTextError> {
    let key = match of {
        SecretOf::Host(host) => secret.transform_for_host(host),
        SecretOf::Subsystem(subsystem) => secret.transform_for_subsystem(subsystem),
    };
    DhchapSecret::new(secret.hash(), key.expose_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_and_length_that_exists() {
        for (hash, len, text) in [
            (None, SecretLen::Bytes32, 59),
            (None, SecretLen::Bytes48, 83),
            (None, SecretLen::Bytes64, 103),
            (Some(HashId::SHA256), SecretLen::Bytes32, 59),
            (Some(HashId::SHA384), SecretLen::Bytes48, 83),
            (Some(HashId::SHA512), SecretLen::Bytes64, 103),
        ] {
            let secret = generate_secret(hash, len).unwrap();
            assert_eq!(secret.expose_text().as_str().len(), text);
            assert_eq!(secret.expose_text().as_str().parse::<DhchapSecret>().unwrap(), secret);
            assert!(secret != generate_secret(hash, len).unwrap(), "they are random");
            assert_eq!(hash.map_or(Some(len), SecretLen::of), Some(len));
        }
        let error = generate_secret(Some(HashId::SHA384), SecretLen::Bytes32).unwrap_err();
        assert!(matches!(error, GenerateError::Form(KeyTextError::LengthForHash { .. })), "{error:?}");
    }

    #[test]
    fn keys_for_tls() {
        for (hash, len) in [(PskHash::Sha256, 65), (PskHash::Sha384, 89)] {
            let psk = generate_psk(hash).unwrap();
            assert_eq!((psk.hash(), psk.expose_text().as_str().len()), (Some(hash), len));
            assert_eq!(psk.expose_text().as_str().parse::<ConfiguredPsk>().unwrap(), psk);
        }
    }

    /// The vector of the standard's transformation, in the form of nvme-cli 2.x.
    #[test]
    fn transformed_as_nvme_cli_prints_it() {
        let host =
            HostNqn::new("nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6").unwrap();
        let secret: DhchapSecret =
            "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:".parse().unwrap();
        let transformed = transformed(&secret, SecretOf::Host(&host)).unwrap();
        assert_eq!(transformed.hash(), Some(HashId::SHA256));
        assert_eq!(transformed.expose_bytes()[..4], [0x8d, 0x68, 0x8a, 0xd0]);
        assert_eq!(transformed.expose_bytes()[28..], [0x24, 0x00, 0x89, 0x19]);
        let plain = DhchapSecret::new(None, secret.expose_bytes()).unwrap();
        assert_eq!(super::transformed(&plain, SecretOf::Host(&host)).unwrap(), plain);
    }
}
