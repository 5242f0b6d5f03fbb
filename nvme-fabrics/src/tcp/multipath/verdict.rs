//! What to do about a command that failed on a path.

use std::time::Duration;

use nvme_proto::Status;

use super::super::error::CommandError;

/// What it means that a command is executed twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Nature {
    /// Nothing: it reads, or flushes.
    Reads,
    /// Nothing by itself: it overwrites blocks with what they are to hold. An *old* copy that is executed late harms.
    Overwrites,
    /// It may make a difference: reservations, pass-through.
    Once,
}

/// What to do with writes of which it is not known whether they were executed, because their path was lost.
///
/// The trouble is not in sending such a write again, but in the old copy: it may sit in the controller that was lost, and be executed when newer data
/// have long been written by another path. See [`reconnect`](crate::tcp::reconnect) for the whole argument; it holds between paths as it holds between two
/// connections of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LateWrites {
    /// They are sent by another path when the lost controller is surely dead (2 KATO + CQT after the loss, 10 s with defaults). Only the commands that were
    /// on their way wait; all others go on by the other paths at once. On paths without a keep-alive time-out it cannot be known, and they fail.
    #[default]
    Fenced,
    /// They are sent by another path at once, as the kernel's host does it: **an old write may overwrite a newer one**.
    AsLinux,
    /// They fail, when the lost controller is surely dead: for callers that know better what to do.
    Fail,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Give the error to the caller: it is about the command and not about the path.
    Answer,
    /// Another path, at once. What is known of this one has to be looked at anew.
    Elsewhere(PathNews),
    /// The same or another path, after this pause.
    Again(Duration),
    /// Another path, when the lost controller is surely dead.
    AfterFence,
    /// Give the error to the caller, when the lost controller is surely dead.
    FailAfterFence,
}

/// What a failure says of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathNews {
    /// The controller reaches the namespace no longer, or not now: the log tells.
    Ana,
    /// The connection is lost, or something between here and the namespace.
    Trouble,
}

/// What is known besides the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Circumstances {
    pub(super) nature: Nature,
    pub(super) late: LateWrites,
    /// It is known when a lost controller is dead.
    pub(super) fence: bool,
}

/// The pause for CRD 0, and the unit when the controller names none.
const PAUSE: Duration = Duration::from_millis(20);

/// What to do about `error`. `retry_delay` is the pause that the controller wants by its CRD field.
///
/// | the command | executed | reads | overwrites | once |
/// |---|---|---|---|---|
/// | was not sent | no | elsewhere | elsewhere | elsewhere |
/// | was refused for the path (303h, 302h, 301h) | no | elsewhere | elsewhere | elsewhere |
/// | failed inside of the path (300h, 360h and others of type 3) | partly, and is over | elsewhere | elsewhere | error |
/// | failed for the moment (022h, 021h, 082h, 006h, …) without DNR | no, or partly, and is over | again | again | error, but for 021h and 082h |
/// | data were damaged on the way | yes, and is over | again | again | error |
/// | lost with its connection, or given up | **unknown** | elsewhere | elsewhere behind the fence | error behind the fence |
/// | anything else | as the status says | error | error | error |
///
/// Of a request of several commands the error is that of one whose outcome is unknown, if there is one.
///
/// "Error behind the fence": the caller learns of it when nothing can happen any more, so that what it does then is not overtaken by what it did before.
pub(super) fn verdict(error: &CommandError, retry_delay: Option<Duration>, known: Circumstances) -> Verdict {
    use Nature::{Once, Overwrites, Reads};
    let nature = known.nature;
    if error.outcome_unknown() {
        return match (nature, known.late) {
            (Reads, _) | (Overwrites, LateWrites::AsLinux) => Verdict::Elsewhere(PathNews::Trouble),
            (Overwrites, LateWrites::Fenced) if known.fence => Verdict::AfterFence,
            (Once, LateWrites::AsLinux) => Verdict::Answer,
            _ => Verdict::FailAfterFence,
        };
    }
    match error {
        CommandError::NotConnected { .. } | CommandError::Busy { .. } => {
            Verdict::Elsewhere(PathNews::Trouble)
        }
        // It was aborted: it is over, and may have been executed in part.
        CommandError::TimedOut { .. } if nature != Once => Verdict::Elsewhere(PathNews::Trouble),
        CommandError::Transfer { .. } if error.is_retryable() && nature != Once => Verdict::Again(PAUSE),
        CommandError::Status { cqe, .. } => of_status(cqe.status, retry_delay, nature),
        _ => Verdict::Answer,
    }
}

fn of_status(status: Status, retry_delay: Option<Duration>, nature: Nature) -> Verdict {
    const REFUSED: [Status; 3] = [
        Status::ASYMMETRIC_ACCESS_PERSISTENT_LOSS,
        Status::ASYMMETRIC_ACCESS_INACCESSIBLE,
        Status::ASYMMETRIC_ACCESS_TRANSITION,
    ];
    const NOT_BEGUN: [Status; 2] = [Status::COMMAND_INTERRUPTED, Status::NAMESPACE_NOT_READY];
    const TRANSIENT: [Status; 5] = [
        Status::TRANSIENT_TRANSPORT_ERROR,
        Status::INTERNAL_ERROR,
        Status::DATA_TRANSFER_ERROR,
        Status::ADMIN_COMMAND_MEDIA_NOT_READY,
        Status::COMMAND_ABORTED_DUE_TO_SQ_DELETION,
    ];
    let is_in = |list: &[Status]| list.iter().any(|listed| status.is(*listed));
    // That the same command would fail again holds for the same path.
    if is_in(&REFUSED) {
        return Verdict::Elsewhere(PathNews::Ana);
    }
    if status.sct() == 3 && nature != Nature::Once {
        return Verdict::Elsewhere(PathNews::Trouble);
    }
    let again = !status.dnr() && (is_in(&NOT_BEGUN) || (is_in(&TRANSIENT) && nature != Nature::Once));
    if again { Verdict::Again(retry_delay.unwrap_or(PAUSE).max(PAUSE)) } else { Verdict::Answer }
}

/// The pause that a status asks for (CRD), by the three times of Identify Controller, in units of 100 ms.
pub(super) fn retry_delay(status: Option<Status>, delays: [u16; 3]) -> Option<Duration> {
    let crd = usize::from(status?.crd()).checked_sub(1)?;
    let units = *delays.get(crd)?;
    Some(Duration::from_millis(u64::from(units).saturating_mul(100)))
}

#[cfg(test)]
mod tests {
    use nvme_proto::cqe::Cqe;
    use nvme_proto::host::CommandError as Failed;
    use nvme_proto::sqe::Sqe;

    use super::super::super::error::CommandName;
    use super::*;

    fn name() -> CommandName {
        CommandName::io(&Sqe::new(1))
    }

    fn status(status: Status) -> CommandError {
        CommandError::Status { command: name(), cqe: Cqe::failed(0, status) }
    }

    const LOST: fn() -> CommandError = || CommandError::Lost { command: name(), failure: None };

    fn known(nature: Nature) -> Circumstances {
        Circumstances { nature, late: LateWrites::Fenced, fence: true }
    }

    const ALL: [Nature; 3] = [Nature::Reads, Nature::Overwrites, Nature::Once];
    const TROUBLE: Verdict = Verdict::Elsewhere(PathNews::Trouble);
    const ANA: Verdict = Verdict::Elsewhere(PathNews::Ana);

    fn of_all(error: &CommandError) -> [Verdict; 3] {
        ALL.map(|nature| verdict(error, None, known(nature)))
    }

    #[test]
    fn what_was_not_executed_moves_whatever_it_is() {
        for error in [
            CommandError::NotConnected { command: name(), gone: false },
            CommandError::NotConnected { command: name(), gone: true },
            CommandError::Busy { command: name() },
        ] {
            assert_eq!(of_all(&error), [TROUBLE; 3], "{error}");
        }
        for refused in [
            Status::ASYMMETRIC_ACCESS_TRANSITION,
            Status::ASYMMETRIC_ACCESS_INACCESSIBLE,
            Status::ASYMMETRIC_ACCESS_PERSISTENT_LOSS.with_dnr(),
        ] {
            assert_eq!(of_all(&status(refused)), [ANA; 3]);
        }
    }

    #[test]
    fn what_may_have_been_executed_moves_only_where_that_does_no_harm() {
        use Verdict::{Answer, FailAfterFence};
        for inside in [Status::INTERNAL_PATH_ERROR, Status::CONTROLLER_PATHING_ERROR, Status(0x3c0)] {
            assert_eq!(of_all(&status(inside)), [TROUBLE, TROUBLE, Answer]);
        }
        assert_eq!(of_all(&LOST()), [TROUBLE, Verdict::AfterFence, FailAfterFence]);
        let given_up = CommandError::TimedOut { command: name(), aborted: false };
        assert_eq!(of_all(&given_up), [TROUBLE, Verdict::AfterFence, FailAfterFence]);
        let aborted = CommandError::TimedOut { command: name(), aborted: true };
        assert_eq!(of_all(&aborted), [TROUBLE, TROUBLE, Answer]);
    }

    #[test]
    fn without_a_fence_a_write_fails_unless_one_is_careless() {
        let mut known = known(Nature::Overwrites);
        known.fence = false;
        assert_eq!(verdict(&LOST(), None, known), Verdict::FailAfterFence);
        known.late = LateWrites::AsLinux;
        assert_eq!(verdict(&LOST(), None, known), TROUBLE);
        known.late = LateWrites::Fail;
        known.fence = true;
        assert_eq!(verdict(&LOST(), None, known), Verdict::FailAfterFence);
        known.nature = Nature::Reads;
        assert_eq!(verdict(&LOST(), None, known), TROUBLE);
        known.nature = Nature::Once;
        known.late = LateWrites::AsLinux;
        assert_eq!(verdict(&LOST(), None, known), Verdict::Answer);
    }

    #[test]
    fn one_piece_that_was_refused_says_nothing_of_those_that_were_lost() {
        let refused = || status(Status::ASYMMETRIC_ACCESS_TRANSITION);
        for pieces in [[refused(), LOST(), refused()], [LOST(), refused(), refused()]] {
            let mut kept = None;
            pieces.into_iter().for_each(|error| CommandError::keep(&mut kept, error));
            assert!(kept.unwrap().outcome_unknown());
        }
        let mut kept = None;
        [refused(), status(Status::LBA_OUT_OF_RANGE)]
            .into_iter()
            .for_each(|error| CommandError::keep(&mut kept, error));
        assert_eq!(
            kept.and_then(|kept| kept.status()),
            Some(Status::ASYMMETRIC_ACCESS_TRANSITION),
            "the first"
        );
    }

    #[test]
    fn what_fails_for_the_moment_is_tried_again_after_the_pause_that_is_asked_for() {
        let again = Verdict::Again(PAUSE);
        assert_eq!(of_all(&status(Status::COMMAND_INTERRUPTED)), [again; 3]);
        assert_eq!(of_all(&status(Status::TRANSIENT_TRANSPORT_ERROR)), [again, again, Verdict::Answer]);
        let digest = Failed::DataDigest { received: 1, computed: 2 };
        let damaged = CommandError::Transfer { command: name(), error: digest };
        assert_eq!(of_all(&damaged), [again, again, Verdict::Answer]);
        let asked = retry_delay(Some(Status(Status::COMMAND_INTERRUPTED.0 | 2 << 11)), [1, 30, 5]);
        assert_eq!(asked, Some(Duration::from_secs(3)));
        let verdict = verdict(&status(Status::COMMAND_INTERRUPTED), asked, known(Nature::Overwrites));
        assert_eq!(verdict, Verdict::Again(Duration::from_secs(3)));
        assert_eq!(retry_delay(Some(Status::COMMAND_INTERRUPTED), [1, 2, 3]), None);
        assert_eq!(retry_delay(None, [1, 2, 3]), None);
    }

    #[test]
    fn errors_about_the_command_are_the_callers() {
        for about in [
            Status::LBA_OUT_OF_RANGE,
            Status::RESERVATION_CONFLICT,
            Status::COMPARE_FAILURE,
            Status::NAMESPACE_IS_WRITE_PROTECTED,
            Status::UNRECOVERED_READ_ERROR,
            Status::COMMAND_INTERRUPTED.with_dnr(),
        ] {
            assert_eq!(of_all(&status(about)), [Verdict::Answer; 3], "{about}");
        }
        let short = Failed::Short { cqe: Cqe::success(0), transferred: 1, len: 2 };
        let short = CommandError::Transfer { command: name(), error: short };
        assert_eq!(of_all(&short), [Verdict::Answer; 3]);
    }
}
