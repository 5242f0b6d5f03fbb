//! The task that looks after a controller: connects it, tends it while it is live, connects it again, and disconnects it.
//!
//! ```text
//!   Connecting ──► Live ──► Reconnecting ──► Live        a connection is lost; a command is stuck; reset
//!       │           │            │
//!       ▼           ▼            ▼
//!      Gone    Disconnecting    Gone                     the first attempt fails; asked for; given up
//!                   ▼
//!                  Gone
//! ```

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use nvme_proto::command::admin::{Abort, AsyncEventRequest};
use nvme_proto::event::AsyncEvent;
use nvme_proto::fabrics::{ControllerConfiguration, Property, ShutdownNotification, ShutdownStatus};
use nvme_proto::host::Watch;
use tokio::time::Instant;

use super::associate::{associate, property, set_property, status};
use super::connect::Kind;
use super::core::Core;
use super::dial::Dialer;
use super::error::Stage;
use super::open::halves;
use super::queue::{Effect, Op, Payload, QueueDriver, Request, TimedOut};
use super::state::{Cause, State};
use crate::options::ControllerLoss;

/// Asynchronous Event Requests kept outstanding at most. One would do; more let events come while others are being taken.
const EVENT_REQUESTS: usize = 4;
/// How long a controller may take to shut down, as the kernel's host (`nvme_core.shutdown_timeout`).
const SHUTDOWN: Duration = Duration::from_secs(5);
/// Pause between two looks at something that is not told.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks after a controller until it is gone.
pub(crate) async fn supervise<D: Dialer>(
    core: Arc<Core>,
    mut dial: D,
    mut spawn: impl FnMut(QueueDriver<D::Stream>),
) {
    // A runtime that ends takes this task with it: nobody waits for ever.
    let _gone = GoneOnDrop(&core);
    let mut outage: Option<Outage> = None;
    loop {
        core.reports.clear();
        let connected = tokio::select! {
            biased;
            () = core.disconnect_ordered() => None,
            result = associate(&core, &mut dial, &mut spawn) => Some(result.map_err(Cause::from)),
        };
        let fence = outage.as_ref().and_then(|outage| outage.fence);
        let ended = match connected {
            Some(Ok(())) => tend(&core, fence, &mut outage).await,
            Some(Err(cause)) => Some(cause),
            None => None,
        };
        let Some(cause) = ended else {
            return disconnect(&core).await;
        };
        let lost_at = Instant::now();
        core.close_all();
        let unknown = core.reports.all_ended().await;

        let first = matches!(core.state(), State::Connecting);
        let outage = outage.get_or_insert(Outage { since: lost_at, attempts: 0, fence: None });
        if matches!(cause, Cause::Connect(_)) {
            outage.attempts = outage.attempts.saturating_add(1);
        }
        if unknown > 0 && core.settings.replay.fences() {
            let dead = core.details().and_then(|details| details.quiesced_after);
            let fence = dead.and_then(|dead| lost_at.checked_add(dead));
            outage.fence = outage.fence.max(fence);
        }
        core.set_lost_at(Some(outage.since));
        let cause = Arc::new(cause);
        let again = Instant::now() + core.settings.reconnect_delay;
        if first || !outage.goes_on(&core, &cause, again) {
            core.set_state(State::Gone { cause: Some(cause) });
            return;
        }
        core.set_state(State::Reconnecting { attempts: outage.attempts, cause });
        tokio::select! {
            () = core.disconnect_ordered() => {
                core.set_state(State::Gone { cause: None });
                return;
            }
            () = tokio::time::sleep_until(again) => {}
        }
    }
}

/// The time without a connection.
struct Outage {
    since: Instant,
    /// Attempts that failed.
    attempts: u32,
    /// When the old controller is surely dead.
    fence: Option<Instant>,
}

impl Outage {
    /// Whether there is another attempt, at this time.
    fn goes_on(&self, core: &Core, cause: &Cause, at: Instant) -> bool {
        if let Cause::Connect(error) = cause
            && (error.status().is_some_and(nvme_proto::Status::dnr) || !may_change(error))
        {
            return false;
        }
        match core.settings.controller_loss {
            ControllerLoss::Never => true,
            ControllerLoss::After(time) => at.saturating_duration_since(self.since) <= time,
        }
    }
}

/// Whether another attempt may fare better. A target that restarts may answer with nearly anything, so only what this side does wrong is hopeless.
const fn may_change(error: &super::ConnectError) -> bool {
    use super::ConnectError as Error;
    !matches!(
        error,
        Error::Config(_)
            | Error::Cancelled
            | Error::AuthenticationRequired { .. }
            | Error::NotAuthenticated { .. }
    )
}

/// When it is dropped, the controller is gone, if it was not before.
struct GoneOnDrop<'c>(&'c Core);

impl Drop for GoneOnDrop<'_> {
    fn drop(&mut self) {
        if !matches!(self.0.state(), State::Gone { .. }) {
            self.0.set_state(State::Gone { cause: None });
        }
        self.0.close_all();
        self.0.events.close();
    }
}

/// Tends a controller that was connected until something ends it; `None`: it is to be disconnected.
async fn tend(core: &Core, fence: Option<Instant>, outage: &mut Option<Outage>) -> Option<Cause> {
    let live = async {
        if let Some(fence) = fence {
            tokio::time::sleep_until(fence).await;
        }
        *outage = None;
        core.set_lost_at(None);
        core.open_queues();
        core.set_state(State::Live);
        tokio::join!(events(core), std::future::pending::<()>());
    };
    tokio::select! {
        biased;
        () = core.disconnect_ordered() => None,
        lost = core.reports.lost() => {
            Some(Cause::Lost { queue: lost.queue, failure: lost.failure, error: lost.error })
        }
        queue = time_outs(core) => Some(Cause::Stuck { queue }),
        () = core.reset_ordered() => Some(Cause::Reset),
        () = live => None, // it never ends
    }
}

/// Keeps event requests outstanding and passes on what comes.
async fn events(core: &Core) {
    let Some(details) = core.details() else { return };
    if core.settings.kind == Kind::Discovery && core.settings.keep_alive.is_none() {
        return; // only persistent discovery controllers tell anything
    }
    let most = usize::from(details.identify.async_event_limit()).saturating_add(1).min(EVENT_REQUESTS);
    let request = || {
        let sqe = AsyncEventRequest::default().to_sqe();
        let request =
            Request { command: sqe, data: Payload::None, watch: Watch::Never, effect: Effect::Nothing };
        core.admin.submit_first(request)
    };
    let mut requests: Vec<Op<'_>> = (0..most).map(|_| request()).collect();
    poll_fn(|cx| {
        let mut at = 0;
        while let Some(waiting) = requests.get_mut(at) {
            match Pin::new(&mut *waiting).poll(cx) {
                Poll::Pending => at = at.saturating_add(1),
                Poll::Ready(finished) => match finished.result {
                    Ok(cqe) => {
                        let [event, parameter] = halves(cqe.result());
                        core.events.push(AsyncEvent(event), parameter);
                        *waiting = request();
                    }
                    // The controller takes fewer, or the connection is gone.
                    Err(_) => drop(requests.swap_remove(at)),
                },
            }
        }
        if requests.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Aborts what takes too long; returns the queue of a command that cannot be aborted.
async fn time_outs(core: &Core) -> u16 {
    loop {
        let late = core.reports.next_timed_out().await;
        if !is_late(core, &late) {
            continue;
        }
        if late.queue == 0 {
            return 0; // what is to abort others is stuck itself
        }
        let sqe = Abort::new(late.queue, late.wire).to_sqe();
        let request =
            Request { command: sqe, data: Payload::None, watch: Watch::TimeOut, effect: Effect::Nothing };
        let until = Instant::now() + core.settings.command_timeout;
        let abort = core.admin.submit_first(request);
        if tokio::time::timeout_at(until, abort).await.is_err() {
            return late.queue;
        }
        while is_late(core, &late) {
            if Instant::now() >= until {
                return late.queue;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Whether the command is still with the controller.
fn is_late(core: &Core, late: &TimedOut) -> bool {
    let queue = match late.queue.checked_sub(1) {
        None => Some(&core.admin),
        Some(index) => core.io.get(usize::from(index)),
    };
    queue.is_some_and(|queue| queue.is_issued(late))
}

/// Tells the controller that it is not needed any more, and closes the connections.
async fn disconnect(core: &Core) {
    core.set_state(State::Disconnecting);
    core.close_io();
    // One that does not answer any more is left without a word.
    let _ = tokio::time::timeout(SHUTDOWN, shut_down(core)).await;
    core.close_all();
    core.reports.all_ended().await;
    core.set_state(State::Gone { cause: None });
}

/// Shuts the controller down in order: CC.SHN, then CSTS.SHST until it is complete.
async fn shut_down(core: &Core) -> Result<(), super::ConnectError> {
    let [configuration, _] = halves(property(core, Stage::Enable, Property::CC).await?);
    let configuration = ControllerConfiguration(configuration).with_shutdown(ShutdownNotification::NORMAL);
    set_property(core, Stage::Enable, Property::CC, configuration.0).await?;
    while status(core, Stage::Enable).await?.shutdown() != ShutdownStatus::COMPLETE {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
