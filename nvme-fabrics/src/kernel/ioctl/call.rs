//! The calls themselves: the only `unsafe` code of this module's ioctls. Small, so that it can be read whole.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::errno::Errno as NixErrno;
use nvme_proto::sqe::Sqe;

use super::data::Data;
use super::uapi;

/// Which queue a command goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    Admin,
    Io,
}

/// Requests to the driver without any data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    NamespaceId,
    Reset,
    SubsystemReset,
    Rescan,
}

/// A command with its memory.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) sqe: Sqe,
    pub(super) data: Data<'a>,
    pub(super) metadata: Data<'a>,
    /// Zero is the driver's own.
    pub(super) timeout: Duration,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    /// Zero is success, a positive number the status.
    pub(super) status: i32,
    pub(super) result: u64,
}

/// Sends a request without data.
pub(super) fn plain(file: &File, request: Plain) -> nix::Result<i32> {
    let fd = file.as_raw_fd();
    match request {
        // SAFETY: the request carries no data (`_IO`): the kernel reads and writes no memory of this process. `file` keeps the descriptor open.
        Plain::NamespaceId => unsafe { uapi::namespace_id(fd) },
        // SAFETY: as above.
        Plain::Reset => unsafe { uapi::reset(fd) },
        // SAFETY: as above.
        Plain::SubsystemReset => unsafe { uapi::subsystem_reset(fd) },
        // SAFETY: as above.
        Plain::Rescan => unsafe { uapi::rescan(fd) },
    }
}

/// Sends a command and waits for its end.
///
/// # Safety
/// The memory must fit the command's direction ([`Data::fits`]), and the controller must move no more bytes for this command than `request.data` and `request.metadata` have, and must be given no other address of memory
/// by it: a drive of this machine writes to memory where the command tells it to.
pub(super) unsafe fn pass(file: &File, queue: Queue, request: &mut Request<'_>) -> nix::Result<Ended> {
    let fd = file.as_raw_fd();
    let mut cmd = uapi::PassthruCmd64::from(&request.sqe);
    (cmd.addr, cmd.data_len) = place(&mut request.data)?;
    (cmd.metadata, cmd.metadata_len) = place(&mut request.metadata)?;
    cmd.timeout_ms = milliseconds(request.timeout);
    let answer = match queue {
        // SAFETY: `cmd` is a whole `struct nvme_passthru_cmd64` (size and offsets are asserted), alive and writable during the call. Its addresses and
        // lengths describe slices that `request` borrows until this function returns, exclusively where the kernel writes (the direction was checked),
        // and the kernel keeps no reference after the call. That the controller moves no more is the caller's promise.
        Queue::Admin => unsafe { uapi::admin64(fd, &raw mut cmd) },
        // SAFETY: as above.
        Queue::Io => unsafe { uapi::io64(fd, &raw mut cmd) },
    };
    if answer != Err(NixErrno::ENOTTY) {
        return answer.map(|status| Ended { status, result: cmd.result });
    }
    // Before 5.5 only the older structure is known.
    let mut cmd = uapi::PassthruCmd::from(cmd);
    let answer = match queue {
        // SAFETY: as above, with `struct nvme_passthru_cmd`.
        Queue::Admin => unsafe { uapi::admin(fd, &raw mut cmd) },
        // SAFETY: as above.
        Queue::Io => unsafe { uapi::io(fd, &raw mut cmd) },
    };
    answer.map(|status| Ended { status, result: cmd.result.into() })
}

/// Address and length for the kernel; no address where there is nothing to move.
pub(super) fn place(data: &mut Data<'_>) -> nix::Result<(u64, u32)> {
    let len = u32::try_from(data.len()).map_err(|_| NixErrno::EINVAL)?;
    let address = match data {
        Data::In(buffer) if len > 0 => buffer.as_mut_ptr().expose_provenance(),
        Data::Out(buffer) if len > 0 => buffer.as_ptr().expose_provenance(),
        _ => 0,
    };
    Ok((address as u64, len))
}

/// Whole milliseconds, rounded up: only zero is the driver's own time-out.
pub(super) fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_without_data_and_no_time_out_of_zero_by_accident() {
        let buffer = [1; 8];
        assert_eq!(place(&mut Data::None), Ok((0, 0)));
        assert_eq!(place(&mut Data::Out(&[])), Ok((0, 0)));
        assert_eq!(place(&mut Data::Out(&buffer)), Ok((buffer.as_ptr() as u64, 8)));
        assert_eq!(milliseconds(Duration::ZERO), 0);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 0);
        assert_eq!(milliseconds(Duration::from_micros(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(1500)), 1500);
        assert_eq!(milliseconds(Duration::MAX), u32::MAX);
    }
}
