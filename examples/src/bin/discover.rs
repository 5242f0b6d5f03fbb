//! `discover`: what a target exports to this host, asked through the kernel or in user space.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use nvme_examples::referrals::{self, Follow};
use nvme_examples::{cli, configured, host, stop};
use nvme_fabrics::config::ConnectionKind;
use nvme_fabrics::discovery::tcp::CrawlLimits;
use nvme_fabrics::kernel::wait::Cancel;
use nvme_fabrics::options::lookup;
use nvme_fabrics::{DiscoveryRequest, HostIdentity, OptionError, Sysfs, discovery};
use nvme_proto::{HostId, HostNqn, IpTraddr, SubsysNqn};
use serde_json::Value;

/// Show what an NVMe/TCP target exports to this host; without an address, what the discovery controllers of the configuration offer.
#[derive(Parser)]
#[command(name = "discover", version)]
struct Args {
    /// The transport: tcp is the only one; as with nvme-cli
    #[arg(short = 't', long, value_name = "TRANSPORT", value_parser = ["tcp"], default_value = "tcp", hide_default_value = true)]
    transport: String,
    /// Address of the target, numeric or a name
    #[arg(short = 'a', long, value_name = "ADDR", value_parser = lookup)]
    traddr: Option<IpTraddr>,
    /// Without -a: this configuration instead of the files in /etc/nvme
    #[arg(short = 'J', long, value_name = "FILE", conflicts_with = "traddr")]
    config: Option<PathBuf>,
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
    #[arg(short = 'w', long, value_name = "ADDR", value_parser = lookup)]
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
    let args = Args::parse();
    cli::exit_as(cli::Output::of(args.json), run(args))
}

fn run(args: Args) -> cli::Outcome {
    let identity = host::identity(args.hostnqn.clone(), args.hostid)?;
    let stop = stop::on_signal("the discovery controller is removed first")?;
    let Some(traddr) = &args.traddr else { return from_configuration(&args, &identity, &stop) };
    let request = match request(&args, traddr, identity) {
        Ok(request) => request,
        Err(error) => host::usage(&mut Args::command(), error),
    };
    let (json, text) = ask(&args, &request, &stop)?;
    if args.json { cli::print_json(&json) } else { Ok(cli::print(&text)?) }
}

type BoxError = Box<dyn Error + Send + Sync>;

/// Every discovery controller of the files, one after the other; one that does not answer keeps no other from being asked.
fn from_configuration(args: &Args, identity: &HostIdentity, stop: &Cancel) -> cli::Outcome {
    let config = configured::load(args.config.as_deref())?;
    let services = config.connections.iter().filter(|c| c.kind == ConnectionKind::Discovery);
    let (mut all, mut failed) = (Vec::new(), 0);
    for service in services.clone() {
        let ready = service.prepared(&Sysfs::system(), identity);
        let asked =
            ready.and_then(|ready| ready.request(identity)).map_err(BoxError::from).and_then(|request| {
                let (json, text) = ask(args, &request, stop)?;
                all.push(json);
                if !args.json {
                    cli::print(&format!("===== {} =====\n{text}", request.options()))?;
                }
                Ok(())
            });
        stop::check(stop, "no discovery controller is left")?;
        if let Err(error) = asked {
            failed += 1;
            cli::note(&format!("error: {}", cli::explain(error.as_ref())));
        }
    }
    if args.json {
        cli::print_json(&serde_json::json!({ "version": host::JSON_VERSION, "services": all }))?;
    }
    match (failed, services.count()) {
        (_, 0) => Err(cli::failure("the configuration names no discovery controller")),
        (0, _) if config.is_sound() => Ok(()),
        (failed, asked) => {
            Err(cli::failure(format!("{failed} of {asked} discovery controllers did not answer")))
        }
    }
}

/// One service, and what it leads to when that was asked for: as JSON and as text.
fn ask(args: &Args, request: &DiscoveryRequest, stop: &Cancel) -> Result<(Value, String), BoxError> {
    let spinner = cli::spinner("asking the discovery controller");
    let follow = if args.follow_referrals { Follow::Referrals } else { Follow::Nothing };
    let fits = request.check_for_kernel();
    if let (true, Err(error)) = (args.kernel, &fits) {
        host::usage(&mut Args::command(), format!("{error}; --user takes one byte more"));
    }
    let pages = match args.kernel || !args.user && fits.is_ok() && kernel_can() {
        true => Ok(referrals::kernel(request, follow, stop)),
        false if args.follow_referrals => referrals::user(request, &CrawlLimits::default()),
        false => referrals::user(request, &referrals::only_the_first()),
    };
    spinner.finish_and_clear();
    stop::check(stop, "no discovery controller is left")?;
    let (first, rest, skipped) = pages?.first()?;
    // What was not to be followed is no news.
    let skipped = if args.follow_referrals { skipped } else { Vec::new() };
    Ok((referrals::json(&first, &rest, &skipped), referrals::text(&first, &rest, &skipped)))
}

/// Whether the kernel can be asked: its device is there, and this is root.
fn kernel_can() -> bool {
    nix::unistd::geteuid().is_root() && Path::new("/dev/nvme-fabrics").exists()
}

/// What the user asked for. An error is one of usage: nothing was sent yet.
fn request(args: &Args, traddr: &IpTraddr, identity: HostIdentity) -> Result<DiscoveryRequest, OptionError> {
    let mut request = DiscoveryRequest::tcp(traddr.clone(), args.trsvcid, identity)?;
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
