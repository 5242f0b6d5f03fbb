//! Who looks after which controller: `/run/nvme/registry`, shared with nvme-cli 3.
//!
//! ```text
//! /run/nvme/registry/nvme3/owner      stas
//!                          seqnum     2717
//! ```
//!
//! | file | content |
//! |---|---|
//! | `owner` | a name: `stas`, `nbft`, `discoverd`; no file, no owner |
//! | `seqnum` | the number of the last uevent when the entry was made: the rule of udev that removes entries spares those that are newer than the removal |
//!
//! An agreement among programs and no barrier: whoever disconnects everything leaves what others own; who names one controller means it.
//! An entry is there whole or not at all: it is made beside its place and moved there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::kernel::names::ControllerName;
use crate::kernel::sysfs::Sysfs;

/// The longest name of an owner, in bytes.
const MAX_OWNER: usize = 255;

/// The registry's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    dir: PathBuf,
    uevents: PathBuf,
}

/// The name of whoever looks after controllers: 1 to 255 bytes without blanks and control characters at its ends or in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(String);

/// That is no name of an owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no name of an owner: 1 to 255 bytes, without blanks and control characters", .0.escape_debug())]
pub struct OwnerError(pub String);

impl Owner {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Owner {
    type Err = OwnerError;
    fn from_str(text: &str) -> Result<Self, OwnerError> {
        let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if is_plain && (1..=MAX_OWNER).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(OwnerError(text.to_owned()))
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Registry {
    /// This machine's.
    #[must_use]
    pub fn system() -> Self {
        Self::at("/")
    }

    /// `run/nvme/registry` and `sys/kernel/uevent_seqnum` below another root.
    #[must_use]
    pub fn at(root: impl AsRef<Path>) -> Self {
        Self::of(&Sysfs::at(root))
    }

    /// That of the machine with this sysfs.
    #[must_use]
    pub fn of(sysfs: &Sysfs) -> Self {
        Self { dir: sysfs.run().join("nvme/registry"), uevents: sysfs.sys().join("kernel/uevent_seqnum") }
    }

    fn entry(&self, controller: ControllerName) -> PathBuf {
        self.dir.join(controller.to_string())
    }

    /// Who owns a controller. `None`: nobody, or the entry cannot be read.
    #[must_use]
    pub fn owner(&self, controller: ControllerName) -> Option<Owner> {
        let text = crate::kernel::sysfs::read_bounded(&self.entry(controller).join("owner")).ok()?;
        text.lines().next()?.trim_ascii().parse().ok()
    }

    /// Enters a controller that was just made. What an earlier controller of this number left is replaced.
    ///
    /// # Errors
    /// The entry cannot be written; it needs root. The controller is connected all the same.
    pub fn enter(&self, controller: ControllerName, owner: &Owner) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let made = self.dir.join(format!(".{controller}.{}", uuid::Uuid::new_v4().simple()));
        let result = fs::create_dir(&made).and_then(|()| {
            // Without a number the udev rule goes by the device node alone.
            if let Ok(number) = fs::read_to_string(&self.uevents) {
                fs::write(made.join("seqnum"), number)?;
            }
            fs::write(made.join("owner"), format!("{owner}\n"))?;
            self.forget(controller)?;
            fs::rename(&made, self.entry(controller))
        });
        if result.is_err() {
            // Nothing half-made may stay; that it is there is the failure that counts.
            let _ = fs::remove_dir_all(&made);
        }
        result
    }

    /// Removes the entry of a controller: that it is gone, or made anew by nobody. No entry is no error.
    ///
    /// # Errors
    /// The entry is there and cannot be removed.
    pub fn forget(&self, controller: ControllerName) -> io::Result<()> {
        let hidden = self.dir.join(format!(".{controller}.{}", uuid::Uuid::new_v4().simple()));
        match fs::rename(self.entry(controller), &hidden) {
            Ok(()) => fs::remove_dir_all(&hidden),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::system()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_made_replaced_and_forgotten_whole() {
        let root = tempfile::tempdir().unwrap();
        let registry = Registry::at(root.path());
        let c = ControllerName::new(3);
        assert_eq!(registry.owner(c), None);
        registry.forget(c).unwrap();
        fs::create_dir_all(root.path().join("sys/kernel")).unwrap();
        fs::write(root.path().join("sys/kernel/uevent_seqnum"), "2717\n").unwrap();
        registry.enter(c, &"stas".parse().unwrap()).unwrap();
        let dir = root.path().join("run/nvme/registry");
        fs::write(dir.join("nvme3/note"), "of the old one").unwrap();
        registry.enter(c, &"mine".parse().unwrap()).unwrap();
        assert_eq!(registry.owner(c).unwrap().as_str(), "mine");
        assert_eq!(fs::read_to_string(dir.join("nvme3/seqnum")).unwrap(), "2717\n");
        assert!(!dir.join("nvme3/note").exists());
        registry.forget(c).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }

    #[test]
    fn names_are_plain() {
        for bad in ["", " ", "a b", "a\n", "\0"] {
            assert!(bad.parse::<Owner>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(256).parse::<Owner>().is_err());
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("run/nvme/registry/nvme0");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("owner"), "  nbft \nmore\n").unwrap();
        assert_eq!(Registry::at(root.path()).owner(ControllerName::new(0)).unwrap().as_str(), "nbft");
        fs::write(dir.join("owner"), "\n").unwrap();
        assert_eq!(Registry::at(root.path()).owner(ControllerName::new(0)), None);
    }
}
