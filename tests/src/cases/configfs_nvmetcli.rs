//! Side by side with nvmetcli itself: what it saved is restored by us to the same tree, what we saved is restored by it to the same
//! tree, and both save the same. What its format or its way of restoring loses is listed, and nothing else is lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nvme_examples::vm::Release;
use nvmet_configfs::file::{self, Secrets};
use nvmet_configfs::{NamespaceSpec, OsTree, SubsystemSpec, TargetSpec, clear};
use serde_json::Value;

use super::configurations::{ALL, Configuration, Loss, loss};
use super::soft::{Connected, Soft};
use super::{scene, states};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("configfs_nvmetcli::each_restores_what_the_other_saved", each_restores_what_the_other_saved),
    Case::new("configfs_nvmetcli::many_namespaces", many_namespaces),
    Case::new("configfs_nvmetcli::pass_through_of_a_controller", pass_through_of_a_controller),
];

fn spec(configuration: &Configuration) -> Result<TargetSpec, Failure> {
    let mut spec = file::parse(format!("version = 1\n{}", configuration.text).as_bytes())?.spec;
    if !configuration.keys.is_empty() {
        Secrets::parse(configuration.keys.as_bytes())?.add_to(&mut spec);
    }
    Ok(spec)
}

/// A tree as attribute and value; objects and links have none.
fn lines(tree: &str) -> BTreeMap<&str, &str> {
    tree.lines().map(|line| line.split_once('=').unwrap_or((line, ""))).collect()
}

/// Whether a tree is another one but for losses.
fn ensure_only_lost<'l>(
    after: &str,
    before: &str,
    losses: impl IntoIterator<Item = &'l Loss>,
    what: &str,
) -> Result<usize, Failure> {
    let mut wanted = lines(before);
    let mut count = 0;
    for loss in losses {
        if wanted.contains_key(loss.beside) {
            let was = wanted.insert(loss.attribute, loss.becomes);
            ensure_eq!(was, Some(loss.was), format!("{what}: {} before", loss.attribute));
            count += 1;
        }
    }
    let after = lines(after);
    let differences: Vec<String> = wanted
        .keys()
        .chain(after.keys())
        .filter(|name| wanted.get(*name) != after.get(*name))
        .map(|name| format!("{name}: wanted {:?}, saw {:?}", wanted.get(name), after.get(name)))
        .collect();
    ensure!(differences.is_empty(), "{what}:\n{}", differences.join("\n"));
    Ok(count)
}

/// A file's content with every list in order: nvmetcli lists objects as the kernel does.
fn sorted(file: &Path) -> Result<Value, Failure> {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(list) => {
                list.iter_mut().for_each(sort);
                list.sort_by_key(ToString::to_string);
            }
            Value::Object(map) => map.values_mut().for_each(sort),
            _ => {}
        }
    }
    let mut value = serde_json::from_slice(&fs::read(file)?)?;
    sort(&mut value);
    Ok(value)
}

/// Both ways for one target; gives how much each way lost.
fn both_ways(ctx: &mut Ctx, tree: &OsTree, configuration: &Configuration) -> Result<[usize; 2], Failure> {
    let name = configuration.name;
    let spec = spec(configuration).map_err(|e| e.while_doing(name))?;
    let before = states::reach(tree, &spec).map_err(|e| e.while_doing(name))?;
    let (theirs, ours) = (ctx.scratch().join("theirs.json"), ctx.scratch().join("ours.json"));
    let (their_file, our_file) = (theirs.display().to_string(), ours.display().to_string());
    ctx.run("nvmetcli", ["save", &their_file])?;
    ctx.run("target", ["save", &our_file])?;
    ensure_eq!(sorted(&ours)?, sorted(&theirs)?, format!("{name}: what was saved"));

    clear(tree)?;
    let said = ctx.try_run("target", ["restore", &their_file])?;
    ensure_eq!(said.code, Some(0), format!("{name}: restoring what nvmetcli saved: {}", said.stderr));
    let lost = ensure_only_lost(
        &states::whole()?,
        &before,
        configuration.not_held,
        &format!("{name}, restored by us"),
    )?;

    ctx.run("nvmetcli", ["clear"])?;
    let said = ctx.run("nvmetcli", ["restore", &our_file])?;
    if !said.stdout.is_empty() {
        ctx.note(&format!("{name}: nvmetcli said: {}", said.stdout.trim_end()));
    }
    let losses = configuration.not_held.iter().chain(configuration.not_restored);
    let theirs =
        ensure_only_lost(&states::whole()?, &before, losses, &format!("{name}, restored by nvmetcli"))?;
    clear(tree)?;
    Ok([lost, theirs])
}

fn each_restores_what_the_other_saved(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    ctx.ram_disk(3)?;
    let tree = OsTree::open_default()?;
    for configuration in ALL {
        let [ours, theirs] = both_ways(ctx, &tree, configuration)?;
        ctx.note(&format!(
            "{:38} saved alike; nvmetcli to us: {ours} lost; us to nvmetcli: {theirs} lost",
            configuration.name
        ));
    }
    Ok(())
}

fn many_namespaces(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    ctx.ram_disk(3)?;
    let tree = OsTree::open_default()?;
    let nqn = scene::subsystem("nqn.2024-05.org.example:many")?;
    let mut subsystem = SubsystemSpec::any_host();
    for n in 1..=64 {
        let device = format!("/dev/ram{}", n % 4).parse()?;
        let namespace: NamespaceSpec = NamespaceSpec::new(device);
        subsystem =
            subsystem.namespace(n.try_into()?, if n % 3 == 0 { namespace.disabled() } else { namespace });
    }
    let before = states::reach(&tree, &TargetSpec::new().subsystem(nqn, subsystem))?;
    let file = ctx.scratch().join("many.json").display().to_string();
    for (save, restore) in [("nvmetcli", "target"), ("target", "nvmetcli")] {
        ctx.run(save, ["save", &file])?;
        clear(&tree)?;
        ctx.run(restore, ["restore", &file])?;
        ensure_only_lost(
            &states::whole()?,
            &before,
            &[],
            &format!("saved by {save}, restored by {restore}"),
        )?;
    }
    Ok(clear(&tree).map(drop)?)
}

/// A controller of this kernel's host, handed on whole: neither the format nor nvmetcli knows that it is enabled.
fn pass_through_of_a_controller(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let soft = Soft::start(&["-a", "127.0.0.1", "-s", "0", "--device", "mem:16m"])?;
    let connected = Connected::to(&soft.options("127.0.0.1")?)?;
    let own = ctx.scratch().join("through.toml").display().to_string();
    let text = format!(
        "version = 1\n[subsystems.s]\nhosts = 'any'\nattr_serial = 'S'\n[subsystems.s.passthru]\ndevice_path = '{}'\n",
        connected.device().display()
    );
    fs::write(&own, text)?;
    if ctx.release() == Release::V6_1 {
        let before = states::whole()?;
        let ran = ctx.try_run("target", ["apply", &own])?;
        ensure!(ran.code == Some(1) && ran.stderr.contains("built without pass-through"), "{}", ran.stderr);
        states::ensure_same(&states::whole()?, &before, "a kernel without pass-through")?;
    } else {
        ctx.run("target", ["apply", &own])?;
        let before = states::whole()?;
        ensure!(before.contains("subsystems/s/passthru/enable=1"), "pass-through is not enabled:\n{before}");
        let file = ctx.scratch().join("through.json").display().to_string();
        let lost = [loss("subsystems/s/passthru/enable", "1", "0")];
        for save in ["nvmetcli", "target"] {
            let saved = ctx.try_run(save, ["save", &file])?;
            ensure_eq!(saved.code, Some(0), format!("{save}: {}", saved.stderr));
            let warned = saved.stderr.contains("subsystems/s/passthru/enable");
            ensure_eq!(
                warned,
                save == "target",
                format!("whether {save} says what is lost: {}", saved.stderr)
            );
            for restore in ["target", "nvmetcli"] {
                ctx.run("target", ["clear"])?;
                ctx.run(restore, ["restore", &file])?;
                let what = format!("saved by {save}, restored by {restore}");
                ensure_only_lost(&states::whole()?, &before, &lost, &what)?;
            }
            ctx.run("target", ["restore", &own])?;
            states::ensure_same(&states::whole()?, &before, "the own format, which holds it")?;
        }
    }
    ctx.run("target", ["clear"])?;
    connected.leave()?;
    soft.stop()
}
