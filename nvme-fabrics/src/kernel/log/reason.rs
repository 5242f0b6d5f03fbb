//! Why a connect was refused, as a type.

use std::fmt;

use nvme_proto::Status;

use crate::kernel::errno::Errno;
use crate::kernel::keyring::KeyState;
use crate::options::KeySerial;

/// The part of the Connect command that the target found invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadParameter {
    /// The controller identifier in the Connect data.
    Cntlid(String),
    /// The host NQN in the Connect data. Some targets refuse unknown hosts this way.
    HostNqn(String),
    /// The queue identifier in the command.
    QueueId(String),
    /// Something else in the 1024 bytes of Connect data, by its offset.
    DataOffset(String),
    /// Something else in the 64 bytes of the command, by its offset (44: queue size; 48: keep-alive time-out).
    CommandOffset(String),
}

impl fmt::Display for BadParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cntlid(v) => write!(f, "controller identifier {v}"),
            Self::HostNqn(v) => write!(f, "host NQN `{v}`"),
            Self::QueueId(v) => write!(f, "queue identifier {v}"),
            Self::DataOffset(v) => write!(f, "byte {v} of the Connect data"),
            Self::CommandOffset(v) => write!(f, "byte {v} of the Connect command"),
        }
    }
}

/// Why a connect was refused, as the kernel log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The target has no such subsystem, at least not on this port.
    SubsystemNotFound {
        /// NQN that was asked for.
        subsystem: String,
    },
    /// The subsystem does not allow this host.
    HostNotAllowed {
        /// NQN of the subsystem.
        subsystem: String,
        /// NQN of this host, as sent.
        host: String,
    },
    /// The controller is busy, or the target's limit of controllers is reached.
    ControllerBusy,
    /// The target demands authentication, and this host has no secret for it.
    AuthenticationRequired,
    /// Authentication failed, in one direction or the other.
    AuthenticationFailed {
        /// The kernel's words.
        text: String,
    },
    /// The target demands authentication, followed by TLS with the key that results.
    SecureChannelRequired,
    /// TLS was asked for, and the keyring to take a key from does not exist.
    NoKeyring {
        /// The keyring.
        name: String,
    },
    /// TLS was asked for, and the keyring has no key that the kernel looks for.
    NoKey {
        /// Host NQN, a blank, and subsystem NQN, as they stand in the identity of the key.
        names: String,
        /// Keys for these two names that the kernel did not take: it looks for other versions of identities, or into another keyring.
        others: Vec<KeySerial>,
    },
    /// No key or keyring has the serial number that was named.
    KeyNotFound {
        /// The number.
        key: KeySerial,
    },
    /// The key or keyring that was named can no longer be used.
    KeyUnusable {
        /// Its number.
        key: KeySerial,
        /// What became of it.
        state: KeyState,
    },
    /// TLS was asked for, and no daemon does handshakes for the kernel.
    NoHandshakeDaemon,
    /// The TLS handshake did not finish in time.
    HandshakeTimeout,
    /// The TLS handshake failed.
    HandshakeFailed {
        /// The error number that the daemon or the kernel gave for it.
        errno: Errno,
    },
    /// The target found a parameter of the Connect command invalid.
    InvalidParameter(BadParameter),
    /// The target does not know this format of the Connect command.
    IncompatibleFormat(String),
    /// The connection died during Connect.
    ConnectionLost,
    /// The target refused with another status.
    Status(Status),
    /// A discovery connection was asked for, and the subsystem is none.
    NotDiscovery {
        /// NQN of the subsystem.
        subsystem: String,
    },
    /// The target gave out a controller identifier that another controller of the same subsystem has.
    DuplicateController {
        /// The kernel's words.
        text: String,
    },
    /// The first exchange of NVMe/TCP failed: something else listens there, or the two sides cannot agree.
    Initialize {
        /// The kernel's words.
        text: String,
    },
    /// Host NQN and host identifier contradict a pair that a live controller uses. Since 6.5.
    IdentityInUse {
        /// The kernel's words.
        text: String,
    },
    /// The kernel does not know an option.
    UnknownOption {
        /// The option as written.
        token: String,
    },
    /// The kernel has no such transport.
    NoTransport {
        /// The transport.
        transport: String,
    },
    /// The kernel cannot use an address or an interface of this machine. A scope (after `%`) that names no interface ends here too.
    BadAddress {
        /// The kernel's words.
        text: String,
    },
    /// The kernel's own words.
    Other(String),
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubsystemNotFound { subsystem } => {
                write!(f, "the target does not offer subsystem `{subsystem}` on this port")
            }
            Self::HostNotAllowed { subsystem, host } => {
                write!(f, "subsystem `{subsystem}` does not allow host `{host}`")
            }
            Self::ControllerBusy => {
                f.write_str("the controller is busy, or the target's limit of controllers is reached")
            }
            Self::AuthenticationRequired => f.write_str("the target demands authentication"),
            Self::AuthenticationFailed { .. } => f.write_str("authentication failed"),
            Self::SecureChannelRequired => {
                f.write_str("the target demands authentication followed by TLS (secure concatenation)")
            }
            Self::NoKeyring { name } => write!(f, "TLS needs a key, and the kernel has no keyring {name}"),
            Self::NoKey { names, .. } => {
                write!(f, "there is no key for TLS whose identity names `{names}`")
            }
            Self::KeyNotFound { key } => {
                write!(f, "there is no key or keyring {key} (0x{:08x})", key.as_u32())
            }
            Self::KeyUnusable { key, state } => {
                write!(f, "the key {key} (0x{:08x}) is {}", key.as_u32(), state.as_str())
            }
            Self::NoHandshakeDaemon => f.write_str("no daemon does TLS handshakes for the kernel"),
            Self::HandshakeTimeout => f.write_str("the TLS handshake did not finish in time"),
            Self::HandshakeFailed { errno } => {
                write!(f, "the TLS handshake failed (reported as: {errno})")
            }
            Self::InvalidParameter(p) => write!(f, "the target found the {p} invalid"),
            Self::IncompatibleFormat(v) => write!(f, "the target does not know Connect format {v}"),
            Self::ConnectionLost => f.write_str("the connection was lost during Connect"),
            Self::Status(status) => write!(f, "the target answered Connect with: {status}"),
            Self::NotDiscovery { subsystem } => {
                write!(f, "subsystem `{subsystem}` is not a discovery subsystem")
            }
            Self::Initialize { text } => write!(f, "the first exchange of NVMe/TCP failed: {text}"),
            Self::DuplicateController { text }
            | Self::IdentityInUse { text }
            | Self::BadAddress { text }
            | Self::Other(text) => write!(f, "the kernel log says: {text}"),
            Self::UnknownOption { token } => write!(f, "the kernel does not know the option `{token}`"),
            Self::NoTransport { transport } => write!(f, "the kernel has no transport `{transport}`"),
        }
    }
}
