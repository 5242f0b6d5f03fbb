//! A controller.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use nvme_proto::cqe::Cqe;
use nvme_proto::digest::Digests;
use nvme_proto::discovery::{GetLogPage, LogId, RetainAsyncEvent};
use nvme_proto::fabrics::Capabilities;
use nvme_proto::host::Watch as Watched;
use nvme_proto::identify::{Cns, IdentifyCommand, IdentifyController, NamespaceList, Version};
use nvme_proto::sqe::Sqe;
use nvme_proto::{Cntlid, Nsid};
use tokio::time::Instant;

use super::buffer::ReadBuffer;
use super::core::{Core, Details, Handle, On};
use super::error::CommandError;
use super::events::Events;
use super::namespace::Namespace;
use super::queue::{Effect, Payload, Request};
use super::state::{State, Watch};

/// A controller that was connected. Copies are handles to the same one; when the last of them, of its namespaces and of its events is dropped, it is
/// disconnected.
#[derive(Debug, Clone)]
pub struct Controller {
    handle: Arc<Handle>,
    /// What was learnt first.
    first: Arc<Details>,
}

/// What a controller takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// I/O queues that are connected.
    pub queues: u16,
    /// Commands outstanding in each.
    pub depth: u16,
    /// Largest data of a command, bytes. Namespaces split what is larger.
    pub max_transfer: u32,
    /// Largest data that travel with a write command and not when the controller asks for them, bytes.
    pub in_capsule: u32,
    /// Digests in use.
    pub digests: Digests,
}

/// The data of a command that is passed through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Transfer {
    /// No data.
    #[default]
    None,
    /// This many bytes from the controller.
    Read(usize),
    /// These bytes to the controller.
    Write(Bytes),
}

/// What came of a command that was passed through.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The completion.
    pub cqe: Cqe,
    /// The data that were read; empty for other commands.
    pub data: Bytes,
}

impl Controller {
    pub(super) const fn new(handle: Arc<Handle>, first: Arc<Details>) -> Self {
        Self { handle, first }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.handle.core
    }

    /// What was learnt when it was connected last.
    pub(super) fn details(&self) -> Arc<Details> {
        self.core().details().unwrap_or_else(|| Arc::clone(&self.first))
    }

    /// Where it is, for people.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.core().peer
    }

    /// Its identifier in the subsystem. It may have another one after each reconnect.
    #[must_use]
    #[doc(alias = "CNTLID")]
    pub fn id(&self) -> Cntlid {
        self.details().cntlid
    }

    /// Identify Controller, as it was when the controller was connected last.
    #[must_use]
    pub fn identify(&self) -> IdentifyController<Bytes> {
        self.details().identify.clone()
    }

    /// The property CAP.
    #[must_use]
    #[doc(alias = "CAP")]
    pub fn capabilities(&self) -> Capabilities {
        self.details().capabilities
    }

    /// The property VS.
    #[must_use]
    #[doc(alias = "VS")]
    pub fn version(&self) -> Version {
        self.details().version
    }

    /// What it takes.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let details = self.details();
        Limits {
            queues: details.queues,
            depth: details.depth,
            max_transfer: details.max_transfer,
            in_capsule: details.in_capsule,
            digests: details.digests,
        }
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.core().state()
    }

    /// How it is, to be waited for.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(self.core().watch())
    }

    /// When commands that were lost with the last connection are surely not executed any more, by the clock of tokio; `None` while connected, or
    /// when that cannot be known. See [`reconnect`](super::reconnect).
    #[must_use]
    pub fn quiesced_at(&self) -> Option<Instant> {
        let after = self.details().quiesced_after?;
        self.core().lost_at()?.checked_add(after)
    }

    /// What it tells by itself: namespaces that change, asymmetric access, the discovery log, errors.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(&self.handle))
    }

    /// An admin command as it is, with its data. It is not sent again when its connection is lost.
    ///
    /// # Errors
    /// [`CommandError`]; every status but success is one.
    pub async fn admin(&self, sqe: Sqe, data: Transfer) -> Result<Answer, CommandError> {
        self.pass(On::Admin, sqe, data, Effect::Other).await
    }

    /// An I/O command as it is, with its data. It is not sent again when its connection is lost.
    ///
    /// # Errors
    /// [`CommandError`]; every status but success is one.
    pub async fn io(&self, sqe: Sqe, data: Transfer) -> Result<Answer, CommandError> {
        self.pass(On::Io, sqe, data, Effect::Other).await
    }

    async fn pass(&self, on: On, sqe: Sqe, data: Transfer, effect: Effect) -> Result<Answer, CommandError> {
        let data = match data {
            Transfer::None => Payload::None,
            Transfer::Read(len) => Payload::Read(ReadBuffer::zeroed(len)),
            Transfer::Write(bytes) => Payload::Write(bytes),
        };
        let request = Request { command: sqe, data, watch: Watched::TimeOut, effect };
        let finished = self.core().execute(on, request).await?;
        let cqe = finished.result.unwrap_or_else(|_| Cqe::success(0));
        Ok(Answer { cqe, data: finished.into_bytes() })
    }

    /// An admin command that only reads.
    pub(super) async fn ask(&self, sqe: Sqe, data: Transfer) -> Result<Answer, CommandError> {
        self.pass(On::Admin, sqe, data, Effect::Nothing).await
    }

    /// Identify with any structure: 4096 bytes.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn identify_with(&self, command: IdentifyCommand) -> Result<Bytes, CommandError> {
        Ok(self.ask(command.to_sqe(), Transfer::Read(IdentifyCommand::DATA_LEN)).await?.data)
    }

    /// A piece of a log page, `len` bytes from `offset`. Both are multiples of 4. What is larger than a command may be is read in pieces, which may
    /// be of different moments. The health log is asked for of all namespaces together, as Linux's
    /// target insists.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn log_page(&self, page: LogId, offset: u64, len: u32) -> Result<Bytes, CommandError> {
        let mut command = GetLogPage::new(page, offset, len).map_err(|_| CommandError::Parameter {
            what: "the place in a log page",
            value: if len.is_multiple_of(4) && len > 0 { offset } else { len.into() },
            allowed: "offset and length are multiples of 4, and the length is not 0",
        })?;
        if page == LogId::HEALTH {
            command.nsid = u32::MAX;
        }
        self.log_page_with(command).await
    }

    /// A piece of a log page, with all parameters of the command. What is larger than a command may be is read in pieces, of which only the last one
    /// clears the event.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn log_page_with(&self, command: GetLogPage) -> Result<Bytes, CommandError> {
        let most = u64::from(self.details().max_transfer);
        let len = command.len();
        let mut whole = BytesMut::new();
        let mut done = 0_u64;
        while done < len {
            let piece = len.saturating_sub(done).min(most);
            let bytes = usize::try_from(piece).unwrap_or(usize::MAX);
            let offset = command.offset().saturating_add(done);
            let last = done.saturating_add(piece) >= len;
            let part = GetLogPage::new(command.lid, offset, u32::try_from(piece).unwrap_or(u32::MAX));
            let Ok(mut part) = part else { break };
            (part.nsid, part.lsp, part.lsi) = (command.nsid, command.lsp, command.lsi);
            (part.command_set, part.uuid_index) = (command.command_set, command.uuid_index);
            part.retain = if last { command.retain } else { RetainAsyncEvent::Retain };
            let data = self.ask(part.to_sqe(), Transfer::Read(bytes)).await?.data;
            if done == 0 && last {
                return Ok(data);
            }
            whole.extend_from_slice(&data);
            done = done.saturating_add(piece);
        }
        Ok(whole.freeze())
    }

    /// The identifiers of all active namespaces, ascending.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn active_namespaces(&self) -> Result<Vec<Nsid>, CommandError> {
        let mut all: Vec<Nsid> = Vec::new();
        // Each list has up to 1024 above the last one: no more lists than the identifiers allow, and no more identifiers than namespaces.
        let most = usize::try_from(self.identify().namespaces()).unwrap_or(usize::MAX);
        loop {
            let after = all.last().map_or(0, |nsid| nsid.get());
            let list = self.identify_with(IdentifyCommand::new(Cns::ACTIVE_NAMESPACES, after)).await?;
            let list = NamespaceList::new_checked(list)?;
            let before = all.len();
            for nsid in list.ids() {
                // One that does not ascend would never end.
                if let Ok(nsid) = Nsid::new(nsid)
                    && all.last().is_none_or(|last| *last < nsid)
                    && all.len() < most
                {
                    all.push(nsid);
                }
            }
            if !list.is_full() || all.len() == before {
                return Ok(all);
            }
        }
    }

    /// All active namespaces, ascending.
    ///
    /// # Errors
    /// [`CommandError`]; one namespace that cannot be used here is left out.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>, CommandError> {
        let mut namespaces = Vec::new();
        for nsid in self.active_namespaces().await? {
            match self.namespace(nsid).await {
                Ok(namespace) => namespaces.push(namespace),
                Err(CommandError::Unusable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(namespaces)
    }

    /// A namespace.
    ///
    /// # Errors
    /// [`CommandError::Unusable`] when it is not active, or its blocks have metadata; others when the controller cannot be asked.
    pub async fn namespace(&self, nsid: Nsid) -> Result<Namespace, CommandError> {
        Namespace::open(self.clone(), nsid).await
    }

    /// Connects it anew, as after a lost connection.
    pub fn reset(&self) {
        self.core().order_reset();
    }

    /// Disconnects it: tells the controller to shut down, waits until it has (at most 5 s), and closes the connections. Commands that are not over
    /// fail. Returns when it is gone.
    pub async fn disconnect(self) {
        self.core().order_disconnect();
        let mut states = self.core().watch();
        // It ends in any case: the task that looks after it says so when it goes.
        let _ = states.wait_for(|state| matches!(state, State::Gone { .. })).await;
    }
}
