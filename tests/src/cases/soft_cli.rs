//! nvme-cli, a program of others, against our soft target through the kernel's host: it must understand all answers.

use std::path::Path;

use nvme_fabrics::{Inventory, Sysfs};
use serde_json::Value;

use super::scene;
use super::soft::{Connected, NQN, Soft};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("soft_cli::discovers_connects_lists_and_disconnects", discovers_connects_lists_and_disconnects),
    Case::new("soft_cli::identify_logs_and_features", identify_logs_and_features),
    Case::new("soft_cli::block_commands", block_commands),
    Case::new("soft_cli::reservations", reservations),
];

fn start(ctx: &mut Ctx) -> Result<(Soft, Connected), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let soft = Soft::start(&["-a", "127.0.0.1", "-s", "0", "--device", "mem:16m"])?;
    let connected = Connected::to(&soft.options("127.0.0.1")?)?;
    Ok((soft, connected))
}

fn json(ctx: &mut Ctx, words: &[&str]) -> Result<Value, Failure> {
    let words = [words, &["-o", "json"]].concat();
    let said = ctx.run("nvme", &words)?.stdout;
    serde_json::from_str(&said)
        .map_err(|error| Failure::from(error).while_doing(format!("nvme {words:?}: {said}")))
}

fn discovers_connects_lists_and_disconnects(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let soft = Soft::start(&["-a", "127.0.0.1", "-s", "0", "--device", "mem:16m"])?;
    let (port, me) = (soft.port.to_string(), scene::me()?);
    let (nqn, id) = (me.nqn.to_string(), me.id.to_string());
    let place = ["-t", "tcp", "-a", "127.0.0.1", "-s", &*port, "--hostnqn", &*nqn, "--hostid", &*id];

    let found = json(ctx, &[&["discover"], &place[..]].concat())?;
    let names: Vec<&str> = found["records"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|record| record["subnqn"].as_str())
        .collect();
    ensure!(names.contains(&NQN), "{names:?}");
    ctx.run("nvme", [&["connect", "-n", NQN], &place[..]].concat())?;
    let inventory = Inventory::scan(&Sysfs::system())?;
    let controller = inventory.controllers().next().map(|(_, controller)| controller.name);
    let controller = controller.ok_or_else(|| Failure::new("nvme connect made no controller"))?;
    let disk = scene::device_of(controller)?;
    let listed = json(ctx, &["list"])?;
    let shown = listed.to_string();
    ensure!(shown.contains(&*disk.to_string_lossy()), "{shown}");
    ensure!(shown.contains(&(16 << 20).to_string()), "16 MiB in {shown}");
    let said = ctx.run("nvme", ["disconnect", "-n", NQN])?.stdout;
    ensure!(said.contains("disconnected 1 controller"), "{said}");
    soft.stop()
}

fn identify_logs_and_features(ctx: &mut Ctx) -> Result<(), Failure> {
    let (soft, connected) = start(ctx)?;
    let device = connected.device().to_string_lossy().into_owned();
    let disk = connected.disk.to_string_lossy().into_owned();

    let controller = json(ctx, &["id-ctrl", &device])?;
    ensure_eq!(controller["subnqn"].as_str(), Some(NQN), "SUBNQN");
    ensure!(controller["kas"].as_u64() > Some(0), "KAS: {controller}");
    let namespace = json(ctx, &["id-ns", &disk])?;
    let shift = namespace["lbafs"][0]["ds"].as_u64().unwrap_or(0);
    ensure_eq!(
        namespace["nsze"].as_u64().map(|blocks| blocks << shift),
        Some(16 << 20),
        "bytes of the namespace"
    );
    let descriptors = ctx.run("nvme", ["ns-descs", &*disk])?.stdout;
    ensure!(descriptors.contains("uuid") || descriptors.contains("nguid"), "{descriptors}");
    let listed = ctx.run("nvme", ["list-ns", &*device])?.stdout;
    ensure!(listed.contains("0x1"), "{listed}");

    std::fs::write(&connected.disk, vec![1; 1 << 20])?;
    let smart = json(ctx, &["smart-log", &device])?;
    ensure!(smart["host_write_commands"] != 0, "{smart}");
    ctx.run("nvme", ["error-log", &*device])?;
    let ana = json(ctx, &["ana-log", &device])?;
    ensure!(ana.to_string().contains("optimized"), "{ana}");
    for log in ["effects-log", "fw-log", "changed-ns-list-log", "supported-log-pages"] {
        ctx.run("nvme", [log, &*device])?;
    }
    // Number of queues, write cache, async events, keep-alive.
    for feature in ["0x07", "0x06", "0x0b", "0x0f"] {
        ctx.run("nvme", ["get-feature", &*device, "-f", feature])?;
    }
    ctx.run("nvme", ["set-feature", &*device, "-f", "0x0b", "--value", "0x900"])?;
    ctx.run("nvme", ["get-property", &*device, "--offset=0x8"])?;
    // What does not exist is refused with a status, and the connection stays.
    let ran = ctx.try_run("nvme", ["get-log", &*device, "--log-id", "0xee", "--log-len", "512"])?;
    ensure!(ran.code != Some(0) && (ran.stdout + &ran.stderr).contains("Log Page"), "log EEh");
    ensure_eq!(connected.attribute("state")?, "live", "state");
    connected.leave()?;
    soft.stop()
}

fn block_commands(ctx: &mut Ctx) -> Result<(), Failure> {
    let (soft, connected) = start(ctx)?;
    let disk = connected.disk.to_string_lossy().into_owned();
    let block = block_size(&connected)?;
    let data = ctx.scratch().join("data");
    let data = data.to_string_lossy().into_owned();
    std::fs::write(&data, vec![0x5a; 8 * block])?;
    let len = (8 * block).to_string();
    let rest = ["-s", "16", "-c", "7", "-z", &*len, "-d", &*data];
    ctx.run("nvme", [&["write", &*disk], &rest[..]].concat())?;
    ctx.run("nvme", [&["compare", &*disk], &rest[..]].concat())?;
    ctx.run("nvme", ["flush", &*disk, "-n", "1"])?;
    ctx.run("nvme", ["write-zeroes", &*disk, "-s", "18", "-c", "1"])?;
    ctx.run("nvme", ["dsm", &*disk, "-d", "-s", "20", "-b", "2"])?;
    let ran = ctx.try_run("nvme", [&["compare", &*disk], &rest[..]].concat())?;
    ensure!(ran.code != Some(0), "the comparison with what was zeroed does not fail");
    let read = ctx.scratch().join("read");
    let read = read.to_string_lossy().into_owned();
    ctx.run("nvme", ["read", &*disk, "-s", "16", "-c", "7", "-z", &*len, "-d", &*read])?;
    let seen = std::fs::read(&read)?;
    for (index, piece) in seen.chunks(block).enumerate() {
        let wanted = if (2..6).contains(&index) { 0 } else { 0x5a };
        ensure!(piece.iter().all(|byte| *byte == wanted), "block {index} is not {wanted:#x}");
    }
    // Beyond the end: a status, not a lost connection.
    let far = (16 << 20) / block;
    let far = far.to_string();
    let ran = ctx
        .try_run("nvme", ["read", &*disk, "-s", &*far, "-c", "0", "-z", &*block.to_string(), "-d", &*read])?;
    ensure!(ran.code != Some(0), "a read beyond the end works");
    ensure_eq!(connected.attribute("state")?, "live", "state");
    connected.leave()?;
    soft.stop()
}

/// Bytes of a logical block, as the kernel sees it.
fn block_size(connected: &Connected) -> Result<usize, Failure> {
    let name = connected.disk.file_name().unwrap_or_default();
    let path = Path::new("/sys/block").join(name).join("queue/logical_block_size");
    Ok(std::fs::read_to_string(path)?.trim().parse()?)
}

/// Two hosts: the one that holds the reservation writes, the other does not.
fn reservations(ctx: &mut Ctx) -> Result<(), Failure> {
    let (soft, connected) = start(ctx)?;
    let other = nvme_fabrics::ConnectOptions::tcp(
        "127.0.0.1".parse()?,
        soft.port,
        scene::subsystem(NQN)?,
        scene::host("nqn.2024-05.org.example:other")?,
    )?;
    let other = Connected::to(&other)?;
    // A second path of another host shares the head on kernels with multipath: each goes through its own controller.
    let (one, two) = (generic(&connected)?, generic(&other)?);
    ctx.run("nvme", ["resv-register", &*one, "-n", "1", "--nrkey=0x11", "--rrega=0"])?;
    ctx.run("nvme", ["resv-register", &*two, "-n", "1", "--nrkey=0x22", "--rrega=0"])?;
    ctx.run("nvme", ["resv-acquire", &*one, "-n", "1", "--crkey=0x11", "--rtype=1", "--racqa=0"])?;
    let said = ctx.run("nvme", ["resv-report", &*one, "-n", "1", "-e", "1", "-d", "64"])?.stdout;
    ensure!(said.contains("regctl") && said.contains("11"), "{said}");
    let data = ctx.scratch().join("data");
    let block = block_size(&connected)?;
    std::fs::write(&data, vec![1; block])?;
    let data = data.to_string_lossy().into_owned();
    let write = |through: &str| {
        vec![
            "io-passthru".to_owned(),
            through.to_owned(),
            "--opcode=1".into(),
            "--namespace-id=1".into(),
            "--cdw12=0".into(),
            format!("--data-len={block}"),
            format!("--input-file={data}"),
            "--write".into(),
        ]
    };
    ctx.run("nvme", write(&one))?;
    let ran = ctx.try_run("nvme", write(&two))?;
    ensure!(ran.code != Some(0), "a host without the reservation writes");
    ensure!(
        (ran.stdout + &ran.stderr).to_lowercase().contains("reservation"),
        "the reason is not the reservation"
    );
    ctx.run("nvme", ["resv-release", &*one, "-n", "1", "--crkey=0x11", "--rtype=1", "--rrela=0"])?;
    ctx.run("nvme", write(&two))?;
    other.leave()?;
    connected.leave()?;
    soft.stop()
}

/// The controller's own way to the namespace: its character device takes I/O commands where there is one namespace.
fn generic(connected: &Connected) -> Result<String, Failure> {
    Ok(connected.device().to_string_lossy().into_owned())
}
