//! Names and paths inside the target's tree, checked before they exist.

use std::fmt;
use std::str::FromStr;

use nvme_proto::{HostNqn, Nsid, SubsysNqn};

/// Why a name or a path is refused. `at` is the byte offset of the offending component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelPathError {
    /// Two slashes in a row, a leading or a trailing slash, or an empty name.
    #[error("empty name at byte {at} of a path: paths are relative and have no slash at either end")]
    Empty {
        /// Byte offset.
        at: usize,
    },
    /// `.` or `..`, which would leave the place the path is meant for.
    #[error("`.` and `..` (at byte {at}) are not allowed in a path inside the target's tree")]
    Dots {
        /// Byte offset.
        at: usize,
    },
    /// A NUL byte, or, in a single name, a slash.
    #[error("byte {byte:#04x} at offset {at} cannot be part of a name in the target's tree")]
    Byte {
        /// The byte.
        byte: u8,
        /// Byte offset.
        at: usize,
    },
}

fn check(name: &[u8], base: usize) -> Result<(), RelPathError> {
    if name.is_empty() {
        return Err(RelPathError::Empty { at: base });
    }
    if name == b"." || name == b".." {
        return Err(RelPathError::Dots { at: base });
    }
    match name.iter().position(|b| matches!(b, 0 | b'/')) {
        Some(i) => Err(RelPathError::Byte { byte: name.get(i).copied().unwrap_or(0), at: base + i }),
        None => Ok(()),
    }
}

fn escaped(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        for b in chunk.invalid() {
            write!(f, "\\x{b:02x}")?;
        }
    }
    Ok(())
}

/// One entry of a directory: not empty, not `.` or `..`, without `/` and NUL. Bytes, since other tools may have used
/// any.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Vec<u8>);

impl Name {
    /// A name, checked.
    ///
    /// # Errors
    /// [`RelPathError`] names the rule and the byte.
    pub fn new(name: impl Into<Vec<u8>>) -> Result<Self, RelPathError> {
        let name = name.into();
        check(&name, 0)?;
        Ok(Self(name))
    }

    /// A name this crate spells itself.
    pub(crate) fn fixed(name: &'static str) -> Self {
        debug_assert!(check(name.as_bytes(), 0).is_ok());
        Self(name.as_bytes().to_vec())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, when it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(&self.0, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl FromStr for Name {
    type Err = RelPathError;
    fn from_str(s: &str) -> Result<Self, RelPathError> {
        Self::new(s)
    }
}

// NQN types hold no slash, no NUL, and are neither empty nor made of dots: checked when they were made.
impl From<&SubsysNqn> for Name {
    fn from(nqn: &SubsysNqn) -> Self {
        Self(nqn.as_str().as_bytes().to_vec())
    }
}

impl From<&HostNqn> for Name {
    fn from(nqn: &HostNqn) -> Self {
        Self(nqn.as_str().as_bytes().to_vec())
    }
}

impl From<Nsid> for Name {
    fn from(nsid: Nsid) -> Self {
        Self(nsid.to_string().into_bytes())
    }
}

/// A path below the root of the target's tree (`/sys/kernel/config/nvmet`), checked: relative, no `.` or `..`, no empty
/// component, no NUL. Joining cannot leave the tree.
///
/// Names longer than 255 bytes are let through: the kernel answers `ENAMETOOLONG`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Vec<u8>);

impl RelPath {
    /// The root itself.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// A path from its text, for example `subsystems/mysub/namespaces/1`.
    ///
    /// # Errors
    /// [`RelPathError`] names the rule and the byte. The empty text is refused; use [`RelPath::root`].
    pub fn new(path: impl Into<Vec<u8>>) -> Result<Self, RelPathError> {
        let path = path.into();
        let mut at = 0;
        for component in path.split(|b| *b == b'/') {
            check(component, at)?;
            at += component.len() + 1;
        }
        Ok(Self(path))
    }

    /// The path one name further down.
    #[must_use]
    pub fn join(&self, name: &Name) -> Self {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        Self(path)
    }

    /// The path one fixed name further down.
    pub(crate) fn at(&self, name: &'static str) -> Self {
        self.join(&Name::fixed(name))
    }

    /// The path without its last name; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().rposition(|b| *b == b'/').unwrap_or(0);
        Some(Self(self.0.get(..end).unwrap_or_default().to_vec()))
    }

    /// The last name; `None` for the root.
    pub fn file_name(&self) -> Option<Name> {
        self.components().next_back().map(|c| Name(c.to_vec()))
    }

    /// The names, from the top.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        self.0.split(|b| *b == b'/').filter(|c| !c.is_empty())
    }

    /// The bytes, names separated by slashes; empty for the root.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this path is `other` or below it.
    pub fn starts_with(&self, other: &Self) -> bool {
        other.0.is_empty()
            || self
                .0
                .strip_prefix(other.0.as_slice())
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str(".") } else { escaped(&self.0, f) }
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl FromStr for RelPath {
    type Err = RelPathError;
    fn from_str(s: &str) -> Result<Self, RelPathError> {
        Self::new(s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_could_leave_the_tree() {
        assert_eq!(RelPath::new(""), Err(RelPathError::Empty { at: 0 }));
        assert_eq!(RelPath::new("/etc"), Err(RelPathError::Empty { at: 0 }));
        assert_eq!(RelPath::new("ports/"), Err(RelPathError::Empty { at: 6 }));
        assert_eq!(RelPath::new("ports//1"), Err(RelPathError::Empty { at: 6 }));
        assert_eq!(RelPath::new("ports/../.."), Err(RelPathError::Dots { at: 6 }));
        assert_eq!(RelPath::new("./ports"), Err(RelPathError::Dots { at: 0 }));
        assert_eq!(RelPath::new("a/b\0c"), Err(RelPathError::Byte { byte: 0, at: 3 }));
        assert_eq!(Name::new("a/b"), Err(RelPathError::Byte { byte: b'/', at: 1 }));
        assert_eq!(Name::new(".."), Err(RelPathError::Dots { at: 0 }));
        assert!(Name::new("...").is_ok());
    }

    #[test]
    fn joins_and_splits() {
        let path = RelPath::root().at("subsystems").join(&Name::new("a b").unwrap());
        assert_eq!(path.to_string(), "subsystems/a b");
        assert_eq!(path.parent().unwrap().to_string(), "subsystems");
        assert_eq!(path.parent().unwrap().parent(), Some(RelPath::root()));
        assert_eq!(RelPath::root().parent(), None);
        assert_eq!(path.file_name().unwrap().to_str(), Some("a b"));
        assert!(path.starts_with(&RelPath::root()));
        assert!(path.starts_with(&RelPath::new("subsystems").unwrap()));
        assert!(!path.starts_with(&RelPath::new("sub").unwrap()));
    }

    #[test]
    fn prints_control_characters_and_bad_bytes_escaped() {
        assert_eq!(Name::new(b"a\nb\xff".to_vec()).unwrap().to_string(), "a\\nb\\xff");
        assert_eq!(RelPath::root().to_string(), ".");
    }
}
