//! The common header, and the checks on it.

use super::alignment::DataAlignment;
use super::error::{ProtocolError, Rule};
use super::flags::Flags;
use super::kind::{DataRule, PduType};
use crate::digest::Digests;

/// The common header of every PDU (CH). 8 bytes, little-endian.
///
/// | bytes | field | |
/// |---|---|---|
/// | 0 | `code` (PDU-Type) | see [`PduType`] |
/// | 1 | `flags` (FLAGS) | see [`Flags`] |
/// | 2 | `header_len` (HLEN) | bytes of common and specific header, without the digest |
/// | 3 | `data_offset` (PDO) | bytes from the start of the PDU to its data; reserved where there are none |
/// | 4..8 | `pdu_len` (PLEN) | bytes of the whole PDU, digests and padding included |
///
/// Decoding never fails, and nothing is lost. The values mean something only after the checks of [`Header`](super::Header) or of
/// [`frame`](crate::frame).
///
/// Source: NVMe/TCP 1.0, the common header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommonHeader {
    /// The type, which may be a reserved one.
    #[doc(alias = "PDU-Type")]
    pub code: u8,
    /// FLAGS.
    pub flags: Flags,
    /// HLEN, in bytes.
    #[doc(alias = "HLEN")]
    pub header_len: u8,
    /// PDO, in bytes.
    #[doc(alias = "PDO")]
    pub data_offset: u8,
    /// PLEN, in bytes.
    #[doc(alias = "PLEN")]
    pub pdu_len: u32,
}

impl CommonHeader {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// Takes the fields apart.
    #[must_use]
    #[inline]
    pub const fn decode(bytes: &[u8; Self::LEN]) -> Self {
        let [code, flags, header_len, data_offset, a, b, c, d] = *bytes;
        let pdu_len = u32::from_le_bytes([a, b, c, d]);
        Self { code, flags: Flags(flags), header_len, data_offset, pdu_len }
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn encode(&self) -> [u8; Self::LEN] {
        // Put together in a register and stored once: byte by byte costs three times as much.
        let word = u64::from(self.code)
            | u64::from(self.flags.0) << 8
            | u64::from(self.header_len) << 16
            | u64::from(self.data_offset) << 24
            | u64::from(self.pdu_len) << 32;
        word.to_le_bytes()
    }

    /// What the common header says besides the type and the length that follows from it.
    #[inline]
    pub(crate) const fn envelope(self) -> Envelope {
        Envelope { flags: self.flags, data_offset: self.data_offset, pdu_len: self.pdu_len }
    }

    /// The digests its flags announce, as far as the type has digests.
    #[inline]
    pub(crate) const fn announced(self, pdu_type: PduType) -> Digests {
        let defined = pdu_type.defined_flags();
        Digests {
            header: self.flags.0 & defined.0 & Flags::HDGSTF.0 != 0,
            data: self.flags.0 & defined.0 & Flags::DDGSTF.0 != 0,
        }
    }

    /// Checks everything the common header says, from its first byte to its last, for a PDU of type `pdu_type` on a connection that uses
    /// `digests`, with data aligned to `alignment`, and finds where the parts of the PDU are.
    ///
    /// `digests` are the negotiated ones; the types without digests ignore them.
    #[inline(always)]
    pub(crate) fn shape(
        self,
        pdu_type: PduType,
        digests: Digests,
        alignment: DataAlignment,
    ) -> Result<Shape, ProtocolError> {
        let fail = |rule, found| Err(ProtocolError::new(pdu_type, rule, found));
        let header_len = pdu_type.header_len();
        let flags = self.flags;
        let plen = self.pdu_len;
        let defined = pdu_type.defined_flags();
        let data_rule = pdu_type.data_rule();

        if data_rule == DataRule::Cause {
            if self.header_len != header_len {
                return fail(Rule::TermReqShape, self.header_len.into());
            }
            return match plen.checked_sub(u32::from(header_len)) {
                Some(data_len @ 0..=Shape::MAX_CAUSE) => Ok(Shape {
                    pdu_type,
                    header_digest: false,
                    data_digest: false,
                    data_offset: header_len,
                    data_len,
                    pdu_len: plen,
                }),
                _ => fail(Rule::TermReqShape, plen),
            };
        }

        // FLAGS
        let header_digest = defined.contains(Flags::HDGSTF) && digests.header;
        if defined.contains(Flags::HDGSTF) && flags.contains(Flags::HDGSTF) != digests.header {
            return fail(Rule::HeaderDigestFlag, flags.0.into());
        }
        // At most 128 + 4.
        let header_end = header_len.saturating_add(if header_digest { 4 } else { 0 });
        let has_data = match data_rule {
            DataRule::None | DataRule::Cause => false,
            DataRule::Optional => plen > u32::from(header_end),
            // One that ends with its header is refused because of its DATAL, and PDO means nothing in it.
            DataRule::Always => plen != u32::from(header_end),
        };
        let data_digest = has_data && digests.data;
        if defined.contains(Flags::DDGSTF) {
            let flag = flags.contains(Flags::DDGSTF);
            if flag && !digests.data || data_digest && !flag {
                return fail(Rule::DataDigestFlag, flags.0.into());
            }
        }
        if defined.contains(Flags::SUCCESS)
            && flags.contains(Flags::SUCCESS)
            && !flags.contains(Flags::LAST_PDU)
        {
            return fail(Rule::SuccessWithoutLast, flags.0.into());
        }

        // HLEN
        if self.header_len != header_len {
            return fail(Rule::HeaderLen, self.header_len.into());
        }

        // PDO and PLEN
        if !has_data {
            // What is shorter than a capsule's header, or not as long as a type without data is.
            if plen != u32::from(header_end) {
                return fail(Rule::PduLen, plen);
            }
            return Ok(Shape {
                pdu_type,
                header_digest,
                data_digest,
                data_offset: header_end,
                data_len: 0,
                pdu_len: plen,
            });
        }
        let data_offset = self.data_offset;
        if data_offset < header_end || !alignment.allows(data_offset) {
            return fail(Rule::DataPlace, data_offset.into());
        }
        // At most 255 + 4.
        let around = u32::from(data_offset).saturating_add(if data_digest { 4 } else { 0 });
        match plen.checked_sub(around) {
            // A capsule without data ends with its header. Where DATAL counts the data, an empty PDU is its fault.
            Some(0) if data_rule == DataRule::Optional => fail(Rule::PduLen, plen),
            None => fail(Rule::PduLen, plen),
            Some(data_len) => {
                Ok(Shape { pdu_type, header_digest, data_digest, data_offset, data_len, pdu_len: plen })
            }
        }
    }
}

/// What the common header of a typed header says besides its type, and HLEN which follows from the type: kept as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Envelope {
    /// FLAGS, reserved bits included.
    pub flags: Flags,
    /// PDO in bytes; whatever was there where it is reserved.
    #[doc(alias = "PDO")]
    pub data_offset: u8,
    /// PLEN: bytes of the whole PDU.
    #[doc(alias = "PLEN")]
    pub pdu_len: u32,
}

impl Envelope {
    /// A PDU of this type with `data_len` bytes of data, no digests, and no padding. PLEN stops at its largest value.
    #[inline]
    pub(crate) const fn plain(pdu_type: PduType, data_len: u32) -> Self {
        let header_len = pdu_type.header_len();
        let data_offset = match pdu_type.data_rule() {
            DataRule::Always => header_len,
            _ => 0,
        };
        let [a, b, c, d] = [header_len, 0, 0, 0];
        let pdu_len = u32::from_le_bytes([a, b, c, d]).saturating_add(data_len);
        Self { flags: Flags::NONE, data_offset, pdu_len }
    }

    /// The common header it belongs to.
    #[inline]
    pub(crate) const fn common(self, pdu_type: PduType) -> CommonHeader {
        CommonHeader {
            code: pdu_type.code(),
            flags: self.flags,
            header_len: pdu_type.header_len(),
            data_offset: self.data_offset,
            pdu_len: self.pdu_len,
        }
    }
}

/// Where the parts of a checked PDU are. Offsets and lengths are in bytes, and consistent with each other: the header, its digest and the
/// padding end at `data_offset`, the data `data_len` later, and the data digest, if there is one, at `pdu_len`.
///
/// ```text
/// | CH (8) | specific header | HDGST (0|4) | padding | data     | DDGST (0|4) |
/// 0        8              HLEN                 data_offset   +data_len    pdu_len
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The type.
    pub pdu_type: PduType,
    /// Whether HDGST is behind the header.
    pub header_digest: bool,
    /// Whether DDGST is behind the data.
    pub data_digest: bool,
    /// Where the data start; without data the end of the header and its digest.
    pub data_offset: u8,
    /// Bytes of data.
    pub data_len: u32,
    /// Bytes of the whole PDU.
    pub pdu_len: u32,
}

impl Shape {
    /// The longest data of a termination request: 128 bytes.
    pub(crate) const MAX_CAUSE: u32 = 128;

    /// Bytes up to the end of the header digest, or of the header without one: what must be there to judge the header.
    #[must_use]
    #[inline]
    pub fn header_end(&self) -> usize {
        // At most 128 + 4.
        let digest = if self.header_digest { 4 } else { 0 };
        usize::from(self.pdu_type.header_len().saturating_add(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: Digests = Digests::NONE;

    fn shape(bytes: [u8; 8], digests: Digests, alignment: u8) -> Result<Shape, (Rule, u32)> {
        let common = CommonHeader::decode(&bytes);
        assert_eq!(common.encode(), bytes);
        let pdu_type = PduType::from_code(common.code).unwrap();
        common
            .shape(pdu_type, digests, DataAlignment::new(alignment).unwrap())
            .map_err(|error| (error.rule, error.fei))
    }

    #[test]
    fn finds_the_parts() {
        let at = |shape: Shape| (shape.data_offset, shape.data_len, shape.header_end());
        // CapsuleCmd with 512 bytes: nothing else; both digests and padding to 128.
        assert_eq!(shape([4, 0, 72, 72, 0x48, 2, 0, 0], NO, 0).map(at), Ok((72, 512, 72)));
        assert_eq!(shape([4, 3, 72, 128, 0x84, 2, 0, 0], Digests::BOTH, 15).map(at), Ok((128, 512, 76)));
        // C2HData padded by 8.
        assert_eq!(shape([7, 4, 24, 32, 0x20, 2, 0, 0], NO, 3).map(at), Ok((32, 512, 24)));
        // A capsule without data, whatever PDO says, and DDGSTF set although there is nothing to digest.
        assert_eq!(shape([4, 2, 72, 255, 72, 0, 0, 0], Digests::DATA, 0).map(at), Ok((72, 0, 72)));
        assert_eq!(shape([2, 0xff, 24, 9, 152, 0, 0, 0], Digests::BOTH, 0).map(at), Ok((24, 128, 24)));
    }

    #[test]
    fn the_lowest_wrong_byte_is_named() {
        let rule = |bytes, digests, alignment| shape(bytes, digests, alignment).unwrap_err();
        // Everything is wrong; then one thing after the other is put right.
        assert_eq!(rule([7, 9, 25, 23, 9, 0, 0, 0], NO, 1), (Rule::HeaderDigestFlag, 1));
        assert_eq!(rule([7, 8, 25, 23, 9, 0, 0, 0], NO, 1), (Rule::SuccessWithoutLast, 1));
        assert_eq!(rule([7, 0, 25, 23, 9, 0, 0, 0], NO, 1), (Rule::HeaderLen, 2));
        assert_eq!(rule([7, 0, 24, 23, 9, 0, 0, 0], NO, 1), (Rule::DataPlace, 3));
        assert_eq!(rule([7, 0, 24, 28, 9, 0, 0, 0], NO, 1), (Rule::DataPlace, 3));
        assert_eq!(rule([7, 0, 24, 24, 9, 0, 0, 0], NO, 1), (Rule::PduLen, 4));
        assert!(shape([7, 0, 24, 24, 28, 0, 0, 0], NO, 1).is_ok());
        // Data digest flag against what was negotiated, with and without data.
        assert_eq!(rule([4, 2, 72, 0, 72, 0, 0, 0], NO, 0), (Rule::DataDigestFlag, 1));
        assert_eq!(rule([4, 0, 72, 72, 80, 0, 0, 0], Digests::DATA, 0), (Rule::DataDigestFlag, 1));
        // Only padding or only a digest behind the header of a capsule.
        assert_eq!(rule([4, 0, 72, 76, 76, 0, 0, 0], NO, 0), (Rule::PduLen, 4));
        assert_eq!(rule([4, 2, 72, 72, 76, 0, 0, 0], Digests::DATA, 0), (Rule::PduLen, 4));
    }

    #[test]
    fn an_impossible_termination_request_is_told_apart() {
        for bytes in [
            [2, 0, 24, 0, 23, 0, 0, 0],
            [2, 0, 24, 0, 153, 0, 0, 0],
            [3, 0, 20, 0, 24, 0, 0, 0],
            [3, 0, 24, 0, 24, 0, 0, 1],
        ] {
            assert_eq!(shape(bytes, NO, 0).unwrap_err().0, Rule::TermReqShape);
        }
    }
}
