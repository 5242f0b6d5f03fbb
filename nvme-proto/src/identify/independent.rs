//! Identify Namespace, as far as it does not depend on the I/O command set.

use super::ReservationCapabilities;
use crate::view::view;

view! {
    /// I/O Command Set Independent Identify Namespace (CNS 0x08). 4096 bytes, little-endian.
    ///
    /// | bytes  | field                                     | meaning                                                         |
    /// |--------|-------------------------------------------|-----------------------------------------------------------------|
    /// | 0      | `features` (NSFEAT)                       | bits                                                            |
    /// | 1      | `sharing` (NMIC)                          | bit 0: several controllers can have it                          |
    /// | 2      | `reservations` (RESCAP)                   | bits                                                            |
    /// | 3      | `format_progress` (FPI)                   | 6:0 percent left, 7 supported                                   |
    /// | 4..8   | `ana_group` (ANAGRPID)                    | 0: none                                                         |
    /// | 8      | `attributes` (NSATTR)                     | bit 0: write protected                                          |
    /// | 10..14 | `nvm_set`, `endurance_group` (NVMSETID, ENDGID) |                                                           |
    /// | 14     | `status` (NSTAT)                          | bit 0: ready                                                    |
    /// | 15     | `key_per_io` (KPIOS)                      | bits; since NVMe Base 2.1                                       |
    /// | 16..18 | `max_key_tag` (MAXKT)                     | since NVMe Base 2.1                                             |
    /// | 20..24 | `reachability_group` (RGRPID)             | 0: none; since NVMe Base 2.1                                    |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 figure 280, kernel `include/linux/nvme.h: struct nvme_id_ns_cs_indep`.
    pub struct IndependentNamespace("I/O Command Set Independent Identify Namespace", 4096) {
        /// Bits that hold for every command set; 3: identifiers are never reused, 4: the media turn.
        #[doc(alias = "NSFEAT")]
        0 features set_features u8;
        /// Bit 0: several controllers can have it attached.
        #[doc(alias = "NMIC")]
        1 sharing set_sharing u8;
        /// Reservations it takes.
        #[doc(alias = "RESCAP")]
        2 reservations set_reservations ReservationCapabilities;
        /// 6:0: percent left to format, 7: whether that is said at all.
        #[doc(alias = "FPI")]
        3 format_progress set_format_progress u8;
        /// Asymmetric access group; 0: none.
        #[doc(alias = "ANAGRPID")]
        4 ana_group set_ana_group u32;
        /// Bit 0: write protected.
        #[doc(alias = "NSATTR")]
        8 attributes set_attributes u8;
        /// NVM set.
        #[doc(alias = "NVMSETID")]
        10 nvm_set set_nvm_set u16;
        /// Endurance group.
        #[doc(alias = "ENDGID")]
        12 endurance_group set_endurance_group u16;
        /// Bit 0: it is ready for commands. See [`is_ready`](Self::is_ready).
        #[doc(alias = "NSTAT")]
        14 status set_status u8;
        /// Bit 0: a key for each I/O is enabled, 1: supported.
        #[doc(alias = "KPIOS")]
        15 key_per_io set_key_per_io u8;
        /// The largest key tag.
        #[doc(alias = "MAXKT")]
        16 max_key_tag set_max_key_tag u16;
        /// Reachability group; 0: none.
        #[doc(alias = "RGRPID")]
        20 reachability_group set_reachability_group u32;
    }
}

impl<B: AsRef<[u8]>> IndependentNamespace<B> {
    /// Whether the namespace is ready for commands.
    #[doc(alias = "NRDY")]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status() & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_view;

    #[test]
    fn the_fields_are_where_the_table_says() {
        check_view!(IndependentNamespace, [0..9, 10..18, 20..24]);
        let mut view = IndependentNamespace::zeroed();
        assert!(!view.is_ready());
        view.set_status(3);
        assert!(view.is_ready());
    }
}
