//! One namespace and its paths as sysfs shows them.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::{Sysfs, switch, text, value};
use crate::kernel::names::{ControllerName, GenericName, NamespaceName, PathName};

/// Asymmetric namespace access state of a path, in the kernel's own words. Unknown words are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[doc(alias = "ANA")]
pub struct AnaState(String);

impl AnaState {
    /// Full performance.
    pub const OPTIMIZED: &'static str = "optimized";
    /// Works, slower.
    pub const NON_OPTIMIZED: &'static str = "non-optimized";
    /// No I/O by this path now.
    pub const INACCESSIBLE: &'static str = "inaccessible";
    /// No I/O by this path, for good.
    pub const PERSISTENT_LOSS: &'static str = "persistent-loss";
    /// Between two states.
    pub const CHANGE: &'static str = "change";

    /// The state that the kernel prints as `word`.
    #[must_use]
    pub fn new(word: &str) -> Self {
        Self(word.to_owned())
    }

    /// The kernel's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AnaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Major and minor number of a block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

impl DeviceNumber {
    /// `259:3`, as `dev` in sysfs and the third field of mountinfo print it.
    #[must_use]
    pub fn parse(s: &str) -> Option<Self> {
        let (major, minor) = s.trim_ascii().split_once(':')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// Whom a namespace's block device hangs from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamespaceParent {
    /// The subsystem: a multipath head, served by every controller in `paths`.
    Subsystem,
    /// One controller: the kernel made no multipath head.
    Controller(ControllerName),
}

/// One controller's way to a namespace of a multipath subsystem.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamespacePath {
    /// `nvme3c5n1`.
    pub name: PathName,
    /// The controller.
    pub controller: ControllerName,
    /// Access state, if the target reports one.
    pub ana_state: Option<AnaState>,
    /// ANA group, if the target has any.
    pub ana_group: Option<u32>,
    /// Commands that wait for this path, with the policy `queue-depth`. Since 6.15.
    pub queue_depth: Option<u32>,
    /// Nodes of the machine's memory that use this path with the policy `numa`, as a list like `0-3`. Since 6.15.
    pub numa_nodes: Option<String>,
}

impl NamespacePath {
    pub(crate) fn read(controller_dir: &Path, controller: ControllerName, name: PathName) -> Self {
        let dir = controller_dir.join(name.to_string());
        Self {
            name,
            controller,
            ana_state: text(&dir, "ana_state").map(|w| AnaState::new(&w)),
            ana_group: value(&dir, "ana_grpid"),
            queue_depth: value(&dir, "queue_depth"),
            numa_nodes: text(&dir, "numa_nodes"),
        }
    }
}

/// A namespace: a block device (and, since 5.13, a character device).
///
/// | field | attribute | since |
/// |---|---|---|
/// | `nsid`, `wwid`, `uuid`, `nguid`, `eui64` | `nsid`, `wwid`, `uuid`, `nguid`, `eui` | before 5.10 |
/// | `bytes` | `size` x 512 | before 5.10 |
/// | `block_size` | `queue/logical_block_size` | before 5.10 |
/// | `command_set`, `metadata_bytes`, `used_blocks` | `csi`, `metadata_bytes`, `nuse` | 6.8 |
/// | `ana_state`, `ana_group` | `ana_state`, `ana_grpid`; of a plain namespace: a head has them in its paths | before 5.10 |
/// | `logs_passthrough_errors` | `passthru_err_log_enabled` | 6.8 |
/// | `delayed_removal` | `delayed_removal_secs`; of a head | 6.16 |
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Namespace {
    /// Block device.
    pub name: NamespaceName,
    /// Character device, where the kernel has made one.
    pub generic: Option<GenericName>,
    /// Whom it hangs from.
    pub parent: NamespaceParent,
    /// Its paths, in the controllers' order; empty without a multipath head.
    pub paths: Vec<NamespacePath>,
    /// Namespace identifier. Not the number in the name.
    #[doc(alias = "NSID")]
    pub nsid: u32,
    /// UUID, or the NGUID printed as one where the namespace has no UUID.
    pub uuid: Option<String>,
    /// NGUID in UUID form.
    pub nguid: Option<String>,
    /// EUI-64.
    pub eui64: Option<[u8; 8]>,
    /// The kernel's world-wide name, e.g. `uuid.…`.
    pub wwid: Option<String>,
    /// Capacity in bytes; 0 when the kernel cannot use the namespace's format.
    pub bytes: u64,
    /// Bytes of a logical block, if known.
    pub block_size: Option<u32>,
    /// Logical blocks in use, if the kernel tells.
    #[doc(alias = "NUSE")]
    pub used_blocks: Option<u64>,
    /// Metadata bytes of each block, if the kernel tells.
    pub metadata_bytes: Option<u32>,
    /// Command set: 0 NVM, 1 key value, 2 zoned; if the kernel tells.
    #[doc(alias = "CSI")]
    pub command_set: Option<u8>,
    /// Access state of a namespace without a multipath head.
    pub ana_state: Option<AnaState>,
    /// ANA group of a namespace without a multipath head.
    pub ana_group: Option<u32>,
    /// Whether errors of pass-through commands are written to the kernel log.
    pub logs_passthrough_errors: Option<bool>,
    /// How long the block device stays when its last path is gone.
    pub delayed_removal: Option<Duration>,
    /// The block device refuses writes.
    pub read_only: bool,
    /// Number of the block device.
    pub device: Option<DeviceNumber>,
}

/// Whether attributes whose reading sends a command to the controller may be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskController {
    Yes,
    No,
}

impl Namespace {
    /// Reads the block device's directory. `None` when it has no usable `nsid`, so is gone or no namespace.
    pub(crate) fn read(
        sysfs: &Sysfs,
        parent_dir: &Path,
        name: NamespaceName,
        parent: NamespaceParent,
        ask: AskController,
    ) -> Option<Self> {
        let dir = parent_dir.join(name.to_string());
        // Printed signed by the kernel: 4294967294 reads -2. The low 32 bits are the number.
        let nsid = u32::try_from(value::<i64>(&dir, "nsid")? & 0xffff_ffff).ok()?;
        let generic_owner = match parent {
            NamespaceParent::Subsystem => name.owner(),
            NamespaceParent::Controller(c) => c.instance(),
        };
        let generic = GenericName::new(generic_owner, name.index());
        let has_generic = sysfs.class("nvme-generic").join(generic.to_string()).exists()
            || parent_dir.join(generic.to_string()).exists();
        Some(Self {
            name,
            generic: has_generic.then_some(generic),
            parent,
            paths: Vec::new(),
            nsid,
            uuid: text(&dir, "uuid"),
            nguid: text(&dir, "nguid"),
            eui64: text(&dir, "eui").and_then(|t| parse_eui64(&t)),
            wwid: text(&dir, "wwid"),
            bytes: value::<u64>(&dir, "size").unwrap_or(0).saturating_mul(512),
            block_size: value(&dir.join("queue"), "logical_block_size").filter(|n| *n > 0),
            used_blocks: if ask == AskController::Yes { value(&dir, "nuse") } else { None },
            metadata_bytes: value(&dir, "metadata_bytes"),
            command_set: value(&dir, "csi"),
            ana_state: text(&dir, "ana_state").map(|w| AnaState::new(&w)),
            ana_group: value(&dir, "ana_grpid"),
            logs_passthrough_errors: switch(&dir, "passthru_err_log_enabled"),
            delayed_removal: value(&dir, "delayed_removal_secs").map(Duration::from_secs),
            read_only: value::<u8>(&dir, "ro").is_some_and(|ro| ro != 0),
            device: text(&dir, "dev").and_then(|t| DeviceNumber::parse(&t)),
        })
    }

    /// Capacity in logical blocks, if the block size is known.
    #[must_use]
    pub fn blocks(&self) -> Option<u64> {
        self.block_size.and_then(|size| self.bytes.checked_div(u64::from(size)))
    }

    /// Bytes in use, if the kernel tells.
    #[must_use]
    pub fn used_bytes(&self) -> Option<u64> {
        Some(self.used_blocks?.saturating_mul(u64::from(self.block_size?)))
    }

    /// Whether I/O can take the way over this controller.
    #[must_use]
    pub fn is_served_by(&self, controller: ControllerName) -> bool {
        self.parent == NamespaceParent::Controller(controller)
            || self.paths.iter().any(|p| p.controller == controller)
    }

    /// The controllers that serve it.
    #[must_use]
    pub fn controllers(&self) -> Vec<ControllerName> {
        match self.parent {
            NamespaceParent::Controller(c) => vec![c],
            NamespaceParent::Subsystem => self.paths.iter().map(|p| p.controller).collect(),
        }
    }
}

/// Eight hexadecimal bytes separated by blanks.
fn parse_eui64(text: &str) -> Option<[u8; 8]> {
    let bytes: Vec<u8> =
        text.split_ascii_whitespace().map(|b| u8::from_str_radix(b, 16).ok()).collect::<Option<_>>()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(attributes: &[(&str, &str)]) -> Option<Namespace> {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("nvme0n1");
        fs::create_dir_all(dir.join("queue")).unwrap();
        for (name, text) in attributes {
            fs::write(dir.join(name), text).unwrap();
        }
        Namespace::read(
            &Sysfs::at(root.path()),
            root.path(),
            NamespaceName::new(0, 1),
            NamespaceParent::Subsystem,
            AskController::Yes,
        )
    }

    #[test]
    fn sizes_follow_the_kernels_512_byte_units() {
        let ns = read(&[
            ("nsid", "1\n"),
            ("size", "8388608\n"),
            ("queue/logical_block_size", "4096\n"),
            ("nuse", "1048576\n"),
        ])
        .unwrap();
        assert_eq!(ns.bytes, 4_294_967_296);
        assert_eq!(ns.blocks(), Some(1_048_576));
        assert_eq!(ns.used_bytes(), Some(4_294_967_296));
    }

    #[test]
    fn a_large_nsid_is_printed_negative() {
        assert_eq!(read(&[("nsid", "-2\n")]).unwrap().nsid, 4_294_967_294);
        assert_eq!(read(&[("nsid", "4294967294\n")]).unwrap().nsid, 4_294_967_294);
    }

    #[test]
    fn identifiers() {
        let ns = read(&[
            ("nsid", "1\n"),
            ("eui", "00 25 38 b1 91 00 12 34\n"),
            ("uuid", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6\n"),
            ("dev", "259:3\n"),
            ("ro", "1\n"),
        ])
        .unwrap();
        assert_eq!(ns.eui64, Some([0x00, 0x25, 0x38, 0xb1, 0x91, 0x00, 0x12, 0x34]));
        assert_eq!(ns.device, Some(DeviceNumber { major: 259, minor: 3 }));
        assert!(ns.read_only);
        assert_eq!(parse_eui64("00 25 38"), None);
        assert_eq!(parse_eui64("00 25 38 b1 91 00 12 zz"), None);
    }

    #[test]
    fn an_older_kernel_leaves_fields_unknown() {
        let ns = read(&[("nsid", "1\n"), ("size", "2048\n")]).unwrap();
        assert_eq!((ns.command_set, ns.used_blocks, ns.metadata_bytes), (None, None, None));
        assert_eq!((ns.block_size, ns.blocks(), ns.used_bytes()), (None, None, None));
    }

    #[test]
    fn without_nsid_it_is_no_namespace() {
        assert_eq!(read(&[("size", "2048\n")]), None);
        assert_eq!(read(&[("nsid", "one\n")]), None);
    }
}
