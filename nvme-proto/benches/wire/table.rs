//! Rows and their limits, timed in turns.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Rounds a row and its limit take turns for; one when it is not `cargo bench` that runs this, but somebody who wants to see it work.
pub(crate) static ROUNDS: AtomicUsize = AtomicUsize::new(1);

/// The best time of each closure, in nanoseconds a call; `n` calls a round.
pub(crate) fn race<const K: usize>(n: u32, mut rows: [&mut dyn FnMut(); K]) -> [f64; K] {
    let mut best = [f64::MAX; K];
    for _ in 0..ROUNDS.load(Ordering::Relaxed) {
        for (row, best) in rows.iter_mut().zip(&mut best) {
            let start = Instant::now();
            row();
            *best = best.min(start.elapsed().as_nanos() as f64 / f64::from(n));
        }
    }
    best
}

/// One row of the table.
pub(crate) struct Row {
    pub(crate) bench: &'static str,
    pub(crate) limit: &'static str,
    pub(crate) limit_ns: f64,
    pub(crate) ns: f64,
    /// What is compared with the budget, and the budget.
    pub(crate) value: f64,
    pub(crate) budget: f64,
    pub(crate) unit: &'static str,
    pub(crate) at_most: bool,
}

impl Row {
    pub(crate) fn times(
        bench: &'static str,
        limit: &'static str,
        limit_ns: f64,
        ns: f64,
        budget: f64,
    ) -> Self {
        Self { bench, limit, limit_ns, ns, value: ns / limit_ns, budget, unit: "x", at_most: true }
    }

    pub(crate) fn is_met(&self) -> bool {
        if self.at_most { self.value <= self.budget } else { self.value >= self.budget }
    }
}
