//! Namespaces: what of a subsystem is offered to hosts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::AnaGroupId;
use super::settings::{Settings, with_settings};
use crate::object::Object;
use crate::text;

/// The wanted state of a namespace.
///
/// | field | attribute | `None` leaves |
/// |---|---|---|
/// | `device_path` | `device_path` | the device it has; a new namespace has none and cannot be enabled |
/// | `enabled` | `enable` | – |
/// | `settings` | `device_uuid`, `device_nguid`, `buffered_io`, `ana_grpid`, `resv_enable`, `p2pmem` | as it is |
///
/// An enabled namespace refuses most changes (`EBUSY`); a plan takes it offline for them and brings it back. Its ANA group can change
/// at any time. Source: `drivers/nvme/target/configfs.c:nvmet_ns_attrs`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamespaceSpec {
    /// Block device or regular file that holds the data.
    pub device_path: Option<DevicePath>,
    /// Whether hosts see it.
    pub enabled: bool,
    /// Its other attributes.
    pub settings: Settings,
}

/// How a namespace reaches its device, for [`NamespaceSpec::buffered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffering {
    /// Through the page cache (`buffered_io` = 1); files on tmpfs need it before Linux 6.6.
    PageCache,
    /// Past it, by direct I/O (`buffered_io` = 0).
    Direct,
}

impl NamespaceSpec {
    /// An enabled namespace on a device, all else as the kernel has it.
    pub fn new(device_path: DevicePath) -> Self {
        Self { device_path: Some(device_path), enabled: true, settings: Settings::of(Object::Namespace) }
    }

    /// A disabled namespace, its device as it is.
    pub fn without_device() -> Self {
        Self { device_path: None, enabled: false, settings: Settings::of(Object::Namespace) }
    }

    /// The same, not enabled.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.enabled = false;
        self
    }

    /// With this UUID.
    #[must_use]
    pub fn uuid(mut self, uuid: NsUuid) -> Self {
        self.settings.set_checked("device_uuid", uuid);
        self
    }

    /// With this NGUID.
    #[must_use]
    pub fn nguid(mut self, nguid: Nguid) -> Self {
        self.settings.set_checked("device_nguid", nguid);
        self
    }

    /// With this way to the device.
    #[must_use]
    pub fn buffered(mut self, buffering: Buffering) -> Self {
        self.settings.set_checked("buffered_io", u8::from(buffering == Buffering::PageCache));
        self
    }

    /// In this ANA group. Ports that do not have the group do not let hosts reach the namespace.
    #[must_use]
    pub fn ana_group(mut self, group: AnaGroupId) -> Self {
        self.settings.set_checked("ana_grpid", group);
        self
    }
}

with_settings!(NamespaceSpec);

/// An absolute path of a device or file: 1 to 4094 bytes, no NUL, no newline.
///
/// Absolute, because the kernel resolves it when the namespace is enabled, relative to the directory of whichever process
/// does that.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevicePath(String);

/// Why a path cannot be a namespace's device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DevicePathError {
    /// Relative or empty.
    #[error("device path {path:?} is not absolute: give it from the root, for example /dev/sdb")]
    NotAbsolute {
        /// The text.
        path: String,
    },
    /// Longer than the kernel takes.
    #[error("device path has {len} bytes; at most 4094 are safe to read back")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Not UTF-8.
    #[error("device path {} is not UTF-8", .path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// A NUL or a newline, which would end the path early.
    #[error("device path holds a control character at byte {at}")]
    Control {
        /// Byte offset.
        at: usize,
    },
}

impl DevicePath {
    /// Most bytes. The kernel stores one more (`fs/configfs/file.c:SIMPLE_ATTR_SIZE` less one), and whoever reads it back makes the kernel
    /// write a NUL behind its buffer of a page (`configfs.c:nvmet_ns_device_path_show`): seen to crash it.
    pub const MAX_LEN: usize = 4094;

    /// A path, checked. Nothing is looked up; see [`preflight`](crate::preflight()).
    ///
    /// # Errors
    /// [`DevicePathError`] names the rule.
    pub fn new(path: impl Into<String>) -> Result<Self, DevicePathError> {
        let path = path.into();
        if !path.starts_with('/') {
            return Err(DevicePathError::NotAbsolute { path });
        }
        if path.len() > Self::MAX_LEN {
            return Err(DevicePathError::TooLong { len: path.len() });
        }
        match path.bytes().position(|b| matches!(b, 0 | b'\n' | b'\r')) {
            Some(at) => Err(DevicePathError::Control { at }),
            None => Ok(Self(path)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<Path> for DevicePath {
    fn as_ref(&self) -> &Path {
        self.0.as_ref()
    }
}

impl TryFrom<&Path> for DevicePath {
    type Error = DevicePathError;
    fn try_from(path: &Path) -> Result<Self, DevicePathError> {
        match path.to_str() {
            Some(text) => Self::new(text),
            None => Err(DevicePathError::NotUtf8 { path: path.into() }),
        }
    }
}

impl FromStr for DevicePath {
    type Err = DevicePathError;
    fn from_str(s: &str) -> Result<Self, DevicePathError> {
        Self::new(s)
    }
}

impl fmt::Display for DevicePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DevicePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A text is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a UUID is 36 characters: 8-4-4-4-12 hexadecimal digits")]
pub struct NsUuidError;

/// A text is not an NGUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an NGUID is 32 hexadecimal digits; pairs may be separated by - or :")]
pub struct NguidError;

/// A namespace's UUID, printed as 8-4-4-4-12 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NsUuid(pub [u8; 16]);

impl FromStr for NsUuid {
    type Err = NsUuidError;
    fn from_str(s: &str) -> Result<Self, NsUuidError> {
        match text::hex_pairs(s.as_bytes()) {
            Some((bytes, b"")) if text::hyphenated(&bytes).eq_ignore_ascii_case(s) => Ok(Self(bytes)),
            _ => Err(NsUuidError),
        }
    }
}

/// A namespace's globally unique identifier (NGUID), 16 bytes; printed like a UUID, as the kernel does.
#[doc(alias = "NGUID")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nguid(pub [u8; 16]);

impl FromStr for Nguid {
    type Err = NguidError;
    fn from_str(s: &str) -> Result<Self, NguidError> {
        match text::hex_pairs(s.as_bytes()) {
            Some((bytes, b"")) => Ok(Self(bytes)),
            _ => Err(NguidError),
        }
    }
}

macro_rules! sixteen_bytes {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&text::hyphenated(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    )*};
}

sixteen_bytes!(NsUuid, Nguid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_paths_are_absolute_single_lines() {
        assert_eq!(DevicePath::new("/dev/sdb").unwrap().as_str(), "/dev/sdb");
        assert!(matches!(DevicePath::new("sdb"), Err(DevicePathError::NotAbsolute { .. })));
        assert!(matches!(DevicePath::new(""), Err(DevicePathError::NotAbsolute { .. })));
        assert_eq!(DevicePath::new("/a\nb"), Err(DevicePathError::Control { at: 2 }));
        assert_eq!(DevicePath::new("/\0"), Err(DevicePathError::Control { at: 1 }));
        let long = format!("/{}", "x".repeat(DevicePath::MAX_LEN - 1));
        assert!(DevicePath::new(&*long).is_ok());
        assert_eq!(DevicePath::new(long + "x"), Err(DevicePathError::TooLong { len: 4095 }));
    }

    #[test]
    fn identifiers_print_as_the_kernel_prints_them() {
        let uuid: NsUuid = "1B4E28BA-2FA1-11D2-883F-0016D3CCABCD".parse().unwrap();
        assert_eq!(uuid.to_string(), "1b4e28ba-2fa1-11d2-883f-0016d3ccabcd");
        assert_eq!("1b4e28ba2fa111d2883f0016d3ccabcd".parse::<NsUuid>(), Err(NsUuidError));
        let nguid: Nguid = "0123456789abcdef0123456789abcdef".parse().unwrap();
        assert_eq!(nguid.to_string(), "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!("0123456789abcdef0123456789abcdefgg".parse::<Nguid>(), Err(NguidError));
    }
}
