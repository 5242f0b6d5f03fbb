//! A failure for programs: with `--json`, `connect`, `disconnect` and `discover` print it as an object on standard output. The same words stand on
//! standard error as ever. `schema/error.json` describes it.

use std::error::Error;

use nvme_fabrics::{ConnectError, DisconnectError, Errno, WithinError};
use serde_json::{Value, json};

use crate::{cli, host, stop};

/// What is known of an error beyond its words.
struct Known {
    kind: &'static str,
    retryable: bool,
    hint: String,
    controller: Option<String>,
    option: Option<String>,
}

/// The object that is printed.
#[must_use]
pub fn to_json(error: &(dyn Error + 'static)) -> Value {
    json!({ "version": host::JSON_VERSION, "error": details(error) })
}

/// The error alone, for objects that hold several.
#[must_use]
pub fn details(error: &(dyn Error + 'static)) -> Value {
    let known = chain(error).find_map(known);
    let mut value = json!({
        "message": cli::explain(error),
        "kind": known.as_ref().map_or("other", |known| known.kind),
        "retryable": known.as_ref().is_some_and(|known| known.retryable),
    });
    let errno = chain(error).find_map(errno);
    if let Some(number) = errno {
        value["errno"] = number.0.into();
        if let Some(name) = number.name() {
            value["errno_name"] = name.into();
        }
    }
    let Some(known) = known else { return value };
    if !known.hint.is_empty() {
        value["hint"] = known.hint.into();
    }
    for (member, text) in [("controller", known.controller), ("option", known.option)] {
        if let Some(text) = text {
            value[member] = text.into();
        }
    }
    value
}

/// An error and its causes.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn Error + 'static)| (*error).source())
}

fn known(error: &(dyn Error + 'static)) -> Option<Known> {
    let plain = |kind, retryable, hint: &str| Known {
        kind,
        retryable,
        hint: hint.to_owned(),
        controller: None,
        option: None,
    };
    if let Some(error) = error.downcast_ref::<ConnectError>() {
        return Some(Known {
            kind: error.kind().as_str(),
            retryable: error.is_retryable(),
            hint: error.hint(),
            controller: error.conflicting().map(|name| name.to_string()),
            option: error.option().map(str::to_owned),
        });
    }
    if let Some(error) = error.downcast_ref::<DisconnectError>() {
        return Some(plain(error.kind(), error.is_retryable(), ""));
    }
    if let Some(error) = error.downcast_ref::<nvme_fabrics::discovery::tcp::DiscoverError>() {
        return Some(plain("discovery", error.is_retryable(), error.hint()));
    }
    if let Some(WithinError::TimedOut { .. }) = error.downcast_ref() {
        return Some(plain("timed-out", true, ""));
    }
    error.is::<stop::Stopped>().then(|| plain("stopped", true, ""))
}

fn errno(error: &(dyn Error + 'static)) -> Option<Errno> {
    if let Some(error) = error.downcast_ref::<ConnectError>() {
        return error.errno();
    }
    error.downcast_ref::<std::io::Error>().and_then(Errno::of)
}
