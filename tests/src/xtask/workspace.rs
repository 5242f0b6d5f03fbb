//! The workspace as cargo describes it, and running cargo in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::steps::StepError;

/// What is used of `cargo metadata`.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Registries it may be published to; an empty list means it never is.
    pub(crate) publish: Option<Vec<String>>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Package {
    /// Its binaries.
    pub(crate) fn binaries(&self) -> impl Iterator<Item = &str> {
        self.targets
            .iter()
            .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
            .map(|target| target.name.as_str())
    }

    /// Whether it goes to a registry.
    pub(crate) fn is_published(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Cargo in the workspace's folder, as the caller's shell would find it (so that a toolchain can still be chosen).
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).stdin(Stdio::null());
    cargo
}

/// The packages of the workspace that `manifest` (relative to ours) belongs to.
pub(crate) fn metadata(manifest: &str) -> Result<Metadata, StepError> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path", manifest]);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(StepError::new(format!("`{}` ended with {}", shown(&command), output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs a command with its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<(), StepError> {
    println!("$ {}", shown(command));
    let status = command.status().map_err(|error| {
        StepError::new(format!("cannot run {}: {error}", command.get_program().to_string_lossy()))
    })?;
    match status.success() {
        true => Ok(()),
        false => Err(StepError::new(format!("`{}` ended with {status}", shown(command)))),
    }
}

fn shown(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}='{}'", name.to_string_lossy(), value.to_string_lossy()));
        }
    }
    words.push(command.get_program().to_string_lossy().into_owned());
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_packages_are_told_from_others() {
        let text = r#"{"packages":[{"name":"a","publish":null,"targets":[{"name":"x","kind":["bin"]},{"name":"a","kind":["lib"]}]},
                       {"name":"b","publish":[],"targets":[]}]}"#;
        let metadata: Metadata = serde_json::from_str(text).unwrap();
        assert!(metadata.packages[0].is_published() && !metadata.packages[1].is_published());
        assert_eq!(metadata.packages[0].binaries().collect::<Vec<_>>(), ["x"]);
    }

    #[test]
    fn commands_are_shown_with_their_environment() {
        assert_eq!(shown(Command::new("a").arg("b").env("C", "d e")), "C='d e' a b");
        assert!(
            run(Command::new("false").arg("x")).unwrap_err().to_string().contains("`false x` ended with")
        );
    }
}
