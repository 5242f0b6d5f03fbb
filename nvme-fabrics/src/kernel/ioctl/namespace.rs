//! A namespace's node.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nvme_proto::Nsid;
use nvme_proto::command::{AdminCommand, IoCommand};
use nvme_proto::identify::{IdentifyCommand, IdentifyNamespace};
use nvme_proto::sqe::Sqe;

use super::call::{Plain, Queue, Request};
use super::controller::sendable;
use super::node::{Access, Node};
use super::{AdminError, AdminFailure, AdminOp, Answer, Data};

/// A namespace's device node, open for commands: the character device `/dev/ngXnY` (since 5.13) or the block device `/dev/nvmeXnY`.
///
/// Its format is read when it is opened: after the namespace was formatted, open it again.
#[derive(Debug)]
pub struct NamespaceNode {
    pub(super) node: Node,
    nsid: Nsid,
    block_bytes: u32,
    metadata_bytes: u32,
}

impl NamespaceNode {
    /// Opens the node, and asks which namespace it is and how large its blocks are.
    ///
    /// # Errors
    /// [`AdminError`]: there is no such node, it is no NVMe namespace, or no path to it works now (EAGAIN).
    pub fn open(path: impl Into<PathBuf>, access: Access) -> Result<Self, AdminError> {
        let node = Node::open(path.into(), access)?;
        // The identifier is the return value; one above 2^31 looks negative, but is no error: an error is -1.
        let id = node.plain(AdminOp::NamespaceId, Plain::NamespaceId)?;
        let nsid = Nsid::new(u32::from_ne_bytes(id.to_ne_bytes()))
            .map_err(|_| node.error(AdminOp::NamespaceId, AdminFailure::NoNamespace))?;
        let mut opened = Self { node, nsid, block_bytes: 0, metadata_bytes: 0 };
        let identify = opened.identify()?;
        let format = identify.lba_format();
        let data = identify.block_bytes().and_then(|bytes| u32::try_from(bytes).ok());
        let (Some(format), Some(data)) = (format, data) else {
            return Err(opened.node.error(AdminOp::Identify, AdminFailure::NoNamespace));
        };
        let metadata = u32::from(format.metadata_bytes);
        // Bit 4: metadata lie behind the data of each block and are moved with them.
        if identify.format_in_use() & 0x10 == 0 {
            (opened.block_bytes, opened.metadata_bytes) = (data, metadata);
        } else {
            opened.block_bytes = data.saturating_add(metadata);
        }
        Ok(opened)
    }

    /// The same with another time-out of its commands: whole milliseconds, rounded up, at most 49 days; zero for the driver's own (30 s).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.node.timeout = timeout;
        self
    }

    /// The node.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.node.path()
    }

    /// Namespace identifier.
    #[must_use]
    pub fn nsid(&self) -> Nsid {
        self.nsid
    }

    /// Bytes of a block in a data buffer: with its metadata where these lie behind the data.
    #[must_use]
    pub fn block_bytes(&self) -> u32 {
        self.block_bytes
    }

    /// Bytes of a block in a metadata buffer; zero where there is none.
    #[must_use]
    pub fn metadata_bytes(&self) -> u32 {
        self.metadata_bytes
    }

    /// What the controller says about the namespace.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn identify(&self) -> Result<IdentifyNamespace<Vec<u8>>, AdminError> {
        let mut data = vec![0; IdentifyCommand::DATA_LEN];
        self.admin(IdentifyCommand::namespace(self.nsid), Data::In(&mut data))?;
        IdentifyNamespace::new_checked(data).map_err(|e| self.node.error(AdminOp::Identify, e.into()))
    }

    /// Any admin command of which the specification says how much data it moves. Its namespace must be this one.
    ///
    /// # Errors
    /// As [`ControllerNode::admin`](super::ControllerNode::admin).
    pub fn admin(&self, command: impl Into<AdminCommand>, data: Data<'_>) -> Result<Answer, AdminError> {
        let command = command.into();
        let len = sendable(&command).map_err(|failure| self.node.error(AdminOp::Admin, failure))?;
        self.node.checked(AdminOp::Admin, Queue::Admin, command.to_sqe(), (data, len), (Data::None, 0))
    }

    /// Any I/O command of which the specification says how much data it moves. Its namespace must be this one.
    ///
    /// | memory | bytes |
    /// |---|---|
    /// | `data` | blocks times [`block_bytes`](Self::block_bytes), or what the command says |
    /// | `metadata` | blocks times [`metadata_bytes`](Self::metadata_bytes) of reads and writes; else nothing |
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use nvme_fabrics::kernel::ioctl::{Access, Data, NamespaceNode};
    /// use nvme_proto::command::io::Read;
    ///
    /// let node = NamespaceNode::open("/dev/ng0n1", Access::Read)?;
    /// let mut blocks = vec![0; 8 * usize::try_from(node.block_bytes())?];
    /// node.io(Read::new(node.nsid().get(), 0, 7), Data::In(&mut blocks), Data::None)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`AdminError`]; EAGAIN when no path to the namespace works now.
    pub fn io(
        &self,
        command: impl Into<IoCommand>,
        data: Data<'_>,
        metadata: Data<'_>,
    ) -> Result<Answer, AdminError> {
        let command = command.into();
        let (len, metadata_len) =
            self.lengths(&command).map_err(|failure| self.node.error(AdminOp::Io, failure))?;
        self.node.checked(AdminOp::Io, Queue::Io, command.to_sqe(), (data, len), (metadata, metadata_len))
    }

    /// Any I/O command as 64 bytes: of vendors, or newer than this crate. The command identifier, the flags and the pointers are the kernel's.
    ///
    /// # Safety
    /// As [`ControllerNode::admin_raw`](super::ControllerNode::admin_raw).
    ///
    /// # Errors
    /// [`AdminError`].
    #[allow(unsafe_code, reason = "says what nobody can check")]
    pub unsafe fn io_raw(
        &self,
        command: &Sqe,
        data: Data<'_>,
        metadata: Data<'_>,
    ) -> Result<Answer, AdminError> {
        let request = Request { sqe: *command, data, metadata, timeout: self.node.timeout };
        // SAFETY: the caller's promise.
        unsafe { self.node.pass(AdminOp::Io, Queue::Io, request) }
    }

    /// Bytes of data and of metadata that a command moves.
    pub(super) fn lengths(&self, command: &IoCommand) -> Result<(u64, u64), AdminFailure> {
        if matches!(command, IoCommand::Fabrics(_)) {
            return Err(AdminFailure::Driver);
        }
        let data = command.data_len(self.block_bytes).ok_or(AdminFailure::UnknownLength)?;
        let has_metadata = matches!(
            command,
            IoCommand::Read(_) | IoCommand::Write(_) | IoCommand::Compare(_) | IoCommand::ZoneAppend(_)
        );
        let metadata = if has_metadata { command.data_len(self.metadata_bytes).unwrap_or(0) } else { 0 };
        Ok((data, metadata))
    }
}

#[cfg(test)]
mod tests {
    use nvme_proto::command::io::{Flush, Read, Write};

    use super::*;

    fn node(block_bytes: u32, metadata_bytes: u32) -> NamespaceNode {
        let node = Node::open("/dev/null".into(), Access::ReadWrite).unwrap();
        NamespaceNode { node, nsid: Nsid::new(1).unwrap(), block_bytes, metadata_bytes }
    }

    #[test]
    fn memory_of_another_size_or_direction_is_refused_before_anything_is_sent() {
        let node = node(512, 8);
        let wrong = |result: Result<Answer, AdminError>| match result.unwrap_err().failure {
            AdminFailure::Length { len, wanted } => Some((len, wanted)),
            AdminFailure::Direction => None,
            other => panic!("{other}"),
        };
        let read = Read::new(1, 0, 7);
        assert_eq!(
            wrong(node.io(read, Data::In(&mut [0; 4095]), Data::In(&mut [0; 64]))),
            Some((4095, 4096))
        );
        assert_eq!(wrong(node.io(read, Data::In(&mut [0; 4096]), Data::None)), Some((0, 64)));
        assert_eq!(wrong(node.io(read, Data::Out(&[0; 4096]), Data::In(&mut [0; 64]))), None);
        let write = Write::new(1, 0, 0);
        assert_eq!(wrong(node.io(write, Data::Out(&[0; 512]), Data::In(&mut [0; 8]))), None);
        assert_eq!(wrong(node.io(Flush::new(1), Data::Out(&[0; 1]), Data::None)), Some((1, 0)));
        // What fits is sent, and /dev/null is no namespace.
        let sent = node.io(read, Data::In(&mut [0; 4096]), Data::In(&mut [0; 64])).unwrap_err();
        assert_eq!(sent.errno(), Some(crate::kernel::errno::Errno::ENOTTY));
    }

    #[test]
    fn a_vendors_command_needs_the_other_function() {
        let error = node(512, 0).io(IoCommand::Other(Sqe::new(0x90)), Data::None, Data::None).unwrap_err();
        assert!(matches!(error.failure, AdminFailure::UnknownLength), "{error}");
    }

    #[test]
    fn what_is_no_namespace_says_so() {
        let error = NamespaceNode::open("/dev/null", Access::Read).unwrap_err();
        assert_eq!(
            (error.op, error.errno()),
            (AdminOp::NamespaceId, Some(crate::kernel::errno::Errno::ENOTTY))
        );
    }
}
