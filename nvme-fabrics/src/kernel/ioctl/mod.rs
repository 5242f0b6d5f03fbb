//! Admin commands through a controller's device node.
//!
//! | function | command | needs |
//! |---|---|---|
//! | [`ControllerNode::identify_controller`] | Identify, CNS 1 | root, or since 6.2 the permission to open the node |
//! | [`ControllerNode::identify_namespace`] | Identify, CNS 0 | the same |
//! | [`ControllerNode::get_log_page`] | Get Log Page | root (`CAP_SYS_ADMIN`) |
//! | [`ControllerNode::rescan`], [`ControllerNode::reset`] | none: requests to the driver | root |
//!
//! This module and the system calls of [`keyring`](super::keyring) are the crate's only `unsafe` code. There is no function for arbitrary commands: whether the kernel writes only into the buffer
//! depends on the length that the command asks the controller for, so each function here builds its command and its buffer from one number.
//!
//! The structures and request numbers are proved at compile time in `uapi`. Source: `include/uapi/linux/nvme_ioctl.h`,
//! `drivers/nvme/host/ioctl.c`.

#![allow(unsafe_code)]

mod error;
mod uapi;

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno as NixErrno;
use nvme_proto::discovery::GetLogPage;
use nvme_proto::identify::{IdentifyCommand, IdentifyController, IdentifyNamespace};
use nvme_proto::{Nsid, Status};

pub use error::{AdminError, AdminFailure, AdminOp};

use crate::kernel::errno::Errno;

/// Log pages are read in pieces; a longer piece than this is refused before memory is taken.
const MAX_LOG_PIECE: u64 = 1 << 20;

/// A controller's device node, `/dev/nvmeN`, open for admin commands.
///
/// It stays with the controller that it was opened for: when that is disconnected, commands fail, whoever gets the number next.
#[derive(Debug)]
pub struct ControllerNode {
    path: PathBuf,
    file: File,
}

/// The variable part of the commands that this module sends; all transfer from the controller to the host.
struct Command {
    opcode: u8,
    nsid: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
}

impl ControllerNode {
    /// Opens the node for reading, which is enough for all commands here.
    ///
    /// # Errors
    /// [`AdminError`] with EAGAIN while the controller is not live, ENOENT when there is none.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, AdminError> {
        let path = path.into();
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(AdminError { op: AdminOp::Open, path, failure: source.into() }),
        }
    }

    /// The node.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the controller says about itself.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn identify_controller(&self) -> Result<IdentifyController<Vec<u8>>, AdminError> {
        let data = self.identify(&IdentifyCommand::controller())?;
        IdentifyController::new_checked(data).map_err(|e| self.error(AdminOp::Identify, e.into()))
    }

    /// What the controller says about one of its namespaces. All zeros for one that is not active.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn identify_namespace(&self, nsid: Nsid) -> Result<IdentifyNamespace<Vec<u8>>, AdminError> {
        let data = self.identify(&IdentifyCommand::namespace(nsid))?;
        IdentifyNamespace::new_checked(data).map_err(|e| self.error(AdminOp::Identify, e.into()))
    }

    fn identify(&self, command: &IdentifyCommand) -> Result<Vec<u8>, AdminError> {
        // Identify has no length of its own: every answer has 4096 bytes.
        let mut data = vec![0; IdentifyCommand::DATA_LEN];
        let command = Command {
            opcode: IdentifyCommand::OPCODE,
            nsid: command.nsid,
            cdw10: command.cdw10(),
            cdw11: command.cdw11(),
            cdw12: 0,
            cdw13: 0,
            cdw14: command.cdw14(),
        };
        self.read(AdminOp::Identify, &command, &mut data)?;
        Ok(data)
    }

    /// A piece of a log page: as many bytes as the command asks for.
    ///
    /// # Errors
    /// [`AdminError`]; without asking for pieces of more than 1 MiB.
    pub fn get_log_page(&self, command: &GetLogPage) -> Result<Vec<u8>, AdminError> {
        let len = match usize::try_from(command.len()) {
            Ok(len) if command.len() <= MAX_LOG_PIECE => len,
            _ => {
                let failure = AdminFailure::TooLong { len: command.len(), max: MAX_LOG_PIECE };
                return Err(self.error(AdminOp::GetLogPage, failure));
            }
        };
        let mut data = vec![0; len];
        let command = Command {
            opcode: GetLogPage::OPCODE,
            nsid: command.nsid,
            cdw10: command.cdw10(),
            cdw11: command.cdw11(),
            cdw12: command.cdw12(),
            cdw13: command.cdw13(),
            cdw14: command.cdw14(),
        };
        self.read(AdminOp::GetLogPage, &command, &mut data)?;
        Ok(data)
    }

    /// Looks for new and changed namespaces. Returns at once; the scan runs in the background.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn rescan(&self) -> Result<(), AdminError> {
        // SAFETY: the request carries no data (`_IO`): the kernel reads and writes no memory of this process. The descriptor is open, `self` owns it.
        let answer = unsafe { uapi::rescan(self.file.as_raw_fd()) };
        self.checked(AdminOp::Rescan, answer)
    }

    /// Resets the controller; over a fabric that is a disconnect and a reconnect. Waits until it is live again.
    ///
    /// # Errors
    /// [`AdminError`] with EBUSY when it cannot be reset now, ENETRESET when it did not come back.
    pub fn reset(&self) -> Result<(), AdminError> {
        // SAFETY: the request carries no data (`_IO`): the kernel reads and writes no memory of this process. The descriptor is open, `self` owns it.
        let answer = unsafe { uapi::reset(self.file.as_raw_fd()) };
        self.checked(AdminOp::Reset, answer)
    }

    /// Sends a command whose answer has exactly `data.len()` bytes. The caller has made that length and the command from one number.
    fn read(&self, op: AdminOp, command: &Command, data: &mut [u8]) -> Result<(), AdminError> {
        let data_len = u32::try_from(data.len())
            .map_err(|_| self.error(op, AdminFailure::TooLong { len: u64::MAX, max: MAX_LOG_PIECE }))?;
        let mut cmd = uapi::PassthruCmd64 {
            opcode: command.opcode,
            nsid: command.nsid,
            addr: data.as_mut_ptr().expose_provenance() as u64,
            data_len,
            cdw10: command.cdw10,
            cdw11: command.cdw11,
            cdw12: command.cdw12,
            cdw13: command.cdw13,
            cdw14: command.cdw14,
            ..Default::default()
        };
        // SAFETY: `cmd` is a whole `struct nvme_passthru_cmd64` (size and offsets are asserted), alive and writable during the call. `addr` and `data_len`
        // describe `data`, which is borrowed exclusively until this function returns; bit 0 of both opcodes is 0 (controller to host), the answer of
        // each command has `data_len` bytes, and the kernel keeps no reference after the call.
        let answer = unsafe { uapi::admin64(self.file.as_raw_fd(), &raw mut cmd) };
        if answer != Err(NixErrno::ENOTTY) {
            return self.checked(op, answer);
        }
        // Before 5.5 only the older structure is known.
        let mut cmd = uapi::PassthruCmd::from(cmd);
        // SAFETY: as above, with `struct nvme_passthru_cmd`.
        let answer = unsafe { uapi::admin(self.file.as_raw_fd(), &raw mut cmd) };
        self.checked(op, answer)
    }

    /// Zero is success, a positive number the status of the command, an error number means that it was never completed.
    fn checked(&self, op: AdminOp, answer: nix::Result<i32>) -> Result<(), AdminError> {
        match answer {
            Ok(0) => Ok(()),
            Ok(status) => {
                // The status field has 15 bits; nothing else is returned.
                let status = Status(u16::try_from(status).unwrap_or(u16::MAX));
                Err(self.error(op, AdminFailure::Status(status)))
            }
            Err(errno) => Err(self.error(op, AdminFailure::Io(Errno(errno as i32).into()))),
        }
    }

    fn error(&self, op: AdminOp, failure: AdminFailure) -> AdminError {
        AdminError { op, path: self.path.clone(), failure }
    }
}

#[cfg(test)]
mod tests {
    use nvme_proto::discovery::LogId;

    use super::*;

    fn null() -> ControllerNode {
        ControllerNode::open("/dev/null").unwrap()
    }

    #[test]
    fn what_is_no_controller_says_so() {
        for error in [
            null().identify_controller().unwrap_err(),
            null().get_log_page(&GetLogPage::new(LogId::DISCOVERY, 0, 4096).unwrap()).unwrap_err(),
            null().rescan().unwrap_err(),
            null().reset().unwrap_err(),
        ] {
            assert_eq!(error.errno(), Some(Errno::ENOTTY), "{error}");
        }
        let error = ControllerNode::open("/nonexistent/nvme0").unwrap_err();
        assert_eq!((error.op, error.errno()), (AdminOp::Open, Some(Errno::ENOENT)));
    }

    #[test]
    fn a_positive_answer_is_a_status_and_no_error_number() {
        let error = null().checked(AdminOp::Identify, Ok(0x4002)).unwrap_err();
        assert_eq!(error.status(), Some(Status(0x4002)));
        assert_eq!(error.errno(), None);
        assert_eq!(error.status().map(Status::code), Some(0x002));
        assert!(error.status().is_some_and(Status::dnr));
        assert!(null().checked(AdminOp::Identify, Ok(0)).is_ok());
    }

    #[test]
    fn a_huge_piece_is_refused_before_memory_is_taken() {
        let command = GetLogPage::new(LogId::DISCOVERY, 0, u32::MAX - 3).unwrap();
        let error = null().get_log_page(&command).unwrap_err();
        assert!(matches!(error.failure, AdminFailure::TooLong { .. }), "{error}");
    }
}
