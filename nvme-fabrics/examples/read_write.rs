//! A namespace of a target as a disk in this process: read, write, flush.
//!
//! `cargo run --example read_write --features tokio -- 192.0.2.10:4420 nqn.2024-05.org.example:disk`

use std::net::SocketAddr;

use nvme_fabrics::IdentityFiles;
use nvme_fabrics::tcp::Connect;
use nvme_proto::digest::Digests;
use nvme_proto::{Nsid, SubsysNqn};

type Error = Box<dyn std::error::Error>;

/// Adds one to the first byte of every one of the first four blocks, and says what it was.
pub(crate) async fn count_up(target: SocketAddr, subsystem: SubsysNqn) -> Result<Vec<u8>, Error> {
    let host = IdentityFiles::system().load_or_generate()?.identity;
    let controller = Connect::new(target, subsystem, host).digests(Digests::BOTH).connect().await?;
    let disk = controller.namespace(Nsid::new(1)?).await?;
    println!("{} blocks of {} bytes", disk.blocks(), disk.block_size());

    let mut data = disk.read(0, 4).await?.to_vec();
    let firsts = data.chunks_mut(usize::try_from(disk.block_size())?).map(|block| &mut block[0]);
    let before = firsts.map(|first| std::mem::replace(first, first.wrapping_add(1))).collect();
    disk.write(0, data).await?;
    disk.flush().await?;
    controller.disconnect().await;
    Ok(before)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let (Some(target), Some(nqn)) = (words.next(), words.next()) else {
        return Err("ADDRESS:PORT NQN".into());
    };
    println!("before: {:?}", count_up(target.parse()?, nqn.parse()?).await?);
    Ok(())
}
