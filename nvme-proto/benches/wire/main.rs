//! What the wire costs, each figure beside its limit: the least work that could do the same, in the same process and the same round.
//!
//! `cargo bench -p nvme-proto --bench wire` prints the table of `benches/README.md`; `-- --check` fails when a ratio is beyond its budget, and
//! `headers`, `digests` or `framing` run that group alone; `instructions` counts instructions by callgrind and fails where a limit is passed.
//! Times are the best of many short rounds, in which a row and its limit take turns, so that what else the machine does hits both.
#![allow(missing_docs, clippy::unwrap_used, reason = "a program")]
#![allow(unsafe_code, reason = "the limit rows are what a careless C program would do")]

mod digests;
mod framing;
mod headers;
mod instructions;
mod machines;
mod table;

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use table::{ROUNDS, Row};

/// Benches that belong together.
type Group = fn(&mut Vec<Row>);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--bench") {
        ROUNDS.store(60, Ordering::Relaxed);
    }
    if let [_, flag, name, n, ..] = arguments.as_slice()
        && flag == "--count"
    {
        instructions::run(name, n.parse().expect("a number of operations"));
        return;
    }
    if arguments.iter().any(|argument| argument == "instructions") {
        match instructions::count_all() {
            Ok(table) => println!("{table}"),
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(1);
            }
        }
        return;
    }
    let mut rows = Vec::new();
    let groups: [(&str, Group); 3] =
        [("headers", headers::headers), ("digests", digests::digests), ("framing", framing::framing)];
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = !groups.iter().any(|(name, _)| named(name));
    for (name, group) in groups {
        if all || named(name) {
            group(&mut rows);
        }
    }
    let mut table =
        String::from("| bench | limit row | limit | ours | | budget | |\n|---|---|---|---|---|---|---|\n");
    let mut missed = 0;
    for row in &rows {
        let sign = if row.at_most { "<=" } else { ">=" };
        let verdict = if row.is_met() { "" } else { "**missed**" };
        missed += usize::from(!row.is_met());
        writeln!(
            table,
            "| {} | {} | {:.2} ns | {:.2} ns | {:.2}{} | {sign} {}{} | {verdict} |",
            row.bench, row.limit, row.limit_ns, row.ns, row.value, row.unit, row.budget, row.unit
        )
        .unwrap();
    }
    println!("{table}");
    if missed > 0 && arguments.iter().any(|argument| argument == "--check") {
        eprintln!("{missed} of {} budgets missed", rows.len());
        std::process::exit(1);
    }
}
