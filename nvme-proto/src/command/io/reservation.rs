//! Reservation commands: register, acquire, release, report.

use crate::bits::{command, newtype_bits, record};
use crate::error::DecodeError;
use crate::layout::newtype_fields;
use crate::registry::wire_values;

wire_values! {
    /// What a reservation keeps from the hosts that do not hold it. 1 byte.
    #[doc(alias = "RTYPE")]
    pub struct ReservationType(u8) {
        /// No reservation.
        NONE = 0 => "none",
        /// Writing, except by the holder.
        WRITE_EXCLUSIVE = 1 => "write exclusive",
        /// Reading and writing, except by the holder.
        EXCLUSIVE_ACCESS = 2 => "exclusive access",
        /// Writing, except by registered hosts.
        WRITE_EXCLUSIVE_REGISTRANTS = 3 => "write exclusive, registrants only",
        /// Reading and writing, except by registered hosts.
        EXCLUSIVE_ACCESS_REGISTRANTS = 4 => "exclusive access, registrants only",
        /// Writing, except by registered hosts, all of which hold it.
        WRITE_EXCLUSIVE_ALL = 5 => "write exclusive, all registrants",
        /// Reading and writing, except by registered hosts, all of which hold it.
        EXCLUSIVE_ACCESS_ALL = 6 => "exclusive access, all registrants",
    }

    /// What Reservation Register does: 3 bits.
    #[doc(alias = "RREGA")]
    pub struct RegisterAction(u8) {
        /// Registers a key.
        REGISTER = 0 => "register",
        /// Removes the registration.
        UNREGISTER = 1 => "unregister",
        /// Replaces the key.
        REPLACE = 2 => "replace",
    }

    /// What becomes of reservations when the power is lost: 2 bits.
    #[doc(alias = "CPTPL")]
    pub struct PersistChange(u8) {
        /// As before.
        NO_CHANGE = 0 => "no change",
        /// They are lost.
        CLEAR = 2 => "do not persist",
        /// They are kept.
        SET = 3 => "persist",
    }

    /// What Reservation Acquire does: 3 bits.
    #[doc(alias = "RACQA")]
    pub struct AcquireAction(u8) {
        /// Takes the reservation.
        ACQUIRE = 0 => "acquire",
        /// Takes it from another host.
        PREEMPT = 1 => "preempt",
        /// Takes it from another host and aborts that host's commands.
        PREEMPT_AND_ABORT = 2 => "preempt and abort",
    }

    /// What Reservation Release does: 3 bits.
    #[doc(alias = "RRELA")]
    pub struct ReleaseAction(u8) {
        /// Gives the reservation up.
        RELEASE = 0 => "release",
        /// Removes the reservation and all registrations.
        CLEAR = 1 => "clear",
    }
}

newtype_bits!(ReservationType, RegisterAction, PersistChange, AcquireAction, ReleaseAction);
newtype_fields!(ReservationType);

command! {
    /// Reservation Register: registers a key of the host, replaces or removes it. The data are [`ReservationKeys`], the second one the new
    /// key.
    ///
    /// Another key than the registered one: [`RESERVATION_CONFLICT`](crate::Status::RESERVATION_CONFLICT).
    ///
    /// Source: NVMe Base 2.0 section 7.3, kernel `drivers/nvme/target/pr.c: nvmet_execute_pr_register` (since Linux 6.13).
    pub struct ReservationRegister("Reservation Register", opcode = 0x0d) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// What to do.
        CDW10 [2:0] action: RegisterAction, "RREGA";
        /// Do not compare the current key.
        CDW10 [3] ignore_key: bool, "IEKEY";
        /// The host takes part in dispersed namespaces.
        CDW10 [4] dispersed: bool, "DISNSRS";
        /// What becomes of it when the power is lost.
        CDW10 [31:30] persist: PersistChange, "CPTPL";
    }
}

command! {
    /// Reservation Acquire: takes the reservation. The data are [`ReservationKeys`], the second one the key of the host to take it from.
    ///
    /// Source: NVMe Base 2.0 section 7.2, kernel `drivers/nvme/target/pr.c: nvmet_execute_pr_acquire` (since Linux 6.13).
    pub struct ReservationAcquire("Reservation Acquire", opcode = 0x11) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// What to do.
        CDW10 [2:0] action: AcquireAction, "RACQA";
        /// Obsolete since NVMe 1.3: Invalid Field.
        CDW10 [3] ignore_key: bool, "IEKEY";
        /// The host takes part in dispersed namespaces.
        CDW10 [4] dispersed: bool, "DISNSRS";
        /// Which reservation.
        CDW10 [15:8] kind: ReservationType, "RTYPE";
    }
}

command! {
    /// Reservation Release: gives the reservation up, or removes everything. The data are the 8 bytes of the host's key.
    ///
    /// Source: NVMe Base 2.0 section 7.4, kernel `drivers/nvme/target/pr.c: nvmet_execute_pr_release` (since Linux 6.13).
    pub struct ReservationRelease("Reservation Release", opcode = 0x15) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// What to do.
        CDW10 [2:0] action: ReleaseAction, "RRELA";
        /// Obsolete since NVMe 1.3: Invalid Field.
        CDW10 [3] ignore_key: bool, "IEKEY";
        /// The host takes part in dispersed namespaces.
        CDW10 [4] dispersed: bool, "DISNSRS";
        /// Which reservation.
        CDW10 [15:8] kind: ReservationType, "RTYPE";
    }
}

command! {
    /// Reservation Report: asks who is registered and who holds the reservation. The answer is a
    /// [`ReservationStatus`](super::ReservationStatus).
    ///
    /// On fabrics `extended` must be set, since host identifiers have 16 bytes there:
    /// [`HOST_IDENTIFIER_INCONSISTENT_FORMAT`](crate::Status::HOST_IDENTIFIER_INCONSISTENT_FORMAT) otherwise.
    ///
    /// Source: NVMe Base 2.0 section 7.5, kernel `drivers/nvme/target/pr.c: nvmet_execute_pr_report` (since Linux 6.13).
    pub struct ReservationReport("Reservation Report", opcode = 0x0e) {
        /// Namespace.
        NSID [31:0] nsid: u32, "NSID";
        /// Dwords there is room for, less one.
        CDW10 [31:0] dwords_less_one: u32, "NUMD";
        /// The extended form, with host identifiers of 16 bytes.
        CDW11 [0] extended: bool, "EDS";
        /// The host takes part in dispersed namespaces.
        CDW11 [1] dispersed: bool, "DISNSRS";
    }
}

record! {
    /// The data of Reservation Register and Acquire; of Reservation Release only the first 8 bytes.
    ///
    /// Source: NVMe Base 2.0 sections 7.2 and 7.3.
    pub struct ReservationKeys("reservation keys", 16) {
        /// The host's key.
        [0..8] current: u64, "CRKEY";
        /// Register: the new key (NRKEY). Acquire: the key of the host to take it from (PRKEY).
        [8..16] other: u64, "NRKEY";
    }
}

impl ReservationKeys {
    /// The host's key, and the other one.
    #[must_use]
    pub const fn new(current: u64, other: u64) -> Self {
        Self { current, other }
    }
}

impl ReservationRegister {
    /// Bytes of the data.
    pub const DATA_LEN: u32 = 16;

    /// Does this with the host's registration, and leaves what becomes of it when the power is lost.
    #[must_use]
    pub fn new(nsid: u32, action: RegisterAction) -> Self {
        Self { nsid, action, ..Self::default() }
    }
}

impl ReservationAcquire {
    /// Bytes of the data.
    pub const DATA_LEN: u32 = 16;

    /// Takes this reservation.
    #[must_use]
    pub fn new(nsid: u32, action: AcquireAction, kind: ReservationType) -> Self {
        Self { nsid, action, kind, ..Self::default() }
    }
}

impl ReservationRelease {
    /// Bytes of the data.
    pub const DATA_LEN: u32 = 8;

    /// Gives this reservation up.
    #[must_use]
    pub fn new(nsid: u32, action: ReleaseAction, kind: ReservationType) -> Self {
        Self { nsid, action, kind, ..Self::default() }
    }

    /// The data: the host's key.
    #[must_use]
    pub const fn data(key: u64) -> [u8; 8] {
        key.to_le_bytes()
    }

    /// The host's key in the data.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort).
    pub const fn key(data: &[u8]) -> Result<u64, DecodeError> {
        match data.first_chunk() {
            Some(key) => Ok(u64::from_le_bytes(*key)),
            None => Err(DecodeError::too_short("reservation key", data, 8)),
        }
    }
}

impl ReservationReport {
    /// The extended form, into `dwords_less_one` + 1 dwords.
    #[must_use]
    pub const fn new(nsid: u32, dwords_less_one: u32) -> Self {
        Self { nsid, dwords_less_one, extended: true, dispersed: false }
    }

    /// Bytes there is room for: 4 to 2^34.
    #[must_use]
    pub fn data_len(&self) -> u64 {
        u64::from(self.dwords_less_one).saturating_add(1).saturating_mul(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_bits() {
        let register = ReservationRegister {
            persist: PersistChange::SET,
            ignore_key: true,
            ..ReservationRegister::new(1, RegisterAction::REPLACE)
        };
        let sqe = register.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10), (0x0d, 1, 0xc000_000a));
        assert_eq!(ReservationRegister::from_sqe(&sqe), register);
        let acquire = ReservationAcquire::new(
            1,
            AcquireAction::PREEMPT_AND_ABORT,
            ReservationType::EXCLUSIVE_ACCESS_ALL,
        );
        assert_eq!((acquire.to_sqe().opcode, acquire.to_sqe().cdw10), (0x11, 0x0602));
        let release = ReservationRelease {
            dispersed: true,
            ..ReservationRelease::new(1, ReleaseAction::CLEAR, ReservationType::WRITE_EXCLUSIVE)
        };
        assert_eq!((release.to_sqe().opcode, release.to_sqe().cdw10), (0x15, 0x0111));
        let report = ReservationReport::new(1, 1023);
        let sqe = report.to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw10, sqe.cdw11), (0x0e, 1023, 1));
        assert_eq!((report.data_len(), ReservationReport::from_sqe(&sqe)), (4096, report));
    }

    #[test]
    fn keys() {
        let keys = ReservationKeys::new(0x0102_0304_0506_0708, 9);
        assert_eq!(keys.encode(), [8, 7, 6, 5, 4, 3, 2, 1, 9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ReservationKeys::decode(&keys.encode()), Ok(keys));
        assert_eq!(ReservationRelease::key(&ReservationRelease::data(77)), Ok(77));
        for len in 0..8 {
            assert_eq!(ReservationRelease::key(&[0; 8][..len]).unwrap_err().at, len);
            assert_eq!(ReservationKeys::decode(&[0; 16][..8 + len]).unwrap_err().at, 8 + len);
        }
    }
}
