//! Events a controller keeps over power cycles.

use alloc::string::String;

use super::LogId;
use crate::error::DecodeError;
use crate::layout::{Field, field_at, newtype_fields};
use crate::registry::wire_values;
use crate::text::printable;
use crate::types::{Cntlid, Nqn, NqnError, SubsysNqn};
use crate::view::view;

wire_values! {
    /// What happened. 1 byte.
    pub struct PersistentEventType(u8) {
        /// Health, as a copy of the health log.
        HEALTH = 0x01 => "SMART / health snapshot",
        /// Firmware was committed.
        FIRMWARE_COMMIT = 0x02 => "firmware commit",
        /// The clock was set.
        TIMESTAMP = 0x03 => "timestamp change",
        /// Power came, or a reset.
        POWER_ON = 0x04 => "power-on or reset",
        /// Hardware failed.
        HARDWARE_ERROR = 0x05 => "NVM subsystem hardware error",
        /// A namespace was made or removed.
        NAMESPACE = 0x06 => "change namespace",
        /// Formatting began.
        FORMAT_START = 0x07 => "format NVM start",
        /// Formatting ended.
        FORMAT_COMPLETION = 0x08 => "format NVM completion",
        /// Sanitizing began.
        SANITIZE_START = 0x09 => "sanitize start",
        /// Sanitizing ended.
        SANITIZE_COMPLETION = 0x0a => "sanitize completion",
        /// A feature was set.
        SET_FEATURE = 0x0b => "set feature",
        /// Telemetry was recorded.
        TELEMETRY = 0x0c => "telemetry log created",
        /// It became too warm.
        THERMAL = 0x0d => "thermal excursion",
        /// The vendor's own.
        VENDOR = 0xde => "vendor specific",
    }
}

newtype_fields!(PersistentEventType);

view! {
    /// Header of the Persistent Event Log (LID 0x0d). 512 bytes, little-endian; the events follow ([`PersistentEvents`]).
    ///
    /// | bytes    | field                                        | meaning                                                          |
    /// |----------|----------------------------------------------|------------------------------------------------------------------|
    /// | 0        | `lid`                                        | 0x0d                                                             |
    /// | 4..8     | `event_count` (TNEV)                         | events in the log, as the controller says                        |
    /// | 8..16    | `total_len` (TLL)                            | bytes of the whole log                                           |
    /// | 16       | `revision`                                   | of the log's format                                              |
    /// | 18..20   | `header_len` (LHL)                           | bytes of the header behind this field; 492 for these 512         |
    /// | 20..28   | `timestamp`                                  | 47:0 ms since 1970 or since the clock began, 63:48 its origin    |
    /// | 28..44   | `power_on`                                   | h under power                                                    |
    /// | 44..52   | `power_cycles`                               |                                                                  |
    /// | 52..56   | `vendor_id`, `subsystem_vendor_id`           | PCI vendors                                                      |
    /// | 56..76   | `serial`                                     | ASCII, blanks behind                                             |
    /// | 76..116  | `model`                                      | ASCII, blanks behind                                             |
    /// | 116..372 | `subnqn`                                     | UTF-8, NUL behind                                                |
    /// | 372..374 | `generation`                                 | of the reported log; since NVMe Base 2.0                         |
    /// | 374..378 | `context`                                    | reporting context; since NVMe Base 2.0                           |
    /// | 480..512 | `supported`                                  | bit n: events of type n are recorded                             |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 section 5.16.1.14, libnvme
    /// `src/nvme/types.h: struct nvme_persistent_event_log`.
    pub struct PersistentEventLog("Persistent Event Log header", 512)
    show serial show model show subnqn_text
    {
        /// The log's identifier.
        0 lid set_lid LogId;
        /// Events in the log, as the controller says.
        #[doc(alias = "TNEV")]
        4 event_count set_event_count u32;
        /// Bytes of the whole log, as the controller says.
        #[doc(alias = "TLL")]
        8 total_len set_total_len u64;
        /// Revision of the format.
        16 revision set_revision u8;
        /// Bytes of the header behind this field.
        #[doc(alias = "LHL")]
        18 header_len set_header_len u16;
        /// When the header was made.
        20 timestamp set_timestamp u64;
        /// Time under power, h.
        #[doc(alias = "POH")]
        28 power_on set_power_on u128;
        /// Power cycles.
        #[doc(alias = "PCC")]
        44 power_cycles set_power_cycles u64;
        /// PCI vendor.
        #[doc(alias = "VID")]
        52 vendor_id set_vendor_id u16;
        /// PCI vendor of the subsystem.
        #[doc(alias = "SSVID")]
        54 subsystem_vendor_id set_subsystem_vendor_id u16;
        /// Serial number, padded with blanks.
        #[doc(alias = "SN")]
        56 serial_field set_serial_field [u8; 20];
        /// Model number, padded with blanks.
        #[doc(alias = "MN")]
        76 model_field set_model_field [u8; 40];
        /// Generation of the reported log.
        372 generation set_generation u16;
        /// Where the log was asked for, and whether its context was established before.
        #[doc(alias = "RCI")]
        374 context set_context u32;
        /// Bit n of these 256: events of type n are recorded. See [`supports`](Self::supports).
        #[doc(alias = "SEB")]
        480 supported set_supported [u8; 32];
    }
}

impl<B: AsRef<[u8]>> PersistentEventLog<B> {
    /// Serial number for people.
    #[must_use]
    pub fn serial(&self) -> String {
        printable(&self.serial_field())
    }

    /// Model number for people.
    #[must_use]
    pub fn model(&self) -> String {
        printable(&self.model_field())
    }

    /// The name of the subsystem.
    ///
    /// # Errors
    /// Those of [`Nqn::decode`].
    pub fn subnqn(&self) -> Result<SubsysNqn, NqnError> {
        SubsysNqn::decode(field_at(self.0.as_ref(), 116, Nqn::FIELD_LEN))
    }

    /// The name of the subsystem for people, whatever is in the field.
    #[must_use]
    pub fn subnqn_text(&self) -> String {
        printable(field_at(self.0.as_ref(), 116, Nqn::FIELD_LEN))
    }

    /// Whether events of this type are recorded.
    #[must_use]
    pub fn supports(&self, event: PersistentEventType) -> bool {
        let byte = self.supported().get(usize::from(event.0 >> 3)).copied().unwrap_or(0);
        byte >> (event.0 & 7) & 1 == 1
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> PersistentEventLog<B> {
    /// Writes the name of the subsystem.
    pub fn set_subnqn(&mut self, name: &SubsysNqn) {
        crate::layout::put(self.0.as_mut(), 116, name.encode());
    }
}

/// One event: a header of 24 bytes or more, the vendor's part, and what the type defines. Little-endian.
///
/// | bytes  | field                       | meaning                                                               |
/// |--------|-----------------------------|-----------------------------------------------------------------------|
/// | 0      | `kind`                      | what happened                                                         |
/// | 1      | `revision`                  | of the type's data                                                    |
/// | 2      | EHL                         | bytes of the header behind this field: 21 or more                     |
/// | 3      | `additional` (EHAI)         | 1:0 which port the event came from; since NVMe Base 2.0               |
/// | 4..6   | `cntlid`                    | the controller it happened to                                         |
/// | 6..14  | `timestamp`                 | as in the log's header                                                |
/// | 14..16 | `port_id` (PELPID)          | since NVMe Base 2.0                                                   |
/// | 20..22 | VSIL                        | bytes of the vendor's part, which comes first                         |
/// | 22..24 | EL                          | bytes of the vendor's part and the data together                      |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PersistentEvent<'a> {
    /// What happened.
    pub kind: PersistentEventType,
    /// Revision of the type's data.
    pub revision: u8,
    /// Additional information of the header.
    pub additional: u8,
    /// The controller it happened to.
    pub cntlid: Cntlid,
    /// When.
    pub timestamp: u64,
    /// The port it came from.
    pub port_id: u16,
    /// The vendor's part.
    pub vendor: &'a [u8],
    /// What the type defines.
    pub data: &'a [u8],
}

/// The events behind the header of a [`PersistentEventLog`]. After an error it is at its end; at the end of the bytes it just ends.
#[derive(Debug, Clone)]
pub struct PersistentEvents<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u32,
}

/// Bytes of an event's header that are known.
const EVENT_LEN: usize = 24;

impl<'a> PersistentEvents<'a> {
    /// The events in a whole log, as many as its header says.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort) where the header is cut.
    pub fn new(log: &'a [u8]) -> Result<Self, DecodeError> {
        let header = PersistentEventLog::new_checked(log)?;
        // The length counts what is behind bytes 18 and 19.
        let at = usize::from(header.header_len()).saturating_add(20).max(PersistentEventLog::<&[u8]>::LEN);
        Ok(Self { bytes: log, at, left: header.event_count() })
    }

    fn event(&mut self) -> Result<PersistentEvent<'a>, DecodeError> {
        const STRUCTURE: &str = "persistent event";
        let (bytes, at) = (self.bytes, self.at);
        DecodeError::check_len(STRUCTURE, bytes, at.saturating_add(EVENT_LEN))?;
        let header = field_at(bytes, at, EVENT_LEN);
        let header_len = usize::from(u8::read(header, 2)).saturating_add(3);
        if header_len < EVENT_LEN {
            let rule = "the header of an event has 21 bytes or more behind this field";
            let found = u8::read(header, 2).into();
            return Err(DecodeError::invalid(STRUCTURE, at.saturating_add(2), "EHL", found, rule));
        }
        let vendor_len = usize::from(u16::read(header, 20));
        let len = usize::from(u16::read(header, 22));
        let Some(data_len) = len.checked_sub(vendor_len) else {
            let rule = "the vendor's part is longer than the event";
            let found = u16::read(header, 20).into();
            return Err(DecodeError::invalid(STRUCTURE, at.saturating_add(20), "VSIL", found, rule));
        };
        let body = at.saturating_add(header_len);
        let end = body.saturating_add(len);
        DecodeError::check_len(STRUCTURE, bytes, end)?;
        self.at = end;
        Ok(PersistentEvent {
            kind: Field::read(header, 0),
            revision: Field::read(header, 1),
            additional: Field::read(header, 3),
            cntlid: Field::read(header, 4),
            timestamp: Field::read(header, 6),
            port_id: Field::read(header, 14),
            vendor: field_at(bytes, body, vendor_len),
            data: field_at(bytes, body.saturating_add(vendor_len), data_len),
        })
    }
}

impl<'a> Iterator for PersistentEvents<'a> {
    type Item = Result<PersistentEvent<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let event = self.event();
        if event.is_err() {
            self.left = 0;
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn log(events: &[u8], count: u32) -> Vec<u8> {
        let mut header = PersistentEventLog::zeroed();
        header.set_lid(LogId::PERSISTENT_EVENTS);
        header.set_event_count(count);
        header.set_header_len(492);
        [header.as_bytes(), events].concat()
    }

    fn thermal() -> Vec<u8> {
        let mut event = alloc::vec![0; 24 + 3 + 2];
        event[..8].copy_from_slice(&[0x0d, 1, 21, 2, 0x34, 0x12, 7, 0]);
        event[20..24].copy_from_slice(&[3, 0, 5, 0]);
        event[24..].copy_from_slice(b"ven\x05\x01");
        event
    }

    #[test]
    fn the_fields_are_where_the_table_says() {
        let full: Vec<u8> = (0..512).map(|at: usize| at as u8 | 1).collect();
        let header = PersistentEventLog::new_checked(full.as_slice()).unwrap();
        let mut written = PersistentEventLog::zeroed();
        written.copy_fields(&header);
        for (at, (written, full)) in written.as_bytes().iter().zip(&full).enumerate() {
            let field = matches!(at, 0 | 4..=16 | 18..=115 | 372..=377 | 480..=511);
            assert_eq!(*written, if field { *full } else { 0 }, "byte {at}");
        }
        let name = SubsysNqn::new("nqn.2024-01.org.example:disk1").unwrap();
        written.set_subnqn(&name);
        assert_eq!(written.subnqn(), Ok(name));
        written.set_supported(core::array::from_fn(|byte| if byte == 1 { 0x20 } else { 0 }));
        assert!(
            written.supports(PersistentEventType::THERMAL)
                && !written.supports(PersistentEventType::TELEMETRY)
        );
        assert!(PersistentEventLog::new_checked([0; 511]).is_err());
    }

    #[test]
    fn events_follow_each_other() {
        let log = log(&[thermal(), thermal()].concat(), 2);
        let events: Vec<_> = PersistentEvents::new(&log).unwrap().map(Result::unwrap).collect();
        assert_eq!(events.len(), 2);
        let event = events[1];
        assert_eq!((event.kind, event.revision, event.additional), (PersistentEventType::THERMAL, 1, 2));
        assert_eq!((event.cntlid, event.timestamp), (Cntlid(0x1234), 7));
        assert_eq!((event.vendor, event.data), (&b"ven"[..], &[5, 1][..]));
    }

    #[test]
    fn malformed_events_end_the_list() {
        let last = |bytes: &[u8], count| {
            let log = log(bytes, count);
            let events: Vec<_> =
                PersistentEvents::new(&log).unwrap().map(|event| event.map(|_| ())).collect();
            (events.len(), events.last().copied().unwrap().unwrap_err().at)
        };
        assert_eq!(last(&thermal(), u32::MAX), (2, 512 + 29));
        let mut event = thermal();
        event[2] = 20;
        assert_eq!(last(&event, 9), (1, 512 + 2));
        let mut event = thermal();
        event[20] = 6;
        assert_eq!(last(&event, 9), (1, 512 + 20));
        for have in 0..29 {
            assert_eq!(last(&thermal()[..have], 1), (1, 512 + have));
        }
    }
}
