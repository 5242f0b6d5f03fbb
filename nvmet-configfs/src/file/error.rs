//! Why a text describes no target.

use super::Place;
use crate::nvmetcli::{Note, ParseError};

/// Why a text describes no target. Never shows a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Nothing but white space.
    #[error("this file is empty: an empty target is `version = 1` alone")]
    Empty,
    /// UTF-16, as some editors save text.
    #[error("this is UTF-16: save it as UTF-8")]
    Utf16,
    /// Bytes that are no text.
    #[error("{place}: this is not UTF-8: save it as UTF-8, if it is text")]
    NotUtf8 {
        /// The first such byte.
        place: Place,
    },
    /// Neither JSON nor TOML.
    #[error("{place}: this is no TOML (nor JSON, which begins with `{{`): {toml}{}", hint(.toml))]
    Syntax {
        /// Where.
        place: Place,
        /// What the TOML parser says, without the text around it.
        toml: String,
    },
    /// Another version of the format.
    #[error(
        "this file has version {found}; this program reads version 1, written as a number without a point"
    )]
    Version {
        /// What it says.
        found: String,
    },
    /// No version: not a file of this format.
    #[error("`version` is missing: a file of this format begins with `version = 1`")]
    NoVersion,
    /// A field is wrong.
    #[error("{}{pointer}: {fault}", before(.place))]
    Field {
        /// Where, as a JSON pointer.
        pointer: String,
        /// Where in the text; `None` if it was read from something else than a text.
        place: Option<Place>,
        /// What is wrong with it.
        fault: FieldFault,
    },
    /// A file of nvmetcli that cannot be read.
    #[error(transparent)]
    Nvmetcli(#[from] ParseError),
    /// JSON, but nothing of what nvmetcli writes is in it.
    #[error("this is JSON, but no target that nvmetcli saved, nor one with a `version`: {note}")]
    Nothing {
        /// The first thing that cannot be used.
        note: Box<Note>,
    },
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldFault {
    /// Something else is expected.
    #[error("{0} is expected")]
    Expected(&'static str),
    /// Not part of the format.
    #[error("there is no such field; an attribute that this program does not know goes under `extra`")]
    Unknown,
    /// A secret in the file that may be shown.
    #[error("keys belong into a file of their own")]
    Secret,
    /// A field is needed.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// The same key twice in one object of JSON, of which parsers take one and pass over the other.
    #[error("this key is there twice: take one out")]
    Again,
    /// The name of an object, or a value, is none.
    #[error("{0}")]
    Value(String),
}

/// A place before what is said of it.
pub(crate) fn before(place: &Option<Place>) -> String {
    place.map(|place| format!("{place}: ")).unwrap_or_default()
}

/// What most people do who see this: NQNs as keys.
fn hint(message: &str) -> &'static str {
    if message.contains("unquoted key") {
        "; names with dots and colons are in quotes: [subsystems.\"nqn.2024-05.org.example:a\"]"
    } else {
        ""
    }
}
