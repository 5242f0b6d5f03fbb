//! Testing your project against a target: one line.
//!
//! `cargo run --example test_target --features tokio,soft-target`

use nvme_fabrics::HostIdentity;
use nvme_fabrics::target::testing;
use nvme_fabrics::tcp::Connect;
use nvme_proto::{HostId, Nsid};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The one line: a 64 MiB disk on a free port of the loopback address, gone with the variable.
    let target = testing::memory("nqn.2014-08.org.example:test", 64 << 20).await?;

    // What your project does; here our own host.
    let identity = HostIdentity::from_uuid(HostId::from_bytes([1; 16]));
    let controller = Connect::new(target.address(), target.nqn().clone(), identity).connect().await?;
    let disk = controller.namespace(Nsid::ONE).await?;
    disk.write(8, vec![7; 4096]).await?;
    assert_eq!(disk.read(8, 8).await?, vec![7; 4096]);
    controller.disconnect().await;

    // What the target saw of it, and what a test can change while hosts are connected.
    println!("{:?}", target.server().statistics());
    target.target().withdraw(nvme_fabrics::target::PortId(1), target.nqn())?;
    Ok(())
}
