//! Where fetched kernels live, and how two processes share the place.
//!
//! | path below the root | what |
//! |---|---|
//! | `kernels/SUITE/` | one unpacked kernel, complete or absent (made under another name, renamed at the end) |
//! | `kernels/SUITE.lock` | held while a kernel is fetched or its module set is made |
//! | `apt/CODENAME/` | a private apt: sources, lists, archive cache |
//! | `runs/PID-N/` | one boot: initramfs and console, removed at its end |

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{Flock, FlockArg};

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

/// The cache directory: `$NVME_VM_CACHE`, else `target/vm` of the workspace this was built from when that is still there,
/// else the user's cache directory.
pub fn root() -> PathBuf {
    if let Some(root) = env::var_os(CACHE_VARIABLE).filter(|value| !value.is_empty()) {
        // apt and depmod are run in other folders and need an absolute path.
        return std::path::absolute(&root).unwrap_or(PathBuf::from(root));
    }
    if let Some(workspace) =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().filter(|at| at.join("Cargo.toml").is_file())
    {
        return workspace.join("target").join("vm");
    }
    let base = env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| env::home_dir().map(|home| home.join(".cache")));
    base.unwrap_or_else(env::temp_dir).join("nvme-vm")
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

/// A directory of this process alone, removed on drop unless it is kept.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    /// Makes `parent/PID-N`.
    pub(crate) fn create(parent: &Path) -> Result<Self, FileError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = parent.join(name);
        if path.exists() {
            // Left by a killed process that had the same id.
            fs::remove_dir_all(&path).map_err(FileError::new("remove", &path))?;
        }
        create_dir(&path)?;
        Ok(Self { path, keep: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the directory where it is.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
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
}
