//! What is there.
//!
//! [`observe()`] reads everything, keeps what it does not understand, keeps foreign spellings of ids (`0x1` beside `1`), and
//! resolves links by where they point, never by their name.

mod reader;

use std::collections::BTreeMap;
use std::fmt;

use nvme_proto::{HostNqn, Nsid, SubsysNqn};

use crate::attr;
use crate::errno::Errno;
use crate::spec::{Nguid, NsUuid, PortId, PortTransport};
use crate::text;
use crate::tree::{Name, NodeKind};
use crate::value::Value;

pub use reader::observe;
pub(crate) use reader::observe_for;

/// The state of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed {
    /// Attributes at the top (`discovery_nqn`).
    pub attributes: Attributes,
    /// Hosts by directory name.
    pub hosts: BTreeMap<Name, ObservedHost>,
    /// Subsystems by directory name.
    pub subsystems: BTreeMap<Name, ObservedSubsystem>,
    /// Ports by directory name.
    pub ports: BTreeMap<Name, ObservedPort>,
    /// Entries this crate does not know.
    pub extra: BTreeMap<Name, NodeKind>,
}

impl Observed {
    /// Whether there is no host, no subsystem and no port.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.subsystems.is_empty() && self.ports.is_empty()
    }

    /// A host.
    pub fn host(&self, nqn: &HostNqn) -> Option<&ObservedHost> {
        self.hosts.get(&Name::from(nqn))
    }

    /// A subsystem.
    pub fn subsystem(&self, nqn: &SubsysNqn) -> Option<&ObservedSubsystem> {
        self.subsystems.get(&Name::from(nqn))
    }

    /// The port of an id. The plain spelling is preferred to others (`0x1`).
    pub fn port(&self, id: PortId) -> Option<&ObservedPort> {
        self.named_port(id).map(|(_, port)| port)
    }

    /// The same with its directory name.
    pub(crate) fn named_port(&self, id: PortId) -> Option<(&Name, &ObservedPort)> {
        let other = || self.ports.iter().find(|(name, _)| port_id(name) == Some(id));
        self.ports.get_key_value(&Name::from(id)).or_else(other)
    }
}

/// A host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedHost {
    /// Its attributes; none on a kernel without authentication.
    pub attributes: Attributes,
    /// Entries this crate does not know.
    pub extra: BTreeMap<Name, NodeKind>,
}

/// A subsystem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedSubsystem {
    /// Its attributes.
    pub attributes: Attributes,
    /// Its namespaces by directory name, which need not be the plain number.
    pub namespaces: BTreeMap<Name, ObservedNamespace>,
    /// Permitted hosts: link name and where it points.
    pub allowed_hosts: BTreeMap<Name, LinkTarget>,
    /// Attributes of `passthru/`, where the kernel has it.
    pub passthru: Option<Attributes>,
    /// Entries this crate does not know.
    pub extra: BTreeMap<Name, NodeKind>,
}

impl ObservedSubsystem {
    /// Whether any host may connect.
    pub fn allows_any_host(&self) -> bool {
        self.attributes.flag("attr_allow_any_host")
    }

    /// The hosts it permits, by name, as far as the names are text.
    pub fn permitted(&self) -> impl Iterator<Item = &str> {
        self.allowed_hosts.values().filter_map(|target| match target {
            LinkTarget::Host(name) => name.to_str(),
            _ => None,
        })
    }

    /// The serial number, without the blanks it is padded with.
    pub fn serial(&self) -> Option<&str> {
        self.attributes.text("attr_serial").map(|s| s.trim_end_matches(' '))
    }

    /// The model.
    pub fn model(&self) -> Option<&str> {
        self.attributes.text("attr_model").map(|s| s.trim_end_matches(' '))
    }

    /// Whether a controller is passed through instead of namespaces.
    pub fn is_passthru(&self) -> bool {
        self.passthru.as_ref().is_some_and(|p| p.flag("enable"))
    }

    /// The namespace of an id. The plain spelling is preferred to others (`0x1`).
    pub fn namespace(&self, nsid: Nsid) -> Option<&ObservedNamespace> {
        self.named_namespace(nsid).map(|(_, namespace)| namespace)
    }

    /// The same with its directory name.
    pub(crate) fn named_namespace(&self, nsid: Nsid) -> Option<(&Name, &ObservedNamespace)> {
        let plain = Name::from(nsid);
        let other = || self.namespaces.iter().find(|(name, _)| namespace_id(name) == Some(nsid));
        self.namespaces.get_key_value(&plain).or_else(other)
    }
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedNamespace {
    /// Its attributes.
    pub attributes: Attributes,
    /// Entries this crate does not know.
    pub extra: BTreeMap<Name, NodeKind>,
}

impl ObservedNamespace {
    /// The device; `None` when none was ever set, which the kernel prints as `(null)`.
    pub fn device_path(&self) -> Option<&[u8]> {
        self.attributes.get("device_path").filter(|p| *p != b"(null)")
    }

    /// Whether hosts see it.
    pub fn is_enabled(&self) -> bool {
        self.attributes.flag("enable")
    }

    /// Its UUID.
    pub fn uuid(&self) -> Option<NsUuid> {
        self.attributes.text("device_uuid")?.parse().ok()
    }

    /// Its NGUID; zeros when none was set.
    pub fn nguid(&self) -> Option<Nguid> {
        self.attributes.text("device_nguid")?.parse().ok()
    }

    /// Whether it goes through the page cache.
    pub fn is_buffered(&self) -> bool {
        self.attributes.flag("buffered_io")
    }
}

/// A port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedPort {
    /// Its attributes.
    pub attributes: Attributes,
    /// Exports: link name and where it points.
    pub subsystems: BTreeMap<Name, LinkTarget>,
    /// ANA groups, the kernel's group 1 included.
    pub ana_groups: BTreeMap<Name, Attributes>,
    /// Referrals.
    pub referrals: BTreeMap<Name, Attributes>,
    /// Entries this crate does not know.
    pub extra: BTreeMap<Name, NodeKind>,
}

impl ObservedPort {
    /// Whether it is in service: it is exactly while it exports something.
    pub fn is_live(&self) -> bool {
        !self.subsystems.is_empty()
    }

    /// The subsystems it exports, by name, as far as the names are text.
    pub fn exported(&self) -> impl Iterator<Item = &str> {
        self.subsystems.values().filter_map(|target| match target {
            LinkTarget::Subsystem(name) => name.to_str(),
            _ => None,
        })
    }

    /// Where it listens; `None` when no transport is set, or one that this crate does not know.
    pub fn transport(&self) -> Option<PortTransport> {
        let adrfam = self.attributes.text("addr_adrfam").unwrap_or("");
        let known = PortTransport::from_texts(self.trtype(), adrfam, self.traddr(), self.trsvcid()).ok()?;
        match known {
            // What stands in the other attributes does not matter to it.
            PortTransport::Other(_) if self.trtype() == "loop" => Some(PortTransport::Loop),
            PortTransport::Other(_) if self.trtype().is_empty() => None,
            known => Some(known),
        }
    }

    /// The transport (`addr_trtype`); empty when not set.
    pub fn trtype(&self) -> &str {
        self.attributes.text("addr_trtype").unwrap_or("")
    }

    /// The address (`addr_traddr`); empty when not set.
    pub fn traddr(&self) -> &str {
        self.attributes.text("addr_traddr").unwrap_or("")
    }

    /// The service (`addr_trsvcid`); empty when not set.
    pub fn trsvcid(&self) -> &str {
        self.attributes.text("addr_trsvcid").unwrap_or("")
    }
}

/// The namespace id that a directory name stands for, in any spelling the kernel reads.
pub(crate) fn namespace_id(name: &Name) -> Option<Nsid> {
    let number = text::unsigned(name.as_bytes(), 0xffff_fffe).ok()?;
    Nsid::new(u32::try_from(number).ok()?).ok()
}

/// The port id that a directory name stands for, in any spelling the kernel reads.
pub(crate) fn port_id(name: &Name) -> Option<PortId> {
    let number = text::unsigned(name.as_bytes(), 0xffff).ok()?;
    u16::try_from(number).ok().map(PortId)
}

/// Where a link points.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LinkTarget {
    /// A host.
    Host(Name),
    /// A subsystem.
    Subsystem(Name),
    /// Something else, as the kernel prints it. nvmet makes no such links.
    Elsewhere(Vec<u8>),
}

impl LinkTarget {
    /// From what `readlink` gives; the last two names say what it is.
    pub(crate) fn parse(target: &[u8]) -> Self {
        let mut parts = target.rsplit(|b| *b == b'/');
        let (name, group) = (parts.next(), parts.next());
        match (group, name.and_then(|n| Name::new(n).ok())) {
            (Some(b"hosts"), Some(name)) => Self::Host(name),
            (Some(b"subsystems"), Some(name)) => Self::Subsystem(name),
            _ => Self::Elsewhere(target.to_vec()),
        }
    }
}

impl fmt::Display for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => write!(f, "hosts/{name}"),
            Self::Subsystem(name) => write!(f, "subsystems/{name}"),
            Self::Elsewhere(raw) => write!(f, "{}", raw.escape_ascii()),
        }
    }
}

/// The attributes of an object that were read. `Debug` does not show secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<Name, Result<Value, Errno>>);

impl Attributes {
    /// The value as the kernel printed it, without its newline; `None` when the attribute was not read or cannot be.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.entries().find(|(n, _)| n.as_bytes() == name.as_bytes()).and_then(|(_, v)| v.ok())
    }

    /// The same, as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.get(name)?).ok()
    }

    /// Whether the attribute is there and set.
    fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(text::boolean) == Some(true)
    }

    /// Those that can be shown, by name: the value without its newline, or what the kernel answered where it does not let it
    /// be read (`revalidate_size`). Secrets are left out; ask for them with [`get`](Self::get).
    pub fn iter(&self) -> impl Iterator<Item = (&Name, Result<&[u8], Errno>)> {
        self.entries().filter(|(name, _)| !attr::is_secret(name))
    }

    /// All of them.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Name, Result<&[u8], Errno>)> {
        self.0.iter().map(|(name, value)| (name, value.as_deref().map_err(|e| *e)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An attribute as it was read: its value, or why it could not be read.
    pub(crate) fn result(&self, name: &Name) -> Option<Result<&[u8], Errno>> {
        self.0.get(name).map(|value| value.as_deref().map_err(|e| *e))
    }

    pub(crate) fn insert(&mut self, name: Name, value: Result<Value, Errno>) {
        self.0.insert(name, value);
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.entries().map(|(name, value)| {
            let value = match value {
                Ok(_) if attr::is_secret(name) => "(secret)".to_owned(),
                Ok(value) => value.escape_ascii().to_string(),
                Err(e) => format!("{e:?}"),
            };
            (name, value)
        });
        f.debug_map().entries(shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_by_where_they_point() {
        let target = |t: &str| LinkTarget::parse(t.as_bytes());
        assert_eq!(target("../../../../nvmet/hosts/h"), LinkTarget::Host("h".parse().unwrap()));
        assert_eq!(
            target("/sys/kernel/config/nvmet/subsystems/s"),
            LinkTarget::Subsystem("s".parse().unwrap())
        );
        assert_eq!(target("/etc"), LinkTarget::Elsewhere(b"/etc".to_vec()));
        assert_eq!(target("hosts/.."), LinkTarget::Elsewhere(b"hosts/..".to_vec()));
    }

    #[test]
    fn ids_in_any_spelling() {
        let ns = |n: &str| namespace_id(&n.parse().unwrap()).map(Nsid::get);
        assert_eq!((ns("1"), ns("0x10"), ns("010"), ns("+2")), (Some(1), Some(16), Some(8), Some(2)));
        assert_eq!((ns("0"), ns("4294967295"), ns("x")), (None, None, None));
        assert_eq!(port_id(&"007".parse().unwrap()), Some(PortId(7)));
        assert_eq!(port_id(&"65536".parse().unwrap()), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut attributes = Attributes::default();
        attributes.insert("dhchap_key".parse().unwrap(), Ok("DHHC-1:00:hush".into()));
        attributes.insert("dhchap_hash".parse().unwrap(), Ok("hmac(sha256)".into()));
        let shown = format!("{attributes:?}");
        assert!(!shown.contains("hush") && shown.contains("sha256"), "{shown}");
    }
}
