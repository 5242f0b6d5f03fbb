//! `connect`: connects to a subsystem through the kernel, waits for its block devices and prints their names.

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, ValueEnum};
use nvme_examples::{cli, host};
use nvme_fabrics::{
    ConnectOptions, ControllerLoss, FastIoFail, OptionError, OsDevice, Sysfs, WaitError, WhichNamespace,
    connect, wait_for_namespace,
};
use nvme_proto::{HostId, HostNqn, IpTraddr, SubsysNqn};
use serde_json::json;

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Tcp,
    Loop,
}

/// Connect to an NVMe over Fabrics subsystem. Flags have nvme-cli's meanings.
#[derive(Parser)]
#[command(name = "connect", version)]
struct Args {
    /// Transport
    #[arg(short = 't', long, value_enum)]
    transport: Transport,
    /// Numeric address of the target (tcp)
    #[arg(short = 'a', long, value_name = "ADDR", required_if_eq("transport", "tcp"))]
    traddr: Option<IpTraddr>,
    /// TCP port of the target
    #[arg(short = 's', long, value_name = "PORT", default_value_t = 4420)]
    trsvcid: u16,
    /// NQN of the subsystem to connect to
    #[arg(short = 'n', long, value_name = "NQN")]
    nqn: SubsysNqn,
    /// NQN of this host
    #[arg(short = 'q', long, value_name = "NQN")]
    hostnqn: Option<HostNqn>,
    /// ID of this host
    #[arg(short = 'I', long, value_name = "UUID")]
    hostid: Option<HostId>,
    /// Address of this host to connect from
    #[arg(short = 'w', long, value_name = "ADDR")]
    host_traddr: Option<IpTraddr>,
    /// Interface of this host to connect through
    #[arg(short = 'f', long, value_name = "IFACE")]
    host_iface: Option<String>,
    /// Number of I/O queues
    #[arg(short = 'i', long, value_name = "N")]
    nr_io_queues: Option<u32>,
    /// Number of queues for writes only
    #[arg(short = 'W', long, value_name = "N")]
    nr_write_queues: Option<u32>,
    /// Number of polled queues
    #[arg(short = 'P', long, value_name = "N")]
    nr_poll_queues: Option<u32>,
    /// Entries per I/O queue, 16 to 1024
    #[arg(short = 'Q', long, value_name = "N")]
    queue_size: Option<u16>,
    /// Keep-alive time-out in seconds
    #[arg(short = 'k', long, value_name = "SECS", value_parser = host::seconds)]
    keep_alive_tmo: Option<Duration>,
    /// Seconds between attempts to reconnect
    #[arg(short = 'c', long, value_name = "SECS", value_parser = host::seconds)]
    reconnect_delay: Option<Duration>,
    /// Seconds after which a lost controller is given up; -1 never
    #[arg(short = 'l', long, value_name = "SECS", allow_negative_numbers = true)]
    ctrl_loss_tmo: Option<i64>,
    /// Seconds after which I/O fails while reconnecting; -1 never
    #[arg(short = 'F', long = "fast-io-fail-tmo", value_name = "SECS", allow_negative_numbers = true)]
    fast_io_fail_tmo: Option<i64>,
    /// IP type of service
    #[arg(short = 'T', long, value_name = "TOS")]
    tos: Option<u8>,
    /// Header digests
    #[arg(short = 'g', long)]
    hdr_digest: bool,
    /// Data digests
    #[arg(short = 'G', long)]
    data_digest: bool,
    /// Connect once more although the same connection exists
    #[arg(short = 'D', long)]
    duplicate_connect: bool,
    /// Disable submission queue flow control
    #[arg(short = 'd', long)]
    disable_sqflow: bool,
    /// How long to wait for the first block device, in seconds; 0 does not wait
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = host::seconds)]
    wait: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> cli::Outcome {
    let identity = host::identity(args.hostnqn.clone(), args.hostid)?;
    let options = match (args.transport, &args.traddr) {
        (Transport::Tcp, Some(traddr)) => {
            ConnectOptions::tcp(traddr.clone(), args.trsvcid, args.nqn.clone(), identity)
        }
        (Transport::Tcp, None) => host::usage(&mut Args::command(), "-a ADDR is needed for tcp"),
        (Transport::Loop, _) => ConnectOptions::loopback(args.nqn.clone(), identity),
    };
    let options = match options.and_then(|options| tuned(options, args)) {
        Ok(options) => options,
        Err(error) => host::usage(&mut Args::command(), error),
    };
    let sysfs = Sysfs::system();
    let spinner = cli::spinner(format!("connecting to {}", args.nqn));
    let connected = connect(&OsDevice::system(), &sysfs, &options);
    spinner.finish_and_clear();
    let connected = connected?;
    let device = if args.wait.is_zero() || options.is_discovery() {
        None
    } else {
        match wait_for_namespace(&sysfs, connected.controller, WhichNamespace::Any, args.wait) {
            Ok(namespace) => Some(namespace.name.dev_path()),
            // Connected all the same: a subsystem without namespaces is no failure, but it is said.
            Err(error @ WaitError::NoNamespace { .. }) => {
                cli::note(&format!("note: {error}"));
                None
            }
            Err(error) => return Err(error.into()),
        }
    };
    if args.json {
        return cli::print_json(&json!({
            "version": host::JSON_VERSION,
            "controller": connected.controller.to_string(),
            "cntlid": connected.cntlid.0,
            "device": device,
        }));
    }
    let device = device.map(|d| format!(", device {}", d.display())).unwrap_or_default();
    Ok(cli::print(&format!("connected: controller {}{device}", connected.controller))?)
}

/// Applies what the user asked for beyond the address.
fn tuned(mut o: ConnectOptions, args: &Args) -> Result<ConnectOptions, OptionError> {
    let after = |secs: i64| u64::try_from(secs).map(Duration::from_secs).ok();
    if let Some(address) = &args.host_traddr {
        o = o.host_traddr(address.clone())?;
    }
    if let Some(interface) = &args.host_iface {
        o = o.host_iface(interface)?;
    }
    if let Some(n) = args.nr_io_queues {
        o = o.nr_io_queues(n)?;
    }
    if let Some(n) = args.nr_write_queues {
        o = o.nr_write_queues(n)?;
    }
    if let Some(n) = args.nr_poll_queues {
        o = o.nr_poll_queues(n)?;
    }
    if let Some(n) = args.queue_size {
        o = o.queue_size(n)?;
    }
    if let Some(time) = args.keep_alive_tmo {
        o = o.keep_alive(time)?;
    }
    if let Some(time) = args.reconnect_delay {
        o = o.reconnect_delay(time)?;
    }
    if let Some(secs) = args.ctrl_loss_tmo {
        o = o.controller_loss(after(secs).map_or(ControllerLoss::Never, ControllerLoss::After))?;
    }
    if let Some(secs) = args.fast_io_fail_tmo {
        o = o.fast_io_fail(after(secs).map_or(FastIoFail::Off, FastIoFail::After))?;
    }
    if let Some(tos) = args.tos {
        o = o.tos(tos)?;
    }
    if args.hdr_digest {
        o = o.header_digest()?;
    }
    if args.data_digest {
        o = o.data_digest()?;
    }
    if args.duplicate_connect {
        o = o.duplicate_connect()?;
    }
    if args.disable_sqflow {
        o = o.disable_sqflow()?;
    }
    Ok(o)
}
