//! Ports, their ANA groups and their referrals.

use nvme_proto::SubsysNqn;

use super::HandleError;
use super::node::{Node, accessors, handle};
use super::values::{PortSecurity, SecureChannel, Switch};
use crate::observe::ObservedPort;
use crate::spec::{AnaGroupId, AnaState, PortTransport};
use crate::tree::{Name, RelPath};

handle! {
    /// A port. It is in service exactly while it exports something, and refuses changes of its address and parameters then (`EACCES`).
    Port
}

accessors! { Port {
    /// Security; `None` on other transports than TCP. Storing [`PortSecurity::None`] resets [`Port::secure_channel`].
    "addr_tsas" security -> PortSecurity [unset b""], set_security(PortSecurity);
    /// Whether hosts are told to use a secure channel.
    "addr_treq" secure_channel -> SecureChannel, set_secure_channel(SecureChannel);
    /// Most in-capsule data in bytes; `None` leaves it to the transport, which fills it in when the port goes into service.
    "param_inline_data_size" inline_data_size -> Option<u32>, set_inline_data_size(Option<u32>);
    /// Most entries of a queue; `None` leaves it to the transport, which fills it in when the port goes into service.
    "param_max_queue_size" max_queue_size -> Option<u32>, set_max_queue_size(Option<u32>);
    /// Most data of a command, as a power of two of pages (0: no limit); `None` at first, which cannot be written back.
    "param_mdts" mdts -> Option<u32>, set_mdts(u32);
    /// Protection information, which only RDMA can carry.
    "param_pi_enable" protection_information -> Switch, set_protection_information(Switch);
}}

/// Where a subsystem is.
fn subsystem_path(nqn: &SubsysNqn) -> RelPath {
    RelPath::root().at("subsystems").join(&Name::from(nqn))
}

/// The transport that the address of a port or referral stands for.
fn transport(node: &Node<'_>) -> Result<Option<PortTransport>, HandleError> {
    let port = ObservedPort { attributes: node.attributes()?, ..ObservedPort::default() };
    Ok(port.transport())
}

fn set_transport(node: &Node<'_>, transport: &PortTransport) -> Result<(), HandleError> {
    transport.attributes().iter().try_for_each(|(name, value)| node.write(name, value.as_bytes()))
}

impl<'t> Port<'t> {
    /// How it is reached; `None` while no transport is set.
    ///
    /// # Errors
    /// `ENOENT` when the port is not there.
    pub fn transport(&self) -> Result<Option<PortTransport>, HandleError> {
        transport(&self.node)
    }

    /// Stores `addr_trtype`, `addr_adrfam`, `addr_traddr` and `addr_trsvcid`, as far as the transport has them. Whether they fit this machine
    /// shows when the port goes into service.
    ///
    /// # Errors
    /// `EACCES` while it is in service.
    pub fn set_transport(&self, transport: &PortTransport) -> Result<(), HandleError> {
        set_transport(&self.node, transport)
    }

    /// The subsystems it exports: their directory names.
    ///
    /// # Errors
    /// `ENOENT` when the port is not there.
    pub fn exports(&self) -> Result<Vec<Name>, HandleError> {
        let links = self.node.links("subsystems")?;
        Ok(links.iter().filter_map(|(_, subsystem)| subsystem.file_name()).collect())
    }

    /// Exports a subsystem. The first one takes the port into service, in the network namespace of this process.
    ///
    /// # Errors
    /// `ENOENT` when the subsystem is not there, `EEXIST` when it is exported already; for the first one what the transport answers:
    /// `EINVAL`, `EADDRINUSE`, `EADDRNOTAVAIL`.
    pub fn export(&self, subsystem: &SubsysNqn) -> Result<(), HandleError> {
        self.node.link("subsystems", &subsystem_path(subsystem))
    }

    /// Takes an export away: the hosts that use it are disconnected. The last one takes the port out of service.
    ///
    /// # Errors
    /// [`HandleError::NotLinked`] when it is not exported.
    pub fn unexport(&self, subsystem: &SubsysNqn) -> Result<(), HandleError> {
        self.node.unlink("subsystems", &subsystem_path(subsystem))
    }

    /// One of its ANA groups, which need not be there. Group 1 always is.
    pub fn ana_group(&self, id: AnaGroupId) -> AnaGroup<'t> {
        AnaGroup { node: self.node.inside("ana_groups", &id.into()) }
    }

    /// Its ANA groups.
    ///
    /// # Errors
    /// `ENOENT` when the port is not there.
    pub fn ana_groups(&self) -> Result<Vec<AnaGroup<'t>>, HandleError> {
        Ok(self.node.all("ana_groups")?.into_iter().map(|node| AnaGroup { node }).collect())
    }

    /// Makes an ANA group, inaccessible.
    ///
    /// # Errors
    /// `EEXIST` when it is there, as group 1 always is.
    pub fn create_ana_group(&self, id: AnaGroupId) -> Result<AnaGroup<'t>, HandleError> {
        Ok(AnaGroup { node: self.ana_group(id).node.make()? })
    }

    /// One of its referrals, which need not be there.
    pub fn referral(&self, name: &Name) -> Referral<'t> {
        Referral { node: self.node.inside("referrals", name) }
    }

    /// Its referrals.
    ///
    /// # Errors
    /// `ENOENT` when the port is not there.
    pub fn referrals(&self) -> Result<Vec<Referral<'t>>, HandleError> {
        Ok(self.node.all("referrals")?.into_iter().map(|node| Referral { node }).collect())
    }

    /// Makes a referral, disabled. The name only tells referrals apart.
    ///
    /// # Errors
    /// `EEXIST` when it is there.
    pub fn create_referral(&self, name: &Name) -> Result<Referral<'t>, HandleError> {
        Ok(Referral { node: self.referral(name).node.make()? })
    }

    /// Removes the port. Waits for the target's work queue.
    ///
    /// # Errors
    /// `ENOTEMPTY` while it exports anything or has referrals or ANA groups but 1.
    pub fn remove(self) -> Result<(), HandleError> {
        self.node.remove()
    }
}

handle! {
    /// An ANA group of a port: how well the port reaches the namespaces that are in it.
    AnaGroup
}

accessors! { AnaGroup {
    /// Its state. Hosts are told of a change; nobody is disconnected.
    "ana_state" state -> AnaState, set_state(AnaState);
}}

impl AnaGroup<'_> {
    /// Removes it: its namespaces are inaccessible through the port from then on.
    ///
    /// # Errors
    /// `EPERM` for group 1, which goes with its port.
    pub fn remove(self) -> Result<(), HandleError> {
        self.node.remove()
    }
}

handle! {
    /// A referral: another discovery service that the port's discovery log names. While it is enabled it refuses changes (`EACCES`).
    Referral
}

accessors! { Referral {
    /// The number of the port over there.
    "addr_portid" port_id -> u16, set_port_id(u16);
    /// Whether hosts are told to use a secure channel.
    "addr_treq" secure_channel -> SecureChannel, set_secure_channel(SecureChannel);
    /// Whether the discovery log has it.
    "enable" state -> Switch;
}}

impl Referral<'_> {
    /// Where it refers to; `None` while no transport is set.
    ///
    /// # Errors
    /// `ENOENT` when the referral is not there.
    pub fn transport(&self) -> Result<Option<PortTransport>, HandleError> {
        transport(&self.node)
    }

    /// Stores where it refers to. The kernel does not check it.
    ///
    /// # Errors
    /// `EACCES` while it is enabled.
    pub fn set_transport(&self, transport: &PortTransport) -> Result<(), HandleError> {
        set_transport(&self.node, transport)
    }

    /// Puts it into the discovery log.
    ///
    /// # Errors
    /// `ENOENT` when it is not there.
    pub fn enable(&self) -> Result<(), HandleError> {
        self.node.store("enable", &Switch::On)
    }

    /// Takes it out of the discovery log.
    ///
    /// # Errors
    /// `ENOENT` when it is not there.
    pub fn disable(&self) -> Result<(), HandleError> {
        self.node.store("enable", &Switch::Off)
    }

    /// Removes it, enabled or not.
    ///
    /// # Errors
    /// `ENOENT` when it is not there.
    pub fn remove(self) -> Result<(), HandleError> {
        self.node.remove()
    }
}
