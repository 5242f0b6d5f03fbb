//! Any of the nine headers.

use super::capsule::{CapsuleCmd, CapsuleResp};
use super::common::{CommonHeader, Envelope, Shape};
use super::data::{C2hData, H2cData};
use super::error::{ProtocolError, Rule};
use super::ic::{IcReq, IcResp};
use super::kind::PduType;
use super::r2t::R2t;
use super::term::TermReq;
use crate::DataAlignment;
use crate::error::{DecodeError, DecodeErrorKind};

mod sealed {
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// A typed header: what all nine have in common.
///
/// Sealed: the protocol has these PDUs and no others.
pub trait PduHeader: Sealed + Copy + core::fmt::Debug {
    /// The bytes of the header: an array of its length.
    type Bytes: AsRef<[u8]> + AsMut<[u8]> + Copy;

    /// The type of the PDU.
    fn pdu_type(&self) -> PduType;

    /// FLAGS, PDO and PLEN.
    fn envelope(&self) -> Envelope;

    /// FLAGS, PDO and PLEN, to be changed.
    fn envelope_mut(&mut self) -> &mut Envelope;

    /// Bytes of data that the header itself announces (DATAL); `None` where only PLEN tells.
    fn announced_len(&self) -> Option<u32> {
        None
    }

    /// The header as bytes, without its digest.
    fn to_bytes(&self) -> Self::Bytes;
}

/// Headers that nearly always look the same in front: no digests, no padding. They are recognized by a comparison or two instead of rule by
/// rule.
pub(crate) trait Usual: Sized {
    /// The type.
    const PDU_TYPE: PduType;
    /// Length of the header in bytes.
    const HEADER_LEN: u8;

    /// The header that `bytes` start with, if it is a usual one and right.
    fn usual(bytes: &[u8]) -> Option<Self>;

    /// PLEN.
    fn pdu_len(&self) -> u32;
}

macro_rules! usual {
    ($($name:ident),+) => {$(
        impl Usual for $name {
            const PDU_TYPE: PduType = PduType::$name;
            const HEADER_LEN: u8 = PduType::$name.header_len();

            #[inline(always)]
            fn usual(bytes: &[u8]) -> Option<Self> {
                Self::usual(bytes.first_chunk()?)
            }

            #[inline(always)]
            fn pdu_len(&self) -> u32 {
                self.envelope.pdu_len
            }
        }
    )+};
}

usual!(CapsuleCmd, CapsuleResp, H2cData, C2hData, R2t);

/// `decode`, `encode` and [`PduHeader`] for a header whose type is fixed.
macro_rules! pdu_header {
    ($name:ident, $len:literal, $pdu_type:expr) => {
        impl $name {
            /// Length of the header in bytes (HLEN).
            pub const LEN: usize = $len;

            /// Checks and takes apart a header without knowing its connection.
            ///
            /// Digests are taken to be in use as FLAGS announce them, and data to be aligned to 4 bytes; [`frame`](crate::frame) checks both
            /// against what was negotiated. The header digest is not looked at.
            ///
            /// # Errors
            /// The first [`Rule`](crate::pdu::Rule) that the header violates, by the offset of the byte at fault.
            #[inline]
            pub fn decode(bytes: &[u8; Self::LEN]) -> Result<Self, crate::pdu::ProtocolError> {
                match Self::usual(bytes) {
                    Some(header) => Ok(header),
                    None => Self::judged(bytes),
                }
            }

            /// What is not as it usually is: taken apart rule by rule.
            #[inline(never)]
            fn judged(bytes: &[u8; Self::LEN]) -> Result<Self, crate::pdu::ProtocolError> {
                let shape = crate::pdu::header::alone(bytes, $pdu_type)?;
                let header = Self::from_bytes(bytes);
                header.check(&shape)?;
                Ok(header)
            }

            /// The header as bytes, without its digest. Reserved bytes are 0.
            #[must_use]
            #[inline]
            pub fn encode(&self) -> [u8; Self::LEN] {
                self.bytes_behind(self.envelope.common($pdu_type).encode())
            }
        }

        impl crate::pdu::header::Sealed for $name {}

        impl crate::pdu::PduHeader for $name {
            type Bytes = [u8; $len];

            #[inline]
            fn pdu_type(&self) -> crate::pdu::PduType {
                $pdu_type
            }

            #[inline]
            fn envelope(&self) -> crate::pdu::Envelope {
                self.envelope
            }

            #[inline]
            fn envelope_mut(&mut self) -> &mut crate::pdu::Envelope {
                &mut self.envelope
            }

            #[inline]
            fn announced_len(&self) -> Option<u32> {
                self.data_len()
            }

            #[inline]
            fn to_bytes(&self) -> Self::Bytes {
                self.encode()
            }
        }

        impl From<$name> for crate::pdu::Header {
            fn from(header: $name) -> Self {
                Self::$name(header)
            }
        }
    };
}
pub(crate) use pdu_header;

/// The checks on the common header of a PDU of type `pdu_type` whose connection is not known.
#[inline(always)]
pub(crate) fn alone<const N: usize>(bytes: &[u8; N], pdu_type: PduType) -> Result<Shape, ProtocolError> {
    let common = common(bytes);
    if common.code != pdu_type.code() {
        return Err(ProtocolError::with_code(common.code, Rule::OtherType, common.code.into()));
    }
    common.shape(pdu_type, common.announced(pdu_type), DataAlignment::DWORD)
}

/// The first four bytes of a header: type, FLAGS, HLEN and PDO, from the lowest byte up.
#[inline(always)]
pub(crate) const fn first_word<const N: usize>(bytes: &[u8; N]) -> u32 {
    match bytes.first_chunk() {
        Some(word) => u32::from_le_bytes(*word),
        None => 0, // all of them are longer
    }
}

/// The common header of a typed one. All of them are longer than 8 bytes.
#[inline(always)]
pub(crate) fn common<const N: usize>(bytes: &[u8; N]) -> CommonHeader {
    CommonHeader::decode(bytes.first_chunk().unwrap_or(&[0; 8]))
}

/// The header of a PDU, by its type. Termination requests of both directions share a variant: [`TermReq::sender`] tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "72 bytes of a capsule are copied faster than they are allocated"
)]
pub enum Header {
    /// ICReq.
    IcReq(IcReq),
    /// ICResp.
    IcResp(IcResp),
    /// H2CTermReq or C2HTermReq.
    TermReq(TermReq),
    /// CapsuleCmd.
    CapsuleCmd(CapsuleCmd),
    /// CapsuleResp.
    CapsuleResp(CapsuleResp),
    /// H2CData.
    H2cData(H2cData),
    /// C2HData.
    C2hData(C2hData),
    /// R2T.
    R2t(R2t),
}

/// The same expression for whatever header it is.
macro_rules! each {
    ($self:expr, $header:ident => $value:expr) => {
        match $self {
            Header::IcReq($header) => $value,
            Header::IcResp($header) => $value,
            Header::TermReq($header) => $value,
            Header::CapsuleCmd($header) => $value,
            Header::CapsuleResp($header) => $value,
            Header::H2cData($header) => $value,
            Header::C2hData($header) => $value,
            Header::R2t($header) => $value,
        }
    };
}

impl Header {
    /// The longest header: 128 bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks and takes apart the header of whatever PDU `bytes` start with, without knowing its connection.
    ///
    /// See [`IcReq::decode`] and its siblings for what that leaves out.
    ///
    /// # Errors
    /// [`HeaderDecodeError::Short`] if the header does not end within `bytes`; else the first [`Rule`] the header violates.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderDecodeError> {
        let short = |need| {
            let have = bytes.len();
            DecodeError { structure: "PDU", at: have, kind: DecodeErrorKind::TooShort { need, have } }
        };
        let common = bytes.first_chunk().ok_or(short(CommonHeader::LEN))?;
        let common = CommonHeader::decode(common);
        let pdu_type = known(common.code)?;
        let shape = common.shape(pdu_type, common.announced(pdu_type), DataAlignment::DWORD)?;
        if bytes.len() < usize::from(pdu_type.header_len()) {
            return Err(short(pdu_type.header_len().into()).into());
        }
        Ok(Self::from_shape(&shape, bytes)?)
    }

    /// The header of a PDU whose common header was checked; `bytes` have to be as long as the header is.
    #[inline(always)]
    pub(crate) fn from_shape(shape: &Shape, bytes: &[u8]) -> Result<Self, ProtocolError> {
        macro_rules! take {
            ($header:ident) => {{
                let Some(bytes) = bytes.first_chunk() else {
                    // Not reached where the callers keep their word.
                    return Err(ProtocolError::new(shape.pdu_type, Rule::PduLen, shape.pdu_len));
                };
                let header = $header::from_bytes(bytes);
                header.check(shape)?;
                Ok(Self::$header(header))
            }};
        }
        match shape.pdu_type {
            PduType::IcReq => take!(IcReq),
            PduType::IcResp => take!(IcResp),
            PduType::H2cTermReq | PduType::C2hTermReq => take!(TermReq),
            PduType::CapsuleCmd => take!(CapsuleCmd),
            PduType::CapsuleResp => take!(CapsuleResp),
            PduType::H2cData => take!(H2cData),
            PduType::C2hData => take!(C2hData),
            PduType::R2t => take!(R2t),
        }
    }

    /// The type of the PDU.
    #[must_use]
    pub fn pdu_type(&self) -> PduType {
        each!(self, header => header.pdu_type())
    }

    /// FLAGS, PDO and PLEN.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        each!(self, header => header.envelope())
    }
}

/// The type with this code, or what to answer.
#[inline]
pub(crate) fn known(code: u8) -> Result<PduType, ProtocolError> {
    match PduType::from_code(code) {
        Some(pdu_type) => Ok(pdu_type),
        None if super::kickstart::is_kickstart(code) => {
            Err(ProtocolError::with_code(code, Rule::Kickstart, code.into()))
        }
        None => Err(ProtocolError::with_code(code, Rule::UnknownType, code.into())),
    }
}

/// Why bytes are not a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderDecodeError {
    /// They end before the header does.
    #[error(transparent)]
    Short(#[from] DecodeError),
    /// They violate the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}
