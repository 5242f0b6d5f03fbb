//! One object at a time: handles for imperative use.
//!
//! | handle | of |
//! |---|---|
//! | [`Target`] | the whole tree: where the others come from |
//! | [`Host`] | `hosts/H` |
//! | [`Subsystem`] | `subsystems/S` |
//! | [`Namespace`] | `subsystems/S/namespaces/N` |
//! | [`Passthru`] | `subsystems/S/passthru` |
//! | [`Port`] | `ports/P` |
//! | [`AnaGroup`] | `ports/P/ana_groups/G` |
//! | [`Referral`] | `ports/P/referrals/R` |
//!
//! ```
//! # #[cfg(feature = "testing")] {
//! use nvmet_configfs::handle::Target;
//! use nvmet_configfs::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tree = FakeTree::new(FakeKernel::V6_12); // on a real machine: OsTree::open_default()?
//! let target = Target::new(&tree);
//! let alice = "nqn.2024-05.org.example:alice".parse()?;
//! let mysub = "mysub".parse()?;
//!
//! target.create_host(&alice)?;
//! let subsystem = target.create_subsystem(&mysub)?;
//! subsystem.set_serial("S1".parse()?)?;
//! subsystem.permit(&alice)?;
//! let namespace = subsystem.create_namespace(nvme_proto::Nsid::ONE)?;
//! namespace.set_device_path("/dev/ram0".parse()?)?;
//! namespace.enable()?;
//!
//! let port = target.create_port(PortId(1))?;
//! port.set_transport(&PortTransport::Tcp { traddr: "127.0.0.1".parse()?, trsvcid: 4420 })?;
//! port.export(&mysub)?; // now it is in service
//!
//! let error = port.set_inline_data_size(Some(8192)).unwrap_err();
//! assert!(error.hint().unwrap().starts_with("the port is in service: remove the links below its `subsystems` first"));
//! # Ok(()) }
//! # main().unwrap(); }
//! ```
//!
//! Each call is one or a few system calls and takes effect at once; nothing is undone when a later one fails, and nothing is removed when a
//! handle is dropped. A [plan](crate::plan()) does all of a change or none of it. `create_…` never takes over what is there (`EEXIST`), since
//! making a directory is the only test that two tools cannot both pass.

mod error;
mod host;
mod namespace;
mod node;
mod port;
mod subsystem;
mod values;

use nvme_proto::{HostNqn, SubsysNqn};

use crate::diff::DiscoveryNqn;
use crate::spec::PortId;
use crate::tree::{RelPath, Tree};
use node::{Node, accessors, handle};

pub use error::HandleError;
pub use host::Host;
pub use namespace::Namespace;
pub use port::{AnaGroup, Port, Referral};
pub use subsystem::{Passthru, Subsystem};
pub use values::{DhchapGroup, DhchapHash, PeerMemory, PortSecurity, SecureChannel, Switch};

handle! {
    /// A target, on a tree.
    Target
}

accessors! { Target {
    /// The NQN under which discovery is served besides the well-known one.
    "discovery_nqn" discovery_nqn -> SubsysNqn;
}}

impl<'t> Target<'t> {
    /// The target of a tree.
    pub fn new(tree: &'t dyn Tree) -> Self {
        Self { node: Node { tree, path: RelPath::root() } }
    }

    /// Stores the NQN under which discovery is served besides the well-known one.
    ///
    /// # Errors
    /// [`HandleError::DiscoveryNqn`] without consent; `ENOENT` before Linux 6.9; `EINVAL` when a subsystem's name begins with it.
    pub fn set_discovery_nqn(&self, nqn: &SubsysNqn, consent: DiscoveryNqn) -> Result<(), HandleError> {
        if consent != DiscoveryNqn::Write {
            return Err(HandleError::DiscoveryNqn);
        }
        // Without a newline: the kernel's count leaves it out, and a second write of it alone is refused.
        Ok(self.node.tree.write(&self.node.path.at("discovery_nqn"), nqn.as_str().as_bytes())?)
    }

    /// A host, which need not be there.
    pub fn host(&self, nqn: &HostNqn) -> Host<'t> {
        Host { node: self.node.inside("hosts", &nqn.into()) }
    }

    /// All hosts, by directory name.
    ///
    /// # Errors
    /// `ENOENT` when there is no target.
    pub fn hosts(&self) -> Result<Vec<Host<'t>>, HandleError> {
        Ok(self.node.all("hosts")?.into_iter().map(|node| Host { node }).collect())
    }

    /// Defines a host, so that subsystems can permit it.
    ///
    /// # Errors
    /// `EEXIST` when it is there.
    pub fn create_host(&self, nqn: &HostNqn) -> Result<Host<'t>, HandleError> {
        Ok(Host { node: self.host(nqn).node.make()? })
    }

    /// A subsystem, which need not be there.
    pub fn subsystem(&self, nqn: &SubsysNqn) -> Subsystem<'t> {
        Subsystem { node: self.node.inside("subsystems", &nqn.into()) }
    }

    /// All subsystems, by directory name.
    ///
    /// # Errors
    /// `ENOENT` when there is no target.
    pub fn subsystems(&self) -> Result<Vec<Subsystem<'t>>, HandleError> {
        Ok(self.node.all("subsystems")?.into_iter().map(|node| Subsystem { node }).collect())
    }

    /// Makes a subsystem. Nobody may connect to it yet.
    ///
    /// # Errors
    /// `EEXIST` when it is there; `EINVAL` for a discovery NQN.
    pub fn create_subsystem(&self, nqn: &SubsysNqn) -> Result<Subsystem<'t>, HandleError> {
        Ok(Subsystem { node: self.subsystem(nqn).node.make()? })
    }

    /// A port, which need not be there.
    pub fn port(&self, id: PortId) -> Port<'t> {
        Port { node: self.node.inside("ports", &id.into()) }
    }

    /// All ports, by directory name (which other tools may have spelled otherwise: `0x1`).
    ///
    /// # Errors
    /// `ENOENT` when there is no target.
    pub fn ports(&self) -> Result<Vec<Port<'t>>, HandleError> {
        Ok(self.node.all("ports")?.into_iter().map(|node| Port { node }).collect())
    }

    /// Makes a port. It has no address yet.
    ///
    /// # Errors
    /// `EEXIST` when it is there.
    pub fn create_port(&self, id: PortId) -> Result<Port<'t>, HandleError> {
        Ok(Port { node: self.port(id).node.make()? })
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
