//! The clock of the state machines, and one timer for each of them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nvme_proto::machine::Time;
use tokio::time::{Instant, Sleep, sleep_until};

/// A monotonic clock whose beginning is when it was made. Copies have the same beginning. It is tokio's, which tests can pause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// The time since the beginning.
    pub(crate) fn now(&self) -> Time {
        Time::from(self.start.elapsed())
    }

    /// A moment of this clock as one of tokio's. One too far away to be told is a day from now: who waits for it looks again then.
    fn instant(&self, at: Time) -> Instant {
        let day = Duration::from_secs(24 * 3600);
        self.start
            .checked_add(Duration::from_millis(at.as_millis()))
            .unwrap_or_else(|| Instant::now().checked_add(day).unwrap_or(self.start))
    }
}

/// One timer that is moved seldom: a deadline that goes away or becomes later leaves it armed, and when it fires too early it is armed again. So a
/// connection whose deadlines move with each command moves it about once in a time-out.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// What it is armed for; `None`: for nothing.
    armed: Option<Time>,
    /// Who is woken.
    waker: Option<Waker>,
}

impl Timer {
    /// A timer that is armed for nothing.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether nobody has to look before it fires: it is armed for `deadline` or earlier, that is yet to come, and it wakes `waker`.
    pub(crate) fn covers(&self, now: Time, deadline: Option<Time>, waker: &Waker) -> bool {
        let Some(deadline) = deadline else { return true };
        self.armed.is_some_and(|armed| now < armed && armed <= deadline)
            && self.waker.as_ref().is_some_and(|known| known.will_wake(waker))
    }

    /// Ready if `deadline` has come; otherwise the task is woken when it comes, or earlier.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        clock: Clock,
        now: Time,
        deadline: Option<Time>,
    ) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        if now >= deadline {
            return Poll::Ready(());
        }
        let mut same_waker = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        loop {
            match self.armed {
                Some(armed) if armed <= deadline && same_waker && now < armed => return Poll::Pending,
                Some(armed) if armed <= deadline && now < armed => {}
                _ => {
                    let at = clock.instant(deadline);
                    match &mut self.sleep {
                        Some(sleep) => sleep.as_mut().reset(at),
                        None => self.sleep = Some(Box::pin(sleep_until(at))),
                    }
                    self.armed = Some(deadline);
                }
            }
            let Some(sleep) = &mut self.sleep else { return Poll::Pending };
            match sleep.as_mut().poll(cx) {
                Poll::Pending => {
                    self.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(()) if clock.now() >= deadline => {
                    self.armed = None;
                    return Poll::Ready(());
                }
                // It was armed for an earlier deadline.
                Poll::Ready(()) => {
                    self.armed = None;
                    same_waker = false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    async fn wait(timer: &mut Timer, clock: Clock, deadline: Time) {
        poll_fn(|cx| timer.poll(cx, clock, clock.now(), Some(deadline))).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_fires_at_its_deadline_whichever_way_it_was_moved() {
        let clock = Clock::new();
        let mut timer = Timer::new();
        wait(&mut timer, clock, Time::from_millis(50)).await;
        assert_eq!(clock.now(), Time::from_millis(50));
        // Armed for 500, then moved back and forth.
        for (moved, to) in [(500, 200), (250, 900), (5_000, 1_000)] {
            let armed =
                poll_fn(|cx| Poll::Ready(timer.poll(cx, clock, clock.now(), Some(Time::from_millis(moved)))));
            assert_eq!(armed.await, Poll::Pending);
            wait(&mut timer, clock, Time::from_millis(to)).await;
            assert_eq!(clock.now(), Time::from_millis(to));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_beyond_every_clock_is_waited_for() {
        let clock = Clock::new();
        let mut timer = Timer::new();
        let far =
            poll_fn(|cx| Poll::Ready(timer.poll(cx, clock, clock.now(), Some(Time::from_millis(u64::MAX)))));
        assert_eq!(far.await, Poll::Pending);
        wait(&mut timer, clock, Time::from_millis(7)).await;
        assert_eq!(clock.now(), Time::from_millis(7));
    }
}
