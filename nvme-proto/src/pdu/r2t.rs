//! Ready to Transfer.

use super::common::{Envelope, Shape};
use super::data::{bytes, take};
use super::error::{ProtocolError, Rule};
use super::header::{first_word, pdu_header};
use super::kind::PduType;

/// Ready to Transfer: the controller asks for data of a command that writes. 24 bytes, little-endian.
///
/// | bytes | field | unit |
/// |---|---|---|
/// | 0..8 | common header | 09h, HDGSTF, HLEN 24, PDO reserved, PLEN 24 or 28 |
/// | 8..10 | `command_id` (CCCID) | |
/// | 10..12 | `transfer_tag` (TTAG) | chosen by the controller; the host copies it |
/// | 12..16 | `offset` (R2TO) | bytes from the start of the command's data; a multiple of 4 |
/// | 16..20 | `len` (R2TL) | bytes; not 0 |
/// | 20..24 | reserved | ignored; 0 when encoded |
/// | 24..28 | header digest | |
///
/// Source: NVMe/TCP 1.0, R2T; Linux `include/linux/nvme-tcp.h: struct nvme_tcp_r2t_pdu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct R2t {
    /// FLAGS, PDO and PLEN.
    pub envelope: Envelope,
    /// The command's identifier.
    #[doc(alias = "CCCID")]
    pub command_id: u16,
    /// The tag the data shall carry.
    #[doc(alias = "TTAG")]
    pub transfer_tag: u16,
    /// Bytes from the start of the command's data.
    #[doc(alias = "R2TO")]
    pub offset: u32,
    /// Bytes asked for.
    #[doc(alias = "R2TL")]
    pub len: u32,
}

impl R2t {
    /// Asks for `len` bytes from byte `offset` of the command's data on.
    #[must_use]
    #[inline]
    pub const fn new(command_id: u16, transfer_tag: u16, offset: u32, len: u32) -> Self {
        Self { envelope: Envelope::plain(PduType::R2t, 0), command_id, transfer_tag, offset, len }
    }

    /// The header if it is one without a digest, and right.
    #[inline(always)]
    pub(crate) fn usual(bytes: &[u8; 24]) -> Option<Self> {
        let header = Self::from_bytes(bytes);
        // Type, HDGSTF and HLEN.
        let front = first_word(bytes) & 0x00ff_01ff == 0x0018_0009;
        (front && header.envelope.pdu_len == 24 && header.asks_for_something()).then_some(header)
    }

    /// Whether R2TO and R2TL are what [`check`](Self::check) takes.
    #[inline(always)]
    const fn asks_for_something(&self) -> bool {
        self.offset & 3 == 0 && self.len > 0 && self.offset.checked_add(self.len).is_some()
    }

    #[inline]
    pub(crate) fn from_bytes(bytes: &[u8; 24]) -> Self {
        let (envelope, command_id, transfer_tag, offset, len) = take(bytes);
        Self { envelope, command_id, transfer_tag, offset, len }
    }

    #[inline]
    pub(crate) const fn check(&self, _shape: &Shape) -> Result<(), ProtocolError> {
        if self.offset & 3 != 0 {
            return Err(ProtocolError::new(PduType::R2t, Rule::OffsetUnaligned, self.offset));
        }
        if self.len == 0 {
            return Err(ProtocolError::new(PduType::R2t, Rule::DataLenZero, 0));
        }
        if self.offset.checked_add(self.len).is_none() {
            return Err(ProtocolError::new(PduType::R2t, Rule::EndBeyond32Bits, self.offset));
        }
        Ok(())
    }

    #[inline]
    fn bytes_behind(&self, common: [u8; 8]) -> [u8; 24] {
        bytes(common, self.command_id, self.transfer_tag, self.offset, self.len)
    }

    const fn data_len(&self) -> Option<u32> {
        None
    }
}

pdu_header!(R2t, 24, PduType::R2t);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_asked_for() {
        let rule = |offset, len| {
            R2t::decode(&R2t::new(1, 2, offset, len).encode()).map_err(|error| (error.rule, error.fei))
        };
        assert_eq!(rule(0, 0), Err((Rule::DataLenZero, 16)));
        assert_eq!(rule(2, 4), Err((Rule::OffsetUnaligned, 12)));
        assert_eq!(rule(4, u32::MAX), Err((Rule::EndBeyond32Bits, 0)));
        assert!(rule(4, u32::MAX - 4).is_ok() && rule(8, 7).is_ok());
    }
}
