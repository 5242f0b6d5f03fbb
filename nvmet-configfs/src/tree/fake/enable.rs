//! Taking a namespace or a port of the simulated target into service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Device, FakeKernel, MAX_NAMESPACES, Node, State};
use crate::errno::Errno;
use crate::text;
use crate::tree::{Name, RelPath};

/// What tcp sets when the port leaves it open: four pages (`tcp.c:nvmet_tcp_add_port`).
const TCP_INLINE_DATA_SIZE: &str = "16384";
/// `nvmet.h:NVMET_MIN_QUEUE_SIZE`, `NVMET_MAX_QUEUE_SIZE`.
const QUEUE_SIZE: (i64, i64) = (16, 1024);

impl State {
    /// `core.c:nvmet_ns_enable`.
    pub(super) fn enable_namespace(&mut self, namespace: &RelPath) -> Result<(), Errno> {
        let group = namespace.parent().unwrap_or(RelPath::root());
        let subsystem = group.parent().unwrap_or(RelPath::root());
        if self.value(&subsystem.at("passthru"), "enable") == b"1" || self.value(namespace, "enable") == b"1"
        {
            return Ok(());
        }
        let is_enabled = |node: &Node| {
            let Node::Dir(dir) = node else { return false };
            matches!(dir.nodes.get(&Name::fixed("enable")), Some(Node::Attr(on)) if on == b"1")
        };
        let nodes = self.dir(&group)?.nodes.iter();
        let enabled: Vec<&Name> = nodes.filter(|(_, node)| is_enabled(node)).map(|(name, _)| name).collect();
        if self.kernel < FakeKernel::V7_3 && enabled.len() >= MAX_NAMESPACES {
            return Err(Errno::EMFILE);
        }
        let path = self.value(namespace, "device_path");
        if path == b"(null)" {
            return Err(Errno::EINVAL);
        }
        let buffered = self.value(namespace, "buffered_io") == b"1";
        match self.devices.get(path) {
            None => return Err(self.missing(path)),
            Some(Device::ReadOnlyBlock) => return Err(Errno::EACCES),
            Some(Device::Directory) => return Err(Errno::EISDIR),
            Some(Device::Character) => return Err(Errno::EINVAL),
            Some(Device::TmpfsFile) if !buffered && self.kernel < FakeKernel::V6_12 => {
                return Err(Errno::EINVAL);
            }
            Some(Device::Block | Device::File | Device::TmpfsFile) => {}
        }
        let id = |name: &Name| text::unsigned(name.as_bytes(), 0xffff_ffff).ok();
        let own = namespace.file_name();
        if enabled.iter().any(|other| own.as_ref().is_some_and(|own| id(other) == id(own))) {
            return Err(Errno::EBUSY);
        }
        self.set(namespace, &Name::fixed("enable"), "1");
        Ok(())
    }

    /// What looking up a path answers when nothing is there: a part of it may be no directory.
    fn missing(&self, path: &[u8]) -> Errno {
        let is_file = |(device, kind): (&Vec<u8>, &Device)| {
            *kind != Device::Directory
                && path.strip_prefix(device.as_slice()).is_some_and(|r| r.starts_with(b"/"))
        };
        if self.devices.iter().any(is_file) { Errno::ENOTDIR } else { Errno::ENOENT }
    }

    /// `core.c:nvmet_enable_port`. The kernel may have rewritten parameters even when this fails.
    pub(super) fn enable_port(&mut self, port: &RelPath) -> Result<(), Errno> {
        let trtype = self.value(port, "addr_trtype").to_vec();
        let registered = trtype == b"tcp" || (trtype == b"loop" && self.kernel >= FakeKernel::V6_12);
        if !registered || self.value(port, "param_pi_enable") == b"1" {
            return Err(Errno::EINVAL);
        }
        if trtype == b"tcp" {
            let address = self.listen_address(port).ok_or(Errno::EINVAL)?;
            self.fill(port, "param_inline_data_size", |v| {
                if v < 0 { TCP_INLINE_DATA_SIZE.into() } else { v.to_string() }
            });
            if !self.has_address(address.ip()) {
                return Err(Errno::EADDRNOTAVAIL);
            }
            if self.is_taken(address) {
                return Err(Errno::EADDRINUSE);
            }
        }
        self.fill(port, "param_inline_data_size", |v| v.max(0).to_string());
        let (min, max) = QUEUE_SIZE;
        // In no release read, but 7.3 answers so: no limit.
        self.fill(port, "param_mdts", |v| v.max(0).to_string());
        self.fill(port, "param_max_queue_size", |v| if v < 0 { max } else { v.clamp(min, max) }.to_string());
        Ok(())
    }

    fn fill(&mut self, port: &RelPath, name: &'static str, value: impl FnOnce(i64) -> String) {
        let old = str::from_utf8(self.value(port, name)).ok().and_then(|v| v.parse().ok());
        if let Some(old) = old {
            self.set(port, &Name::fixed(name), value(old));
        }
    }

    /// `net/core/utils.c:inet_pton_with_scope`.
    fn listen_address(&self, port: &RelPath) -> Option<SocketAddr> {
        let number = text::unsigned(self.value(port, "addr_trsvcid"), 0xffff).ok()?;
        let traddr = str::from_utf8(self.value(port, "addr_traddr")).ok()?;
        let ip = match self.value(port, "addr_adrfam") {
            b"ipv4" => IpAddr::V4(traddr.parse::<Ipv4Addr>().ok()?),
            b"ipv6" => IpAddr::V6(traddr.split('%').next()?.parse::<Ipv6Addr>().ok()?),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::try_from(number).ok()?))
    }

    fn is_taken(&self, address: SocketAddr) -> bool {
        let ports = RelPath::root().at("ports");
        let names = self.dir(&ports).ok().into_iter().flat_map(|d| d.nodes.keys());
        let live = names
            .map(|n| ports.join(n))
            .filter(|p| self.is_live(p) && self.value(p, "addr_trtype") == b"tcp");
        let listening = live.filter_map(|p| self.listen_address(&p));
        listening.chain(self.busy.iter().copied()).any(|other| collide(address, other))
    }
}

/// Whether two listeners exclude each other. `::` takes IPv4 too.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let dual = |ip: IpAddr| ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip()
            || dual(a.ip())
            || dual(b.ip())
            || (a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified())))
}
