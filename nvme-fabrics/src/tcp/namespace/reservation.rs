//! Reservations: which hosts may write, or read, a namespace that several share.
//!
//! None of the commands that change something is sent again when its connection is lost: its outcome is unknown then, and
//! [`reservations`](Namespace::reservations) tells it.

use bytes::Bytes;
use nvme_proto::command::io::{
    AcquireAction, PersistChange, RegisterAction, RegistrantExtended, ReleaseAction, ReservationAcquire,
    ReservationKeys, ReservationRegister, ReservationRelease, ReservationReport, ReservationStatus,
    ReservationStatusHeader, ReservationType,
};

use super::super::buffer::ReadBuffer;
use super::super::error::CommandError;
use super::super::queue::{Effect, Payload};
use super::Namespace;

/// Registrants of the first report; as many again as it counts are asked for when there are more.
const REGISTRANTS: usize = 62;

/// Who is registered with a namespace, and who holds its reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reservations {
    /// Kind, generation and whether it persists.
    pub status: ReservationStatusHeader,
    /// The registered controllers.
    pub registrants: Vec<RegistrantExtended>,
}

impl Namespace {
    /// Registers a key of this host, replaces it, or removes the registration. `current` is the key that is registered (0 for none), `new` the one to
    /// be. With [`RegisterAction::REPLACE`] a wrong `current` is a Reservation Conflict.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn reservation_register(
        &self,
        action: RegisterAction,
        current: u64,
        new: u64,
        persist: PersistChange,
    ) -> Result<(), CommandError> {
        let mut command = ReservationRegister::new(self.shape.nsid.get(), action);
        command.persist = persist;
        let keys = Bytes::copy_from_slice(&ReservationKeys::new(current, new).encode());
        self.command(command.to_sqe(), Payload::Write(keys), Effect::Other).await?;
        Ok(())
    }

    /// Takes the reservation, or takes it from the hosts that are registered with the key `other`. `current` is this host's key.
    ///
    /// # Errors
    /// [`CommandError`]; a Reservation Conflict when another host holds it.
    pub async fn reservation_acquire(
        &self,
        action: AcquireAction,
        kind: ReservationType,
        current: u64,
        other: u64,
    ) -> Result<(), CommandError> {
        let sqe = ReservationAcquire::new(self.shape.nsid.get(), action, kind).to_sqe();
        let keys = Bytes::copy_from_slice(&ReservationKeys::new(current, other).encode());
        self.command(sqe, Payload::Write(keys), Effect::Other).await?;
        Ok(())
    }

    /// Gives the reservation up, or removes it with all registrations. `current` is this host's key.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn reservation_release(
        &self,
        action: ReleaseAction,
        kind: ReservationType,
        current: u64,
    ) -> Result<(), CommandError> {
        let sqe = ReservationRelease::new(self.shape.nsid.get(), action, kind).to_sqe();
        let key = Bytes::copy_from_slice(&ReservationRelease::data(current));
        self.command(sqe, Payload::Write(key), Effect::Other).await?;
        Ok(())
    }

    /// Who is registered and who holds the reservation, however many there are.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn reservations(&self) -> Result<Reservations, CommandError> {
        let mut room = REGISTRANTS;
        loop {
            let len =
                room.saturating_mul(RegistrantExtended::LEN).saturating_add(ReservationStatus::EXTENDED_AT);
            let dwords = u32::try_from(len / 4).unwrap_or(u32::MAX);
            let sqe = ReservationReport::new(self.shape.nsid.get(), dwords.saturating_sub(1)).to_sqe();
            let data = Payload::Read(ReadBuffer::zeroed(len));
            let bytes = self.command(sqe, data, Effect::Nothing).await?.into_bytes();
            let report = ReservationStatus::new(&bytes)?;
            let (status, registrants) = (report.header(), report.registrants_extended().collect());
            // The count has 16 bits; a second report has room for all of them.
            let all = usize::from(status.registrants);
            if all <= room {
                return Ok(Reservations { status, registrants });
            }
            room = all;
        }
    }
}
