//! Our user-space host against the kernel's target: what one writes the other reads, byte for byte; digests, both families,
//! keep-alive, an outage, reservations.

use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::{FileExt, OpenOptionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nvme_fabrics::tcp::{BlockRange, CommandError, Connect, Controller, Deallocate, Namespace, State};
use nvme_proto::digest::Digests;
use nvme_proto::{Nsid, Status};
use tokio::runtime::{Builder, Runtime};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("soft_host::reads_and_writes_what_the_disk_holds", reads_and_writes_what_the_disk_holds),
    Case::new("soft_host::zeroes_discards_and_flushes", zeroes_discards_and_flushes),
    Case::new("soft_host::keeps_an_idle_connection_alive", keeps_an_idle_connection_alive),
    Case::new("soft_host::outlives_a_port_that_vanishes", outlives_a_port_that_vanishes),
    Case::new("soft_host::the_programs_agree_with_the_kernel", the_programs_agree_with_the_kernel),
];

const NQN: &str = "nqn.2024-05.org.example:kernel";
const MIB: usize = 1 << 20;

fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

/// The kernel's target with a memory disk, at one address.
fn configure(ctx: &mut Ctx, address: &str) -> Result<std::path::PathBuf, Failure> {
    ctx.modprobe("nvmet-tcp")?;
    let disk = ctx.ram_disk(0)?;
    scene::configure(&scene::guide_spec(NQN, &disk, address)?)?;
    Ok(disk)
}

fn connect(address: &str) -> Result<Connect, Failure> {
    let peer: SocketAddr = SocketAddr::new(address.parse()?, scene::PORT);
    Ok(Connect::new(peer, scene::subsystem(NQN)?, scene::me()?))
}

async fn opened(connect: Connect) -> Result<(Controller, Namespace), Failure> {
    let controller = connect.connect().await?;
    let namespace = controller.namespace(Nsid::new(1)?).await?;
    Ok((controller, namespace))
}

fn direct(path: &Path) -> Result<File, Failure> {
    Ok(OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_DIRECT.bits()).open(path)?)
}

/// Memory that direct I/O takes.
struct Aligned {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    fn new(len: usize) -> Self {
        let memory = vec![0; len + 4096];
        let start = memory.as_ptr().align_offset(4096);
        Self { memory, start, len }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

fn reads_and_writes_what_the_disk_holds(ctx: &mut Ctx) -> Result<(), Failure> {
    let runtime = runtime()?;
    let settings = [
        ("127.0.0.1", Digests::NONE, 1),
        ("::1", Digests { header: true, data: false }, 2),
        ("127.0.0.1", Digests { header: false, data: true }, 4),
        ("::1", Digests { header: true, data: true }, 8),
    ];
    for (seed, (address, digests, queues)) in (1..).zip(settings) {
        let disk = configure(ctx, address)?;
        let disk = direct(&disk)?;
        let mut buffer = Aligned::new(4 * MIB);
        let (ours, theirs) = (random(seed, 4 * MIB), random(seed + 100, 4 * MIB));
        buffer.bytes().copy_from_slice(&theirs);
        disk.write_all_at(buffer.bytes(), 4 * MIB as u64)?;
        runtime.block_on(async {
            let (controller, namespace) = opened(connect(address)?.digests(digests).queues(queues)).await?;
            ensure_eq!(controller.limits().digests, digests, "digests");
            ensure_eq!(controller.limits().queues, queues, "queues");
            let block = u64::from(namespace.block_size());
            // Larger than a command may be, and not a round number of commands either.
            namespace.write(0, ours.clone()).await?;
            let read = namespace.read(4 * MIB as u64 / block, (4 * MIB as u64 / block).try_into()?).await?;
            ensure!(read == theirs, "what the disk holds was not read");
            let place = namespace.read_into(0, vec![0; ours.len()]).await.map_err(CommandError::from)?;
            ensure!(place == ours, "what was written was not read");
            // Blocks one by one, many at a time.
            let reads = (0..256u64).map(|lba| {
                let namespace = namespace.clone();
                tokio::spawn(async move { namespace.read(lba, 1).await })
            });
            for (lba, read) in reads.collect::<Vec<_>>().into_iter().enumerate() {
                let at = lba * block as usize;
                ensure!(read.await?? == ours[at..at + block as usize], "block {lba}");
            }
            namespace.flush().await?;
            controller.disconnect().await;
            Ok::<_, Failure>(())
        })?;
        disk.read_exact_at(buffer.bytes(), 0)?;
        ensure!(*buffer.bytes() == ours, "what was written is not on the disk");
        drop(disk);
        scene::clear_target()?;
    }
    Ok(())
}

/// The other side is the kernel's host on the same subsystem: its block device is what everything is compared with.
fn zeroes_discards_and_flushes(ctx: &mut Ctx) -> Result<(), Failure> {
    configure(ctx, "127.0.0.1")?;
    ctx.modprobe("nvme-tcp")?;
    let connected = scene::connect_as(scene::host("nqn.2024-05.org.example:kernel-host")?, NQN, "127.0.0.1")?;
    let device = direct(&scene::device_of(connected.controller)?)?;
    let data = random(5, MIB);
    let mut buffer = Aligned::new(MIB);
    runtime()?.block_on(async {
        let (controller, namespace) = opened(connect("127.0.0.1")?).await?;
        let block = u64::from(namespace.block_size());
        namespace.write(0, data.clone()).await?;
        // The kernel's target has no Compare: it says so, and the connection goes on.
        let compared = namespace.compare(0, data.clone()).await.err().and_then(|error| error.status());
        ensure!(compared.is_some_and(|status| status.is(Status::INVALID_OPCODE)), "Compare: {compared:?}");
        let part =
            |from: usize, len: usize| BlockRange { lba: from as u64 / block, blocks: len as u64 / block };
        namespace.write_zeroes(part(64 << 10, 64 << 10), Deallocate::No).await?;
        namespace.discard(&[part(256 << 10, 4096), part(512 << 10, 128 << 10)]).await?;
        namespace.flush().await?;
        // Beyond the end: refused, and the connection goes on.
        let beyond = namespace.read(namespace.blocks(), 1).await;
        ensure!(beyond.is_err(), "a read beyond the end works");
        device.read_exact_at(buffer.bytes(), 0)?;
        let seen = namespace.read(0, (MIB as u64 / block).try_into()?).await?;
        ensure!(seen == *buffer.bytes(), "both hosts do not see the same");
        let mut wanted = data.clone();
        wanted[64 << 10..128 << 10].fill(0);
        for range in [64 << 10..128 << 10, 0..64 << 10, 768 << 10..MIB] {
            ensure!(seen[range.clone()] == wanted[range.clone()], "bytes {range:?}");
        }
        controller.disconnect().await;
        Ok::<_, Failure>(())
    })?;
    drop(device);
    scene::leave(connected.controller)?;
    scene::clear_target()
}

/// The target gives up a host that is silent for longer than it promised; ours speaks up in time, busy or not.
fn keeps_an_idle_connection_alive(ctx: &mut Ctx) -> Result<(), Failure> {
    configure(ctx, "127.0.0.1")?;
    runtime()?.block_on(async {
        let connect = connect("127.0.0.1")?.keep_alive(Some(Duration::from_secs(1)));
        let (controller, namespace) = opened(connect).await?;
        let mut states = controller.watch();
        states.current();
        let changed = tokio::time::timeout(Duration::from_secs(6), states.changed()).await;
        ensure!(changed.is_err(), "the state changed to {:?}", controller.state());
        namespace.read(0, 1).await?;
        controller.disconnect().await;
        Ok::<_, Failure>(())
    })?;
    scene::clear_target()
}

/// The port's link to the subsystem goes away, and comes back: commands wait, and nothing that was acknowledged is lost.
fn outlives_a_port_that_vanishes(ctx: &mut Ctx) -> Result<(), Failure> {
    let disk = configure(ctx, "127.0.0.1")?;
    let link = format!("/sys/kernel/config/nvmet/ports/1/subsystems/{NQN}");
    let subsystem = format!("/sys/kernel/config/nvmet/subsystems/{NQN}");
    let (written, block) = runtime()?.block_on(async {
        let connect = connect("127.0.0.1")?
            .keep_alive(Some(Duration::from_secs(1)))
            .reconnect_delay(Duration::from_millis(500));
        let (controller, namespace) = opened(connect).await?;
        let block = u64::from(namespace.block_size());
        let writer = {
            let namespace = namespace.clone();
            tokio::spawn(async move {
                let mut version = 0u64;
                for round in 0..2048 {
                    version = round + 1;
                    let lba = round % 64;
                    let mut bytes = vec![0; usize::try_from(block).unwrap_or(0)];
                    bytes[..8].copy_from_slice(&version.to_le_bytes());
                    namespace.write(lba, bytes).await?;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Ok::<_, CommandError>(version)
            })
        };
        let mut states = controller.watch();
        states.current();
        tokio::time::sleep(Duration::from_millis(200)).await;
        fs::remove_file(&link)?;
        let mut seen = Vec::new();
        let lost = async {
            while let Some(state) = states.changed().await {
                seen.push(state.to_string());
                if matches!(state, State::Reconnecting { .. }) {
                    break;
                }
            }
        };
        tokio::time::timeout(scene::PATIENCE, lost).await?;
        symlink(&subsystem, &link)?;
        let written = tokio::time::timeout(scene::PATIENCE, writer).await???;
        ensure!(controller.state().is_live(), "{}", controller.state());
        namespace.flush().await?;
        controller.disconnect().await;
        Ok::<_, Failure>((written, usize::try_from(block)?))
    })?;
    let disk = direct(&disk)?;
    let mut buffer = Aligned::new(MIB);
    disk.read_exact_at(buffer.bytes(), 0)?;
    for lba in 0..64usize {
        let last = written - 63 + lba as u64;
        let found = u64::from_le_bytes(buffer.bytes()[lba * block..lba * block + 8].try_into()?);
        ensure_eq!(found, last, format!("version of block {lba}"));
    }
    drop(disk);
    scene::clear_target()
}

/// `discover` asks the same target both ways, and says the same; `bench` measures it.
fn the_programs_agree_with_the_kernel(ctx: &mut Ctx) -> Result<(), Failure> {
    configure(ctx, "127.0.0.1")?;
    ctx.modprobe("nvme-tcp")?;
    let port = scene::PORT.to_string();
    let mut answers = Vec::new();
    for way in ["--kernel", "--user"] {
        for more in [&[][..], &["--json"]] {
            let words =
                [&[way, "-a", "127.0.0.1", "-s", &*port, "-q", "nqn.2024-05.org.example:me"], more].concat();
            answers.push(ctx.run("discover", words)?.stdout);
        }
    }
    ensure_eq!(answers[2], answers[0], "text of discover --user");
    ensure_eq!(answers[3], answers[1], "JSON of discover --user");
    let words = [
        "-a",
        "127.0.0.1",
        "-s",
        &*port,
        "-n",
        NQN,
        "--numjobs",
        "2",
        "--iodepth",
        "8",
        "--runtime",
        "1",
        "-g",
        "-G",
    ];
    let said = ctx.run("bench", [&words[..], &["--rw", "randrw"]].concat())?.stdout;
    ctx.note(said.trim());
    ensure!(said.contains("random read: ") && said.contains("random write: "), "{said}");
    scene::clear_target()
}
