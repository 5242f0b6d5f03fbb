//! Running a helper program to its end, with an error that shows what it said.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

/// A helper program that could not be run, or that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The program did not start.
    #[error("cannot run {program}")]
    Start {
        /// The program's name.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The program ended with a failure.
    #[error("`{command}` ended with {status}{}", quoted(said))]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its error output.
        said: String,
    },
}

/// Lines of error output that an error keeps.
const KEPT_LINES: usize = 12;

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(", saying:\n{said}") }
}

/// A command with stable (untranslated) messages and no input.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// Runs to the end; a status other than 0 is an error with what was said on stderr.
pub(crate) fn output(command: &mut Command) -> Result<Output, CommandError> {
    let output =
        command.output().map_err(|source| CommandError::Start { program: program(command), source })?;
    if output.status.success() {
        return Ok(output);
    }
    Err(CommandError::Failed {
        command: line(command),
        status: output.status,
        said: last_lines(&output.stderr),
    })
}

/// As [`output`], giving stdout as text.
pub(crate) fn text(command: &mut Command) -> Result<String, CommandError> {
    output(command).map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command line as one would type it, for messages.
pub(crate) fn line(command: &Command) -> String {
    let mut line = program(command);
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

fn program(command: &Command) -> String {
    let path = Path::new(command.get_program());
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let skip = lines.len().saturating_sub(KEPT_LINES);
    lines.into_iter().skip(skip).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_shows_status_and_stderr() {
        let error =
            output(command("sh").args(["-c", "echo first >&2; echo second >&2; exit 3"])).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains("exit status: 3") && shown.ends_with("first\nsecond"), "{shown}");
    }

    #[test]
    fn absent_program_is_named() {
        let error = output(&mut command("/nonexistent/prog-x")).unwrap_err();
        assert!(matches!(&error, CommandError::Start { program, .. } if program == "prog-x"), "{error:?}");
    }

    #[test]
    fn keeps_only_the_end_of_long_output() {
        let many: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let kept = last_lines(many.as_bytes());
        assert_eq!(kept.lines().count(), KEPT_LINES);
        assert!(kept.ends_with("line 99"));
    }
}
