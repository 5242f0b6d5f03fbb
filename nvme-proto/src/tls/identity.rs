//! The identity of a key for TLS.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use super::psk::PskHash;
use crate::auth::HashValue;
use crate::key_text::{base64_decode, base64_encode};
use crate::types::{HostNqn, NqnError, SubsysNqn};

/// The identity under which two sides find a pre-shared key: the text that travels in the TLS handshake, and the description of the key in the
/// kernel's keyring.
///
/// ```text
/// NVMe0R01 HOSTNQN SUBNQN              version 0
/// NVMe1R01 HOSTNQN SUBNQN DIGEST       version 1; DIGEST: 44 or 64 characters of base64
///      ||
///      |+- 01 SHA-256, 02 SHA-384
///      +-- R retained (of a configured key), G generated (by an authentication)
/// ```
///
/// No NUL ends it. The NQNs are those used at Connect; for a discovery controller reached by the well-known name, the well-known name. An NQN with a
/// blank in it makes an identity that cannot be read back.
///
/// Linux looks for keys in this order: retained before generated, version 1 before version 0, SHA-384 before SHA-256; up to 6.11 it searches version 0
/// only.
///
/// Source: NVMe/TCP 1.0 section 3.6.1.3, kernel `drivers/nvme/common/keyring.c: nvme_tls_psk_lookup`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PskIdentity {
    kind: PskKind,
    /// That of the digest, where there is one.
    hash: PskHash,
    host: HostNqn,
    subsystem: SubsysNqn,
    version: IdentityVersion,
}

/// Where a key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PskKind {
    /// `R`: a configured key.
    Retained,
    /// `G`: made by an authentication with secure channel concatenation.
    Generated,
}

/// The version of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentityVersion {
    /// 0: the names alone.
    V0,
    /// 1: with a digest of the key, 32 or 48 bytes, so that several keys of the same names differ.
    V1(HashValue),
}

/// Text that is not the identity of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PskIdentityError {
    /// Another beginning.
    #[error("the identity does not begin with NVMe0 or NVMe1, R or G, 01 or 02, and a blank")]
    Prefix,
    /// Too few parts, or a blank within a name.
    #[error(
        "the identity has {found} parts separated by blanks, {expected} belong there; names with blanks cannot be told apart"
    )]
    Parts {
        /// Parts it has.
        found: usize,
        /// Parts it should have.
        expected: usize,
    },
    /// The second part is not an NQN.
    #[error("the host NQN in the identity is none")]
    Host(#[source] NqnError),
    /// The third part is not an NQN.
    #[error("the subsystem NQN in the identity is none")]
    Subsystem(#[source] NqnError),
    /// The last part is not a digest, or a digest of another hash function.
    #[error("the digest in the identity is not base64 of {expected} bytes")]
    Digest {
        /// Bytes it should have.
        expected: usize,
    },
}

impl PskIdentity {
    /// An identity of version 0.
    #[must_use]
    pub const fn v0(kind: PskKind, hash: PskHash, host: HostNqn, subsystem: SubsysNqn) -> Self {
        Self { kind, hash, host, subsystem, version: IdentityVersion::V0 }
    }

    /// An identity of version 1. `digest` is a value of the hash function.
    #[cfg(feature = "auth")]
    pub(super) const fn v1(
        kind: PskKind,
        hash: PskHash,
        digest: HashValue,
        host: HostNqn,
        subsystem: SubsysNqn,
    ) -> Self {
        Self { kind, hash, host, subsystem, version: IdentityVersion::V1(digest) }
    }

    /// Where the key comes from.
    #[must_use]
    pub const fn kind(&self) -> PskKind {
        self.kind
    }

    /// The hash function, and with it the cipher suite.
    #[must_use]
    pub const fn hash(&self) -> PskHash {
        self.hash
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &HostNqn {
        &self.host
    }

    /// The subsystem.
    #[must_use]
    pub const fn subsystem(&self) -> &SubsysNqn {
        &self.subsystem
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> IdentityVersion {
        self.version
    }
}

/// The digest as it stands in identities: 44 or 64 characters.
pub(super) fn digest_text(digest: &HashValue) -> String {
    let mut text = String::new();
    base64_encode(digest.as_bytes(), &mut text);
    text
}

impl fmt::Display for PskIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.version {
            IdentityVersion::V0 => 0,
            IdentityVersion::V1(_) => 1,
        };
        let kind = match self.kind {
            PskKind::Retained => 'R',
            PskKind::Generated => 'G',
        };
        write!(f, "NVMe{version}{kind}{:02} {} {}", self.hash.number(), self.host, self.subsystem)?;
        match &self.version {
            IdentityVersion::V0 => Ok(()),
            IdentityVersion::V1(digest) => write!(f, " {}", digest_text(digest)),
        }
    }
}

impl FromStr for PskIdentity {
    type Err = PskIdentityError;

    /// Parses either version.
    ///
    /// # Errors
    /// See [`PskIdentityError`].
    fn from_str(text: &str) -> Result<Self, PskIdentityError> {
        let (front, rest) = text.split_once(' ').ok_or(PskIdentityError::Prefix)?;
        let [b'N', b'V', b'M', b'e', version, kind, b'0', number] = *front.as_bytes() else {
            return Err(PskIdentityError::Prefix);
        };
        let kind = match kind {
            b'R' => PskKind::Retained,
            b'G' => PskKind::Generated,
            _ => return Err(PskIdentityError::Prefix),
        };
        let hash = PskHash::from_number(number.wrapping_sub(b'0')).ok_or(PskIdentityError::Prefix)?;
        let found = rest.split(' ').count().saturating_add(1);
        let mut parts = rest.split(' ');
        let (host, subsystem) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let expected = match version {
            b'0' => 3,
            b'1' => 4,
            _ => return Err(PskIdentityError::Prefix),
        };
        if found != expected {
            return Err(PskIdentityError::Parts { found, expected });
        }
        let version = match parts.next() {
            None => IdentityVersion::V0,
            Some(text) => {
                let expected = hash.hash_len();
                let error = PskIdentityError::Digest { expected: expected.bytes() };
                // The longest digest has 64 characters.
                let bytes = if text.len() > 64 { None } else { base64_decode(text.as_bytes()).ok() };
                let digest = bytes.and_then(|bytes| HashValue::new(&bytes));
                IdentityVersion::V1(digest.filter(|digest| digest.len() == expected).ok_or(error)?)
            }
        };
        let host = HostNqn::new(host).map_err(PskIdentityError::Host)?;
        let subsystem = SubsysNqn::new(subsystem).map_err(PskIdentityError::Subsystem)?;
        Ok(Self { kind, hash, host, subsystem, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const V0: &str = "NVMe0R01 nqn.psk-test-host nqn.psk-test-subsys";
    const V1: &str = "NVMe1G02 nqn.psk-test-host nqn.psk-test-subsys \
                      QhW2+Rp6RzHlNtCslyRxMnwJ11tKKhz8JCAQpQ+XUD8f9td1VeH5h53yz2wKJG1a";

    #[test]
    fn both_versions_read_and_print() {
        let identity: PskIdentity = V0.parse().unwrap();
        assert_eq!((identity.kind, identity.hash), (PskKind::Retained, PskHash::Sha256));
        assert_eq!((identity.host.as_str(), identity.version()), ("nqn.psk-test-host", IdentityVersion::V0));
        assert_eq!(identity.to_string(), V0);
        let identity: PskIdentity = V1.parse().unwrap();
        assert_eq!((identity.kind, identity.hash), (PskKind::Generated, PskHash::Sha384));
        assert_eq!(identity.to_string(), V1);
        let IdentityVersion::V1(digest) = identity.version() else { panic!("{identity:?}") };
        assert_eq!(digest_text(&digest), V1.rsplit(' ').next().unwrap());
    }

    #[test]
    fn names_the_part_that_is_wrong() {
        use PskIdentityError as E;
        for (text, expected) in [
            ("", E::Prefix),
            ("NVMe0R01", E::Prefix),
            ("NVMe2R01 a b", E::Prefix),
            ("NVMe0X01 a b", E::Prefix),
            ("NVMe0R03 a b", E::Prefix),
            ("NVMe0R00 a b", E::Prefix),
            ("NVMe0R11 a b", E::Prefix),
            ("NVMe0R01 a", E::Parts { found: 2, expected: 3 }),
            ("NVMe0R01 a b c", E::Parts { found: 4, expected: 3 }),
            ("NVMe1R01 a b", E::Parts { found: 3, expected: 4 }),
            ("NVMe0R01  b", E::Host(NqnError::Empty)),
            ("NVMe0R01 a ", E::Subsystem(NqnError::Empty)),
            ("NVMe0R01 a .", E::Subsystem(NqnError::DotName)),
            ("NVMe1R01 a b c", E::Digest { expected: 32 }),
        ] {
            assert_eq!(text.parse::<PskIdentity>(), Err(expected), "{text}");
        }
        let other = V1.replace("G02", "G01");
        assert_eq!(other.parse::<PskIdentity>(), Err(E::Digest { expected: 32 }));
    }
}
