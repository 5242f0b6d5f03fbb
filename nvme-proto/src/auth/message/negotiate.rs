//! AUTH_Negotiate and the descriptors in it.

use alloc::vec::Vec;
use core::fmt;

use super::{head, unsupported};
use crate::auth::terms::{AuthProtocolId, DhGroupId, HashId, SecureChannelMode};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::layout::{Field, field_at, put_text};

pub(super) const STRUCTURE: &str = "AUTH_Negotiate";

/// What the host offers: the first message of a transaction. 8 bytes and 64 for each protocol.
///
/// | bytes          | field                                                     |
/// |----------------|-----------------------------------------------------------|
/// | 0..2           | AUTH_TYPE 0, AUTH_ID 0                                    |
/// | 2..4           | reserved                                                  |
/// | 4..6           | `transaction` (T_ID)                                      |
/// | 6              | `secure_channel` (SC_C)                                   |
/// | 7              | NAPD: number of descriptors, from 1 on                    |
/// | 8..8 + 64 NAPD | `protocols`                                               |
///
/// Source: NVMe Base 2.0 section 8.13.5, kernel `struct nvmf_auth_dhchap_negotiate_data`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(alias = "AUTH_Negotiate")]
pub struct Negotiate {
    /// The transaction. The host chooses it; every message repeats it.
    pub transaction: u16,
    /// Whether a key for TLS is to come of it.
    pub secure_channel: SecureChannelMode,
    /// The protocols. Of more than 255, the first 255 are written. A list without any is written but not read.
    pub protocols: Vec<ProtocolDescriptor>,
}

impl Negotiate {
    /// Bytes before the descriptors.
    pub const HEADER_LEN: usize = 8;

    /// An offer of one protocol.
    #[must_use]
    pub fn new(transaction: u16, secure_channel: SecureChannelMode, protocol: ProtocolDescriptor) -> Self {
        Self { transaction, secure_channel, protocols: alloc::vec![protocol] }
    }

    fn count(&self) -> u8 {
        u8::try_from(self.protocols.len()).unwrap_or(u8::MAX)
    }

    pub(super) fn encoded_len(&self) -> usize {
        let descriptors = usize::from(self.count()).saturating_mul(ProtocolDescriptor::LEN);
        Self::HEADER_LEN.saturating_add(descriptors)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        DecodeError::check_len(STRUCTURE, bytes, Self::HEADER_LEN)?;
        let count = u8::read(bytes, 7);
        if count == 0 {
            return Err(DecodeError { structure: STRUCTURE, at: 7, kind: unsupported("NAPD", count) });
        }
        let len = usize::from(count).saturating_mul(ProtocolDescriptor::LEN);
        DecodeError::check_len(STRUCTURE, bytes, Self::HEADER_LEN.saturating_add(len))?;
        let mut protocols = Vec::with_capacity(count.into());
        for index in 0..usize::from(count) {
            let at = Self::HEADER_LEN.saturating_add(index.saturating_mul(ProtocolDescriptor::LEN));
            protocols.push(ProtocolDescriptor::decode(bytes, at)?);
        }
        Ok(Self {
            transaction: u16::read(bytes, 4),
            secure_channel: SecureChannelMode(u8::read(bytes, 6)),
            protocols,
        })
    }

    /// Writes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        bytes.extend(head(0, 0, self.transaction));
        bytes.extend([self.secure_channel.0, self.count()]);
        for protocol in self.protocols.iter().take(self.count().into()) {
            bytes.extend_from_slice(&protocol.0);
        }
        bytes
    }
}

/// One protocol that the host offers: 64 bytes, kept as they are.
///
/// | bytes  | field                                                                   |
/// |--------|-------------------------------------------------------------------------|
/// | 0      | [`protocol`](Self::protocol) (AuthID)                                   |
/// | 1      | reserved, kept                                                          |
/// | 2      | HALEN: number of hash functions, 1 to 30                                |
/// | 3      | DHLEN: number of groups, 1 to 30                                        |
/// | 4..34  | [`hashes`](Self::hashes), the preferred one first                       |
/// | 34..64 | [`groups`](Self::groups), the preferred one first                       |
///
/// The lists are those of DH-HMAC-CHAP; of another protocol nothing but its number is known.
///
/// Source: NVMe Base 2.0 section 8.13.5, kernel `struct nvmf_auth_dhchap_protocol_descriptor`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProtocolDescriptor([u8; 64]);

impl ProtocolDescriptor {
    /// Length in bytes.
    pub const LEN: usize = 64;
    /// The longest list of hash functions or groups.
    pub const MAX_IDS: usize = 30;

    /// DH-HMAC-CHAP with these hash functions and groups, the preferred ones first.
    ///
    /// Linux targets of 6.12 to 7.1 refuse a list that holds nothing but [`DhGroupId::NULL`] when they are configured for it: offer all
    /// groups there.
    ///
    /// # Errors
    /// What a decoder of the result would say: a list that is empty or longer than 30.
    pub fn dh_hmac_chap(hashes: &[HashId], groups: &[DhGroupId]) -> Result<Self, DecodeError> {
        let hash_ids: Vec<u8> = hashes.iter().map(|hash| hash.0).collect();
        let group_ids: Vec<u8> = groups.iter().map(|group| group.0).collect();
        let mut bytes = [0; Self::LEN];
        let count = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
        let counts = [AuthProtocolId::DH_HMAC_CHAP.0, 0, count(hashes.len()), count(groups.len())];
        counts.write(&mut bytes, 0);
        put_text(&mut bytes, 4, Self::MAX_IDS, &hash_ids, 0);
        put_text(&mut bytes, 34, Self::MAX_IDS, &group_ids, 0);
        Self::decode(&bytes, 0)
    }

    /// A descriptor of any protocol. Those of DH-HMAC-CHAP are not checked.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    fn decode(bytes: &[u8], at: usize) -> Result<Self, DecodeError> {
        let descriptor = Self(Field::read(bytes, at));
        if descriptor.protocol() != AuthProtocolId::DH_HMAC_CHAP {
            return Ok(descriptor);
        }
        for (offset, field) in [(2, "HALEN"), (3, "DHLEN")] {
            let at = at.saturating_add(offset);
            let found = u8::read(bytes, at);
            let kind = match usize::from(found) {
                1..=Self::MAX_IDS => continue,
                0 => unsupported(field, found),
                _ => DecodeErrorKind::Limit { field, found: found.into(), max: 30 },
            };
            return Err(DecodeError { structure: STRUCTURE, at, kind });
        }
        Ok(descriptor)
    }

    /// Which protocol.
    #[must_use]
    #[doc(alias = "AuthID")]
    pub const fn protocol(&self) -> AuthProtocolId {
        let [id, ..] = self.0;
        AuthProtocolId(id)
    }

    /// The hash functions offered, the preferred one first.
    #[doc(alias = "HALEN")]
    pub fn hashes(&self) -> impl Iterator<Item = HashId> {
        self.ids(2, 4).iter().map(|id| HashId(*id))
    }

    /// The groups offered, the preferred one first.
    #[doc(alias = "DHLEN")]
    pub fn groups(&self) -> impl Iterator<Item = DhGroupId> {
        self.ids(3, 34).iter().map(|id| DhGroupId(*id))
    }

    fn ids(&self, count_at: usize, at: usize) -> &[u8] {
        let count = usize::from(u8::read(&self.0, count_at)).min(Self::MAX_IDS);
        field_at(&self.0, at, count)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for ProtocolDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |ids: &[u8]| ids.to_vec();
        f.debug_struct("ProtocolDescriptor")
            .field("protocol", &self.protocol())
            .field("hashes", &list(self.ids(2, 4)))
            .field("groups", &list(self.ids(3, 34)))
            .finish()
    }
}
