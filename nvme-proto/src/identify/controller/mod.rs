//! Identify Controller.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::error::DecodeError;
use crate::layout::{field_at, put, put_text, zeroed};
use crate::text::{printable, trimmed};
use crate::types::{Nqn, NqnError, SubsysNqn};
use crate::view::{entry, entry_mut};

mod bits;
mod fields;
mod oddities;
mod power;

pub use bits::{
    AdminCommands, AnaCapabilities, AsyncEvents, ControllerAttributes, IoCommands, LogAttributes, Multipath,
    ReservationCapabilities, SglSupport,
};
pub use power::{PowerScale, PowerState, TimeScale};

/// Identify Controller: what the controller is and can do. 4096 bytes, little-endian.
///
/// | bytes      | field                                     | unit, meaning                                             |
/// |------------|-------------------------------------------|-----------------------------------------------------------|
/// | 0..2       | `vendor_id` (VID)                         | PCI vendor, 0 on fabrics                                  |
/// | 2..4       | `subsystem_vendor_id` (SSVID)             |                                                           |
/// | 4..24      | `serial` (SN)                             | ASCII, blanks behind                                      |
/// | 24..64     | `model` (MN)                              | ASCII, blanks behind                                      |
/// | 64..72     | `firmware` (FR)                           | ASCII, blanks behind                                      |
/// | 72         | `arbitration_burst` (RAB)                 | 2^n commands                                              |
/// | 73..76     | `ieee_oui` (IEEE)                         | lowest byte first                                         |
/// | 76         | `multipath` (CMIC)                        | bits                                                      |
/// | 77         | `max_data_transfer` (MDTS)                | 2^n pages of the controller's smallest size; 0 no limit   |
/// | 78..80     | `cntlid` (CNTLID)                         |                                                           |
/// | 80..84     | `version` (VER)                           |                                                           |
/// | 84..92     | `resume_latency` (RTD3R), `entry_latency` (RTD3E) | us                                                |
/// | 92..96     | `async_events` (OAES)                     | bits                                                      |
/// | 96..100    | `attributes` (CTRATT)                     | bits                                                      |
/// | 100..102, 102 | `read_recovery_levels`, `boot_partitions` (RRLS, BPCAP) | bits                                                      |
/// | 104..108   | `shutdown_latency` (NSSL)                 | ms                                                        |
/// | 110        | `power_loss_signaling` (PLSI)             | bits                                                      |
/// | 111        | `controller_type` (CNTRLTYPE)             |                                                           |
/// | 112..128   | `fru_guid` (FGUID)                        |                                                           |
/// | 128..134   | `retry_delay_1` to `_3` (CRDT1 to CRDT3)  | 100 ms                                                    |
/// | 134        | `reachability` (CRCAP)                    | bits                                                      |
/// | 253..256   | `subsystem_report`, `vital_product_writes`, `management_endpoint` (NVMSR, VWCI, MEC) | bits                                                      |
/// | 256..258   | `admin_commands` (OACS)                   | bits                                                      |
/// | 258        | `abort_limit` (ACL)                       | one less than the number                                  |
/// | 259        | `async_event_limit` (AERL)                | one less than the number                                  |
/// | 260        | `firmware_updates` (FRMW)                 | bits                                                      |
/// | 261        | `log_attributes` (LPA)                    | bits                                                      |
/// | 262        | `error_log_entries` (ELPE)                | one less than the number                                  |
/// | 263        | `power_states` (NPSS)                     | one less than the number                                  |
/// | 264, 265   | `vendor_admin_commands`, `autonomous_power` (AVSCC, APSTA) | bits                                                      |
/// | 266..270   | `warning_temperature`, `critical_temperature` (WCTEMP, CCTEMP) | K                                    |
/// | 270..272   | `firmware_activation_time` (MTFA)         | 100 ms                                                    |
/// | 272..280   | `host_memory_preferred`, `host_memory_minimum` (HMPRE, HMMIN) | 4 KiB                                                     |
/// | 280..312   | `total_capacity`, `unallocated_capacity` (TNVMCAP, UNVMCAP)    | bytes                                |
/// | 312..316   | `replay_protected_memory` (RPMBS)         | bits                                                      |
/// | 316..320   | `self_test_time`, `self_test_options`, `firmware_granularity` (EDSTT, DSTO, FWUG) | min, bits, 4 KiB                                          |
/// | 320..322   | `keep_alive_granularity` (KAS)            | 100 ms; 0 no keep-alive                                   |
/// | 322..328   | `thermal_management`, `thermal_minimum`, `thermal_maximum` (HCTMA, MNTMT, MXTMT) | bits, K, K                                                |
/// | 328..332   | `sanitize_capabilities` (SANICAP)         | bits                                                      |
/// | 332..338   | `host_memory_entry_minimum`, `host_memory_entries` (HMMINDS, HMMAXD) | 4 KiB, number                                             |
/// | 338..342   | `nvm_set_max`, `endurance_group_max` (NSETIDMAX, ENDGIDMAX) |                                                           |
/// | 342        | `ana_transition_time` (ANATT)             | s                                                         |
/// | 343        | `ana_capabilities` (ANACAP)               | bits                                                      |
/// | 344..352   | `ana_group_max`, `ana_groups` (ANAGRPMAX, NANAGRPID) |                                                |
/// | 352..356   | `persistent_log_size` (PELS)              | 64 KiB                                                    |
/// | 356..359   | `domain`, `key_per_io` (DOMAINID, KPIOC)  |                                                           |
/// | 360..362   | `firmware_activation_time_no_reset` (MPTFAWR) | 100 ms                                                    |
/// | 368..384   | `max_endurance_group_capacity` (MEGCAP)   | bytes                                                     |
/// | 384        | `temperature_hysteresis` (TMPTHHA)        | K                                                         |
/// | 386..388   | `command_quiesce_time` (CQT)              | ms                                                        |
/// | 512, 513   | `sq_entry_size`, `cq_entry_size` (SQES, CQES) | log2 bytes: 3:0 smallest, 7:4 largest                 |
/// | 514..516   | `max_commands` (MAXCMD)                   | commands outstanding in a queue                           |
/// | 516..520   | `namespaces` (NN)                         | the largest namespace id                                  |
/// | 520..522   | `io_commands` (ONCS)                      | bits                                                      |
/// | 522..524   | `fused_operations` (FUSES)                | bits                                                      |
/// | 524        | `format_attributes` (FNA)                 | bits                                                      |
/// | 525        | `volatile_write_cache` (VWC)              | bits                                                      |
/// | 526..530   | `atomic_write`, `atomic_write_power_fail` (AWUN, AWUPF) | blocks, one less                            |
/// | 530        | `vendor_io_commands` (ICSVSCC)            | bits                                                      |
/// | 531        | `write_protection` (NWPC)                 | bits                                                      |
/// | 532..534   | `atomic_compare_write` (ACWU)             | blocks, one less                                          |
/// | 534..536   | `copy_formats` (OCFS)                     | bits                                                      |
/// | 536..540   | `sgl_support` (SGLS)                      | bits                                                      |
/// | 540..544   | `max_allowed_namespaces` (MNAN)           | 0: as `namespaces`                                        |
/// | 544..564   | `max_domain_attachments`, `max_controller_attachments` (MAXDNA, MAXCNA) | namespaces                                                |
/// | 564..570   | `optimal_queue_depth`, `refresh_interval`, `refresh_time` (OAQD, RHIRI, HIRT) | commands, days, min                                        |
/// | 570..577   | `tracked_ranges`, `subsystem_tracked_ranges`, `tracking_granularity_min`, `tracking_granularity_max`, `tracking_attributes` (CMMRTD, NMMRTD, MINMRTG, MAXMRTG, TRATTR) |                                                           |
/// | 578..588   | `migration_queues`, `subsystem_migration_queues`, `data_queue_ranges`, `subsystem_data_queue_ranges`, `data_queue_pages` (MCUDMQ, MNSUDMQ, MCMR, NMCMR, MCDQPC) |                                                           |
/// | 768..1024  | `subnqn` (SUBNQN)                         | UTF-8, NUL behind                                         |
/// | 1792..1796 | `io_capsule_size` (IOCCSZ)                | 16 bytes                                                  |
/// | 1796..1800 | `io_response_size` (IORCSZ)               | 16 bytes                                                  |
/// | 1800..1802 | `in_capsule_offset` (ICDOFF)              | 16 bytes                                                  |
/// | 1802       | `fabrics_attributes` (FCATT)              | bit 0: static controller model                            |
/// | 1803       | `max_sgl_descriptors` (MSDBD)             | 0: no limit                                               |
/// | 1804..1806 | `fabrics_commands` (OFCS)                 | bit 0: Disconnect                                         |
/// | 1806       | `discovery_type` (DCTYPE)                 |                                                           |
/// | 2048..3072 | [`power_state`](Self::power_state) (PSD)  | 32 power states of 32 bytes: [`PowerState`]               |
/// | 3072..4096 | vendor specific                           |                                                           |
///
/// Bytes that are not listed are kept: [`as_bytes`](Self::as_bytes). Source: NVMe Base 2.0 figure 275, NVMe over Fabrics 1.1
/// section 4.1, kernel `include/linux/nvme.h: struct nvme_id_ctrl`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentifyController<B: AsRef<[u8]>>(B);

/// Where the power states begin.
const POWER_STATES_AT: usize = 2048;

impl<B: AsRef<[u8]>> IdentifyController<B> {
    /// Length in bytes.
    pub const LEN: usize = 4096;

    /// Checks that there are (at least) 4096 bytes. What is behind them is left alone.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort).
    pub fn new_checked(bytes: B) -> Result<Self, DecodeError> {
        DecodeError::check_len("Identify Controller", bytes.as_ref(), Self::LEN)?;
        Ok(Self(bytes))
    }

    /// Serial number for people: without the blanks behind it, what is not printable escaped.
    #[doc(alias = "SN")]
    #[must_use]
    pub fn serial(&self) -> String {
        printable(field_at(self.0.as_ref(), 4, 20))
    }

    /// Serial number: up to 20 bytes, without the padding.
    #[must_use]
    pub fn serial_bytes(&self) -> &[u8] {
        trimmed(field_at(self.0.as_ref(), 4, 20))
    }

    /// Model number for people: without the blanks behind it, what is not printable escaped.
    #[doc(alias = "MN")]
    #[must_use]
    pub fn model(&self) -> String {
        printable(field_at(self.0.as_ref(), 24, 40))
    }

    /// Model number: up to 40 bytes, without the padding.
    #[must_use]
    pub fn model_bytes(&self) -> &[u8] {
        trimmed(field_at(self.0.as_ref(), 24, 40))
    }

    /// Firmware revision for people: without the blanks behind it, what is not printable escaped.
    #[doc(alias = "FR")]
    #[must_use]
    pub fn firmware(&self) -> String {
        printable(field_at(self.0.as_ref(), 64, 8))
    }

    /// Firmware revision: up to 8 bytes, without the padding.
    #[must_use]
    pub fn firmware_bytes(&self) -> &[u8] {
        trimmed(field_at(self.0.as_ref(), 64, 8))
    }

    /// The name of the subsystem.
    ///
    /// # Errors
    /// Those of [`Nqn::decode`]; controllers older than NVMe 1.2.1 leave the field empty.
    #[doc(alias = "SUBNQN")]
    pub fn subnqn(&self) -> Result<SubsysNqn, NqnError> {
        SubsysNqn::decode(field_at(self.0.as_ref(), 768, Nqn::FIELD_LEN))
    }

    /// The name of the subsystem for people, whatever is in the field.
    #[must_use]
    pub fn subnqn_text(&self) -> String {
        printable(field_at(self.0.as_ref(), 768, Nqn::FIELD_LEN))
    }

    /// The most bytes one command can transfer, for a controller whose smallest page has 2^`min_page_log2` bytes (12 on fabrics).
    /// `None` for no limit, also when the limit does not fit 64 bits.
    #[must_use]
    pub fn max_data_bytes(&self, min_page_log2: u8) -> Option<u64> {
        let mdts = self.max_data_transfer();
        let shift = u32::from(mdts).checked_add(u32::from(min_page_log2)).filter(|shift| *shift < 64)?;
        if mdts == 0 { None } else { 1_u64.checked_shl(shift) }
    }

    /// The power state number `index`, 0 to 31, as it stands in the list. Those beyond
    /// [`power_states`](Self::power_states) are not supported.
    #[must_use]
    pub fn power_state(&self, index: u8) -> Option<PowerState<&[u8]>> {
        let states = field_at(self.0.as_ref(), POWER_STATES_AT, 32 * PowerState::<&[u8]>::LEN);
        PowerState::new_checked(entry(states, 0, PowerState::<&[u8]>::LEN, index.into())).ok()
    }

    /// The power states that are supported: one more than [`power_states`](Self::power_states) says, 32 at most.
    pub fn supported_power_states(&self) -> impl Iterator<Item = PowerState<&[u8]>> {
        (0..=self.power_states().min(31)).filter_map(|index| self.power_state(index))
    }

    /// The 4096 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        field_at(self.0.as_ref(), 0, Self::LEN)
    }

    /// Gives back the bytes.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.0
    }
}

impl IdentifyController<Box<[u8]>> {
    /// All zeros but for serial, model and firmware, which are blanks: to be filled with the setters.
    #[must_use]
    pub fn zeroed() -> Self {
        let mut this = Self(zeroed(Self::LEN));
        this.set_serial(b"");
        this.set_model(b"");
        this.set_firmware(b"");
        this
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> IdentifyController<B> {
    /// Writes the serial number, padded with blanks; bytes beyond 20 are left out.
    pub fn set_serial(&mut self, text: &[u8]) {
        put_text(self.0.as_mut(), 4, 20, text, b' ');
    }

    /// Writes the model number, padded with blanks; bytes beyond 40 are left out.
    pub fn set_model(&mut self, text: &[u8]) {
        put_text(self.0.as_mut(), 24, 40, text, b' ');
    }

    /// Writes the firmware revision, padded with blanks; bytes beyond 8 are left out.
    pub fn set_firmware(&mut self, text: &[u8]) {
        put_text(self.0.as_mut(), 64, 8, text, b' ');
    }

    /// Writes the name of the subsystem.
    pub fn set_subnqn(&mut self, name: &SubsysNqn) {
        put(self.0.as_mut(), 768, name.encode());
    }

    /// Writes the power state number `index`; beyond 31 nothing is written.
    pub fn set_power_state<P: AsRef<[u8]>>(&mut self, index: u8, state: &PowerState<P>) {
        if index < 32 {
            let to = entry_mut(self.0.as_mut(), POWER_STATES_AT, PowerState::<P>::LEN, index.into());
            for (to, from) in to.iter_mut().zip(state.as_bytes()) {
                *to = *from;
            }
        }
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for IdentifyController<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("IdentifyController");
        fields
            .field("serial", &self.serial())
            .field("model", &self.model())
            .field("firmware", &self.firmware());
        fields.field("subnqn", &self.subnqn_text());
        self.debug_fields(&mut fields);
        fields.field("power_state", &self.supported_power_states().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identify::DiscoveryControllerType;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn fewer_bytes_are_refused_and_more_are_left_alone() {
        assert!(IdentifyController::new_checked([0; 4095]).is_err());
        let view = IdentifyController::new_checked(vec![0xff; 5000]).unwrap();
        assert_eq!(view.as_bytes().len(), 4096);
        assert_eq!(view.discovery_type(), DiscoveryControllerType(0xff));
        assert_eq!(view.version().to_string(), "65535.255.255");
    }

    #[test]
    fn a_new_one_is_blank_where_text_belongs() {
        let mut new = IdentifyController::zeroed();
        assert_eq!(new.as_bytes()[4..72], [b' '; 68]);
        assert!(new.as_bytes()[..4].iter().chain(&new.as_bytes()[72..]).all(|b| *b == 0));
        assert_eq!((new.serial(), new.serial_bytes()), (String::new(), &b""[..]));
        assert_eq!(new.subnqn(), Err(NqnError::Empty));
        new.set_serial(b"a serial number longer than its field");
        assert_eq!(new.serial(), "a serial number long");
        assert_eq!(new.model(), "");
    }

    #[test]
    fn shifts_of_hostile_sizes_do_not_overflow() {
        let mut view = IdentifyController::zeroed();
        assert_eq!(view.max_data_bytes(12), None);
        for (mdts, bytes) in [(5, Some(128 << 10)), (51, Some(1 << 63)), (52, None), (255, None)] {
            view.set_max_data_transfer(mdts);
            assert_eq!(view.max_data_bytes(12), bytes, "{mdts}");
        }
        assert_eq!(view.max_data_bytes(255), None);
    }
}
