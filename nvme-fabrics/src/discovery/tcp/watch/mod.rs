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
mod watching;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use nvme_proto::discovery::DiscoveryLog;

use super::DiscoverError;
use super::asker::Persistent;
use super::changes::Change;
use crate::discovery::DiscoveryController;
use watching::Watching;

pub(super) use machine::Notices;
pub(super) use watching::{Door, Session};

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
