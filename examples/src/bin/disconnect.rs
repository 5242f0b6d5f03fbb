//! `disconnect`: leaves subsystems or removes controllers, and says how many went.

use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, CommandFactory, Parser};
use nvme_examples::{cli, host};
use nvme_fabrics::{Force, Selector, Sysfs, disconnect, plan_disconnect};
use nvme_proto::SubsysNqn;
use serde_json::json;

/// Disconnect from NVMe over Fabrics subsystems. One of -n, -d and --all says from which.
#[derive(Parser)]
#[command(name = "disconnect", version, group = ArgGroup::new("which").args(["nqn", "device", "all"]))]
struct Args {
    /// All controllers of the subsystem with this NQN
    #[arg(short, long, value_name = "NQN")]
    nqn: Option<SubsysNqn>,
    /// A controller (nvme3), or the subsystem of a namespace (nvme3n1): all its controllers go
    #[arg(short, long, value_name = "DEV", value_parser = Selector::device)]
    device: Option<Selector>,
    /// Every fabrics controller of this machine
    #[arg(long)]
    all: bool,
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
    let selector = match (args.nqn.clone(), args.device.clone(), args.all) {
        (Some(nqn), _, _) => Selector::Subsystem(nqn),
        (None, Some(device), _) => device,
        (None, None, true) => Selector::All,
        (None, None, false) => {
            host::usage(&mut Args::command(), "say what to disconnect: -n NQN, -d DEV or --all")
        }
    };
    cli::exit(run(&args, &selector))
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
        }));
    }
    let count = names.len();
    let noun = if count == 1 { "controller" } else { "controllers" };
    let which = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
    Ok(cli::print(&format!("disconnected {count} {noun}{which}"))?)
}

fn words<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}
