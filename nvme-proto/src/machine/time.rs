//! The caller's clock.

use core::fmt;
use core::time::Duration;

/// A moment on the caller's clock, milliseconds since a beginning that the caller chooses.
///
/// The state machines have no clock. They take the time as an argument where it matters and say by `poll_timeout` when they want to be
/// polled next. The clock has to be monotonic; one that steps back makes a timer later, and nothing else.
///
/// ```
/// use nvme_proto::machine::Time;
/// use std::time::{Duration, Instant};
/// let start = Instant::now();
/// let now = Time::from(start.elapsed());
/// assert_eq!(Time::from_millis(5).after(Duration::from_secs(1)), Time::from_millis(1005));
/// # let _ = now;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The beginning of the caller's clock.
    pub const START: Self = Self(0);

    /// This many milliseconds since the beginning.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `wait` later; fractions of a millisecond are rounded up, so that no timer is early.
    #[must_use]
    #[inline]
    pub fn after(self, wait: Duration) -> Self {
        let millis = u64::from(wait.subsec_nanos().div_ceil(1_000_000));
        Self(self.0.saturating_add(wait.as_secs().saturating_mul(1000)).saturating_add(millis))
    }

    /// The moment this many milliseconds later.
    #[inline]
    pub(crate) const fn after_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<Duration> for Time {
    /// The moment this long after the beginning.
    fn from(since_start: Duration) -> Self {
        Self(u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// What keeps an association alive: the host has to show itself within the keep-alive time-out (KATO).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeepAlive {
    /// Keep Alive commands alone, this far apart.
    ///
    /// On the host the time until one is due, of which half the time-out is usual; on the controller the time-out.
    Commands(Duration),
    /// Commands of any kind: traffic based keep-alive (CTRATT.TBKAS). A quarter of the time-out is usual on the host.
    Traffic(Duration),
}

impl KeepAlive {
    /// The opcode of Keep Alive.
    pub(crate) const OPCODE: u8 = 0x18;

    /// How far apart.
    #[must_use]
    #[inline]
    pub const fn interval(self) -> Duration {
        match self {
            Self::Commands(interval) | Self::Traffic(interval) => interval,
        }
    }

    /// Whether a command with this opcode counts.
    #[inline]
    pub(crate) const fn counts(self, opcode: u8) -> bool {
        matches!(self, Self::Traffic(_)) || opcode == Self::OPCODE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_never_early_and_never_wraps() {
        assert_eq!(Time::START.after(Duration::from_micros(1)), Time(1));
        assert_eq!(Time(7).after(Duration::from_millis(3)), Time(10));
        assert_eq!(Time(1).after(Duration::MAX), Time(u64::MAX));
        assert_eq!(Time(5).since(Time(9)), Duration::ZERO);
        assert_eq!(Time(9).since(Time(5)), Duration::from_millis(4));
        assert_eq!(Time::from(Duration::from_micros(1999)), Time(1));
    }
}
