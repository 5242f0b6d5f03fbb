//! DH-HMAC-CHAP_Challenge.

use alloc::vec::Vec;

use super::{hash_len, hash_value, head, unsupported};
use crate::auth::terms::{DhGroupId, HashId};
use crate::auth::value::HashValue;
use crate::error::DecodeError;
use crate::layout::{Field, field_at};

pub(super) const STRUCTURE: &str = "DH-HMAC-CHAP_Challenge";

/// What the controller chose, its challenge and its public value. 16 bytes, a hash value and the public value.
///
/// | bytes                     | field                                                    |
/// |---------------------------|----------------------------------------------------------|
/// | 0..2                      | AUTH_TYPE 1, AUTH_ID 1                                   |
/// | 2..4                      | reserved                                                 |
/// | 4..6                      | `transaction` (T_ID)                                     |
/// | 6                         | HL: length of the challenge, that of the hash            |
/// | 7                         | reserved                                                 |
/// | 8                         | `hash` (HashID)                                          |
/// | 9                         | `group` (DHgID)                                          |
/// | 10..12                    | DHVLEN: length of the public value, that of the group    |
/// | 12..16                    | `sequence` (SEQNUM, S1)                                  |
/// | 16..16 + HL               | `challenge` (CVAL, C1)                                   |
/// | 16 + HL..16 + HL + DHVLEN | `dh_value` (DHV): g^x mod p, big-endian                  |
///
/// Source: NVMe Base 2.0 section 8.13.5, kernel `struct nvmf_auth_dhchap_challenge_data`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(alias = "DH-HMAC-CHAP_Challenge")]
pub struct Challenge {
    transaction: u16,
    hash: HashId,
    group: DhGroupId,
    sequence: u32,
    challenge: HashValue,
    dh_value: Vec<u8>,
}

impl Challenge {
    /// Bytes before the challenge.
    pub const HEADER_LEN: usize = 16;

    /// A challenge for the hash function and the group chosen.
    ///
    /// # Errors
    /// What a decoder of the result would say: a challenge or a public value of another length than the hash or the group has.
    pub fn new(
        transaction: u16,
        sequence: u32,
        (hash, challenge): (HashId, HashValue),
        (group, dh_value): (DhGroupId, Vec<u8>),
    ) -> Result<Self, DecodeError> {
        let message = Self { transaction, hash, group, sequence, challenge, dh_value };
        message.check()?;
        Ok(message)
    }

    /// The lengths, which belong to the hash function and to the group where these are known.
    fn check(&self) -> Result<(), DecodeError> {
        let structure = STRUCTURE;
        let len = self.challenge.len();
        if self.hash.hash_len().is_some_and(|expected| expected != len) {
            return Err(DecodeError { structure, at: 6, kind: unsupported("HL", len.to_wire()) });
        }
        let found = u64::try_from(self.dh_value.len()).unwrap_or(u64::MAX);
        let fits = match self.group.value_len() {
            Some(expected) => self.dh_value.len() == expected,
            None => found <= u64::from(u16::MAX),
        };
        if fits { Ok(()) } else { Err(DecodeError { structure, at: 10, kind: unsupported("DHVLEN", found) }) }
    }

    /// The transaction.
    #[must_use]
    pub const fn transaction(&self) -> u16 {
        self.transaction
    }

    /// The hash function for this transaction.
    #[must_use]
    #[doc(alias = "HashID")]
    pub const fn hash(&self) -> HashId {
        self.hash
    }

    /// The group for this transaction.
    #[must_use]
    #[doc(alias = "DHgID")]
    pub const fn group(&self) -> DhGroupId {
        self.group
    }

    /// The sequence number (S1) that goes into the host's response.
    #[must_use]
    #[doc(alias = "SEQNUM")]
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The challenge (C1).
    #[must_use]
    #[doc(alias = "CVAL")]
    pub const fn challenge(&self) -> &HashValue {
        &self.challenge
    }

    /// The controller's public value, big-endian; empty for the group NULL. It is as it came: whether it is one of the group is checked where it
    /// is used.
    #[must_use]
    #[doc(alias = "DHV")]
    pub fn dh_value(&self) -> &[u8] {
        &self.dh_value
    }

    pub(super) fn encoded_len(&self) -> usize {
        let values = self.challenge.len().bytes().saturating_add(self.dh_value.len());
        Self::HEADER_LEN.saturating_add(values)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        DecodeError::check_len(STRUCTURE, bytes, Self::HEADER_LEN)?;
        let hash_len = hash_len(STRUCTURE, bytes)?;
        let dh_len = usize::from(u16::read(bytes, 10));
        let dh_at = Self::HEADER_LEN.saturating_add(hash_len.bytes());
        DecodeError::check_len(STRUCTURE, bytes, dh_at.saturating_add(dh_len))?;
        let message = Self {
            transaction: u16::read(bytes, 4),
            hash: HashId(u8::read(bytes, 8)),
            group: DhGroupId(u8::read(bytes, 9)),
            sequence: u32::read(bytes, 12),
            challenge: hash_value(STRUCTURE, bytes, Self::HEADER_LEN, hash_len)?,
            dh_value: field_at(bytes, dh_at, dh_len).to_vec(),
        };
        message.check()?;
        Ok(message)
    }

    /// Writes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let dh_len = u16::try_from(self.dh_value.len()).unwrap_or(u16::MAX);
        let mut bytes = Vec::with_capacity(self.encoded_len());
        bytes.extend(head(1, 1, self.transaction));
        bytes.extend([self.challenge.len().to_wire(), 0, self.hash.0, self.group.0]);
        bytes.extend(dh_len.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend_from_slice(self.challenge.as_bytes());
        bytes.extend_from_slice(&self.dh_value);
        bytes
    }
}
