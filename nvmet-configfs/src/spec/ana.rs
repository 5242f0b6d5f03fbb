//! ANA groups: how well a port reaches the namespaces that are in them.

use std::fmt;
use std::str::FromStr;

use crate::tree::Name;

/// The number of an ANA group, 1 to 127.
///
/// The kernel also takes 128, but stores it as 0 in a namespace (since Linux 6.1), which every port lets through.
/// Source: `drivers/nvme/target/configfs.c:nvmet_ns_ana_grpid_store`.
#[doc(alias = "ANAGRPID")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnaGroupId(u8);

/// A number is not that of an ANA group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an ANA group is a decimal number from 1 to 127")]
pub struct AnaGroupIdError;

impl AnaGroupId {
    /// The group that every port has.
    pub const ONE: Self = Self(1);

    /// A group.
    ///
    /// # Errors
    /// [`AnaGroupIdError`] outside 1 to 127.
    pub fn new(id: u32) -> Result<Self, AnaGroupIdError> {
        match u8::try_from(id) {
            Ok(id @ 1..=127) => Ok(Self(id)),
            _ => Err(AnaGroupIdError),
        }
    }

    /// The number.
    pub fn number(self) -> u32 {
        u32::from(self.0)
    }
}

impl FromStr for AnaGroupId {
    type Err = AnaGroupIdError;
    fn from_str(s: &str) -> Result<Self, AnaGroupIdError> {
        // Other spellings would be other directories.
        match s.parse::<u32>() {
            Ok(id) if id.to_string() == s => Self::new(id),
            _ => Err(AnaGroupIdError),
        }
    }
}

impl fmt::Display for AnaGroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl From<AnaGroupId> for Name {
    fn from(id: AnaGroupId) -> Self {
        Self::new(id.to_string()).unwrap_or_else(|_| Self::fixed("1")) // digits always are a name
    }
}

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// The state of an ANA group on a port. A new port's group 1 is optimized, other groups start inaccessible.
        ///
        /// Hosts are told of a change by an event and move their I/O; nobody is disconnected.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum AnaState {
            $($(#[$doc])* $name,)*
        }

        impl AnaState {
            /// The kernel's word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }

        impl FromStr for AnaState {
            type Err = AnaStateError;
            fn from_str(s: &str) -> Result<Self, AnaStateError> {
                match s { $($word => Ok(Self::$name),)* _ => Err(AnaStateError) }
            }
        }
    };
}

states! {
    /// The best path.
    Optimized = "optimized";
    /// A path that works, but not the best.
    NonOptimized = "non-optimized";
    /// No path at present.
    Inaccessible = "inaccessible";
    /// No path any more.
    PersistentLoss = "persistent-loss";
    /// On its way from one state to another.
    Change = "change";
}

/// A word is not the state of an ANA group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of optimized, non-optimized, inaccessible, persistent-loss, change is meant")]
pub struct AnaStateError;

impl fmt::Display for AnaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_states_have_one_spelling() {
        assert_eq!("127".parse(), Ok(AnaGroupId(127)));
        for text in ["0", "128", "01", "0x1", "", "-1", "300"] {
            assert_eq!(text.parse::<AnaGroupId>(), Err(AnaGroupIdError), "{text}");
        }
        assert_eq!("non-optimized".parse(), Ok(AnaState::NonOptimized));
        assert_eq!("Optimized".parse::<AnaState>(), Err(AnaStateError));
        let kind = crate::attribute(crate::Object::AnaGroup, "ana_state").unwrap().kind;
        for state in [AnaState::Optimized, AnaState::PersistentLoss, AnaState::Change] {
            assert!(kind.canonical(state.word().as_bytes()).is_ok());
        }
    }
}
