//! Building the programs that run in guests: statically linked, so that they need nothing there.

use std::path::PathBuf;

use super::steps::StepError;
use super::workspace::{cargo, metadata, root, run};

/// Named, so that build scripts and procedural macros are not linked statically too.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Of this workspace's Cargo.toml.
const PROFILE: &str = "guest";

/// What was built.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The first process of a test guest.
    pub(crate) guest: PathBuf,
    /// The binaries of the examples: name, path.
    pub(crate) examples: Vec<(String, PathBuf)>,
    /// Files of programs from a newer Debian: where each goes, and where it is.
    pub(crate) foreign: Vec<(String, PathBuf)>,
}

/// Builds them all, in a target folder of their own: with other compiler flags they would push everything else out.
pub(crate) fn build() -> Result<Programs, StepError> {
    let metadata = metadata("Cargo.toml")?;
    let examples = metadata.packages.iter().filter(|package| package.name == "nvme-examples");
    let examples: Vec<String> = examples.flat_map(|package| package.binaries().map(str::to_owned)).collect();
    let folder = root().join("target").join("guest");
    let mut command = cargo();
    command.args([
        "build",
        "--profile",
        PROFILE,
        "--package",
        "it",
        "--package",
        "nvme-examples",
        "--bin",
        "guest",
    ]);
    for name in &examples {
        command.args(["--bin", name]);
    }
    command.args(["--target", TARGET, "--target-dir"]).arg(&folder);
    command.env("RUSTFLAGS", "-C target-feature=+crt-static");
    run(&mut command)?;
    let at = |name: &str| folder.join(TARGET).join(PROFILE).join(name);
    let guest = at("guest");
    let examples = examples.into_iter().map(|name| (name.clone(), at(&name))).collect();
    Ok(Programs { guest, examples, foreign: Vec::new() })
}
