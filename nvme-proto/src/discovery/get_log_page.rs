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
        /// Asymmetric namespace access.
        ANA = 0x0c => "Asymmetric Namespace Access",
        /// The discovery log.
        DISCOVERY = 0x70 => "Discovery",
    }
}

/// Whether reading a log page also takes note of the event that announced its change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "RAE")]
pub enum RetainAsyncEvent {
    /// The event is cleared: the next change is announced again.
    Clear,
    /// The event is retained, since this is not the last read of the page.
    Retain,
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
/// | CDW14 | 31:24 | `command_set` (CSI)                                                |
///
/// The other bits are reserved: written as zero, ignored when read. Source: NVMe Base 2.0 section 5.16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// I/O command set, where the page depends on it.
    #[doc(alias = "CSI")]
    pub command_set: u8,
    /// Index into the UUID list, 7 bits.
    #[doc(alias = "UIDX")]
    pub uuid_index: u8,
    /// Bytes from the beginning of the page.
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
        let retain = RetainAsyncEvent::Clear;
        Self { lid, nsid: 0, lsp: 0, lsi: 0, retain, command_set: 0, uuid_index: 0, offset, dwords_less_one }
    }

    /// A piece of the discovery log: the header or whole entries.
    pub(super) const fn discovery(offset: u64, dwords_less_one: u32, retain: RetainAsyncEvent) -> Self {
        let mut command = Self::raw(LogId::DISCOVERY, offset, dwords_less_one);
        command.retain = retain;
        command
    }

    /// Bytes from the beginning of the page.
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
        u32::from_le_bytes([self.uuid_index & 0x7f, 0, 0, self.command_set])
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
        let [uuid_index, _, _, command_set] = cdw14.to_le_bytes();
        Self {
            lid: LogId(lid),
            nsid,
            lsp: lsp & 0x7f,
            lsi: u16::from_le_bytes([lsi_low, lsi_high]),
            retain: if lsp & 0x80 == 0 { RetainAsyncEvent::Clear } else { RetainAsyncEvent::Retain },
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
        command.command_set = 2;
        command.uuid_index = 3;
        let cdws = [command.cdw10(), command.cdw11(), command.cdw12(), command.cdw13(), command.cdw14()];
        assert_eq!(cdws, [0x0000_810c, 0x1234_0001, 0x0000_0010, 0x0000_0001, 0x0200_0003]);
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
