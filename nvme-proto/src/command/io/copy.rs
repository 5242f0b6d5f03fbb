//! Copy and its source ranges.

use super::Protection;
use crate::bits::{bit_group, command, newtype_bits, record};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::registry::wire_values;

wire_values! {
    /// How the source ranges of a Copy look: 4 bits.
    #[doc(alias = "CDFE")]
    pub struct CopyFormat(u8) {
        /// 32 bytes, of the same namespace; guards of 16 bits.
        SAME_NAMESPACE = 0 => "format 0",
        /// 40 bytes, of the same namespace; guards of 32 and 64 bits.
        SAME_NAMESPACE_EXTENDED = 1 => "format 1",
        /// 32 bytes, of any namespace; guards of 16 bits.
        ANY_NAMESPACE = 2 => "format 2",
        /// 40 bytes, of any namespace; guards of 32 and 64 bits.
        ANY_NAMESPACE_EXTENDED = 3 => "format 3",
    }
}

newtype_bits!(CopyFormat);

bit_group! {
    /// What the host wants of a source range.
    #[doc(alias = "SOPT")]
    pub struct SourceOptions(u16) {
        /// Only if it is fast: Fast Copy Not Possible otherwise.
        [15] fast_only with_fast_only: bool, "FCO";
    }
}

command! {
    /// Copy: copies ranges of blocks behind each other to where `lba` says. The data are [`CopyRange`]s or [`CopyRangeExtended`]s, by
    /// `format`.
    ///
    /// Answers: Command Size Limit Exceeded, Incompatible Namespace or Format, Fast Copy Not Possible, Overlapping I/O Range.
    ///
    /// Source: NVM Command Set 1.0 section 3.2.2, kernel `include/linux/nvme.h: enum nvme_opcode` (the Linux target does not have it).
    pub struct Copy("Copy", opcode = 0x19) {
        /// Namespace the blocks are copied to.
        NSID [31:0] nsid: u32, "NSID";
        /// Upper bits of the tags, with 64-bit guards.
        CDW2 [47:0] tags_upper: u64, "LBTU";
        /// The first block they are copied to.
        CDW10 [63:0] lba: u64, "SDLBA";
        /// Ranges, less one.
        CDW12 [7:0] ranges_less_one: u8, "NR";
        /// How the ranges look.
        CDW12 [11:8] format: CopyFormat, "CDF";
        /// Protection information of reading.
        CDW12 [15:12] read_protection: Protection, "PRINFOR";
        /// Command extension.
        CDW12 [19:16] extension_type: u8, "CETYPE";
        /// Which directive `directive_specific` belongs to.
        CDW12 [23:20] directive_type: u8, "DTYPE";
        /// Check the storage tag in writing.
        CDW12 [24] write_check_storage_tag: bool, "STCW";
        /// Check the storage tag in reading.
        CDW12 [25] read_check_storage_tag: bool, "STCR";
        /// Protection information of writing.
        CDW12 [29:26] write_protection: Protection, "PRINFOW";
        /// To the media before it completes.
        CDW12 [30] force_unit_access: bool, "FUA";
        /// Do not try hard.
        CDW12 [31] limited_retry: bool, "LR";
        /// Value of the extension.
        CDW13 [15:0] extension_value: u16, "CEV";
        /// Of the directive.
        CDW13 [31:16] directive_specific: u16, "DSPEC";
        /// Reference or storage tag.
        CDW14 [31:0] reference_tag: u32, "ILBRT";
        /// Application tag.
        CDW15 [15:0] application_tag: u16, "LBAT";
        /// Bits of the application tag that are compared.
        CDW15 [31:16] application_tag_mask: u16, "LBATM";
    }
}

record! {
    /// A source range of a Copy, of formats 0 and 2.
    ///
    /// Source: NVM Command Set 1.1 section 3.3.2.
    pub struct CopyRange("Copy source range", 32) {
        /// Namespace it is in, in format 2; 0 in format 0.
        [0..4] nsid: u32, "SNSID";
        /// The first block.
        [8..16] lba: u64, "SLBA";
        /// Blocks, less one.
        [16..18] blocks_less_one: u16, "NLB";
        /// Bits 3:0: command extension.
        [18..20] extension_type: u16, "CETYPE";
        /// Value of the extension.
        [20..22] extension_value: u16, "CEV";
        /// What the host wants, in format 2.
        [22..24] options: SourceOptions, "SOPT";
        /// Expected reference or storage tag.
        [24..28] reference_tag: u32, "EILBRT";
        /// Expected application tag.
        [28..30] application_tag: u16, "ELBAT";
        /// Bits of the application tag that are compared.
        [30..32] application_tag_mask: u16, "ELBATM";
    }

    /// A source range of a Copy, of formats 1 and 3.
    ///
    /// Source: NVM Command Set 1.1 section 3.3.2.
    pub struct CopyRangeExtended("Copy source range", 40) {
        /// Namespace it is in, in format 3; 0 in format 1.
        [0..4] nsid: u32, "SNSID";
        /// The first block.
        [8..16] lba: u64, "SLBA";
        /// Blocks, less one.
        [16..18] blocks_less_one: u16, "NLB";
        /// Bits 3:0: command extension.
        [18..20] extension_type: u16, "CETYPE";
        /// Value of the extension.
        [20..22] extension_value: u16, "CEV";
        /// What the host wants, in format 3.
        [22..24] options: SourceOptions, "SOPT";
        /// Expected storage and reference tag, as the namespace divides them.
        [26..36] tags: [u8; 10], "ELBST";
        /// Expected application tag.
        [36..38] application_tag: u16, "ELBAT";
        /// Bits of the application tag that are compared.
        [38..40] application_tag_mask: u16, "ELBATM";
    }
}

/// The source ranges of a Copy: which blocks, of whatever format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CopySource {
    /// Of formats 0 and 2.
    Range(CopyRange),
    /// Of formats 1 and 3.
    Extended(CopyRangeExtended),
}

impl CopyFormat {
    /// Bytes of a range; `None` for a format this library does not decode.
    #[must_use]
    pub const fn range_len(self) -> Option<usize> {
        match self {
            Self::SAME_NAMESPACE | Self::ANY_NAMESPACE => Some(CopyRange::LEN),
            Self::SAME_NAMESPACE_EXTENDED | Self::ANY_NAMESPACE_EXTENDED => Some(CopyRangeExtended::LEN),
            _ => None,
        }
    }
}

impl CopyRange {
    /// Blocks from `lba` on of the same namespace; one less than their number.
    #[must_use]
    pub fn new(lba: u64, blocks_less_one: u16) -> Self {
        Self { lba, blocks_less_one, ..Self::default() }
    }
}

impl CopySource {
    /// The first block.
    #[must_use]
    pub const fn lba(&self) -> u64 {
        match self {
            Self::Range(range) => range.lba,
            Self::Extended(range) => range.lba,
        }
    }

    /// Number of blocks, 1 to 65,536.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        let less_one = match self {
            Self::Range(range) => range.blocks_less_one,
            Self::Extended(range) => range.blocks_less_one,
        };
        u32::from(less_one).saturating_add(1)
    }

    /// Namespace it is in; 0 in formats 0 and 1, where it is that of the command.
    #[must_use]
    pub const fn nsid(&self) -> u32 {
        match self {
            Self::Range(range) => range.nsid,
            Self::Extended(range) => range.nsid,
        }
    }
}

impl Copy {
    /// Copies so many ranges (`ranges_less_one` and one more) of format 0 to block `lba` on.
    #[must_use]
    pub fn new(nsid: u32, lba: u64, ranges_less_one: u8) -> Self {
        Self { nsid, lba, ranges_less_one, ..Self::default() }
    }

    /// Bytes of the data; `None` for a format this library does not decode.
    #[must_use]
    pub fn data_len(&self) -> Option<usize> {
        let count = usize::from(self.ranges_less_one).saturating_add(1);
        Some(self.format.range_len()?.saturating_mul(count))
    }

    /// The ranges in the data.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`] when the data have fewer than the command counts, [`DecodeErrorKind::Unsupported`] for a format this library
    /// does not decode.
    pub fn ranges<'a>(
        &self,
        data: &'a [u8],
    ) -> Result<impl ExactSizeIterator<Item = CopySource> + 'a, DecodeError> {
        const STRUCTURE: &str = "Copy source ranges";
        let kind = DecodeErrorKind::Unsupported { field: "CDF", found: u64::from(self.format.0) };
        let unsupported = DecodeError { structure: STRUCTURE, at: 0, kind };
        let size = self.format.range_len().ok_or(unsupported)?;
        let need = self.data_len().ok_or(unsupported)?;
        let ranges = data.get(..need).ok_or(DecodeError::too_short(STRUCTURE, data, need))?;
        Ok(ranges.chunks_exact(size).map(move |bytes| {
            // The chunk has the length of the structure, so what is missing cannot happen.
            if size == CopyRange::LEN {
                CopySource::Range(CopyRange::decode(bytes).unwrap_or_default())
            } else {
                CopySource::Extended(CopyRangeExtended::decode(bytes).unwrap_or_default())
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn each_field_has_its_bits() {
        let copy = Copy {
            format: CopyFormat::ANY_NAMESPACE_EXTENDED,
            read_protection: Protection(0x5),
            write_protection: Protection(0xa),
            write_check_storage_tag: true,
            directive_type: 1,
            directive_specific: 0x1234,
            extension_value: 0x5678,
            ..Copy::new(1, 512, 3)
        };
        let sqe = copy.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10, sqe.cdw11), (0x19, 1, 512, 0));
        assert_eq!((sqe.cdw12, sqe.cdw13), (0x2910_5303, 0x1234_5678));
        assert_eq!(Copy::from_sqe(&sqe), copy);
    }

    #[test]
    fn ranges_of_every_format() {
        let range = CopyRange { reference_tag: 7, application_tag: 1, ..CopyRange::new(16, 7) };
        let extended = CopyRangeExtended {
            nsid: 9,
            lba: 16,
            blocks_less_one: 7,
            options: SourceOptions::default().with_fast_only(true),
            tags: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            application_tag: 0x1122,
            application_tag_mask: 0x3344,
            ..CopyRangeExtended::default()
        };
        assert_eq!(extended.encode()[16..], {
            let mut tail = [0; 24];
            tail[0] = 7;
            tail[7] = 0x80;
            tail[10..20].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
            tail[20..].copy_from_slice(&[0x22, 0x11, 0x44, 0x33]);
            tail
        });
        for format in 0..=15 {
            let copy = Copy { format: CopyFormat(format), ..Copy::new(1, 0, 1) };
            let data: Vec<u8> = match copy.format.range_len() {
                Some(32) => [range.encode(), range.encode()].concat(),
                Some(_) => [extended.encode(), extended.encode()].concat(),
                None => vec![0; 4096],
            };
            match copy.ranges(&data) {
                Ok(ranges) => {
                    let ranges: Vec<_> = ranges.collect();
                    assert_eq!(ranges.len(), 2);
                    assert!(ranges.iter().all(|source| (source.lba(), source.blocks()) == (16, 8)));
                    assert_eq!(ranges[0].nsid(), if format % 2 == 1 { 9 } else { 0 });
                    for have in 0..data.len() {
                        let error = copy.ranges(&data[..have]).err().unwrap();
                        assert_eq!(error.kind, DecodeErrorKind::TooShort { need: data.len(), have });
                    }
                }
                Err(error) => {
                    assert!(format > 3, "{error}");
                    let found = u64::from(format);
                    assert_eq!(error.kind, DecodeErrorKind::Unsupported { field: "CDF", found });
                }
            }
        }
        assert_eq!(CopyRange::decode(&range.encode()), Ok(range));
        assert_eq!(CopyRangeExtended::decode(&extended.encode()), Ok(extended));
    }
}
