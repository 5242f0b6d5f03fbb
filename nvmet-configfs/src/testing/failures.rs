//! A failure at every step of a change.

use super::specs::{Controller, spec};
use super::{Choices, Must};
use crate::tree::{FakeKernel, Instrumented, Tree, dump};
use crate::{Consent, Errno, Error, Foreign, Policy, apply, plan, reconcile};

/// Every step of a change fails once, and each time the tree is as it was before; then the change is done.
///
/// From the bytes come two states of a target and whether what the second does not name is removed. The tree is empty and so again
/// afterwards; it is one of a kernel that answers like `kernel`, on a machine with `/dev/ram0` to `/dev/ram3`. Gives the number of steps:
/// 0 when the second state is refused before anything is written.
///
/// # Panics
/// When that does not hold.
pub fn every_failure_on(tree: impl Tree, kernel: FakeKernel, data: &[u8]) -> usize {
    let mut choices = Choices::endless(data);
    let tree = Instrumented::new(tree);
    let empty = dump(&tree).must("a readable tree");
    let [first, second] = [(); 2].map(|()| spec(&mut choices, kernel, Controller::Absent));
    let foreign = if choices.flag() { Foreign::Remove } else { Foreign::Keep };
    let policy = Policy::foreign(foreign).consent(Consent::Given);
    let steps = match reconcile(&tree, &first, &Policy::default()) {
        // A namespace may be meant to be enabled, and have no device.
        Err(Error::Spec(_)) => 0,
        other => {
            other.must("an empty target takes any valid spec");
            match plan(&tree, &second, &policy) {
                Err(Error::Spec(_)) => 0,
                made => fail_each(&tree, &made.must("a readable tree")),
            }
        }
    };
    if steps > 0 {
        reconcile(&tree, &second, &policy).must("the change without failures");
        assert!(
            plan(&tree, &second, &policy).must("a second plan").is_empty(),
            "a second run has nothing to do"
        );
    }
    crate::clear(&tree).must("anything can be removed");
    assert_eq!(dump(&tree).must("a readable tree"), empty);
    steps
}

fn fail_each(tree: &Instrumented<impl Tree>, plan: &crate::Plan) -> usize {
    let before = dump(tree).must("a readable tree");
    for step in 0..plan.len() {
        tree.fail_mutation(step, if step % 2 == 0 { Errno::EIO } else { Errno::EINTR });
        let Err(error) = apply(tree, plan) else { panic!("step {step} did not fail:\n{plan}") };
        tree.clear_failures();
        assert!(error.rollback.is_complete(), "{error}");
        let after = dump(tree).must("a readable tree");
        assert_eq!(after, before, "step {step}: {error}\n{}", tree.log().join("\n"));
    }
    plan.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::FakeTree;

    #[test]
    fn random_changes_leave_no_trace_when_they_fail() {
        let steps: usize = (0..60u8)
            .map(|seed| {
                let kernel = FakeKernel::ALL[usize::from(seed) % 3];
                every_failure_on(FakeTree::new(kernel), kernel, &[seed])
            })
            .sum();
        assert!(steps > 500, "only {steps} steps failed");
    }
}
