//! Packages whose files a guest gets and this machine does not: fetched from Debian's next release and unpacked, never installed.

use std::fs;
use std::path::PathBuf;

use super::apt::{Apt, AptError, Suite};
use super::cache::{self, FileError, Lock, Scratch};
use super::command::{self, CommandError};
use super::tools;

/// Why packages cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackagesError {
    /// One cannot be fetched.
    #[error("cannot fetch {packages}")]
    Apt {
        /// The packages.
        packages: String,
        /// Why.
        source: AptError,
    },
    /// One cannot be unpacked.
    #[error("cannot unpack {packages}")]
    Unpack {
        /// The packages.
        packages: String,
        /// Why.
        source: CommandError,
    },
    /// The cache cannot be written.
    #[error("packages cannot be kept")]
    File(#[from] FileError),
}

/// Fetches and unpacks packages (once), of every architecture's kind only: nothing of them may depend on the machine. Gives the folder
/// that holds their files; `name` is its name in the cache. What the packages depend on is not fetched.
///
/// # Errors
/// See [`PackagesError`].
pub fn prepare(
    name: &str,
    packages: &[&str],
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, PackagesError> {
    let folder = cache::root().join("packages");
    let target = folder.join(name);
    if target.is_dir() {
        return Ok(target);
    }
    let _lock = Lock::take(&folder.join(format!("{name}.lock")), || {
        progress(&format!("waiting for another process that fetches {name}"));
    })?;
    if target.is_dir() {
        return Ok(target);
    }
    let shown = packages.join(" ");
    let apt_error = |source| PackagesError::Apt { packages: shown.clone(), source };
    progress(&format!("reading the package lists of {}", Suite::NEXT.folder()));
    let home = cache::root().join("apt").join(Suite::NEXT.folder());
    let mut apt = Apt::open(&home, Suite::NEXT).map_err(apt_error)?;
    let scratch = Scratch::create(&folder)?;
    for package in packages {
        let package = apt.show(package, None).map_err(apt_error)?;
        progress(&format!("fetching {} {}", package.name, package.version));
        let archive = apt.download(&package, scratch.path()).map_err(apt_error)?;
        command::output(
            command::command(tools::find("dpkg-deb")).arg("-x").arg(&archive).arg(scratch.path()),
        )
        .map_err(|source| PackagesError::Unpack { packages: shown.clone(), source })?;
        fs::remove_file(&archive).map_err(FileError::new("remove", &archive))?;
    }
    scratch.publish(&target)?;
    Ok(target)
}
