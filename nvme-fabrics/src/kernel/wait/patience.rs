//! How long to wait, and who may stop it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::kernel::sysfs::Sysfs;

/// First pause between two looks without events; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// Longest pause between two looks without events, and between two looks at the [`Cancel`].
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause between two looks while events would tell of a change: they may be lost, or not reach this container.
#[cfg(target_os = "linux")]
const PAUSE_WITH_EVENTS: Duration = Duration::from_millis(500);

/// Stops waits from elsewhere: another thread, or the handler of a signal.
///
/// Clones stop the same waits. Once stopped, it stays so.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// One that nobody has stopped yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all waits that look at it, within 50 ms. Only stores a flag: may be called in the handler of a signal.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was stopped.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long to wait at most, and what ends a wait before that. A [`Duration`] is one that nothing ends.
///
/// ```
/// use std::time::Duration;
/// use nvme_fabrics::kernel::wait::{Cancel, Patience};
/// let stop = Cancel::new();
/// let patience = Patience::new(Duration::from_secs(30)).cancelled_by(&stop);
/// assert_eq!(patience.timeout(), Duration::from_secs(30));
/// ```
#[derive(Debug, Clone)]
pub struct Patience {
    timeout: Duration,
    cancel: Option<Cancel>,
}

impl Patience {
    /// So long at most.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, cancel: None }
    }

    /// The same, ended by `cancel` too.
    #[must_use]
    pub fn cancelled_by(self, cancel: &Cancel) -> Self {
        Self { cancel: Some(cancel.clone()), ..self }
    }

    /// The longest wait.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(Cancel::is_cancelled)
    }
}

impl From<Duration> for Patience {
    fn from(timeout: Duration) -> Self {
        Self::new(timeout)
    }
}

/// How a wait without an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    TimeUp,
    Cancelled,
}

/// Looks until there is an answer, the time is up or the wait is stopped. The last look is made at the end of the time.
///
/// On this machine's own sysfs a look follows each event; on others there are pauses of 1 ms to 50 ms.
pub(super) fn look_until<T>(
    sysfs: &Sysfs,
    patience: &Patience,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, Ended> {
    if let Some(answer) = look() {
        return Ok(answer);
    }
    // Listens before the next look, so that nothing is missed between the two.
    let mut pauses = Pauses::for_tree(sysfs.sys());
    let begun = Instant::now();
    loop {
        if let Some(answer) = look() {
            return Ok(answer);
        }
        let left = patience.timeout.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(Ended::TimeUp);
        }
        pauses.pause(left, patience)?;
    }
}

/// As [`look_until`], for trees that no event tells about and waits that nobody stops.
pub(crate) fn poll<T>(timeout: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let patience = Patience::new(timeout);
    let mut pauses = Pauses::blind();
    let begun = Instant::now();
    loop {
        if let Some(answer) = look() {
            return Some(answer);
        }
        let left = timeout.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return None;
        }
        pauses.pause(left, &patience).ok()?;
    }
}

/// The time between two looks.
struct Pauses {
    next: Duration,
    #[cfg(target_os = "linux")]
    events: Option<crate::kernel::events::EventSocket>,
}

impl Pauses {
    fn blind() -> Self {
        Self {
            next: FIRST_PAUSE,
            #[cfg(target_os = "linux")]
            events: None,
        }
    }

    #[cfg(target_os = "linux")]
    fn for_tree(sys: &Path) -> Self {
        // Events are about this machine's own tree and no other.
        let is_own = sys == Path::new("/sys");
        let open = || crate::kernel::events::EventSocket::open().ok();
        Self { events: is_own.then(open).flatten(), ..Self::blind() }
    }

    #[cfg(not(target_os = "linux"))]
    fn for_tree(_: &Path) -> Self {
        Self::blind()
    }

    fn pause(&mut self, left: Duration, patience: &Patience) -> Result<(), Ended> {
        if patience.is_cancelled() {
            return Err(Ended::Cancelled);
        }
        #[cfg(target_os = "linux")]
        if self.events.is_some() {
            return self.pause_for_event(left, patience);
        }
        std::thread::sleep(self.next.min(left));
        self.next = self.next.saturating_mul(2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// Until something happens, but not for long: a look costs little, and an event may not have come.
    #[cfg(target_os = "linux")]
    fn pause_for_event(&mut self, left: Duration, patience: &Patience) -> Result<(), Ended> {
        let begun = Instant::now();
        let whole = left.min(PAUSE_WITH_EVENTS);
        while let Some(socket) = &self.events {
            if patience.is_cancelled() {
                return Err(Ended::Cancelled);
            }
            let rest = whole.saturating_sub(begun.elapsed());
            if rest.is_zero() {
                break;
            }
            match socket.next_within(rest.min(LONGEST_PAUSE)) {
                Ok(None) => {}
                // Whatever it was, a look tells more; all that came together is looked for once.
                Ok(Some(_)) => {
                    while let Ok(Some(_)) = socket.try_next() {}
                    break;
                }
                Err(error) if error.goes_on() => break,
                Err(_) => self.events = None,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_the_time_or_when_it_is_stopped() {
        for sysfs in [Sysfs::system(), Sysfs::at("/nonexistent")] {
            let never = |patience: &Patience| look_until(&sysfs, patience, || None::<()>).unwrap_err();
            assert_eq!(never(&Patience::new(Duration::from_millis(30))), Ended::TimeUp);
            let stop = Cancel::new();
            let long = Patience::new(Duration::from_secs(600)).cancelled_by(&stop);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(20));
                    stop.cancel();
                });
                assert_eq!(never(&long), Ended::Cancelled);
            });
            assert_eq!(never(&long), Ended::Cancelled, "it stays stopped");
            assert_eq!(look_until(&sysfs, &long, || Some(7)), Ok(7), "an answer is an answer");
        }
    }

    #[test]
    fn without_time_there_are_two_looks() {
        let mut looks = 0;
        let ended = look_until(&Sysfs::system(), &Duration::ZERO.into(), || {
            looks += 1;
            None::<()>
        });
        assert_eq!((ended, looks), (Err(Ended::TimeUp), 2));
        assert_eq!(poll(Duration::ZERO, || None::<()>), None);
    }
}
