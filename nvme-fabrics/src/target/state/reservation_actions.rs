//! Reservation commands.
//!
//! Every one of them says what the host is answered, and which other hosts have to be told what. Nothing changes when the answer is a failure.
//!
//! Source: NVMe Base 2.0 section 8.19, kernel `drivers/nvme/target/pr.c` (since Linux 6.13).

use nvme_proto::command::io::{AcquireAction, PersistChange, RegisterAction, ReleaseAction, ReservationType};
use nvme_proto::log::ReservationEvent;
use nvme_proto::{HostId, Status};

use super::reservations::{Held, Notices, Reservations, all_registrants, release_is_told};

/// Reservation Register.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Register {
    pub(crate) action: RegisterAction,
    pub(crate) ignore_key: bool,
    pub(crate) persist: PersistChange,
    pub(crate) current: u64,
    pub(crate) new: u64,
}

/// Reservation Acquire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acquire {
    pub(crate) action: AcquireAction,
    pub(crate) kind: ReservationType,
    pub(crate) current: u64,
    pub(crate) preempted: u64,
}

/// Reservation Release.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Release {
    pub(crate) action: ReleaseAction,
    pub(crate) kind: ReservationType,
    pub(crate) current: u64,
}

const CONFLICT: Status = Status::RESERVATION_CONFLICT.with_dnr();
const INVALID: Status = Status::INVALID_FIELD.with_dnr();

impl Reservations {
    /// Registers, unregisters, replaces a key.
    pub(crate) fn register(&mut self, host: HostId, command: &Register) -> Result<Notices, Status> {
        // What is held here is lost with the process.
        if !matches!(command.persist, PersistChange::NO_CHANGE | PersistChange::CLEAR) {
            return Err(INVALID);
        }
        let registered = self.keys.get(&host).copied();
        let knows_key = command.ignore_key || registered == Some(command.current);
        let notices = match (command.action, registered) {
            (RegisterAction::REGISTER, None) => {
                if self.keys.len() >= Self::MAX_REGISTRANTS {
                    return Err(Status::NOT_ENOUGH_RESOURCES);
                }
                self.keys.insert(host, command.new);
                Notices::new()
            }
            (RegisterAction::REGISTER, Some(key)) if key == command.new => Notices::new(),
            (RegisterAction::REPLACE, Some(_)) if knows_key => {
                self.keys.insert(host, command.new);
                Notices::new()
            }
            (RegisterAction::UNREGISTER, Some(_)) if knows_key => self.unregister(host),
            (RegisterAction::REGISTER | RegisterAction::REPLACE | RegisterAction::UNREGISTER, _) => {
                return Err(CONFLICT);
            }
            _ => return Err(INVALID),
        };
        self.count();
        Ok(notices)
    }

    /// Removes a registration, and the reservation with it if nobody is left who holds it.
    fn unregister(&mut self, host: HostId) -> Notices {
        self.keys.remove(&host);
        let Some(held) = self.held.filter(|held| held.by == host) else { return Notices::new() };
        match self.keys.keys().next() {
            Some(next) if all_registrants(held.kind) => {
                self.held = Some(Held { by: *next, ..held });
                Notices::new()
            }
            _ => {
                self.held = None;
                self.told_of_release(held.kind, host)
            }
        }
    }

    fn told_of_release(&self, kind: ReservationType, by: HostId) -> Notices {
        if release_is_told(kind) { self.all_but(by, ReservationEvent::RELEASED) } else { Notices::new() }
    }

    /// Takes the reservation, from another host if need be.
    pub(crate) fn acquire(&mut self, host: HostId, command: &Acquire) -> Result<Notices, Status> {
        let kinds = ReservationType::WRITE_EXCLUSIVE.0..=ReservationType::EXCLUSIVE_ACCESS_ALL.0;
        if !kinds.contains(&command.kind.0) {
            return Err(INVALID);
        }
        self.registered_with(host, command.current)?;
        match command.action {
            AcquireAction::ACQUIRE => match self.held {
                None => {
                    self.held = Some(Held { kind: command.kind, by: host });
                    Ok(Notices::new())
                }
                Some(held) if held.kind == command.kind && self.holds(host) => Ok(Notices::new()),
                Some(_) => Err(CONFLICT),
            },
            AcquireAction::PREEMPT | AcquireAction::PREEMPT_AND_ABORT => self.preempt(host, command),
            _ => Err(INVALID),
        }
    }

    fn preempt(&mut self, host: HostId, command: &Acquire) -> Result<Notices, Status> {
        let before = self.held;
        // Whose registrations go, and whether the reservation becomes this host's.
        let (everyone, takes) = match before {
            Some(held) if all_registrants(held.kind) && command.preempted == 0 => (true, true),
            Some(held) if all_registrants(held.kind) => (false, false),
            Some(held) => (false, self.keys.get(&held.by) == Some(&command.preempted)),
            None => (false, false),
        };
        if command.preempted == 0 && !everyone {
            return Err(INVALID);
        }
        let goes = |other: &HostId, key: &u64| *other != host && (everyone || *key == command.preempted);
        let own = self.keys.get(&host) == Some(&command.preempted);
        if !everyone && !own && !self.keys.iter().any(|(other, key)| goes(other, key)) {
            return Err(CONFLICT);
        }
        let mut notices = Notices::new();
        self.keys.retain(|other, key| {
            let stays = !goes(other, key);
            if !stays {
                notices.push((*other, ReservationEvent::REGISTRATION_PREEMPTED));
            }
            stays
        });
        if takes {
            self.held = Some(Held { kind: command.kind, by: host });
        } else if let Some(held) = self.held.filter(|held| !self.keys.contains_key(&held.by)) {
            // The first of those who all hold it went.
            self.held = self.keys.keys().next().map(|next| Held { by: *next, ..held });
        }
        if let Some(before) = before.filter(|_| takes) {
            if before.by != host {
                notices.push((before.by, ReservationEvent::PREEMPTED));
            }
            if before.kind != command.kind {
                notices.extend(self.told_of_release(before.kind, host));
            }
        }
        self.count();
        Ok(notices)
    }

    /// Gives the reservation up, or clears everything.
    pub(crate) fn release(&mut self, host: HostId, command: &Release) -> Result<Notices, Status> {
        self.registered_with(host, command.current)?;
        match command.action {
            ReleaseAction::RELEASE => {
                let Some(held) = self.held.filter(|_| self.holds(host)) else { return Ok(Notices::new()) };
                if held.kind != command.kind {
                    return Err(INVALID);
                }
                self.held = None;
                Ok(self.told_of_release(held.kind, host))
            }
            ReleaseAction::CLEAR => {
                let notices = self.all_but(host, ReservationEvent::PREEMPTED);
                self.held = None;
                self.keys.clear();
                self.count();
                Ok(notices)
            }
            _ => Err(INVALID),
        }
    }

    fn registered_with(&self, host: HostId, key: u64) -> Result<(), Status> {
        if self.keys.get(&host) == Some(&key) { Ok(()) } else { Err(CONFLICT) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reservations::Group;
    use super::*;
    use nvme_proto::command::io::ReservationStatus;

    const A: HostId = HostId::from_bytes([1; 16]);
    const B: HostId = HostId::from_bytes([2; 16]);
    const C: HostId = HostId::from_bytes([3; 16]);

    fn register(new: u64) -> Register {
        Register {
            action: RegisterAction::REGISTER,
            ignore_key: false,
            persist: PersistChange::NO_CHANGE,
            current: 0,
            new,
        }
    }

    fn acquire(current: u64, kind: ReservationType) -> Acquire {
        Acquire { action: AcquireAction::ACQUIRE, kind, current, preempted: 0 }
    }

    fn preempt(current: u64, preempted: u64, kind: ReservationType) -> Acquire {
        Acquire { action: AcquireAction::PREEMPT, kind, current, preempted }
    }

    fn release(current: u64, kind: ReservationType) -> Release {
        Release { action: ReleaseAction::RELEASE, kind, current }
    }

    /// A with key 10 and B with key 20; A holds a reservation of this kind. C is nobody.
    fn held(kind: ReservationType) -> Reservations {
        let mut all = Reservations::default();
        assert_eq!(all.register(A, &register(10)), Ok(vec![]));
        assert_eq!(all.register(B, &register(20)), Ok(vec![]));
        assert_eq!(all.acquire(A, &acquire(10, kind)), Ok(vec![]));
        all
    }

    /// For each kind: what the holder, a registered host and a stranger may do, reading and writing.
    #[test]
    fn who_may_do_what() {
        const RW: (bool, bool) = (true, true);
        const R: (bool, bool) = (true, false);
        const NO: (bool, bool) = (false, false);
        for (kind, holder, registered, stranger) in [
            (ReservationType::WRITE_EXCLUSIVE, RW, R, R),
            (ReservationType::EXCLUSIVE_ACCESS, RW, NO, NO),
            (ReservationType::WRITE_EXCLUSIVE_REGISTRANTS, RW, RW, R),
            (ReservationType::EXCLUSIVE_ACCESS_REGISTRANTS, RW, RW, NO),
            (ReservationType::WRITE_EXCLUSIVE_ALL, RW, RW, R),
            (ReservationType::EXCLUSIVE_ACCESS_ALL, RW, RW, NO),
        ] {
            let all = held(kind);
            let may = |host| (all.allow(host, Group::Read), all.allow(host, Group::Write));
            assert_eq!((may(A), may(B), may(C)), (holder, registered, stranger), "{kind}");
        }
        let free = Reservations::default();
        assert!(free.allow(C, Group::Read) && free.allow(C, Group::Write));
    }

    #[test]
    fn registrations() {
        let mut all = Reservations::default();
        let with = |action, current, new| Register { action, current, ..register(new) };
        for (host, command, expected) in [
            (A, register(10), Ok(vec![])),
            (A, register(10), Ok(vec![])),
            (A, register(11), Err(CONFLICT)),
            (A, with(RegisterAction::REPLACE, 9, 11), Err(CONFLICT)),
            (A, with(RegisterAction::REPLACE, 10, 11), Ok(vec![])),
            (B, with(RegisterAction::REPLACE, 0, 1), Err(CONFLICT)),
            (B, with(RegisterAction::UNREGISTER, 0, 0), Err(CONFLICT)),
            (A, with(RegisterAction(5), 11, 0), Err(INVALID)),
            (A, Register { persist: PersistChange::SET, ..register(11) }, Err(INVALID)),
            (A, with(RegisterAction::UNREGISTER, 12, 0), Err(CONFLICT)),
            (A, Register { ignore_key: true, ..with(RegisterAction::UNREGISTER, 12, 0) }, Ok(vec![])),
        ] {
            assert_eq!(all.register(host, &command), expected, "{command:?}");
        }
        assert_eq!((all.generation, all.keys.len()), (4, 0));
        for number in 0..1024_u128 {
            assert_eq!(all.register(HostId::from_bytes(number.to_be_bytes()), &register(1)), Ok(vec![]));
        }
        assert_eq!(
            all.register(HostId::from_bytes([0xff; 16]), &register(1)),
            Err(Status::NOT_ENOUGH_RESOURCES)
        );
    }

    #[test]
    fn taking_and_giving_up() {
        let mut all = held(ReservationType::WRITE_EXCLUSIVE);
        assert_eq!(all.acquire(A, &acquire(10, ReservationType::WRITE_EXCLUSIVE)), Ok(vec![]));
        assert_eq!(all.acquire(A, &acquire(10, ReservationType::EXCLUSIVE_ACCESS)), Err(CONFLICT));
        assert_eq!(all.acquire(B, &acquire(20, ReservationType::WRITE_EXCLUSIVE)), Err(CONFLICT));
        assert_eq!(all.acquire(A, &acquire(11, ReservationType::WRITE_EXCLUSIVE)), Err(CONFLICT));
        assert_eq!(all.acquire(A, &acquire(10, ReservationType(7))), Err(INVALID));
        assert_eq!(all.acquire(A, &acquire(10, ReservationType::NONE)), Err(INVALID));
        assert_eq!(all.release(C, &release(0, ReservationType::WRITE_EXCLUSIVE)), Err(CONFLICT));
        assert_eq!(all.release(B, &release(20, ReservationType::WRITE_EXCLUSIVE)), Ok(vec![]), "not its own");
        assert_eq!(all.kind(), ReservationType::WRITE_EXCLUSIVE);
        assert_eq!(all.release(A, &release(10, ReservationType::EXCLUSIVE_ACCESS)), Err(INVALID));
        assert_eq!(all.release(A, &release(10, ReservationType::WRITE_EXCLUSIVE)), Ok(vec![]));
        assert_eq!(all.kind(), ReservationType::NONE);
        let mut all = held(ReservationType::EXCLUSIVE_ACCESS_REGISTRANTS);
        let kind = ReservationType::EXCLUSIVE_ACCESS_REGISTRANTS;
        assert_eq!(all.release(A, &release(10, kind)), Ok(vec![(B, ReservationEvent::RELEASED)]));
        let clear = Release { action: ReleaseAction::CLEAR, ..release(20, ReservationType::NONE) };
        assert_eq!(all.release(B, &clear), Ok(vec![(A, ReservationEvent::PREEMPTED)]));
        assert!(all.keys.is_empty());
    }

    #[test]
    fn the_holder_leaves() {
        let leave = |key| Register { action: RegisterAction::UNREGISTER, current: key, ..register(0) };
        let mut all = held(ReservationType::WRITE_EXCLUSIVE);
        assert_eq!(all.register(A, &leave(10)), Ok(vec![]));
        assert_eq!(all.kind(), ReservationType::NONE);
        let mut all = held(ReservationType::WRITE_EXCLUSIVE_REGISTRANTS);
        assert_eq!(all.register(A, &leave(10)), Ok(vec![(B, ReservationEvent::RELEASED)]));
        let mut all = held(ReservationType::WRITE_EXCLUSIVE_ALL);
        assert_eq!(all.register(A, &leave(10)), Ok(vec![]));
        assert!(all.holds(B) && all.kind() == ReservationType::WRITE_EXCLUSIVE_ALL);
        assert_eq!(all.register(B, &leave(20)), Ok(vec![]));
        assert_eq!(all.kind(), ReservationType::NONE);
    }

    #[test]
    fn preemption() {
        let kind = ReservationType::EXCLUSIVE_ACCESS;
        let mut all = held(ReservationType::WRITE_EXCLUSIVE);
        assert_eq!(all.acquire(B, &preempt(20, 0, kind)), Err(INVALID));
        assert_eq!(all.acquire(B, &preempt(20, 99, kind)), Err(CONFLICT));
        assert_eq!(
            all.acquire(B, &preempt(20, 10, kind)),
            Ok(vec![(A, ReservationEvent::REGISTRATION_PREEMPTED), (A, ReservationEvent::PREEMPTED)])
        );
        assert!(all.holds(B) && all.kind() == kind && all.keys.len() == 1);
        // The holder throws another one out, and keeps its reservation.
        let mut all = held(ReservationType::WRITE_EXCLUSIVE);
        assert_eq!(
            all.acquire(A, &preempt(10, 20, kind)),
            Ok(vec![(B, ReservationEvent::REGISTRATION_PREEMPTED)])
        );
        assert!(all.holds(A) && all.kind() == ReservationType::WRITE_EXCLUSIVE);
        // The holder preempts itself to change the kind.
        assert_eq!(all.acquire(A, &preempt(10, 10, kind)), Ok(vec![]));
        assert!(all.holds(A) && all.kind() == kind);
        // All hold it: key 0 throws everyone out.
        let mut all = held(ReservationType::WRITE_EXCLUSIVE_ALL);
        assert_eq!(
            all.acquire(B, &preempt(20, 0, kind)),
            Ok(vec![(A, ReservationEvent::REGISTRATION_PREEMPTED), (A, ReservationEvent::PREEMPTED)])
        );
        assert!(all.holds(B) && all.kind() == kind);
        // All hold it: another key throws that host out, and the others keep it.
        let mut all = held(ReservationType::WRITE_EXCLUSIVE_ALL);
        assert_eq!(
            all.acquire(B, &preempt(20, 10, kind)),
            Ok(vec![(A, ReservationEvent::REGISTRATION_PREEMPTED)])
        );
        assert!(all.holds(B) && all.kind() == ReservationType::WRITE_EXCLUSIVE_ALL);
        // Without a reservation, registrations go, and nothing is taken.
        let mut all = Reservations::default();
        all.register(A, &register(10)).unwrap();
        all.register(B, &register(20)).unwrap();
        assert!(all.acquire(B, &preempt(20, 10, kind)).is_ok());
        assert_eq!((all.kind(), all.keys.len()), (ReservationType::NONE, 1));
    }

    #[test]
    fn the_report_names_everyone() {
        let report = held(ReservationType::WRITE_EXCLUSIVE_REGISTRANTS).report();
        let status = ReservationStatus::new(&report).unwrap();
        let header = status.header();
        assert_eq!((header.generation, header.registrants, header.persists), (2, 2, 0));
        assert_eq!(header.kind, ReservationType::WRITE_EXCLUSIVE_REGISTRANTS);
        let all: Vec<_> = status
            .registrants_extended()
            .map(|r| (r.cntlid.0, r.status.holds_reservation(), r.key, r.host_id))
            .collect();
        assert_eq!(all, [(0xffff, true, 10, [1; 16]), (0xffff, false, 20, [2; 16])]);
    }
}
