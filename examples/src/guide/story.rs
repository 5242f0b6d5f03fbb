//! The shape of the story: numbered steps, each shown with what it did, and what has to be put back at the end.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use nvme_fabrics::kernel::wait::Cancel;
use serde::Serialize;

use crate::cli::{self, PrintError};
use crate::stop::Interrupted;

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

/// One step that ran, for `--json`.
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
    /// Why it failed, with all causes; absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How the story is told while it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Steps and their lines on stdout as they happen.
    Text,
    /// Nothing until the end; the caller prints [`Story::finish`]'s reports as JSON.
    Quiet,
}

/// Prints the story. Once that fails (`guide | head`) it stays silent: nothing that was made may stay behind for it.
struct Teller {
    telling: Telling,
    silenced: Option<ErrorKind>,
}

impl Teller {
    fn say(&mut self, text: &str) {
        if self.telling == Telling::Text && self.silenced.is_none() {
            self.silenced = cli::print(text).err().map(|error| error.0.kind());
        }
    }
}

/// Tells a story of steps, and how each of them went.
pub struct Story {
    teller: Teller,
    stop: Cancel,
    reports: Vec<StepReport>,
}

/// What a running step uses to say what it does.
pub struct Step<'a> {
    teller: &'a mut Teller,
    stop: &'a Cancel,
    did: Vec<String>,
}

impl Step<'_> {
    /// Says one thing that was done or seen.
    pub fn did(&mut self, line: impl Into<String>) {
        let line = line.into();
        for part in line.lines() {
            self.teller.say(&format!("      {part}"));
        }
        self.did.push(line);
    }

    /// A progress bar for work of a known length; none while the story is told as JSON.
    pub fn bar(&self, text: impl Into<String>, total: Duration) -> ProgressBar {
        match self.teller.telling {
            Telling::Text => cli::timed_bar(text, total),
            Telling::Quiet => ProgressBar::hidden(),
        }
    }

    /// Whether the story shall go on; long work asks again and again.
    pub fn goes_on(&self) -> bool {
        !self.stop.is_cancelled()
    }

    /// What ends a wait of this step when the story shall not go on.
    pub fn stop(&self) -> &Cancel {
        self.stop
    }
}

impl Story {
    /// A story that ends early, at the next step, once `stop` says so.
    pub fn new(telling: Telling, stop: Cancel) -> Self {
        Self { teller: Teller { telling, silenced: None }, stop, reports: Vec::new() }
    }

    /// Runs one step and shows it. A story that was interrupted, or that nobody listens to, does not start another one.
    ///
    /// # Errors
    /// [`StepError`] with the step's own error, [`Interrupted`] or [`PrintError`] as its source.
    pub fn step<T>(
        &mut self,
        title: &'static str,
        body: impl FnOnce(&mut Step<'_>) -> Result<T, BoxError>,
    ) -> Result<T, StepError> {
        let number = self.reports.len() + 1;
        let failed = |source: BoxError| StepError { number, title, source };
        if self.stop.is_cancelled() {
            return Err(failed(Interrupted(None).into()));
        }
        if let Some(kind) = self.teller.silenced {
            return Err(failed(PrintError(kind.into()).into()));
        }
        self.run(number, title, body).map_err(|error| {
            // Ctrl-C reaches the programs that a step runs as well: that they died of it is not the news.
            let interrupted = self.stop.is_cancelled();
            failed(if interrupted { Interrupted(Some(error)).into() } else { error })
        })
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
        self.teller.say(&format!("{number:>3}. {title}"));
        let begun = Instant::now();
        let mut step = Step { teller: &mut self.teller, stop: &self.stop, did: Vec::new() };
        let outcome = body(&mut step);
        let (did, took) = (step.did, begun.elapsed());
        if took > Duration::from_millis(500) {
            self.teller.say(&format!("      ({:.1} s)", took.as_secs_f64()));
        }
        let error = outcome.as_ref().err().map(|error| cli::explain(error.as_ref()));
        self.reports.push(StepReport { step: number, title, did, seconds: took.as_secs_f64(), error });
        outcome
    }

    /// The steps that ran.
    pub fn finish(self) -> Vec<StepReport> {
        self.reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story() -> (Story, Cancel) {
        let stop = Cancel::new();
        (Story::new(Telling::Quiet, stop.clone()), stop)
    }

    #[test]
    fn a_failure_names_its_step() {
        let (mut story, _) = story();
        let tell = |step: &mut Step<'_>| {
            step.did("a");
            Ok(())
        };
        story.step("first", tell).unwrap();
        let error = story
            .step::<()>("second", |step| {
                step.did("half");
                Err(cli::failure("no"))
            })
            .unwrap_err();
        assert_eq!(cli::explain(&error), "step 2 (second) failed\n  caused by: no");
        let reports = story.finish();
        assert_eq!((reports[0].error.as_deref(), reports[1].error.as_deref()), (None, Some("no")));
        assert_eq!(reports[1].did, ["half"], "what a failed step did is not lost");
    }

    #[test]
    fn an_interrupted_story_still_puts_things_back() {
        let (mut story, stop) = story();
        stop.cancel();
        story.step("work", |_| Ok(())).unwrap_err();
        let tell = |step: &mut Step<'_>| {
            step.did("done");
            Ok(())
        };
        story.last_step("put back", tell).unwrap();
        let reports = story.finish();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].did, ["done"]);
    }

    #[test]
    fn a_step_that_ctrl_c_broke_says_so_first() {
        let (mut story, stop) = story();
        let body = |_: &mut Step<'_>| {
            stop.cancel();
            Err::<(), _>(cli::failure("mkfs died of signal 2"))
        };
        let error = story.step("work", body).unwrap_err();
        assert_eq!(
            cli::explain(&error),
            "step 1 (work) failed\n  caused by: interrupted\n  caused by: mkfs died of signal 2"
        );
    }

    #[test]
    fn a_story_without_a_reader_ends_and_still_puts_things_back() {
        let (mut story, _) = story();
        story.teller.silenced = Some(ErrorKind::BrokenPipe);
        let error = story.step("work", |_| Ok(())).unwrap_err();
        assert!(error.source().is_some_and(|cause| cause.is::<PrintError>()), "{error:?}");
        let mut back = false;
        let undo = |step: &mut Step<'_>| {
            step.did("done");
            back = true;
            Ok(())
        };
        story.last_step("put back", undo).unwrap();
        assert!(back);
    }
}
