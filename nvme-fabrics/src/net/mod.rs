//! What both roles have in common: a state machine and a stream, driven by one task.
//!
//! ```text
//!   tcp (host)            target (controller)        what commands mean
//!   --------------------------------------
//!   net::Link                                        one turn: events, everything ready into one write, reads into their place, timers
//!   net::Machine          net::Stream                either role; TCP, or anything that reads and writes
//!   --------------------------------------
//!   nvme_proto::host      nvme_proto::controller     state machines without I/O
//! ```
//!
//! Nothing here needs `Send`, and nothing spawns: a [`Link`] is polled by whoever owns it.

mod clock;
mod link;
mod machine;
mod stream;

pub(crate) use clock::{Clock, Timer};
#[cfg(feature = "tokio")]
pub(crate) use link::Ended;
pub(crate) use link::Link;
pub(crate) use machine::Machine;
pub(crate) use stream::{Plain, Stream, Tcp};

use std::time::Duration;

/// Whether a connection is looked at again and again instead of waiting to be woken.
///
/// A task that waits is woken through the system's event queue, which costs tens of microseconds where a processor has to be woken too; one
/// that looks all the time is there within a few. The price is a processor that is busy while nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BusyPoll {
    /// Waits to be woken.
    #[default]
    Off,
    /// Looks all the time while there was traffic within this time, and waits otherwise.
    For(Duration),
    /// Looks all the time. The task never rests: it shares its thread fairly with others, but leaves the processor no pause.
    Always,
}
