//! The integration tests: cases that run on real kernels, and the runner that proves the whole workspace.
//!
//! | module | where it runs |
//! |---|---|
//! | [`cases`], [`guest`] | in a guest kernel, as its first process (binary `guest`) |
//! | [`xtask`] | here (binary `xtask`, `cargo xtask`) |

pub mod cases;
pub mod guest;
pub mod xtask;
