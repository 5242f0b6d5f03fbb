//! Changes of a target whose hosts are at work: what a plan calls undisturbing is, and what it names happens to those it names.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nvme_fabrics::{
    ConnectOptions, ControllerName, HostIdentity, OsDevice, Sysfs, WhichNamespace, connect,
    wait_for_namespace,
};
use nvme_proto::Nsid;
use nvmet_configfs::{
    AnaGroupId, AnaState, Buffering, Consent, DevicePath, Foreign, HostAccess, Name, NamespaceSpec, OsTree,
    Phase, Plan, Policy, PortId, PortSpec, ReferralSpec, Sizes, SubsystemSpec, TargetSpec, apply,
    file as config, plan,
};

use super::load::Load;
use super::scene;
use crate::guest::{Case, Ctx, Failure, LogMark};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("configfs_live::hosts_at_work_do_not_notice", hosts_at_work_do_not_notice),
    Case::new("configfs_live::what_a_plan_names_happens", what_a_plan_names_happens),
];

const ALICE: &str = "nqn.2024-05.org.example:alice";
const BOB: &str = "nqn.2024-05.org.example:bob";
const CAROL: &str = "nqn.2024-05.org.example:carol";
const ONE: &str = "nqn.2024-05.org.example:one";
const TWO: &str = "nqn.2024-05.org.example:two";
const NEW: &str = "nqn.2024-05.org.example:new";
/// Far above what an undisturbed guest needs, and below the 30 s after which Linux gives a command up.
const LONGEST: Duration = Duration::from_secs(20);
const BEFORE: u64 = 16 << 20;

/// Two subsystems on two ports: one for a host by name, on a file that can grow, the other for any host, on a memory disk.
fn begin(file: &Path, disk: &Path) -> Result<TargetSpec, Failure> {
    let (one, two) = (scene::subsystem(ONE)?, scene::subsystem(TWO)?);
    let growing = NamespaceSpec::new(DevicePath::new(file.to_string_lossy())?).buffered(Buffering::PageCache);
    let alice: nvme_proto::HostNqn = ALICE.parse()?;
    Ok(TargetSpec::new()
        .host(alice.clone())
        .subsystem(one.clone(), SubsystemSpec::nobody().allow(alice).namespace(Nsid::ONE, growing))
        .subsystem(two.clone(), scene::open_subsystem(disk)?)
        .port(PortId(1), PortSpec::tcp("127.0.0.1".parse()?, scene::PORT).export(one))
        .port(PortId(2), PortSpec::tcp("::1".parse()?, scene::PORT).export(two)))
}

/// A host that is connected and at work.
struct Busy {
    controller: ControllerName,
    device: PathBuf,
    load: Load,
}

impl Busy {
    fn connect(ctx: &Ctx, host: &HostIdentity, nqn: &str, address: &str) -> Result<Self, Failure> {
        let options =
            ConnectOptions::tcp(address.parse()?, scene::PORT, scene::subsystem(nqn)?, host.clone())?
                .nr_io_queues(1)?
                .reconnect_delay(Duration::from_secs(1))?;
        let controller = connect(&OsDevice::system(), &Sysfs::system(), &options)?.controller;
        let device = scene::device_of(controller)?;
        let load = Load::start(ctx, &device)?;
        Ok(Self { controller, device, load })
    }

    fn end(self) -> Result<u64, Failure> {
        let blocks = self.load.stop()?;
        scene::leave(self.controller)?;
        Ok(blocks)
    }
}

/// What the kernel said of hosts that come and go.
fn comings_and_goings(ctx: &Ctx, since: &LogMark) -> Result<Vec<String>, Failure> {
    let signs = ["nvm controller", "reconnect", "error recovery", "i/o error", "timeout", "failed nvme"];
    let log = ctx.kernel_log_since(since)?;
    Ok(log.into_iter().filter(|line| signs.iter().any(|sign| line.to_lowercase().contains(sign))).collect())
}

/// What a plan says of hosts, in alphabetical order.
fn said(plan: &Plan) -> Vec<String> {
    let mut said: Vec<String> = plan.disruptions().iter().map(ToString::to_string).collect();
    said.sort();
    said
}

/// What happens to hosts by one change.
struct Change {
    what: &'static str,
    to: TargetSpec,
    /// What the plan says of hosts; none of it is about those that are at work.
    named: &'static [&'static str],
}

/// The changes, each from the state that the one before left.
fn changes(from: &TargetSpec, spare: [&Path; 2]) -> Result<Vec<Change>, Failure> {
    let (one, two, new) = (scene::subsystem(ONE)?, scene::subsystem(TWO)?, scene::subsystem(NEW)?);
    let (alice, carol): (nvme_proto::HostNqn, nvme_proto::HostNqn) = (ALICE.parse()?, CAROL.parse()?);
    let (nsid, disk) = (Nsid::new(2)?, |path: &Path| scene::disk(path).map(|(_, namespace)| namespace));
    let mut spec = from.clone();
    let mut all = Vec::new();
    let mut push = |what: &'static str, to: &TargetSpec, named: &'static [&'static str]| {
        all.push(Change { what, to: to.clone(), named });
    };

    spec = spec
        .host(carol.clone())
        .subsystem(new.clone(), SubsystemSpec::nobody().allow(carol.clone()).namespace(nsid, disk(spare[0])?))
        .port(PortId(3), PortSpec::tcp("127.0.0.1".parse()?, 4430).export(new.clone()));
    push("another subsystem, port and host", &spec, &[]);
    subsystem(&mut spec, &two)?.namespaces.insert(nsid, disk(spare[1])?);
    push("another namespace beside theirs", &spec, &[]);
    port(&mut spec, PortId(1))?.subsystems.insert(new.clone());
    push("another subsystem on their port", &spec, &[]);
    subsystem(&mut spec, &one)?.access = HostAccess::Only([alice.clone(), carol].into());
    push("another host is permitted", &spec, &[]);
    subsystem(&mut spec, &one)?.access = HostAccess::Only([].into());
    push("no host is permitted any more, not even the one that is at work", &spec, &[]);
    subsystem(&mut spec, &one)?.access = HostAccess::Only([alice].into());
    push("it is permitted again", &spec, &[]);
    let (first, second) = (AnaGroupId::new(1)?, AnaGroupId::new(2)?);
    port(&mut spec, PortId(1))?.ana_groups =
        [(first, AnaState::NonOptimized), (second, AnaState::Optimized)].into();
    push("their ANA group is not optimized any more, and there is another one", &spec, &[]);
    port(&mut spec, PortId(1))?.ana_groups =
        [(first, AnaState::Optimized), (second, AnaState::Optimized)].into();
    push("their ANA group is optimized again", &spec, &[]);
    let referral = ReferralSpec::tcp("192.0.2.1".parse()?, 8009);
    port(&mut spec, PortId(2))?.referrals.insert(Name::new("there")?, referral);
    push("a referral on their port", &spec, &[]);
    subsystem(&mut spec, &two)?.namespaces.remove(&nsid);
    push("the other namespace goes", &spec, &["namespace 2 of nqn.2024-05.org.example:two goes away"]);
    push(
        "all that is not theirs goes",
        from,
        &[
            "hosts connected to nqn.2024-05.org.example:new through port 1 lose that path",
            "hosts connected to nqn.2024-05.org.example:new through port 3 lose that path",
            "namespace 2 of nqn.2024-05.org.example:new goes away",
            "namespaces in ANA group 2 cannot be reached through port 1 any more",
        ],
    );
    Ok(all)
}

fn subsystem<'s>(
    spec: &'s mut TargetSpec,
    nqn: &nvme_proto::SubsysNqn,
) -> Result<&'s mut SubsystemSpec, Failure> {
    spec.subsystems.get_mut(nqn).ok_or_else(|| Failure::new(format!("the state has no {nqn}")))
}

fn port(spec: &mut TargetSpec, id: PortId) -> Result<&mut PortSpec, Failure> {
    spec.ports.get_mut(&id).ok_or_else(|| Failure::new(format!("the state has no port {id}")))
}

/// Everything the cases need, with both hosts at work.
fn at_work(ctx: &mut Ctx) -> Result<(OsTree, TargetSpec, PathBuf, [Busy; 2]), Failure> {
    scene::load(ctx)?;
    let disk = ctx.ram_disk(0)?;
    let file = ctx.scratch().join("growing");
    File::create(&file)?.set_len(BEFORE)?;
    let spec = begin(&file, &disk)?;
    let tree = scene::configure(&spec)?;
    let one = Busy::connect(ctx, &scene::host(ALICE)?, ONE, "127.0.0.1")?;
    let two = Busy::connect(ctx, &scene::host(BOB)?, TWO, "::1")?;
    Ok((tree, spec, file, [one, two]))
}

/// The size of a block device in bytes.
fn size(device: &Path) -> Result<u64, Failure> {
    let name = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(512 * fs::read_to_string(format!("/sys/block/{name}/size"))?.trim().parse::<u64>()?)
}

/// Waits until a host sees this many bytes.
fn sees(ctx: &Ctx, host: &Busy, bytes: u64) -> Result<(), Failure> {
    ctx.wait_for("the host to see the new size", scene::PATIENCE, || Ok(size(&host.device)? == bytes))
}

fn hosts_at_work_do_not_notice(ctx: &mut Ctx) -> Result<(), Failure> {
    let (tree, spec, file, hosts) = at_work(ctx)?;
    let mark = ctx.kernel_log_mark()?;
    let mut longest = Duration::ZERO;
    let mut unnoticed = |ctx: &Ctx, what: &str| -> Result<(), Failure> {
        for host in &hosts {
            host.load.goes_on(ctx, what)?;
            let pause = host.load.longest();
            ensure!(pause < LONGEST, "{what}: {} paused for {pause:?}", host.controller);
            longest = longest.max(pause);
        }
        let noticed = comings_and_goings(ctx, &mark)?;
        ensure!(noticed.is_empty(), "{what}: {noticed:?}");
        Ok(())
    };
    let mut count = 0;
    for Change { what, to, named } in changes(&spec, [&ctx.ram_disk(1)?, &ctx.ram_disk(2)?])? {
        // Without consent unless the plan names something, which then is about others.
        let consent = if named.is_empty() { Consent::Required } else { Consent::Given };
        let plan = plan(&tree, &to, &Policy::foreign(Foreign::Remove).consent(consent))?;
        ensure_eq!(said(&plan), named, format!("what the plan says of hosts: {what}"));
        ensure!(!plan.is_empty(), "{what}: there is nothing to do");
        apply(&tree, &plan)?;
        unnoticed(ctx, what)?;
        count += 1;
        if what.starts_with("another namespace") {
            let added = WhichNamespace::Nsid(2);
            wait_for_namespace(&Sysfs::system(), hosts[1].controller, added, scene::PATIENCE)?;
        }
    }
    // A disk that grows.
    ensure_eq!(size(&hosts[0].device)?, BEFORE, "the size before");
    File::options().write(true).open(&file)?.set_len(2 * BEFORE)?;
    let told = ctx.run("target", ["resize", "-n", ONE])?;
    let bytes = format!("{}, {} bytes\n", file.display(), 2 * BEFORE);
    ensure_eq!(told.stdout, format!("hosts are told the size of namespace 1: {bytes}"), "what it says");
    sees(ctx, &hosts[0], 2 * BEFORE)?;
    unnoticed(ctx, "the disk grows")?;
    // Again, and this time as the last step of a plan. The disk that has not grown is looked at too.
    File::options().write(true).open(&file)?.set_len(3 * BEFORE)?;
    let refresh = plan(&tree, &spec, &Policy::default().sizes(Sizes::Refresh))?;
    ensure!(refresh.steps().iter().all(|step| step.phase() == Phase::RefreshSize), "{refresh}");
    ensure_eq!((refresh.len(), refresh.disruptions().len()), (2, 0), "steps, and what they do to hosts");
    let other = size(&hosts[1].device)?;
    let wanted = ctx.scratch().join("wanted.toml");
    config::write(&wanted, &config::to_text(&spec, config::Format::Toml))?;
    ctx.run("target", ["apply", "--resize", &wanted.display().to_string()])?;
    sees(ctx, &hosts[0], 3 * BEFORE)?;
    ensure_eq!(size(&hosts[1].device)?, other, "the size of the other disk");
    unnoticed(ctx, "the disk grows again")?;
    let mut blocks = 0;
    for host in hosts {
        blocks += host.end()?;
    }
    ctx.note(&format!(
        "{count} changes and two resizes while {blocks} blocks were written and read; longest pause {longest:?}"
    ));
    scene::clear_target()
}

/// The other side: what the plan names is seen by the hosts it names, so the signs above are the right ones.
fn what_a_plan_names_happens(ctx: &mut Ctx) -> Result<(), Failure> {
    let (tree, spec, _file, hosts) = at_work(ctx)?;
    let consenting = Policy::default().consent(Consent::Given);
    let change = |to: &TargetSpec, named: &[&str]| -> Result<(), Failure> {
        let plan = plan(&tree, to, &consenting)?;
        ensure_eq!(said(&plan), named, "what the plan says of hosts");
        Ok(apply(&tree, &plan).map(drop)?)
    };
    // An inaccessible group: its host waits, without an error, until it is accessible again; the other one does not.
    let mut away = spec.clone();
    port(&mut away, PortId(1))?.ana_groups = [(AnaGroupId::new(1)?, AnaState::Inaccessible)].into();
    change(&away, &["namespaces in ANA group 1 cannot be reached through port 1 any more"])?;
    ctx.wait_for("I/O to stand still", scene::PATIENCE, || {
        Ok(hosts[0].load.stands_still_for(Duration::from_millis(500)))
    })?;
    hosts[1].load.goes_on(ctx, "the other port's group is away")?;
    let mut back = spec.clone();
    port(&mut back, PortId(1))?.ana_groups = [(AnaGroupId::new(1)?, AnaState::Optimized)].into();
    change(&back, &[])?;
    hosts[0].load.goes_on(ctx, "the group is back")?;
    // A port that has to change: its host connects again, and loses nothing.
    let mark = ctx.kernel_log_mark()?;
    port(&mut back, PortId(1))?.settings.set("param_inline_data_size", "4096")?;
    change(
        &back,
        &[
            "hosts connected to nqn.2024-05.org.example:one through port 1 are disconnected and have to connect again",
        ],
    )?;
    ctx.wait_for("the host to connect again", scene::PATIENCE, || {
        let log = comings_and_goings(ctx, &mark)?;
        Ok(log.iter().any(|line| line.contains(ONE)) && log.iter().any(|line| line.contains("reconnect")))
    })?;
    for host in &hosts {
        host.load.goes_on(ctx, "the port has changed")?;
    }
    let seen = comings_and_goings(ctx, &mark)?;
    ensure!(!seen.iter().any(|line| line.contains(TWO)), "the host on the other port noticed: {seen:?}");
    ctx.note(&format!("the kernel said: {}", seen.join("; ")));
    for host in hosts {
        host.end()?;
    }
    scene::clear_target()
}
