//! The few modules of a kernel that a guest needs, with everything they need themselves.
//!
//! depmod has written down what depends on what (`modules.dep`), what should come along (`modules.softdep`) and which other
//! names exist (`modules.alias`); the kernel says what is compiled in (`modules.builtin`). The selected modules are
//! unpacked (some kernels ship them xz-compressed, slow under emulation) and indexed anew, so that `modprobe`, also when the
//! kernel calls it itself, works in the guest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::cache::{self, FileError, Lock, Scratch};
use super::command::{self, CommandError};
use super::kernels::Kernel;
use super::tools;

/// Modules that every kernel series has, as modules or compiled in.
pub const REQUIRED: &[&str] = &[
    "configfs",
    "nvmet",
    "nvmet-tcp",
    "nvme-tcp",
    "nvme-fabrics",
    "brd",
    "null_blk",
    "loop",
    "ext4",
    "xfs",
    "dummy",
    "virtio_pci",
    "virtio_net",
];

/// Modules that only some series have: taken when they are there. The `crypto-…` names are what the kernel asks modprobe for.
pub const OPTIONAL: &[&str] = &[
    "nvme-loop",
    "nvme-auth",
    "nvme-keyring",
    "tls",
    "crc32c",
    "libcrc32c",
    "crc32c_generic",
    "crc32c-intel",
    "crypto-crc32c",
    "crypto-hmac",
    "crypto-sha256",
    "crypto-sha384",
    "crypto-sha512",
    "crypto-dh",
    "crypto-gcm",
    "crypto-aes",
    "crypto-ctr",
    "crypto-ghash",
    "crypto-ccm",
    "crypto-cbc",
    "crypto-cryptomgr",
    "crypto-ffdhe2048(dh)",
    "dh_generic",
    "hmac",
    "sha256_generic",
    "sha512_generic",
    "gcm",
    "ghash-generic",
    "aesni-intel",
    // What tlshd agrees on for keys of 48 bytes.
    "chacha20poly1305",
    "crypto-chacha20",
    "crypto-poly1305",
    "crypto-rfc7539",
    "dm-mod",
    "md-mod",
    "raid1",
    "nvme-rdma",
    "nvme-fc",
    "failover",
    "net_failover",
    "8021q",
    "ipv6",
];

/// Why there is no module set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModulesError {
    /// A file cannot be read or written.
    #[error("the module set cannot be made")]
    File(#[from] FileError),
    /// The kernel has no such module, neither loadable nor compiled in.
    #[error("Linux {uname} has no module {module}")]
    Absent {
        /// The module.
        module: String,
        /// The kernel.
        uname: String,
    },
    /// Unpacking or indexing failed.
    #[error("the module set of Linux {uname} cannot be made")]
    Command {
        /// The kernel.
        uname: String,
        /// What failed.
        source: CommandError,
    },
}

/// Makes (once) the set of modules for guests of this kernel; gives the folder that holds `lib/modules/UNAME`.
///
/// # Errors
/// A required module that this kernel does not have; a cache that cannot be written.
pub fn prepare(kernel: &Kernel, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, ModulesError> {
    let target = kernel.root.join(format!("guest-{:016x}", fingerprint()));
    if target.is_dir() {
        return Ok(target);
    }
    let mut lock = kernel.root.clone().into_os_string();
    lock.push(".lock");
    let waiting = || progress(&format!("waiting for another process that prepares Linux {}", kernel.uname));
    let _lock = Lock::take(Path::new(&lock), waiting)?;
    if target.is_dir() {
        return Ok(target);
    }
    progress(&format!("selecting modules of {}", kernel.uname));
    let index = Index::read(&kernel.modules())?;
    let files = select(&index, &kernel.uname)?;
    let scratch = Scratch::create(&kernel.root)?;
    let modules = scratch.path().join("lib/modules").join(&kernel.uname);
    for file in &files {
        unpack(
            &kernel.modules().join(file),
            &modules.join(file.strip_suffix(".xz").unwrap_or(file)),
            &kernel.uname,
        )?;
    }
    for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        let from = kernel.modules().join(name);
        if from.is_file() {
            fs::copy(&from, modules.join(name)).map_err(FileError::new("copy", &from))?;
        }
    }
    command::output(command::command(tools::find("depmod")).arg("-b").arg(scratch.path()).arg(&kernel.uname))
        .map_err(|source| ModulesError::Command { uname: kernel.uname.clone(), source })?;
    scratch.publish(&target)?;
    Ok(target)
}

/// Changes when the lists do, so that a cache from an older version is not used (FNV-1a).
fn fingerprint() -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in REQUIRED.iter().chain(OPTIONAL).flat_map(|name| name.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

fn select(index: &Index, uname: &str) -> Result<BTreeSet<String>, ModulesError> {
    let mut files = BTreeSet::new();
    for name in REQUIRED {
        if !index.add(name, &mut files) {
            return Err(ModulesError::Absent { module: (*name).to_owned(), uname: uname.to_owned() });
        }
    }
    for name in OPTIONAL {
        index.add(name, &mut files);
    }
    Ok(files)
}

fn unpack(from: &Path, to: &Path, uname: &str) -> Result<(), ModulesError> {
    cache::create_dir(to.parent().unwrap_or(to))?;
    if from.extension().is_none_or(|extension| extension != "xz") {
        fs::copy(from, to).map_err(FileError::new("copy", from))?;
        return Ok(());
    }
    let out = File::create(to).map_err(FileError::new("create", to))?;
    command::output(command::command(tools::find("xz")).arg("-dc").arg(from).stdout(out))
        .map_err(|source| ModulesError::Command { uname: uname.to_owned(), source })?;
    Ok(())
}

/// What depmod knows about a set of modules. Names have `_` for `-`.
#[derive(Debug, Default)]
struct Index {
    /// Module name to its file, below the modules folder.
    files: BTreeMap<String, String>,
    /// File to the files it depends on.
    depends: BTreeMap<String, Vec<String>>,
    /// Module name to names that should be loaded with it.
    soft: BTreeMap<String, Vec<String>>,
    /// Other name to module names; only aliases without wildcards.
    aliases: BTreeMap<String, Vec<String>>,
    builtin: BTreeSet<String>,
}

impl Index {
    fn read(folder: &Path) -> Result<Self, FileError> {
        let mut index = Self::default();
        index.parse_depends(&cache::read_text(&folder.join("modules.dep"))?);
        index.parse_soft(&cache::read_text(&folder.join("modules.softdep"))?);
        index.parse_aliases(&cache::read_text(&folder.join("modules.alias"))?);
        let builtin = cache::read_text(&folder.join("modules.builtin"))?;
        index.builtin = builtin.lines().map(module_name).collect();
        Ok(index)
    }

    fn parse_depends(&mut self, text: &str) {
        for line in text.lines() {
            let Some((file, depends)) = line.split_once(':') else { continue };
            self.files.insert(module_name(file), file.to_owned());
            self.depends.insert(file.to_owned(), depends.split_whitespace().map(str::to_owned).collect());
        }
    }

    fn parse_soft(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if words.next() != Some("softdep") {
                continue;
            }
            let Some(name) = words.next() else { continue };
            let others = words.filter(|word| !word.ends_with(':')).map(str::to_owned);
            self.soft.entry(plain(name)).or_default().extend(others);
        }
    }

    fn parse_aliases(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some("alias"), Some(alias), Some(module)) = (words.next(), words.next(), words.next())
                && !alias.contains(['*', '?', '['])
            {
                self.aliases.entry(plain(alias)).or_default().push(plain(module));
            }
        }
    }

    /// Adds the files of a module or alias and of all it needs; false when this kernel does not know the name.
    fn add(&self, name: &str, files: &mut BTreeSet<String>) -> bool {
        let name = plain(name);
        if let Some(file) = self.files.get(&name) {
            if files.insert(file.clone()) {
                for depended in self.depends.get(file).into_iter().flatten() {
                    self.add(&module_name(depended), files);
                }
                for soft in self.soft.get(&name).into_iter().flatten() {
                    self.add(soft, files);
                }
            }
            return true;
        }
        if let Some(modules) = self.aliases.get(&name) {
            for module in modules {
                self.add(module, files);
            }
            return true;
        }
        self.builtin.contains(&name)
    }
}

/// `a/b/nvmet-tcp.ko.xz` is module `nvmet_tcp`.
fn module_name(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    plain(name.split(".ko").next().unwrap_or(name))
}

/// The kernel takes `-` and `_` for the same in names of modules.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::default();
        index.parse_depends("k/nvmet-tcp.ko.xz: k/nvmet.ko.xz\nk/nvmet.ko.xz:\nk/ext4.ko: k/jbd2.ko\nk/jbd2.ko:\nk/crc_x.ko:\n");
        index.parse_soft("# comment\nsoftdep ext4 pre: crc32c post: jbd2\n");
        index.parse_aliases("# c\nalias crc32c crc_x\nalias pci:v*d* nvmet\nalias crypto-crc32c crc_x\n");
        index.builtin.insert("configfs".to_owned());
        index
    }

    #[test]
    fn takes_dependencies_softdeps_and_aliases() {
        let mut files = BTreeSet::new();
        assert!(index().add("ext4", &mut files));
        assert_eq!(
            files.iter().map(String::as_str).collect::<Vec<_>>(),
            ["k/crc_x.ko", "k/ext4.ko", "k/jbd2.ko"]
        );
        files.clear();
        assert!(index().add("nvmet_tcp", &mut files));
        assert_eq!(files.len(), 2);
        files.clear();
        assert!(index().add("crypto-crc32c", &mut files) && files.contains("k/crc_x.ko"));
    }

    #[test]
    fn builtin_counts_and_unknown_does_not() {
        let mut files = BTreeSet::new();
        assert!(index().add("configfs", &mut files));
        assert!(!index().add("nvme-loop", &mut files));
        assert!(files.is_empty());
        assert!(
            matches!(select(&index(), "6.x"), Err(ModulesError::Absent { module, .. }) if module == "nvme-tcp")
        );
    }

    #[test]
    fn names_of_files() {
        assert_eq!(module_name("kernel/drivers/nvme/target/nvmet-tcp.ko.xz"), "nvmet_tcp");
        assert_eq!(module_name("kernel/fs/ext4.ko"), "ext4");
    }
}
