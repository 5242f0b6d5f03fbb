//! `target create`: what to add to a target that may hold something already. It adds and never takes away: what is there in
//! another form than asked for is refused by name, since changing it would disturb whoever uses it.

use std::collections::BTreeSet;

use nvme_proto::{HostNqn, IpTraddr, NqnError, Nsid, SubsysNqn};
use nvmet_configfs::{
    DevicePath, HostAccess, LinkTarget, Name, NamespaceSpec, Observed, ObservedPort, ObservedSubsystem,
    PortId, PortSpec, PortTransport, SubsystemSpec, TargetSpec,
};

/// One disk to export.
#[derive(Clone, Debug)]
pub struct Create {
    /// NQN of the subsystem.
    pub nqn: SubsysNqn,
    /// Who may connect.
    pub access: HostAccess,
    /// Namespace identifier.
    pub nsid: Nsid,
    /// Block device or file.
    pub device: DevicePath,
    /// Number of the port.
    pub port: PortId,
    /// Address to listen on.
    pub traddr: IpTraddr,
    /// TCP port to listen on.
    pub trsvcid: u16,
}

/// What is there already and different.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// The namespace is on another device.
    #[error(
        "namespace {nsid} of {nqn} is there already, on {device}: choose another number with --nsid, or remove it first"
    )]
    Namespace {
        /// Of this subsystem.
        nqn: SubsysNqn,
        /// The number.
        nsid: Nsid,
        /// Its device.
        device: String,
    },
    /// The port listens elsewhere.
    #[error("port {port} is there already and listens on {address}: choose another number with --port")]
    Port {
        /// The number.
        port: PortId,
        /// Its transport and address.
        address: String,
    },
    /// The subsystem is open to everybody, and hosts were named.
    #[error(
        "{0} lets any host connect already, and --host would keep the others out: say --allow-any-host, or clear it first"
    )]
    OpenAlready(SubsysNqn),
    /// The subsystem is for some hosts, and was asked to be open.
    #[error(
        "{0} is for named hosts only, and --allow-any-host would open it to everybody: name hosts with --host"
    )]
    Restricted(SubsysNqn),
    /// A host that somebody else let in has a name that cannot be kept in a list of host NQNs.
    #[error(
        "{nqn} lets in {host:?}, which is no host NQN ({source}), and would be shut out: remove allowed_hosts/{host} of the \
         subsystem first, or make another subsystem"
    )]
    OddHost {
        /// Of this subsystem.
        nqn: SubsysNqn,
        /// The name of the link, or of the host.
        host: String,
        /// What is wrong with it.
        source: NqnError,
    },
}

impl Create {
    /// The wanted state of the objects it names, with all that they hold already.
    ///
    /// # Errors
    /// The first [`Conflict`].
    pub fn spec(&self, observed: &Observed) -> Result<TargetSpec, Conflict> {
        let access = match observed.subsystem(&self.nqn) {
            None => self.access.clone(),
            Some(there) => self.joined_access(there)?,
        };
        let mut spec = TargetSpec::new();
        if let HostAccess::Only(hosts) = &access {
            spec = hosts.iter().cloned().fold(spec, TargetSpec::host);
        }
        let subsystem =
            SubsystemSpec::with_access(access).namespace(self.nsid, NamespaceSpec::new(self.device.clone()));
        let mut port = PortSpec::tcp(self.traddr.clone(), self.trsvcid).export(self.nqn.clone());
        if let Some(there) = observed.port(self.port) {
            if !self.is_at(there) {
                let address = [there.trtype(), there.traddr(), there.trsvcid()].join(" ");
                return Err(Conflict::Port { port: self.port, address: address.trim().to_owned() });
            }
            port = there.exported().filter_map(|nqn| nqn.parse().ok()).fold(port, PortSpec::export);
        }
        Ok(spec.subsystem(self.nqn.clone(), subsystem).port(self.port, port))
    }

    /// Who may connect when a subsystem is there already: those who could, and those who shall.
    fn joined_access(&self, there: &ObservedSubsystem) -> Result<HostAccess, Conflict> {
        if let Some(namespace) = there.namespace(self.nsid)
            && namespace.device_path().is_some_and(|path| path != self.device.as_str().as_bytes())
        {
            let device = namespace.device_path().unwrap_or_default();
            let device = String::from_utf8_lossy(device).into_owned();
            return Err(Conflict::Namespace { nqn: self.nqn.clone(), nsid: self.nsid, device });
        }
        match (&self.access, there.allows_any_host()) {
            (HostAccess::Any, true) => Ok(HostAccess::Any),
            (HostAccess::Any, false) if there.allowed_hosts.is_empty() => Ok(HostAccess::Any),
            (HostAccess::Any, false) => Err(Conflict::Restricted(self.nqn.clone())),
            (HostAccess::Only(_), true) => Err(Conflict::OpenAlready(self.nqn.clone())),
            (HostAccess::Only(hosts), false) => {
                Ok(HostAccess::Only(hosts.iter().cloned().chain(self.permitted(there)?).collect()))
            }
        }
    }

    /// The hosts that may connect already, all of them: one that was left out would be shut out.
    fn permitted(&self, there: &ObservedSubsystem) -> Result<BTreeSet<HostNqn>, Conflict> {
        let host = |(link, target): (&Name, &LinkTarget)| {
            let name = match target {
                LinkTarget::Host(name) => name,
                _ => link,
            };
            let host = name.to_string();
            host.parse().map_err(|source| Conflict::OddHost { nqn: self.nqn.clone(), host, source })
        };
        there.allowed_hosts.iter().map(host).collect()
    }

    /// Whether a port is the one that was asked for, or has no address yet.
    fn is_at(&self, there: &ObservedPort) -> bool {
        if there.trtype().is_empty() && there.traddr().is_empty() {
            return true;
        }
        let wanted = PortTransport::Tcp { traddr: self.traddr.clone(), trsvcid: self.trsvcid };
        there.transport().is_some_and(|transport| transport == wanted)
    }
}

#[cfg(test)]
mod tests {
    use nvmet_configfs::{FakeKernel, FakeTree, Policy, RelPath, Tree, observe, reconcile};

    use super::*;

    fn create(device: &str) -> Create {
        Create {
            nqn: "mysub".parse().unwrap(),
            access: HostAccess::Any,
            nsid: Nsid::ONE,
            device: device.parse().unwrap(),
            port: PortId(1),
            traddr: "127.0.0.1".parse().unwrap(),
            trsvcid: 4420,
        }
    }

    fn only(host: &str) -> HostAccess {
        HostAccess::Only([host.parse().unwrap()].into())
    }

    fn tree() -> FakeTree {
        FakeTree::new(FakeKernel::V6_12)
            .with_block_device("/dev/a")
            .with_block_device("/dev/b")
            .with_address("127.0.0.1".parse().unwrap())
    }

    fn apply(tree: &FakeTree, create: &Create) {
        let spec = create.spec(&observe(tree).unwrap()).unwrap();
        reconcile(tree, &spec, &Policy::default()).unwrap();
    }

    #[test]
    fn a_second_disk_keeps_the_first() {
        let tree = tree();
        apply(&tree, &create("/dev/a"));
        apply(&tree, &Create { nqn: "other".parse().unwrap(), ..create("/dev/b") });
        apply(&tree, &Create { nsid: Nsid::new(2).unwrap(), ..create("/dev/b") });
        let observed = observe(&tree).unwrap();
        let mysub = observed.subsystem(&"mysub".parse().unwrap()).unwrap();
        assert_eq!(mysub.namespaces.len(), 2);
        let exported: Vec<_> = observed.port(PortId(1)).unwrap().exported().collect();
        assert_eq!(exported, ["mysub", "other"]);
    }

    #[test]
    fn a_second_host_does_not_shut_out_the_first() {
        let tree = tree();
        apply(&tree, &Create { access: only("alice"), ..create("/dev/a") });
        apply(&tree, &Create { access: only("bob"), ..create("/dev/a") });
        let observed = observe(&tree).unwrap();
        assert_eq!(observed.subsystem(&"mysub".parse().unwrap()).unwrap().allowed_hosts.len(), 2);
    }

    #[test]
    fn a_host_that_cannot_be_named_is_not_shut_out() {
        let tree = tree();
        apply(&tree, &Create { access: only("alice"), ..create("/dev/a") });
        // configfs takes what no NQN may hold.
        for path in ["hosts/a,b", "hosts/carol"] {
            tree.mkdir(&RelPath::new(path).unwrap()).unwrap();
        }
        for (link, host) in [("a,b", "hosts/a,b"), ("somebody", "hosts/carol")] {
            let link = RelPath::new(format!("subsystems/mysub/allowed_hosts/{link}")).unwrap();
            tree.symlink(&link, &RelPath::new(host).unwrap()).unwrap();
        }
        let wanted = Create { access: only("bob"), ..create("/dev/a") };
        let error = wanted.spec(&observe(&tree).unwrap()).unwrap_err();
        assert!(matches!(&error, Conflict::OddHost { host, .. } if host == "a,b"), "{error}");
    }

    #[test]
    fn what_is_there_in_another_form_is_refused() {
        let tree = tree();
        apply(&tree, &create("/dev/a"));
        let observed = observe(&tree).unwrap();
        let device = create("/dev/b").spec(&observed).unwrap_err();
        assert!(matches!(&device, Conflict::Namespace { device, .. } if device == "/dev/a"), "{device}");
        let port = Create { trsvcid: 4421, ..create("/dev/a") }.spec(&observed).unwrap_err();
        assert!(matches!(&port, Conflict::Port { address, .. } if address == "tcp 127.0.0.1 4420"), "{port}");
        let host = Create { access: only("bob"), ..create("/dev/a") }.spec(&observed).unwrap_err();
        assert!(matches!(host, Conflict::OpenAlready(_)), "{host}");

        let closed = FakeTree::new(FakeKernel::V6_12)
            .with_block_device("/dev/a")
            .with_address("127.0.0.1".parse().unwrap());
        apply(&closed, &Create { access: only("alice"), ..create("/dev/a") });
        let open = create("/dev/a").spec(&observe(&closed).unwrap()).unwrap_err();
        assert!(matches!(open, Conflict::Restricted(_)), "{open}");
    }
}
