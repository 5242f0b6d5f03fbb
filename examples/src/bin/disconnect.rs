//! `disconnect`: leaves subsystems or removes controllers, and says how many went.

use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, CommandFactory, Parser};
use nvme_examples::{cli, host};
use nvme_fabrics::{Force, Selector, Sysfs, disconnect, plan_disconnect};
use nvme_proto::SubsysNqn;
use serde_json::json;

/// Disconnect from NVMe over Fabrics subsystems.
#[derive(Parser)]
#[command(name = "disconnect", version, group = ArgGroup::new("which").required(true).args(["nqn", "device", "all"]))]
struct Args {
    /// All controllers of the subsystem with this NQN
    #[arg(short, long, value_name = "NQN")]
    nqn: Option<SubsysNqn>,
    /// A controller (nvme3), or the subsystem of a namespace (nvme3n1): all its controllers go
    #[arg(short, long, value_name = "DEV")]
    device: Option<String>,
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
                "`{extra}` is one selector too many: a device is given with -d, and either -d or -n is enough. \
                 -n NQN disconnects every controller of that subsystem; -d {extra} finds the subsystem by itself"
            ),
        );
    }
    cli::exit(run(args))
}

fn run(args: Args) -> cli::Outcome {
    let sysfs = Sysfs::system();
    let selector = match (args.nqn, args.device) {
        (Some(nqn), _) => Selector::Subsystem(nqn),
        (None, Some(device)) => Selector::device(&device)?,
        (None, None) => Selector::All,
    };
    if args.dry_run {
        return Ok(cli::print(&plan_disconnect(&sysfs, &selector)?.to_string())?);
    }
    let force = if args.force { Force::Yes } else { Force::No };
    let spinner = cli::spinner("disconnecting");
    let done = disconnect(&sysfs, &selector, force, args.timeout);
    spinner.finish_and_clear();
    let done = done?;
    let names: Vec<String> = done.controllers.iter().map(ToString::to_string).collect();
    if args.json {
        return cli::print_json(&json!({
            "version": host::JSON_VERSION,
            "disconnected": names,
            "namespaces": done.namespaces.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }));
    }
    let count = names.len();
    let noun = if count == 1 { "controller" } else { "controllers" };
    Ok(cli::print(&format!("disconnected {count} {noun}: {}", names.join(", ")))?)
}
