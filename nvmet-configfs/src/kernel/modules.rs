//! The modules of a target.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Roots;
use crate::errno::Errno;

/// A module that a target may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Module {
    /// `configfs`: the file system of the tree.
    Configfs,
    /// `nvmet`: the target itself.
    Nvmet,
    /// `nvmet-tcp`: its TCP transport; loads `nvmet` too.
    NvmetTcp,
    /// `nvmet-rdma`: its RDMA transport.
    NvmetRdma,
    /// `nvme-loop`: target and host within this machine.
    NvmeLoop,
}

impl Module {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Configfs, Self::Nvmet, Self::NvmetTcp, Self::NvmetRdma, Self::NvmeLoop];

    /// Its name as `modprobe` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configfs => "configfs",
            Self::Nvmet => "nvmet",
            Self::NvmetTcp => "nvmet-tcp",
            Self::NvmetRdma => "nvmet-rdma",
            Self::NvmeLoop => "nvme-loop",
        }
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ModuleState {
    /// In the running kernel, loaded.
    Loaded,
    /// In the running kernel, built in (`modules.builtin`).
    BuiltIn,
    /// On disk for the running kernel (`modules.dep`): `modprobe` will load it.
    Available,
    /// Nowhere.
    Missing,
}

impl ModuleState {
    /// Whether it is in the running kernel.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Loaded | Self::BuiltIn)
    }
}

impl fmt::Display for ModuleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loaded => "loaded",
            Self::BuiltIn => "built in",
            Self::Available => "available",
            Self::Missing => "missing",
        })
    }
}

pub(super) fn state(roots: &Roots, release: Option<&str>, module: Module) -> ModuleState {
    let file = module.name().replace('-', "_");
    let listed = |list: &str| {
        let Some(release) = release else { return false };
        let text = std::fs::read_to_string(roots.modules.join(release).join(list)).unwrap_or_default();
        text.lines().any(|line| names(line, &file))
    };
    // `modules.builtin` first: a built-in module has a directory in /sys/module too if it has parameters.
    if listed("modules.builtin") {
        ModuleState::BuiltIn
    } else if roots.sys.join("module").join(&file).is_dir() {
        ModuleState::Loaded
    } else if listed("modules.dep") {
        ModuleState::Available
    } else {
        ModuleState::Missing
    }
}

/// Whether a line (`kernel/drivers/nvme/target/nvmet-tcp.ko.xz: …`) is about the module `file`, in which `-` reads as `_`.
fn names(line: &str, file: &str) -> bool {
    let path = line.split(':').next().unwrap_or_default().trim();
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.split(".ko").next().unwrap_or_default();
    name.contains(".ko") && stem.replace('-', "_") == file
}

/// A module was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no `modprobe`.
    #[error("cannot load {module}: no modprobe in /sbin, /usr/sbin, /bin or /usr/bin: install kmod")]
    NoModprobe {
        /// The module.
        module: Module,
    },
    /// `modprobe` cannot be run.
    #[error("cannot load {module}: cannot run {}", .modprobe.display())]
    Run {
        /// The module.
        module: Module,
        /// The program.
        modprobe: PathBuf,
        /// What the system answered.
        source: Errno,
    },
    /// `modprobe` ran and failed.
    #[error(
        "cannot load {module}: modprobe says: {message}. Loading needs root (CAP_SYS_MODULE), and the module from the \
         kernel's package (on Debian linux-image-amd64 or linux-image-cloud-amd64)"
    )]
    Refused {
        /// The module.
        module: Module,
        /// What it printed.
        message: String,
    },
}

/// Loads a module with `modprobe`, which does nothing if it is loaded or built in. Needs root.
///
/// `modprobe` is looked for in `/sbin`, `/usr/sbin`, `/bin` and `/usr/bin`, not in `PATH`.
///
/// # Errors
/// [`LoadError`], with what `modprobe` printed.
pub fn load_module(module: Module) -> Result<(), LoadError> {
    const PLACES: [&str; 4] = ["/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe", "/usr/bin/modprobe"];
    match PLACES.iter().map(Path::new).find(|p| p.exists()) {
        Some(modprobe) => load_module_with(modprobe, module),
        None => Err(LoadError::NoModprobe { module }),
    }
}

/// The same with a given `modprobe`.
///
/// # Errors
/// [`LoadError`], with what it printed.
pub fn load_module_with(modprobe: &Path, module: Module) -> Result<(), LoadError> {
    let run = |e: io::Error| LoadError::Run { module, modprobe: modprobe.into(), source: Errno::from_io(&e) };
    let mut command = Command::new(modprobe);
    command.arg("--").arg(module.name()).stdin(Stdio::null()).env("LC_ALL", "C");
    let output = command.output().map_err(run)?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    let message = if message.is_empty() { output.status.to_string() } else { message };
    Err(LoadError::Refused { module, message })
}
