//! A sysfs tree made from text: captured from a real kernel, written by hand, or by a fuzzer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::kernel::sysfs::{AnaState, Inventory, Sysfs, capture};
use crate::list;

/// Lines that are taken from one text.
const MAX_LINES: usize = 20_000;

/// A tree below a directory of its own: in the form that [`capture`] writes.
///
/// | line | makes |
/// |---|---|
/// | `d PATH` | a directory |
/// | `l PATH -> TARGET` | a symbolic link; one that leads out of the tree is not made |
/// | `f PATH = TEXT` | a file |
/// | `e PATH ERRNO` | what cannot be read: a directory in the place of the file |
/// | anything else | nothing |
///
/// What cannot be made because something else has its place is left out.
#[derive(Debug)]
pub struct Tree<'a> {
    root: &'a Path,
}

impl<'a> Tree<'a> {
    /// Makes a tree below `root`, which must exist and should be empty.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub fn make(root: &'a Path, text: &str) -> io::Result<Self> {
        fs::create_dir_all(root.join("sys/class"))?;
        let tree = Self { root };
        for line in text.lines().take(MAX_LINES) {
            // A name in the place of a directory, a link to nowhere: the tree is odd then, which is what it is for.
            let _ = tree.line(line);
        }
        Ok(tree)
    }

    /// What reads it.
    #[must_use]
    pub fn sysfs(&self) -> Sysfs {
        Sysfs::at(self.root)
    }

    fn line(&self, line: &str) -> Option<io::Result<()>> {
        let (kind, rest) = line.split_once(' ')?;
        let made = match kind {
            "d" => fs::create_dir_all(self.place(rest)?),
            "e" => fs::create_dir_all(self.place(rest.split_once(' ')?.0)?),
            "f" => {
                let (path, content) = rest.split_once(" = ").or_else(|| rest.split_once(" ="))?;
                let path = self.place(path)?;
                fs::create_dir_all(path.parent()?).and_then(|()| fs::write(&path, unescaped(content)))
            }
            "l" => {
                let (path, target) = rest.split_once(" -> ")?;
                let (path, target) = (self.place(path)?, self.within(path, target)?);
                fs::create_dir_all(path.parent()?).and_then(|()| symlink(&target, &path))
            }
            _ => return None,
        };
        Some(made)
    }

    /// A path below the root; `None` for one that leads elsewhere.
    fn place(&self, path: &str) -> Option<PathBuf> {
        let bytes = unescaped(path);
        let text = String::from_utf8(bytes).ok()?;
        let plain = text.split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() < 200);
        (plain && text.len() < 1000 && !text.contains('\0')).then(|| self.root.join(text))
    }

    /// The target of a link at `path`; `None` for one that leads out of the tree.
    fn within(&self, path: &str, target: &str) -> Option<PathBuf> {
        let target = String::from_utf8(unescaped(target)).ok()?;
        let mut depth = path.split('/').count().checked_sub(1)?;
        for part in target.split('/') {
            match part {
                "" => return None,
                "." => {}
                ".." => depth = depth.checked_sub(1)?,
                _ => depth = depth.checked_add(1)?,
            }
        }
        (target.len() < 1000 && !target.contains('\0')).then(|| PathBuf::from(target))
    }
}

#[cfg(unix)]
fn symlink(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn symlink(_: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Undoes the escapes of a captured tree; what is no escape stays.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let hex = || u8::from_str_radix(after.get(1..3)?, 16).ok();
        rest = if let Some(after) = after.strip_prefix('n') {
            bytes.push(b'\n');
            after
        } else if let Some(after) = after.strip_prefix('\\') {
            bytes.push(b'\\');
            after
        } else if let (true, Some(byte)) = (after.starts_with('x'), hex()) {
            bytes.push(byte);
            after.get(3..).unwrap_or_default()
        } else {
            bytes.push(b'\\');
            after
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The property that the fuzz target of sysfs checks: whatever the tree is like,
///
/// * a scan succeeds unless something else has the place of the directory of controllers, and gives the same twice;
/// * every namespace and controller is found by its name; each controller is there once;
/// * what `list` shows can be made of it, with one row a namespace;
/// * the tree as text makes the same tree again.
///
/// # Panics
/// When the property does not hold.
pub fn sysfs_tree(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(dir) = scratch() else { return };
    if let Ok(tree) = Tree::make(dir.path(), &text) {
        check(&tree.sysfs());
    }
}

fn check(sysfs: &Sysfs) {
    let inventory = Inventory::scan(sysfs);
    let class = sysfs.class("nvme");
    assert_eq!(inventory.is_ok(), class.is_dir() || !class.exists(), "{inventory:?}");
    let Ok(inventory) = inventory else { return };
    assert_eq!(Inventory::scan(sysfs).ok().as_ref(), Some(&inventory), "the same tree is the same inventory");
    for (subsystem, controller) in inventory.controllers() {
        assert!(inventory.controller(controller.name).is_some());
        if let Some(subsystem) = subsystem {
            assert!(subsystem.controllers.contains(controller));
        }
    }
    for (_, namespace) in inventory.namespaces() {
        assert!(inventory.namespace(namespace.name).is_some());
        assert!(namespace.paths.iter().all(|path| path.ana_state != Some(AnaState::new(""))));
    }
    let rows = list::rows(&inventory);
    assert_eq!(rows.len(), inventory.namespaces().count());
    assert_eq!(list::table(&rows).lines().count(), rows.len().saturating_add(2));
    let _ = (list::subsystems(&inventory), list::verbose(&inventory));
    let hosts: usize = inventory.hosts().iter().map(|host| host.controllers.len()).sum();
    assert_eq!(hosts, inventory.controllers().count(), "every controller has a host");

    let captured = capture(sysfs);
    assert!(!captured.contains("DHHC-1"), "a secret");
}

/// A directory that goes away, in memory where the system has such a place.
fn scratch() -> io::Result<Scratch> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let shm = Path::new("/dev/shm");
    let base = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = base.join(format!("nvme-tree-{}-{number}", std::process::id()));
    fs::create_dir(&path)?;
    Ok(Scratch(path))
}

struct Scratch(PathBuf);

impl Scratch {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_captured_tree_is_made_again() {
        let text = "# nvme sysfs 1\nd sys/class/nvme\nl sys/class/nvme/nvme0 -> ../../devices/nvme0\n\
                    f sys/devices/nvme0/model = a\\\\b\\xff\\n\nf sys/devices/nvme0/state = live\\n\n";
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::make(dir.path(), text).unwrap();
        assert_eq!(capture(&tree.sysfs()), text);
        assert_eq!(fs::read(dir.path().join("sys/class/nvme/nvme0/model")).unwrap(), b"a\\b\xff\n");
    }

    #[test]
    fn nothing_is_made_outside_of_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let text = "f ../x = 1\nf /etc/x = 1\nf sys/../../x = 1\nl sys/a -> ../../b\nl sys/c -> /etc\nd \n\
                    l sys/ok -> ../sys/class\nf sys/e = \n";
        Tree::make(&root, text).unwrap();
        let names = |dir: &Path| -> Vec<String> {
            let mut names: Vec<_> =
                fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(names(dir.path()), ["root"]);
        assert_eq!(names(&root.join("sys")), ["class", "e", "ok"]);
    }

    #[test]
    fn escapes_are_undone_and_others_stay() {
        assert_eq!(unescaped(r"a\n\\\x41\xzz\q\"), b"a\n\\A\\xzz\\q\\");
        assert_eq!(unescaped(""), b"");
    }
}
