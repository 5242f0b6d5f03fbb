//! When to connect, read, listen and wait, without doing any of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use nvme_proto::discovery::DiscoveryLog;

use super::{WatchEvent, WatchOptions};
use crate::discovery::DiscoveryController;
use crate::discovery::tcp::changes::changes;

/// What to do next. The answer goes to the function of the same row.
///
/// | step | done | failed |
/// |---|---|---|
/// | `Connect` | [`connected`](Machine::connected) | [`failed`](Machine::failed) |
/// | `Read` | [`read`](Machine::read) | [`failed`](Machine::failed) |
/// | `Listen` | [`announced`](Machine::announced), also when the time is over | [`failed`](Machine::failed) |
/// | `Pause` | [`paused`](Machine::paused) | |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Connect.
    Connect,
    /// Read the log.
    Read,
    /// Wait for a notice, for this time at most.
    Listen(Option<Duration>),
    /// Wait.
    Pause(Duration),
}

/// Whether the controller tells when its log changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::discovery::tcp) enum Notices {
    /// It does.
    Sent,
    /// It has to be asked.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Reading,
    Listening,
    /// Between a notice and the reading.
    Settling,
    /// Between a loss and the next attempt.
    Resting(Duration),
}

/// One persistent discovery connection.
#[derive(Debug)]
pub(super) struct Machine<E> {
    options: WatchOptions,
    phase: Phase,
    notices: Notices,
    /// The last log; empty at the beginning.
    known: Arc<DiscoveryLog>,
    /// A log was read since the beginning.
    any_log: bool,
    /// Attempts in a row that did not lead to a log.
    failures: u32,
    /// What is to be told. No step is taken before all of it is: so it never holds more than the entries of two logs.
    told: VecDeque<WatchEvent<E>>,
}

impl<E> Machine<E> {
    pub(super) fn new(options: WatchOptions) -> Self {
        Self {
            options,
            phase: Phase::Connecting,
            notices: Notices::None,
            known: Arc::default(),
            any_log: false,
            failures: 0,
            told: VecDeque::new(),
        }
    }

    /// What is to be told; to be emptied before [`step`](Self::step).
    pub(super) fn tell(&mut self) -> Option<WatchEvent<E>> {
        self.told.pop_front()
    }

    pub(super) fn step(&self) -> Step {
        match self.phase {
            Phase::Connecting => Step::Connect,
            Phase::Reading => Step::Read,
            Phase::Listening => Step::Listen(match self.notices {
                Notices::Sent => self.options.reread_every,
                Notices::None => Some(self.options.reread_every.unwrap_or(self.options.poll_every)),
            }),
            Phase::Settling => Step::Pause(self.options.settle),
            Phase::Resting(time) => Step::Pause(time),
        }
    }

    pub(super) fn connected(&mut self, controller: DiscoveryController, notices: Notices) {
        self.notices = notices;
        self.phase = Phase::Reading;
        self.told.push_back(WatchEvent::Connected(controller));
    }

    pub(super) fn read(&mut self, log: DiscoveryLog) {
        let changes = changes(&self.known, &log);
        let news = !self.any_log || !changes.is_empty() || log.generation != self.known.generation;
        self.told.extend(changes.into_iter().map(WatchEvent::Change));
        if news {
            self.known = Arc::new(log);
            self.told.push_back(WatchEvent::Log(Arc::clone(&self.known)));
        }
        self.any_log = true;
        self.failures = 0;
        self.phase = Phase::Listening;
    }

    /// The log has changed, or it is time to look. A burst of notices is one.
    pub(super) fn announced(&mut self) {
        self.phase = Phase::Settling;
    }

    pub(super) fn paused(&mut self) {
        self.phase = match self.phase {
            Phase::Settling => Phase::Reading,
            _ => Phase::Connecting,
        };
    }

    /// The connection is to be closed, and made anew after a while: twice as long after each failure in a row.
    pub(super) fn failed(&mut self, error: E) {
        let doubled = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let retry_in =
            self.options.reconnect_delay.saturating_mul(doubled).min(self.options.max_reconnect_delay);
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Resting(retry_in);
        self.told.push_back(WatchEvent::Lost { error, retry_in });
    }
}

#[cfg(test)]
mod tests {
    use nvme_proto::Cntlid;
    use nvme_proto::discovery::{DiscoveryEntry, SubsystemType};

    use super::*;
    use crate::discovery::tcp::Change;

    fn controller() -> DiscoveryController {
        DiscoveryController {
            subsystem_nqn: "d".into(),
            model: "m".into(),
            serial: "s".into(),
            firmware: "f".into(),
            cntlid: Cntlid(1),
        }
    }

    fn log(generation: u64, names: &[&str]) -> DiscoveryLog {
        let entry = |name: &&str| {
            DiscoveryEntry::tcp(
                SubsystemType::NVM,
                &name.parse().unwrap(),
                &"192.0.2.1".parse().unwrap(),
                4420,
            )
        };
        DiscoveryLog::new(generation, names.iter().map(entry).collect())
    }

    /// What was told since the last time, in short.
    fn told(machine: &mut Machine<&'static str>) -> Vec<String> {
        std::iter::from_fn(|| machine.tell())
            .map(|event| match event {
                WatchEvent::Connected(_) => "connected".to_owned(),
                WatchEvent::Change(Change::Added(entry)) => format!("+{}", entry.subnqn_text()),
                WatchEvent::Change(Change::Removed(entry)) => format!("-{}", entry.subnqn_text()),
                WatchEvent::Change(Change::Changed { .. }) => "changed".to_owned(),
                WatchEvent::Log(log) => format!("log {}", log.generation),
                WatchEvent::Lost { error, retry_in } => format!("{error}, again in {}", retry_in.as_secs()),
            })
            .collect()
    }

    fn listening() -> Machine<&'static str> {
        let mut machine = Machine::new(WatchOptions::default());
        assert_eq!(machine.step(), Step::Connect);
        machine.connected(controller(), Notices::Sent);
        assert_eq!(machine.step(), Step::Read);
        machine.read(log(1, &["a", "b"]));
        assert_eq!(told(&mut machine), ["connected", "+a", "+b", "log 1"]);
        machine
    }

    #[test]
    fn a_notice_leads_to_what_changed() {
        let mut machine = listening();
        assert_eq!(machine.step(), Step::Listen(None));
        machine.announced();
        assert_eq!(machine.step(), Step::Pause(WatchOptions::default().settle));
        machine.paused();
        assert_eq!(machine.step(), Step::Read);
        machine.read(log(2, &["b", "c"]));
        assert_eq!(told(&mut machine), ["-a", "+c", "log 2"]);
        machine.announced();
        machine.paused();
        machine.read(log(2, &["b", "c"]));
        assert_eq!(told(&mut machine), Vec::<String>::new(), "a notice without a change tells nothing");
        machine.announced();
        machine.paused();
        machine.read(log(3, &["b", "c"]));
        assert_eq!(told(&mut machine), ["log 3"]);
    }

    #[test]
    fn what_changed_during_an_outage_is_told_after_it() {
        let mut machine = listening();
        machine.failed("cut");
        assert_eq!(told(&mut machine), ["cut, again in 1"]);
        assert_eq!(machine.step(), Step::Pause(Duration::from_secs(1)));
        machine.paused();
        assert_eq!(machine.step(), Step::Connect);
        machine.connected(controller(), Notices::Sent);
        machine.read(log(5, &["a"]));
        assert_eq!(told(&mut machine), ["connected", "-b", "log 5"]);
        // The same again: nothing but the connection is news.
        machine.failed("cut");
        machine.paused();
        machine.connected(controller(), Notices::Sent);
        machine.read(log(5, &["a"]));
        assert_eq!(told(&mut machine), ["cut, again in 1", "connected"]);
    }

    #[test]
    fn the_pauses_grow_until_a_log_was_read() {
        let mut machine = listening();
        let mut pauses = Vec::new();
        for _ in 0..40 {
            // Connecting alone is no success: a controller whose log is broken is not asked in a hurry.
            machine.connected(controller(), Notices::Sent);
            machine.failed("broken");
            let Step::Pause(time) = machine.step() else { panic!() };
            pauses.push(time.as_secs());
            machine.paused();
        }
        assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pauses[39], 60);
        machine.connected(controller(), Notices::Sent);
        machine.read(log(1, &["a", "b"]));
        machine.failed("cut");
        assert_eq!(machine.step(), Step::Pause(Duration::from_secs(1)));
    }

    #[test]
    fn a_controller_that_sends_no_notices_is_asked_from_time_to_time() {
        let mut machine = Machine::<()>::new(WatchOptions::default());
        machine.connected(controller(), Notices::None);
        machine.read(log(1, &[]));
        assert_eq!(machine.step(), Step::Listen(Some(Duration::from_secs(30))));
        let every = Duration::from_secs(5);
        let mut machine = Machine::<()>::new(WatchOptions::default().reread_every(every));
        machine.connected(controller(), Notices::Sent);
        machine.read(log(1, &[]));
        assert_eq!(machine.step(), Step::Listen(Some(every)));
    }
}
