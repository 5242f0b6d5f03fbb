//! The key of one host and one subsystem.

use std::fmt;

use nvme_proto::tls::{ConfiguredPsk, PskIdentity};
#[cfg(feature = "auth")]
use nvme_proto::tls::{IdentityTooLong, LabelEncoding};
#[cfg(feature = "auth")]
use nvme_proto::{HostNqn, SubsysNqn};

use super::{KeyTextError, SecretText};
#[cfg(target_os = "linux")]
use crate::kernel::keyring::{KeyringError, TlsKeyring};
#[cfg(target_os = "linux")]
use crate::options::KeySerial;

/// A key as TLS uses it, with its identity. Wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsKey {
    identity: PskIdentity,
    /// The derived key, in the type that knows the text form.
    key: ConfiguredPsk,
}

/// A key that does not belong to its identity, or cannot be derived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsKeyError {
    /// It has not the length of the identity's hash function.
    #[error("the key does not fit the identity `{identity}`")]
    Misfit {
        /// The identity.
        identity: Box<PskIdentity>,
        /// How.
        source: KeyTextError,
    },
    /// An identity of version 0 that is too long.
    #[cfg(feature = "auth")]
    #[error("no key can be derived for these names")]
    TooLong(#[from] IdentityTooLong),
}

/// Which identity a key gets.
#[cfg(feature = "auth")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VersionOfIdentity {
    /// 0: the names alone. Linux up to 6.11 searches for this version only.
    V0,
    /// 1: with a digest of the key, as NVMe/TCP 1.0 asks for.
    #[default]
    V1,
}

impl TlsKey {
    /// A key that was derived elsewhere.
    ///
    /// # Errors
    /// [`TlsKeyError::Misfit`] when it has not the length of the identity's hash function: 32 or 48 bytes.
    pub fn new(identity: PskIdentity, key: &[u8]) -> Result<Self, TlsKeyError> {
        match ConfiguredPsk::new(Some(identity.hash()), key) {
            Ok(key) => Ok(Self { identity, key }),
            Err(source) => Err(TlsKeyError::Misfit { identity: Box::new(identity), source }),
        }
    }

    /// The key of a host and a subsystem, from a configured one. Both sides of a connection must derive it in the same way. `labels`: the
    /// standard's form, unless the other side's key was derived by nvme-cli before 2.16 (libnvme before 1.16), which has one of its own.
    ///
    /// ```
    /// use nvme_fabrics::keys::{ConfiguredPsk, TlsKey, VersionOfIdentity};
    /// use nvme_proto::tls::LabelEncoding;
    ///
    /// let psk: ConfiguredPsk = "NVMeTLSkey-1:01:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:".parse()?;
    /// let (host, subsystem) = ("nqn.psk-test-host".parse()?, "nqn.psk-test-subsys".parse()?);
    /// let key = TlsKey::derive(&psk, &host, &subsystem, VersionOfIdentity::V0, LabelEncoding::Rfc8446)?;
    /// assert_eq!(key.identity().to_string(), "NVMe0R01 nqn.psk-test-host nqn.psk-test-subsys");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TlsKeyError::TooLong`]: version 0 with names so long that no key can be derived.
    #[cfg(feature = "auth")]
    #[cfg_attr(docsrs, doc(cfg(feature = "auth")))]
    pub fn derive(
        psk: &ConfiguredPsk,
        host: &HostNqn,
        subsystem: &SubsysNqn,
        version: VersionOfIdentity,
        labels: LabelEncoding,
    ) -> Result<Self, TlsKeyError> {
        let retained = psk.retain(host, labels);
        let (identity, key) = match version {
            VersionOfIdentity::V0 => retained.tls_psk_v0(host, subsystem, labels)?,
            VersionOfIdentity::V1 => retained.tls_psk_v1(host, subsystem, labels),
        };
        Self::new(identity, key.expose_bytes())
    }

    /// Whose key it is. Not secret.
    #[must_use]
    pub const fn identity(&self) -> &PskIdentity {
        &self.identity
    }

    /// The key itself. Do not print or log it.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        self.key.expose_bytes()
    }

    /// The key in the text form of configured keys, as it stands in files. Do not print or log it.
    ///
    /// It is a derived key all the same: deriving from it once more gives another one.
    #[must_use]
    pub fn expose_text(&self) -> SecretText {
        self.key.expose_text()
    }

    /// Puts it into the kernel's keyring; one of the same identity is replaced, and the new one has another number.
    ///
    /// # Errors
    /// [`KeyringError`].
    #[cfg(target_os = "linux")]
    pub fn insert(&self, keyring: &TlsKeyring) -> Result<KeySerial, KeyringError> {
        keyring.insert(&self.identity, self.expose_bytes())
    }
}

impl fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsKey").field("identity", &self.identity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_belongs_to_the_identity() {
        let identity = |text: &str| text.parse::<PskIdentity>().unwrap();
        let short = identity("NVMe0R01 nqn.a nqn.b");
        assert!(TlsKey::new(short.clone(), &[7; 32]).is_ok());
        let error = TlsKey::new(short, &[7; 48]).unwrap_err();
        assert_eq!(error.to_string(), "the key does not fit the identity `NVMe0R01 nqn.a nqn.b`");
        assert!(TlsKey::new(identity("NVMe0R02 nqn.a nqn.b"), &[7; 48]).is_ok());
    }

    #[test]
    fn the_text_is_that_of_the_derived_key_and_debug_shows_none() {
        let key = TlsKey::new("NVMe0R01 nqn.a nqn.b".parse().unwrap(), &[0x5a; 32]).unwrap();
        assert!(key.expose_text().as_str().starts_with("NVMeTLSkey-1:01:WlpaWlpa"));
        let shown = format!("{key:?}");
        assert!(shown.contains("nqn.a") && !shown.contains("Wlpa") && !shown.contains("90"), "{shown}");
    }
}
