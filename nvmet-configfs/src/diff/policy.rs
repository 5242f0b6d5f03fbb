//! How a spec is read.

use std::collections::BTreeSet;

use crate::spec::PortId;

/// What happens to objects that the spec does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// They are left alone.
    #[default]
    Keep,
    /// They are removed, as far as they are in the scope.
    Remove,
}

/// Which objects a spec may change or remove.
///
/// Several tools can share one target when each keeps to a scope of its own. A spec that names an object outside of it is refused. What
/// is inside an object belongs to it; a permission of a host belongs to the subsystem, an export to the port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// The whole target.
    #[default]
    Everything,
    /// Hosts and subsystems whose NQN begins with one of the prefixes, and these ports.
    Within {
        /// Beginnings of NQNs, for example `nqn.2024-05.org.example.backup:`; a whole NQN names one object (and those that begin with it).
        prefixes: BTreeSet<String>,
        /// Ports by their number.
        ports: BTreeSet<PortId>,
    },
}

impl Scope {
    /// Hosts and subsystems whose NQN begins so, and these ports.
    pub fn prefix(prefix: impl Into<String>, ports: impl IntoIterator<Item = PortId>) -> Self {
        Self::Within { prefixes: BTreeSet::from([prefix.into()]), ports: ports.into_iter().collect() }
    }

    /// Whether a host or subsystem of this name is in it.
    pub fn has_nqn(&self, nqn: &[u8]) -> bool {
        match self {
            Self::Everything => true,
            Self::Within { prefixes, .. } => prefixes.iter().any(|p| nqn.starts_with(p.as_bytes())),
        }
    }

    /// Whether a port is in it. One whose name is no number never is, in a scope that is not everything.
    pub fn has_port(&self, port: Option<PortId>) -> bool {
        match self {
            Self::Everything => true,
            Self::Within { ports, .. } => port.is_some_and(|port| ports.contains(&port)),
        }
    }
}

/// What happens when a spec sets an attribute that this kernel does not have.
///
/// A value that says nothing is not missed: `addr_tsas` = `none` on a kernel without TLS, and -1 for a parameter that the transport
/// decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unknown {
    /// The spec is refused, or what was done by then undone.
    #[default]
    Require,
    /// It is left out, with a [`Warning`](crate::Warning).
    Warn,
    /// It is left out.
    Ignore,
}

/// Whether connected hosts may be disturbed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consent {
    /// A plan that disturbs them ([`Plan::disruptions`](crate::Plan::disruptions)) is not applied.
    #[default]
    Required,
    /// It is.
    Given,
}

/// Whether `discovery_nqn` may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoveryNqn {
    /// No: kernels before 6.12.33 overwrite memory behind a buffer of 37 bytes
    /// (`configfs.c:nvmet_root_discovery_nqn_store`), and the tree does not tell which kernel this is.
    #[default]
    Refuse,
    /// Yes: the caller knows that this kernel is a newer one.
    Write,
}

/// Whether hosts are told how large the devices of the spec are by now.
///
/// The tree does not tell the size of a namespace, so no spec can hold it and no plan can see that a device has grown. What can be done is
/// to have the kernel look again (`revalidate_size`): hosts whose namespace is as large as before hear nothing, the others are told the
/// new size and keep their connections (`core.c:nvmet_ns_revalidate`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sizes {
    /// No.
    #[default]
    Keep,
    /// Yes: the plan ends with a step for each namespace of the spec that is enabled and stays so. Such a plan is never empty, however
    /// often it is made.
    Refresh,
}

/// How a spec is read.
///
/// What the spec does name is always exact: a host that a named subsystem does not permit loses its permission, and a named
/// subsystem that a named port does not export loses that export, whatever the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Foreign objects: hosts, subsystems, ports, namespaces, ANA groups, referrals, and exports of foreign subsystems.
    pub foreign: Foreign,
    /// What the spec may change.
    pub scope: Scope,
    /// Attributes that this kernel does not have.
    pub unknown: Unknown,
    /// Disturbing connected hosts.
    pub consent: Consent,
    /// Writing `discovery_nqn`.
    pub discovery_nqn: DiscoveryNqn,
    /// Devices that may have grown.
    pub sizes: Sizes,
}

impl Policy {
    /// Foreign objects are treated so.
    pub fn foreign(foreign: Foreign) -> Self {
        Self { foreign, ..Self::default() }
    }

    /// Nothing outside of this scope is changed.
    #[must_use]
    pub fn within(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Attributes that this kernel does not have are treated so.
    #[must_use]
    pub fn unknown(mut self, unknown: Unknown) -> Self {
        self.unknown = unknown;
        self
    }

    /// Connected hosts are treated so.
    #[must_use]
    pub fn consent(mut self, consent: Consent) -> Self {
        self.consent = consent;
        self
    }

    /// `discovery_nqn` is treated so.
    #[must_use]
    pub fn discovery_nqn(mut self, discovery_nqn: DiscoveryNqn) -> Self {
        self.discovery_nqn = discovery_nqn;
        self
    }

    /// Devices that may have grown are treated so.
    #[must_use]
    pub fn sizes(mut self, sizes: Sizes) -> Self {
        self.sizes = sizes;
        self
    }
}
