//! Power states of a controller.

use crate::layout::newtype_fields;
use crate::registry::wire_values;
use crate::view::view;

wire_values! {
    /// Unit of a power (2 bits).
    pub struct PowerScale(u8) {
        /// No power is said.
        NOT_REPORTED = 0 => "not reported",
        /// 0.0001 W.
        W_0001 = 1 => "0.0001 W",
        /// 0.01 W.
        W_01 = 2 => "0.01 W",
    }

    /// Unit of a time around an emergency power fail (4 bits).
    pub struct TimeScale(u8) {
        /// 1 us.
        US = 0x0 => "1 us",
        /// 10 us.
        US_10 = 0x1 => "10 us",
        /// 100 us.
        US_100 = 0x2 => "100 us",
        /// 1 ms.
        MS = 0x3 => "1 ms",
        /// 10 ms.
        MS_10 = 0x4 => "10 ms",
        /// 100 ms.
        MS_100 = 0x5 => "100 ms",
        /// 1 s.
        S = 0x6 => "1 s",
        /// 10 s.
        S_10 = 0x7 => "10 s",
        /// 100 s.
        S_100 = 0x8 => "100 s",
        /// 1000 s.
        S_1000 = 0x9 => "1000 s",
        /// 10000 s.
        S_10000 = 0xa => "10000 s",
        /// 100000 s.
        S_100000 = 0xb => "100000 s",
        /// 1000000 s.
        S_1000000 = 0xc => "1000000 s",
    }
}

newtype_fields!(PowerScale, TimeScale);

view! {
    /// A power state: what it takes and what it costs. 32 bytes, little-endian.
    ///
    /// | bytes  | field                                                | unit                                                  |
    /// |--------|------------------------------------------------------|-------------------------------------------------------|
    /// | 0..2   | `max_power` (MP)                                     | 0.01 W, or 0.0001 W by bit 0 of `flags`               |
    /// | 3      | `flags`                                              | bit 0 unit (MXPS), bit 1 no I/O in this state (NOPS)  |
    /// | 4..12  | `entry_latency`, `exit_latency` (ENLAT, EXLAT)       | us                                                    |
    /// | 12..16 | `read_throughput`, `read_latency`, `write_throughput`, `write_latency` (RRT, RRL, RWT, RWL) | rank: 0 is best |
    /// | 16..18 | `idle_power` (IDLP)                                  | by `idle_scale`                                       |
    /// | 18     | `idle_scale` (IPS)                                   | 7:6 unit                                              |
    /// | 20..22 | `active_power` (ACTP)                                | by `active_scale`                                     |
    /// | 22     | `active_scale` (APW, APS)                            | 2:0 workload, 7:6 unit                                |
    /// | 23..26 | `recovery_time`, `quiescence_time`, `vault_time` (EPFRT, FQVT, EPFVT) | by the two bytes that follow         |
    /// | 26     | `recovery_scale` (EPFRTS, FQVTS)                     | 3:0 unit of the first, 7:4 of the second              |
    /// | 27     | `vault_scale` (EPFVTS)                               | 3:0 unit of the third                                 |
    ///
    /// Bytes 23 to 27 are since NVMe Base 2.1. Everything else is reserved and kept. Source: NVMe Base 2.0 figure 276, kernel
    /// `include/linux/nvme.h: struct nvme_id_power_state`, libnvme `src/nvme/types.h: struct nvme_id_psd`.
    #[doc(alias = "PSD")]
    pub struct PowerState("power state descriptor", 32) {
        /// Power it takes at most; see [`max_microwatts`](Self::max_microwatts).
        #[doc(alias = "MP")]
        0 max_power set_max_power u16;
        /// Bit 0: `max_power` counts 0.0001 W, 1: no I/O is processed in this state.
        3 flags set_flags u8;
        /// Time to enter the state, us; 0: not said.
        #[doc(alias = "ENLAT")]
        4 entry_latency set_entry_latency u32;
        /// Time to leave the state, us; 0: not said.
        #[doc(alias = "EXLAT")]
        8 exit_latency set_exit_latency u32;
        /// Rank of the read throughput, in 4:0; 0 is best.
        #[doc(alias = "RRT")]
        12 read_throughput set_read_throughput u8;
        /// Rank of the read latency, in 4:0; 0 is best.
        #[doc(alias = "RRL")]
        13 read_latency set_read_latency u8;
        /// Rank of the write throughput, in 4:0; 0 is best.
        #[doc(alias = "RWT")]
        14 write_throughput set_write_throughput u8;
        /// Rank of the write latency, in 4:0; 0 is best.
        #[doc(alias = "RWL")]
        15 write_latency set_write_latency u8;
        /// Power it takes when idle; see [`idle_microwatts`](Self::idle_microwatts).
        #[doc(alias = "IDLP")]
        16 idle_power set_idle_power u16;
        /// Unit of the idle power, in 7:6.
        #[doc(alias = "IPS")]
        18 idle_scale set_idle_scale u8;
        /// Power it takes under the workload of `active_scale`; see [`active_microwatts`](Self::active_microwatts).
        #[doc(alias = "ACTP")]
        20 active_power set_active_power u16;
        /// 2:0: workload of the active power, 7:6: its unit.
        #[doc(alias = "APW")]
        #[doc(alias = "APS")]
        22 active_scale set_active_scale u8;
        /// Time to recover from an emergency power fail.
        #[doc(alias = "EPFRT")]
        23 recovery_time set_recovery_time u8;
        /// Time to bring data to safety when forced to be quiet.
        #[doc(alias = "FQVT")]
        24 quiescence_time set_quiescence_time u8;
        /// Time to bring data to safety in an emergency power fail.
        #[doc(alias = "EPFVT")]
        25 vault_time set_vault_time u8;
        /// Units: 3:0 of `recovery_time`, 7:4 of `quiescence_time`.
        26 recovery_scale set_recovery_scale u8;
        /// Unit of `vault_time`, in 3:0.
        27 vault_scale set_vault_scale u8;
    }
}

impl<B: AsRef<[u8]>> PowerState<B> {
    /// Whether no I/O is processed in this state.
    #[doc(alias = "NOPS")]
    #[must_use]
    pub fn is_non_operational(&self) -> bool {
        self.flags() & 2 != 0
    }

    /// Power it takes at most, uW; `None` where it is not said.
    #[must_use]
    pub fn max_microwatts(&self) -> Option<u32> {
        let scale = if self.flags() & 1 == 0 { PowerScale::W_01 } else { PowerScale::W_0001 };
        microwatts(self.max_power(), scale).filter(|power| *power != 0)
    }

    /// Power it takes when idle, uW; `None` where it is not said.
    #[must_use]
    pub fn idle_microwatts(&self) -> Option<u32> {
        microwatts(self.idle_power(), PowerScale(self.idle_scale() >> 6))
    }

    /// Power it takes under its workload, uW; `None` where it is not said.
    #[must_use]
    pub fn active_microwatts(&self) -> Option<u32> {
        microwatts(self.active_power(), PowerScale(self.active_scale() >> 6))
    }

    /// Workload of the active power: 0 not said, 1 and 2 those the specification defines.
    #[must_use]
    pub fn workload(&self) -> u8 {
        self.active_scale() & 0x7
    }

    /// Unit of the recovery time.
    #[must_use]
    pub fn recovery_unit(&self) -> TimeScale {
        TimeScale(self.recovery_scale() & 0xf)
    }

    /// Unit of the quiescence time.
    #[must_use]
    pub fn quiescence_unit(&self) -> TimeScale {
        TimeScale(self.recovery_scale() >> 4)
    }

    /// Unit of the vault time.
    #[must_use]
    pub fn vault_unit(&self) -> TimeScale {
        TimeScale(self.vault_scale() & 0xf)
    }
}

fn microwatts(power: u16, scale: PowerScale) -> Option<u32> {
    let unit = match scale {
        PowerScale::W_0001 => 100,
        PowerScale::W_01 => 10_000,
        _ => return None,
    };
    u32::from(power).checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identify::IdentifyController;
    use crate::view::check_view;

    #[test]
    fn the_fields_are_where_the_table_says() {
        check_view!(PowerState, [0..2, 3..19, 20..28]);
    }

    #[test]
    fn power_has_a_unit() {
        let mut state = PowerState::zeroed();
        assert_eq!(
            (state.max_microwatts(), state.idle_microwatts(), state.active_microwatts()),
            (None, None, None)
        );
        state.set_max_power(u16::MAX);
        assert_eq!(state.max_microwatts(), Some(655_350_000));
        state.set_flags(3);
        assert_eq!((state.max_microwatts(), state.is_non_operational()), (Some(6_553_500), true));
        state.set_idle_power(5);
        state.set_idle_scale(0x40);
        state.set_active_power(5);
        state.set_active_scale(0x82);
        assert_eq!((state.idle_microwatts(), state.active_microwatts()), (Some(500), Some(50_000)));
        assert_eq!(state.workload(), 2);
        state.set_active_scale(0xc0);
        assert_eq!(state.active_microwatts(), None);
        state.set_recovery_scale(0x36);
        assert_eq!((state.recovery_unit(), state.quiescence_unit()), (TimeScale::S, TimeScale::MS));
    }

    #[test]
    fn a_controller_has_up_to_32() {
        let mut view = IdentifyController::zeroed();
        let mut state = PowerState::zeroed();
        state.set_max_power(0x1234);
        view.set_power_state(31, &state);
        view.set_power_state(32, &state);
        assert_eq!(view.as_bytes()[3040..3042], [0x34, 0x12]);
        assert_eq!(view.as_bytes()[3072..3074], [0, 0]);
        assert_eq!(view.power_state(31).map(|state| state.max_power()), Some(0x1234));
        assert!(view.power_state(32).is_none());
        assert_eq!(view.supported_power_states().count(), 1);
        view.set_power_states(255);
        assert_eq!(view.supported_power_states().count(), 32);
    }
}
