//! `list`: the namespaces of this machine as `nvme list` shows them, or its subsystems with their paths.

use std::process::ExitCode;

use clap::Parser;
use nvme_examples::{cli, host};
use nvme_fabrics::{Sysfs, list};
use serde_json::json;

/// List NVMe namespaces, or subsystems with their controllers.
#[derive(Parser)]
#[command(name = "list", version)]
struct Args {
    /// Show subsystems and the paths to them instead of namespaces
    #[arg(long)]
    subsys: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> cli::Outcome {
    let inventory = host::inventory(&Sysfs::system())?;
    match (args.subsys, args.json) {
        (true, true) => cli::print_json(
            &json!({ "version": host::JSON_VERSION, "subsystems": host::subsystems_json(&inventory) }),
        ),
        (false, true) => cli::print_json(
            &json!({ "version": host::JSON_VERSION, "namespaces": host::namespaces_json(&inventory) }),
        ),
        (true, false) => {
            let text = list::subsystems(&inventory);
            Ok(cli::print(if text.is_empty() { "no NVMe subsystems" } else { &text })?)
        }
        (false, false) => Ok(cli::print(&list::table(&list::rows(&inventory)))?),
    }
}
