//! Judging a kernel by its console.
//!
//! | in the log | verdict |
//! |---|---|
//! | `Kernel panic`, `Oops`, `BUG:`, `WARNING:`, `general protection fault`, `Call Trace`, a task blocked for long | fault: the run has failed, whatever the program says |
//! | RCU stall, soft lockup, scheduling stall | note: fails nothing by itself |
//!
//! Stalls are notes because under software emulation a busy machine can keep a virtual processor from running for longer than the
//! kernel's patience; a kernel that really hangs does not finish its program and runs into the deadline. The backtrace that
//! a stall report brings along is not taken for a fault of its own.

/// What was found in a console log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The first line of each fault.
    pub(crate) faults: Vec<String>,
    /// Lines worth knowing about.
    pub(crate) notes: Vec<String>,
}

const FAULTS: [&str; 8] = [
    "Kernel panic",
    "Oops:",
    "BUG:",
    "WARNING:",
    "general protection fault",
    "Call Trace",
    "UBSAN:",
    "double fault",
];
/// Lines of a stall report that can come after its first one, backtraces of all processors included.
const STALL_REPORT_LINES: usize = 200;

/// Reads a whole console log.
pub(crate) fn judge(log: &str) -> Verdict {
    let mut verdict = Verdict::default();
    let mut stall_until = 0;
    for (number, line) in log.lines().enumerate() {
        let line = line.trim_end();
        if is_stall(line) {
            stall_until = number + STALL_REPORT_LINES;
            verdict.notes.push(line.to_owned());
        } else if is_blocked(line) || FAULTS.iter().any(|fault| line.contains(fault)) {
            let part_of_stall = line.contains("Call Trace") && number < stall_until;
            if !part_of_stall && !is_command_line(line) {
                verdict.faults.push(line.to_owned());
            }
        }
    }
    verdict
}

fn is_stall(line: &str) -> bool {
    (line.contains("rcu") && line.contains("stall"))
        || line.contains("soft lockup")
        || line.contains("rcu_preempt kthread starved")
        || line.contains("kthread timer wakeup didn't happen")
}

/// `INFO: task NAME:PID blocked for more than 120 seconds.`
fn is_blocked(line: &str) -> bool {
    line.split_once("INFO: task ").is_some_and(|(_, rest)| rest.contains("blocked for more than"))
}

/// The kernel repeats its command line, which may hold any word.
fn is_command_line(line: &str) -> bool {
    line.contains("Command line:") || line.contains("Unknown kernel command line parameters")
}

/// The end of a log, for an error message.
pub(crate) fn tail(log: &str, lines: usize) -> String {
    let all: Vec<&str> = log.lines().map(str::trim_end).collect();
    let skip = all.len().saturating_sub(lines);
    all.into_iter().skip(skip).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_each_kind() {
        for line in [
            "[ 3.1] Kernel panic - not syncing: Attempted to kill init!",
            "[ 3.1] Oops: 0000 [#1] PREEMPT SMP",
            "[ 3.1] BUG: kernel NULL pointer dereference, address: 0000000000000000",
            "[ 3.1] WARNING: CPU: 0 PID: 1 at drivers/nvme/host/core.c:1",
            "[ 3.1] INFO: task nvme:12 blocked for more than 120 seconds.",
            "[ 3.1] Call Trace:",
        ] {
            assert_eq!(judge(&format!("fine\n{line}\r\n")).faults, [line], "{line}");
        }
    }

    #[test]
    fn a_stall_with_its_backtrace_is_a_note() {
        let log = "[ 9] rcu: INFO: rcu_preempt self-detected stall on CPU\n[ 9] Call Trace:\n[ 9]  <TASK>\n";
        let verdict = judge(log);
        assert!(verdict.faults.is_empty());
        assert_eq!(verdict.notes.len(), 1);
        let worse = format!("{log}[ 9] BUG: kernel NULL pointer dereference\n");
        assert_eq!(judge(&worse).faults.len(), 1);
    }

    #[test]
    fn a_backtrace_long_after_a_stall_counts() {
        let log =
            format!("rcu: detected stalls on CPUs/tasks\n{}Call Trace:\n", "x\n".repeat(STALL_REPORT_LINES));
        assert_eq!(judge(&log).faults, ["Call Trace:"]);
    }

    #[test]
    fn ordinary_lines_are_no_faults() {
        let log = "Command line: oops=panic panic_on_warn=1 x=WARNING:\nnvmet: adding nsid 1\nnvme nvme0: I/O error\n\
                   Warning: unmaintained driver\nclocksource: Marking clocksource 'tsc' as unstable\n";
        assert_eq!(judge(log), Verdict::default());
    }

    #[test]
    fn tail_keeps_the_end() {
        assert_eq!(tail("a\r\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a\n", 5), "a");
    }
}
