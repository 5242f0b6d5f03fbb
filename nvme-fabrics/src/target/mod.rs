//! A target in user space: subsystems with namespaces on memory, on files, or on storage of your own, served over NVMe/TCP without privileges.
//!
//! | module | what |
//! |---|---|
//! | [`answers`] | every command, feature and log page that hosts find |
//! | [`backend`] | what a namespace keeps its blocks in |
//! | `config` | [`Subsystem`], [`Namespace`], [`Port`] …: what a target consists of, as plain values |
//! | `handle` | [`Target`]: holds them, and changes while hosts are connected |
//! | `state` | what they are at present, shared by all connections |
//! | `connection` | what commands are answered, one connection at a time |
//! | [`serve`] | listeners, connections, threads, and what peers may take of them |
//! | [`testing`] | a target in one line |
//! | `identify`, `log` | the structures that describe controllers and namespaces, and the log pages |

pub mod answers;
pub mod backend;
mod config;
mod connection;
#[cfg(any(test, feature = "testing"))]
#[allow(dead_code, reason = "tests use all of it, fuzzing a part")]
pub(crate) mod exercise;
mod handle;
mod identify;
mod log;
pub mod serve;
mod state;
pub mod testing;
#[cfg(test)]
mod tests;

pub use config::{
    AnaGroup, AnaGroupError, AnaState, CntlidRange, Firmware, Hosts, IdentityTextError, Model, Namespace,
    Port, PortId, Referral, Serial, Settings, SettingsError, Subsystem, SubsystemError, WriteProtect,
};
pub use connection::{Endpoint, Termination};
pub use handle::{Association, ChangeError, Layout, Target};
pub use serve::{Limits, ServeError, Server, ServerBuilder, Shutdown, Statistics};

pub use crate::net::BusyPoll;
