//! Instructions an operation takes, counted by callgrind: the gate, since they do not depend on what else the machine does.
//!
//! `-- instructions` counts every row and fails where one is beyond its limit; `--count NAME N` is what runs under callgrind. The count of an
//! operation is the difference between two runs, so that what happens before and after the operations does not matter.

use std::fmt::Write as _;
use std::process::Command;

use crate::framing;
use crate::headers;
use crate::machines;

/// One row: what is counted, and how many instructions it may take.
struct Count {
    name: &'static str,
    limit: u64,
    run: fn(u32),
    /// The function that is counted; `None`: all that `run` does for an operation, what it does as a caller included.
    function: Option<&'static str>,
}

/// Limits are those of the budgets.
const fn header(name: &'static str, limit: u64, run: fn(u32), function: &'static str) -> Count {
    Count { name, limit, run, function: Some(function) }
}

/// Limits are what was counted when the row was made, and a tenth.
const fn whole(name: &'static str, limit: u64, run: fn(u32)) -> Count {
    Count { name, limit, run, function: None }
}

const ROWS: &[Count] = &[
    header("decode-24", 40, headers::count_decode_24, "wire::headers::typed_data"),
    header("decode-72", 60, headers::count_decode_72, "wire::headers::typed_capsule"),
    header("view-72", 40, headers::count_view_72, "wire::headers::checked_view"),
    header("encode-24", 19, headers::count_encode_24, "wire::headers::write_data"),
    header("encode-72", 35, headers::count_encode_72, "wire::headers::write_capsule"),
    whole("frame-borrowed", 180, framing::count_borrowed),
    whole("frame-placed", 360, framing::count_placed),
    whole("host-read", 980, machines::host_read),
    whole("host-write-in-capsule", 715, machines::host_write_in_capsule),
    whole("host-write-asked-for", 1030, machines::host_write_asked_for),
    whole("controller-read", 945, machines::controller_read),
    whole("controller-write-in-capsule", 695, machines::controller_write_in_capsule),
    whole("controller-write-asked-for", 1435, machines::controller_write_asked_for),
];

/// Operations of the shorter run; the longer one has twice as many.
const N: u32 = 2048;

/// Runs `n` operations of a row.
pub(crate) fn run(name: &str, n: u32) {
    let row = ROWS.iter().find(|row| row.name == name).expect("the name of a row");
    (row.run)(n);
}

/// Counts every row; the table, or what is beyond its limit too.
pub(crate) fn count_all() -> Result<String, String> {
    let mut table = String::from("| operation | instructions | limit |\n|---|---|---|\n");
    let mut beyond = String::new();
    for row in ROWS {
        let Count { name, limit, .. } = row;
        let count = count(row)?;
        writeln!(table, "| {name} | {count} | {limit} |").unwrap();
        if count > *limit {
            writeln!(beyond, "{name}: {count} instructions an operation, the limit is {limit}").unwrap();
        }
    }
    if beyond.is_empty() { Ok(table) } else { Err(format!("{table}\n{beyond}")) }
}

/// Instructions of one operation of a row.
fn count(row: &Count) -> Result<u64, String> {
    let (short, long) = (callgrind(row, N)?, callgrind(row, 2 * N)?);
    let count = long.saturating_sub(short) / u64::from(N);
    // A function that is not there any more takes nothing.
    if count > 0 { Ok(count) } else { Err(format!("{}: nothing was counted", row.name)) }
}

/// Instructions of this program with `--count NAME N`.
fn callgrind(row: &Count, n: u32) -> Result<u64, String> {
    let name = row.name;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    if let Some(function) = row.function {
        valgrind.arg(format!("--toggle-collect={function}"));
    }
    let output = valgrind
        .arg(program)
        .args(["--count", name, &n.to_string()])
        .output()
        .map_err(|error| format!("cannot run valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match collected {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("valgrind failed on {name}: {}\n{said}", output.status)),
    }
}
