//! A controller's node.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nvme_proto::Nsid;
use nvme_proto::command::AdminCommand;
use nvme_proto::discovery::GetLogPage;
use nvme_proto::fabrics::FabricsCommand;
use nvme_proto::identify::{IdentifyCommand, IdentifyController, IdentifyNamespace, NamespaceList};
use nvme_proto::sqe::Sqe;

use super::call::{Plain, Queue, Request};
use super::node::{Access, Node};
use super::{AdminError, AdminFailure, AdminOp, Answer, Data};

/// Log pages are read in pieces; a longer piece than this is refused before memory is taken.
const MAX_LOG_PIECE: u64 = 1 << 20;

/// A controller's device node, `/dev/nvmeN`, open for admin commands.
///
/// It stays with the controller that it was opened for: when that is disconnected, commands fail, whoever gets the number next. While the controller is
/// not live, commands end at once with the status 0x370, Host Pathing Error.
#[derive(Debug)]
pub struct ControllerNode {
    pub(super) node: Node,
}

impl ControllerNode {
    /// Opens the node for reading, which is enough for all commands here.
    ///
    /// # Errors
    /// [`AdminError`] with EAGAIN while the controller is not live, ENOENT when there is none.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, AdminError> {
        Self::open_for(path, Access::Read)
    }

    /// The same, for reading and writing where that matters.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_for(path: impl Into<PathBuf>, access: Access) -> Result<Self, AdminError> {
        Ok(Self { node: Node::open(path.into(), access)? })
    }

    /// The same with another time-out of its commands: whole milliseconds, rounded up, at most 49 days; zero for the driver's own (60 s). When it is over,
    /// the kernel ends the command with a status and, over a fabric, resets the controller.
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

    /// What the controller says about itself.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn identify_controller(&self) -> Result<IdentifyController<Vec<u8>>, AdminError> {
        let data = self.identify(&IdentifyCommand::controller())?;
        IdentifyController::new_checked(data).map_err(|e| self.node.error(AdminOp::Identify, e.into()))
    }

    /// What the controller says about one of its namespaces. All zeros for one that is not active.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn identify_namespace(&self, nsid: Nsid) -> Result<IdentifyNamespace<Vec<u8>>, AdminError> {
        let data = self.identify(&IdentifyCommand::namespace(nsid))?;
        IdentifyNamespace::new_checked(data).map_err(|e| self.node.error(AdminOp::Identify, e.into()))
    }

    /// The identifiers of a namespace: UUID, NGUID, EUI-64, command set.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn namespace_ids(&self, nsid: Nsid) -> Result<nvme_proto::identify::NamespaceIds, AdminError> {
        let command = IdentifyCommand::new(nvme_proto::identify::Cns::NAMESPACE_DESCRIPTORS, nsid.get());
        let data = self.identify(&command)?;
        nvme_proto::identify::NamespaceIds::decode(&data)
            .map_err(|e| self.node.error(AdminOp::Identify, e.into()))
    }

    /// The identifiers of all active namespaces, ascending; however many lists of 1024 they take.
    ///
    /// # Errors
    /// [`AdminError`]; [`AdminFailure::Unordered`] when a list does not go up, which would be read for ever.
    pub fn active_namespaces(&self) -> Result<Vec<u32>, AdminError> {
        let mut all: Vec<u32> = Vec::new();
        loop {
            let after = all.last().copied().unwrap_or(0);
            let command = IdentifyCommand::new(nvme_proto::identify::Cns::ACTIVE_NAMESPACES, after);
            let list = NamespaceList::new_checked(self.identify(&command)?)
                .map_err(|e| self.node.error(AdminOp::Identify, e.into()))?;
            for nsid in list.ids() {
                if all.last().is_some_and(|last| nsid <= *last) {
                    return Err(self.node.error(AdminOp::Identify, AdminFailure::Unordered { nsid }));
                }
                all.push(nsid);
            }
            // 0xffff_fffe is the highest there can be, and the kernel refuses to ask for what is above.
            if !list.is_full() || all.last().is_some_and(|last| *last >= 0xffff_fffd) {
                return Ok(all);
            }
        }
    }

    /// Any structure that Identify gives: 4096 bytes.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn identify(&self, command: &IdentifyCommand) -> Result<Vec<u8>, AdminError> {
        // Identify has no length of its own: every answer has 4096 bytes.
        let mut data = vec![0; IdentifyCommand::DATA_LEN];
        self.send(AdminOp::Identify, &AdminCommand::Identify(*command), Data::In(&mut data))?;
        Ok(data)
    }

    /// A piece of a log page: as many bytes as the command asks for. [`read_log`](Self::read_log) reads a whole page.
    ///
    /// # Errors
    /// [`AdminError`]; without asking for pieces of more than 1 MiB.
    pub fn get_log_page(&self, command: &GetLogPage) -> Result<Vec<u8>, AdminError> {
        let len = match usize::try_from(command.len()) {
            Ok(len) if command.len() <= MAX_LOG_PIECE => len,
            _ => {
                let failure = AdminFailure::TooLong { len: command.len(), max: MAX_LOG_PIECE };
                return Err(self.node.error(AdminOp::GetLogPage, failure));
            }
        };
        let mut data = vec![0; len];
        self.send(AdminOp::GetLogPage, &AdminCommand::GetLogPage(*command), Data::In(&mut data))?;
        Ok(data)
    }

    /// Looks for new and changed namespaces. Returns at once; the scan runs in the background.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn rescan(&self) -> Result<(), AdminError> {
        self.node.plain(AdminOp::Rescan, Plain::Rescan).map(drop)
    }

    /// Resets the controller; over a fabric that is a disconnect and a reconnect. Waits until it is live again.
    ///
    /// # Errors
    /// [`AdminError`] with EBUSY when it cannot be reset now, ENETRESET when it did not come back.
    pub fn reset(&self) -> Result<(), AdminError> {
        self.node.plain(AdminOp::Reset, Plain::Reset).map(drop)
    }

    /// Resets the whole subsystem, with all controllers of all hosts.
    ///
    /// # Errors
    /// [`AdminError`] with ENOTTY when the controller has no such reset.
    pub fn reset_subsystem(&self) -> Result<(), AdminError> {
        self.node.plain(AdminOp::ResetSubsystem, Plain::SubsystemReset).map(drop)
    }

    /// Any admin command of which the specification says how much data it moves; `data` must be just that.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use nvme_fabrics::kernel::ioctl::{ControllerNode, Data};
    /// use nvme_proto::fabrics::{FabricsCommand, Property, PropertyGet};
    ///
    /// let node = ControllerNode::open("/dev/nvme0")?;
    /// let get = FabricsCommand::from(PropertyGet::new(Property::CAP));
    /// let capabilities = node.admin(get, Data::None)?.result; // all 64 bits
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`AdminError`]. [`AdminFailure::UnknownLength`] for commands whose data have a length of their own ([`admin_raw`](Self::admin_raw) sends those),
    /// [`AdminFailure::Driver`] for those that the driver alone may send.
    pub fn admin(&self, command: impl Into<AdminCommand>, data: Data<'_>) -> Result<Answer, AdminError> {
        self.send(AdminOp::Admin, &command.into(), data)
    }

    /// Any admin command as 64 bytes: of vendors, or newer than this crate. The command identifier, the flags and the data pointer are the kernel's.
    ///
    /// # Safety
    /// The command must move no more bytes than `data` has and must not tell the controller addresses of memory: a drive of this machine writes to memory
    /// where it is told to. (Over a fabric the transport allows no more than `data`.)
    ///
    /// # Errors
    /// [`AdminError`].
    #[allow(unsafe_code, reason = "says what nobody can check")]
    pub unsafe fn admin_raw(&self, command: &Sqe, data: Data<'_>) -> Result<Answer, AdminError> {
        let request = Request { sqe: *command, data, metadata: Data::None, timeout: self.node.timeout };
        // SAFETY: the caller's promise.
        unsafe { self.node.pass(AdminOp::Admin, Queue::Admin, request) }
    }

    fn send(&self, op: AdminOp, command: &AdminCommand, data: Data<'_>) -> Result<Answer, AdminError> {
        let len = sendable(command).map_err(|failure| self.node.error(op, failure))?;
        self.node.checked(op, Queue::Admin, command.to_sqe(), (data, len), (Data::None, 0))
    }
}

/// Bytes that a command moves, if it is one that programs may send.
pub(super) fn sendable(command: &AdminCommand) -> Result<u64, AdminFailure> {
    match command {
        // The driver has one of its own outstanding, which gets what happens.
        AdminCommand::AsyncEventRequest(_)
        | AdminCommand::Fabrics(
            FabricsCommand::Connect(_)
            | FabricsCommand::Disconnect(_)
            | FabricsCommand::AuthenticationSend(_)
            | FabricsCommand::AuthenticationReceive(_),
        ) => Err(AdminFailure::Driver),
        command => command.data_len().ok_or(AdminFailure::UnknownLength),
    }
}
