//! `list`: the namespaces of this machine as `nvme list` shows them, its subsystems with their paths, or everything.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use nvme_examples::inventory::{self, Detail};
use nvme_examples::{cli, host};
use nvme_fabrics::kernel::sysfs::capture;
use nvme_fabrics::{Sysfs, list};

/// List NVMe namespaces, or subsystems with their controllers.
#[derive(Parser)]
#[command(name = "list", version)]
struct Args {
    /// Show subsystems and the paths to them instead of namespaces
    #[arg(long)]
    subsys: bool,
    /// Show subsystems, controllers and namespaces with everything that is known
    #[arg(short = 'v', long, conflicts_with = "subsys")]
    verbose: bool,
    /// Print JSON (described by examples/schema/list.json)
    #[arg(long)]
    json: bool,
    /// Print the NVMe part of sysfs as text, without secrets: for reports of faults
    #[arg(long, conflicts_with_all = ["subsys", "verbose", "json"])]
    capture: bool,
    /// Look below this folder instead of /: `sys`, `dev` and `proc` in it
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> cli::Outcome {
    let sysfs = Sysfs::at(&args.root);
    if args.capture {
        return Ok(cli::print(&capture(&sysfs))?);
    }
    let found = host::inventory(&sysfs)?;
    match (args.subsys, args.verbose, args.json) {
        (true, _, true) => cli::print_json(&inventory::subsystems(&found, Detail::Short)),
        (_, true, true) => cli::print_json(&inventory::subsystems(&found, Detail::All)),
        (_, _, true) => cli::print_json(&inventory::namespaces(&found)),
        (true, ..) => {
            let text = list::subsystems(&found);
            Ok(cli::print(if text.is_empty() { "no NVMe subsystems" } else { &text })?)
        }
        (_, true, _) => Ok(cli::print(&list::verbose(&found))?),
        _ => Ok(cli::print(&list::table(&list::rows(&found)))?),
    }
}
