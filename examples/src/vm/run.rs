//! From a [`Guest`] to its exit status.

use std::time::Duration;

use super::accel::{self, Accel};
use super::cache::{self, FileError, Scratch};
use super::console;
use super::guest::Guest;
use super::image::{self, ImageError};
use super::kernels::{self, KernelError};
use super::modules::{self, ModulesError};
use super::protocol::Token;
use super::qemu::{self, Ended, Files};
use super::tools::{self, ToolsError};

/// What happens during [`run`].
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A longer step of the machinery begins.
    Progress(&'a str),
    /// A line that the program printed.
    Output(&'a str),
    /// A line of the program's error output (with [`Init::Script`](super::Init::Script); otherwise it is output too).
    Error(&'a str),
}

/// A run that came to its end on a healthy kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The program's exit status (128 + signal when it was killed by one).
    pub exit_code: i32,
    /// `uname -r` in the guest.
    pub kernel: String,
    /// From the start of QEMU to its end.
    pub elapsed: Duration,
    /// How the guest's instructions were run.
    pub accel: Accel,
    /// The kernel's console.
    pub console: String,
    /// Lines of the console that are no failure but worth a look, such as a stall on an overloaded machine.
    pub notes: Vec<String>,
}

/// Lines of the console that an error shows.
const SHOWN_LINES: usize = 60;

/// Why a run did not come to its end, or not on a healthy kernel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VmError {
    /// Programs are missing on this machine.
    #[error("a guest cannot be started")]
    Tools(#[from] ToolsError),
    /// There is no kernel.
    #[error("a guest cannot be started")]
    Kernel(#[from] KernelError),
    /// There are no modules for it.
    #[error("a guest cannot be started")]
    Modules(#[from] ModulesError),
    /// Its file system cannot be made.
    #[error("a guest cannot be started")]
    Image(#[from] ImageError),
    /// A file of the run cannot be written.
    #[error("a guest cannot be started")]
    File(#[from] FileError),
    /// QEMU cannot be started or waited for.
    #[error("cannot run QEMU for Linux {kernel}")]
    Start {
        /// The kernel.
        kernel: String,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel reported a fault.
    #[error(
        "Linux {kernel} reported a fault: {first}\nend of its console:\n{}",
        console::tail(console, SHOWN_LINES)
    )]
    Fault {
        /// The kernel.
        kernel: String,
        /// The first line of the first fault.
        first: String,
        /// The kernel's console.
        console: String,
    },
    /// The guest did not come to an end in time.
    #[error(
        "Linux {kernel} was still running {what} after {} s and was killed\nend of its console:\n{}",
        deadline.as_secs(), console::tail(console, SHOWN_LINES)
    )]
    Deadline {
        /// The kernel.
        kernel: String,
        /// How far it had come.
        what: &'static str,
        /// The time it had.
        deadline: Duration,
        /// The kernel's console.
        console: String,
    },
    /// QEMU ended before the program's exit status came.
    #[error(
        "QEMU ended ({status}) while Linux {kernel} was {what}, without the program's exit status{}\nend of its console:\n{}",
        said_text(said),
        console::tail(console, SHOWN_LINES)
    )]
    Vanished {
        /// The kernel.
        kernel: String,
        /// How far it had come.
        what: &'static str,
        /// How QEMU ended.
        status: std::process::ExitStatus,
        /// What QEMU said.
        said: String,
        /// The kernel's console.
        console: String,
    },
    /// [`Guest::stop_when`] said so.
    #[error("interrupted; the guest is gone, and nothing of it is left")]
    Interrupted,
    /// Another kernel than the one that was started answered.
    #[error("Linux {running} answered where {started} was started")]
    OtherKernel {
        /// What was started.
        started: String,
        /// What `uname -r` said.
        running: String,
    },
}

fn said_text(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("; it said: {said}") }
}

impl VmError {
    /// The whole console of the kernel, when one ran.
    pub fn console(&self) -> Option<&str> {
        match self {
            Self::Fault { console, .. } | Self::Deadline { console, .. } | Self::Vanished { console, .. } => {
                Some(console)
            }
            _ => None,
        }
    }
}

/// Boots the guest, gives its output to `on` line by line, and waits for its end.
///
/// # Errors
/// Anything that keeps the program from coming to its end on a healthy kernel; see [`VmError`]. An exit status other than 0
/// is no error.
pub fn run(guest: &Guest, on: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, VmError> {
    let outcome = boot(guest, on);
    // Ctrl-C reaches apt and QEMU as well: that they died of it is not the news.
    if guest.is_stopped() && outcome.is_err() { Err(VmError::Interrupted) } else { outcome }
}

fn boot(guest: &Guest, on: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, VmError> {
    let go_on = || if guest.is_stopped() { Err(VmError::Interrupted) } else { Ok(()) };
    let mut progress = |line: &str| on(Event::Progress(line));
    tools::ensure(tools::BOOT, &mut progress)?;
    let kernel = kernels::prepare(guest.release, &mut progress)?;
    go_on()?;
    let modules = modules::prepare(&kernel, &mut progress)?;

    let scratch = match &guest.kept_in {
        Some(parent) => Scratch::kept(parent)?,
        None => Scratch::create(&cache::root().join("runs"))?,
    };
    let (initramfs, log) = (scratch.path().join("initramfs"), scratch.path().join("console.log"));
    image::write(&initramfs, guest, &modules)?;
    let files = Files { kernel: &kernel, initramfs: &initramfs, console: &log };
    let start_error = |source| VmError::Start { kernel: kernel.uname.clone(), source };
    let token = Token::random().map_err(start_error)?;

    let accel = accel::best();
    progress(&format!("booting Linux {} ({accel}, {} MiB)", kernel.uname, guest.memory_mib));
    let mut attempt = Attempt { accel, faults: Vec::new() };
    let ended = loop {
        go_on()?;
        let ended = qemu::run(guest, files, attempt.accel, &token, on).map_err(start_error)?;
        go_on()?;
        let Some(why) = attempt.again(&ended) else { break ended };
        on(Event::Progress(&format!("{why}; booting Linux {} again ({})", kernel.uname, attempt.accel)));
    };
    let mut outcome = judge(guest, &kernel.uname, attempt.accel, ended)?;
    outcome.notes.extend(attempt.faults);
    Ok(outcome)
}

/// Boots that ended before the first process said a word. Under emulation that is a fault of the emulator (it does not
/// keep up with code that the kernel patches while another processor runs it), as rare as it is loud; the guest has done
/// nothing yet, so it is started again and the fault is kept as a note. Anything later is the guest's own.
struct Attempt {
    accel: Accel,
    faults: Vec<String>,
}

impl Attempt {
    /// Boots under emulation that may fail before it counts.
    const FAULTS: usize = 2;

    /// Why the guest is to be booted again, if it is.
    fn again(&mut self, ended: &Ended) -> Option<String> {
        if ended.uname.is_some() {
            return None;
        }
        let fault = console::judge(&ended.console).faults.into_iter().next();
        if self.accel == Accel::Kvm && fault.is_none() {
            // KVM ran the probe and yet no kernel: not the guest's fault.
            accel::distrust_kvm();
            self.accel = Accel::Tcg;
            return Some("no sign of life under KVM".to_owned());
        }
        if self.accel != Accel::Tcg || self.faults.len() >= Self::FAULTS {
            return None;
        }
        let fault = fault?;
        self.faults.push(format!("a boot under emulation failed and was repeated: {fault}"));
        Some(format!("the emulated kernel failed before its first process ({fault})"))
    }
}

fn judge(guest: &Guest, kernel: &str, accel: Accel, ended: Ended) -> Result<Outcome, VmError> {
    let Ended { uname, exit, status, said, console, elapsed } = ended;
    let kernel = kernel.to_owned();
    let verdict = console::judge(&console);
    if let Some(first) = verdict.faults.into_iter().next() {
        return Err(VmError::Fault { kernel, first, console });
    }
    let what = match (&uname, exit) {
        (None, _) => "booting",
        (Some(_), None) => "running the program",
        (Some(_), Some(_)) => "ending",
    };
    let Some(status) = status else {
        return Err(VmError::Deadline { kernel, what, deadline: guest.deadline, console });
    };
    let (Some(exit_code), true, Some(running)) = (exit, status.success(), uname) else {
        return Err(VmError::Vanished { kernel, what, status, said, console });
    };
    if running != kernel {
        return Err(VmError::OtherKernel { started: kernel, running });
    }
    Ok(Outcome { exit_code, kernel, elapsed, accel, console, notes: verdict.notes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Release;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn ended(uname: Option<&str>, exit: Option<i32>, console: &str) -> Ended {
        Ended {
            uname: uname.map(str::to_owned),
            exit,
            status: Some(ExitStatus::from_raw(0)),
            said: String::new(),
            console: console.to_owned(),
            elapsed: Duration::from_secs(1),
        }
    }

    fn judged(ended: Ended) -> Result<Outcome, VmError> {
        judge(&Guest::new(Release::V6_12, "/p"), "6.12.1", Accel::Tcg, ended)
    }

    #[test]
    fn status_is_passed_on_from_a_healthy_kernel() {
        assert_eq!(judged(ended(Some("6.12.1"), Some(3), "fine\n")).unwrap().exit_code, 3);
    }

    #[test]
    fn a_fault_outweighs_success() {
        let error = judged(ended(Some("6.12.1"), Some(0), "x\nWARNING: CPU: 0 PID: 1\ny\n")).unwrap_err();
        assert!(matches!(&error, VmError::Fault { first, .. } if first.starts_with("WARNING")), "{error}");
        assert_eq!(error.console(), Some("x\nWARNING: CPU: 0 PID: 1\ny\n"));
    }

    #[test]
    fn no_exit_status_is_a_failure() {
        let error = judged(ended(Some("6.12.1"), None, "last words\n")).unwrap_err();
        assert!(
            error.to_string().contains("running the program") && error.to_string().contains("last words"),
            "{error}"
        );
        assert!(matches!(judged(ended(None, None, "")), Err(VmError::Vanished { what: "booting", .. })));
    }

    #[test]
    fn only_a_boot_that_fails_before_the_first_process_is_repeated_and_not_for_ever() {
        let mut attempt = Attempt { accel: Accel::Tcg, faults: Vec::new() };
        let oops = "[    1.333334] Oops: int3: 0000 [#1] SMP NOPTI\n";
        assert!(attempt.again(&ended(Some("6.12.1"), None, oops)).is_none(), "the first process had begun");
        assert!(attempt.again(&ended(None, None, "")).is_none(), "nothing says that emulation is at fault");
        assert!(attempt.again(&ended(None, None, oops)).unwrap().contains("int3"));
        assert!(attempt.again(&ended(None, None, oops)).is_some());
        assert!(attempt.again(&ended(None, None, oops)).is_none());
        assert_eq!(attempt.faults.len(), 2);
    }

    #[test]
    fn deadline_and_other_kernel_are_failures() {
        let mut late = ended(Some("6.12.1"), None, "");
        late.status = None;
        assert!(matches!(judged(late), Err(VmError::Deadline { .. })));
        assert!(matches!(judged(ended(Some("6.1.1"), Some(0), "")), Err(VmError::OtherKernel { .. })));
    }
}
