//! What is not to be connected by programs that decide by themselves: `/etc/nvme/exclusions.conf` and its drop-ins, shared with nvme-cli 3.
//!
//! ```text
//! [exclusions]
//! exclusion = transport=tcp;traddr=192.0.2.10;trsvcid=4420;nqn=nqn.2024-01.com.example:vol1
//! exclusion = host-iface=eth3
//! ```
//!
//! | entry | matches |
//! |---|---|
//! | fields | connections that have the same value for every field of the entry; IP addresses are compared as addresses, Fibre Channel names in any case |
//! | a field that the connection has no value for | nothing |
//! | an unknown field, no field at all | nothing |
//!
//! Other sections are reserved, lines that are not understood are skipped, and files that cannot be read exclude nothing: a list is a request among programs that
//! cooperate and no barrier. What a person names to be connected is connected whatever the list says.

use std::path::{Path, PathBuf};

use super::error::Position;
use super::files;
use super::ini::{Line, fields, lines};
use crate::options::{ConnectOptions, TransportName};

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exclusion {
    /// As it stands in the file.
    pub text: String,
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub position: Position,
    fields: Vec<(String, String)>,
}

/// All lists together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclusions {
    entries: Vec<Exclusion>,
    /// Files that are there and cannot be read.
    unreadable: Vec<PathBuf>,
}

/// The fields of an entry.
pub(super) const FIELDS: [&str; 8] =
    ["transport", "traddr", "trsvcid", "nqn", "host-traddr", "host-iface", "hostnqn", "hostid"];

impl Exclusions {
    /// No list at all.
    #[must_use]
    pub const fn none() -> Self {
        Self { entries: Vec::new(), unreadable: Vec::new() }
    }

    /// This machine's lists, as they are now.
    #[must_use]
    pub fn system() -> Self {
        Self::at("/")
    }

    /// The lists below another root.
    #[must_use]
    pub fn at(root: impl AsRef<Path>) -> Self {
        let main = root.as_ref().join("etc/nvme/exclusions.conf");
        let mut all = Self::default();
        let (mut paths, unreadable) = match files::drop_ins(&main) {
            Ok(paths) => (paths, None),
            Err(_) => (Vec::new(), Some(files::drop_in_dir(&main))),
        };
        paths.insert(0, main);
        all.unreadable.extend(unreadable);
        for path in paths {
            match files::text(&path) {
                Ok(Some(text)) => all.read(&path, &text),
                Ok(None) => {}
                Err(_) => all.unreadable.push(path),
            }
        }
        all
    }

    /// Adds the entries of one list.
    pub(crate) fn read(&mut self, path: &Path, text: &str) {
        let mut is_inside = false;
        for (position, line) in lines(text) {
            match line {
                Ok(Line::Section(name)) => is_inside = name == "exclusions",
                Ok(Line::Pair { key: "exclusion", value, value_at }) if is_inside => {
                    if let Some(fields) = entry(value, value_at) {
                        self.entries.push(Exclusion {
                            text: value.to_owned(),
                            path: path.to_owned(),
                            position,
                            fields,
                        });
                    }
                }
                _ => {}
            }
        }
    }

    /// The first entry that this connection falls under.
    #[must_use]
    pub fn find(&self, options: &ConnectOptions) -> Option<&Exclusion> {
        self.entries.iter().find(|entry| entry.fields.iter().all(|(key, want)| is_it(options, key, want)))
    }

    /// Files and directories that are there and cannot be read.
    #[must_use]
    pub fn unreadable(&self) -> &[PathBuf] {
        &self.unreadable
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The fields of an entry; `None` for one that matches nothing.
pub(super) fn entry(text: &str, at: Position) -> Option<Vec<(String, String)>> {
    let pairs: Option<Vec<_>> = fields(text, at)
        .map(|(_, pair)| {
            let (key, value) = pair?;
            (FIELDS.contains(&key) && !value.is_empty()).then(|| (key.to_owned(), value.to_owned()))
        })
        .collect();
    pairs.filter(|fields| !fields.is_empty())
}

fn is_it(options: &ConnectOptions, key: &str, want: &str) -> bool {
    let (traddr, host_traddr) = options.addresses();
    let has = match key {
        "transport" => Some(options.transport().to_owned()),
        "traddr" => traddr,
        "trsvcid" => options.port().map(|p| p.to_string()),
        "nqn" => Some(options.nqn().to_string()),
        "host-traddr" => host_traddr,
        "host-iface" => options.local_interface().map(str::to_owned),
        "hostnqn" => Some(options.host().nqn.to_string()),
        "hostid" => Some(options.host().id.to_string()),
        _ => None,
    };
    has.is_some_and(|has| match key {
        "traddr" | "host-traddr" => is_same_address(options.transport_name(), &has, want),
        "hostid" => has.eq_ignore_ascii_case(want),
        _ => has == want,
    })
}

/// Our spelling is canonical, that of a file may not be.
fn is_same_address(transport: TransportName, has: &str, want: &str) -> bool {
    match transport {
        TransportName::Fc => has.eq_ignore_ascii_case(want),
        _ => has == want || want.parse::<nvme_proto::IpTraddr>().is_ok_and(|a| a.to_string() == has),
    }
}

impl std::fmt::Display for Exclusion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` ({} line {})", self.text.escape_debug(), self.path.display(), self.position.line)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::identity::HostIdentity;

    fn options(address: &str) -> ConnectOptions {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        ConnectOptions::tcp(address.parse().unwrap(), 4420, "vol1".parse().unwrap(), host).unwrap()
    }

    fn list(entries: &str) -> Exclusions {
        let mut list = Exclusions::none();
        list.read(Path::new("exclusions.conf"), &format!("# mine\n[exclusions]\n{entries}"));
        list
    }

    #[test]
    fn only_the_fields_of_an_entry_are_compared() {
        let excludes =
            |entry: &str, o: &ConnectOptions| list(&format!("exclusion = {entry}\n")).find(o).is_some();
        let o = options("fd00::1");
        for entry in [
            "nqn=vol1",
            "traddr=fd00:0:0::1",
            "transport=tcp; traddr=FD00::1 ;trsvcid=4420;nqn=vol1;",
            "hostid=F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6",
        ] {
            assert!(excludes(entry, &o), "{entry}");
        }
        for entry in [
            "",
            ";",
            "nqn=vol2",
            "nqn=VOL1",
            "nqn=vol1;trsvcid=4421",
            "nqn=vol1;host-iface=eth0",
            "subsysnqn=vol1",
            "nqn=vol1;port=4420",
            "nqn=",
            "nqn",
            "nqn=vol1;host_traddr=::1",
            "trsvcid=04420",
        ] {
            assert!(!excludes(entry, &o), "{entry}");
        }
        let o = o.host_iface("eth3").unwrap();
        assert!(excludes("host-iface=eth3", &o));
    }

    #[test]
    fn entries_count_in_their_section_only() {
        let mut list = Exclusions::none();
        list.read(Path::new("x"), "exclusion = nqn=vol1\n[future]\nexclusion = nqn=vol1\n[broken\n");
        assert!(list.is_empty());
        list.read(Path::new("x"), "[exclusions]\nnonsense\nexclusion = nqn=vol1\n");
        assert_eq!(list.find(&options("::1")).unwrap().to_string(), "`nqn=vol1` (x line 3)");
    }

    #[test]
    fn the_list_and_all_its_drop_ins() {
        let root = tempfile::tempdir().unwrap();
        assert!(Exclusions::at(root.path()).is_empty());
        let dir = root.path().join("etc/nvme/exclusions.conf.d");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("lab.conf"), "[exclusions]\nexclusion=traddr=192.0.2.1\n").unwrap();
        fs::write(dir.join("lab.txt"), "[exclusions]\nexclusion=traddr=192.0.2.2\n").unwrap();
        let all = Exclusions::at(root.path());
        assert!(all.find(&options("192.0.2.1")).is_some() && all.find(&options("192.0.2.2")).is_none());
        assert!(all.unreadable().is_empty());
        fs::create_dir(dir.join("bad.conf")).unwrap();
        let all = Exclusions::at(root.path());
        assert_eq!(all.unreadable().len(), 1);
        assert!(all.find(&options("192.0.2.1")).is_some(), "the others count");
    }
}
