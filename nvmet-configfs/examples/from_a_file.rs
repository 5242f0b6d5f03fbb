//! A target from files: this crate's own format with the keys of hosts apart, and nvmetcli's.
//!
//! `cargo run --example from_a_file --features serde,testing`

use nvmet_configfs::file::{self, Format, Secrets, spec_of};
use nvmet_configfs::nvmetcli::Document;
use nvmet_configfs::{FakeKernel, FakeTree, Policy, observe, reconcile};

const TARGET: &str = r#"
version = 1

[hosts."nqn.2024-05.org.example:alice"]
dhchap_hash = "hmac(sha256)"

[subsystems."nqn.2024-05.org.example:disks"]
hosts = ["nqn.2024-05.org.example:alice"]

[subsystems."nqn.2024-05.org.example:disks".namespaces.1]
device_path = "/dev/ram0"
buffered_io = 1

[ports.1]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = 4420
subsystems = ["nqn.2024-05.org.example:disks"]
"#;

/// In a file of its own, which only root reads. (The secret of nobody.)
const KEYS: &str = r#"
version = 1

[hosts."nqn.2024-05.org.example:alice"]
dhchap_key = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:"
"#;

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tree = FakeTree::new(FakeKernel::V6_12);
    let mut loaded = file::parse(TARGET.as_bytes())?;
    let unknown = Secrets::parse(KEYS.as_bytes())?.add_to(&mut loaded.spec);
    assert!(unknown.is_empty(), "keys of hosts that the target does not define");
    reconcile(&tree, &loaded.spec, &Policy::default())?;

    // A fault has its place and a pointer.
    let misspelt = TARGET.replace("buffered_io", "buffered");
    let error = file::parse(misspelt.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with(
        "line 12, column 1: /subsystems/nqn.2024-05.org.example:disks/namespaces/1/buffered: there is no such field"
    ));

    // What the target is now, in each format. `file::write` puts it on the disk whole or not at all, for its owner only.
    let observed = observe(&tree)?;
    let saved = file::to_text(&spec_of(&observed).spec, Format::Toml);
    assert!(saved.to_str().is_some_and(|text| text.contains("buffered_io") && !text.contains("DHHC-1")));
    let nvmetcli = Document::from_observed(&observed);
    for note in &nvmetcli.notes {
        println!("{note}"); // nvmetcli's format has no place for buffered_io
    }
    assert_eq!(nvmetcli.notes.len(), 1);
    Ok(())
}
