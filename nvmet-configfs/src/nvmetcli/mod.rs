//! The JSON files of nvmetcli (`/etc/nvmet/config.json`): read and written without loss. Feature `serde`.
//!
//! | function | goes from | to |
//! |---|---|---|
//! | [`Document::parse`] | a file | a document that keeps everything |
//! | [`Document::to_json`] | a document | the same file again: keys sorted, indented by 2, unknown keys kept |
//! | [`Document::to_spec`] | a document | a spec, and notes on what of the document is not in it |
//! | [`Document::from_observed`] | a target | a document, and notes on what of the target the format cannot hold |
//!
//! Values may be texts or numbers, sections may be missing, `"(null)"` is no device. What nvmetcli would stop at or skip (an entry
//! without its id, a value the kernel refuses) is a note here, and the rest is used.
//!
//! The format has no place for `buffered_io`, `p2pmem` and the enabled state of pass-through; `discovery.nqn` is written by nvmetcli and
//! never restored by it. Host keys are in the file in clear: write it with [`file::write`](crate::file::write).

mod note;
mod read;
mod write;

use std::fmt;

use serde_json::{Map, Value as Json};
use zeroize::Zeroize;

use crate::value::Value;

pub use note::{Note, NoteKind};
pub use read::Read;
pub use write::Written;

/// A file of nvmetcli, with everything that is in it. Keys of hosts in it are wiped on drop, and `Debug` shows none.
///
/// ```
/// use nvmet_configfs::nvmetcli::Document;
/// let text = br#"{"hosts": [], "ports": [], "subsystems": [{"nqn": "mysub", "attr": {"allow_any_host": "1"}}]}"#;
/// let read = Document::parse(text).unwrap().to_spec();
/// assert_eq!(read.spec.subsystems.len(), 1);
/// assert!(read.notes.is_empty());
/// ```
#[derive(Clone, PartialEq)]
pub struct Document(Map<String, Json>);

/// Why a text is no file of nvmetcli.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not JSON.
    #[error("this is not JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// JSON, but no object.
    #[error("this is JSON, but not an object with `hosts`, `ports` and `subsystems`")]
    NoObject,
    /// A file of this crate's own format, which has a version.
    #[error("this file has a `version` and so is not nvmetcli's: read it with `file`")]
    OwnFormat,
}

impl Document {
    /// A document from the text of a file.
    ///
    /// # Errors
    /// [`ParseError`]. Only the outermost form is looked at; see [`Document::to_spec`] for the rest.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, ParseError> {
        let text = text.as_ref();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text); // a byte order mark
        match serde_json::from_slice(text).map_err(ParseError::Json)? {
            Json::Object(root) if root.contains_key("version") => Err(ParseError::OwnFormat),
            Json::Object(root) => Ok(Self(root)),
            mut other => {
                wipe(&mut other);
                Err(ParseError::NoObject)
            }
        }
    }

    /// The text of the file: keys sorted, indented by 2, a newline at the end. It may hold keys of hosts.
    pub fn to_json(&self) -> Value {
        let mut text = Vec::new();
        let written = serde_json::to_writer_pretty(&mut text, &self.0);
        debug_assert!(written.is_ok(), "writing JSON to memory cannot fail");
        text.push(b'\n');
        text.into()
    }

    pub(crate) fn root(&self) -> &Map<String, Json> {
        &self.0
    }

    pub(crate) fn from_root(root: Map<String, Json>) -> Self {
        Self(root)
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

/// Overwrites all texts.
fn wipe(json: &mut Json) {
    match json {
        Json::String(text) => text.zeroize(),
        Json::Array(list) => list.iter_mut().for_each(wipe),
        Json::Object(map) => map.values_mut().for_each(wipe),
        _ => {}
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |key: &str| self.0.get(key).and_then(Json::as_array).map_or(0, Vec::len);
        f.debug_struct("Document")
            .field("hosts", &count("hosts"))
            .field("subsystems", &count("subsystems"))
            .field("ports", &count("ports"))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
