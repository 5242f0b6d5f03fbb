//! What the state machines of both roles have in common: the clock, the end of a connection, and where bytes go.
//!
//! The machines themselves are [`host::Host`](crate::host::Host) and [`controller::Controller`](crate::controller::Controller).

mod ending;
mod outbox;
mod ring;
mod space;
mod time;
mod work;

pub use ending::{Close, Failure};
pub use space::Space;
pub use time::{KeepAlive, Time};

pub(crate) use ending::{Phase, term_req};
pub(crate) use outbox::{Lent, Outbox};
pub(crate) use ring::Ring;
pub(crate) use space::Direct;
pub(crate) use work::Work;
