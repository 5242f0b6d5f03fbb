//! Fetching Debian's cloud kernels, once, into the cache.
//!
//! A kernel is asked for by the name of its meta package only; what that needs (since 7.0 kernel and modules are packages of
//! their own) is found in apt's metadata. Archives are unpacked, nothing is installed. A kernel that is in the cache is used
//! as it is, without a look at the network; remove its folder to get a newer one.
//!
//! | file in the kernel's folder | what |
//! |---|---|
//! | `vmlinuz` | the kernel image |
//! | `lib/modules/UNAME/` | its modules, with depmod's indexes |
//! | `packages` | name and version of every package it came from, one a line |

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::apt::{Apt, AptError, Package};
use super::cache::{self, FileError, Lock, Scratch};
use super::command::{self, CommandError};
use super::release::Release;
use super::tools;

/// The package that every Debian release has for its cloud kernel.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// Why there is no kernel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A file of the cache cannot be read or written.
    #[error("the kernel cache is unusable")]
    File(#[from] FileError),
    /// The packages cannot be had.
    #[error("cannot fetch Linux {release}")]
    Apt {
        /// The series that was wanted.
        release: Release,
        /// Why.
        source: AptError,
    },
    /// A package cannot be unpacked, or its modules cannot be indexed.
    #[error("cannot unpack Linux {release}")]
    Unpack {
        /// The series that was wanted.
        release: Release,
        /// Why.
        source: CommandError,
    },
    /// The packages hold no kernel image or no modules where they are expected.
    #[error("the packages of Linux {release} ({packages}) hold no {missing}")]
    Incomplete {
        /// The series that was wanted.
        release: Release,
        /// What was unpacked.
        packages: String,
        /// What is not there.
        missing: &'static str,
    },
    /// Debian's suite has moved on to another series.
    #[error("{suite} has Linux {uname}, not {release}: this project must be taught the suite's new series")]
    OtherSeries {
        /// The series that was wanted.
        release: Release,
        /// Where it was expected.
        suite: &'static str,
        /// What is there.
        uname: String,
    },
}

/// A kernel in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kernel {
    /// The series.
    pub release: Release,
    /// `uname -r` of it.
    pub uname: String,
    /// The kernel image.
    pub image: PathBuf,
    /// The folder that holds `lib/modules/UNAME`.
    pub root: PathBuf,
}

impl Kernel {
    /// `lib/modules/UNAME` of it.
    pub fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.uname)
    }

    /// The kernel in this folder, when it is complete.
    fn open(release: Release, root: &Path) -> Result<Option<Self>, KernelError> {
        let image = root.join("vmlinuz");
        if !image.is_file() {
            return Ok(None);
        }
        let Some(uname) = only_folder(&root.join("lib/modules"))? else { return Ok(None) };
        // Without the list of what is compiled in, a module that is missing cannot be told from one that is not needed.
        if !root.join("lib/modules").join(&uname).join("modules.builtin").is_file() {
            return Ok(None);
        }
        if !release.matches(&uname) {
            return Err(KernelError::OtherSeries { release, suite: release.folder(), uname });
        }
        Ok(Some(Self { release, uname, image, root: root.to_owned() }))
    }
}

/// The kernel of this series: from the cache, else fetched. Says each longer step through `progress`.
///
/// Safe to call from several processes at once: one fetches, the others wait for it.
///
/// # Errors
/// No network and no cached kernel, packages that have moved on to another series, a cache that cannot be written.
pub fn prepare(release: Release, progress: &mut dyn FnMut(&str)) -> Result<Kernel, KernelError> {
    let folder = cache::root().join("kernels");
    let target = folder.join(release.folder());
    if let Some(kernel) = Kernel::open(release, &target)? {
        return Ok(kernel);
    }
    let lock = folder.join(format!("{}.lock", release.folder()));
    let _lock =
        Lock::take(&lock, || progress(&format!("waiting for another process that fetches Linux {release}")))?;
    if let Some(kernel) = Kernel::open(release, &target)? {
        return Ok(kernel);
    }
    if target.exists() {
        fs::remove_dir_all(&target).map_err(FileError::new("remove incomplete", &target))?;
    }
    let scratch = Scratch::create(&folder)?;
    fetch(release, scratch.path(), progress)?;
    if Kernel::open(release, scratch.path())?.is_none() {
        return Err(incomplete(release, scratch.path(), "kernel"));
    }
    scratch.publish(&target)?;
    Kernel::open(release, &target)?.ok_or_else(|| incomplete(release, &target, "kernel"))
}

fn incomplete(release: Release, root: &Path, missing: &'static str) -> KernelError {
    let packages = fs::read_to_string(root.join("packages")).unwrap_or_default();
    KernelError::Incomplete { release, packages: packages.trim().replace('\n', ", "), missing }
}

/// Fetches and unpacks into `root`.
fn fetch(release: Release, root: &Path, progress: &mut dyn FnMut(&str)) -> Result<(), KernelError> {
    let apt_error = |source| KernelError::Apt { release, source };
    progress(&format!("reading the package lists of {}", release.folder()));
    let mut apt = Apt::open(&cache::root().join("apt").join(release.folder()), release).map_err(apt_error)?;
    let packages = closure(&mut apt).map_err(apt_error)?;
    let names: String =
        packages.iter().map(|package| format!("{} {}\n", package.name, package.version)).collect();
    cache::write(&root.join("packages"), names)?;

    let unpacked = root.join("unpacked");
    cache::create_dir(&unpacked)?;
    for package in &packages {
        progress(&format!("fetching {} {} ({})", package.name, package.version, mebibytes(package.size)));
        let archive = apt.download(package, root).map_err(apt_error)?;
        command::output(command::command("dpkg-deb").arg("-x").arg(&archive).arg(&unpacked))
            .map_err(|source| KernelError::Unpack { release, source })?;
        fs::remove_file(&archive).map_err(FileError::new("remove", &archive))?;
    }

    let modules = ["usr/lib/modules", "lib/modules"].map(|at| unpacked.join(at));
    let modules =
        modules.iter().find(|at| at.is_dir()).ok_or_else(|| incomplete(release, root, "modules"))?;
    let uname = only_folder(modules)?.ok_or_else(|| incomplete(release, root, "modules"))?;
    let target = root.join("lib/modules").join(&uname);
    cache::create_dir(&root.join("lib/modules"))?;
    fs::rename(modules.join(&uname), &target).map_err(FileError::new("rename to", &target))?;
    if !target.join("modules.builtin").is_file() {
        return Err(incomplete(release, root, "modules.builtin"));
    }
    let images = [unpacked.join("boot").join(format!("vmlinuz-{uname}")), target.join("vmlinuz")];
    let image =
        images.iter().find(|at| at.is_file()).ok_or_else(|| incomplete(release, root, "kernel image"))?;
    progress(&format!("indexing the modules of {uname}"));
    command::output(command::command(tools::find("depmod")).arg("-b").arg(root).arg(&uname))
        .map_err(|source| KernelError::Unpack { release, source })?;
    // Last: a folder with an image counts as complete.
    fs::rename(image, root.join("vmlinuz")).map_err(FileError::new("rename", image))?;
    fs::remove_dir_all(&unpacked).map_err(FileError::new("remove", &unpacked))?;
    Ok(())
}

/// The meta package and those it needs that hold parts of the kernel.
fn closure(apt: &mut Apt) -> Result<Vec<Package>, AptError> {
    let mut packages = Vec::new();
    let mut seen = BTreeSet::from([META_PACKAGE.to_owned()]);
    let mut wanted = vec![(META_PACKAGE.to_owned(), None)];
    while let Some((name, version)) = wanted.pop() {
        let package = apt.show(&name, version.as_deref())?;
        for (name, version) in &package.depends {
            if holds_kernel(name) && seen.insert(name.clone()) {
                wanted.push((name.clone(), version.clone()));
            }
        }
        packages.push(package);
    }
    Ok(packages)
}

fn holds_kernel(name: &str) -> bool {
    ["linux-image-", "linux-binary-", "linux-modules-", "linux-base-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// The name of the one folder in `path`; `None` when it is not there or not exactly one.
fn only_folder(path: &Path) -> Result<Option<String>, FileError> {
    if !path.is_dir() {
        return Ok(None);
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(FileError::new("list", path))? {
        let entry = entry.map_err(FileError::new("list", path))?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(if names.len() == 1 { names.pop() } else { None })
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kernel_parts_are_followed() {
        for name in
            ["linux-image-6.1.0-1-cloud-amd64", "linux-binary-7.1", "linux-modules-7.1", "linux-base-7.1"]
        {
            assert!(holds_kernel(name), "{name}");
        }
        for name in ["linux-base", "initramfs-tools", "kmod", "linux-headers-7"] {
            assert!(!holds_kernel(name), "{name}");
        }
    }

    #[test]
    fn folder_without_image_is_no_kernel() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("lib/modules/6.12.9-cloud")).unwrap();
        assert_eq!(Kernel::open(Release::V6_12, dir.path()).unwrap(), None);
        fs::write(dir.path().join("vmlinuz"), "x").unwrap();
        assert_eq!(Kernel::open(Release::V6_12, dir.path()).unwrap(), None, "no modules.builtin");
        fs::write(dir.path().join("lib/modules/6.12.9-cloud/modules.builtin"), "").unwrap();
        let kernel = Kernel::open(Release::V6_12, dir.path()).unwrap().unwrap();
        assert_eq!(kernel.uname, "6.12.9-cloud");
        assert!(matches!(Kernel::open(Release::V6_1, dir.path()), Err(KernelError::OtherSeries { .. })));
    }

    #[test]
    fn sizes_are_rounded_up() {
        assert_eq!(mebibytes(0), "0.0 MiB");
        assert_eq!(mebibytes(1), "0.1 MiB");
        assert_eq!(mebibytes(3 << 20), "3.0 MiB");
    }
}
