//! What a case can use. Everything made through it is gone when the case ends.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nvme_examples::vm::Release;

use super::failure::Failure;
use super::klog::LogMark;
use super::nvmet;
use super::program::{self, Output, Ran};

/// Memory disks of a case.
pub const RAM_DISKS: u32 = 8;
/// Size of each in bytes.
pub const RAM_DISK_LEN: u64 = 64 << 20;

/// A case's hands.
#[derive(Debug)]
pub struct Ctx {
    release: Release,
    uname: String,
    seed: u64,
    scratch: PathBuf,
    notes: Vec<String>,
    mounts: Vec<PathBuf>,
    loops: Vec<PathBuf>,
    has_ram_disks: bool,
    count: u32,
}

impl Ctx {
    pub(super) fn new(release: Release, uname: &str, seed: u64, scratch: PathBuf) -> Result<Self, Failure> {
        fs::create_dir_all(&scratch)?;
        Ok(Self {
            release,
            uname: uname.to_owned(),
            seed,
            scratch,
            notes: Vec::new(),
            mounts: Vec::new(),
            loops: Vec::new(),
            has_ram_disks: false,
            count: 0,
        })
    }

    /// The kernel series, which the runner has checked.
    pub fn release(&self) -> Release {
        self.release
    }

    /// `uname -r`.
    pub fn uname(&self) -> &str {
        &self.uname
    }

    /// Where a case begins that tries something else in each run; to be printed, so that a failure can be repeated.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A folder of this case alone, on tmpfs.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Prints text below the case's line.
    pub fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    /// Takes the last note back, which said what was being tried.
    pub fn unnote(&mut self) {
        self.notes.pop();
    }

    /// Runs a program; any exit status but 0 is a failure.
    pub fn run<A: AsRef<OsStr>>(
        &mut self,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Output, Failure> {
        program::run(program, args)
    }

    /// Runs a program and gives its exit status.
    pub fn try_run<A: AsRef<OsStr>>(
        &mut self,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Ran, Failure> {
        program::try_run(program, args)
    }

    /// Loads a module with what it needs.
    pub fn modprobe(&mut self, module: &str) -> Result<(), Failure> {
        program::run("modprobe", [module]).map(drop)
    }

    /// Memory disk `index` (below [`RAM_DISKS`]), [`RAM_DISK_LEN`] bytes of zeros when a case first asks for one.
    pub fn ram_disk(&mut self, index: u32) -> Result<PathBuf, Failure> {
        if !self.has_ram_disks {
            // Unloading is the only way to be rid of what an earlier case wrote.
            if Path::new("/sys/module/brd").exists() {
                program::run("rmmod", ["brd"])?;
            }
            let size = format!("rd_size={}", RAM_DISK_LEN / 1024);
            program::run("modprobe", ["brd", &format!("rd_nr={RAM_DISKS}"), &size])?;
            self.has_ram_disks = true;
        }
        let path = PathBuf::from(format!("/dev/ram{index}"));
        match path.exists() {
            true => Ok(path),
            false => Err(Failure::new(format!("there are only {RAM_DISKS} memory disks, no number {index}"))),
        }
    }

    /// A loop device over a file of zeros on tmpfs.
    pub fn loop_device(&mut self, bytes: u64) -> Result<PathBuf, Failure> {
        self.modprobe("loop")?;
        self.count += 1;
        let file = self.scratch.join(format!("disk{}", self.count));
        File::create(&file)?.set_len(bytes)?;
        let device = PathBuf::from(program::run("losetup", ["-f"])?.stdout.trim());
        program::run("losetup", [device.as_os_str(), file.as_os_str()])?;
        self.loops.push(device.clone());
        Ok(device)
    }

    /// Mounts a device; gives the mount point.
    pub fn mount(&mut self, device: impl AsRef<Path>, kind: &str) -> Result<PathBuf, Failure> {
        self.count += 1;
        let point = self.scratch.join(format!("mnt{}", self.count));
        fs::create_dir(&point)?;
        let device = device.as_ref();
        mount(Some(device), &point, Some(kind), MsFlags::empty(), None::<&str>)
            .map_err(|errno| Failure::from(errno).while_doing(format_args!("mount {}", device.display())))?;
        self.mounts.push(point.clone());
        Ok(point)
    }

    /// Unmounts what [`Self::mount`] has mounted.
    pub fn umount(&mut self, point: &Path) -> Result<(), Failure> {
        umount2(point, MntFlags::empty())
            .map_err(|errno| Failure::from(errno).while_doing(format_args!("unmount {}", point.display())))?;
        self.mounts.retain(|mounted| mounted != point);
        Ok(())
    }

    /// The target's whole tree as text: directories, links and attributes, sorted.
    pub fn nvmet_dump(&self) -> Result<String, Failure> {
        nvmet::dump(Path::new(nvmet::ROOT))
    }

    /// A place in the kernel's log.
    pub fn kernel_log_mark(&self) -> Result<LogMark, Failure> {
        LogMark::now()
    }

    /// What the kernel said since.
    pub fn kernel_log_since(&self, mark: &LogMark) -> Result<Vec<String>, Failure> {
        mark.since()
    }

    /// Asks again and again until the answer is yes; a failure after `patience`.
    pub fn wait_for(
        &self,
        what: &str,
        patience: Duration,
        mut holds: impl FnMut() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let end = Instant::now() + patience;
        while !holds()? {
            if Instant::now() > end {
                return Err(Failure::new(format!("waited {} s in vain for {what}", patience.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Takes back what the case made through this context; gives its notes.
    pub(super) fn finish(mut self) -> (Vec<String>, Result<(), Failure>) {
        let notes = std::mem::take(&mut self.notes);
        (notes, self.undo())
    }

    fn undo(&mut self) -> Result<(), Failure> {
        while let Some(point) = self.mounts.pop() {
            umount2(&point, MntFlags::empty()).map_err(|errno| {
                Failure::from(errno).while_doing(format_args!("unmount {}", point.display()))
            })?;
        }
        while let Some(device) = self.loops.pop() {
            program::run("losetup", ["-d".as_ref(), device.as_os_str()])?;
        }
        if self.scratch.exists() {
            fs::remove_dir_all(&self.scratch).map_err(|error| {
                Failure::from(error).while_doing(format_args!("remove {}", self.scratch.display()))
            })?;
        }
        Ok(())
    }
}
