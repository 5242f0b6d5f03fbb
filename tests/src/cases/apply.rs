//! Changes to the target: they reach their goal or leave the tree as it was, and a second one writes nothing.

use std::path::Path;

use nvmet_configfs::{
    Consent, Errno, Foreign, HostAccess, Instrumented, OsTree, Policy, PortId, PortSpec, SubsystemSpec,
    TargetSpec, apply, diff, observe, reconcile,
};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("apply::teardown_leaves_an_empty_tree", teardown_leaves_an_empty_tree),
    Case::new("apply::a_second_apply_writes_nothing", a_second_apply_writes_nothing),
    Case::new("apply::a_failure_at_any_step_of_making_is_undone", a_failure_at_any_step_of_making_is_undone),
    Case::new(
        "apply::a_failure_at_any_step_of_changing_is_undone",
        a_failure_at_any_step_of_changing_is_undone,
    ),
    Case::new(
        "apply::a_failure_at_any_step_of_removing_is_undone",
        a_failure_at_any_step_of_removing_is_undone,
    ),
    Case::new("apply::foreign_objects_are_left_alone", foreign_objects_are_left_alone),
    Case::new("apply::removal_takes_what_others_put_inside", removal_takes_what_others_put_inside),
];

/// A target with everything that the first specs know: two subsystems, a restricted one, two ports, attributes.
fn rich(one: &Path, two: &Path) -> Result<TargetSpec, Failure> {
    let host: nvme_proto::HostNqn = "nqn.2024-05.org.example:host".parse()?;
    let (nsid, namespace) = scene::disk(two)?;
    let (open, closed) = (scene::subsystem("mysub")?, scene::subsystem("nqn.2024-05.org.example:closed")?);
    Ok(TargetSpec::new()
        .host(host.clone())
        .subsystem(
            open.clone(),
            scene::open_subsystem(one)?.serial("RICH0001".parse()?).model("Rich Model".parse()?),
        )
        .subsystem(
            closed.clone(),
            SubsystemSpec::nobody().allow(host).namespace(
                nsid,
                namespace
                    .uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse()?)
                    .nguid("0123456789abcdef0123456789abcdef".parse()?),
            ),
        )
        .port(PortId(1), PortSpec::tcp("127.0.0.1".parse()?, 4420).inline_data_size(8192).export(open))
        .port(PortId(2), PortSpec::tcp("::1".parse()?, 4421).export(closed)))
}

/// The same target changed in every part: access, devices, addresses, exports.
fn changed(one: &Path, two: &Path) -> Result<TargetSpec, Failure> {
    let mut spec = rich(two, one)?;
    let open = scene::subsystem("mysub")?;
    let host: nvme_proto::HostNqn = "nqn.2024-05.org.example:other".parse()?;
    spec = spec.host(host.clone());
    if let Some(subsystem) = spec.subsystems.get_mut(&open) {
        subsystem.access = HostAccess::Only([host].into());
        subsystem.settings.set("attr_serial", "RICH0002")?;
    }
    Ok(spec.port(PortId(1), PortSpec::tcp("127.0.0.1".parse()?, 4430).export(open)))
}

fn teardown_leaves_an_empty_tree(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let empty = ctx.nvmet_dump()?;
    scene::configure(&rich(&ctx.ram_disk(0)?, &ctx.ram_disk(1)?)?)?;
    ensure!(ctx.nvmet_dump()? != empty, "nothing was made");
    scene::clear_target()?;
    ensure_eq!(ctx.nvmet_dump()?, empty, "the tree after the teardown");
    Ok(())
}

fn a_second_apply_writes_nothing(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let spec = rich(&ctx.ram_disk(0)?, &ctx.ram_disk(1)?)?;
    let tree = Instrumented::new(OsTree::open_default()?);
    reconcile(&tree, &spec, &Policy::default())?;
    let first = tree.mutations();
    let dump = ctx.nvmet_dump()?;
    let again = reconcile(&tree, &spec, &Policy::default())?;
    ensure!(!again.changed(), "the second apply changed something");
    ensure_eq!(tree.mutations(), first, "mutating calls after the second apply");
    ensure_eq!(ctx.nvmet_dump()?, dump, "the tree");
    ctx.note(&format!("{first} mutating calls the first time, none the second"));
    scene::clear_target()
}

/// Fails every mutating call of a change in turn and compares the whole tree with what was there before.
fn every_failure_is_undone(ctx: &mut Ctx, to: &TargetSpec, foreign: Foreign) -> Result<(), Failure> {
    let tree = Instrumented::new(OsTree::open_default()?);
    let before = ctx.nvmet_dump()?;
    let policy = Policy::foreign(foreign).consent(Consent::Given);
    for step in 0.. {
        let plan = diff(&observe(&tree)?, to, &policy)?;
        if step == plan.len() {
            // The number of steps is known to be right only when all of them were tried.
            ctx.note(&format!("{step} steps, each failed once, each undone"));
            break;
        }
        tree.fail_mutation(step, Errno::EIO);
        let Err(error) = apply(&tree, &plan) else {
            return Err(Failure::new(format!("step {step} of {} did not fail", plan.len())));
        };
        tree.clear_failures();
        ensure!(error.rollback.is_complete(), "step {step}: {error}");
        ensure_eq!(ctx.nvmet_dump()?, before, format!("the tree after step {step} failed: {error}"));
    }
    Ok(())
}

fn a_failure_at_any_step_of_making_is_undone(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let spec = rich(&ctx.ram_disk(0)?, &ctx.ram_disk(1)?)?;
    every_failure_is_undone(ctx, &spec, Foreign::Keep)
}

fn a_failure_at_any_step_of_changing_is_undone(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let (one, two) = (ctx.ram_disk(0)?, ctx.ram_disk(1)?);
    scene::configure(&rich(&one, &two)?)?;
    let to = changed(&one, &two)?;
    every_failure_is_undone(ctx, &to, Foreign::Keep)?;
    // And without failures the change arrives.
    scene::configure(&to)?;
    ensure!(diff(&observe(&OsTree::open_default()?)?, &to, &Policy::default())?.is_empty(), "not arrived");
    scene::clear_target()
}

fn a_failure_at_any_step_of_removing_is_undone(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&rich(&ctx.ram_disk(0)?, &ctx.ram_disk(1)?)?)?;
    every_failure_is_undone(ctx, &TargetSpec::new(), Foreign::Remove)?;
    scene::clear_target()
}

fn foreign_objects_are_left_alone(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&rich(&ctx.ram_disk(0)?, &ctx.ram_disk(1)?)?)?;
    let theirs = ctx.nvmet_dump()?;
    let nqn = scene::subsystem("nqn.2024-05.org.example:ours")?;
    let ours = TargetSpec::new()
        .subsystem(nqn.clone(), scene::open_subsystem(&ctx.ram_disk(2)?)?)
        .port(PortId(9), PortSpec::tcp("127.0.0.1".parse()?, 4499).export(nqn));
    let tree = scene::configure(&ours)?;
    ensure!(ctx.nvmet_dump()? != theirs, "nothing was made");
    nvmet_configfs::withdraw(&tree, &ours)?;
    ensure_eq!(ctx.nvmet_dump()?, theirs, "the tree after only our objects went");
    scene::clear_target()
}

/// Referrals, ANA groups and disabled namespaces that nvmetcli or a shell made inside our objects.
fn removal_takes_what_others_put_inside(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let empty = ctx.nvmet_dump()?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    let root = Path::new("/sys/kernel/config/nvmet");
    std::fs::create_dir(root.join("ports/1/ana_groups/2"))?;
    std::fs::create_dir(root.join("ports/1/referrals/elsewhere"))?;
    std::fs::write(root.join("ports/1/referrals/elsewhere/enable"), "1")?;
    std::fs::create_dir(root.join("subsystems/mysub/namespaces/7"))?;
    scene::clear_target()?;
    ensure_eq!(ctx.nvmet_dump()?, empty, "the tree after the teardown");
    Ok(())
}
