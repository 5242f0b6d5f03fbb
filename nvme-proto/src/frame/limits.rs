//! What a receiver takes.

use crate::pdu::{PduType, ProtocolError, Rule, Shape};

/// Bounds on the PDUs that are taken. Nothing is allocated or waited for that is beyond them: the common header is judged as soon as
/// its 8 bytes are there.
///
/// | PDU beyond the bound | violates | answered with |
/// |---|---|---|
/// | any, [`max_plen`](Self::max_plen) | [`Rule::PduTooLong`] | FES 01h, FEI 4 |
/// | CapsuleCmd, [`in_capsule_data`](Self::in_capsule_data) | [`Rule::DataLimit`] | FES 05h |
/// | H2CData, [`h2c_data`](Self::h2c_data) | [`Rule::DataLimit`] | FES 05h |
/// | C2HData, [`c2h_data`](Self::c2h_data) | [`Rule::DataLimit`] | FES 04h |
///
/// ICReq, ICResp, R2T and CapsuleResp have but one length, and termination requests at most 152 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest PDU of any type, in bytes. A longer one is taken for garbage. 32 MiB.
    #[doc(alias = "PLEN")]
    pub max_plen: u32,
    /// Most data in a CapsuleCmd, in bytes. 8192: what every controller has to take for admin and Fabrics commands. A controller that would
    /// rather fail a command than the connection sets more, and compares itself.
    pub in_capsule_data: u32,
    /// Most data in an H2CData, in bytes: the MAXH2CDATA of the ICResp that was sent. 128 KiB.
    pub h2c_data: u32,
    /// Most data in a C2HData, in bytes: more than any command asks for. 16 MiB.
    pub c2h_data: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_plen: 32 << 20, in_capsule_data: 8192, h2c_data: 128 << 10, c2h_data: 16 << 20 }
    }
}

impl Limits {
    /// Checks the lengths of a PDU.
    #[inline]
    pub(crate) fn check(&self, shape: &Shape) -> Result<(), ProtocolError> {
        let data = match shape.pdu_type {
            PduType::CapsuleCmd => self.in_capsule_data,
            PduType::H2cData => self.h2c_data,
            PduType::C2hData => self.c2h_data,
            _ => return Ok(()),
        };
        if shape.pdu_len > self.max_plen {
            return Err(ProtocolError::new(shape.pdu_type, Rule::PduTooLong, shape.pdu_len));
        }
        if shape.data_len > data {
            return Err(ProtocolError::new(shape.pdu_type, Rule::DataLimit, shape.data_len));
        }
        Ok(())
    }
}
