//! What to connect to, and how.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use nvme_proto::SubsysNqn;
use nvme_proto::digest::Digests;
use tokio::io::{AsyncRead, AsyncWrite};

#[cfg(feature = "auth")]
use super::authenticate::Secrets;
use super::controller::Controller;
use super::core::{Core, Handle};
use super::dial::{Dial, DialTcp, DialWith, Dialer};
use super::error::ConnectError;
use super::queue::QueueDriver;
use super::reconnect::Replay;
use super::supervise::supervise;
use crate::identity::HostIdentity;
use crate::net::BusyPoll;
use crate::options::{ControllerLoss, FastIoFail};

/// What kind of controller is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// One with I/O queues.
    Io,
    /// A discovery controller.
    Discovery,
}

/// Whether the submission queues are controlled by their head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FlowControl {
    /// The controller tells the head with each completion. As Linux does it by default.
    #[default]
    On,
    /// The host counts its commands itself, as this one does anyway. Controllers may then leave out the completions of successful reads, which
    /// saves a PDU for each.
    Off,
}

/// Everything about a connection but where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) nqn: SubsysNqn,
    pub(crate) host: HostIdentity,
    pub(crate) kind: Kind,
    pub(crate) digests: Digests,
    pub(crate) queues: u16,
    pub(crate) queue_size: u16,
    pub(crate) flow_control: FlowControl,
    pub(crate) max_transfer: u32,
    pub(crate) max_waiting: usize,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) dial_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) admin_timeout: Duration,
    pub(crate) command_timeout: Duration,
    pub(crate) reconnect_delay: Duration,
    pub(crate) controller_loss: ControllerLoss,
    pub(crate) fast_io_fail: FastIoFail,
    pub(crate) replay: Replay,
    pub(crate) busy_poll: BusyPoll,
    #[cfg(feature = "auth")]
    pub(crate) secrets: Option<Secrets>,
}

/// What to connect to, and how.
///
/// | option | setter | range | default |
/// |---|---|---|---|
/// | digests | [`digests`](Self::digests) | | none |
/// | I/O queues | [`queues`](Self::queues) | 0 to 65535, at most as many as the controller grants | 1 |
/// | entries of each | [`queue_size`](Self::queue_size) | 2 to 32769, at most as many as the controller has (CAP.MQES) | 128 |
/// | flow control | [`flow_control`](Self::flow_control) | | on |
/// | data of a command | [`max_transfer`](Self::max_transfer) | 4096 bytes up, at most what the controller takes (MDTS) | 1 MiB |
/// | commands that wait | [`max_waiting`](Self::max_waiting) | 1 up, for each queue | 65536 |
/// | keep-alive | [`keep_alive`](Self::keep_alive) | 1 ms up, or none | 5 s; discovery: none |
/// | time to reach the address | [`dial_timeout`](Self::dial_timeout) | | 10 s |
/// | time for the handshake | [`handshake_timeout`](Self::handshake_timeout) | | 10 s |
/// | time of an admin command | [`admin_timeout`](Self::admin_timeout) | | 60 s |
/// | time of an I/O command | [`command_timeout`](Self::command_timeout) | | 30 s |
/// | pause before each attempt to reconnect | [`reconnect_delay`](Self::reconnect_delay) | | 10 s |
/// | time until a lost controller is given up | [`controller_loss`](Self::controller_loss) | 0 s up, or never | 600 s |
/// | time until commands of a lost controller fail | [`fast_io_fail`](Self::fast_io_fail) | 0 s up, or off | off |
/// | which commands are sent again | [`replay`](Self::replay) | | [`Replay::Fenced`] |
/// | secrets | `secrets` (feature `auth`) | | none |
/// | looking instead of waiting | [`busy_poll`](Self::busy_poll) | | off |
///
/// The times are those of the kernel's host (`drivers/nvme/host/fabrics.h: NVMF_DEF_RECONNECT_DELAY`, `NVMF_DEF_CTRL_LOSS_TMO`,
/// `core.c: nvme_io_timeout`, `admin_timeout`). The runtime needs tokio's I/O and time drivers.
#[derive(Debug)]
#[must_use = "nothing is connected before `connect` or `establish`"]
pub struct Connect<D = DialTcp> {
    dial: D,
    settings: Settings,
}

impl Connect<DialTcp> {
    /// A controller of the subsystem `nqn` at a TCP address; for a discovery controller by the well-known NQN, see [`discovery`](Self::discovery).
    pub fn new(peer: SocketAddr, nqn: SubsysNqn, host: HostIdentity) -> Self {
        Self::with(DialTcp { peer, local: None, interface: None }, nqn, host, Kind::Io)
    }

    /// The discovery controller at a TCP address, by the well-known NQN.
    pub fn discovery(peer: SocketAddr, host: HostIdentity) -> Self {
        Self::discovery_of(peer, SubsysNqn::discovery(), host)
    }

    /// A discovery controller with an NQN of its own.
    pub fn discovery_of(peer: SocketAddr, nqn: SubsysNqn, host: HostIdentity) -> Self {
        Self::with(DialTcp { peer, local: None, interface: None }, nqn, host, Kind::Discovery)
    }

    /// A discovery controller, reached so.
    pub(crate) fn to(dial: DialTcp, nqn: SubsysNqn, host: HostIdentity) -> Self {
        Self::with(dial, nqn, host, Kind::Discovery)
    }

    /// The address (and port, 0 for any) that connections come from.
    pub fn local(mut self, local: SocketAddr) -> Self {
        self.dial.local = Some(local);
        self
    }

    /// The network interface that connections go through. On Linux; elsewhere the connect fails.
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.dial.interface = Some(name.into());
        self
    }
}

impl<F, Fut, S> Connect<DialWith<F>>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = io::Result<S>>,
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    /// A controller at the other end of streams that `dial` makes, one for each queue: TLS, a pipe in memory, or whatever reads and writes.
    pub fn over(dial: F, nqn: SubsysNqn, host: HostIdentity) -> Self {
        Self::with(DialWith(dial), nqn, host, Kind::Io)
    }

    /// The same for a discovery controller.
    pub fn discovery_over(dial: F, nqn: SubsysNqn, host: HostIdentity) -> Self {
        Self::with(DialWith(dial), nqn, host, Kind::Discovery)
    }
}

impl<D: Dial> Connect<D> {
    fn with(dial: D, nqn: SubsysNqn, host: HostIdentity, kind: Kind) -> Self {
        let keep_alive = match kind {
            Kind::Io => Some(Duration::from_secs(5)),
            Kind::Discovery => None,
        };
        let settings = Settings {
            nqn,
            host,
            kind,
            digests: Digests::NONE,
            queues: 1,
            queue_size: 128,
            flow_control: FlowControl::On,
            max_transfer: 1 << 20,
            max_waiting: 1 << 16,
            keep_alive,
            dial_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            admin_timeout: Duration::from_secs(60),
            command_timeout: Duration::from_secs(30),
            reconnect_delay: Duration::from_secs(10),
            controller_loss: ControllerLoss::After(Duration::from_secs(600)),
            fast_io_fail: FastIoFail::Off,
            replay: Replay::Fenced,
            busy_poll: BusyPoll::Off,
            #[cfg(feature = "auth")]
            secrets: None,
        };
        Self { dial, settings }
    }

    /// Digests to use. A controller that does not grant every one of them is not talked to.
    pub const fn digests(mut self, digests: Digests) -> Self {
        self.settings.digests = digests;
        self
    }

    /// I/O queues, a connection each. The controller may grant fewer. 0: admin commands only.
    pub const fn queues(mut self, queues: u16) -> Self {
        self.settings.queues = queues;
        self
    }

    /// Entries of an I/O queue; with flow control on, one less is the number of commands outstanding.
    pub const fn queue_size(mut self, entries: u16) -> Self {
        self.settings.queue_size = entries;
        self
    }

    /// Whether the submission queues are controlled by their head.
    pub const fn flow_control(mut self, flow_control: FlowControl) -> Self {
        self.settings.flow_control = flow_control;
        self
    }

    /// The largest data of one command, in bytes. Larger reads and writes are split.
    pub const fn max_transfer(mut self, bytes: u32) -> Self {
        self.settings.max_transfer = if bytes < 4096 { 4096 } else { bytes };
        self
    }

    /// Commands that may wait for their turn in each queue when it is full; more fail with [`CommandError::Busy`](super::CommandError::Busy).
    pub const fn max_waiting(mut self, commands: usize) -> Self {
        self.settings.max_waiting = if commands == 0 { 1 } else { commands };
        self
    }

    /// The keep-alive time-out; `None`: the controller never gives up a silent host. On a discovery controller a time-out makes it a persistent one,
    /// which tells of changes.
    pub const fn keep_alive(mut self, timeout: Option<Duration>) -> Self {
        self.settings.keep_alive = timeout;
        self
    }

    /// How long reaching the address may take, for each queue.
    pub const fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.settings.dial_timeout = timeout;
        self
    }

    /// How long the controller has to answer ICReq.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.settings.handshake_timeout = timeout;
        self
    }

    /// How long an admin or Fabrics command may take.
    pub const fn admin_timeout(mut self, timeout: Duration) -> Self {
        self.settings.admin_timeout = timeout;
        self
    }

    /// How long an I/O command may take until it is aborted; if it is not over after as long again, the controller is connected anew.
    pub const fn command_timeout(mut self, timeout: Duration) -> Self {
        self.settings.command_timeout = timeout;
        self
    }

    /// The pause before each attempt to reconnect.
    pub const fn reconnect_delay(mut self, delay: Duration) -> Self {
        self.settings.reconnect_delay = delay;
        self
    }

    /// How long a lost controller is kept while connecting is tried again.
    pub const fn controller_loss(mut self, loss: ControllerLoss) -> Self {
        self.settings.controller_loss = loss;
        self
    }

    /// How long commands wait for a lost controller.
    pub const fn fast_io_fail(mut self, fail: FastIoFail) -> Self {
        self.settings.fast_io_fail = fail;
        self
    }

    /// Which commands are sent again after a reconnect.
    pub const fn replay(mut self, replay: Replay) -> Self {
        self.settings.replay = replay;
        self
    }

    /// Looking instead of waiting.
    pub const fn busy_poll(mut self, busy_poll: BusyPoll) -> Self {
        self.settings.busy_poll = busy_poll;
        self
    }

    /// Secrets of DH-HMAC-CHAP: the host's, for controllers that require authentication, and the controller's, which it then has to prove that it
    /// knows. **With the latter, a controller that does not authenticate itself is not used.**
    #[cfg(feature = "auth")]
    #[cfg_attr(docsrs, doc(cfg(feature = "auth")))]
    pub fn secrets(
        mut self,
        host: nvme_proto::auth::DhchapSecret,
        controller: Option<nvme_proto::auth::DhchapSecret>,
    ) -> Self {
        self.settings.secrets = Some(Secrets { host, controller });
        self
    }

    /// Connects, without spawning anything: the [`Driver`] has to be polled for anything to happen, here until the controller is live. Nothing needs
    /// to be `Send`.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn establish(self) -> Result<(Controller, Driver), ConnectError>
    where
        D: 'static,
    {
        let core = Arc::new(Core::new(self.settings, self.dial.peer()));
        let handle = Handle::new(Arc::clone(&core));
        let new: Arc<Mutex<Vec<QueueDriver<D::Stream>>>> = Arc::default();
        let spawn = {
            let new = Arc::clone(&new);
            move |driver| new.lock().unwrap_or_else(PoisonError::into_inner).push(driver)
        };
        let supervisor = supervise(Arc::clone(&core), self.dial, spawn);
        let set = DriverSet { supervisor: Some(Box::pin(supervisor)), queues: Vec::new(), new };
        let mut driver = Driver { set: Box::pin(set) };
        let details = tokio::select! {
            result = core.first() => result?,
            () = &mut driver => core.first().await?,
        };
        Ok((Controller::new(handle, details), driver))
    }
}

#[expect(private_bounds, reason = "sealed")]
impl<D> Connect<D>
where
    D: Dial + Send + 'static,
    <D as Dialer>::Dialing: Send,
    <D as Dialer>::Stream: Send,
{
    /// Connects; the tasks of the connections are spawned on the current runtime. They end when the controller is disconnected or the last handle to
    /// it is dropped.
    ///
    /// # Errors
    /// [`ConnectError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime, as [`tokio::spawn`] does.
    pub async fn connect(self) -> Result<Controller, ConnectError> {
        let core = Arc::new(Core::new(self.settings, self.dial.peer()));
        let handle = Handle::new(Arc::clone(&core));
        let spawn = |driver: QueueDriver<<D as Dialer>::Stream>| drop(tokio::spawn(driver.lend()));
        drop(tokio::spawn(supervise(Arc::clone(&core), self.dial, spawn)));
        let details = core.first().await?;
        Ok(Controller::new(handle, details))
    }
}

/// What makes a controller go that was connected by [`Connect::establish`]: all its connections as one future. It is ready when the controller is gone.
#[must_use = "nothing happens unless it is polled"]
pub struct Driver {
    set: Pin<Box<dyn Future<Output = ()>>>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.set.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Driver")
    }
}

/// The supervisor and the connections it made.
struct DriverSet<F, S> {
    supervisor: Option<Pin<Box<F>>>,
    queues: Vec<QueueDriver<S>>,
    new: Arc<Mutex<Vec<QueueDriver<S>>>>,
}

impl<F: Future<Output = ()>, S: crate::net::Stream> Future for DriverSet<F, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            if let Some(supervisor) = &mut this.supervisor
                && supervisor.as_mut().poll(cx).is_ready()
            {
                this.supervisor = None;
            }
            let begun = std::mem::take(&mut *this.new.lock().unwrap_or_else(PoisonError::into_inner));
            let any = !begun.is_empty();
            this.queues.extend(begun);
            this.queues.retain_mut(|queue| Pin::new(queue).poll(cx).is_pending());
            if !any {
                break;
            }
        }
        if this.supervisor.is_none() && this.queues.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<F, S> Unpin for DriverSet<F, S> {}
