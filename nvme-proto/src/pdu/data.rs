//! Data on their way: H2CData and C2HData.

use super::common::{Envelope, Shape};
use super::error::{ProtocolError, Rule};
use super::flags::Flags;
use super::header::{first_word, pdu_header};
use super::kind::PduType;

/// Data from the host, for an R2T. 24 bytes, little-endian, then the data.
///
/// | bytes | field | unit |
/// |---|---|---|
/// | 0..8 | common header | 06h, HDGSTF DDGSTF LAST_PDU, HLEN 24, PDO, PLEN |
/// | 8..10 | `command_id` (CCCID) | |
/// | 10..12 | `transfer_tag` (TTAG) | as the R2T has it |
/// | 12..16 | `offset` (DATAO) | bytes from the start of the command's data; a multiple of 4 |
/// | 16..20 | `len` (DATAL) | bytes; not 0; a multiple of 4 unless LAST_PDU is set |
/// | 20..24 | reserved | ignored; 0 when encoded |
/// | PDO.. | data, data digest | |
///
/// Source: NVMe/TCP 1.0, H2CData; Linux `include/linux/nvme-tcp.h: struct nvme_tcp_data_pdu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct H2cData {
    /// FLAGS, PDO and PLEN.
    pub envelope: Envelope,
    /// The command's identifier.
    #[doc(alias = "CCCID")]
    pub command_id: u16,
    /// The tag of the R2T.
    #[doc(alias = "TTAG")]
    pub transfer_tag: u16,
    /// Bytes from the start of the command's data.
    #[doc(alias = "DATAO")]
    pub offset: u32,
    /// Bytes of data.
    #[doc(alias = "DATAL")]
    pub len: u32,
}

impl H2cData {
    /// Some of the data, more to follow.
    #[must_use]
    #[inline]
    pub const fn new(command_id: u16, transfer_tag: u16, offset: u32, len: u32) -> Self {
        Self { envelope: Envelope::plain(PduType::H2cData, len), command_id, transfer_tag, offset, len }
    }

    /// The last data of the R2T.
    #[must_use]
    #[inline]
    pub const fn last(mut self) -> Self {
        self.envelope.flags = self.envelope.flags.with(Flags::LAST_PDU);
        self
    }

    /// Whether these are the last data of the R2T.
    #[must_use]
    #[inline]
    pub const fn is_last(&self) -> bool {
        self.envelope.flags.contains(Flags::LAST_PDU)
    }

    /// The header if it is one without digests and padding, and right.
    #[inline(always)]
    pub(crate) fn usual(bytes: &[u8; 24]) -> Option<Self> {
        let header = Self::from_bytes(bytes);
        // Type, HDGSTF, DDGSTF, HLEN and PDO.
        let front = first_word(bytes) & 0xffff_03ff == 0x1818_0006;
        (front && announces(&header.envelope, header.offset, header.len)).then_some(header)
    }

    #[inline]
    pub(crate) fn from_bytes(bytes: &[u8; 24]) -> Self {
        let (envelope, command_id, transfer_tag, offset, len) = take(bytes);
        Self { envelope, command_id, transfer_tag, offset, len }
    }

    #[inline]
    pub(crate) const fn check(&self, shape: &Shape) -> Result<(), ProtocolError> {
        check(PduType::H2cData, self.offset, self.len, self.is_last(), shape)
    }

    #[inline]
    fn bytes_behind(&self, common: [u8; 8]) -> [u8; 24] {
        bytes(common, self.command_id, self.transfer_tag, self.offset, self.len)
    }

    #[inline]
    const fn data_len(&self) -> Option<u32> {
        Some(self.len)
    }
}

pdu_header!(H2cData, 24, PduType::H2cData);

/// Data from the controller, for a command that reads. 24 bytes, little-endian, then the data.
///
/// | bytes | field | unit |
/// |---|---|---|
/// | 0..8 | common header | 07h, HDGSTF DDGSTF LAST_PDU SUCCESS, HLEN 24, PDO, PLEN |
/// | 8..10 | `command_id` (CCCID) | |
/// | 10..12 | reserved | ignored; 0 when encoded |
/// | 12..16 | `offset` (DATAO) | bytes from the start of the command's data; a multiple of 4 |
/// | 16..20 | `len` (DATAL) | bytes; not 0; a multiple of 4 unless LAST_PDU is set |
/// | 20..24 | reserved | ignored; 0 when encoded |
/// | PDO.. | data, data digest | |
///
/// Source: NVMe/TCP 1.0, C2HData; Linux `include/linux/nvme-tcp.h: struct nvme_tcp_data_pdu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct C2hData {
    /// FLAGS, PDO and PLEN.
    pub envelope: Envelope,
    /// The command's identifier.
    #[doc(alias = "CCCID")]
    pub command_id: u16,
    /// Bytes from the start of the command's data.
    #[doc(alias = "DATAO")]
    pub offset: u32,
    /// Bytes of data.
    #[doc(alias = "DATAL")]
    pub len: u32,
}

impl C2hData {
    /// Some of the data, more to follow.
    #[must_use]
    pub const fn new(command_id: u16, offset: u32, len: u32) -> Self {
        Self { envelope: Envelope::plain(PduType::C2hData, len), command_id, offset, len }
    }

    /// The last data of the command; its completion follows.
    #[must_use]
    pub const fn last(mut self) -> Self {
        self.envelope.flags = self.envelope.flags.with(Flags::LAST_PDU);
        self
    }

    /// The last data of the command, which has succeeded: no completion follows.
    #[must_use]
    #[inline]
    pub const fn success(mut self) -> Self {
        self.envelope.flags = self.envelope.flags.with(Flags::LAST_PDU).with(Flags::SUCCESS);
        self
    }

    /// Whether these are the last data of the command.
    #[must_use]
    #[inline]
    pub const fn is_last(&self) -> bool {
        self.envelope.flags.contains(Flags::LAST_PDU)
    }

    /// Whether the command has succeeded and no completion follows.
    #[must_use]
    #[inline]
    pub const fn is_success(&self) -> bool {
        self.envelope.flags.contains(Flags::SUCCESS)
    }

    /// The header if it is one without digests and padding, and right.
    #[inline(always)]
    pub(crate) fn usual(bytes: &[u8; 24]) -> Option<Self> {
        let header = Self::from_bytes(bytes);
        // Type, HDGSTF, DDGSTF, HLEN and PDO; SUCCESS only with LAST_PDU.
        let word = first_word(bytes);
        let front = word & 0xffff_03ff == 0x1818_0007 && word & 0x0c00 != 0x0800;
        (front && announces(&header.envelope, header.offset, header.len)).then_some(header)
    }

    #[inline]
    pub(crate) fn from_bytes(bytes: &[u8; 24]) -> Self {
        let (envelope, command_id, _, offset, len) = take(bytes);
        Self { envelope, command_id, offset, len }
    }

    #[inline]
    pub(crate) const fn check(&self, shape: &Shape) -> Result<(), ProtocolError> {
        check(PduType::C2hData, self.offset, self.len, self.is_last(), shape)
    }

    #[inline]
    fn bytes_behind(&self, common: [u8; 8]) -> [u8; 24] {
        bytes(common, self.command_id, 0, self.offset, self.len)
    }

    #[inline]
    const fn data_len(&self) -> Option<u32> {
        Some(self.len)
    }
}

pdu_header!(C2hData, 24, PduType::C2hData);

/// The fields that H2CData, C2HData and R2T have at the same places: common header, two identifiers, offset, length.
///
/// Loaded and stored whole: put together from their bytes they would cost twice as much.
#[inline(always)]
pub(super) fn take(bytes: &[u8; 24]) -> (Envelope, u16, u16, u32, u32) {
    let ([_, _, ids, offset, len, _], _) = bytes.as_chunks::<4>() else { return NOTHING };
    let ([id, tag], _) = ids.as_chunks::<2>() else { return NOTHING };
    (
        super::header::common(bytes).envelope(),
        u16::from_le_bytes(*id),
        u16::from_le_bytes(*tag),
        u32::from_le_bytes(*offset),
        u32::from_le_bytes(*len),
    )
}

/// Not reached: 24 bytes are six times four.
const NOTHING: (Envelope, u16, u16, u32, u32) = (Envelope::plain(PduType::R2t, 0), 0, 0, 0, 0);

/// The header with these fields.
#[inline(always)]
pub(super) fn bytes(common: [u8; 8], command_id: u16, transfer_tag: u16, offset: u32, len: u32) -> [u8; 24] {
    let middle = u64::from(command_id) | u64::from(transfer_tag) << 16 | u64::from(offset) << 32;
    let mut bytes = [0; 24];
    if let ([a, b, c], _) = bytes.as_chunks_mut::<8>() {
        *a = common;
        *b = middle.to_le_bytes();
        *c = u64::from(len).to_le_bytes();
    }
    bytes
}

/// Whether these are the data of a PDU without digests and padding, as [`check`] takes them: PLEN is 24 more than DATAL, which is not 0, the
/// end is within 32 bits, and everything is aligned but the last length.
///
/// What is wrong leaves a bit, and one comparison is for all bits.
#[inline(always)]
fn announces(envelope: &Envelope, offset: u32, len: u32) -> bool {
    let (long_len, long_offset) = (u64::from(len), u64::from(offset));
    let pdu_len = long_len.wrapping_add(24) ^ u64::from(envelope.pdu_len);
    let end_or_none = (long_offset.wrapping_add(long_len) | long_len.wrapping_sub(1)) >> 32;
    let last = envelope.flags.contains(Flags::LAST_PDU);
    let unaligned = (offset | if last { 0 } else { len }) & 3;
    (pdu_len | end_or_none | u64::from(unaligned)) == 0
}

/// Offset and length, in the order of their bytes.
#[inline(always)]
const fn check(
    pdu_type: PduType,
    offset: u32,
    len: u32,
    is_last: bool,
    shape: &Shape,
) -> Result<(), ProtocolError> {
    if offset & 3 != 0 {
        return Err(ProtocolError::new(pdu_type, Rule::OffsetUnaligned, offset));
    }
    if len == 0 {
        return Err(ProtocolError::new(pdu_type, Rule::DataLenZero, len));
    }
    if len != shape.data_len {
        return Err(ProtocolError::new(pdu_type, Rule::DataLen, len));
    }
    if len & 3 != 0 && !is_last {
        return Err(ProtocolError::new(pdu_type, Rule::DataLenUnaligned, len));
    }
    if offset.checked_add(len).is_none() {
        return Err(ProtocolError::new(pdu_type, Rule::EndBeyond32Bits, offset));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_and_length_are_judged_in_their_order() {
        let rule = |offset, len, data: u32| {
            let mut header = C2hData::new(1, offset, data);
            header.len = len;
            C2hData::decode(&header.encode()).map_err(|error| (error.rule, error.fes.0, error.fei))
        };
        assert_eq!(rule(2, 0, 8), Err((Rule::OffsetUnaligned, 1, 12)));
        assert_eq!(rule(4, 0, 0), Err((Rule::DataLenZero, 1, 16)));
        assert_eq!(rule(4, 4, 8), Err((Rule::DataLen, 1, 16)));
        assert_eq!(rule(4, 6, 6), Err((Rule::DataLenUnaligned, 1, 16)));
        assert_eq!(rule(0xffff_fffc, 4, 4), Err((Rule::EndBeyond32Bits, 4, 0)));
        assert!(rule(0xffff_fff8, 4, 4).is_ok());
        let odd = C2hData::new(1, 4, 6).success();
        assert_eq!(C2hData::decode(&odd.encode()), Ok(odd));
        assert!(odd.is_last() && odd.is_success() && !odd.last().envelope.flags.contains(Flags::HDGSTF));
    }

    #[test]
    fn the_two_directions_are_not_taken_for_each_other() {
        let header = H2cData::new(1, 2, 0, 8).last();
        assert_eq!(H2cData::decode(&header.encode()), Ok(header));
        assert_eq!(C2hData::decode(&header.encode()).map_err(|e| (e.rule, e.fei)), Err((Rule::OtherType, 0)));
    }
}
