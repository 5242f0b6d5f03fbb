//! What the kernel's error numbers mean here, and what to do: one table.
//!
//! nvmet answers most mistakes with `EINVAL` and says the reason, if at all, only in the kernel log. Each row is such an answer, given by a real
//! kernel: a recorded one, or one that a case of the suite provokes; the test `hints` says for each which.

mod table;

use std::fmt;

use crate::errno::Errno;
use crate::object::Object;
use crate::tree::{Op, RelPath};

/// What an answer of the kernel means, and what to do: a row of the table that errors take their hints from.
///
/// ```
/// use nvmet_configfs::{Errno, Object, Op, hints};
/// let row = hints().find(|h| h.op == Op::Rmdir && h.object == Some(Object::Host) && h.errno == Errno::EBUSY).unwrap();
/// assert!(row.text.starts_with("a subsystem permits it"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hint {
    /// What was tried.
    pub op: Op,
    /// On what kind of object; `None` for any that has no row of its own.
    pub object: Option<Object>,
    /// The last name of the path (that of the attribute); empty for any.
    pub name: &'static str,
    /// What the target of a link is; `None` for anything.
    pub target: Option<Object>,
    /// What the kernel answered.
    pub errno: Errno,
    /// Cause and remedy. A part of a sentence: it stands behind a colon.
    pub text: &'static str,
    /// The kernel functions that answer so (in `drivers/nvme/target/` unless it says otherwise).
    pub source: &'static str,
}

impl Hint {
    /// Whether this row speaks of a failure.
    fn applies(&self, op: Op, path: &RelPath, target: Option<&RelPath>, errno: Errno) -> bool {
        self.op == op
            && self.errno == errno
            && self.object.is_none_or(|object| object == Object::of(path))
            && (self.name.is_empty()
                || path.file_name().is_some_and(|n| n.as_bytes() == self.name.as_bytes()))
            && self.target.is_none_or(|wanted| target.map(Object::of) == Some(wanted))
    }
}

/// What was tried, and what the kernel answered.
impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.op)?;
        match self.object {
            Some(object) => write!(f, " {object:?}")?,
            None => f.write_str(" anything")?,
        }
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        if let Some(target) = self.target {
            write!(f, " -> {target:?}")?;
        }
        write!(f, ": {:?}", self.errno)
    }
}

/// All rows. The first one that speaks of a failure holds; those of no object come last.
pub fn hints() -> impl Iterator<Item = &'static Hint> {
    table::TABLE.iter().chain(table::GENERAL)
}

/// The row for a failure, if it is a known one.
pub(crate) fn lookup(
    op: Op,
    path: &RelPath,
    target: Option<&RelPath>,
    errno: Errno,
) -> Option<&'static Hint> {
    hints().find(|row| row.applies(op, path, target, errno))
}

#[cfg(all(test, feature = "testing"))]
mod tests;
