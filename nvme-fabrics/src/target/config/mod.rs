//! What a target consists of, as plain values: what exists is valid.
//!
//! | file | what |
//! |---|---|
//! | `subsystem` | [`Subsystem`]: name, identity, limits, namespaces, who may connect |
//! | `namespace` | [`Namespace`]: storage, identifiers, group of asymmetric access |
//! | `hosts` | [`Hosts`]: anybody, or a list |
//! | `port` | [`Port`], [`Referral`]: where hosts connect, and what they find there |
//! | `ana` | [`AnaGroup`], [`AnaState`] |
//! | `text` | [`Serial`], [`Model`], [`Firmware`] |
//! | `settings` | [`Settings`]: what the target is like as a whole |

mod ana;
mod hosts;
mod namespace;
mod port;
mod settings;
mod subsystem;
mod text;

pub use ana::{AnaGroup, AnaGroupError, AnaState};
pub use hosts::Hosts;
pub(crate) use namespace::derived_identifiers;
pub use namespace::{Namespace, WriteProtect};
pub use port::{Port, PortId, Referral};
pub use settings::{Settings, SettingsError};
pub use subsystem::{CntlidRange, Subsystem, SubsystemError};
pub use text::{Firmware, IdentityTextError, Model, Serial};
