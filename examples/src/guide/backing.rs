//! The disk that the guide exports: one the user names, or a temporary file.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Guide;
use super::story::Step;
use crate::{direct, filesystem};

/// Why there is no disk to export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackingError {
    /// The disk holds data.
    #[error(
        "{} is not blank, and the guide writes all over it: name another device, or say --overwrite if its content may be \
         destroyed",
        .0.display()
    )]
    NotBlank(PathBuf),
    /// The disk cannot be read.
    #[error("cannot look at {}", .path.display())]
    Look {
        /// The device.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The temporary file cannot be made or removed.
    #[error("cannot {operation} the temporary disk in {}", .directory.display())]
    Temporary {
        /// `make` or `remove`.
        operation: &'static str,
        /// Where.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A disk to export.
#[derive(Debug)]
pub(super) struct Backing {
    path: PathBuf,
    temporary: Option<tempfile::TempPath>,
}

#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the kernel's story uses all of it"))]
impl Backing {
    /// Directory of the temporary disk: on a disk even where `/tmp` is in memory.
    const DIRECTORY: &'static str = "/var/tmp";

    /// Checks the named device, or makes a sparse temporary file.
    pub(super) fn prepare(device: Option<&Path>, overwrite: bool) -> Result<Self, BackingError> {
        if let Some(path) = device {
            let look = |source| BackingError::Look { path: path.to_owned(), source };
            // What does not exist or is no disk is reported by the target's own preflight, with its reasons.
            if !overwrite && path.exists() && !path.is_dir() && !filesystem::is_blank(path).map_err(look)? {
                return Err(BackingError::NotBlank(path.to_owned()));
            }
            return Ok(Self { path: path.to_owned(), temporary: None });
        }
        let error =
            |source| BackingError::Temporary { operation: "make", directory: Self::DIRECTORY.into(), source };
        let file = tempfile::Builder::new()
            .prefix("nvme-guide-")
            .suffix(".disk")
            .tempfile_in(Self::DIRECTORY)
            .map_err(error)?;
        file.as_file().set_len(Guide::TEMPORARY_SIZE).map_err(error)?;
        let temporary = file.into_temp_path();
        Ok(Self { path: temporary.to_path_buf(), temporary: Some(temporary) })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the target has to go through the page cache: a plain file may lie on a file system without direct I/O.
    pub(super) fn needs_page_cache(&self) -> bool {
        self.path.is_file()
            && OpenOptions::new()
                .read(true)
                .custom_flags(direct::FLAG)
                .open(&self.path)
                .is_err_and(|e| e.raw_os_error() == Some(nix::errno::Errno::EINVAL as i32))
    }

    /// Removes the temporary file; a named device is left as it is.
    pub(super) fn remove(self, step: &mut Step<'_>) -> Result<(), BackingError> {
        let Some(temporary) = self.temporary else { return Ok(()) };
        temporary.close().map_err(|error| BackingError::Temporary {
            operation: "remove",
            directory: Self::DIRECTORY.into(),
            source: error,
        })?;
        step.did(format!("removed {}", self.path.display()));
        Ok(())
    }
}

impl fmt::Display for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if self.temporary.is_some() {
            write!(f, ", a temporary file of {} MiB", Guide::TEMPORARY_SIZE >> 20)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_with_data_is_refused_unless_told_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, [0u8; 4096]).unwrap();
        Backing::prepare(Some(&path), false).unwrap();
        std::fs::write(&path, [1u8; 4096]).unwrap();
        let error = Backing::prepare(Some(&path), false).unwrap_err();
        assert!(matches!(&error, BackingError::NotBlank(p) if *p == path), "{error}");
        Backing::prepare(Some(&path), true).unwrap();
    }

    #[test]
    fn the_temporary_disk_is_gone_with_its_owner() {
        let backing = Backing::prepare(None, false).unwrap();
        let path = backing.path().to_owned();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), Guide::TEMPORARY_SIZE);
        drop(backing);
        assert!(!path.exists());
    }
}
