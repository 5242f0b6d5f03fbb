//! The discovery log page as a whole.

use alloc::vec::Vec;

use super::extended::{end_of_entry, extend};
use super::{DiscoveryEntry, LogEntry};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::flags::wire_flags;
use crate::layout::Field;

wire_flags! {
    /// What a discovery log is, in its header (DLPF). 1 byte, every bit kept; 0 from controllers older than NVMe Base 2.1.
    #[doc(alias = "DLPF")]
    pub struct LogFlags(u8) {
        /// Its entries are extended.
        #[doc(alias = "EXTEND")]
        EXTENDED = 1 << 0 => "extended",
        /// It has entries of the port only that it was read from.
        #[doc(alias = "PORTLCL")]
        PORT_LOCAL = 1 << 1 => "port-local",
        /// It has all subsystems, also those that cannot be connected to.
        #[doc(alias = "ALLSUB")]
        ALL_SUBSYSTEMS = 1 << 2 => "all subsystems",
    }

    /// Which discovery log is wanted: bits of the Get Log Page command's LSP. Controllers older than NVMe Base 2.1 ignore them.
    pub struct DiscoveryRequest(u8) {
        /// Extended entries.
        #[doc(alias = "EXTDLPE")]
        EXTENDED = 1 << 0 => "extended",
        /// Entries of the port only that it is read from.
        #[doc(alias = "PLEO")]
        PORT_LOCAL = 1 << 1 => "port-local",
        /// All subsystems, also those that cannot be connected to.
        #[doc(alias = "ALLSUBE")]
        ALL_SUBSYSTEMS = 1 << 2 => "all subsystems",
    }
}

/// Header of the discovery log page. 1024 bytes, little-endian.
///
/// | bytes    | field                          | meaning                                                                    |
/// |----------|--------------------------------|----------------------------------------------------------------------------|
/// | 0..8     | `generation` (GENCTR)          | goes up with every change of the log, and wraps                            |
/// | 8..16    | `records` (NUMREC)             | entries behind the header                                                  |
/// | 16..18   | RECFMT                         | must be 0                                                                  |
/// | 18       | `flags` (DLPF)                 | [`LogFlags`]; NVMe Base 2.1                                                |
/// | 19       | reserved                       |                                                                            |
/// | 20..24   | `total_len` (TDLPL)            | bytes of the whole page; 0 from older controllers; NVMe Base 2.1           |
/// | 24..1024 | reserved                       | zero when written, ignored when read                                       |
///
/// Source: NVMe over Fabrics 1.1 section 5.2, kernel `include/linux/nvme.h: struct nvmf_disc_rsp_page_hdr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct LogHeader {
    /// Generation counter.
    #[doc(alias = "GENCTR")]
    pub generation: u64,
    /// Number of entries, as the peer says: to be bounded before it is used.
    #[doc(alias = "NUMREC")]
    pub records: u64,
    /// What the log is.
    #[doc(alias = "DLPF")]
    pub flags: LogFlags,
    /// Bytes of the whole page, 0 when not said.
    #[doc(alias = "TDLPL")]
    pub total_len: u32,
}

impl LogHeader {
    /// Length in the page, bytes: where the first entry begins.
    pub const LEN: usize = 1024;
    /// Bytes that hold everything a reader needs (what nvme-cli reads); `total_len` is behind them.
    pub const SHORT_LEN: usize = 20;

    /// A header for so many records.
    #[must_use]
    pub const fn new(generation: u64, records: u64) -> Self {
        Self { generation, records, flags: LogFlags::NONE, total_len: 0 }
    }

    /// Decodes a header of 20 bytes or more.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`] below 20 bytes; [`DecodeErrorKind::Unsupported`] for a record format that is not 0.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const STRUCTURE: &str = "discovery log header";
        DecodeError::check_len(STRUCTURE, bytes, Self::SHORT_LEN)?;
        only_format_0(STRUCTURE, bytes)?;
        // A header cut at 20 bytes has no TDLPL: it reads as 0.
        Ok(Self {
            generation: u64::read(bytes, 0),
            records: u64::read(bytes, 8),
            flags: Field::read(bytes, 18),
            total_len: u32::read(bytes, 20),
        })
    }

    /// The 1024 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        self.generation.write(&mut bytes, 0);
        self.records.write(&mut bytes, 8);
        self.flags.write(&mut bytes, 18);
        self.total_len.write(&mut bytes, 20);
        bytes
    }
}

/// Refuses the header of a log whose records have another format (RECFMT) than 0, the only one there is.
pub(crate) fn only_format_0(structure: &'static str, bytes: &[u8]) -> Result<(), DecodeError> {
    match u16::read(bytes, 16) {
        0 => Ok(()),
        found => {
            let kind = DecodeErrorKind::Unsupported { field: "RECFMT", found: found.into() };
            Err(DecodeError { structure, at: 16, kind })
        }
    }
}

/// A discovery log: every entry, all of one generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct DiscoveryLog {
    /// Generation counter.
    pub generation: u64,
    /// What the log is. [`LogFlags::EXTENDED`] says whether entries are written with their extensions.
    pub flags: LogFlags,
    /// The entries, in the controller's order.
    pub entries: Vec<DiscoveryEntry>,
}

const LOG: &str = "discovery log";

impl DiscoveryLog {
    /// A log of these entries, which are not extended.
    #[must_use]
    pub const fn new(generation: u64, entries: Vec<DiscoveryEntry>) -> Self {
        Self { generation, flags: LogFlags::NONE, entries }
    }

    /// Decodes a whole page: the header, then as many entries as it says. What is behind them is ignored, since pages are often read
    /// into larger buffers.
    ///
    /// # Errors
    /// Those of [`LogHeader::decode`]; [`DecodeErrorKind::TooShort`] when entries are missing, and [`DecodeErrorKind::Invalid`] for extended
    /// ones whose length cannot be. Memory is taken for entries that are there only.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let header = LogHeader::decode(bytes)?;
        DecodeError::check_len(LOG, bytes, LogHeader::LEN)?;
        Self::decode_entries(&header, bytes, LogHeader::LEN)
    }

    /// The entries that `header` counts, from byte `at` of `bytes` on.
    pub(super) fn decode_entries(
        header: &LogHeader,
        bytes: &[u8],
        mut at: usize,
    ) -> Result<Self, DecodeError> {
        let extended = header.flags.contains(LogFlags::EXTENDED);
        let smallest = if extended { super::extended::EXTENDED_LEN } else { DiscoveryEntry::LEN };
        let records = usize::try_from(header.records).unwrap_or(usize::MAX);
        // A count that lies is found before anything is copied.
        DecodeError::check_len(LOG, bytes, records.saturating_mul(smallest).saturating_add(at))?;
        let mut entries = Vec::new();
        for _ in 0..records {
            let entry = bytes.get(at..).unwrap_or_default();
            entries.push(if extended {
                let end = end_of_entry(LOG, bytes, at)?;
                at = end;
                LogEntry::new_extended(entry)?.to_owned()
            } else {
                at = at.saturating_add(smallest);
                LogEntry::new_checked(entry)?.to_owned()
            });
        }
        Ok(Self { generation: header.generation, flags: header.flags, entries })
    }

    /// The whole page. Where the log is extended, so is every entry; where it is not, extensions are left out. The total length is filled in
    /// where any flag is set: a controller that sets flags is new enough to have the field.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let records = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        let mut header = LogHeader { flags: self.flags, ..LogHeader::new(self.generation, records) };
        let mut page = Vec::from(header.encode());
        for entry in &self.entries {
            if !self.flags.contains(LogFlags::EXTENDED) {
                page.extend(entry.encode());
            } else if entry.is_extended() {
                page.extend_from_slice(entry.as_bytes());
            } else {
                // No attributes: nothing that could be refused.
                page.extend(extend(entry.encode(), &[]).unwrap_or_default());
            }
        }
        if self.flags != LogFlags::NONE {
            header.total_len = u32::try_from(page.len()).unwrap_or(u32::MAX);
            header.total_len.write(&mut page, 20);
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::{ExtendedAttribute, ExtendedAttributeType};

    #[test]
    fn a_count_that_lies_takes_no_memory() {
        let mut page = [0; 3072];
        page[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        let error = DiscoveryLog::decode(&page).unwrap_err();
        assert_eq!(error.at, 3072);
        assert!(matches!(error.kind, DecodeErrorKind::TooShort { need: usize::MAX, have: 3072 }));
    }

    #[test]
    fn another_record_format_is_refused() {
        let mut bytes = LogHeader::new(1, 0).encode();
        bytes[16] = 1;
        let error = LogHeader::decode(&bytes).unwrap_err();
        assert_eq!((error.at, error.kind), (16, DecodeErrorKind::Unsupported { field: "RECFMT", found: 1 }));
    }

    #[test]
    fn a_short_header_has_no_total() {
        let header = LogHeader { total_len: 77, flags: LogFlags(7), ..LogHeader::new(9, 2) };
        assert_eq!(LogHeader::decode(&header.encode()), Ok(header));
        let short = LogHeader::decode(&header.encode()[..20]);
        assert_eq!(short, Ok(LogHeader { total_len: 0, ..header }));
    }

    #[test]
    fn bytes_behind_the_last_entry_are_ignored() {
        let log = DiscoveryLog::new(3, alloc::vec![DiscoveryEntry::zeroed()]);
        let mut page = log.encode();
        page.extend([0xff; 777]);
        assert_eq!(DiscoveryLog::decode(&page), Ok(log));
    }

    #[test]
    fn extended_entries_have_their_own_lengths() {
        let attribute = ExtendedAttribute { kind: ExtendedAttributeType(9), value: b"1234" };
        let entries = alloc::vec![
            DiscoveryEntry::zeroed().with_attributes(&[attribute]).unwrap(),
            DiscoveryEntry::zeroed().with_attributes(&[]).unwrap(),
        ];
        let log = DiscoveryLog { flags: LogFlags::EXTENDED, ..DiscoveryLog::new(3, entries) };
        let page = log.encode();
        assert_eq!(page.len(), 1024 + 1040 + 1032);
        assert_eq!(page[18..24], [1, 0, 0x18, 0x0c, 0, 0]);
        assert_eq!(DiscoveryLog::decode(&page), Ok(log.clone()));
        // Entries without extension get an empty one; extensions are left out of a log without.
        let basic = DiscoveryLog::new(3, log.entries.clone());
        assert_eq!(basic.encode().len(), 3072);
        let mixed = DiscoveryLog { entries: alloc::vec![DiscoveryEntry::zeroed()], ..log };
        let entry = DiscoveryLog::decode(&mixed.encode()).unwrap().entries.remove(0);
        assert_eq!((entry.is_extended(), entry.as_bytes().len()), (true, 1032));
    }

    #[test]
    fn extended_entries_that_lie_are_found_where_they_are() {
        let entries = alloc::vec![DiscoveryEntry::zeroed(); 2];
        let log = DiscoveryLog { flags: LogFlags::EXTENDED, ..DiscoveryLog::new(3, entries) };
        let mut page = log.encode();
        page[1024 + 1032 + 1024] = 0xff;
        let error = DiscoveryLog::decode(&page).unwrap_err();
        assert_eq!(error.at, 1024 + 1032 + 1024);
        assert!(matches!(error.kind, DecodeErrorKind::Invalid { field: "TEL", found: 0x4ff, .. }), "{error}");
        page[8..16].fill(0xff);
        let error = DiscoveryLog::decode(&page).unwrap_err();
        assert!(matches!(error.kind, DecodeErrorKind::TooShort { need: usize::MAX, .. }), "{error}");
    }
}
