use super::*;

const EXAMPLE: &str = r#"
version = 1

[hosts."nqn.2024-05.org.example:alice"]
dhchap_hash = "hmac(sha384)"

[subsystems.mysub]
hosts = ["nqn.2024-05.org.example:alice"]
attr_serial = "S1"
attr_qid_max = 4
extra = { attr_of_tomorrow = "x" }

[subsystems.mysub.namespaces.1]
device_path = "/dev/sdb"

[subsystems.mysub.namespaces.2]
enable = false
ana_grpid = 2

[subsystems.open]
hosts = "any"
passthru = { device_path = "/dev/nvme0", clear_ids = 1 }

[ports.1]
addr_trtype = "tcp"
addr_adrfam = "ipv6"
addr_traddr = "::1"
addr_trsvcid = 4420
addr_tsas = "tls1.3"
subsystems = ["mysub"]
ana_groups = { 1 = "optimized", 2 = "inaccessible" }

[ports.1.referrals.other]
addr_traddr = "192.0.2.11"
enable = false
"#;

const KEY: &str = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:"; // not a secret of anyone

#[test]
fn both_spellings_of_the_format_say_the_same() {
    let loaded = parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(loaded.format, Format::Toml);
    for format in [Format::Toml, Format::Json] {
        let text = to_text(&loaded.spec, format);
        let again = parse(&text).unwrap_or_else(|e| panic!("{e}\n{}", text.to_str().unwrap()));
        assert_eq!((again.spec, again.format), (loaded.spec.clone(), format));
    }
    let json = serde_json::to_string(&loaded.spec).unwrap();
    assert_eq!(serde_json::from_str::<TargetSpec>(&json).unwrap(), loaded.spec);
}

#[test]
fn faults_have_a_pointer() {
    for (from, to, wanted) in [
        ("version = 1", "version = 2", "version 2"),
        ("version = 1", "", "`version` is missing"),
        ("attr_serial", "attr_seriel", "/subsystems/mysub/attr_seriel: there is no such field"),
        (
            "attr_qid_max = 4",
            "attr_qid_max = 400",
            "/subsystems/mysub/attr_qid_max: attr_qid_max of a subsystem: a number",
        ),
        ("\"any\"", "\"all\"", "/subsystems/open/hosts: \"any\" or a list"),
        ("hosts = \"any\"", "", "/subsystems/open: `hosts` is missing"),
        ("/dev/sdb", "sdb", "/subsystems/mysub/namespaces/1/device_path: "),
        ("namespaces.1", "namespaces.0", "/subsystems/mysub/namespaces/0: "),
        ("ports.1]", "ports.01]", "/ports/01: "),
        ("2 = \"inacc", "200 = \"inacc", "/ports/1/ana_groups/200: "),
        (
            "dhchap_hash = \"hmac(sha384)\"",
            "dhchap_key = \"x\"",
            "/hosts/nqn.2024-05.org.example:alice/dhchap_key: keys belong",
        ),
        ("enable = false\nana", "enable = 0\nana", "/subsystems/mysub/namespaces/2/enable: true or false"),
        ("[ports.1]", "[ports.1", "this is no TOML"),
    ] {
        assert!(EXAMPLE.contains(from), "{from}");
        let error = parse(EXAMPLE.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{to}: {error}");
    }
}

#[test]
fn secrets_are_apart() {
    let text =
        format!("version = 1\n[hosts.alice]\ndhchap_key = \"{KEY}\"\n[hosts.bob]\ndhchap_key = \"\"\n");
    let secrets = Secrets::parse(text.as_bytes()).unwrap();
    assert!(!format!("{secrets:?}").contains("DHHC"));
    let alice: nvme_proto::HostNqn = "alice".parse().unwrap();
    let mut spec = TargetSpec::new().host(alice.clone());
    assert_eq!(secrets.add_to(&mut spec), ["bob".parse::<nvme_proto::HostNqn>().unwrap()]);
    assert_eq!(spec.hosts[&alice].settings.secret("dhchap_key"), Some(KEY));
    for format in [Format::Toml, Format::Json] {
        assert!(!to_text(&spec, format).to_str().unwrap().contains("DHHC"));
        let again = Secrets::parse(&Secrets::of(&spec).to_text(format)).unwrap();
        assert_eq!(again, Secrets::of(&spec));
    }
    let error = Secrets::parse(b"version = 1\n[hosts.a]\ndhchap_key = \"hush\"").unwrap_err().to_string();
    assert!(error.contains("/hosts/a/dhchap_key") && !error.contains("hush"), "{error}");
    let error = Secrets::parse(b"version = 1\n[hosts.a]\ndhchap_hash = \"x\"").unwrap_err().to_string();
    assert!(error.contains("no such field"), "{error}");
}

#[test]
fn formats_are_told_apart() {
    assert_eq!(parse(br#"{"hosts": []}"#).unwrap().format, Format::Nvmetcli);
    assert_eq!(parse(br#" {"version": 1}"#).unwrap().format, Format::Json);
    assert_eq!(parse(b"version = 1").unwrap().format, Format::Toml);
    assert!(parse(b"\xff").is_err() && parse(b"").is_err() && parse(b"{").is_err());
}

#[cfg(feature = "testing")]
#[test]
fn what_cannot_be_read_is_said() {
    use crate::tree::{FakeKernel, FakeTree, Tree};
    // As one who is not root sees it: the key is there and cannot be read.
    let tree = FakeTree::new(FakeKernel::V6_12);
    tree.mkdir(&"hosts/alice".parse().unwrap()).unwrap();
    let mut observed = crate::observe(&tree).unwrap();
    assert!(spec_of(&observed).notes.is_empty());
    let host = observed.hosts.values_mut().next().unwrap();
    host.attributes.insert("dhchap_key".parse().unwrap(), Err(crate::Errno::EACCES));
    let notes = spec_of(&observed).notes;
    assert_eq!(notes[0].to_string(), "hosts/alice/dhchap_key: this cannot be read");
}
