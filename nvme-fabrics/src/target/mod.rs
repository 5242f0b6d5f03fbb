//! A target in user space: subsystems with namespaces on memory, on files, or on storage of your own, served over NVMe/TCP without privileges.
//!
//! | module | what |
//! |---|---|
//! | [`backend`] | what a namespace keeps its blocks in |
//! | `config` | [`Subsystem`], [`Namespace`], [`Port`] …: what a target consists of, as plain values |
//! | `handle` | [`Target`]: holds them, and changes while hosts are connected |
//! | `state` | what they are at present, shared by all connections |
//! | `connection` | what commands are answered, one connection at a time |
//! | `identify`, `log` | the structures that describe controllers and namespaces, and the log pages |

pub mod backend;
mod config;
#[allow(dead_code, reason = "what serves it is being built")]
mod connection;
#[allow(dead_code, reason = "what serves it is being built")]
mod handle;
mod identify;
mod log;
mod state;

pub use config::{
    AnaGroup, AnaGroupError, AnaState, CntlidRange, Firmware, Hosts, IdentityTextError, Model, Namespace,
    Port, PortId, Referral, Serial, Settings, SettingsError, Subsystem, SubsystemError, WriteProtect,
};
pub use connection::{Endpoint, Termination};
pub use handle::{Association, ChangeError, Layout, Target};
