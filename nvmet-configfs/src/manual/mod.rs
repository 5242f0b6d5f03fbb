//! The manual: chapters that are longer than the documentation of one item.
//!
//! | chapter | says |
//! |---|---|
//! | [`refusals`] | why the target refuses, and what to do |
//! | [`support`] | which attributes there are, since when, and what is odd about each |
//! | [`boot`] | how a target comes back after a restart of the machine |
//! | `examples` (features `serde` and `testing`) | four programs that run on the simulated target |

/// Why the target refuses, and what to do.
#[doc = include_str!("refusals.md")]
pub mod refusals {}

/// Which attributes there are.
#[doc = include_str!("../../support.md")]
pub mod support {}

/// How a target comes back after a restart of the machine.
#[doc = include_str!("boot.md")]
pub mod boot {}

#[cfg(all(feature = "serde", feature = "testing"))]
pub mod examples;

#[cfg(all(test, feature = "testing"))]
mod tests;
