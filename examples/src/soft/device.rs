//! What a namespace is made of: a file, a block device, or memory.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use nvme_fabrics::target::backend::{Backend, DirectIo, File, FileError, FileOptions, Memory, MemoryError};

use crate::cli::Failure;
use crate::size;

/// A disk as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Device {
    /// A file or block device.
    File(PathBuf),
    /// So many bytes of memory, taken when they are written; gone with the process.
    Memory(u64),
}

impl FromStr for Device {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        match text.strip_prefix("mem:") {
            Some(bytes) => Ok(Self::Memory(size::parse(bytes)?)),
            None if text.is_empty() => Err(Failure("a device is a path, or mem: and a size".to_owned())),
            None => Ok(Self::File(text.into())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Memory(bytes) => write!(f, "{} of memory", size::show(*bytes)),
        }
    }
}

/// A disk cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The file or block device.
    #[error(transparent)]
    File(#[from] FileError),
    /// The memory.
    #[error("mem:{size} cannot be a disk")]
    Memory {
        /// Its size, as it was asked for, in bytes.
        size: u64,
        /// Why.
        source: MemoryError,
    },
}

/// How a file is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caching {
    /// Past the page cache where its file system allows that.
    Direct,
    /// Through the page cache.
    PageCache,
}

/// The disks that are open. Asking for one again gives the same one, so that a reload neither loses the content of memory
/// nor opens a file twice.
#[derive(Default)]
pub struct Devices {
    open: BTreeMap<(Device, Caching, usize), Arc<dyn Backend>>,
}

impl Devices {
    /// Opens a disk. `number` tells memory disks of the same size apart; files are the same whatever it is.
    ///
    /// # Errors
    /// See [`DeviceError`].
    pub fn open(
        &mut self,
        device: &Device,
        caching: Caching,
        number: usize,
    ) -> Result<Arc<dyn Backend>, DeviceError> {
        let number = if matches!(device, Device::File(_)) { 0 } else { number };
        let key = (device.clone(), caching, number);
        if let Some(open) = self.open.get(&key) {
            return Ok(Arc::clone(open));
        }
        let backend: Arc<dyn Backend> = match device {
            Device::Memory(size) => {
                let memory = Memory::new(*size);
                Arc::new(memory.map_err(|source| DeviceError::Memory { size: *size, source })?)
            }
            Device::File(path) => {
                let direct = match caching {
                    Caching::Direct => DirectIo::Try,
                    Caching::PageCache => DirectIo::Never,
                };
                Arc::new(File::open(path, &FileOptions::new().direct(direct))?)
            }
        };
        self.open.insert(key, Arc::clone(&backend));
        Ok(backend)
    }

    /// Closes what nobody but this uses any more.
    pub fn close_unused(&mut self) {
        self.open.retain(|_, backend| Arc::strong_count(backend) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_a_size_and_everything_else_is_a_path() {
        assert_eq!("mem:64m".parse::<Device>().unwrap(), Device::Memory(64 << 20));
        assert_eq!("/dev/sdb".parse::<Device>().unwrap(), Device::File("/dev/sdb".into()));
        assert_eq!("memo".parse::<Device>().unwrap(), Device::File("memo".into()));
        assert!(
            "mem:".parse::<Device>().is_err()
                && "mem:x".parse::<Device>().is_err()
                && "".parse::<Device>().is_err()
        );
    }

    #[test]
    fn a_disk_is_opened_once_and_closed_when_nobody_has_it() {
        let mut devices = Devices::default();
        let memory = Device::Memory(1 << 20);
        let first = devices.open(&memory, Caching::Direct, 1).unwrap();
        assert!(Arc::ptr_eq(&first, &devices.open(&memory, Caching::Direct, 1).unwrap()));
        let second = devices.open(&memory, Caching::Direct, 2).unwrap();
        assert!(!Arc::ptr_eq(&first, &second), "another disk of the same size");
        drop(second);
        devices.close_unused();
        assert_eq!(devices.open.len(), 1);
        assert!(devices.open(&Device::File("/nowhere/at/all".into()), Caching::Direct, 0).is_err());
    }
}
