//! Replays the fuzzers' corpora, so that what a fuzzer once found is checked by every test run.
#![cfg(feature = "testing")]

use std::path::Path;

use nvmet_configfs::testing;

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
fn configfs_plan() {
    replay("configfs_plan", testing::plan);
}

#[test]
fn configfs_text() {
    replay("configfs_text", testing::text);
}

#[test]
fn configfs_attributes() {
    replay("configfs_attributes", testing::attributes);
}

#[cfg(feature = "serde")]
#[test]
fn configfs_files() {
    replay("configfs_files", testing::files);
}

#[cfg(feature = "serde")]
#[test]
fn configfs_saved() {
    replay("configfs_saved", testing::saved);
}
