//! One io_uring with a fixed number of I/Os in flight on one file: the only `unsafe` of this package.
//!
//! A slot is a piece of memory with at most one I/O in flight. The kernel writes into that memory behind the compiler's
//! back, so no reference into it exists while there is anything in flight, and it is given back only when nothing is.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, opcode, types};

use super::job::Op;
use super::threads::ALIGNMENT;

/// Whether this kernel gives us a ring.
pub(super) fn probe() -> io::Result<()> {
    IoUring::new(1).map(drop)
}

/// A ring with its slots.
pub(super) struct Ring<'a> {
    ring: IoUring,
    file: &'a File,
    memory: Vec<u8>,
    /// The start of the first slot, taken from `memory` before any I/O; `memory` is not touched again before all I/O ended.
    base: *mut u8,
    busy: Vec<bool>,
    block_size: u32,
}

impl<'a> Ring<'a> {
    /// Slots for `depth` I/Os of `block_size` bytes; `fill` gives their memory its content.
    pub(super) fn new(
        file: &'a File,
        depth: u32,
        block_size: u32,
        mut fill: impl FnMut(&mut [u8]),
    ) -> io::Result<Self> {
        let too_large = || io::Error::from(io::ErrorKind::InvalidInput);
        let (slots, len) = (usize::try_from(depth), usize::try_from(block_size));
        let (slots, len) = (slots.map_err(|_| too_large())?, len.map_err(|_| too_large())?);
        let bytes = slots.checked_mul(len).and_then(|bytes| bytes.checked_add(ALIGNMENT));
        let mut memory = vec![0; bytes.ok_or_else(too_large)?];
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        fill(&mut memory[start..start + slots * len]);
        let base = memory[start..].as_mut_ptr();
        let ring = IoUring::new(depth)?;
        Ok(Self { ring, file, memory, base, busy: vec![false; slots], block_size })
    }

    /// A slot that has nothing in flight.
    pub(super) fn free_slot(&self) -> Option<usize> {
        self.busy.iter().position(|busy| !busy)
    }

    /// Whether anything is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.busy.iter().all(|busy| !busy)
    }

    /// Queues an I/O on a free slot; it begins with the next [`Self::wait`].
    pub(super) fn queue(&mut self, slot: usize, op: Op, offset: u64) -> io::Result<()> {
        let busy = self.busy.get_mut(slot).filter(|busy| !**busy).ok_or(io::ErrorKind::InvalidInput)?;
        // Slots begin within `memory`: `slot` is below their number, and all of them were added up when it was made.
        let place = self.base.wrapping_add(slot * self.block_size as usize);
        let file = types::Fd(self.file.as_raw_fd());
        let entry = match op {
            Op::Read => opcode::Read::new(file, place, self.block_size).offset(offset).build(),
            Op::Write => opcode::Write::new(file, place, self.block_size).offset(offset).build(),
        };
        let entry = entry.user_data(slot as u64);
        // SAFETY: the entry's descriptor is open as long as `self.file` is borrowed, and its memory is a slot of
        // `self.memory`, which lives and is not looked at until the entry's completion was taken (`busy`, `drop`).
        let pushed = unsafe { self.ring.submission().push(&entry) };
        pushed.map_err(|_| io::Error::from(io::ErrorKind::WouldBlock))?;
        *busy = true;
        Ok(())
    }

    /// Begins what is queued, waits until at least one I/O is complete, and hands out all that are: slot, bytes moved.
    pub(super) fn wait(&mut self, mut on: impl FnMut(usize, io::Result<u32>)) -> io::Result<()> {
        match self.ring.submit_and_wait(1) {
            Ok(_) => {}
            // A signal; and a full completion queue is one to be emptied.
            Err(error) if matches!(error.raw_os_error(), Some(libc_errno::EINTR | libc_errno::EBUSY)) => {}
            Err(error) => return Err(error),
        }
        for entry in self.ring.completion() {
            let slot = usize::try_from(entry.user_data()).unwrap_or(usize::MAX);
            if let Some(busy) = self.busy.get_mut(slot) {
                *busy = false;
            }
            let moved = u32::try_from(entry.result());
            on(slot, moved.map_err(|_| io::Error::from_raw_os_error(entry.result().wrapping_neg())));
        }
        Ok(())
    }
}

impl Drop for Ring<'_> {
    fn drop(&mut self) {
        while !self.is_idle() {
            if self.wait(|_, _| {}).is_err() {
                // The kernel may still write into the slots: their memory must never be used for anything else.
                mem::forget(mem::take(&mut self.memory));
                return;
            }
        }
    }
}

/// Error numbers to match on.
mod libc_errno {
    use nix::errno::Errno;

    pub(super) const EINTR: i32 = Errno::EINTR as i32;
    pub(super) const EBUSY: i32 = Errno::EBUSY as i32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_holds_one_io_at_a_time() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        let Ok(mut ring) = Ring::new(&file, 2, 4096, |memory| memory.fill(7)) else {
            assert!(probe().is_err(), "a ring of two slots fails where one works");
            return;
        };
        ring.queue(0, Op::Write, 4096).unwrap();
        assert!(ring.queue(0, Op::Write, 0).is_err(), "the slot is in use");
        assert!(ring.queue(2, Op::Write, 0).is_err(), "there is no such slot");
        assert_eq!(ring.free_slot(), Some(1));
        let mut seen = Vec::new();
        ring.wait(|slot, moved| seen.push((slot, moved.unwrap()))).unwrap();
        assert_eq!(seen, [(0, 4096)]);
        assert!(ring.is_idle());
        ring.queue(1, Op::Read, 1 << 40).unwrap();
        ring.wait(|slot, moved| assert_eq!((slot, moved.unwrap()), (1, 0), "beyond the end")).unwrap();
        drop(ring);
        let mut written = [0; 8192];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut written, 0).unwrap();
        assert!(written[..4096].iter().all(|b| *b == 0) && written[4096..].iter().all(|b| *b == 7));
    }
}
