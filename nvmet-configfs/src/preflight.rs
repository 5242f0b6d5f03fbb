//! Looking at devices before a plan puts them on the network.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nvme_proto::{Nsid, SubsysNqn};

use crate::errno::Errno;
use crate::spec::{DevicePath, TargetSpec};

/// Devices that cannot or must not be exported: all of them. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreflightError {
    /// At least one.
    pub problems: Vec<DeviceProblem>,
}

/// A device that cannot or must not be exported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceProblem {
    /// The subsystem.
    pub subsystem: SubsysNqn,
    /// The namespace.
    pub nsid: Nsid,
    /// The device.
    pub device: DevicePath,
    /// What is wrong with it.
    pub fault: DeviceFault,
}

/// What is wrong with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceFault {
    /// Nothing is there.
    #[error(
        "is not there (no such file or device): is it attached, its driver loaded, and the path spelled right?"
    )]
    Missing,
    /// A directory. The kernel would answer `EISDIR`.
    #[error("is a directory: name a block device or a regular file")]
    Directory,
    /// Neither a block device nor a regular file. The kernel would answer `EINVAL`, or take it and fail later.
    #[error("is neither a block device nor a regular file")]
    WrongKind,
    /// No bytes. Kernels export an empty file as a namespace without blocks, which no host can use.
    #[error(
        "is empty: give the file a size first (truncate -s 1G FILE), or wait until the device has its medium"
    )]
    Empty,
    /// Smaller than a block.
    #[error("has {0} bytes, less than a block of 512")]
    TooSmall(u64),
    /// Read-only. The kernel would answer `EACCES` or `EROFS`.
    #[error("is read-only, and a namespace has to be writable")]
    ReadOnly,
    /// Mounted, or part of a RAID or volume group. The kernel would export it nevertheless, and the data would be lost.
    #[error(
        "is in use on this machine (mounted, swap, RAID or LVM): hosts writing to it would destroy its data"
    )]
    InUse,
    /// It cannot be opened.
    #[error("cannot be opened: {0}")]
    Unreadable(Errno),
}

/// Looks at the device of each enabled namespace: that it is there, a block device or regular file, not empty, writable, and
/// not in use on this machine.
///
/// A separate call, since it opens devices (for reading), in the mount namespace of this process, while a plan only writes to
/// the target's tree. The kernel checks less: it exports an empty file, and a mounted device. Linux only.
///
/// # Errors
/// All faults at once.
pub fn preflight(spec: &TargetSpec) -> Result<(), PreflightError> {
    let mut problems = Vec::new();
    for (nqn, subsystem) in &spec.subsystems {
        for (nsid, namespace) in subsystem.namespaces.iter().filter(|(_, n)| n.enabled) {
            // Without one it is the device it has already.
            let Some(device) = &namespace.device_path else { continue };
            if let Err(fault) = inspect(device.as_ref()) {
                let device = device.clone();
                problems.push(DeviceProblem { subsystem: nqn.clone(), nsid: *nsid, device, fault });
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(PreflightError { problems }) }
}

fn inspect(path: &Path) -> Result<(), DeviceFault> {
    let fault = |e: std::io::Error| match Errno::from_io(&e) {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ENXIO | Errno::ENODEV => DeviceFault::Missing,
        Errno::EROFS => DeviceFault::ReadOnly,
        other => DeviceFault::Unreadable(other),
    };
    // The kind first: opening a pipe waits, and opening a tape rewinds it.
    let meta = std::fs::metadata(path).map_err(fault)?;
    let kind = meta.file_type();
    if kind.is_dir() {
        return Err(DeviceFault::Directory);
    }
    if !kind.is_block_device() && !kind.is_file() {
        return Err(DeviceFault::WrongKind);
    }
    let mut file = if kind.is_block_device() {
        if is_read_only_device(meta.rdev()) {
            return Err(DeviceFault::ReadOnly);
        }
        open_unused(path)?
    } else {
        // Opened for writing as the kernel will, changed by nothing.
        OpenOptions::new().read(true).write(true).open(path).map_err(|e| match Errno::from_io(&e) {
            Errno::EROFS => DeviceFault::ReadOnly,
            other => DeviceFault::Unreadable(other),
        })?
    };
    match file.seek(SeekFrom::End(0)).map_err(fault)? {
        0 => Err(DeviceFault::Empty),
        bytes if bytes < 512 => Err(DeviceFault::TooSmall(bytes)),
        _ => Ok(()),
    }
}

/// Opens a block device; exclusively first, which the kernel refuses while it is mounted or part of something.
fn open_unused(path: &Path) -> Result<File, DeviceFault> {
    match OpenOptions::new().read(true).custom_flags(OFlag::O_EXCL.bits()).open(path) {
        Ok(file) => Ok(file),
        Err(e) => Err(match Errno::from_io(&e) {
            Errno::EBUSY => DeviceFault::InUse,
            Errno::ENXIO | Errno::ENODEV | Errno::ENOENT => DeviceFault::Missing,
            Errno::ENOMEDIUM => DeviceFault::Empty,
            other => DeviceFault::Unreadable(other),
        }),
    }
}

/// Whether the kernel has a block device as read-only (`/sys/dev/block/M:m/ro`).
fn is_read_only_device(device: u64) -> bool {
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/ro")).is_ok_and(|ro| ro.trim() == "1")
}

impl fmt::Display for DeviceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subsystem, nsid, device, fault } = self;
        write!(f, "device {device} (namespace {nsid} of {subsystem}) {fault}")
    }
}

impl fmt::Display for PreflightError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PreflightError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{NamespaceSpec, SubsystemSpec};

    #[test]
    fn names_each_fault() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("empty"), b"").unwrap();
        std::fs::write(at("tiny"), b"x").unwrap();
        std::fs::write(at("good"), vec![0; 1 << 20]).unwrap();
        assert_eq!(inspect(&at("nothing")), Err(DeviceFault::Missing));
        assert_eq!(inspect(&at("good/below")), Err(DeviceFault::Missing));
        assert_eq!(inspect(dir.path()), Err(DeviceFault::Directory));
        assert_eq!(inspect(&at("empty")), Err(DeviceFault::Empty));
        assert_eq!(inspect(&at("tiny")), Err(DeviceFault::TooSmall(1)));
        assert_eq!(inspect(Path::new("/dev/null")), Err(DeviceFault::WrongKind));
        assert_eq!(inspect(&at("good")), Ok(()));
    }

    #[test]
    fn reports_all_enabled_namespaces_and_no_others() {
        let namespace = |p: &str| NamespaceSpec::new(p.parse().unwrap());
        let subsystem = SubsystemSpec::any_host()
            .namespace(Nsid::ONE, namespace("/nowhere/a"))
            .namespace(Nsid::new(2).unwrap(), namespace("/nowhere/b").disabled())
            .namespace(Nsid::new(3).unwrap(), namespace("/dev"));
        let spec = TargetSpec::new().subsystem("mysub".parse().unwrap(), subsystem);
        let text = preflight(&spec).unwrap_err().to_string();
        assert!(
            text.contains("device /nowhere/a (namespace 1 of mysub) is not there (no such file"),
            "{text}"
        );
        assert!(text.contains("/dev (namespace 3 of mysub) is a directory"), "{text}");
        assert!(!text.contains("/nowhere/b"), "{text}");
    }
}
