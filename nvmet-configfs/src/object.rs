//! Which kind of object a path of the tree names.

use crate::tree::RelPath;

/// The kinds of objects in a target's tree, told from the path alone.
///
/// | path | object |
/// |---|---|
/// | `.` | [`Root`](Self::Root) |
/// | `hosts/H` | [`Host`](Self::Host) |
/// | `subsystems/S` | [`Subsystem`](Self::Subsystem) |
/// | `subsystems/S/namespaces/N` | [`Namespace`](Self::Namespace) |
/// | `subsystems/S/allowed_hosts/L` | [`AllowedHost`](Self::AllowedHost) |
/// | `subsystems/S/passthru` | [`Passthru`](Self::Passthru) |
/// | `subsystems/S/namespace…` | [`MisspeltNamespaces`](Self::MisspeltNamespaces) |
/// | `ports/P` | [`Port`](Self::Port) |
/// | `ports/P/subsystems/L` | [`Export`](Self::Export) |
/// | `ports/P/referrals/R` | [`Referral`](Self::Referral) |
/// | `ports/P/ana_groups/G` | [`AnaGroup`](Self::AnaGroup) |
/// | a name below one of these | its `…Attribute` |
///
/// Source: `drivers/nvme/target/configfs.c`, the `config_item_type`s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // the table above says what each is
pub enum Object {
    Root,
    RootAttribute,
    Hosts,
    Host,
    HostAttribute,
    Subsystems,
    Subsystem,
    SubsystemAttribute,
    Namespaces,
    Namespace,
    NamespaceAttribute,
    MisspeltNamespaces,
    AllowedHosts,
    AllowedHost,
    Passthru,
    PassthruAttribute,
    Ports,
    Port,
    PortAttribute,
    Exports,
    Export,
    Referrals,
    Referral,
    ReferralAttribute,
    AnaGroups,
    AnaGroup,
    AnaGroupAttribute,
    Unknown,
}

impl Object {
    /// What `path` names, if it is there.
    pub fn of(path: &RelPath) -> Self {
        let mut parts = path.components();
        let Some(top) = parts.next() else { return Self::Root };
        let (name, group, item, leaf) = (parts.next(), parts.next(), parts.next(), parts.next());
        if parts.next().is_some() {
            return Self::Unknown;
        }
        match (top, name, group, item, leaf) {
            (b"hosts", None, ..) => Self::Hosts,
            (b"hosts", Some(_), None, ..) => Self::Host,
            (b"hosts", Some(_), Some(_), None, _) => Self::HostAttribute,
            (b"subsystems", None, ..) => Self::Subsystems,
            (b"subsystems", Some(_), None, ..) => Self::Subsystem,
            (b"subsystems", Some(_), Some(b"namespaces"), None, _) => Self::Namespaces,
            (b"subsystems", Some(_), Some(b"namespaces"), Some(_), None) => Self::Namespace,
            (b"subsystems", Some(_), Some(b"namespaces"), Some(_), Some(_)) => Self::NamespaceAttribute,
            (b"subsystems", Some(_), Some(b"namespace"), ..) => Self::MisspeltNamespaces,
            (b"subsystems", Some(_), Some(b"allowed_hosts"), None, _) => Self::AllowedHosts,
            (b"subsystems", Some(_), Some(b"allowed_hosts"), Some(_), None) => Self::AllowedHost,
            (b"subsystems", Some(_), Some(b"passthru"), None, _) => Self::Passthru,
            (b"subsystems", Some(_), Some(b"passthru"), Some(_), None) => Self::PassthruAttribute,
            (b"subsystems", Some(_), Some(_), None, _) => Self::SubsystemAttribute,
            (b"ports", None, ..) => Self::Ports,
            (b"ports", Some(_), None, ..) => Self::Port,
            (b"ports", Some(_), Some(b"subsystems"), None, _) => Self::Exports,
            (b"ports", Some(_), Some(b"subsystems"), Some(_), None) => Self::Export,
            (b"ports", Some(_), Some(b"referrals"), None, _) => Self::Referrals,
            (b"ports", Some(_), Some(b"referrals"), Some(_), None) => Self::Referral,
            (b"ports", Some(_), Some(b"referrals"), Some(_), Some(_)) => Self::ReferralAttribute,
            (b"ports", Some(_), Some(b"ana_groups"), None, _) => Self::AnaGroups,
            (b"ports", Some(_), Some(b"ana_groups"), Some(_), None) => Self::AnaGroup,
            (b"ports", Some(_), Some(b"ana_groups"), Some(_), Some(_)) => Self::AnaGroupAttribute,
            (b"ports", Some(_), Some(_), None, _) => Self::PortAttribute,
            (_, None, ..) => Self::RootAttribute,
            _ => Self::Unknown,
        }
    }

    /// The noun for messages.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Root => "target",
            Self::Host => "host",
            Self::Subsystem => "subsystem",
            Self::Namespace => "namespace",
            Self::AllowedHost => "permission of a host",
            Self::Passthru => "pass-through",
            Self::Port => "port",
            Self::Export => "export",
            Self::Referral => "referral",
            Self::AnaGroup => "ANA group",
            Self::RootAttribute
            | Self::HostAttribute
            | Self::SubsystemAttribute
            | Self::NamespaceAttribute
            | Self::PassthruAttribute
            | Self::PortAttribute
            | Self::ReferralAttribute
            | Self::AnaGroupAttribute => "attribute",
            Self::Hosts
            | Self::Subsystems
            | Self::Namespaces
            | Self::AllowedHosts
            | Self::Ports
            | Self::Exports
            | Self::Referrals
            | Self::AnaGroups => "group",
            Self::MisspeltNamespaces | Self::Unknown => "unknown object",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_objects_from_paths() {
        let of = |p: &str| Object::of(&RelPath::new(p).unwrap());
        assert_eq!(Object::of(&RelPath::root()), Object::Root);
        assert_eq!(of("discovery_nqn"), Object::RootAttribute);
        assert_eq!(of("hosts/h/dhchap_key"), Object::HostAttribute);
        assert_eq!(of("subsystems/s/attr_model"), Object::SubsystemAttribute);
        assert_eq!(of("subsystems/s/namespaces/1/enable"), Object::NamespaceAttribute);
        assert_eq!(of("subsystems/s/namespace"), Object::MisspeltNamespaces);
        assert_eq!(of("subsystems/s/namespace/1"), Object::MisspeltNamespaces);
        assert_eq!(of("subsystems/s/allowed_hosts/h"), Object::AllowedHost);
        assert_eq!(of("subsystems/s/passthru/enable"), Object::PassthruAttribute);
        assert_eq!(of("ports/1/subsystems/s"), Object::Export);
        assert_eq!(of("ports/1/ana_groups/1/ana_state"), Object::AnaGroupAttribute);
        assert_eq!(of("ports/1/referrals/r/enable"), Object::ReferralAttribute);
        assert_eq!(of("ports/1/addr_traddr"), Object::PortAttribute);
        assert_eq!(of("a/b"), Object::Unknown);
        assert_eq!(of("subsystems/s/namespaces/1/enable/x"), Object::Unknown);
    }
}
