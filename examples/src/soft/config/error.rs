//! Why a configuration cannot be served.

use nvme_proto::{Nsid, SubsysNqn};

use crate::soft::DeviceError;

/// What is behind an error.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a configuration cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It asks for authentication.
    #[error(
        "{object} has an authentication key, and the soft target does not authenticate: leave it out, or use the kernel's target"
    )]
    Authentication {
        /// The host.
        object: String,
    },
    /// It asks for something else that the soft target does not do.
    #[error("{object} wants {name} = {value}, which the soft target does not do")]
    Setting {
        /// Its owner.
        object: String,
        /// The attribute.
        name: String,
        /// Its value.
        value: String,
    },
    /// It passes a controller of this machine through.
    #[error("subsystem {0} passes a controller through, which the soft target does not do")]
    Passthru(SubsysNqn),
    /// A port of another transport, or without an address.
    #[error("port {port} is no TCP port with an address: the soft target serves no other ({transport})")]
    Transport {
        /// The port.
        port: u16,
        /// What it is.
        transport: String,
    },
    /// A value does not fit.
    #[error("{object}: {name} = {value} cannot be used")]
    Value {
        /// Its owner.
        object: String,
        /// The attribute.
        name: &'static str,
        /// The value.
        value: String,
        /// Why not.
        source: Cause,
    },
    /// Two ports want different limits, which hold for the whole soft target.
    #[error("the ports want {name} = {one} and {other}: it is the same for all ports of a soft target")]
    PortsDisagree {
        /// The attribute.
        name: &'static str,
        /// One value.
        one: i64,
        /// Another.
        other: i64,
    },
    /// A port exports what is not there.
    #[error("port {port} exports {subsystem}, which the configuration does not have")]
    NoSubsystem {
        /// The port.
        port: u16,
        /// The name.
        subsystem: SubsysNqn,
    },
    /// A namespace is switched on and has no device.
    #[error("namespace {nsid} of {subsystem} is enabled and has no device_path")]
    NoDevice {
        /// Its subsystem.
        subsystem: SubsysNqn,
        /// The namespace.
        nsid: Nsid,
    },
    /// A namespace's device cannot be opened.
    #[error("namespace {nsid} of {subsystem} cannot be opened")]
    Device {
        /// Its subsystem.
        subsystem: SubsysNqn,
        /// The namespace.
        nsid: Nsid,
        /// Why.
        source: DeviceError,
    },
}
