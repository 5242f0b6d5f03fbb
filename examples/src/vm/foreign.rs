//! Programs of a newer Debian than this machine's, for guests: each with the loader and the libraries it was built with.
//!
//! Cases need a few programs that an older Debian does not have (the TLS handshake daemon) or has in an old version (nvme-cli as it prints keys
//! today). Their packages, and those of their libraries, are fetched with the private apt of [`super::apt`] and unpacked; nothing is installed.
//!
//! | file in the folder | what |
//! |---|---|
//! | `bin/NAME` | the program |
//! | `lib/*` | the loader and all libraries that it says the programs need |
//! | `packages` | name and version of every package that was looked into, one a line |
//!
//! In a guest a script of the program's name has the loader run it: see [`Foreign::script`].

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::apt::{Apt, AptError, Package};
use super::cache::{self, FileError, Lock, Scratch};
use super::command::{self, CommandError};
use super::release::Release;

/// A program of a newer Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its name in the guest.
    pub name: &'static str,
    /// Where the package has it.
    pub path: &'static str,
    /// The package.
    pub package: &'static str,
}

/// The TLS handshake daemon, which Debian has since 13.
pub const TLSHD: Foreign = Foreign { name: "tlshd", path: "usr/sbin/tlshd", package: "ktls-utils" };

/// nvme-cli of Debian 13, beside the one of this machine.
pub const NVME: Foreign = Foreign { name: "nvme-2.13", path: "usr/sbin/nvme", package: "nvme-cli" };

/// All that guests get.
pub const ALL: &[Foreign] = &[TLSHD, NVME];

/// The release they come from.
const RELEASE: Release = Release::V6_12;
const LOADER: &str = "ld-linux-x86-64.so.2";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// Where they are in the guest.
const IN_GUEST: &str = "/foreign";

/// Why a program is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// The cache cannot be read or written.
    #[error("the cache of programs is unusable")]
    File(#[from] FileError),
    /// The packages cannot be had.
    #[error("cannot fetch {packages} of Debian {}", RELEASE.codename())]
    Apt {
        /// The packages that were wanted.
        packages: String,
        /// Why.
        source: AptError,
    },
    /// A package cannot be unpacked, or the loader does not run the program.
    #[error("cannot prepare {program}")]
    Command {
        /// Package or program.
        program: String,
        /// Why.
        source: CommandError,
    },
    /// The packages do not hold what the program needs.
    #[error("{program} needs {missing}, which its packages do not hold")]
    Incomplete {
        /// The program.
        program: String,
        /// What is not there.
        missing: String,
    },
}

impl Foreign {
    /// The script that runs it in a guest.
    pub fn script(self) -> String {
        let Self { name, .. } = self;
        format!(
            "#!/bin/sh\nexec {IN_GUEST}/lib/{LOADER} --library-path {IN_GUEST}/lib {IN_GUEST}/bin/{name} \"$@\"\n"
        )
    }
}

/// Makes them ready (once); gives the files for a guest: where each goes, and where it is here.
///
/// # Errors
/// No network and nothing cached; packages that have changed; a cache that cannot be written.
pub fn prepare(progress: &mut dyn FnMut(&str)) -> Result<Vec<(String, PathBuf)>, ForeignError> {
    let folder = cache::root().join("programs");
    let target = folder.join(RELEASE.codename());
    if !target.is_dir() {
        let lock = folder.join("lock");
        let _lock = Lock::take(&lock, || progress("waiting for another process that fetches programs"))?;
        if !target.is_dir() {
            let scratch = Scratch::create(&folder)?;
            fetch(scratch.path(), progress)?;
            scratch.publish(&target)?;
        }
    }
    let mut files = Vec::new();
    for part in ["bin", "lib", "script"] {
        let folder = target.join(part);
        for entry in fs::read_dir(&folder).map_err(FileError::new("list", &folder))? {
            let entry = entry.map_err(FileError::new("list", &folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let to =
                if part == "script" { format!("/sbin/{name}") } else { format!("{IN_GUEST}/{part}/{name}") };
            files.push((to, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// Fetches, unpacks, and keeps what is needed in `root`.
fn fetch(root: &Path, progress: &mut dyn FnMut(&str)) -> Result<(), ForeignError> {
    let wanted: Vec<&str> = ALL.iter().map(|program| program.package).collect();
    let apt_error = |source| ForeignError::Apt { packages: wanted.join(", "), source };
    progress(&format!("reading the package lists of {}", RELEASE.codename()));
    let mut apt = Apt::open(&cache::root().join("apt").join(RELEASE.folder()), RELEASE).map_err(apt_error)?;
    let packages = closure(&mut apt, &wanted).map_err(apt_error)?;
    let names: String =
        packages.iter().map(|package| format!("{} {}\n", package.name, package.version)).collect();
    cache::write(&root.join("packages"), names)?;

    let unpacked = root.join("unpacked");
    cache::create_dir(&unpacked)?;
    for package in &packages {
        progress(&format!("fetching {} {}", package.name, package.version));
        let archive = apt.download(package, root).map_err(apt_error)?;
        run(&package.name, command::command("dpkg-deb").arg("-x").arg(&archive).arg(&unpacked))?;
        fs::remove_file(&archive).map_err(FileError::new("remove", &archive))?;
    }
    for part in ["bin", "lib", "script"] {
        cache::create_dir(&root.join(part))?;
    }
    let libraries = unpacked.join(LIBRARIES);
    let loader = libraries.join(LOADER);
    copy(&loader, &root.join("lib").join(LOADER))?;
    for program in ALL {
        let from = unpacked.join(program.path);
        if !from.is_file() {
            let missing = program.path.to_owned();
            return Err(ForeignError::Incomplete { program: program.name.to_owned(), missing });
        }
        let mut list = command::command(&loader);
        list.arg("--library-path").arg(&libraries).arg("--list").arg(&from);
        for library in needed(program.name, &run(program.name, &mut list)?)? {
            copy(&libraries.join(&library), &root.join("lib").join(&library))?;
        }
        copy(&from, &root.join("bin").join(program.name))?;
        let script = root.join("script").join(program.name);
        cache::write(&script, program.script())?;
        executable(&script)?;
    }
    fs::remove_dir_all(&unpacked).map_err(FileError::new("remove", &unpacked))?;
    Ok(())
}

fn run(program: &str, command: &mut std::process::Command) -> Result<String, ForeignError> {
    command::text(command).map_err(|source| ForeignError::Command { program: program.to_owned(), source })
}

/// Copies what a link leads to.
fn copy(from: &Path, to: &Path) -> Result<(), ForeignError> {
    fs::copy(from, to).map_err(FileError::new("copy", from))?;
    Ok(())
}

fn executable(path: &Path) -> Result<(), ForeignError> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .map_err(FileError::new("make executable", path))?;
    Ok(())
}

/// The packages, and those of libraries that they need, however far away.
fn closure(apt: &mut Apt, wanted: &[&str]) -> Result<Vec<Package>, AptError> {
    let mut seen: BTreeSet<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
    let mut waiting: Vec<String> = seen.iter().cloned().collect();
    let mut packages = Vec::new();
    while let Some(name) = waiting.pop() {
        let package = apt.show(&name, None)?;
        for (name, _) in &package.depends {
            if holds_library(name) && seen.insert(name.clone()) {
                waiting.push(name.clone());
            }
        }
        packages.push(package);
    }
    Ok(packages)
}

fn holds_library(package: &str) -> bool {
    package.starts_with("lib") || package == "zlib1g"
}

/// The names of the libraries in what the loader lists.
fn needed(program: &str, listing: &str) -> Result<Vec<String>, ForeignError> {
    let mut names = Vec::new();
    for line in listing.lines() {
        let Some((name, found)) = line.trim().split_once(" => ") else { continue };
        let name = name.rsplit('/').next().unwrap_or(name);
        if found.starts_with("not found") {
            let missing = name.to_owned();
            return Err(ForeignError::Incomplete { program: program.to_owned(), missing });
        }
        if name != LOADER {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_loader_lists() {
        let text = "\tlinux-vdso.so.1 (0x00007fb3)\n\tlibnl-3.so.200 => r/libnl-3.so.200 (0x00007fb3)\n\
                    \t/lib64/ld-linux-x86-64.so.2 => r/ld-linux-x86-64.so.2 (0x00007fb3)\n";
        assert_eq!(needed("tlshd", text).unwrap(), ["libnl-3.so.200"]);
        let error = needed("tlshd", "\tlibx.so.1 => not found\n").unwrap_err();
        assert_eq!(error.to_string(), "tlshd needs libx.so.1, which its packages do not hold");
    }

    #[test]
    fn a_script_has_the_loader_run_the_program() {
        let script = TLSHD.script();
        assert!(script.starts_with("#!/bin/sh\nexec /foreign/lib/ld-linux-x86-64.so.2 "), "{script}");
        assert!(script.ends_with(" /foreign/bin/tlshd \"$@\"\n"), "{script}");
    }

    #[test]
    fn only_libraries_are_followed() {
        for name in ["libc6", "libgnutls30t64", "zlib1g"] {
            assert!(holds_library(name), "{name}");
        }
        for name in ["uuid-runtime", "gcc-14-base", "adduser"] {
            assert!(!holds_library(name), "{name}");
        }
    }
}
