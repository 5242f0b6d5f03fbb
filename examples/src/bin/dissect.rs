//! `dissect`: every NVMe/TCP PDU of a capture with its content, and every violation of the protocol.
//!
//! Exit status: 0 when no rule is violated, 1 when one is or the file is broken, 2 on wrong usage.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use nvme_examples::cli;
use nvme_examples::dissect::authentication::Keys;
use nvme_examples::dissect::capture::CaptureError;
use nvme_examples::dissect::event::{Event, What};
use nvme_examples::dissect::output::{self, Text};
use nvme_examples::dissect::{self, Options, PORTS};

/// Print every NVMe/TCP PDU of a capture with its content, and every violation of the protocol.
#[derive(Parser)]
#[command(name = "dissect", version)]
struct Args {
    /// A pcap or pcapng file
    file: PathBuf,
    /// TCP ports on which controllers listen; elsewhere, connections are found by their beginning [default: 4420 8009]
    #[arg(long, value_name = "N", num_args = 1..)]
    port: Vec<u16>,
    /// A file of DH-HMAC-CHAP secrets (DHHC-1:..:) to check authentication with
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let mut violations = 0_u64;
    let outcome = run(&Args::parse(), &mut violations);
    let printed = outcome.is_ok();
    let code = cli::exit(outcome);
    if printed && violations > 0 {
        eprintln!("{violations} violation{}", if violations == 1 { "" } else { "s" });
        return ExitCode::from(1);
    }
    code
}

fn run(args: &Args, violations: &mut u64) -> cli::Outcome {
    let keys = args.keys.as_deref().map(Keys::read).transpose()?.unwrap_or_default();
    let ports = if args.port.is_empty() { PORTS.to_vec() } else { args.port.clone() };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut text = Text::default();
    let mut sink = |event: &Event<'_>| {
        *violations += u64::from(matches!(event.what, What::Violation(_)));
        match args.json {
            true => writeln!(out, "{}", output::json(event)),
            false => writeln!(out, "{}", text.line(event)),
        }
    };
    let read = dissect::file(&args.file, Options { ports, keys }, &mut sink);
    out.flush()?;
    match read {
        Err(CaptureError::Output(error)) => Err(error.into()),
        read => Ok(read?),
    }
}
