//! How PDUs are laid out: digests, and where data start.

use super::alignment::DataAlignment;
use super::common::{Envelope, Shape};
use super::flags::Flags;
use super::header::PduHeader;
use super::kind::{DataRule, PduType};
use crate::digest::Digests;

/// How the PDUs of one direction are laid out: what ICReq and ICResp settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Format {
    /// The digests in use.
    pub digests: Digests,
    /// The alignment of data.
    pub alignment: DataAlignment,
}

impl Format {
    /// No digests, data aligned to 4 bytes: what holds during the handshake.
    pub const PLAIN: Self = Self { digests: Digests::NONE, alignment: DataAlignment::DWORD };
}

impl Format {
    /// Sets FLAGS, PDO and PLEN of `header` for `len` bytes of data in this format. Flags that are not about digests stay.
    ///
    /// # Errors
    /// The header and that many data do not make a PDU.
    #[inline]
    pub fn apply<H: PduHeader>(&self, header: &mut H, len: u32) -> Result<(), EncodeError> {
        *header.envelope_mut() = self.envelope(header, len)?;
        Ok(())
    }

    /// FLAGS, PDO and PLEN of `header` as [`apply`](Self::apply) sets them.
    #[inline(always)]
    pub(crate) fn envelope<H: PduHeader>(&self, header: &H, len: u32) -> Result<Envelope, EncodeError> {
        let pdu_type = header.pdu_type();
        let too_long = EncodeError::TooLong { pdu_type, len };
        let rule = pdu_type.data_rule();
        match rule {
            DataRule::None if len > 0 => return Err(EncodeError::NoData { pdu_type, len }),
            DataRule::Cause if len > Shape::MAX_CAUSE => return Err(too_long),
            DataRule::Always if len == 0 => return Err(EncodeError::Empty { pdu_type }),
            DataRule::None | DataRule::Cause | DataRule::Optional | DataRule::Always => {}
        }
        if let Some(announced) = header.announced_len()
            && announced != len
        {
            return Err(EncodeError::Length { pdu_type, announced, len });
        }
        let defined = pdu_type.defined_flags();
        let mut flags = header.envelope().flags.without(Flags::HDGSTF).without(Flags::DDGSTF);
        let mut end = pdu_type.header_len();
        if self.digests.header && defined.contains(Flags::HDGSTF) {
            flags = flags.with(Flags::HDGSTF);
            // At most 76: ICReq and ICResp have none.
            end = end.saturating_add(4);
        }
        let has_place = len > 0 && rule != DataRule::Cause;
        let data_offset = if has_place { self.alignment.round_up(end) } else { 0 };
        let mut around = u32::from(data_offset.max(end));
        if has_place && self.digests.data && defined.contains(Flags::DDGSTF) {
            flags = flags.with(Flags::DDGSTF);
            around = around.saturating_add(4);
        }
        let pdu_len = around.checked_add(len).ok_or(too_long)?;
        Ok(Envelope { flags, data_offset, pdu_len })
    }
}

/// Why a header and its data do not make a PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Data for a PDU that never has any.
    #[error("{pdu_type} has no data, {len} bytes were given")]
    NoData {
        /// The type.
        pdu_type: PduType,
        /// Bytes given.
        len: u32,
    },
    /// No data for a PDU that always has some.
    #[error("{pdu_type} always has data, none were given")]
    Empty {
        /// The type.
        pdu_type: PduType,
    },
    /// The header says another length than the data have.
    #[error("the header of {pdu_type} announces {announced} bytes of data, {len} were given")]
    Length {
        /// The type.
        pdu_type: PduType,
        /// What the header says.
        announced: u32,
        /// Bytes given.
        len: u32,
    },
    /// More data than the PDU can have.
    #[error("{len} bytes of data do not fit into one {pdu_type}")]
    TooLong {
        /// The type.
        pdu_type: PduType,
        /// Bytes given.
        len: u32,
    },
}
