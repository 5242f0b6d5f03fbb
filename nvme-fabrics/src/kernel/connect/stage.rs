//! How far a connect got.

use crate::kernel::errno::Errno;
use crate::kernel::log::Rejection;

/// How far a connect got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The options themselves.
    Request,
    /// The fabrics device.
    Device,
    /// Host NQN and identifier.
    HostIdentity,
    /// The same connection exists.
    Duplicate,
    /// Local address or interface.
    Address,
    /// The network between here and the target.
    Network,
    /// The first exchange of NVMe/TCP.
    Initialize,
    /// The Connect command.
    Connect,
    /// Keys for TLS, and its handshake.
    Tls,
    /// Authentication.
    Authentication,
    /// What the controller says about itself.
    Identify,
    /// Not known.
    Unknown,
}

impl Stage {
    /// The stage that an error number of the write, and the reason in the log, point to.
    ///
    /// | error number | stage |
    /// |---|---|
    /// | EALREADY | duplicate |
    /// | ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH | network |
    /// | EADDRNOTAVAIL, ENODEV | address |
    /// | ECONNRESET, EAGAIN | initialize |
    /// | EKEYREJECTED, ENOKEY, EPROTONOSUPPORT | authentication |
    /// | EKEYEXPIRED, EKEYREVOKED, ESRCH | TLS |
    /// | EIO | connect |
    /// | EOPNOTSUPP | identify |
    /// | EINVAL, others | unknown, unless the log tells |
    #[must_use]
    pub fn of(errno: Option<Errno>, rejection: Option<&Rejection>) -> Self {
        match rejection {
            Some(Rejection::IdentityInUse { .. }) => return Self::HostIdentity,
            Some(Rejection::UnknownOption { .. } | Rejection::NoTransport { .. }) => return Self::Request,
            Some(Rejection::NotDiscovery { .. } | Rejection::DuplicateController { .. }) => {
                return Self::Identify;
            }
            Some(
                Rejection::AuthenticationRequired
                | Rejection::AuthenticationFailed { .. }
                | Rejection::SecureChannelRequired,
            ) => return Self::Authentication,
            Some(
                Rejection::NoKeyring { .. }
                | Rejection::NoKey { .. }
                | Rejection::KeyNotFound { .. }
                | Rejection::KeyUnusable { .. }
                | Rejection::NoHandshakeDaemon
                | Rejection::HandshakeTimeout
                | Rejection::HandshakeFailed { .. },
            ) => return Self::Tls,
            Some(Rejection::Initialize { .. }) => return Self::Initialize,
            Some(Rejection::BadAddress { .. }) => return Self::Address,
            _ => {}
        }
        match errno {
            Some(Errno::EALREADY) => Self::Duplicate,
            Some(Errno::ECONNREFUSED | Errno::ETIMEDOUT | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => {
                Self::Network
            }
            Some(Errno::EADDRNOTAVAIL | Errno::ENODEV) => Self::Address,
            Some(Errno::ECONNRESET | Errno::EAGAIN) => Self::Initialize,
            Some(Errno::EKEYREJECTED | Errno::ENOKEY | Errno::EPROTONOSUPPORT) => Self::Authentication,
            Some(Errno::EKEYEXPIRED | Errno::EKEYREVOKED | Errno::ESRCH) => Self::Tls,
            Some(Errno::EIO) => Self::Connect,
            Some(Errno::EOPNOTSUPP) => Self::Identify,
            _ => Self::Unknown,
        }
    }
}
