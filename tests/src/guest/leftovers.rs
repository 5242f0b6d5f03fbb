//! What a case must not leave behind: mounts, controllers, objects of the target, loop devices.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};

use super::failure::Failure;
use super::nvmet;
use super::program;

const CONTROLLERS: &str = "/sys/class/nvme";
/// Deleting a controller whose target is gone waits for time-outs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The mounts of the system before any case ran.
#[derive(Clone, Debug)]
pub struct Baseline {
    mounts: BTreeSet<String>,
}

impl Baseline {
    /// As it is now.
    pub fn now() -> Result<Self, Failure> {
        Ok(Self { mounts: mounts()?.into_iter().collect() })
    }

    /// What is there now and was not, in words.
    pub fn left(&self) -> Result<Vec<String>, Failure> {
        let mut left: Vec<String> =
            self.new_mounts()?.into_iter().map(|point| format!("mount {point}")).collect();
        left.extend(controllers()?.into_iter().map(|name| format!("controller {name}")));
        left.extend(nvmet::objects(Path::new(nvmet::ROOT))?);
        left.extend(loops()?.into_iter().map(|name| format!("loop device {name}")));
        Ok(left)
    }

    /// Removes it all, whatever it takes.
    pub fn clean(&self) -> Result<(), Failure> {
        for point in self.new_mounts()?.iter().rev() {
            umount2(point.as_str(), MntFlags::MNT_DETACH)
                .map_err(|errno| Failure::from(errno).while_doing(format_args!("unmount {point}")))?;
        }
        for name in controllers()? {
            let path = format!("{CONTROLLERS}/{name}/delete_controller");
            fs::write(&path, "1").map_err(|error| Failure::from(error).while_doing(path))?;
        }
        let end = Instant::now() + PATIENCE;
        while !controllers()?.is_empty() {
            if Instant::now() > end {
                return Err(Failure::new(format!("controllers do not go away: {:?}", controllers()?)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        nvmet::empty(Path::new(nvmet::ROOT))?;
        for name in loops()? {
            program::run("losetup", ["-d", &format!("/dev/{name}")])?;
        }
        Ok(())
    }

    fn new_mounts(&self) -> Result<Vec<String>, Failure> {
        Ok(mounts()?.into_iter().filter(|point| !self.mounts.contains(point)).collect())
    }
}

/// Mount points in the order they were mounted. White space in them is written as the kernel does (`\040`).
fn mounts() -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string("/proc/self/mounts")?;
    let points = text.lines().filter_map(|line| line.split(' ').nth(1));
    Ok(points.map(|point| point.replace(r"\040", " ")).collect())
}

/// The host's controllers.
fn controllers() -> Result<Vec<String>, Failure> {
    names(CONTROLLERS, |_| true)
}

/// Loop devices with a file behind them.
fn loops() -> Result<Vec<String>, Failure> {
    names("/sys/block", |name| {
        name.starts_with("loop") && Path::new("/sys/block").join(name).join("loop/backing_file").exists()
    })
}

fn names(folder: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    if Path::new(folder).is_dir() {
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if wanted(&name) {
                names.push(name);
            }
        }
    }
    names.sort();
    Ok(names)
}
