//! The hermetic steps: nothing here needs a kernel of its own, root or a network beyond cargo's.

use super::seed::Seed;
use super::steps::{StepError, Steps};
use super::toolchain;
use super::workspace::{cargo, metadata, run};

/// Runs each step.
pub(crate) fn run_all(steps: &mut Steps, seed: Seed) {
    steps.run("formatting", formatting);
    steps.run("lints", lints);
    steps.run("docs", docs);
    steps.run("tests", || tests(seed));
    steps.run("soak", soak);
    steps.run("no_std", no_std);
    steps.run("packages", packages);
}

fn formatting() -> Result<(), StepError> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
}

fn lints() -> Result<(), StepError> {
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]))
}

fn docs() -> Result<(), StepError> {
    run(cargo()
        .args(["doc", "--workspace", "--no-deps", "--all-features"])
        .env("RUSTDOCFLAGS", "-D warnings"))
}

fn tests(seed: Seed) -> Result<(), StepError> {
    let mut command = cargo();
    command.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    if seed == Seed::Fixed {
        command.env("PROPTEST_RNG_SEED", Seed::NUMBER.to_string());
    }
    run(&mut command)
}

/// Mixed I/O between host and target in user space with random faults, for a moment; as `tests` has built it.
fn soak() -> Result<(), StepError> {
    run(cargo().args(["run", "--package", "nvme-fabrics", "--all-features", "--example", "soak"]).args([
        "--",
        "--seconds",
        SOAK_SECONDS,
    ]))
}

/// Long enough for a few hundred connections to be cut.
const SOAK_SECONDS: &str = "10";

/// A target that has no `std`: what needs one does not compile for it.
const BARE: &str = "x86_64-unknown-none";

fn no_std() -> Result<(), StepError> {
    toolchain::ensure_target(BARE)?;
    let features = ["", "auth,serde"];
    features.into_iter().try_for_each(|features| {
        run(cargo()
            .args(["check", "--package", "nvme-proto", "--no-default-features", "--target", BARE])
            .args(["--features", features]))
    })
}

/// Packs what is published and builds each package from its archive alone.
fn packages() -> Result<(), StepError> {
    let metadata = metadata("Cargo.toml")?;
    let mut command = cargo();
    command.args(["package", "--workspace", "--allow-dirty"]);
    for package in metadata.packages.iter().filter(|package| !package.is_published()) {
        command.args(["--exclude", &package.name]);
    }
    run(&mut command)
}
