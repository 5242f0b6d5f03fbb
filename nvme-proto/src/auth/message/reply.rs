//! DH-HMAC-CHAP_Reply.

use alloc::vec::Vec;

use super::{flag, hash_len, hash_value, head, unsupported};
use crate::auth::terms::DhGroupId;
use crate::auth::value::HashValue;
use crate::error::DecodeError;
use crate::layout::{Field, field_at};

pub(super) const STRUCTURE: &str = "DH-HMAC-CHAP_Reply";

/// The host's response, its own challenge, and its public value. 16 bytes, two hash values and the public value.
///
/// | bytes                       | field                                                                      |
/// |-----------------------------|----------------------------------------------------------------------------|
/// | 0..2                        | AUTH_TYPE 1, AUTH_ID 2                                                     |
/// | 2..4                        | reserved                                                                   |
/// | 4..6                        | `transaction` (T_ID)                                                       |
/// | 6                           | HL: length of each hash value                                              |
/// | 7                           | reserved                                                                   |
/// | 8                           | CVALID: 1 when there is a challenge                                        |
/// | 9                           | reserved                                                                   |
/// | 10..12                      | DHVLEN: length of the public value                                         |
/// | 12..16                      | `sequence` (SEQNUM, S2)                                                    |
/// | 16..16 + HL                 | `response` (RVAL, R1)                                                      |
/// | 16 + HL..16 + 2 HL          | `challenge` (CVAL, C2); without one ignored and written as zeros           |
/// | 16 + 2 HL..16 + 2 HL + DHVLEN | `dh_value` (DHV): g^y mod p, big-endian                                  |
///
/// With a challenge and a `sequence` that is not 0 the host asks the controller to authenticate itself. With a challenge and `sequence` 0 it does not:
/// the challenge only goes into the key for TLS.
///
/// Source: NVMe Base 2.2 section 8.3.4.5.4, kernel `struct nvmf_auth_dhchap_reply_data`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(alias = "DH-HMAC-CHAP_Reply")]
pub struct Reply {
    transaction: u16,
    sequence: u32,
    response: HashValue,
    challenge: Option<HashValue>,
    dh_value: Vec<u8>,
}

impl Reply {
    /// Bytes before the response.
    pub const HEADER_LEN: usize = 16;

    /// A reply.
    ///
    /// # Errors
    /// What a decoder of the result would say: a challenge that has another length than the response (HL), or a public value that has the length of
    /// no group (DHVLEN).
    pub fn new(
        transaction: u16,
        sequence: u32,
        response: HashValue,
        challenge: Option<HashValue>,
        dh_value: Vec<u8>,
    ) -> Result<Self, DecodeError> {
        if let Some(challenge) = challenge
            && challenge.len() != response.len()
        {
            let kind = unsupported("HL", challenge.len().to_wire());
            return Err(DecodeError { structure: STRUCTURE, at: 6, kind });
        }
        let len = dh_value.len();
        if DhGroupId::NAMED.iter().all(|group| group.value_len() != Some(len)) {
            let kind = unsupported("DHVLEN", u64::try_from(len).unwrap_or(u64::MAX));
            return Err(DecodeError { structure: STRUCTURE, at: 10, kind });
        }
        Ok(Self { transaction, sequence, response, challenge, dh_value })
    }

    /// The transaction.
    #[must_use]
    pub const fn transaction(&self) -> u16 {
        self.transaction
    }

    /// The sequence number (S2) that goes into the controller's response.
    #[must_use]
    #[doc(alias = "SEQNUM")]
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The host's response (R1).
    #[must_use]
    #[doc(alias = "RVAL")]
    pub const fn response(&self) -> &HashValue {
        &self.response
    }

    /// The host's challenge (C2), if there is one.
    #[must_use]
    #[doc(alias = "CVALID")]
    #[doc(alias = "CVAL")]
    pub const fn challenge(&self) -> Option<&HashValue> {
        self.challenge.as_ref()
    }

    /// The host's public value, big-endian; empty for the group NULL. It is as it came: whether it is one of the group is checked where it is used.
    #[must_use]
    #[doc(alias = "DHV")]
    pub fn dh_value(&self) -> &[u8] {
        &self.dh_value
    }

    pub(super) fn encoded_len(&self) -> usize {
        let hashes = self.response.len().bytes().saturating_mul(2);
        Self::HEADER_LEN.saturating_add(hashes).saturating_add(self.dh_value.len())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        DecodeError::check_len(STRUCTURE, bytes, Self::HEADER_LEN)?;
        let hash_len = hash_len(STRUCTURE, bytes)?;
        let valid = flag(STRUCTURE, bytes, 8, "CVALID")?;
        let dh_len = usize::from(u16::read(bytes, 10));
        let challenge_at = Self::HEADER_LEN.saturating_add(hash_len.bytes());
        let dh_at = challenge_at.saturating_add(hash_len.bytes());
        DecodeError::check_len(STRUCTURE, bytes, dh_at.saturating_add(dh_len))?;
        let challenge = hash_value(STRUCTURE, bytes, challenge_at, hash_len)?;
        Self::new(
            u16::read(bytes, 4),
            u32::read(bytes, 12),
            hash_value(STRUCTURE, bytes, Self::HEADER_LEN, hash_len)?,
            valid.map(|()| challenge),
            field_at(bytes, dh_at, dh_len).to_vec(),
        )
    }

    /// Writes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let hash_len = self.response.len();
        // `new` allows at most 1024 bytes.
        let dh_len = u16::try_from(self.dh_value.len()).unwrap_or(u16::MAX);
        let mut bytes = Vec::with_capacity(self.encoded_len());
        bytes.extend(head(1, 2, self.transaction));
        bytes.extend([hash_len.to_wire(), 0, u8::from(self.challenge.is_some()), 0]);
        bytes.extend(dh_len.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend_from_slice(self.response.as_bytes());
        match &self.challenge {
            Some(challenge) => bytes.extend_from_slice(challenge.as_bytes()),
            None => bytes.resize(bytes.len().saturating_add(hash_len.bytes()), 0),
        }
        bytes.extend_from_slice(&self.dh_value);
        bytes
    }
}
