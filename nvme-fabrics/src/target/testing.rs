//! A target in one line, for the tests of whatever talks to one.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let target = nvme_fabrics::target::testing::memory("nqn.2014-08.org.example:disk", 64 << 20).await?;
//! println!("connect to {} at {}", target.nqn(), target.address());
//! # Ok(())
//! # }
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use nvme_proto::{NqnError, Nsid, SubsysNqn};

use super::backend::{Backend, Memory, MemoryError};
use super::{ChangeError, Namespace, Port, PortId, ServeError, Server, Subsystem, SubsystemError, Target};

/// A target that is served on a free port of the loopback address as long as this is there, to any host.
#[derive(Debug)]
pub struct TestTarget {
    server: Server,
    address: SocketAddr,
    nqn: SubsysNqn,
}

/// A test target could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestTargetError {
    /// The name is none.
    #[error(transparent)]
    Nqn(#[from] NqnError),
    /// The size is none.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The subsystem cannot be.
    #[error(transparent)]
    Subsystem(#[from] SubsystemError),
    /// The target does not take it.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// It cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Serves one namespace in memory, of this many bytes in blocks of 512, in the runtime that this is called in.
///
/// # Errors
/// No such name or size, or there is no port to listen on.
pub async fn memory(nqn: &str, bytes: u64) -> Result<TestTarget, TestTargetError> {
    disk(nqn, Arc::new(Memory::new(bytes)?)).await
}

/// Serves one namespace on storage of your own.
///
/// # Errors
/// No such name, or there is no port to listen on.
pub async fn disk(nqn: &str, backend: Arc<dyn Backend>) -> Result<TestTarget, TestTargetError> {
    let nqn = SubsysNqn::new(nqn)?;
    let target = target(&nqn, backend)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::builder(target).listen(PORT, address).start().await?;
    let address = server.addresses().first().map_or(address, |(_, address)| *address);
    Ok(TestTarget { server, address, nqn })
}

/// The port of a test target.
const PORT: PortId = PortId(1);

/// One subsystem with one namespace (1) at port 1, for any host, not served yet.
pub(crate) fn target(nqn: &SubsysNqn, backend: Arc<dyn Backend>) -> Result<Target, TestTargetError> {
    let target = Target::new();
    let subsystem = Subsystem::new(nqn.clone()).allow_any_host();
    target.add_subsystem(subsystem.namespace(Namespace::new(Nsid::ONE, backend))?)?;
    let port = Port::tcp(PORT, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    target.add_port(port.export(nqn.clone()))?;
    Ok(target)
}

impl TestTarget {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name of its subsystem.
    #[must_use]
    pub const fn nqn(&self) -> &SubsysNqn {
        &self.nqn
    }

    /// Its target, to change it while hosts are connected.
    #[must_use]
    pub fn target(&self) -> &Target {
        self.server.target()
    }

    /// Its server.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// Its server, to shut it down in order.
    #[must_use]
    pub fn into_server(self) -> Server {
        self.server
    }
}
