//! Shared pieces of the example binaries, one module a concern. The binaries are in `src/bin/`, one file each.
#![deny(unsafe_code)]

pub mod bench;
pub mod cli;
pub mod create;
pub mod direct;
pub mod dissect;
pub mod filesystem;
pub mod guide;
pub mod host;
pub mod place;
pub mod referrals;
pub mod size;
pub mod soft;
pub mod target;
pub mod tree;
pub mod vm;
