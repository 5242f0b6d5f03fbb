//! `target`: this machine's kernel as an NVMe/TCP target: what it offers, make a subsystem, show it, remove it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, CommandFactory, Parser, Subcommand};
use nvme_examples::target::change::{self, Mode, Output};
use nvme_examples::target::{dot, files, resize};
use nvme_examples::{cli, host, tree};
use nvme_proto::{HostNqn, IpTraddr, Nsid, SubsysNqn};
use nvmet_configfs::kernel::{self, Module, Roots};
use nvmet_configfs::{
    Attribute, DevicePath, HostAccess, OsTree, PortId, Presence, Support, TargetSpec, observe, preflight,
    sessions,
};
use serde_json::{Value, json};

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
    Show {
        /// As a drawing for Graphviz (target show --dot | dot -Tsvg)
        #[arg(long)]
        dot: bool,
    },
    /// Export a disk: subsystem, namespace and port in one change that succeeds or leaves everything as it was
    Create(Create),
    /// What it would take to bring the target to what a file says; changes nothing
    Plan(FromFile),
    /// Bring the target to what a file says: all of it, or everything stays as it was
    Apply {
        #[command(flatten)]
        from: FromFile,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Have the kernel look at the sizes of disks again, and tell hosts of those that have grown; they keep their connections
    Resize(resize::Resize),
    /// Save the target to a file
    Save {
        /// The file; - is standard output
        #[arg(default_value = files::DEFAULT)]
        file: PathBuf,
        /// Its format; without it, .toml is our own and all else nvmetcli's
        #[arg(long, value_enum)]
        format: Option<files::SaveAs>,
        /// Save keys of hosts there (our own formats)
        #[arg(long, value_name = "FILE")]
        secrets: Option<PathBuf>,
    },
    /// Make the target what a file says and nothing else, disturbing only what differs
    Restore {
        /// The file
        #[arg(default_value = files::DEFAULT)]
        file: PathBuf,
        /// Keys of hosts
        #[arg(long, value_name = "FILE")]
        secrets: Option<PathBuf>,
        /// Attributes that this kernel does not have
        #[arg(long, value_enum, default_value_t)]
        unknown: change::UnknownAttributes,
    },
    /// Remove everything from the target
    Clear {
        /// Only show what would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(clap::Args)]
struct FromFile {
    /// nvmetcli's JSON, or our own format as TOML or JSON; - is standard input
    file: PathBuf,
    /// Keys of hosts
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    #[command(flatten)]
    how: change::How,
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
        Command::Show { dot: true } => Ok(cli::print(&dot::draw(&observe(&open(args)?)?))?),
        Command::Show { dot: false } => show(args),
        Command::Create(create) => self::create(args, create),
        Command::Plan(from) => from_file(args, from, Mode::Show, Completeness::Whole),
        Command::Apply { from, dry_run } => from_file(args, from, mode(*dry_run), Completeness::Whole),
        Command::Resize(which) => resize::run(&open(args)?, which, output(args)),
        Command::Save { file, format, secrets } => {
            let format = format.unwrap_or_else(|| files::format_of(file));
            files::save(&observe(&open(args)?)?, file, format, secrets.as_deref())
        }
        Command::Restore { file, secrets, unknown } => {
            // As at boot: a machine without a file has no target.
            if !file.exists() && file == Path::new(files::DEFAULT) {
                return Ok(cli::print(&format!("nothing to do: there is no {}", file.display()))?);
            }
            let how = change::How { prune: true, disturb: true, unknown: *unknown, ..change::How::default() };
            let from = FromFile { file: file.clone(), secrets: secrets.clone(), how };
            from_file(args, &from, Mode::Apply, Completeness::WhatIsThere)
        }
        Command::Clear { dry_run } => {
            let how = change::How { prune: true, disturb: true, ..change::How::default() };
            let (tree, spec) = (open(args)?, TargetSpec::new());
            change::run(&tree, &spec, &how.policy(), mode(*dry_run), output(args), "the target is empty")
        }
    }
}

fn mode(dry_run: bool) -> Mode {
    if dry_run { Mode::Show } else { Mode::Apply }
}

fn output(args: &Args) -> Output {
    if args.json { Output::Json } else { Output::Text }
}

/// How much of a file has to be usable.
#[derive(Clone, Copy, PartialEq)]
enum Completeness {
    /// All of it.
    Whole,
    /// What is: at boot most of a target is better than none.
    WhatIsThere,
}

fn from_file(args: &Args, from: &FromFile, mode: Mode, completeness: Completeness) -> cli::Outcome {
    let said = files::load(&from.file, from.secrets.as_deref())?;
    if mode == Mode::Apply && completeness == Completeness::Whole {
        said.ensure_whole()?;
    }
    let mut how = from.how.clone();
    if said.hides_objects() && how.prune {
        cli::note(
            "note: what the file does not name stays, as entries of it were left out and may be what is there",
        );
        how.prune = false;
    }
    let mut spec = said.spec;
    if !from.how.write_discovery_nqn && !spec.settings.is_empty() {
        cli::note("note: discovery_nqn is left as it is: --write-discovery-nqn writes it");
        spec.settings.unset("discovery_nqn");
    }
    spec.validate()?;
    if mode == Mode::Apply {
        preflight_of(&spec);
    }
    change::run(&open(args)?, &spec, &how.policy(), mode, output(args), "the target is as the file says")
}

/// Devices of a file may be in use by this very target, so what is odd about them is said and left to the kernel.
fn preflight_of(spec: &TargetSpec) {
    if let Err(error) = preflight(spec) {
        for problem in &error.problems {
            cli::note(&format!("note: {problem}"));
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
            "attributes": attributes(&report.attributes),
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

/// Each attribute with whether this kernel has it; null where that shows only inside an object, and there is none.
fn attributes(support: &Support) -> Vec<Value> {
    let has = |presence| match presence {
        Presence::Yes => Some(true),
        Presence::No => Some(false),
        _ => None,
    };
    let one = |(attribute, presence): (&Attribute, _)| json!({"object": format!("{:?}", attribute.owner), "name": attribute.name, "has": has(presence)});
    support.iter().map(one).collect()
}

fn show(args: &Args) -> cli::Outcome {
    let observed = observe(&open(args)?)?;
    // Few kernels tell who is connected, and only of the real tree.
    let list = if args.root.is_none() { sessions::open().ok() } else { None };
    let connected = list.map(|list| sessions::sessions(&list)).transpose()?;
    if args.json {
        let mut value = tree::json(&observed);
        value["connected"] =
            connected.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>()).into();
        return cli::print_json(&value);
    }
    let mut text = tree::text(&observed);
    for session in connected.iter().flatten() {
        text.push_str(&format!("connected: {session}\n"));
    }
    Ok(cli::print(&text)?)
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
    let policy = change::How::default().policy();
    change::run(&tree, &spec, &policy, mode(create.dry_run), output(args), &done)
}
