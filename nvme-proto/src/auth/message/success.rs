//! DH-HMAC-CHAP_Success1 and DH-HMAC-CHAP_Success2.

use alloc::vec::Vec;

use super::{flag, hash_len, hash_value, head};
use crate::auth::terms::HashLen;
use crate::auth::value::HashValue;
use crate::error::DecodeError;
use crate::layout::Field;

pub(super) const STRUCTURE1: &str = "DH-HMAC-CHAP_Success1";
pub(super) const STRUCTURE2: &str = "DH-HMAC-CHAP_Success2";

/// The controller accepts the host's response, and answers the host's challenge if there was one. 16 bytes and a hash value.
///
/// | bytes       | field                                                                            |
/// |-------------|----------------------------------------------------------------------------------|
/// | 0..2        | AUTH_TYPE 1, AUTH_ID 3                                                           |
/// | 2..4        | reserved                                                                         |
/// | 4..6        | `transaction` (T_ID)                                                             |
/// | 6           | `hash_len` (HL)                                                                  |
/// | 7           | reserved                                                                         |
/// | 8           | RVALID: 1 when there is a response                                               |
/// | 9..16       | reserved                                                                         |
/// | 16..16 + HL | `response` (RVAL, R2); without a response ignored and written as zeros           |
///
/// Source: NVMe Base 2.0 section 8.13.5, kernel `struct nvmf_auth_dhchap_success1_data`. Linux sends 16 bytes less the response when the host asked
/// for none and fills up with zeros, so that the message has its whole length in any buffer that is long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "DH-HMAC-CHAP_Success1")]
pub struct Success1 {
    transaction: u16,
    hash_len: HashLen,
    response: Option<HashValue>,
}

impl Success1 {
    /// Bytes before the response.
    pub const HEADER_LEN: usize = 16;

    /// The host is authenticated; it had not asked for the controller's authentication.
    #[must_use]
    pub const fn new(transaction: u16, hash_len: HashLen) -> Self {
        Self { transaction, hash_len, response: None }
    }

    /// The host is authenticated; `response` answers its challenge.
    #[must_use]
    pub const fn with_response(transaction: u16, response: HashValue) -> Self {
        Self { transaction, hash_len: response.len(), response: Some(response) }
    }

    /// The transaction.
    #[must_use]
    pub const fn transaction(&self) -> u16 {
        self.transaction
    }

    /// Length of the hash values.
    #[must_use]
    pub const fn hash_len(&self) -> HashLen {
        self.hash_len
    }

    /// The controller's response (R2), if there is one.
    #[must_use]
    pub const fn response(&self) -> Option<&HashValue> {
        self.response.as_ref()
    }

    pub(super) const fn encoded_len(&self) -> usize {
        Self::HEADER_LEN.saturating_add(self.hash_len.bytes())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        DecodeError::check_len(STRUCTURE1, bytes, Self::HEADER_LEN)?;
        let hash_len = hash_len(STRUCTURE1, bytes)?;
        let valid = flag(STRUCTURE1, bytes, 8, "RVALID")?;
        let value = hash_value(STRUCTURE1, bytes, Self::HEADER_LEN, hash_len)?;
        Ok(Self { transaction: u16::read(bytes, 4), hash_len, response: valid.map(|()| value) })
    }

    /// Writes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        bytes.extend(head(1, 3, self.transaction));
        bytes.extend([self.hash_len.to_wire(), 0, u8::from(self.response.is_some())]);
        bytes.resize(Self::HEADER_LEN, 0);
        bytes.extend_from_slice(self.response.as_ref().map(HashValue::as_bytes).unwrap_or_default());
        bytes.resize(self.encoded_len(), 0);
        bytes
    }
}

/// The host accepts the controller's response. 16 bytes; sent only when there was one.
///
/// | bytes | field                  |
/// |-------|------------------------|
/// | 0..2  | AUTH_TYPE 1, AUTH_ID 4 |
/// | 2..4  | reserved               |
/// | 4..6  | `transaction` (T_ID)   |
/// | 6..16 | reserved               |
///
/// Source: NVMe Base 2.0 section 8.13.5, kernel `struct nvmf_auth_dhchap_success2_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "DH-HMAC-CHAP_Success2")]
pub struct Success2 {
    /// The transaction.
    pub transaction: u16,
}

impl Success2 {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// The controller of this transaction is authenticated.
    #[must_use]
    pub const fn new(transaction: u16) -> Self {
        Self { transaction }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        DecodeError::check_len(STRUCTURE2, bytes, Self::LEN)?;
        Ok(Self { transaction: u16::read(bytes, 4) })
    }

    /// Writes the message.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        crate::layout::put(&mut bytes, 0, head(1, 4, self.transaction));
        bytes
    }
}
