//! `target`: this machine's kernel as an NVMe/TCP target: what it offers, make a subsystem, show it, remove it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, CommandFactory, Parser, Subcommand};
use nvme_examples::{cli, host, tree};
use nvme_proto::{HostNqn, IpTraddr, Nsid, SubsysNqn};
use nvmet_configfs::kernel::{self, Module, Roots};
use nvmet_configfs::{
    Consent, DevicePath, Foreign, HostAccess, OsTree, Policy, PortId, TargetSpec, apply, diff, observe,
    preflight,
};
use serde_json::json;

/// Configure this machine's kernel as an NVMe over TCP target.
#[derive(Parser)]
#[command(name = "target", version)]
struct Args {
    /// The target's tree, if it is not at /sys/kernel/config/nvmet
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What this kernel offers as a target, and what is missing; changes nothing
    Check,
    /// What is configured
    Show,
    /// Export a disk: subsystem, namespace and port in one change that succeeds or leaves everything as it was
    Create(Create),
    /// Remove everything from the target
    Clear {
        /// Only show what would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(clap::Args)]
#[command(group = ArgGroup::new("access").required(true).args(["allow_any_host", "host"]))]
struct Create {
    /// NQN of the subsystem
    #[arg(short, long, value_name = "NQN")]
    nqn: SubsysNqn,
    /// Block device or file to export
    #[arg(long, value_name = "PATH")]
    device: DevicePath,
    /// Namespace identifier
    #[arg(long, value_name = "N", default_value_t = Nsid::ONE)]
    nsid: Nsid,
    /// Number of the port
    #[arg(long, value_name = "N", default_value_t = 1)]
    port: u16,
    /// Address to listen on
    #[arg(short = 'a', long, value_name = "ADDR")]
    traddr: IpTraddr,
    /// TCP port to listen on
    #[arg(short = 's', long, value_name = "PORT", default_value_t = 4420)]
    trsvcid: u16,
    /// Let every host connect
    #[arg(long)]
    allow_any_host: bool,
    /// Let this host connect (may be given several times)
    #[arg(long, value_name = "NQN")]
    host: Vec<HostNqn>,
    /// Load nvmet-tcp and mount configfs first, where that is missing
    #[arg(long)]
    load: bool,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> cli::Outcome {
    match &args.command {
        Command::Check => check(args),
        Command::Show => show(args),
        Command::Create(create) => self::create(args, create),
        Command::Clear { dry_run } => {
            let tree = open(args)?;
            change(args, &tree, &TargetSpec::new(), Foreign::Remove, *dry_run, "the target is empty")
        }
    }
}

fn open(args: &Args) -> Result<OsTree, nvmet_configfs::OpenError> {
    args.root.as_ref().map_or_else(OsTree::open_default, OsTree::open)
}

fn check(args: &Args) -> cli::Outcome {
    let mut roots = Roots::default();
    if let Some(configfs) = args.root.as_ref().and_then(|root| root.parent()) {
        roots.configfs = configfs.to_owned();
    }
    let report = kernel::check(&roots);
    let problems: Vec<String> = report.problems(Module::NvmetTcp).iter().map(ToString::to_string).collect();
    if args.json {
        return cli::print_json(&json!({
            "version": host::JSON_VERSION,
            "kernel": report.release,
            "possible": report.is_ready_for(Module::NvmetTcp),
            "modules": report.modules.iter().map(|(m, s)| (m.to_string(), s.to_string().into()))
                .collect::<serde_json::Map<_, _>>(),
            "problems": problems,
        }));
    }
    let mut text = report.to_string();
    if problems.is_empty() {
        text.push_str("ready       this kernel can serve NVMe over TCP now\n");
    }
    for problem in &problems {
        text.push_str(&format!("to do       {problem}\n"));
    }
    Ok(cli::print(&text)?)
}

fn show(args: &Args) -> cli::Outcome {
    let observed = observe(&open(args)?)?;
    if args.json { cli::print_json(&tree::json(&observed)) } else { Ok(cli::print(&tree::text(&observed))?) }
}

fn create(args: &Args, create: &Create) -> cli::Outcome {
    if create.nqn.as_str().starts_with("nqn.2014-08.org.nvmexpress:uuid:") {
        cli::note(&format!(
            "note: {} has the form of a host NQN. -n names the subsystem; the host that may connect goes to --host",
            create.nqn
        ));
    }
    if create.load {
        let report = kernel::check(&Roots::default());
        if !report.modules.get(&Module::NvmetTcp).is_some_and(|state| state.is_active()) {
            kernel::load_module(Module::NvmetTcp)?;
        }
        if !kernel::check(&Roots::default()).configfs.is_mounted() {
            kernel::mount_configfs()?;
        }
    }
    let tree = open(args)?;
    let wanted = nvme_examples::create::Create {
        nqn: create.nqn.clone(),
        access: if create.allow_any_host {
            HostAccess::Any
        } else {
            HostAccess::Only(create.host.iter().cloned().collect())
        },
        nsid: create.nsid,
        device: create.device.clone(),
        port: PortId(create.port),
        traddr: create.traddr.clone(),
        trsvcid: create.trsvcid,
    };
    let spec = wanted.spec(&observe(&tree)?)?;
    spec.validate().map_err(|error| host::usage(&mut Args::command(), error))?;
    preflight(&spec)?;
    let done = format!("{} is exported on tcp {}:{}", create.nqn, create.traddr, create.trsvcid);
    change(args, &tree, &spec, Foreign::Keep, create.dry_run, &done)
}

/// Plans, shows and, unless it is a dry run, applies.
fn change(
    args: &Args,
    tree: &OsTree,
    spec: &TargetSpec,
    foreign: Foreign,
    dry_run: bool,
    done: &str,
) -> cli::Outcome {
    // Removing is asked for by its own command; adding disturbs nobody.
    let consent = if foreign == Foreign::Remove { Consent::Given } else { Consent::Required };
    let plan = diff(&observe(tree)?, spec, &Policy::foreign(foreign).consent(consent))?;
    let steps: Vec<String> = plan.steps().iter().map(ToString::to_string).collect();
    let disruptions: Vec<String> = plan.disruptions().iter().map(ToString::to_string).collect();
    if !dry_run {
        apply(tree, &plan)?;
    }
    if args.json {
        return cli::print_json(
            &json!({ "version": host::JSON_VERSION, "applied": !dry_run, "steps": steps, "disruptions": disruptions }),
        );
    }
    for step in &steps {
        cli::print(step)?;
    }
    for disruption in &disruptions {
        cli::print(&format!("disturbs: {disruption}"))?;
    }
    Ok(cli::print(match (steps.is_empty(), dry_run) {
        (true, _) => "nothing to do",
        (false, true) => "dry run: nothing was changed",
        (false, false) => done,
    })?)
}
