//! Why a connect failed, where, and what to do.

use std::io;

use nvme_proto::IpTraddr;

use super::{Stage, hint};
use crate::identity::HostIdentity;
use crate::kernel::device::{DeviceError, ReplyError};
use crate::kernel::disconnect::DisconnectError;
use crate::kernel::errno::Errno;
use crate::kernel::log::Rejection;
use crate::kernel::names::ControllerName;
use crate::kernel::sysfs::{ControllerState, ScanError};
use crate::list::plain;
use crate::options::OptionError;

/// A connect failed. `Display` says what, where and what to do; the kernel's error number comes through
/// [`source`](std::error::Error::source) and [`errno`](Self::errno).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The fabrics device cannot be used.
    #[error("cannot connect to {target}")]
    Device {
        /// What was to be connected.
        target: String,
        /// The trouble, with its hint.
        source: DeviceError,
    },
    /// This kernel does not know an option that was asked for. Nothing was written.
    #[error("cannot connect to {target}: this kernel does not know the option {option} ({})", self.hint())]
    Unsupported {
        /// What was to be connected.
        target: String,
        /// The option.
        option: String,
    },
    /// An option has a value that the kernel does not take. Nothing was written.
    #[error("cannot connect to {target}: {source}")]
    BadOption {
        /// What was to be connected.
        target: String,
        /// What is wrong with it.
        source: OptionError,
    },
    /// A link-local address, and nothing says by which interface. Nothing was written.
    #[error("cannot connect to {target}: a link-local address is the same on every link ({})", self.hint())]
    NoInterface {
        /// What was to be connected.
        target: String,
        /// The address.
        address: IpTraddr,
    },
    /// The very same connection is there already. Nothing was written, or the kernel refused the second one, or it was taken back since only the
    /// spelling of the address differed.
    #[error("already connected to {target}: {controller} ({})", plain(.state.as_str()))]
    AlreadyConnected {
        /// What was to be connected.
        target: String,
        /// The controller that is this connection.
        controller: ControllerName,
        /// Its state. One that is `connecting` has lost its target and tries to come back.
        state: ControllerState,
    },
    /// The very same connection was there already, under another spelling of its address, and the second one cannot be taken back.
    #[error("connected to {target} twice: {made} is the same connection as {controller}, and cannot be removed ({})", self.hint())]
    Twice {
        /// What was to be connected.
        target: String,
        /// The controller that was there before.
        controller: ControllerName,
        /// The controller that was made.
        made: ControllerName,
        /// Why it stays.
        source: Box<DisconnectError>,
    },
    /// A live controller uses this host NQN with another identifier, or this identifier with another NQN.
    #[error(
        "cannot connect to {target} as {ours}: {controller} is connected as {} (host id {}) ({})",
        plain(.their_nqn), plain(.their_id), self.hint()
    )]
    IdentityConflict {
        /// What was to be connected.
        target: String,
        /// The controller in conflict.
        controller: ControllerName,
        /// The identity that was asked for.
        ours: HostIdentity,
        /// The controller's host NQN.
        their_nqn: String,
        /// The controller's host identifier.
        their_id: String,
    },
    /// The list of live controllers cannot be read, so conflicts cannot be ruled out.
    #[error("cannot connect to {target}: the live controllers cannot be listed")]
    Scan {
        /// What was to be connected.
        target: String,
        /// The trouble.
        source: ScanError,
    },
    /// The kernel, or the target through it, refused.
    #[error("cannot connect to {target}: {}{}", what(.rejection.as_ref(), .source), parenthesis(&self.hint()))]
    Refused {
        /// What was to be connected.
        target: String,
        /// Host NQN that was used.
        host: String,
        /// How far it got.
        stage: Stage,
        /// The reason, if the kernel log told it.
        rejection: Option<Rejection>,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel took the options, and its answer cannot be read. A controller exists now.
    #[error("connected to {target}, but the controller is unknown (look for it with `list`)")]
    NoReply {
        /// What was connected.
        target: String,
        /// The trouble.
        source: DeviceError,
    },
    /// The kernel took the options and did not say which controller it made. One may exist now.
    #[error("connected to {target}, but the controller is unknown (look for it with `list`)")]
    Reply {
        /// What was to be connected.
        target: String,
        /// The reply.
        source: ReplyError,
    },
}

/// The reason in words; without one, the kernel's error number in words.
fn what(rejection: Option<&Rejection>, source: &io::Error) -> String {
    match (rejection, Errno::of(source)) {
        (Some(Rejection::Other(_)) | None, Some(errno)) => {
            errno.words().unwrap_or("the kernel refused").to_owned()
        }
        (Some(rejection), _) => rejection.to_string(),
        (None, None) => "the kernel refused".to_owned(),
    }
}

fn parenthesis(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!(" ({hint})") }
}

impl ConnectError {
    /// How far it got.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Device { .. } | Self::Scan { .. } | Self::NoReply { .. } | Self::Reply { .. } => {
                Stage::Device
            }
            Self::Unsupported { .. } | Self::BadOption { .. } => Stage::Request,
            Self::NoInterface { .. } => Stage::Address,
            Self::AlreadyConnected { .. } | Self::Twice { .. } => Stage::Duplicate,
            Self::IdentityConflict { .. } => Stage::HostIdentity,
            Self::Refused { stage, .. } => *stage,
        }
    }

    /// The kernel's error number, if it gave one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Device { source, .. } | Self::NoReply { source, .. } => source.errno(),
            Self::Refused { source, .. } => Errno::of(source),
            _ => None,
        }
    }

    /// The option that is the trouble, if it is one.
    #[must_use]
    pub fn option(&self) -> Option<&str> {
        match self {
            Self::Unsupported { option, .. } => Some(option),
            Self::BadOption { source, .. } => Some(source.option()),
            _ => None,
        }
    }

    /// The controller that is in the way, if it is one.
    #[must_use]
    pub fn conflicting(&self) -> Option<ControllerName> {
        match self {
            Self::AlreadyConnected { controller, .. }
            | Self::Twice { controller, .. }
            | Self::IdentityConflict { controller, .. } => Some(*controller),
            _ => None,
        }
    }

    /// The reason that the kernel log told.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Refused { rejection, .. } => rejection.as_ref(),
            _ => None,
        }
    }

    /// Whether the same request may succeed later without any change to it.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused {
                rejection: Some(Rejection::ControllerBusy | Rejection::ConnectionLost), ..
            } => true,
            // No answer, or the connection closed: as without the log's words.
            Self::Refused { rejection: Some(Rejection::Initialize { text }), .. } => {
                text.contains("failed to receive icresp")
            }
            Self::Refused { rejection: Some(Rejection::HandshakeTimeout), .. } => true,
            Self::Refused { rejection: Some(rejection), .. } if !matches!(rejection, Rejection::Other(_)) => {
                false
            }
            Self::Refused { stage, source, .. } => {
                matches!(stage, Stage::Network | Stage::Initialize)
                    || matches!(Errno::of(source), Some(Errno::EBUSY | Errno::EINTR | Errno::ENOMEM))
            }
            _ => false,
        }
    }

    /// What to do next; empty when there is nothing to say beyond the error itself.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Device { source, .. } => source.hint().unwrap_or_default().to_owned(),
            Self::Unsupported { option, .. } => hint::unsupported(option),
            Self::AlreadyConnected { controller, .. } => {
                format!("use {controller}, or ask for a duplicate connection")
            }
            Self::Twice { made, .. } => format!("disconnect {made}"),
            Self::IdentityConflict { controller, .. } => format!(
                "one host has one NQN and one identifier: use the pair of {controller}, or disconnect it first"
            ),
            Self::Scan { .. } | Self::BadOption { .. } => String::new(),
            Self::Refused { target, host, rejection, source, .. } => {
                hint::refused(target, host, rejection.as_ref(), Errno::of(source))
            }
            Self::NoInterface { address, .. } => {
                format!("name the interface: {address}%eth0, or choose the local interface")
            }
            Self::NoReply { .. } | Self::Reply { .. } => "look for it with `list`".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: i32, rejection: Option<Rejection>) -> ConnectError {
        let source = io::Error::from_raw_os_error(errno);
        let stage = Stage::of(Errno::of(&source), rejection.as_ref());
        ConnectError::Refused {
            target: "subsystem mysub at 192.0.2.10 port 4420".into(),
            host: "h".into(),
            stage,
            rejection,
            source,
        }
    }

    #[test]
    fn each_error_number_has_its_stage_and_unknown_ones_are_kept() {
        for (errno, stage) in [
            (Errno::EALREADY, Stage::Duplicate),
            (Errno::ECONNREFUSED, Stage::Network),
            (Errno::ETIMEDOUT, Stage::Network),
            (Errno::EHOSTUNREACH, Stage::Network),
            (Errno::ENETUNREACH, Stage::Network),
            (Errno::EADDRNOTAVAIL, Stage::Address),
            (Errno::ECONNRESET, Stage::Initialize),
            (Errno::EAGAIN, Stage::Initialize),
            (Errno::EKEYREJECTED, Stage::Authentication),
            (Errno::ENOKEY, Stage::Authentication),
            (Errno::EIO, Stage::Connect),
            (Errno::EINVAL, Stage::Unknown),
            (Errno(4000), Stage::Unknown),
        ] {
            let error = refused(errno.0, None);
            assert_eq!((error.stage(), error.errno()), (stage, Some(errno)));
        }
    }

    #[test]
    fn the_message_says_what_where_and_what_next_and_the_number_comes_once() {
        let error = refused(Errno::ECONNREFUSED.0, None);
        assert_eq!(
            error.to_string(),
            "cannot connect to subsystem mysub at 192.0.2.10 port 4420: connection refused (nothing listens at that \
             address and port: check both, and that the target's port is enabled)"
        );
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("os error"), "{source}");
        assert!(!error.to_string().contains("os error"));
    }

    #[test]
    fn retrying_helps_against_the_network_and_busy_targets_only() {
        assert!(refused(Errno::ETIMEDOUT.0, None).is_retryable());
        assert!(refused(Errno::EIO.0, Some(Rejection::ControllerBusy)).is_retryable());
        let unknown = Rejection::SubsystemNotFound { subsystem: "s".into() };
        assert!(!refused(Errno::EIO.0, Some(unknown)).is_retryable());
        assert!(!refused(Errno::EIO.0, None).is_retryable());
        let log = |text: &str| Some(Rejection::Initialize { text: text.to_owned() });
        let silent = "queue 0: failed to receive icresp, error -11";
        assert!(refused(Errno::EAGAIN.0, None).is_retryable());
        assert!(refused(Errno::EAGAIN.0, log(silent)).is_retryable());
        assert!(!refused(Errno::EINVAL.0, log("queue 0: bad pfv returned 1")).is_retryable());
    }

    #[test]
    fn what_an_older_kernel_finds_unknown_has_a_hint_too() {
        let unknown = Rejection::UnknownOption { token: "discovery".into() };
        let text = refused(Errno::EINVAL.0, Some(unknown)).to_string();
        assert!(text.ends_with("the option `discovery` (do without it or use a newer kernel)"), "{text}");
    }

    #[test]
    fn a_host_nqn_in_place_of_the_subsystems_is_noticed() {
        let hint =
            |nqn: &str| refused(5, Some(Rejection::SubsystemNotFound { subsystem: nqn.into() })).hint();
        let host = "nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
        assert!(hint(host).contains("form of a host NQN"), "{}", hint(host));
        assert!(hint("nqn.2024-05.org.example:disk").starts_with("check the NQN"));
    }

    #[test]
    fn a_word_of_the_kernel_that_is_not_understood_is_shown() {
        let error = refused(Errno::EINVAL.0, Some(Rejection::Other("something new".into())));
        let text = error.to_string();
        assert!(text.ends_with("invalid argument (the kernel log says: something new)"), "{text}");
    }

    #[test]
    fn a_log_that_only_repeats_the_number_does_not_hide_the_hint() {
        let repeated = Rejection::Other("failed to connect socket: -111".into());
        let error = refused(Errno::ECONNREFUSED.0, Some(repeated));
        assert_eq!(error.to_string(), refused(Errno::ECONNREFUSED.0, None).to_string());
    }
}
