//! DH-HMAC-CHAP against the kernel's target: one direction, both, and every way in which it can go wrong.

use std::fs;
use std::path::Path;

use nvme_examples::vm::Release;
use nvme_fabrics::{
    ConnectError, ConnectErrorKind, ConnectOptions, Connected, HostIdentity, OsDevice, Stage, Sysfs, connect,
};
use nvme_proto::auth::{DhchapSecret, HashId};
use nvmet_configfs::SubsystemSpec;

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_auth::one_direction", one_direction),
    Case::new("fabrics_auth::both_directions", both_directions),
    Case::new("fabrics_auth::every_function_and_length", every_function_and_length),
];

const NQN: &str = "nqn.2024-05.org.example:guarded";

/// A secret of 32 bytes that are all the same.
fn secret(byte: u8) -> Result<DhchapSecret, Failure> {
    Ok(DhchapSecret::new(Some(HashId::SHA256), &[byte; 32])?)
}

/// Debian builds 6.1 without authentication. Its option list names the secrets all the same, and the kernel takes and ignores them; its controllers
/// show none. Its target can demand none either.
fn unsupported(ctx: &mut Ctx) -> Result<bool, Failure> {
    scene::load(ctx)?;
    if ctx.release() != Release::V6_1 {
        return Ok(false);
    }
    let me = scene::me()?;
    guard(ctx, &me, &[])?;
    let connected = attempt(&me, |o| Ok(o.authenticate(DhchapSecret::new(None, &[1; 32])?)?))?;
    let shown = Path::new("/sys/class/nvme").join(connected.controller.to_string()).join("dhchap_secret");
    ensure!(!shown.exists(), "this kernel authenticates");
    scene::leave(connected.controller)?;
    scene::clear_target()?;
    ctx.note("not built with authentication: a secret is ignored");
    Ok(true)
}

enum Attempt {
    Refused(ConnectError),
    Wrong(Failure),
}

impl From<Attempt> for Failure {
    fn from(attempt: Attempt) -> Self {
        match attempt {
            Attempt::Refused(error) => Self::from(error),
            Attempt::Wrong(failure) => failure,
        }
    }
}

fn attempt(
    host: &HostIdentity,
    with: impl FnOnce(ConnectOptions) -> Result<ConnectOptions, Failure>,
) -> Result<Connected, Attempt> {
    let wrong = |e: Failure| Attempt::Wrong(e);
    let address = "127.0.0.1".parse().map_err(|e| wrong(Failure::from(e)))?;
    let nqn = scene::subsystem(NQN).map_err(wrong)?;
    let options =
        ConnectOptions::tcp(address, scene::PORT, nqn, host.clone()).map_err(|e| wrong(Failure::from(e)))?;
    let options = with(options).map_err(wrong)?;
    connect(&OsDevice::system(), &Sysfs::system(), &options).map_err(Attempt::Refused)
}

/// The target, guarded by what stands in the host's directory.
fn guard(ctx: &mut Ctx, host: &HostIdentity, attributes: &[(&str, String)]) -> Result<(), Failure> {
    let mut spec = scene::guide_spec(NQN, &ctx.ram_disk(0)?, "127.0.0.1")?.host(host.nqn.clone());
    let (nsid, disk) = scene::disk(&ctx.ram_disk(0)?)?;
    spec = spec.subsystem(
        scene::subsystem(NQN)?,
        SubsystemSpec::nobody().allow(host.nqn.clone()).namespace(nsid, disk),
    );
    scene::configure(&spec)?;
    let dir = Path::new("/sys/kernel/config/nvmet/hosts").join(host.nqn.as_str());
    for (name, value) in attributes {
        fs::write(dir.join(name), value)
            .map_err(|e| Failure::from(e).while_doing(format_args!("write {name}")))?;
    }
    Ok(())
}

/// A connect that must fail for its secrets; gives the error, with what the kernel said.
fn must_fail(
    ctx: &mut Ctx,
    host: &HostIdentity,
    what: &str,
    with: impl FnOnce(ConnectOptions) -> Result<ConnectOptions, Failure>,
) -> Result<ConnectError, Failure> {
    let mark = ctx.kernel_log_mark()?;
    match attempt(host, with) {
        Ok(connected) => {
            scene::leave(connected.controller)?;
            Err(Failure::new(format!("{what}: the connect was not refused")))
        }
        Err(Attempt::Wrong(failure)) => Err(failure),
        Err(Attempt::Refused(error)) => {
            let text = nvme_examples::cli::explain(&error);
            let said = ctx.kernel_log_since(&mark)?;
            ctx.note(&format!("{what}: {text}\n    {:?}, kernel: {said:?}", error.errno()));
            ensure_eq!(error.stage(), Stage::Authentication, what);
            ensure!(text.contains("secret"), "{text}");
            ensure!(!text.contains("DHHC-1:0"), "{text}");
            ensure!(!said.iter().any(|line| line.contains("DHHC-1:0")), "{said:?}");
            Ok(error)
        }
    }
}

fn one_direction(ctx: &mut Ctx) -> Result<(), Failure> {
    if unsupported(ctx)? {
        return Ok(());
    }
    let me = scene::me()?;
    guard(ctx, &me, &[("dhchap_key", secret(1)?.expose_text().as_str().to_owned())])?;
    let error = must_fail(ctx, &me, "no secret", Ok)?;
    ensure_eq!(error.kind(), ConnectErrorKind::AuthenticationRequired, "no secret");
    scene::nvme_cli_is_refused(ctx, &me, NQN, &[])?;
    let error = must_fail(ctx, &me, "a wrong secret", |o| Ok(o.authenticate(secret(2)?)?))?;
    ensure_eq!(error.kind(), ConnectErrorKind::AuthenticationFailed, "a wrong secret");
    ensure!(!error.is_retryable(), "the same secret stays wrong");
    scene::nvme_cli_is_refused(ctx, &me, NQN, &["-S", secret(2)?.expose_text().as_str()])?;
    let connected = attempt(&me, |o| Ok(o.authenticate(secret(1)?)?))?;
    scene::device_of(connected.controller)?;
    scene::leave(connected.controller)?;
    scene::clear_target()
}

/// Secrets of every form: what the target computes from them is what the host does.
fn every_function_and_length(ctx: &mut Ctx) -> Result<(), Failure> {
    if unsupported(ctx)? {
        return Ok(());
    }
    let me = scene::me()?;
    for (hash, len) in [
        (None, 32),
        (None, 48),
        (None, 64),
        (Some(HashId::SHA256), 32),
        (Some(HashId::SHA384), 48),
        (Some(HashId::SHA512), 64),
    ] {
        let secret = DhchapSecret::new(hash, &[9; 64][..len])?;
        guard(ctx, &me, &[("dhchap_key", secret.expose_text().as_str().to_owned())])?;
        let connected = attempt(&me, |o| Ok(o.authenticate(secret)?))?;
        scene::device_of(connected.controller)?;
        scene::leave(connected.controller)?;
    }
    scene::clear_target()
}

fn both_directions(ctx: &mut Ctx) -> Result<(), Failure> {
    if unsupported(ctx)? {
        return Ok(());
    }
    let me = scene::me()?;
    let text = |byte| Ok::<_, Failure>(secret(byte)?.expose_text().as_str().to_owned());
    guard(ctx, &me, &[("dhchap_key", text(1)?), ("dhchap_ctrl_key", text(3)?)])?;
    let error = must_fail(ctx, &me, "a wrong secret of the controller", |o| {
        Ok(o.authenticate(secret(1)?)?.authenticate_controller(secret(4)?)?)
    })?;
    ensure_eq!(error.kind(), ConnectErrorKind::AuthenticationFailed, "of the controller");
    scene::nvme_cli_is_refused(
        ctx,
        &me,
        NQN,
        &["-S", secret(1)?.expose_text().as_str(), "-C", secret(4)?.expose_text().as_str()],
    )?;
    let connected = attempt(&me, |o| Ok(o.authenticate(secret(1)?)?.authenticate_controller(secret(3)?)?))?;
    scene::device_of(connected.controller)?;
    scene::leave(connected.controller)?;
    scene::clear_target()
}
