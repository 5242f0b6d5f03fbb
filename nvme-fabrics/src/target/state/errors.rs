//! The last errors of a controller.

use std::collections::VecDeque;

use nvme_proto::log::ErrorEntry;
use nvme_proto::{Status, TransportType};

/// A command that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorRecord {
    pub(crate) queue: u16,
    pub(crate) command: u16,
    pub(crate) opcode: u8,
    pub(crate) status: Status,
    pub(crate) nsid: u32,
    pub(crate) lba: u64,
}

/// The last [`ROOM`](Self::ROOM) errors, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct ErrorRing {
    /// Newest first.
    records: VecDeque<ErrorRecord>,
    count: u64,
}

impl ErrorRing {
    /// How many are kept (ELPE, counted from 1).
    pub(crate) const ROOM: usize = 128;

    pub(crate) fn record(&mut self, record: ErrorRecord) {
        self.records.truncate(Self::ROOM - 1);
        self.records.push_front(record);
        self.count = self.count.wrapping_add(1);
    }

    /// Errors since the controller was made.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The log page: newest first; entries that nothing happened for are zero.
    pub(crate) fn page(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(Self::ROOM * 64);
        for (number, record) in (0..).zip(&self.records) {
            let mut entry = ErrorEntry::zeroed();
            entry.set_count(self.count.wrapping_sub(number));
            entry.set_queue_id(record.queue);
            entry.set_command_id(record.command);
            entry.set_status(record.status);
            entry.set_parameter_location(u16::MAX);
            entry.set_lba(record.lba);
            entry.set_nsid(record.nsid);
            entry.set_transport_type(TransportType::TCP);
            entry.set_opcode(record.opcode);
            entry.set_version(1);
            page.extend_from_slice(entry.as_bytes());
        }
        page.resize(Self::ROOM * 64, 0);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nvme_proto::log::ErrorLog;

    #[test]
    fn the_newest_come_first_and_the_oldest_are_forgotten() {
        let mut ring = ErrorRing::default();
        for command in 0..200 {
            ring.record(ErrorRecord {
                queue: 3,
                command,
                opcode: 2,
                status: Status::LBA_OUT_OF_RANGE.with_dnr(),
                nsid: 1,
                lba: 9,
            });
        }
        let page = ring.page();
        assert_eq!((page.len(), ring.count()), (128 * 64, 200));
        let errors: Vec<_> = ErrorLog::new(&page[..])
            .errors()
            .map(|entry| (entry.count(), entry.command_id(), entry.status()))
            .collect();
        assert_eq!(errors.len(), 128);
        assert_eq!(errors[0], (200, 199, Status::LBA_OUT_OF_RANGE.with_dnr()));
        assert_eq!((errors[127].0, errors[127].1), (73, 72));
    }
}
