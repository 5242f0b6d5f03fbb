//! Features of a namespace: reservations, write protection.

use crate::bits::{bit_group, newtype_bits};
use crate::registry::wire_values;

wire_values! {
    /// Whether a namespace can be written: 3 bits.
    #[doc(alias = "WPS")]
    pub struct WriteProtectionState(u8) {
        /// It can.
        NONE = 0 => "not write protected",
        /// It cannot.
        PROTECTED = 1 => "write protected",
        /// It cannot until the power is cycled.
        UNTIL_POWER_CYCLE = 2 => "write protected until power cycle",
        /// It cannot any more.
        PERMANENT = 3 => "permanently write protected",
    }
}

newtype_bits!(WriteProtectionState);

bit_group! {
    /// Reservation Notification Mask (0x82): which events of reservations do *not* come.
    ///
    /// Source: NVMe Base 2.0 section 5.27.1, kernel `drivers/nvme/target/pr.c: nvmet_set_feat_resv_notif_mask` (since Linux 6.13).
    pub struct ReservationNotificationMask(u32) {
        /// A registration was preempted.
        [1] registration_preempted with_registration_preempted: bool, "REGPRE";
        /// The reservation was released.
        [2] released with_released: bool, "RESREL";
        /// The reservation was preempted.
        [3] preempted with_preempted: bool, "RESPRE";
    }

    /// Reservation Persistence (0x83): whether reservations outlive a loss of power.
    ///
    /// Source: NVMe Base 2.0 section 5.27.1.
    pub struct ReservationPersistence(u32) {
        /// They do.
        [0] persists with_persists: bool, "PTPL";
    }

    /// Namespace Write Protection Config (0x84): whether the namespace can be written.
    ///
    /// Source: NVMe Base 2.0 section 5.27.1, kernel `drivers/nvme/target/admin-cmd.c: nvmet_set_feat_write_protect`.
    pub struct WriteProtection(u32) {
        /// Whether it can.
        [2:0] state with_state: WriteProtectionState, "WPS";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bits() {
        let mask = ReservationNotificationMask::default().with_released(true).with_preempted(true);
        assert_eq!((mask.0, mask.registration_preempted()), (0xc, false));
        assert_eq!(ReservationNotificationMask::DEFINED, 0xe);
        assert!(ReservationPersistence(1).persists());
        assert_eq!(WriteProtection(0xfffa).state(), WriteProtectionState::UNTIL_POWER_CYCLE);
        assert_eq!(WriteProtection::default().with_state(WriteProtectionState::PROTECTED).0, 1);
    }
}
