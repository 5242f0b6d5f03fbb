//! Subsystems, and who may connect to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use nvme_proto::{HostNqn, Nsid};

use super::settings::{Settings, with_settings};
use super::{NamespaceSpec, PassthruSpec};
use crate::object::Object;

/// Who may connect to a subsystem.
///
/// Two different values on purpose: permitting nobody is [`HostAccess::Only`] of no hosts, and taking the last host away
/// leaves nobody, never everybody. A change is not a disconnect: hosts that are connected stay so.
/// Source: `drivers/nvme/target/core.c:nvmet_host_allowed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAccess {
    /// Any host (`attr_allow_any_host` = 1, no links in `allowed_hosts`).
    Any,
    /// These hosts and no others (`attr_allow_any_host` = 0, one link each).
    Only(BTreeSet<HostNqn>),
}

impl HostAccess {
    /// Takes the permission of a host away. Has no effect on [`HostAccess::Any`].
    pub fn revoke(&mut self, host: &HostNqn) {
        if let Self::Only(hosts) = self {
            hosts.remove(host);
        }
    }
}

/// The wanted state of a subsystem.
///
/// | field | in the tree | left out |
/// |---|---|---|
/// | `access` | `attr_allow_any_host`, `allowed_hosts/` | – |
/// | `namespaces` | `namespaces/` | – |
/// | `passthru` | `passthru/` | as it is |
/// | `settings` | `attr_serial`, `attr_model` and the other `attr_…` | as they are |
///
/// Serial, model, version, firmware and IEEE OUI cannot change once a host has connected (since Linux 5.15); the kernel answers
/// `EINVAL` then. Source: `drivers/nvme/target/configfs.c:nvmet_subsys_attrs`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubsystemSpec {
    /// Who may connect.
    pub access: HostAccess,
    /// Its namespaces by their id.
    pub namespaces: BTreeMap<Nsid, NamespaceSpec>,
    /// A controller that it passes through instead.
    pub passthru: Option<PassthruSpec>,
    /// Its attributes.
    pub settings: Settings,
}

with_settings!(SubsystemSpec);

impl SubsystemSpec {
    /// A subsystem that any host may connect to.
    pub fn any_host() -> Self {
        Self::with_access(HostAccess::Any)
    }

    /// A subsystem that nobody may connect to; see [`SubsystemSpec::allow`].
    pub fn nobody() -> Self {
        Self::with_access(HostAccess::Only(BTreeSet::new()))
    }

    /// A subsystem with this access.
    pub fn with_access(access: HostAccess) -> Self {
        Self {
            access,
            namespaces: BTreeMap::new(),
            passthru: None,
            settings: Settings::of(Object::Subsystem),
        }
    }

    /// With this host permitted: from [`HostAccess::Any`] to this one alone, else in addition. The host must be defined in
    /// the [`TargetSpec`](super::TargetSpec) or on the target.
    #[must_use]
    pub fn allow(mut self, host: HostNqn) -> Self {
        match &mut self.access {
            HostAccess::Any => self.access = HostAccess::Only(BTreeSet::from([host])),
            HostAccess::Only(hosts) => {
                hosts.insert(host);
            }
        }
        self
    }

    /// With this namespace.
    #[must_use]
    pub fn namespace(mut self, nsid: Nsid, namespace: NamespaceSpec) -> Self {
        self.namespaces.insert(nsid, namespace);
        self
    }

    /// Passing this controller through.
    #[must_use]
    pub fn passthru(mut self, passthru: PassthruSpec) -> Self {
        self.passthru = Some(passthru);
        self
    }

    /// With this serial number.
    #[must_use]
    pub fn serial(mut self, serial: Serial) -> Self {
        self.settings.set_checked("attr_serial", serial);
        self
    }

    /// With this model.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        self.settings.set_checked("attr_model", model);
        self
    }
}

/// Why a text cannot be a serial number, a model or a firmware revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Empty or too long.
    #[error("{len} bytes; 1 to {max} are possible")]
    Length {
        /// Its length in bytes.
        len: usize,
        /// Most bytes.
        max: usize,
    },
    /// Not a printable ASCII character.
    #[error("byte {byte:#04x} at offset {at} is not printable ASCII")]
    Byte {
        /// The byte.
        byte: u8,
        /// Byte offset.
        at: usize,
    },
    /// A blank at the end, where the field is padded with blanks.
    #[error("a blank at the end cannot be told from the field's padding")]
    TrailingBlank,
}

macro_rules! ascii_field {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Most bytes.
            pub const MAX_LEN: usize = $max;

            /// A text, checked.
            ///
            /// # Errors
            /// [`TextError`] names the rule.
            pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
                let text = text.into();
                if text.is_empty() || text.len() > Self::MAX_LEN {
                    return Err(TextError::Length { len: text.len(), max: Self::MAX_LEN });
                }
                if let Some((at, byte)) = text.bytes().enumerate().find(|(_, b)| !matches!(b, 0x20..=0x7e)) {
                    return Err(TextError::Byte { byte, at });
                }
                if text.ends_with(' ') { Err(TextError::TrailingBlank) } else { Ok(Self(text)) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TextError;
            fn from_str(s: &str) -> Result<Self, TextError> {
                Self::new(s)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

ascii_field!(
    /// A serial number: 1 to 20 printable ASCII characters, not ending in a blank.
    #[doc(alias = "SN")]
    Serial,
    20
);
ascii_field!(
    /// A model: 1 to 40 printable ASCII characters, not ending in a blank.
    #[doc(alias = "MN")]
    Model,
    40
);
ascii_field!(
    /// A firmware revision: 1 to 8 printable ASCII characters, not ending in a blank.
    #[doc(alias = "FR")]
    Firmware,
    8
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revoking_the_last_host_leaves_nobody() {
        let host: HostNqn = "nqn.2014-08.org.example:h".parse().unwrap();
        let mut access = SubsystemSpec::nobody().allow(host.clone()).access;
        access.revoke(&host);
        assert_eq!(access, HostAccess::Only(BTreeSet::new()));
        assert_eq!(
            SubsystemSpec::any_host().allow(host.clone()).access,
            HostAccess::Only(BTreeSet::from([host]))
        );
    }

    #[test]
    fn fields_hold_printable_text_of_their_length() {
        assert_eq!(Serial::new("x".repeat(21)), Err(TextError::Length { len: 21, max: 20 }));
        assert_eq!(Serial::new(""), Err(TextError::Length { len: 0, max: 20 }));
        assert_eq!(Model::new("a\u{1}b"), Err(TextError::Byte { byte: 1, at: 1 }));
        assert_eq!(Model::new("M "), Err(TextError::TrailingBlank));
        assert_eq!(Model::new("x".repeat(40)).unwrap().as_str().len(), 40);
    }
}
