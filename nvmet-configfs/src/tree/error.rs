//! The error of every verb of a tree.

use std::fmt;

use crate::errno::Errno;
use crate::hint::{self, Hint};
use crate::tree::{Op, RelPath};

/// A verb failed: which one, on which object, with which error number, and what can be done.
///
/// `Display` says the operation, the path and the hint; the error number is the [`source`](std::error::Error::source).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeError {
    op: Op,
    path: RelPath,
    target: Option<RelPath>,
    errno: Errno,
}

impl TreeError {
    /// An error of `op` on `path`.
    pub fn new(op: Op, path: &RelPath, errno: Errno) -> Self {
        Self { op, path: path.clone(), target: None, errno }
    }

    /// An error of linking `link` to `target`.
    pub fn linking(link: &RelPath, target: &RelPath, errno: Errno) -> Self {
        Self { op: Op::Symlink, path: link.clone(), target: Some(target.clone()), errno }
    }

    /// The verb.
    pub fn op(&self) -> Op {
        self.op
    }

    /// The object, relative to the root of the tree.
    pub fn path(&self) -> &RelPath {
        &self.path
    }

    /// What the link was to point to, when the verb was [`Op::Symlink`].
    pub fn target(&self) -> Option<&RelPath> {
        self.target.as_ref()
    }

    /// What the kernel answered.
    pub fn errno(&self) -> Errno {
        self.errno
    }

    /// What is likely wrong and what to do, when this failure is a known one.
    pub fn hint(&self) -> Option<&'static str> {
        self.explanation().map(|row| row.text)
    }

    /// The row of [the table](crate::hints) that speaks of this failure.
    pub fn explanation(&self) -> Option<&'static Hint> {
        hint::lookup(self.op, &self.path, self.target.as_ref(), self.errno)
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.op, self.path)?;
        if let Some(target) = &self.target {
            write!(f, " -> {target}")?;
        }
        match self.hint() {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TreeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.errno)
    }
}
