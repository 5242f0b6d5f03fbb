//! A discovery connection that stays, and tells what changes.
//!
//! ```text
//!          +------------- pause <-------------- lost, or the log cannot be read -----------------+
//!          v                                                                                     |
//!       connect --> read the log --> tell what is different --> listen for the change notice ----+
//!                        ^                                                |
//!                        +------------------ settle <---------------------+
//! ```
//!
//! The connection has a keep-alive time-out, which is what makes a discovery connection persistent: the controller then answers an
//! Asynchronous Event Request when its log changes, and the notice is cleared by reading the log. Notices that come before the first log
//! was read are not lost, since the request is outstanding before the log is read. Nothing is lost by an outage either: the first log after it is compared
//! with the last one before it.
//!
//! A controller that sends no such notices (Identify Controller, OAES bit 31) is asked from time to time instead.
//!
//! Bounds: one log of at most [`Options::log_limits`](super::Options::log_limits) entries is kept, and one more while they are compared. A controller that sends notices without end
//! is read [`WatchOptions::settle`] after each one at the earliest; one that cannot be read is left alone for longer and longer.

mod machine;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use nvme_proto::discovery::DiscoveryLog;
use tokio::time::{sleep, timeout};

use super::DiscoverError;
use super::asker::Persistent;
use super::changes::Change;
use crate::discovery::DiscoveryController;
use machine::{Machine, Step};

pub(super) use machine::Notices;

/// What a [`Watch`] tells.
///
/// ```text
/// Connected, then for every new log: its Changes and the Log; then Lost, and from the beginning
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchEvent<E = DiscoverError> {
    /// The connection is there (again).
    Connected(DiscoveryController),
    /// One difference to the last log. At the beginning every entry is [`Change::Added`].
    Change(Change),
    /// The log as it is now, whole; the changes before it lead here.
    Log(Arc<DiscoveryLog>),
    /// The connection could not be made, was lost, or gave no usable log.
    Lost {
        /// Why.
        error: E,
        /// When it is tried again.
        retry_in: Duration,
    },
}

/// How to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct WatchOptions {
    pub(super) keep_alive: Duration,
    reconnect_delay: Duration,
    max_reconnect_delay: Duration,
    settle: Duration,
    poll_every: Duration,
    reread_every: Option<Duration>,
}

impl Default for WatchOptions {
    /// Keep-alive after 30 s, as nvme-cli has it; pauses from 1 s to 60 s; notices of 100 ms are one.
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(30),
            reconnect_delay: Duration::from_secs(1),
            max_reconnect_delay: Duration::from_secs(60),
            settle: Duration::from_millis(100),
            poll_every: Duration::from_secs(30),
            reread_every: None,
        }
    }
}

impl WatchOptions {
    /// Keep-alive time-out: how soon each side notices that the other is gone. Zero counts as 1 ms: without one the connection would not be persistent.
    pub const fn keep_alive(mut self, time: Duration) -> Self {
        self.keep_alive = if time.is_zero() { Duration::from_millis(1) } else { time };
        self
    }

    /// The pause before the first attempt to connect again, and the longest one: it doubles with every attempt that fails.
    pub const fn reconnect_delay(mut self, first: Duration, longest: Duration) -> Self {
        (self.reconnect_delay, self.max_reconnect_delay) = (first, longest);
        self
    }

    /// How long after a notice the log is read, so that a target that is being set up is read once.
    pub const fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// How often a controller is read that does not say when its log changes.
    pub const fn poll_every(mut self, time: Duration) -> Self {
        self.poll_every = time;
        self
    }

    /// Reads the log this often even if the controller says nothing; for those whose notices cannot be relied on.
    pub const fn reread_every(mut self, time: Duration) -> Self {
        self.reread_every = Some(time);
        self
    }
}

/// The events of a discovery service that stays connected: a stream without end.
///
/// Nothing happens but while it is polled: what is not taken is not asked for, except for the keep-alive, which runs by itself. Dropping it disconnects the
/// controller.
pub struct Watch(Watching<Persistent>);

impl Watch {
    pub(super) fn new(door: Persistent, options: WatchOptions) -> Self {
        Self(Watching::new(door, options))
    }

    /// The next event. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        poll_fn(|cx| self.0.poll_next(cx)).await
    }
}

impl Stream for Watch {
    type Item = WatchEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        self.get_mut().0.poll_next(cx)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// A way to a discovery service.
pub(super) trait Door: Send + Sync + 'static {
    type Session: Session<Error = Self::Error>;
    type Error: Send + 'static;

    /// Connects.
    fn open(
        &self,
    ) -> impl Future<Output = Result<(Self::Session, DiscoveryController, Notices), Self::Error>> + Send;
}

/// A connection to a discovery service.
pub(super) trait Session: Send + 'static {
    type Error;

    /// The log.
    fn read(&mut self) -> impl Future<Output = Result<DiscoveryLog, Self::Error>> + Send;
    /// Waits for a notice that the log has changed. May be dropped without losing one.
    fn notice(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// Ends the connection in order.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// What is being done, and by what.
struct Work<D: Door> {
    door: D,
    session: Option<D::Session>,
    machine: Machine<D::Error>,
}

impl<D: Door> Work<D> {
    /// One step.
    async fn advance(mut self: Box<Self>) -> Box<Self> {
        let step = self.machine.step();
        let result = match (step, &mut self.session) {
            (Step::Connect, _) => match self.door.open().await {
                Ok((session, controller, notices)) => {
                    self.session = Some(session);
                    self.machine.connected(controller, notices);
                    Ok(())
                }
                Err(error) => Err(error),
            },
            (Step::Pause(time), _) => {
                sleep(time).await;
                self.machine.paused();
                Ok(())
            }
            (Step::Read, Some(session)) => session.read().await.map(|log| self.machine.read(log)),
            (Step::Listen(time), Some(session)) => {
                let notice = match time {
                    None => session.notice().await,
                    Some(time) => timeout(time, session.notice()).await.unwrap_or(Ok(())),
                };
                notice.map(|()| self.machine.announced())
            }
            // Reading and listening come after connecting only; connecting anew is right at any time.
            (Step::Read | Step::Listen(_), None) => {
                self.machine.paused();
                Ok(())
            }
        };
        if let Err(error) = result {
            if let Some(session) = self.session.take() {
                session.close().await;
            }
            self.machine.failed(error);
        }
        self
    }
}

type Advance<D> = Pin<Box<dyn Future<Output = Box<Work<D>>> + Send>>;

enum State<D: Door> {
    Idle(Box<Work<D>>),
    Busy(Advance<D>),
    /// Only while a step is being begun.
    Between,
}

/// The stream behind [`Watch`].
pub(super) struct Watching<D: Door>(State<D>);

impl<D: Door> Watching<D> {
    pub(super) fn new(door: D, options: WatchOptions) -> Self {
        let machine = Machine::new(options);
        Self(State::Idle(Box::new(Work { door, session: None, machine })))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<WatchEvent<D::Error>>> {
        loop {
            self.0 = match std::mem::replace(&mut self.0, State::Between) {
                State::Idle(mut work) => match work.machine.tell() {
                    Some(event) => {
                        self.0 = State::Idle(work);
                        return Poll::Ready(Some(event));
                    }
                    None => State::Busy(Box::pin(work.advance())),
                },
                State::Busy(mut step) => match step.as_mut().poll(cx) {
                    Poll::Ready(work) => State::Idle(work),
                    Poll::Pending => {
                        self.0 = State::Busy(step);
                        return Poll::Pending;
                    }
                },
                // A step panicked: there is nothing to go on with.
                State::Between => return Poll::Ready(None),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use nvme_proto::Cntlid;
    use nvme_proto::discovery::DiscoveryEntry;
    use tokio::time::Instant;

    use super::*;

    /// What the next steps give; at the end nothing comes any more.
    #[derive(Debug)]
    enum Answer {
        Open(Notices),
        Log(u64, usize),
        Notice,
        Fail(&'static str),
    }
    use Answer::{Fail, Log, Notice, Open};

    #[derive(Clone)]
    struct Script(Arc<Mutex<(VecDeque<Answer>, u32)>>);

    impl Script {
        fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
            Self(Arc::new(Mutex::new((answers.into_iter().collect(), 0))))
        }

        async fn next(&self) -> Answer {
            let answer = self.0.lock().unwrap().0.pop_front();
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }

        fn closed(&self) -> u32 {
            self.0.lock().unwrap().1
        }
    }

    impl Door for Script {
        type Session = Self;
        type Error = &'static str;

        async fn open(&self) -> Result<(Self, DiscoveryController, Notices), &'static str> {
            match self.next().await {
                Open(notices) => {
                    let text = String::new;
                    let controller = DiscoveryController {
                        subsystem_nqn: text(),
                        model: text(),
                        serial: text(),
                        firmware: text(),
                        cntlid: Cntlid(1),
                    };
                    Ok((self.clone(), controller, notices))
                }
                Fail(why) => Err(why),
                other => panic!("{other:?}"),
            }
        }
    }

    impl Session for Script {
        type Error = &'static str;

        async fn read(&mut self) -> Result<DiscoveryLog, &'static str> {
            match self.next().await {
                Log(generation, entries) => {
                    Ok(DiscoveryLog::new(generation, vec![DiscoveryEntry::zeroed(); entries]))
                }
                Fail(why) => Err(why),
                other => panic!("{other:?}"),
            }
        }

        async fn notice(&mut self) -> Result<(), &'static str> {
            match self.next().await {
                Notice => Ok(()),
                Fail(why) => Err(why),
                other => panic!("{other:?}"),
            }
        }

        async fn close(self) {
            self.0.lock().unwrap().1 += 1;
        }
    }

    async fn next(watch: &mut Watching<Script>) -> String {
        let event = std::future::poll_fn(|cx| watch.poll_next(cx)).await;
        match event.unwrap() {
            WatchEvent::Connected(_) => "connected".into(),
            WatchEvent::Change(Change::Added(_)) => "added".into(),
            WatchEvent::Change(Change::Removed(_)) => "removed".into(),
            WatchEvent::Change(Change::Changed { .. }) => "changed".into(),
            WatchEvent::Log(log) => format!("log {}", log.generation),
            WatchEvent::Lost { error, .. } => error.into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn through_notices_and_outages() {
        let script = Script::new([
            Fail("refused"),
            Open(Notices::Sent),
            Log(1, 1),
            Notice,
            Log(2, 2),
            Notice,
            Fail("broken"),
            Open(Notices::Sent),
            Log(2, 2),
            Fail("cut"),
            Open(Notices::Sent),
            Log(3, 1),
        ]);
        let mut watch = Watching::new(script.clone(), WatchOptions::default());
        for want in [
            "refused",
            "connected",
            "added",
            "log 1",
            "added",
            "log 2",
            "broken",
            "connected",
            "cut",
            "connected",
            "removed",
            "log 3",
        ] {
            assert_eq!(next(&mut watch).await, want);
        }
        assert_eq!(script.closed(), 2, "a connection that is given up is closed");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_that_is_given_up_loses_nothing() {
        let script = Script::new([Fail("refused"), Open(Notices::Sent), Log(1, 0)]);
        let mut watch = Watching::new(script, WatchOptions::default());
        assert_eq!(next(&mut watch).await, "refused");
        let start = Instant::now();
        // The pause of a second goes on from one look to the next.
        while timeout(Duration::from_millis(300), next(&mut watch)).await.is_err() {}
        assert_eq!(start.elapsed().as_millis(), 1000);
        assert_eq!(next(&mut watch).await, "log 1");
    }

    #[tokio::test(start_paused = true)]
    async fn without_notices_the_log_is_read_again_and_again() {
        let script = Script::new([Open(Notices::None), Log(1, 0)]);
        let mut watch = Watching::new(script.clone(), WatchOptions::default());
        assert_eq!((next(&mut watch).await, next(&mut watch).await), ("connected".into(), "log 1".into()));
        let start = Instant::now();
        // While the controller is waited for there is nothing; when it is read, just after that, there is a log.
        let (event, ()) = tokio::join!(next(&mut watch), async {
            sleep(Duration::from_millis(30_050)).await;
            script.0.lock().unwrap().0.push_back(Log(2, 0));
        });
        assert!(event == "log 2" && start.elapsed() > Duration::from_secs(30), "{event}");
    }
}
