//! A file as an NVMe/TCP disk that a Linux host can mount; no root, no kernel module on this side.
//!
//! `cargo run --example serve_file --features soft-target -- disk.img 192.0.2.10:4420 nqn.2014-08.org.nvmexpress:uuid:…`

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nvme_fabrics::target::backend::{File, FileOptions};
use nvme_fabrics::target::serve::Server;
use nvme_fabrics::target::{Layout, Namespace, Port, PortId, Subsystem, Target};
use nvme_proto::{HostNqn, Nsid, SubsysNqn};

type Error = Box<dyn std::error::Error>;

/// Serves the file to one host.
pub(crate) async fn serve(file: &Path, at: SocketAddr, host: HostNqn) -> Result<Server, Error> {
    let nqn = SubsysNqn::new("nqn.2024-05.org.example:disk")?;
    let disk = Arc::new(File::open(file, &FileOptions::new())?);
    let subsystem = Subsystem::new(nqn.clone()).allow(host).namespace(Namespace::new(Nsid::new(1)?, disk))?;
    let port = Port::tcp(PortId(1), at).export(nqn);
    let target = Target::new();
    target.apply(Layout::new().subsystem(subsystem).port(port))?;
    Ok(Server::builder(target).listen(PortId(1), at).workers(2).start().await?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [file, at, host] = &words[..] else { return Err("FILE ADDRESS:PORT HOSTNQN".into()) };
    let server = serve(Path::new(file), at.parse()?, host.parse()?).await?;
    for (_, at) in server.addresses() {
        println!("nvme connect -t tcp -a {} -s {} -n nqn.2024-05.org.example:disk", at.ip(), at.port());
    }
    tokio::signal::ctrl_c().await?;
    server.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
