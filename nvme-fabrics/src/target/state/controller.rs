//! A controller: what a host was given when it connected. One for each association, shared by the connections of its queues.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use nvme_proto::fabrics::{ControllerConfiguration, ControllerStatus};
use nvme_proto::feature::{AsyncEventConfiguration, ReservationNotificationMask};
use nvme_proto::log::ReservationEvent;
use nvme_proto::machine::{KeepAlive, Time};
use nvme_proto::{Cntlid, HostId, HostNqn, Nsid};

use super::{
    ChangedNamespaces, ErrorRecord, ErrorRing, Event, Events, Letter, Mailbox, PortState, SubsystemState,
    lock,
};
use crate::target::connection::Termination;

/// What a controller is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ControllerKind {
    /// Namespaces.
    Io,
    /// The discovery log.
    Discovery,
}

/// The connections of an association.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// The mailbox of each I/O queue.
    pub(crate) io: BTreeMap<u16, Arc<Mailbox>>,
    /// The association has come to its end.
    pub(crate) ended: bool,
}

/// A notice of the log page of reservations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReservationNotice {
    pub(crate) number: u64,
    pub(crate) event: ReservationEvent,
    pub(crate) nsid: Nsid,
}

/// Notices of reservations that wait to be read, and what the host does not want to know.
#[derive(Debug, Default)]
pub(crate) struct ReservationNotices {
    pub(crate) waiting: VecDeque<ReservationNotice>,
    pub(crate) masks: BTreeMap<Nsid, ReservationNotificationMask>,
    count: u64,
}

/// A controller.
#[derive(Debug)]
pub(crate) struct Controller {
    pub(crate) cntlid: Cntlid,
    pub(crate) kind: ControllerKind,
    pub(crate) subsystem: Arc<SubsystemState>,
    pub(crate) port: Arc<PortState>,
    pub(crate) hostnqn: HostNqn,
    pub(crate) host_id: HostId,
    /// The address the host connected to, for the discovery log.
    pub(crate) local: Option<std::net::SocketAddr>,
    configuration: AtomicU32,
    status: AtomicU8,
    /// Keep-alive time-out, ms; 0 without.
    keep_alive: AtomicU32,
    /// When the host last showed itself.
    seen: AtomicU64,
    /// I/O queues that the host was granted.
    pub(crate) granted: AtomicU16,
    pub(crate) admin: Arc<Mailbox>,
    pub(crate) queues: Mutex<Queues>,
    pub(crate) events: Mutex<Events>,
    pub(crate) changed: Mutex<ChangedNamespaces>,
    pub(crate) errors: Mutex<ErrorRing>,
    pub(crate) reservations: Mutex<ReservationNotices>,
    /// What the discovery log said when the host was last told of a change.
    pub(crate) discovery: Mutex<u64>,
}

/// What makes a controller.
#[derive(Debug)]
pub(crate) struct Founding {
    pub(crate) cntlid: Cntlid,
    pub(crate) subsystem: Arc<SubsystemState>,
    pub(crate) port: Arc<PortState>,
    pub(crate) hostnqn: HostNqn,
    pub(crate) host_id: HostId,
    pub(crate) local: Option<std::net::SocketAddr>,
    pub(crate) admin: Arc<Mailbox>,
}

impl Controller {
    /// Granularity of the keep-alive time-out, ms (KAS, there in units of 100 ms).
    pub(crate) const KEEP_ALIVE_UNIT: u32 = 1000;
    /// How long a controller that is not enabled, and a discovery controller without a keep-alive time-out, may be idle.
    const IDLE: Duration = Duration::from_secs(120);
    /// How old the time at which the host last showed itself may be.
    const SEEN_UNIT: u64 = 50;
    /// Notices of reservations that are kept; older ones are lost, and the host sees that from their numbers.
    const NOTICES: usize = 64;

    pub(crate) fn new(founding: Founding, keep_alive: u32, now: Time) -> Self {
        let Founding { cntlid, subsystem, port, hostnqn, host_id, local, admin } = founding;
        let kind = subsystem.kind;
        Self {
            cntlid,
            kind,
            granted: AtomicU16::new(Self::most_queues(&subsystem)),
            subsystem,
            port,
            hostnqn,
            host_id,
            local,
            configuration: AtomicU32::new(0),
            status: AtomicU8::new(0),
            keep_alive: AtomicU32::new(rounded(keep_alive)),
            seen: AtomicU64::new(now.as_millis()),
            admin,
            queues: Mutex::default(),
            events: Mutex::new(Events::new(Self::default_events(kind))),
            changed: Mutex::default(),
            errors: Mutex::default(),
            reservations: Mutex::default(),
            discovery: Mutex::new(0),
        }
    }

    /// I/O queues that a host may have: none for discovery.
    fn most_queues(subsystem: &SubsystemState) -> u16 {
        match subsystem.kind {
            ControllerKind::Io => subsystem.config.queues,
            ControllerKind::Discovery => 0,
        }
    }

    /// The events that are on when a controller is made, as the Linux target has them.
    pub(crate) fn default_events(kind: ControllerKind) -> AsyncEventConfiguration {
        let none = AsyncEventConfiguration::default();
        match kind {
            ControllerKind::Io => none.with_namespace(true).with_ana(true),
            ControllerKind::Discovery => none,
        }
    }

    /// CC.
    pub(crate) fn configuration(&self) -> ControllerConfiguration {
        ControllerConfiguration(self.configuration.load(Ordering::Relaxed))
    }

    /// CSTS.
    pub(crate) fn status(&self) -> ControllerStatus {
        ControllerStatus(self.status.load(Ordering::Acquire).into())
    }

    /// Whether commands are done: CSTS.RDY.
    pub(crate) fn is_ready(&self) -> bool {
        self.status.load(Ordering::Acquire) & 1 != 0
    }

    /// Sets both.
    pub(crate) fn configure(&self, configuration: ControllerConfiguration, status: ControllerStatus) {
        self.configuration.store(configuration.0, Ordering::Relaxed);
        let [low, ..] = status.0.to_le_bytes();
        self.status.store(low, Ordering::Release);
    }

    /// The controller is no longer enabled: I/O queues end, and what the host set is forgotten.
    pub(crate) fn reset(&self) {
        for mailbox in lock(&self.queues).io.values() {
            mailbox.terminate(Termination::ControllerReset);
        }
        self.granted.store(Self::most_queues(&self.subsystem), Ordering::Relaxed);
        *lock(&self.events) = Events::new(Self::default_events(self.kind));
        lock(&self.changed).clear();
        *lock(&self.reservations) = ReservationNotices::default();
    }

    /// The association is over: every connection of it ends.
    pub(crate) fn terminate(&self, reason: Termination) {
        self.admin.terminate(reason);
        let mut queues = lock(&self.queues);
        queues.ended = true;
        for mailbox in queues.io.values() {
            mailbox.terminate(reason);
        }
    }

    /// The host showed itself.
    pub(crate) fn seen(&self, now: Time) {
        let now = now.as_millis();
        // Written seldom: every queue looks at it.
        if now >= self.seen.load(Ordering::Relaxed).saturating_add(Self::SEEN_UNIT) {
            self.seen.store(now, Ordering::Relaxed);
        }
    }

    /// When the host last showed itself, up to 50 ms ago.
    pub(crate) fn last_seen(&self) -> Time {
        Time::from_millis(self.seen.load(Ordering::Relaxed))
    }

    /// The keep-alive time-out, ms; 0 without.
    pub(crate) fn keep_alive_millis(&self) -> u32 {
        self.keep_alive.load(Ordering::Relaxed)
    }

    /// Sets it, rounded up to whole seconds.
    pub(crate) fn set_keep_alive(&self, millis: u32) {
        self.keep_alive.store(rounded(millis), Ordering::Relaxed);
        self.admin.send(Letter::KeepAlive);
    }

    /// The timer that the admin queue runs. Any command of the association starts it over (CTRATT.TBKAS).
    pub(crate) fn keep_alive(&self) -> Option<KeepAlive> {
        let millis = self.keep_alive_millis();
        let timeout = Duration::from_millis(u64::from(millis).saturating_add(Self::SEEN_UNIT));
        match (self.configuration().enable(), millis) {
            (true, 0) if self.kind == ControllerKind::Io => None,
            (true, 1..) => Some(KeepAlive::Traffic(timeout)),
            _ => Some(KeepAlive::Traffic(timeout.max(Self::IDLE))),
        }
    }

    /// Reports an event, if the host wants to know.
    pub(crate) fn raise(&self, event: Event) {
        if lock(&self.events).raise(event) {
            self.admin.send(Letter::Event);
        }
    }

    /// A namespace changed.
    pub(crate) fn namespace_changed(&self, nsid: Nsid) {
        lock(&self.changed).add(nsid);
        self.raise(Event::Namespaces);
    }

    /// Something happened to a reservation that this host is told of.
    pub(crate) fn reservation_changed(&self, nsid: Nsid, event: ReservationEvent) {
        let mut notices = lock(&self.reservations);
        let mask = notices.masks.get(&nsid).copied().unwrap_or_default();
        let masked = match event {
            ReservationEvent::REGISTRATION_PREEMPTED => mask.registration_preempted(),
            ReservationEvent::RELEASED => mask.released(),
            _ => mask.preempted(),
        };
        if masked {
            return;
        }
        // 0 is the number of an empty page.
        notices.count = notices.count.checked_add(1).unwrap_or(1);
        let number = notices.count;
        if notices.waiting.len() >= Self::NOTICES {
            notices.waiting.pop_front();
        }
        notices.waiting.push_back(ReservationNotice { number, event, nsid });
        drop(notices);
        self.raise(Event::Reservation);
    }

    /// A command failed.
    pub(crate) fn failed(&self, record: ErrorRecord) {
        lock(&self.errors).record(record);
    }

    /// I/O queues that are connected.
    pub(crate) fn io_queues(&self) -> usize {
        lock(&self.queues).io.len()
    }
}

/// Upgrades those that still exist.
pub(super) fn living(controllers: &BTreeMap<u16, Weak<Controller>>) -> Vec<Arc<Controller>> {
    controllers.values().filter_map(Weak::upgrade).collect()
}

/// Rounded up to the granularity.
const fn rounded(millis: u32) -> u32 {
    match millis.div_ceil(Controller::KEEP_ALIVE_UNIT).checked_mul(Controller::KEEP_ALIVE_UNIT) {
        Some(rounded) => rounded,
        None => millis,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs_are_whole_seconds() {
        assert_eq!([0, 1, 1000, 1001, u32::MAX].map(rounded), [0, 1000, 1000, 2000, u32::MAX]);
    }
}
