//! Our user-space host proves who it is to the kernel's target (DH-HMAC-CHAP), and has the target prove it too.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use nvme_examples::vm::Release;
use nvme_fabrics::tcp::explain::{Cause, ExplainOptions, blocking};
use nvme_fabrics::tcp::{Connect, ConnectError, Stage};
use nvme_fabrics::{ConnectOptions, HostIdentity};
use nvme_proto::Nsid;
use nvme_proto::auth::{AuthError, DhchapSecret, FailureExplanation, HashId};
use nvmet_configfs::{HostSpec, PortId, PortSpec, SubsystemSpec, TargetSpec};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("soft_auth::a_host_that_knows_its_secret_reads_and_writes", a_host_that_knows_its_secret),
    Case::new("soft_auth::a_host_with_another_secret_or_none_is_kept_out", a_host_with_another_secret),
    Case::new("soft_auth::the_target_proves_itself_too", the_target_proves_itself_too),
];

const NQN: &str = "nqn.2024-05.org.example:locked";
const ADDRESS: &str = "127.0.0.1";

/// A secret of its own for each name.
fn secret(hash: Option<HashId>, seed: u64) -> Result<DhchapSecret, Failure> {
    let mut bytes = [0; 64];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    let len = match hash {
        Some(HashId::SHA512) => 64,
        Some(HashId::SHA384) => 48,
        _ => 32,
    };
    Ok(DhchapSecret::new(hash, &bytes[..len])?)
}

/// What a target asks a host for.
struct Lock {
    host: DhchapSecret,
    controller: Option<DhchapSecret>,
    hash: &'static str,
    group: &'static str,
}

impl Lock {
    fn new(host: DhchapSecret) -> Self {
        Self { host, controller: None, hash: "hmac(sha256)", group: "null" }
    }
}

/// False where the kernel is built without authentication, which is then seen, not taken for granted: Debian's 6.1 is.
fn has_authentication(ctx: &mut Ctx) -> Result<bool, Failure> {
    ctx.modprobe("nvmet-tcp")?;
    let host = Path::new("/sys/kernel/config/nvmet/hosts/nqn.2024-05.org.example:probe");
    std::fs::create_dir(host)?;
    let there = host.join("dhchap_key").exists();
    std::fs::remove_dir(host)?;
    ensure_eq!(there, ctx.release() != Release::V6_1, "the kernel has authentication");
    if !there {
        ctx.note("this kernel's target has no authentication");
    }
    Ok(there)
}

/// A memory disk behind a lock; the target wants it opened by this host.
fn configure(ctx: &mut Ctx, me: &HostIdentity, lock: &Lock) -> Result<(), Failure> {
    let mut host = HostSpec::new()
        .set("dhchap_hash", lock.hash)?
        .set("dhchap_dhgroup", lock.group)?
        .set("dhchap_key", lock.host.expose_text().as_str())?;
    if let Some(controller) = &lock.controller {
        host = host.set("dhchap_ctrl_key", controller.expose_text().as_str())?;
    }
    let (nsid, disk) = scene::disk(&ctx.ram_disk(0)?)?;
    let nqn = scene::subsystem(NQN)?;
    let spec = TargetSpec::new()
        .host_with(me.nqn.clone(), host)
        .subsystem(nqn.clone(), SubsystemSpec::nobody().allow(me.nqn.clone()).namespace(nsid, disk))
        .port(PortId(1), PortSpec::tcp(ADDRESS.parse()?, scene::PORT).export(nqn));
    scene::configure(&spec).map(drop)
}

fn connect(me: &HostIdentity) -> Result<Connect, Failure> {
    let peer = SocketAddr::new(ADDRESS.parse()?, scene::PORT);
    let connect = Connect::new(peer, scene::subsystem(NQN)?, me.clone()).queues(2);
    Ok(connect.reconnect_delay(Duration::from_millis(100)))
}

fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(future)
}

/// Connects, writes, loses the connections and connects once more: every queue of each round authenticates anew.
fn uses(connect: Connect) -> Result<(), Failure> {
    block_on(async {
        let controller = connect.connect().await?;
        ensure_eq!(controller.limits().queues, 2, "queues");
        let namespace = controller.namespace(Nsid::ONE).await?;
        let block = usize::try_from(namespace.block_size())?;
        let data: Vec<u8> = (0..8 * block).map(|at| (at / block) as u8 ^ 0xa5).collect();
        namespace.write(0, data.clone()).await?;
        controller.reset();
        ensure!(namespace.read(0, 8).await? == data, "other data after the connections were made anew");
        controller.disconnect().await;
        Ok(())
    })
}

/// The error of a connect that must not work.
fn refused(connect: Connect) -> Result<ConnectError, Failure> {
    block_on(async {
        match connect.connect().await {
            Ok(controller) => {
                controller.disconnect().await;
                Err(Failure::new("the connect was not refused"))
            }
            Err(error) => Ok(error),
        }
    })
}

fn a_host_that_knows_its_secret(ctx: &mut Ctx) -> Result<(), Failure> {
    if !has_authentication(ctx)? {
        return Ok(());
    }
    let me = scene::me()?;
    let locks = [
        (None, "hmac(sha256)", "null"),
        (Some(HashId::SHA256), "hmac(sha384)", "ffdhe2048"),
        (Some(HashId::SHA384), "hmac(sha512)", "null"),
        (Some(HashId::SHA512), "hmac(sha256)", "null"),
    ];
    for (seed, (transform, hash, group)) in (1..).zip(locks) {
        let secret = secret(transform, seed)?;
        configure(ctx, &me, &Lock { hash, group, ..Lock::new(secret.clone()) })?;
        uses(connect(&me)?.secrets(secret, None))
            .map_err(|error| error.while_doing(format!("use {hash} with {group}")))?;
        scene::clear_target()?;
    }
    Ok(())
}

fn a_host_with_another_secret(ctx: &mut Ctx) -> Result<(), Failure> {
    if !has_authentication(ctx)? {
        return Ok(());
    }
    let me = scene::me()?;
    configure(ctx, &me, &Lock::new(secret(None, 1)?))?;
    let other = refused(connect(&me)?.secrets(secret(None, 2)?, None))?;
    let said = FailureExplanation::AUTHENTICATION_FAILED;
    let by_peer = matches!(
        &other,
        ConnectError::Authentication { queue: 0, error: AuthError::Peer { explanation }, .. } if *explanation == said
    );
    // The target breaks the connection at once (drivers/nvme/target: nvmet_ctrl_fatal_error), now and then before its answer is sent.
    let broken = matches!(&other, ConnectError::Ended { stage: Stage::Authenticate, queue: 0, .. });
    ensure!(by_peer && !other.is_retryable() || broken, "{other:?}");
    ctx.note(&nvme_examples::cli::explain(&other));
    let none = refused(connect(&me)?)?;
    ensure!(matches!(none, ConnectError::AuthenticationRequired { queue: 0, .. }), "{none:?}");
    ctx.note(&none.to_string());
    // Asked for the kernel's sake, it says the same.
    let options = ConnectOptions::tcp(ADDRESS.parse()?, scene::PORT, scene::subsystem(NQN)?, me.clone())?;
    let finding = blocking(&options, &ExplainOptions::default());
    ensure_eq!(*finding.cause(), Cause::AuthenticationRequired, finding);
    ensure!(finding.hint().contains("DH-HMAC-CHAP"), "{}", finding.hint());
    // Who is let in at last was not let in by accident.
    uses(connect(&me)?.secrets(secret(None, 1)?, None))?;
    scene::clear_target()
}

fn the_target_proves_itself_too(ctx: &mut Ctx) -> Result<(), Failure> {
    if !has_authentication(ctx)? {
        return Ok(());
    }
    let me = scene::me()?;
    let (mine, its) = (secret(Some(HashId::SHA256), 1)?, secret(Some(HashId::SHA256), 3)?);
    // Larger groups take a minute in an emulated machine, and differ in nothing but their prime.
    for group in ["null", "ffdhe2048"] {
        let lock = Lock { controller: Some(its.clone()), group, ..Lock::new(mine.clone()) };
        configure(ctx, &me, &lock)?;
        uses(connect(&me)?.secrets(mine.clone(), Some(its.clone())))?;
        let wrong = refused(connect(&me)?.secrets(mine.clone(), Some(secret(Some(HashId::SHA256), 4)?)))?;
        let caught =
            matches!(wrong, ConnectError::Authentication { error: AuthError::ControllerResponse, .. });
        ensure!(caught && wrong.stage() == Stage::Authenticate, "{group}: {wrong:?}");
        ctx.note(&nvme_examples::cli::explain(&wrong));
        scene::clear_target()?;
    }
    // A target that has no secret of its own, or asks for nothing at all, is not used by a host that wants proof.
    configure(ctx, &me, &Lock::new(mine.clone()))?;
    let silent = refused(connect(&me)?.secrets(mine.clone(), Some(its.clone())))?;
    ensure_eq!(silent.stage(), Stage::Authenticate, silent);
    ctx.note(&nvme_examples::cli::explain(&silent));
    scene::clear_target()?;
    scene::configure(&scene::guide_spec(NQN, &ctx.ram_disk(0)?, ADDRESS)?)?;
    let open = refused(connect(&me)?.secrets(mine.clone(), Some(its)))?;
    ensure!(matches!(open, ConnectError::NotAuthenticated { queue: 0, .. }), "{open:?}");
    ctx.note(&open.to_string());
    // Without that wish the secret is simply not needed.
    uses(connect(&me)?.secrets(mine, None))?;
    scene::clear_target()
}
