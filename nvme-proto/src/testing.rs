//! For tests: proptest strategies for the types of this crate, and the properties its fuzz targets check.
//!
//! The strategies give values other crates' tests can use wherever such a value is needed. The properties are plain functions over
//! bytes, so that an ordinary test run replays the fuzzers' corpora with the same code.
//!
//! Part of the feature `testing`, and outside the promises of versioning.

mod auth;
mod commands;
mod log_pages;
mod machines;
mod properties;
mod strategies;
mod wire;

pub use auth::{auth_hash_value, auth_message, auth_messages, configured_psk, dhchap_secret};
pub use commands::{admin_command, commands, cqe, fabrics_command, io_command, sgl, sqe};
pub use log_pages::{
    ana_log, extended_discovery_entry, extended_discovery_log, identify_controller, log_pages, namespace_ids,
};
pub use machines::{controller_machine, host_machine};
pub use properties::{text, views};
pub use strategies::{
    discovery_entry, discovery_log, host_id, host_nqn, ip_traddr, nqn, nqn_text, nsid, status, subsys_nqn,
    traddr, trsvcid,
};
pub use wire::{data_alignment, digests, encode_pdu, encode_verbatim, format, frame, pdu, pdus};
