//! Replays the fuzzers' corpora, so that what a fuzzer once found is checked by every test run.

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
fn proto_text() {
    replay("proto_text", nvme_proto::testing::text);
}

#[test]
fn proto_views() {
    replay("proto_views", nvme_proto::testing::views);
}

#[test]
fn auth_messages() {
    replay("auth_messages", nvme_proto::testing::auth_messages);
}

#[test]
fn proto_frame() {
    replay("proto_frame", |data| {
        nvme_proto::testing::frame(data);
    });
}

#[test]
fn proto_pdu() {
    replay("proto_pdu", nvme_proto::testing::pdus);
}

#[test]
fn proto_commands() {
    replay("proto_commands", nvme_proto::testing::commands);
}

#[test]
fn log_pages() {
    replay("log_pages", nvme_proto::testing::log_pages);
}

#[test]
fn host_machine() {
    replay("host_machine", nvme_proto::testing::host_machine);
}

#[test]
fn controller_machine() {
    replay("controller_machine", nvme_proto::testing::controller_machine);
}
