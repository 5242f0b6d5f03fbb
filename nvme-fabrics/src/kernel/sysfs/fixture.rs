//! A made-up sysfs tree for unit tests: directories and files as the kernel lays them out.

use std::fs;
use std::path::{Path, PathBuf};

use super::Sysfs;

/// A temporary root with `sys`, `dev` and `proc`.
pub(crate) struct Fixture {
    root: tempfile::TempDir,
}

/// Attributes of a TCP controller in its usual state.
pub(crate) const TCP: &[(&str, &str)] = &[
    ("state", "live"),
    ("transport", "tcp"),
    ("address", "traddr=192.0.2.10,trsvcid=4420,src_addr=192.0.2.55"),
    ("subsysnqn", "mysub"),
    ("hostnqn", "nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
    ("hostid", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
    ("cntlid", "1"),
    ("model", "Linux                                   "),
    ("serial", "0123456789abcdef1234"),
    ("firmware_rev", "6.12.1  "),
    ("cntrltype", "io"),
];

impl Fixture {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for dir in [
            "sys/class/nvme",
            "sys/class/nvme-subsystem",
            "sys/class/nvme-generic",
            "sys/block",
            "dev",
            "proc/self",
        ] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        let f = Self { root };
        f.file("proc/self/mountinfo", "36 35 8:1 / / rw - ext4 /dev/sda1 rw");
        f
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn sysfs(&self) -> Sysfs {
        Sysfs::at(self.root.path())
    }

    /// Writes one file, its line end added, and the directories above it.
    pub(crate) fn file(&self, path: impl AsRef<Path>, text: &str) -> &Self {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
        self
    }

    pub(crate) fn dir(&self, path: impl AsRef<Path>) -> &Self {
        fs::create_dir_all(self.root.path().join(path)).unwrap();
        self
    }

    pub(crate) fn remove(&self, path: impl AsRef<Path>) {
        let path = self.root.path().join(path);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// A controller with `base` attributes, then `changed` ones.
    pub(crate) fn controller(&self, name: &str, base: &[(&str, &str)], changed: &[(&str, &str)]) -> &Self {
        for (attribute, text) in base.iter().chain(changed) {
            self.file(PathBuf::from("sys/class/nvme").join(name).join(attribute), text);
        }
        self
    }

    /// A subsystem with links to its controllers.
    pub(crate) fn subsystem(&self, name: &str, nqn: &str, controllers: &[&str]) -> &Self {
        let dir = PathBuf::from("sys/class/nvme-subsystem").join(name);
        self.file(dir.join("subsysnqn"), nqn).file(dir.join("iopolicy"), "numa");
        for controller in controllers {
            self.dir(dir.join(controller));
        }
        self
    }

    /// A block device directory below `parent`, its link in `/sys/block` and its node in `/dev`.
    pub(crate) fn namespace(&self, parent: &str, name: &str, nsid: &str, dev: &str) -> &Self {
        for dir in [PathBuf::from("sys/class").join(parent).join(name), PathBuf::from("sys/block").join(name)]
        {
            self.file(dir.join("nsid"), nsid)
                .file(dir.join("size"), "2048")
                .file(dir.join("dev"), dev)
                .file(dir.join("queue/logical_block_size"), "512")
                .dir(dir.join("holders"));
        }
        self.file(PathBuf::from("dev").join(name), "")
    }

    /// A controller's hidden path disk.
    pub(crate) fn path(&self, controller: &str, name: &str, ana: &str) -> &Self {
        let dir = PathBuf::from("sys/class/nvme").join(controller).join(name);
        self.file(dir.join("ana_state"), ana).file(dir.join("nsid"), "1")
    }

    /// One subsystem `mysub`, one TCP controller `nvme0`, one namespace `nvme0n1`.
    pub(crate) fn guide() -> Self {
        let f = Self::new();
        f.controller("nvme0", TCP, &[])
            .subsystem("nvme-subsys0", "mysub", &["nvme0"])
            .namespace("nvme-subsystem/nvme-subsys0", "nvme0n1", "1", "259:0")
            .path("nvme0", "nvme0c0n1", "optimized");
        f
    }
}
