//! The error of every handle.

use crate::attr::ValueFault;
use crate::errno::Errno;
use crate::tree::{RelPath, RelPathError, TreeError};

/// What a handle could not do. No value is part of it, since it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The kernel refused; the hint is in it.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The value is none of this attribute. Nothing was written.
    #[error("cannot write {attr}: {fault}")]
    Value {
        /// The attribute.
        attr: RelPath,
        /// What is meant instead.
        fault: ValueFault,
    },
    /// The name cannot be that of an attribute.
    #[error("{dir} has no attribute of the name {name:?}")]
    Name {
        /// The object.
        dir: RelPath,
        /// The name.
        name: String,
        /// The rule.
        source: RelPathError,
    },
    /// The kernel printed what this crate does not understand. [`attribute`](super::Subsystem::attribute) gives it as it is.
    #[error("cannot understand what {attr} holds: it is no {expected}")]
    NotUnderstood {
        /// The attribute.
        attr: RelPath,
        /// What is expected there.
        expected: &'static str,
    },
    /// The kernel took a value and has another one.
    #[error("{attr} was written and is something else: {hint}")]
    NotTaken {
        /// The attribute.
        attr: RelPath,
        /// Why that can be.
        hint: &'static str,
    },
    /// A namespace without a device would be enabled through the page cache, where the kernel follows a null pointer
    /// (`io-cmd-file.c:nvmet_file_ns_enable`). Nothing was written.
    #[error("cannot enable {namespace}: it has no device: set `device_path` first")]
    NoDevice {
        /// The namespace.
        namespace: RelPath,
    },
    /// `discovery_nqn` was not consented to. Nothing was written.
    #[error(
        "cannot write discovery_nqn: kernels before 6.12.33 overwrite memory when it is written, and the tree does not tell which \
         kernel this is: `DiscoveryNqn::Write` says that it is a newer one"
    )]
    DiscoveryNqn,
    /// There is no link to take away.
    #[error("{group} has no link to {object}: there is nothing to take away")]
    NotLinked {
        /// Where links were looked for.
        group: RelPath,
        /// What none of them points to.
        object: RelPath,
    },
}

impl HandleError {
    /// What the kernel answered, when it was asked.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Tree(error) => Some(error.errno()),
            _ => None,
        }
    }

    /// What is likely wrong and what to do, where the kernel refused in a known way.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Tree(error) => error.hint(),
            Self::NotTaken { hint, .. } => Some(hint),
            _ => None,
        }
    }
}
