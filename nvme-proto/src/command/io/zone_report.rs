//! The answer to Zone Management Receive.

use crate::bits::{bit_group, newtype_bits, record};
use crate::error::DecodeError;
use crate::layout::newtype_fields;
use crate::registry::wire_values;

wire_values! {
    /// What kind of zone. 1 byte.
    #[doc(alias = "ZT")]
    pub struct ZoneType(u8) {
        /// To be written in sequence.
        SEQUENTIAL_WRITE_REQUIRED = 2 => "sequential write required",
    }

    /// State of a zone: 4 bits.
    #[doc(alias = "ZS")]
    pub struct ZoneState(u8) {
        /// Nothing is written.
        EMPTY = 0x1 => "empty",
        /// A write opened it.
        IMPLICITLY_OPEN = 0x2 => "implicitly opened",
        /// A command opened it.
        EXPLICITLY_OPEN = 0x3 => "explicitly opened",
        /// It is closed.
        CLOSED = 0x4 => "closed",
        /// It can only be read.
        READ_ONLY = 0xd => "read only",
        /// It is full.
        FULL = 0xe => "full",
        /// It is offline.
        OFFLINE = 0xf => "offline",
    }
}

newtype_bits!(ZoneState);
newtype_fields!(ZoneType);

bit_group! {
    /// The byte with the state of a zone.
    pub struct ZoneStateField(u8) {
        /// The state.
        [7:4] state with_state: ZoneState, "ZS";
    }

    /// What is to be known about a zone. 1 byte.
    #[doc(alias = "ZA")]
    pub struct ZoneAttributes(u8) {
        /// The controller made it full.
        [0] finished_by_controller with_finished_by_controller: bool, "ZFC";
        /// The controller wants it to be finished.
        [1] finish_recommended with_finish_recommended: bool, "FZR";
        /// The controller wants it to be reset.
        [2] reset_recommended with_reset_recommended: bool, "RZR";
        /// It has a random write area.
        [3] random_write_area with_random_write_area: bool, "ZRWAV";
        /// It has a descriptor extension.
        [7] descriptor_extension with_descriptor_extension: bool, "ZDEV";
    }
}

record! {
    /// A zone.
    ///
    /// Source: Zoned Namespace Command Set 1.1 section 3.4, kernel `include/linux/nvme.h: struct nvme_zone_descriptor`.
    pub struct ZoneDescriptor("zone descriptor", 64) {
        /// What kind.
        [0..1] kind: ZoneType, "ZT";
        /// Its state.
        [1..2] state: ZoneStateField, "ZS";
        /// What is to be known about it.
        [2..3] attributes: ZoneAttributes, "ZA";
        /// More about the attributes.
        [3..4] attributes_information: u8, "ZAI";
        /// Blocks that can be written.
        [8..16] capacity: u64, "ZCAP";
        /// Its first block.
        [16..24] lba: u64, "ZSLBA";
        /// The block that is written next.
        [24..32] write_pointer: u64, "WP";
    }
}

/// Zones: a count, then a descriptor for each, with its extension where the command asked for it.
///
/// | bytes | field |
/// |---|---|
/// | 0..8 | `zones`: that match, or of this report when the command said `partial` |
/// | 64.. | [`ZoneDescriptor`], 64 bytes each, with 64 times ZDES bytes of extension behind each in an extended report |
///
/// Source: Zoned Namespace Command Set 1.1 section 3.4, kernel `include/linux/nvme.h: struct nvme_zone_report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZoneReport<'a> {
    zones: u64,
    descriptors: &'a [u8],
}

impl<'a> ZoneReport<'a> {
    /// Bytes in front of the descriptors.
    pub const HEADER_LEN: usize = 64;

    /// The report in these bytes, which need not hold all zones.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort) when the header is not there.
    pub fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match bytes.split_at_checked(Self::HEADER_LEN) {
            Some((header, descriptors)) => {
                Ok(Self { zones: crate::layout::Field::read(header, 0), descriptors })
            }
            None => Err(DecodeError::too_short("zone report", bytes, Self::HEADER_LEN)),
        }
    }

    /// The header of a report of so many zones.
    #[must_use]
    pub fn header(zones: u64) -> [u8; 64] {
        let mut header = [0; 64];
        crate::layout::put(&mut header, 0, zones.to_le_bytes());
        header
    }

    /// Number of zones, as the controller counts them; there need not be as many descriptors.
    #[must_use]
    pub const fn zones(&self) -> u64 {
        self.zones
    }

    /// The zones: as many as are counted and there, whichever is less.
    pub fn descriptors(&self) -> impl Iterator<Item = ZoneDescriptor> + 'a {
        self.descriptors_extended(0).map(|(descriptor, _)| descriptor)
    }

    /// The zones of an extended report with their extensions of 64 times `units` bytes (ZDES of the LBA format).
    pub fn descriptors_extended(&self, units: u8) -> impl Iterator<Item = (ZoneDescriptor, &'a [u8])> + 'a {
        let size = usize::from(units).saturating_add(1).saturating_mul(ZoneDescriptor::LEN);
        let count = usize::try_from(self.zones).unwrap_or(usize::MAX);
        self.descriptors.chunks_exact(size).take(count).filter_map(|bytes| {
            let (descriptor, extension) = bytes.split_first_chunk()?;
            Some((ZoneDescriptor::from_bytes(descriptor), extension))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn zone(lba: u64) -> ZoneDescriptor {
        ZoneDescriptor {
            kind: ZoneType::SEQUENTIAL_WRITE_REQUIRED,
            state: ZoneStateField::default().with_state(ZoneState::EXPLICITLY_OPEN),
            attributes: ZoneAttributes::default()
                .with_descriptor_extension(true)
                .with_reset_recommended(true),
            capacity: 0x8000,
            lba,
            write_pointer: lba + 5,
            ..ZoneDescriptor::default()
        }
    }

    #[test]
    fn a_report_of_two_zones() {
        let mut bytes = ZoneReport::header(2).to_vec();
        bytes.extend(zone(0).encode());
        bytes.extend(zone(0x1_0000).encode());
        assert_eq!(bytes[64..68], [2, 0x30, 0x84, 0]);
        assert_eq!(bytes[128 + 16..][..16], [0, 0, 1, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0, 0, 0, 0]);
        let report = ZoneReport::new(&bytes).unwrap();
        assert_eq!(report.descriptors().collect::<Vec<_>>(), [zone(0), zone(0x1_0000)]);
        // As an extended report with one unit of extension the same bytes are one zone.
        let extended: Vec<_> = report.descriptors_extended(1).collect();
        assert_eq!(extended, [(zone(0), &zone(0x1_0000).encode()[..])]);
        assert_eq!(report.descriptors_extended(2).count(), 0);
    }

    #[test]
    fn the_count_is_bounded_by_the_bytes() {
        let mut bytes = ZoneReport::header(u64::MAX).to_vec();
        bytes.resize(64 + 64 * 3 + 63, 0);
        let report = ZoneReport::new(&bytes).unwrap();
        assert_eq!((report.zones(), report.descriptors().count()), (u64::MAX, 3));
        assert_eq!(report.descriptors_extended(u8::MAX).count(), 0);
        bytes[..8].copy_from_slice(&1_u64.to_le_bytes());
        assert_eq!(ZoneReport::new(&bytes).unwrap().descriptors().count(), 1);
        for len in 0..64 {
            assert_eq!(ZoneReport::new(&bytes[..len]).unwrap_err().at, len);
        }
    }
}
