//! `discover`: what a target exports to this host, asked through the kernel's discovery controller.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use nvme_examples::{cli, host};
use nvme_fabrics::{DiscoveryRequest, HostIdentity, OptionError, OsDevice, Sysfs, discover, discovery};
use nvme_proto::discovery::DiscoveryEntry;
use nvme_proto::{HostId, HostNqn, IpTraddr, SubsysNqn};
use serde_json::{Value, json};

/// Show what an NVMe/TCP target exports to this host.
#[derive(Parser)]
#[command(name = "discover", version)]
struct Args {
    /// Numeric address of the target
    #[arg(short = 'a', long, value_name = "ADDR")]
    traddr: IpTraddr,
    /// TCP port of the target
    #[arg(short = 's', long, value_name = "PORT", default_value_t = discovery::DEFAULT_PORT)]
    trsvcid: u16,
    /// Host NQN to ask as; what is shown depends on it
    #[arg(short = 'q', long, value_name = "NQN")]
    hostnqn: Option<HostNqn>,
    /// Host ID to ask as
    #[arg(short = 'I', long, value_name = "UUID")]
    hostid: Option<HostId>,
    /// Address of this host to connect from
    #[arg(short = 'w', long, value_name = "ADDR")]
    host_traddr: Option<IpTraddr>,
    /// Interface of this host to connect through
    #[arg(short = 'f', long, value_name = "IFACE")]
    host_iface: Option<String>,
    /// A unique discovery NQN instead of the well-known one
    #[arg(short = 'n', long, value_name = "NQN")]
    nqn: Option<SubsysNqn>,
    /// Ask through the kernel (root); the only way so far, and the default
    #[arg(long)]
    kernel: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    cli::exit(run(Args::parse()))
}

fn run(args: Args) -> cli::Outcome {
    let identity = host::identity(args.hostnqn.clone(), args.hostid)?;
    let request = match request(&args, identity) {
        Ok(request) => request,
        Err(error) => host::usage(&mut Args::command(), error),
    };
    let spinner = cli::spinner("asking the discovery controller");
    let found = discover(&OsDevice::system(), &Sysfs::system(), &request);
    spinner.finish_and_clear();
    let log = found?.log;
    if args.json {
        return cli::print_json(&json!({
            "version": host::JSON_VERSION,
            "genctr": log.generation,
            "records": log.entries.iter().map(record).collect::<Vec<_>>(),
        }));
    }
    Ok(cli::print(&discovery::text::render(&log))?)
}

/// What the user asked for. An error is one of usage: nothing was sent yet.
fn request(args: &Args, identity: HostIdentity) -> Result<DiscoveryRequest, OptionError> {
    let mut request = DiscoveryRequest::tcp(args.traddr.clone(), args.trsvcid, identity)?;
    if let Some(nqn) = &args.nqn {
        request = request.nqn(nqn.clone())?;
    }
    if let Some(address) = &args.host_traddr {
        request = request.host_traddr(address.clone())?;
    }
    if let Some(interface) = &args.host_iface {
        request = request.host_iface(interface)?;
    }
    Ok(request)
}

/// One record with the words and keys of `nvme discover -o json`.
fn record(entry: &DiscoveryEntry) -> Value {
    json!({
        "trtype": discovery::text::trtype(entry),
        "adrfam": discovery::text::adrfam(entry),
        "subtype": discovery::text::subtype(entry),
        "treq": discovery::text::treq(entry),
        "portid": entry.port_id(),
        "trsvcid": discovery::text::trsvcid(entry),
        "subnqn": discovery::text::subnqn(entry),
        "traddr": discovery::text::traddr(entry),
        "eflags": discovery::text::eflags(entry),
        "sectype": discovery::text::sectype(entry),
    })
}
