//! The answer to Reservation Report.

use super::ReservationType;
use crate::bits::{bit_group, record};
use crate::error::DecodeError;
use crate::types::Cntlid;

bit_group! {
    /// What a registered controller has to do with the reservation. 1 byte.
    #[doc(alias = "RCSTS")]
    pub struct RegistrantStatus(u8) {
        /// Its host holds the reservation.
        [0] holds_reservation with_reservation: bool, "HOLDSR";
    }
}

record! {
    /// What is in front of the registrants.
    ///
    /// Source: NVMe Base 2.0 section 7.5.
    pub struct ReservationStatusHeader("reservation status", 24) {
        /// Counts the changes of registrations and the reservation.
        [0..4] generation: u32, "GEN";
        /// The reservation.
        [4..5] kind: ReservationType, "RTYPE";
        /// Registered controllers.
        [5..7] registrants: u16, "REGSTRNT";
        /// 1 when it persists over a loss of power.
        [9..10] persists: u8, "PTPLS";
    }

    /// A registered controller, in the form with host identifiers of 8 bytes.
    ///
    /// Source: NVMe Base 2.0 section 7.5.
    pub struct Registrant("registered controller", 24) {
        /// Which controller; 0xffff for a host that is not connected.
        [0..2] cntlid: Cntlid, "CNTLID";
        /// What it has to do with the reservation.
        [2..3] status: RegistrantStatus, "RCSTS";
        /// Its host.
        [8..16] host_id: u64, "HOSTID";
        /// Its key.
        [16..24] key: u64, "RKEY";
    }

    /// A registered controller, in the extended form: host identifiers of 16 bytes, as on fabrics. Key and host stand the other way round.
    ///
    /// Source: NVMe Base 2.0 section 7.5, kernel `include/linux/nvme.h: struct nvme_registered_ctrl_ext`.
    pub struct RegistrantExtended("registered controller (extended)", 64) {
        /// Which controller; 0xffff for a host that is not connected.
        [0..2] cntlid: Cntlid, "CNTLID";
        /// What it has to do with the reservation.
        [2..3] status: RegistrantStatus, "RCSTS";
        /// Its key.
        [8..16] key: u64, "RKEY";
        /// Its host: the bytes of a [`HostId`](crate::HostId).
        [16..32] host_id: [u8; 16], "HOSTID";
    }
}

/// Who is registered and who holds the reservation: a header and registrants, of the form the command asked for.
///
/// | bytes | extended | not extended |
/// |---|---|---|
/// | 0..24 | [`ReservationStatusHeader`] | [`ReservationStatusHeader`] |
/// | 24..64 | reserved | |
/// | then | [`RegistrantExtended`], 64 each | [`Registrant`], 24 each |
///
/// Both iterators end where the count of the header does, or the bytes, whichever is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReservationStatus<'a> {
    header: ReservationStatusHeader,
    bytes: &'a [u8],
}

impl<'a> ReservationStatus<'a> {
    /// Offset of the registrants in the extended form.
    pub const EXTENDED_AT: usize = 64;

    /// The status in these bytes, which need not hold all registrants.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort) when the header is not there.
    pub fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self { header: ReservationStatusHeader::decode(bytes)?, bytes })
    }

    /// What is in front of the registrants.
    #[must_use]
    pub const fn header(&self) -> ReservationStatusHeader {
        self.header
    }

    /// The registrants, when the command did not ask for the extended form.
    pub fn registrants(&self) -> impl Iterator<Item = Registrant> + 'a {
        let (entries, _) = self.bytes.get(ReservationStatusHeader::LEN..).unwrap_or_default().as_chunks();
        entries.iter().take(self.header.registrants.into()).map(Registrant::from_bytes)
    }

    /// The registrants, when the command asked for the extended form.
    pub fn registrants_extended(&self) -> impl Iterator<Item = RegistrantExtended> + 'a {
        let (entries, _) = self.bytes.get(Self::EXTENDED_AT..).unwrap_or_default().as_chunks();
        entries.iter().take(self.header.registrants.into()).map(RegistrantExtended::from_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn header(registrants: u16) -> ReservationStatusHeader {
        ReservationStatusHeader {
            generation: 5,
            kind: ReservationType::WRITE_EXCLUSIVE,
            registrants,
            persists: 1,
        }
    }

    #[test]
    fn two_registrants_in_both_forms() {
        let status = RegistrantStatus::default().with_reservation(true);
        let registrant = Registrant { cntlid: Cntlid(1), status, host_id: 0x1122, key: 0x3344 };
        let mut bytes = header(2).encode().to_vec();
        // The count is not aligned.
        assert_eq!(bytes[..10], [5, 0, 0, 0, 1, 2, 0, 0, 0, 1]);
        bytes.extend(registrant.encode());
        bytes.extend(Registrant { cntlid: Cntlid(2), ..registrant }.encode());
        assert_eq!(bytes[24..48][..12], [1, 0, 1, 0, 0, 0, 0, 0, 0x22, 0x11, 0, 0]);
        let view = ReservationStatus::new(&bytes).unwrap();
        let found: Vec<_> = view.registrants().collect();
        assert_eq!((found.len(), found[0], found[1].cntlid), (2, registrant, Cntlid(2)));
        assert_eq!(view.header(), header(2));

        let host_id = [7; 16];
        let extended = RegistrantExtended { cntlid: Cntlid(3), status, key: 0x3344, host_id };
        let mut bytes = header(1).encode().to_vec();
        bytes.resize(64, 0);
        bytes.extend(extended.encode());
        assert_eq!(bytes[64..96][8..18], [0x44, 0x33, 0, 0, 0, 0, 0, 0, 7, 7]);
        let view = ReservationStatus::new(&bytes).unwrap();
        assert_eq!(view.registrants_extended().collect::<Vec<_>>(), [extended]);
    }

    #[test]
    fn the_count_is_bounded_by_the_bytes() {
        let mut bytes = vec![0; 4096];
        bytes[..24].copy_from_slice(&header(u16::MAX).encode());
        let view = ReservationStatus::new(&bytes).unwrap();
        assert_eq!(view.registrants().count(), (4096 - 24) / 24);
        assert_eq!(view.registrants_extended().count(), (4096 - 64) / 64);
        let view = ReservationStatus::new(&bytes[..24]).unwrap();
        assert_eq!((view.registrants().count(), view.registrants_extended().count()), (0, 0));
        for len in 0..24 {
            assert_eq!(ReservationStatus::new(&bytes[..len]).unwrap_err().at, len);
        }
    }
}
