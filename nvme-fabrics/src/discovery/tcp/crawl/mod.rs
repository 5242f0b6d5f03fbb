//! Following referrals.
//!
//! A discovery log may name further discovery services, which may name further ones. They are asked level by level: first those given, then all that these
//! refer to, and so on, several of a level at a time. So the result does not depend on which one answers first.
//!
//! | what could go wrong | what happens |
//! |---|---|
//! | services refer to each other in a circle, under whatever spelling of their addresses | each is asked once: [`SkipReason::AlreadyAsked`] |
//! | a service refers to one that refers to one that … | ends at [`CrawlLimits::depth`]: [`SkipReason::TooDeep`] |
//! | a service refers to thousands | ends at [`CrawlLimits::services`]: [`Bound::Services`] |
//! | logs without end | ends at [`CrawlLimits::entries`]: [`Bound::Entries`] |
//! | a service is not there, or answers nonsense | its own [`Page::result`]; the others are asked all the same |
//! | services that keep silent | each has its time-outs, and all together [`CrawlLimits::time`]: [`Bound::Time`] |
//! | an entry that makes no sense | stays in the log, and in [`Crawl::skipped`] when it was to be followed |
//!
//! What nvme-cli does not follow is not followed either: services that say they would only repeat what this one says (DUPRETINFO), and the entries by
//! which a service names itself.

mod plan;
pub(super) mod run;

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use nvme_proto::discovery::DiscoveryEntry;
use nvme_proto::{AddressFamily, IpTraddr, IpTraddrError, NqnError, TransportType};

use super::place::EntryKey;
use super::{DiscoverError, Service};
use crate::discovery::Discovered;

/// Everything that was found, and everything that was not.
#[derive(Debug)]
#[non_exhaustive]
pub struct Crawl<E = DiscoverError> {
    /// The services that were asked: those given first, then those they refer to, level by level, in the order of the entries.
    pub pages: Vec<Page<E>>,
    /// Referrals that were not followed.
    pub skipped: Vec<Skipped>,
    /// Why it ended before all referrals were followed; `None` when it did not.
    pub stopped: Option<Bound>,
}

/// A discovery service that was asked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Page<E = DiscoverError> {
    /// The service.
    pub at: Service,
    /// 0 for a service that was given, 1 for those it refers to, and so on.
    pub depth: u32,
    /// The entry that refers to it; `None` for a service that was given.
    pub referred_by: Option<Referral>,
    /// What it said, or why it did not.
    pub result: Result<Discovered, E>,
}

/// The entry that refers to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Referral {
    /// Index in [`Crawl::pages`].
    pub page: usize,
    /// Index in the entries of its log.
    pub entry: usize,
}

/// A referral that was not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// The entry.
    pub referral: Referral,
    /// Why not.
    pub why: SkipReason,
}

/// Why a referral was not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// It was asked already, or is going to be.
    #[error("{at} is asked already")]
    AlreadyAsked {
        /// The service.
        at: Service,
    },
    /// It says itself that it repeats what this service says (DUPRETINFO).
    #[error("it repeats what this service says")]
    Repeats,
    /// [`CrawlLimits::depth`].
    #[error("{at} is {depth} referrals away from the first service")]
    TooDeep {
        /// The service.
        at: Service,
        /// How many.
        depth: u32,
    },
    /// [`CrawlLimits::services`], [`CrawlLimits::entries`] or [`CrawlLimits::time`].
    #[error("{at} is not asked any more: {bound}")]
    Bound {
        /// The service.
        at: Service,
        /// Which one.
        bound: Bound,
    },
    /// It cannot be reached by TCP.
    #[error("it is reached by {transport}, and only TCP is spoken here")]
    OtherTransport {
        /// How it can.
        transport: TransportType,
    },
    /// Its address is none.
    #[error("its address is `{text}`")]
    BadAddress {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        source: IpTraddrError,
    },
    /// Its address is one, and of another family than it says.
    #[error("its address {traddr} is not of the family {family} that it claims")]
    OtherFamily {
        /// What it says.
        family: AddressFamily,
        /// The address.
        traddr: IpTraddr,
    },
    /// Its port is none.
    #[error("its port is `{text}`")]
    BadPort {
        /// What stands there.
        text: String,
    },
    /// Its name is none.
    #[error("its name is not an NQN")]
    BadName {
        /// What is wrong with it.
        source: NqnError,
    },
    /// It demands TLS, which the user-space host does not speak.
    #[error("it demands TLS")]
    NeedsTls,
}

/// What ended a crawl early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bound {
    /// [`CrawlLimits::services`].
    Services,
    /// [`CrawlLimits::entries`].
    Entries,
    /// [`CrawlLimits::time`].
    Time,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Services => "there are more discovery services than are asked at most",
            Self::Entries => "there are more entries than are kept at most",
            Self::Time => "time is over",
        })
    }
}

/// Bounds of a [`crawl`](super::crawl).
///
/// ```
/// use nvme_fabrics::discovery::tcp::CrawlLimits;
/// let limits = CrawlLimits::default().depth(2).services(16);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct CrawlLimits {
    pub(super) depth: u32,
    pub(super) services: usize,
    pub(super) entries: usize,
    pub(super) parallel: usize,
    pub(super) time: Duration,
}

impl Default for CrawlLimits {
    /// 8 referrals deep, 64 services, 65536 entries (64 MiB), 8 services at a time, 2 minutes.
    fn default() -> Self {
        Self { depth: 8, services: 64, entries: 65_536, parallel: 8, time: Duration::from_secs(120) }
    }
}

impl CrawlLimits {
    /// How many referrals away from the first service a service may be; 0 follows none.
    pub const fn depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    /// How many services are asked, those given included; at least as many as are given.
    pub const fn services(mut self, services: usize) -> Self {
        self.services = services;
        self
    }

    /// How many entries are kept, of all logs together; each takes 1 KiB. While they are read, every service that is asked at the same time
    /// may take as many as are left, or as one log may have ([`Options::log_limits`](super::Options::log_limits)).
    pub const fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// How many services are asked at a time; 0 counts as 1.
    pub const fn parallel(mut self, services: usize) -> Self {
        self.parallel = services;
        self
    }

    /// How long it may take altogether. What is known by then is the result.
    pub const fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }
}

impl<E> Crawl<E> {
    /// Every entry once, in the order of discovery, with the index of the page it stands in.
    ///
    /// Two entries are the same when they lead to the same subsystem by the same way, whatever the spelling of the address: different services often
    /// know the same subsystems.
    pub fn entries(&self) -> impl Iterator<Item = (usize, &DiscoveryEntry)> {
        let mut seen = HashSet::new();
        let pages = self.pages.iter().enumerate();
        pages
            .flat_map(|(index, page)| {
                let log = page.result.as_ref().ok().map(|found| &found.log);
                log.into_iter().flat_map(|log| &log.entries).map(move |entry| (index, entry))
            })
            .filter(move |(_, entry)| seen.insert(EntryKey::of(entry)))
    }

    /// The services that gave no log, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&Service, &E)> {
        self.pages.iter().filter_map(|page| page.result.as_ref().err().map(|error| (&page.at, error)))
    }
}
