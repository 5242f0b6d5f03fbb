//! `soft-target`: files, block devices and memory as NVMe/TCP disks, served by this process, without privileges.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use nvme_examples::soft::serving::{How, Listener};
use nvme_examples::soft::wanted::Plain;
use nvme_examples::soft::{Device, Devices, Serving, Wanted, config};
use nvme_examples::target::files;
use nvme_examples::{cli, host};
use nvme_fabrics::target::BusyPoll;
use nvme_proto::{HostNqn, SubsysNqn};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// Serve files, block devices and memory as NVMe/TCP disks, without privileges and without the kernel's target.
#[derive(Parser)]
#[command(name = "soft-target", version)]
struct Args {
    /// Address to listen on; may be given more than once
    #[arg(short = 'a', long, value_name = "ADDR", required_unless_present = "config")]
    traddr: Vec<IpAddr>,
    /// TCP port to listen on; 0 takes one that is free, and says which
    #[arg(short = 's', long, visible_alias = "port", value_name = "PORT", default_value_t = 4420)]
    trsvcid: u16,
    /// NQN of the subsystem
    #[arg(short = 'n', long, value_name = "NQN", required_unless_present = "config")]
    nqn: Option<SubsysNqn>,
    /// A namespace: a file, a block device, or mem: and a size (mem:64m); may be given more than once
    #[arg(long, value_name = "FILE|mem:SIZE", required_unless_present = "config")]
    device: Vec<Device>,
    /// Let any host connect; taken for granted where only this machine can reach the addresses
    #[arg(long, conflicts_with = "host")]
    allow_any_host: bool,
    /// Let this host connect and no other that is not named; may be given more than once
    #[arg(long, value_name = "NQN")]
    host: Vec<HostNqn>,
    /// Serve what the kernel's target is configured with: nvmetcli's JSON, or our own format. SIGHUP reads it again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["traddr", "trsvcid", "nqn", "device", "host", "allow_any_host"])]
    config: Option<PathBuf>,
    /// Threads for each listener; by itself one a processor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Wait for work by asking again and again: the shortest latency for a processor each, always or for so many microseconds
    #[arg(long, value_name = "US", num_args = 0..=1, require_equals = true, default_missing_value = "always", value_parser = busy_poll)]
    busy_poll: Option<BusyPoll>,
    /// Print the listeners as one line of JSON
    #[arg(long)]
    json: bool,
}

fn busy_poll(text: &str) -> Result<BusyPoll, cli::Failure> {
    match text {
        "always" => Ok(BusyPoll::Always),
        us => match us.parse() {
            Ok(us) => Ok(BusyPoll::For(Duration::from_micros(us))),
            Err(_) => Err(cli::Failure(format!("`{us}` is no number of microseconds"))),
        },
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let open = args.host.is_empty() && !args.allow_any_host;
    if let Some(address) = args.traddr.iter().find(|address| open && !address.is_loopback()) {
        host::usage(
            &mut Args::command(),
            format!(
                "{address} can be reached from other machines: say --allow-any-host, or --host NQN for each that may connect"
            ),
        );
    }
    // Signals and accepted connections only; commands run on threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    cli::exit(match runtime {
        Ok(runtime) => runtime.block_on(run(&args)),
        Err(error) => Err(error.into()),
    })
}

async fn run(args: &Args) -> cli::Outcome {
    let mut devices = Devices::default();
    let wanted = match (&args.config, &args.nqn) {
        (Some(path), _) => read(path, &mut devices)?,
        (None, Some(nqn)) => {
            let plain = Plain {
                nqn: nqn.clone(),
                devices: args.device.clone(),
                hosts: args.host.clone(),
                addresses: args.traddr.clone(),
                trsvcid: args.trsvcid,
            };
            Wanted::plain(&plain, &mut devices)?
        }
        (None, None) => return Err(cli::failure("neither a subsystem nor a configuration was given")),
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let how = How {
        threads: args.threads.map_or(processors, usize::from),
        busy_poll: args.busy_poll.unwrap_or(BusyPoll::Off),
    };
    // Before anything is served: from now on no signal is missed.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let exports = exports(&wanted);
    let mut serving = Serving::start(wanted, how).await?;
    tell(args, &serving.listeners(), &exports)?;
    loop {
        tokio::select! {
            // A reload that was asked for comes before the end.
            biased;
            _ = hangup.recv() => match &args.config {
                Some(path) => reload(path, &mut devices, &mut serving, args).await,
                // As a program does that knows of no configuration: the terminal is gone.
                None => break,
            },
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    let commands = serving.commands();
    let cut_off = serving.shutdown().await;
    cli::note(&format!("served {commands} commands"));
    match cut_off {
        0 => Ok(()),
        _ => Err(cli::failure(format!("{cut_off} connections had unfinished commands and were cut off"))),
    }
}

fn read(path: &Path, devices: &mut Devices) -> Result<Wanted, Box<dyn std::error::Error + Send + Sync>> {
    let read = files::parsed(path)?;
    match read.notes.first() {
        // Half a configuration may be one without its restrictions.
        Some(note) => Err(cli::failure(format!("{}: {note}", path.display()))),
        None => Ok(config::translate(&read.spec, devices)?),
    }
}

/// A configuration that cannot be read or served changes nothing.
async fn reload(path: &Path, devices: &mut Devices, serving: &mut Serving, args: &Args) {
    let outcome = match read(path, devices) {
        Err(error) => Err(error),
        Ok(wanted) => {
            let exports = exports(&wanted);
            match serving.change(wanted).await {
                Ok(()) => tell(args, &serving.listeners(), &exports),
                Err(error) => Err(error.into()),
            }
        }
    };
    devices.close_unused();
    if let Err(error) = outcome {
        cli::note(&format!(
            "not reloaded, the configuration before is still served: {}",
            cli::explain(&*error)
        ));
    }
}

/// The names that each port exports, by its number.
fn exports(wanted: &Wanted) -> Vec<(u16, Vec<String>)> {
    let names = |port: &nvme_fabrics::target::Port| port.exports().map(ToString::to_string).collect();
    wanted.ports.iter().map(|port| (port.id().0, names(port))).collect()
}

/// How to connect to each listener.
fn tell(args: &Args, listeners: &[Listener], exports: &[(u16, Vec<String>)]) -> cli::Outcome {
    let of = |port: u16| exports.iter().find(|(id, _)| *id == port).map_or(&[][..], |(_, names)| names);
    if args.json {
        let listeners: Vec<_> = listeners
            .iter()
            .map(|listener| {
                json!({
                    "port": listener.port.0,
                    "trtype": "tcp",
                    "traddr": listener.address.ip().to_string(),
                    "trsvcid": listener.address.port().to_string(),
                    "subsystems": of(listener.port.0),
                })
            })
            .collect();
        let line = json!({ "version": host::JSON_VERSION, "listeners": listeners }).to_string();
        return Ok(cli::print(&line)?);
    }
    for listener in listeners {
        let place = format!("-t tcp -a {} -s {}", listener.address.ip(), listener.address.port());
        let line = match of(listener.port.0) {
            [] => format!("listening on {}, exporting nothing yet", listener.address),
            [one] => format!("listening on {}: nvme connect {place} -n {one}", listener.address),
            many => format!(
                "listening on {}, {} subsystems: nvme connect-all {place}",
                listener.address,
                many.len()
            ),
        };
        cli::print(&line)?;
    }
    Ok(())
}
