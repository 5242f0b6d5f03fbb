//! Health of a controller, of its endurance groups, and of sanitizing.

use crate::flags::wire_flags;
use crate::layout::Field;
use crate::view::view;

wire_flags! {
    /// What is wrong with a controller (byte 0 of the health log). Each bit can be announced by an asynchronous event.
    #[doc(alias = "NVME_SMART_CRIT")]
    pub struct CriticalWarning(u8) {
        /// Less spare capacity than the threshold.
        SPARE = 1 << 0 => "spare",
        /// A temperature is beyond its threshold.
        TEMPERATURE = 1 << 1 => "temperature",
        /// The subsystem is less reliable, since media failed.
        RELIABILITY = 1 << 2 => "reliability",
        /// All media are read-only.
        READ_ONLY = 1 << 3 => "read-only",
        /// The backup of volatile memory failed.
        BACKUP = 1 << 4 => "volatile memory backup",
        /// The persistent memory region is read-only or unreliable.
        PERSISTENT_MEMORY = 1 << 5 => "persistent memory region",
    }

    /// What is wrong with endurance groups.
    #[doc(alias = "EGCWS")]
    pub struct EnduranceWarning(u8) {
        /// Less spare capacity than the threshold.
        SPARE = 1 << 0 => "spare",
        /// Less reliable, since media failed.
        RELIABILITY = 1 << 2 => "reliability",
        /// Namespaces are read-only.
        READ_ONLY = 1 << 3 => "read-only",
    }
}

view! {
    /// SMART / Health Information (LID 0x02). 512 bytes, little-endian.
    ///
    /// | bytes    | field                                             | unit                                           |
    /// |----------|---------------------------------------------------|------------------------------------------------|
    /// | 0        | `warning`                                         | bits                                           |
    /// | 1..3     | `temperature`                                     | K                                              |
    /// | 3, 4     | `spare`, `spare_threshold`                        | %                                              |
    /// | 5        | `used`                                            | % of the expected life, up to 255              |
    /// | 6        | `endurance_warning` (EGCWS)                       | bits                                           |
    /// | 32..64   | `data_read`, `data_written`                       | 1000 times 512 bytes                           |
    /// | 64..96   | `reads`, `writes`                                 | commands                                       |
    /// | 96..112  | `busy_time`                                       | min                                            |
    /// | 112..128 | `power_cycles`                                    |                                                |
    /// | 128..144 | `power_on`                                        | h                                              |
    /// | 144..160 | `unsafe_shutdowns`                                |                                                |
    /// | 160..176 | `media_errors`                                    |                                                |
    /// | 176..192 | `error_entries`                                   | errors ever logged                             |
    /// | 192..200 | `warning_time`, `critical_time`                   | min above the threshold                        |
    /// | 200..216 | [`temperature_sensor`](Self::temperature_sensor)  | K, 8 sensors of 2 bytes; 0: no such sensor     |
    /// | 216..224 | `light_throttlings`, `heavy_throttlings` (TMT1, TMT2) | times                                      |
    /// | 224..232 | `light_throttled`, `heavy_throttled` (TMT1, TMT2) | s                                              |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 section 5.16.1.3, kernel `include/linux/nvme.h: struct nvme_smart_log`.
    #[doc(alias = "SMART")]
    pub struct HealthLog("SMART / Health Information log", 512)
    show temperature_sensors
    {
        /// What is wrong.
        0 warning set_warning CriticalWarning;
        /// Temperature of the whole, K.
        1 temperature set_temperature u16;
        /// Spare capacity left, %.
        3 spare set_spare u8;
        /// Spare capacity below which it warns, %.
        4 spare_threshold set_spare_threshold u8;
        /// Part of the expected life that is used, %; may be more than 100.
        5 used set_used u8;
        /// What is wrong with one endurance group or another.
        #[doc(alias = "EGCWS")]
        6 endurance_warning set_endurance_warning EnduranceWarning;
        /// Data the host read, thousands of 512 bytes, rounded up.
        32 data_read set_data_read u128;
        /// Data the host wrote, thousands of 512 bytes, rounded up.
        48 data_written set_data_written u128;
        /// Read commands.
        64 reads set_reads u128;
        /// Write commands.
        80 writes set_writes u128;
        /// Time the controller was busy with I/O, min.
        96 busy_time set_busy_time u128;
        /// Power cycles.
        112 power_cycles set_power_cycles u128;
        /// Time under power, h.
        128 power_on set_power_on u128;
        /// Shutdowns without notice.
        144 unsafe_shutdowns set_unsafe_shutdowns u128;
        /// Times data could not be recovered.
        160 media_errors set_media_errors u128;
        /// Errors that were ever put into the error log.
        176 error_entries set_error_entries u128;
        /// Time above the warning temperature, min.
        192 warning_time set_warning_time u32;
        /// Time above the critical temperature, min.
        196 critical_time set_critical_time u32;
        /// Times it slowed down a little to cool.
        216 light_throttlings set_light_throttlings u32;
        /// Times it slowed down a lot to cool.
        220 heavy_throttlings set_heavy_throttlings u32;
        /// Time slowed down a little, s.
        224 light_throttled set_light_throttled u32;
        /// Time slowed down a lot, s.
        228 heavy_throttled set_heavy_throttled u32;
    }
}

impl<B: AsRef<[u8]>> HealthLog<B> {
    /// Temperatures of all sensors, K; 0 where there is none.
    #[must_use]
    pub fn temperature_sensors(&self) -> [u16; 8] {
        self.sensors().map(u16::from_le_bytes)
    }

    /// Temperature of a sensor, 1 to 8, in K; `None` where there is no such sensor.
    #[must_use]
    pub fn temperature_sensor(&self, number: usize) -> Option<u16> {
        let sensors = self.temperature_sensors();
        number.checked_sub(1).and_then(|index| sensors.get(index)).copied().filter(|kelvin| *kelvin != 0)
    }

    fn sensors(&self) -> [[u8; 2]; 8] {
        let bytes: [u8; 16] = Field::read(self.0.as_ref(), 200);
        let mut sensors = [[0; 2]; 8];
        for (to, from) in sensors.as_flattened_mut().iter_mut().zip(bytes) {
            *to = from;
        }
        sensors
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> HealthLog<B> {
    /// Writes the temperatures of all sensors, K; 0 where there is none.
    pub fn set_temperature_sensors(&mut self, kelvin: [u16; 8]) {
        let mut bytes = [0; 16];
        for (to, from) in bytes.chunks_exact_mut(2).zip(kelvin) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        bytes.write(self.0.as_mut(), 200);
    }
}

view! {
    /// Endurance Group Information (LID 0x09), of the group the command's LSI names. 512 bytes, little-endian.
    ///
    /// | bytes    | field                                                    | unit                                    |
    /// |----------|----------------------------------------------------------|-----------------------------------------|
    /// | 0        | `warning`                                                | bits                                    |
    /// | 3..6     | `spare`, `spare_threshold`, `used`                       | %                                       |
    /// | 32..48   | `endurance_estimate`                                     | 10^9 bytes that can be written in all   |
    /// | 48..96   | `data_read`, `data_written`, `media_written`             | 10^9 bytes                              |
    /// | 96..128  | `reads`, `writes`                                        | commands                                |
    /// | 128..144 | `media_errors`                                           |                                         |
    /// | 144..160 | `error_entries`                                          | errors ever logged                      |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 section 5.16.1.10, libnvme
    /// `src/nvme/types.h: struct nvme_endurance_group_log`.
    pub struct EnduranceGroupLog("Endurance Group Information log", 512) {
        /// What is wrong.
        0 warning set_warning EnduranceWarning;
        /// Spare capacity left, %.
        3 spare set_spare u8;
        /// Spare capacity below which it warns, %.
        4 spare_threshold set_spare_threshold u8;
        /// Part of the expected life that is used, %; may be more than 100.
        5 used set_used u8;
        /// Data that can be written over the group's life, 10^9 bytes; 0: not said.
        32 endurance_estimate set_endurance_estimate u128;
        /// Data the host read, 10^9 bytes.
        48 data_read set_data_read u128;
        /// Data the host wrote, 10^9 bytes.
        64 data_written set_data_written u128;
        /// Data written to the media by host and controller, 10^9 bytes.
        80 media_written set_media_written u128;
        /// Read commands.
        96 reads set_reads u128;
        /// Write commands.
        112 writes set_writes u128;
        /// Times data could not be recovered.
        128 media_errors set_media_errors u128;
        /// Errors that were ever put into the error log.
        144 error_entries set_error_entries u128;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_view;

    #[test]
    fn the_fields_are_where_the_tables_say() {
        check_view!(EnduranceGroupLog, [0..1, 3..6, 32..160]);
    }

    #[test]
    fn health_has_its_fields_and_eight_sensors() {
        let full: alloc::vec::Vec<u8> = (0..512).map(|at: usize| at as u8).collect();
        let log = HealthLog::new_checked(full.as_slice()).unwrap();
        assert_eq!(
            (log.warning().0, log.temperature(), log.spare(), log.spare_threshold()),
            (0, 0x0201, 3, 4)
        );
        assert_eq!((log.used(), log.endurance_warning().0), (5, 6));
        assert_eq!(log.data_read().to_le_bytes()[..], full[32..48]);
        assert_eq!(log.error_entries().to_le_bytes()[..], full[176..192]);
        assert_eq!((log.warning_time(), log.critical_time()), (0xc3c2_c1c0, 0xc7c6_c5c4));
        assert_eq!(log.heavy_throttled(), 0xe7e6_e5e4);
        assert_eq!((log.temperature_sensor(1), log.temperature_sensor(8)), (Some(0xc9c8), Some(0xd7d6)));
        assert_eq!((log.temperature_sensor(0), log.temperature_sensor(9)), (None, None));
        let mut written = HealthLog::zeroed();
        written.copy_fields(&log);
        written.set_temperature_sensors(log.temperature_sensors());
        for at in 0..512 {
            let field = matches!(at, 0..=6 | 32..=231);
            assert_eq!(written.as_bytes()[at], if field { at as u8 } else { 0 }, "byte {at}");
        }
        for have in 0..512 {
            assert!(HealthLog::new_checked(&full[..have]).is_err());
        }
        assert_eq!(HealthLog::zeroed().temperature_sensor(1), None);
    }
}
