//! `discover`: what a target exports to this host, asked through the kernel or in user space.

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use nvme_examples::referrals::{self, Follow};
use nvme_examples::{cli, host};
use nvme_fabrics::discovery::tcp::CrawlLimits;
use nvme_fabrics::{DiscoveryRequest, HostIdentity, OptionError, discovery};
use nvme_proto::{HostId, HostNqn, IpTraddr, SubsysNqn};

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
    /// Ask through the kernel (root, nvme-fabrics loaded). Without --kernel and --user: the kernel if that can be, else user space
    #[arg(long)]
    kernel: bool,
    /// Ask in user space: no privileges
    #[arg(long, conflicts_with = "kernel")]
    user: bool,
    /// Ask the discovery services that the log refers to as well, and those that these refer to
    #[arg(long)]
    follow_referrals: bool,
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
    let follow = if args.follow_referrals { Follow::Referrals } else { Follow::Nothing };
    let pages = match args.kernel || !args.user && kernel_can() {
        true => Ok(referrals::kernel(&request, follow)),
        false if args.follow_referrals => referrals::user(&request, &CrawlLimits::default()),
        false => referrals::user(&request, &referrals::only_the_first()),
    };
    spinner.finish_and_clear();
    let (first, rest, skipped) = pages?.first()?;
    // What was not to be followed is no news.
    let skipped = if args.follow_referrals { skipped } else { Vec::new() };
    if args.json {
        return cli::print_json(&referrals::json(&first, &rest, &skipped));
    }
    Ok(cli::print(&referrals::text(&first, &rest, &skipped))?)
}

/// Whether the kernel can be asked: its device is there, and this is root.
fn kernel_can() -> bool {
    nix::unistd::geteuid().is_root() && Path::new("/dev/nvme-fabrics").exists()
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
