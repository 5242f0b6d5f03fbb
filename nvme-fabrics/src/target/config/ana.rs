//! Asymmetric namespace access: groups of namespaces, and how a group is reached over a port.

use std::fmt;

use nvme_proto::log;

/// A group of namespaces that change their access together: 1 to 128. Every namespace is in one; 1 unless it is told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "ANAGRPID")]
pub struct AnaGroup(u8);

/// A number that no group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{number} is no group of asymmetric access: they are numbered from 1 to {}", AnaGroup::MAX)]
pub struct AnaGroupError {
    /// The number.
    pub number: u32,
}

impl AnaGroup {
    /// The largest number.
    #[doc(alias = "ANAGRPMAX")]
    pub const MAX: u8 = 128;

    /// The group that namespaces are in unless they are told otherwise.
    pub const ONE: Self = Self(1);

    /// The group with this number.
    ///
    /// # Errors
    /// 0, and numbers above [`MAX`](Self::MAX).
    pub const fn new(number: u32) -> Result<Self, AnaGroupError> {
        if number == 0 || number > Self::MAX as u32 {
            return Err(AnaGroupError { number });
        }
        Ok(Self(number as u8))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Every group, from 1 on.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (1..=Self::MAX).map(Self)
    }
}

impl Default for AnaGroup {
    /// Group 1.
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for AnaGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How the namespaces of a group are reached over a port.
///
/// | state | I/O commands |
/// |---|---|
/// | `Optimized`, `NonOptimized` | are done |
/// | `Inaccessible` | Asymmetric Access Inaccessible (302h): hosts use another path |
/// | `PersistentLoss` | Asymmetric Access Persistent Loss (301h) |
/// | `Change` | Asymmetric Access Transition (303h): hosts wait until the state is another one, 10 s at most |
///
/// Source: NVMe Base 2.0 section 8.1, kernel `drivers/nvme/target/admin-cmd.c: nvmet_check_ana_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AnaState {
    /// Well.
    #[default]
    Optimized,
    /// Less well than over another port.
    NonOptimized,
    /// Not at present.
    Inaccessible,
    /// Never again.
    PersistentLoss,
    /// The state is about to change.
    Change,
}

impl AnaState {
    /// The value in the log page.
    #[must_use]
    pub const fn wire(self) -> log::AnaState {
        match self {
            Self::Optimized => log::AnaState::OPTIMIZED,
            Self::NonOptimized => log::AnaState::NON_OPTIMIZED,
            Self::Inaccessible => log::AnaState::INACCESSIBLE,
            Self::PersistentLoss => log::AnaState::PERSISTENT_LOSS,
            Self::Change => log::AnaState::CHANGE,
        }
    }

    /// The state with this value in the log page.
    #[must_use]
    pub const fn from_wire(value: log::AnaState) -> Option<Self> {
        match value {
            log::AnaState::OPTIMIZED => Some(Self::Optimized),
            log::AnaState::NON_OPTIMIZED => Some(Self::NonOptimized),
            log::AnaState::INACCESSIBLE => Some(Self::Inaccessible),
            log::AnaState::PERSISTENT_LOSS => Some(Self::PersistentLoss),
            log::AnaState::CHANGE => Some(Self::Change),
            _ => None,
        }
    }

    /// Whether I/O commands are done.
    #[must_use]
    pub const fn is_accessible(self) -> bool {
        matches!(self, Self::Optimized | Self::NonOptimized)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_numbered_from_1_to_128() {
        assert!(AnaGroup::new(0).is_err() && AnaGroup::new(129).is_err() && AnaGroup::new(257).is_err());
        assert_eq!(AnaGroup::new(128).map(AnaGroup::get), Ok(128));
        assert_eq!((AnaGroup::all().count(), AnaGroup::all().next()), (128, Some(AnaGroup::ONE)));
    }

    #[test]
    fn states_keep_their_value() {
        for value in 0..=u8::MAX {
            if let Some(state) = AnaState::from_wire(log::AnaState(value)) {
                assert_eq!(state.wire().0, value);
            }
        }
        assert_eq!(AnaState::Change.wire().0, 0xf);
        assert!(AnaState::NonOptimized.is_accessible() && !AnaState::Change.is_accessible());
    }
}
