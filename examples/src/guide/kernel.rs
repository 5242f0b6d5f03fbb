//! The story on this machine's kernel.

use nvme_fabrics::kernel::wait::Cancel;

use super::backing::Backing;
use super::host::Host;
use super::story::{Step, Story};
use super::target::Target;
use super::{Guide, Played, StepError, Telling};

impl Guide {
    /// Plays the story. Whatever happens, what was made is put back before this returns: also after a failed step, and
    /// after `stop` was cancelled.
    ///
    /// The step that failed is in [`Played::outcome`]; what could not be put back, in [`Played::put_back`].
    pub fn play(&self, telling: Telling, stop: Cancel) -> Played {
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
    fn put_back(&mut self, step: &mut Step<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let host = self.host.take().map_or(Ok(()), |mut host| host.leave(step));
        let target = self.target.take().map_or(Ok(()), |target| target.remove(step));
        let backing = self.backing.take().map_or(Ok(()), |backing| backing.remove(step));
        host?;
        target?;
        backing?;
        Ok(())
    }
}
