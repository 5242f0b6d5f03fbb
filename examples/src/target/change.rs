//! From a spec to a changed target, with everything that it means shown.

use std::time::Duration;

use clap::ValueEnum;
use nvmet_configfs::{
    Consent, DiscoveryNqn, Foreign, OsTree, Policy, PortId, Scope, Sizes, TargetSpec, Unknown, apply, plan,
};
use serde_json::json;

use crate::{cli, host};

/// How long another program may hold the lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be done with a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is shown.
    Show,
    /// It is shown and applied.
    Apply,
}

/// `--unknown`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum UnknownAttributes {
    /// The file is refused
    #[default]
    Require,
    /// They are left out and named
    Warn,
    /// They are left out
    Ignore,
}

/// How a file is read against the target.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct How {
    /// Remove what the file does not name
    #[arg(long)]
    pub prune: bool,
    /// Go ahead even if hosts that are connected will notice
    #[arg(long)]
    pub disturb: bool,
    /// Attributes that this kernel does not have
    #[arg(long, value_enum, default_value_t)]
    pub unknown: UnknownAttributes,
    /// Change only hosts and subsystems whose NQN begins so (may be given several times)
    #[arg(long, value_name = "PREFIX")]
    pub only: Vec<String>,
    /// With --only: these ports too
    #[arg(long, value_name = "N", requires = "only")]
    pub only_port: Vec<u16>,
    /// Write discovery_nqn, which damages kernels before 6.12.33
    #[arg(long)]
    pub write_discovery_nqn: bool,
    /// Have the kernel look at the sizes of the file's devices again, and tell hosts of those that have grown
    #[arg(long)]
    pub resize: bool,
}

impl How {
    /// As a policy.
    pub fn policy(&self) -> Policy {
        let foreign = if self.prune { Foreign::Remove } else { Foreign::Keep };
        let consent = if self.disturb { Consent::Given } else { Consent::Required };
        let unknown = match self.unknown {
            UnknownAttributes::Require => Unknown::Require,
            UnknownAttributes::Warn => Unknown::Warn,
            UnknownAttributes::Ignore => Unknown::Ignore,
        };
        let mut policy = Policy::foreign(foreign).consent(consent).unknown(unknown);
        if self.write_discovery_nqn {
            policy = policy.discovery_nqn(DiscoveryNqn::Write);
        }
        if self.resize {
            policy = policy.sizes(Sizes::Refresh);
        }
        if self.only.is_empty() {
            return policy;
        }
        let mut scope = Scope::Everything;
        for prefix in &self.only {
            let next = Scope::prefix(prefix, self.only_port.iter().copied().map(PortId));
            scope = match (scope, next) {
                (Scope::Within { mut prefixes, ports }, Scope::Within { prefixes: more, .. }) => {
                    prefixes.extend(more);
                    Scope::Within { prefixes, ports }
                }
                (_, next) => next,
            };
        }
        policy.within(scope)
    }
}

/// Plans, shows and, unless only that was asked for, applies.
///
/// # Errors
/// The spec does not fit the target, another program holds the lock, or applying failed (and was undone).
pub fn run(
    tree: &OsTree,
    spec: &TargetSpec,
    policy: &Policy,
    mode: Mode,
    output: Output,
    done: &str,
) -> cli::Outcome {
    // Held from the look to the last step.
    let _lock = if mode == Mode::Apply { Some(tree.lock(PATIENCE)?) } else { None };
    let plan = plan(tree, spec, policy)?;
    let steps: Vec<String> = plan.steps().iter().map(ToString::to_string).collect();
    let disruptions: Vec<String> = plan.disruptions().iter().map(ToString::to_string).collect();
    let mut warnings: Vec<String> = plan.warnings().iter().map(ToString::to_string).collect();
    if mode == Mode::Apply {
        warnings = apply(tree, &plan)?.warnings().iter().map(ToString::to_string).collect();
    }
    if output == Output::Json {
        return cli::print_json(&json!({
            "version": host::JSON_VERSION, "applied": mode == Mode::Apply, "steps": steps,
            "disruptions": disruptions, "warnings": warnings,
        }));
    }
    for step in &steps {
        cli::print(step)?;
    }
    for disruption in &disruptions {
        cli::print(&format!("disturbs: {disruption}"))?;
    }
    for warning in &warnings {
        cli::note(&format!("warning: {warning}"));
    }
    Ok(cli::print(match (steps.is_empty(), mode) {
        (true, _) => "nothing to do",
        (false, Mode::Show) => "dry run: nothing was changed",
        (false, Mode::Apply) => done,
    })?)
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}
