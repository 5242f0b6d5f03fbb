//! Large targets: time and system calls grow with the number of namespaces, and no faster; and how nvmetcli does on the same tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::gettid;

use nvmet_configfs::file::{self, Format};
use nvmet_configfs::nvmetcli::Document;
use nvmet_configfs::{
    FakeKernel, FakeTree, Instrumented, OsTree, PortId, PortSpec, RelPath, SubsystemSpec, TargetSpec, Tree,
    Value, clear, observe, reconcile,
};

use super::{model, scene, states};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("configfs_scale::system_calls_of_a_namespace", system_calls_of_a_namespace),
    Case::new(
        "configfs_scale::hundreds_of_namespaces_beside_nvmetcli",
        hundreds_of_namespaces_beside_nvmetcli,
    ),
    Case::new("configfs_scale::what_removing_waits_for", what_removing_waits_for),
    Case::on_request(
        "configfs_scale::sixteen_times_a_thousand_namespaces",
        sixteen_times_a_thousand_namespaces,
    ),
];

/// System calls that a namespace may take: to make it, and to see that it is as it should be.
const CALLS: f64 = 10.0;

/// Namespaces of a subsystem, all on the same disk; the kernel takes no more than 1,024 in one.
fn subsystem(namespaces: u32) -> Result<SubsystemSpec, Failure> {
    let (_, disk) = scene::disk(Path::new("/dev/ram0"))?;
    let numbers = (1..=namespaces).map(|n| Ok((n.try_into()?, disk.clone())));
    let all: Result<Vec<_>, Failure> = numbers.collect();
    Ok(all?.into_iter().fold(SubsystemSpec::any_host(), |spec, (nsid, disk)| spec.namespace(nsid, disk)))
}

fn target(subsystems: u32, namespaces: u32) -> Result<TargetSpec, Failure> {
    let mut port = PortSpec::tcp("127.0.0.1".parse()?, scene::PORT);
    let mut spec = TargetSpec::new();
    let full = subsystem(namespaces)?;
    for n in 0..subsystems {
        let nqn = scene::subsystem(&format!("nqn.2024-05.org.example:s{n}"))?;
        spec = spec.subsystem(nqn.clone(), full.clone());
        port = port.export(nqn);
    }
    Ok(spec.port(PortId(1), port))
}

/// All system calls of a program, as strace counts them.
fn system_calls(ctx: &mut Ctx, program: &[&str]) -> Result<usize, Failure> {
    let summary = ctx.scratch().join("strace").display().to_string();
    ctx.run("strace", ["-f", "-c", "-o", &summary].iter().chain(program))?;
    let text = std::fs::read_to_string(&summary)?;
    let total = text.lines().find(|line| line.trim_end().ends_with("total"));
    // `100.00    0.012345           3      4711       12 total`: the fourth column.
    let calls = total.and_then(|line| line.split_whitespace().nth(3)).and_then(|calls| calls.parse().ok());
    calls.ok_or_else(|| Failure::new(format!("strace counted nothing:\n{text}")))
}

/// What each further namespace costs, from the difference of two sizes.
fn slope(few: usize, many: usize, namespaces: u32) -> f64 {
    (many as f64 - few as f64) / f64::from(namespaces)
}

fn system_calls_of_a_namespace(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    ctx.ram_disk(0)?;
    let tree = OsTree::open_default()?;
    let (few, many) = (32, 160);
    let [mut making, mut again, mut looking, mut theirs] = [const { Vec::new() }; 4];
    for namespaces in [few, many] {
        let (ours, saved) = (ctx.scratch().join("ours.toml"), ctx.scratch().join("saved.json"));
        file::write(&ours, &file::to_text(&target(1, namespaces)?, Format::Toml))?;
        let (ours, saved) = (ours.display().to_string(), saved.display().to_string());
        // As JSON the result is printed at once, not line by line.
        making.push(system_calls(ctx, &["target", "apply", "--json", &ours])?);
        again.push(system_calls(ctx, &["target", "apply", "--json", &ours])?);
        looking.push(system_calls(ctx, &["target", "plan", "--json", &ours])?);
        ctx.run("target", ["save", &saved])?;
        clear(&tree)?;
        theirs.push(system_calls(ctx, &["nvmetcli", "restore", &saved])?);
        clear(&tree)?;
    }
    let each = |counts: &[usize]| slope(counts[0], counts[1], many - few);
    // To apply is to look at the devices, to make what is not there, and to read it back; to plan is only to read.
    let (reading, devices) = (each(&looking), each(&again) - each(&looking));
    let writing = each(&making) - each(&again);
    ctx.note(&format!(
        "system calls a namespace: {writing:.2} to make it, {reading:.2} to read it, {devices:.2} to look at its device; nvmetcli restore: {:.2}",
        each(&theirs)
    ));
    ensure!(reading <= CALLS && writing <= CALLS, "{writing} and {reading} calls a namespace");
    ensure!(
        reading > 1.0 && writing > 1.0,
        "strace does not count: {writing} and {reading} calls a namespace"
    );
    Ok(())
}

fn timed<T>(what: impl FnOnce() -> Result<T, Failure>) -> Result<(T, Duration), Failure> {
    let begun = Instant::now();
    let done = what()?;
    Ok((done, begun.elapsed()))
}

/// The target as nvmetcli would save it, made without a kernel.
fn saved(kernel: FakeKernel, spec: &TargetSpec) -> Result<Value, Failure> {
    let tree = FakeTree::new(kernel);
    reconcile(&tree, spec, &states::exactly())?;
    Ok(Document::from_observed(&observe(&tree)?).document.to_json())
}

/// How long nvmetcli and we take for the same tree.
fn beside_nvmetcli(ctx: &mut Ctx, [subsystems, each]: [u32; 2]) -> Result<String, Failure> {
    let tree = OsTree::open_default()?;
    let file = ctx.scratch().join("many.json");
    file::write(&file, &saved(model::kernel(ctx)?, &target(subsystems, each)?)?)?;
    let file = file.display().to_string();
    let (_, restored) = timed(|| ctx.run("target", ["restore", &file]))?;
    ensure_eq!(namespaces(&tree)?, (subsystems * each) as usize, "namespaces");
    let whole = states::whole()?;
    let (said, again) = timed(|| ctx.run("target", ["restore", &file]))?;
    ensure_eq!(said.stdout, "nothing to do\n", "the second time");
    let (_, saved) = timed(|| ctx.run("target", ["save", &file]))?;
    let (_, cleared) = timed(|| ctx.run("target", ["clear"]))?;
    let (_, theirs) = timed(|| ctx.run("nvmetcli", ["restore", &file]))?;
    states::ensure_same(&states::whole()?, &whole, "the tree after nvmetcli's restore")?;
    let (_, their_save) = timed(|| ctx.run("nvmetcli", ["save", &file]))?;
    let (_, their_clear) = timed(|| ctx.run("nvmetcli", ["clear"]))?;
    ensure_eq!(namespaces(&tree)?, 0, "namespaces after nvmetcli's clear");
    Ok(format!(
        "{} namespaces: restore {restored:.1?}, again {again:.1?}, save {saved:.1?}, clear {cleared:.1?}; nvmetcli: restore {theirs:.1?}, \
         save {their_save:.1?}, clear {their_clear:.1?}: {:.1}, {:.1} and {:.1} times ours",
        subsystems * each,
        theirs.as_secs_f64() / restored.as_secs_f64(),
        their_save.as_secs_f64() / saved.as_secs_f64(),
        their_clear.as_secs_f64() / cleared.as_secs_f64()
    ))
}

/// A quarter of what a subsystem can have: both remove them as slowly as the kernel lets them go.
fn hundreds_of_namespaces_beside_nvmetcli(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    ctx.ram_disk(0)?;
    let figures = beside_nvmetcli(ctx, [1, 256])?;
    ctx.note(&figures);
    Ok(clear(&OsTree::open_default()?).map(drop)?)
}

/// Where a namespace of such a target is.
fn namespace(subsystem: u32, n: u32) -> Result<RelPath, Failure> {
    Ok(RelPath::new(format!("subsystems/nqn.2024-05.org.example:s{subsystem}/namespaces/{n}"))?)
}

/// Milliseconds that each of some calls took.
fn each_takes(
    numbers: std::ops::Range<u32>,
    call: impl Fn(&RelPath) -> Result<(), Failure>,
) -> Result<f64, Failure> {
    let (begun, count) = (Instant::now(), numbers.len());
    for n in numbers {
        call(&namespace(0, n)?)?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1000.0 / count as f64)
}

/// Milliseconds a namespace when one thread for each subsystem removes all of its.
fn side_by_side(tree: &OsTree, subsystems: u32, namespaces: u32) -> Result<f64, Failure> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let remove = |subsystem| {
            scope.spawn(move || -> Result<(), Failure> {
                (1..=namespaces).try_for_each(|n| Ok(tree.rmdir(&namespace(subsystem, n)?)?))
            })
        };
        let threads: Vec<_> = (0..subsystems).map(remove).collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| Failure::new("a thread panicked"))?)
    })?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0 / f64::from(subsystems * namespaces))
}

/// Nearly all of the time that it takes to remove namespaces passes inside the kernel: each waits by itself until no processor can
/// see it any more, whoever removes it, and whether or not a port exports it.
fn what_removing_waits_for(ctx: &mut Ctx) -> Result<(), Failure> {
    const BATCH: u32 = 32;
    scene::load(ctx)?;
    ctx.ram_disk(0)?;
    let tree = OsTree::open_default()?;
    reconcile(&tree, &target(1, 5 * BATCH + 1)?, &states::exactly())?;
    let batch = |n: u32| 1 + n * BATCH..1 + (n + 1) * BATCH;
    let remove = |path: &RelPath| Ok(tree.rmdir(path)?);
    let exported = each_takes(batch(0), remove)?;
    let disable =
        each_takes(batch(1), |path| Ok(tree.write(&RelPath::new(format!("{path}/enable"))?, b"0")?))?;
    let disabled = each_takes(batch(1), remove)?;
    // Where a thread that removes some is, looked at again and again.
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    thread::scope(|scope| -> Result<(), Failure> {
        let (at, thread) = std::sync::mpsc::channel();
        let tree = &tree;
        let removing = scope.spawn(move || {
            let _ = at.send(gettid());
            each_takes(batch(2), |path| Ok(tree.rmdir(path)?))
        });
        let stack = format!("/proc/self/task/{}/stack", thread.recv()?);
        while !removing.is_finished() {
            let frames = fs::read_to_string(&stack).unwrap_or_default();
            let inside = frames.lines().any(|line| line.contains("nvmet_ns_disable"));
            let frame = ["synchronize_rcu", "wait_for_completion"].into_iter().find(|f| frames.contains(f));
            let place = match (inside, frame) {
                (true, Some(frame)) => format!("nvmet_ns_disable in {frame}"),
                (true, None) => "nvmet_ns_disable elsewhere".to_owned(),
                (false, _) => "elsewhere".to_owned(),
            };
            *places.entry(place).or_default() += 1;
            thread::sleep(Duration::from_millis(1));
        }
        removing.join().map_err(|_| Failure::new("the thread panicked"))?.map(drop)
    })?;
    let port = RelPath::new("ports/1/subsystems/nqn.2024-05.org.example:s0")?;
    tree.unlink(&port)?;
    let unexported = each_takes(batch(3), remove)?;
    let expedited = {
        fs::write("/sys/kernel/rcu_expedited", "1")?;
        let took = each_takes(batch(4), remove);
        fs::write("/sys/kernel/rcu_expedited", "0")?;
        took?
    };
    ctx.note(&format!(
        "milliseconds a namespace: enabled and exported {exported:.1}; enable = 0 {disable:.1}, then remove {disabled:.1}; enabled, \
         not exported {unexported:.1}; the same with rcu_expedited {expedited:.1}"
    ));
    reconcile(&tree, &target(4, BATCH)?, &states::exactly())?;
    ctx.note(&format!("a thread for each of four subsystems: {:.1}", side_by_side(&tree, 4, BATCH)?));
    ctx.note(&format!("a thread that removes exported ones was seen in: {places:?}"));
    let waiting: usize =
        places.iter().filter(|(place, _)| place.starts_with("nvmet_ns_disable in")).map(|(_, n)| n).sum();
    ensure!(waiting > 0, "never seen waiting inside the kernel: {places:?}");
    Ok(clear(&tree).map(drop)?)
}

fn namespaces(tree: &OsTree) -> Result<usize, Failure> {
    Ok(observe(tree)?.subsystems.values().map(|subsystem| subsystem.namespaces.len()).sum())
}

fn sixteen_times_a_thousand_namespaces(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    ctx.ram_disk(0)?;
    let tree = Instrumented::new(OsTree::open_default()?);
    let mut each = Vec::new();
    for subsystems in [1, 4, 16] {
        let spec = target(subsystems, 1024)?;
        let before = (tree.mutations(), tree.reads());
        let (_, took) = timed(|| Ok(reconcile(&tree, &spec, &states::exactly())?))?;
        let calls = (tree.mutations() - before.0, tree.reads() - before.1);
        let count = f64::from(subsystems * 1024);
        each.push((calls.0 as f64 / count, calls.1 as f64 / count));
        ensure_eq!(namespaces(tree.inner())?, subsystems as usize * 1024, "namespaces");
        let (_, cleared) = timed(|| Ok(clear(tree.inner())?))?;
        ctx.note(&format!(
            "{subsystems:2} subsystems of 1,024 namespaces: made in {took:.1?} ({:.0} us each), {:.2} changing and {:.2} reading calls of \
             the tree each, removed in {cleared:.1?}",
            took.as_micros() as f64 / count,
            calls.0 as f64 / count,
            calls.1 as f64 / count
        ));
    }
    let (first, last) = (each[0], each[each.len() - 1]);
    ensure!(
        last.0 <= first.0 + 0.01 && last.1 <= first.1 + 0.01,
        "calls grow faster than namespaces: {first:?} {last:?}"
    );
    let figures = beside_nvmetcli(ctx, [4, 1024])?;
    ctx.note(&figures);
    Ok(())
}
