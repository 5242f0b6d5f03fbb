//! What both state machines share: random bytes, the result, and why there is none.

use core::fmt;

use zeroize::Zeroizing;

use super::compute::{DhKeyPair, DhValueError};
use super::message::AuthMessage;
use super::terms::{DhGroupId, FailureExplanation, HashId, HashLen};
use super::value::HashValue;
use crate::error::DecodeError;
use crate::key_text::SecretBytes;
use crate::tls::RetainedPsk;

/// Random bytes for one transaction of one side: a private exponent, a challenge and a sequence number. They come from a cryptographic random
/// number generator and are used once. Wiped when they are dropped.
pub struct AuthRandom(SecretBytes);

impl AuthRandom {
    /// Bytes that are needed.
    pub const LEN: usize = DhKeyPair::RANDOM_LEN + HashLen::MAX + 4;

    /// Takes the bytes. Wipe where they come from.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    pub(super) fn key_pair(&self, group: DhGroupId) -> Option<DhKeyPair> {
        DhKeyPair::new(group, self.0.first_chunk()?)
    }

    pub(super) fn challenge(&self, len: HashLen) -> HashValue {
        let bytes = crate::layout::bytes_at(&self.0, DhKeyPair::RANDOM_LEN);
        HashValue::from_front(bytes, len)
    }

    /// Never 0, which has a meaning of its own.
    pub(super) fn sequence(&self) -> u32 {
        let bytes = self.0.last_chunk().copied().unwrap_or_default();
        u32::from_le_bytes(bytes).max(1)
    }
}

impl fmt::Debug for AuthRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthRandom(..)")
    }
}

/// A transaction that succeeded.
#[derive(Debug)]
#[non_exhaustive]
pub struct AuthSession {
    /// The transaction.
    pub transaction: u16,
    /// The hash function that was chosen.
    pub hash: HashId,
    /// The group that was chosen.
    pub group: DhGroupId,
    /// Who is authenticated.
    pub proven: Proven,
    /// The key for TLS, when secure channel concatenation was asked for. The host closes the connection and connects anew with it.
    pub generated_psk: Option<RetainedPsk>,
}

/// Who has proven to be who it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proven {
    /// The host. About the controller nothing is known.
    Host,
    /// Both.
    Both,
}

/// A transaction that failed. Nothing in it is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The peer gave up.
    #[error("authentication failed: the peer says `{explanation}`{}", hint(*.explanation))]
    Peer {
        /// What it says.
        explanation: FailureExplanation,
    },
    /// A message of the peer cannot be read, or has bytes behind its end.
    #[error("authentication failed: a message of the peer is wrong")]
    Message(#[from] DecodeError),
    /// Another message than the one whose turn it is.
    #[error("authentication failed: the peer sent {found} where {expected} belongs")]
    Unexpected {
        /// Whose turn it is.
        expected: &'static str,
        /// What came.
        found: &'static str,
    },
    /// A message of another transaction.
    #[error("authentication failed: the peer answers transaction {found}, this is transaction {expected}")]
    Transaction {
        /// This transaction.
        expected: u16,
        /// The other one.
        found: u16,
    },
    /// Hash values of another length than those of the hash function chosen.
    #[error(
        "authentication failed: the peer sent hash values of {found} bytes, the hash function has {expected}"
    )]
    HashLength {
        /// That of the hash function.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// The peer's public value.
    #[error(transparent)]
    DhValue(#[from] DhValueError),
    /// No authentication protocol in common: the host does not offer DH-HMAC-CHAP.
    #[error("authentication failed: the host does not offer DH-HMAC-CHAP")]
    Protocol,
    /// The host offers no hash function that this controller allows, or the controller chose one that this host did not offer.
    #[error(
        "authentication failed: no hash function that both sides allow; compare what the host offers with what the subsystem allows"
    )]
    Hash,
    /// The host offers no group that this controller allows, or the controller chose one that this host did not offer.
    #[error(
        "authentication failed: no Diffie-Hellman group that both sides allow; compare what the host offers with what the subsystem allows"
    )]
    Group,
    /// One side wants a key for TLS and the other does not, or the group is NULL.
    #[error(
        "authentication failed: host and controller do not agree on secure channel concatenation, which needs a group other than NULL"
    )]
    SecureChannel,
    /// The host's response is wrong.
    #[error(
        "authentication failed: the host's response is wrong; its secret is not the one configured for it here, or one of the NQNs differs"
    )]
    HostResponse,
    /// The controller's response is wrong.
    #[error(
        "authentication failed: the controller's response is wrong; its secret is not the one configured for it here, or somebody answers in its place"
    )]
    ControllerResponse,
    /// The controller did not answer the host's challenge.
    #[error(
        "authentication failed: the controller did not authenticate itself, which this host asks for; configure its secret on the target"
    )]
    ControllerSilent,
    /// The host asks the controller to authenticate itself, and no secret is configured for that.
    #[error(
        "authentication failed: the host asks this controller to authenticate itself, and it has no secret"
    )]
    NoControllerSecret,
    /// The host asks for a key for TLS and sent no challenge to make it of, or its sequence number is 0 where that has no meaning.
    #[error(
        "authentication failed: challenge and sequence number in the host's reply do not belong together"
    )]
    Challenge,
}

/// What to do about what the peer says.
const fn hint(explanation: FailureExplanation) -> &'static str {
    match explanation {
        FailureExplanation::AUTHENTICATION_FAILED => {
            "; the secrets of both sides differ, or a secret asked for is missing there"
        }
        FailureExplanation::HASH_NOT_USABLE => "; allow one of the hash functions that the peer knows",
        FailureExplanation::GROUP_NOT_USABLE => "; allow one of the groups that the peer knows",
        FailureExplanation::SECURE_CHANNEL_MISMATCH => {
            "; secure channel concatenation is wanted by one side alone"
        }
        _ => "",
    }
}

impl AuthError {
    /// What a failure message says about it.
    #[must_use]
    pub const fn explanation(&self) -> FailureExplanation {
        match self {
            Self::Peer { explanation } => *explanation,
            Self::Unexpected { .. } => FailureExplanation::INCORRECT_MESSAGE,
            Self::Message(_) | Self::Transaction { .. } | Self::HashLength { .. } | Self::DhValue(_) => {
                FailureExplanation::INCORRECT_PAYLOAD
            }
            Self::Protocol => FailureExplanation::PROTOCOL_NOT_USABLE,
            Self::Hash => FailureExplanation::HASH_NOT_USABLE,
            Self::Group => FailureExplanation::GROUP_NOT_USABLE,
            Self::SecureChannel => FailureExplanation::SECURE_CHANNEL_MISMATCH,
            Self::HostResponse
            | Self::ControllerResponse
            | Self::ControllerSilent
            | Self::NoControllerSecret
            | Self::Challenge => FailureExplanation::AUTHENTICATION_FAILED,
        }
    }
}

/// Reads a message that is to be `expected` or `failure`: any other is a wrong message first, malformed or not.
pub(super) fn decode(
    bytes: &[u8],
    expected: &'static str,
    failure: &'static str,
) -> Result<AuthMessage, AuthError> {
    DecodeError::check_len("authentication message", bytes, 6)?;
    let found = AuthMessage::name_of(bytes).unwrap_or("an unknown message");
    if found != expected && found != failure {
        return Err(AuthError::Unexpected { expected, found });
    }
    Ok(AuthMessage::decode(bytes)?)
}

/// The transaction of a message whose turn it is.
pub(super) const fn same_transaction(expected: u16, found: u16) -> Result<(), AuthError> {
    if expected == found { Ok(()) } else { Err(AuthError::Transaction { expected, found }) }
}

/// The length of the hash values in a message.
pub(super) const fn same_hash_len(expected: HashLen, found: HashLen) -> Result<(), AuthError> {
    let (expected, found) = (expected.bytes(), found.bytes());
    if expected == found { Ok(()) } else { Err(AuthError::HashLength { expected, found }) }
}

/// The key for TLS; `None` when there can be none.
pub(super) fn generated_psk(
    session_key: Option<&super::SessionKey>,
    c1: &HashValue,
    c2: &HashValue,
) -> Option<RetainedPsk> {
    RetainedPsk::generated(session_key?.generate_psk(c1, c2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_have_their_places() {
        let mut bytes = [0; AuthRandom::LEN];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = at as u8;
        }
        let random = AuthRandom::from_bytes(&bytes);
        assert_eq!(random.challenge(HashLen::Bytes32).as_bytes(), &bytes[64..96]);
        assert_eq!(random.challenge(HashLen::Bytes64).as_bytes(), &bytes[64..128]);
        assert_eq!(random.sequence(), u32::from_le_bytes([128, 129, 130, 131]));
        assert_eq!(AuthRandom::from_bytes(&[0; AuthRandom::LEN]).sequence(), 1);
        let pair = random.key_pair(DhGroupId::FFDHE2048).unwrap();
        let same = DhKeyPair::new(DhGroupId::FFDHE2048, bytes.first_chunk().unwrap()).unwrap();
        assert_eq!(pair.public(), same.public());
        assert!(random.key_pair(DhGroupId::NULL).is_none());
        assert_eq!(alloc::format!("{random:?}"), "AuthRandom(..)");
    }
}
