//! Running a program in the guest and keeping what it said.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use super::failure::Failure;

/// What a program that succeeded said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its standard output.
    pub stdout: String,
}

/// How a program ended and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its error output.
    pub stderr: String,
}

/// Runs to the end, whatever that is. Fails only when the program cannot be started.
pub fn try_run<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> Result<Ran, Failure> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output =
        output.map_err(|error| Failure::from(error).while_doing(format_args!("cannot run {program}")))?;
    Ok(Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs to the end; any exit status but 0 is a failure that shows what was said.
pub fn run<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> Result<Output, Failure> {
    let args: Vec<A> = args.into_iter().collect();
    let shown =
        args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let ran = try_run(program, args)?;
    if ran.code == Some(0) {
        return Ok(Output { stdout: ran.stdout });
    }
    let status = ran.code.map_or("a signal".to_owned(), |code| format!("status {code}"));
    Err(Failure::new(format!(
        "`{program} {shown}` ended with {status}\nstdout: {}\nstderr: {}",
        ran.stdout.trim_end(),
        ran.stderr.trim_end()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_shows_everything_said() {
        let failure = run("sh", ["-c", "echo out; echo err >&2; exit 4"]).unwrap_err().to_string();
        for wanted in ["status 4", "out", "err", "sh -c"] {
            assert!(failure.contains(wanted), "{wanted} in {failure}");
        }
        assert_eq!(try_run("sh", ["-c", "exit 4"]).unwrap().code, Some(4));
        assert_eq!(run("echo", ["a b"]).unwrap().stdout, "a b\n");
        assert!(try_run("no-such-program", [""; 0]).unwrap_err().to_string().contains("no-such-program"));
    }
}
