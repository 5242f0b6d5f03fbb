//! How all guests went, a kernel a line.

use std::collections::BTreeMap;
use std::time::Duration;

use nvme_examples::vm::Release;

use super::tally::Ran;
use crate::xtask::steps::StepError;

/// How all of them went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    kernels: BTreeMap<Release, Kernel>,
}

/// How a kernel's guests went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kernel {
    name: Option<String>,
    passed: usize,
    /// Cases that failed, and in no later guest passed.
    pub(super) failed: Vec<&'static str>,
    /// Cases that no guest has come to.
    pub(super) missed: Vec<&'static str>,
    /// Cases that failed first and passed when they were run again.
    unsteady: Vec<&'static str>,
    /// Guests that ended badly with all of their cases passed.
    ill: usize,
    took: Duration,
}

impl Kernel {
    fn is_good(&self) -> bool {
        self.failed.is_empty() && self.missed.is_empty() && self.ill == 0 && self.passed > 0
    }

    fn failures(&self) -> usize {
        self.failed.len() + self.missed.len() + self.ill
    }
}

impl Summary {
    /// Takes what a guest did. Cases that an earlier guest failed at or did not come to are open no more when they pass.
    pub(super) fn add(&mut self, release: Release, ran: Ran) {
        let kernel = self.kernels.entry(release).or_default();
        let said = |cases: &[&str], case: &&'static str| cases.contains(case);
        kernel.passed += ran.passed.len();
        kernel.unsteady.extend(ran.passed.iter().filter(|case| said(&kernel.failed, case)));
        for cases in [&mut kernel.failed, &mut kernel.missed] {
            let settled =
                |case: &&str| [&ran.passed, &ran.failed, &ran.missed].iter().any(|of| of.contains(case));
            cases.retain(|case| !settled(case));
        }
        if ran.trouble.is_some() && ran.failed.is_empty() && ran.missed.is_empty() {
            kernel.ill += 1;
        }
        kernel.failed.extend(ran.failed);
        kernel.missed.extend(ran.missed);
        kernel.name = ran.kernel.or(kernel.name.take());
        kernel.took += ran.took;
    }

    pub(super) fn kernels(&self) -> impl Iterator<Item = (Release, &Kernel)> {
        self.kernels.iter().map(|(release, kernel)| (*release, kernel))
    }

    /// Prints the count; true when nothing failed.
    pub(crate) fn finish(&self) -> bool {
        let failed: usize = self.kernels.values().map(Kernel::failures).sum();
        println!(
            "{} passed, {failed} failed",
            self.kernels.values().map(|kernel| kernel.passed).sum::<usize>()
        );
        self.kernels.values().all(Kernel::is_good)
    }

    /// As a step's result.
    pub(crate) fn verdict(&self) -> Result<(), StepError> {
        let bad: Vec<String> = self
            .kernels()
            .filter(|(_, kernel)| !kernel.is_good())
            .map(|(release, kernel)| {
                let open: Vec<&str> = kernel.failed.iter().chain(&kernel.missed).copied().collect();
                format!("Linux {}: {}", named(release, kernel), or_the_guest(&open))
            })
            .collect();
        if bad.is_empty() {
            Ok(())
        } else {
            Err(StepError::new(format!("failed on {}", bad.join("\n          "))))
        }
    }

    /// A line a kernel, and below it what somebody has to look at.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{:32} {:>7} {:>7} {:>9}\n", "kernel", "passed", "failed", "seconds");
        for (release, kernel) in self.kernels() {
            let (name, seconds) = (named(release, kernel), kernel.took.as_secs_f64());
            text.push_str(&format!(
                "{name:32} {:>7} {:>7} {seconds:>9.1}\n",
                kernel.passed,
                kernel.failures()
            ));
        }
        for (release, kernel) in self.kernels() {
            let kinds = [
                ("failed", &kernel.failed),
                ("not run", &kernel.missed),
                ("UNSTEADY, passed only when run again", &kernel.unsteady),
            ];
            for (kind, cases) in kinds.into_iter().filter(|(_, cases)| !cases.is_empty()) {
                text.push_str(&format!("[{release}] {kind}: {}\n", cases.join(", ")));
            }
        }
        text
    }
}

fn named(release: Release, kernel: &Kernel) -> String {
    format!("{} ({release})", kernel.name.as_deref().unwrap_or("not booted"))
}

fn or_the_guest(cases: &[&str]) -> String {
    if cases.is_empty() { "a guest ended badly".to_owned() } else { cases.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: Release = Release::V6_1;

    fn ran(passed: &[&'static str], failed: &[&'static str], missed: &[&'static str]) -> Ran {
        let trouble = (!failed.is_empty() || !missed.is_empty()).then(|| "why".to_owned());
        let (passed, failed, missed) = (passed.to_vec(), failed.to_vec(), missed.to_vec());
        Ran { kernel: Some("6.1.0".into()), passed, failed, missed, trouble, took: Duration::from_secs(1) }
    }

    fn summary(guests: impl IntoIterator<Item = Ran>) -> Summary {
        let mut summary = Summary::default();
        guests.into_iter().for_each(|ran| summary.add(ON, ran));
        summary
    }

    #[test]
    fn guests_of_a_kernel_count_together() {
        let both = summary([ran(&["a::b"], &[], &[]), ran(&["a::c"], &["a::d"], &["a::e"])]);
        assert!(
            both.table().contains("6.1.0 (6.1)                            2       2       2.0\n"),
            "{}",
            both.table()
        );
        let error = both.verdict().unwrap_err().to_string();
        assert_eq!(error, "failed on Linux 6.1.0 (6.1): a::d, a::e");
        assert!(!both.finish());
    }

    #[test]
    fn what_passes_at_last_is_good_and_named() {
        let first = ran(&["a::b"], &["a::c"], &["a::d"]);
        let again = summary([first.clone(), ran(&["a::c", "a::d"], &[], &[])]);
        assert!(again.finish() && again.verdict().is_ok());
        assert!(
            again.table().contains("[6.1] UNSTEADY, passed only when run again: a::c\n"),
            "{}",
            again.table()
        );
        let still = summary([first, ran(&["a::d"], &["a::c"], &[])]);
        assert!(!still.finish());
        assert!(still.table().contains("[6.1] failed: a::c\n"), "{}", still.table());
    }

    #[test]
    fn nothing_or_a_bad_end_is_a_failure() {
        assert!(!summary([ran(&[], &[], &[])]).finish());
        let ill = Ran { trouble: Some("exit status 1".into()), ..ran(&["a::b"], &[], &[]) };
        let ill = summary([ill]);
        assert!(ill.verdict().unwrap_err().to_string().contains("a guest ended badly"));
        let never = Ran { kernel: None, ..ran(&[], &[], &["a::b"]) };
        assert!(summary([never]).table().contains("not booted (6.1)"));
    }
}
