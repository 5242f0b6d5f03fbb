//! Who may connect.

use std::collections::BTreeSet;

use nvme_proto::HostNqn;

/// Which hosts may connect to a subsystem.
///
/// A list that has become empty lets nobody in; it never turns into [`Any`](Self::Any).
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(alias = "attr_allow_any_host")]
#[doc(alias = "allowed_hosts")]
pub enum Hosts {
    /// Every host.
    Any,
    /// These.
    Only(BTreeSet<HostNqn>),
}

impl Hosts {
    /// No host.
    #[must_use]
    pub const fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Whether this host may connect.
    #[must_use]
    pub fn allow(&self, host: &HostNqn) -> bool {
        match self {
            Self::Any => true,
            Self::Only(hosts) => hosts.contains(host),
        }
    }
}

impl Default for Hosts {
    /// No host.
    fn default() -> Self {
        Self::none()
    }
}

impl FromIterator<HostNqn> for Hosts {
    /// These hosts, and nobody for none.
    fn from_iter<I: IntoIterator<Item = HostNqn>>(hosts: I) -> Self {
        Self::Only(hosts.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_not_anybody() {
        let host = HostNqn::new("nqn.2014-08.org.example:a").unwrap();
        assert!(Hosts::Any.allow(&host) && !Hosts::none().allow(&host) && !Hosts::default().allow(&host));
        let one: Hosts = [host.clone()].into_iter().collect();
        assert!(one.allow(&host) && !one.allow(&HostNqn::new("nqn.2014-08.org.example:b").unwrap()));
        assert_ne!(Hosts::from_iter([]), Hosts::Any);
    }
}
