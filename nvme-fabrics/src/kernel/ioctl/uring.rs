//! Pass-through by io_uring: many commands in flight, one system call for many of them. Feature `uring`, since 6.0.
//!
//! | ring | node | queue |
//! |---|---|---|
//! | [`IoRing`] | `/dev/ngXnY` (a block device has none) | I/O |
//! | [`AdminRing`] | `/dev/nvmeN` | admin |
//!
//! Source: `drivers/nvme/host/ioctl.c: nvme_ns_chr_uring_cmd, nvme_dev_uring_cmd`.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd as _;

use io_uring::{IoUring, cqueue, opcode, squeue, types};
use nix::errno::Errno as NixErrno;
use nvme_proto::command::{AdminCommand, IoCommand};
use nvme_proto::sqe::Sqe;

use super::call::milliseconds;
use super::controller::sendable;
use super::node::Node;
use super::{AdminError, AdminFailure, AdminOp, Answer, ControllerNode, NamespaceNode, uapi};

/// A command that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Done {
    /// What the command was submitted with.
    pub token: u64,
    /// How it went.
    pub outcome: Result<Answer, AdminError>,
    /// Its memory, with what the controller has put there.
    pub memory: Vec<u8>,
}

/// A command that was not accepted; its memory comes back.
#[derive(Debug, thiserror::Error)]
#[error("the command was not taken")]
pub struct Refused {
    /// Why.
    #[source]
    pub error: Box<AdminError>,
    /// The memory.
    pub memory: Vec<u8>,
}

/// I/O commands to one namespace.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use nvme_fabrics::kernel::ioctl::{Access, IoRing, NamespaceNode};
/// use nvme_proto::command::io::Read;
///
/// let node = NamespaceNode::open("/dev/ng0n1", Access::Read)?;
/// let mut ring = IoRing::new(&node, 32)?;
/// for block in 0..32 {
///     let memory = vec![0; usize::try_from(node.block_bytes())?];
///     ring.submit(block, Read::new(node.nsid().get(), block, 0), memory)?;
/// }
/// while !ring.is_idle() {
///     for done in ring.wait()? {
///         done.outcome?;
///         println!("block {}: {:02x?}", done.token, &done.memory[..16]);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct IoRing<'a> {
    node: &'a NamespaceNode,
    ring: Ring<'a>,
}

/// Admin commands to one controller.
#[derive(Debug)]
pub struct AdminRing<'a> {
    ring: Ring<'a>,
}

impl<'a> IoRing<'a> {
    /// A ring for at most `depth` commands in flight, 1 to 32768, rounded up to a power of two.
    ///
    /// # Errors
    /// [`AdminError`] with ENOSYS or EPERM where io_uring is not to be had.
    pub fn new(node: &'a NamespaceNode, depth: u32) -> Result<Self, AdminError> {
        Ok(Self { node, ring: Ring::new(&node.node, AdminOp::Io, uapi::uring_io(), depth)? })
    }

    /// Takes a command; it begins with the next [`wait`](Self::wait). `memory` must be as long as the data of the command
    /// ([`NamespaceNode::io`]). Namespaces with a metadata buffer cannot be read or written this way.
    ///
    /// # Errors
    /// [`Refused`]: EBUSY when `depth` commands are in flight, and as [`NamespaceNode::io`].
    pub fn submit(
        &mut self,
        token: u64,
        command: impl Into<IoCommand>,
        memory: Vec<u8>,
    ) -> Result<(), Refused> {
        let command = command.into();
        let len = match self.node.lengths(&command) {
            Ok((len, 0)) => Ok(len),
            Ok((_, wanted)) => Err(AdminFailure::Length { len: 0, wanted }),
            Err(failure) => Err(failure),
        };
        self.ring.submit(token, command.to_sqe(), len, memory)
    }

    /// Whether nothing is in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.ring.is_idle()
    }

    /// Begins what was submitted, waits until at least one command has ended, and gives all that have. Nothing when nothing is in flight.
    ///
    /// # Errors
    /// [`AdminError`] when the ring fails. A signal is not an error: then nothing may have ended.
    pub fn wait(&mut self) -> Result<Vec<Done>, AdminError> {
        self.ring.wait()
    }
}

impl<'a> AdminRing<'a> {
    /// As [`IoRing::new`].
    ///
    /// # Errors
    /// As [`IoRing::new`].
    pub fn new(node: &'a ControllerNode, depth: u32) -> Result<Self, AdminError> {
        Ok(Self { ring: Ring::new(&node.node, AdminOp::Admin, uapi::uring_admin(), depth)? })
    }

    /// As [`IoRing::submit`], with the data of [`ControllerNode::admin`].
    ///
    /// # Errors
    /// [`Refused`]: EBUSY when `depth` commands are in flight, and as [`ControllerNode::admin`].
    pub fn submit(
        &mut self,
        token: u64,
        command: impl Into<AdminCommand>,
        memory: Vec<u8>,
    ) -> Result<(), Refused> {
        let command = command.into();
        self.ring.submit(token, command.to_sqe(), sendable(&command), memory)
    }

    /// Whether nothing is in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.ring.is_idle()
    }

    /// As [`IoRing::wait`].
    ///
    /// # Errors
    /// As [`IoRing::wait`].
    pub fn wait(&mut self) -> Result<Vec<Done>, AdminError> {
        self.ring.wait()
    }
}

/// A command in flight: its memory belongs to the kernel, so there is only an address of it.
#[derive(Debug)]
struct Flight {
    token: u64,
    memory: *mut [u8],
}

// SAFETY: the memory is owned by the flight alone, as a `Box<[u8]>` is, which may be sent to other threads.
unsafe impl Send for Flight {}

struct Ring<'a> {
    ring: IoUring<squeue::Entry128, cqueue::Entry32>,
    node: &'a Node,
    op: AdminOp,
    request: u32,
    flights: Vec<Option<Flight>>,
}

impl std::fmt::Debug for Ring<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("node", &self.node.path())
            .field("flights", &self.flights)
            .finish_non_exhaustive()
    }
}

impl<'a> Ring<'a> {
    fn new(node: &'a Node, op: AdminOp, request: u32, depth: u32) -> Result<Self, AdminError> {
        let failed = |source: io::Error| node.error(op, source.into());
        let slots = usize::try_from(depth).unwrap_or(usize::MAX);
        if !(1..=32768).contains(&slots) {
            return Err(failed(io::Error::from(NixErrno::EINVAL)));
        }
        let ring = IoUring::builder().build(depth).map_err(failed)?;
        Ok(Self { ring, node, op, request, flights: (0..slots).map(|_| None).collect() })
    }

    fn is_idle(&self) -> bool {
        self.flights.iter().all(Option::is_none)
    }

    fn submit(
        &mut self,
        token: u64,
        sqe: Sqe,
        wanted: Result<u64, AdminFailure>,
        memory: Vec<u8>,
    ) -> Result<(), Refused> {
        let len = u64::try_from(memory.len()).unwrap_or(u64::MAX);
        let refusal = match wanted {
            Err(failure) => Some(failure),
            Ok(wanted) if wanted != len => Some(AdminFailure::Length { len, wanted }),
            Ok(_) => None,
        };
        let free = self.flights.iter().position(Option::is_none);
        let (slot, bytes) = match (refusal, free, u32::try_from(len)) {
            (None, Some(slot), Ok(bytes)) => (slot, bytes),
            (Some(failure), ..) => {
                return Err(Refused { error: self.node.error(self.op, failure).into(), memory });
            }
            _ => return Err(Refused { error: self.node.io_error(self.op, NixErrno::EBUSY).into(), memory }),
        };
        let memory = Box::into_raw(memory.into_boxed_slice());
        let address = if bytes == 0 { 0 } else { memory.cast::<u8>().expose_provenance() as u64 };
        let cmd = uapi::uring_cmd(&sqe, address, bytes, milliseconds(self.node.timeout));
        let entry = opcode::UringCmd80::new(types::Fd(self.node.file().as_raw_fd()), self.request)
            .cmd(cmd)
            .build()
            .user_data(slot as u64);
        // SAFETY: the entry's descriptor is open as long as `self.node` is borrowed. Its memory has as many bytes as the command moves, is known to nobody
        // else, and is taken back only when the entry's completion was taken (`wait`), or never (`drop`).
        let pushed = unsafe { self.ring.submission().push(&entry) };
        if pushed.is_err() {
            // SAFETY: the address came from `Box::into_raw` above, and the kernel was not given it.
            let memory = unsafe { Box::from_raw(memory) }.into_vec();
            return Err(Refused { error: self.node.io_error(self.op, NixErrno::EBUSY).into(), memory });
        }
        if let Some(place) = self.flights.get_mut(slot) {
            *place = Some(Flight { token, memory });
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<Vec<Done>, AdminError> {
        if self.is_idle() {
            return Ok(Vec::new());
        }
        match self.ring.submit_and_wait(1) {
            Ok(_) => {}
            // A signal; and a full completion queue is one to be emptied.
            Err(error)
                if error.raw_os_error().map(NixErrno::from_raw).is_some_and(|errno| {
                    matches!(errno, NixErrno::EINTR | NixErrno::EBUSY | NixErrno::EAGAIN)
                }) => {}
            Err(error) => return Err(self.node.error(self.op, error.into())),
        }
        let mut done = Vec::new();
        for entry in self.ring.completion() {
            let slot = usize::try_from(entry.user_data()).unwrap_or(usize::MAX);
            let Some(flight) = self.flights.get_mut(slot).and_then(Option::take) else { continue };
            // SAFETY: the address came from `Box::into_raw`; the completion says that the kernel is done with it; `take` above makes this the only time.
            let memory = unsafe { Box::from_raw(flight.memory) }.into_vec();
            let [result, _] = *entry.big_cqe();
            let outcome = match entry.result() {
                errno if errno < 0 => {
                    Err(self.node.io_error(self.op, NixErrno::from_raw(errno.wrapping_neg())))
                }
                status => self.node.answer(self.op, status, result),
            };
            done.push(Done { token: flight.token, outcome, memory });
        }
        Ok(done)
    }
}

impl Drop for Ring<'_> {
    fn drop(&mut self) {
        // What cannot be waited for keeps its memory for ever: the kernel may still write to it.
        while !self.is_idle() && self.wait().is_ok() {}
    }
}
