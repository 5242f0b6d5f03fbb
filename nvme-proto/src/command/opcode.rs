//! Opcodes, with their names.

use crate::registry::wire_values;
use crate::sqe::DataDirection;

wire_values! {
    /// Which command, on the admin queue. 1 byte; 0xc0 to 0xff are vendor specific.
    ///
    /// 0x00, 0x01, 0x04, 0x05 (queues) and 0x7c (doorbells) do not exist on fabrics: the answer is
    /// [`INVALID_OPCODE`](crate::Status::INVALID_OPCODE).
    ///
    /// Source: NVMe Base 2.0 section 5, kernel `include/linux/nvme.h: enum nvme_admin_opcode`.
    pub struct AdminOpcode(u8) {
        /// Not on fabrics.
        DELETE_IO_SQ = 0x00 => "Delete I/O Submission Queue",
        /// Not on fabrics.
        CREATE_IO_SQ = 0x01 => "Create I/O Submission Queue",
        /// Reads a piece of a log page.
        GET_LOG_PAGE = 0x02 => "Get Log Page",
        /// Not on fabrics.
        DELETE_IO_CQ = 0x04 => "Delete I/O Completion Queue",
        /// Not on fabrics.
        CREATE_IO_CQ = 0x05 => "Create I/O Completion Queue",
        /// Asks what a controller or namespace is.
        IDENTIFY = 0x06 => "Identify",
        /// Gives another command up.
        ABORT = 0x08 => "Abort",
        /// Changes a feature.
        SET_FEATURES = 0x09 => "Set Features",
        /// Reads a feature.
        GET_FEATURES = 0x0a => "Get Features",
        /// Waits for an event.
        ASYNC_EVENT_REQUEST = 0x0c => "Asynchronous Event Request",
        /// Creates or deletes a namespace.
        NAMESPACE_MANAGEMENT = 0x0d => "Namespace Management",
        /// Activates firmware.
        FIRMWARE_COMMIT = 0x10 => "Firmware Commit",
        /// Carries a piece of firmware.
        FIRMWARE_DOWNLOAD = 0x11 => "Firmware Image Download",
        /// Starts a test.
        DEVICE_SELF_TEST = 0x14 => "Device Self-test",
        /// Attaches a namespace to controllers.
        NAMESPACE_ATTACHMENT = 0x15 => "Namespace Attachment",
        /// Says that the host lives.
        KEEP_ALIVE = 0x18 => "Keep Alive",
        /// Carries a directive.
        DIRECTIVE_SEND = 0x19 => "Directive Send",
        /// Asks about a directive.
        DIRECTIVE_RECEIVE = 0x1a => "Directive Receive",
        /// Manages secondary controllers.
        VIRTUALIZATION_MANAGEMENT = 0x1c => "Virtualization Management",
        /// Carries a management message.
        NVME_MI_SEND = 0x1d => "NVMe-MI Send",
        /// Asks for a management message.
        NVME_MI_RECEIVE = 0x1e => "NVMe-MI Receive",
        /// Manages endurance groups and NVM sets.
        CAPACITY_MANAGEMENT = 0x20 => "Capacity Management",
        /// Registers with a discovery controller.
        DISCOVERY_INFORMATION_MANAGEMENT = 0x21 => "Discovery Information Management",
        /// Reads zoning of a fabric.
        FABRIC_ZONING_RECEIVE = 0x22 => "Fabric Zoning Receive",
        /// Forbids commands.
        LOCKDOWN = 0x24 => "Lockdown",
        /// Looks zoning of a fabric up.
        FABRIC_ZONING_LOOKUP = 0x25 => "Fabric Zoning Lookup",
        /// Clears exported resources.
        CLEAR_EXPORTED_RESOURCES = 0x28 => "Clear Exported NVM Resource Configuration",
        /// Writes zoning of a fabric.
        FABRIC_ZONING_SEND = 0x29 => "Fabric Zoning Send",
        /// Creates an exported subsystem.
        CREATE_EXPORTED_SUBSYSTEM = 0x2a => "Create Exported NVM Subsystem",
        /// Manages an exported subsystem.
        MANAGE_EXPORTED_SUBSYSTEM = 0x2d => "Manage Exported NVM Subsystem",
        /// Manages an exported namespace.
        MANAGE_EXPORTED_NAMESPACE = 0x31 => "Manage Exported Namespace",
        /// Manages an exported port.
        MANAGE_EXPORTED_PORT = 0x35 => "Manage Exported Port",
        /// Sends a discovery log page.
        SEND_DISCOVERY_LOG_PAGE = 0x39 => "Send Discovery Log Page",
        /// Starts or stops tracking.
        TRACK_SEND = 0x3d => "Track Send",
        /// Asks what was tracked.
        TRACK_RECEIVE = 0x3e => "Track Receive",
        /// Suspends or resumes a controller that moves.
        MIGRATION_SEND = 0x41 => "Migration Send",
        /// Reads the state of a controller that moves.
        MIGRATION_RECEIVE = 0x42 => "Migration Receive",
        /// Manages a controller data queue.
        CONTROLLER_DATA_QUEUE = 0x45 => "Controller Data Queue",
        /// Not on fabrics.
        DOORBELL_BUFFER_CONFIG = 0x7c => "Doorbell Buffer Config",
        /// A Fabrics command.
        FABRICS = 0x7f => "Fabrics",
        /// Formats namespaces.
        FORMAT_NVM = 0x80 => "Format NVM",
        /// Carries a security message.
        SECURITY_SEND = 0x81 => "Security Send",
        /// Asks for a security message.
        SECURITY_RECEIVE = 0x82 => "Security Receive",
        /// Destroys all data.
        SANITIZE = 0x84 => "Sanitize",
        /// Loads a program.
        LOAD_PROGRAM = 0x85 => "Load Program",
        /// Asks which blocks may be unreadable.
        GET_LBA_STATUS = 0x86 => "Get LBA Status",
        /// Activates a program.
        PROGRAM_ACTIVATION = 0x88 => "Program Activation Management",
        /// Manages memory ranges.
        MEMORY_RANGE_SET_MANAGEMENT = 0x89 => "Memory Range Set Management",
    }

    /// Which command, on an I/O queue, of the NVM and Zoned Namespace command sets. 1 byte; 0x80 to 0xff are vendor specific.
    ///
    /// Source: NVM Command Set 1.0 section 3, Zoned Namespace Command Set 1.1 section 3, kernel `include/linux/nvme.h: enum nvme_opcode`.
    pub struct IoOpcode(u8) {
        /// Makes what was written last.
        FLUSH = 0x00 => "Flush",
        /// Writes blocks.
        WRITE = 0x01 => "Write",
        /// Reads blocks.
        READ = 0x02 => "Read",
        /// Makes blocks unreadable.
        WRITE_UNCORRECTABLE = 0x04 => "Write Uncorrectable",
        /// Compares blocks with data.
        COMPARE = 0x05 => "Compare",
        /// Writes zeros.
        WRITE_ZEROES = 0x08 => "Write Zeroes",
        /// Says how ranges are used, or that they are not.
        DATASET_MANAGEMENT = 0x09 => "Dataset Management",
        /// Reads without data.
        VERIFY = 0x0c => "Verify",
        /// Registers a reservation key.
        RESERVATION_REGISTER = 0x0d => "Reservation Register",
        /// Asks who holds reservations.
        RESERVATION_REPORT = 0x0e => "Reservation Report",
        /// Takes a reservation.
        RESERVATION_ACQUIRE = 0x11 => "Reservation Acquire",
        /// Asks about data placement.
        IO_MANAGEMENT_RECEIVE = 0x12 => "I/O Management Receive",
        /// Gives a reservation up.
        RESERVATION_RELEASE = 0x15 => "Reservation Release",
        /// Gives commands up.
        CANCEL = 0x18 => "Cancel",
        /// Copies blocks.
        COPY = 0x19 => "Copy",
        /// Manages data placement.
        IO_MANAGEMENT_SEND = 0x1d => "I/O Management Send",
        /// Changes the state of a zone.
        ZONE_MANAGEMENT_SEND = 0x79 => "Zone Management Send",
        /// Reports zones.
        ZONE_MANAGEMENT_RECEIVE = 0x7a => "Zone Management Receive",
        /// Writes at the end of a zone.
        ZONE_APPEND = 0x7d => "Zone Append",
        /// A Fabrics command.
        FABRICS = 0x7f => "Fabrics",
    }
}

impl AdminOpcode {
    /// Which way the data goes. That of a Fabrics command is told by its type: [`Sqe::direction`](crate::sqe::Sqe::direction).
    #[must_use]
    pub const fn direction(self) -> DataDirection {
        DataDirection::of(self.0)
    }

    /// Whether the number is for vendors to use.
    #[must_use]
    pub const fn is_vendor_specific(self) -> bool {
        self.0 >= 0xc0
    }
}

impl IoOpcode {
    /// Which way the data goes. That of a Fabrics command is told by its type: [`Sqe::direction`](crate::sqe::Sqe::direction).
    #[must_use]
    pub const fn direction(self) -> DataDirection {
        DataDirection::of(self.0)
    }

    /// Whether the number is for vendors to use.
    #[must_use]
    pub const fn is_vendor_specific(self) -> bool {
        self.0 >= 0x80
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_tells_the_direction() {
        use DataDirection::{ControllerToHost, HostToController, None};
        for (opcode, direction) in [
            (AdminOpcode::KEEP_ALIVE, None),
            (AdminOpcode::ABORT, None),
            (AdminOpcode::SET_FEATURES, HostToController),
            (AdminOpcode::GET_FEATURES, ControllerToHost),
            (AdminOpcode::IDENTIFY, ControllerToHost),
            (AdminOpcode::DISCOVERY_INFORMATION_MANAGEMENT, HostToController),
        ] {
            assert_eq!(opcode.direction(), direction, "{opcode}");
        }
        for (opcode, direction) in [
            (IoOpcode::READ, ControllerToHost),
            (IoOpcode::WRITE, HostToController),
            (IoOpcode::RESERVATION_REPORT, ControllerToHost),
            (IoOpcode::ZONE_MANAGEMENT_RECEIVE, ControllerToHost),
            (IoOpcode::ZONE_APPEND, HostToController),
            (IoOpcode::FLUSH, None),
        ] {
            assert_eq!(opcode.direction(), direction, "{opcode}");
        }
    }

    #[test]
    fn vendors_have_the_upper_numbers() {
        assert!(AdminOpcode(0xc0).is_vendor_specific() && !AdminOpcode(0xbf).is_vendor_specific());
        assert!(IoOpcode(0x80).is_vendor_specific() && !IoOpcode(0x7f).is_vendor_specific());
    }
}
