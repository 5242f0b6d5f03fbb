//! Dataset Management and its ranges.

use crate::bits::{bit_group, command, record};
use crate::error::DecodeError;

bit_group! {
    /// How a range is used: dword 0 of a range.
    #[doc(alias = "CATTR")]
    pub struct RangeAttributes(u32) {
        /// How often: 1 typical, 2 to 5 from rare to frequent.
        [3:0] frequency with_frequency: u8, "AF";
        /// How fast: 0 not said, 1 idle, 2 normal, 3 low latency.
        [5:4] latency with_latency: u8, "AL";
        /// Read in sequence.
        [8] sequential_read with_sequential_read: bool, "SR";
        /// Written in sequence.
        [9] sequential_write with_sequential_write: bool, "SW";
        /// Written soon.
        [10] write_prepare with_write_prepare: bool, "WP";
        /// Blocks of a read or write.
        [31:24] access_size with_access_size: u8, "CASZE";
    }
}

command! {
    /// Dataset Management: says how ranges of blocks are used; with `deallocate`, that they are not (what Linux calls discard). The data are
    /// [`DatasetRange`]s.
    ///
    /// Source: NVM Command Set 1.0 section 3.2.3, kernel `include/linux/nvme.h: struct nvme_dsm_cmd`.
    pub struct DatasetManagement("Dataset Management", opcode = 0x09) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// Ranges, less one.
        CDW10 [7:0] ranges_less_one: u8, "NR";
        /// They will be read as a whole.
        CDW11 [0] integral_read: bool, "IDR";
        /// They will be written as a whole.
        CDW11 [1] integral_write: bool, "IDW";
        /// They are no longer needed.
        CDW11 [2] deallocate: bool, "AD";
    }
}

record! {
    /// A range of blocks of Dataset Management.
    ///
    /// Source: NVM Command Set 1.0 section 3.2.3, kernel `include/linux/nvme.h: struct nvme_dsm_range`.
    pub struct DatasetRange("Dataset Management range", 16) {
        /// How it is used.
        [0..4] attributes: RangeAttributes, "CATTR";
        /// Blocks, counted from 1; 0 none.
        [4..8] blocks: u32, "NLB";
        /// The first block.
        [8..16] lba: u64, "SLBA";
    }
}

impl DatasetRange {
    /// Blocks from `lba` on.
    #[must_use]
    pub fn new(lba: u64, blocks: u32) -> Self {
        Self { blocks, lba, ..Self::default() }
    }
}

impl DatasetManagement {
    /// The largest number of ranges.
    pub const MAX_RANGES: usize = 256;

    /// Says that so many ranges are no longer needed: `ranges_less_one` and one more.
    #[must_use]
    pub fn deallocate(nsid: u32, ranges_less_one: u8) -> Self {
        Self { nsid, ranges_less_one, deallocate: true, ..Self::default() }
    }

    /// Bytes of the data: 16 to 4096.
    #[must_use]
    pub fn data_len(&self) -> u32 {
        u32::from(self.ranges_less_one).saturating_add(1).saturating_mul(16)
    }

    /// The ranges in the data.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort) when the data have fewer than the command counts; a controller then answers
    /// [`DATA_SGL_LENGTH_INVALID`](crate::Status::DATA_SGL_LENGTH_INVALID).
    pub fn ranges<'a>(
        &self,
        data: &'a [u8],
    ) -> Result<impl ExactSizeIterator<Item = DatasetRange> + 'a, DecodeError> {
        let count = usize::from(self.ranges_less_one).saturating_add(1);
        let (ranges, _) = data.as_chunks::<16>();
        match ranges.get(..count) {
            Some(ranges) => Ok(ranges.iter().map(DatasetRange::from_bytes)),
            None => Err(DecodeError::too_short("Dataset Management ranges", data, count.saturating_mul(16))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn two_ranges_of_a_discard() {
        let command = DatasetManagement::deallocate(1, 1);
        let sqe = command.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10, sqe.cdw11), (9, 1, 1, 4));
        assert_eq!((DatasetManagement::from_sqe(&sqe), command.data_len()), (command, 32));
        let expected = [DatasetRange::new(0, 128), DatasetRange::new(4096, 8)];
        let data: Vec<u8> = expected.iter().flat_map(DatasetRange::encode).collect();
        assert_eq!(data[16..], [0, 0, 0, 0, 8, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]);
        assert_eq!(command.ranges(&data).unwrap().collect::<Vec<_>>(), expected);
        for have in 0..32 {
            let error = command.ranges(&data[..have]).err().unwrap();
            assert_eq!(error, DecodeError::too_short("Dataset Management ranges", &data[..have], 32));
        }
    }

    #[test]
    fn no_more_ranges_than_bytes() {
        let command = DatasetManagement::deallocate(1, 255);
        assert_eq!(command.data_len(), 4096);
        assert!(command.ranges(&[0; 16]).is_err());
        assert_eq!(command.ranges(&[0; 4100]).unwrap().len(), DatasetManagement::MAX_RANGES);
    }

    #[test]
    fn attributes_of_a_range() {
        let attributes = RangeAttributes::default()
            .with_frequency(5)
            .with_latency(3)
            .with_sequential_read(true)
            .with_write_prepare(true)
            .with_access_size(8);
        assert_eq!(attributes.0, 0x0800_0535);
        let range = DatasetRange { attributes, ..DatasetRange::new(1, 2) };
        assert_eq!(range.encode()[..4], [0x35, 0x05, 0, 8]);
        assert_eq!(DatasetRange::decode(&range.encode()), Ok(range));
        assert!(DatasetRange::decode(&[0; 15]).is_err());
    }
}
