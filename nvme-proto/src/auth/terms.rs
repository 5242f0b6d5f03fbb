//! The numbers of in-band authentication: hash functions, Diffie-Hellman groups, modes, reasons of failure.

use crate::registry::wire_values;

wire_values! {
    /// A hash function of DH-HMAC-CHAP. 1 byte. The names are those of nvme-cli; the kernel writes `hmac(sha256)`.
    #[doc(alias = "HashID")]
    pub struct HashId(u8) {
        /// SHA-256, 32 bytes. Everybody implements it.
        SHA256 = 1 => "sha256",
        /// SHA-384, 48 bytes.
        SHA384 = 2 => "sha384",
        /// SHA-512, 64 bytes.
        SHA512 = 3 => "sha512",
    }

    /// A Diffie-Hellman group of DH-HMAC-CHAP. 1 byte. The names are those of the kernel's configfs. The groups are those of RFC 7919,
    /// with the generator 2.
    #[doc(alias = "DHgID")]
    pub struct DhGroupId(u8) {
        /// No exchange: challenge and response only.
        NULL = 0 => "null",
        /// 2048 bits.
        FFDHE2048 = 1 => "ffdhe2048",
        /// 3072 bits.
        FFDHE3072 = 2 => "ffdhe3072",
        /// 4096 bits.
        FFDHE4096 = 3 => "ffdhe4096",
        /// 6144 bits.
        FFDHE6144 = 4 => "ffdhe6144",
        /// 8192 bits.
        FFDHE8192 = 5 => "ffdhe8192",
    }

    /// Whether the transaction also makes a key for TLS (secure channel concatenation). 1 byte.
    #[doc(alias = "SC_C")]
    pub struct SecureChannelMode(u8) {
        /// It does not.
        NONE = 0 => "none",
        /// Obsolete: TLS 1.2.
        OBSOLETE = 1 => "obsolete",
        /// A pre-shared key for TLS is made; the host reconnects with it. Linux: since 6.15, admin queue only.
        #[doc(alias = "NEWTLSPSK")]
        NEW_TLS_PSK = 2 => "new TLS key",
        /// The key of the TLS connection that the transaction runs on is replaced. Admin queue only.
        #[doc(alias = "REPLACETLSPSK")]
        REPLACE_TLS_PSK = 3 => "replace TLS key",
    }

    /// An authentication protocol, in a descriptor of AUTH_Negotiate. 1 byte.
    #[doc(alias = "AuthID")]
    pub struct AuthProtocolId(u8) {
        /// DH-HMAC-CHAP, the only one there is.
        DH_HMAC_CHAP = 1 => "dh-hmac-chap",
    }

    /// The reason in AUTH_Failure1 and AUTH_Failure2. 1 byte.
    #[doc(alias = "RC")]
    pub struct FailureReason(u8) {
        /// Authentication failed; the [explanation](FailureExplanation) says how.
        FAILED = 1 => "authentication failure",
    }

    /// How authentication failed, in AUTH_Failure1 and AUTH_Failure2. 1 byte.
    #[doc(alias = "RCE")]
    pub struct FailureExplanation(u8) {
        /// A response is wrong: the keys of both sides differ.
        AUTHENTICATION_FAILED = 1 => "authentication failed",
        /// No authentication protocol in common.
        PROTOCOL_NOT_USABLE = 2 => "authentication protocol not usable",
        /// One side wants secure channel concatenation and the other does not.
        SECURE_CHANNEL_MISMATCH = 3 => "secure channel concatenation mismatch",
        /// No hash function in common.
        HASH_NOT_USABLE = 4 => "hash function not usable",
        /// No Diffie-Hellman group in common.
        GROUP_NOT_USABLE = 5 => "Diffie-Hellman group not usable",
        /// A message of the expected kind with a wrong field.
        INCORRECT_PAYLOAD = 6 => "incorrect payload",
        /// A message of another kind than expected.
        INCORRECT_MESSAGE = 7 => "incorrect protocol message",
    }
}

/// Length of a hash value: of a challenge, a response, or a secret that belongs to one hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "HL")]
pub enum HashLen {
    /// 32 bytes: SHA-256.
    Bytes32,
    /// 48 bytes: SHA-384.
    Bytes48,
    /// 64 bytes: SHA-512.
    Bytes64,
}

impl HashLen {
    /// The longest, in bytes.
    pub const MAX: usize = 64;

    /// The length of this many bytes; `None` for anything else than 32, 48 and 64.
    #[must_use]
    pub const fn from_bytes(bytes: usize) -> Option<Self> {
        match bytes {
            32 => Some(Self::Bytes32),
            48 => Some(Self::Bytes48),
            64 => Some(Self::Bytes64),
            _ => None,
        }
    }

    /// In bytes: 32, 48 or 64.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bytes32 => 32,
            Self::Bytes48 => 48,
            Self::Bytes64 => 64,
        }
    }

    /// As the byte HL of a message.
    pub(crate) const fn to_wire(self) -> u8 {
        match self {
            Self::Bytes32 => 32,
            Self::Bytes48 => 48,
            Self::Bytes64 => 64,
        }
    }
}

impl HashId {
    /// Length of its values; `None` for a number without a name.
    #[must_use]
    pub const fn hash_len(self) -> Option<HashLen> {
        match self {
            Self::SHA256 => Some(HashLen::Bytes32),
            Self::SHA384 => Some(HashLen::Bytes48),
            Self::SHA512 => Some(HashLen::Bytes64),
            _ => None,
        }
    }
}

impl DhGroupId {
    /// Bytes of the longest public value.
    pub const MAX_VALUE_LEN: usize = 1024;

    /// Bytes of a public value, 0 for [`NULL`](Self::NULL); `None` for a number without a name.
    #[must_use]
    pub const fn value_len(self) -> Option<usize> {
        match self {
            Self::NULL => Some(0),
            Self::FFDHE2048 => Some(256),
            Self::FFDHE3072 => Some(384),
            Self::FFDHE4096 => Some(512),
            Self::FFDHE6144 => Some(768),
            Self::FFDHE8192 => Some(1024),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_belong_to_their_numbers() {
        for (hash, len) in HashId::NAMED.iter().zip([32, 48, 64]) {
            assert_eq!(hash.hash_len().map(HashLen::bytes), Some(len));
            assert_eq!(hash.hash_len().map(HashLen::to_wire), u8::try_from(len).ok());
            assert_eq!(HashLen::from_bytes(len), hash.hash_len());
        }
        assert_eq!((HashId(0).hash_len(), HashId(4).hash_len(), HashLen::from_bytes(33)), (None, None, None));
        for (group, len) in DhGroupId::NAMED.iter().zip([0, 256, 384, 512, 768, 1024]) {
            assert_eq!(group.value_len(), Some(len));
        }
        assert_eq!(DhGroupId(6).value_len(), None);
    }
}
