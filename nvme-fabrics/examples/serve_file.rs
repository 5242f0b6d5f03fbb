//! A file as an NVMe/TCP disk for Linux hosts, or any others.
//!
//! `truncate -s 1G disk.img && cargo run --example serve_file --features soft-target -- disk.img 0.0.0.0:4420`, and on the host, as root:
//! `nvme connect -t tcp -a ADDRESS -s 4420 -n nqn.2014-08.org.example:file`. Needs no privileges. Ends in order with Ctrl-C.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use nvme_fabrics::target::backend::{File, FileOptions};
use nvme_fabrics::target::{Namespace, Port, PortId, Server, Subsystem, Target};
use nvme_proto::{Nsid, SubsysNqn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, path, address] = args.as_slice() else {
        return Err("usage: serve_file FILE ADDRESS:PORT".into());
    };
    let nqn = SubsysNqn::new("nqn.2014-08.org.example:file")?;
    let disk = File::open(path, &FileOptions::new())?;
    println!("{path}: {} bytes, {}", disk.len(), disk.directness());

    let target = Target::new();
    // Whoever can connect may: name hosts with `allow` where that matters.
    let subsystem = Subsystem::new(nqn.clone()).allow_any_host();
    target.add_subsystem(subsystem.namespace(Namespace::new(Nsid::ONE, Arc::new(disk)))?)?;
    target.add_port(Port::tcp(PortId(1), address.parse()?).export(nqn.clone()))?;
    let server = Server::builder(target).listen(PortId(1), address.parse()?).workers(2).start().await?;
    println!("{nqn} at {:?}", server.addresses());

    tokio::signal::ctrl_c().await?;
    println!("{:?}", server.shutdown(Duration::from_secs(30)).await);
    Ok(())
}
