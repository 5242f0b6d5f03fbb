//! Identify Namespace.

use alloc::boxed::Box;
use core::fmt;

use super::ReservationCapabilities;
use crate::error::DecodeError;
use crate::layout::{Field, bytes_at, field_at, layout, put, zeroed};

/// One of a namespace's block formats. 4 bytes.
///
/// | bytes | bits | field                                              |
/// |-------|------|----------------------------------------------------|
/// | 0..2  |      | `metadata_bytes` (MS) per block                    |
/// | 2     |      | `data_log2` (LBADS): a block has 2^n bytes of data |
/// | 3     | 1:0  | `performance` (RP): 0 best to 3 degraded           |
/// | 3     | 7:2  | reserved                                           |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "LBAF")]
pub struct LbaFormat {
    /// Bytes of metadata for each block.
    #[doc(alias = "MS")]
    pub metadata_bytes: u16,
    /// log2 of the bytes of data in a block; usable are 9 (512 bytes) to 63.
    #[doc(alias = "LBADS")]
    pub data_log2: u8,
    /// Relative performance: 0 best, 1 better, 2 good, 3 degraded.
    #[doc(alias = "RP")]
    pub performance: u8,
}

impl LbaFormat {
    /// Bytes of data in a block; `None` when the format is not usable (less than 512 bytes, or more than 64 bits can say).
    #[must_use]
    pub const fn block_bytes(self) -> Option<u64> {
        match self.data_log2 {
            9..=63 => Some(1 << self.data_log2),
            _ => None,
        }
    }

    const fn decode(bytes: [u8; 4]) -> Self {
        let [low, high, data_log2, performance] = bytes;
        Self { metadata_bytes: u16::from_le_bytes([low, high]), data_log2, performance: performance & 0x3 }
    }

    const fn encode(self) -> [u8; 4] {
        let [low, high] = self.metadata_bytes.to_le_bytes();
        [low, high, self.data_log2, self.performance & 0x3]
    }
}

/// Identify Namespace of the NVM command set. 4096 bytes, little-endian.
///
/// | bytes     | field                                        | unit, meaning                                              |
/// |-----------|----------------------------------------------|------------------------------------------------------------|
/// | 0..8      | `size` (NSZE)                                | blocks                                                     |
/// | 8..16     | `capacity` (NCAP)                            | blocks                                                     |
/// | 16..24    | `used` (NUSE)                                | blocks                                                     |
/// | 24        | `features` (NSFEAT)                          | bits                                                       |
/// | 25        | `format_limit` (NLBAF)                       | formats, one less                                          |
/// | 26        | `format_in_use` (FLBAS)                      | 3:0 and 6:5 which format, 4 metadata at the block's end    |
/// | 27        | `metadata_capabilities` (MC)                 | bits                                                       |
/// | 28, 29    | `protection_capabilities`, `protection` (DPC, DPS) | bits                                                 |
/// | 30        | `sharing` (NMIC)                             | bit 0: several controllers can have it                     |
/// | 31        | `reservations` (RESCAP)                      | bits                                                       |
/// | 32        | `format_progress` (FPI)                      | 6:0 percent left, 7 supported                              |
/// | 33        | `deallocation` (DLFEAT)                      | bits                                                       |
/// | 34..40    | `atomic_write`, `…_power_fail`, `…_compare` (NAWUN, NAWUPF, NACWU) | blocks, one less                     |
/// | 40..46    | `atomic_boundary`, `…_offset`, `…_power_fail` (NABSN, NABO, NABSPF) | blocks                              |
/// | 46..48    | `optimal_io_boundary` (NOIOB)                | blocks; 0 not said                                         |
/// | 48..64    | `nvm_capacity` (NVMCAP)                      | bytes                                                      |
/// | 64..74    | `write_granularity`, `write_alignment`, `deallocate_granularity`, `deallocate_alignment`, `optimal_write` (NPWG, NPWA, NPDG, NPDA, NOWS) | blocks, one less |
/// | 74..81    | `copy_range`, `copy_total`, `copy_ranges` (MSSRL, MCL, MSRC) | blocks, blocks, ranges less one            |
/// | 81, 82    | `key_per_io`, `unique_formats` (KPIOS, NULBAF) | bits; formats                                           |
/// | 84..88    | `key_per_io_granularity` (KPIODAAG)          | blocks                                                     |
/// | 92..96    | `ana_group` (ANAGRPID)                       | 0: none                                                    |
/// | 99        | `attributes` (NSATTR)                        | bit 0: write protected                                     |
/// | 100..104  | `nvm_set`, `endurance_group` (NVMSETID, ENDGID) |                                                         |
/// | 104..120  | `nguid` (NGUID)                              | big-endian; zeros: none                                    |
/// | 120..128  | `eui64` (EUI64)                              | big-endian; zeros: none                                    |
/// | 128..384  | [`lba_format_at`](Self::lba_format_at)       | 64 formats of 4 bytes                                      |
/// | 384..4096 | vendor specific                              |                                                            |
///
/// Bytes that are not listed are kept: [`as_bytes`](Self::as_bytes). A namespace that is not active answers with zeros
/// ([`is_inactive`](Self::is_inactive)). Source: NVM Command Set 1.0 figure 97, kernel `include/linux/nvme.h: struct nvme_id_ns`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentifyNamespace<B: AsRef<[u8]>>(B);

/// Where the list of formats begins.
const FORMATS_AT: usize = 128;

impl<B: AsRef<[u8]>> IdentifyNamespace<B> {
    /// Length in bytes.
    pub const LEN: usize = 4096;
    /// Block formats the structure has room for.
    pub const FORMATS: usize = 64;

    /// Checks that there are (at least) 4096 bytes. What is behind them is left alone.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort).
    pub fn new_checked(bytes: B) -> Result<Self, DecodeError> {
        DecodeError::check_len("Identify Namespace", bytes.as_ref(), Self::LEN)?;
        Ok(Self(bytes))
    }

    /// Whether the namespace has no size, as one has that is not active.
    #[must_use]
    pub fn is_inactive(&self) -> bool {
        self.size() == 0 && self.capacity() == 0
    }

    /// The block format number `index`, 0 to 63, as it stands in the list.
    #[must_use]
    pub fn lba_format_at(&self, index: u8) -> Option<LbaFormat> {
        format_at(index).map(|at| LbaFormat::decode(bytes_at(self.0.as_ref(), at)))
    }

    /// The number of the format in use, 0 to 63. Bits 6:5 of FLBAS count only where there are more than 16 formats.
    #[must_use]
    pub fn lba_format_index(&self) -> u8 {
        let flbas = self.format_in_use();
        let high = if self.format_limit() > 15 { (flbas & 0x60) >> 1 } else { 0 };
        high | flbas & 0xf
    }

    /// The block format in use.
    #[must_use]
    pub fn lba_format(&self) -> Option<LbaFormat> {
        self.lba_format_at(self.lba_format_index())
    }

    /// Bytes of data in a block; `None` when the format in use is not usable.
    #[must_use]
    pub fn block_bytes(&self) -> Option<u64> {
        self.lba_format().and_then(LbaFormat::block_bytes)
    }

    /// Bytes of data in the namespace; `None` when the format is not usable or the number does not fit 64 bits.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.block_bytes().and_then(|block| self.size().checked_mul(block))
    }

    /// The 4096 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        field_at(self.0.as_ref(), 0, Self::LEN)
    }

    /// Gives back the bytes.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.0
    }
}

/// Offset of the format number `index`.
fn format_at(index: u8) -> Option<usize> {
    let index = usize::from(index);
    if index >= IdentifyNamespace::<&[u8]>::FORMATS {
        return None;
    }
    index.checked_mul(4).and_then(|offset| offset.checked_add(FORMATS_AT))
}

impl IdentifyNamespace<Box<[u8]>> {
    /// All zeros, which is what an inactive namespace answers.
    #[must_use]
    pub fn zeroed() -> Self {
        Self(zeroed(Self::LEN))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> IdentifyNamespace<B> {
    /// Writes the block format number `index`; beyond 63 nothing is written.
    pub fn set_lba_format_at(&mut self, index: u8, format: LbaFormat) {
        if let Some(at) = format_at(index) {
            put(self.0.as_mut(), at, format.encode());
        }
    }

    /// Writes which format is in use, leaving the metadata bit as it is; of `index` the lowest 6 bits count.
    pub fn set_lba_format_index(&mut self, index: u8) {
        let metadata = self.format_in_use() & 0x10;
        (metadata | (index & 0x30) << 1 | index & 0xf).write(self.0.as_mut(), 26);
    }
}

layout! { IdentifyNamespace {
    /// Size, blocks.
    #[doc(alias = "NSZE")]
    0 size set_size u64;
    /// Blocks that can be in use at a time.
    #[doc(alias = "NCAP")]
    8 capacity set_capacity u64;
    /// Blocks in use.
    #[doc(alias = "NUSE")]
    16 used set_used u64;
    /// Bit 0: thin provisioning, 1: its own atomic sizes, 2: errors on reading deallocated blocks, 3: identifiers are never reused,
    /// 5:4: the optimal-write fields hold.
    #[doc(alias = "NSFEAT")]
    24 features set_features u8;
    /// Number of block formats, less one.
    #[doc(alias = "NLBAF")]
    25 format_limit set_format_limit u8;
    /// 3:0 and 6:5: the block format in use, 4: metadata at the end of the data. See [`lba_format_index`](Self::lba_format_index).
    #[doc(alias = "FLBAS")]
    26 format_in_use set_format_in_use u8;
    /// Bit 0: metadata at the end of the data, 1: in a buffer of its own.
    #[doc(alias = "MC")]
    27 metadata_capabilities set_metadata_capabilities u8;
    /// Bits 2:0: types of protection information, 3: as the first, 4: as the last bytes of the metadata.
    #[doc(alias = "DPC")]
    28 protection_capabilities set_protection_capabilities u8;
    /// 2:0: the type of protection in use, 0 none; 3: in the first bytes of the metadata.
    #[doc(alias = "DPS")]
    29 protection set_protection u8;
    /// Bit 0: several controllers can have it attached.
    #[doc(alias = "NMIC")]
    30 sharing set_sharing u8;
    /// Reservations it takes.
    #[doc(alias = "RESCAP")]
    31 reservations set_reservations ReservationCapabilities;
    /// 6:0: percent left to format, 7: whether that is said at all.
    #[doc(alias = "FPI")]
    32 format_progress set_format_progress u8;
    /// 2:0: what deallocated blocks read as (0 not said, 1 zeros, 2 ones), 3: Write Zeroes can deallocate.
    #[doc(alias = "DLFEAT")]
    33 deallocation set_deallocation u8;
    /// Blocks written atomically, less one.
    #[doc(alias = "NAWUN")]
    34 atomic_write set_atomic_write u16;
    /// Blocks written atomically even when power fails, less one.
    #[doc(alias = "NAWUPF")]
    36 atomic_write_power_fail set_atomic_write_power_fail u16;
    /// Blocks of an atomic Compare and Write, less one.
    #[doc(alias = "NACWU")]
    38 atomic_compare_write set_atomic_compare_write u16;
    /// Boundary that atomic writes do not cross, blocks less one.
    #[doc(alias = "NABSN")]
    40 atomic_boundary set_atomic_boundary u16;
    /// Block of the first boundary.
    #[doc(alias = "NABO")]
    42 atomic_boundary_offset set_atomic_boundary_offset u16;
    /// The boundary when power fails, blocks less one.
    #[doc(alias = "NABSPF")]
    44 atomic_boundary_power_fail set_atomic_boundary_power_fail u16;
    /// Boundary that fast commands do not cross, blocks; 0: not said.
    #[doc(alias = "NOIOB")]
    46 optimal_io_boundary set_optimal_io_boundary u16;
    /// Bytes of media the namespace has.
    #[doc(alias = "NVMCAP")]
    48 nvm_capacity set_nvm_capacity u128;
    /// Preferred write granularity, blocks less one.
    #[doc(alias = "NPWG")]
    64 write_granularity set_write_granularity u16;
    /// Preferred write alignment, blocks less one.
    #[doc(alias = "NPWA")]
    66 write_alignment set_write_alignment u16;
    /// Preferred granularity of deallocation, blocks less one.
    #[doc(alias = "NPDG")]
    68 deallocate_granularity set_deallocate_granularity u16;
    /// Preferred alignment of deallocation, blocks less one.
    #[doc(alias = "NPDA")]
    70 deallocate_alignment set_deallocate_alignment u16;
    /// Optimal size of a write, blocks less one.
    #[doc(alias = "NOWS")]
    72 optimal_write set_optimal_write u16;
    /// Longest range of a Copy, blocks.
    #[doc(alias = "MSSRL")]
    74 copy_range set_copy_range u16;
    /// Longest Copy, blocks.
    #[doc(alias = "MCL")]
    76 copy_total set_copy_total u32;
    /// Ranges of a Copy, less one.
    #[doc(alias = "MSRC")]
    80 copy_ranges set_copy_ranges u8;
    /// Bit 0: a key for each I/O is enabled, 1: supported.
    #[doc(alias = "KPIOS")]
    81 key_per_io set_key_per_io u8;
    /// Number of block formats behind those of `format_limit` that have attributes of their own.
    #[doc(alias = "NULBAF")]
    82 unique_formats set_unique_formats u8;
    /// Granularity and alignment of accesses with a key, blocks.
    #[doc(alias = "KPIODAAG")]
    84 key_per_io_granularity set_key_per_io_granularity u32;
    /// Asymmetric access group; 0: none.
    #[doc(alias = "ANAGRPID")]
    92 ana_group set_ana_group u32;
    /// Bit 0: write protected.
    #[doc(alias = "NSATTR")]
    99 attributes set_attributes u8;
    /// NVM set.
    #[doc(alias = "NVMSETID")]
    100 nvm_set set_nvm_set u16;
    /// Endurance group.
    #[doc(alias = "ENDGID")]
    102 endurance_group set_endurance_group u16;
    /// Globally unique identifier, big-endian; zeros: none.
    #[doc(alias = "NGUID")]
    104 nguid set_nguid [u8; 16];
    /// IEEE identifier, big-endian; zeros: none.
    #[doc(alias = "EUI64")]
    120 eui64 set_eui64 [u8; 8];
} }

impl<B: AsRef<[u8]>> fmt::Debug for IdentifyNamespace<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("IdentifyNamespace");
        fields.field("lba_format", &self.lba_format());
        self.debug_fields(&mut fields);
        fields.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_in_use_is_found() {
        let mut view = IdentifyNamespace::zeroed();
        assert!(view.is_inactive());
        assert_eq!(view.block_bytes(), None);
        let format = LbaFormat { metadata_bytes: 8, data_log2: 12, performance: 1 };
        view.set_format_limit(63);
        view.set_format_in_use(0x10);
        view.set_lba_format_at(0x35, format);
        view.set_lba_format_index(0x35);
        assert_eq!(view.format_in_use(), 0x75);
        assert_eq!(
            (view.lba_format_index(), view.lba_format(), view.block_bytes()),
            (0x35, Some(format), Some(4096))
        );
        // With 16 formats or fewer the high bits mean nothing.
        view.set_format_limit(15);
        assert_eq!(view.lba_format_index(), 5);
        assert_eq!(view.lba_format_at(64), None);
    }

    #[test]
    fn impossible_block_sizes_are_none() {
        let mut view = IdentifyNamespace::zeroed();
        view.set_size(3);
        for (data_log2, block, size) in [
            (0, None, None),
            (8, None, None),
            (9, Some(512), Some(1536)),
            (63, Some(1 << 63), None),
            (64, None, None),
            (255, None, None),
        ] {
            view.set_lba_format_at(0, LbaFormat { metadata_bytes: 0, data_log2, performance: 0 });
            assert_eq!((view.block_bytes(), view.size_bytes()), (block, size), "{data_log2}");
        }
    }
}
