//! Discovery through the kernel: everything connected, referrals in a circle, nothing left when it is stopped; nvme-cli beside us.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nvme_fabrics::discovery::{ConnectAll, EntryResult, Referrals};
use nvme_fabrics::kernel::events::{Change, EventSocket};
use nvme_fabrics::{
    ConnectOptions, Controller, DiscoveryRequest, Inventory, OsDevice, Selector, Sysfs, connect, connect_all,
    disconnect,
};
use nvmet_configfs::{
    Name, OsTree, PortId, PortSpec, ReferralSpec, RelPath, SubsystemSpec, TargetSpec, Tree,
};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_discover::services_that_refer_to_each_other", services_that_refer_to_each_other),
    Case::new(
        "fabrics_discover::the_same_controllers_as_nvme_connect_all",
        the_same_controllers_as_nvme_connect_all,
    ),
    Case::new("fabrics_discover::stopped_it_leaves_no_controller", stopped_it_leaves_no_controller),
    Case::new(
        "fabrics_discover::a_controller_that_stays_hears_of_changes",
        a_controller_that_stays_hears_of_changes,
    ),
    Case::new("fabrics_discover::how_long_it_takes_beside_nvme_cli", how_long_it_takes_beside_nvme_cli),
];

const ONE: &str = "nqn.2024-05.org.example:one";
const TWO: &str = "nqn.2024-05.org.example:two";

/// Subsystem `ONE` at 127.0.0.1, `TWO` at 127.0.0.2; the first refers to the second, and `back` to the first again.
fn two_services(ctx: &mut Ctx, back: bool) -> Result<TargetSpec, Failure> {
    let refer = |address: &str| Ok::<_, Failure>(ReferralSpec::tcp(address.parse()?, scene::PORT));
    let port = |address: &str, nqn: &str| {
        Ok::<_, Failure>(PortSpec::tcp(address.parse()?, scene::PORT).export(scene::subsystem(nqn)?))
    };
    let mut second = port("127.0.0.2", TWO)?;
    if back {
        second = second.referral(Name::new("back")?, refer("127.0.0.1")?);
    }
    Ok(TargetSpec::new()
        .subsystem(scene::subsystem(ONE)?, scene::open_subsystem(&ctx.ram_disk(0)?)?)
        .subsystem(scene::subsystem(TWO)?, scene::open_subsystem(&ctx.ram_disk(1)?)?)
        .port(PortId(1), port("127.0.0.1", ONE)?.referral(Name::new("next")?, refer("127.0.0.2")?))
        .port(PortId(2), second))
}

fn request(address: &str) -> Result<DiscoveryRequest, Failure> {
    Ok(DiscoveryRequest::tcp(address.parse()?, scene::PORT, scene::me()?)?)
}

/// NQN and address of everything that is connected.
pub(super) fn connected() -> Result<BTreeSet<(String, String)>, Failure> {
    let inventory = Inventory::scan(&Sysfs::system())?;
    let paths = inventory.controllers().map(|(_, c)| {
        let a = &c.address;
        let address = [&a.traddr, &a.trsvcid].map(|part| part.clone().unwrap_or_default()).join(":");
        (c.subsystem_nqn.clone().unwrap_or_default(), address)
    });
    Ok(paths.collect())
}

/// Disconnects everything.
pub(super) fn leave_all() -> Result<usize, Failure> {
    Ok(disconnect(&Sysfs::system(), &Selector::All, nvme_fabrics::Force::No, scene::PATIENCE)?
        .controllers
        .len())
}

fn services_that_refer_to_each_other(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&two_services(ctx, true)?)?;
    let run = |how: &ConnectAll| {
        Ok::<_, Failure>(connect_all(&OsDevice::system(), &Sysfs::system(), &request("127.0.0.1")?, how, &Ok))
    };
    let first = run(&ConnectAll::new().referrals(Referrals::Leave))?;
    ensure!(first.is_complete() && first.connected().count() == 1, "{first:?}");
    let all = run(&ConnectAll::new())?;
    ensure!(all.is_complete(), "{all:?}");
    ensure_eq!(all.pages.len(), 2, "services that were asked");
    let count = |is: fn(&EntryResult) -> bool| all.entries.iter().filter(|e| is(&e.result)).count();
    ensure_eq!(count(|r| matches!(r, EntryResult::Connected(_))), 1, "connected");
    ensure_eq!(count(|r| matches!(r, EntryResult::Present(_))), 1, "there already");
    ensure_eq!(connected()?.len(), 2, "controllers, and none of discovery among them");
    let again = run(&ConnectAll::new())?;
    ensure!(again.is_complete() && again.connected().count() == 0, "{again:?}");
    let out = ctx.run(
        "connect",
        ["--all", "-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-q", scene::me()?.nqn.as_str()],
    )?;
    ctx.note(out.stdout.trim());
    ensure_eq!(out.stdout.matches("already connected").count(), 2, "lines of the program");
    // What is not there any more keeps nothing else from being connected, and the program says so by its exit status.
    leave_all()?;
    OsTree::open_default()?.unlink(&RelPath::new(format!("ports/2/subsystems/{TWO}"))?)?;
    let ran =
        ctx.try_run("connect", ["--all", "-a", "127.0.0.1", "-s", "4420", "-q", scene::me()?.nqn.as_str()])?;
    ensure_eq!(ran.code, Some(1), "exit status when a referral does not answer");
    ensure!(ran.stdout.contains(ONE) && ran.stderr.contains("127.0.0.2"), "{ran:?}");
    ctx.note(ran.stderr.trim());
    leave_all()?;
    scene::clear_target()
}

fn the_same_controllers_as_nvme_connect_all(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    // One that only another host may connect to, and one that no port shows.
    let mut spec = two_services(ctx, false)?.host("nqn.2024-05.org.example:owner".parse()?).subsystem(
        scene::subsystem("nqn.2024-05.org.example:private")?,
        SubsystemSpec::nobody().allow("nqn.2024-05.org.example:owner".parse()?),
    );
    if let Some(port) = spec.ports.get_mut(&PortId(1)) {
        port.subsystems.insert(scene::subsystem("nqn.2024-05.org.example:private")?);
    }
    scene::configure(&spec)?;
    let me = scene::me()?;
    let (nqn, id) = (me.nqn.to_string(), me.id.to_string());
    let theirs = ctx.try_run(
        "nvme",
        ["connect-all", "-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "--hostnqn", &*nqn, "--hostid", &*id],
    )?;
    let by_nvme_cli = connected()?;
    leave_all()?;
    let ours =
        ctx.run("connect", ["--all", "-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-q", &*nqn, "-I", &*id])?;
    let by_us = connected()?;
    ctx.note(&format!("nvme connect-all: exit {:?}, {by_nvme_cli:?}\n{}", theirs.code, ours.stdout.trim()));
    ensure_eq!(by_us, by_nvme_cli, "controllers");
    ensure_eq!(by_us.len(), 2, "controllers");
    leave_all()?;
    scene::clear_target()
}

/// A listener that takes connections and says nothing: the kernel waits ten seconds for it.
fn stopped_it_leaves_no_controller(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // One each: Linux 6.1 begins an interrupted connect again, whose connection is not the next program's.
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port().to_string();
        let child = Command::new("discover")
            .args(["--kernel", "-a", "127.0.0.1", "-s", &port])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let _open = listener.accept()?;
        kill(Pid::from_raw(i32::try_from(child.id())?), signal)?;
        let out = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        ensure_eq!(out.status.code(), Some(130), &said);
        // Linux 6.1 gives the connect up at once.
        let gave_up = said.contains("Interrupted system call");
        ensure!(gave_up || said.contains("stopping: the discovery controller is removed first"), "{said}");
        ctx.wait_for("the kernel to give its own half-made controller up", scene::PATIENCE, || {
            Ok(Inventory::scan(&Sysfs::system())?.controllers().next().is_none())
        })?;
    }
    // One that answers, stopped at any time: either the log, or nothing; never a controller.
    scene::configure(&two_services(ctx, false)?)?;
    let mut ends = BTreeSet::new();
    for after in [0, 5, 20, 40, 80, 160] {
        let child = Command::new("discover")
            .args(["--kernel", "--follow-referrals", "-a", "127.0.0.1", "-s", "4420"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        std::thread::sleep(Duration::from_millis(100 + after));
        // It may be through already.
        let _ = kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT);
        ends.insert(child.wait_with_output()?.status.code());
        ensure!(
            Inventory::scan(&Sysfs::system())?.controllers().next().is_none(),
            "a controller is left after {after} ms"
        );
    }
    ctx.note(&format!("exit statuses when stopped at six moments: {ends:?}"));
    scene::clear_target()
}

fn a_controller_that_stays_hears_of_changes(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let mut spec = two_services(ctx, false)?;
    scene::configure(&spec)?;
    let options = ConnectOptions::tcp(
        "127.0.0.1".parse()?,
        scene::PORT,
        nvme_proto::SubsysNqn::discovery(),
        scene::me()?,
    )?
    .keep_alive(Duration::from_secs(30))?;
    let events = EventSocket::open()?;
    let made = connect(&OsDevice::system(), &Sysfs::system(), &options)?;
    let controller = Controller::read(&Sysfs::system(), made.controller);
    ensure!(controller.as_ref().is_some_and(Controller::is_discovery), "{controller:?}");
    ensure_eq!(controller.and_then(|c| c.keep_alive), Some(Duration::from_secs(30)), "keep-alive time-out");
    // The target asks for events once it has answered the first request for them; so the change is made again until one comes.
    let mut heard = false;
    for round in 0..20 {
        if let Some(port) = spec.ports.get_mut(&PortId(1)) {
            let two = scene::subsystem(TWO)?;
            if round % 2 == 0 {
                port.subsystems.insert(two)
            } else {
                port.subsystems.remove(&two)
            };
        }
        scene::configure(&spec)?;
        let end = Instant::now() + Duration::from_secs(3);
        while let Some(event) = events.next_within(end.saturating_duration_since(Instant::now()))? {
            heard |= event.controller() == Some(made.controller)
                && matches!(event.change, Change::DiscoveryLogChanged { .. });
            if heard {
                break;
            }
        }
        if heard {
            ctx.note(&format!("the change of the log was heard of in round {}", round + 1));
            break;
        }
    }
    ensure!(heard, "no event of a changed discovery log");
    scene::leave(made.controller)?;
    scene::clear_target()
}

/// A median takes three at least; more say nothing more of an emulated processor that other machines share.
const ROUNDS: usize = 3;

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1000.0
}

fn how_long_it_takes_beside_nvme_cli(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&two_services(ctx, false)?)?;
    let me = scene::me()?;
    let (nqn, id) = (me.nqn.to_string(), me.id.to_string());
    let place = ["-t", "tcp", "-a", "127.0.0.1", "-s", "4420"];
    let ours = ["-q", &*nqn, "-I", &*id];
    let theirs = ["--hostnqn", &*nqn, "--hostid", &*id];
    let mut timed = |program: &str, words: &[&str]| {
        let begun = Instant::now();
        ctx.run(program, words)?;
        Ok::<_, Failure>(begun.elapsed())
    };
    let mut times: [Vec<Duration>; 7] = Default::default();
    for _ in 0..ROUNDS {
        let [discover, user, their_discover, connect, their_connect, disconnect, their_disconnect] =
            &mut times;
        discover.push(timed("discover", &[&["--kernel"], &place[..], &ours[..]].concat())?);
        user.push(timed("discover", &[&["--user"], &place[..], &ours[..]].concat())?);
        their_discover.push(timed("nvme", &[&["discover"], &place[..], &theirs[..]].concat())?);
        connect.push(timed("connect", &[&["-n", ONE, "--wait", "0"], &place[..], &ours[..]].concat())?);
        disconnect.push(timed("disconnect", &["-n", ONE])?);
        their_connect.push(timed("nvme", &[&["connect", "-n", ONE], &place[..], &theirs[..]].concat())?);
        their_disconnect.push(timed("nvme", &["disconnect", "-n", ONE])?);
    }
    let [discover, user, their_discover, connect, their_connect, disconnect, their_disconnect] =
        times.map(median);
    ctx.note(&format!(
        "medians of {ROUNDS}, whole programs, in ms (emulated processor):\n\
         discover by the kernel {discover:.0}, in user space {user:.0}; nvme discover {their_discover:.0}\n\
         connect {connect:.0}; nvme connect {their_connect:.0}\n\
         disconnect {disconnect:.0}; nvme disconnect {their_disconnect:.0}"
    ));
    scene::clear_target()
}
