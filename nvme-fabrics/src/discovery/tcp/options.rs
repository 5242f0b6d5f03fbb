//! How discovery services are asked.

use std::time::Duration;

use nvme_proto::digest::Digests;
use nvme_proto::discovery::{DiscoveryRequest as Wanted, LogReaderLimits};

/// How discovery services are asked.
///
/// | option | setter | default |
/// |---|---|---|
/// | digests | [`digests`](Self::digests) | none |
/// | time to reach the address | [`reach`](Self::reach) | 3 s |
/// | time for each answer | [`answer`](Self::answer) | 10 s |
/// | time for a service, all together | [`time`](Self::time) | 60 s |
/// | size of a log | [`log_limits`](Self::log_limits) | 16384 entries, read 10 times at most |
/// | which entries | [`wanted`](Self::wanted) | all, not extended |
///
/// Ten seconds for an answer is what the kernel gives the first one; a log that changes while it is read takes several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Options {
    pub(super) digests: Digests,
    pub(super) reach: Duration,
    pub(super) answer: Duration,
    pub(super) time: Duration,
    pub(super) limits: LogReaderLimits,
    pub(super) wanted: Wanted,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            digests: Digests::NONE,
            reach: Duration::from_secs(3),
            answer: Duration::from_secs(10),
            time: Duration::from_secs(60),
            limits: LogReaderLimits::default(),
            wanted: Wanted::NONE,
        }
    }
}

impl Options {
    /// Digests to use. A service that does not grant every one of them is not talked to.
    pub const fn digests(mut self, digests: Digests) -> Self {
        self.digests = digests;
        self
    }

    /// How long reaching the address may take.
    pub const fn reach(mut self, time: Duration) -> Self {
        self.reach = time;
        self
    }

    /// How long each answer may take.
    pub const fn answer(mut self, time: Duration) -> Self {
        self.answer = time;
        self
    }

    /// How long a service may take from the first packet to the whole log.
    pub const fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// What a log may be at most.
    pub const fn log_limits(mut self, limits: LogReaderLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Which entries are asked for, and whether with their extensions. Services that do not know the wish give the plain log.
    pub const fn wanted(mut self, wanted: Wanted) -> Self {
        self.wanted = wanted;
        self
    }
}
