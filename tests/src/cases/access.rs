//! Who may connect: any host, a listed host, nobody; and a host NQN where a subsystem NQN belongs.

use nvme_fabrics::Rejection;
use nvme_proto::HostNqn;
use nvmet_configfs::{PortId, PortSpec, SubsystemSpec, TargetSpec};

use super::scene;
use crate::ensure;
use crate::guest::{Case, Ctx, Failure};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("access::any_host_may_connect", any_host_may_connect),
    Case::new("access::only_the_listed_host_may_connect", only_the_listed_host_may_connect),
    Case::new("access::removing_the_last_host_leaves_nobody", removing_the_last_host_leaves_nobody),
    Case::new("access::an_unknown_nqn_is_explained", an_unknown_nqn_is_explained),
    Case::new("access::a_host_nqn_is_no_subsystem_nqn", a_host_nqn_is_no_subsystem_nqn),
    Case::new("access::a_second_identity_is_refused_by_name", a_second_identity_is_refused_by_name),
    Case::new("access::connecting_twice_names_the_controller", connecting_twice_names_the_controller),
];

const ALICE: &str = "nqn.2024-05.org.example:alice";
const BOB: &str = "nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

fn any_host_may_connect(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    for name in [ALICE, BOB] {
        let connected = scene::connect_as(scene::host(name)?, "mysub", "127.0.0.1")?;
        scene::device_of(connected.controller)?;
        scene::leave(connected.controller)?;
    }
    scene::clear_target()
}

fn restricted(ctx: &mut Ctx, hosts: &[&str]) -> Result<TargetSpec, Failure> {
    let (nsid, namespace) = scene::disk(&ctx.ram_disk(0)?)?;
    let nqn = scene::subsystem("mysub")?;
    let mut spec = TargetSpec::new();
    let mut subsystem = SubsystemSpec::nobody().namespace(nsid, namespace);
    for name in hosts {
        let host = HostNqn::new(*name)?;
        spec = spec.host(host.clone());
        subsystem = subsystem.allow(host);
    }
    Ok(spec
        .subsystem(nqn.clone(), subsystem)
        .port(PortId(1), PortSpec::tcp("127.0.0.1".parse()?, scene::PORT).export(nqn)))
}

fn only_the_listed_host_may_connect(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&restricted(ctx, &[ALICE])?)?;
    let connected = scene::connect_as(scene::host(ALICE)?, "mysub", "127.0.0.1")?;
    scene::device_of(connected.controller)?;

    let error = scene::refused(scene::connect_as(scene::host(BOB)?, "mysub", "127.0.0.1"))?;
    ensure!(matches!(error.rejection(), Some(Rejection::HostNotAllowed { .. })), "{error:?}");
    let text = nvme_examples::cli::explain(&error);
    ctx.note(&text);
    for wanted in ["mysub", BOB, "does not allow"] {
        ensure!(text.contains(wanted), "the error lacks {wanted:?}: {text}");
    }
    scene::leave(connected.controller)?;
    scene::clear_target()
}

fn removing_the_last_host_leaves_nobody(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&restricted(ctx, &[ALICE])?)?;
    scene::configure(&restricted(ctx, &[])?)?;
    for name in [ALICE, BOB] {
        let error = scene::refused(scene::connect_as(scene::host(name)?, "mysub", "127.0.0.1"))?;
        ensure!(matches!(error.rejection(), Some(Rejection::HostNotAllowed { .. })), "{name}: {error:?}");
    }
    scene::clear_target()
}

fn an_unknown_nqn_is_explained(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    let error = scene::refused(scene::connect_as(scene::me()?, "nqn.2024-05.org.example:typo", "127.0.0.1"))?;
    ensure!(matches!(error.rejection(), Some(Rejection::SubsystemNotFound { .. })), "{error:?}");
    let text = nvme_examples::cli::explain(&error);
    ctx.note(&text);
    ensure!(text.contains("nqn.2024-05.org.example:typo"), "{text}");
    scene::clear_target()
}

/// The guide suggests that a host NQN can stand in place of the subsystem's.
fn a_host_nqn_is_no_subsystem_nqn(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&restricted(ctx, &[BOB])?)?;
    let error = scene::refused(scene::connect_as(scene::host(BOB)?, BOB, "127.0.0.1"))?;
    let text = nvme_examples::cli::explain(&error);
    ctx.note(&text);
    ensure!(text.contains("host NQN"), "{text}");
    scene::clear_target()
}

/// From Linux 6.5 on the kernel refuses one host NQN with two IDs; we refuse it on every kernel, and say whose it is.
fn a_second_identity_is_refused_by_name(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    let connected = scene::connect_as(scene::host(ALICE)?, "mysub", "127.0.0.1")?;
    let mut other = scene::host(ALICE)?;
    other.id = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse()?;
    let error = scene::refused(scene::connect_as(other, "mysub", "127.0.0.1"))?;
    ensure!(error.conflicting() == Some(connected.controller), "{error:?}");
    scene::leave(connected.controller)?;
    scene::clear_target()
}

fn connecting_twice_names_the_controller(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    let connected = scene::connect_as(scene::me()?, "mysub", "127.0.0.1")?;
    let error = scene::refused(scene::connect_as(scene::me()?, "mysub", "127.0.0.1"))?;
    ensure!(error.to_string().contains(&connected.controller.to_string()), "{error}");
    scene::leave(connected.controller)?;
    scene::clear_target()
}
