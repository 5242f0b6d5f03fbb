//! Trees captured from real kernels and odd ones written by hand, with what is read from them.
//!
//! `data/sysfs/NAME.txt` is the tree, `NAME.want` what `list --verbose` and `list --subsys` show of it. With `BLESS=1` in the environment the latter are
//! written anew.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};

use nvme_fabrics::testing::{Tree, sysfs_tree};
use nvme_fabrics::{AnaState, Inventory, NamespaceParent, list};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sysfs")
}

/// Every tree by name, with its text.
fn trees() -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    found.sort();
    assert!(found.len() >= 12, "{} trees", found.len());
    found
}

fn inventory(text: &str) -> Inventory {
    let dir = tempfile::tempdir().unwrap();
    Inventory::scan(&Tree::make(dir.path(), text).unwrap().sysfs()).unwrap()
}

#[test]
fn every_tree_shows_what_is_wanted() {
    let bless = std::env::var_os("BLESS").is_some();
    for (name, text) in trees() {
        let inventory = inventory(&text);
        let shown = format!("{}\n{}", list::verbose(&inventory), list::subsystems(&inventory));
        let path = folder().join(format!("{name}.want"));
        if bless {
            fs::write(&path, &shown).unwrap();
        }
        assert_eq!(shown, fs::read_to_string(&path).unwrap(), "{name}");
    }
}

#[test]
fn the_property_of_the_fuzz_target_holds_for_each() {
    for (name, text) in trees() {
        println!("{name}");
        sysfs_tree(text.as_bytes());
    }
}

/// Each line of each tree left out once: what vanishes costs no more than itself.
#[test]
fn any_line_may_be_missing() {
    for (name, text) in trees().into_iter().filter(|(name, _)| name.starts_with("odd")) {
        let lines: Vec<&str> = text.lines().collect();
        for skipped in 0..lines.len() {
            let without: Vec<&str> =
                lines.iter().enumerate().filter(|(n, _)| *n != skipped).map(|(_, line)| *line).collect();
            println!("{name} without `{}`", lines[skipped]);
            sysfs_tree(without.join("\n").as_bytes());
        }
    }
}

/// The scene of all captured trees: two paths to one namespace, one of them lost; a discovery controller; a loop controller where the kernel has any.
#[test]
fn captured_trees_have_what_was_connected() {
    for release in ["6.1", "6.12", "7.x"] {
        let (_, text) = trees().into_iter().find(|(name, _)| name == &format!("linux-{release}")).unwrap();
        assert!(!text.contains("dhchap_secret"), "{release}: secrets are not captured");
        let inventory = inventory(&text);
        assert!(inventory.incomplete.is_empty(), "{release}");
        let (subsystem, head) = inventory.namespaces().next().unwrap();
        assert_eq!(head.parent, NamespaceParent::Subsystem, "{release}");
        assert_eq!(head.name.owner(), subsystem.name.instance(), "{release}");
        assert!(
            head.generic.is_some() && head.uuid.is_some() && head.device.is_some(),
            "{release}: {head:?}"
        );
        assert_eq!(head.paths.len(), 2, "{release}");
        assert!(head.paths.iter().all(|p| p.ana_group == Some(1)), "{release}");
        assert_eq!(head.paths[0].ana_state, Some(AnaState::new(AnaState::OPTIMIZED)), "{release}");
        let states: Vec<&str> = subsystem.controllers.iter().map(|c| c.state.as_str()).collect();
        assert_eq!(states, ["live", "connecting"], "{release}");
        assert!(subsystem.controllers[0].address.src_addr.is_some(), "{release}");
        assert_eq!(subsystem.controllers[1].address.src_addr, None, "{release}: not while it is lost");
        assert_eq!(inventory.controllers().filter(|(_, c)| c.is_discovery()).count(), 1, "{release}");
        let loops = inventory.controllers().filter(|(_, c)| c.transport == "loop").count();
        assert_eq!(loops, usize::from(release != "6.1"), "{release}");
        assert_eq!(head.used_blocks.is_some(), release != "6.1", "{release}: nuse since 6.8");
        assert_eq!(inventory.hosts().len(), 1, "{release}");
    }
}
