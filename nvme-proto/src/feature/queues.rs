//! Features that fabrics hosts set: queues, events, keep-alive.

use crate::bits::bit_group;

bit_group! {
    /// Number of Queues (0x07): how many I/O queues the host wants, and in dword 0 of the completion how many it gets, which may be more.
    ///
    /// Once for each controller, before the first I/O queue. A request for 65,536 (0xffff) is refused with
    /// [`INVALID_FIELD`](crate::Status::INVALID_FIELD). Source: NVMe Base 2.0 section 5.27.1.
    pub struct NumberOfQueues(u32) {
        /// Submission queues, less one.
        [15:0] submission_less_one with_submission_less_one: u16, "NSQR";
        /// Completion queues, less one.
        [31:16] completion_less_one with_completion_less_one: u16, "NCQR";
    }

    /// Asynchronous Event Configuration (0x0b): which events come.
    ///
    /// Source: NVMe Base 2.1 section 5.1.25.1.
    pub struct AsyncEventConfiguration(u32) {
        /// Bits of the critical warning of the health log.
        [7:0] health with_health: u8, "SHCW";
        /// Namespaces.
        [8] namespace with_namespace: bool, "NAN";
        /// Firmware activation.
        [9] firmware with_firmware: bool, "FAN";
        /// The telemetry log.
        [10] telemetry with_telemetry: bool, "TLN";
        /// Asymmetric namespace access.
        [11] ana with_ana: bool, "ANACN";
        /// Predictable latency.
        [12] predictable_latency with_predictable_latency: bool, "PLEALCN";
        /// LBA status.
        [13] lba_status with_lba_status: bool, "LSIAN";
        /// Endurance groups.
        [14] endurance_group with_endurance_group: bool, "EGEALPCN";
        /// Shutdown of the subsystem.
        [15] shutdown with_shutdown: bool, "NNSSHDN";
        /// Hysteresis of the temperature thresholds.
        [16] temperature_hysteresis with_temperature_hysteresis: bool, "TTHRY";
        /// How groups of namespaces reach each other.
        [17] reachability_association with_reachability_association: bool, "RASSN";
        /// Groups of namespaces that reach each other.
        [18] reachability_group with_reachability_group: bool, "RGRP";
        /// Allocated namespaces.
        [19] allocated_namespace with_allocated_namespace: bool, "ANSAN";
        /// Resets of other controllers.
        [20] cross_controller_reset with_cross_controller_reset: bool, "CCR";
        /// Lost hosts.
        [21] lost_host with_lost_host: bool, "LH";
        /// Zones.
        [27] zone with_zone: bool, "ZDCN";
        /// Requests to direct discovery controllers.
        [28] pull_model_ddc with_pull_model_ddc: bool, "PMDRLPCN";
        /// The log of authentication verification entities.
        [29] ave_discovery with_ave_discovery: bool, "ADLPCN";
        /// The host discovery log.
        [30] host_discovery with_host_discovery: bool, "HDLPCN";
        /// The discovery log.
        [31] discovery with_discovery: bool, "DLPCN";
    }

    /// Keep Alive Timer (0x0f): how long the controller waits for a sign of life, ms; 0 for ever.
    ///
    /// The controller rounds it up to its granularity (KAS of Identify Controller). The Linux target answers Set Features with the seconds in
    /// dword 0; others with 0. Source: NVMe Base 2.0 section 5.27.1.
    pub struct KeepAliveTimer(u32) {
        /// Time-out, ms.
        [31:0] timeout with_timeout: u32, "KATO";
    }

    /// I/O Command Set Profile (0x19): which combination of I/O command sets (Identify, CNS 0x1c).
    ///
    /// Source: NVMe Base 2.0 section 5.27.1.
    pub struct IoCommandSetProfile(u32) {
        /// Number of the combination.
        [8:0] combination with_combination: u16, "IOCSCI";
    }

    /// What a Set Features or Get Features of the Host Identifier (0x81) says in dword 11; the identifier is in the data.
    ///
    /// On fabrics the identifier came with Connect: setting it is a Command Sequence Error, and 8 bytes are
    /// [`HOST_IDENTIFIER_INCONSISTENT_FORMAT`](crate::Status::HOST_IDENTIFIER_INCONSISTENT_FORMAT).
    ///
    /// Source: NVMe Base 2.0 section 5.27.1.
    pub struct HostIdentifierFormat(u32) {
        /// 16 bytes, not 8.
        [0] extended with_extended: bool, "EXHID";
    }
}

impl NumberOfQueues {
    /// As many submission as completion queues: `less_one` and one more.
    #[must_use]
    pub fn pairs(less_one: u16) -> Self {
        Self::default().with_submission_less_one(less_one).with_completion_less_one(less_one)
    }

    /// How many queue pairs that is, 1 to 65,536.
    #[must_use]
    pub fn usable_pairs(self) -> u32 {
        u32::from(self.submission_less_one().min(self.completion_less_one())).saturating_add(1)
    }

    /// Whether a host may ask for it: neither number is 0xffff.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.submission_less_one() != u16::MAX && self.completion_less_one() != u16::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_sets() {
        let queues = NumberOfQueues::pairs(3);
        assert_eq!((queues.0, queues.usable_pairs()), (0x0003_0003, 4));
        // SPDK grants 127 of one and 128 of the other.
        assert_eq!(NumberOfQueues(0x007f_007e).usable_pairs(), 127);
        assert!(queues.is_valid() && !NumberOfQueues(0x0000_ffff).is_valid());
        assert!(!NumberOfQueues(0xffff_0000).is_valid());
        let events = AsyncEventConfiguration::default().with_namespace(true).with_ana(true);
        assert_eq!(events.0, 0x900);
        assert_eq!(AsyncEventConfiguration::default().with_discovery(true).0, 1 << 31);
        assert_eq!(KeepAliveTimer(15_000).timeout(), 15_000);
        assert_eq!(HostIdentifierFormat::default().with_extended(true).0, 1);
        assert_eq!(IoCommandSetProfile(0xffff_ffff).combination(), 0x1ff);
    }
}
