#![doc = include_str!("../README.md")]
//!
//! # Layers
//!
//! ```text
//!   discovery                 list                          what users ask for
//!   -------------------------------------------
//!   kernel::{connect, wait, disconnect}                     operations: check first, do, wait until it is done
//!   -------------------------------------------
//!   kernel::{device, ioctl, log}      kernel::sysfs         the kernel's boundary: few verbs, each with a stand-in for tests
//!   -------------------------------------------
//!   options   identity   kernel::{names, errno}             typed values: what exists is valid
//!   -------------------------------------------
//!   nvme-proto                                              names, Identify, discovery log, status codes
//! ```
//!
//! Each layer uses those below it only. The user-space host and target will stand beside `kernel`.
//!
//! # Panics
//!
//! No function outside the feature `testing` panics on any input, be it a caller's, a peer's or the kernel's.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]

pub mod config;
pub mod discovery;
#[cfg(all(feature = "tokio", feature = "soft-target"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "tokio", feature = "soft-target"))))]
pub mod guide;
pub mod identity;
pub mod kernel;
pub mod keys;
pub mod list;
#[cfg(any(feature = "tokio", feature = "soft-target"))]
mod net;
pub mod options;
mod store;
#[cfg(feature = "soft-target")]
#[cfg_attr(docsrs, doc(cfg(feature = "soft-target")))]
pub mod target;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod tcp;
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
pub mod why_connect_fails;

#[cfg(target_os = "linux")]
pub use discovery::{DiscoverError, connect_all, discover};
pub use discovery::{Discovered, DiscoveryController, DiscoveryRequest};
pub use identity::{HostIdentity, IdentityError, IdentityFiles, IdentitySource, Saved, Sourced};
pub use kernel::connect::{
    ConnectError, ConnectErrorKind, Connected, Settled, Stage, Unfinished, WithinError, connect_with,
};
#[cfg(target_os = "linux")]
pub use kernel::connect::{connect, connect_within};
pub use kernel::device::{DeviceError, DeviceOp, FabricsDevice, OptionList, OsDevice};
pub use kernel::disconnect::{
    AddressSelector, DeleteFailure, DisconnectError, DisconnectPlan, Disconnected, Force, InUse, Selector,
    disconnect, plan_disconnect,
};
#[cfg(target_os = "linux")]
pub use kernel::ensure::ensure_paths;
pub use kernel::ensure::{Ensured, PathOutcome, PathState, ensure_paths_with};
pub use kernel::errno::Errno;
#[cfg(target_os = "linux")]
pub use kernel::events::EventSocket;
pub use kernel::events::{Change, Event, EventError};
pub use kernel::log::{KernelLog, NoLog, Rejection};
pub use kernel::modules;
pub use kernel::names::{ControllerName, GenericName, NameError, NamespaceName, PathName, SubsystemName};
pub use kernel::sysfs::{
    Address, AnaState, Controller, ControllerState, DeviceNumber, Host, Inventory, Namespace,
    NamespaceParent, NamespacePath, ScanError, Subsystem, Sysfs,
};
pub use kernel::wait::{
    Cancel, Patience, WaitError, WhichNamespace, wait_for_namespace, wait_for_namespaces, wait_gone,
    wait_live,
};
#[cfg(any(feature = "tokio", feature = "soft-target"))]
pub use net::BusyPoll;
pub use options::{
    ConnectOptions, ControllerLoss, FastIoFail, FcAddress, FcAddressError, KeySerial, OptionError,
    OptionInfo, OptionString, TransportName,
};
