//! `/dev/nvme-fabrics`, the device that makes controllers.
//!
//! | operation | system calls |
//! |---|---|
//! | [`FabricsDevice::option_list`] | open for reading, read; the list exists since 5.17, older kernels answer EINVAL |
//! | [`FabricsDevice::create`] | open for reading and writing, one write of the option string, read of the reply |
//!
//! The two never share a descriptor: after the list was read, the position of the file is at its end and the reply to a write
//! would read as nothing. One global mutex in the kernel makes all connects of the machine, and the reading of the list,
//! wait for each other: a dead address delays everybody by some seconds.
//!
//! Source: `drivers/nvme/host/fabrics.c: nvmf_dev_write, nvmf_dev_show`.

mod os;
mod reply;
#[cfg(any(test, feature = "testing"))]
mod scripted;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

pub use os::OsDevice;
pub use reply::{Reply, ReplyError};
#[cfg(any(test, feature = "testing"))]
pub use scripted::ScriptedDevice;

use crate::kernel::errno::Errno;

/// The device that makes controllers. Implementations: [`OsDevice`]; `ScriptedDevice` for tests (feature `testing`).
pub trait FabricsDevice {
    /// Which options this kernel knows.
    ///
    /// # Errors
    /// [`DeviceError`] when the device cannot be opened or read. A kernel without the list is not an error.
    fn option_list(&self) -> Result<OptionList, DeviceError>;

    /// Writes one option string and gives the kernel's reply. Blocks until the controller is up or has failed: TCP connect
    /// up to 3 s, a silent peer 10 s, an unanswered Connect command 60 s, longer behind other connects.
    ///
    /// # Errors
    /// [`DeviceError`] with the error number of the write. Nothing was created then, unless only the reply could not be read.
    fn create(&self, options: &str) -> Result<String, DeviceError>;

    /// Waits until nobody else of this machine connects by way of this crate; others wait until the guard is dropped. Two connects that fail without the log
    /// naming whose failure it is can be told apart so. A device that cannot be locked gives a guard of nothing.
    fn turn(&self) -> Turn {
        Turn::default()
    }

    /// Where the device is, for messages.
    fn path(&self) -> &Path;
}

/// Held while a connect is made and its messages are read. See [`FabricsDevice::turn`].
#[derive(Debug, Default)]
#[must_use = "the turn ends when this is dropped"]
pub struct Turn {
    #[cfg(target_os = "linux")]
    _file: Option<nix::fcntl::Flock<std::fs::File>>,
}

/// The options that a kernel knows.
///
/// The list is a property of the `nvme-fabrics` module and of its build configuration; whether a transport takes an option
/// is only decided when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionList {
    /// Names of the options. Names that this crate does not know are kept.
    Listed(BTreeSet<String>),
    /// The kernel has no list: 5.16 or older.
    Unavailable,
}

impl OptionList {
    /// Parses what reading the device gives: patterns like `queue_size=%d`, separated by commas and line ends.
    ///
    /// | token | meaning |
    /// |---|---|
    /// | `name=%s`, `name=%d` | option with a value |
    /// | `name` | flag |
    /// | `instance=-1`, `cntlid=-1` | no controller was made by this descriptor; not options |
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let names = text
            .split([',', '\n'])
            .map(|token| token.split_once('=').map_or(token, |(name, _)| name).trim_ascii())
            .filter(|name| !name.is_empty() && *name != "instance" && *name != "cntlid");
        Self::Listed(names.map(str::to_owned).collect())
    }

    /// Whether the kernel knows this option; `None` when the kernel does not say.
    #[must_use]
    pub fn knows(&self, name: &str) -> Option<bool> {
        match self {
            Self::Listed(names) => Some(names.contains(name)),
            Self::Unavailable => None,
        }
    }
}

/// What was tried with the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceOp {
    /// Opening it.
    Open,
    /// Reading the list of options.
    ReadOptions,
    /// Writing an option string.
    Write,
    /// Reading the reply to a write that succeeded.
    ReadReply,
}

impl DeviceOp {
    fn words(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::ReadOptions => "read the option list of",
            Self::Write => "make a controller with",
            Self::ReadReply => "read the reply of",
        }
    }
}

/// An operation on the fabrics device failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {} {}{}", .op.words(), .path.display(), self.hint().map(|h| format!(" ({h})")).unwrap_or_default())]
pub struct DeviceError {
    /// What was tried.
    pub op: DeviceOp,
    /// The device.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl DeviceError {
    /// The kernel's error number.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        Errno::of(&self.source)
    }

    /// What to do, when the device itself is the trouble.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match (self.op, self.errno()?) {
            (DeviceOp::Open, Errno::ENOENT | Errno::ENXIO | Errno::ENODEV) => {
                Some("the kernel's NVMe host for fabrics is not loaded: modprobe nvme-tcp")
            }
            (DeviceOp::Open, Errno::EACCES | Errno::EPERM) => {
                Some("no permission: connecting needs root, or access to this device node")
            }
            (DeviceOp::ReadOptions, Errno::ENOTTY) => {
                Some("it is a file and no device: remove it, then load the module: modprobe nvme-tcp")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a 6.12 kernel with authentication and TLS prints it.
    const LIST: &str = "instance=-1,cntlid=-1,transport=%s,traddr=%s,trsvcid=%s,nqn=%s,queue_size=%d,nr_io_queues=%d,\
        reconnect_delay=%d,ctrl_loss_tmo=%d,keep_alive_tmo=%d,hostnqn=%s,host_traddr=%s,host_iface=%s,hostid=%s,\
        duplicate_connect,disable_sqflow,hdr_digest,data_digest,nr_write_queues=%d,nr_poll_queues=%d,tos=%d,keyring=%d,\
        tls_key=%d,fast_io_fail_tmo=%d,discovery,dhchap_secret=%s,dhchap_ctrl_secret=%s,tls\n";

    #[test]
    fn the_list_is_names_without_patterns() {
        let list = OptionList::parse(LIST);
        for name in ["transport", "hdr_digest", "discovery", "tls", "fast_io_fail_tmo"] {
            assert_eq!(list.knows(name), Some(true), "{name}");
        }
        for name in ["concat", "instance", "cntlid", "hdr", "hdr_digest=%s", ""] {
            assert_eq!(list.knows(name), Some(false), "{name}");
        }
        assert_eq!(OptionList::Unavailable.knows("tls"), None);
    }

    #[test]
    fn names_of_the_future_are_kept() {
        let list = OptionList::parse("instance=-1,cntlid=-1,nqn=%s,recovery_delay=%d,,new_flag\n");
        assert_eq!(list, OptionList::Listed(["new_flag", "nqn", "recovery_delay"].map(str::to_owned).into()));
    }

    #[test]
    fn a_missing_module_and_a_missing_permission_read_differently() {
        let error = |errno: Errno| DeviceError {
            op: DeviceOp::Open,
            path: "/dev/nvme-fabrics".into(),
            source: errno.into(),
        };
        assert_eq!(
            error(Errno::ENOENT).to_string(),
            "cannot open /dev/nvme-fabrics (the kernel's NVMe host for fabrics is not loaded: modprobe nvme-tcp)"
        );
        assert!(error(Errno::EACCES).to_string().contains("root"));
        assert_eq!(error(Errno::EIO).to_string(), "cannot open /dev/nvme-fabrics");
    }
}
