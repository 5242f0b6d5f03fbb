//! Golden plans: `golden/<case>/current.txt` is a state, `wanted.txt` a spec, `plan.txt` the plan between them.
//!
//! A state is what `dump` prints; a line is made as it stands (`path/` a directory, `path = value`, `path -> target`), `#`
//! starts a comment. A spec is a few words a line, see [`spec`]. To add a case, add a folder with the first two files and run
//! the test with `BLESS=1`, then read the plan.
#![cfg(feature = "testing")]

use std::path::Path;

use nvmet_configfs::{
    Consent, Disruption, FakeKernel, FakeTree, Foreign, NamespaceSpec, Policy, PortSpec, RelPath,
    SubsystemSpec, TargetSpec, Tree, apply, diff, dump, observe, plan,
};

/// Makes a state on an empty target.
fn make(tree: &dyn Tree, state: &str) {
    let path = |p: &str| RelPath::new(p).unwrap();
    for line in state.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let done = if let Some((link, target)) = line.split_once(" -> ") {
            tree.symlink(&path(link), &path(target))
        } else if let Some((attr, value)) = line.split_once(" = ") {
            tree.write(&path(attr), value.as_bytes())
        } else {
            tree.mkdir(&path(line.trim_end_matches('/')))
        };
        done.unwrap_or_else(|e| panic!("{line}: {e}"));
    }
}

/// Reads a spec and a policy:
///
/// ```text
/// remove-foreign
/// host NQN
/// subsystem NQN any | only [HOST…]
///   serial TEXT | model TEXT
///   namespace ID DEVICE [disabled] [uuid=UUID]
/// port ID tcp ADDRESS NUMBER [inline=BYTES] | port ID loop
///   export NQN
/// ```
fn spec(text: &str) -> (TargetSpec, Policy) {
    let (mut spec, mut policy) = (TargetSpec::new(), Policy::default());
    let (mut subsystem, mut port) = (None, None);
    for line in text.lines().filter(|l| !l.trim().is_empty() && !l.trim().starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["remove-foreign"] => policy = Policy::foreign(Foreign::Remove),
            ["host", nqn] => spec = spec.host(nqn.parse().unwrap()),
            ["subsystem", nqn, access, hosts @ ..] => {
                let start =
                    if *access == "any" { SubsystemSpec::any_host() } else { SubsystemSpec::nobody() };
                let made = hosts.iter().fold(start, |s, h| s.allow(h.parse().unwrap()));
                let nqn: nvme_proto::SubsysNqn = nqn.parse().unwrap();
                spec = spec.subsystem(nqn.clone(), made);
                subsystem = Some(nqn);
            }
            ["serial", text] => of(&mut spec, &subsystem).settings.set("attr_serial", text).unwrap(),
            ["model", text] => of(&mut spec, &subsystem).settings.set("attr_model", text).unwrap(),
            ["namespace", id, device, options @ ..] => {
                let mut namespace = NamespaceSpec::new(device.parse().unwrap());
                for option in options {
                    namespace = match option.strip_prefix("uuid=") {
                        Some(uuid) => namespace.uuid(uuid.parse().unwrap()),
                        None => namespace.disabled(),
                    };
                }
                of(&mut spec, &subsystem).namespaces.insert(id.parse().unwrap(), namespace);
            }
            ["port", id, "loop"] => {
                port = Some(id.parse().unwrap());
                spec = spec.port(id.parse().unwrap(), PortSpec::loopback());
            }
            ["port", id, "tcp", address, number, options @ ..] => {
                let mut made = PortSpec::tcp(address.parse().unwrap(), number.parse().unwrap());
                for option in options {
                    made = made.inline_data_size(option.strip_prefix("inline=").unwrap().parse().unwrap());
                }
                port = Some(id.parse().unwrap());
                spec = spec.port(id.parse().unwrap(), made);
            }
            ["export", nqn] => {
                let port = spec.ports.get_mut(&port.unwrap()).unwrap();
                port.subsystems.insert(nqn.parse().unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    (spec, policy)
}

fn of<'a>(spec: &'a mut TargetSpec, subsystem: &Option<nvme_proto::SubsysNqn>) -> &'a mut SubsystemSpec {
    spec.subsystems.get_mut(subsystem.as_ref().unwrap()).unwrap()
}

#[test]
fn plans_are_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 12, "{} cases", cases.len());
    for case in cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let read = |file: &str| std::fs::read_to_string(case.join(file)).unwrap_or_default();
        let tree = FakeTree::new(FakeKernel::V6_12);
        make(&tree, &read("current.txt"));
        let (spec, policy) = spec(&read("wanted.txt"));
        let observed = observe(&tree).unwrap();
        let text = match diff(&observed, &spec, &policy) {
            Err(error) => error.problems.iter().map(|p| format!("refused: {p}\n")).collect(),
            Ok(planned) => {
                let disruptions: Vec<Disruption> = planned.disruptions();
                let text: String = disruptions.iter().map(|d| format!("disturbs: {d}\n")).collect();
                let text = format!("{planned}{text}");
                assert_eq!(
                    plan(&tree, &spec, &policy).unwrap(),
                    planned,
                    "{name}: reading less makes another plan"
                );
                let willing = policy.clone().consent(Consent::Given);
                let planned = diff(&observed, &spec, &willing).unwrap();
                apply(&tree, &planned).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert!(plan(&tree, &spec, &policy).unwrap().is_empty(), "{name}");
                dump(&tree).unwrap();
                text
            }
        };
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(case.join("plan.txt"), text).unwrap();
        } else {
            assert_eq!(text, read("plan.txt"), "{name}");
        }
    }
}
