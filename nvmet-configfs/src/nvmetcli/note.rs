//! What is lost between nvmetcli's format and a target.

use std::fmt;

use nvme_proto::NqnError;

use crate::file::{Place, before};
use crate::spec::{AnaGroupIdError, AnaStateError, DevicePathError, SettingError};
use crate::tree::{RelPath, RelPathError};

/// Something that is on one side and not on the other. Never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// Where: a pointer into the document (`/subsystems/0/namespaces/2`, counted from 0), or a path of the tree.
    pub at: String,
    /// Where in the text; only [`file::parse`](crate::file::parse) has one.
    pub place: Option<Place>,
    /// What.
    pub kind: NoteKind,
}

/// What is lost, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteKind {
    /// The document has something else there.
    #[error("{expected} is expected: left out")]
    Type {
        /// What should be there.
        expected: &'static str,
    },
    /// An entry without what names it.
    #[error("the entry has no `{key}`: left out")]
    NoId {
        /// The key that names such entries.
        key: &'static str,
    },
    /// Two entries of the same name; the later one counts.
    #[error("there is an earlier entry of the same name, which is replaced")]
    Again,
    /// The same key twice in one object: the later one counts, as it does for nvmetcli.
    #[error("this key is there twice: only the later one is read")]
    KeyAgain,
    /// A key that nvmetcli does not have either.
    #[error("this is not part of the format: left out")]
    UnknownKey,
    /// No NQN.
    #[error("this cannot be the name of a subsystem or host: {0}")]
    Nqn(NqnError),
    /// No number of a namespace or port.
    #[error("this is no number from {min} to {max}: left out")]
    Id {
        /// The smallest.
        min: u32,
        /// The largest.
        max: u32,
    },
    /// No device.
    #[error("{0}")]
    Device(DevicePathError),
    /// No ANA group.
    #[error("{0}")]
    AnaGroup(AnaGroupIdError),
    /// No state of an ANA group.
    #[error("{0}")]
    AnaState(AnaStateError),
    /// No name of a referral.
    #[error("this cannot be a name: {0}")]
    Name(RelPathError),
    /// A value that the attribute cannot have.
    #[error("{0}")]
    Setting(SettingError),
    /// `allow_any_host` and permitted hosts: the kernel takes one or the other.
    #[error("allow_any_host is set and hosts are permitted by name: only those may connect")]
    AnyHostAndSome,
    /// Something on the target that the format has no place for.
    #[error("the format cannot hold this ({value}): nvmetcli would restore the target without it")]
    NotHeld {
        /// Its value.
        value: String,
    },
    /// Something that nvmetcli writes and does not restore.
    #[error("nvmetcli writes this and does not restore it")]
    NotRestored,
    /// A name or value that is not text.
    #[error("this is not text: left out")]
    NotText,
    /// A link whose name is not that of what it points to; the format takes one for the other.
    #[error("this link points to {target}, which is written instead of its name")]
    LinkName {
        /// What it points to.
        target: String,
    },
    /// An attribute that cannot be read.
    #[error("this cannot be read")]
    Unreadable,
}

impl Note {
    pub(crate) fn new(at: impl Into<String>, kind: NoteKind) -> Self {
        Self { at: at.into(), place: None, kind }
    }

    pub(crate) fn in_line(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Whether an object of the file may be missing in what was read of it, so that to remove what the file does not name would be to
    /// remove what it names.
    #[must_use]
    pub fn may_hide_an_object(&self) -> bool {
        match &self.kind {
            NoteKind::Again | NoteKind::AnyHostAndSome | NoteKind::Device(_) | NoteKind::AnaState(_) => false,
            // A port is nothing without its address; any other attribute may be left out.
            NoteKind::Setting(_) => self.at.ends_with("/addr"),
            _ => true,
        }
    }

    pub(crate) fn on(path: &RelPath, kind: NoteKind) -> Self {
        Self::new(path.to_string(), kind)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", before(&self.place), self.at, self.kind)
    }
}
