//! The test program that is the first process of a guest kernel.
//!
//! It prepares the system, runs the cases of [`crate::cases`] one after the other, checks after each that nothing is left
//! behind, and reports over the serial port of [`nvme_examples::vm::protocol`].
//!
//! | module | concern |
//! |---|---|
//! | [`system`] | mounts, network, serial port, the end |
//! | [`runner`] | running cases and reporting |
//! | [`ctx`] | what a case can use |
//! | [`leftovers`] | what a case must not leave |
//! | [`nvmet`] | the target's tree as text, and emptying it by force |
//! | [`klog`] | the kernel log since a mark |
//! | [`failure`] | why a case failed |

pub mod ctx;
pub mod failure;
pub mod klog;
pub mod leftovers;
pub mod nvmet;
pub mod program;
pub mod runner;
pub mod system;

pub use ctx::Ctx;
pub use failure::Failure;
pub use klog::LogMark;
pub use program::{Output, Ran};

/// One test case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// `file::what_holds`.
    pub name: &'static str,
    /// Its body.
    pub body: fn(&mut Ctx) -> Result<(), Failure>,
}

impl Case {
    /// A case.
    pub const fn new(name: &'static str, body: fn(&mut Ctx) -> Result<(), Failure>) -> Self {
        Self { name, body }
    }
}
