//! One connection from its first byte to its last.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nvme_proto::controller::{Config, ConfigError, Controller};
use nvme_proto::machine::{Failure, Time};
use tokio::io::ReadBuf;

use super::budget::Account;
use super::gate::Pass;
use super::mailbox::{Mailbox, Order};
use super::pool::Pool;
use super::session::{Machine, Session};
use super::shared::Shared;
use super::statistics::Counters;
use crate::net::{BusyPoll, Clock, Link, Stream, Timer};
use crate::target::connection::{Connection, Endpoint};

/// Bytes of the common header, which tell whether anybody means NVMe/TCP.
const GREETING: usize = 8;
/// Buffers that nobody used for so long are given up.
const IDLE: Duration = Duration::from_secs(1);
/// PDUs that are encoded ahead of the socket.
const BATCH: usize = 128;

/// Serves a connection until it ends.
///
/// Nothing but the task itself takes memory before the host has shown itself by its first bytes.
pub(super) async fn serve<S: Stream>(
    shared: Arc<Shared>,
    endpoint: Endpoint,
    mut stream: S,
    pass: Pass,
    mailbox: Arc<Mailbox>,
) {
    let clock = shared.target.clock();
    let deadline = clock.now().after(shared.limits.handshake_timeout);
    let greeting = greet(&mut stream, clock, deadline, &mailbox).await;
    let Some(greeting) = greeting else {
        Counters::add(&shared.counters.failed_handshakes);
        return;
    };
    let queue = shared.target.open(endpoint);
    // Boxed only now: until here there may be very many.
    // The target offers what can work; if it did not, there would be nothing to serve with.
    if let Ok(serving) = Serving::new(shared, queue, stream, pass, mailbox, deadline, &greeting) {
        Box::pin(serving).await;
    }
}

/// The first bytes of a host, if they come in time.
async fn greet(
    stream: &mut impl Stream,
    clock: Clock,
    deadline: Time,
    mailbox: &Mailbox,
) -> Option<[u8; GREETING]> {
    let mut greeting = [0; GREETING];
    let mut timer = Timer::new();
    let mut come = 0_usize;
    poll_fn(|cx| {
        mailbox.set_waker(cx.waker());
        loop {
            if mailbox.current() != Order::Serve
                || timer.poll(cx, clock, clock.now(), Some(deadline)).is_ready()
            {
                return Poll::Ready(None);
            }
            let mut room = ReadBuf::new(greeting.get_mut(come..).unwrap_or_default());
            match Pin::new(&mut *stream).poll_read(cx, &mut room) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => match room.filled().len() {
                    0 => return Poll::Ready(None),
                    n => come = come.saturating_add(n),
                },
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(_)) => return Poll::Ready(None),
            }
            if come >= GREETING {
                return Poll::Ready(Some(()));
            }
        }
    })
    .await?;
    Some(greeting)
}

/// A connection that has begun.
struct Serving<S> {
    link: Link<Machine, S>,
    session: Session,
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    pass: Pass,
    clock: Clock,
    timer: Timer,
    /// Who is woken by the mailbox.
    waker: Option<Waker>,
    /// When Connect has to have succeeded; `None`: it has, or its time is over.
    handshake: Option<Time>,
    connected: bool,
    /// When buffers that nobody used are given up.
    idle: Option<Time>,
    stall: Option<Stall>,
}

/// How long a connection has done nothing with memory that others wait for.
struct Stall {
    /// When to look again.
    check: Time,
    since: Time,
    /// What it had done by then.
    progress: u64,
}

impl<S: Stream> Serving<S> {
    fn new(
        shared: Arc<Shared>,
        queue: Connection,
        stream: S,
        pass: Pass,
        mailbox: Arc<Mailbox>,
        handshake: Time,
        greeting: &[u8],
    ) -> Result<Self, ConfigError> {
        let clock = shared.target.clock();
        let mut config: Config = queue.machine();
        config.receive_buffer = shared.limits.receive_buffer;
        config.batch = BATCH;
        let mut machine = Controller::new(config, clock.now())?;
        machine.feed(greeting);
        // A command with the largest transfer is always possible.
        let largest = usize::try_from(config.max_transfer).unwrap_or(usize::MAX);
        let account = Account::new(
            Arc::clone(&shared.budget),
            shared.limits.memory_reserved,
            shared.limits.memory_per_connection.max(largest.saturating_mul(2)),
        );
        Ok(Self {
            link: Link::new(machine, stream, clock, shared.busy_poll),
            session: Session::new(queue, Pool::new(account), Arc::clone(&mailbox), config.depth),
            shared,
            mailbox,
            pass,
            clock,
            timer: Timer::new(),
            waker: None,
            handshake: Some(handshake),
            connected: false,
            idle: None,
            stall: None,
        })
    }

    /// What has to be done by time alone. `true`: the connection has to be looked at again.
    fn housekeeping(&mut self, cx: &mut Context<'_>) -> bool {
        if self.session.failure().is_some() {
            return false; // it ends, in a time that the state machine and its stream watch
        }
        let now = self.session.now();
        if self.handshake.is_some()
            && let Some(queue) = self.link.machine().queue_id()
        {
            if queue == 0 {
                // Nothing on it is in a hurry, and each look would be one at the I/O queues less.
                self.link.set_busy_poll(BusyPoll::Off);
            }
            self.handshake = None;
            self.connected = true;
            self.pass.connected();
        }
        if self.handshake.is_some_and(|until| now >= until) {
            self.handshake = None;
            self.link.machine().close(now);
            return true;
        }
        match self.idle {
            Some(until) if now >= until => {
                self.idle = None;
                self.session.release_memory();
            }
            None if self.session.keeps_memory() => self.idle = Some(now.after(IDLE)),
            _ => {}
        }
        if self.is_stalled(now) {
            self.link.machine().close(now);
            return true;
        }
        let times = [
            self.handshake,
            self.idle,
            self.stall.as_ref().map(|stall| stall.check),
            self.session.deadline(),
        ];
        let next = times.into_iter().flatten().min();
        self.timer.poll(cx, self.clock, now, next).is_ready()
    }

    /// Whether others have waited long enough for memory that this connection holds and does nothing with.
    fn is_stalled(&mut self, now: Time) -> bool {
        if !self.session.has_shared_memory() {
            self.stall = None;
            return false;
        }
        let timeout = self.shared.limits.stall_timeout;
        let progress = self.session.progress();
        let stall = self.stall.get_or_insert(Stall { check: now, since: now, progress });
        if stall.progress != progress || !self.shared.budget.is_wanted() {
            (stall.since, stall.progress) = (now, progress);
        }
        if now >= stall.check {
            stall.check = now.after(timeout / 8);
        }
        now.since(stall.since) >= timeout
    }

    fn finish(&mut self) {
        let counters = &self.shared.counters;
        let failure = self.session.failure();
        // One that connected and ended in the same turn was not looked at in between.
        if !self.connected && self.link.machine().queue_id().is_none() {
            Counters::add(&counters.failed_handshakes);
        }
        match failure {
            Some(Failure::Violation(_) | Failure::PeerTerminated { .. }) => {
                Counters::add(&counters.violations);
            }
            Some(Failure::KeepAliveExpired { .. }) => Counters::add(&counters.expired),
            _ => {}
        }
        counters.publish(&mut self.session.counts);
    }
}

impl<S: Stream> Future for Serving<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if !this.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            this.mailbox.set_waker(cx.waker());
            this.waker = Some(cx.waker().clone());
        }
        loop {
            let Self { link, session, .. } = this;
            let turn = link.poll_turn(cx, |machine, now, cx| session.turn(machine, now, cx));
            if turn.is_ready() {
                this.finish();
                return Poll::Ready(());
            }
            if !this.housekeeping(cx) {
                this.shared.counters.publish(&mut this.session.counts);
                return Poll::Pending;
            }
        }
    }
}
