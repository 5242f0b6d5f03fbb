//! Package sources for another Debian release, derived from those this machine already uses.
//!
//! The machine's own entries say where packages come from, how they are signed and through which mirror. They are kept as they
//! are except for the release name: `bookworm`, `bookworm-updates`, `bookworm-security` become `trixie`, `trixie-updates`, … .
//! So no server is named here, and a machine behind a mirror stays behind it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::cache::FileError;

/// One group of packages (a `.sources` paragraph or a `.list` line) that serves the machine's own release.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    /// `Signed-By`: a path, or a key in the text with its continuation lines.
    signed_by: Option<String>,
    /// `Trusted`: carried over as the machine has it.
    trusted: Option<String>,
}

/// What is asked of the sources.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Code name of the Debian release.
    pub(crate) codename: &'a str,
    /// One more suite from the main archive, such as `trixie-backports`.
    pub(crate) extra: Option<&'a str>,
}

/// Reads the machine's sources below `etc` (normally `/etc/apt`) and gives the text of a `.sources` file for `wanted`.
///
/// `machine` is the code name of the machine's release. `None` when no entry serves it.
pub(crate) fn derive(etc: &Path, machine: &str, wanted: Wanted<'_>) -> Result<Option<String>, FileError> {
    let mut entries = Vec::new();
    for file in files(etc)? {
        let text = fs::read(&file).map_err(FileError::new("read", &file))?;
        let text = String::from_utf8_lossy(&text);
        if file.extension().is_some_and(|extension| extension == "sources") {
            entries.extend(paragraphs(&text));
        } else {
            entries.extend(text.lines().filter_map(one_line));
        }
    }
    let mut out = String::new();
    for entry in entries {
        if let Some(entry) = rename(entry, machine, wanted) {
            write_entry(&mut out, &entry);
        }
    }
    Ok((!out.is_empty()).then_some(out))
}

/// `sources.list` and what apt reads from `sources.list.d`.
fn files(etc: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut files = Vec::new();
    let main = etc.join("sources.list");
    if main.is_file() {
        files.push(main);
    }
    let parts = etc.join("sources.list.d");
    if parts.is_dir() {
        let listing = fs::read_dir(&parts).map_err(FileError::new("list", &parts))?;
        let mut found: Vec<PathBuf> =
            listing.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        found.retain(|path| path.extension().is_some_and(|kind| kind == "list" || kind == "sources"));
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

/// The entries of a deb822 file: `Field: value` lines, continuation lines begin with white space, `#` comments.
fn paragraphs(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            entries.extend(paragraph(&fields));
            fields.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    entries
}

fn paragraph(fields: &[(String, String)]) -> Option<Entry> {
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let words = |name: &str| {
        field(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let off = field("enabled").is_some_and(|value| ["no", "false", "0", "off"].contains(&value));
    if off || !words("types").iter().any(|kind| kind == "deb") {
        return None;
    }
    Some(Entry {
        uris: words("uris"),
        suites: words("suites"),
        components: words("components"),
        signed_by: field("signed-by").map(str::to_owned),
        trusted: field("trusted").map(str::to_owned),
    })
}

/// `deb [option=value …] URI suite component…`.
fn one_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb")?;
    if !rest.starts_with([' ', '\t', '[']) {
        return None; // deb-src
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(bracket) => bracket.split_once(']')?,
        None => ("", rest),
    };
    let option = |wanted: &str| {
        let pairs = options.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.replace(',', " "))
            .next()
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Entry {
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by: option("signed-by"),
        trusted: option("trusted"),
    })
}

/// The entry for the wanted release, or `None` when it does not serve the machine's.
fn rename(entry: Entry, machine: &str, wanted: Wanted<'_>) -> Option<Entry> {
    // Other vendors use the release name too; Debian's own archives are those that have `main`.
    if !entry.components.iter().any(|component| component == "main") {
        return None;
    }
    let mut suites = Vec::new();
    for suite in &entry.suites {
        let Some(rest) = suite.strip_prefix(machine) else { continue };
        let mut add = |suite: String| {
            if !suites.contains(&suite) {
                suites.push(suite);
            }
        };
        match rest {
            "" => {
                add(wanted.codename.to_owned());
                wanted.extra.map(str::to_owned).into_iter().for_each(&mut add);
            }
            "-updates" | "-security" | "-backports" | "/updates" => add(format!("{}{rest}", wanted.codename)),
            _ => {}
        }
    }
    (!suites.is_empty()).then(|| Entry { suites, components: vec!["main".to_owned()], ..entry })
}

fn write_entry(out: &mut String, entry: &Entry) {
    // Only package lists: no translations, no software-centre data.
    let _ = writeln!(
        out,
        "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\nArchitectures: amd64\nTargets: Packages\nLanguages: none",
        entry.uris.join(" "),
        entry.suites.join(" "),
        entry.components.join(" "),
    );
    if let Some(signed_by) = &entry.signed_by {
        let _ = writeln!(out, "Signed-By: {signed_by}");
    }
    if let Some(trusted) = &entry.trusted {
        let _ = writeln!(out, "Trusted: {trusted}");
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(name: &str, text: &str) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        derive(dir.path(), "bookworm", Wanted { codename: "trixie", extra: Some("trixie-backports") })
            .unwrap()
    }

    #[test]
    fn deb822_keeps_place_and_key_and_changes_the_release() {
        let text = "# mirror\nTypes: deb deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
                    Components: main contrib\nSigned-By: /usr/share/keyrings/a.gpg\n\n\
                    Types: deb\nURIs: http://mirror.example/sec\nSuites: bookworm-security\nComponents: main\n";
        let out = derived("sources.list.d/debian.sources", text).unwrap();
        assert!(out.contains("URIs: http://mirror.example/debian\nSuites: trixie trixie-backports trixie-updates\nComponents: main\n"));
        assert!(out.contains("Signed-By: /usr/share/keyrings/a.gpg\n"));
        assert!(out.contains("URIs: http://mirror.example/sec\nSuites: trixie-security\n"));
        assert!(!out.contains("bookworm"));
    }

    #[test]
    fn inline_keys_keep_their_lines() {
        let text = "Types: deb\nURIs: http://m.example/d\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN-----\n .\n abc\n";
        let out = derived("sources.list.d/x.sources", text).unwrap();
        assert!(out.contains("Signed-By: \n -----BEGIN-----\n .\n abc\n"), "{out}");
    }

    #[test]
    fn one_line_entries_with_and_without_options() {
        let text = "deb [arch=amd64 signed-by=/k.gpg] http://m.example/debian bookworm main # local\n\
                    deb-src http://m.example/debian bookworm main\n\
                    deb http://m.example/security bookworm-security main\n";
        let out = derived("sources.list", text).unwrap();
        assert!(out.contains("URIs: http://m.example/debian\nSuites: trixie trixie-backports\n"), "{out}");
        assert!(out.contains("Signed-By: /k.gpg\n"));
        assert_eq!(out.matches("Types: deb\n").count(), 2);
    }

    #[test]
    fn other_vendors_and_disabled_entries_are_left_out() {
        assert_eq!(derived("sources.list", "deb http://v.example/debian bookworm stable\n"), None);
        assert_eq!(derived("sources.list", "deb http://v.example/apt cloud-bookworm main\n"), None);
        let off =
            "Enabled: no\nTypes: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\n";
        assert_eq!(derived("sources.list.d/x.sources", off), None);
        let ignored = "deb http://m.example/debian bookworm main\n";
        assert_eq!(derived("sources.list.d/x.list.disabled", ignored), None);
    }

    #[test]
    fn same_release_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("sources.list"), "deb http://m.example/debian bookworm main\n").unwrap();
        let out =
            derive(dir.path(), "bookworm", Wanted { codename: "bookworm", extra: None }).unwrap().unwrap();
        assert!(out.contains("Suites: bookworm\n"), "{out}");
    }
}
