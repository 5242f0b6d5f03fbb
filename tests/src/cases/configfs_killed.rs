//! Whoever changes a target may die halfway: whatever is left then, the next change reaches its goal.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nvmet_configfs::file::{self, Format, Secrets};
use nvmet_configfs::{Errno, Instrumented, OsTree, TargetSpec, apply, clear, plan};

use super::{scene, states};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("configfs_killed::death_at_any_step_is_survived", death_at_any_step_is_survived),
    Case::new(
        "configfs_killed::a_killed_program_leaves_nothing_in_the_way",
        a_killed_program_leaves_nothing_in_the_way,
    ),
];

/// From `from` to `to`, dying before each step in turn: nothing is done from then on, not even taken back. Gives the number of steps.
fn die_everywhere(from: Option<&TargetSpec>, to: &TargetSpec) -> Result<usize, Failure> {
    let tree = OsTree::open_default()?;
    let begin = || match from {
        Some(from) => states::reach(&tree, from).map(drop),
        None => Ok(clear(&tree).map(drop)?),
    };
    let wanted = states::reach(&tree, to)?;
    begin()?;
    let steps = states::steps(&tree, to)?;
    for step in 0..steps {
        let dying = Instrumented::new(OsTree::open_default()?);
        // More calls than any attempt to take things back can make.
        (step..steps * 20).for_each(|call| dying.fail_mutation(call, Errno::EIO));
        let plan = plan(&dying, to, &states::exactly())?;
        ensure_eq!(plan.len(), steps, "steps, from the same state as before");
        ensure!(apply(&dying, &plan).is_err(), "step {step} of {steps} was done by a dead program");
        let reached =
            states::reach(&tree, to).map_err(|e| e.while_doing(format!("after death at step {step}")))?;
        states::ensure_same(
            &reached,
            &wanted,
            format!("the tree after death at step {step} of {steps} and a second attempt"),
        )?;
        begin()?;
    }
    clear(&tree)?;
    Ok(steps)
}

fn death_at_any_step_is_survived(ctx: &mut Ctx) -> Result<(), Failure> {
    let [first, second] = states::both(ctx)?;
    let made = die_everywhere(None, &first)?;
    let changed = die_everywhere(Some(&first), &second)?;
    let emptied = die_everywhere(Some(&second), &TargetSpec::new())?;
    ctx.note(&format!(
        "died before each of {made} steps of making, {changed} of changing, {emptied} of removing"
    ));
    Ok(())
}

/// Namespaces of the target that is made and killed: enough that the program is still at it when it is killed.
const NAMESPACES: u32 = 48;

/// The first state with many more namespaces, as a file and a file of keys.
fn files(ctx: &Ctx, spec: &TargetSpec, name: &str) -> Result<[PathBuf; 2], Failure> {
    let paths = [ctx.scratch().join(format!("{name}.toml")), ctx.scratch().join(format!("{name}.keys.toml"))];
    file::write(&paths[0], &file::to_text(spec, Format::Toml))?;
    file::write(&paths[1], &Secrets::of(spec).to_text(Format::Toml))?;
    Ok(paths)
}

fn command([file, keys]: &[PathBuf; 2]) -> Command {
    let mut command = Command::new("target");
    command.arg("apply").arg(file).arg("--secrets").arg(keys);
    command.args(["--prune", "--disturb", "--unknown", "ignore"]);
    command
}

fn kill_child(child: &Child) -> Result<(), Failure> {
    let pid = i32::try_from(child.id()).map_err(|_| Failure::new("a process id that is none"))?;
    Ok(kill(Pid::from_raw(pid), Signal::SIGKILL)?)
}

/// Runs `target apply` until `sign` is there (or gone, as `until` says), and kills it. Whether it was still running.
fn killed_when(files: &[PathBuf; 2], sign: &Path, until: Sign) -> Result<bool, Failure> {
    let mut child =
        command(files).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let end = Instant::now() + scene::PATIENCE;
    while sign.exists() != (until == Sign::Appears) {
        if Instant::now() > end || child.try_wait()?.is_some() {
            break;
        }
    }
    kill_child(&child)?;
    Ok(child.wait()?.signal() == Some(Signal::SIGKILL as i32))
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Appears,
    Goes,
}

fn a_killed_program_leaves_nothing_in_the_way(ctx: &mut Ctx) -> Result<(), Failure> {
    let [mut first, second] = states::both(ctx)?;
    let (open, disk) =
        (scene::subsystem("nqn.2024-05.org.example:open")?, scene::disk(Path::new("/dev/ram0"))?.1);
    if let Some(subsystem) = first.subsystems.get_mut(&open) {
        for n in 0..NAMESPACES {
            let uuid = format!("f81d4fae-7dec-11d0-a765-00a0c9{n:06x}").parse()?;
            subsystem.namespaces.insert((100 + n).try_into()?, disk.clone().uuid(uuid));
        }
    }
    let tree = OsTree::open_default()?;
    let (down, up) = (files(ctx, &second, "second")?, files(ctx, &first, "first")?);
    let goals = [states::reach(&tree, &first)?, states::reach(&tree, &second)?];
    let nvmet = Path::new("/sys/kernel/config/nvmet");
    let namespace = |n: u32| format!("subsystems/{open}/namespaces/{n}");
    // Up: hosts, ports, subsystems, namespaces; down: exports, namespaces. The last ones leave some work, too.
    let points = [
        (&up, 0, "hosts/nqn.2024-05.org.example:bob".to_owned(), Sign::Appears),
        (&down, 1, "ports/2".to_owned(), Sign::Goes),
        (&up, 0, "ports/2/addr_traddr".to_owned(), Sign::Appears),
        (&down, 1, namespace(101), Sign::Goes),
        (&up, 0, namespace(100), Sign::Appears),
        (&down, 1, namespace(140), Sign::Goes),
        (&up, 0, namespace(120), Sign::Appears),
        (&up, 0, namespace(140), Sign::Appears),
    ];
    let mut killed = 0;
    for (files, goal, sign, until) in points {
        let was_running = killed_when(files, &nvmet.join(&sign), until)?;
        let halfway = states::whole()? != goals[goal];
        killed += usize::from(was_running && halfway);
        let run = command(files).output()?;
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        ensure!(run.status.success(), "{sign}: the next program failed: {said}");
        states::ensure_same(
            &states::whole()?,
            &goals[goal],
            format!("{sign}: the tree is not as the file says"),
        )?;
        let again = command(files).output()?.stdout;
        ensure!(again.starts_with(b"nothing to do"), "{sign}: {}", String::from_utf8_lossy(&again));
    }
    ensure!(killed >= 5, "only {killed} programs were killed halfway");
    ctx.note(&format!("{killed} of 8 programs were killed halfway; each time the next one reached the goal"));
    Ok(clear(&tree).map(drop)?)
}
