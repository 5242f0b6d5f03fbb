//! What can go wrong.
//!
//! | error | of |
//! |---|---|
//! | [`ConnectError`] | making a controller; [`Stage`] says how far it came |
//! | [`CommandError`] | a command of one that is there; [`FailedRead`] gives the caller's buffer back with it |

mod command;
mod connect;

pub use command::{CommandError, CommandName, FailedRead};
pub use connect::{ConnectError, Stage};
