//! Namespace Management, Namespace Attachment, Format NVM.

use crate::bits::{command, newtype_bits, record};
use crate::registry::wire_values;

wire_values! {
    /// What Namespace Management does: 4 bits.
    pub struct NamespaceManagementAction(u8) {
        /// Creates a namespace, as the data describe it; its identifier is dword 0 of the completion.
        CREATE = 0 => "create",
        /// Deletes the namespace, or all with 0xffff_ffff.
        DELETE = 1 => "delete",
    }

    /// What Namespace Attachment does: 4 bits.
    pub struct NamespaceAttachmentAction(u8) {
        /// Attaches the namespace to the controllers of the list.
        ATTACH = 0 => "attach",
        /// Detaches it from them.
        DETACH = 1 => "detach",
    }

    /// What else Format NVM does with the data: 3 bits.
    #[doc(alias = "SES")]
    pub struct SecureErase(u8) {
        /// Nothing.
        NONE = 0 => "none",
        /// Erases all user data.
        USER_DATA = 1 => "user data erase",
        /// Erases all user data by deleting its key.
        CRYPTOGRAPHIC = 2 => "cryptographic erase",
    }
}

newtype_bits!(NamespaceManagementAction, NamespaceAttachmentAction, SecureErase);

command! {
    /// Namespace Management: creates or deletes a namespace. Creating carries the 4096 bytes that begin with a [`NamespaceTemplate`].
    ///
    /// Source: NVMe Base 2.0 section 5.23.
    pub struct NamespaceManagement("Namespace Management", opcode = 0x0d) {
        /// The namespace to delete; 0 to create.
        NSID [31:0] nsid: u32, "NSID";
        /// What to do.
        CDW10 [3:0] action: NamespaceManagementAction, "SEL";
        /// I/O command set of the new namespace: 0 NVM, 1 key value, 2 zoned.
        CDW11 [31:24] command_set: u8, "CSI";
    }
}

command! {
    /// Namespace Attachment: attaches a namespace to controllers, or detaches it. The data are a controller list of 4096 bytes.
    ///
    /// Source: NVMe Base 2.0 section 5.22.
    pub struct NamespaceAttachment("Namespace Attachment", opcode = 0x15) {
        /// Which namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// What to do.
        CDW10 [3:0] action: NamespaceAttachmentAction, "SEL";
    }
}

command! {
    /// Format NVM: gives a namespace, or all, another format. All data is lost.
    ///
    /// Source: NVMe Base 2.0 section 5.14, kernel `include/linux/nvme.h: struct nvme_format_cmd`.
    pub struct FormatNvm("Format NVM", opcode = 0x80) {
        /// Which namespace; 0xffff_ffff all.
        NSID [31:0] nsid: u32, "NSID";
        /// Which LBA format, lower 4 bits.
        CDW10 [3:0] format_low: u8, "LBAFL";
        /// Metadata lie behind the data of each block.
        CDW10 [4] extended_metadata: bool, "MSET";
        /// End-to-end protection: 0 none, 1 to 3 its type.
        CDW10 [7:5] protection: u8, "PI";
        /// Protection information is first in the metadata, not last.
        CDW10 [8] protection_first: bool, "PIL";
        /// What else to do with the data.
        CDW10 [11:9] secure_erase: SecureErase, "SES";
        /// Which LBA format, upper 2 bits.
        CDW10 [13:12] format_high: u8, "LBAFU";
    }
}

record! {
    /// What a new namespace of the NVM command set shall be: the beginning of the data of Namespace Management. The fields lie where Identify
    /// Namespace has them.
    ///
    /// Source: NVMe Base 2.0 section 5.23, NVM Command Set 1.0 section 4.1.6.
    pub struct NamespaceTemplate("namespace template", 512) {
        /// Size, blocks.
        [0..8] size: u64, "NSZE";
        /// Blocks that can be used, at most `size`.
        [8..16] capacity: u64, "NCAP";
        /// Which LBA format, and where metadata lie.
        [26..27] format: u8, "FLBAS";
        /// End-to-end protection.
        [29..30] protection: u8, "DPS";
        /// Bit 0: may be attached to several controllers.
        [30..31] sharing: u8, "NMIC";
        /// ANA group; 0 the controller chooses.
        [92..96] ana_group: u32, "ANAGRPID";
        /// NVM set; 0 the controller chooses.
        [100..102] nvm_set: u16, "NVMSETID";
        /// Endurance group; 0 the controller chooses.
        [102..104] endurance_group: u16, "ENDGID";
        /// Which bits of the storage tag are compared.
        [384..392] storage_tag_mask: u64, "LBSTM";
    }
}

impl NamespaceManagement {
    /// Bytes of the data of a creation.
    pub const DATA_LEN: u32 = 4096;

    /// Creates a namespace of an I/O command set: 0 NVM, 1 key value, 2 zoned.
    #[must_use]
    pub const fn create(command_set: u8) -> Self {
        Self { nsid: 0, action: NamespaceManagementAction::CREATE, command_set }
    }

    /// Deletes a namespace; 0xffff_ffff all.
    #[must_use]
    pub const fn delete(nsid: u32) -> Self {
        Self { nsid, action: NamespaceManagementAction::DELETE, command_set: 0 }
    }
}

impl NamespaceAttachment {
    /// Bytes of the data.
    pub const DATA_LEN: u32 = 4096;

    /// Attaches or detaches a namespace.
    #[must_use]
    pub const fn new(nsid: crate::Nsid, action: NamespaceAttachmentAction) -> Self {
        Self { nsid: nsid.get(), action }
    }
}

impl FormatNvm {
    /// Gives a namespace (0xffff_ffff all) an LBA format, 0 to 63, without metadata and protection.
    #[must_use]
    pub fn new(nsid: u32, format: u8) -> Self {
        Self { nsid, format_low: format & 0xf, format_high: format >> 4 & 0x3, ..Self::default() }
    }

    /// Which LBA format, 0 to 63.
    #[must_use]
    pub const fn format(&self) -> u8 {
        self.format_low & 0xf | (self.format_high & 0x3) << 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Nsid;

    #[test]
    fn each_field_has_its_bits() {
        let format = FormatNvm {
            extended_metadata: true,
            protection: 3,
            protection_first: true,
            secure_erase: SecureErase::CRYPTOGRAPHIC,
            ..FormatNvm::new(9, 0x25)
        };
        let sqe = format.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10), (0x80, 9, 0x2575));
        assert_eq!((FormatNvm::from_sqe(&sqe), format.format()), (format, 0x25));
        let sqe = NamespaceManagement::create(2).to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10, sqe.cdw11), (0x0d, 0, 0, 0x0200_0000));
        let sqe = NamespaceManagement::delete(u32::MAX).to_sqe();
        assert_eq!((sqe.nsid, sqe.cdw10), (u32::MAX, 1));
        let sqe = NamespaceAttachment::new(Nsid::ONE, NamespaceAttachmentAction::DETACH).to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10), (0x15, 1, 1));
    }

    #[test]
    fn a_template_lies_where_identify_namespace_does() {
        use crate::identify::IdentifyNamespace;
        let template =
            NamespaceTemplate { size: 131_072, capacity: 131_000, format: 2, ..NamespaceTemplate::default() };
        let mut bytes = [0; 4096];
        bytes[..512].copy_from_slice(&template.encode());
        let view = IdentifyNamespace::new_checked(bytes).unwrap();
        assert_eq!((view.size(), view.capacity()), (131_072, 131_000));
        assert_eq!(NamespaceTemplate::decode(&bytes), Ok(template));
    }
}
