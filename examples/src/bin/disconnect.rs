//! `disconnect`: leaves subsystems or removes controllers, and says how many went.

use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, CommandFactory, Parser, ValueEnum};
use nvme_examples::{cli, host};
use nvme_fabrics::config::Owner;
use nvme_fabrics::{AddressSelector, Force, Selector, Sysfs, TransportName, disconnect, plan_disconnect};
use nvme_proto::SubsysNqn;
use serde_json::json;

/// Disconnect from NVMe over Fabrics subsystems. One of -n, -d, -a and --all says from which; -n with -a means the paths of that subsystem at that address.
#[derive(Parser)]
#[command(name = "disconnect", version, group = ArgGroup::new("which").args(["device", "all", "traddr"]))]
struct Args {
    /// All controllers of the subsystem with this NQN
    #[arg(short, long, value_name = "NQN")]
    nqn: Option<SubsysNqn>,
    /// A controller (nvme3), or the subsystem of a namespace by its block device (nvme3n1) or its character device (ng3n1): all its controllers go
    #[arg(short, long, value_name = "DEV", value_parser = Selector::device)]
    device: Option<Selector>,
    /// Every fabrics controller of this machine, except those that another program looks after (registry of nvme-cli 3)
    #[arg(long)]
    all: bool,
    /// With --all: those that others look after as well
    #[arg(long, requires = "all")]
    any_owner: bool,
    /// With --all: those that this one looks after
    #[arg(long, value_name = "NAME", requires = "all", conflicts_with = "any_owner")]
    owner: Option<Owner>,
    /// The controllers connected to this address, in any spelling
    #[arg(short = 'a', long, value_name = "ADDR")]
    traddr: Option<String>,
    /// With -a: by this transport
    #[arg(short = 't', long, value_enum, requires = "traddr")]
    transport: Option<Transport>,
    /// With -a: at this port
    #[arg(short = 's', long, value_name = "PORT", requires = "traddr")]
    trsvcid: Option<u16>,
    /// With -a: from this local address
    #[arg(short = 'w', long, value_name = "ADDR", requires = "traddr")]
    host_traddr: Option<String>,
    /// With -a: through this local interface
    #[arg(long, value_name = "IFACE", requires = "traddr")]
    host_iface: Option<String>,
    /// Disconnect although a namespace is mounted or held
    #[arg(short, long)]
    force: bool,
    /// Only show what would go
    #[arg(long)]
    dry_run: bool,
    /// How long to wait until the controllers are gone, in seconds
    #[arg(long, value_name = "SECS", default_value = "60", value_parser = host::seconds)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The guide's `disconnect /dev/nvme0n1 -n NQN` names the device once more: say -d instead
    #[arg(hide = true)]
    positional: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Tcp,
    Rdma,
    Fc,
    Loop,
}

/// What the arguments select; `None`: nothing.
fn selector(args: &Args) -> Option<Selector> {
    if let Some(traddr) = &args.traddr {
        let mut address = AddressSelector::new(traddr);
        if let Some(transport) = args.transport {
            address = address.transport(match transport {
                Transport::Tcp => TransportName::Tcp,
                Transport::Rdma => TransportName::Rdma,
                Transport::Fc => TransportName::Fc,
                Transport::Loop => TransportName::Loop,
            });
        }
        if let Some(port) = args.trsvcid {
            address = address.port(port);
        }
        if let Some(local) = &args.host_traddr {
            address = address.host_traddr(local);
        }
        if let Some(interface) = &args.host_iface {
            address = address.host_iface(interface);
        }
        if let Some(nqn) = &args.nqn {
            address = address.nqn(nqn.clone());
        }
        return Some(Selector::Address(address));
    }
    match (&args.nqn, &args.device, args.all, &args.owner) {
        (Some(nqn), ..) => Some(Selector::Subsystem(nqn.clone())),
        (None, Some(device), ..) => Some(device.clone()),
        (None, None, true, Some(owner)) => Some(Selector::OwnedBy(owner.clone())),
        (None, None, true, None) if args.any_owner => Some(Selector::All),
        (None, None, true, None) => Some(Selector::Unowned),
        (None, None, false, _) => None,
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(extra) = &args.positional {
        host::usage(
            &mut Args::command(),
            format!(
                "`{extra}` has no flag: a device is given with -d, and either -d or -n is enough. \
                 -n NQN disconnects every controller of that subsystem; -d {extra} finds the subsystem by itself"
            ),
        );
    }
    if args.nqn.is_some() && (args.device.is_some() || args.all) {
        host::usage(&mut Args::command(), "-n, -d and --all each say what goes: give one of them");
    }
    let Some(selector) = selector(&args) else {
        host::usage(&mut Args::command(), "say what to disconnect: -n NQN, -d DEV, -a ADDR or --all")
    };
    cli::exit_as(cli::Output::of(args.json), run(&args, &selector))
}

fn run(args: &Args, selector: &Selector) -> cli::Outcome {
    let sysfs = Sysfs::system();
    if args.dry_run {
        let plan = plan_disconnect(&sysfs, selector)?;
        if args.json {
            return cli::print_json(&json!({
                "version": host::JSON_VERSION,
                "disconnected": [],
                "would_disconnect": words(plan.controllers.iter().map(|controller| controller.name)),
                "namespaces": words(&plan.namespaces),
                "in_use": words(&plan.in_use),
            }));
        }
        return Ok(cli::print(&plan.to_string())?);
    }
    let force = if args.force { Force::Yes } else { Force::No };
    let spinner = cli::spinner("disconnecting");
    let done = disconnect(&sysfs, selector, force, args.timeout);
    spinner.finish_and_clear();
    let done = done?;
    let names = words(&done.controllers);
    if args.json {
        return cli::print_json(&json!({
            "version": host::JSON_VERSION,
            "disconnected": names,
            "namespaces": words(&done.namespaces),
            "left_to_their_owners": words(done.owned.iter().map(|(controller, _)| controller)),
        }));
    }
    for (controller, owner) in &done.owned {
        cli::note(&format!("note: {controller} stays: {owner} looks after it (--any-owner takes it too)"));
    }
    let count = names.len();
    let noun = if count == 1 { "controller" } else { "controllers" };
    let which = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
    Ok(cli::print(&format!("disconnected {count} {noun}{which}"))?)
}

fn words<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}
