//! What the bit fields of Identify Controller and Identify Namespace say.

use crate::flags::wire_flags;

wire_flags! {
    /// How a controller shares its subsystem (CMIC). 1 byte, every bit kept.
    #[doc(alias = "CMIC")]
    pub struct Multipath(u8) {
        /// The subsystem may have several ports.
        PORTS = 1 << 0 => "several ports",
        /// The subsystem may have several controllers.
        CONTROLLERS = 1 << 1 => "several controllers",
        /// The controller is an SR-IOV virtual function.
        VIRTUAL_FUNCTION = 1 << 2 => "virtual function",
        /// It reports asymmetric namespace access.
        ANA = 1 << 3 => "asymmetric access",
    }

    /// Events a controller can report (OAES), in the places they have in the feature that asks for them. 4 bytes, every bit kept.
    #[doc(alias = "OAES")]
    pub struct AsyncEvents(u32) {
        /// Attributes of a namespace changed.
        NAMESPACE = 1 << 8 => "namespace attributes",
        /// Firmware is being activated.
        FIRMWARE = 1 << 9 => "firmware activation",
        /// Asymmetric access changed.
        ANA = 1 << 11 => "asymmetric access",
        /// Predictable latency has news.
        PREDICTABLE_LATENCY = 1 << 12 => "predictable latency",
        /// Blocks may be lost.
        LBA_STATUS = 1 << 13 => "LBA status",
        /// Endurance groups have news.
        ENDURANCE_GROUP = 1 << 14 => "endurance group",
        /// The subsystem shuts down.
        SHUTDOWN = 1 << 15 => "normal shutdown",
        /// A temperature is back within its threshold.
        TEMPERATURE_HYSTERESIS = 1 << 16 => "temperature hysteresis",
        /// Reachability changed.
        REACHABILITY = 1 << 17 => "reachability",
        /// Allocated namespaces changed.
        ALLOCATED_NAMESPACE = 1 << 19 => "allocated namespaces",
        /// Descriptors of zones changed.
        ZONE = 1 << 27 => "zone descriptors",
        /// A pull-model discovery controller is asked for something.
        PULL_MODEL = 1 << 28 => "pull-model request",
        /// The log of authentication verification entities changed.
        AVE_DISCOVERY = 1 << 29 => "AVE discovery log",
        /// The log of hosts changed.
        HOST_DISCOVERY = 1 << 30 => "host discovery log",
        /// The discovery log changed.
        DISCOVERY = 1 << 31 => "discovery log",
    }

    /// What a controller can do (CTRATT). 4 bytes, every bit kept.
    #[doc(alias = "CTRATT")]
    pub struct ControllerAttributes(u32) {
        /// Host identifiers have 128 bits.
        HOST_ID_128 = 1 << 0 => "128-bit host identifier",
        /// Non-operational power states may be exceeded for a while.
        NON_OPERATIONAL_PERMISSIVE = 1 << 1 => "permissive non-operational power states",
        /// NVM sets.
        NVM_SETS = 1 << 2 => "NVM sets",
        /// Read recovery levels.
        READ_RECOVERY = 1 << 3 => "read recovery levels",
        /// Endurance groups.
        ENDURANCE_GROUPS = 1 << 4 => "endurance groups",
        /// Predictable latency.
        PREDICTABLE_LATENCY = 1 << 5 => "predictable latency",
        /// Any command keeps the connection alive.
        #[doc(alias = "TBKAS")]
        TRAFFIC_KEEP_ALIVE = 1 << 6 => "traffic-based keep-alive",
        /// Namespaces have a granularity.
        NAMESPACE_GRANULARITY = 1 << 7 => "namespace granularity",
        /// Submission queues can be associated with NVM sets.
        QUEUE_ASSOCIATIONS = 1 << 8 => "SQ associations",
        /// There is a list of UUIDs.
        UUID_LIST = 1 << 9 => "UUID list",
        /// The subsystem has several domains.
        DOMAINS = 1 << 10 => "several domains",
        /// Capacity can be divided in fixed ways.
        FIXED_CAPACITY = 1 << 11 => "fixed capacity management",
        /// Capacity can be divided at will.
        VARIABLE_CAPACITY = 1 << 12 => "variable capacity management",
        /// Endurance groups can be deleted.
        DELETE_ENDURANCE_GROUP = 1 << 13 => "delete endurance group",
        /// NVM sets can be deleted.
        DELETE_NVM_SET = 1 << 14 => "delete NVM set",
        /// Extended block formats.
        #[doc(alias = "ELBAS")]
        EXTENDED_FORMATS = 1 << 15 => "extended LBA formats",
        /// MDTS does not count metadata.
        #[doc(alias = "MEM")]
        MDTS_WITHOUT_METADATA = 1 << 16 => "MDTS without metadata",
        /// The host memory buffer is left alone in non-operational power states.
        #[doc(alias = "HMBR")]
        HOST_MEMORY_RESTRICTED = 1 << 17 => "host memory buffer restrictions",
        /// Reservations take the host identifier into account.
        #[doc(alias = "RHII")]
        RESERVATIONS_BY_HOST_ID = 1 << 18 => "reservations and host identifiers interact",
        /// Flexible data placement.
        #[doc(alias = "FDPS")]
        FLEXIBLE_PLACEMENT = 1 << 19 => "flexible data placement",
    }

    /// Optional admin commands (OACS). 2 bytes, every bit kept.
    #[doc(alias = "OACS")]
    pub struct AdminCommands(u16) {
        /// Security Send and Receive.
        SECURITY = 1 << 0 => "security",
        /// Format NVM.
        FORMAT = 1 << 1 => "format",
        /// Firmware Commit and Image Download.
        FIRMWARE = 1 << 2 => "firmware",
        /// Namespace Management and Attachment.
        NAMESPACE_MANAGEMENT = 1 << 3 => "namespace management",
        /// Device Self-test.
        SELF_TEST = 1 << 4 => "self-test",
        /// Directive Send and Receive.
        DIRECTIVES = 1 << 5 => "directives",
        /// NVMe-MI Send and Receive.
        MI = 1 << 6 => "NVMe-MI",
        /// Virtualization Management.
        VIRTUALIZATION = 1 << 7 => "virtualization",
        /// Doorbell Buffer Config; not on fabrics.
        DOORBELL_BUFFER = 1 << 8 => "doorbell buffer",
        /// Get LBA Status.
        LBA_STATUS = 1 << 9 => "get LBA status",
        /// Lockdown.
        LOCKDOWN = 1 << 10 => "lockdown",
        /// Migration of controllers.
        MIGRATION = 1 << 11 => "host-managed live migration",
    }

    /// What the log pages of a controller can do (LPA). 1 byte, every bit kept.
    #[doc(alias = "LPA")]
    pub struct LogAttributes(u8) {
        /// Health for each namespace.
        HEALTH_PER_NAMESPACE = 1 << 0 => "health per namespace",
        /// Commands and their effects.
        EFFECTS = 1 << 1 => "effects",
        /// Offsets, and reads of more than 4 KiB.
        EXTENDED_DATA = 1 << 2 => "extended data",
        /// Telemetry.
        TELEMETRY = 1 << 3 => "telemetry",
        /// Persistent events.
        PERSISTENT_EVENTS = 1 << 4 => "persistent events",
        /// The supported pages, and effects of features and management commands.
        SUPPORTED_PAGES = 1 << 5 => "supported pages",
        /// The fourth area of telemetry.
        TELEMETRY_AREA_4 = 1 << 6 => "telemetry area 4",
    }

    /// Asymmetric access states a controller can report, and how its groups behave (ANACAP). 1 byte, every bit kept.
    #[doc(alias = "ANACAP")]
    pub struct AnaCapabilities(u8) {
        /// It reports optimized.
        OPTIMIZED = 1 << 0 => "optimized",
        /// It reports non-optimized.
        NON_OPTIMIZED = 1 << 1 => "non-optimized",
        /// It reports inaccessible.
        INACCESSIBLE = 1 << 2 => "inaccessible",
        /// It reports persistent loss.
        PERSISTENT_LOSS = 1 << 3 => "persistent loss",
        /// It reports change.
        CHANGE = 1 << 4 => "change",
        /// The group of a namespace does not change while it is attached.
        GROUP_FIXED = 1 << 6 => "fixed groups",
        /// Namespace Management can set the group.
        GROUP_MANAGED = 1 << 7 => "managed groups",
    }

    /// Optional I/O commands (ONCS). 2 bytes, every bit kept.
    #[doc(alias = "ONCS")]
    pub struct IoCommands(u16) {
        /// Compare.
        COMPARE = 1 << 0 => "compare",
        /// Write Uncorrectable.
        WRITE_UNCORRECTABLE = 1 << 1 => "write uncorrectable",
        /// Dataset Management.
        DATASET_MANAGEMENT = 1 << 2 => "dataset management",
        /// Write Zeroes.
        WRITE_ZEROES = 1 << 3 => "write zeroes",
        /// Features can be saved and selected.
        SAVE_FEATURES = 1 << 4 => "saved features",
        /// Reservations.
        RESERVATIONS = 1 << 5 => "reservations",
        /// The feature Timestamp.
        TIMESTAMP = 1 << 6 => "timestamp",
        /// Verify.
        VERIFY = 1 << 7 => "verify",
        /// Copy.
        COPY = 1 << 8 => "copy",
        /// A Copy is written atomically.
        COPY_ATOMIC = 1 << 9 => "atomic copy",
        /// All copies are fast.
        COPY_FAST = 1 << 10 => "fast copy",
        /// A Write Zeroes that deallocates can be long.
        ZEROES_DEALLOCATE = 1 << 11 => "deallocating write zeroes",
        /// A whole namespace can be zeroed.
        NAMESPACE_ZEROES = 1 << 12 => "namespace zeroes",
    }

    /// Scatter-gather lists a controller takes (SGLS). 4 bytes, every bit kept: 15:8 are a threshold of descriptors
    /// ([`descriptor_threshold`](Self::descriptor_threshold)).
    #[doc(alias = "SGLS")]
    pub struct SglSupport(u32) {
        /// Supported, at any byte.
        SUPPORTED = 1 << 0 => "supported",
        /// Supported, in dwords.
        SUPPORTED_DWORDS = 1 << 1 => "supported in dwords",
        /// Keyed data block descriptors.
        KEYED = 1 << 2 => "keyed",
        /// Bit bucket descriptors.
        BIT_BUCKET = 1 << 16 => "bit bucket",
        /// Metadata may begin at any byte.
        METADATA_ANY_BYTE = 1 << 17 => "metadata at any byte",
        /// Lists may be longer than the data.
        LONGER = 1 << 18 => "longer than the data",
        /// The metadata pointer may be a list.
        METADATA_LIST = 1 << 19 => "metadata list",
        /// Data block descriptors may hold an offset: data in the capsule.
        OFFSET = 1 << 20 => "offset",
        /// Transport data block descriptors.
        TRANSPORT = 1 << 21 => "transport",
    }

    /// Reservations a namespace takes (RESCAP). 1 byte, every bit kept.
    #[doc(alias = "RESCAP")]
    pub struct ReservationCapabilities(u8) {
        /// They can persist through power loss.
        PERSIST = 1 << 0 => "persist through power loss",
        /// Write exclusive.
        WRITE_EXCLUSIVE = 1 << 1 => "write exclusive",
        /// Exclusive access.
        EXCLUSIVE_ACCESS = 1 << 2 => "exclusive access",
        /// Write exclusive, registrants only.
        WRITE_EXCLUSIVE_REGISTRANTS = 1 << 3 => "write exclusive, registrants only",
        /// Exclusive access, registrants only.
        EXCLUSIVE_ACCESS_REGISTRANTS = 1 << 4 => "exclusive access, registrants only",
        /// Write exclusive, all registrants.
        WRITE_EXCLUSIVE_ALL = 1 << 5 => "write exclusive, all registrants",
        /// Exclusive access, all registrants.
        EXCLUSIVE_ACCESS_ALL = 1 << 6 => "exclusive access, all registrants",
        /// Existing keys are ignored by the rules of NVMe 1.3.
        IGNORE_KEY_1_3 = 1 << 7 => "ignore existing key of NVMe 1.3",
    }
}

impl SglSupport {
    /// Descriptors up to which lists are processed best, 15:8; 0: not said.
    #[doc(alias = "SDT")]
    #[must_use]
    pub const fn descriptor_threshold(self) -> u8 {
        let [_, threshold, ..] = self.0.to_le_bytes();
        threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn what_a_linux_target_says_in_words() {
        for (said, words) in [
            (Multipath(11).to_string(), "several ports, several controllers, asymmetric access"),
            (AsyncEvents(0x900).to_string(), "namespace attributes, asymmetric access"),
            (AsyncEvents(0x8000_0000).to_string(), "discovery log"),
            (ControllerAttributes(0x41).to_string(), "128-bit host identifier, traffic-based keep-alive"),
            (LogAttributes(7).to_string(), "health per namespace, effects, extended data"),
            (IoCommands(0xc).to_string(), "dataset management, write zeroes"),
            (SglSupport(0x0010_0001).to_string(), "supported, offset"),
            (SglSupport(0x0030_0801).to_string(), "supported, offset, transport, 0x800"),
        ] {
            assert_eq!(said, words);
        }
        assert_eq!(SglSupport(0x0030_0801).descriptor_threshold(), 8);
    }
}
