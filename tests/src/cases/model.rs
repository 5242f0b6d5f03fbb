//! The simulated target against this kernel's, and this kernel brought from any state to any other.

use nvme_examples::vm::Release;
use nvmet_configfs::testing::{agree, plan_on};
use nvmet_configfs::{FakeKernel, FakeTree, OsTree, clear};

use super::scene;
use crate::guest::{Case, Ctx, Failure};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("model::random_operations_are_answered_alike", random_operations_are_answered_alike),
    Case::new("model::any_state_is_reached_or_nothing_changes", any_state_is_reached_or_nothing_changes),
];

/// Modules and disks that both properties know, and the model of this kernel.
fn prepare(ctx: &mut Ctx) -> Result<FakeKernel, Failure> {
    scene::load(ctx)?;
    ctx.ram_disk(3)?;
    let kernel = match ctx.release() {
        Release::V6_1 => return Ok(FakeKernel::V6_1), // built without the loop transport
        Release::V6_12 => FakeKernel::V6_12,
        Release::V7 => FakeKernel::V7_3,
        other => return Err(Failure::new(format!("there is no model of {other}"))),
    };
    ctx.modprobe("nvme-loop")?;
    Ok(kernel)
}

fn random_operations_are_answered_alike(ctx: &mut Ctx) -> Result<(), Failure> {
    let kernel = prepare(ctx)?;
    let tree = OsTree::open_default()?;
    let (seeds, operations) = (12, 400);
    for seed in 0..seeds {
        let outcome = agree(&tree, &FakeTree::new(kernel), &[seed], operations);
        clear(&tree)?;
        outcome.map_err(|e| Failure::from(*e).while_doing(format!("seed {seed}")))?;
    }
    ctx.note(&format!("{seeds} runs of {operations} operations, each answered as the model does"));
    Ok(())
}

fn any_state_is_reached_or_nothing_changes(ctx: &mut Ctx) -> Result<(), Failure> {
    let kernel = prepare(ctx)?;
    let runs = 40u64;
    for seed in 1..=runs {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let data: Vec<u8> = (0..200)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_be_bytes()[0]
            })
            .collect();
        plan_on(OsTree::open_default()?, kernel, &data); // panics, which the runner turns into a failure
    }
    ctx.note(&format!("{runs} pairs of states, each reached or left exactly as it was"));
    Ok(())
}
