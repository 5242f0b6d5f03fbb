//! Features of a device: arbitration, power, temperature, errors, caches.

use crate::bits::bit_group;

bit_group! {
    /// Arbitration (0x01). Source: NVMe Base 2.0 section 5.27.1.
    pub struct Arbitration(u32) {
        /// Commands of a queue in a row, 2^n; 7 no limit.
        [2:0] burst with_burst: u8, "AB";
        /// Weight of the low priority, less one.
        [15:8] low_weight with_low_weight: u8, "LPW";
        /// Weight of the medium priority, less one.
        [23:16] medium_weight with_medium_weight: u8, "MPW";
        /// Weight of the high priority, less one.
        [31:24] high_weight with_high_weight: u8, "HPW";
    }

    /// Power Management (0x02). Source: NVMe Base 2.0 section 5.27.1.
    pub struct PowerManagement(u32) {
        /// Power state.
        [4:0] state with_state: u8, "PS";
        /// What kind of work is coming.
        [7:5] workload with_workload: u8, "WH";
    }

    /// Temperature Threshold (0x04). Source: NVMe Base 2.0 section 5.27.1.
    pub struct TemperatureThreshold(u32) {
        /// Temperature, K.
        [15:0] temperature with_temperature: u16, "TMPTH";
        /// Of which sensor: 0 the composite, 1 to 8 one, 15 all.
        [19:16] sensor with_sensor: u8, "TMPSEL";
        /// Whether it is one to stay below (0) or above (1).
        [21:20] kind with_kind: u8, "THSEL";
    }

    /// Error Recovery (0x05). Source: NVM Command Set 1.0 section 4.1.3.
    pub struct ErrorRecovery(u32) {
        /// How long reads and writes of limited retry are tried, 100 ms; 0 no limit.
        [15:0] time_limit with_time_limit: u16, "TLER";
        /// Reading blocks that are not allocated is an error.
        [16] unwritten_error with_unwritten_error: bool, "DULBE";
    }

    /// Volatile Write Cache (0x06). Source: NVMe Base 2.0 section 5.27.1.
    pub struct VolatileWriteCache(u32) {
        /// It is used.
        [0] enabled with_enabled: bool, "WCE";
    }

    /// Write Atomicity Normal (0x0a). Source: NVM Command Set 1.0 section 4.1.3.
    pub struct WriteAtomicity(u32) {
        /// Writes are atomic for a loss of power only.
        [0] disabled with_disabled: bool, "DN";
    }

    /// Host Controlled Thermal Management (0x10). Source: NVMe Base 2.0 section 5.27.1.
    pub struct ThermalManagement(u32) {
        /// Temperature above which it works slower, K.
        [15:0] temperature_2 with_temperature_2: u16, "TMT2";
        /// Temperature above which it works a little slower, K.
        [31:16] temperature_1 with_temperature_1: u16, "TMT1";
    }

    /// Non-Operational Power State Config (0x11). Source: NVMe Base 2.0 section 5.27.1.
    pub struct NonOperationalPowerState(u32) {
        /// Background work may use more power than the state has.
        [0] permissive with_permissive: bool, "NOPPME";
    }

    /// Software Progress Marker (0x80). Source: NVMe Base 2.0 section 5.27.1.
    pub struct SoftwareProgressMarker(u32) {
        /// How often software before the operating system tried to load it.
        [7:0] load_count with_load_count: u8, "PBSLC";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bits() {
        let arbitration = Arbitration(0x0403_0207);
        assert_eq!((arbitration.burst(), arbitration.low_weight()), (7, 2));
        assert_eq!((arbitration.medium_weight(), arbitration.high_weight()), (3, 4));
        let power = PowerManagement::default().with_state(3).with_workload(2);
        assert_eq!(power.0, 0x43);
        let threshold = TemperatureThreshold::default().with_temperature(343).with_sensor(15).with_kind(1);
        assert_eq!(threshold.0, 0x001f_0157);
        assert_eq!(ErrorRecovery::default().with_time_limit(5).with_unwritten_error(true).0, 0x0001_0005);
        assert_eq!(ThermalManagement(0x0157_0161).temperature_1(), 343);
        assert_eq!(ThermalManagement(0x0157_0161).temperature_2(), 353);
        assert!(VolatileWriteCache(1).enabled() && WriteAtomicity(1).disabled());
        assert!(NonOperationalPowerState(1).permissive());
        assert_eq!(SoftwareProgressMarker(0x107).load_count(), 7);
        // What does not fit is cut off and leaves the neighbours alone.
        assert_eq!(PowerManagement::default().with_workload(0xff).0, 0xe0);
    }
}
