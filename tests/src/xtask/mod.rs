//! `cargo xtask`: everything that proves the workspace, in one command.
//!
//! | command | what it does |
//! |---|---|
//! | `test` | `check`, `tshark`, `instructions`, `fuzz`, the guide in QEMU, `matrix` |
//! | `check` | formatting, lints, docs, tests, a short soak, `no_std`, packages |
//! | `tshark` | our decoder and encoder against tshark's decoder |
//! | `instructions` | what operations on the wire cost, counted by callgrind, against their limits |
//! | `fuzz [SECONDS] [TARGET…]` | each fuzz target for some seconds, from its corpus |
//! | `matrix [RELEASE…]` | the test cases on real kernels |
//! | `boot RELEASE PROGRAM [ARG…]` | any program on a real kernel |
//!
//! Tools that are missing are installed through apt when that is allowed; otherwise the command to do it is shown.

mod checks;
mod fuzz;
mod guests;
mod guide;
mod instructions;
mod matrix;
mod nvmetcli;
mod seed;
mod steps;
mod toolchain;
mod tshark;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use nvme_examples::cli;
use nvme_examples::vm::tools::{self, Tool};
use nvme_examples::vm::{self, Event, Guest, Release};

use seed::Seed;
use steps::{StepError, Steps};

/// Programs that the tests need beside those of [`tools::BOOT`].
const BUILD_TOOLS: &[Tool] = &[Tool::new("cc", "gcc"), Tool::new("g++", "g++")];

/// Seconds each fuzz target runs as part of `test`.
const FUZZ_SECONDS: u64 = 5;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Proves the workspace", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything: check, tshark, instructions, fuzz, the guide in QEMU, and matrix
    Test,
    /// Formatting, lints, docs, tests, a short soak, no_std and packages; needs no kernel
    Check,
    /// Compares our decoder and encoder with tshark's decoder, field by field
    Tshark,
    /// Counts the instructions of operations on the wire, against their limits
    Instructions,
    /// Runs fuzz targets from their corpora
    Fuzz {
        /// Seconds for each target
        #[arg(default_value_t = FUZZ_SECONDS)]
        seconds: u64,
        /// Targets; all when none is given
        targets: Vec<String>,
    },
    /// Runs the test cases on real kernels
    Matrix(matrix::Options),
    /// Runs a program of this machine under a real kernel
    Boot {
        /// Kernel series: 6.1, 6.12 or 7.x
        release: Release,
        /// The program
        program: PathBuf,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
        /// Seconds until the guest is killed
        #[arg(long, default_value_t = 300)]
        deadline: u64,
        /// Shows the kernel's console too
        #[arg(long)]
        console: bool,
    },
}

/// Runs the command line; the exit code is 1 when anything failed.
pub fn main() -> ExitCode {
    let passed = match Cli::parse().command {
        Task::Test => all(),
        Task::Check => {
            let mut steps = Steps::default();
            steps.run("tools", || install(BUILD_TOOLS));
            steps.run("toolchain", toolchain::ensure);
            checks::run_all(&mut steps, Seed::Fresh);
            steps.finish()
        }
        Task::Tshark => {
            let mut steps = Steps::default();
            steps.run("tshark", tshark::run);
            steps.finish()
        }
        Task::Instructions => {
            let mut steps = Steps::default();
            steps.run("instructions", instructions::check);
            steps.finish()
        }
        Task::Fuzz { seconds, targets } => {
            let mut steps = Steps::default();
            steps.run("tools", || install(BUILD_TOOLS));
            fuzz::run_all(&mut steps, Duration::from_secs(seconds), Seed::Fresh, &targets);
            steps.finish()
        }
        Task::Matrix(options) => match matrix::run(&options) {
            Ok(summary) => summary.finish(),
            Err(error) => {
                println!("{error}\n0 passed, 1 failed");
                false
            }
        },
        Task::Boot { release, program, args, deadline, console } => {
            return boot(
                &Guest::new(release, program).args(args).deadline(Duration::from_secs(deadline)),
                console,
            );
        }
    };
    ExitCode::from(u8::from(!passed))
}

fn all() -> bool {
    let mut steps = Steps::default();
    steps.run("tools", || install(&[tools::BOOT, matrix::PROGRAMS, BUILD_TOOLS].concat()));
    steps.run("toolchain", toolchain::ensure);
    checks::run_all(&mut steps, Seed::Fixed);
    steps.run("tshark", tshark::run);
    steps.run("instructions", instructions::check);
    fuzz::run_all(&mut steps, Duration::from_secs(FUZZ_SECONDS), Seed::Fixed, &[]);
    steps.run("guide in QEMU", guide::in_vm);
    steps.run("real kernels", || matrix::run(&matrix::Options::whole(Seed::Fixed))?.verdict());
    steps.finish()
}

fn install(tools: &[Tool]) -> Result<(), StepError> {
    Ok(tools::ensure(tools, &mut |line| println!("{line}"))?)
}

fn boot(guest: &Guest, console: bool) -> ExitCode {
    let outcome = vm::run(guest, &mut |event| match event {
        Event::Progress(line) | Event::Error(line) => cli::note(line),
        // Whether somebody reads it or not, the guest goes on to its end.
        Event::Output(line) => drop(cli::print(line)),
    });
    match outcome {
        Ok(outcome) => {
            if console {
                cli::note(&outcome.console);
            }
            cli::note(&format!(
                "Linux {} ended with status {} after {:.1} s",
                outcome.kernel,
                outcome.exit_code,
                outcome.elapsed.as_secs_f64()
            ));
            ExitCode::from(u8::try_from(outcome.exit_code).unwrap_or(1))
        }
        Err(error) => {
            cli::note(&StepError::from(error).to_string());
            ExitCode::FAILURE
        }
    }
}
