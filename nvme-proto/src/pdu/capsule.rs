//! Capsules: CapsuleCmd and CapsuleResp.

use super::common::{Envelope, Shape};
use super::error::ProtocolError;
use super::header::{first_word, pdu_header};
use super::kind::PduType;

/// Command capsule: a submission queue entry, and data if they go with it. 72 bytes, then the data.
///
/// | bytes | field | |
/// |---|---|---|
/// | 0..8 | common header | 04h, HDGSTF DDGSTF, HLEN 72, PDO, PLEN |
/// | 8..72 | `sqe` | submission queue entry |
/// | 72.. | header digest, padding to PDO | |
/// | PDO.. | data, data digest | if PLEN goes beyond the header |
///
/// PDO is reserved in a capsule without data: Linux writes 0, and any value is taken. DDGSTF means nothing there: both values are taken
/// where the data digest is in use.
///
/// Source: NVMe/TCP 1.0, CapsuleCmd; Linux `include/linux/nvme-tcp.h: struct nvme_tcp_cmd_pdu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CapsuleCmd {
    /// FLAGS, PDO and PLEN.
    pub envelope: Envelope,
    /// The submission queue entry.
    #[doc(alias = "SQE")]
    pub sqe: [u8; 64],
}

impl CapsuleCmd {
    /// A capsule without data.
    #[must_use]
    #[inline]
    pub const fn new(sqe: [u8; 64]) -> Self {
        Self { envelope: Envelope::plain(PduType::CapsuleCmd, 0), sqe }
    }

    /// The common header of a capsule without digests and padding; `None` with more data than PLEN can tell.
    #[inline]
    pub(crate) fn plain(data_len: u32) -> Option<[u8; 8]> {
        data_len.checked_add(72)?;
        let mut envelope = Envelope::plain(PduType::CapsuleCmd, data_len);
        if data_len > 0 {
            envelope.data_offset = 72;
        }
        Some(envelope.common(PduType::CapsuleCmd).encode())
    }

    /// Checks a header like [`decode`](Self::decode) does and lends the submission queue entry from it, for whoever needs but a few of its
    /// fields.
    ///
    /// # Errors
    /// Those of [`decode`](Self::decode).
    #[inline]
    pub fn entry(bytes: &[u8; 72]) -> Result<&[u8; 64], ProtocolError> {
        if Self::usual(bytes).is_none() {
            Self::judged(bytes)?;
        }
        // 72 bytes end with 64.
        Ok(bytes.last_chunk().unwrap_or(&[0; 64]))
    }

    /// The header if it is one without digests and padding, and right.
    #[inline(always)]
    pub(crate) fn usual(bytes: &[u8; 72]) -> Option<Self> {
        let header = Self::from_bytes(bytes);
        let Envelope { data_offset, pdu_len, .. } = header.envelope;
        // Type, HDGSTF, DDGSTF and HLEN.
        let front = first_word(bytes) & 0x00ff_03ff == 0x0048_0004;
        (front && (pdu_len == 72 || data_offset == 72 && pdu_len > 72)).then_some(header)
    }

    #[inline]
    pub(crate) fn from_bytes(bytes: &[u8; 72]) -> Self {
        let sqe = bytes.last_chunk().copied().unwrap_or([0; 64]);
        Self { envelope: super::header::common(bytes).envelope(), sqe }
    }

    #[inline]
    #[allow(clippy::unnecessary_wraps, reason = "like its siblings")]
    pub(crate) const fn check(&self, _shape: &Shape) -> Result<(), ProtocolError> {
        Ok(())
    }

    #[inline]
    fn bytes_behind(&self, common: [u8; 8]) -> [u8; 72] {
        let mut bytes = [0; Self::LEN];
        if let Some(front) = bytes.first_chunk_mut() {
            *front = common;
        }
        if let Some(sqe) = bytes.last_chunk_mut() {
            *sqe = self.sqe;
        }
        bytes
    }

    const fn data_len(&self) -> Option<u32> {
        None
    }
}

pdu_header!(CapsuleCmd, 72, PduType::CapsuleCmd);

/// Response capsule: a completion queue entry. 24 bytes.
///
/// | bytes | field | |
/// |---|---|---|
/// | 0..8 | common header | 05h, HDGSTF, HLEN 24, PDO reserved, PLEN 24 or 28 |
/// | 8..24 | `cqe` | completion queue entry |
/// | 24..28 | header digest | |
///
/// Source: NVMe/TCP 1.0, CapsuleResp; Linux `include/linux/nvme-tcp.h: struct nvme_tcp_rsp_pdu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CapsuleResp {
    /// FLAGS, PDO and PLEN.
    pub envelope: Envelope,
    /// The completion queue entry.
    #[doc(alias = "CQE")]
    pub cqe: [u8; 16],
}

impl CapsuleResp {
    /// A response.
    #[must_use]
    pub const fn new(cqe: [u8; 16]) -> Self {
        Self { envelope: Envelope::plain(PduType::CapsuleResp, 0), cqe }
    }

    /// The header if it is one without a digest, and right.
    #[inline(always)]
    pub(crate) fn usual(bytes: &[u8; 24]) -> Option<Self> {
        let header = Self::from_bytes(bytes);
        // Type, HDGSTF and HLEN.
        let front = first_word(bytes) & 0x00ff_01ff == 0x0018_0005;
        (front && header.envelope.pdu_len == 24).then_some(header)
    }

    #[inline]
    pub(crate) fn from_bytes(bytes: &[u8; 24]) -> Self {
        let cqe = bytes.last_chunk().copied().unwrap_or([0; 16]);
        Self { envelope: super::header::common(bytes).envelope(), cqe }
    }

    #[inline]
    #[allow(clippy::unnecessary_wraps, reason = "like its siblings")]
    pub(crate) const fn check(&self, _shape: &Shape) -> Result<(), ProtocolError> {
        Ok(())
    }

    #[inline]
    fn bytes_behind(&self, common: [u8; 8]) -> [u8; 24] {
        let mut bytes = [0; Self::LEN];
        if let Some(front) = bytes.first_chunk_mut() {
            *front = common;
        }
        if let Some(cqe) = bytes.last_chunk_mut() {
            *cqe = self.cqe;
        }
        bytes
    }

    const fn data_len(&self) -> Option<u32> {
        None
    }
}

pdu_header!(CapsuleResp, 24, PduType::CapsuleResp);

/// The entry as hexadecimal text, since arrays of 64 have no serialization of their own.
#[cfg(feature = "serde")]
impl serde::Serialize for CapsuleCmd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("CapsuleCmd", 2)?;
        fields.serialize_field("envelope", &self.envelope)?;
        fields.serialize_field("sqe", self.sqe.as_slice())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_lent_from_a_header_that_decodes() {
        let good = CapsuleCmd::new(core::array::from_fn(|at| at as u8)).encode();
        for at in 0..72 {
            for bit in 0..8 {
                let mut bytes = good;
                bytes[at] ^= 1 << bit;
                let decoded = CapsuleCmd::decode(&bytes);
                assert_eq!(CapsuleCmd::entry(&bytes).copied(), decoded.map(|capsule| capsule.sqe));
            }
        }
    }
}
