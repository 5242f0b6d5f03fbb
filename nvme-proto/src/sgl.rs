//! SGL descriptors: where the data of a command is.

use crate::bits::newtype_bits;
use crate::error::DecodeError;
use crate::layout::{Field, newtype_fields};
use crate::registry::wire_values;
use crate::status::Status;

wire_values! {
    /// What an SGL descriptor describes: bits 7:4 of its identifier.
    pub struct SglType(u8) {
        /// Data at an address, or at an offset.
        DATA_BLOCK = 0x0 => "Data Block",
        /// Data to be thrown away.
        BIT_BUCKET = 0x1 => "Bit Bucket",
        /// More descriptors, with another segment behind them.
        SEGMENT = 0x2 => "Segment",
        /// More descriptors, the last ones.
        LAST_SEGMENT = 0x3 => "Last Segment",
        /// Data at an address with a key (RDMA).
        KEYED_DATA_BLOCK = 0x4 => "Keyed Data Block",
        /// Data the transport moves.
        TRANSPORT_DATA_BLOCK = 0x5 => "Transport Data Block",
        /// Vendor specific.
        VENDOR = 0xf => "Vendor Specific",
    }

    /// How the address of an SGL descriptor is meant: bits 3:0 of its identifier.
    pub struct SglSubtype(u8) {
        /// As an address.
        ADDRESS = 0x0 => "Address",
        /// As an offset from the beginning of the data in the capsule.
        OFFSET = 0x1 => "Offset",
        /// As the transport says; the one of NVMe/TCP.
        TRANSPORT_A = 0xa => "Transport A",
        /// As the transport says; over RDMA it invalidates the key.
        TRANSPORT_F = 0xf => "Transport F",
    }

    /// Type and subtype of an SGL descriptor. 1 byte: type in bits 7:4, subtype in bits 3:0.
    #[doc(alias = "SGLID")]
    pub struct SglIdentifier(u8) {
        /// Data Block, Address.
        ADDRESS = 0x00 => "Data Block, Address",
        /// Data Block, Offset: the data is in this capsule.
        IN_CAPSULE = 0x01 => "Data Block, Offset",
        /// Bit Bucket.
        BIT_BUCKET = 0x10 => "Bit Bucket",
        /// Segment, Address.
        SEGMENT = 0x20 => "Segment, Address",
        /// Last Segment, Address.
        LAST_SEGMENT = 0x30 => "Last Segment, Address",
        /// Keyed Data Block, Address.
        KEYED = 0x40 => "Keyed Data Block, Address",
        /// Keyed Data Block whose key the target invalidates.
        KEYED_INVALIDATE = 0x4f => "Keyed Data Block, Invalidate Key",
        /// Transport Data Block: over TCP the command data buffer, filled or emptied by data PDUs.
        TRANSPORT = 0x5a => "Transport Data Block",
    }
}

newtype_bits!(SglType, SglSubtype, SglIdentifier);
newtype_fields!(SglIdentifier);

impl SglIdentifier {
    /// The identifier of a type and a subtype, 4 bits each.
    #[must_use]
    pub const fn new(kind: SglType, subtype: SglSubtype) -> Self {
        Self(kind.0 << 4 | subtype.0 & 0xf)
    }

    /// Bits 7:4.
    #[must_use]
    pub const fn descriptor_type(self) -> SglType {
        SglType(self.0 >> 4)
    }

    /// Bits 3:0.
    #[must_use]
    pub const fn subtype(self) -> SglSubtype {
        SglSubtype(self.0 & 0xf)
    }
}

/// An SGL descriptor. 16 bytes, little-endian, every bit kept.
///
/// | bytes  | field                             | unit                                                            |
/// |--------|-----------------------------------|-----------------------------------------------------------------|
/// | 0..8   | `address`                         | address, or offset in bytes                                     |
/// | 8..12  | `length`                          | bytes                                                           |
/// | 12..15 | `reserved`                        | see below                                                       |
/// | 15     | `identifier` (SGLID)              |                                                                 |
///
/// A keyed descriptor has a length of 3 bytes at 8 and its key in bytes 11..15: [`keyed_length`](Self::keyed_length), [`key`](Self::key).
///
/// NVMe/TCP uses exactly one descriptor a command, in one of two forms: [`in_capsule`](Self::in_capsule) and
/// [`transport`](Self::transport). [`place`](Self::place) tells which. A command without data carries either
/// [`no_data`](Self::no_data), as Linux sends it, or [`NONE`](Self::NONE).
///
/// Source: NVMe Base 2.0 section 4.1.2, NVMe TCP Transport 1.0, kernel `include/linux/nvme.h: struct nvme_sgl_desc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(C)] // as on the wire, see `Sqe`
pub struct Sgl {
    /// Address or offset.
    pub address: u64,
    /// Length in bytes; of a keyed descriptor only the lower 3 bytes.
    pub length: u32,
    /// Bytes 12 to 14: zero, except in a keyed descriptor.
    pub reserved: [u8; 3],
    /// What it describes.
    pub identifier: SglIdentifier,
}

/// Where NVMe/TCP finds the data of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SglPlace {
    /// In the capsule of the command.
    InCapsule {
        /// Bytes from the beginning of the data in the capsule. A controller with ICDOFF 0, as all over TCP are, takes 0 only.
        offset: u64,
        /// Bytes.
        length: u32,
    },
    /// In data PDUs, either direction.
    Transport {
        /// Bytes in all; 0 where the command has no data.
        length: u32,
    },
}

impl Sgl {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// All zero: formally a block of 0 bytes at address 0. Some hosts send it with commands that have no data.
    pub const NONE: Self = Self::at(0, 0, SglIdentifier::ADDRESS);

    const fn at(address: u64, length: u32, identifier: SglIdentifier) -> Self {
        Self { address, length, reserved: [0; 3], identifier }
    }

    /// `length` bytes in the capsule of the command.
    #[must_use]
    #[inline]
    pub const fn in_capsule(length: u32) -> Self {
        Self::at(0, length, SglIdentifier::IN_CAPSULE)
    }

    /// `length` bytes in data PDUs.
    #[must_use]
    #[inline]
    pub const fn transport(length: u32) -> Self {
        Self::at(0, length, SglIdentifier::TRANSPORT)
    }

    /// No data: a transport data block of 0 bytes, which is what Linux sends with commands that have none.
    #[must_use]
    #[inline]
    pub const fn no_data() -> Self {
        Self::transport(0)
    }

    /// `length` bytes at an address.
    #[must_use]
    pub const fn data_block(address: u64, length: u32) -> Self {
        Self::at(address, length, SglIdentifier::ADDRESS)
    }

    /// `length` bytes to be thrown away.
    #[must_use]
    pub const fn bit_bucket(length: u32) -> Self {
        Self::at(0, length, SglIdentifier::BIT_BUCKET)
    }

    /// `length` bytes of descriptors at an address, the last of which is a segment again.
    #[must_use]
    pub const fn segment(address: u64, length: u32) -> Self {
        Self::at(address, length, SglIdentifier::SEGMENT)
    }

    /// `length` bytes of descriptors at an address, none of which is a segment.
    #[must_use]
    pub const fn last_segment(address: u64, length: u32) -> Self {
        Self::at(address, length, SglIdentifier::LAST_SEGMENT)
    }

    /// `length` bytes, less than 2^24, at an address of the region with this key.
    #[must_use]
    pub const fn keyed(address: u64, length: u32, key: u32) -> Self {
        let [a, b, c, _] = length.to_le_bytes();
        let [k, l, m, n] = key.to_le_bytes();
        let length = u32::from_le_bytes([a, b, c, k]);
        Self { address, length, reserved: [l, m, n], identifier: SglIdentifier::KEYED }
    }

    /// The length of a keyed descriptor: bytes 8 to 10.
    #[must_use]
    pub const fn keyed_length(&self) -> u32 {
        self.length & 0x00ff_ffff
    }

    /// The key of a keyed descriptor: bytes 11 to 14.
    #[must_use]
    pub const fn key(&self) -> u32 {
        let [_, _, _, k] = self.length.to_le_bytes();
        let [l, m, n] = self.reserved;
        u32::from_le_bytes([k, l, m, n])
    }

    /// Where the data is, as the only descriptor of a command over TCP. [`NONE`](Self::NONE) is no data.
    ///
    /// # Errors
    /// The status to complete the command with: [`Status::SGL_DESCRIPTOR_TYPE_INVALID`], do not retry.
    #[inline]
    pub const fn place(&self) -> Result<SglPlace, Status> {
        match self.identifier {
            SglIdentifier::TRANSPORT => Ok(SglPlace::Transport { length: self.length }),
            SglIdentifier::IN_CAPSULE => {
                Ok(SglPlace::InCapsule { offset: self.address, length: self.length })
            }
            SglIdentifier::ADDRESS if self.length == 0 && self.address == 0 => {
                Ok(SglPlace::Transport { length: 0 })
            }
            _ => Err(Status::SGL_DESCRIPTOR_TYPE_INVALID.with_dnr()),
        }
    }

    /// The descriptor in these bytes.
    #[must_use]
    #[inline]
    pub const fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, reserved @ .., identifier] = *bytes;
        Self {
            address: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            length: u32::from_le_bytes([i, j, k, l]),
            reserved,
            identifier: SglIdentifier(identifier),
        }
    }

    /// The descriptor at the beginning of these bytes.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort).
    pub const fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.first_chunk() {
            Some(bytes) => Ok(Self::from_bytes(bytes)),
            None => Err(DecodeError::too_short("SGL descriptor", bytes, Self::LEN)),
        }
    }

    /// The descriptor as bytes.
    #[must_use]
    #[inline]
    pub const fn encode(&self) -> [u8; Self::LEN] {
        let [a, b, c, d, e, f, g, h] = self.address.to_le_bytes();
        let [i, j, k, l] = self.length.to_le_bytes();
        let [m, n, o] = self.reserved;
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, self.identifier.0]
    }
}

impl Default for Sgl {
    /// [`NONE`](Self::NONE).
    fn default() -> Self {
        Self::NONE
    }
}

impl Field for Sgl {
    #[inline(always)]
    fn read(bytes: &[u8], at: usize) -> Self {
        Self::from_bytes(&crate::layout::bytes_at(bytes, at))
    }

    #[inline(always)]
    fn write(self, bytes: &mut [u8], at: usize) {
        crate::layout::put(bytes, at, self.encode());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_tcp() {
        let in_capsule = [0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0x01];
        assert_eq!(Sgl::in_capsule(1024).encode(), in_capsule);
        assert_eq!(Sgl::from_bytes(&in_capsule).place(), Ok(SglPlace::InCapsule { offset: 0, length: 1024 }));
        let transport = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0x5a];
        assert_eq!(Sgl::transport(4096).encode(), transport);
        assert_eq!(Sgl::from_bytes(&transport).place(), Ok(SglPlace::Transport { length: 4096 }));
        assert_eq!(Sgl::from_bytes(&[0; 16]), Sgl::NONE);
        assert_eq!(Sgl::NONE.place(), Ok(SglPlace::Transport { length: 0 }));
        assert_eq!(Sgl::no_data().place(), Ok(SglPlace::Transport { length: 0 }));
    }

    /// Descriptors that NVMe/TCP does not have.
    #[test]
    fn other_descriptors_are_refused_with_a_status() {
        for identifier in 0..=u8::MAX {
            let sgl = Sgl { identifier: SglIdentifier(identifier), ..Sgl::in_capsule(1024) };
            let place = sgl.place();
            if matches!(identifier, 0x01 | 0x5a) {
                assert!(place.is_ok());
            } else {
                assert_eq!(place.map_err(Status::to_cqe), Err(0x8022), "{identifier:#x}");
            }
        }
    }

    #[test]
    fn type_and_subtype_are_halves_of_the_identifier() {
        for identifier in 0..=u8::MAX {
            let identifier = SglIdentifier(identifier);
            assert_eq!(SglIdentifier::new(identifier.descriptor_type(), identifier.subtype()), identifier);
        }
        assert_eq!(SglIdentifier::TRANSPORT.descriptor_type(), SglType::TRANSPORT_DATA_BLOCK);
        assert_eq!(SglIdentifier::TRANSPORT.subtype(), SglSubtype::TRANSPORT_A);
        assert_eq!(SglIdentifier::IN_CAPSULE.subtype(), SglSubtype::OFFSET);
        assert_eq!(SglIdentifier(0x31).descriptor_type(), SglType::LAST_SEGMENT);
    }

    #[test]
    fn a_key_lies_across_the_length() {
        let sgl = Sgl::keyed(0x1122_3344_5566_7788, 0x00ab_cdef, 0xa1b2_c3d4);
        let bytes =
            [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xef, 0xcd, 0xab, 0xd4, 0xc3, 0xb2, 0xa1, 0x40];
        assert_eq!(sgl.encode(), bytes);
        assert_eq!((sgl.keyed_length(), sgl.key()), (0x00ab_cdef, 0xa1b2_c3d4));
        assert_eq!(Sgl::from_bytes(&bytes), sgl);
    }

    #[test]
    fn every_byte_counts_and_comes_back() {
        let bytes: [u8; 16] = core::array::from_fn(|at| at as u8 + 1);
        let sgl = Sgl::from_bytes(&bytes);
        for at in 0..16 {
            let mut changed = bytes;
            changed[at] ^= 0x80;
            assert_ne!(Sgl::from_bytes(&changed), sgl);
            assert_eq!(Sgl::from_bytes(&changed).encode(), changed);
        }
        for len in 0..16 {
            let error = Sgl::decode(&bytes[..len]).unwrap_err();
            assert_eq!(error.at, len);
        }
        assert_eq!(Sgl::decode(&bytes), Ok(sgl));
    }
}
