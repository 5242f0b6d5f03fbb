//! What Identify tells of the NVM command set beyond Identify Namespace and Controller.

use alloc::vec::Vec;

use super::Version;
use crate::layout::{Field, newtype_fields};
use crate::registry::wire_values;
use crate::view::{entries, entry_mut, view};

wire_values! {
    /// Format of protection information: how long its guard is (2 bits).
    #[doc(alias = "PIF")]
    pub struct ProtectionFormat(u8) {
        /// 8 bytes of protection information, a guard of 16 bits.
        GUARD_16 = 0 => "16-bit guard",
        /// 16 bytes of protection information, a guard of 32 bits.
        GUARD_32 = 1 => "32-bit guard",
        /// 16 bytes of protection information, a guard of 64 bits.
        GUARD_64 = 2 => "64-bit guard",
        /// The qualified format says which.
        QUALIFIED = 3 => "qualified",
    }
}

/// What else there is to say of a block format (ELBAF). 4 bytes, every bit kept.
///
/// | bits | field                                                                      |
/// |------|----------------------------------------------------------------------------|
/// | 6:0  | [`storage_tag_bits`](Self::storage_tag_bits) (STS)                         |
/// | 8:7  | [`protection_format`](Self::protection_format) (PIF)                       |
/// | 12:9 | [`qualified_format`](Self::qualified_format) (QPIF)                        |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[doc(alias = "ELBAF")]
pub struct ExtendedLbaFormat(pub u32);

newtype_fields!(ExtendedLbaFormat);

impl ExtendedLbaFormat {
    /// Bits of the reference and storage tags that are storage tag.
    #[doc(alias = "STS")]
    #[must_use]
    pub const fn storage_tag_bits(self) -> u8 {
        let [low, ..] = self.0.to_le_bytes();
        low & 0x7f
    }

    /// Format of protection information.
    #[must_use]
    pub const fn protection_format(self) -> ProtectionFormat {
        let [low, high, ..] = self.0.to_le_bytes();
        ProtectionFormat(low >> 7 | (high & 1) << 1)
    }

    /// Format of protection information where [`protection_format`](Self::protection_format) is
    /// [`QUALIFIED`](ProtectionFormat::QUALIFIED).
    #[doc(alias = "QPIF")]
    #[must_use]
    pub const fn qualified_format(self) -> u8 {
        let [_, high, ..] = self.0.to_le_bytes();
        (high >> 1) & 0xf
    }
}

view! {
    /// Identify Namespace of the NVM command set (CNS 0x05, command set 0). 4096 bytes, little-endian.
    ///
    /// | bytes    | field                                                          | unit, meaning                                       |
    /// |----------|----------------------------------------------------------------|-----------------------------------------------------|
    /// | 0..8     | `storage_tag_mask` (LBSTM)                                     | bits of the storage tag that are checked            |
    /// | 8        | `protection_capabilities` (PIC)                                | bits                                                |
    /// | 9        | `protection_attributes` (PIFA)                                 | bits; since NVM Command Set 1.1                     |
    /// | 12..268  | [`format`](Self::format) (ELBAF)                               | 64 formats of 4 bytes                               |
    /// | 268..272 | `deallocate_granularity` (NPDGL)                               | blocks; since NVM Command Set 1.1, as all that follows |
    /// | 272..284 | `read_granularity`, `read_alignment`, `optimal_read` (NPRG, NPRA, NORS) | blocks                                     |
    /// | 284..288 | `deallocate_alignment` (NPDAL)                                 | blocks                                              |
    /// | 288..292 | `placement_shard` (LBAPSS)                                     |                                                     |
    /// | 292..296 | `tracked_granularity` (TLBAAG)                                 | blocks                                              |
    ///
    /// Everything else is reserved and kept. Source: NVM Command Set 1.0 figure 100, kernel `include/linux/nvme.h: struct nvme_id_ns_nvm`.
    pub struct NvmNamespace("NVM Command Set Identify Namespace", 4096)
    show formats
    {
        /// Bits of the storage tag that are checked.
        #[doc(alias = "LBSTM")]
        0 storage_tag_mask set_storage_tag_mask u64;
        /// Bit 0: 16-bit guard with storage tags, 1: only if the mask is all ones, 2: 32- and 64-bit guards, 3: qualified formats.
        #[doc(alias = "PIC")]
        8 protection_capabilities set_protection_capabilities u8;
        /// Attributes of the formats of protection information.
        #[doc(alias = "PIFA")]
        9 protection_attributes set_protection_attributes u8;
        /// Preferred granularity of deallocation, blocks; 0: not said.
        #[doc(alias = "NPDGL")]
        268 deallocate_granularity set_deallocate_granularity u32;
        /// Preferred granularity of reads, blocks; 0: not said.
        #[doc(alias = "NPRG")]
        272 read_granularity set_read_granularity u32;
        /// Preferred alignment of reads, blocks; 0: not said.
        #[doc(alias = "NPRA")]
        276 read_alignment set_read_alignment u32;
        /// Optimal size of a read, blocks; 0: not said.
        #[doc(alias = "NORS")]
        280 optimal_read set_optimal_read u32;
        /// Preferred alignment of deallocation, blocks; 0: not said.
        #[doc(alias = "NPDAL")]
        284 deallocate_alignment set_deallocate_alignment u32;
        /// Size of the pieces (shards) in which a block format is placed.
        #[doc(alias = "LBAPSS")]
        288 placement_shard set_placement_shard u32;
        /// Granularity of tracking allocated blocks, blocks; 0: not said.
        #[doc(alias = "TLBAAG")]
        292 tracked_granularity set_tracked_granularity u32;
    }
}

/// Where the formats begin.
const FORMATS_AT: usize = 12;

impl<B: AsRef<[u8]>> NvmNamespace<B> {
    /// What else there is to say of the block format number `index`, 0 to 63.
    #[must_use]
    pub fn format(&self, index: u8) -> Option<ExtendedLbaFormat> {
        let all = entries(self.0.as_ref(), FORMATS_AT, 4, 64);
        all.map(|format| Field::read(format, 0)).nth(index.into())
    }

    /// The block formats of which anything is said, with their numbers.
    #[must_use]
    pub fn formats(&self) -> Vec<(u8, ExtendedLbaFormat)> {
        let all = (0..64).filter_map(|index| self.format(index).map(|format| (index, format)));
        all.filter(|(_, format)| format.0 != 0).collect()
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> NvmNamespace<B> {
    /// Writes what else there is to say of the block format number `index`; beyond 63 nothing is written.
    pub fn set_format(&mut self, index: u8, format: ExtendedLbaFormat) {
        if index < 64 {
            format.write(entry_mut(self.0.as_mut(), FORMATS_AT, 4, index.into()), 0);
        }
    }
}

view! {
    /// Identify Controller of the NVM command set (CNS 0x06, command set 0). 4096 bytes, little-endian.
    ///
    /// | bytes  | field                                                            | unit                                             |
    /// |--------|------------------------------------------------------------------|--------------------------------------------------|
    /// | 0..3   | `verify_limit`, `write_zeroes_limit`, `write_uncorrectable_limit` (VSL, WZSL, WUSL) | 2^n pages of the smallest size; 0: no limit |
    /// | 3      | `dataset_ranges` (DMRL)                                          | ranges; 0: no limit                              |
    /// | 4..8   | `dataset_range_blocks` (DMRSL)                                   | blocks in a range; 0: no limit                   |
    /// | 8..16  | `dataset_blocks` (DMSL)                                          | blocks in a command; 0: no limit                 |
    /// | 16     | `key_per_io` (KPIOCAP)                                           | bits; since NVM Command Set 1.1, as all that follows |
    /// | 17     | `write_zeroes_deallocate_limit` (WZDSL)                          | 2^n pages of the smallest size; 0: no limit      |
    /// | 18..20 | `admin_commands` (AOCS)                                          | bits                                             |
    /// | 20..24 | `version` (VER)                                                  | of the command set's specification               |
    /// | 24     | `migration_formats` (LBAMQF)                                     | bits                                             |
    ///
    /// Everything else is reserved and kept. Source: NVM Command Set 1.0 figure 104, kernel `include/linux/nvme.h: struct nvme_id_ctrl_nvm`.
    pub struct NvmController("NVM Command Set Identify Controller", 4096) {
        /// Longest Verify, 2^n pages; 0: no limit. See [`limit_bytes`](Self::limit_bytes).
        #[doc(alias = "VSL")]
        0 verify_limit set_verify_limit u8;
        /// Longest Write Zeroes, 2^n pages; 0: no limit.
        #[doc(alias = "WZSL")]
        1 write_zeroes_limit set_write_zeroes_limit u8;
        /// Longest Write Uncorrectable, 2^n pages; 0: no limit.
        #[doc(alias = "WUSL")]
        2 write_uncorrectable_limit set_write_uncorrectable_limit u8;
        /// Ranges in a Dataset Management command at most; 0: no limit.
        #[doc(alias = "DMRL")]
        3 dataset_ranges set_dataset_ranges u8;
        /// Blocks in a range of a Dataset Management command at most; 0: no limit.
        #[doc(alias = "DMRSL")]
        4 dataset_range_blocks set_dataset_range_blocks u32;
        /// Blocks in all ranges of a Dataset Management command at most; 0: no limit.
        #[doc(alias = "DMSL")]
        8 dataset_blocks set_dataset_blocks u64;
        /// Keys for each I/O, bits.
        #[doc(alias = "KPIOCAP")]
        16 key_per_io set_key_per_io u8;
        /// Longest Write Zeroes that deallocates, 2^n pages; 0: no limit.
        #[doc(alias = "WZDSL")]
        17 write_zeroes_deallocate_limit set_write_zeroes_deallocate_limit u8;
        /// Optional admin commands of the command set, bits.
        #[doc(alias = "AOCS")]
        18 admin_commands set_admin_commands u16;
        /// Version of the command set's specification.
        #[doc(alias = "VER")]
        20 version set_version Version;
        /// Formats of migration queue entries, bits.
        #[doc(alias = "LBAMQF")]
        24 migration_formats set_migration_formats u8;
    }
}

/// Bytes of 2^`limit` pages of 2^`min_page_log2` bytes; `None` for no limit, also when it does not fit 64 bits.
pub(super) fn limit_bytes(limit: u8, min_page_log2: u8) -> Option<u64> {
    let shift = u32::from(limit).checked_add(min_page_log2.into()).filter(|shift| *shift < 64)?;
    if limit == 0 { None } else { 1_u64.checked_shl(shift) }
}

impl<B: AsRef<[u8]>> NvmController<B> {
    /// What one of the limits that count pages means in bytes, for a controller whose smallest page has 2^`min_page_log2` bytes (12 on
    /// fabrics). `None` for no limit, also when the limit does not fit 64 bits.
    #[must_use]
    pub fn limit_bytes(&self, limit: u8, min_page_log2: u8) -> Option<u64> {
        limit_bytes(limit, min_page_log2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_view;

    #[test]
    fn the_fields_are_where_the_tables_say() {
        check_view!(NvmController, [0..25]);
        let bytes: Vec<u8> = (0..4096).map(|at: usize| (at % 251) as u8 | 1).collect();
        let view = NvmNamespace::new_checked(bytes.as_slice()).unwrap();
        let mut written = NvmNamespace::zeroed();
        written.copy_fields(&view);
        for index in 0..=255 {
            written.set_format(index, view.format(index).unwrap_or_default());
        }
        for (at, (written, byte)) in written.as_bytes().iter().zip(&bytes).enumerate() {
            let field = matches!(at, 0..=9 | 12..=295);
            assert_eq!(*written, if field { *byte } else { 0 }, "byte {at}");
        }
        assert_eq!((view.format(64), view.formats().len()), (None, 64));
        assert!(NvmNamespace::new_checked(&bytes[..4095]).is_err());
    }

    #[test]
    fn a_format_has_three_fields() {
        let format = ExtendedLbaFormat(0x1_0000 | 0x9 << 9 | 0x2 << 7 | 0x30);
        assert_eq!((format.storage_tag_bits(), format.qualified_format()), (0x30, 9));
        assert_eq!(format.protection_format(), ProtectionFormat::GUARD_64);
        assert_eq!(ExtendedLbaFormat(0x80).protection_format(), ProtectionFormat::GUARD_32);
    }

    #[test]
    fn limits_do_not_overflow() {
        let view = NvmController::zeroed();
        assert_eq!(view.limit_bytes(0, 12), None);
        assert_eq!(view.limit_bytes(5, 12), Some(128 << 10));
        assert_eq!(view.limit_bytes(51, 12), Some(1 << 63));
        assert_eq!((view.limit_bytes(52, 12), view.limit_bytes(255, 255)), (None, None));
    }
}
