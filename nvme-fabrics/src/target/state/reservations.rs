//! Reservations of a namespace: who is registered, who holds it, and what that keeps others from.
//!
//! This is a model without locks and time; [`super::reservation_actions`] has the commands that change it.

use std::collections::BTreeMap;

use nvme_proto::Cntlid;
use nvme_proto::HostId;
use nvme_proto::command::io::{
    RegistrantExtended, RegistrantStatus, ReservationStatus, ReservationStatusHeader, ReservationType,
};
use nvme_proto::log::ReservationEvent;

/// The kinds of commands that reservations tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// Read, Compare, Verify.
    Read,
    /// Write, Write Zeroes, Dataset Management, Flush.
    Write,
}

/// Which hosts have to be told what.
pub(crate) type Notices = Vec<(HostId, ReservationEvent)>;

/// Registrations and the reservation of one namespace.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    /// Counts registrations, and what takes reservations away.
    pub(super) generation: u32,
    /// The key of each registered host.
    pub(super) keys: BTreeMap<HostId, u64>,
    /// The reservation.
    pub(super) held: Option<Held>,
}

/// A reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) kind: ReservationType,
    /// Who took it. Of a kind that all registrants hold, it is who took it first.
    pub(super) by: HostId,
}

impl Reservations {
    /// Registrations that a namespace keeps at most: what a host can make the target remember.
    pub(super) const MAX_REGISTRANTS: usize = 1024;

    /// The kind of the reservation; [`ReservationType::NONE`] without one.
    pub(crate) fn kind(&self) -> ReservationType {
        self.held.map_or(ReservationType::NONE, |held| held.kind)
    }

    /// Whether the host holds the reservation.
    pub(super) fn holds(&self, host: HostId) -> bool {
        self.held.is_some_and(|held| {
            held.by == host || all_registrants(held.kind) && self.keys.contains_key(&host)
        })
    }

    /// Whether the reservation lets a host do such commands.
    pub(crate) fn allow(&self, host: HostId, group: Group) -> bool {
        let Some(held) = self.held else { return true };
        let registered = || self.keys.contains_key(&host);
        match (held.kind, group) {
            (
                ReservationType::WRITE_EXCLUSIVE
                | ReservationType::WRITE_EXCLUSIVE_REGISTRANTS
                | ReservationType::WRITE_EXCLUSIVE_ALL,
                Group::Read,
            ) => true,
            (ReservationType::WRITE_EXCLUSIVE | ReservationType::EXCLUSIVE_ACCESS, _) => held.by == host,
            _ => registered(),
        }
    }

    /// The data of Reservation Report, extended: the status and every registered host. Controllers are made when hosts connect, so that none
    /// can be named: they are FFFFh.
    pub(crate) fn report(&self) -> Vec<u8> {
        let registrants = u16::try_from(self.keys.len()).unwrap_or(u16::MAX);
        let mut header = ReservationStatusHeader::default();
        header.generation = self.generation;
        header.kind = self.kind();
        header.registrants = registrants;
        let mut report = Vec::from(header.encode());
        report.resize(ReservationStatus::EXTENDED_AT, 0);
        for (host, key) in &self.keys {
            let mut registrant = RegistrantExtended::default();
            registrant.cntlid = Cntlid::DYNAMIC;
            registrant.status = RegistrantStatus::default().with_reservation(self.holds(*host));
            registrant.key = *key;
            registrant.host_id = *host.as_bytes();
            report.extend_from_slice(&registrant.encode());
        }
        report
    }

    /// Every registered host but one, and the event it has to be told of.
    pub(super) fn all_but(&self, host: HostId, event: ReservationEvent) -> Notices {
        self.keys.keys().filter(|other| **other != host).map(|other| (*other, event)).collect()
    }

    pub(super) fn count(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }
}

/// Whether every registered host holds a reservation of this kind.
pub(super) const fn all_registrants(kind: ReservationType) -> bool {
    matches!(kind, ReservationType::WRITE_EXCLUSIVE_ALL | ReservationType::EXCLUSIVE_ACCESS_ALL)
}

/// Whether hosts are told when a reservation of this kind is given up: it let others than its holder in.
pub(super) const fn release_is_told(kind: ReservationType) -> bool {
    !matches!(kind, ReservationType::WRITE_EXCLUSIVE | ReservationType::EXCLUSIVE_ACCESS)
}
