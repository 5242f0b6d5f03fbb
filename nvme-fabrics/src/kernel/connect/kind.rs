//! Why a connect failed, as one value for programs.

use super::ConnectError;
use crate::kernel::device::DeviceOp;
use crate::kernel::errno::Errno;
use crate::kernel::log::Rejection;

macro_rules! kinds {
    ($($name:ident = $code:literal, $words:literal;)*) => {
        /// Why a connect failed, as one value for programs: finer than [`Stage`](super::Stage), coarser than the error itself. What each one means and
        /// what to do about it stands in [`why_connect_fails`](crate::why_connect_fails).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ConnectErrorKind {
            $(
                #[doc = $words]
                $name,
            )*
        }

        impl ConnectErrorKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// A word that stays the same for ever, for logs, metrics and scripts: `host-not-allowed`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// In a few words.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

kinds! {
    NoDevice = "no-device", "The fabrics device is not there: its module is not loaded.";
    NoPermission = "no-permission", "This process may not use the fabrics device.";
    DeviceFailed = "device-failed", "The fabrics device cannot be opened or read for another reason.";
    UnknownOption = "unknown-option", "The kernel does not know an option that was asked for.";
    BadOption = "bad-option", "An option has a value that the kernel does not take.";
    NoTransport = "no-transport", "The kernel does not have the transport.";
    NoInterface = "no-interface", "A link-local address, and nothing says by which interface.";
    BadAddress = "bad-address", "The kernel cannot use an address or an interface.";
    LocalAddress = "local-address", "The local address to connect from is not one of this machine.";
    AlreadyConnected = "already-connected", "The same connection exists.";
    IdentityConflict = "identity-conflict", "Another live connection uses half of this host's identity.";
    CannotList = "cannot-list", "The live controllers cannot be listed, so conflicts cannot be ruled out.";
    NothingListens = "nothing-listens", "Nothing listens at that address and port.";
    Unreachable = "unreachable", "There is no way to that address.";
    NoAnswer = "no-answer", "The address does not answer.";
    PeerClosed = "peer-closed", "The peer closed during the first exchange.";
    PeerSilent = "peer-silent", "The peer took the connection and kept silent.";
    Initialize = "initialize", "The first exchange of NVMe/TCP failed.";
    NoKeyring = "no-keyring", "TLS was asked for, and the kernel has no keyring to take a key from.";
    NoKey = "no-key", "TLS was asked for, and there is no key for this host and subsystem.";
    KeyNotFound = "key-not-found", "There is no key of the serial number that was named.";
    KeyUnusable = "key-unusable", "A key or keyring has expired or was revoked.";
    NoHandshakeDaemon = "no-handshake-daemon", "TLS was asked for, and no handshake daemon listens.";
    HandshakeTimeout = "handshake-timeout", "The TLS handshake did not finish in time.";
    HandshakeFailed = "handshake-failed", "The TLS handshake failed: the peer speaks no TLS, or has another key.";
    AuthenticationRequired = "authentication-required", "The target demands authentication, and there is no secret for it.";
    AuthenticationFailed = "authentication-failed", "Authentication failed: the two sides have different secrets.";
    AuthenticationUnsupported = "authentication-unsupported", "The target demands authentication, for which the kernel was not built.";
    SecureChannelRequired = "secure-channel-required", "The target demands authentication followed by TLS, which was not asked for.";
    SubsystemNotFound = "subsystem-not-found", "The target does not offer the subsystem at this port.";
    HostNotAllowed = "host-not-allowed", "The subsystem does not allow this host.";
    ControllerBusy = "controller-busy", "The controller is busy, or the target's limit is reached.";
    InvalidParameter = "invalid-parameter", "The target found a parameter of Connect invalid.";
    ConnectionLost = "connection-lost", "The connection died during Connect.";
    TargetStatus = "target-status", "The target refused with another NVMe status.";
    NotDiscovery = "not-discovery", "A discovery connection was asked for, and the subsystem is none.";
    DuplicateController = "duplicate-controller", "The target gave out a controller identifier twice.";
    Refused = "refused", "The target refused, and the reason is not known.";
    Unsupported = "unsupported", "The controller lacks something that Linux needs.";
    InvalidArgument = "invalid-argument", "The kernel found something invalid, and did not say what.";
    NoResources = "no-resources", "The target granted no I/O queues, or the kernel is out of memory.";
    Interrupted = "interrupted", "The connect was interrupted.";
    ModuleUnloading = "module-unloading", "The transport's module is being unloaded.";
    NoReply = "no-reply", "Connected, and which controller it is cannot be told.";
    Other = "other", "Something else; the error number tells more.";
}

impl std::fmt::Display for ConnectErrorKind {
    /// The word of [`as_str`](Self::as_str).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl ConnectError {
    /// Why it failed, as one value.
    #[must_use]
    pub fn kind(&self) -> ConnectErrorKind {
        use ConnectErrorKind as Kind;
        match self {
            Self::Device { source, .. } => match (source.op, source.errno()) {
                (DeviceOp::Open, Some(Errno::ENOENT | Errno::ENXIO | Errno::ENODEV)) => Kind::NoDevice,
                (DeviceOp::Open, Some(Errno::EACCES | Errno::EPERM)) => Kind::NoPermission,
                _ => Kind::DeviceFailed,
            },
            Self::Unsupported { .. } => Kind::UnknownOption,
            Self::BadOption { .. } => Kind::BadOption,
            Self::NoInterface { .. } => Kind::NoInterface,
            Self::AlreadyConnected { .. } | Self::Twice { .. } => Kind::AlreadyConnected,
            Self::IdentityConflict { .. } => Kind::IdentityConflict,
            Self::Scan { .. } => Kind::CannotList,
            Self::NoReply { .. } | Self::Reply { .. } => Kind::NoReply,
            Self::Refused { rejection, source, .. } => {
                let told = rejection.as_ref().and_then(told);
                told.unwrap_or_else(|| numbered(Errno::of(source)))
            }
        }
    }
}

/// By the reason; `None` when it is only the kernel's own words.
fn told(rejection: &Rejection) -> Option<ConnectErrorKind> {
    use ConnectErrorKind as Kind;
    Some(match rejection {
        Rejection::SubsystemNotFound { .. } => Kind::SubsystemNotFound,
        Rejection::HostNotAllowed { .. } => Kind::HostNotAllowed,
        Rejection::ControllerBusy => Kind::ControllerBusy,
        Rejection::AuthenticationRequired => Kind::AuthenticationRequired,
        Rejection::AuthenticationFailed { .. } => Kind::AuthenticationFailed,
        Rejection::SecureChannelRequired => Kind::SecureChannelRequired,
        Rejection::NoKeyring { .. } => Kind::NoKeyring,
        Rejection::NoKey { .. } => Kind::NoKey,
        Rejection::KeyNotFound { .. } => Kind::KeyNotFound,
        Rejection::KeyUnusable { .. } => Kind::KeyUnusable,
        Rejection::NoHandshakeDaemon => Kind::NoHandshakeDaemon,
        Rejection::HandshakeTimeout => Kind::HandshakeTimeout,
        Rejection::HandshakeFailed { .. } => Kind::HandshakeFailed,
        Rejection::InvalidParameter(_) | Rejection::IncompatibleFormat(_) => Kind::InvalidParameter,
        Rejection::ConnectionLost => Kind::ConnectionLost,
        Rejection::Status(_) => Kind::TargetStatus,
        Rejection::NotDiscovery { .. } => Kind::NotDiscovery,
        Rejection::DuplicateController { .. } => Kind::DuplicateController,
        Rejection::Initialize { .. } => Kind::Initialize,
        Rejection::IdentityInUse { .. } => Kind::IdentityConflict,
        Rejection::UnknownOption { .. } => Kind::UnknownOption,
        Rejection::NoTransport { .. } => Kind::NoTransport,
        Rejection::BadAddress { .. } => Kind::BadAddress,
        Rejection::Other(_) => return None,
    })
}

/// By the error number alone.
fn numbered(errno: Option<Errno>) -> ConnectErrorKind {
    use ConnectErrorKind as Kind;
    match errno {
        Some(Errno::EALREADY) => Kind::AlreadyConnected,
        Some(Errno::ECONNREFUSED) => Kind::NothingListens,
        Some(Errno::EHOSTUNREACH | Errno::ENETUNREACH) => Kind::Unreachable,
        Some(Errno::ETIMEDOUT) => Kind::NoAnswer,
        Some(Errno::EADDRNOTAVAIL) => Kind::LocalAddress,
        Some(Errno::ENODEV) => Kind::BadAddress,
        Some(Errno::ECONNRESET) => Kind::PeerClosed,
        Some(Errno::EAGAIN) => Kind::PeerSilent,
        Some(Errno::ENOKEY) => Kind::AuthenticationRequired,
        Some(Errno::EKEYEXPIRED | Errno::EKEYREVOKED) => Kind::KeyUnusable,
        Some(Errno::EKEYREJECTED) => Kind::AuthenticationFailed,
        Some(Errno::EPROTONOSUPPORT) => Kind::AuthenticationUnsupported,
        Some(Errno::EIO) => Kind::Refused,
        Some(Errno::EOPNOTSUPP) => Kind::Unsupported,
        Some(Errno::EINVAL) => Kind::InvalidArgument,
        Some(Errno::ENOMEM) => Kind::NoResources,
        Some(Errno::EINTR) => Kind::Interrupted,
        Some(Errno::EBUSY) => Kind::ModuleUnloading,
        _ => Kind::Other,
    }
}
