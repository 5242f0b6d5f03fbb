//! What programs are told: failures as objects, names of machines in place of addresses, entries to be left alone, and ways out of an identity that does not
//! fit together.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nvme_examples::vm::Release;
use nvme_fabrics::config::{NewExclusion, exclude, include};
use nvme_fabrics::{FabricsDevice as _, Inventory, OsDevice, Sysfs};
use serde_json::Value;

use super::fabrics_discover::{connected, leave_all};
use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_answers::failures_as_json", failures_as_json),
    Case::new("fabrics_answers::names_of_machines", names_of_machines),
    Case::new("fabrics_answers::exclusions_that_are_written", exclusions_that_are_written),
    Case::new("fabrics_answers::an_identity_that_does_not_fit", an_identity_that_does_not_fit),
    Case::new("fabrics_answers::a_target_gives_no_commands_to_a_terminal", no_commands_to_a_terminal),
    Case::new("fabrics_answers::what_is_wrong_is_named", what_is_wrong_is_named),
];

const NQN: &str = "nqn.2024-05.org.example:answers";
const LIST: &str = "/etc/nvme/exclusions.conf";

fn target(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec(NQN, &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    Ok(())
}

/// The one object that a program prints when it fails, its error.
fn error_of(ctx: &mut Ctx, program: &str, args: &[&str]) -> Result<Value, Failure> {
    let ran = ctx.try_run(program, [args, &["--json"]].concat())?;
    ensure_eq!(ran.code, Some(1), format!("exit status of {program} {args:?}"));
    ensure!(ran.stderr.starts_with("error: ") || ran.stderr.contains("\nerror: "), "{ran:?}");
    let value: Value = serde_json::from_str(&ran.stdout)?;
    ensure_eq!(value["version"], 1, "version");
    ctx.note(&value["error"].to_string());
    Ok(value["error"].clone())
}

fn failures_as_json(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let place = |port: &'static str| ["-t", "tcp", "-a", "127.0.0.1", "-s", port];
    let nothing = error_of(ctx, "connect", &[&place("1")[..], &["-n", NQN]].concat())?;
    ensure_eq!(
        (&nothing["kind"], &nothing["errno_name"], &nothing["retryable"]),
        (&"nothing-listens".into(), &"ECONNREFUSED".into(), &true.into()),
        "a closed port"
    );
    let other =
        error_of(ctx, "connect", &[&place("4420")[..], &["-n", "nqn.2024-05.org.example:no"]].concat())?;
    ensure_eq!(
        (&other["kind"], &other["retryable"]),
        (&"subsystem-not-found".into(), &false.into()),
        "its NQN"
    );
    ensure!(other["hint"].as_str().is_some_and(|hint| hint.contains("NQN")), "{other}");
    let refused = if ctx.release() == Release::V6_1 { "tls" } else { "no_such_option" };
    let flag = if refused == "tls" { vec!["--tls"] } else { vec!["-O", "no_such_option=1"] };
    let unknown = error_of(ctx, "connect", &[&place("4420")[..], &["-n", NQN], &flag].concat())?;
    ensure_eq!(
        (&unknown["kind"], &unknown["option"]),
        (&"unknown-option".into(), &refused.into()),
        "an option"
    );
    let me = scene::me()?;
    let (host, id) = (me.nqn.to_string(), me.id.to_string());
    let as_me = [&place("4420")[..], &["-n", NQN, "-q", &*host, "-I", &*id]].concat();
    ctx.run("connect", &as_me)?;
    let twice = error_of(ctx, "connect", &as_me)?;
    ensure_eq!(twice["kind"], "already-connected", "the same again");
    ensure!(twice["controller"].as_str().is_some_and(|name| name.starts_with("nvme")), "{twice}");
    let gone = error_of(ctx, "disconnect", &["-n", "nqn.2024-05.org.example:no"])?;
    ensure_eq!(gone["kind"], "nothing-matched", "disconnect");
    let deaf = error_of(ctx, "discover", &["-a", "127.0.0.1", "-s", "1", "--kernel"])?;
    ensure_eq!((&deaf["kind"], &deaf["errno"]), (&"nothing-listens".into(), &111.into()), "discover");
    let deaf = error_of(ctx, "discover", &["-a", "127.0.0.1", "-s", "1", "--user"])?;
    ensure_eq!(deaf["kind"], "discovery", "discover in user space");
    leave_all()?;
    scene::clear_target()
}

fn names_of_machines(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let before = fs::read_to_string("/etc/hosts")?;
    fs::write("/etc/hosts", format!("{before}127.0.0.1 storage.example\n"))?;
    let outcome = by_name(ctx);
    fs::write("/etc/hosts", before)?;
    outcome?;
    leave_all()?;
    scene::clear_target()
}

fn by_name(ctx: &mut Ctx) -> Result<(), Failure> {
    let place = ["-a", "storage.example", "-s", "4420"];
    ctx.run("connect", [&["-t", "tcp"], &place[..], &["-n", NQN]].concat())?;
    // The kernel was given the number.
    let inventory = Inventory::scan(&Sysfs::system())?;
    let addresses: Vec<_> = inventory.controllers().map(|(_, c)| c.address.traddr.clone()).collect();
    ensure_eq!(addresses, vec![Some("127.0.0.1".to_owned())], "address");
    let found = ctx.run("discover", place)?.stdout;
    ensure!(found.contains(NQN), "{found}");
    leave_all()?;
    let path = ctx.scratch().join("nvme-fabrics.conf").to_string_lossy().into_owned();
    fs::write(
        &path,
        format!(
            "[Subsystem]\nnqn = {NQN}\ncontroller = transport=tcp;traddr=storage.example;trsvcid=4420\n\
             controller = transport=tcp;traddr=nowhere.invalid;trsvcid=4420\n"
        ),
    )?;
    let ran = ctx.try_run("connect", ["--config", &*path])?;
    ctx.note(&format!("{}\n{}", ran.stdout.trim(), ran.stderr.trim()));
    ensure!(ran.code == Some(1), "{ran:?}");
    ensure!(ran.stderr.contains(":4:14: `traddr`: `nowhere.invalid` has no address"), "{}", ran.stderr);
    ensure_eq!(connected()?.len(), 1, "by its name");
    Ok(())
}

fn exclusions_that_are_written(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let place = ["--all", "-a", "127.0.0.1", "-s", "4420"];
    let entry = NewExclusion::subsystem(&scene::subsystem(NQN)?)?;
    ensure!(exclude(Path::new(LIST), &entry)?, "it was there before");
    let ran = ctx.try_run("connect", place);
    let taken_out = include(Path::new(LIST), &entry)?;
    let ran = ran?;
    ensure!(taken_out && ran.code == Some(0) && ran.stderr.contains("excluded by"), "{ran:?}");
    ensure!(connected()?.is_empty(), "it was connected all the same");
    ctx.run("connect", place)?;
    ensure_eq!(connected()?.len(), 1, "once the entry is out");
    fs::remove_file(LIST)?;
    leave_all()?;
    scene::clear_target()
}

/// A subsystem whose name holds what terminals obey: each program shows it, and none passes it on.
fn no_commands_to_a_terminal(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let nasty = format!("{NQN}\u{1b}[31m\u{9b}2J\u{7f}\r");
    let root = Path::new("/sys/kernel/config/nvmet");
    let (subsystem, link) =
        (root.join("subsystems").join(&nasty), root.join("ports/1/subsystems").join(&nasty));
    fs::create_dir(&subsystem)?;
    fs::write(subsystem.join("attr_allow_any_host"), "1")?;
    symlink(&subsystem, &link)?;
    let host = scene::me()?;
    OsDevice::system().create(&format!(
        "transport=tcp,traddr=127.0.0.1,trsvcid=4420,nqn={nasty},hostnqn={},hostid={}",
        host.nqn, host.id
    ))?;
    let outcome = all_programs(ctx);
    leave_all()?;
    fs::remove_file(&link)?;
    fs::remove_dir(&subsystem)?;
    outcome?;
    scene::clear_target()
}

fn all_programs(ctx: &mut Ctx) -> Result<(), Failure> {
    let place = ["-a", "127.0.0.1", "-s", "4420"];
    let with = |more: &[&'static str]| [&place[..], more].concat();
    let runs = [
        ("list", vec!["--subsys"]),
        ("list", vec!["--subsys", "--json"]),
        ("list", vec!["--verbose"]),
        ("disconnect", vec!["-n", "nqn.2024-05.org.example:no"]),
        ("disconnect", vec!["-n", "nqn.2024-05.org.example:no", "--json"]),
        ("disconnect", vec!["--all", "--dry-run"]),
        ("discover", with(&["--kernel"])),
        ("discover", with(&["--kernel", "--json"])),
        ("discover", with(&["--user"])),
        ("connect", with(&["--all"])),
        ("connect", with(&["--all", "--json"])),
        ("target", vec!["show"]),
        ("target", vec!["show", "--json"]),
        ("target", vec!["show", "--dot"]),
    ];
    for (program, args) in runs {
        let ran = ctx.try_run(program, &args)?;
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
        ensure!(!said.contains(obeyed), "{program} {args:?}: {said:?}");
        ensure!(said.contains("answers"), "{program} {args:?} says nothing of it: {said}");
    }
    Ok(())
}

/// Wrong usage: exit status 2, and the option and the text that was given for it.
fn what_is_wrong_is_named(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let (at, long) = (["-t", "tcp", "-n", NQN, "-a"], "h".repeat(223));
    let connect =
        |more: &[&str]| ("connect", [&at[..], more].concat().iter().map(|w| (*w).to_owned()).collect());
    let discover =
        |more: &[&str]| ("discover", more.iter().map(|w| (*w).to_owned()).collect::<Vec<String>>());
    let wrong = [
        (connect(&["300.1.1.1"]), "`300.1.1.1`"),
        (connect(&["::1", "-w", "1.2.3"]), "`1.2.3`"),
        (connect(&["::1", "-s", "70000"]), "70000"),
        (connect(&["::1", "-s", "0"]), "trsvcid=0"),
        (connect(&["::1", "-q", "a,b"]), "a,b"),
        (connect(&["::1", "-I", "1234"]), "1234"),
        (connect(&["::1", "-Q", "15"]), "queue_size=15"),
        (connect(&["::1", "-k", "0"]), "keep_alive_tmo=0"),
        (connect(&["::1", "-f", "no/such"]), "no/such"),
        (connect(&["::1", "-q", &long]), "hostnqn of 223 bytes"),
        (discover(&["-a", "300.1.1.1"]), "300.1.1.1"),
        (discover(&["-a", "::1", "-s", "x"]), "'x'"),
        (discover(&["-a", "::1", "--kernel", "-q", &long]), "hostnqn of 223 bytes"),
    ];
    for ((program, args), named) in wrong {
        let ran = ctx.try_run(program, &args)?;
        ensure!(ran.code == Some(2) && ran.stderr.contains(named), "{program} {args:?}: {named}: {ran:?}");
    }
    // In user space the specification's 223 bytes do, whether asked for or because the kernel cannot.
    for how in [&["--user"][..], &[]] {
        let args = [&["-a", "127.0.0.1", "-s", "4420", "-q", &long][..], how].concat();
        ensure!(ctx.run("discover", &args)?.stdout.contains(NQN), "{how:?}");
    }
    scene::clear_target()
}

/// Both halves in the files, of two hosts: used as they are, and mended only when somebody says how.
fn an_identity_that_does_not_fit(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let (nqn, id) = ("/etc/nvme/hostnqn", "/etc/nvme/hostid");
    let uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    fs::create_dir_all("/etc/nvme")?;
    fs::write(nqn, format!("nqn.2014-08.org.nvmexpress:uuid:{uuid}\n"))?;
    fs::write(id, "11111111-2222-4333-8444-555555555555\n")?;
    let outcome = mended(ctx, id, uuid);
    fs::remove_file(nqn)?;
    fs::remove_file(id)?;
    outcome?;
    leave_all()?;
    scene::clear_target()
}

fn mended(ctx: &mut Ctx, id: &str, uuid: &str) -> Result<(), Failure> {
    let place = ["-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-n", NQN];
    let ran = ctx.try_run("connect", place)?;
    ensure!(ran.code == Some(0) && ran.stderr.contains("`keys host` shows the ways out"), "{ran:?}");
    ensure!(fs::read_to_string(id)?.starts_with("11111111"), "the file was changed in silence");
    leave_all()?;
    let shown = ctx.run("keys", ["host"])?.stdout;
    ctx.note(shown.trim());
    for wanted in ["keys host --keep nqn", "keys host --keep id", "nothing is changed"] {
        ensure!(shown.contains(wanted), "{wanted} is not in {shown}");
    }
    ctx.run("keys", ["host", "--keep", "nqn"])?;
    ensure_eq!(fs::read_to_string(id)?.trim(), uuid, "host id");
    let shown: Value = serde_json::from_str(&ctx.run("keys", ["host", "--json"])?.stdout)?;
    ensure_eq!(shown["proposals"], serde_json::json!([]), "what is left to do");
    let again = ctx.try_run("keys", ["host", "--keep", "id"])?;
    ensure_eq!(again.code, Some(1), "nothing to mend");
    Ok(())
}
