//! What was seen, as a value.

use std::fmt;
use std::io;
use std::time::Duration;

use nvme_proto::connect::ConnectReject;
use nvme_proto::digest::Digests;
use nvme_proto::fabrics::ControllerStatus;
use nvme_proto::machine::Failure;
use nvme_proto::pdu::{FatalErrorStatus, ProtocolError};
use nvme_proto::{CommandContext, Status};

use crate::kernel::connect::Stage;
use crate::tcp::endpoint::EndpointError;

/// What a target did when it was asked. Each is something that was seen, not something that is likely.
///
/// | group | causes |
/// |---|---|
/// | no question asked | [`NotTcp`](Self::NotTcp), [`Address`](Self::Address), [`Local`](Self::Local) |
/// | nobody there | [`NothingListens`](Self::NothingListens), [`Unreachable`](Self::Unreachable), [`NoAnswer`](Self::NoAnswer) |
/// | not NVMe/TCP | [`Tls`](Self::Tls), [`NoTls`](Self::NoTls), [`OtherProtocol`](Self::OtherProtocol), [`ClosesAtOnce`](Self::ClosesAtOnce), [`Silent`](Self::Silent) |
/// | the handshake | [`Terminated`](Self::Terminated), [`BadInitialize`](Self::BadInitialize), [`DigestsRefused`](Self::DigestsRefused) |
/// | Connect | [`UnknownSubsystem`](Self::UnknownSubsystem), [`HostRefused`](Self::HostRefused), [`HostNqnRefused`](Self::HostNqnRefused), [`HostIdRefused`](Self::HostIdRefused), [`QueueSizeRefused`](Self::QueueSizeRefused), [`Busy`](Self::Busy), [`NotHere`](Self::NotHere), [`Refused`](Self::Refused) |
/// | authentication | [`AuthenticationRequired`](Self::AuthenticationRequired), [`SecureChannelRequired`](Self::SecureChannelRequired) |
/// | the controller | [`NotDiscovery`](Self::NotDiscovery), [`IsDiscovery`](Self::IsDiscovery), [`NotReady`](Self::NotReady), [`Unsupported`](Self::Unsupported), [`CommandFailed`](Self::CommandFailed) |
/// | at any time | [`Ended`](Self::Ended), [`Unanswered`](Self::Unanswered) |
/// | all is well | [`Accepts`](Self::Accepts) |
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The target is not reached by TCP, so it cannot be asked from here.
    NotTcp,
    /// The address cannot be used on this machine.
    Address(EndpointError),
    /// This machine gave no socket, or none with the local address or interface that was asked for.
    Local {
        /// What the system says.
        kind: io::ErrorKind,
    },
    /// The address is there, and nothing listens at the port.
    NothingListens,
    /// There is no way to the address.
    Unreachable {
        /// What the system says.
        kind: io::ErrorKind,
    },
    /// The address did not answer.
    NoAnswer {
        /// How long it had.
        waited: Duration,
    },
    /// It speaks TLS: it answered a ClientHello, or what it was sent, with a TLS record.
    Tls,
    /// The connection was to begin with TLS, and what listens there does not answer a ClientHello.
    NoTls,
    /// It speaks something else.
    OtherProtocol {
        /// How it began, up to 48 bytes.
        first: Vec<u8>,
    },
    /// It closes the connection as soon as it was sent the first PDU, without a word.
    ClosesAtOnce,
    /// It takes the connection and says nothing.
    Silent {
        /// How long it had.
        waited: Duration,
    },
    /// It finds the first PDU wrong, and says so.
    Terminated {
        /// What it found.
        fes: FatalErrorStatus,
        /// Where, or more about it.
        fei: u32,
    },
    /// Its answer to the first PDU breaks the protocol.
    BadInitialize(ProtocolError),
    /// It does not use the digests that were asked for.
    DigestsRefused {
        /// What was asked for.
        required: Digests,
        /// What it would use.
        granted: Digests,
    },
    /// No subsystem of this NQN for this host at this port.
    UnknownSubsystem,
    /// The subsystem is there and does not let this host in.
    HostRefused,
    /// The host NQN is not accepted. Some targets answer so when the host is not allowed.
    HostNqnRefused,
    /// The host identifier is not accepted (with this host NQN).
    HostIdRefused,
    /// The queue size is not accepted.
    QueueSizeRefused {
        /// 0: the admin queue.
        queue: u16,
        /// Entries that were asked for.
        entries: u32,
    },
    /// No controller is free at the moment.
    Busy,
    /// The subsystem exists, and not at this port (any more).
    NotHere,
    /// Connect was refused for another reason.
    Refused {
        /// 0: the admin queue.
        queue: u16,
        /// The reason.
        reject: ConnectReject,
    },
    /// The host has to authenticate (DH-HMAC-CHAP).
    AuthenticationRequired,
    /// The host has to authenticate, and to change to TLS with the key that results.
    SecureChannelRequired,
    /// A discovery controller was asked for, and this is a controller with namespaces.
    NotDiscovery,
    /// A controller with namespaces was asked for, and this is a discovery controller.
    IsDiscovery,
    /// The controller does not become ready.
    NotReady {
        /// How long it had.
        waited: Duration,
        /// Its status; [`fatal`](ControllerStatus::fatal) when it gave up.
        status: ControllerStatus,
    },
    /// The controller is of a kind that Linux's host does not take.
    Unsupported(Unsupported),
    /// A command that every connect needs was refused.
    CommandFailed {
        /// Which.
        command: &'static str,
        /// How.
        status: Status,
    },
    /// The connection ended.
    Ended {
        /// During which command.
        during: &'static str,
        /// Why, in terms of the protocol.
        failure: Option<Failure>,
    },
    /// A command was not answered.
    Unanswered {
        /// Which.
        command: &'static str,
        /// How long it had.
        waited: Duration,
    },
    /// Everything that a connect needs of the target works: what failed is on this side, or was gone when it was asked.
    Accepts {
        /// Whether the subsystem takes a second controller (CMIC). If not, one that is connected already is in the way.
        several_controllers: bool,
    },
}

/// Something about a controller that Linux's host does not take.
///
/// Source: `drivers/nvme/host/tcp.c: nvme_tcp_init_connection, nvme_tcp_setup_ctrl`, `core.c: nvme_enable_ctrl, nvme_check_ctrl_fabric_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unsupported {
    /// Data to it have to be aligned (CPDA) to more than 4 bytes.
    Alignment,
    /// Its smallest memory page is beyond 4 KiB (CAP.MPSMIN).
    PageSize,
    /// It has no keep-alive (KAS 0).
    KeepAlive,
    /// A capsule of an I/O queue is below 64 bytes (IOCCSZ).
    CapsuleSize,
    /// A response of an I/O queue is below 16 bytes (IORCSZ).
    ResponseSize,
    /// Data in a capsule do not begin behind the command (ICDOFF).
    CapsuleOffset,
    /// It does not support SGLs (SGLS).
    Sgl,
    /// Its Identify Controller names another controller than its answer to Connect.
    ControllerId,
}

impl Unsupported {
    const fn words(self) -> &'static str {
        match self {
            Self::Alignment => "it wants data aligned to more than 4 bytes (CPDA is not 0)",
            Self::PageSize => "its smallest memory page is beyond 4 KiB (CAP.MPSMIN)",
            Self::KeepAlive => "it has no keep-alive, which fabrics need (KAS is 0)",
            Self::CapsuleSize => "its I/O capsules are too small for a command (IOCCSZ is below 4)",
            Self::ResponseSize => "its I/O responses are too small for a completion (IORCSZ is 0)",
            Self::CapsuleOffset => "it wants data away from the command in the capsule (ICDOFF is not 0)",
            Self::Sgl => "it does not support SGLs as NVMe/TCP uses them (SGLS)",
            Self::ControllerId => "Identify names another controller identifier than Connect did",
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl Cause {
    /// The stage of a connect that this belongs to.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::NotTcp | Self::Accepts { .. } => Stage::Unknown,
            Self::Address(_) | Self::Local { .. } => Stage::Address,
            Self::NothingListens | Self::Unreachable { .. } | Self::NoAnswer { .. } => Stage::Network,
            Self::Tls
            | Self::NoTls
            | Self::OtherProtocol { .. }
            | Self::ClosesAtOnce
            | Self::Silent { .. }
            | Self::Terminated { .. }
            | Self::BadInitialize(_)
            | Self::DigestsRefused { .. }
            | Self::Unsupported(Unsupported::Alignment) => Stage::Initialize,
            Self::UnknownSubsystem
            | Self::HostRefused
            | Self::HostNqnRefused
            | Self::QueueSizeRefused { .. }
            | Self::Busy
            | Self::NotHere
            | Self::Refused { .. } => Stage::Connect,
            Self::HostIdRefused => Stage::HostIdentity,
            Self::AuthenticationRequired | Self::SecureChannelRequired => Stage::Authentication,
            Self::NotDiscovery
            | Self::IsDiscovery
            | Self::NotReady { .. }
            | Self::Unsupported(_)
            | Self::CommandFailed { .. }
            | Self::Ended { .. }
            | Self::Unanswered { .. } => Stage::Identify,
        }
    }

    /// Whether the same connect may succeed later although nobody changes anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NothingListens
            | Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Busy
            | Self::Ended { .. }
            | Self::Unanswered { .. }
            | Self::Accepts { .. } => true,
            Self::Refused { reject, .. } => reject.is_retryable(),
            Self::CommandFailed { status, .. } => !status.dnr(),
            _ => false,
        }
    }
}

impl fmt::Display for Cause {
    /// What was seen, as a sentence without its subject's address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTcp => f.write_str("it is not reached by TCP, so it cannot be asked directly"),
            Self::Address(error) => error.fmt(f),
            Self::Local { kind } => write!(f, "this machine cannot connect as asked: {kind}"),
            Self::NothingListens => f.write_str("nothing listens at that address and port"),
            Self::Unreachable { kind } => write!(f, "there is no way to that address: {kind}"),
            Self::NoAnswer { waited } => write!(f, "the address does not answer within {}", Secs(*waited)),
            Self::Tls => f.write_str("what listens there speaks TLS; from here it was not asked further"),
            Self::NoTls => f.write_str("what listens there does not speak TLS"),
            Self::OtherProtocol { first } => {
                write!(f, "what listens there does not speak NVMe/TCP; it says `{}`", first.escape_ascii())
            }
            Self::ClosesAtOnce => f.write_str(
                "what listens there closes the connection when it is spoken to, in NVMe/TCP and in TLS",
            ),
            Self::Silent { waited } => {
                write!(f, "what listens there takes the connection and says nothing within {}", Secs(*waited))
            }
            Self::Terminated { fes, fei } => {
                write!(f, "the target refuses the first PDU: {fes}, information {fei:#x}")
            }
            Self::BadInitialize(error) => {
                write!(f, "the target's answer to the first PDU breaks the protocol: {error}")
            }
            Self::DigestsRefused { required, granted } => write!(
                f,
                "the target does not use the digests asked for (asked for: {}, used: {})",
                digests(*required),
                digests(*granted)
            ),
            Self::UnknownSubsystem => {
                f.write_str("the target has no such subsystem for this host at this port")
            }
            Self::HostRefused => f.write_str("the subsystem is there, and does not allow this host"),
            Self::HostNqnRefused => f.write_str("the target does not accept the host NQN"),
            Self::HostIdRefused => {
                f.write_str("the target does not accept the host identifier with this host NQN")
            }
            Self::QueueSizeRefused { queue, entries } => {
                write!(f, "the target does not accept {entries} entries for queue {queue}")
            }
            Self::Busy => f.write_str("the target has no controller free at the moment"),
            Self::NotHere => f.write_str("the subsystem is not (or no longer) at this port"),
            Self::Refused { queue: 0, reject } => reject.fmt(f),
            Self::Refused { queue, reject } => write!(f, "queue {queue}: {reject}"),
            Self::AuthenticationRequired => {
                f.write_str(
                    "the target accepts this host, and demands that it authenticates; from here it was not asked further",
                )
            }
            Self::SecureChannelRequired => f.write_str(
                "the target accepts this host, and demands that it authenticates and changes to TLS; from here it was not asked further",
            ),
            Self::NotDiscovery => f.write_str("it is a subsystem with namespaces, not a discovery service"),
            Self::IsDiscovery => f.write_str("it is a discovery service, not a subsystem with namespaces"),
            Self::NotReady { status, .. } if status.fatal() => {
                f.write_str("the controller reports a fatal status (CSTS.CFS)")
            }
            Self::NotReady { waited, .. } => {
                write!(f, "the controller does not become ready within {}", Secs(*waited))
            }
            Self::Unsupported(what) => write!(f, "Linux does not take this controller: {what}"),
            Self::CommandFailed { command, status } => {
                let context = if command.starts_with("Property") {
                    CommandContext::Fabrics
                } else {
                    CommandContext::Admin
                };
                write!(f, "the controller answers {command} with {}", status.in_words(context))
            }
            Self::Ended { during, failure: Some(failure) } => {
                write!(f, "the connection ends during {during}: {failure}")
            }
            Self::Ended { during, failure: None } => write!(f, "the connection breaks during {during}"),
            Self::Unanswered { command, waited } => {
                write!(f, "{command} is not answered within {}", Secs(*waited))
            }
            Self::Accepts { .. } => f.write_str("the target accepts everything that was asked for"),
        }
    }
}

/// A time in seconds, without digits that say nothing.
pub(super) struct Secs(pub(super) Duration);

impl fmt::Display for Secs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_secs_f32())
    }
}

const fn digests(digests: Digests) -> &'static str {
    match (digests.header, digests.data) {
        (false, false) => "none",
        (true, false) => "header",
        (false, true) => "data",
        (true, true) => "header and data",
    }
}
