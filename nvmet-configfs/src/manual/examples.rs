//! Four programs, in the folder `examples/` of this crate. They run on the simulated target, and are tests of it.
//!
//! # A spec, a plan, a target
//!
//! ```
#![doc = include_str!("../../examples/export_a_disk.rs")]
//! ```
//!
//! # Changes while hosts are connected
//!
//! ```
#![doc = include_str!("../../examples/live_changes.rs")]
//! ```
//!
//! # From and to files
//!
//! ```
#![doc = include_str!("../../examples/from_a_file.rs")]
//! ```
//!
//! # By hand
//!
//! ```
#![doc = include_str!("../../examples/by_hand.rs")]
//! ```
