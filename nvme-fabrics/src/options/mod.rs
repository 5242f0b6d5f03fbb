//! Typed options of one connection, and the option string that the kernel takes.
//!
//! | module | what |
//! |---|---|
//! | this | [`ConnectOptions`]: constructors and readers |
//! | `set`, `security`, `newer` | its setters, each with its range |
//! | `table` | [`OPTIONS`]: what is known about each option |
//! | `text` | the option string |
//! | `read` | what the user-space host takes of them |
//! | `fc` | [`FcAddress`] |
//! | `lookup` | [`lookup`]: addresses of machines by their names |
//! | `error` | [`OptionError`] |
//!
//! Pure: nothing here touches a kernel, and only [`lookup`] asks anybody. Options that exist are valid, so the string cannot be refused for its syntax, a range, a
//! missing part, or an option that its transport does not take; and no value can smuggle in another option.

mod error;
mod fc;
mod lookup;
mod newer;
#[cfg(feature = "tokio")]
mod read;
mod security;
mod set;
mod table;
mod text;

use std::time::Duration;

use nvme_proto::{IpTraddr, Nqn, SubsysNqn};

use crate::identity::HostIdentity;
pub use error::OptionError;
pub use fc::{FcAddress, FcAddressError};
pub(crate) use lookup::is_name;
pub use lookup::{LookupError, lookup};
use newer::{NewerOption, plain_text};
pub use security::KeySerial;
use security::Security;
pub use table::{KernelVersion, OPTIONS, OptionInfo, OptionValue, TransportName};
pub use text::OptionString;

/// How long a lost controller is kept while the kernel tries to reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControllerLoss {
    /// For ever.
    Never,
    /// Deleted after this time without a connection; whole seconds. Zero: at the first loss.
    After(Duration),
}

/// How long I/O waits for a lost controller before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FastIoFail {
    /// As long as the controller is kept.
    Off,
    /// This long; whole seconds. Zero: not at all.
    After(Duration),
}

/// How the target is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    /// NVMe/TCP.
    Tcp {
        /// Always numeric and canonical: the kernel resolves no names and compares addresses as text.
        traddr: IpTraddr,
        /// 1 to 65535.
        port: u16,
        host_traddr: Option<IpTraddr>,
        host_iface: Option<String>,
    },
    /// NVMe/RDMA.
    Rdma {
        traddr: IpTraddr,
        /// 1 to 65535.
        port: u16,
        host_traddr: Option<IpTraddr>,
    },
    /// NVMe/FC.
    Fc { traddr: FcAddress, host_traddr: FcAddress },
    /// The target in this very kernel.
    Loop {
        /// Which of its ports; the first one that there is otherwise.
        traddr: Option<String>,
    },
}

/// What kind of controller is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// One with I/O queues.
    Io,
    /// A discovery controller by the well-known NQN: the kernel knows without being told.
    WellKnownDiscovery,
    /// A discovery controller with an NQN of its own.
    UniqueDiscovery,
}

/// Everything that one connect asks for.
///
/// | constructor | transport | address |
/// |---|---|---|
/// | [`tcp`](Self::tcp) | `tcp` | numeric IP address and port |
/// | [`rdma`](Self::rdma) | `rdma` | numeric IP address and port |
/// | [`fc`](Self::fc) | `fc` | a remote and a local port, both by their world-wide names |
/// | [`loopback`](Self::loopback), [`loopback_port`](Self::loopback_port) | `loop` | none, or the name of a port of the target |
///
/// Every constructor takes the subsystem and the identity of this host, since host NQN and identifier always travel together. What is not set is not
/// sent; [`OPTIONS`] tells what the kernel does then, which values and transports go with each option, and since when it exists. Options
/// that are newer than this crate are asked for by name, with [`newer_flag`](Self::newer_flag) and [`newer_value`](Self::newer_value).
///
/// Source: `drivers/nvme/host/fabrics.c: nvmf_parse_options`, `tcp.c: nvme_tcp_transport`, `rdma.c: nvme_rdma_transport`, `fc.c: nvme_fc_transport`,
/// `drivers/nvme/target/loop.c: nvme_loop_transport`.
///
/// ```
/// use nvme_fabrics::{ConnectOptions, HostIdentity};
///
/// let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse()?);
/// let options = ConnectOptions::tcp("192.0.2.10".parse()?, 4420, "mysub".parse()?, host)?
///     .queue_size(256)?
///     .header_digest()?;
/// assert!(options.to_option_string().expose().starts_with("transport=tcp,traddr=192.0.2.10,trsvcid=4420,nqn=mysub,hostnqn="));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use]
pub struct ConnectOptions {
    transport: Transport,
    nqn: SubsysNqn,
    host: HostIdentity,
    kind: Kind,
    nr_io_queues: Option<u32>,
    nr_write_queues: Option<u32>,
    nr_poll_queues: Option<u32>,
    queue_size: Option<u16>,
    keep_alive: Option<Duration>,
    reconnect_delay: Option<Duration>,
    controller_loss: Option<ControllerLoss>,
    fast_io_fail: Option<FastIoFail>,
    tos: Option<u8>,
    header_digest: bool,
    data_digest: bool,
    duplicate_connect: bool,
    disable_sqflow: bool,
    security: Security,
    newer: Vec<NewerOption>,
}

/// The longest address that the kernel's parser looks at (`net/core/utils.c: INET6_ADDRSTRLEN`).
const MAX_ADDRESS_LEN: usize = 48;

fn address(option: &'static str, address: IpTraddr) -> Result<IpTraddr, OptionError> {
    let len = address.to_string().len();
    if len > MAX_ADDRESS_LEN {
        return Err(OptionError::TooLong { option, len, max: MAX_ADDRESS_LEN });
    }
    Ok(address)
}

fn nqn_len(option: &'static str, nqn: &str) -> Result<(), OptionError> {
    if nqn.len() > Nqn::MAX_HOST_LEN {
        return Err(OptionError::TooLong { option, len: nqn.len(), max: Nqn::MAX_HOST_LEN });
    }
    Ok(())
}

impl ConnectOptions {
    /// A connection by NVMe/TCP. Usual ports: 4420 for subsystems, 8009 for discovery.
    ///
    /// # Errors
    /// [`OptionError`] for port 0, for an NQN of 223 bytes (one more than the Linux host takes), and for an address whose scope makes it longer than
    /// 48 characters.
    pub fn tcp(traddr: IpTraddr, port: u16, nqn: SubsysNqn, host: HostIdentity) -> Result<Self, OptionError> {
        let options = Self::tcp_of_user_space(traddr, port, nqn, host)?;
        options.check_for_kernel()?;
        Ok(options)
    }

    /// A connection to the target in this very kernel (module `nvme-loop`), by no network at all.
    ///
    /// # Errors
    /// [`OptionError`] for an NQN of 223 bytes.
    pub fn loopback(nqn: SubsysNqn, host: HostIdentity) -> Result<Self, OptionError> {
        Self::new(Transport::Loop { traddr: None }, nqn, host)
    }

    /// As [`loopback`](Self::loopback), by one of the target's loop ports: the one with this address, which is any text. Without an address the kernel
    /// takes the first loop port that there is.
    ///
    /// # Errors
    /// [`OptionError`] for an NQN of 223 bytes, and for an address that is empty, longer than 255 bytes or has a comma or a control character in it.
    pub fn loopback_port(traddr: &str, nqn: SubsysNqn, host: HostIdentity) -> Result<Self, OptionError> {
        let traddr = plain_text(table::TRADDR.name, traddr)?;
        Self::new(Transport::Loop { traddr: Some(traddr) }, nqn, host)
    }

    /// A connection by NVMe/RDMA. Usual port: 4420.
    ///
    /// # Errors
    /// As [`tcp`](Self::tcp).
    pub fn rdma(
        traddr: IpTraddr,
        port: u16,
        nqn: SubsysNqn,
        host: HostIdentity,
    ) -> Result<Self, OptionError> {
        set::in_range(&table::TRSVCID, port.into())?;
        let traddr = address(table::TRADDR.name, traddr)?;
        Self::new(Transport::Rdma { traddr, port, host_traddr: None }, nqn, host)
    }

    /// A connection by NVMe/FC, from a local port to a remote one. The kernel returns before such a controller is usable: see
    /// [`wait_live`](crate::wait_live).
    ///
    /// # Errors
    /// [`OptionError`] for an NQN of 223 bytes.
    pub fn fc(
        traddr: FcAddress,
        host_traddr: FcAddress,
        nqn: SubsysNqn,
        host: HostIdentity,
    ) -> Result<Self, OptionError> {
        Self::new(Transport::Fc { traddr, host_traddr }, nqn, host)
    }

    /// As [`tcp`](Self::tcp), with NQNs as long as the specification lets them be: user space takes them.
    pub(crate) fn tcp_of_user_space(
        traddr: IpTraddr,
        port: u16,
        nqn: SubsysNqn,
        host: HostIdentity,
    ) -> Result<Self, OptionError> {
        set::in_range(&table::TRSVCID, port.into())?;
        let traddr = address(table::TRADDR.name, traddr)?;
        Ok(Self::unchecked(Transport::Tcp { traddr, port, host_traddr: None, host_iface: None }, nqn, host))
    }

    /// What the kernel's parser would refuse, and user space does not.
    ///
    /// # Errors
    /// [`OptionError::TooLong`] for an NQN of 223 bytes.
    pub(crate) fn check_for_kernel(&self) -> Result<(), OptionError> {
        nqn_len("nqn", self.nqn.as_str())?;
        nqn_len("hostnqn", self.host.nqn.as_str())
    }

    fn new(transport: Transport, nqn: SubsysNqn, host: HostIdentity) -> Result<Self, OptionError> {
        let options = Self::unchecked(transport, nqn, host);
        options.check_for_kernel()?;
        Ok(options)
    }

    fn unchecked(transport: Transport, nqn: SubsysNqn, host: HostIdentity) -> Self {
        let kind = if nqn.is_discovery() { Kind::WellKnownDiscovery } else { Kind::Io };
        Self {
            transport,
            nqn,
            host,
            kind,
            nr_io_queues: None,
            nr_write_queues: None,
            nr_poll_queues: None,
            queue_size: None,
            keep_alive: None,
            reconnect_delay: None,
            controller_loss: None,
            fast_io_fail: None,
            tos: None,
            header_digest: false,
            data_digest: false,
            duplicate_connect: false,
            disable_sqflow: false,
            security: Security::default(),
            newer: Vec::new(),
        }
    }

    /// The transport.
    #[must_use]
    pub fn transport_name(&self) -> TransportName {
        match self.transport {
            Transport::Tcp { .. } => TransportName::Tcp,
            Transport::Rdma { .. } => TransportName::Rdma,
            Transport::Fc { .. } => TransportName::Fc,
            Transport::Loop { .. } => TransportName::Loop,
        }
    }

    /// `tcp`, `rdma`, `fc` or `loop`.
    #[must_use]
    pub fn transport(&self) -> &'static str {
        self.transport_name().as_str()
    }

    /// The target's address; only transports over IP have one of this form.
    #[must_use]
    pub fn traddr(&self) -> Option<&IpTraddr> {
        match &self.transport {
            Transport::Tcp { traddr, .. } | Transport::Rdma { traddr, .. } => Some(traddr),
            Transport::Fc { .. } | Transport::Loop { .. } => None,
        }
    }

    /// The target's port; only transports over IP have one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.transport {
            Transport::Tcp { port, .. } | Transport::Rdma { port, .. } => Some(*port),
            Transport::Fc { .. } | Transport::Loop { .. } => None,
        }
    }

    /// The local address to connect from, if one was chosen.
    #[must_use]
    pub fn local_address(&self) -> Option<&IpTraddr> {
        match &self.transport {
            Transport::Tcp { host_traddr, .. } | Transport::Rdma { host_traddr, .. } => host_traddr.as_ref(),
            Transport::Fc { .. } | Transport::Loop { .. } => None,
        }
    }

    /// The local interface to connect from, if one was chosen.
    #[must_use]
    pub fn local_interface(&self) -> Option<&str> {
        match &self.transport {
            Transport::Tcp { host_iface, .. } => host_iface.as_deref(),
            Transport::Rdma { .. } | Transport::Fc { .. } | Transport::Loop { .. } => None,
        }
    }

    /// `traddr` and `host_traddr` as the kernel gets them, whatever the transport.
    pub(crate) fn addresses(&self) -> (Option<String>, Option<String>) {
        match &self.transport {
            Transport::Tcp { traddr, host_traddr, .. } | Transport::Rdma { traddr, host_traddr, .. } => {
                (Some(traddr.to_string()), host_traddr.as_ref().map(ToString::to_string))
            }
            Transport::Fc { traddr, host_traddr } => {
                (Some(traddr.to_string()), Some(host_traddr.to_string()))
            }
            Transport::Loop { traddr } => (traddr.clone(), None),
        }
    }

    /// The subsystem.
    #[must_use]
    pub fn nqn(&self) -> &SubsysNqn {
        &self.nqn
    }

    /// This host's identity.
    #[must_use]
    pub fn host(&self) -> &HostIdentity {
        &self.host
    }

    /// A discovery controller is asked for: no I/O queues, no namespaces, as many of them as one likes.
    #[must_use]
    pub fn is_discovery(&self) -> bool {
        self.kind != Kind::Io
    }

    /// Whether both lead to the same subsystem as the same host by the same path, whatever the tuning.
    #[must_use]
    pub fn is_same_path(&self, other: &Self) -> bool {
        self.transport == other.transport && self.nqn == other.nqn && self.host == other.host
    }

    /// Whether the kernel would refuse a second connection like this one.
    #[must_use]
    pub fn refuses_duplicates(&self) -> bool {
        !matches!(self.transport, Transport::Loop { .. }) && !self.is_discovery() && !self.duplicate_connect
    }
}

impl std::fmt::Display for ConnectOptions {
    /// `subsystem mysub at 192.0.2.10 port 4420`, for messages.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.transport {
            Transport::Tcp { traddr, port, .. } => {
                write!(f, "subsystem {} at {traddr} port {port}", self.nqn)
            }
            Transport::Rdma { traddr, port, .. } => {
                write!(f, "subsystem {} at {traddr} port {port} by RDMA", self.nqn)
            }
            Transport::Fc { traddr, .. } => write!(f, "subsystem {} at {traddr}", self.nqn),
            Transport::Loop { traddr: None } => {
                write!(f, "subsystem {} of this machine's own target", self.nqn)
            }
            Transport::Loop { traddr: Some(port) } => {
                write!(f, "subsystem {} at port `{port}` of this machine's own target", self.nqn)
            }
        }
    }
}
