//! The newest errors.

use crate::layout::Field;
use crate::status::Status;
use crate::types::TransportType;
use crate::view::{entries, view};

view! {
    /// One error. 64 bytes, little-endian.
    ///
    /// | bytes  | field                                        | meaning                                                       |
    /// |--------|----------------------------------------------|---------------------------------------------------------------|
    /// | 0..8   | `count` (Error Count)                        | number of this error, counted since the device was made; 0: none |
    /// | 8..10  | `queue_id` (SQID)                            | 0xffff: of no command                                         |
    /// | 10..12 | `command_id` (CID)                           | 0xffff: of no command                                         |
    /// | 12..14 | `status_and_phase`                           | as in a completion entry: 15:1 [`status`](Self::status), 0 phase |
    /// | 14..16 | `parameter_location`                         | 7:0 byte and 10:8 bit of the command; 0xffff: none            |
    /// | 16..24 | `lba` (LBA)                                  | the first block                                               |
    /// | 24..28 | `nsid` (NSID)                                |                                                               |
    /// | 28     | `vendor_log_page`                            | page that says more; 0: none                                  |
    /// | 29     | `transport_type` (TRTYPE)                    | 0: the error is not the transport's                           |
    /// | 30     | `command_set` (CSI)                          | since NVMe Base 2.0                                           |
    /// | 31     | `opcode` (OPC)                               | since NVMe Base 2.0                                           |
    /// | 32..40 | `command_specific`                           |                                                               |
    /// | 40..42 | `transport_specific`                         |                                                               |
    /// | 42..63 | reserved                                     | kept                                                          |
    /// | 63     | `version`                                    | 1 where `command_set` and `opcode` are filled in              |
    ///
    /// Source: NVMe Base 2.0 section 5.16.1.2, kernel `include/linux/nvme.h: struct nvme_error_slot`.
    pub struct ErrorEntry("Error Information log entry", 64)
    show status
    {
        /// Number of this error, counted since the device was made; 0: the entry is empty.
        0 count set_count u64;
        /// Submission queue of the command; 0xffff: of no command.
        #[doc(alias = "SQID")]
        8 queue_id set_queue_id u16;
        /// The command; 0xffff: of no command.
        #[doc(alias = "CID")]
        10 command_id set_command_id u16;
        /// Status field and phase bit as they stand in the completion entry. See [`status`](Self::status).
        12 status_and_phase set_status_and_phase u16;
        /// Which part of the command is wrong: byte in 7:0, bit in 10:8; 0xffff: none. See [`parameter`](Self::parameter).
        14 parameter_location set_parameter_location u16;
        /// The first block concerned.
        16 lba set_lba u64;
        /// The namespace.
        24 nsid set_nsid u32;
        /// Log page that says more about the error, 0x80 to 0xff; 0: none.
        28 vendor_log_page set_vendor_log_page u8;
        /// The transport, where the error is the transport's; otherwise 0.
        #[doc(alias = "TRTYPE")]
        29 transport_type set_transport_type TransportType;
        /// I/O command set of the command.
        #[doc(alias = "CSI")]
        30 command_set set_command_set u8;
        /// Opcode of the command.
        #[doc(alias = "OPC")]
        31 opcode set_opcode u8;
        /// What the command defines.
        32 command_specific set_command_specific u64;
        /// What the transport defines.
        40 transport_specific set_transport_specific u16;
        /// Version of this structure: 0, or 1 since NVMe Base 2.0.
        63 version set_version u8;
    }
}

impl<B: AsRef<[u8]>> ErrorEntry<B> {
    /// Whether the entry holds an error.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.count() != 0
    }

    /// The status, without the phase bit.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::from_cqe(self.status_and_phase())
    }

    /// Byte and bit of the command's parameter that is wrong; `None` where it is none of them.
    #[must_use]
    pub fn parameter(&self) -> Option<(u8, u8)> {
        let location = self.parameter_location();
        let [byte, bit] = location.to_le_bytes();
        (location != u16::MAX).then_some((byte, bit & 0x7))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> ErrorEntry<B> {
    /// Writes the status; the phase bit stays as it is.
    pub fn set_status(&mut self, status: Status) {
        (status.to_cqe() | self.status_and_phase() & 1).write(self.0.as_mut(), 12);
    }
}

/// Error Information (LID 0x01): the newest error first, in as many entries of 64 bytes as were read. The controller has one more than
/// [`error_log_entries`](crate::identify::IdentifyController::error_log_entries).
///
/// Source: NVMe Base 2.0 section 5.16.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorLog<B: AsRef<[u8]>>(B);

impl<B: AsRef<[u8]>> ErrorLog<B> {
    /// The log in these bytes; those behind the last whole entry are ignored.
    #[must_use]
    pub const fn new(bytes: B) -> Self {
        Self(bytes)
    }

    /// Every entry, empty ones too.
    pub fn entries(&self) -> impl Iterator<Item = ErrorEntry<&[u8]>> {
        entries(self.0.as_ref(), 0, ErrorEntry::<B>::LEN, usize::MAX).map(ErrorEntry)
    }

    /// The errors: entries that are not empty, the newest first.
    pub fn errors(&self) -> impl Iterator<Item = ErrorEntry<&[u8]>> {
        self.entries().filter(ErrorEntry::is_valid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_view;

    #[test]
    fn the_fields_are_where_the_table_says() {
        check_view!(ErrorEntry, [0..42, 63..64]);
    }

    #[test]
    fn the_phase_bit_is_not_part_of_the_status() {
        let mut entry = ErrorEntry::zeroed();
        entry.set_status_and_phase(0x8005);
        assert_eq!(entry.status(), Status::INVALID_FIELD.with_dnr());
        entry.set_status(Status::INVALID_OPCODE);
        assert_eq!(entry.status_and_phase(), 0x0003);
    }

    #[test]
    fn empty_entries_are_no_errors() {
        let mut bytes = [0; 200];
        bytes[64] = 2;
        let log = ErrorLog::new(bytes);
        assert_eq!(log.entries().count(), 3);
        assert_eq!(log.errors().map(|entry| entry.count()).collect::<alloc::vec::Vec<_>>(), [2]);
    }

    #[test]
    fn the_parameter_has_a_byte_and_a_bit() {
        let mut entry = ErrorEntry::zeroed();
        entry.set_parameter_location(0x0728);
        assert_eq!(entry.parameter(), Some((40, 7)));
        entry.set_parameter_location(u16::MAX);
        assert_eq!(entry.parameter(), None);
    }
}
