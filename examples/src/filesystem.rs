//! Using the connected disk: an ext4 file system on it, mounted, with a file whose content can be checked again later.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

#[cfg(target_os = "linux")]
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use sha2::{Digest, Sha256};

use crate::direct;

/// Why the file system could not be made, mounted, used or unmounted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesystemError {
    /// The tool is missing or did not run.
    #[error("cannot run {tool}: is the package e2fsprogs installed?")]
    Tool {
        /// The program.
        tool: &'static str,
        /// Why it did not start.
        source: io::Error,
    },
    /// The tool ran and failed.
    #[error("{tool} on {} failed: {message}", .device.display())]
    Mkfs {
        /// The program.
        tool: &'static str,
        /// Where.
        device: PathBuf,
        /// Its words.
        message: String,
    },
    /// The kernel refused the mount or unmount.
    #[error("cannot {operation} {}", .path.display())]
    Mount {
        /// `mount` or `unmount`.
        operation: &'static str,
        /// The mount point.
        path: PathBuf,
        /// Why.
        source: nix::Error,
    },
    /// A file could not be written or read.
    #[error("cannot {operation} {}", .path.display())]
    File {
        /// `write` or `read`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was read is not what was written.
    #[error("{} does not hold what was written: wanted SHA-256 {wanted}, read {read}", .path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// SHA-256 of what was written.
        wanted: String,
        /// SHA-256 of what came back.
        read: String,
    },
}

/// Makes an ext4 file system on a block device, destroying what is on it.
///
/// # Errors
/// [`FilesystemError::Tool`] when `mkfs.ext4` is missing, [`FilesystemError::Mkfs`] with its words when it fails.
pub fn make_ext4(device: &Path) -> Result<(), FilesystemError> {
    const TOOL: &str = "mkfs.ext4";
    let out = Command::new(TOOL)
        .args(["-q", "-F", "-E", "nodiscard"])
        .arg(device)
        .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .map_err(|source| FilesystemError::Tool { tool: TOOL, source })?;
    if out.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    // Killed, it says nothing.
    let message = if said.is_empty() { out.status.to_string() } else { said };
    Err(FilesystemError::Mkfs { tool: TOOL, device: device.to_owned(), message })
}

/// A mounted file system (Linux only). [`Mounted::unmount`] is the end of it; dropping it without (an error on the way) unmounts
/// lazily, so that a failed run leaves no mount behind.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Mounted {
    point: PathBuf,
    mounted: bool,
}

#[cfg(target_os = "linux")]
impl Mounted {
    /// Mounts an ext4 device on a directory, which is made if it is missing.
    ///
    /// # Errors
    /// The kernel's refusal, with the mount point.
    pub fn mount(device: &Path, point: &Path) -> Result<Self, FilesystemError> {
        std::fs::create_dir_all(point).map_err(|source| FilesystemError::File {
            operation: "make the directory",
            path: point.to_owned(),
            source,
        })?;
        mount(Some(device), point, Some("ext4"), MsFlags::MS_NODEV | MsFlags::MS_NOSUID, None::<&str>)
            .map_err(|source| FilesystemError::Mount {
                operation: "mount",
                path: point.to_owned(),
                source,
            })?;
        Ok(Self { point: point.to_owned(), mounted: true })
    }

    /// Where it is mounted.
    pub fn point(&self) -> &Path {
        &self.point
    }

    /// Unmounts, which writes everything back first.
    ///
    /// # Errors
    /// The kernel's refusal (`EBUSY` while a file is open).
    pub fn unmount(mut self) -> Result<(), FilesystemError> {
        self.mounted = false;
        umount2(&self.point, MntFlags::empty()).map_err(|source| {
            self.mounted = true;
            FilesystemError::Mount { operation: "unmount", path: self.point.clone(), source }
        })
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        if self.mounted {
            // The error that brought us here is the one to report.
            let _ = umount2(&self.point, MntFlags::MNT_DETACH);
        }
    }
}

/// A file and the SHA-256 of what was written into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The file.
    pub path: PathBuf,
    /// Bytes written.
    pub len: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

impl Checked {
    /// Writes `len` bytes that no compression or cache of zeroes can fake, and waits until the device has them.
    ///
    /// # Errors
    /// The first failing write, sync included.
    pub fn write(path: &Path, len: u64, seed: u64) -> Result<Self, FilesystemError> {
        let error = |source| FilesystemError::File { operation: "write", path: path.to_owned(), source };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut hash = Sha256::new();
        let mut file = File::create(path).map_err(error)?;
        let mut chunk = vec![0; 1 << 20];
        let mut left = len;
        while left > 0 {
            let now = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            random.fill(&mut chunk[..now]);
            hash.update(&chunk[..now]);
            file.write_all(&chunk[..now]).map_err(error)?;
            left -= now as u64;
        }
        file.sync_all().map_err(error)?;
        Ok(Self { path: path.to_owned(), len, sha256: hex(&hash.finalize()) })
    }

    /// Reads the file from the device, not from the page cache, and compares.
    ///
    /// # Errors
    /// [`FilesystemError::Mismatch`] with both sums when the content differs.
    pub fn verify(&self) -> Result<(), FilesystemError> {
        let error = |source| FilesystemError::File { operation: "read", path: self.path.clone(), source };
        let mut file =
            OpenOptions::new().read(true).custom_flags(direct::FLAG).open(&self.path).map_err(error)?;
        let mut hash = Sha256::new();
        let mut memory = vec![0; (1 << 20) + 4096];
        let start = memory.as_ptr().align_offset(4096);
        let chunk = &mut memory[start..start + (1 << 20)];
        loop {
            match file.read(chunk).map_err(error)? {
                0 => break,
                n => hash.update(&chunk[..n]),
            }
        }
        let read = hex(&hash.finalize());
        if read == self.sha256 {
            return Ok(());
        }
        Err(FilesystemError::Mismatch { path: self.path.clone(), wanted: self.sha256.clone(), read })
    }
}

/// Whether the first and the last 64 KiB of a device or file hold nothing but zeroes.
///
/// # Errors
/// The device cannot be read.
pub fn is_blank(path: &Path) -> io::Result<bool> {
    const PROBE: u64 = 64 << 10;
    let mut file = File::open(path)?;
    let size = file.seek(SeekFrom::End(0))?;
    for start in [0, size.saturating_sub(PROBE)] {
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(PROBE).read_to_end(&mut bytes)?;
        if bytes.iter().any(|b| *b != 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_changed_byte_is_found() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("file");
        let checked = Checked::write(&path, 300_000, 7).unwrap();
        checked.verify().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[299_999] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(checked.verify(), Err(FilesystemError::Mismatch { .. })));
    }

    #[test]
    fn data_at_either_end_is_not_blank() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        let mut bytes = vec![0u8; 1 << 20];
        fs::write(&path, &bytes).unwrap();
        assert!(is_blank(&path).unwrap());
        bytes[1080] = 0x53;
        fs::write(&path, &bytes).unwrap();
        assert!(!is_blank(&path).unwrap());
        bytes[1080] = 0;
        *bytes.last_mut().unwrap() = 1;
        fs::write(&path, &bytes).unwrap();
        assert!(!is_blank(&path).unwrap());
    }

    #[test]
    fn a_failing_mkfs_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tiny");
        fs::write(&path, [0; 512]).unwrap();
        let error = make_ext4(&path).unwrap_err();
        match error {
            FilesystemError::Mkfs { device, message, .. } => assert!(device == path && !message.is_empty()),
            // Where e2fsprogs is not installed, the error must name it.
            FilesystemError::Tool { .. } => assert!(error.to_string().contains("e2fsprogs")),
            other => panic!("{other}"),
        }
    }
}
