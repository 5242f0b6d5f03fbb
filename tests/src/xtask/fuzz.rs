//! Fuzzing each target for a few seconds, starting from its corpus.
//!
//! The corpus is copied first, so that what the fuzzer finds does not change the tree; what makes a target fail is left in
//! `fuzz/artifacts`. A run that is part of the tests always begins with the same seed: whether a change is good must not be left to
//! chance. Runs that are asked for by themselves begin anywhere. With a nightly toolchain the address sanitizer is on; without one only coverage guides the fuzzer.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::seed::Seed;
use super::steps::{StepError, Steps};
use super::workspace::{cargo, metadata, root, run};

const MANIFEST: &str = "fuzz/Cargo.toml";

/// Which compiler builds the targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Toolchain {
    Nightly,
    Default,
}

/// One step for the build, one for each target (all when `wanted` is empty).
pub(crate) fn run_all(steps: &mut Steps, time: Duration, seed: Seed, wanted: &[String]) {
    let toolchain = toolchain();
    let mut targets = Vec::new();
    steps.run("fuzz build", || {
        let selected = select(wanted)?;
        install()?;
        run(&mut fuzz(toolchain, "build"))?;
        targets = selected;
        Ok(())
    });
    for target in targets {
        steps.run(&format!("fuzz {target}"), || fuzz_one(toolchain, &target, time, seed));
    }
}

/// The targets to run; asking for one that does not exist is an error, and so is a workspace without any.
fn select(wanted: &[String]) -> Result<Vec<String>, StepError> {
    let metadata = metadata(MANIFEST)?;
    let all: Vec<String> =
        metadata.packages.iter().flat_map(|package| package.binaries().map(str::to_owned)).collect();
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(name)) {
        return Err(StepError::new(format!("no fuzz target {unknown}: there are {}", all.join(", "))));
    }
    match (wanted.is_empty(), all.is_empty()) {
        (_, true) => Err(StepError::new(format!("{MANIFEST} has no targets"))),
        (true, false) => Ok(all),
        (false, false) => Ok(wanted.to_vec()),
    }
}

fn install() -> Result<(), StepError> {
    let there = cargo().args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if there.success() { Ok(()) } else { run(cargo().args(["install", "cargo-fuzz", "--locked"])) }
}

fn toolchain() -> Toolchain {
    let probe =
        Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).stdin(Stdio::null()).output();
    match probe {
        Ok(output) if output.status.success() => Toolchain::Nightly,
        _ => Toolchain::Default,
    }
}

/// `cargo fuzz COMMAND` with the toolchain's options.
fn fuzz(toolchain: Toolchain, command: &str) -> Command {
    let mut cargo = cargo();
    match toolchain {
        Toolchain::Nightly => {
            cargo.env("RUSTUP_TOOLCHAIN", "nightly").args(["fuzz", command]);
        }
        Toolchain::Default => {
            cargo.args(["fuzz", command, "--sanitizer", "none"]);
        }
    }
    cargo
}

fn fuzz_one(toolchain: Toolchain, target: &str, time: Duration, seed: Seed) -> Result<(), StepError> {
    let corpus = tempfile::tempdir()?;
    let seeds = copy_files(&root().join("fuzz/corpus").join(target), corpus.path())?;
    println!("{seeds} seeds");
    let mut command = fuzz(toolchain, "run");
    command.arg(target).arg(corpus.path());
    // 25 s for one input is a hang; the memory limit is libFuzzer's default, said aloud.
    command.args(["--", "-timeout=25", "-rss_limit_mb=2048"]);
    command.arg(format!("-max_total_time={}", time.as_secs().max(1)));
    if seed == Seed::Fixed {
        command.arg(format!("-seed={}", Seed::NUMBER));
    }
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        // `Done 4711 runs in 6 second(s)`: the rest is of use only after a failure.
        println!("{}", said.lines().rfind(|line| line.starts_with("Done ")).unwrap_or("ended"));
        return Ok(());
    }
    println!("{}{said}", String::from_utf8_lossy(&output.stdout));
    Err(StepError::new(format!("{target} ended with {}", output.status)))
}

/// Copies the files of a folder; gives their number. A folder that is not there has none.
fn copy_files(from: &Path, to: &Path) -> Result<usize, StepError> {
    if !from.is_dir() {
        return Ok(0);
    }
    let mut count = 0;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, to.join(name))?;
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corpus_is_copied_and_may_be_absent() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(from.path().join("a"), "x").unwrap();
        fs::create_dir(from.path().join("folder")).unwrap();
        assert_eq!(copy_files(from.path(), to.path()).unwrap(), 1);
        assert_eq!(fs::read(to.path().join("a")).unwrap(), b"x");
        assert_eq!(copy_files(&from.path().join("absent"), to.path()).unwrap(), 0);
    }
}
