//! The test cases on every kernel series, several guests at once where the machine has room.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use clap::Args;
use nvme_examples::vm::tools::{self, Tool};
use nvme_examples::vm::{self, Event, Guest, Init, Release, VmError};
use nvme_examples::vm::{cache, foreign};

use super::guests::{self, Programs};
use super::nvmetcli::Nvmetcli;
use super::steps::StepError;
use crate::cases;
use crate::guest::Case;
use crate::guest::system::KERNEL_PARAMETER;

/// The longest a guest may take for all its cases.
const DEADLINE: Duration = Duration::from_secs(1800);
const GUEST_MEMORY_MIB: u32 = 1536;
/// Programs of this machine that cases run in the guest, beside those of [`tools::BOOT`].
pub(crate) const PROGRAMS: &[Tool] = &[
    Tool::new("nvme", "nvme-cli"),
    Tool::new("fio", "fio"),
    Tool::new("fsck.ext4", "e2fsprogs"),
    Tool::new("mkfs.xfs", "xfsprogs"),
    Tool::new("xfs_repair", "xfsprogs"),
    Tool::new("strace", "strace"),
    Tool::new("setpriv", "util-linux"),
    Tool::new("dmsetup", "dmsetup"),
];
/// What QEMU takes beside the guest's memory, with room for the rest of the machine.
const OVERHEAD_MIB: u64 = 512;
/// Lines of a console that are shown when cases failed on a healthy kernel.
const CONSOLE_LINES: usize = 60;

/// What to run.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Options {
    /// Kernel series (6.1, 6.12, 7.x); all when none is given
    releases: Vec<Release>,
    /// Runs only cases whose name contains this; may be given more than once. Cases that take minutes, such as
    /// configfs_scale::sixteen_times_a_thousand_namespaces, run only by their whole name
    #[arg(long)]
    filter: Vec<String>,
    /// Keeps each guest's file system and console log
    #[arg(long)]
    keep: bool,
}

/// How one guest went.
#[derive(Debug)]
struct Ran {
    release: Release,
    kernel: String,
    passed: usize,
    failed: usize,
    took: Duration,
    trouble: Option<String>,
}

impl Ran {
    /// One that could not be run.
    fn none(release: Release, why: StepError) -> Self {
        let (kernel, took) = (release.to_string(), Duration::ZERO);
        Self { release, kernel, passed: 0, failed: 1, took, trouble: Some(why.to_string()) }
    }

    /// Two guests with the same kernel, as one.
    fn and(self, other: Self) -> Self {
        let trouble = [self.trouble, other.trouble].into_iter().flatten().collect::<Vec<_>>().join("\n");
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            took: self.took + other.took,
            trouble: (!trouble.is_empty()).then_some(trouble),
            ..self
        }
    }
}

/// How all of them went.
#[derive(Debug)]
pub(crate) struct Summary {
    ran: Vec<Ran>,
}

impl Summary {
    /// Prints the count; true when nothing failed.
    pub(crate) fn finish(&self) -> bool {
        let failed: usize = self.ran.iter().map(|ran| ran.failed).sum();
        println!("{} passed, {failed} failed", self.ran.iter().map(|ran| ran.passed).sum::<usize>());
        failed == 0
    }

    /// As a step's result.
    pub(crate) fn verdict(&self) -> Result<(), StepError> {
        let bad: Vec<String> =
            self.ran.iter().filter(|ran| ran.failed > 0).map(|ran| format!("Linux {}", ran.kernel)).collect();
        if bad.is_empty() { Ok(()) } else { Err(StepError::new(format!("failed on {}", bad.join(", ")))) }
    }

    fn table(&self) -> String {
        let mut text = format!("{:32} {:>7} {:>7} {:>9}\n", "kernel", "passed", "failed", "seconds");
        for ran in &self.ran {
            let kernel = format!("{} ({})", ran.kernel, ran.release);
            text.push_str(&format!(
                "{kernel:32} {:>7} {:>7} {:>9.1}\n",
                ran.passed,
                ran.failed,
                ran.took.as_secs_f64()
            ));
        }
        text
    }
}

/// Builds, boots, reports. An error means that nothing could be run at all.
pub(crate) fn run(options: &Options) -> Result<Summary, StepError> {
    tools::ensure(&[tools::BOOT, PROGRAMS].concat(), &mut |line| println!("{line}"))?;
    let nvmetcli = Nvmetcli::if_wanted(&options.filter)?;
    let mut programs = guests::build()?;
    programs.foreign = foreign::prepare(&mut |line| println!("{line}"))?;
    let mut releases = options.releases.clone();
    releases.sort_unstable();
    releases.dedup();
    if releases.is_empty() {
        releases = Release::ALL.to_vec();
    }
    let places = places();
    println!("{} guests, up to {places} at once", releases.len());
    let queue = Mutex::new(VecDeque::from(releases));
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..places {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.pop_front());
                    let Some(release) = next else { return };
                    let ran = one(release, &programs, nvmetcli.as_ref(), options);
                    if let Ok(mut results) = results.lock() {
                        results.push(ran);
                    }
                }
            });
        }
    });
    let mut ran = results.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    ran.sort_by_key(|ran| ran.release);
    for ran in &ran {
        if let Some(trouble) = &ran.trouble {
            println!("\n[{}] {trouble}", ran.release);
        }
    }
    let summary = Summary { ran };
    println!("\n{}", summary.table());
    Ok(summary)
}

/// A guest that cases run in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Boot {
    /// Parts of the names of its cases.
    filter: Vec<String>,
    /// What its kernel is started with.
    parameter: Option<&'static str>,
}

/// The guests that the wanted cases need: one for most, and one for each parameter that some need.
fn boots(filter: &[String]) -> Vec<Boot> {
    let wanted: Vec<Case> = cases::all().into_iter().filter(|case| case.is_wanted(filter)).collect();
    let mut boots: Vec<Boot> = Vec::new();
    for case in wanted.iter().filter(|case| case.parameter.is_some()) {
        match boots.iter_mut().find(|boot| boot.parameter == case.parameter) {
            Some(boot) => boot.filter.push(case.name.to_owned()),
            None => boots.push(Boot { filter: vec![case.name.to_owned()], parameter: case.parameter }),
        }
    }
    // A filter that fits nothing is refused by the guest.
    if boots.is_empty() || wanted.iter().any(|case| case.parameter.is_none()) {
        boots.insert(0, Boot { filter: filter.to_vec(), parameter: None });
    }
    boots
}

fn one(release: Release, programs: &Programs, nvmetcli: Option<&Nvmetcli>, options: &Options) -> Ran {
    let run = |boot: &Boot| in_guest(release, boot, programs, nvmetcli, options);
    let ran = boots(&options.filter).iter().map(run).reduce(Ran::and);
    ran.unwrap_or_else(|| Ran::none(release, StepError::new("no guest is needed".to_owned())))
}

fn in_guest(
    release: Release,
    boot: &Boot,
    programs: &Programs,
    nvmetcli: Option<&Nvmetcli>,
    options: &Options,
) -> Ran {
    let mut guest = Guest::new(release, &programs.guest)
        .init(Init::Program)
        .args(boot.filter.iter().map(String::as_str))
        .parameter(format!("{KERNEL_PARAMETER}={release}"))
        .memory_mib(GUEST_MEMORY_MIB)
        .deadline(DEADLINE);
    if let Some(parameter) = boot.parameter {
        guest = guest.parameter(parameter);
    }
    for (name, path) in &programs.examples {
        guest = guest.file(format!("/bin/{name}"), path);
    }
    for (to, from) in &programs.foreign {
        guest = guest.file(to, from);
    }
    for tool in PROGRAMS {
        guest = guest.program(format!("/sbin/{}", tool.program), tools::find(tool.program));
    }
    if let Some(nvmetcli) = nvmetcli {
        guest = match nvmetcli.add_to(guest) {
            Ok(guest) => guest,
            Err(error) => return Ran::none(release, error),
        };
    }
    if options.keep {
        guest = guest.keep_in(kept());
    }
    let mut tally = Tally::default();
    let outcome = vm::run(&guest, &mut |event| match event {
        Event::Progress(line) => println!("[{release}] {line}"),
        Event::Output(line) => {
            println!("[{release}] {line}");
            tally.read(line);
        }
        Event::Error(line) => println!("[{release}] {line}"),
    });
    judge(release, outcome, &tally)
}

/// What a guest has said about its cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
    /// The guest's own count, which it prints when all cases have run.
    total: Option<(usize, usize)>,
}

impl Tally {
    fn read(&mut self, line: &str) {
        if let Some(total) = parse_counts(line) {
            self.total = Some(total);
            return;
        }
        // `file::case ok 0.1 s`; what belongs to a case is indented.
        let mut words = line.split(' ');
        if words.next().is_some_and(|name| name.contains("::")) {
            match words.next() {
                Some("ok") => self.passed += 1,
                Some("FAILED" | "FAILED:") => self.failed += 1,
                _ => {}
            }
        }
    }
}

/// A run is good when its kernel was, when all cases passed, and when its exit status and its count say so.
fn judge(release: Release, outcome: Result<vm::Outcome, VmError>, tally: &Tally) -> Ran {
    // A guest that stopped halfway still counts with what it did.
    let (passed, failed) = tally.total.unwrap_or((tally.passed, tally.failed));
    let complete = tally.total == Some((tally.passed, tally.failed));
    let mut ran =
        Ran { release, kernel: release.to_string(), passed, failed, took: Duration::ZERO, trouble: None };
    match outcome {
        Err(error) => {
            return Ran { failed: failed.max(1), passed, ..Ran::none(release, StepError::from(error)) };
        }
        Ok(outcome) => {
            for note in &outcome.notes {
                println!("[{release}] console: {note}");
            }
            if outcome.exit_code != 0 || failed > 0 || passed == 0 || !complete {
                ran.failed = failed.max(1);
                let lines: Vec<&str> = outcome.console.lines().collect();
                let console = lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n");
                ran.trouble =
                    Some(format!("exit status {}; end of the console:\n{console}", outcome.exit_code));
            }
            ran.kernel = outcome.kernel;
            ran.took = outcome.elapsed;
        }
    }
    ran
}

/// `7 passed, 1 failed`.
fn parse_counts(line: &str) -> Option<(usize, usize)> {
    let (passed, failed) = line.split_once(" passed, ")?;
    Some((passed.parse().ok()?, failed.strip_suffix(" failed")?.parse().ok()?))
}

fn kept() -> PathBuf {
    let folder = cache::root().join("kept");
    println!("keeping files in {}", folder.display());
    folder
}

/// How many guests fit: by cores (at most two here, since an emulated guest keeps one busy) and by free memory.
fn places() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let free = fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_mib(&text)).unwrap_or(0);
    let fitting = free / (u64::from(GUEST_MEMORY_MIB) + OVERHEAD_MIB);
    cores.min(usize::try_from(fitting).unwrap_or(usize::MAX)).clamp(1, 2)
}

fn available_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_only_from_a_line_of_their_own() {
        assert_eq!(parse_counts("31 passed, 2 failed"), Some((31, 2)));
        assert_eq!(parse_counts("    note: 31 passed, 2 failed"), None);
        assert_eq!(parse_counts("31 passed, 2 failed."), None);
    }

    #[test]
    fn cases_are_tallied_line_by_line() {
        let mut tally = Tally::default();
        for line in [
            "Linux 6.1.0, 3 cases",
            "a::b ok 0.1 s",
            "    a::note ok",
            "a::c FAILED 1.0 s",
            "a::d FAILED: still running",
        ] {
            tally.read(line);
        }
        assert_eq!(tally, Tally { passed: 1, failed: 2, total: None });
        tally.read("1 passed, 2 failed");
        assert_eq!(tally.total, Some((1, 2)));
    }

    #[test]
    fn cases_that_need_a_parameter_have_a_guest_of_their_own() {
        let case = cases::all().into_iter().find(|case| case.parameter.is_some()).unwrap();
        let own = Boot { filter: vec![case.name.to_owned()], parameter: case.parameter };
        assert_eq!(boots(&own.filter), std::slice::from_ref(&own));
        let main = |filter: &[String]| Boot { filter: filter.to_vec(), parameter: None };
        assert_eq!(boots(&[]), [main(&[]), own.clone()]);
        let (topic, _) = case.name.split_once("::").unwrap();
        assert_eq!(boots(&[topic.to_owned()]), [main(&[topic.to_owned()]), own]);
        assert_eq!(boots(&["smoke::".to_owned()]), [main(&["smoke::".to_owned()])]);
        let nothing = ["no such case".to_owned()];
        assert_eq!(boots(&nothing), [main(&nothing)]);
    }

    #[test]
    fn two_guests_count_as_one() {
        let ran = |passed, failed, trouble: Option<&str>| Ran {
            release: Release::V6_1,
            kernel: "6.1.0".into(),
            passed,
            failed,
            took: Duration::from_secs(1),
            trouble: trouble.map(str::to_owned),
        };
        let both = ran(3, 0, None).and(ran(1, 1, Some("why")));
        assert_eq!((both.passed, both.failed, both.took.as_secs()), (4, 1, 2));
        assert_eq!(both.trouble.as_deref(), Some("why"));
    }

    #[test]
    fn memory_of_the_machine() {
        assert_eq!(available_mib("MemTotal: 9 kB\nMemAvailable:   2097152 kB\n"), Some(2048));
        assert_eq!(available_mib("MemTotal: 9 kB\n"), None);
        assert!((1..=2).contains(&places()));
    }

    #[test]
    fn no_count_is_a_failure() {
        let error = VmError::OtherKernel { started: "a".into(), running: "b".into() };
        let ran = judge(Release::V6_1, Err(error), &Tally::default());
        assert_eq!((ran.passed, ran.failed), (0, 1));
        let summary = Summary { ran: vec![ran] };
        assert!(summary.verdict().is_err());
        assert!(summary.table().contains("(6.1)"));
    }
}
