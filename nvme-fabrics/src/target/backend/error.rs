//! What goes wrong in storage.

use std::io;

use nvme_proto::Status;

/// Why a request to a [`Backend`](super::Backend) failed.
///
/// | error | status |
/// |---|---|
/// | `OutOfRange` | LBA Out of Range (80h), do not retry |
/// | `ReadOnly` | Namespace is Write Protected (20h), do not retry |
/// | `NoSpace` | Capacity Exceeded (81h), do not retry |
/// | `NotSupported` | Invalid Command Opcode (01h), do not retry |
/// | `Busy` | Command Interrupted (21h): hosts repeat the command |
/// | `Read` | Unrecovered Read Error (281h) |
/// | `Write` | Write Fault (280h) |
/// | `Differs` | Compare Failure (285h) |
/// | `Abandoned` | Internal Error (06h) |
/// | `Status` | as given |
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// Not all of the blocks exist (any more).
    #[error("blocks beyond the end of the storage")]
    OutOfRange,
    /// It cannot be written.
    #[error("the storage is read-only")]
    ReadOnly,
    /// No space is left where the storage keeps its data.
    #[error("no space is left for the data")]
    NoSpace,
    /// The storage has no such operation.
    #[error("the storage does not do this")]
    NotSupported,
    /// Too much is outstanding; the command can be repeated.
    #[error("the storage has too many requests outstanding; repeat the command")]
    Busy,
    /// Reading failed.
    #[error("the storage cannot read these blocks")]
    Read(#[source] io::Error),
    /// Writing, flushing or discarding failed.
    #[error("the storage cannot write these blocks")]
    Write(#[source] io::Error),
    /// Compared data are not the same.
    #[error("the blocks hold something else")]
    Differs,
    /// The request was dropped without an answer, or its storage panicked.
    #[error("the storage gave the request up")]
    Abandoned,
    /// Another reason, with the status to answer.
    #[error("{0}")]
    Status(Status),
}

impl IoError {
    /// What a failed read means.
    #[must_use]
    pub fn reading(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::OutOfRange,
            _ => Self::Read(error),
        }
    }

    /// What a failed write, flush or discard means.
    #[must_use]
    pub fn writing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::NoSpace
            }
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Write(error),
        }
    }

    /// The status that the host gets.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::OutOfRange => Status::LBA_OUT_OF_RANGE.with_dnr(),
            Self::ReadOnly => Status::NAMESPACE_IS_WRITE_PROTECTED.with_dnr(),
            Self::NoSpace => Status::CAPACITY_EXCEEDED.with_dnr(),
            Self::NotSupported => Status::INVALID_OPCODE.with_dnr(),
            Self::Busy => Status::COMMAND_INTERRUPTED,
            Self::Read(_) => Status::UNRECOVERED_READ_ERROR,
            Self::Write(_) => Status::WRITE_FAULT,
            Self::Differs => Status::COMPARE_FAILURE,
            Self::Abandoned => Status::INTERNAL_ERROR,
            Self::Status(status) => *status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_becomes_what_the_host_can_act_on() {
        let full = IoError::writing(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.status(), Status::CAPACITY_EXCEEDED.with_dnr());
        let broken = IoError::writing(io::Error::from_raw_os_error(5));
        assert_eq!(broken.status(), Status::WRITE_FAULT);
        assert!(std::error::Error::source(&broken).is_some());
        assert_eq!(
            IoError::reading(io::Error::from(io::ErrorKind::UnexpectedEof)).status(),
            Status::LBA_OUT_OF_RANGE.with_dnr()
        );
        assert_eq!(
            IoError::reading(io::Error::from_raw_os_error(5)).status(),
            Status::UNRECOVERED_READ_ERROR
        );
        assert_eq!(IoError::Status(Status::ACCESS_DENIED).status(), Status::ACCESS_DENIED);
    }
}
