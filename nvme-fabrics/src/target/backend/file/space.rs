//! Holes and zeros.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::op::{Deallocate, Extent};

/// What the filesystem or device can do without writing zeros, as far as it is known: each is tried until it is refused once.
pub(super) struct Space {
    punches: AtomicBool,
    zeroes: AtomicBool,
    granularity: u32,
}

impl Space {
    /// Bytes that a hole has at least.
    pub(super) const fn new(granularity: u32) -> Self {
        let possible = cfg!(target_os = "linux");
        Self { punches: AtomicBool::new(possible), zeroes: AtomicBool::new(possible), granularity }
    }

    /// Bytes that are freed together, 0 if none are.
    pub(super) fn granularity(&self) -> u32 {
        if self.punches.load(Ordering::Relaxed) { self.granularity } else { 0 }
    }

    /// Punches a hole, if that can be done.
    pub(super) fn discard(&self, file: &File, extent: Extent) -> io::Result<()> {
        attempt(&self.punches, || punch(file, extent)).map(drop)
    }

    /// Makes zeros; `false` if that cannot be done and they have to be written.
    pub(super) fn zero(&self, file: &File, extent: Extent, deallocate: Deallocate) -> io::Result<bool> {
        if deallocate == Deallocate::Allow && attempt(&self.punches, || punch(file, extent))? {
            return Ok(true);
        }
        attempt(&self.zeroes, || zero(file, extent))
    }
}

/// Does it unless it is known not to work; whether it was done.
fn attempt(works: &AtomicBool, act: impl FnOnce() -> io::Result<()>) -> io::Result<bool> {
    if !works.load(Ordering::Relaxed) {
        return Ok(false);
    }
    match act() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            works.store(false, Ordering::Relaxed);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(target_os = "linux")]
fn punch(file: &File, extent: Extent) -> io::Result<()> {
    use nix::fcntl::FallocateFlags;
    fallocate(file, FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE, extent)
}

#[cfg(target_os = "linux")]
fn zero(file: &File, extent: Extent) -> io::Result<()> {
    use nix::fcntl::FallocateFlags;
    fallocate(file, FallocateFlags::FALLOC_FL_ZERO_RANGE | FallocateFlags::FALLOC_FL_KEEP_SIZE, extent)
}

#[cfg(target_os = "linux")]
fn fallocate(file: &File, how: nix::fcntl::FallocateFlags, extent: Extent) -> io::Result<()> {
    if extent.len == 0 {
        return Ok(()); // which the system would refuse
    }
    let out_of_range = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let at = i64::try_from(extent.at).map_err(out_of_range)?;
    let len = i64::try_from(extent.len).map_err(out_of_range)?;
    loop {
        match nix::fcntl::fallocate(file, how, at, len) {
            Ok(()) => return Ok(()),
            Err(nix::errno::Errno::EINTR) => {}
            // ENOSYS is what some user-space filesystems say.
            Err(nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::ENOSYS) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn punch(_: &File, _: Extent) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn zero(_: &File, _: Extent) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
