//! The boundary to the target's tree: a few verbs over checked paths.
//!
//! | type | is |
//! |---|---|
//! | [`Tree`] | the verbs |
//! | [`OsTree`] | the kernel's tree below `/sys/kernel/config/nvmet` (Linux) |
//! | `FakeTree` | a model that answers as the kernel does (feature `testing`) |
//! | `Instrumented` | counts calls and makes the n-th one fail (feature `testing`) |

mod dump;
mod error;
#[cfg(feature = "testing")]
mod fake;
#[cfg(feature = "testing")]
mod instrumented;
#[cfg(target_os = "linux")]
mod lock;
#[cfg(target_os = "linux")]
pub(crate) mod os;
mod path;

use std::fmt;
use std::sync::Arc;

pub use dump::dump;
pub use error::TreeError;
#[cfg(feature = "testing")]
pub use fake::{AddressField, FakeKernel, FakeTree};
#[cfg(feature = "testing")]
pub use instrumented::{Instrumented, SystemCalls};
#[cfg(target_os = "linux")]
pub use lock::{LockError, TreeLock};
#[cfg(target_os = "linux")]
pub use os::{OpenError, OsTree};
pub use path::{Name, RelPath, RelPathError};

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// A directory: an object of the target or a group of them.
    Dir,
    /// An attribute file.
    Attr,
    /// A symbolic link: a permission (`allowed_hosts`) or an export (`ports/…/subsystems`).
    Link,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: NodeKind,
}

/// The verbs of [`Tree`], for errors and hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Op {
    /// List a directory.
    List,
    /// Read an attribute.
    Read,
    /// Write an attribute.
    Write,
    /// Make a directory, which makes the object.
    Mkdir,
    /// Remove a directory, which removes the object.
    Rmdir,
    /// Make a symbolic link.
    Symlink,
    /// Remove a symbolic link.
    Unlink,
    /// Read where a symbolic link points.
    ReadLink,
    /// Ask what a path names.
    Kind,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Write => "write",
            Self::Mkdir => "make directory",
            Self::Rmdir => "remove directory",
            Self::Symlink => "make link",
            Self::Unlink => "remove link",
            Self::ReadLink => "read link",
            Self::Kind => "look at",
        })
    }
}

/// Access to a target's tree. Object-safe and synchronous.
///
/// Paths are relative to the root of the tree and checked ([`RelPath`]). Some calls wait inside the kernel without a
/// time-out: writing `0` to a namespace's `enable` and removing it wait for its I/O, removing a port waits for the
/// target's work queue. Asynchronous callers use a thread for them.
pub trait Tree {
    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// `ENOENT` not there, `ENOTDIR` not a directory.
    fn list(&self, dir: &RelPath) -> Result<Vec<Entry>, TreeError>;

    /// The value of an attribute as the kernel prints it, with its newline.
    ///
    /// # Errors
    /// `ENOENT` not there, `EACCES` write-only (`revalidate_size`), `EISDIR` a directory.
    fn read(&self, attr: &RelPath) -> Result<Vec<u8>, TreeError>;

    /// Stores a value with one `write(2)`: the kernel takes each call as a whole value. No newline is needed.
    ///
    /// # Errors
    /// What the attribute answers; `EFBIG` when the kernel took only a part (values above 4095 bytes).
    fn write(&self, attr: &RelPath, value: &[u8]) -> Result<(), TreeError>;

    /// Makes an object.
    ///
    /// # Errors
    /// `EEXIST` there already, `EPERM` no objects are made here, `EINVAL`/`ERANGE` not a name for this kind of object.
    fn mkdir(&self, dir: &RelPath) -> Result<(), TreeError>;

    /// Removes an object.
    ///
    /// # Errors
    /// `EBUSY` a link points to it, `ENOTEMPTY` it holds something, `EPERM` the kernel made it.
    fn rmdir(&self, dir: &RelPath) -> Result<(), TreeError>;

    /// Links `link` to the object `target`, both in this tree. Below `ports/…/subsystems` the first link takes the port
    /// into service.
    ///
    /// # Errors
    /// `ENOENT` no such target, `EEXIST` linked already, `EINVAL` wrong kind of target or the transport refuses the
    /// port, `EADDRINUSE`, `EADDRNOTAVAIL`.
    fn symlink(&self, link: &RelPath, target: &RelPath) -> Result<(), TreeError>;

    /// Removes a link. Below `ports/…/subsystems` this disconnects the hosts that use it.
    ///
    /// # Errors
    /// `ENOENT` not there, `EPERM` an attribute, `EISDIR` a directory.
    fn unlink(&self, link: &RelPath) -> Result<(), TreeError>;

    /// Where a link points, as the kernel prints it (`../../../../nvmet/subsystems/mysub`).
    ///
    /// # Errors
    /// `ENOENT` not there, `EINVAL` not a link.
    fn read_link(&self, link: &RelPath) -> Result<Vec<u8>, TreeError>;

    /// What is at a path; `None` when nothing is.
    ///
    /// # Errors
    /// What the lookup answers, other than `ENOENT`.
    fn kind(&self, path: &RelPath) -> Result<Option<NodeKind>, TreeError>;
}

macro_rules! forward {
    ($($target:ty),*) => {$(
        impl<T: Tree + ?Sized> Tree for $target {
            fn list(&self, dir: &RelPath) -> Result<Vec<Entry>, TreeError> { (**self).list(dir) }
            fn read(&self, attr: &RelPath) -> Result<Vec<u8>, TreeError> { (**self).read(attr) }
            fn write(&self, attr: &RelPath, value: &[u8]) -> Result<(), TreeError> { (**self).write(attr, value) }
            fn mkdir(&self, dir: &RelPath) -> Result<(), TreeError> { (**self).mkdir(dir) }
            fn rmdir(&self, dir: &RelPath) -> Result<(), TreeError> { (**self).rmdir(dir) }
            fn symlink(&self, link: &RelPath, target: &RelPath) -> Result<(), TreeError> {
                (**self).symlink(link, target)
            }
            fn unlink(&self, link: &RelPath) -> Result<(), TreeError> { (**self).unlink(link) }
            fn read_link(&self, link: &RelPath) -> Result<Vec<u8>, TreeError> { (**self).read_link(link) }
            fn kind(&self, path: &RelPath) -> Result<Option<NodeKind>, TreeError> { (**self).kind(path) }
        }
    )*};
}

forward!(&T, Box<T>, Arc<T>);
