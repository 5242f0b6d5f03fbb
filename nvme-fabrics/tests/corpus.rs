//! Replays the fuzzer's corpora, so that what a fuzzer once found is checked by every test run.

use std::path::Path;

fn replay(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.unwrap().path())
        .collect();
    assert!((10..=40).contains(&files.len()), "{} has {} files", folder.display(), files.len());
    for file in files {
        println!("{}", file.display());
        property(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn fabrics_text() {
    replay("fabrics_text", nvme_fabrics::testing::text);
}

#[test]
fn keys_text() {
    replay("keys_text", nvme_fabrics::testing::keys);
}

#[test]
fn fabrics_config() {
    replay("fabrics_config", nvme_fabrics::testing::config);
}

#[test]
fn sysfs_tree() {
    replay("sysfs_tree", nvme_fabrics::testing::sysfs_tree);
}

#[cfg(feature = "soft-target")]
#[test]
fn soft_target() {
    replay("soft_target", nvme_fabrics::testing::soft_target);
}
