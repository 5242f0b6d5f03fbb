//! Where the guide can run: whether this machine's own kernel will do.

#[cfg(target_os = "linux")]
use nvme_fabrics::{Sysfs, modules};
#[cfg(target_os = "linux")]
use nvmet_configfs::kernel::{self, Module, Roots};

/// Why this machine's kernel cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unable {
    /// No other kernel has an NVMe/TCP target.
    #[error("it is not Linux")]
    NotLinux,
    /// Writing to configfs and to the fabrics device needs root.
    #[error("you are not root")]
    NotRoot,
    /// A module is neither loaded nor there to be loaded.
    #[error("module {0} is neither loaded nor installed for this kernel")]
    NoModule(&'static str),
}

/// Whether `guide --kernel` can work here.
///
/// # Errors
/// The first thing that is missing.
#[cfg(target_os = "linux")]
pub fn kernel_can() -> Result<(), Unable> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Unable::NotRoot);
    }
    if !kernel::check(&Roots::default()).is_ready_for(Module::NvmetTcp) {
        return Err(Unable::NoModule("nvmet-tcp"));
    }
    if modules::state(&Sysfs::system(), "nvme-tcp") == modules::ModuleState::Missing {
        return Err(Unable::NoModule("nvme-tcp"));
    }
    Ok(())
}

/// Whether `guide --kernel` can work here.
///
/// # Errors
/// [`Unable::NotLinux`].
#[cfg(not(target_os = "linux"))]
pub fn kernel_can() -> Result<(), Unable> {
    Err(Unable::NotLinux)
}
