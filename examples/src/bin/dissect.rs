//! `dissect`: every NVMe/TCP PDU of a capture with its content, and every violation of the protocol.
//!
//! Exit status: 0 when no rule is violated, 1 when one is or the file is broken, 2 on wrong usage.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use nvme_examples::cli::{self, PrintError};
use nvme_examples::dissect::authentication::Keys;
use nvme_examples::dissect::capture::CaptureError;
use nvme_examples::dissect::event::{Event, What};
use nvme_examples::dissect::input::STDIN;
use nvme_examples::dissect::output::{self, Text};
use nvme_examples::dissect::{self, Options, PORTS};

/// Print every NVMe/TCP PDU of a capture with its content, and every violation of the protocol.
#[derive(Parser)]
#[command(name = "dissect", version, override_usage = "dissect [OPTIONS] FILE")]
struct Args {
    /// A pcap or pcapng file, `-` for standard input
    file: Option<PathBuf>,
    /// TCP ports on which controllers listen; elsewhere, connections are found by their beginning [default: 4420 8009]
    #[arg(long, value_name = "N", num_args = 1.., value_delimiter = ',')]
    port: Vec<String>,
    /// A file of DH-HMAC-CHAP secrets (DHHC-1:..:) to check authentication with
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl Args {
    /// The file and the ports. Of `--port 4420 FILE`, clap takes the file for a port.
    fn file_and_ports(&self) -> (PathBuf, Vec<u16>) {
        let (file, ports) = match (&self.file, self.port.split_last()) {
            (Some(file), _) => (file.clone(), self.port.as_slice()),
            (None, Some((file, ports))) if file.parse::<u16>().is_err() && !ports.is_empty() => {
                (file.into(), ports)
            }
            _ => Self::wrong(
                ErrorKind::MissingRequiredArgument,
                "the capture FILE is missing (`-` is standard input)",
            ),
        };
        let port = |text: &String| match text.parse() {
            Ok(port @ 1..) => port,
            _ => Self::wrong(
                ErrorKind::InvalidValue,
                &format!("`{text}` is no TCP port: it is a number from 1 to 65535"),
            ),
        };
        (file, if ports.is_empty() { PORTS.to_vec() } else { ports.iter().map(port).collect() })
    }

    fn wrong(kind: ErrorKind, words: &str) -> ! {
        Self::command().error(kind, words).exit()
    }
}

fn main() -> ExitCode {
    let mut violations = 0_u64;
    let outcome = run(&Args::parse(), &mut violations);
    let printed = outcome.is_ok();
    let code = cli::exit(outcome);
    if printed && violations > 0 {
        cli::note(&format!("{violations} violation{}", if violations == 1 { "" } else { "s" }));
        return ExitCode::from(1);
    }
    code
}

fn run(args: &Args, violations: &mut u64) -> cli::Outcome {
    let (file, ports) = args.file_and_ports();
    let keys = args.keys.as_deref().map(Keys::read).transpose()?.unwrap_or_default();
    let lock = io::stdout().lock();
    // What comes through a pipe may be watched: each line at once.
    let live = file == Path::new(STDIN);
    let mut out: Box<dyn Write> = if live { Box::new(lock) } else { Box::new(BufWriter::new(lock)) };
    let mut text = Text::default();
    let mut sink = |event: &Event<'_>| {
        *violations += u64::from(matches!(event.what, What::Violation(_)));
        match args.json {
            true => writeln!(out, "{}", output::json(event)),
            false => writeln!(out, "{}", text.line(event)),
        }
    };
    let read = dissect::file(&file, Options { ports: ports.clone(), keys }, &mut sink);
    out.flush().map_err(PrintError)?;
    match read {
        Ok(summary) => output::notes(&summary, &ports).iter().for_each(|note| cli::note(note)),
        Err(CaptureError::Output(error)) => return Err(PrintError(error).into()),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
