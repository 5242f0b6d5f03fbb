//! What controllers' and namespaces' nodes have in common.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nvme_proto::Status;
use nvme_proto::sqe::Sqe;

use super::call::{self, Plain, Queue, Request};
use super::{AdminError, AdminFailure, AdminOp, Answer, Data};
use crate::kernel::errno::Errno;

/// How a node is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Enough for everything that changes nothing; with root's privileges for all commands.
    Read,
    /// Since 6.2, what a process without root's privileges needs for commands that write.
    ReadWrite,
}

/// An open node with the time-out of its commands.
#[derive(Debug)]
pub(super) struct Node {
    path: PathBuf,
    file: File,
    pub(super) timeout: Duration,
}

impl Node {
    pub(super) fn open(path: PathBuf, access: Access) -> Result<Self, AdminError> {
        let opened = OpenOptions::new().read(true).write(access == Access::ReadWrite).open(&path);
        match opened {
            Ok(file) => Ok(Self { path, file, timeout: Duration::ZERO }),
            Err(source) => Err(AdminError { op: AdminOp::Open, path, failure: source.into() }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(feature = "uring")]
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn plain(&self, op: AdminOp, request: Plain) -> Result<i32, AdminError> {
        call::plain(&self.file, request).map_err(|errno| self.io_error(op, errno))
    }

    /// Sends a command whose data are known to be `wanted` bytes, if the memory is just that.
    pub(super) fn checked(
        &self,
        op: AdminOp,
        queue: Queue,
        sqe: Sqe,
        (data, wanted): (Data<'_>, u64),
        (metadata, wanted_metadata): (Data<'_>, u64),
    ) -> Result<Answer, AdminError> {
        for (memory, wanted) in [(&data, wanted), (&metadata, wanted_metadata)] {
            let len = u64::try_from(memory.len()).unwrap_or(u64::MAX);
            if len != wanted {
                return Err(self.error(op, AdminFailure::Length { len, wanted }));
            }
            if !memory.fits(&sqe) {
                return Err(self.error(op, AdminFailure::Direction));
            }
        }
        let request = Request { sqe, data, metadata, timeout: self.timeout };
        // SAFETY: the memory has as many bytes as the specification says that this command moves, the right way, and none of the typed commands takes an
        // address of memory by another field.
        #[allow(unsafe_code, reason = "the promise is made here, where the lengths are known")]
        unsafe {
            self.pass(op, queue, request)
        }
    }

    /// Sends any command.
    ///
    /// # Safety
    /// As [`call::pass`].
    #[allow(unsafe_code, reason = "passes the caller's promise on")]
    pub(super) unsafe fn pass(
        &self,
        op: AdminOp,
        queue: Queue,
        mut request: Request<'_>,
    ) -> Result<Answer, AdminError> {
        if !request.data.fits(&request.sqe) || !request.metadata.fits(&request.sqe) {
            return Err(self.error(op, AdminFailure::Direction));
        }
        // SAFETY: the caller's promise.
        let ended = unsafe { call::pass(&self.file, queue, &mut request) };
        let ended = ended.map_err(|errno| self.io_error(op, errno))?;
        self.answer(op, ended.status, ended.result)
    }

    /// Zero is success, a positive number the status of the command.
    pub(super) fn answer(&self, op: AdminOp, status: i32, result: u64) -> Result<Answer, AdminError> {
        match u16::try_from(status) {
            Ok(0) => Ok(Answer { result }),
            // The status field has 15 bits; nothing else is returned.
            status => Err(self.error(op, AdminFailure::Status(Status(status.unwrap_or(u16::MAX))))),
        }
    }

    pub(super) fn error(&self, op: AdminOp, failure: AdminFailure) -> AdminError {
        AdminError { op, path: self.path.clone(), failure }
    }

    pub(super) fn io_error(&self, op: AdminOp, errno: nix::errno::Errno) -> AdminError {
        self.error(op, AdminFailure::Io(Errno(errno as i32).into()))
    }
}
