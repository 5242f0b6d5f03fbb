//! Whole configurations, from files.

use std::fs;

use super::*;

struct Root(tempfile::TempDir);

impl Root {
    fn new(files: &[(&str, &str)]) -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            let path = root.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn config(&self) -> Result<Config, ConfigError> {
        Config::at(self.0.path())
    }

    fn fails(&self) -> String {
        self.config().unwrap_err().to_string().replace(self.0.path().to_str().unwrap(), "")
    }
}

const PATH: &str = "[Subsystem]\nnqn = vol\ncontroller = transport=tcp;traddr=192.0.2.10\n";
const JSON: &str = r#"[{"hostnqn":"h","subsystems":[{"nqn":"vol","ports":[{"transport":"loop"}]}]}]"#;

#[test]
fn no_file_wants_nothing() {
    assert_eq!(Root::new(&[]).config().unwrap(), Config::default());
}

#[test]
fn the_older_files_are_read_together_unless_there_is_a_newer_one() {
    let older = [
        ("etc/nvme/config.json", JSON),
        ("run/nvme/b.json", JSON),
        ("run/nvme/a.json", JSON),
        ("run/nvme/registry/x.json", "no file of ours"),
        ("etc/nvme/discovery.conf", "-t tcp -a 192.0.2.1\n"),
    ];
    let config = Root::new(&older).config().unwrap();
    let names: Vec<_> = config.files.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["config.json", "a.json", "b.json", "discovery.conf"]);
    assert_eq!(config.connections.len(), 4);
    for newer in ["etc/nvme/nvme-fabrics.conf", "etc/nvme/nvme-fabrics.conf.d/10-a.conf"] {
        let root = Root::new(&[&older[..], &[(newer, PATH)]].concat());
        let config = root.config().unwrap();
        assert_eq!((config.connections.len(), config.files.len(), config.ignored.len()), (1, 1, 4));
        assert!(config.is_sound());
    }
}

#[test]
fn a_named_file_is_read_alone_and_must_be_there() {
    let root = Root::new(&[
        ("bob.conf", PATH),
        ("bob.conf.d/x.conf", PATH),
        ("c.json", JSON),
        ("my-discovery.conf", "-t tcp -a ::1\n"),
    ]);
    let read = |name: &str| Config::read(&root.0.path().join(name));
    assert_eq!(read("bob.conf").unwrap().connections.len(), 2);
    assert_eq!(read("c.json").unwrap().connections.len(), 1);
    assert_eq!(read("my-discovery.conf").unwrap().connections[0].kind, ConnectionKind::Discovery);
    for missing in ["none.conf", "none.json"] {
        assert!(matches!(read(missing), Err(ConfigError::Read { .. })));
    }
}

#[test]
fn one_persona_has_one_file() {
    let host = |nqn: &str, id: &str| format!("[Host]\nhostnqn = {nqn}\nhostid = {id}\n{PATH}");
    let (a, b) = ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf7");
    let two = |first: &str, second: &str| {
        Root::new(&[
            ("etc/nvme/nvme-fabrics.conf.d/1.conf", first),
            ("etc/nvme/nvme-fabrics.conf.d/2.conf", second),
        ])
    };
    assert_eq!(two(&host("x", a), &host("y", b)).config().unwrap().connections.len(), 2);
    let got = two(&host("x", a), &host("x", b)).fails();
    assert!(got.starts_with("/etc/nvme/nvme-fabrics.conf.d/2.conf:1:1: the host NQN is that of"), "{got}");
    let got = two(&host("x", a), &host("y", a)).fails();
    assert!(got.contains("under another host NQN"), "{got}");
    let got = two(PATH, "\n[Host]\nhostsymname = z\n").fails();
    assert_eq!(got, "/etc/nvme/nvme-fabrics.conf.d/2.conf:2:1: `hostnqn` is missing");
}

#[test]
fn what_is_converted_reads_as_before() {
    let root =
        Root::new(&[("etc/nvme/config.json", JSON), ("etc/nvme/discovery.conf", "-t tcp -a 192.0.2.1\n")]);
    let before = root.config().unwrap();
    for file in to_files(&before.connections, &root.0.path().join("etc/nvme/nvme-fabrics.conf")).files {
        file.save().unwrap();
    }
    let after = root.config().unwrap();
    assert_eq!(after.ignored.len(), 2);
    let what = |c: &Config| {
        let mut all: Vec<_> =
            c.connections.iter().map(|c| (c.nqn.to_string(), c.persona.clone(), c.address.clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    assert_eq!(what(&after), what(&before));
}
