//! Where fetched kernels live, and how two processes share the place.
//!
//! | path below the root | what |
//! |---|---|
//! | `kernels/SUITE/` | one unpacked kernel, complete or absent (made under another name, renamed at the end) |
//! | `kernels/SUITE.lock` | held while a kernel is fetched or its module set is made |
//! | `apt/CODENAME/` | a private apt: sources, lists, archive cache |
//! | `runs/PID-N/` | one boot: initramfs and console, removed at its end (what a killed process leaves, by the next one) |

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{AccessFlags, access};

/// Environment variable that moves the cache.
pub const CACHE_VARIABLE: &str = "NVME_VM_CACHE";

/// A file operation of the machinery that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {path}")]
pub struct FileError {
    /// What was tried, as a verb: `read`, `create`, `rename`.
    pub operation: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system answered.
    pub source: io::Error,
}

impl FileError {
    pub(crate) fn new(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self { operation, path, source }
    }
}

/// The cache directory: `$NVME_VM_CACHE`, else `target/vm` of the workspace this was built from when that is still there and
/// this user may write to it, else the user's cache directory.
pub fn root() -> PathBuf {
    if let Some(root) = env::var_os(CACHE_VARIABLE).filter(|value| !value.is_empty()) {
        // apt and depmod are run in other folders and need an absolute path.
        return std::path::absolute(&root).unwrap_or(PathBuf::from(root));
    }
    if let Some(workspace) =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().filter(|at| at.join("Cargo.toml").is_file())
    {
        let (target, vm) = (workspace.join("target"), workspace.join("target").join("vm"));
        if [vm.as_path(), &target, workspace].into_iter().find(|at| at.is_dir()).is_some_and(is_writable) {
            return vm;
        }
    }
    let base = env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| env::home_dir().map(|home| home.join(".cache")));
    base.unwrap_or_else(env::temp_dir).join("nvme-vm")
}

fn is_writable(folder: impl AsRef<Path>) -> bool {
    access(folder.as_ref(), AccessFlags::W_OK).is_ok()
}

/// An exclusive lock between processes and threads; given back on drop, also when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock, calling `waiting` first when somebody else holds it.
    pub(crate) fn take(path: &Path, waiting: impl FnOnce()) -> Result<Self, FileError> {
        create_dir(path.parent().unwrap_or(path))?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = file.map_err(FileError::new("open lock file", path))?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => return Ok(Self { _file: file }),
            Err((file, _)) => file,
        };
        waiting();
        match Flock::lock(file, FlockArg::LockExclusive) {
            Ok(file) => Ok(Self { _file: file }),
            Err((_, errno)) => Err(FileError::new("lock", path)(errno.into())),
        }
    }
}

/// A directory of this process alone, removed on drop unless it is kept. It is locked as long as it is in use, so that what a
/// killed process has left can be told from what another one works with.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    keep: bool,
    _in_use: Flock<File>,
}

impl Scratch {
    /// Makes `parent/PID-N`, after removing what killed processes have left there.
    pub(crate) fn create(parent: &Path) -> Result<Self, FileError> {
        create_dir(parent)?;
        sweep(parent);
        Self::make(parent)
    }

    /// Makes `parent/PID-N` to stay.
    pub(crate) fn kept(parent: &Path) -> Result<Self, FileError> {
        create_dir(parent)?;
        let mut scratch = Self::make(parent)?;
        scratch.keep = true;
        Ok(scratch)
    }

    fn make(parent: &Path) -> Result<Self, FileError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = parent.join(name);
            match fs::create_dir(&path) {
                Ok(()) => {}
                // Of an earlier process that had the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(FileError::new("create directory", &path)(error)),
            }
            // Between the two another process may have taken it for one that was left.
            if let Some(in_use) = lock_directory(&path)
                && path.is_dir()
            {
                return Ok(Self { path, keep: false, _in_use: in_use });
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory the final `target` in one step.
    pub(crate) fn publish(mut self, target: &Path) -> Result<(), FileError> {
        fs::rename(&self.path, target).map_err(FileError::new("rename to", target))?;
        self.keep = true;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing depends on it: at worst some disk space stays used until the next `cargo clean`.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The lock of a directory; `None` when somebody has it, or when the directory is not there.
fn lock_directory(path: &Path) -> Option<Flock<File>> {
    Flock::lock(File::open(path).ok()?, FlockArg::LockExclusiveNonblock).ok()
}

/// Removes the directories of [`Scratch`] whose processes have ended without doing it.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((process, number)) = name.split_once('-') else { continue };
        let ours = [process, number].iter().all(|part| part.parse::<u32>().is_ok());
        if ours
            && !Path::new("/proc").join(process).exists()
            && let Some(_lock) = lock_directory(&entry.path())
        {
            // Not ours to worry about: the next one tries again.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

pub(crate) fn create_dir(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::new("create directory", path))
}

pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), FileError> {
    fs::write(path, content).map_err(FileError::new("write", path))
}

pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(FileError::new("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_taker_waits_until_the_first_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep").join("x.lock");
        let first = Lock::take(&path, || panic!("nobody holds it")).unwrap();
        let (told, was_told) = std::sync::mpsc::channel();
        let second = std::thread::spawn({
            let path = path.clone();
            move || Lock::take(&path, || told.send(()).unwrap()).unwrap()
        });
        was_told.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        assert!(!second.is_finished());
        drop(first);
        drop(second.join().unwrap());
    }

    #[test]
    fn scratch_is_removed_or_published() {
        let dir = tempfile::tempdir().unwrap();
        let gone = {
            let scratch = Scratch::create(dir.path()).unwrap();
            write(&scratch.path().join("a"), "x").unwrap();
            scratch.path().to_owned()
        };
        assert!(!gone.exists());
        let scratch = Scratch::create(dir.path()).unwrap();
        write(&scratch.path().join("a"), "x").unwrap();
        let target = dir.path().join("final");
        scratch.publish(&target).unwrap();
        assert_eq!(read_text(&target.join("a")).unwrap(), "x");
    }

    #[test]
    fn what_a_killed_process_left_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        // Process numbers end at 4194304, so nobody has these.
        for name in ["4194305-0", "4194306-0", "4194305-x", "lib", "trixie-backports"] {
            create_dir(&at(name)).unwrap();
            write(&at(name).join("initramfs"), "x").unwrap();
        }
        let used = lock_directory(&at("4194306-0")).unwrap();
        let mine = Scratch::create(dir.path()).unwrap();
        assert!(!at("4194305-0").exists());
        for name in ["4194306-0", "4194305-x", "lib", "trixie-backports"] {
            assert!(at(name).join("initramfs").exists(), "{name}");
        }
        drop(used);
        let other = Scratch::create(dir.path()).unwrap();
        assert!(!at("4194306-0").exists());
        assert!(mine.path().is_dir() && other.path().is_dir() && mine.path() != other.path());
    }

    #[test]
    fn what_is_kept_stays_and_is_never_reused() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Scratch::kept(dir.path()).unwrap().path().to_owned();
        assert!(kept.is_dir());
        assert_ne!(Scratch::kept(dir.path()).unwrap().path(), kept);
    }
}
