//! A model of nvmet's tree that answers as a kernel does, not as a disk does.
//!
//! Attributes appear by `mkdir`, an unknown one is `ENOENT`, a port in service refuses changes with `EACCES`, an enabled
//! namespace with `EBUSY`, an object in use cannot be removed. The answers of three Debian kernels to the same operations
//! are replayed against it by `tests/observed.rs`.

mod enable;
mod objects;
mod parse;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::errno::Errno;
use crate::object::Object;
use crate::text;
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
/// It starts empty, with the block devices `/dev/ram0` to `/dev/ram3`, the character device `/dev/null`, and the addresses
/// `127.0.0.0/8`, `::1`, `0.0.0.0` and `::`.
#[derive(Debug)]
pub struct FakeTree {
    state: Mutex<State>,
}

impl FakeTree {
    /// An empty target of a kernel.
    pub fn new(kernel: FakeKernel) -> Self {
        let ram = (0..4).map(|i| (format!("/dev/ram{i}").into_bytes(), Device::Block));
        let devices = ram.chain([(b"/dev/null".to_vec(), Device::Character)]).collect();
        let state = State {
            kernel,
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

impl State {
    /// The node at a path. A link on the way is followed, one at its end is not.
    fn find(&self, path: &RelPath) -> Result<&Node, Errno> {
        self.find_below(path, 0)
    }

    fn find_below(&self, path: &RelPath, depth: usize) -> Result<&Node, Errno> {
        if depth > 8 {
            return Err(Errno::ELOOP);
        }
        let mut dir = &self.root;
        let mut parts = path.components().peekable();
        while let Some(part) = parts.next() {
            if part.len() > MAX_NAME {
                return Err(Errno::ENAMETOOLONG);
            }
            let name = Name::new(part).map_err(|_| Errno::EINVAL)?;
            let node = dir.nodes.get(&name).ok_or(Errno::ENOENT)?;
            if parts.peek().is_none() {
                return Ok(node);
            }
            match node {
                Node::Dir(next) => dir = next,
                Node::Attr(_) => return Err(Errno::ENOTDIR),
                Node::Link(target) => {
                    let mut rest = target.clone();
                    for part in parts {
                        rest = rest.join(&Name::new(part).map_err(|_| Errno::EINVAL)?);
                    }
                    return self.find_below(&rest, depth + 1);
                }
            }
        }
        Err(Errno::EISDIR) // the root, which callers that can take it ask for by `dir`
    }

    fn dir(&self, path: &RelPath) -> Result<&Dir, Errno> {
        if path.as_bytes().is_empty() {
            return Ok(&self.root);
        }
        match self.find(path)? {
            Node::Dir(dir) => Ok(dir),
            Node::Attr(_) => Err(Errno::ENOTDIR),
            Node::Link(target) => self.dir(target),
        }
    }

    fn dir_mut(&mut self, path: &RelPath) -> Result<&mut Dir, Errno> {
        let mut dir = &mut self.root;
        for part in path.components() {
            let name = Name::new(part).map_err(|_| Errno::EINVAL)?;
            match dir.nodes.get_mut(&name) {
                Some(Node::Dir(next)) => dir = next,
                Some(_) => return Err(Errno::ENOTDIR),
                None => return Err(Errno::ENOENT),
            }
        }
        Ok(dir)
    }

    /// The value of an attribute of a directory; empty if there is none.
    fn value(&self, dir: &RelPath, name: &'static str) -> &[u8] {
        match self.find(&dir.at(name)) {
            Ok(Node::Attr(value)) => value,
            _ => b"",
        }
    }

    fn set(&mut self, dir: &RelPath, name: &Name, value: impl Into<Vec<u8>>) {
        if let Ok(dir) = self.dir_mut(dir)
            && let Some(Node::Attr(old)) = dir.nodes.get_mut(name)
        {
            *old = value.into();
        }
    }

    fn has_entries(&self, dir: &RelPath) -> bool {
        self.dir(dir).is_ok_and(|d| !d.nodes.is_empty())
    }

    /// A port is in service while it exports something.
    fn is_live(&self, port: &RelPath) -> bool {
        self.has_entries(&port.at("subsystems"))
    }

    fn links(&self, dir: &RelPath) -> impl Iterator<Item = &RelPath> {
        let nodes = self.dir(dir).ok().into_iter().flat_map(|d| d.nodes.values());
        nodes.filter_map(|n| if let Node::Link(target) = n { Some(target) } else { None })
    }

    fn is_linked(&self, object: &RelPath) -> bool {
        let groups = [
            (RelPath::root().at("subsystems"), "allowed_hosts"),
            (RelPath::root().at("ports"), "subsystems"),
        ];
        groups.iter().any(|(group, sub)| {
            let names = self.dir(group).ok().into_iter().flat_map(|d| d.nodes.keys());
            names.into_iter().any(|name| self.links(&group.join(name).at(sub)).any(|target| target == object))
        })
    }

    /// Like the kernel's random numbers, but the same on each run.
    fn next_made(&mut self) -> u64 {
        self.made += 1;
        self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn mkdir(&mut self, path: &RelPath) -> Result<(), Errno> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::EEXIST) };
        self.dir(&parent)?;
        match self.find(path) {
            Ok(_) => return Err(Errno::EEXIST),
            Err(Errno::ENOENT) => {}
            Err(other) => return Err(other),
        }
        let bytes = name.as_bytes();
        let dir = match Object::of(&parent) {
            Object::Hosts => objects::host(self.kernel),
            Object::Subsystems => {
                let reserved = text::line(bytes);
                let unique = self.value(&RelPath::root(), "discovery_nqn");
                if reserved == DISCOVERY_NQN.as_bytes() || (!unique.is_empty() && reserved == unique) {
                    return Err(Errno::EINVAL);
                }
                let serial = format!("{:020x}", self.next_made());
                objects::subsystem(self.kernel, &serial)
            }
            Object::Namespaces => {
                let nsid = parse::unsigned(bytes, 0xffff_ffff)?;
                if nsid == 0 || nsid == 0xffff_ffff {
                    return Err(Errno::EINVAL);
                }
                // Counted and kept apart by id since 6.13 (`core.c:nvmet_ns_alloc`).
                if self.kernel >= FakeKernel::V7_3 {
                    let ids: Vec<_> = self.dir(&parent)?.nodes.keys().map(Name::as_bytes).collect();
                    let taken = ids.iter().any(|other| text::unsigned(other, 0xffff_ffff) == Ok(nsid));
                    if taken || ids.len() >= MAX_NAMESPACES {
                        return Err(Errno::ENOMEM);
                    }
                }
                let (high, low) = (self.next_made().to_be_bytes(), self.next_made().to_be_bytes());
                let mut uuid = [0; 16];
                for (to, from) in uuid.iter_mut().zip(high.iter().chain(&low)) {
                    *to = *from;
                }
                objects::namespace(self.kernel, &text::hyphenated(&uuid))
            }
            Object::Ports => {
                parse::unsigned(bytes, 0xffff).map_err(|_| Errno::EINVAL)?;
                objects::port(self.kernel)
            }
            Object::Referrals => objects::referral(self.kernel),
            Object::AnaGroups => {
                let id = parse::unsigned(bytes, 0xffff_ffff)?;
                if !(2..=128).contains(&id) {
                    return Err(Errno::EINVAL);
                }
                objects::ana_group("inaccessible")
            }
            _ => return Err(Errno::EPERM),
        };
        self.dir_mut(&parent)?.nodes.insert(name, Node::Dir(dir));
        Ok(())
    }

    fn rmdir(&mut self, path: &RelPath) -> Result<(), Errno> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::EBUSY) };
        let Node::Dir(dir) = self.find(path)? else { return Err(Errno::ENOTDIR) };
        if !dir.made_by_user {
            return Err(Errno::EPERM);
        }
        if self.is_linked(path) {
            return Err(Errno::EBUSY); // before content is looked at (`fs/configfs/dir.c:configfs_detach_prep`)
        }
        let occupied = dir.nodes.values().any(|group| match group {
            Node::Dir(group) => group.nodes.values().any(|n| match n {
                Node::Dir(d) => d.made_by_user,
                Node::Link(_) => true,
                Node::Attr(_) => false,
            }),
            _ => false,
        });
        if occupied {
            return Err(Errno::ENOTEMPTY);
        }
        if Object::of(path) == Object::Subsystem {
            self.identified.remove(&name);
        }
        self.dir_mut(&parent)?.nodes.remove(&name);
        Ok(())
    }

    fn symlink(&mut self, link: &RelPath, target: &RelPath) -> Result<(), Errno> {
        let (Some(parent), Some(name)) = (link.parent(), link.file_name()) else { return Err(Errno::EEXIST) };
        self.dir(&parent)?;
        match self.find(link) {
            Ok(_) => return Err(Errno::EEXIST),
            Err(Errno::ENOENT) => {}
            Err(other) => return Err(other),
        }
        let group = Object::of(&parent);
        if !matches!(group, Object::AllowedHosts | Object::Exports) {
            return Err(Errno::EPERM);
        }
        self.dir(target)?;
        let target = match self.find(target) {
            Ok(Node::Link(end)) => end.clone(), // the kernel follows links when it resolves the target
            _ => target.clone(),
        };
        let owner = parent.parent().unwrap_or(RelPath::root());
        let linked = self.links(&parent).any(|t| *t == target);
        if group == Object::AllowedHosts {
            // `configfs.c:nvmet_allowed_hosts_allow_link`
            if Object::of(&target) != Object::Host || self.value(&owner, "attr_allow_any_host") == b"1" {
                return Err(Errno::EINVAL);
            }
            if linked {
                return Err(Errno::EEXIST);
            }
        } else {
            // `configfs.c:nvmet_port_subsys_allow_link`
            if Object::of(&target) != Object::Subsystem {
                return Err(Errno::EINVAL);
            }
            if linked {
                return Err(Errno::EEXIST);
            }
            if !self.is_live(&owner) {
                self.enable_port(&owner)?;
            }
        }
        self.dir_mut(&parent)?.nodes.insert(name, Node::Link(target));
        Ok(())
    }

    fn unlink(&mut self, link: &RelPath) -> Result<(), Errno> {
        match self.find(link)? {
            Node::Dir(_) => return Err(Errno::EISDIR),
            Node::Attr(_) => return Err(Errno::EPERM),
            Node::Link(_) => {}
        }
        if let (Some(parent), Some(name)) = (link.parent(), link.file_name()) {
            self.dir_mut(&parent)?.nodes.remove(&name);
        }
        Ok(())
    }

    fn write(&mut self, path: &RelPath, value: &[u8]) -> Result<(), Errno> {
        match self.find(path)? {
            Node::Dir(_) => return Err(Errno::EISDIR),
            Node::Link(_) => return Err(Errno::ELOOP),
            Node::Attr(_) => {}
        }
        if value.is_empty() {
            return Err(Errno::EFAULT);
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::EISDIR) };
        let taken = value.get(..MAX_VALUE.min(value.len())).unwrap_or_default();
        self.store(&parent, &name, taken)?;
        if taken.len() < value.len() { Err(Errno::EFBIG) } else { Ok(()) }
    }

    fn has_address(&self, address: IpAddr) -> bool {
        address.is_loopback()
            || address == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            || address == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            || self.addresses.contains(&address)
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
