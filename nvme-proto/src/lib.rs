#![doc = include_str!("../README.md")]
//!
//! # Layers
//!
//! ```text
//!   host   controller   discovery::LogReader   auth      state machines: bytes and commands in, bytes and events out; no I/O, no clock
//!   -----------------------
//!   frame                                                whole PDUs out of bytes, lent, placed or owned; PDUs into chains for one write
//!   pdu   digest                                         the nine PDUs at fixed offsets; CRC-32C
//!   -----------------------
//!   command   fabrics   feature   event                  what entries and completions mean
//!   identify   log   discovery   connect                 structures: views over bytes, read and written
//!   sqe   cqe   sgl   status                             the 64 and 16 bytes of every command, every bit kept
//!   -----------------------
//!   types   tls                                          names, identifiers, addresses, keys: text and fields
//!   -----------------------
//!   error   (registry, layout, bits)                     offsets in errors; numbers with names; fields at fixed offsets
//! ```
//!
//! Each layer uses those below it only.
//!
//! # Panics
//!
//! No function panics on any input. Functions that index or compute with what they are given use checked operations; the lints that find the others
//! are on for the whole crate.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions)
)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod auth;
mod bits;
pub mod command;
pub mod connect;
pub mod controller;
pub mod cqe;
pub mod digest;
pub mod discovery;
mod error;
pub mod event;
pub mod fabrics;
pub mod feature;
mod flags;
pub mod frame;
pub mod host;
pub mod identify;
mod key_text;
mod layout;
pub mod log;
pub mod machine;
pub mod pdu;
mod registry;
pub mod sgl;
pub mod sqe;
pub mod status;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod text;
pub mod tls;
pub mod types;
mod view;

pub use connect::{ConnectParameter, ConnectReject, ParameterPlace};
pub use error::{DecodeError, DecodeErrorKind};
pub use pdu::DataAlignment;
pub use status::{CommandContext, Status};
pub use types::{
    AddrTextError, AddressFamily, Cntlid, DISCOVERY_NQN, HostId, HostIdError, HostNqn, IpTraddr,
    IpTraddrError, Nqn, NqnError, NqnForm, Nsid, NsidError, SubsysNqn, Traddr, TransportType, Trsvcid,
    UnknownName,
};
