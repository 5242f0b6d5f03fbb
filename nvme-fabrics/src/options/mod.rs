//! Typed options of one connection, and the option string that the kernel takes.
//!
//! | module | what |
//! |---|---|
//! | this | [`ConnectOptions`]: constructors and readers |
//! | `set` | its setters, each with its range |
//! | `text` | the option string |
//! | `error` | [`OptionError`] |
//!
//! Pure: nothing here touches a kernel. Options that exist are valid, so the string cannot be refused for its syntax, a range, a
//! missing part, or an option that its transport does not take; and no value can smuggle in another option.

mod error;
mod set;
mod text;

use std::time::Duration;

use nvme_proto::{IpTraddr, Nqn, SubsysNqn};

use crate::identity::HostIdentity;
pub use error::OptionError;

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
    /// The target in this very kernel.
    Loop,
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
/// | option | setter | range | kernel's default | since |
/// |---|---|---|---|---|
/// | `transport`, `traddr`, `trsvcid`, `nqn` | [`tcp`](Self::tcp), [`loopback`](Self::loopback) | port 1 to 65535, NQN up to 222 bytes | – (port 8009, so it is always sent) | 4.8 |
/// | `hostnqn`, `hostid` | constructors | NQN up to 222 bytes | another pair at each load of the module, so they are always sent | 4.17 |
/// | `queue_size` | [`queue_size`](Self::queue_size) | 16 to 1024 | 128 | 4.8 |
/// | `nr_io_queues` | [`nr_io_queues`](Self::nr_io_queues) | 1 and up | one for each CPU | 4.8 |
/// | `nr_write_queues`, `nr_poll_queues` | same names | 1 and up | none | 5.0, 5.1 |
/// | `keep_alive_tmo` | [`keep_alive`](Self::keep_alive) | 1 s and up | 5 s; discovery: off | 4.8 |
/// | `reconnect_delay` | [`reconnect_delay`](Self::reconnect_delay) | 1 s and up | 10 s | 4.8 |
/// | `ctrl_loss_tmo` | [`controller_loss`](Self::controller_loss) | 0 s and up, or never | 600 s | 4.12 |
/// | `fast_io_fail_tmo` | [`fast_io_fail`](Self::fast_io_fail) | 0 s and up, or off | off | 5.11 |
/// | `host_traddr` | [`host_traddr`](Self::host_traddr) | numeric address | – | 4.10 |
/// | `host_iface` | [`host_iface`](Self::host_iface) | name of an interface | – | 5.14 |
/// | `tos` | [`tos`](Self::tos) | 0 to 255 | the network stack's | 5.4 |
/// | `hdr_digest`, `data_digest` | [`header_digest`](Self::header_digest), [`data_digest`](Self::data_digest) | flag | off | 5.0 |
/// | `duplicate_connect` | same name | flag | off | 4.16 |
/// | `disable_sqflow` | same name | flag | off | 4.20 |
/// | `discovery` | [`discovery`](Self::discovery) | flag | off | 5.16 |
///
/// The loop transport takes no address, port, interface, digest, type of service, reconnect or loss option, and no write or poll
/// queues.
///
/// Source: `drivers/nvme/host/fabrics.c: nvmf_parse_options`, `tcp.c: nvme_tcp_transport`.
///
/// ```
/// use nvme_fabrics::{ConnectOptions, HostIdentity};
///
/// let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse()?);
/// let options = ConnectOptions::tcp("192.0.2.10".parse()?, 4420, "mysub".parse()?, host)?
///     .queue_size(256)?
///     .header_digest()?;
/// assert!(options.to_option_string().starts_with("transport=tcp,traddr=192.0.2.10,trsvcid=4420,nqn=mysub,hostnqn="));
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
        if port == 0 {
            return Err(OptionError::OutOfRange {
                option: "trsvcid",
                value: 0,
                min: 1,
                max: u64::from(u16::MAX),
            });
        }
        let traddr = address("traddr", traddr)?;
        Self::new(Transport::Tcp { traddr, port, host_traddr: None, host_iface: None }, nqn, host)
    }

    /// A connection to the target in this very kernel (module `nvme-loop`), by no network at all.
    ///
    /// # Errors
    /// [`OptionError`] for an NQN of 223 bytes.
    pub fn loopback(nqn: SubsysNqn, host: HostIdentity) -> Result<Self, OptionError> {
        Self::new(Transport::Loop, nqn, host)
    }

    fn new(transport: Transport, nqn: SubsysNqn, host: HostIdentity) -> Result<Self, OptionError> {
        nqn_len("nqn", nqn.as_str())?;
        nqn_len("hostnqn", host.nqn.as_str())?;
        let kind = if nqn.is_discovery() { Kind::WellKnownDiscovery } else { Kind::Io };
        Ok(Self {
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
        })
    }

    /// `tcp` or `loop`.
    #[must_use]
    pub fn transport(&self) -> &'static str {
        match self.transport {
            Transport::Tcp { .. } => "tcp",
            Transport::Loop => "loop",
        }
    }

    /// The target's address; the loop transport has none.
    #[must_use]
    pub fn traddr(&self) -> Option<&IpTraddr> {
        match &self.transport {
            Transport::Tcp { traddr, .. } => Some(traddr),
            Transport::Loop => None,
        }
    }

    /// The target's port; the loop transport has none.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.transport {
            Transport::Tcp { port, .. } => Some(*port),
            Transport::Loop => None,
        }
    }

    /// The local address to connect from, if one was chosen.
    #[must_use]
    pub fn local_address(&self) -> Option<&IpTraddr> {
        match &self.transport {
            Transport::Tcp { host_traddr, .. } => host_traddr.as_ref(),
            Transport::Loop => None,
        }
    }

    /// The local interface to connect from, if one was chosen.
    #[must_use]
    pub fn local_interface(&self) -> Option<&str> {
        match &self.transport {
            Transport::Tcp { host_iface, .. } => host_iface.as_deref(),
            Transport::Loop => None,
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

    /// Whether the kernel would refuse a second connection like this one.
    #[must_use]
    pub fn refuses_duplicates(&self) -> bool {
        matches!(self.transport, Transport::Tcp { .. }) && !self.is_discovery() && !self.duplicate_connect
    }
}

impl std::fmt::Display for ConnectOptions {
    /// `subsystem mysub at 192.0.2.10 port 4420`, for messages.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.transport {
            Transport::Tcp { traddr, port, .. } => {
                write!(f, "subsystem {} at {traddr} port {port}", self.nqn)
            }
            Transport::Loop => write!(f, "subsystem {} of this machine's own target", self.nqn),
        }
    }
}
