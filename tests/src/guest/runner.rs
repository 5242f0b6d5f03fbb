//! Running the cases and saying how it went.
//!
//! Each case gives one line, `name ok 1.2 s` or `name FAILED 1.2 s`, with notes, the reason and the kernel's last words
//! below it; the last line is `N passed, N failed`. A case that hangs ends the run with the stacks of our threads.

use std::any::Any;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use nvme_examples::vm::Release;

use super::failure::Failure;
use super::klog::LogMark;
use super::leftovers::Baseline;
use super::system::System;
use super::{Case, Ctx, Runs};

/// The longest that one case may take, also on an overloaded machine that emulates the guest.
const CASE_LIMIT: Duration = Duration::from_secs(240);
/// The same for one that is known to take long.
const LONG_CASE_LIMIT: Duration = Duration::from_secs(1700);

fn limit(runs: Runs) -> Duration {
    match runs {
        Runs::Always => CASE_LIMIT,
        Runs::OnRequest => LONG_CASE_LIMIT,
    }
}
/// Lines of the kernel's log that a failure shows.
const SHOWN_LINES: usize = 40;

/// Where the last panic happened and what it said.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs the cases whose names are the system's arguments; gives the exit status.
pub fn run(system: &mut System, cases: &[Case]) -> Result<i32, Failure> {
    panic::set_hook(Box::new(|info| {
        if let Ok(mut place) = PANIC.lock() {
            *place = Some(info.to_string());
        }
    }));
    let release = check_kernel(system)?;
    let cases: Vec<Case> =
        cases.iter().filter(|case| system.args.iter().any(|name| name == case.name)).copied().collect();
    let unfit = cases.iter().find(|case| !case.fits(&system.command_line));
    if cases.is_empty() || cases.len() != system.args.len() || unfit.is_some() {
        return Err(Failure::new(format!("not all of {:?} are cases for this kernel", system.args)));
    }
    let uname = system.uname.clone();
    system.say(&format!("Linux {uname}, {} cases", cases.len()))?;
    let baseline = Baseline::now()?;
    let watch = Watchdog::start(system)?;
    let mut failed = 0;
    for case in &cases {
        watch.case(*case);
        if !one(system, release, *case, &baseline)? {
            failed += 1;
        }
    }
    watch.stop();
    system.say(&format!("{} passed, {failed} failed", cases.len() - failed))?;
    Ok(i32::from(failed > 0))
}

fn check_kernel(system: &System) -> Result<Release, Failure> {
    let release: Release = system.wanted.parse()?;
    match release.matches(&system.uname) {
        true => Ok(release),
        false => Err(Failure::new(format!("this is Linux {}, and {release} was to be tested", system.uname))),
    }
}

fn one(system: &mut System, release: Release, case: Case, baseline: &Baseline) -> Result<bool, Failure> {
    let begun = Instant::now();
    let mark = LogMark::now()?;
    let mut ctx = Ctx::new(release, &system.uname, system.seed, PathBuf::from("/tmp/case"))?;
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (case.body)(&mut ctx)));
    let mut reasons = Vec::new();
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => reasons.push(failure.to_string()),
        Err(payload) => reasons.push(panic_text(payload.as_ref())),
    }
    let (notes, undone) = ctx.finish();
    let left = baseline.left()?;
    if !left.is_empty() {
        reasons.push(format!("left behind: {}", left.join(", ")));
    }
    // Some of it may have kept the context from being undone, so that is judged after the cleaning.
    let cleaned = if left.is_empty() { Ok(()) } else { baseline.clean() };
    reasons.extend([undone, cleaned].into_iter().filter_map(Result::err).map(|failure| failure.to_string()));

    let verdict = if reasons.is_empty() { "ok" } else { "FAILED" };
    system.say(&format!("{} {verdict} {:.1} s", case.name, begun.elapsed().as_secs_f64()))?;
    for line in notes.iter().flat_map(|note| note.lines()) {
        system.say(&format!("    {line}"))?;
    }
    if reasons.is_empty() {
        return Ok(true);
    }
    for line in reasons.iter().flat_map(|reason| reason.lines()) {
        system.say(&format!("    reason: {line}"))?;
    }
    let log = mark.since()?;
    for line in log.iter().skip(log.len().saturating_sub(SHOWN_LINES)) {
        system.say(&format!("    kernel: {line}"))?;
    }
    Ok(false)
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    if let Some(said) = PANIC.lock().ok().and_then(|mut place| place.take()) {
        return said;
    }
    let said = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", said.unwrap_or("no message"))
}

/// Ends the machine when a case takes too long.
struct Watchdog {
    cases: mpsc::Sender<Case>,
    thread: thread::JoinHandle<()>,
}

impl Watchdog {
    fn start(system: &System) -> Result<Self, Failure> {
        let (cases, receiver) = mpsc::channel::<Case>();
        let system = system.duplicate()?;
        let thread = thread::spawn(move || {
            let (mut current, mut patience) = ("before the first case", CASE_LIMIT);
            loop {
                match receiver.recv_timeout(patience) {
                    Ok(case) => (current, patience) = (case.name, limit(case.runs)),
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            // Nothing can be done about an error here: without an exit status the machinery outside fails the run.
            let _ = hung(system, current, patience);
        });
        Ok(Self { cases, thread })
    }

    fn case(&self, case: Case) {
        // The receiver lives as long as the thread does; it ends only together with the machine.
        let _ = self.cases.send(case);
    }

    fn stop(self) {
        drop(self.cases);
        let _ = self.thread.join();
    }
}

fn hung(mut system: System, case: &str, after: Duration) -> Result<(), Failure> {
    system.say(&format!("{case} FAILED: still running after {} s", after.as_secs()))?;
    for process in fs::read_dir("/proc")? {
        let tasks = process?.path().join("task");
        let Ok(tasks) = fs::read_dir(tasks) else { continue };
        for task in tasks.flatten() {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            let stack = fs::read_to_string(task.path().join("stack")).unwrap_or_default();
            // Idle kernel threads say nothing about the case.
            if stack.contains("nvme") || task.path().starts_with("/proc/1/") {
                system.say(&format!(
                    "    {} {}\n{}",
                    task.path().display(),
                    name.trim(),
                    stack.trim_end()
                ))?;
            }
        }
    }
    system.end(1)?;
    Ok(())
}
