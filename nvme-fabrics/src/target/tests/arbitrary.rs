//! Arbitrary commands.

use crate::target::exercise::commands;

/// The property of the fuzz target, over histories that a generator makes up. The seed is fixed: a failure shows again.
#[test]
fn arbitrary_histories_do_not_break_a_target() {
    let mut random = fastrand::Rng::with_seed(0x6e76_6d65);
    for _ in 0..300 {
        let history: Vec<u8> = (0..random.usize(..3000)).map(|_| random.u8(..)).collect();
        commands(&history);
    }
}
