//! The simulated target against this kernel's, and this kernel brought from any state to any other.

use nvme_examples::vm::Release;
use nvmet_configfs::testing::{agree, every_failure_on, mistakes, plan_on};
use nvmet_configfs::{Errno, FakeKernel, FakeTree, Op, OsTree, clear};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("model::mistakes_are_answered_alike", mistakes_are_answered_alike),
    Case::new("model::known_seeds_are_answered_alike", known_seeds_are_answered_alike),
    Case::new("model::random_operations_are_answered_alike", random_operations_are_answered_alike),
    Case::new("model::any_state_is_reached_or_nothing_changes", any_state_is_reached_or_nothing_changes),
    Case::new(
        "model::a_failure_at_any_step_of_any_change_is_undone",
        a_failure_at_any_step_of_any_change_is_undone,
    ),
];

/// Seeds that are tried every time beside those from [`Ctx::seed`] on: those that once showed a difference between a kernel and its
/// model, and a few more.
const KNOWN: &[u64] = &[0, 1, 2, 3];
/// Operations for each seed.
const OPERATIONS: usize = 400;
/// Seeds from [`Ctx::seed`] on.
const FRESH: u64 = 8;
/// Pairs of states, and pairs whose every step fails once.
const PAIRS: u64 = 40;
const FAILED_PAIRS: u64 = 8;

/// The model of this kernel.
pub(super) fn kernel(ctx: &Ctx) -> Result<FakeKernel, Failure> {
    match ctx.release() {
        Release::V6_1 => Ok(FakeKernel::V6_1),
        Release::V6_12 => Ok(FakeKernel::V6_12),
        Release::V7 => Ok(FakeKernel::V7_3),
        other => Err(Failure::new(format!("there is no model of {other}"))),
    }
}

/// Modules and disks that all properties know, and the model of this kernel.
fn prepare(ctx: &mut Ctx) -> Result<FakeKernel, Failure> {
    scene::load(ctx)?;
    ctx.ram_disk(3)?;
    let kernel = kernel(ctx)?;
    // Linux 6.1 is built without this transport.
    if ctx.release() != Release::V6_1 {
        ctx.modprobe("nvme-loop")?;
    }
    Ok(kernel)
}

fn mistakes_are_answered_alike(ctx: &mut Ctx) -> Result<(), Failure> {
    let kernel = prepare(ctx)?;
    let (seen, wanted) = (mistakes(&OsTree::open_default()?), mistakes(&FakeTree::new(kernel)));
    ensure_eq!(seen.len(), wanted.len(), "operations until nothing more can be made");
    let mut refused = 0;
    for (seen, wanted) in seen.iter().zip(&wanted) {
        ensure_eq!(seen, wanted, "an answer");
        if let Err(error) = &seen.result {
            // What is not there cannot be removed or read: that says it all.
            let plain =
                error.errno() == Errno::ENOENT && !matches!(error.op(), Op::Write | Op::Mkdir | Op::Symlink);
            ensure!(
                plain || error.explanation().is_some_and(|hint| hint.errno == error.errno()),
                "no hint: {error}"
            );
            refused += 1;
        }
    }
    ctx.note(&format!("{refused} of {} operations refused as by the model, each with a hint", seen.len()));
    Ok(())
}

fn answered_alike(kernel: FakeKernel, seeds: impl IntoIterator<Item = u64>) -> Result<usize, Failure> {
    let tree = OsTree::open_default()?;
    let mut count = 0;
    for seed in seeds {
        let outcome = agree(&tree, &FakeTree::new(kernel), &seed.to_be_bytes(), OPERATIONS);
        clear(&tree)?;
        outcome.map_err(|e| Failure::from(*e).while_doing(format!("seed {seed}")))?;
        count += OPERATIONS;
    }
    Ok(count)
}

fn known_seeds_are_answered_alike(ctx: &mut Ctx) -> Result<(), Failure> {
    let kernel = prepare(ctx)?;
    let count = answered_alike(kernel, KNOWN.iter().copied())?;
    ctx.note(&format!("{count} operations, each answered as the model does"));
    Ok(())
}

fn random_operations_are_answered_alike(ctx: &mut Ctx) -> Result<(), Failure> {
    let kernel = prepare(ctx)?;
    let first = ctx.seed();
    let count = answered_alike(kernel, first..first + FRESH)?;
    ctx.note(&format!("{count} operations, seeds from {first}, each answered as the model does"));
    Ok(())
}

/// Bytes that a number is the seed of.
fn bytes(seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..200).map(|_| random.u8(..)).collect()
}

fn any_state_is_reached_or_nothing_changes(ctx: &mut Ctx) -> Result<(), Failure> {
    let kernel = prepare(ctx)?;
    let first = ctx.seed();
    for seed in (1..=PAIRS / 2).chain(first..first + PAIRS / 2) {
        ctx.note(&format!("seed {seed}"));
        plan_on(OsTree::open_default()?, kernel, &bytes(seed)); // panics, which the runner turns into a failure
        ctx.unnote();
    }
    ctx.note(&format!(
        "{PAIRS} pairs of states, half of them from seed {first}, each reached or left exactly as it was"
    ));
    Ok(())
}

fn a_failure_at_any_step_of_any_change_is_undone(ctx: &mut Ctx) -> Result<(), Failure> {
    let kernel = prepare(ctx)?;
    let first = ctx.seed();
    let mut steps = 0;
    for seed in (1..=FAILED_PAIRS / 2).chain(first..first + FAILED_PAIRS / 2) {
        ctx.note(&format!("seed {seed}"));
        steps += every_failure_on(OsTree::open_default()?, kernel, &seed.to_be_bytes());
        ctx.unnote();
    }
    ensure!(steps > 0, "no step failed");
    ctx.note(&format!("{steps} steps of {FAILED_PAIRS} changes, half of them from seed {first}: each failed once, each undone"));
    Ok(())
}
