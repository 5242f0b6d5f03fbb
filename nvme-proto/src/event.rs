//! Asynchronous events: what a controller tells without being asked.

use core::fmt;

use crate::bits::{bit_group, newtype_bits};
use crate::discovery::LogId;
use crate::registry::wire_values;

wire_values! {
    /// What kind of event: 3 bits.
    pub struct EventType(u8) {
        /// An error that belongs to no command.
        ERROR = 0 => "error",
        /// Health.
        HEALTH = 1 => "SMART / health",
        /// Something changed.
        NOTICE = 2 => "notice",
        /// The host must act at once.
        IMMEDIATE = 3 => "immediate",
        /// Told once.
        ONE_SHOT = 4 => "one-shot",
        /// Of an I/O command set.
        IO_COMMAND_SET = 6 => "I/O command set",
        /// Vendor specific.
        VENDOR = 7 => "vendor specific",
    }

    /// Which event: type in bits 15:8, information in bits 7:0.
    ///
    /// Source: NVMe Base 2.1 section 5.1.2, kernel `include/linux/nvme.h: enum` of `NVME_AER_NOTICE_*`.
    pub struct EventCode(u16) {
        /// A doorbell that does not exist; not on fabrics.
        INVALID_DOORBELL = 0x0000 => "write to invalid doorbell register",
        /// A doorbell value that is none; not on fabrics.
        INVALID_DOORBELL_VALUE = 0x0001 => "invalid doorbell write value",
        /// A diagnostic failed.
        DIAGNOSTIC_FAILURE = 0x0002 => "diagnostic failure",
        /// An internal error that stays.
        PERSISTENT_INTERNAL_ERROR = 0x0003 => "persistent internal error",
        /// An internal error that passed.
        TRANSIENT_INTERNAL_ERROR = 0x0004 => "transient internal error",
        /// Firmware could not be loaded.
        FIRMWARE_LOAD_ERROR = 0x0005 => "firmware image load error",
        /// The subsystem is no longer reliable.
        RELIABILITY = 0x0100 => "NVM subsystem reliability",
        /// A temperature crossed its threshold.
        TEMPERATURE = 0x0101 => "temperature threshold",
        /// Little spare is left.
        SPARE = 0x0102 => "spare below threshold",
        /// Namespaces came, went or changed.
        NAMESPACE_CHANGED = 0x0200 => "namespace attribute changed",
        /// Firmware is being activated.
        FIRMWARE_ACTIVATION = 0x0201 => "firmware activation starting",
        /// The telemetry log changed.
        TELEMETRY_CHANGED = 0x0202 => "telemetry log changed",
        /// Asymmetric namespace access changed.
        ANA_CHANGED = 0x0203 => "asymmetric namespace access change",
        /// Of predictable latency.
        PREDICTABLE_LATENCY = 0x0204 => "predictable latency event aggregate log change",
        /// Blocks became unreadable.
        LBA_STATUS = 0x0205 => "LBA status information alert",
        /// Of endurance groups.
        ENDURANCE_GROUP = 0x0206 => "endurance group event aggregate log page change",
        /// Groups of namespaces that reach each other changed.
        REACHABILITY_GROUP = 0x0207 => "reachability group change",
        /// How these groups reach each other changed.
        REACHABILITY_ASSOCIATION = 0x0208 => "reachability association change",
        /// Namespaces were allocated or deallocated.
        ALLOCATED_NAMESPACE_CHANGED = 0x0209 => "allocated namespace attribute changed",
        /// A zone changed.
        ZONE_CHANGED = 0x02ef => "zone descriptor changed",
        /// The discovery log changed.
        DISCOVERY_CHANGED = 0x02f0 => "discovery log page change",
        /// The host discovery log changed.
        HOST_DISCOVERY_CHANGED = 0x02f1 => "host discovery log page change",
        /// The log of authentication verification entities changed.
        AVE_DISCOVERY_CHANGED = 0x02f2 => "AVE discovery log page change",
        /// A direct discovery controller is asked to do something.
        PULL_MODEL_DDC_REQUEST = 0x02f3 => "pull model DDC request log page change",
        /// Another controller was reset.
        CROSS_CONTROLLER_RESET = 0x02f4 => "cross-controller reset completed",
        /// A host is gone.
        LOST_HOST = 0x02f5 => "lost host communication",
        /// The subsystem shuts down.
        SUBSYSTEM_SHUTDOWN = 0x0300 => "normal NVM subsystem shutdown",
        /// The reservation log has a new page.
        RESERVATION = 0x0600 => "reservation log page available",
        /// Sanitizing ended.
        SANITIZE_COMPLETED = 0x0601 => "sanitize operation completed",
        /// Sanitizing ended, and something was deallocated that should not have been.
        SANITIZE_COMPLETED_DEALLOCATED = 0x0602 => "sanitize operation completed with unexpected deallocation",
    }
}

newtype_bits!(EventType);

bit_group! {
    /// Dword 0 of the completion of an Asynchronous Event Request: what happened, and which log page tells more.
    ///
    /// Dword 1 is a parameter of the event. After an event of a type no more of them come until its log page was read without retaining the event
    /// ([`RetainAsyncEvent::Clear`](crate::discovery::RetainAsyncEvent::Clear)).
    ///
    /// ```
    /// use nvme_proto::event::{AsyncEvent, EventCode};
    /// let event = AsyncEvent(0x0070_f002);
    /// assert_eq!(event.code(), EventCode::DISCOVERY_CHANGED);
    /// assert_eq!(event.to_string(), "notice: discovery log page change, read log page 0x70 (Discovery)");
    /// ```
    ///
    /// Source: NVMe Base 2.0 section 5.2.
    pub struct AsyncEvent(u32) {
        /// What kind.
        [2:0] event_type with_event_type: EventType, "AET";
        /// Which event of its kind.
        [15:8] information with_information: u8, "AEI";
        /// The log page to read.
        [23:16] log with_log: LogId, "LID";
    }
}

newtype_bits!(LogId);

impl EventCode {
    /// The code of an event of this type with this information.
    #[must_use]
    pub const fn new(event_type: EventType, information: u8) -> Self {
        Self(u16::from_le_bytes([information, event_type.0]))
    }

    /// What kind.
    #[must_use]
    pub const fn event_type(self) -> EventType {
        let [_, event_type] = self.0.to_le_bytes();
        EventType(event_type)
    }

    /// Which event of its kind.
    #[must_use]
    pub const fn information(self) -> u8 {
        let [information, _] = self.0.to_le_bytes();
        information
    }

    /// The log page that tells more; `None` where there is none, or none that is known here.
    #[must_use]
    pub const fn log(self) -> Option<LogId> {
        match self {
            Self::INVALID_DOORBELL
            | Self::INVALID_DOORBELL_VALUE
            | Self::DIAGNOSTIC_FAILURE
            | Self::PERSISTENT_INTERNAL_ERROR
            | Self::TRANSIENT_INTERNAL_ERROR
            | Self::FIRMWARE_LOAD_ERROR => Some(LogId(0x01)),
            Self::RELIABILITY | Self::TEMPERATURE | Self::SPARE => Some(LogId(0x02)),
            Self::NAMESPACE_CHANGED => Some(LogId(0x04)),
            Self::FIRMWARE_ACTIVATION => Some(LogId(0x03)),
            Self::TELEMETRY_CHANGED => Some(LogId(0x08)),
            Self::ANA_CHANGED => Some(LogId(0x0c)),
            Self::PREDICTABLE_LATENCY => Some(LogId(0x0b)),
            Self::LBA_STATUS => Some(LogId(0x0e)),
            Self::ENDURANCE_GROUP => Some(LogId(0x0f)),
            Self::REACHABILITY_GROUP => Some(LogId(0x1a)),
            Self::REACHABILITY_ASSOCIATION => Some(LogId(0x1b)),
            Self::ALLOCATED_NAMESPACE_CHANGED => Some(LogId(0x1c)),
            Self::ZONE_CHANGED => Some(LogId(0xbf)),
            Self::DISCOVERY_CHANGED => Some(LogId(0x70)),
            Self::HOST_DISCOVERY_CHANGED => Some(LogId(0x71)),
            Self::AVE_DISCOVERY_CHANGED => Some(LogId(0x72)),
            Self::PULL_MODEL_DDC_REQUEST => Some(LogId(0x73)),
            Self::RESERVATION => Some(LogId(0x80)),
            Self::SANITIZE_COMPLETED | Self::SANITIZE_COMPLETED_DEALLOCATED => Some(LogId(0x81)),
            _ => None,
        }
    }
}

impl AsyncEvent {
    /// The event, with the log page that tells more.
    #[must_use]
    pub fn new(code: EventCode) -> Self {
        Self::default()
            .with_event_type(code.event_type())
            .with_information(code.information())
            .with_log(code.log().unwrap_or(LogId(0)))
    }

    /// Which event.
    #[must_use]
    pub fn code(self) -> EventCode {
        EventCode::new(self.event_type(), self.information())
    }
}

impl fmt::Display for AsyncEvent {
    /// In words and numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.log();
        match self.code().name() {
            Some(name) => write!(f, "{}: {name}", self.event_type())?,
            None => write!(f, "{}: {:#04x}", self.event_type(), self.information())?,
        }
        write!(f, ", read log page {:#04x}", log.0)?;
        match log.name() {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn events_of_real_controllers() {
        for (dw0, code, words) in [
            (
                0x0004_0002,
                EventCode::NAMESPACE_CHANGED,
                "notice: namespace attribute changed, read log page 0x04",
            ),
            (
                0x000c_0302,
                EventCode::ANA_CHANGED,
                "notice: asymmetric namespace access change, read log page 0x0c (Asymmetric Namespace Access)",
            ),
            (
                0x0070_f002,
                EventCode::DISCOVERY_CHANGED,
                "notice: discovery log page change, read log page 0x70 (Discovery)",
            ),
        ] {
            let event = AsyncEvent(dw0);
            assert_eq!((event.code(), AsyncEvent::new(code)), (code, event));
            assert!(event.to_string().starts_with(words), "{event}");
        }
    }

    #[test]
    fn codes_are_type_and_information() {
        for code in 0..=u16::MAX {
            let code = EventCode(code);
            assert_eq!(EventCode::new(code.event_type(), code.information()), code);
        }
        for code in EventCode::NAMED {
            assert_eq!(AsyncEvent::new(*code).code(), *code, "{code}");
        }
        // Every type of event is of one of the kinds.
        assert!(EventCode::NAMED.iter().all(|code| code.event_type().name().is_some()));
        assert_eq!(EventCode::LOST_HOST.log(), None);
    }

    #[test]
    fn unknown_events_print_their_numbers() {
        let text = AsyncEvent(0x00fe_aa05).to_string();
        assert_eq!(text, "unknown (0x5): 0xaa, read log page 0xfe");
    }
}
