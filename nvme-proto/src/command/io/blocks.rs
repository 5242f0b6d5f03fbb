//! Reading, writing and comparing blocks.

use crate::bits::{bit_group, command};

bit_group! {
    /// What is done about protection information: bits 29:26 of dword 12.
    #[doc(alias = "PRINFO")]
    pub struct Protection(u8) {
        /// Check the reference tag.
        [0] check_reference with_reference_check: bool, "PRCHK_REF";
        /// Check the application tag.
        [1] check_application with_application_check: bool, "PRCHK_APP";
        /// Check the guard.
        [2] check_guard with_guard_check: bool, "PRCHK_GUARD";
        /// The controller inserts or strips the protection information.
        [3] action with_action: bool, "PRACT";
    }

    /// How the blocks will be used: bits 15:0 of dword 13.
    ///
    /// With a command extension (`extension_type` not 0) the 16 bits are its value (CEV) instead.
    #[doc(alias = "CEV")]
    pub struct AccessHints(u16) {
        /// How often: 1 typical, 2 to 5 from rare to frequent, 6 once, 7 speculative, 8 soon overwritten.
        [3:0] frequency with_frequency: u8, "AF";
        /// How fast: 0 not said, 1 idle, 2 normal, 3 low latency.
        [5:4] latency with_latency: u8, "AL";
        /// One of a sequence.
        [6] sequential with_sequential: bool, "SR";
        /// Data that cannot be compressed.
        [7] incompressible with_incompressible: bool, "INCPRS";
    }
}

macro_rules! block_command {
    ($name:ident) => {
        impl $name {
            /// Begins at block `lba`; `blocks_less_one` is one less than the number of blocks.
            #[must_use]
            pub fn new(nsid: u32, lba: u64, blocks_less_one: u16) -> Self {
                Self { nsid, lba, blocks_less_one, ..Self::default() }
            }

            /// Number of blocks, 1 to 65,536.
            #[must_use]
            pub fn blocks(&self) -> u32 {
                u32::from(self.blocks_less_one).saturating_add(1)
            }
        }
    };
}
pub(super) use block_command;

command! {
    /// Read: reads blocks.
    ///
    /// The length of the SGL must be that of the blocks, with their metadata where these lie behind the data: the Linux target answers
    /// [`DATA_SGL_LENGTH_INVALID`](crate::Status::DATA_SGL_LENGTH_INVALID) to any other.
    ///
    /// Source: NVM Command Set 1.0 section 3.2.4, kernel `include/linux/nvme.h: struct nvme_rw_command`.
    pub struct Read("Read", opcode = 0x02) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// Upper bits of the tags, with 64-bit guards.
        CDW2 [47:0] tags_upper: u64, "LBTU";
        /// The first block.
        CDW10 [63:0] lba: u64, "SLBA";
        /// Blocks, less one.
        CDW12 [15:0] blocks_less_one: u16, "NLB";
        /// Command extension.
        CDW12 [19:16] extension_type: u8, "CETYPE";
        /// Check the storage tag.
        CDW12 [24] check_storage_tag: bool, "STC";
        /// Protection information.
        CDW12 [29:26] protection: Protection, "PRINFO";
        /// Not from a volatile cache.
        CDW12 [30] force_unit_access: bool, "FUA";
        /// Do not try hard.
        CDW12 [31] limited_retry: bool, "LR";
        /// How the blocks will be used.
        CDW13 [15:0] hints: AccessHints, "DSM";
        /// Expected reference or storage tag.
        CDW14 [31:0] reference_tag: u32, "EILBRT";
        /// Expected application tag.
        CDW15 [15:0] application_tag: u16, "ELBAT";
        /// Bits of the application tag that are compared.
        CDW15 [31:16] application_tag_mask: u16, "ELBATM";
    }
}

command! {
    /// Write: writes blocks.
    ///
    /// The length of the SGL must be that of the blocks. Data that fit into the capsule must be there: the Linux target never answers a
    /// transport data block of that size.
    ///
    /// Source: NVM Command Set 1.0 section 3.2.6, kernel `include/linux/nvme.h: struct nvme_rw_command`.
    pub struct Write("Write", opcode = 0x01) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// Upper bits of the tags, with 64-bit guards.
        CDW2 [47:0] tags_upper: u64, "LBTU";
        /// The first block.
        CDW10 [63:0] lba: u64, "SLBA";
        /// Blocks, less one.
        CDW12 [15:0] blocks_less_one: u16, "NLB";
        /// Command extension.
        CDW12 [19:16] extension_type: u8, "CETYPE";
        /// Which directive `directive_specific` belongs to.
        CDW12 [23:20] directive_type: u8, "DTYPE";
        /// Check the storage tag.
        CDW12 [24] check_storage_tag: bool, "STC";
        /// Protection information.
        CDW12 [29:26] protection: Protection, "PRINFO";
        /// To the media before it completes.
        CDW12 [30] force_unit_access: bool, "FUA";
        /// Do not try hard.
        CDW12 [31] limited_retry: bool, "LR";
        /// How the blocks will be used.
        CDW13 [15:0] hints: AccessHints, "DSM";
        /// Of the directive: a stream, or a placement.
        CDW13 [31:16] directive_specific: u16, "DSPEC";
        /// Reference or storage tag.
        CDW14 [31:0] reference_tag: u32, "ILBRT";
        /// Application tag.
        CDW15 [15:0] application_tag: u16, "LBAT";
        /// Bits of the application tag that are compared.
        CDW15 [31:16] application_tag_mask: u16, "LBATM";
    }
}

command! {
    /// Compare: compares blocks with data. They differ: [`COMPARE_FAILURE`](crate::Status::COMPARE_FAILURE).
    ///
    /// Source: NVM Command Set 1.0 section 3.2.1.
    pub struct Compare("Compare", opcode = 0x05) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// Upper bits of the tags, with 64-bit guards.
        CDW2 [47:0] tags_upper: u64, "LBTU";
        /// The first block.
        CDW10 [63:0] lba: u64, "SLBA";
        /// Blocks, less one.
        CDW12 [15:0] blocks_less_one: u16, "NLB";
        /// Command extension.
        CDW12 [19:16] extension_type: u8, "CETYPE";
        /// Check the storage tag.
        CDW12 [24] check_storage_tag: bool, "STC";
        /// Protection information.
        CDW12 [29:26] protection: Protection, "PRINFO";
        /// Not from a volatile cache.
        CDW12 [30] force_unit_access: bool, "FUA";
        /// Do not try hard.
        CDW12 [31] limited_retry: bool, "LR";
        /// Value of the extension.
        CDW13 [15:0] extension_value: u16, "CEV";
        /// Expected reference or storage tag.
        CDW14 [31:0] reference_tag: u32, "EILBRT";
        /// Expected application tag.
        CDW15 [15:0] application_tag: u16, "ELBAT";
        /// Bits of the application tag that are compared.
        CDW15 [31:16] application_tag_mask: u16, "ELBATM";
    }
}

block_command!(Read);
block_command!(Write);
block_command!(Compare);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_ahead_of_a_linux_host() {
        let mut read = Read::new(1, 0x1_2345_6789, 7);
        read.limited_retry = true;
        read.hints = AccessHints::default().with_frequency(7);
        let sqe = read.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10, sqe.cdw11), (2, 1, 0x2345_6789, 1));
        assert_eq!((sqe.cdw12, sqe.cdw13), (0x8000_0007, 7));
        assert_eq!((Read::from_sqe(&sqe), read.blocks()), (read, 8));
        assert_eq!(Read::new(1, 0, u16::MAX).blocks(), 65_536);
    }

    #[test]
    fn each_field_has_its_bits() {
        let write = Write {
            nsid: 9,
            tags_upper: 0x1122_3344_5566,
            lba: 1,
            blocks_less_one: 2,
            extension_type: 3,
            directive_type: 1,
            check_storage_tag: true,
            protection: Protection::default().with_action(true).with_guard_check(true),
            force_unit_access: true,
            limited_retry: false,
            hints: AccessHints(0x1200).with_latency(3).with_sequential(true),
            directive_specific: 0x3456,
            reference_tag: 0x789a_bcde,
            application_tag: 0x1111,
            application_tag_mask: 0xffff,
        };
        let sqe = write.to_sqe();
        assert_eq!((sqe.cdw2, sqe.cdw3), (0x3344_5566, 0x1122));
        assert_eq!((sqe.cdw12, sqe.cdw13), (0x7113_0002, 0x3456_1270));
        assert_eq!((sqe.cdw14, sqe.cdw15), (0x789a_bcde, 0xffff_1111));
        assert_eq!(Write::from_sqe(&sqe), write);
        let compare = Compare { extension_value: 0xabcd, ..Compare::new(1, 16, 0) };
        assert_eq!((compare.to_sqe().opcode, compare.to_sqe().cdw13), (5, 0xabcd));
    }
}
