//! `bench` on a block device with both of its engines, and on a target through the host in user space: its JSON has fio's fields with fio's
//! units, and its picture is one.

use std::path::Path;

use serde_json::Value;

use super::scene;
use super::soft::{NQN, Soft};
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("soft_bench::its_json_is_read_as_fios", its_json_is_read_as_fios),
    Case::new("soft_bench::a_target_is_found_and_measured_in_user_space", a_target_is_found_and_measured),
];

/// What `bench` has beside fio's fields.
const OURS: [&str; 3] = ["version", "engine", "cpu_us_per_io"];

fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::from(error).while_doing(text))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "fraction",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Every field of ours is one of fio's, of the same kind: who reads fio's output reads ours. An integer may stand for a fraction.
fn fits(ours: &Value, fios: &Value, path: &str, wrong: &mut Vec<String>) {
    match (ours, fios) {
        (Value::Object(ours), Value::Object(fios)) => {
            for (name, value) in ours.iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
                match fios.get(name) {
                    Some(theirs) => fits(value, theirs, &format!("{path}.{name}"), wrong),
                    None => wrong.push(format!("fio has no {path}.{name}")),
                }
            }
        }
        (Value::Array(ours), Value::Array(fios)) => {
            for (at, (ours, fios)) in ours.iter().zip(fios).enumerate() {
                fits(ours, fios, &format!("{path}[{at}]"), wrong);
            }
        }
        (ours, fios) => {
            let (ours, fios) = (kind(ours), kind(fios));
            if ours != fios && (ours, fios) != ("integer", "fraction") {
                wrong.push(format!("{path} is {ours} here and {fios} in fio"));
            }
        }
    }
}

/// Units: what the numbers of one side have to do with each other, in fio's output and in ours.
fn adds_up(side: &Value, block: f64) -> Result<(), Failure> {
    let number = |name: &str| {
        side[name].as_f64().ok_or_else(|| Failure::new(format!("{name} is no number in {side}")))
    };
    let near = |a: f64, b: f64| (a - b).abs() <= 0.1 * a.abs().max(b.abs()) + 2.0;
    let (bytes, ios, seconds) = (number("io_bytes")?, number("total_ios")?, number("runtime")? / 1000.0);
    ensure!(ios > 0.0 && seconds > 0.5, "{side}");
    for (what, seen, wanted) in [
        ("io_bytes", bytes, ios * block),
        ("io_kbytes", number("io_kbytes")?, bytes / 1024.0),
        ("bw_bytes", number("bw_bytes")?, bytes / seconds),
        ("bw", number("bw")?, bytes / seconds / 1024.0),
        ("iops", number("iops")?, ios / seconds),
    ] {
        ensure!(near(seen, wanted), "{what}: {seen}, and the others make it {wanted}: {side}");
    }
    let latency = &side["clat_ns"];
    let ns = |value: &Value| value.as_f64().ok_or_else(|| Failure::new(format!("{latency}")));
    let (low, mean, high) = (ns(&latency["min"])?, ns(&latency["mean"])?, ns(&latency["max"])?);
    let median = ns(&latency["percentile"]["50.000000"])?;
    // Nanoseconds: no I/O takes less than one of them or more than the run.
    ensure!(low >= 1.0 && low <= mean && mean <= high && high < 60e9, "{latency}");
    ensure!(low * 0.9 <= median && median <= high * 1.1, "{latency}");
    Ok(())
}

/// Whether it is an SVG whose elements are closed in their order, and what it says.
fn picture(path: &Path, wanted: &[&str]) -> Result<(), Failure> {
    let svg = std::fs::read_to_string(path)?;
    ensure!(svg.trim_start().starts_with("<svg") && svg.contains("http://www.w3.org/2000/svg"), "no SVG");
    let mut open = Vec::new();
    for piece in svg.split('<').skip(1) {
        let Some((tag, text)) = piece.split_once('>') else {
            return Err(Failure::new(format!("`<{piece}` has no end")));
        };
        ensure!(!text.contains('&') || text.contains(';'), "`{text}` is not escaped");
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap_or_default();
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => ensure_eq!(open.pop(), Some(name), "the element that ends"),
            (false, true) => {}
            (false, false) => open.push(name),
        }
    }
    ensure!(open.is_empty(), "not closed: {open:?}");
    for words in wanted {
        ensure!(svg.contains(words), "{words} is missing");
    }
    Ok(())
}

fn its_json_is_read_as_fios(ctx: &mut Ctx) -> Result<(), Failure> {
    let disk = ctx.ram_disk(0)?;
    let (disk, svg) = (disk.to_string_lossy().into_owned(), ctx.scratch().join("bench.svg"));
    let fio = [
        "--name=randrw",
        "--rw=randrw",
        "--rwmixread=50",
        "--bs=4096",
        "--iodepth=8",
        "--numjobs=2",
        "--size=16m",
        "--runtime=1",
        "--time_based",
        "--direct=1",
        "--thread",
        "--group_reporting",
        "--ioengine=libaio",
        "--output-format=json",
        "--filename",
        &disk,
    ];
    let fio = parse(&ctx.run("fio", fio)?.stdout)?;
    for side in ["read", "write"] {
        adds_up(&fio["jobs"][0][side], 4096.0).map_err(|error| error.while_doing("understand fio"))?;
    }
    let plot = svg.to_string_lossy().into_owned();
    for engine in ["io_uring", "threads"] {
        let words = [
            "--device",
            &*disk,
            "--engine",
            engine,
            "--rw",
            "randrw",
            "--iodepth",
            "8",
            "--numjobs",
            "2",
            "--size",
            "16m",
            "--runtime",
            "1",
            "--overwrite",
            "--json",
            "--plot",
            &*plot,
        ];
        let ours = parse(&ctx.run("bench", words)?.stdout)?;
        let mut wrong = Vec::new();
        fits(&ours, &fio, "", &mut wrong);
        ensure!(wrong.is_empty(), "{engine}: {wrong:?}");
        ensure!(ours["engine"].as_str().is_some_and(|name| name.contains(engine)), "{}", ours["engine"]);
        for side in ["read", "write"] {
            adds_up(&ours["jobs"][0][side], 4096.0).map_err(|error| error.while_doing(engine))?;
        }
        picture(&svg, &[&disk, "Latency distribution", "I/Os per second over time", "p99", engine])?;
        ctx.note(&format!(
            "{engine}: {} and {} IOPS",
            ours["jobs"][0]["read"]["iops"], ours["jobs"][0]["write"]["iops"]
        ));
    }
    Ok(())
}

/// No privileges and no kernel: what `discover --user` finds `bench` measures; the kernel's discovery finds the same.
fn a_target_is_found_and_measured(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let soft = Soft::start(&["-a", "127.0.0.1", "-s", "0", "--device", "mem:16m"])?;
    let (port, me) = (soft.port.to_string(), scene::me()?);
    let place = ["-a", "127.0.0.1", "-s", &*port, "-q", me.nqn.as_str()];
    let mut found = Vec::new();
    for way in ["--user", "--kernel"] {
        found.push(ctx.run("discover", [&place[..], &[way, "--json"]].concat())?.stdout);
    }
    ensure_eq!(found[0], found[1], "what discovery finds");
    ensure!(found[0].contains(NQN), "{}", found[0]);
    let svg = ctx.scratch().join("bench.svg");
    let plot = svg.to_string_lossy().into_owned();
    for (pattern, sides) in
        [("randread", &["read"][..]), ("write", &["write"]), ("randrw", &["read", "write"])]
    {
        let words = [
            "-n",
            NQN,
            "--rw",
            pattern,
            "--iodepth",
            "4",
            "--numjobs",
            "2",
            "--runtime",
            "1",
            "--overwrite",
            "--json",
            "--plot",
            &*plot,
        ];
        let ours = parse(&ctx.run("bench", [&place[..], &words].concat())?.stdout)?;
        for side in sides {
            adds_up(&ours["jobs"][0][side], 4096.0).map_err(|error| error.while_doing(pattern))?;
        }
        picture(&svg, &[NQN, "Latency distribution", "I/Os per second over time"])?;
    }
    soft.stop()
}
