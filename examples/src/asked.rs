//! A connect that the kernel reports as refused: the target is asked for the reason.

use std::error::Error;

use nvme_fabrics::options::TransportName;
use nvme_fabrics::tcp::explain::{self, ExplainOptions, Finding};
use nvme_fabrics::{ConnectError, ConnectOptions};

use crate::cli;

/// A refused connect, and what the target did when it was asked from here.
#[derive(Debug, thiserror::Error)]
#[error("{source}\n  asked directly, {}{}", .finding.cause(), parenthesis(&.finding.hint()))]
struct Asked {
    source: ConnectError,
    finding: Finding,
}

fn parenthesis(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!(" ({hint})") }
}

/// The kernel tells little about a connect that was refused, so the target is asked itself, in the same words.
pub fn directly(error: ConnectError, options: &ConnectOptions) -> Box<dyn Error + Send + Sync> {
    let refused = matches!(error, ConnectError::Refused { .. });
    if !refused || options.transport_name() != TransportName::Tcp {
        return error.into();
    }
    let spinner = cli::spinner(format!("asking the target why it refuses {}", options.nqn()));
    let finding = explain::blocking(options, &ExplainOptions::default());
    spinner.finish_and_clear();
    Asked { source: error, finding }.into()
}
