//! Which path a command takes.

use nvme_proto::log::AnaState;

use super::PathId;

/// How a path is chosen among those that are equally good.
///
/// Good are, in this order: paths that the controller calls optimized, then non-optimized ones. A path of another state is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Policy {
    /// Each in its turn.
    RoundRobin,
    /// The one with the fewest commands on their way, as far as this disk and its siblings know. Adapts to paths of different speed.
    #[default]
    QueueDepth,
    /// The one that is most preferred ([`Paths::join_preferred`](super::Paths::join_preferred)), always: the others are there for when it is lost. What a
    /// machine of several nodes wants whose network interfaces are near some processors and far from others.
    Preferred,
}

/// What a path is good for, by its connection and by what its controller says of the namespace.
///
/// | connection | state of the namespace | grade |
/// |---|---|---|
/// | live | optimized, or the controller reports no states | `Optimized` |
/// | live | non-optimized, or none that is known | `NonOptimized` |
/// | live | inaccessible, change; the log is being read | `Waiting` |
/// | being made again | | `Waiting` |
/// | live | persistent loss | `Never` |
/// | gone | | `Never` |
/// | | the namespace is not there, or another one | `Never` |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(super) enum Grade {
    /// To be used.
    Optimized = 0,
    /// To be used when there is no better one.
    NonOptimized = 1,
    /// Not to be used now; that may change.
    Waiting = 2,
    /// Not to be used.
    Never = 3,
}

impl Grade {
    /// By the state of the namespace, over a live connection.
    pub(super) const fn of(state: AnaState) -> Self {
        match state {
            AnaState::OPTIMIZED => Self::Optimized,
            AnaState::INACCESSIBLE | AnaState::CHANGE => Self::Waiting,
            AnaState::PERSISTENT_LOSS => Self::Never,
            // A state that has no name yet: nothing forbids it, and nothing speaks for it.
            _ => Self::NonOptimized,
        }
    }

    pub(super) const fn from_u8(grade: u8) -> Self {
        match grade {
            0 => Self::Optimized,
            1 => Self::NonOptimized,
            2 => Self::Waiting,
            _ => Self::Never,
        }
    }

    const fn is_usable(self) -> bool {
        matches!(self, Self::Optimized | Self::NonOptimized)
    }
}

/// A path at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) id: PathId,
    pub(super) grade: Grade,
    /// Commands on their way.
    pub(super) busy: usize,
    /// Lower ones come first.
    pub(super) preference: u32,
    /// This command has failed there.
    pub(super) tried: bool,
}

/// What came of choosing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The candidate of this index.
    Path(usize),
    /// None now, but there may be one later.
    Wait,
    /// None, and there will be none unless one is added.
    None,
}

/// Chooses in one pass. `last` is the index that was chosen last time.
pub(super) fn choose(policy: Policy, candidates: impl Iterator<Item = Candidate>, last: usize) -> Choice {
    let mut best: Option<(Rank, usize)> = None;
    let mut hope = false;
    for (index, candidate) in candidates.enumerate() {
        hope |= candidate.grade != Grade::Never;
        if !candidate.grade.is_usable() || candidate.tried {
            continue;
        }
        let rank = Rank::new(policy, candidate, index, last);
        if best.is_none_or(|(least, _)| rank < least) {
            best = Some((rank, index));
        }
    }
    match best {
        Some((_, index)) => Choice::Path(index),
        None if hope => Choice::Wait,
        None => Choice::None,
    }
}

/// What is compared; the lowest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    grade: Grade,
    policy: usize,
    /// Whether it comes before the last one: then its turn is later.
    turn: (bool, usize),
}

impl Rank {
    fn new(policy: Policy, candidate: Candidate, index: usize, last: usize) -> Self {
        let (policy, by_turns) = match policy {
            Policy::RoundRobin => (0, true),
            Policy::QueueDepth => (candidate.busy, true),
            // Of equally preferred ones always the first.
            Policy::Preferred => (usize::try_from(candidate.preference).unwrap_or(usize::MAX), false),
        };
        Self { grade: candidate.grade, policy, turn: (by_turns && index <= last, index) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: u32, grade: Grade, busy: usize) -> Candidate {
        Candidate { id: PathId(id), grade, busy, preference: id, tried: false }
    }

    fn picks(policy: Policy, candidates: &[Candidate], times: usize) -> Vec<usize> {
        let mut last = usize::MAX;
        let pick = |_| match choose(policy, candidates.iter().copied(), last) {
            Choice::Path(index) => {
                last = index;
                index
            }
            other => panic!("{other:?}"),
        };
        (0..times).map(pick).collect()
    }

    use Grade::{Never, NonOptimized, Optimized, Waiting};

    #[test]
    fn by_turns_among_the_best_only() {
        let paths = [
            candidate(0, NonOptimized, 0),
            candidate(1, Optimized, 0),
            candidate(2, Waiting, 0),
            candidate(3, Optimized, 0),
        ];
        assert_eq!(picks(Policy::RoundRobin, &paths, 5), [1, 3, 1, 3, 1]);
        let worse = [candidate(0, NonOptimized, 0), candidate(1, Never, 0), candidate(2, NonOptimized, 0)];
        assert_eq!(picks(Policy::RoundRobin, &worse, 4), [0, 2, 0, 2]);
    }

    #[test]
    fn the_least_busy_one_and_by_turns_among_equals() {
        let paths = [candidate(0, Optimized, 5), candidate(1, Optimized, 2), candidate(2, NonOptimized, 0)];
        assert_eq!(picks(Policy::QueueDepth, &paths, 2), [1, 1]);
        let equal = [candidate(0, Optimized, 3), candidate(1, Optimized, 3)];
        assert_eq!(picks(Policy::QueueDepth, &equal, 4), [0, 1, 0, 1]);
    }

    #[test]
    fn the_preferred_one_as_long_as_it_is_good() {
        let mut paths = [candidate(0, Optimized, 9), candidate(1, Optimized, 0)];
        assert_eq!(picks(Policy::Preferred, &paths, 3), [0, 0, 0]);
        paths[0].preference = 7;
        assert_eq!(picks(Policy::Preferred, &paths, 2), [1, 1]);
        paths[1].grade = NonOptimized;
        assert_eq!(picks(Policy::Preferred, &paths, 2), [0, 0]);
    }

    #[test]
    fn a_path_where_the_command_failed_is_not_tried_again_and_hope_is_told_from_none() {
        let none = usize::MAX;
        let mut paths = [candidate(0, Optimized, 0), candidate(1, NonOptimized, 0)];
        paths[0].tried = true;
        assert_eq!(choose(Policy::RoundRobin, paths.iter().copied(), none), Choice::Path(1));
        paths[1].tried = true;
        assert_eq!(choose(Policy::RoundRobin, paths.iter().copied(), none), Choice::Wait);
        let waiting = [candidate(0, Waiting, 0), candidate(1, Never, 0)];
        assert_eq!(choose(Policy::RoundRobin, waiting.iter().copied(), none), Choice::Wait);
        let never = [candidate(0, Never, 0)];
        assert_eq!(choose(Policy::RoundRobin, never.iter().copied(), none), Choice::None);
        assert_eq!(choose(Policy::RoundRobin, std::iter::empty(), none), Choice::None);
    }

    #[test]
    fn states_and_their_grades() {
        for (state, grade) in [
            (AnaState::OPTIMIZED, Optimized),
            (AnaState::NON_OPTIMIZED, NonOptimized),
            (AnaState::INACCESSIBLE, Waiting),
            (AnaState::CHANGE, Waiting),
            (AnaState::PERSISTENT_LOSS, Never),
            (AnaState(5), NonOptimized),
        ] {
            assert_eq!(Grade::of(state), grade);
        }
        for grade in [Optimized, NonOptimized, Waiting, Never] {
            assert_eq!(Grade::from_u8(grade as u8), grade);
        }
    }
}
