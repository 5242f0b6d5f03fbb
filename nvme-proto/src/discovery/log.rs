//! The discovery log page as a whole.

use alloc::vec::Vec;

use super::{DiscoveryEntry, LogEntry};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::layout::{Field, field_at};

/// Header of the discovery log page. 1024 bytes, little-endian.
///
/// | bytes    | field                          | meaning                                                                    |
/// |----------|--------------------------------|----------------------------------------------------------------------------|
/// | 0..8     | `generation` (GENCTR)          | goes up with every change of the log, and wraps                            |
/// | 8..16    | `records` (NUMREC)             | entries behind the header                                                  |
/// | 16..18   | RECFMT                         | must be 0                                                                  |
/// | 18       | `flags` (DLPF)                 | bit 0: extended entries, which are refused here; NVMe Base 2.1             |
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
    /// Flags. Bit 1: only entries of this port, bit 2: all subsystems.
    #[doc(alias = "DLPF")]
    pub flags: u8,
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
        Self { generation, records, flags: 0, total_len: 0 }
    }

    /// Decodes a header of 20 bytes or more.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`] below 20 bytes; [`DecodeErrorKind::Unsupported`] for a record format that is not 0 and for extended
    /// entries, which nobody gets who did not ask for them.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const STRUCTURE: &str = "discovery log header";
        DecodeError::check_len(STRUCTURE, bytes, Self::SHORT_LEN)?;
        let unsupported = |at, field, found| DecodeError {
            structure: STRUCTURE,
            at,
            kind: DecodeErrorKind::Unsupported { field, found },
        };
        let format = u16::read(bytes, 16);
        if format != 0 {
            return Err(unsupported(16, "RECFMT", u64::from(format)));
        }
        let flags = u8::read(bytes, 18);
        if flags & 1 != 0 {
            return Err(unsupported(18, "DLPF", u64::from(flags)));
        }
        // A header cut at 20 bytes has no TDLPL: it reads as 0.
        Ok(Self {
            generation: u64::read(bytes, 0),
            records: u64::read(bytes, 8),
            flags,
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

/// A discovery log: every entry, all of one generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct DiscoveryLog {
    /// Generation counter.
    pub generation: u64,
    /// The entries, in the controller's order.
    pub entries: Vec<DiscoveryEntry>,
}

impl DiscoveryLog {
    /// A log of these entries.
    #[must_use]
    pub const fn new(generation: u64, entries: Vec<DiscoveryEntry>) -> Self {
        Self { generation, entries }
    }

    /// Decodes a whole page: the header, then as many entries as it says. What is behind them is ignored, since pages are often read
    /// into larger buffers.
    ///
    /// # Errors
    /// Those of [`LogHeader::decode`], and [`DecodeErrorKind::TooShort`] when entries are missing. Memory is taken for entries that are
    /// there only.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const STRUCTURE: &str = "discovery log";
        let header = LogHeader::decode(bytes)?;
        DecodeError::check_len(STRUCTURE, bytes, LogHeader::LEN)?;
        let records = usize::try_from(header.records).unwrap_or(usize::MAX);
        let need = records.saturating_mul(DiscoveryEntry::LEN).saturating_add(LogHeader::LEN);
        DecodeError::check_len(STRUCTURE, bytes, need)?;
        let body = field_at(bytes, LogHeader::LEN, need.saturating_sub(LogHeader::LEN));
        let entries = body.chunks_exact(DiscoveryEntry::LEN);
        let entries = entries.map(|entry| LogEntry::new_checked(entry).map(|entry| entry.to_owned()));
        Ok(Self { generation: header.generation, entries: entries.collect::<Result<_, _>>()? })
    }

    /// The whole page.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let records = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        let mut page = Vec::from(LogHeader::new(self.generation, records).encode());
        for entry in &self.entries {
            page.extend_from_slice(entry.as_bytes());
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_lies_takes_no_memory() {
        let mut page = [0; 3072];
        page[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        let error = DiscoveryLog::decode(&page).unwrap_err();
        assert_eq!(error.at, 3072);
        assert!(matches!(error.kind, DecodeErrorKind::TooShort { need: usize::MAX, have: 3072 }));
    }

    #[test]
    fn what_was_not_asked_for_is_refused() {
        let mut bytes = LogHeader::new(1, 0).encode();
        bytes[16] = 1;
        let error = LogHeader::decode(&bytes).unwrap_err();
        assert_eq!((error.at, error.kind), (16, DecodeErrorKind::Unsupported { field: "RECFMT", found: 1 }));
        bytes[16] = 0;
        bytes[18] = 1;
        let error = LogHeader::decode(&bytes).unwrap_err();
        assert_eq!((error.at, error.kind), (18, DecodeErrorKind::Unsupported { field: "DLPF", found: 1 }));
    }

    #[test]
    fn a_short_header_has_no_total() {
        let header = LogHeader { total_len: 77, flags: 6, ..LogHeader::new(9, 2) };
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
}
