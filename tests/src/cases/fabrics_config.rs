//! Configuration files of nvme-cli 2 and 3: connected as they say, twice without a change; exclusions and owners are heeded.

use std::fs;
use std::path::Path;

use nvme_fabrics::config::{Config, Registry, to_files};
use nvme_fabrics::{IdentityFiles, IdentitySource, Inventory, Sysfs};
use nvmet_configfs::{PortId, PortSpec, TargetSpec};
use serde_json::Value;

use super::fabrics_discover::{connected, leave_all};
use super::scene;
use crate::guest::{Case, Ctx, Failure, Ran};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_config::discovery_conf_as_nvme_cli_reads_it", discovery_conf_as_nvme_cli_reads_it),
    Case::new("fabrics_config::config_json", config_json),
    Case::new("fabrics_config::nvme_fabrics_conf_and_its_drop_ins", nvme_fabrics_conf_and_its_drop_ins),
    Case::new("fabrics_config::exclusions_and_owners", exclusions_and_owners),
    Case::new("fabrics_config::who_this_host_is", who_this_host_is),
];

const ONE: &str = "nqn.2024-05.org.example:one";
const TWO: &str = "nqn.2024-05.org.example:two";

/// The files of a case in `/etc/nvme`; they go with it.
struct Etc(Vec<String>);

impl Etc {
    fn new(files: &[(&str, &str)]) -> Result<Self, Failure> {
        let etc = Self(files.iter().map(|(name, _)| format!("/etc/nvme/{name}")).collect());
        for (path, (_, text)) in etc.0.iter().zip(files) {
            if let Some(dir) = Path::new(path).parent() {
                fs::create_dir_all(dir)?;
            }
            fs::write(path, text)?;
        }
        Ok(etc)
    }
}

impl Drop for Etc {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// Two subsystems at 127.0.0.1, the first one at 127.0.0.2 as well.
fn target(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let (one, two) = (scene::subsystem(ONE)?, scene::subsystem(TWO)?);
    let port =
        |address: &str| Ok::<_, Failure>(PortSpec::tcp(address.parse()?, scene::PORT).export(one.clone()));
    let spec = TargetSpec::new()
        .subsystem(one.clone(), scene::open_subsystem(&ctx.ram_disk(0)?)?)
        .subsystem(two.clone(), scene::open_subsystem(&ctx.ram_disk(1)?)?)
        .port(PortId(1), port("127.0.0.1")?.export(two))
        .port(PortId(2), port("127.0.0.2")?);
    scene::configure(&spec)?;
    Ok(())
}

fn all(ctx: &mut Ctx, more: &[&str]) -> Result<Ran, Failure> {
    ctx.try_run("connect", [&["--all"], more].concat())
}

fn discovery_conf_as_nvme_cli_reads_it(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let me = scene::me()?;
    let (nqn, id) = (format!("{}\n", me.nqn), format!("{}\n", me.id));
    let text =
        "# two services\n\n--transport=tcp --traddr=127.0.0.1 --trsvcid=4420\n-t tcp -a 127.0.0.2 -s 4420\n";
    let etc = Etc::new(&[("discovery.conf", text), ("hostnqn", &nqn), ("hostid", &id)])?;
    let theirs = ctx.try_run("nvme", ["connect-all"])?;
    let by_nvme_cli = connected()?;
    leave_all()?;
    let ours = all(ctx, &[])?;
    ensure_eq!(ours.code, Some(0), &ours.stderr);
    let by_us = connected()?;
    ctx.note(&format!(
        "nvme connect-all: exit {:?}, {by_nvme_cli:?} {}{}\n{}",
        theirs.code,
        theirs.stdout.trim(),
        theirs.stderr.trim(),
        ours.stdout.trim()
    ));
    ensure_eq!(by_us.len(), 3, "paths");
    ensure_eq!(by_us, by_nvme_cli, "controllers");
    // What discover shows of the same file.
    let found = ctx.run("discover", ["--kernel"])?.stdout;
    ensure_eq!(found.matches("subtype: nvme subsystem").count(), 3, &found);
    drop(etc);
    let ran = all(ctx, &[])?;
    ensure!(ran.code == Some(1) && ran.stderr.contains("there is no configuration"), "{ran:?}");
    leave_all()?;
    scene::clear_target()
}

fn config_json(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let me = scene::me()?;
    let port = |address: &str, more: &str| {
        format!(r#"{{"transport":"tcp","traddr":"{address}","trsvcid":"4420"{more}}}"#)
    };
    let text = format!(
        r#"[{{"hostnqn":"{}","hostid":"{}","subsystems":[
  {{"nqn":"{ONE}","ports":[{},{}]}},
  {{"nqn":"nqn.2024-05.org.example:gone","ports":[{}]}},
  {{"nqn":"{TWO}","application":"stas","ports":[{}]}}]}}]"#,
        me.nqn,
        me.id,
        port("127.0.0.1", r#","ctrl_loss_tmo":77,"hdr_digest":true"#),
        port("127.0.0.2", r#","colour":"red""#),
        port("127.0.0.1", ""),
        port("127.0.0.1", ""),
    );
    let path = ctx.scratch().join("config.json");
    fs::write(&path, text)?;
    let path = path.to_string_lossy().into_owned();
    let ran = ctx.try_run("connect", ["--config", &*path])?;
    ctx.note(&format!("{}\n{}", ran.stdout.trim(), ran.stderr.trim()));
    // One of them is not offered, and the others are connected all the same.
    ensure_eq!(ran.code, Some(1), "exit status");
    for wanted in [
        "the key `colour` is unknown (ignored)",
        "does not offer subsystem `nqn.2024-05.org.example:gone`",
        "stas looks after it",
    ] {
        ensure!(ran.stderr.contains(wanted), "{wanted:?} is not in {}", ran.stderr);
    }
    ensure_eq!(connected()?.len(), 2, "paths");
    let inventory = Inventory::scan(&Sysfs::system())?;
    let loss: Vec<_> = inventory.controllers().map(|(_, c)| c.controller_loss).collect();
    ensure!(
        format!("{loss:?}").contains("80s") || format!("{loss:?}").contains("77s"),
        "ctrl_loss_tmo of the file: {loss:?}"
    );
    // As JSON, for the owner of the last one.
    let ran = ctx.try_run("connect", ["--config", &*path, "--owner", "stas", "--json"])?;
    let value: Value = serde_json::from_str(&ran.stdout)?;
    let results: Vec<_> =
        value["connections"].as_array().into_iter().flatten().map(|c| c["result"].as_str()).collect();
    ensure_eq!(results, vec![Some("present"), Some("present"), Some("failed"), Some("connected")], "results");
    ensure!(value["complete"] == false && ran.code == Some(1), "{value}");
    leave_all()?;
    scene::clear_target()
}

fn nvme_fabrics_conf_and_its_drop_ins(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let main = format!(
        "[I/O Controller Defaults]\nnr-io-queues = 1\n[Subsystem]\nnqn = {ONE}\n\
         controller = transport=tcp;traddr=127.0.0.1;trsvcid=4420\ncontroller = transport=tcp;traddr=127.0.0.2;trsvcid=4420;queue-size=32\n"
    );
    let other = format!(
        "[Host]\nhostnqn = nqn.2024-05.org.example:other\n[Discovery Controller]\ncontroller = transport=tcp;traddr=127.0.0.1;trsvcid=4420\n# {TWO}\n"
    );
    let me = scene::me()?;
    let (nqn, id) = (format!("{}\n", me.nqn), format!("{}\n", me.id));
    let _identity = Etc::new(&[("hostnqn", &nqn), ("hostid", &id)])?;
    let etc = Etc::new(&[
        ("nvme-fabrics.conf", &main),
        ("nvme-fabrics.conf.d/10-other.conf", &other),
        ("discovery.conf", "-t tcp -a 192.0.2.99\n"),
    ])?;
    let first = all(ctx, &[])?;
    ctx.note(&format!("{}\n{}", first.stdout.trim(), first.stderr.trim()));
    ensure_eq!(first.code, Some(0), &first.stderr);
    ensure!(first.stderr.contains("discovery.conf does not count"), "{}", first.stderr);
    let inventory = Inventory::scan(&Sysfs::system())?;
    let hosts: Vec<_> = inventory.controllers().filter_map(|(_, c)| c.host_nqn.clone()).collect();
    // Two wanted paths as this host; as the other all that its service offers: both subsystems at 127.0.0.1.
    ensure_eq!(hosts.len(), 4, "controllers");
    ensure_eq!(hosts.iter().filter(|h| h.ends_with(":other")).count(), 2, "of the other host");
    let sizes: Vec<_> =
        inventory.controllers().filter_map(|(_, c)| c.queue_size).filter(|n| *n == 32).collect();
    ensure_eq!(sizes.len(), 1, "queue size of the one path");
    let second = all(ctx, &[])?;
    ensure!(
        second.code == Some(0)
            && !second.stdout.contains("\nconnected")
            && !second.stdout.starts_with("connected"),
        "{second:?}"
    );
    ensure_eq!(
        Inventory::scan(&Sysfs::system())?.controllers().count(),
        4,
        "controllers after the second run"
    );
    leave_all()?;
    drop(etc);
    // A mistake in it: nothing of it is used, and the place is named.
    let etc = Etc::new(&[("nvme-fabrics.conf", &main.replace("queue-size", "queue-sise"))])?;
    let ran = all(ctx, &[])?;
    ctx.note(ran.stderr.trim());
    ensure!(
        ran.code == Some(1) && ran.stderr.contains("nvme-fabrics.conf:6:58: the key `queue-sise` is unknown"),
        "{ran:?}"
    );
    ensure!(connected()?.is_empty(), "something was connected");
    drop(etc);
    // Old files become new ones and mean the same.
    let etc = Etc::new(&[("discovery.conf", "-t tcp -a 127.0.0.2 -s 4420\n")])?;
    let before = Config::system()?;
    drop(etc);
    let made = to_files(&before.connections, Path::new("/etc/nvme/nvme-fabrics.conf"));
    ensure!(made.left_out.is_empty(), "{made:?}");
    made.files.iter().try_for_each(nvme_fabrics::config::ConfigFile::save)?;
    let ran = all(ctx, &[]);
    fs::remove_file("/etc/nvme/nvme-fabrics.conf")?;
    let ran = ran?;
    ensure!(ran.code == Some(0) && connected()?.len() == 1, "{ran:?}");
    leave_all()?;
    scene::clear_target()
}

fn exclusions_and_owners(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let etc = Etc::new(&[("exclusions.conf", &format!("[exclusions]\nexclusion = nqn={TWO}\n"))])?;
    let place = ["-a", "127.0.0.1", "-s", "4420"];
    let ran = all(ctx, &[&place[..], &["--owner", "tests"]].concat())?;
    ctx.note(&format!("{}\n{}", ran.stdout.trim(), ran.stderr.trim()));
    ensure!(
        ran.code == Some(0)
            && ran.stderr.contains("excluded by")
            && ran.stderr.contains("exclusions.conf line 2"),
        "{ran:?}"
    );
    ensure_eq!(connected()?.len(), 1, "controllers");
    let controller = Inventory::scan(&Sysfs::system())?.controllers().next().map(|(_, c)| c.name);
    let controller = controller.ok_or_else(|| Failure::new("no controller"))?;
    let owner = Registry::system().owner(controller);
    ensure_eq!(owner.map(|o| o.to_string()), Some("tests".to_owned()), "owner");
    // What a person names is connected whatever the list says.
    ctx.run("connect", ["-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-n", TWO])?;
    let ran = ctx.try_run("disconnect", ["--all"])?;
    ctx.note(&format!("{}\n{}", ran.stdout.trim(), ran.stderr.trim()));
    ensure!(ran.code == Some(0) && ran.stdout.contains("disconnected 1 controller"), "{ran:?}");
    ensure!(ran.stderr.contains("stays: tests looks after it"), "{}", ran.stderr);
    let ran = ctx.try_run("disconnect", ["--all", "--owner", "tests"])?;
    ensure!(ran.code == Some(0) && ran.stdout.contains("disconnected 1 controller"), "{ran:?}");
    ensure!(connected()?.is_empty(), "something is left");
    // The next one of this number is nobody's, if nobody says so.
    ctx.run("connect", ["-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-n", ONE])?;
    let inventory = Inventory::scan(&Sysfs::system())?;
    ensure!(
        inventory.controllers().all(|(_, c)| Registry::system().owner(c.name).is_none()),
        "an owner is left over"
    );
    drop(etc);
    leave_all()?;
    scene::clear_target()
}

/// The files, the machine, and what a target sees.
fn who_this_host_is(ctx: &mut Ctx) -> Result<(), Failure> {
    target(ctx)?;
    let files = IdentityFiles::system();
    ensure!(files.load()?.is_none(), "the guest has an identity already");
    let (first, second) = (files.generate(), files.generate());
    ctx.note(&format!("generated: {} ({})", first.identity, first.source));
    ensure!(first.source == IdentitySource::Random || first == second, "{first:?} and then {second:?}");
    files.save(&first.identity)?;
    let ran = ctx.try_run("connect", ["-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-n", ONE]);
    let shown = ctx.try_run("nvme", ["show-hostnqn"]);
    fs::remove_file("/etc/nvme/hostnqn")?;
    fs::remove_file("/etc/nvme/hostid")?;
    let (ran, shown) = (ran?, shown?);
    ensure_eq!(ran.code, Some(0), &ran.stderr);
    ensure_eq!(shown.stdout.trim(), first.identity.nqn.as_str(), "nvme show-hostnqn");
    let inventory = Inventory::scan(&Sysfs::system())?;
    let seen: Vec<_> =
        inventory.controllers().map(|(_, c)| (c.host_nqn.clone(), c.host_id.clone())).collect();
    let wanted = (Some(first.identity.nqn.to_string()), Some(first.identity.id.to_string()));
    ensure_eq!(seen, vec![wanted], "identity of the controller");
    leave_all()?;
    scene::clear_target()
}
