//! The stream behind [`Watch`](super::Watch): what the [`Machine`] wants done, done over a connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use nvme_proto::discovery::DiscoveryLog;
use tokio::time::{sleep, timeout};

use super::machine::{Machine, Notices, Step};
use super::{WatchEvent, WatchOptions};
use crate::discovery::DiscoveryController;

/// A way to a discovery service.
pub(in super::super) trait Door: Send + Sync + 'static {
    type Session: Session<Error = Self::Error>;
    type Error: Send + 'static;

    /// Connects.
    fn open(
        &self,
    ) -> impl Future<Output = Result<(Self::Session, DiscoveryController, Notices), Self::Error>> + Send;
}

/// A connection to a discovery service.
pub(in super::super) trait Session: Send + 'static {
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

/// The stream: it is idle, or does one step.
pub(super) struct Watching<D: Door>(State<D>);

impl<D: Door> Watching<D> {
    pub(super) fn new(door: D, options: WatchOptions) -> Self {
        let machine = Machine::new(options);
        Self(State::Idle(Box::new(Work { door, session: None, machine })))
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<WatchEvent<D::Error>>> {
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
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use nvme_proto::Cntlid;
    use nvme_proto::discovery::DiscoveryEntry;
    use tokio::time::Instant;

    use super::super::super::changes::Change;
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
