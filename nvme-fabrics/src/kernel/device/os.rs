//! The real device.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{DeviceError, DeviceOp, FabricsDevice, OptionList, Turn};
use crate::kernel::errno::Errno;

/// Nothing the device says is longer: the list of a 7.x kernel has 600 bytes.
const MAX_TEXT: u64 = 64 * 1024;

/// The fabrics device of the running kernel.
#[derive(Debug, Clone)]
pub struct OsDevice {
    path: PathBuf,
}

impl OsDevice {
    /// `/dev/nvme-fabrics`.
    #[must_use]
    pub fn system() -> Self {
        Self::at("/dev/nvme-fabrics")
    }

    /// Another node of the same kind.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn error(&self, op: DeviceOp, source: io::Error) -> DeviceError {
        DeviceError { op, path: self.path.clone(), source }
    }

    // std sets O_CLOEXEC on every descriptor.
    fn open(&self, options: &OpenOptions) -> Result<File, DeviceError> {
        options.open(&self.path).map_err(|source| self.error(DeviceOp::Open, source))
    }
}

impl Default for OsDevice {
    fn default() -> Self {
        Self::system()
    }
}

fn read_text(file: &File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_TEXT).read_to_string(&mut text)?;
    Ok(text)
}

impl FabricsDevice for OsDevice {
    fn option_list(&self) -> Result<OptionList, DeviceError> {
        let file = self.open(OpenOptions::new().read(true))?;
        // What a shell writes to the device before the module is loaded becomes a file of that name, which the device never replaces.
        if file.metadata().is_ok_and(|m| m.is_file()) {
            return Err(self.error(DeviceOp::ReadOptions, Errno::ENOTTY.into()));
        }
        match read_text(&file) {
            Ok(text) => Ok(OptionList::parse(&text)),
            Err(source) if Errno::of(&source) == Some(Errno::EINVAL) => Ok(OptionList::Unavailable),
            Err(source) => Err(self.error(DeviceOp::ReadOptions, source)),
        }
    }

    fn create(&self, options: &str) -> Result<String, DeviceError> {
        let mut file = self.open(OpenOptions::new().read(true).write(true))?;
        // One write is one request; the kernel never takes a part of it. EINTR is not repeated: the first attempt may have
        // got as far as the target.
        match file.write(options.as_bytes()) {
            Ok(n) if n == options.len() => {}
            Ok(_) => return Err(self.error(DeviceOp::Write, io::ErrorKind::WriteZero.into())),
            Err(source) => return Err(self.error(DeviceOp::Write, source)),
        }
        read_text(&file).map_err(|source| self.error(DeviceOp::ReadReply, source))
    }

    #[cfg(target_os = "linux")]
    fn turn(&self) -> Turn {
        use nix::fcntl::{Flock, FlockArg};
        let locked = |file| Flock::lock(file, FlockArg::LockExclusive).ok();
        Turn { _file: OpenOptions::new().read(true).open(&self.path).ok().and_then(locked) }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_node_is_not_created() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nvme-fabrics");
        let device = OsDevice::at(&path);
        for error in [device.option_list().unwrap_err(), device.create("x").unwrap_err()] {
            assert_eq!((error.op, error.errno()), (DeviceOp::Open, Some(Errno::ENOENT)));
        }
        assert!(!path.exists());
    }

    #[test]
    fn a_file_in_the_devices_place_is_no_old_kernel() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = OsDevice::at(file.path()).option_list().unwrap_err();
        assert!(error.to_string().contains("is a file and no device: remove it"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn one_has_the_turn_at_a_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let device = OsDevice::at(file.path());
        let turn = device.turn();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _turn = OsDevice::at(file.path()).turn();
                sender.send(()).unwrap();
            });
            assert!(receiver.recv_timeout(std::time::Duration::from_millis(50)).is_err());
            drop(turn);
            receiver.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
        });
        // Without a device there is nothing to wait for.
        drop(OsDevice::at("/no/such/device").turn());
    }

    #[test]
    fn an_empty_reply_is_given_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let device = OsDevice::at(file.path());
        assert_eq!(device.create("nqn=x").unwrap(), "");
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "nqn=x");
    }
}
