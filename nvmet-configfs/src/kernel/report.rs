//! The report of a check.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::{Module, ModuleState, Roots};
use crate::errno::Errno;
use crate::object::Object;
use crate::support::{Presence, Support};
use crate::tree::os::is_configfs;

/// What a machine's kernel offers as a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Where it was looked at.
    pub roots: Roots,
    /// Release of the running kernel.
    pub release: Option<String>,
    /// The file system of the tree.
    pub configfs: Configfs,
    /// The target.
    pub nvmet: Nvmet,
    /// The modules.
    pub modules: BTreeMap<Module, ModuleState>,
    /// What the tree shows.
    pub capabilities: Capabilities,
    /// Which attributes it has, each by itself.
    pub attributes: Support,
}

/// The file system of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Configfs {
    /// It is mounted where it should be.
    Mounted,
    /// It is not.
    NotMounted,
}

impl Configfs {
    /// Whether it is.
    pub fn is_mounted(self) -> bool {
        self == Self::Mounted
    }
}

/// The target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nvmet {
    /// Its tree is there.
    Present,
    /// It is loaded, but its tree cannot be seen since configfs is not mounted.
    Hidden,
    /// It is not loaded.
    NotLoaded,
}

/// What the tree shows of a kernel's abilities. Those that show inside an object are [`Presence::Unknown`] until there is
/// one: nothing is made to find out.
///
/// | field | shows by | since Linux |
/// |---|---|---|
/// | `unique_discovery_nqn` | `discovery_nqn` | 6.9 |
/// | `passthru` | `subsystems/*/passthru` (`CONFIG_NVME_TARGET_PASSTHRU`) | 5.9 |
/// | `authentication` | `hosts/*/dhchap_key` (`CONFIG_NVME_TARGET_AUTH`) | 6.0 |
/// | `tls` | `ports/*/addr_tsas`; usable only with `CONFIG_NVME_TARGET_TCP_TLS` | 6.7 |
/// | `queue_size` | `ports/*/param_max_queue_size` | 6.9 |
/// | `reservations` | `subsystems/*/namespaces/*/resv_enable` | 6.13 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// A discovery NQN of its own.
    pub unique_discovery_nqn: Presence,
    /// Passing an NVMe controller through.
    pub passthru: Presence,
    /// DH-HMAC-CHAP.
    pub authentication: Presence,
    /// TLS on TCP.
    pub tls: Presence,
    /// Limiting the size of queues.
    pub queue_size: Presence,
    /// Reservations.
    pub reservations: Presence,
}

impl Capabilities {
    /// Those that the attributes of a kernel stand for.
    pub(super) fn of(attributes: &Support) -> Self {
        Self {
            unique_discovery_nqn: attributes.presence(Object::Root, "discovery_nqn"),
            passthru: attributes.presence(Object::Passthru, "enable"),
            authentication: attributes.presence(Object::Host, "dhchap_key"),
            tls: attributes.presence(Object::Port, "addr_tsas"),
            queue_size: attributes.presence(Object::Port, "param_max_queue_size"),
            reservations: attributes.presence(Object::Namespace, "resv_enable"),
        }
    }

    /// All of them with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Presence)> {
        [
            ("unique discovery NQN", self.unique_discovery_nqn),
            ("pass-through", self.passthru),
            ("authentication", self.authentication),
            ("TLS", self.tls),
            ("queue size limit", self.queue_size),
            ("reservations", self.reservations),
        ]
        .into_iter()
    }
}

/// Something a target needs and this machine does not have, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// configfs is not mounted.
    #[error("configfs is not mounted: mount -t configfs none {}", .at.display())]
    ConfigfsNotMounted {
        /// Where it should be.
        at: PathBuf,
    },
    /// The module is there but not loaded.
    #[error("{module} is not loaded: modprobe {module}")]
    NotLoaded {
        /// The module.
        module: Module,
    },
    /// The module is not there.
    #[error(
        "{module} is not there for the running kernel ({release}): install its modules (on Debian the package \
         linux-image-{release}), or boot the kernel whose modules are installed"
    )]
    Missing {
        /// The module.
        module: Module,
        /// The running kernel's release.
        release: String,
    },
}

impl Report {
    /// What stands between this machine and a target with the transport of `module`, in the order to solve it. Empty when
    /// nothing does.
    pub fn problems(&self, module: Module) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.configfs == Configfs::NotMounted {
            problems.push(Problem::ConfigfsNotMounted { at: self.roots.configfs.clone() });
        }
        let state = |m: Module| self.modules.get(&m).copied().unwrap_or(ModuleState::Missing);
        let mut need = vec![module];
        if self.nvmet == Nvmet::NotLoaded && !state(Module::Nvmet).is_active() && state(module).is_active() {
            need.insert(0, Module::Nvmet);
        }
        for module in need {
            match state(module) {
                ModuleState::Loaded | ModuleState::BuiltIn => {}
                ModuleState::Available => problems.push(Problem::NotLoaded { module }),
                ModuleState::Missing => {
                    let release = self.release.clone().unwrap_or_else(|| "unknown release".to_owned());
                    problems.push(Problem::Missing { module, release });
                }
            }
        }
        problems
    }

    /// Whether a target with the transport of `module` can be had on this kernel: everything it needs is there or can be
    /// loaded and mounted. Whether it is there now is another question: then there are no
    /// [problems](Self::problems).
    pub fn is_ready_for(&self, module: Module) -> bool {
        !self.problems(module).iter().any(|p| matches!(p, Problem::Missing { .. }))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel      {}", self.release.as_deref().unwrap_or("unknown"))?;
        let configfs = match self.configfs {
            Configfs::Mounted => "mounted",
            Configfs::NotMounted => "not mounted",
        };
        writeln!(f, "configfs    {configfs} at {}", self.roots.configfs.display())?;
        let nvmet = match self.nvmet {
            Nvmet::Present => "present",
            Nvmet::Hidden => "loaded, not visible without configfs",
            Nvmet::NotLoaded => "not loaded",
        };
        writeln!(f, "target      {nvmet}")?;
        for (module, state) in &self.modules {
            writeln!(f, "module      {module}: {state}")?;
        }
        for (name, presence) in self.capabilities.iter() {
            let presence = match presence {
                Presence::Yes => "yes",
                Presence::No => "no",
                Presence::Unknown => "unknown until there is an object that would show it",
            };
            writeln!(f, "ability     {name}: {presence}")?;
        }
        if self.nvmet == Nvmet::Present { write!(f, "{}", self.attributes) } else { Ok(()) }
    }
}

/// configfs was not mounted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot mount configfs at {}: it needs root (CAP_SYS_ADMIN), and the module configfs (modprobe configfs)", .at.display())]
#[non_exhaustive]
pub struct MountError {
    /// Where.
    pub at: PathBuf,
    /// What the system answered.
    pub source: Errno,
}

/// Mounts configfs at `/sys/kernel/config`, unless it is there already. Needs root.
///
/// # Errors
/// [`MountError`].
pub fn mount_configfs() -> Result<(), MountError> {
    mount_configfs_at(&Roots::default().configfs)
}

/// The same at another directory.
///
/// # Errors
/// [`MountError`].
pub fn mount_configfs_at(at: &Path) -> Result<(), MountError> {
    if is_configfs(at) {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RELATIME;
    mount(Some("none"), at, Some("configfs"), flags, None::<&str>)
        .map_err(|e| MountError { at: at.to_path_buf(), source: Errno(e as i32) })
}
