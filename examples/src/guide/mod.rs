//! The guide's whole story on this machine's kernel: configure a target, discover it, connect, list the device, make a
//! file system and use it, run the random 4 KiB profile, disconnect, tear the target down.
//!
//! `story` tells the steps, `target` and `host` are the two halves, `backing` is the disk that is exported.

mod backing;
mod host;
pub mod story;
mod target;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nvme_proto::{HostNqn, IpTraddr, SubsysNqn};

pub use backing::BackingError;
pub use host::HostStepError;
pub use story::{StepError, StepReport, Telling};
pub use target::TargetStepError;

use backing::Backing;
use host::Host;
use story::Story;
use target::Target;

/// What the guide is played with.
#[derive(Clone, Debug)]
pub struct Guide {
    /// The disk to export; without it a temporary file of [`Guide::TEMPORARY_SIZE`] bytes.
    pub device: Option<PathBuf>,
    /// Export the disk although it holds data, which a new file system then destroys.
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

    /// Plays the story. Whatever happens, what was made is put back before this returns: also after a failed step, and
    /// after `stop` was set.
    ///
    /// The step that failed is in [`Played::outcome`]; what could not be put back, in [`Played::put_back`].
    pub fn play(&self, telling: Telling, stop: Arc<AtomicBool>) -> Played {
        let mut story = Story::new(telling, stop);
        let mut made = Made::default();
        let outcome = self.steps(&mut story, &mut made);
        let put_back = if made.is_empty() {
            Ok(())
        } else {
            let title = if outcome.is_ok() { "Tear the target down" } else { "Put everything back" };
            story.last_step(title, |step| made.put_back(step))
        };
        Played { outcome, put_back, steps: story.finish() }
    }

    fn steps(&self, story: &mut Story, made: &mut Made) -> Result<(), StepError> {
        story.step("Load the target's module", |step| Ok(Target::load(step)?))?;
        story.step("Configure the target", |step| {
            let backing = made.backing.insert(Backing::prepare(self.device.as_deref(), self.overwrite)?);
            step.did(format!("disk: {backing}"));
            made.target = Some(Target::configure(self, backing, step)?);
            Ok(())
        })?;
        story.step("Load the host's module", |step| Ok(Host::load(step)?))?;
        let host = story.step("Discover the target", |step| Ok(Host::discover(self, step)?))?;
        // Kept before it connects: a connection whose disk does not appear has to be put back too.
        let host = made.host.insert(host);
        story.step("Connect", |step| Ok(host.connect(self, step)?))?;
        story.step("List the device", |step| Ok(host.list(step)?))?;
        story.step("Make an ext4 file system and mount it", |step| Ok(host.mount(step)?))?;
        story.step("Write a file, read it back and compare", |step| Ok(host.use_disk(step)?))?;
        story.step("Random 4 KiB reads and writes, queue depth 32, 16 jobs", |step| {
            Ok(host.load_disk(self.runtime, step)?)
        })?;
        story.step("Unmount and disconnect", |step| Ok(host.leave(step)?))
    }
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

/// What the story has made so far, in the order of making.
#[derive(Default)]
struct Made {
    backing: Option<Backing>,
    target: Option<Target>,
    host: Option<Host>,
}

impl Made {
    fn is_empty(&self) -> bool {
        self.backing.is_none() && self.target.is_none() && self.host.is_none()
    }

    /// Undoes everything, in reverse. A failure does not keep the rest from being undone; the first one is returned.
    fn put_back(
        &mut self,
        step: &mut story::Step<'_>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let host = self.host.take().map_or(Ok(()), |mut host| host.leave(step));
        let target = self.target.take().map_or(Ok(()), |target| target.remove(step));
        let backing = self.backing.take().map_or(Ok(()), |backing| backing.remove(step));
        host?;
        target?;
        backing?;
        Ok(())
    }
}
