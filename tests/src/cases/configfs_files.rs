//! Files that describe a target, and programs that change it at the same time.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nvme_examples::vm::Release;
use nvmet_configfs::file::{self, Format, Secrets};
use nvmet_configfs::{ApplyFailure, LockError, OsTree, RelPath, TargetSpec, Tree, apply, clear, plan};

use super::{scene, states};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("configfs_files::a_saved_target_comes_back_as_it_was", a_saved_target_comes_back_as_it_was),
    Case::new("configfs_files::a_file_is_applied_whole_or_refused", a_file_is_applied_whole_or_refused),
    Case::new("configfs_files::a_file_that_is_wrong_says_where", a_file_that_is_wrong_says_where),
    Case::new(
        "configfs_files::a_target_is_saved_whole_or_the_old_file_stays",
        a_target_is_saved_whole_or_the_old_file_stays,
    ),
    Case::new(
        "configfs_files::an_entry_that_cannot_be_used_removes_nothing",
        an_entry_that_cannot_be_used_removes_nothing,
    ),
    Case::new("configfs_files::writers_wait_for_each_other", writers_wait_for_each_other),
    Case::new(
        "configfs_files::a_target_changed_after_the_plan_is_noticed",
        a_target_changed_after_the_plan_is_noticed,
    ),
    Case::new("configfs_files::a_target_is_drawn", a_target_is_drawn),
];

/// Formats of `target save`, the file's name, and whether keys go to a file of their own.
const FORMATS: [(&str, &str, Keys); 3] = [
    ("toml", "own.toml", Keys::Apart),
    ("json", "own.json", Keys::Apart),
    ("nvmetcli", "nvmetcli.json", Keys::Within),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Within,
    Apart,
}

fn a_saved_target_comes_back_as_it_was(ctx: &mut Ctx) -> Result<(), Failure> {
    let both = states::both(ctx)?;
    let tree = OsTree::open_default()?;
    let secrets = ctx.scratch().join("keys").display().to_string();
    for (number, spec) in both.iter().enumerate() {
        let wanted = states::reach(&tree, spec)?;
        for (format, name, keys) in FORMATS {
            let file = ctx.scratch().join(name);
            let text = file.display().to_string();
            let apart: &[&str] = if keys == Keys::Apart { &["--secrets", &secrets] } else { &[] };
            let saved = ctx.try_run("target", ["save", &text, "--format", format].iter().chain(apart))?;
            ensure_eq!(saved.code, Some(0), format!("saving as {format}: {}", saved.stderr));
            ensure_eq!(fs::metadata(&file)?.permissions().mode() & 0o7777, 0o600, format!("mode of {text}"));
            let within = fs::read_to_string(&file)?.contains("DHHC-1:");
            ensure!(!within || keys == Keys::Within, "keys in {text}");
            ctx.run("target", ["clear"])?;
            let restored = ctx.try_run("target", ["restore", &text].iter().chain(apart))?;
            ensure_eq!(restored.code, Some(0), format!("restoring from {format}: {}", restored.stderr));
            // What nvmetcli's format cannot hold is said, and is all that is missing.
            let lost: Vec<String> =
                wanted.lines().filter(|line| line.ends_with("buffered_io=1")).map(str::to_owned).collect();
            let there = states::whole()?;
            if format == "nvmetcli" {
                let unbuffered = wanted.replace("buffered_io=1", "buffered_io=0");
                states::ensure_same(&there, &unbuffered, format!("state {number} from {format}"))?;
                ensure!(!lost.is_empty(), "the state has nothing that the format cannot hold");
                for line in &lost {
                    let path = line.split('=').next().unwrap_or(line);
                    ensure!(
                        saved.stderr.contains(path),
                        "saving does not say that {path} is lost: {}",
                        saved.stderr
                    );
                }
                states::reach(&tree, spec)?;
            } else {
                states::ensure_same(&there, &wanted, format!("state {number} from {format}"))?;
            }
            let again = ctx.run("target", ["restore", &text].iter().chain(apart))?;
            ensure!(
                format == "nvmetcli" || again.stdout == "nothing to do\n",
                "{format}, again: {}",
                again.stdout
            );
            states::reach(&tree, spec)?;
        }
    }
    Ok(clear(&tree).map(drop)?)
}

/// A file and its keys, in the scratch folder.
fn written(ctx: &Ctx, name: &str, spec: &TargetSpec) -> Result<[String; 2], Failure> {
    let paths: [PathBuf; 2] = [ctx.scratch().join(name), ctx.scratch().join(format!("{name}.keys"))];
    file::write(&paths[0], &file::to_text(spec, Format::Toml))?;
    file::write(&paths[1], &Secrets::of(spec).to_text(Format::Toml))?;
    Ok(paths.map(|path| path.display().to_string()))
}

/// Options that make the target exactly what a file says, whatever this kernel is.
const EXACTLY: [&str; 4] = ["--prune", "--disturb", "--unknown", "ignore"];

fn a_file_is_applied_whole_or_refused(ctx: &mut Ctx) -> Result<(), Failure> {
    let [first, second] = states::both(ctx)?;
    let mut wrong = second.clone();
    let tree = OsTree::open_default()?;
    let before = states::reach(&tree, &first)?;
    // A device that is not there: found only when the kernel opens it, when much else is done.
    let namespace = wrong
        .subsystems
        .get_mut(&scene::subsystem("nqn.2024-05.org.example:new")?)
        .and_then(|subsystem| subsystem.namespaces.values_mut().next())
        .ok_or_else(|| Failure::new("the second state has no such namespace"))?;
    namespace.device_path = Some("/dev/there-is-none".parse()?);
    let [file, keys] = written(ctx, "wrong.toml", &wrong)?;
    let ran = ctx.try_run("target", ["apply", &file, "--secrets", &keys].iter().chain(&EXACTLY))?;
    ensure_eq!(ran.code, Some(1), format!("exit status: {}", ran.stderr));
    for wanted in ["/dev/there-is-none", "nqn.2024-05.org.example:new", "everything is as before"] {
        ensure!(ran.stderr.contains(wanted), "the error lacks {wanted:?}: {}", ran.stderr);
    }
    states::ensure_same(&states::whole()?, &before, "the tree")?;
    // Without consent nothing that disturbs hosts is begun.
    let [file, keys] = written(ctx, "second.toml", &second)?;
    let ran = ctx.try_run("target", ["apply", &file, "--secrets", &keys, "--unknown", "ignore"])?;
    ensure_eq!(ran.code, Some(1), format!("exit status without --disturb: {}", ran.stderr));
    states::ensure_same(&states::whole()?, &before, "the tree without --disturb")?;
    // Nor by looking.
    let shown = ctx.run("target", ["plan", &file, "--secrets", &keys].iter().chain(&EXACTLY))?.stdout;
    ensure!(shown.contains("disturbs: ") && shown.ends_with("nothing was changed\n"), "{shown}");
    states::ensure_same(&states::whole()?, &before, "the tree after a look")?;
    let done = ctx.run("target", ["apply", &file, "--secrets", &keys].iter().chain(&EXACTLY))?.stdout;
    ensure!(done.ends_with("the target is as the file says\n"), "{done}");
    states::ensure_reached(&tree, &second)?;
    Ok(clear(&tree).map(drop)?)
}

fn a_file_that_is_wrong_says_where(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let before = ctx.nvmet_dump()?;
    let host = r#"{"version": 1, "hosts": {"h": {"dhchap_key": "DHHC-1:00:x:"}}}"#;
    for (text, pointer) in [
        ("version = 1\n[subsystems.s]\nhosts = []\nattr_serail = 'S'\n", "/subsystems/s/attr_serail"),
        ("version = 1\n[subsystems.s]\n", "/subsystems/s: `hosts`"),
        ("version = 1\n[subsystems.s]\nhosts = 'all'\n", "/subsystems/s/hosts"),
        ("version = 1\n[subsystems.s.namespaces.0]\n", "/subsystems/s/namespaces/0"),
        ("version = 1\n[ports.1]\naddr_trtype = 'TCP'\n", "/ports/1"),
        ("version = 1\n[subsystems.s]\nhosts = ['h']\n", "host"),
        ("version = 2\n", "version 2"),
        ("version = [\n", "TOML"),
        (host, "/hosts/h/dhchap_key"),
        ("[1, 2]", "not an object"),
        ("", "is empty"),
        ("version = 1\n[ports.1]\naddr_trtype = 'tpc'\n", "line 2, column 8: /ports/1"),
        (r#"{"subsystems": [{"subsystem": "nvmf", "config": []}]}"#, "no target that nvmetcli saved"),
    ] {
        let file = ctx.scratch().join("wrong");
        fs::write(&file, text)?;
        let ran = ctx.try_run("target", ["apply", &file.display().to_string()])?;
        ensure_eq!(ran.code, Some(1), format!("exit status for {text:?}"));
        ensure!(ran.stderr.contains(pointer), "{text:?} lacks {pointer:?}: {}", ran.stderr);
        ensure!(!ran.stderr.contains("DHHC-1:00:x"), "a key is shown: {}", ran.stderr);
        ensure_eq!(ctx.nvmet_dump()?, before, format!("the tree after {text:?}"));
    }
    Ok(())
}

fn a_target_is_saved_whole_or_the_old_file_stays(ctx: &mut Ctx) -> Result<(), Failure> {
    let [first, _] = states::both(ctx)?;
    let tree = OsTree::open_default()?;
    states::reach(&tree, &first)?;
    let point = ctx.mount("none", "tmpfs")?;
    let file = point.join("config.json");
    let text = file.display().to_string();
    let saved = |ctx: &mut Ctx, to: &str| ctx.try_run("target", ["save", to]);
    ensure_eq!(saved(ctx, &text)?.code, Some(0), "saving onto an empty disk");
    let whole = fs::read(&file)?;
    fs::write(&file, "the old one")?;
    let refused = |ctx: &mut Ctx, to: &str, why: &str| -> Result<(), Failure> {
        let ran = saved(ctx, to)?;
        ensure_eq!(ran.code, Some(1), format!("saving to {to}: {}", ran.stderr));
        ensure!(ran.stderr.contains(to) && ran.stderr.contains(why), "{to}: {}", ran.stderr);
        ensure_eq!(fs::read(&file)?, b"the old one".to_vec(), format!("the old file after {to}"));
        let left = fs::read_dir(&point)?.filter_map(|entry| Some(entry.ok()?.file_name()));
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".new")).collect();
        ensure!(left.is_empty(), "{to} left {left:?}");
        Ok(())
    };
    let flags = |flags, data| mount(None::<&str>, &point, None::<&str>, flags, data);
    // As full as it can be.
    flags(MsFlags::MS_REMOUNT, Some("size=64k"))?;
    while fs::File::options().append(true).create(true).open(point.join("rest"))?.write_all(&[1; 512]).is_ok()
    {
    }
    refused(ctx, &text, "No space left")?;
    fs::remove_file(point.join("rest"))?;
    flags(MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, None)?;
    refused(ctx, &text, "Read-only file system")?;
    flags(MsFlags::MS_REMOUNT, None)?;
    // What a file would replace.
    for (to, why) in [("/dev/full", "a device"), ("/dev/null", "a device"), ("/tmp", "a directory")] {
        let before = fs::metadata(to)?.permissions();
        refused(ctx, to, why)?;
        ensure_eq!(fs::metadata(to)?.permissions(), before, format!("what {to} is"));
    }
    let ran = ctx.try_run("target", ["save", &text, "--format", "toml", "--secrets", &text])?;
    ensure!(
        ran.code == Some(1) && ran.stderr.contains("--secrets"),
        "keys into the same file: {}",
        ran.stderr
    );
    // A link leads to the file, and one that leads nowhere is said.
    let link = point.join("link");
    symlink("config.json", &link)?;
    let ran = saved(ctx, &link.display().to_string())?;
    ensure_eq!(ran.code, Some(0), format!("saving through a link: {}", ran.stderr));
    ensure_eq!(fs::read(&file)?, whole, "what the link leads to");
    ensure!(fs::symlink_metadata(&link)?.is_symlink(), "the link was replaced");
    ctx.umount(&point)?;
    Ok(clear(&tree).map(drop)?)
}

fn an_entry_that_cannot_be_used_removes_nothing(ctx: &mut Ctx) -> Result<(), Failure> {
    let [first, _] = states::both(ctx)?;
    let tree = OsTree::open_default()?;
    let before = states::reach(&tree, &first)?;
    let file = ctx.scratch().join("half.json");
    fs::write(
        &file,
        r#"{"hosts": [{"nqn": "nqn.2024-05.org.example:alice"}], "subsystems": {}, "ports": {}}"#,
    )?;
    let ran = ctx.try_run("target", ["restore", &file.display().to_string()])?;
    ensure!(ran.stderr.contains("line 1, column "), "{}", ran.stderr);
    ensure!(ran.stderr.contains("stays, as entries of it were left out"), "{}", ran.stderr);
    states::ensure_same(&states::whole()?, &before, "the tree")?;
    // All of it or nothing; and nobody is let in without the key that a file asks for.
    let key = r#"{"hosts": [{"nqn": "nqn.2024-05.org.example:carol", "dhchap": {"key": "DHHC-1:00:x:"}}]}"#;
    for (verb, text, why) in [
        (
            "apply",
            r#"{"hosts": [{"nqn": "nqn.2024-05.org.example:carol"}], "ports": [{"id": 1}]}"#,
            "is not applied",
        ),
        ("apply", key, "without proving who it is"),
        ("restore", key, "without proving who it is"),
    ] {
        fs::write(&file, text)?;
        let ran = ctx.try_run("target", [verb, &file.display().to_string()])?;
        ensure!(ran.code == Some(1) && ran.stderr.contains(why), "{verb} of {text}: {}", ran.stderr);
        states::ensure_same(&states::whole()?, &before, format!("the tree after {verb} of {text}"))?;
    }
    Ok(clear(&tree).map(drop)?)
}

fn writers_wait_for_each_other(ctx: &mut Ctx) -> Result<(), Failure> {
    let [first, second] = states::both(ctx)?;
    let tree = OsTree::open_default()?;
    let goals = [states::reach(&tree, &first)?, states::reach(&tree, &second)?];
    let files = [written(ctx, "first.toml", &first)?, written(ctx, "second.toml", &second)?];
    let start = |[file, keys]: &[String; 2]| {
        Command::new("target").args(["apply", file, "--secrets", keys]).args(EXACTLY).output()
    };
    // One that holds the lock keeps the others out.
    let held = tree.lock(Duration::ZERO)?;
    let busy = OsTree::open_default()?.lock(Duration::from_millis(100));
    ensure!(matches!(busy, Err(LockError::Busy { .. })), "{busy:?}");
    std::thread::scope(|scope| -> Result<(), Failure> {
        let waiting = scope.spawn(|| start(&files[0]));
        std::thread::sleep(Duration::from_millis(500));
        ensure!(!waiting.is_finished(), "a program did not wait for the lock");
        states::ensure_same(&states::whole()?, &goals[1], "the tree while a program waits for the lock")?;
        drop(held);
        let ran = waiting.join().map_err(|_| Failure::new("a thread panicked"))??;
        ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        Ok(())
    })?;
    states::ensure_same(&states::whole()?, &goals[0], "the tree after the lock was given back")?;
    // Four at once, two each way: each does all of its own, so one of the two states is what is left.
    std::thread::scope(|scope| -> Result<(), Failure> {
        let running: Vec<_> = (0..2).flat_map(|_| &files).map(|files| scope.spawn(|| start(files))).collect();
        for thread in running {
            let ran = thread.join().map_err(|_| Failure::new("a thread panicked"))??;
            ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        }
        Ok(())
    })?;
    let left = states::whole()?;
    ensure!(goals.contains(&left), "four writers left something in between:\n{left}");
    Ok(clear(&tree).map(drop)?)
}

fn a_target_changed_after_the_plan_is_noticed(ctx: &mut Ctx) -> Result<(), Failure> {
    let [first, second] = states::both(ctx)?;
    let tree = OsTree::open_default()?;
    states::reach(&tree, &first)?;
    let made = plan(&tree, &second, &states::exactly())?;
    // Another tool: it adds an object, changes a value, removes an object.
    let [stranger, model, referral] =
        ["hosts/stranger", "subsystems/nqn.2024-05.org.example:open/attr_model", "ports/1/referrals/there"]
            .map(RelPath::new);
    let (stranger, model, referral) = (stranger?, model?, referral?);
    for what in ["a new object", "a new value", "an object that is gone"] {
        states::reach(&tree, &first)?;
        ensure_eq!(plan(&tree, &second, &states::exactly())?, made, "the same plan from the same state");
        match what {
            "a new object" => tree.mkdir(&stranger)?,
            "a new value" => tree.write(&model, b"Third Model")?,
            _ => tree.rmdir(&referral)?,
        }
        let changed = states::whole()?;
        let error =
            apply(&tree, &made).err().ok_or_else(|| Failure::new(format!("{what} was not noticed")))?;
        ensure!(matches!(error.failure, ApplyFailure::Changed { .. }), "{what}: {error}");
        states::ensure_same(&states::whole()?, &changed, format!("the tree after {what}"))?;
        apply(&tree, &plan(&tree, &second, &states::exactly())?)?;
        states::ensure_reached(&tree, &second)?;
    }
    Ok(clear(&tree).map(drop)?)
}

fn a_target_is_drawn(ctx: &mut Ctx) -> Result<(), Failure> {
    let [first, _] = states::both(ctx)?;
    let tree = OsTree::open_default()?;
    states::reach(&tree, &first)?;
    let drawn = ctx.run("target", ["show", "--dot"])?.stdout;
    for wanted in [
        "digraph target {",
        r#""host nqn.2024-05.org.example:alice" -> "subsystem nqn.2024-05.org.example:closed""#,
        r#""port 1" -> "subsystem nqn.2024-05.org.example:open""#,
        "7: /dev/ram2 (disabled)",
        "port 2: tcp ::1 4421",
    ] {
        ensure!(drawn.contains(wanted), "the drawing lacks {wanted:?}:\n{drawn}");
    }
    ensure!(!drawn.contains("DHHC-1"), "the drawing shows a key");
    // Which attributes the kernel has shows on objects that are there.
    let checked: serde_json::Value = serde_json::from_str(&ctx.run("target", ["check", "--json"])?.stdout)?;
    let has = |name: &str| {
        let attributes = checked["attributes"].as_array().into_iter().flatten();
        attributes
            .clone()
            .find(|attribute| attribute["name"] == name)
            .map(|attribute| attribute["has"].clone())
    };
    let auth = ctx.release() != Release::V6_1;
    for (name, wanted) in
        [("attr_model", true), ("ana_state", true), ("dhchap_key", auth), ("addr_tsas", auth)]
    {
        ensure_eq!(has(name), Some(wanted.into()), format!("whether this kernel has {name}"));
    }
    if auth {
        let key = "/sys/kernel/config/nvmet/hosts/nqn.2024-05.org.example:alice/dhchap_key";
        ensure_eq!(fs::metadata(key)?.permissions().mode() & 0o777, 0o600, "mode of a key that we wrote");
    }
    // A scope keeps one tool's objects from another's.
    let stranger = Path::new("/sys/kernel/config/nvmet/hosts/nqn.2024-06.org.example:stranger");
    fs::create_dir(stranger)?;
    let [file, keys] = written(ctx, "first.toml", &first)?;
    let scope = ["--only", "nqn.2024-05.org.example:", "--only-port", "1", "--only-port", "2"];
    let ran = ctx.run("target", ["apply", &file, "--secrets", &keys].iter().chain(&EXACTLY).chain(&scope))?;
    ensure!(stranger.exists(), "a host outside of the scope was removed: {}", ran.stdout);
    Ok(clear(&tree).map(drop)?)
}
