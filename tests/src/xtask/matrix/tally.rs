//! What a guest says about its cases, and whether that is believed.

use std::time::Duration;

use nvme_examples::vm::Outcome;

use super::boots::Boot;
use crate::xtask::steps::StepError;

/// Lines of a console that are shown when cases failed on a healthy kernel.
const CONSOLE_LINES: usize = 60;

/// What a guest has said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    passed: Vec<String>,
    failed: Vec<String>,
    /// The guest's own count, which it prints when all cases have run.
    total: Option<(usize, usize)>,
}

impl Tally {
    /// Takes one line.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(total) = parse_counts(line) {
            self.total = Some(total);
            return;
        }
        // `file::case ok 0.1 s`; what belongs to a case is indented.
        let mut words = line.split(' ');
        let Some(name) = words.next().filter(|name| name.contains("::")) else { return };
        match words.next() {
            Some("ok") => self.passed.push(name.to_owned()),
            Some("FAILED" | "FAILED:") => self.failed.push(name.to_owned()),
            _ => {}
        }
    }

    /// Whether all of these cases have passed, and the guest counted the same.
    fn is_good(&self, cases: &[&str]) -> bool {
        let passed = |case: &&str| self.passed.iter().any(|name| name == case);
        self.total == Some((cases.len(), 0)) && self.failed.is_empty() && cases.iter().all(passed)
    }
}

/// The end of a guest whose kernel was healthy.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    exit_code: i32,
    kernel: String,
    took: Duration,
    console: String,
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        let Outcome { exit_code, kernel, elapsed, console, .. } = outcome;
        Self { exit_code, kernel, took: elapsed, console }
    }
}

/// How one guest went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ran {
    /// What the kernel called itself.
    pub(super) kernel: Option<String>,
    pub(super) passed: Vec<&'static str>,
    /// Cases that said so themselves, or did not end.
    pub(super) failed: Vec<&'static str>,
    /// Cases that the guest did not come to.
    pub(super) missed: Vec<&'static str>,
    /// What went wrong, with the end of the console.
    pub(super) trouble: Option<String>,
    pub(super) took: Duration,
}

impl Ran {
    /// One that could not be run.
    pub(super) fn none(boot: &Boot, why: StepError) -> Self {
        Self { missed: boot.cases.clone(), trouble: Some(why.to_string()), ..Self::default() }
    }

    /// A run is good when its kernel was, when all cases passed, and when its exit status and its count say so.
    pub(super) fn judge(boot: &Boot, end: Result<Ended, StepError>, tally: &Tally) -> Self {
        let among = |names: &[String], case: &&&str| names.iter().any(|name| name == **case);
        let of = |names: &[String]| boot.cases.iter().filter(|case| among(names, case)).copied().collect();
        let (passed, failed): (Vec<_>, Vec<_>) = (of(&tally.passed), of(&tally.failed));
        let open = |case: &&&str| !passed.contains(*case) && !failed.contains(*case);
        let missed = boot.cases.iter().filter(open).copied().collect();
        let mut ran = Self { passed, failed, missed, ..Self::default() };
        match end {
            Err(error) => ran.trouble = Some(error.to_string()),
            Ok(end) => {
                if end.exit_code != 0 || !tally.is_good(&boot.cases) {
                    let lines: Vec<&str> = end.console.lines().collect();
                    let console = lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n");
                    ran.trouble =
                        Some(format!("exit status {}; end of the console:\n{console}", end.exit_code));
                }
                ran.kernel = Some(end.kernel);
                ran.took = end.took;
            }
        }
        ran
    }
}

/// `7 passed, 1 failed`.
fn parse_counts(line: &str) -> Option<(usize, usize)> {
    let (passed, failed) = line.split_once(" passed, ")?;
    Some((passed.parse().ok()?, failed.strip_suffix(" failed")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(line));
        tally
    }

    fn boot() -> Boot {
        Boot { cases: vec!["a::b", "a::c", "a::d"], parameter: None }
    }

    fn ended(exit_code: i32) -> Ended {
        let (kernel, console) = ("6.1.0".to_owned(), "last words".to_owned());
        Ended { exit_code, kernel, took: Duration::from_secs(1), console }
    }

    #[test]
    fn counts_are_read_only_from_a_line_of_their_own() {
        assert_eq!(parse_counts("31 passed, 2 failed"), Some((31, 2)));
        assert_eq!(parse_counts("    note: 31 passed, 2 failed"), None);
        assert_eq!(parse_counts("31 passed, 2 failed."), None);
    }

    #[test]
    fn cases_are_tallied_line_by_line() {
        let tally = tally(&[
            "Linux 6.1.0, 3 cases",
            "a::b ok 0.1 s",
            "    a::note ok",
            "a::c FAILED 1.0 s",
            "a::d FAILED: still running",
            "1 passed, 2 failed",
        ]);
        assert_eq!(tally.passed, ["a::b"]);
        assert_eq!(tally.failed, ["a::c", "a::d"]);
        assert_eq!(tally.total, Some((1, 2)));
    }

    #[test]
    fn a_guest_is_believed_when_lines_count_and_status_agree() {
        let lines = ["a::b ok 0.1 s", "a::c ok 0.1 s", "a::d ok 0.1 s", "3 passed, 0 failed"];
        let good = Ran::judge(&boot(), Ok(ended(0)), &tally(&lines));
        assert_eq!((good.passed.len(), good.trouble), (3, None));
        let bad_status = Ran::judge(&boot(), Ok(ended(1)), &tally(&lines));
        assert!(bad_status.trouble.unwrap().contains("last words"));
        let bad_count = Ran::judge(&boot(), Ok(ended(0)), &tally(&lines[..3]));
        assert!(bad_count.trouble.is_some());
    }

    #[test]
    fn what_a_guest_did_not_come_to_is_known() {
        let lines = ["a::b ok 0.1 s", "a::c FAILED: still running"];
        let ran = Ran::judge(&boot(), Ok(ended(1)), &tally(&lines));
        assert_eq!((ran.passed, ran.failed, ran.missed), (vec!["a::b"], vec!["a::c"], vec!["a::d"]));
        let ran = Ran::judge(&boot(), Err(StepError::new("no such kernel")), &Tally::default());
        assert_eq!((ran.passed.len(), ran.missed.len(), ran.trouble.is_some()), (0, 3, true));
    }
}
