//! Connecting: peers that misbehave, time-outs, duplicates, identities, wanted paths; and what is said beside what nvme-cli says.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nvme_examples::cli;
use nvme_fabrics::{
    ConnectError, ConnectOptions, Errno, HostIdentity, Inventory, OsDevice, PathState, Rejection, Settled,
    Stage, Sysfs, WithinError, connect, connect_within, ensure_paths, wait_live,
};
use nvmet_configfs::{OsTree, PortId, PortSpec, RelPath, SubsystemSpec, TargetSpec, Tree};

use super::fabrics_discover::{connected, leave_all};
use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_connect::peers_that_misbehave", peers_that_misbehave),
    Case::new("fabrics_connect::a_time_out_leaves_no_orphan", a_time_out_leaves_no_orphan),
    Case::new("fabrics_connect::what_is_a_duplicate", what_is_a_duplicate),
    Case::new("fabrics_connect::one_host_has_one_identity", one_host_has_one_identity),
    Case::new("fabrics_connect::a_lost_controller_is_still_there", a_lost_controller_is_still_there),
    Case::new("fabrics_connect::wanted_paths", wanted_paths),
    Case::new(
        "fabrics_connect::two_failures_at_once_have_their_own_reasons",
        two_failures_at_once_have_their_own_reasons,
    ),
    Case::new("fabrics_connect::what_is_said_beside_nvme_cli", what_is_said_beside_nvme_cli),
];

fn options(address: &str, port: u16) -> Result<ConnectOptions, Failure> {
    Ok(ConnectOptions::tcp(address.parse()?, port, scene::subsystem("mysub")?, scene::me()?)?)
}

fn refused(options: &ConnectOptions) -> Result<ConnectError, Failure> {
    match connect(&OsDevice::system(), &Sysfs::system(), options) {
        Ok(connected) => {
            scene::leave(connected.controller)?;
            Err(Failure::new(format!("{options} was not refused")))
        }
        Err(error) => Ok(error),
    }
}

/// The answer to the first message of NVMe/TCP: version `pfv`, no digests, 128 KiB at once.
fn first_answer(pfv: u16) -> Vec<u8> {
    let mut pdu = vec![1, 0, 128, 0, 128, 0, 0, 0];
    pdu.extend(pfv.to_le_bytes());
    pdu.extend([0, 0]);
    pdu.extend((128u32 << 10).to_le_bytes());
    pdu.resize(128, 0);
    pdu
}

/// Takes one connection and does this with it; gives the port.
fn peer(with: impl FnOnce(TcpStream) + Send + 'static) -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            with(stream);
        }
    });
    Ok(port)
}

fn peers_that_misbehave(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    // Closes at once; the kernel's first message may find the connection reset or closed.
    let port = peer(drop)?;
    let error = refused(&options("127.0.0.1", port)?)?;
    ctx.note(&cli::explain(&error));
    ensure!(
        matches!(error.errno(), Some(Errno::ECONNRESET | Errno(32)))
            && matches!(error.stage(), Stage::Initialize | Stage::Network | Stage::Unknown),
        "{error:?}"
    );

    let port = peer(|mut stream| {
        let _ = stream.read(&mut [0; 128]);
        let _ = stream.write_all(&first_answer(1));
        thread::sleep(Duration::from_secs(2));
    })?;
    let error = refused(&options("127.0.0.1", port)?)?;
    ctx.note(&cli::explain(&error));
    ensure_eq!((error.errno(), error.stage()), (Some(Errno::EINVAL), Stage::Initialize), "another version");
    ensure!(!error.is_retryable(), "{error}");

    let port = peer(|mut stream| {
        let _ = stream.read(&mut [0; 128]);
        thread::sleep(Duration::from_secs(40));
    })?;
    let begun = Instant::now();
    let error = refused(&options("127.0.0.1", port)?)?;
    let took = begun.elapsed();
    ctx.note(&format!("{}\n  after {:.1} s", cli::explain(&error), took.as_secs_f64()));
    ensure_eq!((error.errno(), error.stage()), (Some(Errno::EAGAIN), Stage::Initialize), "silence");
    ensure!(error.is_retryable() && took < Duration::from_secs(35), "{took:?}: {error}");
    ensure!(cli::explain(&error).contains("something else than NVMe/TCP may listen"), "{error}");
    ensure!(connected()?.is_empty(), "a controller is left");
    Ok(())
}

fn a_time_out_leaves_no_orphan(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let within = |options: &ConnectOptions| {
        connect_within(OsDevice::system(), &Sysfs::system(), options, Duration::from_secs(1))
    };
    let timed_out = |outcome| match outcome {
        Err(WithinError::TimedOut { rest, .. }) => Ok(rest),
        other => Err(Failure::new(format!("no time-out: {other:?}"))),
    };
    // A peer that keeps silent, and then closes: it fails in the end.
    let (close, closes) = mpsc::channel::<()>();
    let port = peer(move |mut stream| {
        let _ = stream.read(&mut [0; 128]);
        let _ = closes.recv_timeout(scene::PATIENCE);
    })?;
    let begun = Instant::now();
    let rest = timed_out(within(&options("127.0.0.1", port)?))?;
    let gave_up = begun.elapsed();
    ensure!(gave_up < Duration::from_secs(8), "{gave_up:?}");
    drop(close);
    let settled = rest.wait(scene::PATIENCE).map_err(|_| Failure::new("the kernel does not give up"))?;
    // Linux 6.1 takes a connection that ends for an answer of nothing but zeros.
    let ended = |e: &ConnectError| matches!(e.stage(), Stage::Initialize | Stage::Network | Stage::Unknown);
    ensure!(matches!(&settled, Settled::Failed(e) if ended(e)), "{settled:?}");
    // A target that is slow: it succeeds in the end, and is removed.
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    let (port, open) = slow_way_to_the_target()?;
    let rest = timed_out(within(&options("127.0.0.1", port)?))?;
    drop(open);
    let settled = rest.wait(scene::PATIENCE).map_err(|_| Failure::new("the kernel does not settle"))?;
    ensure!(matches!(settled, Settled::Removed(_)), "{settled:?}");
    ensure!(connected()?.is_empty(), "a controller is left");
    ctx.note(&format!("gave up after {:.1} s; what came later: {settled:?}", gave_up.as_secs_f64()));
    // The program: its exit status, and nothing left.
    let (port, open) = slow_way_to_the_target()?;
    let mut child = Command::new("connect")
        .args(["-t", "tcp", "-a", "127.0.0.1", "-s", &port.to_string(), "-n", "mysub", "--timeout", "1"])
        .args(["-q", scene::me()?.nqn.as_str()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(child.stderr.take().ok_or_else(|| Failure::new("no standard error"))?);
    let (mut at_first, mut at_last) = (String::new(), String::new());
    while !at_first.contains("waiting until the kernel gives it up") {
        ensure!(said.read_line(&mut at_first)? > 0, "{at_first}");
    }
    drop(open);
    said.read_to_string(&mut at_last)?;
    ensure_eq!(child.wait()?.code(), Some(1), "exit status");
    ensure!(at_last.contains("came later and is removed"), "{at_last}");
    ensure!(connected()?.is_empty(), "a controller is left");
    scene::clear_target()
}

/// Forwards connections to the target; the first one when the sender is dropped.
fn slow_way_to_the_target() -> Result<(u16, mpsc::Sender<()>), Failure> {
    let (open, opens) = mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let Ok(host) = stream else { return };
            if n == 0 {
                let _ = opens.recv_timeout(scene::PATIENCE);
            }
            let Ok(target) = TcpStream::connect(("127.0.0.1", scene::PORT)) else { return };
            for (from, to) in [(host.try_clone(), target.try_clone()), (target.try_clone(), host.try_clone())]
            {
                let (Ok(mut from), Ok(mut to)) = (from, to) else { return };
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    Ok((port, open))
}

fn what_is_a_duplicate(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let disk = ctx.ram_disk(0)?;
    let nqn = scene::subsystem("mysub")?;
    let spec = TargetSpec::new()
        .subsystem(nqn.clone(), scene::open_subsystem(&disk)?)
        .port(PortId(1), PortSpec::tcp("127.0.0.1".parse()?, scene::PORT).export(nqn.clone()))
        .port(PortId(2), PortSpec::tcp("::1".parse()?, scene::PORT).export(nqn));
    scene::configure(&spec)?;
    let (device, sysfs) = (OsDevice::system(), Sysfs::system());
    let first = options("127.0.0.1", scene::PORT)?;
    let made = connect(&device, &sysfs, &first)?;
    let error = refused(&first)?;
    ctx.note(&error.to_string());
    ensure!(error.stage() == Stage::Duplicate && error.conflicting() == Some(made.controller), "{error:?}");
    // Tuning makes no other connection of it; a local address, and being asked for a duplicate, do.
    ensure_eq!(refused(&first.clone().data_digest()?)?.conflicting(), Some(made.controller), "with digests");
    connect(&device, &sysfs, &first.clone().host_traddr("127.0.0.1".parse()?)?)?;
    connect(&device, &sysfs, &first.clone().duplicate_connect()?)?;
    // Another program's spelling of one address: the kernel makes a second controller of it, this crate does not.
    let host = scene::me()?;
    let spelled = format!(
        "transport=tcp,traddr=0:0:0:0:0:0:0:1,trsvcid=4420,nqn=mysub,hostnqn={},hostid={}",
        host.nqn, host.id
    );
    nvme_fabrics::FabricsDevice::create(&device, &spelled)?;
    let before = connected()?.len();
    let wanted = ensure_paths(&device, &sysfs, &[options("::1", scene::PORT)?])?;
    ensure!(
        matches!(wanted.paths[..], [ref p] if matches!(p.state, PathState::Present { .. })),
        "{wanted:?}"
    );
    ensure_eq!(connected()?.len(), before, "paths");
    // Also by itself: where only the kernel looks it makes one, which is taken back.
    let error = refused(&options("::1", scene::PORT)?)?;
    ctx.note(&error.to_string());
    ensure!(matches!(error, ConnectError::AlreadyConnected { .. }), "{error:?}");
    ensure_eq!(Inventory::scan(&sysfs)?.controllers().count(), 4, "controllers");
    let doubled = connect(&device, &sysfs, &options("::1", scene::PORT)?.duplicate_connect()?)?;
    scene::leave(doubled.controller)?;
    // The first path left, a twin in the kernel's own notation of numbers.
    let other = scene::leave(
        Inventory::scan(&sysfs)?
            .controllers()
            .map(|(_, c)| c)
            .find(|c| c.address.traddr.as_deref() == Some("0:0:0:0:0:0:0:1"))
            .ok_or_else(|| Failure::new("it is gone"))?
            .name,
    )?;
    ensure_eq!(other.controllers.len(), 1, "the long spelling");
    let spelled = spelled.replace("0:0:0:0:0:0:0:1", "::1").replace("=4420", "=0x1144");
    nvme_fabrics::FabricsDevice::create(&device, &spelled)?;
    ensure_eq!(
        refused(&options("::1", scene::PORT)?)?.stage(),
        Stage::Duplicate,
        "a port in another notation"
    );
    ensure_eq!(Inventory::scan(&sysfs)?.controllers().count(), 4, "controllers");
    leave_all()?;
    scene::clear_target()?;

    // By the loop transport the kernel looks for no duplicates at all; this crate does, unless it is asked for one.
    if nvme_fabrics::modules::state(&sysfs, "nvme-loop") != nvme_fabrics::modules::ModuleState::Missing {
        ctx.modprobe("nvme-loop")?;
        let nqn = scene::subsystem("mysub")?;
        let spec = TargetSpec::new()
            .subsystem(nqn.clone(), scene::open_subsystem(&disk)?)
            .port(PortId(1), PortSpec::loopback().export(nqn.clone()));
        scene::configure(&spec)?;
        let own = ConnectOptions::loopback(nqn, scene::me()?)?;
        let string = own.to_option_string();
        for _ in 0..2 {
            nvme_fabrics::FabricsDevice::create(&device, string.expose())?;
        }
        ensure_eq!(Inventory::scan(&sysfs)?.controllers().count(), 2, "loop controllers");
        leave_all()?;
        scene::clear_target()?;
    }
    Ok(())
}

fn one_host_has_one_identity(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    let (a, b) = (scene::host("nqn.2024-05.org.example:a")?, scene::host("nqn.2024-05.org.example:b")?);
    let made = scene::connect_as(a.clone(), "mysub", "127.0.0.1")?;
    for wrong in [HostIdentity::new(a.nqn.clone(), b.id), HostIdentity::new(b.nqn.clone(), a.id)] {
        let error = scene::refused(scene::connect_as(wrong, "mysub", "127.0.0.1"))?;
        ctx.note(&error.to_string());
        ensure_eq!(
            (error.stage(), error.conflicting()),
            (Stage::HostIdentity, Some(made.controller)),
            "conflict"
        );
    }
    // Both hosts as they are get along; and once the first is gone its name is free for another identifier.
    let other = scene::connect_as(b.clone(), "mysub", "127.0.0.1")?;
    scene::leave(other.controller)?;
    scene::leave(made.controller)?;
    let made = scene::connect_as(HostIdentity::new(a.nqn, b.id), "mysub", "127.0.0.1")?;
    scene::leave(made.controller)?;
    scene::clear_target()
}

fn a_lost_controller_is_still_there(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let spec = scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?;
    scene::configure(&spec)?;
    let wanted = options("127.0.0.1", scene::PORT)?
        .reconnect_delay(Duration::from_secs(1))?
        .keep_alive(Duration::from_secs(2))?;
    let made = connect(&OsDevice::system(), &Sysfs::system(), &wanted)?;
    // The port goes, and with it all connections.
    let tree = OsTree::open_default()?;
    tree.unlink(&RelPath::new("ports/1/subsystems/mysub")?)?;
    let is_lost = || {
        let controller = nvme_fabrics::Controller::read(&Sysfs::system(), made.controller);
        Ok(controller.is_some_and(|c| c.state.as_str() == "connecting"))
    };
    ctx.wait_for("the controller to be lost", scene::PATIENCE, is_lost)?;
    let error = refused(&wanted)?;
    ctx.note(&error.to_string());
    ensure!(
        error.conflicting() == Some(made.controller) && error.to_string().contains("connecting"),
        "{error}"
    );
    let ensured = ensure_paths(&OsDevice::system(), &Sysfs::system(), std::slice::from_ref(&wanted))?;
    ensure!(ensured.is_complete() && ensured.added().count() == 0, "{ensured:?}");
    scene::configure(&spec)?;
    wait_live(&Sysfs::system(), made.controller, scene::PATIENCE)?;
    scene::leave(made.controller)?;
    scene::clear_target()
}

fn wanted_paths(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let nqn = scene::subsystem("mysub")?;
    let port =
        |address: &str| Ok::<_, Failure>(PortSpec::tcp(address.parse()?, scene::PORT).export(nqn.clone()));
    let spec = TargetSpec::new()
        .subsystem(nqn.clone(), scene::open_subsystem(&ctx.ram_disk(0)?)?)
        .port(PortId(1), port("127.0.0.1")?)
        .port(PortId(2), port("127.0.0.2")?)
        .port(PortId(3), port("127.0.0.3")?);
    scene::configure(&spec)?;
    let (device, sysfs) = (OsDevice::system(), Sysfs::system());
    let wanted = [
        options("127.0.0.1", scene::PORT)?,
        options("127.0.0.2", scene::PORT)?,
        options("127.0.0.4", scene::PORT)?,
    ];
    let extra = connect(&device, &sysfs, &options("127.0.0.3", scene::PORT)?)?;
    connect(&device, &sysfs, &wanted[0])?;
    let first = ensure_paths(&device, &sysfs, &wanted)?;
    ensure!(matches!(first.paths[0].state, PathState::Present { .. }), "{first:?}");
    ensure!(matches!(first.paths[1].state, PathState::Added(_)), "{first:?}");
    ensure!(
        matches!(&first.paths[2].state, PathState::Failed(e) if e.errno() == Some(Errno::ECONNREFUSED)),
        "{first:?}"
    );
    ensure_eq!(first.extra, vec![extra.controller], "what nobody wanted");
    let second = ensure_paths(&device, &sysfs, &wanted[..2])?;
    ensure!(second.is_complete() && second.added().count() == 0, "{second:?}");
    ensure_eq!(connected()?.len(), 3, "paths");
    leave_all()?;
    scene::clear_target()
}

/// Two connects that the kernel refuses at the same time, each with a message that names nobody.
fn two_failures_at_once_have_their_own_reasons(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let mut rounds = 0;
    for _ in 0..6 {
        let wrong_version = peer(|mut stream| {
            let _ = stream.read(&mut [0; 128]);
            let _ = stream.write_all(&first_answer(1));
            thread::sleep(Duration::from_secs(1));
        })?;
        let digests = peer(|mut stream| {
            let _ = stream.read(&mut [0; 128]);
            let _ = stream.write_all(&first_answer(0));
            thread::sleep(Duration::from_secs(1));
        })?;
        let with_digests = options("127.0.0.1", digests)?.header_digest()?;
        let plain = options("127.0.0.1", wrong_version)?;
        let (one, two) = thread::scope(|scope| {
            let one = scope.spawn(|| refused(&plain));
            let two = scope.spawn(|| refused(&with_digests));
            (one.join(), two.join())
        });
        let panicked = |_| Failure::new("a thread panicked");
        let (one, two) = (one.map_err(panicked)??, two.map_err(panicked)??);
        let text = |error: &ConnectError| match error.rejection() {
            Some(Rejection::Initialize { text }) => text.clone(),
            other => format!("{other:?}"),
        };
        ensure!(text(&one).contains("bad pfv"), "{one}");
        ensure!(text(&two).contains("header digest mismatch"), "{two}");
        rounds += 1;
    }
    ctx.note(&format!("{rounds} times two at once, each with its own reason"));
    Ok(())
}

/// What goes wrong, how to bring it about, and a word of the cause that our program must say.
struct Mishap {
    what: &'static str,
    words: Vec<String>,
    wanted: &'static str,
}

fn what_is_said_beside_nvme_cli(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let disk = ctx.ram_disk(0)?;
    let private = scene::subsystem("nqn.2024-05.org.example:private")?;
    let mut spec =
        scene::guide_spec("mysub", &disk, "127.0.0.1")?.subsystem(private.clone(), SubsystemSpec::nobody());
    if let Some(port) = spec.ports.get_mut(&PortId(1)) {
        port.subsystems.insert(private.clone());
    }
    scene::configure(&spec)?;
    let me = scene::me()?;
    let text = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let at = |nqn: &str, address: &str, port: u16| {
        text(&["-t", "tcp", "-a", address, "-s", &port.to_string(), "-n", nqn])
    };
    let with = |more: &[&str]| [at("mysub", "127.0.0.1", scene::PORT), text(more)].concat();
    let made = scene::connect_as(me.clone(), "mysub", "127.0.0.1")?;
    let mishaps = [
        Mishap {
            what: "wrong NQN",
            words: at("nosuch", "127.0.0.1", scene::PORT),
            wanted: "does not offer subsystem `nosuch`",
        },
        Mishap {
            what: "host not allowed",
            words: at(private.as_str(), "127.0.0.1", scene::PORT),
            wanted: "does not allow host",
        },
        Mishap {
            what: "nobody listens",
            words: at("mysub", "127.0.0.1", 4499),
            wanted: "nothing listens at that address",
        },
        Mishap {
            what: "no way there",
            words: at("mysub", "198.51.100.9", scene::PORT),
            wanted: "no way to that address",
        },
        Mishap {
            what: "local address of another machine",
            words: with(&["-w", "203.0.113.77"]),
            wanted: "not one of this machine",
        },
        Mishap {
            what: "interface that does not exist",
            words: with(&["-f", "nosuch0"]),
            wanted: "interface does not exist",
        },
        Mishap {
            what: "connected already",
            words: with(&[]),
            wanted: "already connected to subsystem mysub",
        },
        Mishap {
            what: "queue size out of range",
            words: with(&["-Q", "5000"]),
            wanted: "out of range (16 to 1024)",
        },
        Mishap {
            what: "identity of another host",
            words: with(&["-I", "11111111-2222-4333-8444-555555555555", "-D"]),
            wanted: "one host has one NQN and one identifier",
        },
    ];
    let (nqn, id) = (me.nqn.to_string(), me.id.to_string());
    let mut table = String::from("failure | nvme-cli | connect");
    for Mishap { what, words, wanted } in &mishaps {
        let id_given = words.iter().any(|w| w == "-I");
        let more: Vec<&str> = if id_given { vec!["-q", &nqn] } else { vec!["-q", &nqn, "-I", &id] };
        let args: Vec<&str> = words.iter().map(String::as_str).chain(more).collect();
        let theirs = ctx.try_run("nvme", [&["connect"], &args[..]].concat())?;
        let ours = ctx.try_run("connect", &args)?;
        let one_line = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join(" / ");
        table += &format!(
            "\n{what} | {} (exit {}) | {} (exit {})",
            one_line(&format!("{}{}", theirs.stdout, theirs.stderr)),
            theirs.code.unwrap_or(-1),
            one_line(&ours.stderr),
            ours.code.unwrap_or(-1)
        );
        ensure!(ours.code.is_some_and(|code| code != 0), "{what}: {ours:?}");
        ensure!(ours.stderr.contains(wanted), "{what}: {wanted:?} is not in {}", ours.stderr);
    }
    ctx.note(&table);
    // nvme-cli may have connected what we refuse.
    leave_all()?;
    ensure!(!connected()?.iter().any(|_| true), "{:?} is left of {}", connected()?, made.controller);
    scene::clear_target()
}
