//! Every status code with a name.
//!
//! | type (SCT)            | codes (SC)     | depend on the command                                                     |
//! |-----------------------|----------------|---------------------------------------------------------------------------|
//! | 0 generic             | 0x00 to 0xbf   | no                                                                        |
//! | 1 command specific    | 0x00 to 0x7f   | no: each belongs to few admin commands                                    |
//! | 1 command specific    | 0x80 to 0xbf   | yes: one list for Fabrics commands, another for I/O and other admin ones  |
//! | 2 media and integrity | 0x80 to 0xbf   | no                                                                        |
//! | 3 path related        | 0x00 to 0x71   | no; 0x70 and 0x71 are made by the host itself, never received             |
//! | 7 vendor specific     | all            | not named here                                                            |
//!
//! In every type, codes from 0xc0 on belong to the vendor. Source: NVMe Base 2.0 section 3.3.3.2.1 and later revisions, NVM Command
//! Set 1.0, ZNS Command Set 1.1, kernel `include/linux/nvme.h: NVME_SC_*`.

use super::Status;

/// Constants on [`Status`] and, for each list, a function from the code to the name.
macro_rules! status_codes {
    ($( $list:ident, $doc:literal { $( $konst:ident = $code:literal, $name:literal; )+ } )+) => {
        impl Status {
            $($(
                #[doc = concat!($name, ", code ", stringify!($code), ". ", $doc)]
                pub const $konst: Self = Self($code);
            )+)+
        }

        $(
            pub(super) const fn $list(code: u16) -> Option<&'static str> {
                match code {
                    $( $code => Some($name), )+
                    _ => None,
                }
            }
        )+

        /// Every code with its name, for the tests.
        #[cfg(test)]
        pub(super) const ALL: &[(u16, &str)] = &[$($( ($code, $name) ),+),+];
    };
}

status_codes! {
    common, "" {
        SUCCESS = 0x000, "Successful Completion";
        INVALID_OPCODE = 0x001, "Invalid Command Opcode";
        INVALID_FIELD = 0x002, "Invalid Field in Command";
        COMMAND_ID_CONFLICT = 0x003, "Command Identifier Conflict";
        DATA_TRANSFER_ERROR = 0x004, "Data Transfer Error";
        COMMANDS_ABORTED_DUE_TO_POWER_LOSS = 0x005, "Commands Aborted due to Power Loss";
        INTERNAL_ERROR = 0x006, "Internal Error";
        ABORT_REQUESTED = 0x007, "Command Abort Requested";
        COMMAND_ABORTED_DUE_TO_SQ_DELETION = 0x008, "Command Aborted due to SQ Deletion";
        ABORTED_FAILED_FUSED_COMMAND = 0x009, "Aborted: Failed Fused Command";
        ABORTED_MISSING_FUSED_COMMAND = 0x00a, "Aborted: Missing Fused Command";
        INVALID_NAMESPACE_OR_FORMAT = 0x00b, "Invalid Namespace or Format";
        COMMAND_SEQUENCE_ERROR = 0x00c, "Command Sequence Error";
        INVALID_SGL_SEGMENT_DESCRIPTOR = 0x00d, "Invalid SGL Segment Descriptor";
        INVALID_NUMBER_OF_SGL_DESCRIPTORS = 0x00e, "Invalid Number of SGL Descriptors";
        DATA_SGL_LENGTH_INVALID = 0x00f, "Data SGL Length Invalid";
        METADATA_SGL_LENGTH_INVALID = 0x010, "Metadata SGL Length Invalid";
        SGL_DESCRIPTOR_TYPE_INVALID = 0x011, "SGL Descriptor Type Invalid";
        INVALID_USE_OF_CMB = 0x012, "Invalid Use of CMB";
        PRP_OFFSET_INVALID = 0x013, "PRP Offset Invalid";
        ATOMIC_WRITE_UNIT_EXCEEDED = 0x014, "Atomic Write Unit Exceeded";
        OPERATION_DENIED = 0x015, "Operation Denied";
        SGL_OFFSET_INVALID = 0x016, "SGL Offset Invalid";
        HOST_IDENTIFIER_INCONSISTENT_FORMAT = 0x018, "Host Identifier Inconsistent Format";
        KEEP_ALIVE_TIMER_EXPIRED = 0x019, "Keep Alive Timer Expired";
        KEEP_ALIVE_TIMEOUT_INVALID = 0x01a, "Keep Alive Timeout Invalid";
        COMMAND_ABORTED_DUE_TO_PREEMPT_AND_ABORT = 0x01b, "Command Aborted due to Preempt and Abort";
        SANITIZE_FAILED = 0x01c, "Sanitize Failed";
        SANITIZE_IN_PROGRESS = 0x01d, "Sanitize In Progress";
        SGL_DATA_BLOCK_GRANULARITY_INVALID = 0x01e, "SGL Data Block Granularity Invalid";
        COMMAND_NOT_SUPPORTED_FOR_QUEUE_IN_CMB = 0x01f, "Command Not Supported for Queue in CMB";
        NAMESPACE_IS_WRITE_PROTECTED = 0x020, "Namespace is Write Protected";
        COMMAND_INTERRUPTED = 0x021, "Command Interrupted";
        TRANSIENT_TRANSPORT_ERROR = 0x022, "Transient Transport Error";
        COMMAND_PROHIBITED_BY_COMMAND_AND_FEATURE_LOCKDOWN = 0x023, "Command Prohibited by Command and Feature Lockdown";
        ADMIN_COMMAND_MEDIA_NOT_READY = 0x024, "Admin Command Media Not Ready";
        INVALID_KEY_TAG = 0x025, "Invalid Key Tag";
        HOST_DISPERSED_NAMESPACE_SUPPORT_NOT_ENABLED = 0x026, "Host Dispersed Namespace Support Not Enabled";
        HOST_IDENTIFIER_NOT_INITIALIZED = 0x027, "Host Identifier Not Initialized";
        INCORRECT_KEY = 0x028, "Incorrect Key";
        FDP_DISABLED = 0x029, "FDP Disabled";
        INVALID_PLACEMENT_HANDLE_LIST = 0x02a, "Invalid Placement Handle List";
        SANITIZE_NAMESPACE_FAILED = 0x02b, "Sanitize Namespace Failed";
        SANITIZE_NAMESPACE_IN_PROGRESS = 0x02c, "Sanitize Namespace In Progress";
        LBA_OUT_OF_RANGE = 0x080, "LBA Out of Range";
        CAPACITY_EXCEEDED = 0x081, "Capacity Exceeded";
        NAMESPACE_NOT_READY = 0x082, "Namespace Not Ready";
        RESERVATION_CONFLICT = 0x083, "Reservation Conflict";
        FORMAT_IN_PROGRESS = 0x084, "Format In Progress";
        INVALID_VALUE_SIZE = 0x085, "Invalid Value Size";
        INVALID_KEY_SIZE = 0x086, "Invalid Key Size";
        KEY_DOES_NOT_EXIST = 0x087, "Key Does Not Exist";
        UNRECOVERED_ERROR = 0x088, "Unrecovered Error";
        KEY_EXISTS = 0x089, "Key Exists";
        COMPLETION_QUEUE_INVALID = 0x100, "Completion Queue Invalid";
        INVALID_QUEUE_IDENTIFIER = 0x101, "Invalid Queue Identifier";
        INVALID_QUEUE_SIZE = 0x102, "Invalid Queue Size";
        ABORT_COMMAND_LIMIT_EXCEEDED = 0x103, "Abort Command Limit Exceeded";
        ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED = 0x105, "Asynchronous Event Request Limit Exceeded";
        INVALID_FIRMWARE_SLOT = 0x106, "Invalid Firmware Slot";
        INVALID_FIRMWARE_IMAGE = 0x107, "Invalid Firmware Image";
        INVALID_INTERRUPT_VECTOR = 0x108, "Invalid Interrupt Vector";
        INVALID_LOG_PAGE = 0x109, "Invalid Log Page";
        INVALID_FORMAT = 0x10a, "Invalid Format";
        FW_ACTIVATION_REQUIRES_CONVENTIONAL_RESET = 0x10b, "FW Activation Requires Conventional Reset";
        INVALID_QUEUE_DELETION = 0x10c, "Invalid Queue Deletion";
        FEATURE_IDENTIFIER_NOT_SAVEABLE = 0x10d, "Feature Identifier Not Saveable";
        FEATURE_NOT_CHANGEABLE = 0x10e, "Feature Not Changeable";
        FEATURE_NOT_NAMESPACE_SPECIFIC = 0x10f, "Feature Not Namespace Specific";
        FW_ACTIVATION_REQUIRES_NVM_SUBSYSTEM_RESET = 0x110, "FW Activation Requires NVM Subsystem Reset";
        FW_ACTIVATION_REQUIRES_CONTROLLER_LEVEL_RESET = 0x111, "FW Activation Requires Controller Level Reset";
        FW_ACTIVATION_REQUIRES_MAXIMUM_TIME_VIOLATION = 0x112, "FW Activation Requires Maximum Time Violation";
        FIRMWARE_ACTIVATION_PROHIBITED = 0x113, "Firmware Activation Prohibited";
        OVERLAPPING_RANGE = 0x114, "Overlapping Range";
        NAMESPACE_INSUFFICIENT_CAPACITY = 0x115, "Namespace Insufficient Capacity";
        NAMESPACE_IDENTIFIER_UNAVAILABLE = 0x116, "Namespace Identifier Unavailable";
        NAMESPACE_ALREADY_ATTACHED = 0x118, "Namespace Already Attached";
        NAMESPACE_IS_PRIVATE = 0x119, "Namespace Is Private";
        NAMESPACE_NOT_ATTACHED = 0x11a, "Namespace Not Attached";
        THIN_PROVISIONING_NOT_SUPPORTED = 0x11b, "Thin Provisioning Not Supported";
        CONTROLLER_LIST_INVALID = 0x11c, "Controller List Invalid";
        DEVICE_SELF_TEST_IN_PROGRESS = 0x11d, "Device Self-test In Progress";
        BOOT_PARTITION_WRITE_PROHIBITED = 0x11e, "Boot Partition Write Prohibited";
        INVALID_CONTROLLER_IDENTIFIER = 0x11f, "Invalid Controller Identifier";
        INVALID_SECONDARY_CONTROLLER_STATE = 0x120, "Invalid Secondary Controller State";
        INVALID_NUMBER_OF_CONTROLLER_RESOURCES = 0x121, "Invalid Number of Controller Resources";
        INVALID_RESOURCE_IDENTIFIER = 0x122, "Invalid Resource Identifier";
        SANITIZE_PROHIBITED_WHILE_PMR_ENABLED = 0x123, "Sanitize Prohibited While PMR Enabled";
        ANA_GROUP_IDENTIFIER_INVALID = 0x124, "ANA Group Identifier Invalid";
        ANA_ATTACH_FAILED = 0x125, "ANA Attach Failed";
        INSUFFICIENT_CAPACITY = 0x126, "Insufficient Capacity";
        NAMESPACE_ATTACHMENT_LIMIT_EXCEEDED = 0x127, "Namespace Attachment Limit Exceeded";
        PROHIBITION_OF_COMMAND_EXECUTION_NOT_SUPPORTED = 0x128, "Prohibition of Command Execution Not Supported";
        IO_COMMAND_SET_NOT_SUPPORTED = 0x129, "I/O Command Set Not Supported";
        IO_COMMAND_SET_NOT_ENABLED = 0x12a, "I/O Command Set Not Enabled";
        IO_COMMAND_SET_COMBINATION_REJECTED = 0x12b, "I/O Command Set Combination Rejected";
        INVALID_IO_COMMAND_SET = 0x12c, "Invalid I/O Command Set";
        IDENTIFIER_UNAVAILABLE = 0x12d, "Identifier Unavailable";
        NAMESPACE_IS_DISPERSED = 0x12e, "Namespace is Dispersed";
        INVALID_DISCOVERY_INFORMATION = 0x12f, "Invalid Discovery Information";
        ZONING_DATA_STRUCTURE_LOCKED = 0x130, "Zoning Data Structure Locked";
        ZONING_DATA_STRUCTURE_NOT_FOUND = 0x131, "Zoning Data Structure Not Found";
        INSUFFICIENT_DISCOVERY_RESOURCES = 0x132, "Insufficient Discovery Resources";
        REQUESTED_FUNCTION_DISABLED = 0x133, "Requested Function Disabled";
        ZONEGROUP_ORIGINATOR_INVALID = 0x134, "ZoneGroup Originator Invalid";
        INVALID_HOST = 0x135, "Invalid Host";
        INVALID_NVM_SUBSYSTEM = 0x136, "Invalid NVM Subsystem";
        INVALID_CONTROLLER_DATA_QUEUE = 0x137, "Invalid Controller Data Queue";
        NOT_ENOUGH_RESOURCES = 0x138, "Not Enough Resources";
        CONTROLLER_SUSPENDED = 0x139, "Controller Suspended";
        CONTROLLER_NOT_SUSPENDED = 0x13a, "Controller Not Suspended";
        CONTROLLER_DATA_QUEUE_FULL = 0x13b, "Controller Data Queue Full";
        REQUEST_EXCEEDS_MAXIMUM_NS_SANITIZE_OPERATIONS_IN_PROGRESS = 0x13c, "Request Exceeds Maximum NS Sanitize Operations In Progress";
        MANUFACTURING_DEFAULT_PERSONALITY_REQUIRED = 0x13d, "Manufacturing Default Personality Required";
        INVALID_POWER_LIMIT = 0x13e, "Invalid Power Limit";
        CROSS_CONTROLLER_RESET_IN_PROGRESS = 0x13f, "Cross-Controller Reset in Progress";
        CROSS_CONTROLLER_RESET_LOG_PAGE_FULL = 0x140, "Cross-Controller Reset Log Page Full";
        CROSS_CONTROLLER_RESET_LIMIT_EXCEEDED = 0x141, "Cross-Controller Reset Limit Exceeded";
        WRITE_FAULT = 0x280, "Write Fault";
        UNRECOVERED_READ_ERROR = 0x281, "Unrecovered Read Error";
        END_TO_END_GUARD_CHECK_ERROR = 0x282, "End-to-end Guard Check Error";
        END_TO_END_APPLICATION_TAG_CHECK_ERROR = 0x283, "End-to-end Application Tag Check Error";
        END_TO_END_REFERENCE_TAG_CHECK_ERROR = 0x284, "End-to-end Reference Tag Check Error";
        COMPARE_FAILURE = 0x285, "Compare Failure";
        ACCESS_DENIED = 0x286, "Access Denied";
        DEALLOCATED_OR_UNWRITTEN_LOGICAL_BLOCK = 0x287, "Deallocated or Unwritten Logical Block";
        END_TO_END_STORAGE_TAG_CHECK_ERROR = 0x288, "End-to-end Storage Tag Check Error";
        INTERNAL_PATH_ERROR = 0x300, "Internal Path Error";
        ASYMMETRIC_ACCESS_PERSISTENT_LOSS = 0x301, "Asymmetric Access Persistent Loss";
        ASYMMETRIC_ACCESS_INACCESSIBLE = 0x302, "Asymmetric Access Inaccessible";
        ASYMMETRIC_ACCESS_TRANSITION = 0x303, "Asymmetric Access Transition";
        CONTROLLER_PATHING_ERROR = 0x360, "Controller Pathing Error";
        HOST_PATHING_ERROR = 0x370, "Host Pathing Error";
        COMMAND_ABORTED_BY_HOST = 0x371, "Command Aborted By Host";
    }
    fabrics, "On Fabrics commands and on the discovery log." {
        CONNECT_INCOMPATIBLE_FORMAT = 0x180, "Connect Incompatible Format";
        CONNECT_CONTROLLER_BUSY = 0x181, "Connect Controller Busy";
        CONNECT_INVALID_PARAMETERS = 0x182, "Connect Invalid Parameters";
        CONNECT_RESTART_DISCOVERY = 0x183, "Connect Restart Discovery";
        CONNECT_INVALID_HOST = 0x184, "Connect Invalid Host";
        DISCONNECT_INVALID_QUEUE_TYPE = 0x185, "Disconnect Invalid Queue Type";
        DISCOVER_RESTART = 0x190, "Discover Restart";
        AUTHENTICATION_REQUIRED = 0x191, "Authentication Required";
    }
    io, "On I/O commands." {
        CONFLICTING_ATTRIBUTES = 0x180, "Conflicting Attributes";
        INVALID_PROTECTION_INFORMATION = 0x181, "Invalid Protection Information";
        ATTEMPTED_WRITE_TO_READ_ONLY_RANGE = 0x182, "Attempted Write to Read Only Range";
        COMMAND_SIZE_LIMIT_EXCEEDED = 0x183, "Command Size Limit Exceeded";
        INVALID_COMMAND_IDENTIFIER = 0x184, "Invalid Command Identifier";
        INCOMPATIBLE_NAMESPACE_OR_FORMAT = 0x185, "Incompatible Namespace or Format";
        FAST_COPY_NOT_POSSIBLE = 0x186, "Fast Copy Not Possible";
        OVERLAPPING_IO_RANGE = 0x187, "Overlapping I/O Range";
        NAMESPACE_NOT_REACHABLE = 0x188, "Namespace Not Reachable";
        INSUFFICIENT_RESOURCES = 0x189, "Insufficient Resources";
        INVALID_ZONE_OPERATION_REQUEST = 0x1b6, "Invalid Zone Operation Request";
        ZRWA_RESOURCES_UNAVAILABLE = 0x1b7, "ZRWA Resources Unavailable";
        ZONE_BOUNDARY_ERROR = 0x1b8, "Zone Boundary Error";
        ZONE_IS_FULL = 0x1b9, "Zone Is Full";
        ZONE_IS_READ_ONLY = 0x1ba, "Zone Is Read Only";
        ZONE_IS_OFFLINE = 0x1bb, "Zone Is Offline";
        ZONE_INVALID_WRITE = 0x1bc, "Zone Invalid Write";
        TOO_MANY_ACTIVE_ZONES = 0x1bd, "Too Many Active Zones";
        TOO_MANY_OPEN_ZONES = 0x1be, "Too Many Open Zones";
        INVALID_ZONE_STATE_TRANSITION = 0x1bf, "Invalid Zone State Transition";
    }
}
