//! The Get Log Page command.

use crate::registry::wire_values;

wire_values! {
    /// Which log page. 1 byte.
    ///
    /// Source: NVMe Base 2.0 section 5.16.1.
    #[doc(alias = "LID")]
    pub struct LogId(u8) {
        /// Which log pages there are.
        SUPPORTED = 0x00 => "Supported Log Pages",
        /// The newest errors.
        ERROR = 0x01 => "Error Information",
        /// Health.
        HEALTH = 0x02 => "SMART / Health Information",
        /// Firmware slots.
        FIRMWARE = 0x03 => "Firmware Slot Information",
        /// Namespaces that changed.
        CHANGED_NAMESPACES = 0x04 => "Changed Namespace List",
        /// Commands and their effects.
        EFFECTS = 0x05 => "Commands Supported and Effects",
        /// Results of the device self-test.
        SELF_TEST = 0x06 => "Device Self-test",
        /// What the host asked the controller to record of its inside.
        TELEMETRY_HOST = 0x07 => "Telemetry Host-Initiated",
        /// What the controller recorded of its inside.
        TELEMETRY_CONTROLLER = 0x08 => "Telemetry Controller-Initiated",
        /// Wear of an endurance group.
        ENDURANCE_GROUP = 0x09 => "Endurance Group Information",
        /// Latency of an NVM set.
        PREDICTABLE_LATENCY = 0x0a => "Predictable Latency Per NVM Set",
        /// NVM sets whose latency has news.
        PREDICTABLE_LATENCY_EVENTS = 0x0b => "Predictable Latency Event Aggregate",
        /// Asymmetric namespace access.
        ANA = 0x0c => "Asymmetric Namespace Access",
        /// Events kept over power cycles.
        PERSISTENT_EVENTS = 0x0d => "Persistent Event Log",
        /// Blocks that may be lost.
        LBA_STATUS = 0x0e => "LBA Status Information",
        /// Endurance groups that have news.
        ENDURANCE_GROUP_EVENTS = 0x0f => "Endurance Group Event Aggregate",
        /// Media units.
        MEDIA_UNITS = 0x10 => "Media Unit Status",
        /// Ways to divide the capacity.
        CAPACITY_CONFIGURATIONS = 0x11 => "Supported Capacity Configuration List",
        /// Features and their effects.
        FEATURE_EFFECTS = 0x12 => "Feature Identifiers Supported and Effects",
        /// Management commands and their effects.
        MI_EFFECTS = 0x13 => "NVMe-MI Commands Supported and Effects",
        /// What is locked down.
        LOCKDOWN = 0x14 => "Command and Feature Lockdown",
        /// A boot partition.
        BOOT_PARTITION = 0x15 => "Boot Partition",
        /// Disks that turn.
        ROTATIONAL_MEDIA = 0x16 => "Rotational Media Information",
        /// Subsystems that share a namespace.
        DISPERSED_NAMESPACE = 0x17 => "Dispersed Namespace Participating NVM Subsystems",
        /// Addresses of management.
        MANAGEMENT_ADDRESSES = 0x18 => "Management Address List",
        /// Measurements of the receiver.
        PHY_RECEIVER = 0x19 => "PHY Receiver Eye Opening Measurement",
        /// Groups of namespaces that reach each other.
        REACHABILITY_GROUPS = 0x1a => "Reachability Groups",
        /// How these groups reach each other.
        REACHABILITY_ASSOCIATIONS = 0x1b => "Reachability Associations",
        /// Allocated namespaces that changed.
        CHANGED_ALLOCATED_NAMESPACES = 0x1c => "Changed Allocated Namespace List",
        /// Configurations of flexible data placement.
        FDP_CONFIGURATIONS = 0x20 => "FDP Configurations",
        /// Use of reclaim unit handles.
        RECLAIM_UNIT_HANDLES = 0x21 => "Reclaim Unit Handle Usage",
        /// Statistics of flexible data placement.
        FDP_STATISTICS = 0x22 => "FDP Statistics",
        /// Events of flexible data placement.
        FDP_EVENTS = 0x23 => "FDP Events",
        /// The discovery log.
        DISCOVERY = 0x70 => "Discovery",
        /// Hosts a central discovery controller knows.
        HOST_DISCOVERY = 0x71 => "Host Discovery",
        /// Authentication verification entities.
        AVE_DISCOVERY = 0x72 => "AVE Discovery",
        /// What a direct discovery controller is asked to do.
        PULL_MODEL_DDC_REQUEST = 0x73 => "Pull Model DDC Request",
        /// What happened to reservations.
        RESERVATION = 0x80 => "Reservation Notification",
        /// How far sanitizing is.
        SANITIZE = 0x81 => "Sanitize Status",
        /// Zones that changed.
        CHANGED_ZONES = 0xbf => "Changed Zone List",
    }
}

/// Whether reading a log page also takes note of the event that announced its change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[doc(alias = "RAE")]
pub enum RetainAsyncEvent {
    /// The event is cleared: the next change is announced again.
    Clear,
    /// The event is retained, since this is not the last read of the page.
    Retain,
}

/// What the offset of Get Log Page counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[doc(alias = "OT")]
pub enum OffsetType {
    /// Bytes from the beginning of the page.
    Bytes,
    /// Entries of the page; only where the page supports it ([`LogPageSupport::INDEX_OFFSET`](super::LogPageSupport::INDEX_OFFSET)).
    Index,
}

/// Get Log Page (opcode 0x02): reads a piece of a log page.
///
/// | dword | bits  | field                                                              |
/// |-------|-------|--------------------------------------------------------------------|
/// | NSID  | 31:0  | `nsid`: 0 where none is meant                                      |
/// | CDW10 | 7:0   | `lid` (LID)                                                        |
/// | CDW10 | 14:8  | `lsp` (LSP): depends on the page                                   |
/// | CDW10 | 15    | `retain` (RAE)                                                     |
/// | CDW10 | 31:16 | NUMDL: lower half of the dwords to read, less one                  |
/// | CDW11 | 15:0  | NUMDU: upper half                                                  |
/// | CDW11 | 31:16 | `lsi` (LSI): depends on the page                                   |
/// | CDW12 | 31:0  | LPOL: lower half of the offset                                     |
/// | CDW13 | 31:0  | LPOU: upper half                                                   |
/// | CDW14 | 6:0   | `uuid_index` (UIDX)                                                |
/// | CDW14 | 23    | `offset_type` (OT)                                                 |
/// | CDW14 | 31:24 | `command_set` (CSI)                                                |
///
/// The other bits are reserved: written as zero, ignored when read. Source: NVMe Base 2.0 section 5.16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GetLogPage {
    /// Which page.
    pub lid: LogId,
    /// Namespace the page is about: 0 or 0xffff_ffff for the controller.
    pub nsid: u32,
    /// Depends on the page, 7 bits.
    #[doc(alias = "LSP")]
    pub lsp: u8,
    /// Depends on the page.
    #[doc(alias = "LSI")]
    pub lsi: u16,
    /// Whether the event stays.
    pub retain: RetainAsyncEvent,
    /// What the offset counts.
    #[doc(alias = "OT")]
    pub offset_type: OffsetType,
    /// I/O command set, where the page depends on it.
    #[doc(alias = "CSI")]
    pub command_set: u8,
    /// Index into the UUID list, 7 bits.
    #[doc(alias = "UIDX")]
    pub uuid_index: u8,
    /// Bytes (or entries) from the beginning of the page.
    offset: u64,
    /// Dwords to read, less one.
    dwords_less_one: u32,
}

/// An offset or length that Get Log Page cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum GetLogPageError {
    /// Length 0, or not a multiple of 4.
    #[error("a log page is read in dwords: {len} bytes is not a multiple of 4 above 0")]
    Length {
        /// Bytes wanted.
        len: u32,
    },
    /// Offset that is not a multiple of 4.
    #[error("a log page is read in dwords: offset {offset} is not a multiple of 4")]
    Offset {
        /// Bytes from the beginning of the page.
        offset: u64,
    },
}

impl GetLogPage {
    /// Opcode of the admin command.
    pub const OPCODE: u8 = 0x02;

    /// Reads `len` bytes from `offset` on, clearing the event; everything else 0.
    ///
    /// # Errors
    /// When `len` is 0, or one of both is not a multiple of 4.
    pub const fn new(lid: LogId, offset: u64, len: u32) -> Result<Self, GetLogPageError> {
        if !len.is_multiple_of(4) {
            return Err(GetLogPageError::Length { len });
        }
        if !offset.is_multiple_of(4) {
            return Err(GetLogPageError::Offset { offset });
        }
        match (len / 4).checked_sub(1) {
            Some(dwords_less_one) => Ok(Self::raw(lid, offset, dwords_less_one)),
            None => Err(GetLogPageError::Length { len }),
        }
    }

    const fn raw(lid: LogId, offset: u64, dwords_less_one: u32) -> Self {
        Self {
            lid,
            nsid: 0,
            lsp: 0,
            lsi: 0,
            retain: RetainAsyncEvent::Clear,
            offset_type: OffsetType::Bytes,
            command_set: 0,
            uuid_index: 0,
            offset,
            dwords_less_one,
        }
    }

    /// A piece of the discovery log: the header or whole entries.
    pub(crate) const fn discovery(offset: u64, dwords_less_one: u32, retain: RetainAsyncEvent) -> Self {
        let mut command = Self::raw(LogId::DISCOVERY, offset, dwords_less_one);
        command.retain = retain;
        command
    }

    /// Where reading begins: bytes from the beginning of the page, or entries ([`OffsetType`]).
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes to read: 4 to 2^34, a multiple of 4.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> u64 {
        u64::from(self.dwords_less_one).saturating_add(1).saturating_mul(4)
    }

    /// Command dword 10.
    #[must_use]
    pub const fn cdw10(&self) -> u32 {
        let [low, high, ..] = self.dwords_less_one.to_le_bytes();
        let rae = match self.retain {
            RetainAsyncEvent::Clear => 0,
            RetainAsyncEvent::Retain => 0x80,
        };
        u32::from_le_bytes([self.lid.0, self.lsp & 0x7f | rae, low, high])
    }

    /// Command dword 11.
    #[must_use]
    pub const fn cdw11(&self) -> u32 {
        let [_, _, low, high] = self.dwords_less_one.to_le_bytes();
        let [lsi_low, lsi_high] = self.lsi.to_le_bytes();
        u32::from_le_bytes([low, high, lsi_low, lsi_high])
    }

    /// Command dword 12.
    #[must_use]
    pub const fn cdw12(&self) -> u32 {
        let [a, b, c, d, ..] = self.offset.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// Command dword 13.
    #[must_use]
    pub const fn cdw13(&self) -> u32 {
        let [.., a, b, c, d] = self.offset.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// Command dword 14.
    #[must_use]
    pub const fn cdw14(&self) -> u32 {
        let index = match self.offset_type {
            OffsetType::Bytes => 0,
            OffsetType::Index => 0x80,
        };
        u32::from_le_bytes([self.uuid_index & 0x7f, 0, index, self.command_set])
    }

    /// The command with this namespace id and command dwords 10 to 14. The offset is taken as it is: refusing one that is not a
    /// multiple of 4 is the controller's business.
    #[must_use]
    pub const fn from_cdws(nsid: u32, cdws: [u32; 5]) -> Self {
        let [cdw10, cdw11, cdw12, cdw13, cdw14] = cdws;
        let [lid, lsp, numd_0, numd_1] = cdw10.to_le_bytes();
        let [numd_2, numd_3, lsi_low, lsi_high] = cdw11.to_le_bytes();
        let [a, b, c, d] = cdw12.to_le_bytes();
        let [e, f, g, h] = cdw13.to_le_bytes();
        let [uuid_index, _, index, command_set] = cdw14.to_le_bytes();
        Self {
            lid: LogId(lid),
            nsid,
            lsp: lsp & 0x7f,
            lsi: u16::from_le_bytes([lsi_low, lsi_high]),
            retain: if lsp & 0x80 == 0 { RetainAsyncEvent::Clear } else { RetainAsyncEvent::Retain },
            offset_type: if index & 0x80 == 0 { OffsetType::Bytes } else { OffsetType::Index },
            command_set,
            uuid_index: uuid_index & 0x7f,
            offset: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            dwords_less_one: u32::from_le_bytes([numd_0, numd_1, numd_2, numd_3]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bits() {
        let mut command = GetLogPage::new(LogId::ANA, 0x1_0000_0010, 0x4_0004).unwrap();
        command.nsid = 0xffff_ffff;
        command.lsp = 1;
        command.lsi = 0x1234;
        command.retain = RetainAsyncEvent::Retain;
        command.offset_type = OffsetType::Index;
        command.command_set = 2;
        command.uuid_index = 3;
        let cdws = [command.cdw10(), command.cdw11(), command.cdw12(), command.cdw13(), command.cdw14()];
        assert_eq!(cdws, [0x0000_810c, 0x1234_0001, 0x0000_0010, 0x0000_0001, 0x0280_0003]);
        assert_eq!(GetLogPage::from_cdws(0xffff_ffff, cdws), command);
        assert_eq!(command.len(), 0x4_0004);
    }

    #[test]
    fn what_linux_sends() {
        // Linux 6.12 with nvme-cli: header (20 bytes), then 3 entries (3072 bytes) from 1024 on.
        let header = GetLogPage::new(LogId::DISCOVERY, 0, 20).unwrap();
        assert_eq!([header.cdw10(), header.cdw11(), header.cdw12()], [0x0004_0070, 0, 0]);
        let entries = GetLogPage::new(LogId::DISCOVERY, 1024, 3072).unwrap();
        assert_eq!([entries.cdw10(), entries.cdw11(), entries.cdw12()], [0x02ff_0070, 0, 0x400]);
    }

    #[test]
    fn lengths_and_offsets_are_dwords() {
        assert_eq!(GetLogPage::new(LogId::ERROR, 0, 0), Err(GetLogPageError::Length { len: 0 }));
        assert_eq!(GetLogPage::new(LogId::ERROR, 0, 18), Err(GetLogPageError::Length { len: 18 }));
        assert_eq!(GetLogPage::new(LogId::ERROR, 2, 4), Err(GetLogPageError::Offset { offset: 2 }));
        assert_eq!(
            GetLogPage::new(LogId::ERROR, u64::MAX - 3, u32::MAX - 3).map(|c| c.len()),
            Ok(0xffff_fffc)
        );
        assert_eq!(GetLogPage::from_cdws(0, [u32::MAX; 5]).len(), 1 << 34);
    }
}
