//! What happens to commands when a connection is lost.
//!
//! A lost connection takes the whole association with it, as it does for the kernel's host: all queues are closed, and after
//! [`reconnect_delay`](super::Connect::reconnect_delay) a new association is made, with a new controller of the subsystem; after each failure another
//! delay, until [`controller_loss`](super::Connect::controller_loss) has passed since the loss. A refusal that says "do not retry" ends it at once.
//!
//! # Which commands are sent again
//!
//! | the command | what is known | what happens by default |
//! |---|---|---|
//! | was not submitted yet | it was not executed | it is sent to the new controller |
//! | only reads (Read, Compare, Verify, Identify, Get Log Page, ...) | executing it twice makes no difference | it is sent again |
//! | Flush | executing it twice makes no difference | it is sent again |
//! | overwrites blocks (Write, Write Zeroes, deallocation) | it may have been executed, or be executed *later* | it is sent again behind the fence, see below |
//! | anything else (reservations, features, zone append, pass-through) | executing it twice may make a difference | it fails: [`CommandError::Lost`](super::CommandError::Lost), outcome unknown |
//!
//! # Why a fence
//!
//! Sending a write again does no harm by itself: the same data reach the same blocks. The harm is in the *old* one. It may sit in the old
//! controller, still unexecuted, when the host has long reconnected:
//!
//! ```text
//!   write A to block 7 ──► old controller ........................ executed here: block 7 is A again
//!                   ✂ connection lost
//!                          reconnect, write A again ✓, write B ✓
//! ```
//!
//! The write of B was acknowledged and is lost. Reporting an error instead of sending A again does not help: the caller would write B itself. The
//! old controller is not torn down by a new Connect (Linux's target makes another controller, `drivers/nvme/target/core.c: nvmet_alloc_ctrl`), and
//! that the connection is closed on this side says nothing about when the other side hears of it. So **nothing is sent to the new controller before
//! the old one is surely dead**. That is known by time alone: the old controller hears nothing any more, its keep-alive timer expires, and it has to
//! end the association and everything that runs in it:
//!
//! | | |
//! |---|---|
//! | the keep-alive timer | expires at most KATO after the last Keep Alive; with traffic-based keep-alive at most 2 KATO after the last command |
//! | one KATO more | for controllers that do not say how long they take to stop |
//! | CQT | how long the controller takes to end commands, when it says so (Identify Controller, command quiesce time) |
//!
//! The fence is 2 KATO + CQT after the loss, or 3 KATO + CQT with traffic-based keep-alive: with the default KATO of 5 s no later than the first
//! attempt to reconnect anyway. It is put up only if commands that change something were on their way. Without a keep-alive time-out
//! there is no fence, and such commands fail as lost.
//!
//! The kernel's host has no fence; [`Replay::AsLinux`] is as fast and as careless.
//!
//! A controller whose volatile cache is lost with it (it restarted) cannot be told from one whose connection broke: a Flush then succeeds on the new
//! controller although writes before it are gone. The kernel's host has the same limit; write with force unit access where that matters.
//!
//! Source: NVMe Base 2.1 section 9.6 (communication loss handling); kernel `drivers/nvme/host/tcp.c: nvme_tcp_error_recovery_work`,
//! `fabrics.c: nvmf_should_reconnect`.

use std::time::Duration;

use super::queue::{Effect, Fault};

/// Which commands are sent again after a reconnect. Those that were not sent before always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Replay {
    /// Commands that read, and those that overwrite blocks; the new controller is used only when the old one is surely dead. See the
    /// [module](self).
    #[default]
    Fenced,
    /// Commands that only read. Others that were on their way fail, and what their callers do then is fenced as above.
    Reads,
    /// Commands that read or overwrite blocks, at once, as the kernel's host does it: **an old write may overwrite a newer one**.
    AsLinux,
    /// None, and no fence: for callers that decide themselves, such as multipath.
    Never,
}

impl Replay {
    /// Whether a command that was lost this way is sent again.
    pub(crate) const fn repeats(self, fault: Fault, effect: Effect, has_fence: bool) -> bool {
        if !fault.outcome_unknown() {
            return true; // it was not sent
        }
        match (self, effect) {
            (Self::Never, _) | (_, Effect::Other) | (Self::Reads, Effect::Overwrites) => false,
            (_, Effect::Nothing) | (Self::AsLinux, Effect::Overwrites) => true,
            (Self::Fenced, Effect::Overwrites) => has_fence,
        }
    }

    /// Whether the new controller is used only when the old one is surely dead.
    pub(crate) const fn fences(self) -> bool {
        matches!(self, Self::Fenced | Self::Reads)
    }
}

/// How long after the loss of a connection its controller is surely dead; `None` if that cannot be known.
pub(crate) fn quiesced_after(
    keep_alive: Option<Duration>,
    traffic_based: bool,
    quiesce: Duration,
) -> Option<Duration> {
    let keep_alive = keep_alive.filter(|timeout| !timeout.is_zero())?;
    let periods = if traffic_based { 3 } else { 2 };
    Some(keep_alive.saturating_mul(periods).saturating_add(quiesce))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nvme_proto::host::CommandError;
    use nvme_proto::machine::Failure;

    const LOST: Fault = Fault::Failed(CommandError::Lost(Failure::EndOfStream));

    #[test]
    fn what_was_not_sent_is_always_sent_and_what_cannot_be_undone_never_again() {
        for replay in [Replay::Fenced, Replay::Reads, Replay::AsLinux, Replay::Never] {
            for effect in [Effect::Nothing, Effect::Overwrites, Effect::Other] {
                assert!(replay.repeats(Fault::Down, effect, false));
            }
            assert!(!replay.repeats(LOST, Effect::Other, true));
            assert!(!replay.repeats(Fault::Vanished, Effect::Other, true));
            assert_eq!(replay.repeats(LOST, Effect::Nothing, false), replay != Replay::Never);
        }
    }

    #[test]
    fn writes_are_repeated_behind_a_fence_or_carelessly() {
        assert!(Replay::Fenced.repeats(LOST, Effect::Overwrites, true));
        assert!(!Replay::Fenced.repeats(LOST, Effect::Overwrites, false));
        assert!(!Replay::Reads.repeats(LOST, Effect::Overwrites, true));
        assert!(Replay::AsLinux.repeats(LOST, Effect::Overwrites, false));
        assert!(!Replay::Never.repeats(LOST, Effect::Overwrites, true));
    }

    #[test]
    fn the_fence_is_as_far_as_the_controller_may_live() {
        let second = Duration::from_secs(1);
        assert_eq!(quiesced_after(Some(5 * second), false, Duration::ZERO), Some(10 * second));
        assert_eq!(quiesced_after(Some(5 * second), true, second), Some(16 * second));
        assert_eq!(quiesced_after(None, true, second), None);
        assert_eq!(quiesced_after(Some(Duration::ZERO), false, second), None);
        assert_eq!(quiesced_after(Some(Duration::MAX), true, second), Some(Duration::MAX));
    }
}
