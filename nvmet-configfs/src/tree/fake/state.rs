//! Objects of the simulated target: finding, making, linking and removing them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    DISCOVERY_NQN, Dir, FakeKernel, MAX_NAME, MAX_NAMESPACES, MAX_VALUE, Node, State, objects, parse,
};
use crate::errno::Errno;
use crate::object::Object;
use crate::text;
use crate::tree::{Name, RelPath};

impl State {
    /// The node at a path. A link on the way is followed, one at its end is not.
    pub(super) fn find(&self, path: &RelPath) -> Result<&Node, Errno> {
        self.find_below(path, 0)
    }

    pub(super) fn find_below(&self, path: &RelPath, depth: usize) -> Result<&Node, Errno> {
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

    pub(super) fn dir(&self, path: &RelPath) -> Result<&Dir, Errno> {
        if path.as_bytes().is_empty() {
            return Ok(&self.root);
        }
        match self.find(path)? {
            Node::Dir(dir) => Ok(dir),
            Node::Attr(_) => Err(Errno::ENOTDIR),
            Node::Link(target) => self.dir(target),
        }
    }

    pub(super) fn dir_mut(&mut self, path: &RelPath) -> Result<&mut Dir, Errno> {
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
    pub(super) fn value(&self, dir: &RelPath, name: &'static str) -> &[u8] {
        match self.find(&dir.at(name)) {
            Ok(Node::Attr(value)) => value,
            _ => b"",
        }
    }

    pub(super) fn set(&mut self, dir: &RelPath, name: &Name, value: impl Into<Vec<u8>>) {
        if let Ok(dir) = self.dir_mut(dir)
            && let Some(Node::Attr(old)) = dir.nodes.get_mut(name)
        {
            *old = value.into();
        }
    }

    pub(super) fn has_entries(&self, dir: &RelPath) -> bool {
        self.dir(dir).is_ok_and(|d| !d.nodes.is_empty())
    }

    /// A port is in service while it exports something.
    pub(super) fn is_live(&self, port: &RelPath) -> bool {
        self.has_entries(&port.at("subsystems"))
    }

    pub(super) fn links(&self, dir: &RelPath) -> impl Iterator<Item = &RelPath> {
        let nodes = self.dir(dir).ok().into_iter().flat_map(|d| d.nodes.values());
        nodes.filter_map(|n| if let Node::Link(target) = n { Some(target) } else { None })
    }

    pub(super) fn is_linked(&self, object: &RelPath) -> bool {
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
    pub(super) fn next_made(&mut self) -> u64 {
        self.made += 1;
        self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    pub(super) fn mkdir(&mut self, path: &RelPath) -> Result<(), Errno> {
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

    pub(super) fn rmdir(&mut self, path: &RelPath) -> Result<(), Errno> {
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

    pub(super) fn symlink(&mut self, link: &RelPath, target: &RelPath) -> Result<(), Errno> {
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

    pub(super) fn unlink(&mut self, link: &RelPath) -> Result<(), Errno> {
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

    pub(super) fn write(&mut self, path: &RelPath, value: &[u8]) -> Result<(), Errno> {
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

    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        address.is_loopback()
            || address == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            || address == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            || self.addresses.contains(&address)
    }
}
