//! The parts of the Rust toolchain that the checks need; a minimal one (as in many container images) comes without them.

use std::process::{Command, Stdio};

use super::steps::StepError;
use super::workspace::{cargo, root, run};

/// Subcommand of cargo and the component it comes from.
const COMPONENTS: [(&str, &str); 2] = [("fmt", "rustfmt"), ("clippy", "clippy")];

/// Adds what is missing through rustup.
pub(crate) fn ensure() -> Result<(), StepError> {
    let missing: Vec<&str> = COMPONENTS
        .iter()
        .filter(|(subcommand, _)| !works(cargo().args([*subcommand, "--version"])))
        .map(|(_, component)| *component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !works(Command::new("rustup").arg("--version")) {
        return Err(StepError::new(format!(
            "missing in the Rust toolchain: {names}\nhint: install them from where this toolchain came from; there is no rustup"
        )));
    }
    run(Command::new("rustup").current_dir(root()).args(["component", "add"]).args(&missing))
}

/// Adds the standard library (or what there is of it) of a target through rustup.
pub(crate) fn ensure_target(target: &str) -> Result<(), StepError> {
    let there = Command::new("rustup").current_dir(root()).args(["target", "list", "--installed"]).output();
    let there = there.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).lines().any(|line| line.trim() == target)
    });
    if there {
        return Ok(());
    }
    run(Command::new("rustup").current_dir(root()).args(["target", "add", target])).map_err(|error| {
        StepError::new(format!(
            "the Rust target {target} is missing, so what has to build for it was not checked: {error}\nhint: rustup target add {target}"
        ))
    })
}

fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_or_is_absent_does_not_work() {
        assert!(works(&mut Command::new("true")));
        assert!(!works(&mut Command::new("false")));
        assert!(!works(&mut Command::new("no-such-program")));
    }
}
