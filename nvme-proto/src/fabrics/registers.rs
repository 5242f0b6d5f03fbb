//! The values of the properties.

use core::time::Duration;

use crate::bits::{bit_group, newtype_bits};
use crate::registry::wire_values;

wire_values! {
    /// Which I/O command sets a controller is set up for: 3 bits.
    #[doc(alias = "CSS")]
    pub struct CommandSetSelected(u8) {
        /// The NVM command set.
        NVM = 0 => "NVM command set",
        /// All that the controller supports.
        ALL = 6 => "all supported I/O command sets",
        /// None: admin commands only.
        ADMIN_ONLY = 7 => "admin commands only",
    }

    /// How a controller chooses among its queues: 3 bits.
    #[doc(alias = "AMS")]
    pub struct ArbitrationMechanism(u8) {
        /// One after the other.
        ROUND_ROBIN = 0 => "round robin",
        /// By weight, the urgent ones first.
        WEIGHTED_ROUND_ROBIN = 1 => "weighted round robin with urgent priority class",
        /// Vendor specific.
        VENDOR = 7 => "vendor specific",
    }

    /// Whether a host shuts the controller down: 2 bits.
    #[doc(alias = "SHN")]
    pub struct ShutdownNotification(u8) {
        /// It does not.
        NONE = 0 => "no notification",
        /// In good order.
        NORMAL = 1 => "normal shutdown",
        /// At once.
        ABRUPT = 2 => "abrupt shutdown",
    }

    /// How far a shutdown is: 2 bits.
    #[doc(alias = "SHST")]
    pub struct ShutdownStatus(u8) {
        /// None was asked for.
        NORMAL_OPERATION = 0 => "normal operation",
        /// It is under way.
        OCCURRING = 1 => "shutdown occurring",
        /// It is complete.
        COMPLETE = 2 => "shutdown complete",
    }

    /// The value written to reset the subsystem. 4 bytes.
    #[doc(alias = "NSSRC")]
    pub struct SubsystemReset(u32) {
        /// The only value that does: "NVMe".
        RESET = 0x4e56_4d65 => "NVM subsystem reset",
    }

    /// The value written to shut the subsystem down. 4 bytes.
    #[doc(alias = "NSSC")]
    pub struct SubsystemShutdown(u32) {
        /// In good order: "Nrml".
        NORMAL = 0x4e72_6d6c => "normal shutdown",
        /// At once: "Abpt".
        ABRUPT = 0x4162_7074 => "abrupt shutdown",
    }
}

newtype_bits!(CommandSetSelected, ArbitrationMechanism, ShutdownNotification, ShutdownStatus);

bit_group! {
    /// CAP, Controller Capabilities: what the controller can do. 8 bytes.
    ///
    /// Source: NVMe Base 2.0 section 3.1.3.
    #[doc(alias = "CAP")]
    pub struct Capabilities(u64) {
        /// Entries of the largest I/O queue, less one.
        [15:0] max_queue_entries with_max_queue_entries: u16, "MQES";
        /// Queues lie in one piece of memory; 1 on fabrics.
        [16] contiguous_queues with_contiguous_queues: bool, "CQR";
        /// Weighted round robin with an urgent class can be chosen.
        [17] weighted_round_robin with_weighted_round_robin: bool, "WRRUPC";
        /// A vendor's arbitration can be chosen.
        [18] vendor_arbitration with_vendor_arbitration: bool, "VENDOR";
        /// Longest time until it is ready or disabled, in units of 500 ms.
        [31:24] timeout with_timeout: u8, "TO";
        /// Stride of the doorbells; 0 on fabrics.
        [35:32] doorbell_stride with_doorbell_stride: u8, "DSTRD";
        /// NSSR works.
        [36] subsystem_reset with_subsystem_reset: bool, "NSSRS";
        /// It has the NVM command set.
        [37] nvm_command_set with_nvm_command_set: bool, "NCSS";
        /// It has I/O command sets to choose from by CSI.
        [43] io_command_sets with_io_command_sets: bool, "IOCSS";
        /// It has no I/O command set.
        [44] no_io_command_set with_no_io_command_set: bool, "NOIOCSS";
        /// It has boot partitions.
        [45] boot_partitions with_boot_partitions: bool, "BPS";
        /// How far power loss reaches: 0 not reported, 1 the controller, 2 the domain, 3 the subsystem.
        [47:46] power_scope with_power_scope: u8, "CPS";
        /// Smallest memory page, 2^(12 + n) bytes: the unit of MDTS.
        [51:48] min_page with_min_page: u8, "MPSMIN";
        /// Largest memory page, 2^(12 + n) bytes.
        [55:52] max_page with_max_page: u8, "MPSMAX";
        /// It has a persistent memory region; never on fabrics.
        [56] persistent_memory with_persistent_memory: bool, "PMRS";
        /// It has a controller memory buffer; never on fabrics.
        [57] memory_buffer with_memory_buffer: bool, "CMBS";
        /// NSSD works.
        [58] subsystem_shutdown with_subsystem_shutdown: bool, "NSSS";
        /// It can wait for its media before it is ready.
        [59] ready_with_media with_ready_with_media: bool, "CRWMS";
        /// It can be ready before its media.
        [60] ready_without_media with_ready_without_media: bool, "CRIMS";
        /// NSSD works on several domains.
        [61] subsystem_shutdown_enhanced with_subsystem_shutdown_enhanced: bool, "NSSES";
    }

    /// CC, Controller Configuration: how the host sets the controller up. 4 bytes.
    ///
    /// Source: NVMe Base 2.0 section 3.1.3.
    #[doc(alias = "CC")]
    pub struct ControllerConfiguration(u32) {
        /// Runs the controller; from 1 to 0 resets it.
        [0] enable with_enable: bool, "EN";
        /// Which I/O command sets.
        [6:4] command_set with_command_set: CommandSetSelected, "CSS";
        /// Memory page, 2^(12 + n) bytes.
        [10:7] page with_page: u8, "MPS";
        /// How queues are chosen.
        [13:11] arbitration with_arbitration: ArbitrationMechanism, "AMS";
        /// Shuts the controller down.
        [15:14] shutdown with_shutdown: ShutdownNotification, "SHN";
        /// Entry of a submission queue, 2^n bytes: 6.
        [19:16] sq_entry_size with_sq_entry_size: u8, "IOSQES";
        /// Entry of a completion queue, 2^n bytes: 4.
        [23:20] cq_entry_size with_cq_entry_size: u8, "IOCQES";
        /// Ready before the media are.
        [24] ready_without_media with_ready_without_media: bool, "CRIME";
    }

    /// CSTS, Controller Status: how the controller is. 4 bytes.
    ///
    /// Source: NVMe Base 2.0 section 3.1.3.
    #[doc(alias = "CSTS")]
    pub struct ControllerStatus(u32) {
        /// It takes commands.
        [0] ready with_ready: bool, "RDY";
        /// It failed for good; only a reset helps.
        [1] fatal with_fatal: bool, "CFS";
        /// How far a shutdown is.
        [3:2] shutdown with_shutdown: ShutdownStatus, "SHST";
        /// The subsystem was reset since this bit was cleared, by writing 1 to it.
        [4] subsystem_reset with_subsystem_reset: bool, "NSSRO";
        /// It takes no commands for now.
        [5] paused with_paused: bool, "PP";
        /// The shutdown is one of the subsystem, not of the controller.
        [6] shutdown_type with_shutdown_type: bool, "ST";
    }

    /// CRTO, Controller Ready Timeouts. 4 bytes.
    ///
    /// Source: NVMe Base 2.0 section 3.1.3.
    #[doc(alias = "CRTO")]
    pub struct ReadyTimeouts(u32) {
        /// Longest time until it is ready with its media, in units of 500 ms.
        [15:0] with_media with_with_media: u16, "CRWMT";
        /// Longest time until it is ready without them, in units of 500 ms.
        [31:16] without_media with_without_media: u16, "CRIMT";
    }
}

impl Capabilities {
    /// Longest time until CSTS.RDY follows CC.EN: [`timeout`](Self::timeout) as a time, 0 to 127.5 s.
    #[must_use]
    pub fn ready_timeout(self) -> Duration {
        Duration::from_millis(u64::from(self.timeout()).saturating_mul(500))
    }
}

impl ControllerConfiguration {
    /// What a host on fabrics writes to run a controller: entries of 64 and 16 bytes, pages of 4 KiB, and the command sets given.
    #[must_use]
    pub fn enabled(command_set: CommandSetSelected) -> Self {
        Self::default()
            .with_enable(true)
            .with_command_set(command_set)
            .with_sq_entry_size(6)
            .with_cq_entry_size(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// CAP of real targets: Linux 6.12, SPDK 26.05.
    #[test]
    fn capabilities_of_real_targets() {
        let linux = Capabilities(0x0000_0820_0f00_03ff);
        assert_eq!(
            (linux.max_queue_entries(), linux.contiguous_queues(), linux.timeout()),
            (1023, false, 15)
        );
        assert!(linux.nvm_command_set() && linux.io_command_sets() && !linux.no_io_command_set());
        assert_eq!((linux.min_page(), linux.max_page(), linux.doorbell_stride()), (0, 0, 0));
        assert_eq!(linux.ready_timeout(), Duration::from_millis(7500));
        let spdk = Capabilities(0x0800_0020_1e01_007f);
        assert_eq!((spdk.max_queue_entries(), spdk.contiguous_queues(), spdk.timeout()), (127, true, 30));
        assert!(spdk.nvm_command_set() && !spdk.io_command_sets() && spdk.ready_with_media());
        let made = Capabilities::default()
            .with_max_queue_entries(127)
            .with_contiguous_queues(true)
            .with_timeout(30)
            .with_nvm_command_set(true)
            .with_ready_with_media(true);
        assert_eq!(made, spdk);
        assert!(format!("{spdk:?}").contains("max_queue_entries: 127"));
    }

    /// What a Linux host writes to CC, in order: set up, run, shut down.
    #[test]
    fn configurations_of_a_linux_host() {
        let enabled = ControllerConfiguration::enabled(CommandSetSelected::ALL);
        assert_eq!(enabled.with_enable(false).0, 0x0046_0060);
        assert_eq!(enabled.0, 0x0046_0061);
        assert_eq!(enabled.with_shutdown(ShutdownNotification::NORMAL).0, 0x0046_4061);
        assert_eq!(ControllerConfiguration::enabled(CommandSetSelected::NVM).0, 0x0046_0001);
        let config = ControllerConfiguration(0x0146_bfe1);
        assert_eq!((config.page(), config.arbitration()), (15, ArbitrationMechanism::VENDOR));
        assert_eq!(config.shutdown(), ShutdownNotification::ABRUPT);
        assert!(config.ready_without_media());
    }

    #[test]
    fn status_and_timeouts() {
        let status = ControllerStatus(0x0000_0009);
        assert!(status.ready() && !status.fatal());
        assert_eq!(status.shutdown(), ShutdownStatus::COMPLETE);
        assert_eq!(
            ControllerStatus::default().with_ready(true).with_shutdown(ShutdownStatus::COMPLETE),
            status
        );
        let timeouts = ReadyTimeouts(0x0002_001e);
        assert_eq!((timeouts.with_media(), timeouts.without_media()), (30, 2));
        assert_eq!(SubsystemReset::RESET.0.to_be_bytes(), *b"NVMe");
        assert_eq!(SubsystemShutdown::NORMAL.0.to_be_bytes(), *b"Nrml");
        assert_eq!(SubsystemShutdown::ABRUPT.0.to_be_bytes(), *b"Abpt");
    }

    /// Bits without a meaning survive; a changed field leaves the others alone.
    #[test]
    fn other_bits_are_kept() {
        let all = Capabilities(u64::MAX);
        assert_eq!(all.with_timeout(0).0, !0xff00_0000);
        assert_eq!(Capabilities::DEFINED & 0x3f << 38, 0x20 << 38);
        assert_eq!(ControllerConfiguration(u32::MAX).with_enable(false).0, u32::MAX - 1);
    }
}
