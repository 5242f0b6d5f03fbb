//! NQNs in their roles: subsystem and host.

use alloc::borrow::Cow;
use alloc::string::String;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use super::nqn::{DISCOVERY_NQN, UUID_PREFIX, text_impls};
use super::{HostId, Nqn, NqnError, NqnForm, serde_as_text};

/// A newtype over [`Nqn`] for one role.
macro_rules! role {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Nqn);

        impl $name {
            /// Checks a name.
            ///
            /// # Errors
            /// Those of [`Nqn::new`].
            pub fn new(text: impl Into<String>) -> Result<Self, NqnError> {
                Nqn::new(text).map(Self)
            }

            /// Reads a name from a NUL-terminated field on the wire.
            ///
            /// # Errors
            /// Those of [`Nqn::decode`].
            pub fn decode(field: &[u8]) -> Result<Self, NqnError> {
                Nqn::decode(field).map(Self)
            }

            /// The field on the wire: the name, then NULs.
            #[must_use]
            pub fn encode(&self) -> [u8; Nqn::FIELD_LEN] {
                self.0.encode()
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The name without its role.
            #[must_use]
            pub const fn as_nqn(&self) -> &Nqn {
                &self.0
            }

            /// Which of the standard's forms the name has.
            #[must_use]
            pub fn form(&self) -> NqnForm {
                self.0.form()
            }
        }

        impl From<$name> for Nqn {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl From<Nqn> for $name {
            fn from(name: Nqn) -> Self {
                Self(name)
            }
        }

        impl FromStr for $name {
            type Err = NqnError;

            fn from_str(text: &str) -> Result<Self, NqnError> {
                text.parse().map(Self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        text_impls!($name);
    };
}

role! {
    /// The name of an NVM subsystem: what a host connects to. See [`Nqn`] for the rules.
    #[doc(alias = "SUBNQN")]
    SubsysNqn
}

role! {
    /// The name of a host: what a target allows or refuses. See [`Nqn`] for the rules.
    #[doc(alias = "HOSTNQN")]
    HostNqn
}

impl From<SubsysNqn> for String {
    fn from(name: SubsysNqn) -> Self {
        name.0.0
    }
}

impl From<HostNqn> for String {
    fn from(name: HostNqn) -> Self {
        name.0.0
    }
}

impl SubsysNqn {
    /// The name every discovery service answers to.
    #[must_use]
    pub fn discovery() -> Self {
        Self(Nqn(DISCOVERY_NQN.into()))
    }

    /// Whether this is that name. A discovery service may have a name of its own besides; that cannot be told from the name.
    #[must_use]
    pub fn is_discovery(&self) -> bool {
        self.as_str() == DISCOVERY_NQN
    }
}

impl HostNqn {
    /// The name made from a UUID: `nqn.2014-08.org.nvmexpress:uuid:` and the UUID in lower case.
    #[must_use]
    pub fn from_uuid(id: HostId) -> Self {
        Self(Nqn(alloc::format!("{UUID_PREFIX}{id}")))
    }

    /// The UUID in the name, if it was made from one.
    #[must_use]
    pub fn uuid(&self) -> Option<HostId> {
        match self.form() {
            NqnForm::Uuid(id) => Some(id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_roles_keep_the_rules() {
        for text in ["", "a/b", "a,b", "a\n", ".."] {
            let error = Nqn::new(text).unwrap_err();
            assert_eq!(SubsysNqn::new(text), Err(error));
            assert_eq!(text.parse::<SubsysNqn>(), Err(error));
            assert_eq!(HostNqn::new(text), Err(error));
            assert_eq!(text.parse::<HostNqn>(), Err(error));
        }
    }

    #[test]
    fn host_names_from_a_uuid_give_it_back() {
        let id: HostId = "1B4E28BA-2FA1-11D2-883F-0016D3CCA427".parse().unwrap();
        let name = HostNqn::from_uuid(id);
        assert_eq!(name.as_str(), "nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427");
        assert_eq!(name.uuid(), Some(id));
        assert_eq!(HostNqn::new("mysub").unwrap().uuid(), None);
        assert!(SubsysNqn::discovery().is_discovery());
        assert_eq!(SubsysNqn::new(DISCOVERY_NQN).unwrap(), SubsysNqn::discovery());
    }
}
