//! Serving a target: listeners, connections, threads, and what peers may take of them.
//!
//! ```text
//!   server      listeners, threads, shutdown
//!   accept      connections from a listener, to the thread that has the fewest
//!   gate        how many connections there may be, of all and of each peer
//!   connection  one connection: first bytes, state machine, time
//!   session     one connection's commands: memory, data, storage, answers
//!   pool budget the memory of one connection, and of all
//! ```
//!
//! One task serves one connection, from the first byte to the last, without another task and without a lock: a command is read, done, and
//! answered on the same thread, and all answers that are ready go out by one call. Storage that waits answers through the connection's mailbox.

mod accept;
pub(crate) mod budget;
mod connection;
mod gate;
mod limits;
mod mailbox;
mod pool;
mod server;
mod session;
mod shared;
mod statistics;
mod workers;

pub use limits::Limits;
pub use server::{ServeError, Server, ServerBuilder, Shutdown};
pub use statistics::Statistics;

#[cfg(test)]
mod tests;
