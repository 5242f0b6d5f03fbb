//! What Identify tells of the zoned namespace command set.

use alloc::vec::Vec;

use super::nvm::limit_bytes;
use crate::layout::Field;
use crate::view::{entry, entry_mut, view};

/// The zones of one block format (LBAFE). 16 bytes.
///
/// | bytes  | field                        | unit                 |
/// |--------|------------------------------|----------------------|
/// | 0..8   | `zone_blocks` (ZSZE)         | blocks               |
/// | 8      | `extension` (ZDES)           | 64 bytes             |
/// | 9..16  | reserved                     | zero when written    |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[doc(alias = "LBAFE")]
pub struct ZoneFormat {
    /// Size of a zone, blocks.
    #[doc(alias = "ZSZE")]
    pub zone_blocks: u64,
    /// Size of the extension of a zone descriptor, 64 bytes each; 0: none.
    #[doc(alias = "ZDES")]
    pub extension: u8,
}

view! {
    /// Identify Namespace of the zoned namespace command set (CNS 0x05, command set 2). 4096 bytes, little-endian.
    ///
    /// | bytes      | field                                             | unit, meaning                                          |
    /// |------------|---------------------------------------------------|--------------------------------------------------------|
    /// | 0..2       | `zone_operation` (ZOC)                            | bits                                                   |
    /// | 2..4       | `optional_support` (OZCS)                         | bits                                                   |
    /// | 4..8       | `max_active` (MAR)                                | zones, less one; 0xffff_ffff: no limit                 |
    /// | 8..12      | `max_open` (MOR)                                  | zones, less one; 0xffff_ffff: no limit                 |
    /// | 12..20     | `reset_recommended`, `finish_recommended` (RRL, FRL) | s; 0: not said                                      |
    /// | 20..32     | `reset_recommended_1` to `_3` (RRL1 to RRL3)      | s                                                      |
    /// | 32..44     | `finish_recommended_1` to `_3` (FRL1 to FRL3)     | s                                                      |
    /// | 44..48     | `write_areas` (NUMZRWA)                           | random write areas, less one                           |
    /// | 48..50     | `write_area_flush` (ZRWAFG)                       | blocks                                                 |
    /// | 50..52     | `write_area_blocks` (ZRWASZ)                      | blocks                                                 |
    /// | 52         | `write_area_capabilities` (ZRWACAP)               | bits                                                   |
    /// | 2816..3840 | [`format`](Self::format) (LBAFE)                  | 64 [`ZoneFormat`]s of 16 bytes                         |
    /// | 3840..4096 | vendor specific                                   | kept                                                   |
    ///
    /// Everything else is reserved and kept. Source: NVMe Zoned Namespace Command Set 1.1 section 4.1.5.1, kernel
    /// `include/linux/nvme.h: struct nvme_id_ns_zns`.
    pub struct ZonedNamespace("Zoned Namespace Command Set Identify Namespace", 4096)
    show formats
    {
        /// Bit 0: the capacity of zones can change, 1: zones change to full when active too long.
        #[doc(alias = "ZOC")]
        0 zone_operation set_zone_operation u16;
        /// Bit 0: reads may cross zones, 1: random write areas.
        #[doc(alias = "OZCS")]
        2 optional_support set_optional_support u16;
        /// Zones active at a time, less one; 0xffff_ffff: no limit. See [`active_limit`](Self::active_limit).
        #[doc(alias = "MAR")]
        4 max_active set_max_active u32;
        /// Zones open at a time, less one; 0xffff_ffff: no limit. See [`open_limit`](Self::open_limit).
        #[doc(alias = "MOR")]
        8 max_open set_max_open u32;
        /// Time after which it recommends to reset a zone, s; 0: not said.
        #[doc(alias = "RRL")]
        12 reset_recommended set_reset_recommended u32;
        /// Time after which it recommends to finish a zone, s; 0: not said.
        #[doc(alias = "FRL")]
        16 finish_recommended set_finish_recommended u32;
        /// The first of three more limits for resets, s.
        #[doc(alias = "RRL1")]
        20 reset_recommended_1 set_reset_recommended_1 u32;
        /// The second of them, s.
        #[doc(alias = "RRL2")]
        24 reset_recommended_2 set_reset_recommended_2 u32;
        /// The third of them, s.
        #[doc(alias = "RRL3")]
        28 reset_recommended_3 set_reset_recommended_3 u32;
        /// The first of three more limits for finishes, s.
        #[doc(alias = "FRL1")]
        32 finish_recommended_1 set_finish_recommended_1 u32;
        /// The second of them, s.
        #[doc(alias = "FRL2")]
        36 finish_recommended_2 set_finish_recommended_2 u32;
        /// The third of them, s.
        #[doc(alias = "FRL3")]
        40 finish_recommended_3 set_finish_recommended_3 u32;
        /// Random write areas, less one.
        #[doc(alias = "NUMZRWA")]
        44 write_areas set_write_areas u32;
        /// Granularity of flushing a random write area, blocks.
        #[doc(alias = "ZRWAFG")]
        48 write_area_flush set_write_area_flush u16;
        /// Size of a random write area, blocks.
        #[doc(alias = "ZRWASZ")]
        50 write_area_blocks set_write_area_blocks u16;
        /// Bit 0: a random write area can be flushed by command.
        #[doc(alias = "ZRWACAP")]
        52 write_area_capabilities set_write_area_capabilities u8;
    }
}

/// Where the formats begin, and bytes of one.
const FORMATS_AT: usize = 2816;
const FORMAT: usize = 16;

impl<B: AsRef<[u8]>> ZonedNamespace<B> {
    /// Zones that can be active at a time; `None` for no limit.
    #[must_use]
    pub fn active_limit(&self) -> Option<u32> {
        self.max_active().checked_add(1)
    }

    /// Zones that can be open at a time; `None` for no limit.
    #[must_use]
    pub fn open_limit(&self) -> Option<u32> {
        self.max_open().checked_add(1)
    }

    /// The zones of the block format number `index`, 0 to 63.
    #[must_use]
    pub fn format(&self, index: u8) -> Option<ZoneFormat> {
        let format = (index < 64).then(|| entry(self.0.as_ref(), FORMATS_AT, FORMAT, index.into()))?;
        Some(ZoneFormat { zone_blocks: Field::read(format, 0), extension: Field::read(format, 8) })
    }

    /// The block formats that have zones, with their numbers.
    #[must_use]
    pub fn formats(&self) -> Vec<(u8, ZoneFormat)> {
        let all = (0..64).filter_map(|index| self.format(index).map(|format| (index, format)));
        all.filter(|(_, format)| *format != ZoneFormat::default()).collect()
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> ZonedNamespace<B> {
    /// Writes the zones of the block format number `index`; beyond 63 nothing is written.
    pub fn set_format(&mut self, index: u8, format: ZoneFormat) {
        if index < 64 {
            let to = entry_mut(self.0.as_mut(), FORMATS_AT, FORMAT, index.into());
            format.zone_blocks.write(to, 0);
            format.extension.write(to, 8);
        }
    }
}

view! {
    /// Identify Controller of the zoned namespace command set (CNS 0x06, command set 2). 4096 bytes.
    ///
    /// | bytes   | field                     | unit                                                                 |
    /// |---------|---------------------------|----------------------------------------------------------------------|
    /// | 0       | `append_limit` (ZASL)     | 2^n pages of the smallest size; 0: as `max_data_transfer`            |
    /// | 1..4096 | reserved                  | kept                                                                 |
    ///
    /// Source: NVMe Zoned Namespace Command Set 1.1 section 4.1.5.2, kernel `include/linux/nvme.h: struct nvme_id_ctrl_zns`.
    pub struct ZonedController("Zoned Namespace Command Set Identify Controller", 4096) {
        /// Longest Zone Append, 2^n pages; 0: as long as other transfers. See [`append_bytes`](Self::append_bytes).
        #[doc(alias = "ZASL")]
        0 append_limit set_append_limit u8;
    }
}

impl<B: AsRef<[u8]>> ZonedController<B> {
    /// The most bytes a Zone Append can have, for a controller whose smallest page has 2^`min_page_log2` bytes (12 on fabrics). `None` where
    /// the limit is that of other transfers ([`max_data_bytes`](super::IdentifyController::max_data_bytes)), or does not fit 64 bits.
    #[must_use]
    pub fn append_bytes(&self, min_page_log2: u8) -> Option<u64> {
        limit_bytes(self.append_limit(), min_page_log2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_view;

    #[test]
    fn the_fields_are_where_the_tables_say() {
        check_view!(ZonedController, [0..1]);
        let bytes: Vec<u8> = (0..4096).map(|at: usize| (at % 251) as u8 | 1).collect();
        let view = ZonedNamespace::new_checked(bytes.as_slice()).unwrap();
        let mut written = ZonedNamespace::zeroed();
        written.copy_fields(&view);
        for index in 0..=255 {
            written.set_format(index, view.format(index).unwrap_or_default());
        }
        for (at, (written, byte)) in written.as_bytes().iter().zip(&bytes).enumerate() {
            let field = at < 53 || (2816..3840).contains(&at) && at % 16 < 9;
            assert_eq!(*written, if field { *byte } else { 0 }, "byte {at}");
        }
        assert_eq!((view.format(64), view.formats().len()), (None, 64));
        assert!(ZonedNamespace::new_checked(&bytes[..4095]).is_err());
    }

    #[test]
    fn limits_count_from_zero() {
        let mut view = ZonedNamespace::zeroed();
        view.set_max_active(u32::MAX);
        view.set_max_open(13);
        assert_eq!((view.active_limit(), view.open_limit()), (None, Some(14)));
        let mut view = ZonedController::zeroed();
        assert_eq!(view.append_bytes(12), None);
        view.set_append_limit(3);
        assert_eq!(view.append_bytes(12), Some(32 << 10));
    }
}
