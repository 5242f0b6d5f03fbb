//! Firmware Image Download, Firmware Commit, Device Self-test.

use crate::bits::{command, newtype_bits};
use crate::registry::wire_values;

wire_values! {
    /// What Firmware Commit does with the downloaded image: 3 bits.
    #[doc(alias = "CA")]
    pub struct CommitAction(u8) {
        /// Puts it into the slot and does not activate it.
        REPLACE = 0 => "replace",
        /// Puts it into the slot, which is activated by the next reset.
        REPLACE_AND_ACTIVATE = 1 => "replace, activate at reset",
        /// Activates what is in the slot by the next reset.
        ACTIVATE = 2 => "activate at reset",
        /// Puts it into the slot and activates it at once.
        ACTIVATE_NOW = 3 => "activate without reset",
        /// Replaces a boot partition.
        REPLACE_BOOT_PARTITION = 6 => "replace boot partition",
        /// Makes a boot partition the active one.
        ACTIVATE_BOOT_PARTITION = 7 => "activate boot partition",
    }

    /// Which self-test: 4 bits.
    #[doc(alias = "STC")]
    pub struct SelfTestCode(u8) {
        /// The short one.
        SHORT = 0x1 => "short",
        /// The extended one.
        EXTENDED = 0x2 => "extended",
        /// A refresh of the media.
        HOST_INITIATED_REFRESH = 0x3 => "host-initiated refresh",
        /// Vendor specific.
        VENDOR = 0xe => "vendor specific",
        /// Ends the one that runs.
        ABORT = 0xf => "abort",
    }
}

newtype_bits!(CommitAction, SelfTestCode);

command! {
    /// Firmware Image Download: carries a piece of an image.
    ///
    /// Source: NVMe Base 2.0 section 5.13, kernel `include/linux/nvme.h: struct nvme_download_firmware`.
    pub struct FirmwareDownload("Firmware Image Download", opcode = 0x11) {
        /// Dwords of the piece, less one.
        CDW10 [31:0] dwords_less_one: u32, "NUMD";
        /// Dwords from the beginning of the image.
        CDW11 [31:0] offset_dwords: u32, "OFST";
    }
}

command! {
    /// Firmware Commit: puts the downloaded image into a slot, or activates one.
    ///
    /// Source: NVMe Base 2.0 section 5.12.
    pub struct FirmwareCommit("Firmware Commit", opcode = 0x10) {
        /// Slot 1 to 7; 0 the controller chooses.
        CDW10 [2:0] slot: u8, "FS";
        /// What to do.
        CDW10 [5:3] action: CommitAction, "CA";
        /// Boot partition.
        CDW10 [31] boot_partition: bool, "BPID";
    }
}

command! {
    /// Device Self-test: starts a test, or ends it.
    ///
    /// Source: NVMe Base 2.0 section 5.9.
    pub struct DeviceSelfTest("Device Self-test", opcode = 0x14) {
        /// Namespace to test; 0 the controller only, 0xffff_ffff all.
        NSID [31:0] nsid: u32, "NSID";
        /// Which test.
        CDW10 [3:0] code: SelfTestCode, "STC";
    }
}

impl FirmwareDownload {
    /// A piece of an image; both in bytes. `None` unless both are multiples of 4 and there is a piece.
    #[must_use]
    pub fn new(offset: u32, len: u32) -> Option<Self> {
        let whole = offset.is_multiple_of(4) && len.is_multiple_of(4);
        let dwords_less_one = (len / 4).checked_sub(1)?;
        whole.then_some(Self { dwords_less_one, offset_dwords: offset / 4 })
    }

    /// Bytes of the piece: 4 to 2^34.
    #[must_use]
    pub fn data_len(&self) -> u64 {
        u64::from(self.dwords_less_one).saturating_add(1).saturating_mul(4)
    }

    /// Bytes from the beginning of the image.
    #[must_use]
    pub fn offset(&self) -> u64 {
        u64::from(self.offset_dwords).saturating_mul(4)
    }
}

impl FirmwareCommit {
    /// Does this with a slot: 1 to 7, 0 the controller chooses.
    #[must_use]
    pub const fn new(slot: u8, action: CommitAction) -> Self {
        Self { slot, action, boot_partition: false }
    }
}

impl DeviceSelfTest {
    /// Starts (or ends) a test of a namespace: 0 none, 0xffff_ffff all.
    #[must_use]
    pub const fn new(nsid: u32, code: SelfTestCode) -> Self {
        Self { nsid, code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bits() {
        let piece = FirmwareDownload::new(0x1_0000, 4096).unwrap();
        let sqe = piece.to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw10, sqe.cdw11), (0x11, 1023, 0x4000));
        assert_eq!((piece.data_len(), piece.offset()), (4096, 0x1_0000));
        assert_eq!(FirmwareDownload::from_sqe(&sqe), piece);
        for (offset, len) in [(0, 0), (2, 4), (0, 6)] {
            assert_eq!(FirmwareDownload::new(offset, len), None);
        }
        let commit =
            FirmwareCommit { boot_partition: true, ..FirmwareCommit::new(5, CommitAction::ACTIVATE_NOW) };
        let sqe = commit.to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw10), (0x10, 0x8000_001d));
        assert_eq!(FirmwareCommit::from_sqe(&sqe), commit);
        let sqe = DeviceSelfTest::new(u32::MAX, SelfTestCode::ABORT).to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10), (0x14, u32::MAX, 0xf));
    }
}
