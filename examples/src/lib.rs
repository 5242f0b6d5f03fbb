//! Shared pieces of the example binaries, one module a concern. The binaries are in `src/bin/`, one file each.
#![deny(unsafe_code)]

#[cfg(target_os = "linux")]
pub mod asked;
pub mod bench;
pub mod cli;
#[cfg(target_os = "linux")]
pub mod configured;
#[cfg(target_os = "linux")]
pub mod connect_all;
pub mod create;
pub mod direct;
pub mod dissect;
#[cfg(target_os = "linux")]
pub mod failure;
pub mod filesystem;
pub mod guide;
pub mod host;
pub mod inventory;
pub mod place;
pub mod referrals;
pub mod size;
pub mod soft;
pub mod stop;
pub mod target;
pub mod tree;
pub mod vm;
