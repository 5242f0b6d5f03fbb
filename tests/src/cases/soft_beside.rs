//! Our user-space host beside the kernel's own, both at one kernel target: Identify, log pages and features are the same byte for byte, and file systems
//! that one brings over the other mounts.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nvme_examples::filesystem::Checked;
use nvme_fabrics::ConnectOptions;
use nvme_fabrics::tcp::{BlockRange, Connect, Controller, Deallocate, Namespace};
use nvme_proto::Nsid;
use nvme_proto::discovery::LogId;
use nvme_proto::feature::{AsyncEventConfiguration, FeatureId};
use nvme_proto::identify::{Cns, IdentifyCommand};
use serde_json::Value;

use super::scene;
use super::soft::Connected;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("soft_beside::identify_is_the_same_byte_for_byte", identify_is_the_same),
    Case::new("soft_beside::logs_and_features_are_the_same", logs_and_features_are_the_same),
    Case::new("soft_beside::an_ext4_is_brought_over", an_ext4_is_brought_over),
    Case::new("soft_beside::an_xfs_is_brought_over", an_xfs_is_brought_over),
];

const NQN: &str = "nqn.2024-05.org.example:beside";
const ADDRESS: &str = "127.0.0.1";

/// The kernel's target with this disk.
fn target(ctx: &mut Ctx, disk: &Path) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec(NQN, disk, ADDRESS)?).map(drop)
}

/// The kernel's host at that target.
fn theirs() -> Result<Connected, Failure> {
    let identity = scene::host("nqn.2024-05.org.example:kernel-host")?;
    Connected::to(&ConnectOptions::tcp(ADDRESS.parse()?, scene::PORT, scene::subsystem(NQN)?, identity)?)
}

/// Our host at the same target.
async fn ours() -> Result<(Controller, Namespace), Failure> {
    let peer = SocketAddr::new(ADDRESS.parse()?, scene::PORT);
    let controller = Connect::new(peer, scene::subsystem(NQN)?, scene::me()?).queues(4).connect().await?;
    let namespace = controller.namespace(Nsid::ONE).await?;
    Ok((controller, namespace))
}

fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(future)
}

/// The bytes that nvme-cli reads through the kernel's host.
fn raw(words: &[&str]) -> Result<Vec<u8>, Failure> {
    let ran = Command::new("nvme").args(words).arg("--raw-binary").stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    ensure!(ran.status.success(), "nvme {words:?}: {said}");
    Ok(ran.stdout)
}

/// Two structures, but for bytes that belong to the controller that was asked.
fn same(what: &str, theirs: &[u8], ours: &[u8], own: std::ops::Range<usize>) -> Result<(), Failure> {
    ensure_eq!(ours.len(), theirs.len(), format!("bytes of {what}"));
    let differs = |at: &usize| !own.contains(at) && ours[*at] != theirs[*at];
    let first = (0..ours.len()).find(differs);
    ensure!(first.is_none(), "{what} differs at byte {first:?}");
    ensure!(ours.iter().any(|byte| *byte != 0), "{what} is empty");
    Ok(())
}

fn identify_is_the_same(ctx: &mut Ctx) -> Result<(), Failure> {
    let disk = ctx.ram_disk(0)?;
    target(ctx, &disk)?;
    let connected = theirs()?;
    let device = connected.device().to_string_lossy().into_owned();
    block_on(async {
        let (controller, _) = ours().await?;
        let told = controller.identify_with(IdentifyCommand::controller()).await?;
        // The identifier of the controller.
        same("Identify Controller", &raw(&["id-ctrl", &device])?, &told, 78..80)?;
        ensure_eq!(told[78..80], controller.id().0.to_le_bytes(), "its own number");
        let told = controller.identify_with(IdentifyCommand::new(Cns::NAMESPACE, 1)).await?;
        same("Identify Namespace", &raw(&["id-ns", &device, "-n", "1"])?, &told, 0..0)?;
        let told = controller.identify_with(IdentifyCommand::new(Cns::NAMESPACE_DESCRIPTORS, 1)).await?;
        same("the namespace's descriptors", &raw(&["ns-descs", &device, "-n", "1"])?, &told, 0..0)?;
        ensure_eq!(controller.active_namespaces().await?, [Nsid::ONE], "active namespaces");
        controller.disconnect().await;
        Ok(())
    })?;
    connected.leave()?;
    scene::clear_target()
}

/// A log page as the kernel's host gets it.
fn log(device: &str, page: LogId, nsid: u32, len: u32) -> Result<Vec<u8>, Failure> {
    let (page, nsid, len) = (page.0.to_string(), nsid.to_string(), len.to_string());
    raw(&["get-log", device, "--log-id", &page, "--log-len", &len, "-n", &nsid])
}

fn logs_and_features_are_the_same(ctx: &mut Ctx) -> Result<(), Failure> {
    /// Number of errors of a controller, in its health log.
    const ERRORS: std::ops::Range<usize> = 176..192;
    let disk = ctx.ram_disk(0)?;
    target(ctx, &disk)?;
    let connected = theirs()?;
    let device = connected.device().to_string_lossy().into_owned();
    std::fs::write(&connected.disk, vec![3; 1 << 20])?;
    block_on(async {
        let (controller, namespace) = ours().await?;
        namespace.read(0, 8).await?;
        for (page, len) in [(LogId::EFFECTS, 4096), (LogId::FIRMWARE, 512), (LogId::ANA, 16 + 40)] {
            let name = format!("{page:?}");
            let told = controller.log_page(page, 0, len).await?;
            if page == LogId::FIRMWARE {
                // It says nothing, to both.
                ensure_eq!(*told, *log(&device, page, 0, len)?, name);
            } else {
                same(&name, &log(&device, page, 0, len)?, &told, 0..0)?;
            }
        }
        let told = controller.log_page(LogId::HEALTH, 0, 512).await?;
        same("the health log", &log(&device, LogId::HEALTH, u32::MAX, 512)?, &told, ERRORS)?;
        let said = ctx.run("nvme", ["smart-log", &*device, "-o", "json"])?.stdout;
        let smart: Value = serde_json::from_str(&said)?;
        let writes = u64::from_le_bytes(told[80..88].try_into()?);
        ensure_eq!(smart["host_write_commands"].as_u64(), Some(writes), "writes of the health log");
        ensure!(writes > 0, "nothing was written: {said}");
        // An error of ours is in our log, and not in that of the kernel's host.
        let before = log(&device, LogId::ERROR, 0, 64)?;
        let refused = controller.log_page(LogId(0xee), 0, 512).await.err().and_then(|error| error.status());
        let refused = refused.ok_or_else(|| Failure::new("log EEh is given"))?;
        let told = controller.log_page(LogId::ERROR, 0, 64).await?;
        ensure!(told[..8] != [0; 8], "no error was counted");
        let status = u16::from_le_bytes([told[12], told[13]]) >> 1;
        ensure_eq!(status & 0x7ff, refused.0 & 0x7ff, "status of the newest error");
        ensure_eq!(log(&device, LogId::ERROR, 0, 64)?, before, "the errors of the other host");
        // Features.
        for feature in [FeatureId::VOLATILE_WRITE_CACHE, FeatureId::NUMBER_OF_QUEUES] {
            let id = format!("{:#x}", feature.0);
            let said = ctx.run("nvme", ["get-feature", &*device, "-f", &*id])?.stdout.to_lowercase();
            let value = controller.feature(feature).await?.value();
            let shown = said.rsplit("value:").next().unwrap_or_default().trim();
            let shown = u32::from_str_radix(shown.trim_start_matches("0x"), 16);
            ensure_eq!(shown.ok(), Some(value), format!("{feature:?} in {said}"));
        }
        let wanted = controller.feature_of::<AsyncEventConfiguration>().await?;
        ensure!(wanted.0 != 0, "our host asks for no events");
        controller.disconnect().await;
        Ok(())
    })?;
    connected.leave()?;
    scene::clear_target()
}

fn an_ext4_is_brought_over(ctx: &mut Ctx) -> Result<(), Failure> {
    let (from, to) = (ctx.ram_disk(1)?, ctx.ram_disk(0)?);
    brought_over(ctx, "ext4", &from, &to, &["mkfs.ext4", "-q"], &["fsck.ext4", "-f", "-n"])
}

fn an_xfs_is_brought_over(ctx: &mut Ctx) -> Result<(), Failure> {
    let (from, to) = (ctx.loop_device(320 << 20)?, ctx.loop_device(320 << 20)?);
    brought_over(ctx, "xfs", &from, &to, &["mkfs.xfs", "-q", "-f"], &["xfs_repair", "-n"])
}

/// Bytes that one request copies.
const PIECE: u64 = 1 << 20;

/// Copies a disk to the namespace; zeros are not sent.
async fn copy(from: &File, to: &Namespace) -> Result<(), Failure> {
    let mut writes = Vec::new();
    for at in (0..to.len()).step_by(PIECE as usize) {
        let mut bytes = vec![0; PIECE as usize];
        from.read_exact_at(&mut bytes, at)?;
        let (to, block) = (to.clone(), u64::from(to.block_size()));
        let range = BlockRange { lba: at / block, blocks: PIECE / block };
        writes.push(tokio::spawn(async move {
            match bytes.iter().all(|byte| *byte == 0) {
                true => to.write_zeroes(range, Deallocate::Allowed).await,
                false => to.write(range.lba, bytes).await,
            }
        }));
        if writes.len() == 16 {
            writes.remove(0).await??;
        }
    }
    for write in writes {
        write.await??;
    }
    Ok(to.flush().await?)
}

/// Reads all of the namespace and holds it against a disk.
async fn compare(namespace: &Namespace, disk: &File, what: &str) -> Result<(), Failure> {
    let mut wanted = vec![0; PIECE as usize];
    for at in (0..namespace.len()).step_by(PIECE as usize) {
        disk.read_exact_at(&mut wanted, at)?;
        ensure!(namespace.read_at(at, PIECE as u32).await? == wanted, "{what}: MiB {}", at / PIECE);
    }
    Ok(())
}

/// A file system made elsewhere goes to the namespace through our host; the kernel's host checks and mounts it, finds every file and adds one; our host
/// reads what the target's disk then holds.
fn brought_over(
    ctx: &mut Ctx,
    kind: &str,
    from: &Path,
    to: &Path,
    make: &[&str],
    check: &[&str],
) -> Result<(), Failure> {
    let run = |ctx: &mut Ctx, words: &[&str], disk: &Path| {
        let disk = disk.to_string_lossy();
        ctx.run(words[0], [&words[1..], &[&*disk]].concat()).map(drop)
    };
    run(ctx, make, from)?;
    let point = ctx.mount(from, kind)?;
    let kept = [(1, 3_000_001), (2, 64), (3, 1 << 20)]
        .map(|(number, len)| Checked::write(&point.join(format!("file{number}")), len, number));
    ctx.umount(&point)?;
    let source = File::open(from)?;
    target(ctx, to)?;
    block_on(async {
        let (controller, namespace) = ours().await?;
        copy(&source, &namespace).await?;
        compare(&namespace, &source, "after the copy").await?;
        controller.disconnect().await;
        Ok(())
    })?;
    let connected = theirs()?;
    run(ctx, check, &connected.disk)?;
    let again = ctx.mount(&connected.disk, kind)?;
    for checked in kept {
        let checked = checked?;
        let path = again.join(checked.path.strip_prefix(&point)?);
        Checked { path, ..checked }.verify()?;
    }
    Checked::write(&again.join("added"), 2_000_003, 4)?.verify()?;
    ctx.umount(&again)?;
    run(ctx, check, &connected.disk)?;
    connected.leave()?;
    // The disk itself, past the target.
    let disk = File::open(to)?;
    block_on(async {
        let (controller, namespace) = ours().await?;
        compare(&namespace, &disk, "at the end").await?;
        controller.disconnect().await;
        Ok(())
    })?;
    drop(disk);
    scene::clear_target()
}
