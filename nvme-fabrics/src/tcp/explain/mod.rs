//! Why a target refuses, found out by asking it.
//!
//! Linux reports nearly every refused connect as EIO or EINVAL and tells the reason only to the kernel log, which ordinary users may not read and which
//! does not know everything. The target itself says it, in the completion of Connect. So it is asked the same again, from user space: with
//! the same host NQN, host identifier, subsystem NQN, digests and queue sizes, and from the same local address.
//!
//! ```no_run
//! use nvme_fabrics::{ConnectOptions, HostIdentity, tcp::explain};
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse()?);
//! let options = ConnectOptions::tcp("192.0.2.10".parse()?, 4420, "mysub".parse()?, host)?;
//! let finding = explain::explain(&options, &explain::ExplainOptions::default()).await;
//! eprintln!("{finding}"); // subsystem mysub at 192.0.2.10 port 4420: the subsystem is there, and does not allow this host
//! eprintln!("{}", finding.hint());
//! # Ok(())
//! # }
//! ```
//!
//! | step | what is learnt |
//! |---|---|
//! | TCP connection | whether something listens |
//! | ICReq, ICResp | whether it is NVMe/TCP, and the digests. If it is not: a ClientHello, to see whether it is TLS |
//! | Connect | subsystem, host, queue size, authentication. An unknown subsystem: the discovery log of the same port, to see what there is |
//! | properties, Identify Controller | whether it is what Linux takes: kind, page size, keep-alive, capsules |
//! | Set Features, one I/O queue | whether I/O queues are granted in this size |
//!
//! Each step is taken only when those before it worked, and the controller is shut down in order at the end. It has the target make one controller
//! for a moment, sends no command to a namespace, and touches no other controller of this host. Nothing is concluded from what was not seen: a [`Cause`] is what
//! the target did; what it may mean stands in [`Finding::hint`]. TLS and the secrets of authentication are
//! not tried from here: of a connection that begins with TLS only that is asked whether the target speaks it.

mod cause;
mod finding;
mod probe;
mod queue;
#[cfg(test)]
mod tests;
mod tls;

use std::time::Duration;

pub use cause::{Cause, Unsupported};
pub use finding::{Finding, Offer};

use probe::Reach;
use tokio::time::Instant;

use super::dial::Dialer;
use super::endpoint::Endpoint;
use crate::net::Tcp;
use crate::options::{ConnectOptions, TransportName};

/// How long to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct ExplainOptions {
    /// For the TCP connection.
    reach: Duration,
    /// For each answer.
    answer: Duration,
    /// For all together.
    time: Duration,
}

impl Default for ExplainOptions {
    /// 3 s for the TCP connection, as the kernel does it; 5 s for each answer; 30 s for all.
    fn default() -> Self {
        Self { reach: Duration::from_secs(3), answer: Duration::from_secs(5), time: Duration::from_secs(30) }
    }
}

impl ExplainOptions {
    /// How long the TCP connection may take.
    pub const fn reach(mut self, time: Duration) -> Self {
        self.reach = time;
        self
    }

    /// How long each answer may take.
    pub const fn answer(mut self, time: Duration) -> Self {
        self.answer = time;
        self
    }

    /// How long everything may take; then the step that is waited for counts as unanswered.
    pub const fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// The end of a wait that begins now and may take so long.
    fn until(self, wait: Duration, end: Instant) -> Instant {
        let now = Instant::now();
        now.checked_add(wait).map_or(end, |until| until.min(end))
    }

    /// The end of all.
    fn end(self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.time).unwrap_or(now)
    }
}

/// Asks the target what it has against these options. Never fails: what cannot be asked is a finding too.
pub async fn explain(options: &ConnectOptions, limits: &ExplainOptions) -> Finding {
    let (TransportName::Tcp, Some(to), Some(port)) =
        (options.transport_name(), options.traddr(), options.port())
    else {
        return Finding::new(options, Cause::NotTcp);
    };
    match Endpoint::new(to, port, options.local_address(), options.local_interface()) {
        Ok(endpoint) => probe::ask(&endpoint, options, *limits).await,
        Err(error) => Finding::new(options, Cause::Address(error)),
    }
}

/// As [`explain`], for callers without a runtime: it has its own for the time being, on a thread of its own.
pub fn blocking(options: &ConnectOptions, limits: &ExplainOptions) -> Finding {
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(explain(options, limits)),
            Err(error) => Finding::new(options, Cause::Local { kind: error.kind() }),
        }
    };
    let thread = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("nvme-explain".into()).spawn_scoped(scope, ask);
        thread.map(|thread| thread.join())
    });
    match thread {
        Ok(Ok(finding)) => finding,
        Ok(Err(_)) => Finding::new(options, Cause::Local { kind: std::io::ErrorKind::Other }),
        Err(error) => Finding::new(options, Cause::Local { kind: error.kind() }),
    }
}

impl Reach for Endpoint {
    type Stream = Tcp;

    async fn open(&self) -> std::io::Result<Tcp> {
        self.dial().dial().await
    }
}
