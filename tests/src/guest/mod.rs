//! The test program that is the first process of a guest kernel.
//!
//! It prepares the system, runs the cases of [`crate::cases`] one after the other, checks after each that nothing is left
//! behind, and reports over the serial port of [`nvme_examples::vm::protocol`].
//!
//! | module | concern |
//! |---|---|
//! | [`system`] | mounts, network, serial port, the end |
//! | [`runner`] | running cases and reporting |
//! | [`ctx`] | what a case can use |
//! | [`leftovers`] | what a case must not leave |
//! | [`nvmet`] | the target's tree as text, and emptying it by force |
//! | [`klog`] | the kernel log since a mark |
//! | [`failure`] | why a case failed |

pub mod ctx;
pub mod failure;
pub mod klog;
pub mod leftovers;
pub mod nvmet;
pub mod program;
pub mod runner;
pub mod system;

pub use ctx::Ctx;
pub use failure::Failure;
pub use klog::LogMark;
pub use program::{Output, Ran};

/// One test case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// `file::what_holds`.
    pub name: &'static str,
    /// Its body.
    pub body: fn(&mut Ctx) -> Result<(), Failure>,
    /// When it runs.
    pub runs: Runs,
    /// A word that the kernel's command line must have: the case runs in a guest that was started with it.
    pub parameter: Option<&'static str>,
}

/// When a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// With all others, and when its name contains what is asked for.
    Always,
    /// Only when it is asked for by its whole name, since it takes minutes.
    OnRequest,
}

impl Case {
    /// A case.
    pub const fn new(name: &'static str, body: fn(&mut Ctx) -> Result<(), Failure>) -> Self {
        Self { name, body, runs: Runs::Always, parameter: None }
    }

    /// A case that takes minutes: see [`Runs::OnRequest`].
    pub const fn on_request(name: &'static str, body: fn(&mut Ctx) -> Result<(), Failure>) -> Self {
        Self { name, body, runs: Runs::OnRequest, parameter: None }
    }

    /// The same on a kernel that was started with a parameter, which makes for a guest of its own.
    pub const fn on_a_kernel_with(self, parameter: &'static str) -> Self {
        Self { parameter: Some(parameter), ..self }
    }

    /// Whether this is a kernel for it, by the kernel's command line.
    pub fn fits(&self, command_line: &str) -> bool {
        self.parameter.is_none_or(|parameter| command_line.split_whitespace().any(|word| word == parameter))
    }

    /// Whether it is to run when cases with these parts of names are asked for; all when there are none.
    pub fn is_wanted(&self, parts: &[String]) -> bool {
        match self.runs {
            Runs::Always => parts.is_empty() || parts.iter().any(|part| self.name.contains(part.as_str())),
            Runs::OnRequest => parts.iter().any(|part| self.name == part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_needs_a_parameter_runs_only_on_kernels_with_it() {
        let (any, without) = (Case::new("a::b", |_| Ok(())), Case::new("a::c", |_| Ok(())));
        let without = without.on_a_kernel_with("ipv6.disable=1");
        let fits = |line| (any.fits(line), without.fits(line));
        assert_eq!(fits("quiet ipv6.disable=10"), (true, false));
        assert_eq!(fits("quiet ipv6.disable=1 x"), (true, true));
    }

    #[test]
    fn long_cases_run_only_by_their_whole_name() {
        let (short, long) = (Case::new("a::b", |_| Ok(())), Case::on_request("a::c", |_| Ok(())));
        let wanted = |parts: &[&str]| {
            let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            (short.is_wanted(&parts), long.is_wanted(&parts))
        };
        assert_eq!(wanted(&[]), (true, false));
        assert_eq!(wanted(&["a::"]), (true, false));
        assert_eq!(wanted(&["a::c"]), (false, true));
        assert_eq!(wanted(&["x", "a::b", "a::c"]), (true, true));
    }
}
