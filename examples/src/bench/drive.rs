//! Starting all workers at once, looking at them while they run, stopping them, and adding up what they measured.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::cpu::Cpu;
use super::error::BenchError;
use super::job::Job;
use super::measure::{Latencies, Run, Tick};
use super::report::{Report, Sample};

/// How often a run is looked at.
const TICK: Duration = Duration::from_millis(100);
/// A worker keeps nothing big on its stack; there may be hundreds.
const STACK: usize = 256 << 10;

/// The body of one worker. It waits at [`Run::begin`] and leaves soon after [`Run::goes_on`] says so.
pub(super) type Worker<'a> = Box<dyn FnOnce(&Arc<Run>, usize) -> Result<Latencies, BenchError> + Send + 'a>;

/// Runs all workers for the job's time.
pub(super) fn drive(
    job: &Job,
    target: String,
    engine: String,
    workers: Vec<Worker<'_>>,
    mut tick: impl FnMut(Tick) -> bool,
) -> Result<Report, BenchError> {
    let run = Arc::new(Run::new(workers.len()));
    let before = Cpu::now();
    let (results, begun, timeline, kept_going) = thread::scope(|scope| {
        let closed = run.close_gate();
        let mut handles = Vec::with_capacity(workers.len());
        let mut unborn = None;
        for (number, worker) in workers.into_iter().enumerate() {
            let run = &run;
            let body = move || {
                let outcome = worker(run, number);
                if outcome.is_err() {
                    run.stop();
                }
                outcome
            };
            match thread::Builder::new().stack_size(STACK).spawn_scoped(scope, body) {
                Ok(handle) => handles.push(handle),
                Err(error) => {
                    run.stop();
                    unborn = Some(Err(BenchError::Thread(error)));
                    break;
                }
            }
        }
        run.wait_ready();
        drop(closed);
        let begun = Instant::now();
        let (timeline, kept_going) = watch(&run, job.runtime, begun, &mut tick);
        run.stop();
        let joined = handles.into_iter().map(|handle| match handle.join() {
            Ok(outcome) => outcome,
            Err(payload) => std::panic::resume_unwind(payload),
        });
        (unborn.into_iter().chain(joined).collect::<Vec<_>>(), begun, timeline, kept_going)
    });
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = Cpu::now().since(before);
    let mut latencies = Latencies::default();
    for result in results {
        latencies.add(result?);
    }
    if !kept_going {
        return Err(BenchError::Interrupted);
    }
    Ok(Report {
        job: *job,
        target,
        engine,
        seconds,
        reads: latencies.reads,
        writes: latencies.writes,
        cpu,
        timeline,
    })
}

/// Looks at the run until its time is over, somebody stops it, or `tick` says no (then the second value is false).
fn watch(
    run: &Run,
    runtime: Duration,
    begun: Instant,
    tick: &mut impl FnMut(Tick) -> bool,
) -> (Vec<Sample>, bool) {
    let mut timeline: Vec<Sample> = Vec::new();
    let (mut last, mut before) = (begun, (0, 0));
    loop {
        let left = runtime.saturating_sub(begun.elapsed());
        if left.is_zero() || !run.goes_on() {
            return (timeline, true);
        }
        thread::sleep(TICK.min(left));
        let (now, completed) = (Instant::now(), run.completed());
        let span = now.duration_since(last).as_secs_f64().max(f64::MIN_POSITIVE);
        let rate = |now: u64, before: u64| (now - before) as f64 / span;
        let passed = now.duration_since(begun);
        let sample = Sample {
            at: passed.as_secs_f64(),
            reads: rate(completed.0, before.0),
            writes: rate(completed.1, before.1),
        };
        // The rest of a tick at the end is too short for a rate.
        if now.duration_since(last) >= TICK / 2 || timeline.is_empty() {
            timeline.push(sample);
        }
        (last, before) = (now, completed);
        let told =
            Tick { passed, reads: completed.0, writes: completed.1, iops: sample.reads + sample.writes };
        if !tick(told) {
            return (timeline, false);
        }
    }
}
