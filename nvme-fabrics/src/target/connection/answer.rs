//! What goes over the border between what a target answers and what serves it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use nvme_proto::Status;
use nvme_proto::controller::{Reply, Tag};
use nvme_proto::machine::KeepAlive;

use crate::target::backend::{Backend, IoError, IoOp};
use crate::target::config::PortId;
use crate::target::state::{Attached, ErrorRecord, Totals};

/// Where a host connected, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The port.
    pub port: PortId,
    /// The address the host connected to: what the discovery log says of ports without one of their own.
    pub local: Option<SocketAddr>,
    /// The address of the host.
    pub peer: Option<SocketAddr>,
}

impl Endpoint {
    /// This port, without addresses: what is not a socket.
    #[must_use]
    pub const fn new(port: PortId) -> Self {
        Self { port, local: None, peer: None }
    }

    /// Sets both addresses.
    #[must_use]
    pub const fn between(mut self, local: SocketAddr, peer: SocketAddr) -> Self {
        self.local = Some(local);
        self.peer = Some(peer);
        self
    }
}

/// Why the target ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Termination {
    /// The admin queue of the association went.
    #[error("the association has ended")]
    AssociationEnded,
    /// The host switched its controller off.
    #[error("the host has reset its controller")]
    ControllerReset,
    /// The host gave the queue up.
    #[error("the host has disconnected the queue")]
    Disconnected,
    /// The host may no longer connect to the subsystem.
    #[error("the host may no longer connect to the subsystem")]
    HostRevoked,
    /// The subsystem is no longer at the port.
    #[error("the subsystem is no longer exported at the port")]
    Withdrawn,
    /// The subsystem was removed.
    #[error("the subsystem was removed")]
    SubsystemRemoved,
    /// The port was removed.
    #[error("the port was removed")]
    PortRemoved,
    /// Whoever runs the target wants it.
    #[error("the target was asked to end the association")]
    Requested,
}

/// The data of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload<'a> {
    /// None.
    None,
    /// These: they came with it, or were fetched.
    Here(&'a [u8]),
    /// So many: to be fetched from the host, or room for data to the host.
    Expected {
        /// Bytes.
        len: u32,
    },
}

/// What a command comes to.
#[derive(Debug)]
pub(crate) enum Answer {
    /// This, without data.
    Reply(Reply),
    /// These data, then the reply.
    Data(Vec<u8>, Reply),
    /// Its data are needed: fetch them, and execute it again.
    Fetch,
    /// The storage has to do this.
    Io(Work),
    /// It is answered by a [`Notice`].
    Later,
}

impl Answer {
    /// Failure with this status.
    pub(crate) const fn failed(status: Status) -> Self {
        Self::Reply(Reply::failed(status))
    }

    /// Success with a result.
    pub(crate) fn result(result: impl Into<u64>) -> Self {
        Self::Reply(Reply::with_result(result.into()))
    }

    /// These data and success.
    pub(crate) fn data(data: impl Into<Vec<u8>>) -> Self {
        Self::Data(data.into(), Reply::success())
    }
}

/// What comes without being asked for just now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The answer to a command that waited.
    Answer(Tag, Reply),
    /// The keep-alive timer runs like this from now on.
    KeepAlive(Option<KeepAlive>),
    /// End the connection.
    Terminate(Termination),
}

/// Work for the storage of a namespace.
pub(crate) struct Work {
    attached: Arc<Attached>,
    pub(crate) op: IoOp,
    command: u16,
    opcode: u8,
}

impl Work {
    pub(super) fn new(attached: Arc<Attached>, op: IoOp, command: u16, opcode: u8) -> Self {
        Self { attached, op, command, opcode }
    }

    /// The storage.
    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.attached.namespace.backend
    }

    /// The storage, to keep.
    pub(crate) fn backend_arc(&self) -> Arc<dyn Backend> {
        self.attached.namespace.backend.clone()
    }

    /// What the host is answered. To be called where the connection runs, which alone counts what its queue does.
    pub(crate) fn finish(self, result: &Result<(), IoError>) -> Reply {
        let totals = &self.attached.totals;
        let (lba, len) = match &self.op {
            IoOp::Read(extent) | IoOp::Compare(extent) => (extent.at, extent.len),
            IoOp::Write { extent, .. } => (extent.at, extent.len),
            IoOp::WriteZeroes { extent, .. } | IoOp::Verify(extent) => (extent.at, 0),
            _ => (0, 0),
        };
        match result {
            Ok(()) => {
                match &self.op {
                    IoOp::Read(_) | IoOp::Compare(_) => totals.read(len),
                    IoOp::Write { .. } => {
                        Totals::bump(&totals.writes, 1);
                        Totals::bump(&totals.bytes_written, len);
                    }
                    _ => {}
                }
                Reply::success()
            }
            Err(error) => {
                let status = error.status();
                // Media and data integrity, except that compared data differ.
                if status.sct() == 2 && !status.is(Status::COMPARE_FAILURE) {
                    Totals::bump(&totals.media_errors, 1);
                }
                self.attached.controller.failed(ErrorRecord {
                    queue: self.attached.queue,
                    command: self.command,
                    opcode: self.opcode,
                    status,
                    nsid: self.attached.namespace.nsid.get(),
                    lba: lba >> self.attached.namespace.geometry().block_size.log2(),
                });
                Reply::failed(status)
            }
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("nsid", &self.attached.namespace.nsid)
            .field("op", &self.op)
            .finish_non_exhaustive()
    }
}
