//! Real Debian kernels in QEMU.
pub mod apt;
pub mod cache;
pub mod command;
pub mod kernels;
pub mod release;
mod sources;
pub mod tools;

pub use release::{Release, UnknownRelease};
