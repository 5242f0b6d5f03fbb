//! The guide, from step 1 to step 4.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nvme_examples::filesystem::{Checked, Mounted, make_ext4};
use nvme_examples::guide::{Guide, Telling};
use nvme_fabrics::{Cancel, Inventory, Sysfs};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("guide::plays_from_start_to_end", plays_from_start_to_end),
    Case::new("guide::plays_with_a_host_nqn_of_ones_own", plays_with_a_host_nqn_of_ones_own),
    Case::new("guide::the_program_says_what_it_did", the_program_says_what_it_did),
    Case::new("guide::ext4_survives_a_reconnect", ext4_survives_a_reconnect),
    Case::new("guide::a_failing_step_puts_everything_back", a_failing_step_puts_everything_back),
    Case::new("guide::ctrl_c_puts_everything_back", ctrl_c_puts_everything_back),
    Case::new(
        "guide::a_disk_that_does_not_appear_can_be_given_up",
        a_disk_that_does_not_appear_can_be_given_up,
    ),
    Case::new(
        "guide::a_reader_that_goes_away_leaves_nothing_behind",
        a_reader_that_goes_away_leaves_nothing_behind,
    ),
    Case::new("guide::a_disk_with_data_is_not_touched", a_disk_with_data_is_not_touched),
];

fn guide(device: PathBuf) -> Result<Guide, Failure> {
    Ok(Guide {
        device: Some(device),
        overwrite: true,
        nqn: scene::subsystem("mysub")?,
        traddr: "127.0.0.1".parse()?,
        trsvcid: scene::PORT,
        host_nqn: None,
        runtime: Duration::from_secs(1),
    })
}

fn play(guide: &Guide) -> Result<Vec<String>, Failure> {
    let played = guide.play(Telling::Quiet, Cancel::new());
    played.outcome?;
    played.put_back?;
    Ok(played.steps.into_iter().flat_map(|step| step.did).collect())
}

fn plays_from_start_to_end(ctx: &mut Ctx) -> Result<(), Failure> {
    let did = play(&guide(ctx.ram_disk(0)?)?)?.join("\n");
    for wanted in [
        "mysub",
        "port 1 is enabled",
        "/dev/nvme",
        "mkfs.ext4",
        "the same",
        "random write",
        "disconnected nvme",
    ] {
        ensure!(did.contains(wanted), "the story lacks {wanted:?}:\n{did}");
    }
    Ok(())
}

fn plays_with_a_host_nqn_of_ones_own(ctx: &mut Ctx) -> Result<(), Failure> {
    let mut guide = guide(ctx.ram_disk(0)?)?;
    guide.host_nqn = Some("nqn.2024-05.org.example:guide-host".parse()?);
    let did = play(&guide)?.join("\n");
    ensure!(did.contains("as host nqn.2024-05.org.example:guide-host"), "{did}");
    Ok(())
}

fn the_program_says_what_it_did(ctx: &mut Ctx) -> Result<(), Failure> {
    let disk = ctx.ram_disk(0)?;
    let disk = disk.to_string_lossy();
    let out = ctx.run("guide", ["--kernel", "--device", &*disk, "--overwrite", "--runtime", "1"])?;
    ensure!(out.stdout.ends_with("nothing is left behind\n"), "{}", out.stdout);
    let json =
        ctx.run("guide", ["--kernel", "--device", &*disk, "--overwrite", "--runtime", "1", "--json"])?;
    let value: serde_json::Value = serde_json::from_str(&json.stdout)?;
    ensure_eq!(value["steps"].as_array().map(Vec::len), Some(11), "steps in the JSON");
    Ok(())
}

fn ext4_survives_a_reconnect(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let disk = ctx.ram_disk(0)?;
    scene::configure(&scene::guide_spec("mysub", &disk, "127.0.0.1")?)?;

    let first = scene::connect_as(scene::me()?, "mysub", "127.0.0.1")?;
    let device = scene::device_of(first.controller)?;
    make_ext4(&device)?;
    let point = ctx.scratch().join("mnt");
    let mounted = Mounted::mount(&device, &point)?;
    let checked = Checked::write(&point.join("file"), 16 << 20, 42)?;
    mounted.unmount()?;
    scene::leave(first.controller)?;
    ensure!(Inventory::scan(&Sysfs::system())?.controllers().next().is_none(), "a controller is left");

    let second = scene::connect_as(scene::me()?, "mysub", "127.0.0.1")?;
    let device = scene::device_of(second.controller)?;
    let mounted = Mounted::mount(&device, &point)?;
    checked.verify()?;
    mounted.unmount()?;
    scene::leave(second.controller)?;
    scene::clear_target()
}

/// The target listens on another address than this machine has: configuring fails after the subsystem was made.
fn a_failing_step_puts_everything_back(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let before = ctx.nvmet_dump()?;
    let mut guide = guide(ctx.ram_disk(0)?)?;
    guide.traddr = "192.0.2.77".parse()?;
    let played = guide.play(Telling::Quiet, Cancel::new());
    let Err(error) = played.outcome else { return Err(Failure::new("the guide did not fail")) };
    let text = nvme_examples::cli::explain(&error);
    ensure!(text.contains("192.0.2.77") || text.contains("address"), "{text}");
    ctx.note(&text);
    played.put_back?;
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    Ok(())
}

/// The guide on a memory disk for a minute, its output to be read line by line.
fn start(ctx: &mut Ctx, more: &[&str]) -> Result<Child, Failure> {
    let disk = ctx.ram_disk(0)?;
    let mut command = Command::new("guide");
    command.args(["--kernel", "--device"]).arg(disk).args(["--overwrite", "--runtime", "60"]).args(more);
    Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// What the guide says, line by line.
type Lines = std::io::Lines<BufReader<ChildStdout>>;

fn lines(guide: &mut Child) -> Result<Lines, Failure> {
    Ok(BufReader::new(guide.stdout.take().ok_or_else(|| Failure::new("no stdout"))?).lines())
}

/// Reads until the guide says this.
fn until(lines: &mut Lines, wanted: &str) -> Result<(), Failure> {
    let mut seen = String::new();
    while !seen.contains(wanted) {
        let line = lines.next().ok_or_else(|| Failure::new(format!("the guide ended: {seen}")))??;
        seen.push_str(&line);
        seen.push('\n');
    }
    Ok(())
}

fn signal(guide: &Child, signal: Signal) -> Result<(), Failure> {
    Ok(kill(Pid::from_raw(guide.id().try_into()?), signal)?)
}

/// A guide that a signal stopped: it has disconnected, and its exit status says so. Gives what stands on stderr.
fn put_back(guide: Child, lines: Lines) -> Result<String, Failure> {
    let rest: String = lines.map_while(Result::ok).map(|line| line + "\n").collect();
    let output = guide.wait_with_output()?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure_eq!(output.status.code(), Some(130), format!("exit status: {stderr}"));
    ensure!(rest.contains("Put everything back") && rest.contains("disconnected nvme"), "{rest}");
    Ok(stderr)
}

/// Nothing of the guide's is left on the host's side; the target's side and the mounts are looked at after every case.
fn nothing_is_left() -> Result<(), Failure> {
    ensure!(Inventory::scan(&Sysfs::system())?.controllers().next().is_none(), "a controller is left");
    for entry in std::fs::read_dir("/tmp")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        ensure!(!name.starts_with("nvme-guide-"), "/tmp/{name} is left");
    }
    Ok(())
}

/// While the profile runs, everything is there: a target, a controller, a mounted file system with open files.
fn ctrl_c_puts_everything_back(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let before = ctx.nvmet_dump()?;
    let mut child = start(ctx, &[])?;
    let mut lines = lines(&mut child)?;
    until(&mut lines, "queue depth 32")?;
    ensure!(ctx.nvmet_dump()? != before, "the guide has made nothing");
    signal(&child, Signal::SIGINT)?;
    let stderr = put_back(child, lines)?;
    ctx.note(stderr.trim());
    ensure!(stderr.contains("interrupted"), "{stderr}");
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    nothing_is_left()
}

/// The namespace is disabled again before the guide connects, so that its wait for the disk has no end of its own for a minute.
fn a_disk_that_does_not_appear_can_be_given_up(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let before = ctx.nvmet_dump()?;
    let mut child = start(ctx, &[])?;
    let mut lines = lines(&mut child)?;
    // The target is configured and verified by then; discovering and connecting are yet to come.
    until(&mut lines, "Load the host's module")?;
    signal(&child, Signal::SIGSTOP)?;
    std::fs::write("/sys/kernel/config/nvmet/subsystems/mysub/namespaces/1/enable", "0")?;
    signal(&child, Signal::SIGCONT)?;
    until(&mut lines, "is controller")?;
    signal(&child, Signal::SIGTERM)?;
    let stderr = put_back(child, lines)?;
    ctx.note(stderr.trim());
    ensure!(stderr.contains("stopped waiting for nvme"), "{stderr}");
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    nothing_is_left()
}

/// `guide | head -n 9`.
fn a_reader_that_goes_away_leaves_nothing_behind(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let before = ctx.nvmet_dump()?;
    let mut child = start(ctx, &[])?;
    let mut lines = lines(&mut child)?;
    // Step 5 connects, so it runs into the closed pipe with a target and a controller made.
    let connects = |line: &str| line.contains("5. Connect");
    ensure!(lines.by_ref().map_while(Result::ok).any(|line| connects(&line)), "the guide ended before");
    drop(lines);
    let output = child.wait_with_output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure_eq!(output.status.code(), Some(0), format!("exit status: {stderr}"));
    ensure!(stderr.is_empty(), "{stderr}");
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    nothing_is_left()
}

fn a_disk_with_data_is_not_touched(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let disk = ctx.ram_disk(0)?;
    make_ext4(&disk)?;
    let (data, before) = (std::fs::read(&disk)?, ctx.nvmet_dump()?);
    let ran = ctx.try_run("guide", ["--kernel".as_ref(), "--device".as_ref(), disk.as_os_str()])?;
    ensure_eq!(ran.code, Some(1), "exit status");
    ensure!(ran.stderr.contains("--overwrite") && ran.stderr.contains("/dev/ram0"), "{}", ran.stderr);
    ctx.note(ran.stderr.trim());
    ensure!(std::fs::read(&disk)? == data, "the disk was written to");
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    Ok(())
}
