//! Asynchronous events of a controller: which are on, which wait to be reported, which are masked because the host has not read the log of the
//! last one.

use nvme_proto::event::{AsyncEvent, EventCode};
use nvme_proto::feature::AsyncEventConfiguration;
use nvme_proto::log::LogId;

/// Events that this target reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Event {
    /// A namespace came, went, or changed its size.
    Namespaces = 1 << 0,
    /// The access to a group of namespaces changed.
    Ana = 1 << 1,
    /// The discovery log changed.
    Discovery = 1 << 2,
    /// A reservation was released or taken away.
    Reservation = 1 << 3,
}

impl Event {
    const ALL: [Self; 4] = [Self::Namespaces, Self::Ana, Self::Discovery, Self::Reservation];

    /// What is reported.
    pub(crate) const fn code(self) -> EventCode {
        match self {
            Self::Namespaces => EventCode::NAMESPACE_CHANGED,
            Self::Ana => EventCode::ANA_CHANGED,
            Self::Discovery => EventCode::DISCOVERY_CHANGED,
            Self::Reservation => EventCode::RESERVATION,
        }
    }

    /// The event whose log this is.
    pub(crate) const fn of_log(log: LogId) -> Option<Self> {
        match log {
            LogId::CHANGED_NAMESPACES => Some(Self::Namespaces),
            LogId::ANA => Some(Self::Ana),
            LogId::DISCOVERY => Some(Self::Discovery),
            LogId::RESERVATION => Some(Self::Reservation),
            _ => None,
        }
    }

    fn is_on(self, config: AsyncEventConfiguration) -> bool {
        match self {
            Self::Namespaces => config.namespace(),
            Self::Ana => config.ana(),
            Self::Discovery => config.discovery(),
            // It has masks of its own.
            Self::Reservation => true,
        }
    }
}

/// The events of one controller. An event that happens again before it was reported is reported once: nothing here grows.
///
/// An event is masked from its report until its log is read without the wish to keep it (RAE). The mask is for each event and not, as the
/// specification has it, for all of a type: a host that waits to read one log does not miss that another changed. Linux's target does the same.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) config: AsyncEventConfiguration,
    waiting: u8,
    masked: u8,
}

impl Events {
    pub(crate) const fn new(config: AsyncEventConfiguration) -> Self {
        Self { config, waiting: 0, masked: 0 }
    }

    /// Something happened. Says whether it may have to be reported.
    pub(crate) fn raise(&mut self, event: Event) -> bool {
        if !event.is_on(self.config) {
            return false;
        }
        self.waiting |= event as u8;
        self.waiting & !self.masked != 0
    }

    /// What there is to report, if a host wants to know now. It is masked from then on.
    pub(crate) fn report(&mut self) -> Option<AsyncEvent> {
        let ready = self.waiting & !self.masked;
        let event = Event::ALL.into_iter().find(|event| ready & *event as u8 != 0)?;
        self.waiting &= !(event as u8);
        self.masked |= event as u8;
        Some(AsyncEvent::new(event.code()))
    }

    /// Its log was read. Says whether something waits to be reported.
    pub(crate) fn unmask(&mut self, event: Event) -> bool {
        self.masked &= !(event as u8);
        self.waiting & !self.masked != 0
    }

    /// Which events are on from now on. What waits and is off is forgotten.
    pub(crate) fn configure(&mut self, config: AsyncEventConfiguration) {
        self.config = config;
        for event in Event::ALL {
            if !event.is_on(config) {
                self.waiting &= !(event as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_on() -> Events {
        Events::new(
            AsyncEventConfiguration::default().with_namespace(true).with_ana(true).with_discovery(true),
        )
    }

    #[test]
    fn an_event_is_reported_once_until_its_log_is_read() {
        let mut events = all_on();
        assert_eq!(events.report(), None);
        assert!(events.raise(Event::Namespaces) && events.raise(Event::Namespaces));
        assert_eq!(events.report().map(|event| event.0), Some(0x0004_0002));
        assert_eq!(events.report(), None);
        assert!(!events.raise(Event::Namespaces), "masked");
        assert!(events.raise(Event::Ana));
        assert_eq!(events.report().map(|event| event.0), Some(0x000c_0302), "another is not");
        assert!(events.unmask(Event::Namespaces));
        assert_eq!(events.report().map(|event| event.0), Some(0x0004_0002));
        assert!(!events.unmask(Event::Namespaces) && events.report().is_none());
    }

    #[test]
    fn what_is_off_does_not_wait() {
        let mut events = Events::new(AsyncEventConfiguration::default());
        assert!(!events.raise(Event::Discovery) && !events.raise(Event::Ana));
        assert!(events.raise(Event::Reservation), "has its own masks");
        assert_eq!(events.report().map(|event| event.0), Some(0x0080_0006));
        let mut events = all_on();
        assert!(events.raise(Event::Discovery));
        events.configure(AsyncEventConfiguration::default());
        assert_eq!(events.report(), None);
        events.configure(AsyncEventConfiguration::default().with_discovery(true));
        assert!(events.raise(Event::Discovery));
        assert_eq!(events.report().map(|event| event.0), Some(0x0070_f002));
    }

    #[test]
    fn each_log_clears_its_own_event() {
        for event in Event::ALL {
            assert_eq!(event.code().log().and_then(Event::of_log), Some(event));
        }
        assert_eq!(Event::of_log(LogId::HEALTH), None);
    }
}
