//! Another decoder's opinion: tshark reads what our dissector reads, and every field that both know has to be equal.
//!
//! It reads the captures of real kernels, and random conversations made by our encoder. A field of tshark that neither the table nor the list
//! of what is left out names fails the step.

mod generate;
mod pdml;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nvme_examples::dissect::event::{Event, What};
use nvme_examples::dissect::{self, Options, output};
use nvme_examples::vm::tools::{self, Tool};
use serde_json::Value;

use super::steps::StepError;
use super::workspace::root;
use pdml::Field;
use table::Plan;

const TSHARK: &[Tool] = &[Tool::new("tshark", "tshark")];

/// Ports that tshark is told about; it does not find the protocol by itself.
const PORTS: &str = "tcp.port==4420-4421,nvme-tcp";

/// Random conversations.
const CONVERSATIONS: u64 = 16;

/// What was compared.
#[derive(Debug, Default)]
struct Report {
    pdus: usize,
    compared: usize,
    names: BTreeMap<String, usize>,
    left_out: BTreeMap<&'static str, usize>,
    /// By what differs: how often, and where first.
    differences: BTreeMap<String, (usize, String)>,
}

impl Report {
    fn differs(&mut self, what: &str, place: String) {
        self.differences.entry(what.to_owned()).or_insert((0, place)).0 += 1;
    }
}

/// Compares, and prints how much.
pub(crate) fn run() -> Result<(), StepError> {
    tools::ensure(TSHARK, &mut |line| println!("{line}"))?;
    let mut report = Report::default();
    let folder = root().join("examples/tests/captures");
    let mut captures: Vec<_> = fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()?;
    captures.sort_by_key(fs::DirEntry::path);
    for capture in captures {
        let path = capture.path();
        let is_whole = path.extension().is_some_and(|e| e == "pcap") && !path.ends_with("snapped.pcap");
        if is_whole {
            compare(&path, &mut report)?;
        }
    }
    let temporary = tempfile::tempdir()?;
    for seed in 0..CONVERSATIONS {
        let path = temporary.path().join(format!("random-{seed}.pcap"));
        fs::write(&path, generate::Random::conversation(seed)?.pcap())?;
        compare(&path, &mut report)?;
    }
    println!("{} PDUs, {} values of {} fields compared", report.pdus, report.compared, report.names.len());
    for (reason, count) in &report.left_out {
        println!("  left out {count:>7}: {reason}");
    }
    for (what, (count, first)) in &report.differences {
        println!("{what} differs {count} times, first in {first}");
    }
    if !report.differences.is_empty() {
        return Err(StepError::new(format!(
            "{} fields differ between tshark and dissect",
            report.differences.len()
        )));
    }
    // So that a table that matches nothing, or a tshark that says nothing, is noticed.
    if report.compared < 50_000 || report.names.len() < 200 {
        return Err(StepError::new("too little was compared: does tshark still know the protocol?"));
    }
    Ok(())
}

/// PDUs by who sends them to whom, in their order.
type ByDirection<T> = BTreeMap<(String, String), Vec<T>>;

fn compare(path: &Path, report: &mut Report) -> Result<(), StepError> {
    let theirs = theirs(path)?;
    let ours = ours(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if ours.is_empty() {
        return Err(StepError::new(format!("{name}: nothing in it")));
    }
    for (direction, ours) in &ours {
        let theirs = theirs.get(direction).map(Vec::as_slice).unwrap_or_default();
        let place = format!("{name} {} -> {}", direction.0, direction.1);
        if ours.len() != theirs.len() {
            let counts = format!("{place}: tshark has {}, dissect {}", theirs.len(), ours.len());
            report.differs("the number of PDUs", counts);
        }
        for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            report.pdus += 1;
            compare_pdu(
                &format!("{place} PDU {index} packet {}", theirs.packet),
                ours,
                &theirs.fields,
                report,
            );
        }
    }
    Ok(())
}

fn compare_pdu(place: &str, ours: &Value, theirs: &[Field], report: &mut Report) {
    // The structures in data are in the last PDU of a transfer for us.
    let mut turns = BTreeMap::<&str, usize>::new();
    for field in theirs {
        let turn = turns.entry(field.name.as_str()).or_default();
        let index = *turn;
        *turn += 1;
        if field.show.is_empty() && field.value.is_empty() {
            continue;
        }
        match table::plan(&field.name) {
            Plan::LeftOut(reason) => *report.left_out.entry(reason).or_default() += 1,
            Plan::Unknown => {
                report.differs(&field.name, format!("{place}: {:?} is compared with nothing", field.show));
            }
            Plan::Compare(path) => {
                let (path, is_raw) = (path.trim_end_matches('<'), path.ends_with('<'));
                let (path, is_optional) = (path.trim_end_matches('?'), path.ends_with('?'));
                let found = look_up(ours, path, index);
                if is_optional && found.is_none() {
                    *report.left_out.entry("reserved").or_default() += 1;
                    continue;
                }
                report.compared += 1;
                *report.names.entry(field.name.clone()).or_default() += 1;
                let same =
                    |found: &Value| if is_raw { is_raw_same(field, found) } else { is_same(field, found) };
                if !found.as_ref().is_some_and(same) {
                    let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
                    let place = format!(
                        "{place} ({}): {:?} (bytes {:.40}), {path} is {found:.200}",
                        ours["pdu"], field.show, field.value
                    );
                    report.differs(&field.name, place);
                }
            }
        }
    }
}

/// The value at a path of the table.
fn look_up(ours: &Value, path: &str, turn: usize) -> Option<Value> {
    let (path, bits) = match path.strip_suffix(']').and_then(|path| path.split_once('[')) {
        Some((path, bits)) => (path, bits.split_once(':')),
        None => (path, None),
    };
    let value = path.split('.').try_fold(ours, |value, part| match part {
        "*" => value.get(turn),
        part => value.get(part),
    })?;
    let Some((hi, lo)) = bits else { return Some(value.clone()) };
    let (hi, lo): (u32, u32) = (hi.parse().ok()?, lo.parse().ok()?);
    let mask = u64::MAX >> (63 - (hi - lo));
    Some((number(value)? >> lo & mask).into())
}

/// A number, also as the text of one.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Bool(value) => Some(u64::from(*value)),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => parse_number(text),
        _ => None,
    }
}

/// `12`, `0x0c`, `0x0c: words`.
fn parse_number(text: &str) -> Option<u64> {
    let text = text.split(':').next()?;
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Whether tshark's value is ours: as a number, as bytes, or as text.
fn is_same(field: &Field, ours: &Value) -> bool {
    let plain = |text: &str| text.chars().filter(|c| !matches!(c, ':' | '-')).collect::<String>();
    match ours {
        Value::String(text) if text.trim_end() == field.show.trim_end() => true,
        Value::String(text) if plain(text) == plain(&field.show) => true,
        Value::Array(bytes) => {
            let hex: String =
                bytes.iter().filter_map(Value::as_u64).map(|byte| format!("{byte:02x}")).collect();
            hex == plain(&field.show)
        }
        ours if number(ours).is_some() && number(ours) == parse_number(&field.show) => true,
        // Bytes as a number.
        ours => plain(&field.show) == field.value && is_raw_same(field, ours),
    }
}

/// Whether tshark's bytes, little-endian, are our number.
fn is_raw_same(field: &Field, ours: &Value) -> bool {
    if !field.value.len().is_multiple_of(2) {
        return false;
    }
    let bytes = (0..field.value.len() / 2).rev();
    let big: String = bytes.filter_map(|at| field.value.get(2 * at..2 * at + 2)).collect();
    let text = match ours {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    u128::from_str_radix(&big, 16).is_ok_and(|theirs| theirs.to_string() == text)
}

/// What tshark finds.
fn theirs(path: &Path) -> Result<ByDirection<pdml::Pdu>, StepError> {
    let output = Command::new("tshark")
        .args(["-n", "-d", PORTS, "-T", "pdml", "-r"])
        .arg(path)
        // Digests are checked when tshark is told to.
        .args(["-o", "nvme-tcp.check_hdgst:TRUE", "-o", "nvme-tcp.check_ddgst:TRUE"])
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(StepError::new(format!("tshark ended with {}: {said}", output.status)));
    }
    let mut found = ByDirection::new();
    for pdu in pdml::parse(&String::from_utf8_lossy(&output.stdout)) {
        let end = |(address, port): &(String, String)| match address.contains(':') {
            true => format!("[{address}]:{port}"),
            false => format!("{address}:{port}"),
        };
        found.entry((end(&pdu.from), end(&pdu.to))).or_default().push(pdu);
    }
    Ok(found)
}

/// What the dissector finds; it is an error when it is not a PDU or not allowed.
fn ours(path: &Path) -> Result<ByDirection<Value>, StepError> {
    let mut ends = BTreeMap::new();
    let mut found = ByDirection::new();
    let mut wrong = Vec::new();
    let mut sink = |event: &Event<'_>| {
        match &event.what {
            What::Opened(opened) => {
                ends.insert(event.connection, (opened.host.to_string(), opened.controller.to_string()));
            }
            What::Pdu(pdu) => {
                let (host, controller) = ends.get(&event.connection).cloned().unwrap_or_default();
                let direction = match pdu.from {
                    nvme_proto::pdu::Role::Host => (host, controller),
                    nvme_proto::pdu::Role::Controller => (controller, host),
                };
                found.entry(direction).or_default().push(output::json(event));
            }
            What::Violation(_) | What::Passed(_) => wrong.push(output::json(event).to_string()),
        }
        Ok(())
    };
    dissect::file(path, Options::default(), &mut sink)?;
    match wrong.first() {
        Some(wrong) => Err(StepError::new(format!("{}: {wrong}", path.display()))),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(show: &str, value: &str) -> Field {
        Field { name: "x".into(), show: show.into(), value: value.into() }
    }

    #[test]
    fn values_are_the_same_in_many_forms() {
        assert!(is_same(&field("0x001f", "1f00"), &json!(31)));
        assert!(is_same(&field("1", "1"), &json!(true)));
        assert!(is_same(&field("ab:cd", "abcd"), &json!([0xab, 0xcd])));
        assert!(is_same(&field("01:00:00", "010000"), &json!(1)));
        assert!(is_same(
            &field("ff:ff:ff:ff:ff:ff:ff:ff:ff", "ffffffffffffffffff"),
            &json!("4722366482869645213695")
        ));
        assert!(is_raw_same(&field("8", "0700"), &json!(7)) && !is_raw_same(&field("8", "0700"), &json!(8)));
        assert!(is_same(&field("Linux   ", ""), &json!("Linux")));
        assert!(is_same(&field("0x460060", ""), &json!("0x460060")));
        for (show, ours) in [("0x1f", json!(30)), ("x", json!(null)), ("", json!(0)), ("ab", json!("abc"))] {
            assert!(!is_same(&field(show, ""), &ours), "{show} {ours}");
        }
    }

    #[test]
    fn paths_of_the_table() {
        let ours = json!({ "a": { "b": 0xabcd, "c": [5, 6] }, "s": "0x10: words" });
        assert_eq!(look_up(&ours, "a.b", 0), Some(json!(0xabcd)));
        assert_eq!(look_up(&ours, "a.b[15:8]", 0), Some(json!(0xab)));
        assert_eq!(look_up(&ours, "a.c.*", 1), Some(json!(6)));
        assert_eq!(look_up(&ours, "s[4:4]", 0), Some(json!(1)));
        assert_eq!(look_up(&ours, "a.x", 0), None);
    }

    #[test]
    fn differences_are_found() {
        let mut report = Report::default();
        let ours = json!({ "pdu": "R2T", "plen": 24 });
        let named =
            |name: &str, show: &str| Field { name: name.into(), show: show.into(), value: "00".into() };
        compare_pdu(
            "here",
            &ours,
            &[named("nvme-tcp.plen", "24"), named("nvme-tcp.plen", "25")],
            &mut report,
        );
        compare_pdu("here", &ours, &[named("nvme-tcp.hlen", "24"), named("nvme-tcp.new", "1")], &mut report);
        assert_eq!((report.compared, report.differences.len()), (3, 3), "{:?}", report.differences);
    }

    #[test]
    fn random_conversations_obey_the_rules() {
        let folder = tempfile::tempdir().unwrap();
        for seed in 0..8 {
            let path = folder.path().join("x.pcap");
            fs::write(&path, generate::Random::conversation(seed).unwrap().pcap()).unwrap();
            assert!(ours(&path).unwrap().values().map(Vec::len).sum::<usize>() > 200);
        }
    }
}
