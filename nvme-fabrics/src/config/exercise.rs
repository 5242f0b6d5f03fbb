//! What must hold for configuration files of any content.

use std::path::Path;

use super::{Config, Connection, Exclusions, Finding, discovery_conf, fabrics_conf, json, to_files};
use crate::identity::HostIdentity;
use crate::testing::check_option_string;

/// Reads a text as every kind of file.
///
/// * Nothing panics, whatever the text is, and every fault has a place in it.
/// * What comes out cannot change what the kernel reads in an option string.
/// * What is written again reads as the same connections.
pub(crate) fn text(text: &str) {
    let path = Path::new("file");
    let mut exclusions = Exclusions::none();
    exclusions.read(path, text);
    let (connections, findings) = discovery_conf::parse(path, text);
    check(text, &connections, &findings, &exclusions);
    match json::parse(path, text) {
        Ok((connections, findings)) => check(text, &connections, &findings, &exclusions),
        Err(finding) => placed(text, &finding),
    }
    match fabrics_conf::parse(path, text) {
        Ok(file) => {
            let connections: Vec<_> = file.connections(&file).collect();
            check(text, &connections, &file.notes, &exclusions);
        }
        Err(finding) => placed(text, &finding),
    }
}

fn placed(text: &str, finding: &Finding) {
    let lines = text.lines().count().max(1) + 1;
    assert!((1..=lines).contains(&(finding.position.line as usize)), "{finding}");
    assert!(finding.position.column >= 1, "{finding}");
    assert!(!finding.to_string().contains('\n'), "{finding}");
}

fn system() -> HostIdentity {
    HostIdentity::from_uuid(nvme_proto::HostId::from_bytes([7; 16]))
}

fn strings(connections: impl Iterator<Item = Connection>) -> Vec<String> {
    let text = |c: Connection| Some(c.options(&system()).ok()?.to_option_string().expose().to_owned());
    let mut all: Vec<_> = connections.filter_map(text).collect();
    all.sort();
    all
}

fn check(text: &str, connections: &[Connection], findings: &[Finding], exclusions: &Exclusions) {
    findings.iter().for_each(|finding| placed(text, finding));
    for connection in connections {
        match connection.options(&system()) {
            Ok(options) => {
                // A text of the loop transport is no address.
                if options.transport() == "tcp" || options.transport() == "rdma" {
                    check_option_string(&options);
                }
                let _ = exclusions.find(&options);
                let _ = connection.tune(options);
            }
            Err(finding) => placed(text, &finding),
        }
    }
    let written = to_files(connections, Path::new("main.conf"));
    let kept =
        connections.iter().enumerate().filter(|(n, _)| written.left_out.iter().all(|(out, _)| out != n));
    let wanted = strings(kept.map(|(_, c)| c.clone()));
    let mut again = Config::default();
    for file in &written.files {
        // More endpoints in one file than are read is more than was read.
        let read = match fabrics_conf::parse(&file.path, &file.text) {
            Ok(read) => read,
            Err(finding) => {
                assert!(connections.len() > 1000, "what was written is not understood: {finding}");
                return;
            }
        };
        assert!(read.notes.is_empty(), "{:?}", read.notes);
        again.connections.extend(read.connections(&fabrics_conf::FabricsConf::default()));
    }
    let got = strings(again.connections.into_iter());
    assert!(
        wanted.iter().all(|w| got.contains(w)),
        "what was written reads otherwise: {wanted:?} and {got:?}"
    );
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_of_all_formats() {
        for text in [
            "",
            "[Subsystem]\nnqn = x\ncontroller = transport=tcp;traddr=::1;tos=3\n",
            "-t tcp -a ::1 -k 5\n-t loop\n",
            r#"[{"hostnqn":"h","subsystems":[{"nqn":"x","ports":[{"transport":"tcp","traddr":"::1"}]}]}]"#,
            r#"[{"hostnqn":" h","hostsymname":"a\nb","subsystems":[{"nqn":"x","ports":[{"transport":"loop","traddr":"\u0000"}]}]}]"#,
        ] {
            super::text(text);
        }
    }
}
