//! Which feature.

use crate::bits::newtype_bits;
use crate::registry::wire_values;

wire_values! {
    /// Which feature Set Features and Get Features are about. 1 byte; 0xc0 to 0xff are vendor specific.
    ///
    /// Source: NVMe Base 2.0 section 5.27.1 and 2.1 section 5.1.25, kernel `include/linux/nvme.h: enum` of `NVME_FEAT_*`.
    #[doc(alias = "FID")]
    pub struct FeatureId(u8) {
        /// How queues are chosen.
        ARBITRATION = 0x01 => "Arbitration",
        /// Power state.
        POWER_MANAGEMENT = 0x02 => "Power Management",
        /// What ranges of blocks are for.
        LBA_RANGE_TYPE = 0x03 => "LBA Range Type",
        /// Temperatures at which an event comes.
        TEMPERATURE_THRESHOLD = 0x04 => "Temperature Threshold",
        /// How hard errors are fought.
        ERROR_RECOVERY = 0x05 => "Error Recovery",
        /// Whether writes are cached.
        VOLATILE_WRITE_CACHE = 0x06 => "Volatile Write Cache",
        /// How many I/O queues.
        NUMBER_OF_QUEUES = 0x07 => "Number of Queues",
        /// Not on fabrics.
        INTERRUPT_COALESCING = 0x08 => "Interrupt Coalescing",
        /// Not on fabrics.
        INTERRUPT_VECTOR_CONFIGURATION = 0x09 => "Interrupt Vector Configuration",
        /// What of a write is atomic.
        WRITE_ATOMICITY = 0x0a => "Write Atomicity Normal",
        /// Which events come.
        ASYNC_EVENT_CONFIGURATION = 0x0b => "Asynchronous Event Configuration",
        /// Power states the controller enters by itself.
        AUTONOMOUS_POWER_STATE = 0x0c => "Autonomous Power State Transition",
        /// Not on fabrics.
        HOST_MEMORY_BUFFER = 0x0d => "Host Memory Buffer",
        /// The controller's clock.
        TIMESTAMP = 0x0e => "Timestamp",
        /// How long the controller waits for a sign of life.
        KEEP_ALIVE_TIMER = 0x0f => "Keep Alive Timer",
        /// Temperatures the controller keeps below.
        HOST_CONTROLLED_THERMAL_MANAGEMENT = 0x10 => "Host Controlled Thermal Management",
        /// Whether it works in power states that are not operational.
        NON_OPERATIONAL_POWER_STATE = 0x11 => "Non-Operational Power State Config",
        /// How hard reading is tried in NVM sets.
        READ_RECOVERY_LEVEL = 0x12 => "Read Recovery Level Config",
        /// Predictable latency.
        PREDICTABLE_LATENCY_MODE = 0x13 => "Predictable Latency Mode Config",
        /// Predictable latency.
        PREDICTABLE_LATENCY_WINDOW = 0x14 => "Predictable Latency Mode Window",
        /// How often the LBA status is told.
        LBA_STATUS_INTERVAL = 0x15 => "LBA Status Information Report Interval",
        /// What the host understands.
        HOST_BEHAVIOR_SUPPORT = 0x16 => "Host Behavior Support",
        /// What a failed sanitize leaves.
        SANITIZE_CONFIGURATION = 0x17 => "Sanitize Config",
        /// Events of endurance groups.
        ENDURANCE_GROUP_EVENTS = 0x18 => "Endurance Group Event Configuration",
        /// Which I/O command sets.
        IO_COMMAND_SET_PROFILE = 0x19 => "I/O Command Set Profile",
        /// When disks spin up.
        SPINUP_CONTROL = 0x1a => "Spinup Control",
        /// How a loss of power is told.
        POWER_LOSS_SIGNALING = 0x1b => "Power Loss Signaling Config",
        /// How the performance is characterised.
        PERFORMANCE_CHARACTERISTICS = 0x1c => "Performance Characteristics",
        /// Flexible data placement.
        FLEXIBLE_DATA_PLACEMENT = 0x1d => "Flexible Data Placement",
        /// Events of flexible data placement.
        FLEXIBLE_DATA_PLACEMENT_EVENTS = 0x1e => "Flexible Data Placement Events",
        /// What an administrator calls a namespace.
        NAMESPACE_ADMIN_LABEL = 0x1f => "Namespace Admin Label",
        /// Of key value namespaces.
        KEY_VALUE_CONFIGURATION = 0x20 => "Key Value Configuration",
        /// Controller data queue.
        CONTROLLER_DATA_QUEUE = 0x21 => "Controller Data Queue",
        /// Addresses of management controllers.
        EMBEDDED_MANAGEMENT_ADDRESS = 0x78 => "Embedded Management Controller Address",
        /// Address of a host's management agent.
        HOST_MANAGEMENT_ADDRESS = 0x79 => "Host Management Agent Address",
        /// Metadata.
        ENHANCED_CONTROLLER_METADATA = 0x7d => "Enhanced Controller Metadata",
        /// Metadata.
        CONTROLLER_METADATA = 0x7e => "Controller Metadata",
        /// Metadata.
        NAMESPACE_METADATA = 0x7f => "Namespace Metadata",
        /// How far software before the operating system came.
        SOFTWARE_PROGRESS_MARKER = 0x80 => "Software Progress Marker",
        /// Which host; set by Connect on fabrics.
        HOST_IDENTIFIER = 0x81 => "Host Identifier",
        /// Which reservation events come.
        RESERVATION_NOTIFICATION_MASK = 0x82 => "Reservation Notification Mask",
        /// Whether reservations outlive a loss of power.
        RESERVATION_PERSISTENCE = 0x83 => "Reservation Persistence",
        /// Whether a namespace can be written.
        NAMESPACE_WRITE_PROTECTION = 0x84 => "Namespace Write Protection Config",
        /// Whether boot partitions can be written.
        BOOT_PARTITION_WRITE_PROTECTION = 0x85 => "Boot Partition Write Protection Config",
    }
}

newtype_bits!(FeatureId);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names() {
        assert_eq!(FeatureId::NUMBER_OF_QUEUES.to_string(), "Number of Queues");
        assert_eq!((FeatureId(0x0f).name(), FeatureId(0xc0).name()), (Some("Keep Alive Timer"), None));
    }
}
