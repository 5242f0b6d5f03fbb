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

mod from_observed;
mod read;
mod secrets;
#[cfg(unix)]
mod store;
mod write;

use std::fmt;

use serde_json::Value as Json;

use crate::nvmetcli::{self, Document};
use crate::spec::TargetSpec;
use crate::value::Value;

pub use from_observed::{FromObserved, spec_of};
pub use secrets::Secrets;
#[cfg(unix)]
pub use store::{StoreError, write};

/// The version of the format that this crate writes, and the only one it reads.
pub const VERSION: u64 = 1;

/// Why a text describes no target. Never shows a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Neither JSON nor TOML.
    #[error("this is neither JSON nor TOML: {toml}")]
    Syntax {
        /// What the TOML parser says, without the text around it.
        toml: String,
    },
    /// Another version of the format.
    #[error("this file has version {found}; this program reads version 1")]
    Version {
        /// What it says.
        found: String,
    },
    /// A field is wrong.
    #[error("{pointer}: {fault}")]
    Field {
        /// Where, as a JSON pointer.
        pointer: String,
        /// What is wrong with it.
        fault: FieldFault,
    },
    /// A file of nvmetcli that cannot be read.
    #[error(transparent)]
    Nvmetcli(#[from] nvmetcli::ParseError),
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
    /// The name of an object, or a value, is none.
    #[error("{0}")]
    Value(String),
}

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

/// Reads a file of any of the three formats. JSON with a `version` is this crate's, JSON without one nvmetcli's, all else TOML.
///
/// # Errors
/// [`FileError`], with a pointer to the field.
pub fn parse(text: &[u8]) -> Result<Loaded, FileError> {
    let looks_like_json = text.trim_ascii_start().starts_with(b"{");
    if looks_like_json {
        match Document::parse(text) {
            Ok(document) => {
                let read = document.to_spec();
                return Ok(Loaded { spec: read.spec, format: Format::Nvmetcli, notes: read.notes });
            }
            Err(nvmetcli::ParseError::OwnFormat) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (json, format) = tree(text)?;
    Ok(Loaded { spec: read::target(&json)?, format, notes: Vec::new() })
}

/// A text of this crate's own formats as one kind of tree.
fn tree(text: &[u8]) -> Result<(Json, Format), FileError> {
    if text.trim_ascii_start().starts_with(b"{") {
        let json = serde_json::from_slice(text).map_err(nvmetcli::ParseError::Json)?;
        return Ok((json, Format::Json));
    }
    let syntax = |toml: &str| FileError::Syntax { toml: toml.to_owned() };
    let text = str::from_utf8(text).map_err(|_| syntax("it is not UTF-8"))?;
    let table: toml::Table = toml::from_str(text).map_err(|e| syntax(e.message()))?;
    let json = serde_json::to_value(table).map_err(|_| syntax("a value has no equal in JSON"))?;
    Ok((json, Format::Toml))
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
