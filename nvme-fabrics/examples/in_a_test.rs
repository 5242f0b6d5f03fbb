//! A target in one line: how a project that speaks NVMe/TCP tests itself without a kernel, privileges or a machine of its own.
//!
//! `cargo run --example in_a_test --features tokio,soft-target`; in a project of yours the function is a `#[tokio::test]`.

use nvme_fabrics::HostIdentity;
use nvme_fabrics::target::testing;
use nvme_fabrics::tcp::Connect;
use nvme_proto::{HostNqn, Nsid};

type Error = Box<dyn std::error::Error>;

/// What stands for your program: it copies the first block to the second.
async fn your_program(connect: Connect) -> Result<(), Error> {
    let controller = connect.connect().await?;
    let disk = controller.namespace(Nsid::new(1)?).await?;
    disk.write(1, disk.read(0, 1).await?).await?;
    controller.disconnect().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Error> {
    let target = testing::memory("nqn.2024-05.org.example:test", 64 << 20).await?;

    let me = HostIdentity::for_nqn(HostNqn::new("nqn.2024-05.org.example:me")?);
    let connect = || Connect::new(target.address(), target.nqn().clone(), me.clone());
    let controller = connect().connect().await?;
    let disk = controller.namespace(Nsid::new(1)?).await?;
    disk.write(0, vec![7; 512]).await?;
    your_program(connect()).await?;
    assert_eq!(disk.read(1, 1).await?, [7; 512][..]);
    println!("the program copied the block");
    Ok(())
}
