//! What is connected, read from sysfs. Read-only; everything here works on a made-up tree too.
//!
//! | module | holds |
//! |---|---|
//! | this | [`Sysfs`]: where the trees are, how one attribute is read |
//! | [`address`] | [`Address`]: the parts of a controller's address |
//! | [`controller`] | [`Controller`], [`ControllerState`] |
//! | [`namespace`] | [`Namespace`], [`NamespacePath`], [`AnaState`] |
//! | [`inventory`] | [`Inventory`]: all of it in one scan |
//! | [`hosts`] | [`Host`]: the same by host identity |
//! | this | [`capture()`]: the tree as text, for reports and tests |
//!
//! A scan never fails because one attribute is missing (older kernel, other transport), cannot be read, or vanishes with its
//! controller between two system calls: the field is then `None`, the object is skipped when it is gone altogether. While a controller
//! has not been identified yet, the kernel prints the words `(efault)` or `(null)` for some attributes; these too read as `None`.

pub mod address;
mod capture;
pub mod controller;
#[cfg(test)]
pub(crate) mod fixture;
pub mod hosts;
pub mod inventory;
pub mod namespace;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use address::Address;
pub use capture::capture;
pub use controller::{Controller, ControllerState};
pub use hosts::Host;
pub use inventory::{Inventory, ScanError, Subsystem};
pub use namespace::{AnaState, DeviceNumber, Namespace, NamespaceParent, NamespacePath};

/// The longest attribute that is read: sysfs files hold at most one page, the largest page of a supported architecture is 64 KiB.
const MAX_ATTRIBUTE: u64 = 64 * 1024;

/// Where sysfs, the device nodes, procfs and the kernel's modules are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysfs {
    sys: PathBuf,
    dev: PathBuf,
    proc: PathBuf,
    run: PathBuf,
    modules: PathBuf,
}

impl Sysfs {
    /// This machine's `/sys`, `/dev` and `/proc`.
    #[must_use]
    pub fn system() -> Self {
        Self::at("/")
    }

    /// `sys`, `dev`, `proc`, `run` and `lib/modules` below `root`: a container's view, or a tree made for a test.
    #[must_use]
    pub fn at(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        Self {
            sys: root.join("sys"),
            dev: root.join("dev"),
            proc: root.join("proc"),
            run: root.join("run"),
            modules: root.join("lib/modules"),
        }
    }

    /// The sysfs mount point.
    #[must_use]
    pub fn sys(&self) -> &Path {
        &self.sys
    }

    /// The directory of device nodes.
    #[must_use]
    pub fn dev(&self) -> &Path {
        &self.dev
    }

    /// The procfs mount point.
    #[must_use]
    pub fn proc(&self) -> &Path {
        &self.proc
    }

    /// The directory of what holds until the next boot.
    pub(crate) fn run(&self) -> &Path {
        &self.run
    }

    /// The directory of installed kernel modules.
    pub(crate) fn modules(&self) -> &Path {
        &self.modules
    }

    pub(crate) fn class(&self, class: &str) -> PathBuf {
        self.sys.join("class").join(class)
    }
}

impl Default for Sysfs {
    fn default() -> Self {
        Self::system()
    }
}

/// One attribute's text, without its line end and the blanks around it. `None`: missing, unreadable, empty, or not known yet.
pub(crate) fn text(dir: &Path, name: &str) -> Option<String> {
    known(&read_bounded(&dir.join(name)).ok()?)
}

/// A file's text, at most [`MAX_ATTRIBUTE`] bytes of it; bytes that are not UTF-8 are replaced.
pub(crate) fn read_bounded(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_ATTRIBUTE).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Drops what means "nothing": blanks, and the kernel's words for a null pointer.
fn known(raw: &str) -> Option<String> {
    let value = raw.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
    (!value.is_empty() && value != "(efault)" && value != "(null)").then(|| value.to_owned())
}

/// One attribute as a number or another typed value. `None` as for [`text`], or when it does not parse.
pub(crate) fn value<T: FromStr>(dir: &Path, name: &str) -> Option<T> {
    text(dir, name)?.parse().ok()
}

/// One attribute that is on or off: `on`, `1`, `off`, `0` and the like. `None` as for [`text`], or for another word.
pub(crate) fn switch(dir: &Path, name: &str) -> Option<bool> {
    match text(dir, name)?.as_str() {
        "on" | "1" | "Y" | "y" => Some(true),
        "off" | "0" | "N" | "n" => Some(false),
        _ => None,
    }
}

/// Names in a directory, parsed by `parse`, in numeric order. A directory that is missing or unreadable is empty.
pub(crate) fn entries<T: Ord>(dir: &Path, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
    let mut found: Vec<T> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(&parse))
        .collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_say_nothing_are_absent() {
        let dir = tempfile::tempdir().unwrap();
        for (content, want) in [
            ("Linux                                   \n", Some("Linux")),
            ("(efault)\n", None),
            ("(null)\n", None),
            ("\n", None),
            ("", None),
            ("0f3a1b2c", Some("0f3a1b2c")),
        ] {
            fs::write(dir.path().join("model"), content).unwrap();
            assert_eq!(text(dir.path(), "model").as_deref(), want, "{content:?}");
        }
        assert_eq!(text(dir.path(), "missing"), None);
        assert_eq!(text(dir.path(), "model/below/a/file"), None);
        fs::write(dir.path().join("cntlid"), "seven\n").unwrap();
        assert_eq!(value::<u16>(dir.path(), "cntlid"), None);
    }

    #[test]
    fn a_huge_or_binary_file_is_bounded_and_harmless() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), vec![0xff; 1 << 20]).unwrap();
        assert!(text(dir.path(), "a").unwrap().chars().count() as u64 <= MAX_ATTRIBUTE);
    }
}
