//! The submission queue entry: a command as 64 bytes.

mod flags;

pub use flags::{DataDirection, Fuse, Psdt, SqeFlags};

use crate::bits::{extract, insert, join, split};
use crate::error::DecodeError;
use crate::fabrics::Fctype;
use crate::sgl::Sgl;

/// A submission queue entry: a command. 64 bytes, little-endian, every bit kept.
///
/// | bytes  | field                                                                                           |
/// |--------|-------------------------------------------------------------------------------------------------|
/// | 0      | `opcode` (OPC): bits 1:0 are the direction of the data                                           |
/// | 1      | `flags` (FUSE, PSDT)                                                                            |
/// | 2..4   | `cid` (CID): unique among the outstanding commands of the queue                                 |
/// | 4..8   | `nsid` (NSID); of a Fabrics command FCTYPE in its lowest byte                                   |
/// | 8..16  | `cdw2`, `cdw3`                                                                                  |
/// | 16..24 | `mptr` (MPTR): 0 on fabrics                                                                     |
/// | 24..40 | `sgl` (DPTR, SGL1)                                                                              |
/// | 40..64 | `cdw10` to `cdw15`: depend on the command                                                       |
///
/// What the last dwords mean is told by [`AdminCommand`](crate::command::AdminCommand) on the admin queue and by
/// [`IoCommand`](crate::command::IoCommand) on an I/O queue.
///
/// Source: NVMe Base 2.0 section 3.3.3.1, kernel `include/linux/nvme.h: struct nvme_common_command`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
// In memory as on the wire, so that a little-endian machine takes it apart and puts it together by copying it.
#[repr(C)]
pub struct Sqe {
    /// Opcode; which command it is depends on the queue.
    #[doc(alias = "OPC")]
    pub opcode: u8,
    /// Fused operation and kind of data pointer.
    pub flags: SqeFlags,
    /// Command identifier. 0xffff should not be used.
    #[doc(alias = "CID")]
    pub cid: u16,
    /// Namespace identifier: 0 none, 0xffff_ffff all.
    #[doc(alias = "NSID")]
    pub nsid: u32,
    /// Command dword 2.
    pub cdw2: u32,
    /// Command dword 3.
    pub cdw3: u32,
    /// Metadata pointer.
    #[doc(alias = "MPTR")]
    pub mptr: u64,
    /// Data pointer.
    #[doc(alias = "DPTR")]
    pub sgl: Sgl,
    /// Command dword 10.
    pub cdw10: u32,
    /// Command dword 11.
    pub cdw11: u32,
    /// Command dword 12.
    pub cdw12: u32,
    /// Command dword 13.
    pub cdw13: u32,
    /// Command dword 14.
    pub cdw14: u32,
    /// Command dword 15.
    pub cdw15: u32,
}

/// An opcode whose queue is known by who asks.
pub(crate) struct OpcodeNumber(pub(crate) u8);

impl Sqe {
    /// Length in bytes.
    pub const LEN: usize = 64;

    /// The opcode of every Fabrics command, on both kinds of queue.
    pub const FABRICS: u8 = 0x7f;

    /// A command without data and with everything else zero, flagged as all commands on fabrics are.
    #[must_use]
    #[inline]
    pub const fn new(opcode: u8) -> Self {
        Self {
            opcode,
            flags: SqeFlags::FABRICS,
            cid: 0,
            nsid: 0,
            cdw2: 0,
            cdw3: 0,
            mptr: 0,
            sgl: Sgl::no_data(),
            cdw10: 0,
            cdw11: 0,
            cdw12: 0,
            cdw13: 0,
            cdw14: 0,
            cdw15: 0,
        }
    }

    /// The same for a Fabrics command.
    #[must_use]
    pub const fn fabrics(fctype: Fctype) -> Self {
        let mut sqe = Self::new(Self::FABRICS);
        sqe.nsid = u32::from_le_bytes([fctype.0, 0, 0, 0]);
        sqe
    }

    /// The same with another command identifier.
    #[must_use]
    #[inline]
    pub const fn with_cid(mut self, cid: u16) -> Self {
        self.cid = cid;
        self
    }

    /// The same with its data elsewhere.
    #[must_use]
    #[inline]
    pub const fn with_sgl(mut self, sgl: Sgl) -> Self {
        self.sgl = sgl;
        self
    }

    /// Whether this is a Fabrics command, whatever the queue.
    #[must_use]
    #[inline]
    pub const fn is_fabrics(&self) -> bool {
        self.opcode == Self::FABRICS
    }

    /// Which Fabrics command, when it is one: byte 4.
    #[doc(alias = "FCTYPE")]
    #[must_use]
    #[inline]
    pub const fn fctype(&self) -> Fctype {
        let [fctype, ..] = self.nsid.to_le_bytes();
        Fctype(fctype)
    }

    /// The opcode, to be looked up.
    pub(crate) const fn opcode_number(&self) -> OpcodeNumber {
        OpcodeNumber(self.opcode)
    }

    /// Which way its data goes: bits 1:0 of the opcode, or of FCTYPE. Whether there is any, the SGL says.
    #[must_use]
    #[inline]
    pub const fn direction(&self) -> DataDirection {
        DataDirection::of(if self.is_fabrics() { self.fctype().0 } else { self.opcode })
    }

    /// A dword by its number; 0 for one that belongs to no field of a command.
    #[inline]
    const fn dword(&self, number: usize) -> u32 {
        match number {
            1 => self.nsid,
            2 => self.cdw2,
            3 => self.cdw3,
            10 => self.cdw10,
            11 => self.cdw11,
            12 => self.cdw12,
            13 => self.cdw13,
            14 => self.cdw14,
            15 => self.cdw15,
            _ => 0,
        }
    }

    #[inline]
    const fn set_dword(&mut self, number: usize, value: u32) {
        match number {
            1 => self.nsid = value,
            2 => self.cdw2 = value,
            3 => self.cdw3 = value,
            10 => self.cdw10 = value,
            11 => self.cdw11 = value,
            12 => self.cdw12 = value,
            13 => self.cdw13 = value,
            14 => self.cdw14 = value,
            15 => self.cdw15 = value,
            _ => {}
        }
    }

    /// The bits `hi` to `lo`, counted from a dword.
    #[inline]
    pub(crate) const fn bits(&self, dword: usize, hi: u32, lo: u32) -> u64 {
        extract(join(self.dword(dword), self.dword(dword.saturating_add(1))), hi, lo)
    }

    /// Replaces the bits `hi` to `lo`, counted from a dword.
    #[inline]
    pub(crate) const fn set_bits(&mut self, dword: usize, hi: u32, lo: u32, value: u64) {
        let next = dword.saturating_add(1);
        let (low, high) = split(insert(join(self.dword(dword), self.dword(next)), hi, lo, value));
        self.set_dword(dword, low);
        self.set_dword(next, high);
    }

    /// The entry as its 16 dwords.
    #[must_use]
    pub fn dwords(&self) -> [u32; 16] {
        let bytes = self.encode();
        let mut dwords = [0; 16];
        for (dword, bytes) in dwords.iter_mut().zip(bytes.as_chunks().0) {
            *dword = u32::from_le_bytes(*bytes);
        }
        dwords
    }

    /// The entry in these bytes.
    #[must_use]
    #[inline]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        use crate::layout::Field;
        Self {
            opcode: Field::read(bytes, 0),
            flags: SqeFlags(Field::read(bytes, 1)),
            cid: Field::read(bytes, 2),
            nsid: Field::read(bytes, 4),
            cdw2: Field::read(bytes, 8),
            cdw3: Field::read(bytes, 12),
            mptr: Field::read(bytes, 16),
            sgl: Field::read(bytes, 24),
            cdw10: Field::read(bytes, 40),
            cdw11: Field::read(bytes, 44),
            cdw12: Field::read(bytes, 48),
            cdw13: Field::read(bytes, 52),
            cdw14: Field::read(bytes, 56),
            cdw15: Field::read(bytes, 60),
        }
    }

    /// The entry at the beginning of these bytes.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort).
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.first_chunk() {
            Some(bytes) => Ok(Self::from_bytes(bytes)),
            None => Err(DecodeError::too_short("submission queue entry", bytes, Self::LEN)),
        }
    }

    /// The entry as bytes.
    #[must_use]
    #[inline]
    pub fn encode(&self) -> [u8; Self::LEN] {
        use crate::layout::Field;
        let mut bytes = [0; Self::LEN];
        self.opcode.write(&mut bytes, 0);
        self.flags.0.write(&mut bytes, 1);
        self.cid.write(&mut bytes, 2);
        self.nsid.write(&mut bytes, 4);
        self.cdw2.write(&mut bytes, 8);
        self.cdw3.write(&mut bytes, 12);
        self.mptr.write(&mut bytes, 16);
        self.sgl.write(&mut bytes, 24);
        self.cdw10.write(&mut bytes, 40);
        self.cdw11.write(&mut bytes, 44);
        self.cdw12.write(&mut bytes, 48);
        self.cdw13.write(&mut bytes, 52);
        self.cdw14.write(&mut bytes, 56);
        self.cdw15.write(&mut bytes, 60);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_alive_as_linux_sends_it() {
        let mut bytes = [0; 64];
        bytes[..4].copy_from_slice(&[0x18, 0x40, 0x22, 0x00]);
        bytes[39] = 0x5a;
        let sqe = Sqe::new(0x18).with_cid(34);
        assert_eq!(sqe.encode(), bytes);
        assert_eq!(Sqe::from_bytes(&bytes), sqe);
        assert_eq!(sqe.direction(), DataDirection::None);
    }

    #[test]
    fn the_direction_of_a_fabrics_command_is_its_types() {
        for (fctype, direction) in [
            (Fctype::PROPERTY_SET, DataDirection::None),
            (Fctype::CONNECT, DataDirection::HostToController),
            (Fctype::PROPERTY_GET, DataDirection::None),
            (Fctype::AUTHENTICATION_SEND, DataDirection::HostToController),
            (Fctype::AUTHENTICATION_RECEIVE, DataDirection::ControllerToHost),
            (Fctype::DISCONNECT, DataDirection::None),
        ] {
            let sqe = Sqe::fabrics(fctype);
            assert_eq!((sqe.fctype(), sqe.direction()), (fctype, direction));
        }
        assert_eq!(Sqe::new(0x02).direction(), DataDirection::ControllerToHost);
        assert_eq!(Sqe::new(0x01).direction(), DataDirection::HostToController);
        assert_eq!(Sqe::new(0xc3).direction(), DataDirection::Both);
    }

    #[test]
    fn every_bit_counts_and_comes_back() {
        let bytes: [u8; 64] = core::array::from_fn(|at| at as u8 ^ 0x5a);
        let sqe = Sqe::from_bytes(&bytes);
        for at in 0..64 {
            for bit in 0..8 {
                let mut changed = bytes;
                changed[at] ^= 1 << bit;
                assert_ne!(Sqe::from_bytes(&changed), sqe);
                assert_eq!(Sqe::from_bytes(&changed).encode(), changed);
            }
        }
        for len in 0..64 {
            assert_eq!(Sqe::decode(&bytes[..len]).unwrap_err().at, len);
        }
        assert_eq!(Sqe::decode(&bytes), Ok(sqe));
    }
}
