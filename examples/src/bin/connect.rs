//! `connect`: connects to a subsystem through the kernel, waits for its block devices and prints their names.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, ValueEnum};
use nvme_examples::{asked, cli, configured, connect_all, host, stop};
use nvme_fabrics::config::{ApplyConfig, Exclusions, Owner, Registry, connect_configured};
use nvme_fabrics::discovery::{self, ConnectAll, Referrals};
use nvme_fabrics::kernel::wait::{Cancel, Patience};
use nvme_fabrics::options::{LookupError, lookup};
use nvme_fabrics::{
    ConnectOptions, Connected, ControllerLoss, ControllerName, DiscoveryRequest, FastIoFail, FcAddress,
    FcAddressError, Force, HostIdentity, KeySerial, OptionError, OsDevice, Selector, Settled, Sysfs,
    WaitError, WhichNamespace, WithinError, connect, connect_within, disconnect, wait_for_namespace,
};
use nvme_proto::auth::DhchapSecret;
use nvme_proto::{HostId, HostNqn, SubsysNqn};
use serde_json::json;

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Tcp,
    Rdma,
    Fc,
    Loop,
}

/// Connect to an NVMe over Fabrics subsystem. Flags have nvme-cli's meanings.
#[derive(Parser)]
#[command(name = "connect", version)]
struct Args {
    /// Transport [default with --all: tcp]
    #[arg(short = 't', long, value_enum, required_unless_present_any = ["all", "config"])]
    transport: Option<Transport>,
    /// Address of the target: numeric or a name (tcp, rdma), nn-0x…:pn-0x… (fc), that of one of its ports (loop, may be left out)
    #[arg(short = 'a', long, value_name = "ADDR")]
    traddr: Option<String>,
    /// Port of the target (tcp, rdma) [default: 4420; with --all 8009]
    #[arg(short = 's', long, value_name = "PORT")]
    trsvcid: Option<u16>,
    /// NQN of the subsystem to connect to
    #[arg(short = 'n', long, value_name = "NQN", required_unless_present_any = ["all", "config"])]
    nqn: Option<SubsysNqn>,
    /// Connect everything that the discovery service at this address offers (-n names another service than the usual one); without an address, everything that
    /// the configuration in /etc/nvme wants
    #[arg(long)]
    all: bool,
    /// Connect everything that this configuration wants: nvme-fabrics.conf with its drop-ins, config.json or discovery.conf, by its name
    #[arg(short = 'J', long, value_name = "FILE", conflicts_with = "traddr")]
    config: Option<PathBuf>,
    /// Who looks after the new controllers: written into the registry that nvme-cli 3 heeds
    #[arg(long, value_name = "NAME")]
    owner: Option<Owner>,
    /// With --all: what /etc/nvme/exclusions.conf leaves alone as well
    #[arg(long)]
    no_exclusions: bool,
    /// Give up after this time; what comes of the connect later is removed
    #[arg(long, value_name = "SECS", value_parser = host::seconds, conflicts_with_all = ["all", "config"])]
    timeout: Option<Duration>,
    /// With --all: do not follow referrals to other discovery services
    #[arg(long)]
    no_referrals: bool,
    /// NQN of this host
    #[arg(short = 'q', long, value_name = "NQN")]
    hostnqn: Option<HostNqn>,
    /// ID of this host
    #[arg(short = 'I', long, value_name = "UUID")]
    hostid: Option<HostId>,
    /// Address of this host to connect from: numeric or a name (tcp, rdma), nn-0x…:pn-0x… (fc)
    #[arg(short = 'w', long, value_name = "ADDR")]
    host_traddr: Option<String>,
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
    /// Secret of this host: @FILE, - for standard input, or DHHC-1:…, which every user of this machine can then see
    #[arg(short = 'S', long, value_name = "SECRET")]
    dhchap_secret: Option<String>,
    /// Secret of the controller, given in the same ways
    #[arg(short = 'C', long, value_name = "SECRET", requires = "dhchap_secret")]
    dhchap_ctrl_secret: Option<String>,
    /// TLS, with the key that the kernel finds for these names
    #[arg(long)]
    tls: bool,
    /// TLS, with the key of this serial number
    #[arg(long, alias = "tls_key", value_name = "SERIAL", value_parser = host::key_serial)]
    tls_key: Option<KeySerial>,
    /// Serial number of the keyring to look for the key in
    #[arg(long, value_name = "SERIAL", value_parser = host::key_serial)]
    keyring: Option<KeySerial>,
    /// Authenticate, then go on encrypted with a key made from that
    #[arg(long, requires = "dhchap_secret", conflicts_with_all = ["tls", "tls_key"])]
    concat: bool,
    /// An option that is newer than this program, in the kernel's spelling
    #[arg(short = 'O', long = "option", value_name = "NAME[=VALUE]")]
    newer: Vec<String>,
    /// How long to wait for the first block device, in seconds; 0 does not wait
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = host::seconds)]
    wait: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    cli::exit_as(cli::Output::of(args.json), run(&args))
}

fn run(args: &Args) -> cli::Outcome {
    let identity = host::identity(args.hostnqn.clone(), args.hostid)?;
    let secrets = Secrets {
        host: args.dhchap_secret.as_deref().map(host::secret).transpose()?,
        controller: args.dhchap_ctrl_secret.as_deref().map(host::secret).transpose()?,
    };
    let sysfs = Sysfs::system();
    if args.all || args.config.is_some() {
        return everything(args, &sysfs, identity, &secrets);
    }
    let options = match addressed(args, identity).and_then(|options| Ok(tuned(options, args, secrets)?)) {
        Ok(options) => options,
        Err(error) => host::usage(&mut Args::command(), error),
    };
    let stop = stop::on_signal("what comes of the connect is removed")?;
    let spinner = cli::spinner(format!("connecting to {}", options.nqn()));
    let connected = one(args, &sysfs, &options);
    spinner.finish_and_clear();
    let connected = connected?;
    if stop.is_cancelled() {
        disconnect(&sysfs, &Selector::Controller(connected.controller), Force::No, REMOVE_PATIENCE)?;
        return Err(stop::Stopped("nothing is connected").into());
    }
    register(args.owner.as_ref(), connected.controller);
    let device = if args.wait.is_zero() || options.is_discovery() {
        None
    } else {
        device(&sysfs, connected.controller, args.wait, &stop)?
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

/// How long the removal of a controller may take that nobody wants any more.
const REMOVE_PATIENCE: Duration = Duration::from_secs(60);
/// How long a connect may go on in the kernel after its time was up: longer than the kernel's own time-outs together.
const SETTLE_PATIENCE: Duration = Duration::from_secs(180);

type BoxError = Box<dyn Error + Send + Sync>;

/// One connect, with a time-out if one was asked for.
fn one(args: &Args, sysfs: &Sysfs, options: &ConnectOptions) -> Result<Connected, BoxError> {
    let Some(timeout) = args.timeout else {
        return connect(&OsDevice::system(), sysfs, options).map_err(|error| asked::directly(error, options));
    };
    match connect_within(OsDevice::system(), sysfs, options, timeout) {
        Ok(connected) => Ok(connected),
        Err(WithinError::Connect(error)) => Err(asked::directly(error, options)),
        Err(WithinError::TimedOut { target, after, rest }) => {
            let after = after.as_secs();
            cli::note(&format!(
                "no answer from {target} after {after} s; waiting until the kernel gives it up"
            ));
            // The process cannot end before its thread in the kernel does.
            match rest.wait(SETTLE_PATIENCE) {
                Ok(Settled::LeftOver { source, .. }) => Err(source.into()),
                Ok(Settled::Removed(controller)) => Err(cli::failure(format!(
                    "cannot connect to {target}: no answer after {after} s ({controller} came later and is removed)"
                ))),
                _ => Err(cli::failure(format!(
                    "cannot connect to {target}: no answer after {after} s (nothing is left of it)"
                ))),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The first block device; `None`, which is said: there is none in time.
fn device(
    sysfs: &Sysfs,
    controller: ControllerName,
    wait: Duration,
    stop: &Cancel,
) -> Result<Option<PathBuf>, BoxError> {
    match wait_for_namespace(sysfs, controller, WhichNamespace::Any, Patience::new(wait).cancelled_by(stop)) {
        Ok(namespace) => Ok(Some(namespace.name.dev_path())),
        // Connected all the same: a subsystem without namespaces is no failure, but it is said.
        Err(error @ WaitError::NoNamespace { .. }) => {
            cli::note(&format!("note: {error}"));
            Ok(None)
        }
        Err(WaitError::Cancelled { .. }) => {
            cli::note(&format!("note: {controller} stays connected"));
            Err(stop::Stopped("no block device was waited for").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The registry is an agreement among programs: the connection is there whether or not it can be written.
fn register(owner: Option<&Owner>, controller: ControllerName) {
    let registry = Registry::system();
    match owner {
        Some(owner) => {
            if let Err(error) = registry.enter(controller, owner) {
                cli::note(&format!("note: {controller} cannot be entered into the registry: {error}"));
            }
        }
        // What an earlier controller of this number left. Without the registry there is nothing to forget.
        None => drop(registry.forget(controller)),
    }
}

/// `--all`: what a discovery service offers, or what the configuration wants.
fn everything(args: &Args, sysfs: &Sysfs, identity: HostIdentity, secrets: &Secrets) -> cli::Outcome {
    let exclusions = if args.no_exclusions { Exclusions::none() } else { Exclusions::system() };
    for path in exclusions.unreadable() {
        cli::note(&format!("note: {} cannot be read: nothing of it is left alone", path.display()));
    }
    let how = ConnectAll::new().exclusions(exclusions).referrals(if args.no_referrals {
        Referrals::Leave
    } else {
        Referrals::Follow
    });
    let tune = |options| tuned(options, args, secrets.clone());
    if args.traddr.is_none() && !matches!(args.transport, Some(Transport::Loop)) {
        let config = configured::load(args.config.as_deref())?;
        let mut apply = ApplyConfig::new().all(how);
        if let Some(owner) = &args.owner {
            apply = apply.owner(owner.clone());
        }
        let spinner = cli::spinner("connecting everything that is wanted");
        let outcome = connect_configured(&OsDevice::system(), sysfs, &config, &identity, &apply, &tune);
        spinner.finish_and_clear();
        return configured::show(&config, &outcome?, args.json);
    }
    let request = match addressed(args, identity).and_then(|o| Ok(DiscoveryRequest::from_options(o)?)) {
        Ok(request) => request,
        Err(error) => host::usage(&mut Args::command(), error),
    };
    let spinner = cli::spinner("connecting everything that is offered");
    let all = nvme_fabrics::connect_all(&OsDevice::system(), sysfs, &request, &how, &tune);
    spinner.finish_and_clear();
    all.connected().for_each(|controller| register(args.owner.as_ref(), controller));
    connect_all::show(&all, args.json)
}

/// What was read from files, so that it does not stand among the arguments.
#[derive(Clone)]
struct Secrets {
    host: Option<DhchapSecret>,
    controller: Option<DhchapSecret>,
}

/// Why the arguments make no options.
#[derive(Debug, thiserror::Error)]
enum Misuse {
    #[error("-a ADDR is needed for {0}")]
    NoAddress(&'static str),
    #[error("-w ADDR is needed for fc: the local port")]
    NoLocalPort,
    #[error("{0} has no port: leave -s out")]
    NoPort(&'static str),
    #[error(transparent)]
    Ip(#[from] LookupError),
    #[error(transparent)]
    Fc(#[from] FcAddressError),
    #[error(transparent)]
    Option(#[from] OptionError),
}

/// The constructor of the transport, with its kind of address.
fn addressed(args: &Args, identity: HostIdentity) -> Result<ConnectOptions, Misuse> {
    let address = |transport| args.traddr.as_deref().ok_or(Misuse::NoAddress(transport));
    let port = args.trsvcid.unwrap_or(if args.all { discovery::DEFAULT_PORT } else { 4420 });
    let nqn = args.nqn.clone().unwrap_or_else(SubsysNqn::discovery);
    let no_port = |transport| match args.trsvcid {
        Some(_) => Err(Misuse::NoPort(transport)),
        None => Ok(()),
    };
    Ok(match args.transport.unwrap_or(Transport::Tcp) {
        Transport::Tcp => local(ConnectOptions::tcp(lookup(address("tcp")?)?, port, nqn, identity)?, args)?,
        Transport::Rdma => {
            local(ConnectOptions::rdma(lookup(address("rdma")?)?, port, nqn, identity)?, args)?
        }
        Transport::Fc => {
            no_port("fc")?;
            let local: FcAddress = args.host_traddr.as_deref().ok_or(Misuse::NoLocalPort)?.parse()?;
            ConnectOptions::fc(address("fc")?.parse()?, local, nqn, identity)?
        }
        Transport::Loop => {
            no_port("loop")?;
            let options = match &args.traddr {
                Some(port) => ConnectOptions::loopback_port(port, nqn, identity)?,
                None => ConnectOptions::loopback(nqn, identity)?,
            };
            local(options, args)?
        }
    })
}

/// With the local address, if one was given.
fn local(options: ConnectOptions, args: &Args) -> Result<ConnectOptions, Misuse> {
    Ok(match &args.host_traddr {
        Some(address) => options.host_traddr(lookup(address)?)?,
        None => options,
    })
}

/// Applies what the user asked for beyond the address.
fn tuned(mut o: ConnectOptions, args: &Args, secrets: Secrets) -> Result<ConnectOptions, OptionError> {
    let after = |secs: i64| u64::try_from(secs).map(Duration::from_secs).ok();
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
    if let Some(secret) = secrets.host {
        o = o.authenticate(secret)?;
    }
    if let Some(secret) = secrets.controller {
        o = o.authenticate_controller(secret)?;
    }
    if args.tls {
        o = o.tls()?;
    }
    if let Some(key) = args.tls_key {
        o = o.tls_key(key)?;
    }
    if let Some(keyring) = args.keyring {
        o = o.keyring(keyring)?;
    }
    if args.concat {
        o = o.secure_concatenation()?;
    }
    for option in &args.newer {
        o = match option.split_once('=') {
            Some((name, value)) => o.newer_value(name, value)?,
            None => o.newer_flag(option)?,
        };
    }
    Ok(o)
}
