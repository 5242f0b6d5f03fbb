//! One connection that a configuration wants.

use std::path::PathBuf;

use nvme_proto::{HostId, HostNqn, IpTraddr, SubsysNqn};

use super::error::{BadValue, Consequence, Fault, Finding, Position};
use super::settings::Settings;
use crate::discovery::{DEFAULT_PORT, DiscoveryRequest};
use crate::identity::HostIdentity;
use crate::options::{ConnectOptions, OptionError, OptionInfo, TransportName};

/// The port of subsystems.
const IO_PORT: u16 = 4420;

/// What is to be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionKind {
    /// A discovery controller: what it offers is connected.
    Discovery,
    /// A subsystem.
    Subsystem,
}

/// As which host. What is `None` comes from the system's identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Persona {
    /// Host NQN.
    pub nqn: Option<HostNqn>,
    /// Host identifier. Without it, one that belongs to the NQN; nvme-cli lets the kernel make one up.
    pub id: Option<HostId>,
    /// A name for people, which discovery controllers can be told.
    pub symbolic_name: Option<String>,
}

/// An address as it stands in the file; checked when options are made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathAddress {
    /// The transport.
    pub transport: TransportName,
    /// The target's address; the loop transport needs none.
    pub traddr: Option<String>,
    /// The target's port.
    pub trsvcid: Option<String>,
    /// The local address.
    pub host_traddr: Option<String>,
    /// The local interface.
    pub host_iface: Option<String>,
}

/// One connection that is wanted: one path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// Subsystem or discovery controller.
    pub kind: ConnectionKind,
    /// Its NQN.
    pub nqn: SubsysNqn,
    /// As which host.
    pub persona: Persona,
    /// Where.
    pub address: PathAddress,
    /// How.
    pub settings: Settings,
    /// How to connect to the subsystems that this discovery controller offers. Empty for subsystems.
    pub offered: Settings,
    /// The discovery controller stays connected.
    pub persistent: bool,
    /// Who looks after it (`application` of `config.json`). `None`: whoever reads this.
    pub application: Option<String>,
    /// The file that wants it.
    pub path: PathBuf,
    /// Where in it.
    pub position: Position,
}

impl Connection {
    pub(super) fn finding(&self, position: Position, fault: Fault) -> Box<Finding> {
        Box::new(Finding {
            path: self.path.clone(),
            position,
            fault,
            consequence: Consequence::EntryUnusable,
        })
    }

    fn bad(&self, key: &'static str, cause: impl Into<BadValue>) -> Box<Finding> {
        self.finding(self.position, Fault::Value { key, cause: cause.into() })
    }

    /// The identity to connect with, `system` being that of the machine.
    #[must_use]
    pub fn host(&self, system: &HostIdentity) -> HostIdentity {
        match (&self.persona.nqn, self.persona.id) {
            (Some(nqn), Some(id)) => HostIdentity::new(nqn.clone(), id),
            (Some(nqn), None) if *nqn == system.nqn => system.clone(),
            (Some(nqn), None) => HostIdentity::for_nqn(nqn.clone()),
            (None, Some(id)) if id != system.id => HostIdentity::from_uuid(id),
            (None, _) => system.clone(),
        }
    }

    /// The connect that this asks for: for a discovery controller that to the controller itself.
    ///
    /// # Errors
    /// [`Finding`]: what cannot be sent, and where it stands.
    pub fn options(&self, system: &HostIdentity) -> Result<ConnectOptions, Box<Finding>> {
        let mut options = self.addressed(self.host(system))?;
        if self.kind == ConnectionKind::Discovery && !options.is_discovery() {
            options = options.discovery().map_err(|e| self.bad("nqn", e))?;
        }
        self.settings.apply(options).map_err(|(position, fault)| self.finding(position, fault))
    }

    /// Whether connections of this transport and kind have this setting at all.
    pub(super) fn takes(&self, key: &str) -> bool {
        const IO_ONLY: [&str; 4] = ["nr-io-queues", "nr-write-queues", "nr-poll-queues", "queue-size"];
        let is_for = OptionInfo::of(&key.replace('-', "_")).is_some_and(|o| o.is_for(self.address.transport));
        is_for && !(self.kind == ConnectionKind::Discovery && IO_ONLY.contains(&key))
    }

    /// Whom to ask for a log.
    ///
    /// # Errors
    /// As [`options`](Self::options).
    pub fn request(&self, system: &HostIdentity) -> Result<DiscoveryRequest, Box<Finding>> {
        DiscoveryRequest::from_options(self.options(system)?).map_err(|e| self.bad("nqn", e))
    }

    /// The settings for what this discovery controller offers, on the options of one subsystem.
    ///
    /// # Errors
    /// [`OptionError`] of the setting that does not go with the rest.
    pub fn tune(&self, options: ConnectOptions) -> Result<ConnectOptions, OptionError> {
        self.offered.apply(options).map_err(|(_, fault)| match fault {
            Fault::Value { cause: BadValue::Option(error), .. } => error,
            // Numbers and words were checked when they were read.
            Fault::Value { key, .. } => OptionError::BadText { option: key, value: String::new() },
            _ => OptionError::BadText { option: "settings", value: String::new() },
        })
    }

    fn addressed(&self, host: HostIdentity) -> Result<ConnectOptions, Box<Finding>> {
        let a = &self.address;
        let nqn = self.nqn.clone();
        let missing = |what| self.finding(self.position, Fault::Missing(what));
        let needless = |key: &str, belongs| {
            self.finding(self.position, Fault::Misplaced { key: key.to_owned(), belongs })
        };
        let traddr = || a.traddr.as_deref().ok_or_else(|| missing("`traddr`"));
        let made = match a.transport {
            TransportName::Tcp => ConnectOptions::tcp(self.ip("traddr", traddr()?)?, self.port()?, nqn, host),
            TransportName::Rdma => {
                ConnectOptions::rdma(self.ip("traddr", traddr()?)?, self.port()?, nqn, host)
            }
            TransportName::Fc => {
                let local = a.host_traddr.as_deref().ok_or_else(|| missing("`host-traddr`"))?;
                let local = local.parse().map_err(|e| self.bad("host-traddr", BadValue::Fc(e)))?;
                let remote = traddr()?.parse().map_err(|e| self.bad("traddr", BadValue::Fc(e)))?;
                ConnectOptions::fc(remote, local, nqn, host)
            }
            TransportName::Loop => match &a.traddr {
                Some(port) => ConnectOptions::loopback_port(port, nqn, host),
                None => ConnectOptions::loopback(nqn, host),
            },
        };
        let mut options = made.map_err(|e| self.bad("traddr", e))?;
        let has_port = matches!(a.transport, TransportName::Tcp | TransportName::Rdma);
        if a.trsvcid.is_some() && !has_port {
            return Err(needless("trsvcid", "this transport has no port"));
        }
        if let Some(local) = a.host_traddr.as_deref().filter(|_| a.transport != TransportName::Fc) {
            let local = self.ip("host-traddr", local)?;
            options = options.host_traddr(local).map_err(|e| self.bad("host-traddr", e))?;
        }
        if let Some(interface) = &a.host_iface {
            options = options.host_iface(interface).map_err(|e| self.bad("host-iface", e))?;
        }
        Ok(options)
    }

    fn ip(&self, key: &'static str, text: &str) -> Result<IpTraddr, Box<Finding>> {
        text.parse().map_err(|e| self.bad(key, BadValue::Ip(e)))
    }

    /// Plain decimal, so that it means the same to the kernel.
    fn port(&self) -> Result<u16, Box<Finding>> {
        let is_default = match (self.kind, self.address.transport) {
            (ConnectionKind::Discovery, TransportName::Tcp) => DEFAULT_PORT,
            _ => IO_PORT,
        };
        let Some(text) = &self.address.trsvcid else { return Ok(is_default) };
        let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        text.parse()
            .ok()
            .filter(|_| is_plain)
            .ok_or_else(|| self.bad("trsvcid", BadValue::Port(text.clone())))
    }
}

/// A transport's word.
pub(super) fn transport(text: &str) -> Result<TransportName, BadValue> {
    use TransportName::{Fc, Loop, Rdma, Tcp};
    [Tcp, Rdma, Fc, Loop]
        .into_iter()
        .find(|t| t.as_str() == text)
        .ok_or_else(|| BadValue::Transport(text.to_owned()))
}
