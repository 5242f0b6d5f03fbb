//! Replays what three Debian kernels answered to the same operations on the simulated tree, row by row.
//!
//! `observed/configfs-observed-*.json` is a list of rows `{op, path, value|target, result, reads|got}`, recorded as root in a
//! virtual machine with `/dev/ram0` and `/dev/ram1`, a file, an empty file and a directory on tmpfs. A write was followed by
//! a read of the same attribute.

use nvmet_configfs::{Errno, FakeKernel, FakeTree, Op, RelPath, Tree, TreeError};
use serde_json::Value;

/// Rows that the simulated tree does not answer, with the reason. None at present.
const OUT_OF_SCOPE: &[(usize, &str)] = &[];

const RECORDED: [(FakeKernel, &str); 3] = [
    (FakeKernel::V6_1, include_str!("observed/configfs-observed-6.1.json")),
    (FakeKernel::V6_12, include_str!("observed/configfs-observed-6.12.json")),
    (FakeKernel::V7_3, include_str!("observed/configfs-observed-7.3.json")),
];

fn path(text: &str) -> RelPath {
    let text = text.strip_prefix("./").unwrap_or(text);
    if text == "." { RelPath::root() } else { RelPath::new(text).unwrap() }
}

fn answer<T>(result: Result<T, TreeError>) -> (String, Option<T>) {
    match result {
        Ok(value) => ("ok".to_owned(), Some(value)),
        Err(error) => (error.errno().name().unwrap().to_owned(), None),
    }
}

/// Performs a row; returns what the recording would have said.
fn perform(tree: &FakeTree, row: &Value) -> (String, Option<Value>) {
    let field = |name: &str| row[name].as_str().unwrap();
    let at = path(field("path"));
    let text = |bytes: Vec<u8>| Value::from(String::from_utf8(bytes).unwrap());
    match field("op") {
        "mkdir" => (answer(tree.mkdir(&at)).0, None),
        "rmdir" => (answer(tree.rmdir(&at)).0, None),
        "unlink" => (answer(tree.unlink(&at)).0, None),
        "ln" => (answer(tree.symlink(&at, &path(field("target")))).0, None),
        "read" => {
            let (result, got) = answer(tree.read(&at));
            (result, got.map(text))
        }
        "ls" => {
            let (result, got) = answer(tree.list(&at));
            let names = |entries: Vec<nvmet_configfs::Entry>| {
                Value::from(entries.iter().map(|e| e.name.to_string()).collect::<Vec<_>>())
            };
            (result, got.map(names))
        }
        "write" => {
            let value = field("value").as_bytes();
            let mut result = answer(tree.write(&at, value)).0;
            // The recorder ignored short counts; the tree reports them, having stored what fits.
            if value.len() > 4095 && result == "EFBIG" {
                result = "ok".to_owned();
            }
            let reads = (result == "ok").then(|| match tree.read(&at) {
                Ok(value) => text(value),
                Err(e) => Value::from(format!("!{}", e.errno().name().unwrap())),
            });
            (result, reads)
        }
        other => panic!("row with unknown operation {other}"),
    }
}

#[test]
fn simulated_tree_answers_as_recorded() {
    for (kernel, recording) in RECORDED {
        let rows: Vec<Value> = serde_json::from_str(recording).unwrap();
        let tree = FakeTree::new(kernel)
            .with_tmpfs_file("/tmp/file.img")
            .with_tmpfs_file("/tmp/empty.img")
            .with_directory("/tmp/dir");
        let (mut compared, mut wrong) = (0, Vec::new());
        for (i, row) in rows.iter().enumerate() {
            if row.get("case").is_some() || OUT_OF_SCOPE.iter().any(|(n, _)| *n == i) {
                continue;
            }
            let (result, got) = perform(&tree, row);
            let want = row.get("reads").or_else(|| row.get("got")).cloned();
            if result != row["result"] || got != want {
                wrong.push(format!("row {i}: {row}\n     answered {result} {got:?}"));
            }
            compared += 1;
        }
        assert!(
            wrong.is_empty(),
            "{kernel}: {} of {compared} rows differ:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        assert_eq!(compared + OUT_OF_SCOPE.len(), 501, "{kernel}");
    }
}

/// Errors that say all there is to say by themselves.
fn is_plain(op: &str, errno: &str) -> bool {
    matches!((op, errno), ("unlink" | "rmdir" | "ls" | "read", "ENOENT"))
}

#[test]
fn every_recorded_refusal_has_a_hint() {
    let mut missing = Vec::new();
    for (kernel, recording) in RECORDED {
        let rows: Vec<Value> = serde_json::from_str(recording).unwrap();
        for row in rows.iter().filter(|r| r.get("op").is_some()) {
            let field = |name: &str| row[name].as_str().unwrap();
            let (op, at, result) = (field("op"), path(field("path")), field("result"));
            if result == "ok" || is_plain(op, result) {
                continue;
            }
            let errno = Errno::from_name(result).unwrap();
            let error = match op {
                "mkdir" => TreeError::new(Op::Mkdir, &at, errno),
                "rmdir" => TreeError::new(Op::Rmdir, &at, errno),
                "ln" => TreeError::linking(&at, &path(field("target")), errno),
                "write" => TreeError::new(Op::Write, &at, errno),
                "ls" => TreeError::new(Op::List, &at, errno),
                other => panic!("row with unknown operation {other}"),
            };
            if error.hint().is_none() {
                missing.push(format!("{kernel}: {row}"));
            }
        }
    }
    assert!(missing.is_empty(), "{} refusals without a hint:\n{}", missing.len(), missing.join("\n"));
}
