//! Identify Controller.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use super::{ControllerType, DiscoveryControllerType, Version};
use crate::error::DecodeError;
use crate::layout::{field_at, layout, put, put_text, zeroed};
use crate::text::{printable, trimmed};
use crate::types::{Cntlid, Nqn, NqnError, SubsysNqn};

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
/// | 111        | `controller_type` (CNTRLTYPE)             |                                                           |
/// | 112..128   | `fru_guid` (FGUID)                        |                                                           |
/// | 128..134   | `retry_delay_1` to `_3` (CRDT1 to CRDT3)  | 100 ms                                                    |
/// | 256..258   | `admin_commands` (OACS)                   | bits                                                      |
/// | 258        | `abort_limit` (ACL)                       | one less than the number                                  |
/// | 259        | `async_event_limit` (AERL)                | one less than the number                                  |
/// | 260        | `firmware_updates` (FRMW)                 | bits                                                      |
/// | 261        | `log_attributes` (LPA)                    | bits                                                      |
/// | 262        | `error_log_entries` (ELPE)                | one less than the number                                  |
/// | 263        | `power_states` (NPSS)                     | one less than the number                                  |
/// | 266..270   | `warning_temperature`, `critical_temperature` (WCTEMP, CCTEMP) | K                                    |
/// | 280..312   | `total_capacity`, `unallocated_capacity` (TNVMCAP, UNVMCAP)    | bytes                                |
/// | 320..322   | `keep_alive_granularity` (KAS)            | 100 ms; 0 no keep-alive                                   |
/// | 342        | `ana_transition_time` (ANATT)             | s                                                         |
/// | 343        | `ana_capabilities` (ANACAP)               | bits                                                      |
/// | 344..352   | `ana_group_max`, `ana_groups` (ANAGRPMAX, NANAGRPID) |                                                |
/// | 512, 513   | `sq_entry_size`, `cq_entry_size` (SQES, CQES) | log2 bytes: 3:0 smallest, 7:4 largest                 |
/// | 514..516   | `max_commands` (MAXCMD)                   | commands outstanding in a queue                           |
/// | 516..520   | `namespaces` (NN)                         | the largest namespace id                                  |
/// | 520..522   | `io_commands` (ONCS)                      | bits                                                      |
/// | 522..524   | `fused_operations` (FUSES)                | bits                                                      |
/// | 524        | `format_attributes` (FNA)                 | bits                                                      |
/// | 525        | `volatile_write_cache` (VWC)              | bits                                                      |
/// | 526..530   | `atomic_write`, `atomic_write_power_fail` (AWUN, AWUPF) | blocks, one less                            |
/// | 531        | `write_protection` (NWPC)                 | bits                                                      |
/// | 532..534   | `atomic_compare_write` (ACWU)             | blocks, one less                                          |
/// | 534..536   | `copy_formats` (OCFS)                     | bits                                                      |
/// | 536..540   | `sgl_support` (SGLS)                      | bits                                                      |
/// | 540..544   | `max_allowed_namespaces` (MNAN)           | 0: as `namespaces`                                        |
/// | 768..1024  | `subnqn` (SUBNQN)                         | UTF-8, NUL behind                                         |
/// | 1792..1796 | `io_capsule_size` (IOCCSZ)                | 16 bytes                                                  |
/// | 1796..1800 | `io_response_size` (IORCSZ)               | 16 bytes                                                  |
/// | 1800..1802 | `in_capsule_offset` (ICDOFF)              | 16 bytes                                                  |
/// | 1802       | `fabrics_attributes` (FCATT)              | bit 0: static controller model                            |
/// | 1803       | `max_sgl_descriptors` (MSDBD)             | 0: no limit                                               |
/// | 1804..1806 | `fabrics_commands` (OFCS)                 | bit 0: Disconnect                                         |
/// | 1806       | `discovery_type` (DCTYPE)                 |                                                           |
/// | 3072..4096 | vendor specific                           |                                                           |
///
/// Bytes that are not listed are kept: [`as_bytes`](Self::as_bytes). Source: NVMe Base 2.0 figure 275, NVMe over Fabrics 1.1
/// section 4.1, kernel `include/linux/nvme.h: struct nvme_id_ctrl`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentifyController<B: AsRef<[u8]>>(B);

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
}

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
    /// Bit 0: several ports, 1: several controllers, 2: SR-IOV virtual function, 3: asymmetric namespace access.
    #[doc(alias = "CMIC")]
    76 multipath set_multipath u8;
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
    /// Events it can report. Bit 8: namespace attributes, 9: firmware activation, 11: asymmetric access, 31: discovery log.
    #[doc(alias = "OAES")]
    92 async_events set_async_events u32;
    /// Bit 0: host identifier of 128 bits, 6: traffic-based keep-alive, 15: extended block formats, and others.
    #[doc(alias = "CTRATT")]
    96 attributes set_attributes u32;
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
    /// Optional admin commands. Bit 0: security, 1: format, 2: firmware, 3: namespace management, 4: self-test, and others.
    #[doc(alias = "OACS")]
    256 admin_commands set_admin_commands u16;
    /// Abort commands it takes at a time, less one.
    #[doc(alias = "ACL")]
    258 abort_limit set_abort_limit u8;
    /// Asynchronous Event Requests it takes at a time, less one.
    #[doc(alias = "AERL")]
    259 async_event_limit set_async_event_limit u8;
    /// Bit 0: slot 1 is read-only, 3:1: slots, 4: activation without reset.
    #[doc(alias = "FRMW")]
    260 firmware_updates set_firmware_updates u8;
    /// Log pages. Bit 0: health per namespace, 1: effects, 2: offsets and long reads, 3: telemetry, 4: persistent events.
    #[doc(alias = "LPA")]
    261 log_attributes set_log_attributes u8;
    /// Entries of the error log, less one.
    #[doc(alias = "ELPE")]
    262 error_log_entries set_error_log_entries u8;
    /// Power states, less one.
    #[doc(alias = "NPSS")]
    263 power_states set_power_states u8;
    /// Temperature at which it warns, K.
    #[doc(alias = "WCTEMP")]
    266 warning_temperature set_warning_temperature u16;
    /// Temperature that is critical, K.
    #[doc(alias = "CCTEMP")]
    268 critical_temperature set_critical_temperature u16;
    /// Capacity of the subsystem's media, bytes.
    #[doc(alias = "TNVMCAP")]
    280 total_capacity set_total_capacity u128;
    /// Part of it that no namespace has, bytes.
    #[doc(alias = "UNVMCAP")]
    296 unallocated_capacity set_unallocated_capacity u128;
    /// Granularity of the keep-alive time-out, 100 ms; 0: no keep-alive.
    #[doc(alias = "KAS")]
    320 keep_alive_granularity set_keep_alive_granularity u16;
    /// Longest time a namespace stays in the state "change" of asymmetric access, s.
    #[doc(alias = "ANATT")]
    342 ana_transition_time set_ana_transition_time u8;
    /// Asymmetric access states it can report. Bit 0: optimized, 1: non-optimized, 2: inaccessible, 3: persistent loss, 4: change.
    #[doc(alias = "ANACAP")]
    343 ana_capabilities set_ana_capabilities u8;
    /// The largest asymmetric access group.
    #[doc(alias = "ANAGRPMAX")]
    344 ana_group_max set_ana_group_max u32;
    /// Number of asymmetric access groups.
    #[doc(alias = "NANAGRPID")]
    348 ana_groups set_ana_groups u32;
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
    /// Optional I/O commands. Bit 0: Compare, 1: Write Uncorrectable, 2: Dataset Management, 3: Write Zeroes, 5: reservations,
    /// 7: Verify, 8: Copy.
    #[doc(alias = "ONCS")]
    520 io_commands set_io_commands u16;
    /// Bit 0: Compare and Write.
    #[doc(alias = "FUSES")]
    522 fused_operations set_fused_operations u16;
    /// Bit 0: format applies to all namespaces, 1: erase too, 2: cryptographic erase.
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
    /// Namespace write protection. Bit 0: none and write protect, 1: until power cycle, 2: permanent.
    #[doc(alias = "NWPC")]
    531 write_protection set_write_protection u8;
    /// Blocks of an atomic Compare and Write, less one.
    #[doc(alias = "ACWU")]
    532 atomic_compare_write set_atomic_compare_write u16;
    /// Formats of the Copy command, one bit each.
    #[doc(alias = "OCFS")]
    534 copy_formats set_copy_formats u16;
    /// Scatter-gather lists. 1:0: supported, 2: keyed, 20: offsets in the capsule, 21: transport descriptor.
    #[doc(alias = "SGLS")]
    536 sgl_support set_sgl_support u32;
    /// Namespaces allowed at most; 0: as many as [`namespaces`](Self::namespaces).
    #[doc(alias = "MNAN")]
    540 max_allowed_namespaces set_max_allowed_namespaces u32;
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

impl<B: AsRef<[u8]>> fmt::Debug for IdentifyController<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("IdentifyController");
        fields
            .field("serial", &self.serial())
            .field("model", &self.model())
            .field("firmware", &self.firmware());
        fields.field("subnqn", &self.subnqn_text());
        self.debug_fields(&mut fields);
        fields.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
