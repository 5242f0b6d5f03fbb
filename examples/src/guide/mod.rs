//! The guide's whole story: configure a target, discover it, connect, list the device, use it, run the random 4 KiB profile,
//! disconnect, tear the target down.
//!
//! | module | concern |
//! |---|---|
//! | [`story`] | tells the steps |
//! | `backing` | the disk that is exported |
//! | `kernel` | the story on this machine's kernel; `target` and `host` are its two halves |
//! | `soft` | the story in this process alone |

mod backing;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod kernel;
mod soft;
pub mod story;
#[cfg(target_os = "linux")]
mod target;

use std::path::PathBuf;
use std::time::Duration;

use nvme_proto::{HostNqn, IpTraddr, SubsysNqn};

pub use backing::BackingError;
#[cfg(target_os = "linux")]
pub use host::HostStepError;
pub use soft::SoftStepError;
pub use story::{StepError, StepReport, Telling};
#[cfg(target_os = "linux")]
pub use target::TargetStepError;

/// What the guide is played with.
#[derive(Clone, Debug)]
pub struct Guide {
    /// The disk to export; without it a temporary file of [`Guide::TEMPORARY_SIZE`] bytes for the kernel, and
    /// [`Guide::MEMORY_SIZE`] bytes of memory in user space.
    pub device: Option<PathBuf>,
    /// Export the disk although it holds data, which is then destroyed.
    pub overwrite: bool,
    /// The subsystem's NQN.
    pub nqn: SubsysNqn,
    /// Where the target listens.
    pub traddr: IpTraddr,
    /// The TCP port it listens on.
    pub trsvcid: u16,
    /// Connect with this host NQN and let only it in; without it any host may connect.
    pub host_nqn: Option<HostNqn>,
    /// How long each direction of the I/O profile runs.
    pub runtime: Duration,
}

impl Guide {
    /// Bytes of the temporary disk.
    pub const TEMPORARY_SIZE: u64 = 256 << 20;
}

/// How the story went.
#[derive(Debug)]
pub struct Played {
    /// The first step that failed.
    pub outcome: Result<(), StepError>,
    /// Whether everything that was made is gone again.
    pub put_back: Result<(), StepError>,
    /// What was done.
    pub steps: Vec<StepReport>,
}
