//! The completion queue entry: how a command ended.

use crate::bits::{join, split};
use crate::error::DecodeError;
use crate::status::Status;

/// A completion queue entry. 16 bytes, little-endian, every bit kept.
///
/// | bytes  | field                     | meaning                                                                       |
/// |--------|---------------------------|-------------------------------------------------------------------------------|
/// | 0..4   | `dw0`                     | depends on the command                                                        |
/// | 4..8   | `dw1`                     | depends on the command                                                        |
/// | 8..10  | `sqhd` (SQHD)             | head of the submission queue; 0xffff in the answer to Connect: not maintained |
/// | 10..12 | `sqid` (SQID)             | reserved on fabrics; Linux puts the queue's number here. Ignore it            |
/// | 12..14 | `cid` (CID)               | the command that ended                                                        |
/// | 14..16 | bit 0: `phase` (P)        | 0 on fabrics. Ignore it                                                       |
/// |        | bits 15:1: `status`       |                                                                               |
///
/// Source: NVMe Base 2.0 section 3.3.3.2, NVMe over Fabrics 1.1 section 2.2, kernel `include/linux/nvme.h: struct nvme_completion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cqe {
    /// Depends on the command.
    pub dw0: u32,
    /// Depends on the command.
    pub dw1: u32,
    /// Submission queue head.
    #[doc(alias = "SQHD")]
    pub sqhd: u16,
    /// Submission queue identifier, reserved on fabrics.
    #[doc(alias = "SQID")]
    pub sqid: u16,
    /// Command identifier.
    #[doc(alias = "CID")]
    pub cid: u16,
    /// How the command ended.
    pub status: Status,
    /// Phase, 0 or 1; 0 on fabrics. Only the lowest bit is encoded.
    #[doc(alias = "P")]
    pub phase: u8,
}

impl Cqe {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// SQHD in the answer to a Connect: submission queue flow control is off for this queue.
    pub const SQHD_DISABLED: u16 = 0xffff;

    /// The command succeeded.
    #[must_use]
    #[inline]
    pub const fn success(cid: u16) -> Self {
        Self::failed(cid, Status::SUCCESS)
    }

    /// The command ended with a status.
    #[must_use]
    #[inline]
    pub const fn failed(cid: u16, status: Status) -> Self {
        Self { dw0: 0, dw1: 0, sqhd: 0, sqid: 0, cid, status, phase: 0 }
    }

    /// The same with another dword 0.
    #[must_use]
    pub const fn with_dw0(self, dw0: u32) -> Self {
        Self { dw0, ..self }
    }

    /// The same with a result of 64 bits in dwords 0 and 1.
    #[must_use]
    #[inline]
    pub const fn with_result(self, result: u64) -> Self {
        let (dw0, dw1) = split(result);
        Self { dw0, dw1, ..self }
    }

    /// The same with another submission queue head.
    #[must_use]
    #[inline]
    pub const fn with_sqhd(self, sqhd: u16) -> Self {
        Self { sqhd, ..self }
    }

    /// Dwords 0 and 1 as one number: the value of Property Get, the block Zone Append wrote.
    #[must_use]
    pub const fn result(&self) -> u64 {
        join(self.dw0, self.dw1)
    }

    /// The entry in these bytes.
    #[must_use]
    #[inline]
    pub const fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
        Self {
            dw0: u32::from_le_bytes([a, b, c, d]),
            dw1: u32::from_le_bytes([e, f, g, h]),
            sqhd: u16::from_le_bytes([i, j]),
            sqid: u16::from_le_bytes([k, l]),
            cid: u16::from_le_bytes([m, n]),
            status: Status::from_cqe(u16::from_le_bytes([o, p])),
            phase: o & 1,
        }
    }

    /// The entry at the beginning of these bytes.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort).
    pub const fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.first_chunk() {
            Some(bytes) => Ok(Self::from_bytes(bytes)),
            None => Err(DecodeError::too_short("completion queue entry", bytes, Self::LEN)),
        }
    }

    /// The entry as bytes.
    #[must_use]
    #[inline]
    pub const fn encode(&self) -> [u8; Self::LEN] {
        let [a, b, c, d] = self.dw0.to_le_bytes();
        let [e, f, g, h] = self.dw1.to_le_bytes();
        let [i, j] = self.sqhd.to_le_bytes();
        let [k, l] = self.sqid.to_le_bytes();
        let [m, n] = self.cid.to_le_bytes();
        let [o, p] = self.status.to_cqe().to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o | self.phase & 1, p]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_from_the_wire() {
        // Connect refused by a Linux target: no such subsystem.
        let bytes = [0x00, 0x01, 0x01, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00, 0x04, 0x83];
        let cqe = Cqe::from_bytes(&bytes);
        let expected = Cqe::failed(1, Status::CONNECT_INVALID_PARAMETERS.with_dnr()).with_dw0(0x0001_0100);
        assert_eq!(cqe, expected);
        assert_eq!(cqe.encode(), bytes);
        // Property Get of CAP.
        let bytes =
            [0xff, 0x03, 0x01, 0x0f, 0x20, 0x08, 0, 0, 0x02, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00];
        let cqe = Cqe::success(16).with_sqhd(2).with_result(0x0000_0820_0f01_03ff);
        assert_eq!(Cqe::from_bytes(&bytes), cqe);
        assert_eq!((cqe.encode(), cqe.result()), (bytes, 0x0000_0820_0f01_03ff));
    }

    /// Phase and queue number say nothing about the command, and are kept.
    #[test]
    fn reserved_fields_are_kept() {
        let mut bytes = Cqe::failed(7, Status::INVALID_FIELD).encode();
        bytes[10..12].copy_from_slice(&[5, 0]);
        bytes[14] |= 1;
        let cqe = Cqe::from_bytes(&bytes);
        assert_eq!((cqe.status, cqe.sqid, cqe.phase), (Status::INVALID_FIELD, 5, 1));
        assert_eq!(cqe.encode(), bytes);
    }

    #[test]
    fn every_byte_counts_and_comes_back() {
        let bytes: [u8; 16] = core::array::from_fn(|at| at as u8 + 1);
        let cqe = Cqe::from_bytes(&bytes);
        for at in 0..16 {
            for bit in 0..8 {
                let mut changed = bytes;
                changed[at] ^= 1 << bit;
                assert_ne!(Cqe::from_bytes(&changed), cqe);
                assert_eq!(Cqe::from_bytes(&changed).encode(), changed);
            }
        }
        for len in 0..16 {
            assert_eq!(Cqe::decode(&bytes[..len]).unwrap_err().at, len);
        }
        assert_eq!(Cqe::decode(&bytes), Ok(cqe));
    }
}
