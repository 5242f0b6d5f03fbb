//! The test cases on every kernel series, several guests at once where the machine has room.
//!
//! | module | concern |
//! |---|---|
//! | [`boots`] | which cases share a guest |
//! | [`tally`] | what a guest said, and whether it is believed |
//! | [`summary`] | how all of it went |

mod boots;
mod summary;
mod tally;

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use clap::Args;
use nvme_examples::vm::tools::{self, Tool};
use nvme_examples::vm::{self, Event, Guest, Init, Release};
use nvme_examples::vm::{cache, foreign};

use super::guests::{self, Programs};
use super::nvmetcli::Nvmetcli;
use super::seed::Seed;
use super::steps::StepError;
use crate::cases;
use crate::guest::Case;
use crate::guest::system::{KERNEL_PARAMETER, SEED_PARAMETER};
use boots::{Boot, boots};
use summary::Kernel;
pub(crate) use summary::Summary;
use tally::{Ended, Ran, Tally};

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
/// The most guests that run at once.
const MOST_GUESTS: usize = 3;
/// How many failed cases of a kernel are run again: more than these are no accident.
const SECOND_CHANCES: usize = 3;

/// What to run.
#[derive(Clone, Debug, Args)]
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
    /// Where cases begin that try something else each time; any number when none is given
    #[arg(long)]
    seed: Option<u64>,
}

impl Options {
    /// All cases on all kernels.
    pub(crate) fn whole(seed: Seed) -> Self {
        let seed = (seed == Seed::Fixed).then_some(Seed::NUMBER);
        Self { releases: Vec::new(), filter: Vec::new(), keep: false, seed }
    }
}

/// Builds, boots, reports. An error means that nothing could be run at all.
pub(crate) fn run(options: &Options) -> Result<Summary, StepError> {
    let wanted: Vec<Case> = cases::all().into_iter().filter(|case| case.is_wanted(&options.filter)).collect();
    if wanted.is_empty() {
        return Err(StepError::new(format!("no case has {:?} in its name", options.filter)));
    }
    tools::ensure(&[tools::BOOT, PROGRAMS].concat(), &mut |line| println!("{line}"))?;
    let nvmetcli = Nvmetcli::if_wanted(&wanted)?;
    let mut programs = guests::build()?;
    programs.foreign = foreign::prepare(&mut |line| println!("{line}"))?;
    let mut releases = options.releases.clone();
    if releases.is_empty() {
        releases = Release::ALL.to_vec();
    }
    releases.sort_unstable();
    releases.dedup();
    // Small enough that what is counted on from there is a number, too.
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 48));
    println!("seed {seed}");
    let guests = Guests { programs, nvmetcli, seed, keep: options.keep };
    let of = |release: &Release| boots(&wanted).into_iter().map(|boot| (*release, boot)).collect::<Vec<_>>();
    let mut summary = Summary::default();
    guests.run_all(releases.iter().flat_map(of).collect(), &mut summary);
    if options.filter.is_empty() {
        guests.run_all(second_chances(&wanted, &summary), &mut summary);
    }
    println!("\n{}", summary.table());
    Ok(summary)
}

/// Guests for what is open after a whole run: cases that no guest came to, and the few that failed. An emulated kernel on a busy
/// machine loses now and then where it should not, and what a case did before must not decide over the next one; a case that
/// passes only here is named in the summary.
fn second_chances(wanted: &[Case], summary: &Summary) -> VecDeque<(Release, Boot)> {
    let open = |(release, kernel): (Release, &Kernel)| {
        let failed = if kernel.failed.len() <= SECOND_CHANCES { kernel.failed.as_slice() } else { &[] };
        let is_open = |case: &&Case| kernel.missed.contains(&case.name) || failed.contains(&case.name);
        let cases: Vec<Case> = wanted.iter().filter(is_open).copied().collect();
        boots(&cases).into_iter().map(move |boot| (release, boot)).collect::<Vec<_>>()
    };
    summary.kernels().flat_map(open).collect()
}

/// What all guests share.
#[derive(Debug)]
struct Guests {
    programs: Programs,
    nvmetcli: Option<Nvmetcli>,
    seed: u64,
    keep: bool,
}

impl Guests {
    /// Runs them, as many at once as the machine has room for.
    fn run_all(&self, boots: VecDeque<(Release, Boot)>, summary: &mut Summary) {
        let (count, places) = (boots.len(), places());
        if count == 0 {
            return;
        }
        println!("{count} guests, up to {places} at once");
        let queue = Mutex::new((1..=count).zip(boots).collect::<VecDeque<_>>());
        let results = Mutex::new(summary);
        let work = || {
            loop {
                let next = queue.lock().ok().and_then(|mut queue| queue.pop_front());
                let Some((number, (release, boot))) = next else { return };
                let ran = self.run(release, &boot, &format!("{release} {number}/{count}"));
                if let Ok(mut results) = results.lock() {
                    results.add(release, ran);
                }
            }
        };
        thread::scope(|scope| (0..places).for_each(|_| drop(scope.spawn(work))));
    }

    /// Runs one, and says at each line which.
    fn run(&self, release: Release, boot: &Boot, label: &str) -> Ran {
        let guest = match self.guest(release, boot) {
            Ok(guest) => guest,
            Err(error) => return Ran::none(boot, error),
        };
        let mut tally = Tally::default();
        let outcome = vm::run(&guest, &mut |event| match event {
            Event::Progress(line) | Event::Error(line) => println!("[{label}] {line}"),
            Event::Output(line) => {
                println!("[{label}] {line}");
                tally.read(line);
            }
        });
        for note in outcome.iter().flat_map(|outcome| &outcome.notes) {
            println!("[{label}] console: {note}");
        }
        let ran = Ran::judge(boot, outcome.map(Ended::from).map_err(StepError::from), &tally);
        if let Some(trouble) = &ran.trouble {
            println!("\n[{label}] {trouble}");
        }
        ran
    }

    fn guest(&self, release: Release, boot: &Boot) -> Result<Guest, StepError> {
        let mut guest = Guest::new(release, &self.programs.guest)
            .init(Init::Program)
            .args(boot.cases.iter().copied())
            .parameter(format!("{KERNEL_PARAMETER}={release}"))
            .parameter(format!("{SEED_PARAMETER}={}", self.seed))
            .memory_mib(GUEST_MEMORY_MIB)
            .deadline(DEADLINE);
        if let Some(parameter) = boot.parameter {
            guest = guest.parameter(parameter);
        }
        for (name, path) in &self.programs.examples {
            guest = guest.file(format!("/bin/{name}"), path);
        }
        for (to, from) in &self.programs.foreign {
            guest = guest.file(to, from);
        }
        for tool in PROGRAMS {
            guest = guest.program(format!("/sbin/{}", tool.program), tools::find(tool.program));
        }
        if let Some(nvmetcli) = &self.nvmetcli {
            guest = nvmetcli.add_to(guest)?;
        }
        Ok(if self.keep { guest.keep_in(kept()) } else { guest })
    }
}

fn kept() -> PathBuf {
    let folder = cache::root().join("kept");
    println!("keeping files in {}", folder.display());
    folder
}

/// How many guests fit: by free memory, and by cores: an emulated guest that runs cases waits for two thirds of its time.
fn places() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let free = fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_mib(&text)).unwrap_or(0);
    let fitting = free / (u64::from(GUEST_MEMORY_MIB) + OVERHEAD_MIB);
    (cores + cores / 2).min(usize::try_from(fitting).unwrap_or(usize::MAX)).clamp(1, MOST_GUESTS)
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
    fn memory_of_the_machine() {
        assert_eq!(available_mib("MemTotal: 9 kB\nMemAvailable:   2097152 kB\n"), Some(2048));
        assert_eq!(available_mib("MemTotal: 9 kB\n"), None);
        assert!((1..=MOST_GUESTS).contains(&places()));
    }

    #[test]
    fn what_is_open_after_a_whole_run_runs_again() {
        let wanted: Vec<Case> =
            ["a::b", "a::c", "a::d", "a::e", "a::f"].map(|name| Case::new(name, |_| Ok(()))).to_vec();
        let mut summary = Summary::default();
        let ran = |passed: &[&'static str], failed: &[&'static str], missed: &[&'static str]| Ran {
            passed: passed.to_vec(),
            failed: failed.to_vec(),
            missed: missed.to_vec(),
            ..Ran::default()
        };
        summary.add(Release::V6_1, ran(&["a::b", "a::c", "a::d"], &["a::f"], &["a::e"]));
        summary.add(Release::V6_12, ran(&[], &["a::b", "a::c", "a::d", "a::f"], &["a::e"]));
        summary.add(Release::V7, ran(&["a::b", "a::c", "a::d", "a::e", "a::f"], &[], &[]));
        let boot = |cases: &[&'static str]| Boot { cases: cases.to_vec(), parameter: None };
        let expected = [(Release::V6_1, boot(&["a::e", "a::f"])), (Release::V6_12, boot(&["a::e"]))];
        assert_eq!(second_chances(&wanted, &summary), expected);
    }
}
