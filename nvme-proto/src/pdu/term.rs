//! Termination: H2CTermReq and C2HTermReq.

use super::common::{Envelope, Shape};
use super::error::{Answer, FatalErrorStatus, ProtocolError, Rule};
use super::flags::Flags;
use super::header::{Header, PduHeader, Sealed, common};
use super::kind::PduType;
use super::role::Role;
use crate::DataAlignment;
use crate::digest::Digests;

/// Termination request: H2CTermReq if the host sends it, C2HTermReq if the controller does. 24 bytes, little-endian, then up to 128 bytes.
///
/// | bytes | field | |
/// |---|---|---|
/// | 0..8 | common header | 02h or 03h, FLAGS reserved, HLEN 24, PDO reserved, PLEN 24 to 152 |
/// | 8..10 | `fes` (FES) | fatal error status |
/// | 10..14 | `fei` (FEI) | fatal error information; not aligned |
/// | 14..24 | reserved | ignored; 0 when encoded |
/// | 24.. | data | header of the PDU at fault as it was received, without its digest, at most 128 bytes |
///
/// It never has digests. The peer closes when it receives one, and never answers with one; whoever sent it closes after 30 seconds at the
/// latest.
///
/// Source: NVMe/TCP 1.0, H2CTermReq and C2HTermReq; Linux `include/linux/nvme-tcp.h: struct nvme_tcp_term_pdu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TermReq {
    /// Who terminates; it decides the type.
    pub sender: Role,
    /// FLAGS, PDO and PLEN.
    pub envelope: Envelope,
    /// Fatal error status.
    #[doc(alias = "FES")]
    pub fes: FatalErrorStatus,
    /// Fatal error information.
    #[doc(alias = "FEI")]
    pub fei: u32,
}

impl TermReq {
    /// Length of the header in bytes (HLEN).
    pub const LEN: usize = 24;
    /// The most data it can have, in bytes.
    pub const MAX_DATA: usize = 128;

    /// A request without the header at fault.
    #[must_use]
    pub const fn new(sender: Role, fes: FatalErrorStatus, fei: u32) -> Self {
        Self { sender, envelope: Envelope::plain(Self::type_of(sender), 0), fes, fei }
    }

    /// What to send for `error`; `None` if it is to be answered by closing alone.
    ///
    /// The data that belong to it are the header at fault: [`Framer::offending`](crate::frame::Framer::offending).
    #[must_use]
    pub const fn answering(sender: Role, error: &ProtocolError) -> Option<Self> {
        match error.answer() {
            Answer::TermReq { fes, fei } => Some(Self::new(sender, fes, fei)),
            Answer::Close => None,
        }
    }

    const fn type_of(sender: Role) -> PduType {
        match sender {
            Role::Host => PduType::H2cTermReq,
            Role::Controller => PduType::C2hTermReq,
        }
    }

    /// Checks and takes apart a header of either direction.
    ///
    /// # Errors
    /// [`Rule::OtherType`]; or [`Rule::TermReqShape`], which ends the connection like the request itself would have.
    #[inline]
    pub fn decode(bytes: &[u8; Self::LEN]) -> Result<Self, ProtocolError> {
        let common = common(bytes);
        match PduType::from_code(common.code) {
            Some(pdu_type) if pdu_type.is_termination() => {
                common.shape(pdu_type, Digests::NONE, DataAlignment::DWORD)?;
            }
            _ => return Err(ProtocolError::with_code(common.code, Rule::OtherType, common.code.into())),
        }
        Ok(Self::from_bytes(bytes))
    }

    /// The header as bytes. Reserved bytes are 0.
    #[must_use]
    #[inline]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let [c0, c1, c2, c3, c4, c5, c6, c7] = self.envelope.common(Self::type_of(self.sender)).encode();
        let [s0, s1] = self.fes.0.to_le_bytes();
        let [i0, i1, i2, i3] = self.fei.to_le_bytes();
        [c0, c1, c2, c3, c4, c5, c6, c7, s0, s1, i0, i1, i2, i3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    #[inline]
    pub(crate) const fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let [code, flags, _, data_offset, a, b, c, d, s0, s1, i0, i1, i2, i3, ..] = *bytes;
        Self {
            sender: if code & 1 == 0 { Role::Host } else { Role::Controller },
            envelope: Envelope {
                flags: Flags(flags),
                data_offset,
                pdu_len: u32::from_le_bytes([a, b, c, d]),
            },
            fes: FatalErrorStatus(u16::from_le_bytes([s0, s1])),
            fei: u32::from_le_bytes([i0, i1, i2, i3]),
        }
    }

    #[inline]
    #[allow(clippy::unnecessary_wraps, reason = "like its siblings")]
    pub(crate) const fn check(&self, _shape: &Shape) -> Result<(), ProtocolError> {
        // Any status and information terminate.
        Ok(())
    }
}

impl Sealed for TermReq {}

impl PduHeader for TermReq {
    type Bytes = [u8; Self::LEN];

    fn pdu_type(&self) -> PduType {
        Self::type_of(self.sender)
    }

    fn envelope(&self) -> Envelope {
        self.envelope
    }

    fn envelope_mut(&mut self) -> &mut Envelope {
        &mut self.envelope
    }

    fn to_bytes(&self) -> Self::Bytes {
        self.encode()
    }
}

impl From<TermReq> for Header {
    fn from(header: TermReq) -> Self {
        Self::TermReq(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_information_is_not_aligned() {
        let request = TermReq::new(Role::Controller, FatalErrorStatus::HEADER_DIGEST_ERROR, 0xac53_d648);
        let bytes = request.encode();
        assert_eq!(bytes[..14], [3, 0, 24, 0, 24, 0, 0, 0, 3, 0, 0x48, 0xd6, 0x53, 0xac]);
        assert_eq!(TermReq::decode(&bytes), Ok(request));
    }

    #[test]
    fn answers_everything_but_itself() {
        let error = ProtocolError::new(PduType::CapsuleCmd, Rule::HeaderLen, 71);
        let answer = TermReq::answering(Role::Controller, &error).unwrap();
        assert_eq!((answer.pdu_type(), answer.fes.0, answer.fei), (PduType::C2hTermReq, 1, 2));
        let error = ProtocolError::new(PduType::H2cTermReq, Rule::TermReqShape, 153);
        assert_eq!(TermReq::answering(Role::Controller, &error), None);
    }

    #[test]
    fn other_types_are_refused() {
        for code in 0..=u8::MAX {
            let mut bytes = TermReq::new(Role::Host, FatalErrorStatus(0xffff), 7).encode();
            bytes[0] = code;
            let decoded = TermReq::decode(&bytes);
            assert_eq!(decoded.is_ok(), matches!(code, 2 | 3), "{code}");
            assert!(decoded.is_ok_and(|request| request.encode() == bytes) || !matches!(code, 2 | 3));
        }
    }
}
