//! Steps with a heading, a duration and a verdict; the run goes on after a failure and counts at the end.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

/// Why a step failed, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepError(String);

impl StepError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: Error> From<E> for StepError {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        Self(text)
    }
}

/// What has run so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
}

#[derive(Debug)]
struct Done {
    name: String,
    took: Duration,
    error: Option<StepError>,
}

impl Steps {
    /// Runs one step and says how it went.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<(), StepError>) {
        println!("=== {name}");
        let begun = Instant::now();
        let error = step().err();
        let took = begun.elapsed();
        match &error {
            None => println!("--- {name}: ok, {:.1} s\n", took.as_secs_f64()),
            Some(error) => println!("{error}\n--- {name}: FAILED, {:.1} s\n", took.as_secs_f64()),
        }
        self.done.push(Done { name: name.to_owned(), took, error });
    }

    /// Prints the table and the count; true when nothing failed.
    pub(crate) fn finish(self) -> bool {
        print!("{}", self.summary());
        self.done.iter().all(|done| done.error.is_none())
    }

    fn summary(&self) -> String {
        let width = self.done.iter().map(|done| done.name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for Done { name, took, error } in &self.done {
            let verdict = if error.is_none() { "ok" } else { "FAILED" };
            text.push_str(&format!("{name:width$}  {:>7.1} s  {verdict}\n", took.as_secs_f64()));
        }
        let failed = self.done.iter().filter(|done| done.error.is_some()).count();
        text.push_str(&format!("{} passed, {failed} failed\n", self.done.len() - failed));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_counted_and_does_not_stop_the_others() {
        let mut steps = Steps::default();
        let mut ran = 0;
        steps.run("one", || Err(StepError::new("no")));
        steps.run("two", || {
            ran += 1;
            Ok(())
        });
        assert_eq!(ran, 1);
        let summary = steps.summary();
        assert!(summary.ends_with("\n1 passed, 1 failed\n"), "{summary}");
        assert!(summary.contains("FAILED") && !steps.finish());
    }
}
