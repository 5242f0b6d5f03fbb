//! Why there is no event.

use std::io;

use super::UeventError;
use crate::kernel::errno::Errno;

/// The next event could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The socket could not be made.
    #[error("cannot listen to the kernel's events")]
    Open(#[source] io::Error),
    /// More was announced than the socket could hold, and some of it is lost. The socket goes on: look at sysfs, then read on.
    #[error("events were lost: more came than were read (look at sysfs again)")]
    Overrun,
    /// The kernel sent something that is no uevent. The socket goes on.
    #[error("the kernel's event cannot be understood")]
    Malformed(#[from] UeventError),
    /// The socket failed.
    #[error("cannot read the kernel's events")]
    Read(#[source] io::Error),
}

impl EventError {
    /// The kernel's error number, if there is one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Open(source) | Self::Read(source) => Errno::of(source),
            Self::Overrun | Self::Malformed(_) => None,
        }
    }

    /// Whether later events may still come.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        matches!(self, Self::Overrun | Self::Malformed(_))
    }
}
