//! What all handles to a controller and its tasks share.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use nvme_proto::Cntlid;
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::Capabilities;
use nvme_proto::host::{Data, Watch};
use nvme_proto::identify::{IdentifyController, Version};
use nvme_proto::sqe::{DataDirection, Sqe};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::connect::Settings;
use super::error::{CommandError, CommandName, ConnectError};
use super::events::EventBox;
use super::queue::{Effect, Failed, Fault, Finished, Op, Payload, Queue, Reports, Request, ToSqe};
use super::spread;
use super::state::{Cause, State};
use crate::options::FastIoFail;

/// What is known of a controller since it was connected last.
#[derive(Debug, Clone)]
pub(crate) struct Details {
    pub(crate) cntlid: Cntlid,
    pub(crate) capabilities: Capabilities,
    pub(crate) version: Version,
    pub(crate) identify: IdentifyController<Bytes>,
    pub(crate) digests: Digests,
    /// I/O queues.
    pub(crate) queues: u16,
    /// Commands outstanding in each.
    pub(crate) depth: u16,
    /// Largest data of a command, bytes.
    pub(crate) max_transfer: u32,
    /// Largest data in a capsule, bytes.
    pub(crate) in_capsule: u32,
    /// How long after a loss the controller is surely dead.
    pub(crate) quiesced_after: Option<Duration>,
}

/// A controller, whether or not it is connected.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) peer: String,
    pub(crate) admin: Arc<Queue>,
    pub(crate) io: Box<[Arc<Queue>]>,
    /// I/O queues that are connected.
    pub(crate) active: AtomicUsize,
    pub(crate) reports: Arc<Reports>,
    pub(crate) events: EventBox,
    state: watch::Sender<State>,
    details: RwLock<Option<Arc<Details>>>,
    /// Of `details`, for every command to look at.
    max_transfer: AtomicU32,
    orders: Mutex<Orders>,
    ordered: Notify,
    /// When the connection was lost that is being made again.
    lost_at: Mutex<Option<Instant>>,
}

/// What the handles want.
#[derive(Debug, Clone, Copy, Default)]
struct Orders {
    disconnect: bool,
    reset: bool,
}

/// On which kind of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Admin,
    Io,
}

/// A command that failed, with its data.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: CommandError,
    pub(crate) data: Payload,
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Core {
    pub(crate) fn new(settings: Settings, peer: String) -> Self {
        let queue = |id| Arc::new(Queue::new(id, settings.max_waiting));
        Self {
            peer,
            admin: queue(0),
            io: (1..=settings.queues).map(queue).collect(),
            active: AtomicUsize::new(0),
            reports: Arc::default(),
            events: EventBox::default(),
            state: watch::Sender::new(State::Connecting),
            details: RwLock::new(None),
            max_transfer: AtomicU32::new(0),
            orders: Mutex::default(),
            ordered: Notify::new(),
            lost_at: Mutex::default(),
            settings,
        }
    }

    /// Executes a command, again after a reconnect where that is allowed.
    #[inline]
    pub(crate) fn execute<C: ToSqe>(&self, on: On, request: Request<C>) -> Execute<'_, C> {
        let had_data = !matches!(request.data, Data::None);
        match self.queue(on) {
            Some(queue) => Execute { core: self, on, had_data, op: Some(queue.submit(request)), again: None },
            None => {
                let failure = self.failure(on, &request.command.to_sqe(), Fault::Down, false, request.data);
                let again: Again<'_> = Box::pin(std::future::ready(Err(failure)));
                Execute { core: self, on, had_data, op: None, again: Some(again) }
            }
        }
    }

    /// What follows when a command has failed at `queue`: it is executed again, or that is told.
    async fn execute_again(
        &self,
        on: On,
        mut queue: &Queue,
        Attempt { sqe, watch, effect, had_data }: Attempt,
        mut finished: Finished,
    ) -> Result<Finished, Failure> {
        loop {
            let Err(fault) = finished.result else { return Ok(finished) };
            let has_data = !matches!(finished.data, Data::None);
            let replay = self.settings.replay;
            let again = fault.is_loss()
                && has_data == had_data
                && replay.repeats(fault, effect, self.quiesced_after().is_some());
            if !again || !self.connected_again(queue).await {
                return Err(self.failure(on, &sqe, fault, finished.timed_out, finished.data));
            }
            queue = match self.queue(on) {
                Some(queue) => queue,
                None => return Err(self.failure(on, &sqe, Fault::Down, false, finished.data)),
            };
            finished = queue.submit(Request { command: sqe, data: finished.data, watch, effect }).await;
        }
    }

    /// The same for an I/O command of a group, which keeps what it needs.
    pub(crate) async fn after_failure(
        self: Arc<Self>,
        queue: Arc<Queue>,
        failed: Failed,
    ) -> Result<Finished, Failure> {
        let Failed { request: Request { command: sqe, data, watch, effect }, fault, timed_out } = failed;
        let had_data = sqe.direction() != DataDirection::None;
        let attempt = Attempt { sqe, watch, effect, had_data };
        let finished = Finished { result: Err(fault), data, timed_out };
        self.execute_again(On::Io, &queue, attempt, finished).await
    }

    fn failure(&self, on: On, sqe: &Sqe, fault: Fault, timed_out: bool, data: Payload) -> Failure {
        let name = match on {
            On::Admin => CommandName::admin(sqe),
            On::Io => CommandName::io(sqe),
        };
        let gone = self.state.borrow().is_gone();
        Failure { error: CommandError::new(name, fault, timed_out, gone), data }
    }

    /// The queue for a command: that of the calling task or thread.
    pub(crate) fn queue(&self, on: On) -> Option<&Queue> {
        match on {
            On::Admin => Some(&self.admin),
            On::Io => self.io_queue().map(|queue| &**queue),
        }
    }

    /// The I/O queue of the calling task or thread.
    pub(crate) fn io_queue(&self) -> Option<&Arc<Queue>> {
        let active = self.active.load(Ordering::Relaxed);
        // Before the first connection there is none; the first one tells.
        let index = if active > 1 { spread::index(active) } else { 0 };
        self.io.get(index)
    }

    /// Waits until a queue that has lost its connection has one again. `false`: it will have none, or not in time.
    async fn connected_again(&self, queue: &Queue) -> bool {
        let mut states = self.state.subscribe();
        loop {
            let gone = states.borrow_and_update().is_gone();
            if gone {
                return false;
            }
            if queue.is_open() {
                return true;
            }
            let deadline = match self.settings.fast_io_fail {
                FastIoFail::Off => None,
                FastIoFail::After(time) => self.lost_at().unwrap_or_else(Instant::now).checked_add(time),
            };
            let changed = match deadline {
                None => states.changed().await.is_ok(),
                Some(deadline) => tokio::time::timeout_at(deadline, states.changed())
                    .await
                    .is_ok_and(|changed| changed.is_ok()),
            };
            if !changed {
                return false;
            }
        }
    }

    /// What is known of the controller; `None` before it was live.
    pub(crate) fn details(&self) -> Option<Arc<Details>> {
        self.details.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_details(&self, details: Details) {
        self.max_transfer.store(details.max_transfer, Ordering::Relaxed);
        *self.details.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(details));
    }

    /// Largest data of a command, bytes; 0 before the controller was live.
    pub(crate) fn max_transfer(&self) -> u32 {
        self.max_transfer.load(Ordering::Relaxed)
    }

    fn quiesced_after(&self) -> Option<Duration> {
        self.details().and_then(|details| details.quiesced_after)
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.send_replace(state);
    }

    /// Waits until the first connect has succeeded or failed.
    pub(crate) async fn first(&self) -> Result<Arc<Details>, ConnectError> {
        let mut states = self.state.subscribe();
        loop {
            match &*states.borrow_and_update() {
                State::Connecting => {}
                State::Gone { cause: Some(cause) } => {
                    return Err(match &**cause {
                        Cause::Connect(error) => error.clone(),
                        _ => ConnectError::Cancelled,
                    });
                }
                State::Gone { cause: None } | State::Disconnecting => return Err(ConnectError::Cancelled),
                State::Live | State::Reconnecting { .. } => {
                    return self.details().ok_or(ConnectError::Cancelled);
                }
            }
            if states.changed().await.is_err() {
                return Err(ConnectError::Cancelled);
            }
        }
    }

    /// Remembers when the connection was lost, for those who wait for it.
    pub(crate) fn set_lost_at(&self, at: Option<Instant>) {
        *self.lost_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// When the connection was lost that is being made again.
    pub(crate) fn lost_at(&self) -> Option<Instant> {
        *self.lost_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes commands of everyone.
    pub(crate) fn open_queues(&self) {
        self.admin.open();
        for queue in self.io.iter().take(self.active.load(Ordering::Relaxed)) {
            queue.open();
        }
    }

    /// Closes the connections of the I/O queues.
    pub(crate) fn close_io(&self) {
        for queue in &self.io {
            queue.close();
        }
    }

    /// Closes all connections.
    pub(crate) fn close_all(&self) {
        self.close_io();
        self.admin.close();
    }

    /// Asks for the controller to be disconnected.
    pub(crate) fn order_disconnect(&self) {
        self.orders().disconnect = true;
        self.ordered.notify_waiters();
    }

    /// Asks for the controller to be connected anew.
    pub(crate) fn order_reset(&self) {
        self.orders().reset = true;
        self.ordered.notify_waiters();
    }

    /// Waits until the controller is to be disconnected.
    pub(crate) async fn disconnect_ordered(&self) {
        self.wait(|orders| orders.disconnect).await;
    }

    /// Waits until the controller is to be connected anew.
    pub(crate) async fn reset_ordered(&self) {
        self.wait(|orders| std::mem::take(&mut orders.reset)).await;
    }

    async fn wait(&self, mut look: impl FnMut(&mut Orders) -> bool) {
        loop {
            let mut ordered = std::pin::pin!(self.ordered.notified());
            ordered.as_mut().enable();
            let found = look(&mut self.orders());
            if found {
                return;
            }
            ordered.await;
        }
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command that is executed once, or again where that is allowed. It may be dropped at any time.
///
/// Not an `async fn`, since nearly all commands succeed at once: what is there for the others is made when one of them fails.
pub(crate) struct Execute<'c, C = Sqe> {
    core: &'c Core,
    on: On,
    had_data: bool,
    op: Option<Op<'c, C>>,
    again: Option<Again<'c>>,
}

/// What follows when the first attempt has failed.
type Again<'c> = Pin<Box<dyn Future<Output = Result<Finished, Failure>> + Send + 'c>>;

/// A command that is attempted, without its data.
struct Attempt {
    sqe: Sqe,
    watch: Watch,
    effect: Effect,
    had_data: bool,
}

impl<'c, C: ToSqe> Execute<'c, C> {
    #[cold]
    fn fail(&mut self, finished: Finished, cx: &mut Context<'_>) -> Poll<Result<Finished, Failure>> {
        let Some(op) = self.op.take() else { return Poll::Pending };
        let Request { command, watch, effect, .. } = op.request();
        let (watch, effect) = (*watch, *effect);
        let attempt = Attempt { sqe: command.to_sqe(), watch, effect, had_data: self.had_data };
        let again: Again<'c> = Box::pin(self.core.execute_again(self.on, op.queue(), attempt, finished));
        self.again.insert(again).as_mut().poll(cx)
    }
}

impl<C: ToSqe + Unpin> Future for Execute<'_, C> {
    type Output = Result<Finished, Failure>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(op) = &mut this.op else {
            return this.again.as_mut().map_or(Poll::Pending, |again| again.as_mut().poll(cx));
        };
        match Pin::new(op).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(finished) if finished.result.is_ok() => Poll::Ready(Ok(finished)),
            Poll::Ready(finished) => this.fail(finished, cx),
        }
    }
}

/// What the public handles hold: when the last one is dropped, the controller is disconnected.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) core: Arc<Core>,
}

impl Handle {
    pub(crate) fn new(core: Arc<Core>) -> Arc<Self> {
        Arc::new(Self { core })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.order_disconnect();
    }
}
