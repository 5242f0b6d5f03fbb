//! A model of nvmet's tree that answers as a kernel does, not as a disk does.
//!
//! Attributes appear by `mkdir`, an unknown one is `ENOENT`, a port in service refuses changes with `EACCES`, an enabled
//! namespace with `EBUSY`, an object in use cannot be removed. The answers of three Debian kernels to the same operations
//! are replayed against it by `tests/observed.rs`.

mod enable;
mod objects;
mod parse;
mod state;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::errno::Errno;
use crate::tree::{Entry, Name, NodeKind, Op, RelPath, Tree, TreeError};

pub(super) const DISCOVERY_NQN: &str = "nqn.2014-08.org.nvmexpress.discovery";

/// Most bytes of a directory's name (`NAME_MAX`).
const MAX_NAME: usize = 255;
/// Most bytes of a value that one write delivers (`fs/configfs/file.c:SIMPLE_ATTR_SIZE` less one).
const MAX_VALUE: usize = 4095;
/// Namespaces of a subsystem (`nvmet.h:NVMET_MAX_NAMESPACES`).
const MAX_NAMESPACES: usize = 1024;

/// Which kernel a [`FakeTree`] answers like: Debian's, with their build options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FakeKernel {
    /// 6.1: no authentication, no pass-through, no loop transport.
    V6_1,
    /// 6.12.
    V6_12,
    /// 7.3: counts namespaces when they are made; reservations, vendor ids, `param_mdts`, the `pci` transport.
    V7_3,
}

impl FakeKernel {
    /// All of them, oldest first.
    pub const ALL: [Self; 3] = [Self::V6_1, Self::V6_12, Self::V7_3];

    /// What `attr_version` of a new subsystem shows (`nvmet.h:NVMET_DEFAULT_VS`).
    fn version(self) -> &'static str {
        if self >= Self::V7_3 { "2.1" } else { "1.3" }
    }

    /// What `attr_firmware` shows: the first eight characters of the release.
    fn firmware(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1.0",
            Self::V6_12 => "6.12.107",
            Self::V7_3 => "7.3.4+de",
        }
    }
}

impl fmt::Display for FakeKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::V7_3 => "7.3",
        })
    }
}

/// What becomes of an address (`addr_traddr`, `addr_trsvcid`) as long as its field, 256 and 32 bytes: stable kernels of one series differ.
///
/// Source: `configfs.c:nvmet_addr_traddr_store`, `nvmet_addr_trsvcid_store`. This crate writes one byte less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressField {
    /// It is stored whole, and its NUL behind the field (Debian's 6.12.107).
    #[default]
    Whole,
    /// Its last byte is lost to the NUL (Debian's 6.12.118).
    EndsInNul,
}

#[derive(Clone, Debug)]
enum Node {
    Dir(Dir),
    /// The value as printed, without the newline.
    Attr(Vec<u8>),
    Link(RelPath),
}

#[derive(Clone, Debug)]
struct Dir {
    made_by_user: bool,
    nodes: BTreeMap<Name, Node>,
}

/// What a path outside the tree is, for namespaces that are enabled on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    Block,
    ReadOnlyBlock,
    File,
    /// Direct I/O since Linux 6.6.
    TmpfsFile,
    Directory,
    Character,
}

#[derive(Clone, Debug)]
struct State {
    kernel: FakeKernel,
    address_field: AddressField,
    root: Dir,
    devices: BTreeMap<Vec<u8>, Device>,
    addresses: BTreeSet<IpAddr>,
    busy: BTreeSet<SocketAddr>,
    /// Subsystems a host has identified; some attributes are fixed from then on.
    identified: BTreeSet<Name>,
    /// Source of serial numbers and UUIDs, which are random on a kernel.
    made: u64,
}

/// A simulated target. Feature `testing`.
///
/// It starts empty, with the block devices `/dev/ram0` to `/dev/ram3`, the character device `/dev/null`, the directory `/dev`, and the addresses
/// `127.0.0.0/8`, `::1`, `0.0.0.0` and `::`.
#[derive(Debug)]
pub struct FakeTree {
    state: Mutex<State>,
}

impl FakeTree {
    /// An empty target of a kernel.
    pub fn new(kernel: FakeKernel) -> Self {
        let ram = (0..4).map(|i| (format!("/dev/ram{i}").into_bytes(), Device::Block));
        let others = [(b"/dev".to_vec(), Device::Directory), (b"/dev/null".to_vec(), Device::Character)];
        let devices = ram.chain(others).collect();
        let state = State {
            kernel,
            address_field: AddressField::default(),
            root: objects::root(kernel),
            devices,
            addresses: BTreeSet::new(),
            busy: BTreeSet::new(),
            identified: BTreeSet::new(),
            made: 0,
        };
        Self { state: Mutex::new(state) }
    }

    /// Which kernel it answers like.
    pub fn kernel(&self) -> FakeKernel {
        self.lock().kernel
    }

    /// Keeps addresses as long as their field in this way.
    #[must_use]
    pub fn with_address_field(self, field: AddressField) -> Self {
        self.lock().address_field = field;
        self
    }

    fn with_device(self, path: &str, device: Device) -> Self {
        self.lock().devices.insert(path.as_bytes().to_vec(), device);
        self
    }

    /// Adds a block device.
    #[must_use]
    pub fn with_block_device(self, path: &str) -> Self {
        self.with_device(path, Device::Block)
    }

    /// Adds a block device that is read-only.
    #[must_use]
    pub fn with_read_only_device(self, path: &str) -> Self {
        self.with_device(path, Device::ReadOnlyBlock)
    }

    /// Adds a regular file on a file system with direct I/O. Whether it is empty does not matter to the kernel.
    #[must_use]
    pub fn with_file(self, path: &str) -> Self {
        self.with_device(path, Device::File)
    }

    /// Adds a regular file on tmpfs, which has direct I/O since Linux 6.6.
    #[must_use]
    pub fn with_tmpfs_file(self, path: &str) -> Self {
        self.with_device(path, Device::TmpfsFile)
    }

    /// Adds an NVMe controller that can be passed through; its path has to begin with `/dev/nvme`.
    #[must_use]
    pub fn with_controller(self, path: &str) -> Self {
        self.with_device(path, Device::Character)
    }

    /// Adds a directory.
    #[must_use]
    pub fn with_directory(self, path: &str) -> Self {
        self.with_device(path, Device::Directory)
    }

    /// Gives the machine an address.
    #[must_use]
    pub fn with_address(self, address: IpAddr) -> Self {
        self.lock().addresses.insert(address);
        self
    }

    /// Lets another program listen on an address.
    #[must_use]
    pub fn with_busy_address(self, address: SocketAddr) -> Self {
        self.lock().busy.insert(address);
        self
    }

    /// Takes a device away, as if it had been unplugged.
    pub fn remove_device(&self, path: &str) {
        self.lock().devices.remove(path.as_bytes());
    }

    /// Lets a host connect to a subsystem and identify its controller: serial, model and version are fixed from then on
    /// (`admin-cmd.c:nvmet_execute_identify_ctrl`).
    pub fn identify(&self, subsystem: &Name) {
        self.lock().identified.insert(subsystem.clone());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tree for FakeTree {
    fn list(&self, dir: &RelPath) -> Result<Vec<Entry>, TreeError> {
        let state = self.lock();
        let found = state.dir(dir).map_err(|e| TreeError::new(Op::List, dir, e))?;
        let entry = |(name, node): (&Name, &Node)| Entry { name: name.clone(), kind: kind(node) };
        Ok(found.nodes.iter().map(entry).collect())
    }

    fn read(&self, attr: &RelPath) -> Result<Vec<u8>, TreeError> {
        let state = self.lock();
        let value = match state.find(attr) {
            // `fs/configfs/file.c:__configfs_open_file`: there is nothing to read, whoever asks
            Ok(Node::Attr(_)) if attr.file_name().is_some_and(|n| n.as_bytes() == b"revalidate_size") => {
                Err(Errno::EACCES)
            }
            Ok(Node::Attr(value)) => Ok([value.as_slice(), b"\n"].concat()),
            Ok(Node::Dir(_)) => Err(Errno::EISDIR),
            Ok(Node::Link(_)) => Err(Errno::ELOOP),
            Err(e) => Err(e),
        };
        value.map_err(|e| TreeError::new(Op::Read, attr, e))
    }

    fn write(&self, attr: &RelPath, value: &[u8]) -> Result<(), TreeError> {
        self.lock().write(attr, value).map_err(|e| TreeError::new(Op::Write, attr, e))
    }

    fn mkdir(&self, dir: &RelPath) -> Result<(), TreeError> {
        self.lock().mkdir(dir).map_err(|e| TreeError::new(Op::Mkdir, dir, e))
    }

    fn rmdir(&self, dir: &RelPath) -> Result<(), TreeError> {
        self.lock().rmdir(dir).map_err(|e| TreeError::new(Op::Rmdir, dir, e))
    }

    fn symlink(&self, link: &RelPath, target: &RelPath) -> Result<(), TreeError> {
        self.lock().symlink(link, target).map_err(|e| TreeError::linking(link, target, e))
    }

    fn unlink(&self, link: &RelPath) -> Result<(), TreeError> {
        self.lock().unlink(link).map_err(|e| TreeError::new(Op::Unlink, link, e))
    }

    fn read_link(&self, link: &RelPath) -> Result<Vec<u8>, TreeError> {
        let state = self.lock();
        match state.find(link) {
            // `fs/configfs/symlink.c:configfs_get_target_path`
            Ok(Node::Link(target)) => Ok([b"../../../../nvmet/", target.as_bytes()].concat()),
            Ok(_) => Err(TreeError::new(Op::ReadLink, link, Errno::EINVAL)),
            Err(e) => Err(TreeError::new(Op::ReadLink, link, e)),
        }
    }

    fn kind(&self, path: &RelPath) -> Result<Option<NodeKind>, TreeError> {
        if path.as_bytes().is_empty() {
            return Ok(Some(NodeKind::Dir));
        }
        match self.lock().find(path) {
            Ok(node) => Ok(Some(kind(node))),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(TreeError::new(Op::Kind, path, e)),
        }
    }
}

fn kind(node: &Node) -> NodeKind {
    match node {
        Node::Dir(_) => NodeKind::Dir,
        Node::Attr(_) => NodeKind::Attr,
        Node::Link(_) => NodeKind::Link,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(p: &str) -> RelPath {
        RelPath::new(p).unwrap()
    }

    #[test]
    fn links_are_followed_on_the_way_and_print_as_the_kernel_does() {
        let tree = FakeTree::new(FakeKernel::V6_12);
        tree.mkdir(&path("subsystems/s")).unwrap();
        tree.mkdir(&path("hosts/h")).unwrap();
        tree.symlink(&path("subsystems/s/allowed_hosts/any"), &path("hosts/h")).unwrap();
        assert_eq!(
            tree.read_link(&path("subsystems/s/allowed_hosts/any")).unwrap(),
            b"../../../../nvmet/hosts/h"
        );
        let hash = tree.read(&path("subsystems/s/allowed_hosts/any/dhchap_hash")).unwrap();
        assert_eq!(hash, b"hmac(sha256)\n");
    }

    #[test]
    fn aliases_of_a_namespace_id() {
        for (kernel, want) in [(FakeKernel::V6_12, Ok(())), (FakeKernel::V7_3, Err(Errno::ENOMEM))] {
            let tree = FakeTree::new(kernel);
            tree.mkdir(&path("subsystems/s")).unwrap();
            tree.mkdir(&path("subsystems/s/namespaces/1")).unwrap();
            let second = tree.mkdir(&path("subsystems/s/namespaces/0x1")).map_err(|e| e.errno());
            assert_eq!(second, want, "{kernel}");
        }
    }
}
