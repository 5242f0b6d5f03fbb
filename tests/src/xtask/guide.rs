//! What the README promises first: the guide on a Debian kernel in QEMU, as a user without a suitable machine gets it.
//!
//! Inside the guest it is a case of the matrix; here it is what lies around it: the first process made of a script, the
//! program's output and error output, its exit status.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::guests;
use super::steps::StepError;

/// A story of 11 steps on stdout and nothing else there; a failure with status 1, its hint on stderr, and the JSON still whole.
pub(crate) fn in_vm() -> Result<(), StepError> {
    let programs = guests::build()?;
    let guide = programs.examples.iter().find(|(name, _)| name == "guide");
    let (_, guide) = guide.ok_or_else(|| StepError::new("the examples have no guide"))?;

    let (output, story) = play(guide, &[])?;
    check("exit status", output.status.code() == Some(0), &output)?;
    check("11 steps", story["steps"].as_array().map(Vec::len) == Some(11), &output)?;

    // An address that no machine has.
    let (output, story) = play(guide, &["-a", "192.0.2.77"])?;
    check("exit status", output.status.code() == Some(1), &output)?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    check("hint on stderr", stderr.contains("error: step 2") && stderr.contains("192.0.2.77"), &output)?;
    check("error in the JSON", story["steps"][1]["error"].is_string(), &output)
}

fn play(guide: &Path, more: &[&str]) -> Result<(Output, Value), StepError> {
    let mut command = Command::new(guide);
    command.args(["--vm", "--json", "--runtime", "1"]).args(more).stdin(Stdio::null());
    println!("$ guide --vm --json --runtime 1 {}", more.join(" "));
    let output = command.output()?;
    let story = serde_json::from_slice(&output.stdout);
    check("JSON on stdout", story.is_ok(), &output)?;
    Ok((output, story?))
}

fn check(what: &str, holds: bool, output: &Output) -> Result<(), StepError> {
    if holds {
        return Ok(());
    }
    Err(StepError::new(format!(
        "not so: {what}; {}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout).trim_end(),
        String::from_utf8_lossy(&output.stderr).trim_end()
    )))
}
