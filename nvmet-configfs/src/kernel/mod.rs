//! What this machine's kernel offers as a target, and what is missing. Linux only.
//!
//! [`check`] only reads. [`load_module`] and [`mount_configfs`] change the machine and are never called by anything else in
//! this crate.

mod modules;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::support;
use crate::tree::OsTree;
use crate::tree::os::is_configfs;

pub use crate::support::Presence;
pub use modules::{LoadError, Module, ModuleState, load_module, load_module_with};
pub use report::{
    Capabilities, Configfs, MountError, Nvmet, Problem, Report, mount_configfs, mount_configfs_at,
};

/// Where the kernel is looked at; [`Roots::default`] is where it is, tests have their own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Roots {
    /// Mount point of configfs: `/sys/kernel/config`.
    pub configfs: PathBuf,
    /// `/proc`.
    pub proc_: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// Modules of all kernels: `/lib/modules`.
    pub modules: PathBuf,
    /// Whether the mount point has to be on configfs; tests with ordinary directories switch it off.
    pub magic: MagicCheck,
}

/// Whether the file system of the mount point is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MagicCheck {
    /// It has to be configfs.
    #[default]
    Required,
    /// Any directory will do.
    Skipped,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            configfs: PathBuf::from("/sys/kernel/config"),
            proc_: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
            modules: PathBuf::from("/lib/modules"),
            magic: MagicCheck::Required,
        }
    }
}

impl Roots {
    /// The same places below another root, without looking for configfs by its magic.
    pub fn below(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        Self {
            configfs: root.join("sys/kernel/config"),
            proc_: root.join("proc"),
            sys: root.join("sys"),
            modules: root.join("lib/modules"),
            magic: MagicCheck::Skipped,
        }
    }

    /// The running kernel's release, for example `6.12.107+deb13-cloud-amd64`.
    fn release(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.proc_.join("sys/kernel/osrelease")).ok()?;
        Some(text.trim().to_owned()).filter(|r| !r.is_empty())
    }
}

/// Looks at everything a target needs. Never fails: what cannot be found out is said in the report.
///
/// Nothing is loaded, mounted or made, so attributes that only exist inside objects are known only where there are objects.
pub fn check(roots: &Roots) -> Report {
    let release = roots.release();
    let mounted = match roots.magic {
        MagicCheck::Required => is_configfs(&roots.configfs),
        MagicCheck::Skipped => roots.configfs.is_dir(),
    };
    let configfs = if mounted { Configfs::Mounted } else { Configfs::NotMounted };
    let nvmet = match (mounted, roots.configfs.join("nvmet/subsystems").is_dir()) {
        (true, true) => Nvmet::Present,
        (true, false) => Nvmet::NotLoaded,
        // Without configfs the directory cannot be seen; the module can.
        (false, _) if roots.sys.join("module/nvmet").is_dir() => Nvmet::Hidden,
        (false, _) => Nvmet::NotLoaded,
    };
    let states = Module::ALL.iter().map(|m| (*m, modules::state(roots, release.as_deref(), *m)));
    let modules: BTreeMap<_, _> = states.collect();
    let tree = OsTree::open_unchecked(roots.configfs.join("nvmet")).ok();
    // What cannot be listed cannot be told.
    let attributes = tree.and_then(|tree| support(&tree).ok()).unwrap_or_default();
    let capabilities = Capabilities::of(&attributes);
    Report { roots: roots.clone(), release, configfs, nvmet, modules, capabilities, attributes }
}

#[cfg(test)]
mod tests;
