//! Replays what three Debian kernels answered to the same operations on the simulated tree, row by row.

#[path = "observed/replay.rs"]
mod replay;

use nvmet_configfs::{Errno, FakeKernel, FakeTree, Op, TreeError};
use replay::{DIRECTORY, FILES, RECORDED, field, path};
use serde_json::Value;

const KERNELS: [FakeKernel; 3] = [FakeKernel::V6_1, FakeKernel::V6_12, FakeKernel::V7_3];

#[test]
fn simulated_tree_answers_as_recorded() {
    for (kernel, recording) in KERNELS.into_iter().zip(RECORDED) {
        let mut tree = FakeTree::new(kernel).with_directory(DIRECTORY);
        for file in FILES {
            tree = tree.with_tmpfs_file(file);
        }
        let wrong: Vec<String> =
            replay::replay(&tree, recording, |_| false).iter().map(ToString::to_string).collect();
        assert!(wrong.is_empty(), "{kernel}: {} rows differ:\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[test]
fn two_recorded_rows_harm_real_kernels() {
    for recording in RECORDED {
        let rows: Vec<Value> = serde_json::from_str(recording).unwrap();
        let harmful = |row: &&Value| row.get("op").is_some() && replay::is_harmful(row);
        assert_eq!(rows.iter().filter(harmful).count(), replay::HARMFUL);
    }
    assert_eq!(nvmet_configfs::DevicePath::MAX_LEN, replay::LONGEST_PATH);
}

/// Errors that say all there is to say by themselves.
fn is_plain(op: &str, errno: &str) -> bool {
    matches!((op, errno), ("unlink" | "rmdir" | "ls" | "read", "ENOENT"))
}

#[test]
fn every_recorded_refusal_has_a_hint() {
    let mut missing = Vec::new();
    for (kernel, recording) in KERNELS.into_iter().zip(RECORDED) {
        let rows: Vec<Value> = serde_json::from_str(recording).unwrap();
        for row in rows.iter().filter(|r| r.get("op").is_some()) {
            let (op, at, result) = (field(row, "op"), path(field(row, "path")), field(row, "result"));
            if result == "ok" || is_plain(op, result) {
                continue;
            }
            let errno = Errno::from_name(result).unwrap();
            let error = match op {
                "mkdir" => TreeError::new(Op::Mkdir, &at, errno),
                "rmdir" => TreeError::new(Op::Rmdir, &at, errno),
                "ln" => TreeError::linking(&at, &path(field(row, "target")), errno),
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
