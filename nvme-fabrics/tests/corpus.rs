//! Replays the fuzzer's corpus, so that what a fuzzer once found is checked by every test run.

use std::path::Path;

#[test]
fn fabrics_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/fabrics_text");
    let files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.unwrap().path())
        .collect();
    assert!((10..=40).contains(&files.len()), "{} has {} files", folder.display(), files.len());
    for file in files {
        println!("{}", file.display());
        nvme_fabrics::testing::text(&std::fs::read(&file).unwrap());
    }
}
