//! The kernel's tree, reached through one directory descriptor.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstatat, mkdirat};
use nix::sys::statfs::{FsType, fstatfs, statfs};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use crate::attr;
use crate::errno::Errno;
use crate::tree::{Entry, Name, NodeKind, Op, RelPath, Tree, TreeError};

/// `statfs` magic of configfs. Source: `fs/configfs/mount.c:CONFIGFS_MAGIC`.
pub(crate) const CONFIGFS_MAGIC: FsType = FsType(0x6265_6570);

/// Where the kernel's tree is by custom.
const DEFAULT_ROOT: &str = "/sys/kernel/config/nvmet";

/// An attribute has one page at most (`fs/configfs/file.c:SIMPLE_ATTR_SIZE`); pages have up to 64 KiB.
const MAX_READ: usize = 64 * 1024;

/// The target's tree cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// configfs is not mounted where it should be.
    #[error(
        "cannot open {}: configfs is not mounted there: modprobe configfs && mount -t configfs none {}",
        .path.display(), .path.parent().unwrap_or(.path).display()
    )]
    NotMounted {
        /// The directory asked for.
        path: PathBuf,
    },
    /// configfs is mounted and holds no target.
    #[error("cannot open {}: nvmet is not loaded: modprobe nvmet-tcp", .path.display())]
    NvmetNotLoaded {
        /// The directory asked for.
        path: PathBuf,
    },
    /// The directory is on another file system. Writing there would make ordinary files.
    #[error("{} is not on configfs (its file system has magic {magic:#x}): is configfs mounted?", .path.display())]
    NotConfigfs {
        /// The directory asked for.
        path: PathBuf,
        /// `statfs` magic found.
        magic: i64,
    },
    /// Anything else.
    #[error("cannot open {}", .path.display())]
    Os {
        /// The directory asked for.
        path: PathBuf,
        /// What the system answered.
        source: Errno,
    },
}

/// The tree of the kernel's target. Linux only.
///
/// Holds one descriptor of the root; each verb is one or a few system calls relative to it. Attributes are opened
/// without `O_CREAT` (a misspelt one is `ENOENT`), without following links, close-on-exec, and written with exactly one
/// `write(2)`. The kernel lets every local user read the keys of hosts; one that is written here is its owner's alone from then on.
#[derive(Debug)]
pub struct OsTree {
    root: PathBuf,
    dir: OwnedFd,
}

fn errno(e: nix::errno::Errno) -> Errno {
    Errno(e as i32)
}

impl OsTree {
    /// The kernel's tree at `/sys/kernel/config/nvmet`.
    ///
    /// # Errors
    /// See [`OsTree::open`].
    pub fn open_default() -> Result<Self, OpenError> {
        Self::open(DEFAULT_ROOT)
    }

    /// The tree at `root`, which must be on configfs.
    ///
    /// # Errors
    /// [`OpenError::NotMounted`], [`OpenError::NvmetNotLoaded`], [`OpenError::NotConfigfs`], each with what to do.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, OpenError> {
        let root = root.as_ref();
        let tree = Self::open_unchecked(root).map_err(|error| match error {
            OpenError::Os { source: Errno::ENOENT, path } if path.parent().is_some_and(is_configfs) => {
                OpenError::NvmetNotLoaded { path }
            }
            // Only where configfs belongs: nobody shall be told to mount it on just any directory.
            OpenError::Os { source: Errno::ENOENT, path } if path.ends_with("config/nvmet") => {
                OpenError::NotMounted { path }
            }
            other => other,
        })?;
        let magic = fstatfs(&tree.dir)
            .map_err(|e| OpenError::Os { path: root.to_path_buf(), source: errno(e) })?
            .filesystem_type();
        if magic != CONFIGFS_MAGIC {
            #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
            // the type differs between platforms
            return Err(OpenError::NotConfigfs { path: root.to_path_buf(), magic: magic.0 as i64 });
        }
        Ok(tree)
    }

    /// The tree at `root`, whatever file system it is on: for reading a copy, and for tests.
    ///
    /// # Errors
    /// [`OpenError::Os`].
    pub fn open_unchecked(root: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = root.as_ref();
        let os = |e| OpenError::Os { path: path.to_path_buf(), source: e };
        // Links are resolved by the kernel from an absolute target, so the root has to be absolute.
        let root = path.canonicalize().map_err(|e| os(Errno::from_io(&e)))?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = open(&root, flags, Mode::empty()).map_err(|e| os(errno(e)))?;
        Ok(Self { root, dir })
    }

    /// The root, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The root, opened once more: a lock belongs to what was opened.
    pub(super) fn reopen(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat(&self.dir, ".", flags, Mode::empty()).map_err(errno)
    }

    fn open_at(&self, op: Op, path: &RelPath, flags: OFlag) -> Result<OwnedFd, TreeError> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.dir, os_path(path), flags, Mode::empty()).map_err(|e| TreeError::new(op, path, errno(e)))
    }
}

pub(crate) fn is_configfs(path: &Path) -> bool {
    statfs(path).is_ok_and(|s| s.filesystem_type() == CONFIGFS_MAGIC)
}

/// The root is `.` for the system.
fn os_path(path: &RelPath) -> &OsStr {
    OsStr::from_bytes(if path.as_bytes().is_empty() { b"." } else { path.as_bytes() })
}

fn kind_of(mode: u32) -> NodeKind {
    match SFlag::from_bits_truncate(mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => NodeKind::Dir,
        SFlag::S_IFLNK => NodeKind::Link,
        _ => NodeKind::Attr,
    }
}

impl Tree for OsTree {
    fn list(&self, path: &RelPath) -> Result<Vec<Entry>, TreeError> {
        let fail = |e| TreeError::new(Op::List, path, errno(e));
        let fd = self.open_at(Op::List, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let mut entries = Vec::new();
        for entry in Dir::from_fd(fd).map_err(fail)?.iter() {
            let entry = entry.map_err(fail)?;
            let Ok(name) = Name::new(entry.file_name().to_bytes()) else { continue }; // `.` and `..`
            let kind = match entry.file_type() {
                Some(Type::Directory) => NodeKind::Dir,
                Some(Type::Symlink) => NodeKind::Link,
                Some(_) => NodeKind::Attr,
                // A file system may leave the type out of its listings; an entry that is gone by now is left out too.
                None => match self.kind(&path.join(&name))? {
                    Some(kind) => kind,
                    None => continue,
                },
            };
            entries.push(Entry { name, kind });
        }
        entries.sort();
        Ok(entries)
    }

    fn read(&self, path: &RelPath) -> Result<Vec<u8>, TreeError> {
        let fd = self.open_at(Op::Read, path, OFlag::O_RDONLY)?;
        let mut value = vec![0; 4096];
        let mut len = 0;
        loop {
            let Some(free) = value.get_mut(len..).filter(|free| !free.is_empty()) else {
                if value.len() >= MAX_READ {
                    return Err(TreeError::new(Op::Read, path, Errno::EFBIG));
                }
                value.resize(value.len() * 2, 0);
                continue;
            };
            match nix::unistd::read(&fd, free) {
                // The kernel prints a value in one piece, as far as there is room: a short read is the last one.
                Ok(n) if n < free.len() => {
                    len += n;
                    break;
                }
                Ok(n) => len += n,
                Err(nix::errno::Errno::EINTR) => {}
                Err(e) => return Err(TreeError::new(Op::Read, path, errno(e))),
            }
        }
        value.truncate(len);
        Ok(value)
    }

    fn write(&self, path: &RelPath, value: &[u8]) -> Result<(), TreeError> {
        let fd = self.open_at(Op::Write, path, OFlag::O_WRONLY)?;
        if path.file_name().is_some_and(|name| attr::is_secret(&name)) {
            // The kernel lets everybody read keys. configfs keeps the mode as long as the object lives; where that is not so, nothing is lost.
            let _ = fchmod(fd.as_fd(), Mode::S_IRUSR | Mode::S_IWUSR);
        }
        match nix::unistd::write(fd.as_fd(), value) {
            Ok(n) if n == value.len() => Ok(()),
            Ok(_) => Err(TreeError::new(Op::Write, path, Errno::EFBIG)),
            Err(e) => Err(TreeError::new(Op::Write, path, errno(e))),
        }
    }

    fn mkdir(&self, path: &RelPath) -> Result<(), TreeError> {
        mkdirat(&self.dir, os_path(path), Mode::from_bits_truncate(0o755))
            .map_err(|e| TreeError::new(Op::Mkdir, path, errno(e)))
    }

    fn rmdir(&self, path: &RelPath) -> Result<(), TreeError> {
        unlinkat(&self.dir, os_path(path), UnlinkatFlags::RemoveDir)
            .map_err(|e| TreeError::new(Op::Rmdir, path, errno(e)))
    }

    fn symlink(&self, link: &RelPath, target: &RelPath) -> Result<(), TreeError> {
        // The kernel resolves a relative target from the working directory of the caller, so it must be absolute
        // (`fs/configfs/symlink.c:get_target`).
        let absolute = self.root.join(os_path(target)).into_os_string().into_vec();
        let absolute = CString::new(absolute).map_err(|_| TreeError::linking(link, target, Errno::EINVAL))?;
        symlinkat(absolute.as_c_str(), &self.dir, os_path(link))
            .map_err(|e| TreeError::linking(link, target, errno(e)))
    }

    fn unlink(&self, path: &RelPath) -> Result<(), TreeError> {
        unlinkat(&self.dir, os_path(path), UnlinkatFlags::NoRemoveDir)
            .map_err(|e| TreeError::new(Op::Unlink, path, errno(e)))
    }

    fn read_link(&self, path: &RelPath) -> Result<Vec<u8>, TreeError> {
        readlinkat(&self.dir, os_path(path))
            .map(OsStringExt::into_vec)
            .map_err(|e| TreeError::new(Op::ReadLink, path, errno(e)))
    }

    fn kind(&self, path: &RelPath) -> Result<Option<NodeKind>, TreeError> {
        match fstatat(&self.dir, os_path(path), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(kind_of(stat.st_mode))),
            Err(nix::errno::Errno::ENOENT) => Ok(None),
            Err(e) => Err(TreeError::new(Op::Kind, path, errno(e))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(p: &str) -> RelPath {
        RelPath::new(p).unwrap()
    }

    fn scratch() -> (tempfile::TempDir, OsTree) {
        let dir = tempfile::tempdir().unwrap();
        let tree = OsTree::open_unchecked(dir.path()).unwrap();
        (dir, tree)
    }

    #[test]
    fn never_creates_an_attribute() {
        let (dir, tree) = scratch();
        let error = tree.write(&path("attr_modle"), b"x").unwrap_err();
        assert_eq!((error.op(), error.errno()), (Op::Write, Errno::ENOENT));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn verbs_answer_on_a_directory_as_the_system_does() {
        let (dir, tree) = scratch();
        tree.mkdir(&path("subsystems")).unwrap();
        tree.mkdir(&path("subsystems/s")).unwrap();
        std::fs::write(dir.path().join("subsystems/s/attr_model"), "Linux\n").unwrap();
        assert_eq!(tree.read(&path("subsystems/s/attr_model")).unwrap(), b"Linux\n");
        tree.write(&path("subsystems/s/attr_model"), b"Other").unwrap();
        assert_eq!(
            tree.read(&path("subsystems/s/attr_model")).unwrap(),
            b"Other\n",
            "no truncation, one write"
        );
        tree.symlink(&path("link"), &path("subsystems/s")).unwrap();
        let target = tree.read_link(&path("link")).unwrap();
        assert!(target.starts_with(b"/") && target.ends_with(b"/subsystems/s"));
        let kinds: Vec<_> =
            tree.list(&RelPath::root()).unwrap().into_iter().map(|e| (e.name.to_string(), e.kind)).collect();
        assert_eq!(kinds, [("link".to_owned(), NodeKind::Link), ("subsystems".to_owned(), NodeKind::Dir)]);
        assert_eq!(tree.kind(&path("link")).unwrap(), Some(NodeKind::Link));
        assert_eq!(tree.kind(&path("nothing")).unwrap(), None);
        assert_eq!(tree.read(&path("link")).unwrap_err().errno(), Errno::ELOOP, "links are not followed");
        assert_eq!(tree.unlink(&path("subsystems")).unwrap_err().errno(), Errno::EISDIR);
        assert_eq!(tree.rmdir(&path("subsystems")).unwrap_err().errno(), Errno::ENOTEMPTY);
        tree.unlink(&path("link")).unwrap();
        assert_eq!(tree.read_link(&path("link")).unwrap_err().errno(), Errno::ENOENT);
    }

    #[test]
    fn refuses_an_ordinary_directory_and_says_what_is_missing() {
        let (dir, _) = scratch();
        let error = OsTree::open(dir.path()).unwrap_err();
        assert!(matches!(error, OpenError::NotConfigfs { .. }), "{error}");
        let error = OsTree::open(dir.path().join("config/nvmet")).unwrap_err();
        assert!(error.to_string().contains("mount -t configfs"), "{error}");
        let error = OsTree::open(dir.path().join("elsewhere")).unwrap_err();
        assert!(matches!(error, OpenError::Os { source: Errno::ENOENT, .. }), "{error}");
    }

    #[test]
    fn keys_are_hidden_before_they_are_written() {
        use std::os::unix::fs::PermissionsExt as _;
        let (dir, tree) = scratch();
        std::fs::create_dir_all(dir.path().join("hosts/h")).unwrap();
        for (name, mode) in [("dhchap_key", 0o600), ("dhchap_hash", 0o644)] {
            let file = dir.path().join("hosts/h").join(name);
            std::fs::write(&file, "\n").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
            tree.write(&path("hosts/h").join(&name.parse().unwrap()), b"x").unwrap();
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, mode, "{name}");
        }
    }

    #[test]
    fn reads_values_longer_than_a_page() {
        let (dir, tree) = scratch();
        std::fs::write(dir.path().join("long"), vec![b'x'; 10_000]).unwrap();
        assert_eq!(tree.read(&path("long")).unwrap().len(), 10_000);
        std::fs::write(dir.path().join("endless"), vec![b'x'; 2 * MAX_READ]).unwrap();
        assert_eq!(tree.read(&path("endless")).unwrap_err().errno(), Errno::EFBIG);
    }
}
