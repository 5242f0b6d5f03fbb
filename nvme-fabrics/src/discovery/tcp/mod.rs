//! Discovery in user space: no kernel, no privileges, any platform.
//!
//! | function | what |
//! |---|---|
//! | [`discover`] | asks one discovery service for its log |
//! | [`crawl`] | asks it and all that it refers to |
//! | [`watch`] | stays connected and tells what changes |
//!
//! What is found has the same types as what the kernel's half finds ([`Discovered`]), so that both print alike
//! ([`text::render`](super::text::render)).
//!
//! ```no_run
//! use nvme_fabrics::discovery::{self, DiscoveryRequest, tcp};
//! use nvme_fabrics::HostIdentity;
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse()?);
//! let request = DiscoveryRequest::tcp("192.0.2.10".parse()?, discovery::DEFAULT_PORT, host)?;
//! let found = tcp::discover(&request, &tcp::Options::default()).await?;
//! print!("{}", discovery::text::render(&found.log));
//! # Ok(())
//! # }
//! ```
//!
//! Everything that a service says is bounded before memory is taken or a loop starts: the entries of a log and the times it is read anew
//! ([`Options::log_limits`]), the time of each answer and of all ([`Options`]), and what is followed ([`CrawlLimits`]).
//!
//! Needs tokio's I/O and time drivers.

mod asker;
mod changes;
mod crawl;
mod error;
mod log;
mod options;
mod place;
#[cfg(test)]
mod tests;
mod watch;

pub use changes::Change;
pub use crawl::{Bound, Crawl, CrawlLimits, Page, Referral, SkipReason, Skipped};
pub use error::DiscoverError;
pub use options::Options;
pub use place::{Portal, Service};
pub use watch::{Watch, WatchEvent, WatchOptions};

use asker::{Asker, Persistent};

use super::{Discovered, DiscoveryRequest};

/// Asks a discovery service what it offers to this host.
///
/// Connects, identifies the controller, reads its log in pieces that are checked to be of one generation, shuts the controller down and disconnects. When
/// the future is dropped before, the controller is disconnected all the same.
///
/// # Errors
/// [`DiscoverError`].
pub async fn discover(request: &DiscoveryRequest, options: &Options) -> Result<Discovered, DiscoverError> {
    let asker = Asker::new(request, options);
    let at = asker.service()?;
    asker.ask(at, usize::MAX).await
}

/// Asks a discovery service, those in `more`, and all that they refer to, as the same host and from the same local address.
///
/// Each service has its own result. See [`Crawl`] for what is followed and what bounds it.
///
/// # Errors
/// When the request is not for TCP.
pub async fn crawl(
    request: &DiscoveryRequest,
    more: &[Service],
    options: &Options,
    limits: &CrawlLimits,
) -> Result<Crawl, DiscoverError> {
    let asker = Asker::new(request, options);
    let services = [asker.service()?].into_iter().chain(more.iter().cloned());
    let late = |at: &Service| DiscoverError::TimedOut { at: Box::new(at.clone()), after: limits.time };
    Ok(crawl::run::run(services, *limits, |at, entries| asker.ask(at, entries), late).await)
}

/// Stays connected to a discovery service and tells what changes, until the [`Watch`] is dropped.
///
/// # Errors
/// When there is nothing to watch: the request is not for TCP. That the service is not there is an event, and it is tried again.
pub fn watch(
    request: &DiscoveryRequest,
    options: &Options,
    how: &WatchOptions,
) -> Result<Watch, DiscoverError> {
    let asker = Asker::new(request, options);
    let at = asker.service()?;
    Ok(Watch::new(Persistent { asker, at, keep_alive: how.keep_alive }, *how))
}
