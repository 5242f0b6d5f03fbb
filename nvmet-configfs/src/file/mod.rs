//! Files that describe a target: this crate's own format, as TOML or JSON, and nvmetcli's. Feature `serde`.
//!
//! ```toml
//! version = 1
//!
//! [hosts."nqn.2024-05.org.example:alice"]
//! dhchap_hash = "hmac(sha384)"
//!
//! [subsystems.mysub]
//! hosts = ["nqn.2024-05.org.example:alice"]    # or hosts = "any"
//! attr_serial = "S1"
//!
//! [subsystems.mysub.namespaces.1]
//! device_path = "/dev/sdb"                     # enable = true unless it says otherwise
//!
//! [ports.1]
//! addr_trtype = "tcp"
//! addr_adrfam = "ipv4"
//! addr_traddr = "192.0.2.10"
//! addr_trsvcid = "4420"
//! subsystems = ["mysub"]
//! ana_groups = { 1 = "optimized" }
//!
//! [ports.1.referrals.other]
//! addr_traddr = "192.0.2.11"
//! ```
//!
//! Attributes have the names of their files, at the object they belong to. A field or attribute that is not known is refused with a
//! pointer to it; an attribute of a newer kernel goes under `extra`. Keys of hosts are in a file of their own ([`Secrets`]), so that the
//! rest can be shown around:
//!
//! ```toml
//! version = 1
//! [hosts."nqn.2024-05.org.example:alice"]
//! dhchap_key = "DHHC-1:…:"
//! ```

mod error;
mod from_observed;
mod place;
mod read;
mod secrets;
#[cfg(unix)]
mod store;
mod text;
mod write;

use std::fmt;

use serde_json::Value as Json;

use self::text::Text;
use crate::nvmetcli::{self, Document, ParseError};
use crate::spec::TargetSpec;
use crate::value::Value;

pub(crate) use error::before;
pub use error::{FieldFault, FileError};
pub use from_observed::{FromObserved, spec_of};
pub use place::Place;
pub(crate) use place::{Lines, members, push_segment};
pub use secrets::Secrets;
#[cfg(unix)]
pub use store::{StoreError, write};

/// The version of the format that this crate writes, and the only one it reads.
pub const VERSION: u64 = 1;

/// Which format a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// This crate's own, as TOML.
    Toml,
    /// This crate's own, as JSON.
    Json,
    /// nvmetcli's.
    Nvmetcli,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Toml => "TOML",
            Self::Json => "JSON",
            Self::Nvmetcli => "nvmetcli's JSON",
        })
    }
}

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// The target it describes.
    pub spec: TargetSpec,
    /// How it is written.
    pub format: Format,
    /// What of it is not in the spec; only nvmetcli's files are read with omissions.
    pub notes: Vec<nvmetcli::Note>,
}

/// Reads a file of any of the three formats. JSON with a `version` is this crate's, JSON without one nvmetcli's, all else TOML. A byte order
/// mark before the text is passed over.
///
/// # Errors
/// [`FileError`], with the line, and a pointer to the field. A file of nvmetcli's in which nothing at all can be used is one too: it would
/// otherwise be taken for an empty target.
pub fn parse(bytes: &[u8]) -> Result<Loaded, FileError> {
    let text = Text::new(bytes)?;
    if text.is_json() {
        match Document::parse(text.as_str()) {
            Ok(document) => return from_nvmetcli(&document, text),
            Err(ParseError::OwnFormat) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (json, format) = text.tree()?;
    let spec = read::target(&json).map_err(|error| text.placed(error))?;
    Ok(Loaded { spec, format, notes: Vec::new() })
}

fn from_nvmetcli(document: &Document, text: Text<'_>) -> Result<Loaded, FileError> {
    let read = document.to_spec();
    let mut notes = read.notes;
    text.place_notes(&mut notes);
    let is_empty =
        read.spec.hosts.is_empty() && read.spec.subsystems.is_empty() && read.spec.ports.is_empty();
    match notes.first() {
        Some(note) if is_empty => Err(FileError::Nothing { note: Box::new(note.clone()) }),
        _ => Ok(Loaded { spec: read.spec, format: Format::Nvmetcli, notes }),
    }
}

/// The text of a spec, without secrets: see [`Secrets::of`]. [`Format::Nvmetcli`] is made from a target instead: see
/// [`Document::from_observed`]; here it gives JSON.
pub fn to_text(spec: &TargetSpec, format: Format) -> Value {
    render(write::target(spec), format)
}

fn render(json: Json, format: Format) -> Value {
    let mut text = match format {
        Format::Toml => toml::to_string_pretty(&json).unwrap_or_default(),
        _ => serde_json::to_string_pretty(&json).unwrap_or_default(),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.into()
}

impl serde::Serialize for TargetSpec {
    /// As this crate's own format, without secrets.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write::target(self).serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for TargetSpec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        read::target(&json).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
