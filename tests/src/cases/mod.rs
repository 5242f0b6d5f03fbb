//! The test cases that run on real kernels, one file a topic.

use crate::guest::Case;

pub mod access;
pub mod apply;
mod capture;
pub mod configfs_files;
pub mod configfs_hints;
pub mod configfs_killed;
pub mod configfs_live;
pub mod configfs_nvmetcli;
pub mod configfs_recorded;
pub mod configfs_scale;
pub mod configfs_sessions;
mod configurations;
pub mod fabrics_answers;
pub mod fabrics_auth;
pub mod fabrics_config;
pub mod fabrics_connect;
pub mod fabrics_disconnect;
pub mod fabrics_discover;
pub mod fabrics_events;
pub mod fabrics_inventory;
pub mod fabrics_ioctl;
pub mod fabrics_keys;
pub mod fabrics_multipath;
pub mod fabrics_options;
pub mod fabrics_outage;
pub mod fabrics_scale;
pub mod fabrics_secrets;
pub mod fabrics_tls;
pub mod guide;
mod load;
pub mod mistakes;
pub mod model;
pub mod network;
pub mod paths;
pub mod programs;
mod scene;
pub mod smoke;
mod soft;
pub mod soft_auth;
pub mod soft_bench;
pub mod soft_beside;
pub mod soft_block;
pub mod soft_cli;
pub mod soft_explain;
pub mod soft_filesystems;
pub mod soft_host;
pub mod soft_outage;
pub mod soft_reservations;
pub mod soft_target;
mod states;
mod two_ports;
mod verified;

/// All cases, in the order they run: first what everything else stands on.
pub fn all() -> Vec<Case> {
    [
        smoke::CASES,
        guide::CASES,
        access::CASES,
        network::CASES,
        apply::CASES,
        programs::CASES,
        mistakes::CASES,
        fabrics_answers::CASES,
        fabrics_options::CASES,
        fabrics_keys::CASES,
        fabrics_auth::CASES,
        fabrics_secrets::CASES,
        fabrics_tls::CASES,
        fabrics_connect::CASES,
        fabrics_discover::CASES,
        fabrics_disconnect::CASES,
        fabrics_config::CASES,
        model::CASES,
        configfs_recorded::CASES,
        configfs_hints::CASES,
        configfs_files::CASES,
        configfs_killed::CASES,
        configfs_live::CASES,
        configfs_sessions::CASES,
        configfs_nvmetcli::CASES,
        configfs_scale::CASES,
        paths::CASES,
        fabrics_events::CASES,
        fabrics_inventory::CASES,
        fabrics_ioctl::CASES,
        fabrics_multipath::CASES,
        fabrics_outage::CASES,
        fabrics_scale::CASES,
        soft_target::CASES,
        soft_cli::CASES,
        soft_filesystems::CASES,
        soft_outage::CASES,
        soft_host::CASES,
        soft_auth::CASES,
        soft_bench::CASES,
        soft_beside::CASES,
        soft_block::CASES,
        soft_explain::CASES,
        soft_reservations::CASES,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    #[test]
    fn names_are_unique_and_begin_with_their_file() {
        let mut seen = BTreeSet::new();
        for case in super::all() {
            assert!(seen.insert(case.name), "{} is there twice", case.name);
            assert_eq!(case.name.matches("::").count(), 1, "{}", case.name);
        }
    }
    #[test]
    fn no_file_of_cases_is_forgotten() {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cases")).unwrap() {
            let path = entry.unwrap().path();
            let topic = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let has_cases = fs::read_to_string(&path).unwrap().contains("pub const CASES");
            let listed = super::all().iter().any(|case| case.name.starts_with(&format!("{topic}::")));
            assert_eq!(has_cases && topic != "mod", listed, "{topic}");
        }
    }

    /// All Rust files below a folder, with their text.
    fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push((path.to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    fn every_test_of_the_table_of_failures_exists() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let cases: BTreeSet<&str> = super::all().iter().map(|case| case.name).collect();
        let mut files = Vec::new();
        for folder in ["nvme-fabrics/src", "nvme-proto/src", "nvme-proto/tests"] {
            sources(&here.join("..").join(folder), &mut files);
        }
        let exists = |test: &str| match test.split_once(' ') {
            None => cases.contains(test),
            Some((file, name)) => {
                let function = format!("fn {name}()");
                files.iter().any(|(path, text)| path.ends_with(file) && text.contains(&function))
            }
        };
        let table = fs::read_to_string(here.join("fabrics.md")).unwrap();
        let rows =
            table.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 5).skip(1);
        let mut tests = 0;
        for row in rows {
            let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
            for test in last.split(", ").map(|test| test.trim_matches('`')) {
                assert!(exists(test), "{test} is no test: {row}");
                tests += 1;
            }
        }
        assert!(tests > 100, "{tests}");
    }
}
