//! Counting: each worker's own histograms, and shared counters that the run looks at while it goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::job::Op;

/// The slowest latency that is told apart from slower ones.
const SLOWEST: Duration = Duration::from_secs(100);

/// Latencies in nanoseconds with two significant digits.
pub(super) fn histogram() -> Histogram<u64> {
    let most = u64::try_from(SLOWEST.as_nanos()).unwrap_or(u64::MAX);
    Histogram::new_with_bounds(1, most, 2)
        .unwrap_or_else(|_| unreachable!("the bounds are constant and valid"))
}

/// One worker's counters, alone in their cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counter {
    reads: AtomicU64,
    writes: AtomicU64,
}

/// What a run looks like from outside, about ten times a second.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// Time since the first I/O.
    pub passed: Duration,
    /// Reads completed so far.
    pub reads: u64,
    /// Writes completed so far.
    pub writes: u64,
    /// I/Os per second since the last tick.
    pub iops: f64,
}

/// What all workers of a run share.
#[derive(Debug)]
pub(super) struct Run {
    counters: Vec<Counter>,
    stop: AtomicBool,
    /// Held while workers are made and get ready: on a small machine the first ones would keep the last ones from being born.
    gate: RwLock<()>,
    /// Workers at the gate.
    ready: Mutex<usize>,
    arrived: Condvar,
}

impl Run {
    pub(super) fn new(workers: usize) -> Self {
        let counters = (0..workers).map(|_| Counter::default()).collect();
        Self {
            counters,
            stop: AtomicBool::new(false),
            gate: RwLock::new(()),
            ready: Mutex::new(0),
            arrived: Condvar::new(),
        }
    }

    /// Keeps workers from beginning until the guard is dropped.
    pub(super) fn close_gate(&self) -> impl Sized {
        self.gate.write()
    }

    /// Says that this worker is ready, and waits for the start.
    pub(super) fn begin(&self) {
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.arrived.notify_all();
        drop(self.gate.read());
    }

    /// Waits until all workers are ready, or one has failed before it was.
    pub(super) fn wait_ready(&self) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        while *ready < self.counters.len() && self.goes_on() {
            ready = self.arrived.wait(ready).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // Whoever waits either has not looked yet or is woken.
        drop(self.ready.lock());
        self.arrived.notify_all();
    }

    /// Reads and writes completed by all workers.
    pub(super) fn completed(&self) -> (u64, u64) {
        self.counters.iter().fold((0, 0), |(reads, writes), counter| {
            let more = (counter.reads.load(Ordering::Relaxed), counter.writes.load(Ordering::Relaxed));
            (reads + more.0, writes + more.1)
        })
    }

    /// The notebook of worker number `worker`.
    pub(super) fn recorder(self: &Arc<Self>, worker: usize) -> Recorder {
        Recorder { run: Arc::clone(self), worker, latencies: Latencies::default() }
    }
}

/// Latencies by direction; a direction that never happened has none.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    pub(super) reads: Option<Histogram<u64>>,
    pub(super) writes: Option<Histogram<u64>>,
}

impl Latencies {
    fn of(&mut self, op: Op) -> &mut Option<Histogram<u64>> {
        match op {
            Op::Read => &mut self.reads,
            Op::Write => &mut self.writes,
        }
    }

    /// Adds those of another worker.
    pub(super) fn add(&mut self, other: Self) {
        for (op, more) in [(Op::Read, other.reads), (Op::Write, other.writes)] {
            if let Some(more) = more {
                // All histograms have the same bounds, so adding cannot fail.
                let _ = self.of(op).get_or_insert_with(histogram).add(more);
            }
        }
    }
}

/// One worker's notebook.
#[derive(Debug)]
pub(super) struct Recorder {
    run: Arc<Run>,
    worker: usize,
    latencies: Latencies,
}

impl Recorder {
    /// Notes an I/O that began then and is complete now.
    pub(super) fn record(&mut self, op: Op, begun: Instant) {
        let ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.latencies.of(op).get_or_insert_with(histogram).saturating_record(ns);
        let counter = &self.run.counters[self.worker];
        let count = match op {
            Op::Read => &counter.reads,
            Op::Write => &counter.writes,
        };
        // Only this worker writes it.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(super) fn finish(self) -> Latencies {
        self.latencies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_added_up() {
        let run = Arc::new(Run::new(2));
        let mut all = Latencies::default();
        for (worker, op) in [(0, Op::Read), (1, Op::Read), (1, Op::Write)] {
            let mut recorder = run.recorder(worker);
            recorder.record(op, Instant::now());
            all.add(recorder.finish());
        }
        assert_eq!(run.completed(), (2, 1));
        assert_eq!((all.reads.unwrap().len(), all.writes.unwrap().len()), (2, 1));
    }

    #[test]
    fn waiting_for_workers_ends_when_one_fails() {
        let run = Arc::new(Run::new(2));
        let other = Arc::clone(&run);
        let worker = std::thread::spawn(move || {
            other.begin();
            other.stop();
        });
        run.wait_ready();
        assert!(!run.goes_on());
        worker.join().unwrap();
    }

    #[test]
    fn a_latency_beyond_all_bounds_is_the_slowest() {
        let mut histogram = histogram();
        histogram.saturating_record(u64::MAX);
        assert!(histogram.max() >= 100_000_000_000);
    }
}
