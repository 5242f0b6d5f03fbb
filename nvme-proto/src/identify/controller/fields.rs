//! The fields of Identify Controller with a fixed number of bytes.

use super::super::{ControllerType, DiscoveryControllerType, Version};
use super::{
    AdminCommands, AnaCapabilities, AsyncEvents, ControllerAttributes, IdentifyController, IoCommands,
    LogAttributes, Multipath, SglSupport,
};
use crate::layout::layout;
use crate::types::Cntlid;

layout! { IdentifyController {
    /// PCI vendor; fabrics controllers may say 0.
    #[doc(alias = "VID")]
    0 vendor_id set_vendor_id u16;
    /// PCI vendor of the subsystem.
    #[doc(alias = "SSVID")]
    2 subsystem_vendor_id set_subsystem_vendor_id u16;
    /// Recommended arbitration burst: 2^n commands.
    #[doc(alias = "RAB")]
    72 arbitration_burst set_arbitration_burst u8;
    /// IEEE organisation identifier, lowest byte first.
    #[doc(alias = "IEEE")]
    73 ieee_oui set_ieee_oui [u8; 3];
    /// How it shares its subsystem.
    #[doc(alias = "CMIC")]
    76 multipath set_multipath Multipath;
    /// 2^n pages of the smallest page size (4 KiB on fabrics); 0: no limit. See [`max_data_bytes`](Self::max_data_bytes).
    #[doc(alias = "MDTS")]
    77 max_data_transfer set_max_data_transfer u8;
    /// Which controller of the subsystem this is.
    #[doc(alias = "CNTLID")]
    78 cntlid set_cntlid Cntlid;
    /// The version of NVMe it follows.
    #[doc(alias = "VER")]
    80 version set_version Version;
    /// Time to resume from runtime D3, us.
    #[doc(alias = "RTD3R")]
    84 resume_latency set_resume_latency u32;
    /// Time to enter runtime D3, us.
    #[doc(alias = "RTD3E")]
    88 entry_latency set_entry_latency u32;
    /// Events it can report.
    #[doc(alias = "OAES")]
    92 async_events set_async_events AsyncEvents;
    /// What it can do.
    #[doc(alias = "CTRATT")]
    96 attributes set_attributes ControllerAttributes;
    /// Read recovery levels, one bit each.
    #[doc(alias = "RRLS")]
    100 read_recovery_levels set_read_recovery_levels u16;
    /// Boot partitions: 1:0 how their write protection is set.
    #[doc(alias = "BPCAP")]
    102 boot_partitions set_boot_partitions u8;
    /// Time a shutdown of the whole subsystem takes at most, ms; 0: not said.
    #[doc(alias = "NSSL")]
    104 shutdown_latency set_shutdown_latency u32;
    /// Power loss signalling: which kinds it takes.
    #[doc(alias = "PLSI")]
    110 power_loss_signaling set_power_loss_signaling u8;
    /// What it is for.
    #[doc(alias = "CNTRLTYPE")]
    111 controller_type set_controller_type ControllerType;
    /// Identifies the field-replaceable unit; big-endian.
    #[doc(alias = "FGUID")]
    112 fru_guid set_fru_guid [u8; 16];
    /// Delay meant by retry delay 1 in a status, 100 ms.
    #[doc(alias = "CRDT1")]
    128 retry_delay_1 set_retry_delay_1 u16;
    /// Delay meant by retry delay 2 in a status, 100 ms.
    #[doc(alias = "CRDT2")]
    130 retry_delay_2 set_retry_delay_2 u16;
    /// Delay meant by retry delay 3 in a status, 100 ms.
    #[doc(alias = "CRDT3")]
    132 retry_delay_3 set_retry_delay_3 u16;
    /// Reachability of namespaces: whether it has log pages of groups and associations.
    #[doc(alias = "CRCAP")]
    134 reachability set_reachability u8;
    /// NVM subsystem: bit 0 it is a storage device, 1 an enclosure.
    #[doc(alias = "NVMSR")]
    253 subsystem_report set_subsystem_report u8;
    /// Writes to vital product data left, in 6:0; 7: the number holds.
    #[doc(alias = "VWCI")]
    254 vital_product_writes set_vital_product_writes u8;
    /// Management endpoint: bit 0 SMBus or I2C, 1 PCIe.
    #[doc(alias = "MEC")]
    255 management_endpoint set_management_endpoint u8;
    /// Optional admin commands.
    #[doc(alias = "OACS")]
    256 admin_commands set_admin_commands AdminCommands;
    /// Abort commands it takes at a time, less one.
    #[doc(alias = "ACL")]
    258 abort_limit set_abort_limit u8;
    /// Asynchronous Event Requests it takes at a time, less one.
    #[doc(alias = "AERL")]
    259 async_event_limit set_async_event_limit u8;
    /// Bit 0: slot 1 is read-only, 3:1: slots, 4: activation without reset, 5: overlapping downloads are noticed.
    #[doc(alias = "FRMW")]
    260 firmware_updates set_firmware_updates u8;
    /// What its log pages can do.
    #[doc(alias = "LPA")]
    261 log_attributes set_log_attributes LogAttributes;
    /// Entries of the error log, less one.
    #[doc(alias = "ELPE")]
    262 error_log_entries set_error_log_entries u8;
    /// Power states, less one.
    #[doc(alias = "NPSS")]
    263 power_states set_power_states u8;
    /// Bit 0: vendor specific admin commands have the usual format.
    #[doc(alias = "AVSCC")]
    264 vendor_admin_commands set_vendor_admin_commands u8;
    /// Bit 0: it changes power states by itself.
    #[doc(alias = "APSTA")]
    265 autonomous_power set_autonomous_power u8;
    /// Temperature at which it warns, K.
    #[doc(alias = "WCTEMP")]
    266 warning_temperature set_warning_temperature u16;
    /// Temperature that is critical, K.
    #[doc(alias = "CCTEMP")]
    268 critical_temperature set_critical_temperature u16;
    /// Time without processing while firmware is activated, 100 ms; 0: not said.
    #[doc(alias = "MTFA")]
    270 firmware_activation_time set_firmware_activation_time u16;
    /// Host memory it would like, 4 KiB each; 0 on fabrics.
    #[doc(alias = "HMPRE")]
    272 host_memory_preferred set_host_memory_preferred u32;
    /// Host memory it needs to make use of any, 4 KiB each.
    #[doc(alias = "HMMIN")]
    276 host_memory_minimum set_host_memory_minimum u32;
    /// Capacity of the subsystem's media, bytes.
    #[doc(alias = "TNVMCAP")]
    280 total_capacity set_total_capacity u128;
    /// Part of it that no namespace has, bytes.
    #[doc(alias = "UNVMCAP")]
    296 unallocated_capacity set_unallocated_capacity u128;
    /// Replay protected memory. 2:0: units, 5:3: authentication, 23:16: size of a unit in 128 KiB less one, 31:24: size of an access in 512 bytes less one.
    #[doc(alias = "RPMBS")]
    312 replay_protected_memory set_replay_protected_memory u32;
    /// Time an extended self-test takes, min.
    #[doc(alias = "EDSTT")]
    316 self_test_time set_self_test_time u16;
    /// Bit 0: one self-test in the subsystem at a time, 1: host-initiated refresh.
    #[doc(alias = "DSTO")]
    318 self_test_options set_self_test_options u8;
    /// Granularity and alignment of Firmware Image Download, 4 KiB each; 0: not said, 0xff: none.
    #[doc(alias = "FWUG")]
    319 firmware_granularity set_firmware_granularity u8;
    /// Granularity of the keep-alive time-out, 100 ms; 0: no keep-alive.
    #[doc(alias = "KAS")]
    320 keep_alive_granularity set_keep_alive_granularity u16;
    /// Bit 0: the host can set at which temperatures it slows down.
    #[doc(alias = "HCTMA")]
    322 thermal_management set_thermal_management u16;
    /// Lowest temperature the host can set, K; 0: not said.
    #[doc(alias = "MNTMT")]
    324 thermal_minimum set_thermal_minimum u16;
    /// Highest temperature the host can set, K; 0: not said.
    #[doc(alias = "MXTMT")]
    326 thermal_maximum set_thermal_maximum u16;
    /// Sanitize. Bit 0: cryptographic erase, 1: block erase, 2: overwrite, 29: no-deallocate is inhibited, 31:30: whether it then modifies media.
    #[doc(alias = "SANICAP")]
    328 sanitize_capabilities set_sanitize_capabilities u32;
    /// Smallest usable piece of host memory, 4 KiB each.
    #[doc(alias = "HMMINDS")]
    332 host_memory_entry_minimum set_host_memory_entry_minimum u32;
    /// Pieces of host memory it can use.
    #[doc(alias = "HMMAXD")]
    336 host_memory_entries set_host_memory_entries u16;
    /// The largest NVM set.
    #[doc(alias = "NSETIDMAX")]
    338 nvm_set_max set_nvm_set_max u16;
    /// The largest endurance group.
    #[doc(alias = "ENDGIDMAX")]
    340 endurance_group_max set_endurance_group_max u16;
    /// Longest time a namespace stays in the state "change" of asymmetric access, s.
    #[doc(alias = "ANATT")]
    342 ana_transition_time set_ana_transition_time u8;
    /// Asymmetric access states it can report.
    #[doc(alias = "ANACAP")]
    343 ana_capabilities set_ana_capabilities AnaCapabilities;
    /// The largest asymmetric access group.
    #[doc(alias = "ANAGRPMAX")]
    344 ana_group_max set_ana_group_max u32;
    /// Number of asymmetric access groups.
    #[doc(alias = "NANAGRPID")]
    348 ana_groups set_ana_groups u32;
    /// Size of the persistent event log at most, 64 KiB each.
    #[doc(alias = "PELS")]
    352 persistent_log_size set_persistent_log_size u32;
    /// The domain the controller is in; 0: the subsystem has but one.
    #[doc(alias = "DOMAINID")]
    356 domain set_domain u16;
    /// Bit 0: a key for each I/O is supported, 1: by all namespaces or none.
    #[doc(alias = "KPIOC")]
    358 key_per_io set_key_per_io u8;
    /// The time without processing when no reset is needed, 100 ms; 0: not said.
    #[doc(alias = "MPTFAWR")]
    360 firmware_activation_time_no_reset set_firmware_activation_time_no_reset u16;
    /// Capacity of an endurance group at most, bytes.
    #[doc(alias = "MEGCAP")]
    368 max_endurance_group_capacity set_max_endurance_group_capacity u128;
    /// Temperature thresholds have a hysteresis: 2:0 its largest value, K; 0: none.
    #[doc(alias = "TMPTHHA")]
    384 temperature_hysteresis set_temperature_hysteresis u8;
    /// Time a controller takes at most to end commands whose association was lost, ms.
    #[doc(alias = "CQT")]
    386 command_quiesce_time set_command_quiesce_time u16;
    /// Size of a submission queue entry, log2 bytes: 3:0 smallest, 7:4 largest.
    #[doc(alias = "SQES")]
    512 sq_entry_size set_sq_entry_size u8;
    /// Size of a completion queue entry, log2 bytes: 3:0 smallest, 7:4 largest.
    #[doc(alias = "CQES")]
    513 cq_entry_size set_cq_entry_size u8;
    /// Commands that may be outstanding in one queue.
    #[doc(alias = "MAXCMD")]
    514 max_commands set_max_commands u16;
    /// The largest namespace id.
    #[doc(alias = "NN")]
    516 namespaces set_namespaces u32;
    /// Optional I/O commands.
    #[doc(alias = "ONCS")]
    520 io_commands set_io_commands IoCommands;
    /// Bit 0: Compare and Write.
    #[doc(alias = "FUSES")]
    522 fused_operations set_fused_operations u16;
    /// Bit 0: format applies to all namespaces, 1: erase too, 2: cryptographic erase, 3: not to all
    /// namespaces at once.
    #[doc(alias = "FNA")]
    524 format_attributes set_format_attributes u8;
    /// Bit 0: there is a volatile write cache, 2:1: whether Flush may be sent to all namespaces.
    #[doc(alias = "VWC")]
    525 volatile_write_cache set_volatile_write_cache u8;
    /// Blocks written atomically, less one.
    #[doc(alias = "AWUN")]
    526 atomic_write set_atomic_write u16;
    /// Blocks written atomically even when power fails, less one.
    #[doc(alias = "AWUPF")]
    528 atomic_write_power_fail set_atomic_write_power_fail u16;
    /// Bit 0: vendor specific I/O commands have the usual format.
    #[doc(alias = "ICSVSCC")]
    530 vendor_io_commands set_vendor_io_commands u8;
    /// Namespace write protection. Bit 0: none and write protect, 1: until power cycle, 2: permanent.
    #[doc(alias = "NWPC")]
    531 write_protection set_write_protection u8;
    /// Blocks of an atomic Compare and Write, less one.
    #[doc(alias = "ACWU")]
    532 atomic_compare_write set_atomic_compare_write u16;
    /// Formats of the Copy command, one bit each.
    #[doc(alias = "OCFS")]
    534 copy_formats set_copy_formats u16;
    /// Scatter-gather lists it takes.
    #[doc(alias = "SGLS")]
    536 sgl_support set_sgl_support SglSupport;
    /// Namespaces allowed at most; 0: as many as [`namespaces`](Self::namespaces).
    #[doc(alias = "MNAN")]
    540 max_allowed_namespaces set_max_allowed_namespaces u32;
    /// Namespaces attached to the controllers of a domain, all together, at most; 0: no limit.
    #[doc(alias = "MAXDNA")]
    544 max_domain_attachments set_max_domain_attachments u128;
    /// Namespaces attached to this controller at most; 0: no limit.
    #[doc(alias = "MAXCNA")]
    560 max_controller_attachments set_max_controller_attachments u32;
    /// Commands outstanding in all queues together that it works best with; 0: not said.
    #[doc(alias = "OAQD")]
    564 optimal_queue_depth set_optimal_queue_depth u32;
    /// Time without power after which the host should refresh the media, days; 0: not said.
    #[doc(alias = "RHIRI")]
    568 refresh_interval set_refresh_interval u8;
    /// Time a host-initiated refresh takes, min; 0: not said.
    #[doc(alias = "HIRT")]
    569 refresh_time set_refresh_time u8;
    /// Memory range tracking descriptors of this controller at most.
    #[doc(alias = "CMMRTD")]
    570 tracked_ranges set_tracked_ranges u16;
    /// Memory range tracking descriptors of the subsystem at most.
    #[doc(alias = "NMMRTD")]
    572 subsystem_tracked_ranges set_subsystem_tracked_ranges u16;
    /// Smallest granularity of memory range tracking, log2 bytes.
    #[doc(alias = "MINMRTG")]
    574 tracking_granularity_min set_tracking_granularity_min u8;
    /// Largest granularity of memory range tracking, log2 bytes.
    #[doc(alias = "MAXMRTG")]
    575 tracking_granularity_max set_tracking_granularity_max u8;
    /// Tracking attributes, bits.
    #[doc(alias = "TRATTR")]
    576 tracking_attributes set_tracking_attributes u8;
    /// User data migration queues of this controller at most.
    #[doc(alias = "MCUDMQ")]
    578 migration_queues set_migration_queues u16;
    /// User data migration queues of the subsystem at most.
    #[doc(alias = "MNSUDMQ")]
    580 subsystem_migration_queues set_subsystem_migration_queues u16;
    /// Memory ranges of this controller's data queues at most.
    #[doc(alias = "MCMR")]
    582 data_queue_ranges set_data_queue_ranges u16;
    /// Memory ranges of the subsystem's data queues at most.
    #[doc(alias = "NMCMR")]
    584 subsystem_data_queue_ranges set_subsystem_data_queue_ranges u16;
    /// Memory pages that describe one controller data queue at most.
    #[doc(alias = "MCDQPC")]
    586 data_queue_pages set_data_queue_pages u16;
    /// I/O command capsule, 16 bytes each; 4 (64 bytes) without room for data.
    #[doc(alias = "IOCCSZ")]
    1792 io_capsule_size set_io_capsule_size u32;
    /// I/O response capsule, 16 bytes each.
    #[doc(alias = "IORCSZ")]
    1796 io_response_size set_io_response_size u32;
    /// Where data begin in a capsule, 16 bytes each, behind the command.
    #[doc(alias = "ICDOFF")]
    1800 in_capsule_offset set_in_capsule_offset u16;
    /// Bit 0: static controller model.
    #[doc(alias = "FCATT")]
    1802 fabrics_attributes set_fabrics_attributes u8;
    /// SGL data block descriptors a command may have; 0: no limit.
    #[doc(alias = "MSDBD")]
    1803 max_sgl_descriptors set_max_sgl_descriptors u8;
    /// Optional Fabrics commands. Bit 0: Disconnect.
    #[doc(alias = "OFCS")]
    1804 fabrics_commands set_fabrics_commands u16;
    /// Which discovery controller it is.
    #[doc(alias = "DCTYPE")]
    1806 discovery_type set_discovery_type DiscoveryControllerType;
} }
