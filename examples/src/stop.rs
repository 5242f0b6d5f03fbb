//! Ctrl-C, SIGTERM and SIGHUP in programs that have something to take back first.
//!
//! | signal | what happens |
//! |---|---|
//! | the first | it is said what is being taken back; waits end, work under way is finished and undone |
//! | the second | the program ends at once |

use nvme_fabrics::kernel::wait::Cancel;

use crate::cli;

/// What a program says when it was stopped. Its exit status is 130, as that of a program that a signal ended.
#[derive(Debug, thiserror::Error)]
#[error("stopped: {0}")]
pub struct Stopped(pub &'static str);

/// From now on signals are asked for here, and end nothing by themselves. `doing` says what the first one brings about.
///
/// # Errors
/// The system takes no handler.
pub fn on_signal(doing: &'static str) -> Result<Cancel, ctrlc::Error> {
    let cancel = Cancel::new();
    let told = cancel.clone();
    ctrlc::set_handler(move || {
        if told.is_cancelled() {
            std::process::exit(cli::STOPPED.into());
        }
        told.cancel();
        cli::note(&format!("stopping: {doing} (once more: at once)"));
    })?;
    Ok(cancel)
}

/// An error, if it was stopped.
///
/// # Errors
/// [`Stopped`].
pub fn check(cancel: &Cancel, what: &'static str) -> Result<(), Stopped> {
    if cancel.is_cancelled() { Err(Stopped(what)) } else { Ok(()) }
}
