//! What all binaries share: exit codes, how an error is shown, and output as text or JSON.
//!
//! Exit codes: 0 success, 1 the operation failed, 2 wrong usage (clap's own code), 130 stopped by a signal.
//!
//! All that binaries print passes through here, and control characters end here: a target chooses its names, and a terminal would obey what is hidden in them.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::stop;

/// The exit status of a program that was stopped by a signal, after it took back what it had to.
pub const STOPPED: u8 = 130;

/// What a binary's body returns: any error is shown by [`exit`].
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// A failure in words, for what only a binary can know (a missing tool, a refused combination).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// A [`Failure`] as a boxed error.
pub fn failure(text: impl Into<String>) -> Box<dyn Error + Send + Sync> {
    Box::new(Failure(text.into()))
}

/// stdout does not take what is printed: its reader has gone, or its disk is full.
#[derive(Debug, thiserror::Error)]
#[error("cannot print")]
pub struct PrintError(#[from] pub io::Error);

/// Shows an error on stderr with its causes and turns the outcome into an exit code.
pub fn exit(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that closed its end (`| head`) has what it wanted.
        Err(error) if is_reader_gone(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("error: {}", explain(error.as_ref())));
            ExitCode::from(if stop::is_cause(error.as_ref()) { STOPPED } else { 1 })
        }
    }
}

/// As [`exit`], for programs that may have been asked for JSON: then the error is an object on stdout as well, unless one was printed there before.
#[cfg(target_os = "linux")]
pub fn exit_as(output: Output, outcome: Outcome) -> ExitCode {
    if let (Output::Json, Err(error)) = (output, &outcome)
        && !HAS_PRINTED.load(Ordering::Relaxed)
        && let Err(error) = print_json(&crate::failure::to_json(error.as_ref()))
    {
        note(&format!("error: {}", explain(error.as_ref())));
    }
    exit(outcome)
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// One object.
    Json,
}

impl Output {
    /// What `--json` says.
    #[must_use]
    pub const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Whether an object was printed: a program prints one.
static HAS_PRINTED: AtomicBool = AtomicBool::new(false);

/// Says something on stderr. Nobody may be reading it any more, which is no reason to stop.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(line, Output::Text));
}

/// Text without control characters other than line ends and tabs. In their place stand escapes: `\u{1b}`, and in JSON, which has them within strings
/// only, `\u001b`.
fn harmless(text: &str, output: Output) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        // Writing to a String cannot fail.
        let _ = match output {
            _ if !obeyed(c) => escaped.write_char(c),
            Output::Text => write!(escaped, "{}", c.escape_default()),
            // Control characters are all below 2^16.
            Output::Json => write!(escaped, "\\u{:04x}", u32::from(c)),
        };
    }
    Cow::Owned(escaped)
}

/// An error with its causes, one a line, each said only once.
pub fn explain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            let _ = write!(text, "\n  caused by: {line}");
        }
        cause = error.source();
    }
    text
}

/// Whether printing failed for want of a reader. Any other broken pipe is a failure like all others.
fn is_reader_gone(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(PrintError(cause)) = error.downcast_ref() {
            return cause.kind() == io::ErrorKind::BrokenPipe;
        }
        next = error.source();
    }
    false
}

/// Prints text on stdout.
///
/// # Errors
/// A closed pipe is an error instead of a panic.
pub fn print(text: &str) -> Result<(), PrintError> {
    let text = harmless(text, Output::Text);
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') && !text.is_empty() {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Prints a value as indented JSON on stdout.
pub fn print_json(value: &impl Serialize) -> Outcome {
    let text = serde_json::to_string_pretty(value)?;
    HAS_PRINTED.store(true, Ordering::Relaxed);
    print(&harmless(&text, Output::Json))?;
    Ok(())
}

/// A spinner on stderr while something takes long; silent when stderr is not a terminal.
pub fn spinner(text: impl Into<String>) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.set_message(harmless(&text.into(), Output::Text).into_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A bar on stderr for work whose length in milliseconds is known; silent when stderr is not a terminal.
pub fn timed_bar(text: impl Into<String>, total: Duration) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(total.as_millis()).unwrap_or(u64::MAX));
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:32}] {eta} left") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(harmless(&text.into(), Output::Text).into_owned());
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write a: it is enabled")]
    struct Outer(#[source] io::Error);

    #[test]
    fn what_a_terminal_would_obey_is_shown_and_json_stays_json() {
        let nasty = "a\u{1b}[2J\u{9b}31m\u{7f}\r\n\tcaf\u{e9}";
        assert_eq!(harmless(nasty, Output::Text), "a\\u{1b}[2J\\u{9b}31m\\u{7f}\\r\n\tcaf\u{e9}");
        assert!(matches!(harmless("a\n\tb \u{e9}", Output::Text), Cow::Borrowed(_)));
        let json = serde_json::to_string(nasty).unwrap();
        let shown = harmless(&json, Output::Json);
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), nasty);
    }

    #[test]
    fn an_error_is_shown_with_its_causes() {
        let error = Outer(io::Error::from_raw_os_error(16));
        let text = explain(&error);
        assert!(text.starts_with("cannot write a: it is enabled\n  caused by: "), "{text}");
        assert!(text.contains("os error 16"), "{text}");
    }

    #[test]
    fn only_a_reader_of_ours_that_left_is_no_failure() {
        #[derive(Debug, thiserror::Error)]
        #[error("step 3 failed")]
        struct Step(#[source] Box<dyn Error + Send + Sync>);
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let code = |error: Box<dyn Error + Send + Sync>| format!("{:?}", exit(Err(error)));
        let (success, failure) = (format!("{:?}", ExitCode::SUCCESS), format!("{:?}", ExitCode::from(1)));
        assert_eq!(code(PrintError(pipe()).into()), success);
        assert_eq!(code(Step(PrintError(pipe()).into()).into()), success);
        // The kernel, or a program we ran, may answer EPIPE as well.
        assert_eq!(code(pipe().into()), failure);
        assert_eq!(code(Step(pipe().into()).into()), failure);
        assert_eq!(code(PrintError(io::ErrorKind::StorageFull.into()).into()), failure);
    }

    #[test]
    fn a_cause_that_says_nothing_new_is_left_out() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open b: no such thing")]
        struct Wrapper(#[source] Failure);
        assert_eq!(explain(&Wrapper(Failure("no such thing".into()))), "cannot open b: no such thing");
    }
}
