//! Who is connected: the controllers that hosts have at the target, from debugfs.
//!
//! | file below `/sys/kernel/debug/nvmet/SUBSYSTEM/ctrlN/` | field | since |
//! |---|---|---|
//! | (the directory's name) | [`Session::controller`] | 6.11 |
//! | `hostnqn` | [`Session::host`] | 6.11 |
//! | `port` | [`Session::port`] | 6.11 |
//! | `kato` | [`Session::keep_alive`] | 6.11 |
//! | `state` | [`Session::state`] | 6.11 |
//! | `host_traddr` | [`Session::address`] | 6.11 |
//! | `tls_key` | [`Session::tls_key`] | 7.0 at the latest |
//! | `tls_concat` | [`Session::tls_concatenation`] | 7.0 at the latest |
//!
//! The kernel has them when it was built with `CONFIG_NVME_TARGET_DEBUGFS`, which Debian's kernels 6.1, 6.12, 7.2 and 7.3 are not in any flavour;
//! configfs itself does not list them. The list was compared with the hosts that were connected on Linux 6.12.118 with `nvmet` built from
//! Debian's source with that option. Only root reads debugfs.
//! `state` is never written: the kernel takes that as an error of the controller, and its host is disconnected.
//! Source: `drivers/nvme/target/debugfs.c`.

#[cfg(target_os = "linux")]
mod open;
mod parse;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use nvme_proto::types::Cntlid;

use crate::errno::Errno;
use crate::spec::PortId;
use crate::text;
use crate::tree::{Name, NodeKind, RelPath, Tree, TreeError};
use crate::value::Value;

#[cfg(target_os = "linux")]
pub use open::{SessionsError, open, open_at};

/// A controller that a host has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// Directory name of the subsystem, which is its NQN; that of discovery for hosts that look around.
    pub subsystem: Name,
    /// The controller id.
    pub controller: Cntlid,
    /// The host's NQN, as it said it.
    pub host: Option<String>,
    /// The port it came through.
    pub port: Option<PortId>,
    /// The keep-alive time-out in whole seconds; zero when the host wants none.
    pub keep_alive: Option<Duration>,
    /// The state of the controller.
    pub state: Vec<ControllerState>,
    /// Where it comes from; `None` when the transport does not say.
    pub address: Option<HostAddress>,
    /// Serial number of the TLS key in the kernel's key ring; `None` without TLS.
    pub tls_key: Option<u32>,
    /// Whether TLS was negotiated by authentication on the same connection.
    pub tls_concatenation: Option<bool>,
    /// Files that this crate does not know, or whose text it does not understand, as the kernel prints them.
    pub other: BTreeMap<Name, Value>,
}

impl Session {
    /// Whether the controller is enabled and not about to go.
    pub fn is_live(&self) -> bool {
        self.state.contains(&ControllerState::Ready)
            && !self.state.iter().any(|s| matches!(s, ControllerState::Fatal | ControllerState::ShutDown))
    }
}

/// `CTRL of SUBSYSTEM: HOST from ADDRESS through port PORT`
impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("a host");
        write!(f, "controller {} of {}: {}", self.controller.0, self.subsystem, host.escape_debug())?;
        if let Some(address) = &self.address {
            write!(f, " from {address}")?;
        }
        match self.port {
            Some(port) => write!(f, " through port {port}"),
            None => Ok(()),
        }
    }
}

/// A part of a controller's state: the fields of its status register (CSTS) that are set.
#[doc(alias = "CSTS")]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ControllerState {
    /// Enabled and ready (RDY).
    Ready,
    /// It failed (CFS).
    Fatal,
    /// The subsystem was reset (NSSRO).
    Reset,
    /// It is shutting down (SHST 1).
    ShuttingDown,
    /// It has shut down (SHST 2).
    ShutDown,
    /// It processes no commands (PP).
    Paused,
    /// A word or number that this crate does not know.
    Other(String),
}

/// Where a host comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HostAddress {
    /// An address and port (TCP, RDMA).
    Socket(SocketAddr),
    /// What other transports say.
    Other(String),
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => write!(f, "{address}"),
            Self::Other(text) => write!(f, "{}", text.escape_debug()),
        }
    }
}

/// The controllers in a tree, by subsystem and controller id: that of [`open`], or any with the same shape.
///
/// Hosts come and go meanwhile: what has gone by the time it is read is left out.
///
/// # Errors
/// The first listing that is refused for another reason.
pub fn sessions(tree: &dyn Tree) -> Result<Vec<Session>, TreeError> {
    let mut sessions = Vec::new();
    for subsystem in tree.list(&RelPath::root())?.into_iter().filter(|e| e.kind == NodeKind::Dir) {
        let path = RelPath::root().join(&subsystem.name);
        for entry in present(tree.list(&path))?.into_iter().filter(|e| e.kind == NodeKind::Dir) {
            let Some(controller) = controller_id(&entry.name) else { continue };
            sessions.extend(session(tree, &subsystem.name, controller, &path.join(&entry.name))?);
        }
    }
    sessions.sort_by(|a, b| (&a.subsystem, a.controller.0).cmp(&(&b.subsystem, b.controller.0)));
    Ok(sessions)
}

/// A listing, empty when what was to be listed has gone.
fn present<T: Default>(result: Result<T, TreeError>) -> Result<T, TreeError> {
    match result {
        Err(error) if error.errno() == Errno::ENOENT => Ok(T::default()),
        other => other,
    }
}

/// `ctrl1`: `debugfs.c:nvmet_debugfs_ctrl_setup`.
fn controller_id(name: &Name) -> Option<Cntlid> {
    let number = text::unsigned(name.as_bytes().strip_prefix(b"ctrl")?, 0xffff).ok()?;
    u16::try_from(number).ok().map(Cntlid)
}

/// One controller; `None` when it has gone.
fn session(
    tree: &dyn Tree,
    subsystem: &Name,
    controller: Cntlid,
    path: &RelPath,
) -> Result<Option<Session>, TreeError> {
    let mut session = Session {
        subsystem: subsystem.clone(),
        controller,
        host: None,
        port: None,
        keep_alive: None,
        state: Vec::new(),
        address: None,
        tls_key: None,
        tls_concatenation: None,
        other: BTreeMap::new(),
    };
    let mut found = false;
    for entry in present(tree.list(path))?.into_iter().filter(|e| e.kind == NodeKind::Attr) {
        // A file that cannot be read says nothing; the controller may be on its way out.
        let Ok(value) = tree.read(&path.join(&entry.name)) else { continue };
        found = true;
        if !parse::field(&mut session, entry.name.as_bytes(), text::line(&value)) {
            session.other.insert(entry.name, text::line(&value).into());
        }
    }
    Ok(found.then_some(session))
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
