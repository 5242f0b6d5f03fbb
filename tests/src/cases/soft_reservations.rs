//! Our user-space host and reservations of the kernel's target, which has them since 6.13: what it says is what nvme-cli says.

use std::net::SocketAddr;
use std::path::Path;

use nvme_examples::vm::Release;
use nvme_fabrics::HostIdentity;
use nvme_fabrics::tcp::{Connect, Controller, Namespace, Reservations};
use nvme_proto::command::io::{AcquireAction, PersistChange, RegisterAction, ReleaseAction, ReservationType};
use nvme_proto::{Nsid, Status};
use nvmet_configfs::{PortId, PortSpec, SubsystemSpec, TargetSpec};
use serde_json::Value;

use super::{scene, soft};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("soft_reservations::two_hosts_share_a_disk_as_they_agreed", two_hosts_share_a_disk),
    Case::new("soft_reservations::nvme_cli_reports_the_same", nvme_cli_reports_the_same),
];

const NQN: &str = "nqn.2024-05.org.example:shared";
const ADDRESS: &str = "127.0.0.1";
const KEY: u64 = 0x1122_3344_5566_7788;
const OTHER_KEY: u64 = 0x99;

/// False where the kernel's target has no reservations, which is then seen; a target is configured otherwise.
fn configure(ctx: &mut Ctx) -> Result<bool, Failure> {
    scene::load(ctx)?;
    let probe = Path::new("/sys/kernel/config/nvmet/subsystems/probe");
    std::fs::create_dir(probe)?;
    std::fs::create_dir(probe.join("namespaces/1"))?;
    let there = probe.join("namespaces/1/resv_enable").exists();
    std::fs::remove_dir(probe.join("namespaces/1"))?;
    std::fs::remove_dir(probe)?;
    ensure_eq!(there, ctx.release() == Release::V7, "the kernel's target has reservations");
    if !there {
        ctx.note("this kernel's target has no reservations");
        return Ok(false);
    }
    let (nsid, disk) = scene::disk(&ctx.ram_disk(0)?)?;
    let nqn = scene::subsystem(NQN)?;
    let spec = TargetSpec::new()
        .subsystem(nqn.clone(), SubsystemSpec::any_host().namespace(nsid, disk.set("resv_enable", "1")?))
        .port(PortId(1), PortSpec::tcp(ADDRESS.parse()?, scene::PORT).export(nqn));
    scene::configure(&spec)?;
    Ok(true)
}

async fn opened(host: HostIdentity) -> Result<(Controller, Namespace), Failure> {
    let peer = SocketAddr::new(ADDRESS.parse()?, scene::PORT);
    let controller = Connect::new(peer, scene::subsystem(NQN)?, host).connect().await?;
    let namespace = controller.namespace(Nsid::ONE).await?;
    Ok((controller, namespace))
}

fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(future)
}

/// What a host may not do is a Reservation Conflict.
fn conflicts<T>(outcome: Result<T, nvme_fabrics::tcp::CommandError>, what: &str) -> Result<(), Failure> {
    match outcome {
        Ok(_) => Err(Failure::new(format!("{what} works"))),
        Err(error) if error.status().is_some_and(|status| status.is(Status::RESERVATION_CONFLICT)) => Ok(()),
        Err(error) => Err(Failure::from(error).while_doing(what)),
    }
}

fn two_hosts_share_a_disk(ctx: &mut Ctx) -> Result<(), Failure> {
    if !configure(ctx)? {
        return Ok(());
    }
    let exclusive = ReservationType::WRITE_EXCLUSIVE;
    block_on(async {
        let (first, one) = opened(scene::me()?).await?;
        let (second, two) = opened(scene::host("nqn.2024-05.org.example:other")?).await?;
        let data = vec![7; usize::try_from(one.block_size())?];
        let keep = PersistChange::NO_CHANGE;
        conflicts(
            one.reservation_acquire(AcquireAction::ACQUIRE, exclusive, KEY, 0).await,
            "taking it without being registered",
        )?;
        one.reservation_register(RegisterAction::REGISTER, 0, KEY, keep).await?;
        two.reservation_register(RegisterAction::REGISTER, 0, OTHER_KEY, keep).await?;
        conflicts(
            two.reservation_register(RegisterAction::REPLACE, KEY, 1, keep).await,
            "replacing a key of somebody else",
        )?;
        one.reservation_acquire(AcquireAction::ACQUIRE, exclusive, KEY, 0).await?;
        let held = one.reservations().await?;
        ensure_eq!(held, two.reservations().await?, "what both hosts are told");
        ensure_eq!(held.status.kind, exclusive, "kind");
        ensure_eq!(held.registrants.len(), 2, "registrants");
        one.write(0, data.clone()).await?;
        conflicts(two.write(0, data.clone()).await, "writing beside the holder")?;
        two.read(0, 1).await?;
        conflicts(
            two.reservation_release(ReleaseAction::RELEASE, exclusive, KEY).await,
            "releasing with a key of somebody else",
        )?;
        // Taken over: the first host is thrown out with its registration.
        two.reservation_acquire(AcquireAction::PREEMPT, exclusive, OTHER_KEY, KEY).await?;
        conflicts(one.write(0, data.clone()).await, "writing after being thrown out")?;
        two.write(0, data.clone()).await?;
        let taken = two.reservations().await?;
        ensure_eq!(taken.registrants.len(), 1, "registrants");
        ensure!(taken.status.generation > held.status.generation, "the generation does not grow");
        two.reservation_release(ReleaseAction::RELEASE, exclusive, OTHER_KEY).await?;
        one.write(0, data).await?;
        two.reservation_register(RegisterAction::UNREGISTER, OTHER_KEY, 0, keep).await?;
        ensure!(two.reservations().await?.registrants.is_empty(), "somebody is still registered");
        first.disconnect().await;
        second.disconnect().await;
        Ok(())
    })?;
    scene::clear_target()
}

/// What nvme-cli reads of a report, in our words.
fn reported(ctx: &mut Ctx, device: &str) -> Result<Value, Failure> {
    let said =
        ctx.run("nvme", ["resv-report", device, "-n", "1", "-e", "1", "-d", "64", "-o", "json"])?.stdout;
    Ok(serde_json::from_str(&said)?)
}

fn same(report: &Value, ours: &Reservations) -> Result<(), Failure> {
    ensure_eq!(report["gen"], u64::from(ours.status.generation), format!("generation in {report}"));
    ensure_eq!(report["rtype"], u64::from(ours.status.kind.0), "kind");
    ensure_eq!(report["regctl"], ours.registrants.len() as u64, "registrants");
    let theirs: Vec<&Value> = report["regctlext"].as_array().into_iter().flatten().collect();
    ensure_eq!(theirs.len(), ours.registrants.len(), format!("registrants in {report}"));
    for (theirs, ours) in theirs.iter().zip(&ours.registrants) {
        ensure_eq!(theirs["cntlid"], u64::from(ours.cntlid.0), "controller");
        ensure_eq!(theirs["rkey"], ours.key, "key");
        ensure_eq!(theirs["rcsts"], u64::from(ours.status.0), "holder");
    }
    Ok(())
}

/// Registrations that nvme-cli makes are seen by our host, and the other way round, step by step.
fn nvme_cli_reports_the_same(ctx: &mut Ctx) -> Result<(), Failure> {
    if !configure(ctx)? {
        return Ok(());
    }
    let options = nvme_fabrics::ConnectOptions::tcp(
        ADDRESS.parse()?,
        scene::PORT,
        scene::subsystem(NQN)?,
        scene::host("nqn.2024-05.org.example:kernel-host")?,
    )?;
    let kernel = soft::Connected::to(&options)?;
    let device = kernel.device().to_string_lossy().into_owned();
    block_on(async {
        let (controller, namespace) = opened(scene::me()?).await?;
        same(&reported(ctx, &device)?, &namespace.reservations().await?)?;
        namespace.reservation_register(RegisterAction::REGISTER, 0, KEY, PersistChange::NO_CHANGE).await?;
        same(&reported(ctx, &device)?, &namespace.reservations().await?)?;
        ctx.run("nvme", ["resv-register", &*device, "-n", "1", "--nrkey=0x99", "--rrega=0"])?;
        ctx.run("nvme", ["resv-acquire", &*device, "-n", "1", "--crkey=0x99", "--rtype=3", "--racqa=0"])?;
        let seen = namespace.reservations().await?;
        ensure_eq!(seen.status.kind, ReservationType::WRITE_EXCLUSIVE_REGISTRANTS, "kind");
        same(&reported(ctx, &device)?, &seen)?;
        ctx.note(&format!("{seen:?}"));
        ctx.run("nvme", ["resv-release", &*device, "-n", "1", "--crkey=0x99", "--rtype=3", "--rrela=0"])?;
        same(&reported(ctx, &device)?, &namespace.reservations().await?)?;
        controller.disconnect().await;
        Ok(())
    })?;
    kernel.leave()?;
    scene::clear_target()
}
