//! Host and target in user space beside the same bytes and nothing else. See `benches/README.md`.
//!
//! `cargo run --release -p nvme-fabrics-benches -- [B10 …] [--rounds N] [--check]`

mod cpu;
mod ours;
mod raw;
mod table;

use std::process::{Command, ExitCode};
use std::sync::Arc;

use nvme_fabrics::target::backend::Backend;
use nvme_proto::digest::Digests;
use ours::Way;
use table::{Budget, Row, Table};

/// Data of a small read, and of a large one.
const SMALL: usize = 4096;
const LARGE: usize = 128 << 10;

struct Bench {
    disk: Arc<Vec<u8>>,
    backend: Arc<dyn Backend>,
    rounds: usize,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let disk = Arc::new(raw::disk());
    let backend = ours::memory(&disk);
    // Called by ourselves: so many reads to be counted or profiled.
    if let [flag, depth, reads, rest @ ..] = args.as_slice()
        && flag.starts_with("--count")
    {
        let depth = depth.parse().expect("a depth");
        let reads = reads.parse().expect("a number");
        let len = rest.first().map_or(SMALL, |len| len.parse().expect("a length"));
        let digests = if rest.get(1).is_some() { Digests::BOTH } else { Digests::NONE };
        match flag.as_str() {
            "--count" => ours::count(&backend, depth, len, reads, digests, Way::Tasks),
            "--count-ring" => ours::count(&backend, depth, len, reads, digests, Way::Ring),
            "--count-raw" => raw::count(&disk, depth, len, reads),
            "--count-loop" => raw::count_loop(&disk, depth, len, reads),
            _ => return ExitCode::FAILURE,
        }
        return ExitCode::SUCCESS;
    }
    let number = args.iter().position(|arg| arg == "--rounds").and_then(|at| args.get(at + 1)?.parse().ok());
    let bench = Bench { disk, backend, rounds: number.unwrap_or(11) };
    let names: Vec<&str> = args.iter().map(String::as_str).filter(|arg| arg.starts_with('B')).collect();
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    let mut table = Table::default();
    if wanted("B10") {
        for (depth, budget) in [(1, 0.90), (32, 0.85), (128, 0.85)] {
            bench.against_tasks("B10", depth, Digests::NONE, budget, &mut table);
        }
    }
    if wanted("B11") {
        for (depth, budget) in [(1, 0.85), (32, 0.75), (128, 0.60)] {
            bench.against_tasks("B11 both digests,", depth, Digests::BOTH, budget, &mut table);
        }
    }
    if wanted("B12") {
        let limit = || raw::polling(&bench.disk, SMALL);
        let ours = || ours::polling(&bench.backend, SMALL);
        let name = "B12 depth 1, two threads that poll".to_owned();
        table.add(bench.compare(name, "raw, polling ping-pong", 0.85, limit, ours));
    }
    if wanted("B13") {
        table.add(bench.system_calls("--count", "ours, a task each", Budget::AtMost(0.2)));
        table.add(bench.system_calls("--count-ring", "ours, a ring", Budget::AtMost(0.2)));
        table.add(bench.system_calls("--count-raw", "raw", Budget::None));
    }
    if wanted("B14") {
        for depth in [1, 8] {
            let limit = || raw::poll_loop(&bench.disk, depth, LARGE);
            let ours = || ours::one_thread(&bench.backend, depth, LARGE, Digests::NONE, Way::Tasks);
            let name = format!("B14 128 KiB, depth {depth}");
            table.add(bench.compare(name, "raw, poll loop", 0.8, limit, ours));
        }
    }
    print!("{table}");
    if args.iter().any(|arg| arg == "--check") && table.has_missed() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

impl Bench {
    fn against_tasks(&self, name: &str, depth: usize, digests: Digests, budget: f64, table: &mut Table) {
        for (way, how) in [(Way::Ring, "a ring"), (Way::Tasks, "a task for each")] {
            let limit = || raw::tasks(&self.disk, depth, SMALL);
            let ours = || ours::one_thread(&self.backend, depth, SMALL, digests, way);
            let name = format!("{name} depth {depth}, {how}");
            table.add(self.compare(name, "raw + memory, two tasks", budget, limit, ours));
        }
    }

    /// Both in turns; the ratio is the median of the rounds' ratios.
    fn compare(
        &self,
        name: String,
        limit_name: &'static str,
        budget: f64,
        limit: impl Fn() -> f64,
        ours: impl Fn() -> f64,
    ) -> Row {
        let rounds: Vec<(f64, f64)> = (0..self.rounds).map(|_| (limit(), ours())).collect();
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let row = Row {
            name,
            limit_name,
            limit: Some(median(rounds.iter().map(|(limit, _)| *limit).collect())),
            ours: median(rounds.iter().map(|(_, ours)| *ours).collect()),
            measure: median(rounds.iter().map(|(limit, ours)| ours / limit).collect()),
            budget: Budget::AtLeast(budget),
        };
        eprintln!("{row}");
        row
    }

    /// How many system calls both ends make for a read at depth 32, as strace counts them: many reads less few, so that connecting does not
    /// count.
    fn system_calls(&self, mode: &str, whose: &str, budget: Budget) -> Row {
        let calls = |reads: usize| -> Option<f64> {
            let binary = std::env::current_exe().ok()?;
            let output = Command::new("strace")
                .args(["-f", "-c", "-U", "calls,name", "-o", "/dev/stdout"])
                .arg(binary)
                .args([mode, "32", &reads.to_string()])
                .output()
                .ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            let total = text.lines().find(|line| line.trim_end().ends_with("total"))?;
            total.split_whitespace().next()?.parse().ok()
        };
        let (few, many) = (6_400, 64_000);
        let each = match (calls(few), calls(many)) {
            (Some(base), Some(all)) => (all - base) / (many - few) as f64,
            _ => f64::NAN,
        };
        let row = Row {
            name: format!("B13 system calls for each read, depth 32, both ends, {whose}"),
            limit_name: "-",
            limit: None,
            ours: each,
            measure: each,
            budget,
        };
        eprintln!("{row}");
        row
    }
}
