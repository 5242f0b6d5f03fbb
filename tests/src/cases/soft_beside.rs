//! Our user-space host beside the kernel's own, both at one kernel target: Identify is the same byte for byte, and file systems
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
use nvme_proto::identify::{Cns, IdentifyCommand};

use super::scene;
use super::soft::Connected;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("soft_beside::identify_is_the_same_byte_for_byte", identify_is_the_same),
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
async fn compare(namespace: &Namespace, disk: &File) -> Result<(), Failure> {
    let mut wanted = vec![0; PIECE as usize];
    for at in (0..namespace.len()).step_by(PIECE as usize) {
        disk.read_exact_at(&mut wanted, at)?;
        ensure!(namespace.read_at(at, PIECE as u32).await? == wanted, "MiB {} differs", at / PIECE);
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
        compare(&namespace, &disk).await?;
        controller.disconnect().await;
        Ok(())
    })?;
    drop(disk);
    scene::clear_target()
}
