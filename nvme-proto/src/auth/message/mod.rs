//! The seven messages, and which of them some bytes are.

mod challenge;
mod failure;
mod negotiate;
mod reply;
mod success;

use alloc::vec::Vec;

pub use challenge::Challenge;
pub use failure::{Failure1, Failure2};
pub use negotiate::{Negotiate, ProtocolDescriptor};
pub use reply::Reply;
pub use success::{Success1, Success2};

use super::terms::HashLen;
use super::value::HashValue;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::layout::{Field, field_at};

/// A message of in-band authentication: what Authentication Send and Authentication Receive carry.
///
/// Every message begins alike; integers are little-endian, public values of Diffie-Hellman big-endian.
///
/// | bytes | field                                                  |
/// |-------|--------------------------------------------------------|
/// | 0     | AUTH_TYPE: 0 common, 1 DH-HMAC-CHAP                    |
/// | 1     | AUTH_ID: which message of that type                    |
/// | 2..4  | reserved: ignored, written as zeros                    |
/// | 4..6  | T_ID: the transaction, chosen by the host              |
///
/// | type | id   | message     | from       |
/// |------|------|-------------|------------|
/// | 0    | 0x00 | [`Negotiate`](Self::Negotiate)   | host       |
/// | 1    | 0x01 | [`Challenge`](Self::Challenge)   | controller |
/// | 1    | 0x02 | [`Reply`](Self::Reply)           | host       |
/// | 1    | 0x03 | [`Success1`](Self::Success1)     | controller |
/// | 1    | 0x04 | [`Success2`](Self::Success2)     | host       |
/// | 0    | 0xf1 | [`Failure1`](Self::Failure1)     | controller |
/// | 0    | 0xf0 | [`Failure2`](Self::Failure2)     | host       |
///
/// Source: NVMe Base 2.0 section 8.13.5, kernel `include/linux/nvme.h` (`struct nvmf_auth_dhchap_*`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthMessage {
    /// What the host offers.
    Negotiate(Negotiate),
    /// What the controller chose, and its challenge.
    Challenge(Challenge),
    /// The host's response, and its challenge if it wants one answered.
    Reply(Reply),
    /// The host is authenticated; the controller's response if one was asked for.
    Success1(Success1),
    /// The controller is authenticated too.
    Success2(Success2),
    /// The controller gives up.
    Failure1(Failure1),
    /// The host gives up.
    Failure2(Failure2),
}

const STRUCTURE: &str = "authentication message";

impl AuthMessage {
    /// Bytes of the longest message with one protocol descriptor: a Reply with SHA-512 and ffdhe8192.
    pub const MAX_LEN: usize = 16 + 2 * HashLen::MAX + super::DhGroupId::MAX_VALUE_LEN;

    /// Reads the message that `bytes` begin with. Bytes behind it are ignored: Linux fills its answers up with zeros to the length that was
    /// asked for. [`encoded_len`](Self::encoded_len) tells where the message ends.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`] when the message ends early, [`DecodeErrorKind::Unsupported`] for an unknown AUTH_TYPE or AUTH_ID, a hash
    /// length (HL) other than 32, 48 and 64 or other than that of the hash, a length of the public value (DHVLEN) that is not the group's, and flags
    /// that are neither 0 nor 1; [`DecodeErrorKind::Limit`] for lists of more than 30 hashes or groups.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        DecodeError::check_len(STRUCTURE, bytes, 6)?;
        let [kind, id]: [u8; 2] = Field::read(bytes, 0);
        let unsupported =
            |field, at, found: u8| DecodeError { structure: STRUCTURE, at, kind: unsupported(field, found) };
        match (kind, id) {
            (0, 0x00) => Negotiate::decode(bytes).map(Self::Negotiate),
            (0, 0xf0) => Failure2::decode(bytes).map(Self::Failure2),
            (0, 0xf1) => Failure1::decode(bytes).map(Self::Failure1),
            (1, 0x01) => Challenge::decode(bytes).map(Self::Challenge),
            (1, 0x02) => Reply::decode(bytes).map(Self::Reply),
            (1, 0x03) => Success1::decode(bytes).map(Self::Success1),
            (1, 0x04) => Success2::decode(bytes).map(Self::Success2),
            (0 | 1, id) => Err(unsupported("AUTH_ID", 1, id)),
            (kind, _) => Err(unsupported("AUTH_TYPE", 0, kind)),
        }
    }

    /// Writes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Negotiate(message) => message.encode(),
            Self::Challenge(message) => message.encode(),
            Self::Reply(message) => message.encode(),
            Self::Success1(message) => message.encode(),
            Self::Success2(message) => message.encode().into(),
            Self::Failure1(message) => message.encode().into(),
            Self::Failure2(message) => message.encode().into(),
        }
    }

    /// Bytes the message has on the wire.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Negotiate(message) => message.encoded_len(),
            Self::Challenge(message) => message.encoded_len(),
            Self::Reply(message) => message.encoded_len(),
            Self::Success1(message) => message.encoded_len(),
            Self::Success2(_) => Success2::LEN,
            Self::Failure1(_) => Failure1::LEN,
            Self::Failure2(_) => Failure2::LEN,
        }
    }

    /// The transaction it belongs to.
    #[must_use]
    #[doc(alias = "T_ID")]
    pub const fn transaction(&self) -> u16 {
        match self {
            Self::Negotiate(message) => message.transaction,
            Self::Challenge(message) => message.transaction(),
            Self::Reply(message) => message.transaction(),
            Self::Success1(message) => message.transaction(),
            Self::Success2(message) => message.transaction,
            Self::Failure1(message) => message.transaction,
            Self::Failure2(message) => message.transaction,
        }
    }

    /// The name of the message that `bytes` begin with; `None` for an unknown one.
    #[cfg(feature = "auth")]
    pub(super) fn name_of(bytes: &[u8]) -> Option<&'static str> {
        Some(match bytes.first_chunk()? {
            [0, 0x00] => negotiate::STRUCTURE,
            [0, 0xf0] => failure::STRUCTURE2,
            [0, 0xf1] => failure::STRUCTURE1,
            [1, 0x01] => challenge::STRUCTURE,
            [1, 0x02] => reply::STRUCTURE,
            [1, 0x03] => success::STRUCTURE1,
            [1, 0x04] => success::STRUCTURE2,
            _ => return None,
        })
    }

    /// The name of the message as the specification writes it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Negotiate(_) => negotiate::STRUCTURE,
            Self::Challenge(_) => challenge::STRUCTURE,
            Self::Reply(_) => reply::STRUCTURE,
            Self::Success1(_) => success::STRUCTURE1,
            Self::Success2(_) => success::STRUCTURE2,
            Self::Failure1(_) => failure::STRUCTURE1,
            Self::Failure2(_) => failure::STRUCTURE2,
        }
    }
}

macro_rules! messages {
    ($($name:ident)+) => {$(
        impl From<$name> for AuthMessage {
            fn from(message: $name) -> Self {
                Self::$name(message)
            }
        }
    )+};
}

messages!(Negotiate Challenge Reply Success1 Success2 Failure1 Failure2);

fn unsupported(field: &'static str, found: impl Into<u64>) -> DecodeErrorKind {
    DecodeErrorKind::Unsupported { field, found: found.into() }
}

/// The length in byte 6 of the DH-HMAC-CHAP messages.
fn hash_len(structure: &'static str, bytes: &[u8]) -> Result<HashLen, DecodeError> {
    let found = u8::read(bytes, 6);
    HashLen::from_bytes(found.into()).ok_or(DecodeError { structure, at: 6, kind: unsupported("HL", found) })
}

/// The hash value from offset `at` on.
fn hash_value(
    structure: &'static str,
    bytes: &[u8],
    at: usize,
    len: HashLen,
) -> Result<HashValue, DecodeError> {
    let kind = DecodeErrorKind::TooShort { need: at.saturating_add(len.bytes()), have: bytes.len() };
    HashValue::new(field_at(bytes, at, len.bytes())).ok_or(DecodeError { structure, at: bytes.len(), kind })
}

/// A flag byte that is 0 or 1.
fn flag(
    structure: &'static str,
    bytes: &[u8],
    at: usize,
    field: &'static str,
) -> Result<Option<()>, DecodeError> {
    match u8::read(bytes, at) {
        0 => Ok(None),
        1 => Ok(Some(())),
        found => Err(DecodeError { structure, at, kind: unsupported(field, found) }),
    }
}

/// The first bytes of each message.
const fn head(kind: u8, id: u8, transaction: u16) -> [u8; 6] {
    let [low, high] = transaction.to_le_bytes();
    [kind, id, 0, 0, low, high]
}
