//! Commands on blocks that carry no data: Flush, Write Zeroes, Write Uncorrectable, Verify.

use super::Protection;
use super::blocks::block_command;
use crate::bits::command;

command! {
    /// Flush: what was written before is on the media when it completes.
    ///
    /// All namespaces (0xffff_ffff) only where VWC of Identify Controller says so; Linux and SPDK answer
    /// [`INVALID_NAMESPACE_OR_FORMAT`](crate::Status::INVALID_NAMESPACE_OR_FORMAT) to it.
    ///
    /// Source: NVMe Base 2.0 section 7.1.
    pub struct Flush("Flush", opcode = 0x00) {
        /// Namespace; 0xffff_ffff all.
        NSID [31:0] nsid: u32, "NSID";
    }
}

command! {
    /// Write Zeroes: the blocks read as zeros afterwards.
    ///
    /// Source: NVM Command Set 1.0 section 3.2.8, kernel `include/linux/nvme.h: struct nvme_write_zeroes_cmd`.
    pub struct WriteZeroes("Write Zeroes", opcode = 0x08) {
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
        /// The whole namespace.
        CDW12 [23] whole_namespace: bool, "NSZ";
        /// Check the storage tag.
        CDW12 [24] check_storage_tag: bool, "STC";
        /// Deallocate the blocks, where they then read as zeros.
        CDW12 [25] deallocate: bool, "DEAC";
        /// Protection information.
        CDW12 [29:26] protection: Protection, "PRINFO";
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

command! {
    /// Write Uncorrectable: the blocks cannot be read until they are written.
    ///
    /// Source: NVM Command Set 1.0 section 3.2.7.
    pub struct WriteUncorrectable("Write Uncorrectable", opcode = 0x04) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// The first block.
        CDW10 [63:0] lba: u64, "SLBA";
        /// Blocks, less one.
        CDW12 [15:0] blocks_less_one: u16, "NLB";
        /// Which directive `directive_specific` belongs to.
        CDW12 [23:20] directive_type: u8, "DTYPE";
        /// Of the directive.
        CDW13 [31:16] directive_specific: u16, "DSPEC";
    }
}

command! {
    /// Verify: reads the blocks and checks them, without carrying data.
    ///
    /// Source: NVM Command Set 1.0 section 3.2.5.
    pub struct Verify("Verify", opcode = 0x0c) {
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

impl Flush {
    /// Flushes a namespace; 0xffff_ffff all.
    #[must_use]
    pub const fn new(nsid: u32) -> Self {
        Self { nsid }
    }
}

block_command!(WriteZeroes);
block_command!(WriteUncorrectable);
block_command!(Verify);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bits() {
        let zeroes = WriteZeroes { deallocate: true, ..WriteZeroes::new(1, 256, 7) };
        let sqe = zeroes.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10, sqe.cdw12), (8, 1, 256, 0x0200_0007));
        assert_eq!((WriteZeroes::from_sqe(&sqe), zeroes.blocks()), (zeroes, 8));
        let all = WriteZeroes { whole_namespace: true, ..WriteZeroes::default() };
        assert_eq!(all.to_sqe().cdw12, 0x0080_0000);
        let bad = WriteUncorrectable { directive_type: 2, directive_specific: 9, ..Default::default() };
        assert_eq!(
            (bad.to_sqe().opcode, bad.to_sqe().cdw12, bad.to_sqe().cdw13),
            (4, 0x0020_0000, 0x0009_0000)
        );
        let verify = Verify {
            protection: Protection(0x7),
            force_unit_access: true,
            reference_tag: 5,
            ..Verify::new(1, 8, 0)
        };
        let sqe = verify.to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw12, sqe.cdw14), (0x0c, 0x5c00_0000, 5));
        assert_eq!((Flush::new(1).to_sqe().opcode, Flush::new(1).to_sqe().nsid), (0, 1));
    }
}
