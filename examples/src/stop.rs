//! Ctrl-C, SIGTERM and SIGHUP in programs that have something to take back first.
//!
//! | signal | what happens |
//! |---|---|
//! | the first | it is said what is being taken back; waits end, work under way is finished and undone |
//! | the second | the program ends at once |

use std::error::Error;
use std::io;

use nvme_fabrics::kernel::wait::Cancel;

use crate::cli;

/// What a program says when it was stopped. Its exit status is 130, as that of a program that a signal ended.
#[derive(Debug, thiserror::Error)]
#[error("stopped: {0}")]
pub struct Stopped(pub &'static str);

/// What a part of a program says that was stopped: before it began, or in the middle, and what it said then is the cause.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted(#[source] pub Option<Box<dyn Error + Send + Sync>>);

/// Whether an error, or one of its causes, is that a signal came. A system call that a signal ended knows before whoever handles signals.
pub fn is_cause(error: &(dyn Error + 'static)) -> bool {
    let call = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
    error.is::<Stopped>()
        || error.is::<Interrupted>()
        || error.downcast_ref().is_some_and(call)
        || error.source().is_some_and(is_cause)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_found_among_the_causes() {
        let call = io::Error::from(io::ErrorKind::Interrupted);
        assert!(is_cause(&Interrupted(Some(cli::failure("mkfs died")))));
        assert!(is_cause(&Interrupted(None)));
        assert!(is_cause(&Stopped("nothing is left")));
        assert!(is_cause(&cli::PrintError(call)));
        assert!(!is_cause(&cli::PrintError(io::ErrorKind::BrokenPipe.into())));
        assert!(!is_cause(&cli::Failure("stopped: nothing is left".into())));
    }
}
