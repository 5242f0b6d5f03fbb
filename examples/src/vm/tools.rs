//! The programs the machinery needs, and the packages that bring them.

use std::env;
use std::path::{Path, PathBuf};

use super::cache::{self, FileError, Lock};
use super::command::{self, CommandError};

/// A program and the Debian package it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The program, looked for on `PATH` and in the administrator's folders.
    pub program: &'static str,
    /// The Debian package.
    pub package: &'static str,
}

impl Tool {
    /// A program of a package.
    pub const fn new(program: &'static str, package: &'static str) -> Self {
        Self { program, package }
    }

    /// Whether it is on this machine.
    pub fn is_installed(self) -> bool {
        locate(self.program).is_some()
    }
}

/// What booting a guest needs.
pub const BOOT: &[Tool] = &[
    Tool::new("qemu-system-x86_64", "qemu-system-x86"),
    Tool::new("busybox", "busybox-static"),
    Tool::new("depmod", "kmod"),
    Tool::new("mkfs.ext4", "e2fsprogs"),
    Tool::new("xz", "xz-utils"),
    Tool::new("ldd", "libc-bin"),
    Tool::new("dpkg-deb", "dpkg"),
    Tool::new("apt-get", "apt"),
];

/// Programs that are not there and cannot be put there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolsError {
    /// Installing needs root.
    #[error(
        "missing on this machine: {missing}\nhint: as root, run: apt-get install --no-install-recommends {packages}"
    )]
    NotRoot {
        /// The programs.
        missing: String,
        /// The packages, ready for the command line.
        packages: String,
    },
    /// The lock that keeps two of us from installing at once cannot be had.
    #[error("cannot install {packages}")]
    Lock {
        /// The packages.
        packages: String,
        /// Why.
        source: FileError,
    },
    /// apt could not install them.
    #[error("cannot install {packages}")]
    Install {
        /// The packages.
        packages: String,
        /// What apt said.
        source: CommandError,
    },
    /// apt said it installed them, and a program still is not there.
    #[error("{packages} installed, yet there is no {missing} on this machine")]
    StillMissing {
        /// The programs.
        missing: String,
        /// The packages.
        packages: String,
    },
}

/// Makes sure that the programs are there: installs their packages when this is root, otherwise says how to.
///
/// # Errors
/// See [`ToolsError`].
pub fn ensure(tools: &[Tool], progress: &mut dyn FnMut(&str)) -> Result<(), ToolsError> {
    let missing =
        |tools: &[Tool]| tools.iter().copied().filter(|tool| !tool.is_installed()).collect::<Vec<_>>();
    let absent = missing(tools);
    if absent.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = absent.iter().map(|tool| tool.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let shown = packages.join(" ");
    if !nix::unistd::geteuid().is_root() {
        return Err(ToolsError::NotRoot { missing: programs(&absent), packages: shown });
    }
    // apt waits for dpkg's lock when asked to, but never for the one of its package lists.
    let lock = Lock::take(&cache::root().join("tools.lock"), || {
        progress("waiting for another process that installs tools");
    });
    let _lock = lock.map_err(|source| ToolsError::Lock { packages: shown.clone(), source })?;
    if missing(&absent).is_empty() {
        return Ok(());
    }
    progress(&format!("installing {shown}"));
    if let Err(first) = install(&packages) {
        progress("refreshing the package lists");
        let update = command::output(command::command("apt-get").args(["-q", "update"]));
        if let Err(source) = install(&packages) {
            // When the lists could not be refreshed the first answer tells more.
            let source = if update.is_err() { first } else { source };
            return Err(ToolsError::Install { packages: shown, source });
        }
    }
    let still = missing(&absent);
    if still.is_empty() {
        return Ok(());
    }
    Err(ToolsError::StillMissing { missing: programs(&still), packages: shown })
}

fn install(packages: &[&str]) -> Result<(), CommandError> {
    let mut apt = command::command("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    // Somebody else may be installing something.
    apt.args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends"])
        .args(packages);
    command::output(&mut apt).map(drop)
}

fn programs(tools: &[Tool]) -> String {
    tools.iter().map(|tool| tool.program).collect::<Vec<_>>().join(", ")
}

/// The full path of a program, also from folders that an ordinary user does not have on `PATH`.
pub(crate) fn locate(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders =
        env::split_paths(&path).chain(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|path| is_program(path))
}

/// The full path of a program, also from folders that an ordinary user does not have on `PATH`; the bare name when it is
/// nowhere, so that running it fails with its name.
pub fn find(program: &str) -> PathBuf {
    locate(program).unwrap_or_else(|| PathBuf::from(program))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_shell_and_not_a_fantasy() {
        assert!(Tool::new("sh", "dash").is_installed());
        assert_eq!(locate("no-such-program-here"), None);
        assert_eq!(find("no-such-program-here"), Path::new("no-such-program-here"));
    }

    #[test]
    fn present_tools_need_no_installation() {
        ensure(&[Tool::new("sh", "dash")], &mut |line| panic!("unexpected: {line}")).unwrap();
    }
}
