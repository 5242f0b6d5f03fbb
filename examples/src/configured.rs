//! `connect --all` from configuration files: how the outcome is shown.

use std::path::Path;

use nvme_fabrics::config::{Config, ConfigOutcome, ConfigResult};
use nvme_fabrics::{DiscoverError, PathState};
use serde_json::{Value, json};

use crate::{cli, connect_all, failure, host};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The configuration that is asked for, with what is wrong with it said on stderr.
///
/// # Errors
/// It cannot be read, is unusable as a whole, or wants nothing.
pub fn load(named: Option<&Path>) -> Result<Config, BoxError> {
    let config = match named {
        Some(path) => Config::read(path)?,
        None => Config::system()?,
    };
    for finding in &config.findings {
        cli::note(&format!("note: {finding}"));
    }
    for path in &config.ignored {
        cli::note(&format!("note: {} does not count beside nvme-fabrics.conf", path.display()));
    }
    if config.connections.is_empty() && config.is_sound() {
        let text = match &config.files[..] {
            [] => "no address was given, and there is no configuration: neither /etc/nvme/nvme-fabrics.conf nor config.json nor discovery.conf"
                .to_owned(),
            files => {
                let files = files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
                let asked = if named.is_none() { "no address was given (-a), and " } else { "" };
                format!("{asked}{files} wants no connection")
            }
        };
        return Err(cli::failure(text));
    }
    Ok(config)
}

/// Prints what became of each connection: lines on stdout, failures on stderr; or one JSON object.
///
/// # Errors
/// Something failed, so that the exit status is 1; or stdout takes nothing.
pub fn show(config: &Config, outcomes: &[ConfigOutcome<DiscoverError>], as_json: bool) -> cli::Outcome {
    let complete = config.is_sound() && outcomes.iter().all(ConfigOutcome::is_complete);
    if as_json {
        let connections: Vec<Value> = outcomes.iter().map(|o| connection(config, o)).collect();
        cli::print_json(
            &json!({ "version": host::JSON_VERSION, "complete": complete, "connections": connections }),
        )?;
    }
    let mut failed = config
        .findings
        .iter()
        .filter(|f| f.consequence != nvme_fabrics::config::Consequence::Ignored)
        .count();
    for outcome in outcomes {
        match &outcome.result {
            ConfigResult::Asked { outcome: all, kept } => {
                if let Some(path) = kept {
                    line(path_words(path), &outcome.what, as_json)?;
                }
                if connect_all::lines(all, as_json)?.is_err() {
                    failed += 1;
                }
            }
            ConfigResult::Path(path) => {
                failed += usize::from(matches!(path, PathState::Failed(_)));
                line(path_words(path), &outcome.what, as_json)?;
            }
            ConfigResult::Skipped(reason) => {
                failed += usize::from(!outcome.is_complete());
                cli::note(&format!("skipped {}: {reason}", outcome.what));
            }
            ConfigResult::OfApplication(who) => {
                cli::note(&format!("skipped {}: {who} looks after it", outcome.what));
            }
            ConfigResult::Unusable(finding) => {
                failed += 1;
                cli::note(&finding.to_string());
            }
            _ => failed += 1,
        }
    }
    match complete {
        true => Ok(()),
        false => Err(cli::failure(format!("{failed} of the connections that are wanted are not there"))),
    }
}

/// `Err`: it failed, and this is why.
fn path_words(path: &PathState) -> Result<String, String> {
    match path {
        PathState::Present { controller, state } if state.is_live() => {
            Ok(format!("already connected {controller}"))
        }
        PathState::Present { controller, state } => Ok(format!("already connected {controller} ({state})")),
        PathState::Added(made) => Ok(format!("connected {}", made.controller)),
        PathState::Repeated { .. } => Ok("already named".to_owned()),
        PathState::Failed(error) => Err(cli::explain(error)),
        _ => Ok("left as it was".to_owned()),
    }
}

fn line(words: Result<String, String>, what: &str, as_json: bool) -> Result<(), cli::PrintError> {
    match words {
        Ok(words) if !as_json => cli::print(&format!("{words}: {what}")),
        Ok(_) => Ok(()),
        Err(why) => {
            cli::note(&why);
            Ok(())
        }
    }
}

/// One object; the shape is part of [`host::JSON_VERSION`].
fn connection(config: &Config, outcome: &ConfigOutcome<DiscoverError>) -> Value {
    let (result, detail) = match &outcome.result {
        ConfigResult::Path(path) => match (path, path_words(path)) {
            (PathState::Added(made), _) => ("connected", made.controller.to_string().into()),
            (PathState::Present { controller, .. }, _) => ("present", controller.to_string().into()),
            (_, Err(why)) => ("failed", why.into()),
            (_, Ok(words)) => ("other", words.into()),
        },
        ConfigResult::Asked { outcome, .. } => ("asked", connect_all::to_json(outcome)),
        ConfigResult::Skipped(reason) => ("skipped", reason.to_string().into()),
        ConfigResult::OfApplication(who) => ("skipped", format!("{who} looks after it").into()),
        ConfigResult::Unusable(finding) => ("unusable", finding.to_string().into()),
        _ => ("other", Value::Null),
    };
    let at = config.connections.get(outcome.index).map(|c| format!("{}:{}", c.path.display(), c.position));
    let mut value = json!({ "at": at, "what": outcome.what, "result": result, "detail": detail });
    if let ConfigResult::Path(PathState::Failed(error)) = &outcome.result {
        value["error"] = failure::details(error);
    }
    value
}
