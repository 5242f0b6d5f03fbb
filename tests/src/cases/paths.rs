//! The host in user space on the ways to a kernel target: discovery, why a connect is refused, and several paths to one disk.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nvme_fabrics::discovery::tcp::{self, CrawlLimits, Options, SkipReason};
use nvme_fabrics::tcp::explain::{Cause, ExplainOptions, Finding, blocking};
use nvme_fabrics::tcp::multipath::{self, Disk, DiskError, NoPath, PathOptions, Paths, Policy};
use nvme_fabrics::tcp::{Connect, Controller};
use nvme_fabrics::{ConnectOptions, DiscoveryRequest, HostIdentity, OsDevice, Sysfs, discover};
use nvme_proto::Nsid;
use nvmet_configfs::{
    AnaGroupId, AnaState, Name, NamespaceSpec, PortId, PortSpec, ReferralSpec, SubsystemSpec, TargetSpec,
};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("paths::user_space_discovers_what_the_kernel_does", user_space_discovers_what_the_kernel_does),
    Case::new("paths::referrals_in_a_circle_are_asked_once_each", referrals_in_a_circle_are_asked_once_each),
    Case::new("paths::a_target_says_why_it_refuses", a_target_says_why_it_refuses),
    Case::new("paths::two_ports_are_one_disk", two_ports_are_one_disk),
];

const NQN: &str = "nqn.2024-05.org.example:disk";
const ADDRESS: &str = "127.0.0.1";
/// The second port's.
const OTHER_PORT: u16 = scene::PORT + 1;

/// A runtime for the host in user space.
fn in_user_space<T>(what: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(what)
}

/// The guide's subsystem at two ports, whose namespaces are reached like this.
fn two_ports(device: &Path, states: [AnaState; 2]) -> Result<TargetSpec, Failure> {
    let nqn = scene::subsystem(NQN)?;
    let group = AnaGroupId::new(1)?;
    let port = |port, state| -> Result<PortSpec, Failure> {
        let spec = PortSpec::tcp(ADDRESS.parse()?, port).export(nqn.clone());
        Ok(spec.ana_group(group, state))
    };
    Ok(TargetSpec::new()
        .subsystem(nqn.clone(), scene::open_subsystem(device)?)
        .port(PortId(1), port(scene::PORT, states[0])?)
        .port(PortId(2), port(OTHER_PORT, states[1])?))
}

fn request(port: u16) -> Result<DiscoveryRequest, Failure> {
    Ok(DiscoveryRequest::tcp(ADDRESS.parse()?, port, scene::me()?)?)
}

fn user_space_discovers_what_the_kernel_does(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&two_ports(&ctx.ram_disk(0)?, [AnaState::Optimized; 2])?)?;
    for port in [scene::PORT, OTHER_PORT] {
        let request = request(port)?;
        let kernel = discover(&OsDevice::system(), &Sysfs::system(), &request)?;
        let ours = in_user_space(async { Ok(tcp::discover(&request, &Options::default()).await?) })?;
        ensure_eq!(ours.log.entries, kernel.log.entries, port);
        ensure!(!ours.log.entries.is_empty(), "port {port} names nothing");
        ensure_eq!(ours.controller.model, kernel.controller.model, port);
        ensure_eq!(ours.controller.subsystem_nqn, kernel.controller.subsystem_nqn, port);
    }
    let both = Options::default().digests(nvme_proto::digest::Digests::BOTH);
    let request = request(scene::PORT)?;
    in_user_space(async { Ok(tcp::discover(&request, &both).await?) })?;
    scene::clear_target()
}

fn referrals_in_a_circle_are_asked_once_each(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let mut spec = two_ports(&ctx.ram_disk(0)?, [AnaState::Optimized; 2])?;
    for (port, to) in [(PortId(1), OTHER_PORT), (PortId(2), scene::PORT)] {
        let referral = ReferralSpec::tcp(ADDRESS.parse()?, to);
        let port = spec.ports.get_mut(&port).ok_or_else(|| Failure::new("no such port"))?;
        *port = port.clone().referral(Name::new("circle")?, referral);
    }
    scene::configure(&spec)?;
    let request = request(scene::PORT)?;
    let limits = CrawlLimits::default();
    let found = in_user_space(async { Ok(tcp::crawl(&request, &[], &Options::default(), &limits).await?) })?;
    ensure_eq!(found.pages.len(), 2, "services asked");
    ensure!(found.failures().next().is_none(), "{:?}", found.failures().collect::<Vec<_>>());
    let known = |why: &SkipReason| matches!(why, SkipReason::AlreadyAsked { .. });
    ensure!(found.skipped.iter().any(|skipped| known(&skipped.why)), "{:?}", found.skipped);
    scene::clear_target()
}

/// What the target has against this connect.
fn ask(identity: HostIdentity, nqn: &str, port: u16) -> Result<Finding, Failure> {
    let options = ConnectOptions::tcp(ADDRESS.parse()?, port, scene::subsystem(nqn)?, identity)?;
    Ok(blocking(&options, &ExplainOptions::default()))
}

fn a_target_says_why_it_refuses(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let me = scene::me()?;
    let (nsid, namespace): (Nsid, NamespaceSpec) = scene::disk(&ctx.ram_disk(0)?)?;
    let nqn = scene::subsystem(NQN)?;
    let restricted = SubsystemSpec::nobody().allow(me.nqn.clone()).namespace(nsid, namespace);
    let spec = TargetSpec::new()
        .host(me.nqn.clone())
        .subsystem(nqn.clone(), restricted)
        .port(PortId(1), PortSpec::tcp(ADDRESS.parse()?, scene::PORT).export(nqn));
    scene::configure(&spec)?;
    let accepted = ask(me.clone(), NQN, scene::PORT)?;
    ensure!(accepted.accepts(), "{accepted}");
    let stranger = ask(scene::host("nqn.2024-05.org.example:stranger")?, NQN, scene::PORT)?;
    ensure_eq!(*stranger.cause(), Cause::HostRefused, stranger);
    let typo = ask(me.clone(), "nqn.2024-05.org.example:dsik", scene::PORT)?;
    ensure_eq!(*typo.cause(), Cause::UnknownSubsystem, typo);
    ensure!(typo.hint().ends_with(&format!("a similar one: `{NQN}`")), "{}", typo.hint());
    ctx.note(&format!("{typo} ({})", typo.hint()));
    let nobody = ask(me.clone(), NQN, OTHER_PORT)?;
    ensure_eq!(*nobody.cause(), Cause::NothingListens, nobody);
    let discovery =
        ConnectOptions::tcp(ADDRESS.parse()?, scene::PORT, scene::subsystem(NQN)?, me)?.discovery()?;
    let discovery = blocking(&discovery, &ExplainOptions::default());
    ensure_eq!(*discovery.cause(), Cause::NotDiscovery, discovery);
    scene::clear_target()
}

async fn path(port: u16) -> Result<Controller, Failure> {
    let address = format!("{ADDRESS}:{port}").parse()?;
    let connect = multipath::path(Connect::new(address, scene::subsystem(NQN)?, scene::me()?));
    Ok(connect.reconnect_delay(Duration::from_secs(1)).connect().await?)
}

/// Waits until the paths are usable like this.
async fn usable(disk: &Disk, want: [bool; 2]) -> Result<(), Failure> {
    let waiting = async {
        while !disk.paths().iter().map(|path| path.usable).eq(want) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(scene::PATIENCE, waiting).await;
    waited.map_err(|_| Failure::new(format!("the paths are not {want:?}: {:?}", disk.paths())))
}

fn two_ports_are_one_disk(ctx: &mut Ctx) -> Result<(), Failure> {
    const LEN: usize = 256 << 10;
    scene::load(ctx)?;
    let device = ctx.ram_disk(0)?;
    let set = |states| scene::configure(&two_ports(&device, states)?).map(drop);
    set([AnaState::Optimized; 2])?;
    let data = |fill: u8| (0..LEN).map(|at| fill ^ (at / 512) as u8).collect::<Vec<u8>>();
    let there = || fs::read(&device).map(|bytes| bytes.get(..LEN).unwrap_or_default().to_vec());
    in_user_space(async {
        let options =
            PathOptions::default().policy(Policy::RoundRobin).no_path(NoPath::Wait(Duration::from_secs(1)));
        let paths = Paths::new(scene::subsystem(NQN)?, options);
        for port in [scene::PORT, OTHER_PORT] {
            paths.join(path(port).await?).await?;
        }
        let disk = paths.disk(Nsid::ONE).await?;
        usable(&disk, [true, true]).await?;
        disk.write(0, data(1)).await?;
        ensure!(disk.read_at(0, LEN as u32).await? == data(1), "it reads what was written");
        // The kernel's target changes the states; they are followed.
        set([AnaState::Inaccessible, AnaState::NonOptimized])?;
        disk.write(0, data(2)).await?;
        usable(&disk, [false, true]).await?;
        set([AnaState::Inaccessible; 2])?;
        let error = disk.read(0, 1).await.err().ok_or_else(|| Failure::new("a read without a path"))?;
        ensure!(matches!(error, DiskError::NoPath { .. }), "{error}");
        set([AnaState::Optimized, AnaState::Inaccessible])?;
        usable(&disk, [true, false]).await?;
        disk.write(0, data(3)).await?;
        disk.flush().await?;
        for info in paths.list() {
            if let Some(controller) = paths.leave(info.id) {
                controller.disconnect().await;
            }
        }
        Ok(())
    })?;
    ensure!(there()? == data(3), "the device holds what was written last");
    scene::clear_target()
}
