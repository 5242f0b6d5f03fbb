//! What a target exports to this host, without root and without the kernel, and what the services say that it refers to.
//!
//! `cargo run --example discover --features tokio -- 192.0.2.10 8009`

use nvme_fabrics::discovery::text::{subnqn, traddr, trsvcid};
use nvme_fabrics::discovery::{self, tcp};
use nvme_fabrics::{DiscoveryRequest, IdentityFiles};

type Error = Box<dyn std::error::Error>;

/// The subsystems that this host may connect to: name, address, port.
pub(crate) async fn subsystems(address: &str, port: u16) -> Result<Vec<(String, String, String)>, Error> {
    let host = IdentityFiles::system().load_or_generate()?.identity;
    let request = DiscoveryRequest::tcp(address.parse()?, port, host)?;
    let crawl = tcp::crawl(&request, &[], &tcp::Options::default(), &tcp::CrawlLimits::default()).await?;
    for (service, error) in crawl.failures() {
        eprintln!("{service} did not answer: {error}");
    }
    let subsystems = crawl.entries().filter(|(_, entry)| discovery::text::subtype(entry) == "nvme subsystem");
    Ok(subsystems.map(|(_, entry)| (subnqn(entry), traddr(entry), trsvcid(entry))).collect())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let (Some(address), Some(port)) = (words.next(), words.next()) else { return Err("ADDRESS PORT".into()) };
    for (nqn, address, port) in subsystems(&address, port.parse()?).await? {
        println!("{nqn} at {address} port {port}");
    }
    Ok(())
}
