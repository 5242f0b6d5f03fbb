//! The Identify command.

use crate::registry::wire_values;

wire_values! {
    /// Which structure an Identify command asks for. 1 byte.
    ///
    /// Source: NVMe Base 2.0 section 5.17.2.
    #[doc(alias = "CNS")]
    pub struct Cns(u8) {
        /// Identify Namespace, NVM command set. Needs a namespace id.
        NAMESPACE = 0x00 => "Identify Namespace",
        /// Identify Controller.
        CONTROLLER = 0x01 => "Identify Controller",
        /// The active namespace ids above the one given, up to 1024.
        ACTIVE_NAMESPACES = 0x02 => "Active Namespace ID List",
        /// Namespace Identification Descriptor list.
        NAMESPACE_DESCRIPTORS = 0x03 => "Namespace Identification Descriptor List",
        /// NVM Set list.
        NVM_SETS = 0x04 => "NVM Set List",
        /// Identify Namespace of one I/O command set (CSI).
        IO_NAMESPACE = 0x05 => "I/O Command Set Specific Identify Namespace",
        /// Identify Controller of one I/O command set (CSI).
        IO_CONTROLLER = 0x06 => "I/O Command Set Specific Identify Controller",
        /// The active namespace ids of one I/O command set (CSI).
        IO_ACTIVE_NAMESPACES = 0x07 => "I/O Command Set Specific Active Namespace ID List",
        /// Identify Namespace independent of the I/O command set.
        INDEPENDENT_NAMESPACE = 0x08 => "I/O Command Set Independent Identify Namespace",
        /// Formats of user data, independent of the I/O command set.
        NAMESPACE_FORMAT = 0x09 => "Identify Namespace User Data Format",
        /// Formats of user data of one I/O command set (CSI).
        IO_NAMESPACE_FORMAT = 0x0a => "I/O Command Set Specific Identify Namespace User Data Format",
        /// The allocated namespace ids above the one given.
        ALLOCATED_NAMESPACES = 0x10 => "Allocated Namespace ID List",
        /// Identify Namespace of an allocated namespace.
        ALLOCATED_NAMESPACE = 0x11 => "Identify Namespace of an Allocated Namespace",
        /// The controllers attached to a namespace.
        ATTACHED_CONTROLLERS = 0x12 => "Controller List of a Namespace",
        /// All controllers of the subsystem.
        CONTROLLERS = 0x13 => "Controller List",
        /// What a primary controller can give to secondary ones.
        PRIMARY_CAPABILITIES = 0x14 => "Primary Controller Capabilities",
        /// The secondary controllers.
        SECONDARY_CONTROLLERS = 0x15 => "Secondary Controller List",
        /// Which sizes namespaces should have.
        NAMESPACE_GRANULARITY = 0x16 => "Namespace Granularity List",
        /// UUIDs that give meaning to what is vendor specific.
        UUIDS = 0x17 => "UUID List",
        /// Domains.
        DOMAINS = 0x18 => "Domain List",
        /// Endurance groups.
        ENDURANCE_GROUPS = 0x19 => "Endurance Group List",
        /// The allocated namespace ids of one I/O command set (CSI).
        IO_ALLOCATED_NAMESPACES = 0x1a => "I/O Command Set Specific Allocated Namespace ID List",
        /// Identify Namespace of one I/O command set (CSI), of an allocated namespace.
        IO_ALLOCATED_NAMESPACE = 0x1b => "I/O Command Set Specific Identify Namespace of an Allocated Namespace",
        /// Combinations of I/O command sets.
        IO_COMMAND_SETS = 0x1c => "I/O Command Set Combinations",
        /// Namespaces an exported subsystem can be made of.
        UNDERLYING_NAMESPACES = 0x1d => "Underlying Namespace List",
        /// Ports an exported subsystem can be reached by.
        PORTS = 0x1e => "Ports List",
        /// Identify Namespace independent of the I/O command set, of an allocated namespace.
        INDEPENDENT_ALLOCATED_NAMESPACE = 0x1f => "I/O Command Set Independent Identify Namespace of an Allocated Namespace",
        /// Formats of the state of a controller that migrates.
        CONTROLLER_STATE_FORMATS = 0x20 => "Supported Controller State Formats",
    }
}

/// Identify (opcode 0x06): asks for 4096 bytes about a controller or a namespace.
///
/// | dword | bits  | field                               |
/// |-------|-------|-------------------------------------|
/// | NSID  | 31:0  | `nsid`: 0 where none is meant       |
/// | CDW10 | 7:0   | `cns` (CNS)                         |
/// | CDW10 | 31:16 | `controller_id` (CNTID)             |
/// | CDW11 | 15:0  | `specific_id` (CNSSID)              |
/// | CDW11 | 31:24 | `command_set` (CSI)                 |
/// | CDW14 | 6:0   | `uuid_index` (UIDX)                 |
///
/// Everything else is reserved: written as zero, ignored when read. Source: NVMe Base 2.0 section 5.17.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct IdentifyCommand {
    /// Which structure.
    pub cns: Cns,
    /// The namespace it is about, 0 for none. Raw, since lists take 0 and capabilities take 0xffff_ffff here.
    pub nsid: u32,
    /// Controller to begin a list with or to ask about; 0 where not used.
    #[doc(alias = "CNTID")]
    pub controller_id: u16,
    /// NVM set, domain or endurance group; 0 where not used.
    #[doc(alias = "CNSSID")]
    pub specific_id: u16,
    /// I/O command set: 0 NVM, 1 key value, 2 zoned.
    #[doc(alias = "CSI")]
    pub command_set: u8,
    /// Index into the UUID list, 0 to 127; 0 for none.
    #[doc(alias = "UIDX")]
    pub uuid_index: u8,
}

impl IdentifyCommand {
    /// Opcode of the admin command.
    pub const OPCODE: u8 = 0x06;
    /// Bytes of every answer.
    pub const DATA_LEN: usize = 4096;

    /// Asks for a structure about a namespace (0 for none), everything else 0.
    #[must_use]
    pub const fn new(cns: Cns, nsid: u32) -> Self {
        Self { cns, nsid, controller_id: 0, specific_id: 0, command_set: 0, uuid_index: 0 }
    }

    /// Asks for [`IdentifyController`](super::IdentifyController).
    #[must_use]
    pub const fn controller() -> Self {
        Self::new(Cns::CONTROLLER, 0)
    }

    /// Asks for [`IdentifyNamespace`](super::IdentifyNamespace).
    #[must_use]
    pub const fn namespace(nsid: crate::Nsid) -> Self {
        Self::new(Cns::NAMESPACE, nsid.get())
    }

    /// Command dword 10.
    #[must_use]
    pub const fn cdw10(&self) -> u32 {
        let [low, high] = self.controller_id.to_le_bytes();
        u32::from_le_bytes([self.cns.0, 0, low, high])
    }

    /// Command dword 11.
    #[must_use]
    pub const fn cdw11(&self) -> u32 {
        let [low, high] = self.specific_id.to_le_bytes();
        u32::from_le_bytes([low, high, 0, self.command_set])
    }

    /// Command dword 14.
    #[must_use]
    pub const fn cdw14(&self) -> u32 {
        u32::from_le_bytes([self.uuid_index & 0x7f, 0, 0, 0])
    }

    /// The command with this namespace id and these dwords.
    #[must_use]
    pub const fn from_cdws(nsid: u32, cdw10: u32, cdw11: u32, cdw14: u32) -> Self {
        let [cns, _, id_low, id_high] = cdw10.to_le_bytes();
        let [specific_low, specific_high, _, command_set] = cdw11.to_le_bytes();
        let [uuid_index, ..] = cdw14.to_le_bytes();
        Self {
            cns: Cns(cns),
            nsid,
            controller_id: u16::from_le_bytes([id_low, id_high]),
            specific_id: u16::from_le_bytes([specific_low, specific_high]),
            command_set,
            uuid_index: uuid_index & 0x7f,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bits() {
        let command = IdentifyCommand {
            cns: Cns(0xab),
            nsid: 7,
            controller_id: 0x1234,
            specific_id: 0x5678,
            command_set: 2,
            uuid_index: 0x7f,
        };
        assert_eq!((command.cdw10(), command.cdw11(), command.cdw14()), (0x1234_00ab, 0x0200_5678, 0x7f));
        assert_eq!(IdentifyCommand::from_cdws(7, 0x1234_00ab, 0x0200_5678, 0x7f), command);
        // Reserved bits are ignored.
        assert_eq!(IdentifyCommand::from_cdws(7, 0x1234_ffab, 0x02ff_5678, 0xffff_ffff), command);
    }

    #[test]
    fn what_linux_sends() {
        // Command dwords of a Linux 6.12 host: Identify Controller, then Identify Namespace of namespace 7.
        assert_eq!(IdentifyCommand::controller().cdw10(), 1);
        assert_eq!(IdentifyCommand::controller().nsid, 0);
        let namespace = IdentifyCommand::namespace(crate::Nsid::new(7).unwrap());
        assert_eq!((namespace.nsid, namespace.cdw10(), namespace.cdw11(), namespace.cdw14()), (7, 0, 0, 0));
    }
}
