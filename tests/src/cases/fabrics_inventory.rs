//! What is connected, as this library and as nvme-cli see it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nvme_examples::vm::Release;
use nvme_fabrics::kernel::sysfs::capture;
use nvme_fabrics::testing::Tree;
use nvme_fabrics::{
    ConnectOptions, ControllerName, Inventory, OsDevice, Sysfs, WhichNamespace, connect, list,
    wait_for_namespace,
};
use nvme_proto::SubsysNqn;
use serde_json::Value;

use super::scene::{self, PATIENCE, PORT};
use super::two_ports::{self, ADDRESSES, join};
use crate::ensure_eq;
use crate::guest::{Case, Ctx, Failure};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_inventory::same_as_nvme_cli", same_as_nvme_cli),
    Case::new("fabrics_inventory::a_captured_tree_reads_the_same", a_captured_tree_reads_the_same),
];

/// Two paths, a discovery controller that stays, a loop controller where the kernel has those.
struct Scene {
    controllers: Vec<ControllerName>,
}

impl Scene {
    fn make(ctx: &mut Ctx) -> Result<Self, Failure> {
        two_ports::make(ctx)?;
        let mut controllers = vec![join(ADDRESSES[0], PATIENCE)?.0, join(ADDRESSES[1], PATIENCE)?.0];
        let discovery =
            ConnectOptions::tcp(ADDRESSES[0].parse()?, PORT, SubsysNqn::discovery(), scene::me()?)?
                .keep_alive(Duration::from_secs(30))?;
        controllers.push(connect(&OsDevice::system(), &Sysfs::system(), &discovery)?.controller);
        if ctx.release() != Release::V6_1 {
            controllers.push(Self::loopback(ctx)?);
        }
        Ok(Self { controllers })
    }

    /// A second subsystem by the loop transport, made beside what [`two_ports`] has made.
    fn loopback(ctx: &mut Ctx) -> Result<ControllerName, Failure> {
        ctx.modprobe("nvme-loop")?;
        let nqn = scene::subsystem("looped")?;
        let device = ctx.loop_device(8 << 20)?;
        let spec = nvmet_configfs::TargetSpec::new()
            .subsystem(nqn.clone(), scene::open_subsystem(&device)?)
            .port(nvmet_configfs::PortId(3), nvmet_configfs::PortSpec::loopback().export(nqn.clone()));
        scene::configure(&spec)?;
        let options = ConnectOptions::loopback(nqn, scene::me()?)?;
        let controller = connect(&OsDevice::system(), &Sysfs::system(), &options)?.controller;
        wait_for_namespace(&Sysfs::system(), controller, WhichNamespace::Nsid(1), PATIENCE)?;
        Ok(controller)
    }

    fn leave(self) -> Result<(), Failure> {
        for controller in self.controllers {
            scene::leave(controller)?;
        }
        scene::clear_target()
    }
}

fn json(ctx: &mut Ctx, words: &[&str]) -> Result<Value, Failure> {
    let said = ctx.run("nvme", [words, &["-o", "json"]].concat())?.stdout;
    serde_json::from_str(&said).map_err(|error| Failure::from(error).while_doing(said))
}

fn completed() -> Result<Inventory, Failure> {
    let mut inventory = Inventory::scan(&Sysfs::system())?;
    inventory.complete(&Sysfs::system());
    Ok(inventory)
}

fn texts<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn same_as_nvme_cli(ctx: &mut Ctx) -> Result<(), Failure> {
    let scene = Scene::make(ctx)?;
    let inventory = completed()?;

    // `list`: one row a namespace, every number the same.
    let theirs = json(ctx, &["list"])?;
    let empty = Vec::new();
    let theirs: BTreeMap<&str, &Value> = theirs["Devices"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .map(|device| (texts(device, "DevicePath"), device))
        .collect();
    let rows = list::rows(&inventory);
    ensure_eq!(rows.len(), theirs.len(), "rows");
    for row in &rows {
        let path = row.name.dev_path();
        let device =
            theirs.get(&*path.to_string_lossy()).ok_or_else(|| Failure::new(format!("no {row:?}")))?;
        ensure_eq!(device["NameSpace"].as_u64(), Some(row.nsid.into()), "NSID");
        ensure_eq!(texts(device, "SerialNumber").trim(), row.serial, "serial");
        ensure_eq!(texts(device, "ModelNumber").trim(), row.model, "model");
        ensure_eq!(texts(device, "Firmware").trim(), row.firmware, "firmware");
        ensure_eq!(device["UsedBytes"].as_u64(), row.used_bytes, "bytes in use");
        ensure_eq!(device["MaximumLBA"].as_u64(), row.blocks, "blocks");
        ensure_eq!(device["PhysicalSize"].as_u64(), Some(row.bytes), "bytes");
        ensure_eq!(device["SectorSize"].as_u64(), row.block_size.map(u64::from), "block size");
    }
    // The table: the same words. nvme-cli's order is that of its scan, ours goes by number; nvme-cli before 2.4 prints the NSID in decimal.
    let words = |line: &str| -> Vec<String> {
        let number = |word: &str| word.strip_prefix("0x").and_then(|hex| u32::from_str_radix(hex, 16).ok());
        line.split_ascii_whitespace()
            .map(|word| number(word).map_or(word.to_owned(), |n| n.to_string()))
            .collect()
    };
    let lines = |table: &str| -> BTreeSet<Vec<String>> {
        table.lines().filter(|line| !line.starts_with('-')).map(words).collect()
    };
    let table = ctx.run("nvme", ["list"])?.stdout;
    ensure_eq!(lines(&table), lines(&list::table(&rows)), "lines of the table");

    // `list-subsys`: the same subsystems with the same controllers. Discovery subsystems are there as well.
    let theirs = json(ctx, &["list-subsys"])?;
    let hosts = if theirs.is_array() { theirs.as_array().cloned().unwrap_or_default() } else { vec![theirs] };
    let mut paths = BTreeSet::new();
    for subsystem in hosts.iter().flat_map(|host| host["Subsystems"].as_array().into_iter().flatten()) {
        for path in subsystem["Paths"].as_array().into_iter().flatten() {
            paths.insert(
                [
                    texts(subsystem, "Name"),
                    texts(subsystem, "NQN"),
                    texts(path, "Name"),
                    texts(path, "Transport"),
                    texts(path, "State"),
                ]
                .map(str::to_owned),
            );
        }
    }
    let ours: BTreeSet<_> = inventory
        .controllers()
        .filter_map(|(subsystem, c)| {
            let s = subsystem?;
            Some([
                s.name.to_string(),
                s.nqn.clone().unwrap_or_default(),
                c.name.to_string(),
                c.transport.clone(),
                c.state.to_string(),
            ])
        })
        .collect();
    ensure_eq!(paths, ours, "controllers");
    // `list -v`: what each controller says of itself, and the hidden path of each with its access.
    let theirs = json(ctx, &["list", "-v"])?;
    let subsystems = theirs["Devices"].as_array().into_iter().flatten();
    let subsystems = subsystems.flat_map(|host| host["Subsystems"].as_array().into_iter().flatten());
    let (mut controllers, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for controller in subsystems.flat_map(|s| s["Controllers"].as_array().into_iter().flatten()) {
        let keys = ["Controller", "SerialNumber", "ModelNumber", "Firmware", "Transport", "Address"];
        controllers.insert(keys.map(|key| texts(controller, key).trim().to_owned()));
        for path in controller["Paths"].as_array().into_iter().flatten() {
            paths.insert(["Path", "ANAState"].map(|key| texts(path, key).to_owned()));
        }
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let ours = inventory.controllers().map(|(_, c)| {
        let identity = [text(&c.serial), text(&c.model), text(&c.firmware)];
        let [serial, model, firmware] = identity;
        [c.name.to_string(), serial, model, firmware, c.transport.clone(), c.address.text.clone()]
    });
    ensure_eq!(controllers, ours.collect::<BTreeSet<_>>(), "controllers with their data");
    let ours = inventory.namespaces().flat_map(|(_, n)| &n.paths).map(|path| {
        [path.name.to_string(), path.ana_state.as_ref().map(ToString::to_string).unwrap_or_default()]
    });
    ensure_eq!(paths, ours.collect::<BTreeSet<_>>(), "paths with their access");
    scene.leave()
}

fn a_captured_tree_reads_the_same(ctx: &mut Ctx) -> Result<(), Failure> {
    let scene = Scene::make(ctx)?;
    // One path is lost, and tries to come back.
    two_ports::close(2)?;
    let lost = scene.controllers[1];
    ctx.wait_for("the path to be lost", PATIENCE, || {
        Ok(two_ports::state(lost)?.as_deref() == Some("connecting"))
    })?;
    let text = capture(&Sysfs::system());
    let real = Inventory::scan(&Sysfs::system())?;
    let dir = ctx.scratch().join("tree");
    std::fs::create_dir(&dir)?;
    let tree = Tree::make(&dir, &text)?;
    ensure_eq!(list::subsystems(&Inventory::scan(&tree.sysfs())?), list::subsystems(&real), "subsystems");
    ensure_eq!(list::rows(&Inventory::scan(&tree.sysfs())?), list::rows(&real), "namespaces");
    two_ports::open(2)?;
    nvme_fabrics::wait_live(&Sysfs::system(), lost, PATIENCE)?;
    scene.leave()
}
