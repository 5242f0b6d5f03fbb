//! Real Debian kernels in QEMU: fetch one, boot a program under it, get its output and exit status back.
//!
//! Nothing needs to be prepared by hand: missing tools are installed (as root) or named, kernels are fetched once into a
//! cache, and where the processor cannot run guests QEMU emulates one.
//!
//! ```no_run
//! use nvme_examples::vm::{self, Event, Guest, Release};
//!
//! let guest = Guest::new(Release::V6_12, std::env::current_exe()?).args(["--kernel", "--device", "/dev/ram0"]);
//! let outcome = vm::run(&guest, &mut |event| match event {
//!     Event::Progress(line) => eprintln!("{line}"),
//!     Event::Output(line) => println!("{line}"),
//!     Event::Error(line) => eprintln!("{line}"),
//! })?;
//! println!("Linux {} took {:?}", outcome.kernel, outcome.elapsed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | concern |
//! |---|---|
//! | [`release`], [`guest`] | what to boot |
//! | [`tools`], [`apt`], [`kernels`], [`modules`], [`packages`], [`cache`] | getting it |
//! | [`foreign`] | programs of a newer Debian than this machine's |
//! | [`image`] | the guest's file system |
//! | [`accel`], [`protocol`] | running it and what it says |

pub mod accel;
pub mod apt;
pub mod cache;
pub mod command;
mod console;
mod cpio;
pub mod foreign;
pub mod guest;
pub mod image;
pub mod kernels;
pub mod modules;
pub mod packages;
pub mod protocol;
mod qemu;
pub mod release;
mod run;
mod sources;
pub mod tools;

pub use guest::{Guest, Init, Network};
pub use release::{Release, UnknownRelease};
pub use run::{Event, Outcome, VmError, run};
