//! The recorded operations, performed on any tree. Shared by the tests of the simulated tree and those on real kernels.
//!
//! `configfs-observed-*.json` is a list of rows `{op, path, value|target, result, reads|got}`, recorded as root in a virtual machine
//! with `/dev/ram0` and `/dev/ram1`, a file, an empty file and a directory on tmpfs. A write was followed by a read of the same
//! attribute. Rows with only a `case` are headlines.

use nvmet_configfs::{Entry, RelPath, Tree, TreeError};
use serde_json::Value;

/// What three Debian kernels answered: 6.1, 6.12 and 7.3.
pub(crate) const RECORDED: [&str; 3] = [
    include_str!("configfs-observed-6.1.json"),
    include_str!("configfs-observed-6.12.json"),
    include_str!("configfs-observed-7.3.json"),
];

/// Operations in each recording.
pub(crate) const OPERATIONS: usize = 501;

/// Files that the operations name.
pub(crate) const FILES: [&str; 2] = ["/tmp/file.img", "/tmp/empty.img"];
/// A directory that they name.
pub(crate) const DIRECTORY: &str = "/tmp/dir";

/// A row that was answered otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// Its number in the recording, headlines counted.
    pub(crate) row: usize,
    /// The row.
    pub(crate) recorded: Value,
    /// `ok` or the name of the error.
    pub(crate) result: String,
    /// What was read.
    pub(crate) got: Option<Value>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "row {}: {}\n     answered {} {:?}", self.row, self.recorded, self.result, self.got)
    }
}

/// A path as the recorder wrote it.
pub(crate) fn path(text: &str) -> RelPath {
    let text = text.strip_prefix("./").unwrap_or(text);
    if text == "." { RelPath::root() } else { RelPath::new(text).expect("a recorded path") }
}

/// A field of a row that is text.
pub(crate) fn field<'r>(row: &'r Value, name: &str) -> &'r str {
    row[name].as_str().unwrap_or_else(|| panic!("{name} of {row}"))
}

fn answer<T>(result: Result<T, TreeError>) -> (String, Option<T>) {
    match result {
        Ok(value) => ("ok".to_owned(), Some(value)),
        Err(error) => (name(&error), None),
    }
}

fn name(error: &TreeError) -> String {
    error.errno().name().map_or_else(|| error.errno().0.to_string(), str::to_owned)
}

/// Performs a row; returns what the recording would have said.
fn perform(tree: &dyn Tree, row: &Value) -> (String, Option<Value>) {
    let at = path(field(row, "path"));
    let text = |bytes: Vec<u8>| Value::from(String::from_utf8_lossy(&bytes).into_owned());
    match field(row, "op") {
        "mkdir" => (answer(tree.mkdir(&at)).0, None),
        "rmdir" => (answer(tree.rmdir(&at)).0, None),
        "unlink" => (answer(tree.unlink(&at)).0, None),
        "ln" => (answer(tree.symlink(&at, &path(field(row, "target")))).0, None),
        "read" => {
            let (result, got) = answer(tree.read(&at));
            (result, got.map(text))
        }
        "ls" => {
            let (result, got) = answer(tree.list(&at));
            let names = |entries: Vec<Entry>| {
                Value::from(entries.iter().map(|e| e.name.to_string()).collect::<Vec<_>>())
            };
            (result, got.map(names))
        }
        "write" => {
            let value = field(row, "value").as_bytes();
            let mut result = answer(tree.write(&at, value)).0;
            // The recorder ignored short counts; the tree reports them, having stored what fits.
            if value.len() > 4095 && result == "EFBIG" {
                result = "ok".to_owned();
            }
            let reads = (result == "ok").then(|| match tree.read(&at) {
                Ok(value) => text(value),
                Err(e) => Value::from(format!("!{}", name(&e))),
            });
            (result, reads)
        }
        other => panic!("row with unknown operation {other}"),
    }
}

/// Longest device path that can be read without harm, in bytes: the kernel adds a line break and a NUL and has one page. A longer one is
/// stored, and reading it overwrites a byte behind that page (`configfs.c:nvmet_ns_device_path_show`): kernels crashed of it.
pub(crate) const LONGEST_PATH: usize = 4094;

/// Rows of each recording that harm a real kernel.
pub(crate) const HARMFUL: usize = 2;

/// Whether a row harms a real kernel.
pub(crate) fn is_harmful(row: &Value) -> bool {
    let long = row["value"].as_str().is_some_and(|value| value.len() > LONGEST_PATH);
    long && field(row, "path").ends_with("/device_path")
}

/// Performs all rows but those to skip on an empty tree; gives those that were answered otherwise than recorded.
pub(crate) fn replay(tree: &dyn Tree, recording: &str, skip: impl Fn(&Value) -> bool) -> Vec<Difference> {
    let rows: Vec<Value> = serde_json::from_str(recording).expect("a recording");
    let operations = rows.iter().enumerate().filter(|(_, row)| row.get("case").is_none());
    let mut performed = 0;
    let mut differences = Vec::new();
    for (row, recorded) in operations {
        performed += 1;
        if skip(recorded) {
            continue;
        }
        let (result, got) = perform(tree, recorded);
        let want = recorded.get("reads").or_else(|| recorded.get("got")).cloned();
        if result != recorded["result"] || got != want {
            differences.push(Difference { row, recorded: recorded.clone(), result, got });
        }
    }
    assert_eq!(performed, OPERATIONS, "a recording lacks rows");
    differences
}
