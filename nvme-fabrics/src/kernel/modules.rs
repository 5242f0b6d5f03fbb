//! Whether a kernel module of the host is there.

use std::io;
#[cfg(target_os = "linux")]
use std::process::Command;

use super::sysfs::{Sysfs, read_bounded};

/// Where a module is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModuleState {
    /// Loaded, or built into the kernel.
    Loaded,
    /// Not loaded; installed for the running kernel.
    Available,
    /// Neither loaded nor found among the installed modules.
    Missing,
}

/// A module could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// `modprobe` cannot be run.
    #[error("cannot load {module}: cannot run modprobe (is kmod installed?)")]
    NoModprobe {
        /// The module.
        module: String,
        /// What the system said.
        source: io::Error,
    },
    /// `modprobe` failed.
    #[error("cannot load {module}: modprobe says: {message}")]
    Modprobe {
        /// The module.
        module: String,
        /// What it printed, on one line.
        message: String,
    },
}

/// Looks for a module, with either spelling (`nvme-tcp` or `nvme_tcp`).
///
/// A module that is built in without parameters has no directory in `/sys/module`; it is found in the list of built-in modules.
#[must_use]
pub fn state(sysfs: &Sysfs, module: &str) -> ModuleState {
    let name = module.replace('-', "_");
    if sysfs.sys().join("module").join(&name).is_dir() {
        return ModuleState::Loaded;
    }
    let Some(release) = read_bounded(&sysfs.proc().join("sys/kernel/osrelease")).ok() else {
        return ModuleState::Missing;
    };
    let listed = |file: &str| {
        let path = sysfs.modules().join(release.trim_ascii()).join(file);
        // These files have some hundred kilobytes; the bound of an attribute does not fit.
        std::fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| is_module(line, &name)))
    };
    if listed("modules.builtin") {
        ModuleState::Loaded
    } else if listed("modules.dep") {
        ModuleState::Available
    } else {
        ModuleState::Missing
    }
}

/// A line like `kernel/drivers/nvme/host/nvme-tcp.ko.xz: …`.
pub(crate) fn is_module(line: &str, name: &str) -> bool {
    let path = line.split(':').next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    file.split_once(".ko").is_some_and(|(stem, _)| stem.replace('-', "_") == name)
}

/// Loads a module and what it needs: runs `modprobe`. Never called by anything else in this crate.
///
/// # Errors
/// [`ModuleError`] with what `modprobe` printed.
#[cfg(target_os = "linux")]
pub fn load(module: &str) -> Result<(), ModuleError> {
    // `--` ends the options: whatever the name is, it is a name.
    let run = |program: &str| Command::new(program).args(["--", module]).output();
    // Root's search path after a plain `su` is the user's, without the directories of system programs.
    let output = match run("modprobe") {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            run("/usr/sbin/modprobe").or_else(|_| run("/sbin/modprobe"))
        }
        ran => ran,
    }
    .map_err(|source| ModuleError::NoModprobe { module: module.to_owned(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let message = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Err(ModuleError::Modprobe { module: module.to_owned(), message })
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::fixture::Fixture;
    use super::*;

    #[test]
    fn loaded_built_in_available_missing() {
        let f = Fixture::new();
        let state = |module: &str| state(&f.sysfs(), module);
        assert_eq!(state("nvme-tcp"), ModuleState::Missing);
        f.file("proc/sys/kernel/osrelease", "6.12.1-cloud");
        assert_eq!(state("nvme-tcp"), ModuleState::Missing);
        f.file(
            "lib/modules/6.12.1-cloud/modules.dep",
            "kernel/drivers/nvme/host/nvme-tcp.ko.xz: kernel/drivers/nvme/host/nvme-fabrics.ko.xz\nkernel/x/nvme_loop.ko:",
        );
        assert_eq!(state("nvme_tcp"), ModuleState::Available);
        assert_eq!(state("nvme-loop"), ModuleState::Available);
        assert_eq!(state("nvme-fabrics"), ModuleState::Missing, "only as a dependency");
        f.file("lib/modules/6.12.1-cloud/modules.builtin", "kernel/drivers/nvme/host/nvme-core.ko");
        assert_eq!(state("nvme_core"), ModuleState::Loaded);
        f.dir("sys/module/nvme_tcp");
        assert_eq!(state("nvme-tcp"), ModuleState::Loaded);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn loading_nonsense_is_an_error() {
        let error = load("no-such-module-for-this-test").unwrap_err();
        assert!(error.to_string().starts_with("cannot load no-such-module-for-this-test: "), "{error}");
    }
}
