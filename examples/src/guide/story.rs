//! The shape of the story: numbered steps, each shown with what it did, and what has to be put back at the end.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;

use crate::cli;

type BoxError = Box<dyn Error + Send + Sync>;

/// A step that failed, by its place in the story.
#[derive(Debug)]
pub struct StepError {
    number: usize,
    title: &'static str,
    source: BoxError,
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} ({}) failed", self.number, self.title)
    }
}

impl Error for StepError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

/// The user asked to stop (Ctrl-C).
#[derive(Debug, thiserror::Error)]
#[error("interrupted; everything is being put back")]
pub struct Interrupted;

/// One finished step, for `--json`.
#[derive(Debug, Serialize)]
pub struct StepReport {
    /// Its place, from 1.
    pub step: usize,
    /// What it is called.
    pub title: &'static str,
    /// What it did, a line each.
    pub did: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// How the story is told while it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Steps and their lines on stdout as they happen.
    Text,
    /// Nothing until the end; the caller prints [`Story::finish`]'s reports as JSON.
    Quiet,
}

/// Tells a story of steps and remembers what has to be put back.
pub struct Story {
    telling: Telling,
    stop: Arc<AtomicBool>,
    reports: Vec<StepReport>,
}

/// What a running step uses to say what it does.
pub struct Step<'a> {
    telling: Telling,
    stop: &'a AtomicBool,
    did: Vec<String>,
}

impl Step<'_> {
    /// Says one thing that was done or seen.
    pub fn did(&mut self, line: impl Into<String>) -> Result<(), io::Error> {
        let line = line.into();
        if self.telling == Telling::Text {
            for part in line.lines() {
                cli::print(&format!("      {part}"))?;
            }
        }
        self.did.push(line);
        Ok(())
    }

    /// A progress bar for work of a known length; none while the story is told as JSON.
    pub fn bar(&self, text: impl Into<String>, total: Duration) -> ProgressBar {
        match self.telling {
            Telling::Text => cli::timed_bar(text, total),
            Telling::Quiet => ProgressBar::hidden(),
        }
    }

    /// Whether the story shall go on; long work asks again and again.
    pub fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

impl Story {
    /// A story that ends early, at the next step, once `stop` is set.
    pub fn new(telling: Telling, stop: Arc<AtomicBool>) -> Self {
        Self { telling, stop, reports: Vec::new() }
    }

    /// Runs one step and shows it. A story that was interrupted does not start another one.
    ///
    /// # Errors
    /// [`StepError`] with the step's own error as its source.
    pub fn step<T>(
        &mut self,
        title: &'static str,
        body: impl FnOnce(&mut Step<'_>) -> Result<T, BoxError>,
    ) -> Result<T, StepError> {
        let number = self.reports.len() + 1;
        let failed = |source: BoxError| StepError { number, title, source };
        if self.stop.load(Ordering::Relaxed) {
            return Err(failed(Interrupted.into()));
        }
        self.run(number, title, body).map_err(failed)
    }

    /// Runs the last step, which also runs when the story was interrupted or failed.
    ///
    /// # Errors
    /// [`StepError`] with the step's own error as its source.
    pub fn last_step(
        &mut self,
        title: &'static str,
        body: impl FnOnce(&mut Step<'_>) -> Result<(), BoxError>,
    ) -> Result<(), StepError> {
        let number = self.reports.len() + 1;
        self.run(number, title, body).map_err(|source| StepError { number, title, source })
    }

    fn run<T>(
        &mut self,
        number: usize,
        title: &'static str,
        body: impl FnOnce(&mut Step<'_>) -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        if self.telling == Telling::Text {
            cli::print(&format!("{number:>3}. {title}"))?;
        }
        let begun = Instant::now();
        let mut step = Step { telling: self.telling, stop: &self.stop, did: Vec::new() };
        let value = body(&mut step)?;
        let (did, took) = (step.did, begun.elapsed());
        if self.telling == Telling::Text && took > Duration::from_millis(500) {
            cli::print(&format!("      ({:.1} s)", took.as_secs_f64()))?;
        }
        self.reports.push(StepReport { step: number, title, did, seconds: took.as_secs_f64() });
        Ok(value)
    }

    /// The steps that were done.
    pub fn finish(self) -> Vec<StepReport> {
        self.reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story() -> (Story, Arc<AtomicBool>) {
        let stop = Arc::new(AtomicBool::new(false));
        (Story::new(Telling::Quiet, Arc::clone(&stop)), stop)
    }

    #[test]
    fn a_failure_names_its_step() {
        let (mut story, _) = story();
        story.step("first", |step| Ok(step.did("a")?)).unwrap();
        let error = story.step::<()>("second", |_| Err(cli::failure("no"))).unwrap_err();
        assert_eq!(cli::explain(&error), "step 2 (second) failed\n  caused by: no");
    }

    #[test]
    fn an_interrupted_story_still_puts_things_back() {
        let (mut story, stop) = story();
        stop.store(true, Ordering::Relaxed);
        story.step("work", |_| Ok(())).unwrap_err();
        story.last_step("put back", |step| Ok(step.did("done")?)).unwrap();
        let reports = story.finish();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].did, ["done"]);
    }
}
