//! `connect --all`: how the outcome is shown.

use nvme_fabrics::DiscoverError;
use nvme_fabrics::discovery::{AllOutcome, EntryResult, SkipReason};
use serde_json::{Value, json};

use crate::{cli, failure, host};

/// Prints what became of each entry: lines on stdout, failures with their hints on stderr; or one JSON object.
///
/// # Errors
/// Something failed, so that the exit status is 1; or stdout takes nothing.
pub fn show(all: &AllOutcome<DiscoverError>, as_json: bool) -> cli::Outcome {
    if as_json {
        cli::print_json(&to_json(all))?;
    }
    Ok(lines(all, as_json)??)
}

/// The lines of [`show`] without the object; `Err` inside: something failed, and how much.
///
/// # Errors
/// stdout takes nothing.
pub fn lines(
    all: &AllOutcome<DiscoverError>,
    as_json: bool,
) -> Result<Result<(), cli::Failure>, cli::PrintError> {
    for page in &all.pages {
        if let Err(error) = &page.result {
            cli::note(&format!("{}: {}", page.request.options(), cli::explain(error)));
        }
    }
    let (mut connected, mut present, mut failed) = (0, 0, 0);
    for entry in &all.entries {
        let line = match &entry.result {
            EntryResult::Connected(made) => {
                connected += 1;
                format!("connected {}: {}", made.controller, entry.what)
            }
            EntryResult::Present(controller) => {
                present += 1;
                format!("already connected {controller}: {}", entry.what)
            }
            EntryResult::Followed { .. } => format!("referred: {}", entry.what),
            // Said by the log about itself, on every port.
            EntryResult::Skipped(SkipReason::Itself | SkipReason::Repeated) => continue,
            EntryResult::Skipped(reason) => {
                cli::note(&format!("skipped {}: {reason}", entry.what));
                continue;
            }
            EntryResult::Failed(error) => {
                failed += 1;
                cli::note(&cli::explain(error));
                continue;
            }
            _ => continue,
        };
        if !as_json {
            cli::print(&line)?;
        }
    }
    if all.is_complete() {
        if !as_json && connected + present == 0 {
            cli::print("nothing is offered to this host")?;
        }
        return Ok(Ok(()));
    }
    Ok(Err(cli::Failure(format!("{connected} connected, {present} already there, {failed} failed"))))
}

/// One object; the shape is part of [`host::JSON_VERSION`].
pub fn to_json(all: &AllOutcome<DiscoverError>) -> Value {
    let entries: Vec<Value> = all
        .entries
        .iter()
        .map(|entry| {
            let (result, detail) = match &entry.result {
                EntryResult::Connected(made) => ("connected", made.controller.to_string()),
                EntryResult::Present(controller) => ("present", controller.to_string()),
                EntryResult::Followed { page } => ("followed", page.to_string()),
                EntryResult::Skipped(reason) => ("skipped", reason.to_string()),
                EntryResult::Failed(error) => ("failed", cli::explain(error)),
                _ => ("other", String::new()),
            };
            let mut value = json!({
                "page": entry.page, "entry": entry.entry, "what": entry.what, "result": result, "detail": detail,
            });
            if let EntryResult::Failed(error) = &entry.result {
                value["error"] = failure::details(error);
            }
            value
        })
        .collect();
    let pages: Vec<Value> = all
        .pages
        .iter()
        .map(|page| {
            let error = page.result.as_ref().err().map(|e| cli::explain(e));
            json!({ "asked": page.request.options().to_string(), "error": error })
        })
        .collect();
    json!({
        "version": host::JSON_VERSION,
        "complete": all.is_complete(),
        "services": pages,
        "entries": entries,
    })
}
