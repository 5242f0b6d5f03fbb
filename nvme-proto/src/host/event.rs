//! What a host connection tells its caller.

use super::command::{CommandId, Completion};
use crate::machine::{Close, Failure};
use crate::pdu::Negotiated;

/// What [`Host::poll`](super::Host::poll) tells.
///
/// ```text
/// Ready, then any number of Completed, TimedOut, KeepAliveDue, then Failed, the rest of Completed, Close
/// ```
///
/// A connection that fails before it is ready leaves out the beginning. Every command that was submitted is completed exactly once, by
/// `Close` at the latest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<R, W> {
    /// The handshake is through: these are the terms.
    Ready(Negotiated),
    /// A command is over; its slot is free.
    Completed(Completion<R, W>),
    /// A command has taken longer than [`Config::command_timeout`](super::Config::command_timeout). It is still outstanding: abort it or
    /// close the connection. Told once.
    TimedOut(CommandId),
    /// It is time to submit a Keep Alive. Told again after every interval.
    KeepAliveDue,
    /// The connection is at its end. What is still to be sent ([`Host::transmit`](super::Host::transmit)) tells the controller why.
    Failed(Failure),
    /// Close the socket now. This is the last event.
    Close(Close),
}
