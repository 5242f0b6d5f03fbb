//! The host in user space: controllers and namespaces over NVMe/TCP without the kernel, on any platform, without privileges.
//!
//! ```text
//!   Namespace                        blocks: read, write, flush, ...; splits what is too large for a command
//!   Controller                       identify, log pages, features, events, state
//!   ------------------------------
//!   supervise, associate             connects, keeps alive, aborts, reconnects
//!   queue                            one connection: a table of commands, a task
//!   ------------------------------
//!   net                              a state machine on a stream
//!   nvme_proto::host                 the state machine
//! ```
//!
//! [`Connect`] says what to connect to. What a lost connection means for commands: [`reconnect`].

mod associate;
mod authenticate;
mod buffer;
mod connect;
mod controller;
mod core;
mod dial;
mod endpoint;
mod error;
mod events;
pub mod explain;
#[cfg(test)]
pub(crate) mod fake;
mod features;
mod join;
pub mod multipath;
mod namespace;
mod open;
mod queue;
pub mod reconnect;
mod spread;
mod state;
mod supervise;

pub use connect::{Connect, Driver, FlowControl};
pub use controller::{Answer, Controller, Limits, Transfer};
pub use dial::{Dial, DialTcp, DialWith};
pub(crate) use endpoint::Endpoint;
pub use endpoint::EndpointError;
pub use error::{CommandError, CommandName, ConnectError, FailedRead, Stage};
pub use events::{ControllerEvent, Events};
pub use namespace::{
    AtomicWrite, BlockRange, Completed, Deallocate, Durability, Namespace, Reservations, Ring,
};
pub use reconnect::Replay;
pub use state::{Cause, State, Watch};

pub use crate::net::BusyPoll;
