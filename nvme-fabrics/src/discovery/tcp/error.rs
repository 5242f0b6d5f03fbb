//! Why a discovery service gave no log.

use std::time::Duration;

use nvme_proto::discovery::LogReadError;
use nvme_proto::identify::ControllerType;

use super::Service;
use crate::tcp::{CommandError, ConnectError, EndpointError};

/// A discovery service gave no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoverError {
    /// The request is for another transport than TCP.
    #[error("discovery in user space speaks TCP only")]
    NotTcp,
    /// Its address cannot be used on this machine.
    #[error("cannot ask the discovery service at {at}")]
    Address {
        /// The service.
        at: Box<Service>,
        /// Why.
        source: EndpointError,
    },
    /// There is no connection to it.
    #[error("cannot ask the discovery service at {at}")]
    Connect {
        /// The service.
        at: Box<Service>,
        /// Why.
        source: Box<ConnectError>,
    },
    /// What is there has namespaces, and no discovery log.
    #[error(
        "what answers at {at} is no discovery service but a controller of kind {kind}; a subsystem is connected to, not asked"
    )]
    NotDiscovery {
        /// What was taken for a service.
        at: Box<Service>,
        /// What it says it is.
        kind: ControllerType,
    },
    /// A command failed.
    #[error("the discovery service at {at} did not give its log")]
    Command {
        /// The service.
        at: Box<Service>,
        /// Why.
        source: Box<CommandError>,
    },
    /// The log is broken, or does not stand still.
    #[error("the log of the discovery service at {at} is unusable")]
    Log {
        /// The service.
        at: Box<Service>,
        /// Why.
        source: LogReadError,
    },
    /// The connection of a persistent discovery controller was lost.
    #[error("the connection to the discovery service at {at} was lost")]
    Lost {
        /// The service.
        at: Box<Service>,
    },
    /// It took too long altogether.
    #[error("the discovery service at {at} did not give its log within {} s", .after.as_secs_f32())]
    TimedOut {
        /// The service.
        at: Box<Service>,
        /// How long it had.
        after: Duration,
    },
}

impl DiscoverError {
    /// The service; `None` when there is none to ask.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        match self {
            Self::NotTcp => None,
            Self::Address { at, .. }
            | Self::Connect { at, .. }
            | Self::NotDiscovery { at, .. }
            | Self::Command { at, .. }
            | Self::Log { at, .. }
            | Self::Lost { at }
            | Self::TimedOut { at, .. } => Some(at),
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotTcp | Self::Address { .. } | Self::NotDiscovery { .. } => false,
            Self::Connect { source, .. } => source.is_retryable(),
            Self::Command { source, .. } => source.is_retryable(),
            Self::Log { source, .. } => matches!(source, LogReadError::KeepsChanging { .. }),
            Self::Lost { .. } | Self::TimedOut { .. } => true,
        }
    }

    /// What to do about it; empty when there is nothing to say beyond the error and its causes.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotTcp => "ask through the kernel",
            Self::NotDiscovery { .. } => "use the discovery NQN, or another port: 8009 is usual",
            Self::Connect { source, .. } => match source.as_ref() {
                ConnectError::Unreachable { error, .. } => match error.kind() {
                    std::io::ErrorKind::ConnectionRefused => {
                        "nothing listens there: discovery is usually at port 8009; with Linux's target also at the port of the subsystems (4420)"
                    }
                    _ => "check address and route",
                },
                ConnectError::TimedOut { .. } => "check the address, and firewalls in between",
                _ => "",
            },
            Self::Log { source: LogReadError::KeepsChanging { .. }, .. } => {
                "the target is being set up: try again"
            }
            _ => "",
        }
    }
}
