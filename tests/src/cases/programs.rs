//! The programs as a person uses them: the target's half and the host's half of the guide, by hand.

use serde_json::Value;

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("programs::the_guide_by_hand", the_guide_by_hand),
    Case::new("programs::target_create_adds_and_never_takes_away", target_create_adds_and_never_takes_away),
    Case::new("programs::a_dry_run_changes_nothing", a_dry_run_changes_nothing),
    Case::new("programs::target_check_changes_nothing", target_check_changes_nothing),
    Case::new("programs::digests_and_queues_arrive", digests_and_queues_arrive),
];

fn json(text: &str) -> Result<Value, Failure> {
    Ok(serde_json::from_str(text)?)
}

fn create<'a>(nqn: &'a str, device: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["create", "-n", nqn, "--device", device, "-a", "127.0.0.1"];
    words.extend(more);
    words
}

fn the_guide_by_hand(ctx: &mut Ctx) -> Result<(), Failure> {
    let disk = ctx.ram_disk(0)?.display().to_string();
    // Whatever an earlier case loaded: create --load does it where it is missing.
    ctx.run("target", create("mysub", &disk, &["--allow-any-host", "--load"]))?;
    ctx.modprobe("nvme-tcp")?;
    let shown = ctx.run("target", ["show"])?.stdout;
    for wanted in [
        "subsystem mysub",
        "hosts: any",
        "namespace 1: enabled",
        "port 1: enabled, tcp 127.0.0.1 4420",
        "exports mysub",
    ] {
        ensure!(shown.contains(wanted), "target show lacks {wanted:?}:\n{shown}");
    }
    let tree = json(&ctx.run("target", ["show", "--json"])?.stdout)?;
    ensure_eq!(tree["ports"]["1"]["attributes"]["addr_trsvcid"].as_str(), Some("4420"), "port in the JSON");

    let found = json(&ctx.run("discover", ["-a", "127.0.0.1", "-s", "4420", "--json"])?.stdout)?;
    let names: Vec<_> =
        found["records"].as_array().into_iter().flatten().map(|r| r["subnqn"].clone()).collect();
    ensure!(names.contains(&Value::from("mysub")), "{names:?}");

    let connected = json(
        &ctx.run("connect", ["-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-n", "mysub", "--json"])?.stdout,
    )?;
    let device = connected["device"].as_str().unwrap_or_default().to_owned();
    ensure!(std::path::Path::new(&device).exists(), "{connected}");
    let listed = ctx.run("list", [] as [&str; 0])?.stdout;
    ensure!(listed.contains(&device), "{listed}");
    let listed = json(&ctx.run("list", ["--json"])?.stdout)?;
    ensure_eq!(listed["namespaces"][0]["device"].as_str(), Some(&*device), "device in the JSON");
    ensure_eq!(
        listed["namespaces"][0]["bytes"].as_u64(),
        Some(std::fs::read(&disk)?.len() as u64),
        "size in the JSON"
    );
    ensure!(
        listed["namespaces"][0]["used_blocks"].is_u64(),
        "blocks in use, also on kernels without `nuse`: {listed}"
    );
    let subsystems = ctx.run("list", ["--subsys"])?.stdout;
    ensure!(subsystems.contains("NQN=mysub") && subsystems.contains("live"), "{subsystems}");

    let plan = json(&ctx.run("disconnect", ["-n", "mysub", "--dry-run", "--json"])?.stdout)?;
    ensure_eq!(plan["would_disconnect"], serde_json::json!([connected["controller"]]), "what would go");
    let gone = ctx.run("disconnect", ["-n", "mysub"])?.stdout;
    ensure!(gone.starts_with("disconnected 1 controller"), "{gone}");
    ctx.run("target", ["clear"])?;
    ensure!(ctx.run("target", ["show"])?.stdout.starts_with("the target is empty"), "not cleared");
    Ok(())
}

fn target_create_adds_and_never_takes_away(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let (one, two) = (ctx.ram_disk(0)?.display().to_string(), ctx.ram_disk(1)?.display().to_string());
    ctx.run("target", create("mysub", &one, &["--host", "nqn.2024-05.org.example:a"]))?;
    ctx.run("target", create("mysub", &one, &["--host", "nqn.2024-05.org.example:b"]))?;
    ctx.run("target", create("other", &two, &["--allow-any-host"]))?;
    let shown = ctx.run("target", ["show"])?.stdout;
    for wanted in ["nqn.2024-05.org.example:a", "nqn.2024-05.org.example:b", "exports mysub", "exports other"]
    {
        ensure!(shown.contains(wanted), "target show lacks {wanted:?}:\n{shown}");
    }
    let before = ctx.nvmet_dump()?;
    for more in [&["--allow-any-host"][..], &["--host", "x", "-s", "4421"][..]] {
        let ran = ctx.try_run("target", create("mysub", &one, more))?;
        ensure_eq!(ran.code, Some(1), format!("exit status for {more:?}: {}", ran.stderr));
        ctx.note(ran.stderr.trim());
    }
    let ran = ctx.try_run("target", create("mysub", &two, &["--host", "x"]))?;
    ensure!(ran.code == Some(1) && ran.stderr.contains(&one), "{}", ran.stderr);
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    let again = ctx.run("target", create("other", &two, &["--allow-any-host"]))?.stdout;
    ensure_eq!(again, "nothing to do\n", "the same create again");
    scene::clear_target()
}

fn a_dry_run_changes_nothing(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let disk = ctx.ram_disk(0)?.display().to_string();
    let empty = ctx.nvmet_dump()?;
    let shown = ctx.run("target", create("mysub", &disk, &["--allow-any-host", "--dry-run"]))?.stdout;
    ensure!(shown.contains("make subsystems/mysub") && shown.ends_with("nothing was changed\n"), "{shown}");
    ensure_eq!(ctx.nvmet_dump()?, empty, "the tree after create --dry-run");
    ctx.run("target", create("mysub", &disk, &["--allow-any-host"]))?;
    let full = ctx.nvmet_dump()?;
    let shown = ctx.run("target", ["clear", "--dry-run"])?.stdout;
    ensure!(shown.contains("remove subsystems/mysub") && shown.contains("disturbs: "), "{shown}");
    let shown = json(&ctx.run("target", ["clear", "--dry-run", "--json"])?.stdout)?;
    ensure!(shown["disruptions"].as_array().is_some_and(|all| !all.is_empty()), "{shown}");
    ensure_eq!(ctx.nvmet_dump()?, full, "the tree after clear --dry-run");
    scene::clear_target()
}

fn target_check_changes_nothing(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let before = ctx.nvmet_dump()?;
    let text = ctx.run("target", ["check"])?.stdout;
    ensure!(text.contains(ctx.uname()) && text.contains("ready "), "{text}");
    ctx.note(&text);
    let value = json(&ctx.run("target", ["check", "--json"])?.stdout)?;
    ensure_eq!(value["possible"].as_bool(), Some(true), "possible");
    ensure_eq!(value["problems"].as_array().map(Vec::len), Some(0), "problems");
    ensure_eq!(ctx.nvmet_dump()?, before, "the tree");
    Ok(())
}

fn digests_and_queues_arrive(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let disk = ctx.ram_disk(0)?.display().to_string();
    ctx.run("target", create("mysub", &disk, &["--allow-any-host"]))?;
    let options = ["-g", "-G", "-i", "1", "-Q", "32", "-k", "7", "-c", "3", "-l", "9", "--json"];
    let connected = json(
        &ctx.run("connect", ["-t", "tcp", "-a", "127.0.0.1", "-n", "mysub"].into_iter().chain(options))?
            .stdout,
    )?;
    let name = connected["controller"].as_str().unwrap_or_default().to_owned();
    let of = |attribute: &str| -> Result<String, Failure> {
        Ok(std::fs::read_to_string(format!("/sys/class/nvme/{name}/{attribute}"))?.trim().to_owned())
    };
    for (attribute, wanted) in [
        ("queue_count", "2"),
        ("sqsize", "31"),
        ("kato", "7"),
        ("reconnect_delay", "3"),
        ("ctrl_loss_tmo", "9"),
    ] {
        ensure_eq!(of(attribute)?, wanted, attribute);
    }
    // With digests on, data written and read back goes through both checks.
    let device = connected["device"].as_str().unwrap_or_default().to_owned();
    ctx.run("dd", ["if=/dev/urandom", "of=/tmp/case/random", "bs=1M", "count=4"])?;
    ctx.run("dd", ["if=/tmp/case/random", &format!("of={device}"), "bs=1M", "count=4", "conv=fsync"])?;
    ctx.run("cmp", ["-n", "4194304", "/tmp/case/random", &disk])?;
    ctx.run("disconnect", ["-d", &name])?;
    scene::clear_target()
}
