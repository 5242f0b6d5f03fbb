//! The handshake: ICReq and ICResp.

use super::alignment::DataAlignment;
use super::common::{Envelope, Shape};
use super::error::{ProtocolError, Rule};
use super::header::pdu_header;
use super::kind::PduType;
use crate::digest::Digests;

/// Initialize Connection Request: the first PDU from the host. 128 bytes, little-endian.
///
/// | bytes | field | |
/// |---|---|---|
/// | 0..8 | common header | 00h, FLAGS reserved, HLEN 128, PDO reserved, PLEN 128 |
/// | 8..10 | `version` (PFV) | PDU format version: 0 |
/// | 10 | `data_alignment` (HPDA) | 0-based dwords, 0 to 31: alignment of the data in C2HData |
/// | 11 | `dgst` (DGST) | bit 0 header digest, bit 1 data digest; 7:2 reserved, ignored, kept |
/// | 12..16 | `max_r2t` (MAXR2T) | R2Ts that may be outstanding for one command, 0-based |
/// | 16..128 | reserved | ignored; 0 when encoded |
///
/// Source: NVMe/TCP 1.0, ICReq; Linux `include/linux/nvme-tcp.h: struct nvme_tcp_icreq_pdu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct IcReq {
    /// FLAGS, PDO and PLEN.
    pub envelope: Envelope,
    /// PDU format version.
    #[doc(alias = "PFV")]
    pub version: u16,
    /// Alignment of the data to the host, as the field has it: dwords less one.
    #[doc(alias = "HPDA")]
    pub data_alignment: u8,
    /// The digests asked for, as the field has them.
    #[doc(alias = "DGST")]
    pub dgst: u8,
    /// R2Ts that may be outstanding for one command, less one.
    #[doc(alias = "MAXR2T")]
    pub max_r2t: u32,
}

impl IcReq {
    /// A request. `max_r2t` is the number of R2Ts that may be outstanding for one command, less one.
    #[must_use]
    pub const fn new(data_alignment: DataAlignment, digests: Digests, max_r2t: u32) -> Self {
        Self {
            envelope: Envelope::plain(PduType::IcReq, 0),
            version: 0,
            data_alignment: data_alignment.field(),
            dgst: digests.dgst(),
            max_r2t,
        }
    }

    /// Alignment of the data to the host. A value beyond 31, which no decoded request has, counts as 4 bytes.
    #[must_use]
    pub const fn alignment(&self) -> DataAlignment {
        alignment(self.data_alignment)
    }

    /// The digests asked for.
    #[must_use]
    pub const fn digests(&self) -> Digests {
        Digests::from_dgst(self.dgst)
    }

    /// R2Ts that may be outstanding for one command: 1 to 2³².
    #[must_use]
    pub fn max_r2ts(&self) -> u64 {
        u64::from(self.max_r2t).saturating_add(1)
    }

    /// One on a connection is not worth a short cut.
    #[inline(always)]
    const fn usual(_bytes: &[u8; 128]) -> Option<Self> {
        None
    }

    #[inline]
    pub(crate) const fn from_bytes(bytes: &[u8; 128]) -> Self {
        let (envelope, version, data_alignment, dgst, max_r2t) = take(bytes);
        Self { envelope, version, data_alignment, dgst, max_r2t }
    }

    #[inline]
    pub(crate) const fn check(&self, _shape: &Shape) -> Result<(), ProtocolError> {
        check(PduType::IcReq, self.version, self.data_alignment)
    }

    fn bytes_behind(&self, common: [u8; 8]) -> [u8; 128] {
        bytes(common, self.version, self.data_alignment, self.dgst, self.max_r2t)
    }

    const fn data_len(&self) -> Option<u32> {
        None
    }
}

pdu_header!(IcReq, 128, PduType::IcReq);

/// Initialize Connection Response: the first PDU from the controller. 128 bytes, little-endian.
///
/// | bytes | field | |
/// |---|---|---|
/// | 0..8 | common header | 01h, FLAGS reserved, HLEN 128, PDO reserved, PLEN 128 |
/// | 8..10 | `version` (PFV) | PDU format version: 0 |
/// | 10 | `data_alignment` (CPDA) | 0-based dwords, 0 to 31: alignment of the data in CapsuleCmd and H2CData |
/// | 11 | `dgst` (DGST) | a subset of what the host asked for; 7:2 reserved, ignored, kept |
/// | 12..16 | `max_h2c_data` (MAXH2CDATA) | most bytes of data in one H2CData: at least 4096, a multiple of 4 |
/// | 16..128 | reserved | ignored; 0 when encoded |
///
/// Source: NVMe/TCP 1.0, ICResp; Linux `include/linux/nvme-tcp.h: struct nvme_tcp_icresp_pdu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct IcResp {
    /// FLAGS, PDO and PLEN.
    pub envelope: Envelope,
    /// PDU format version.
    #[doc(alias = "PFV")]
    pub version: u16,
    /// Alignment of the data to the controller, as the field has it: dwords less one.
    #[doc(alias = "CPDA")]
    pub data_alignment: u8,
    /// The digests in use, as the field has them.
    #[doc(alias = "DGST")]
    pub dgst: u8,
    /// Most bytes of data in one H2CData.
    #[doc(alias = "MAXH2CDATA")]
    pub max_h2c_data: u32,
}

impl IcResp {
    /// The least that MAXH2CDATA may be, in bytes.
    pub const MIN_MAX_H2C_DATA: u32 = 4096;

    /// A response. `max_h2c_data` (bytes) is raised to 4096, and rounded down to a multiple of 4.
    #[must_use]
    pub const fn new(data_alignment: DataAlignment, digests: Digests, max_h2c_data: u32) -> Self {
        let max_h2c_data =
            if max_h2c_data < Self::MIN_MAX_H2C_DATA { Self::MIN_MAX_H2C_DATA } else { max_h2c_data & !3 };
        Self {
            envelope: Envelope::plain(PduType::IcResp, 0),
            version: 0,
            data_alignment: data_alignment.field(),
            dgst: digests.dgst(),
            max_h2c_data,
        }
    }

    /// Alignment of the data to the controller. A value beyond 31, which no decoded response has, counts as 4 bytes.
    #[must_use]
    pub const fn alignment(&self) -> DataAlignment {
        alignment(self.data_alignment)
    }

    /// The digests in use.
    #[must_use]
    pub const fn digests(&self) -> Digests {
        Digests::from_dgst(self.dgst)
    }

    /// Checks this response against the request it answers.
    ///
    /// # Errors
    /// [`Rule::DigestNotRequested`]: it enables a digest that `asked` does not. A digest that was asked for and is not enabled is legal; a
    /// caller that must not go on without it compares [`digests`](Self::digests) with what it asked for.
    pub const fn check_answers(&self, asked: &IcReq) -> Result<(), ProtocolError> {
        if self.digests().is_subset_of(asked.digests()) {
            Ok(())
        } else {
            Err(ProtocolError::new(
                PduType::IcResp,
                Rule::DigestNotRequested,
                u32::from_le_bytes([self.dgst, 0, 0, 0]),
            ))
        }
    }

    /// One on a connection is not worth a short cut.
    #[inline(always)]
    const fn usual(_bytes: &[u8; 128]) -> Option<Self> {
        None
    }

    #[inline]
    pub(crate) const fn from_bytes(bytes: &[u8; 128]) -> Self {
        let (envelope, version, data_alignment, dgst, max_h2c_data) = take(bytes);
        Self { envelope, version, data_alignment, dgst, max_h2c_data }
    }

    #[inline]
    pub(crate) const fn check(&self, _shape: &Shape) -> Result<(), ProtocolError> {
        if let Err(error) = check(PduType::IcResp, self.version, self.data_alignment) {
            return Err(error);
        }
        if self.max_h2c_data < Self::MIN_MAX_H2C_DATA || self.max_h2c_data & 3 != 0 {
            return Err(ProtocolError::new(PduType::IcResp, Rule::MaxH2cData, self.max_h2c_data));
        }
        Ok(())
    }

    fn bytes_behind(&self, common: [u8; 8]) -> [u8; 128] {
        bytes(common, self.version, self.data_alignment, self.dgst, self.max_h2c_data)
    }

    const fn data_len(&self) -> Option<u32> {
        None
    }
}

pdu_header!(IcResp, 128, PduType::IcResp);

const fn alignment(field: u8) -> DataAlignment {
    match DataAlignment::new(field) {
        Some(alignment) => alignment,
        None => DataAlignment::DWORD,
    }
}

/// The fields of both: common header, version, alignment, digests, and a number.
const fn take(bytes: &[u8; 128]) -> (Envelope, u16, u8, u8, u32) {
    let [_, flags, _, data_offset, a, b, c, d, v0, v1, alignment, dgst, e, f, g, h, ..] = *bytes;
    let envelope =
        Envelope { flags: super::Flags(flags), data_offset, pdu_len: u32::from_le_bytes([a, b, c, d]) };
    (envelope, u16::from_le_bytes([v0, v1]), alignment, dgst, u32::from_le_bytes([e, f, g, h]))
}

const fn bytes(common: [u8; 8], version: u16, alignment: u8, dgst: u8, number: u32) -> [u8; 128] {
    let mut bytes = [0; 128];
    if let Some(front) = bytes.first_chunk_mut() {
        *front = common;
    }
    [bytes[8], bytes[9]] = version.to_le_bytes();
    bytes[10] = alignment;
    bytes[11] = dgst;
    [bytes[12], bytes[13], bytes[14], bytes[15]] = number.to_le_bytes();
    bytes
}

const fn check(pdu_type: PduType, version: u16, alignment: u8) -> Result<(), ProtocolError> {
    if version != 0 {
        let [a, b] = version.to_le_bytes();
        return Err(ProtocolError::new(pdu_type, Rule::Version, u32::from_le_bytes([a, b, 0, 0])));
    }
    if alignment > DataAlignment::MAX_FIELD {
        return Err(ProtocolError::new(pdu_type, Rule::Alignment, u32::from_le_bytes([alignment, 0, 0, 0])));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_to_nothing_asked_for() {
        let asked = IcReq::new(DataAlignment::DWORD, Digests::HEADER, 0);
        for (digests, taken) in
            [(Digests::NONE, true), (Digests::HEADER, true), (Digests::DATA, false), (Digests::BOTH, false)]
        {
            let response = IcResp::new(DataAlignment::DWORD, digests, 0x2_0000);
            let answer = response.check_answers(&asked);
            assert_eq!(answer.is_ok(), taken);
            assert!(answer.is_ok() || answer.unwrap_err().fei == 11);
        }
    }

    #[test]
    fn limits_at_their_ends() {
        let request = IcReq::new(DataAlignment::DWORD, Digests::NONE, u32::MAX);
        assert_eq!(request.max_r2ts(), 1 << 32);
        assert_eq!(IcReq::decode(&request.encode()), Ok(request));
        let response = |max| IcResp::new(DataAlignment::DWORD, Digests::NONE, max).max_h2c_data;
        assert_eq!([response(0), response(4099), response(u32::MAX)], [4096, 4096, u32::MAX - 3]);
    }

    #[test]
    fn values_out_of_range_are_named_by_their_byte() {
        let mut response = IcResp::new(DataAlignment::DWORD, Digests::NONE, 4096);
        let mut fei = |change: fn(&mut IcResp)| {
            let mut changed = response;
            change(&mut changed);
            response.envelope.flags = crate::pdu::Flags(0xff);
            IcResp::decode(&changed.encode()).map_err(|error| error.fei)
        };
        assert_eq!(fei(|r| r.version = 1), Err(8));
        assert_eq!(fei(|r| r.data_alignment = 32), Err(10));
        assert_eq!(fei(|r| r.max_h2c_data = 4092), Err(12));
        assert_eq!(fei(|r| r.max_h2c_data = 4098), Err(12));
        assert_eq!(fei(|r| r.envelope.pdu_len = 129), Err(4));
        assert!(fei(|r| r.dgst = 0x80).is_ok());
        assert!(fei(|r| r.envelope.data_offset = 0x80).is_ok());
    }
}
