//! The one list of attributes: their names, kinds, when they can be written, which are secret, and what is odd about them.
//!
//! Specs check values by it, [`observe`](crate::observe()) and [`diff`](crate::diff()) read and compare by it, undoing uses its order,
//! and the table of the manual is printed from it.

mod key;
mod kind;
mod table;

use std::fmt;

use crate::object::Object;
use crate::tree::Name;

pub use kind::{ValueFault, ValueKind};
pub use table::ATTRIBUTES;

/// A release of Linux: the first one known to have something. A distribution's kernel may have it earlier, or be built without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Since(pub u8, pub u8);

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// When the kernel takes a new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Writable {
    /// At any time.
    Always,
    /// Until the first host has identified a controller of the subsystem (`EINVAL` afterwards, since 5.15).
    UntilIdentified,
    /// While its object is not enabled (`EBUSY`, `EACCES` or `EINVAL` otherwise).
    WhileDisabled,
    /// While its object is enabled (`EINVAL` otherwise).
    WhileEnabled,
    /// While its port exports nothing (`EACCES` otherwise).
    WhileIdle,
    /// 1 only while no host is permitted by name (`EINVAL` otherwise).
    WhileNobodyPermitted,
}

impl fmt::Display for Writable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "at any time",
            Self::UntilIdentified => "until a host has connected",
            Self::WhileDisabled => "while disabled",
            Self::WhileEnabled => "while enabled",
            Self::WhileIdle => "while the port exports nothing",
            Self::WhileNobodyPermitted => "1 only while no host is permitted",
        })
    }
}

/// What writing an attribute does to hosts that are connected, beyond what its [`Writable`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing.
    None,
    /// All hosts of the subsystem are disconnected.
    DisconnectsSubsystem,
}

/// How an attribute can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Read and written.
    ReadWrite,
    /// Written only: opening it for reading is `EACCES`, for root too.
    WriteOnly,
}

/// What is known about an attribute.
///
/// ```
/// use nvmet_configfs::{Object, attribute};
/// let serial = attribute(Object::Subsystem, "attr_serial").unwrap();
/// assert_eq!(serial.writable.to_string(), "until a host has connected");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribute {
    /// The object it belongs to.
    pub owner: Object,
    /// Its file name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ValueKind,
    /// The first release known to have it.
    pub since: Since,
    /// The build option it needs, without `CONFIG_`; empty for none.
    pub build: &'static str,
    /// What a new object has, in words where it is not the same everywhere; empty when nothing is printed.
    pub fresh: &'static str,
    /// When the kernel takes a new value.
    pub writable: Writable,
    /// How it can be reached.
    pub mode: Mode,
    /// Whether it is kept out of everything that is shown.
    pub secret: bool,
    /// What writing it does to connected hosts.
    pub effect: Effect,
    /// The field of the spec that stands for it, when it is not a setting; empty otherwise.
    pub field: &'static str,
    /// What is odd about it, in sentences; may be empty.
    pub quirk: &'static str,
    /// The kernel function that stores it (in `drivers/nvme/target/configfs.c` unless it says otherwise).
    pub source: &'static str,
}

/// An attribute with the commonest properties.
const fn attr(owner: Object, name: &'static str, kind: ValueKind, since: Since) -> Attribute {
    Attribute {
        owner,
        name,
        kind,
        since,
        build: "",
        fresh: "",
        writable: Writable::Always,
        mode: Mode::ReadWrite,
        secret: false,
        effect: Effect::None,
        field: "",
        quirk: "",
        source: "",
    }
}

/// The properties that differ, for the list.
impl Attribute {
    const fn build(mut self, option: &'static str) -> Self {
        self.build = option;
        self
    }

    const fn fresh(mut self, text: &'static str) -> Self {
        self.fresh = text;
        self
    }

    const fn writable(mut self, when: Writable) -> Self {
        self.writable = when;
        self
    }

    const fn write_only(mut self) -> Self {
        self.mode = Mode::WriteOnly;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    const fn structural(mut self, field: &'static str) -> Self {
        self.field = field;
        self
    }

    const fn quirk(mut self, text: &'static str) -> Self {
        self.quirk = text;
        self
    }

    const fn source(mut self, function: &'static str) -> Self {
        self.source = function;
        self
    }

    /// Whether a spec has a field of its own for it, so that it is no setting.
    pub const fn is_structural(&self) -> bool {
        !self.field.is_empty()
    }
}

/// What is known about the attribute `name` of an object of kind `owner`; `None` for one this crate does not know.
pub fn attribute(owner: Object, name: &str) -> Option<&'static Attribute> {
    ATTRIBUTES.iter().find(|a| a.owner == owner && a.name == name)
}

/// The same for a name of a tree.
pub(crate) fn known(owner: Object, name: &Name) -> Option<&'static Attribute> {
    attribute(owner, name.to_str()?)
}

/// The values the kernel rewrites when a port goes into service (`core.c:nvmet_enable_port`), and keeps afterwards.
pub(crate) const REWRITTEN_BY_ENABLE: &[&str] =
    &["param_inline_data_size", "param_max_queue_size", "param_mdts"];

/// Where an attribute stands among those of its object: in the order of the list, others behind them by name, `enable` last.
pub(crate) fn rank(name: &Name) -> (bool, usize, &Name) {
    let known = ATTRIBUTES.iter().position(|a| a.name.as_bytes() == name.as_bytes());
    // It comes behind the exports of a port and the permissions of a subsystem.
    let last = matches!(name.as_bytes(), b"enable");
    (last, known.unwrap_or(ATTRIBUTES.len()), name)
}

/// Whether a value must not be shown. Unknown names that look like keys are taken for keys.
pub(crate) fn is_secret(name: &Name) -> bool {
    let name = name.as_bytes();
    ATTRIBUTES.iter().any(|a| a.secret && a.name.as_bytes() == name)
        || (name.starts_with(b"dhchap_") && name.ends_with(b"key"))
}

/// Whether an attribute can only be written.
#[cfg(feature = "serde")]
pub(crate) fn is_write_only(name: &Name) -> bool {
    ATTRIBUTES.iter().any(|a| a.mode == Mode::WriteOnly && a.name.as_bytes() == name.as_bytes())
}

/// How an old value of an attribute comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Restore {
    /// By writing this.
    Value(Vec<u8>),
    /// Only a new object has it: the kernel prints it but does not take it.
    OnlyFresh,
}

/// How `value` (as printed, without its newline) of the attribute `name` of an object comes back.
pub(crate) fn restore(object: Object, name: &Name, value: &[u8]) -> Restore {
    let only_fresh = match name.to_str().unwrap_or("") {
        "device_path" => value == b"(null)",
        "addr_trtype" | "addr_adrfam" => value.is_empty(),
        // What other transports print comes with them.
        "addr_tsas" => !matches!(value, b"none" | b"tls1.3"),
        "param_mdts" => value.starts_with(b"-"),
        "dhchap_hash" | "dhchap_dhgroup" => value == b"none",
        _ => false,
    };
    match (name.as_bytes(), value) {
        _ if only_fresh => Restore::OnlyFresh,
        // 128 is stored as 0 since Linux 6.1 (`configfs.c:nvmet_ns_ana_grpid_store`).
        (b"ana_grpid", b"0") if object == Object::NamespaceAttribute => Restore::Value(b"128".to_vec()),
        // One NUL byte clears a key (since Linux 6.12).
        (b"dhchap_key" | b"dhchap_ctrl_key", b"") => Restore::Value(b"\0".to_vec()),
        // An empty address is stored by white space; an empty write is refused.
        (_, b"") => Restore::Value(b"\n".to_vec()),
        _ => Restore::Value(value.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enable_is_last_and_the_transport_first() {
        let mut names: Vec<Name> = ["enable", "zzz_new", "addr_treq", "addr_tsas", "addr_trtype"]
            .iter()
            .map(|n| n.parse().unwrap())
            .collect();
        names.sort_by(|a, b| rank(a).cmp(&rank(b)));
        let names: Vec<String> = names.iter().map(Name::to_string).collect();
        assert_eq!(names, ["addr_trtype", "addr_tsas", "addr_treq", "zzz_new", "enable"]);
    }

    #[test]
    fn the_list_has_each_attribute_once_with_its_source_and_a_good_first_value() {
        for (i, a) in ATTRIBUTES.iter().enumerate() {
            assert!(ATTRIBUTES[..i].iter().all(|b| (b.owner, b.name) != (a.owner, a.name)), "{}", a.name);
            assert!(a.source.contains("_store") || a.source.contains(".c:"), "{}: {}", a.name, a.source);
            assert!(a.quirk.is_empty() || a.quirk.ends_with('.'), "{}", a.name);
            let prints_one_value = !a.fresh.is_empty() && !a.fresh.contains('(');
            if prints_one_value && a.name != "param_mdts" {
                assert!(a.kind.canonical(a.fresh.as_bytes()).is_ok(), "{} = {}", a.name, a.fresh);
            }
        }
    }

    #[test]
    fn values_that_only_a_new_object_has() {
        let back =
            |object, name: &str, value: &str| restore(object, &name.parse().unwrap(), value.as_bytes());
        assert_eq!(back(Object::NamespaceAttribute, "device_path", "(null)"), Restore::OnlyFresh);
        assert_eq!(back(Object::PortAttribute, "addr_trtype", ""), Restore::OnlyFresh);
        assert_eq!(back(Object::PortAttribute, "addr_traddr", ""), Restore::Value(b"\n".to_vec()));
        assert_eq!(back(Object::PortAttribute, "param_mdts", "-1"), Restore::OnlyFresh);
        assert_eq!(
            back(Object::PortAttribute, "param_inline_data_size", "-1"),
            Restore::Value(b"-1".to_vec())
        );
        assert_eq!(back(Object::NamespaceAttribute, "ana_grpid", "0"), Restore::Value(b"128".to_vec()));
    }

    #[test]
    fn keys_are_secret() {
        for (name, secret) in [("dhchap_key", true), ("dhchap_ctrl_key", true), ("dhchap_hash", false)] {
            assert_eq!(is_secret(&name.parse().unwrap()), secret, "{name}");
        }
    }

    #[cfg(feature = "testing")]
    #[test]
    fn the_list_and_the_kernels_name_the_same_attributes() {
        use crate::tree::{FakeKernel, FakeTree, NodeKind, RelPath, Tree};
        let tree = FakeTree::new(FakeKernel::V7_3);
        for dir in ["hosts/h", "subsystems/s", "subsystems/s/namespaces/1", "ports/1", "ports/1/referrals/r"]
        {
            tree.mkdir(&RelPath::new(dir).unwrap()).unwrap();
        }
        let objects = [
            (Object::Root, ""),
            (Object::Host, "hosts/h"),
            (Object::Subsystem, "subsystems/s"),
            (Object::Namespace, "subsystems/s/namespaces/1"),
            (Object::Passthru, "subsystems/s/passthru"),
            (Object::Port, "ports/1"),
            (Object::Referral, "ports/1/referrals/r"),
            (Object::AnaGroup, "ports/1/ana_groups/1"),
        ];
        for (owner, dir) in objects {
            let dir = if dir.is_empty() { RelPath::root() } else { RelPath::new(dir).unwrap() };
            let entries = tree.list(&dir).unwrap();
            let there: Vec<String> =
                entries.iter().filter(|e| e.kind == NodeKind::Attr).map(|e| e.name.to_string()).collect();
            let mut listed: Vec<&str> =
                ATTRIBUTES.iter().filter(|a| a.owner == owner).map(|a| a.name).collect();
            listed.sort_unstable();
            assert_eq!(there, listed, "{owner:?}");
        }
    }
}
