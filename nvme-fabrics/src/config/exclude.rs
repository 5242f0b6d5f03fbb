//! Entries of `/etc/nvme/exclusions.conf`, written and taken out again. Everything else in the file stays as it is, comments included.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use nvme_proto::SubsysNqn;

use super::error::{ConfigError, Position};
use super::exclusions::{FIELDS, entry};
use super::files::{self, Readers};
use super::ini::{Line, lines};
use crate::options::ConnectOptions;

/// The section of the entries.
const SECTION: &str = "exclusions";

/// A text is no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("an exclusion is `field=value`, or several with `;` between them, of the fields {}", FIELDS.join(", "))]
pub struct ExclusionError;

/// An entry to be written: what it says of a connection must all be so, and then programs that decide by themselves leave the connection alone.
///
/// ```
/// use nvme_fabrics::config::NewExclusion;
///
/// let entry: NewExclusion = "traddr=192.0.2.10;trsvcid=4420".parse()?;
/// assert_eq!(entry.to_string(), "traddr=192.0.2.10;trsvcid=4420");
/// # Ok::<(), nvme_fabrics::config::ExclusionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExclusion(Vec<(String, String)>);

impl NewExclusion {
    /// Every connection to a subsystem.
    ///
    /// # Errors
    /// [`ExclusionError`]: the name has a `;` or blanks at an end, for which the format has no words.
    pub fn subsystem(nqn: &SubsysNqn) -> Result<Self, ExclusionError> {
        format!("nqn={nqn}").parse::<Self>().and_then(|entry| entry.says("nqn", nqn.as_str()))
    }

    /// Exactly this path: transport, address, port, local address and interface, subsystem and host NQN.
    ///
    /// # Errors
    /// As [`subsystem`](Self::subsystem).
    pub fn path(options: &ConnectOptions) -> Result<Self, ExclusionError> {
        let (traddr, host_traddr) = options.addresses();
        let parts = [
            ("transport", Some(options.transport().to_owned())),
            ("traddr", traddr),
            ("trsvcid", options.port().map(|port| port.to_string())),
            ("nqn", Some(options.nqn().to_string())),
            ("host-traddr", host_traddr),
            ("host-iface", options.local_interface().map(str::to_owned)),
            ("hostnqn", Some(options.host().nqn.to_string())),
        ];
        let parts = parts.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let fields: Vec<_> = parts.map(|(key, value)| (key.to_owned(), value)).collect();
        let wanted = Self(fields);
        let read: Self = wanted.to_string().parse()?;
        if read == wanted { Ok(wanted) } else { Err(ExclusionError) }
    }

    fn says(self, key: &str, value: &str) -> Result<Self, ExclusionError> {
        if matches!(&self.0[..], [(k, v)] if k == key && v == value) { Ok(self) } else { Err(ExclusionError) }
    }

    /// Whether a line of a file is this entry, in whatever order of its fields.
    fn is_it(&self, line: &str) -> bool {
        let sorted = |mut fields: Vec<(String, String)>| {
            fields.sort();
            fields
        };
        entry(line, Position { line: 1, column: 1 })
            .is_some_and(|fields| sorted(fields) == sorted(self.0.clone()))
    }
}

impl fmt::Display for NewExclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (key, value)) in self.0.iter().enumerate() {
            write!(f, "{}{key}={value}", if n == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

impl FromStr for NewExclusion {
    type Err = ExclusionError;

    fn from_str(text: &str) -> Result<Self, ExclusionError> {
        let is_line = !text.contains(|c: char| c.is_control());
        let fields = entry(text, Position { line: 1, column: 1 }).filter(|_| is_line);
        fields.map(Self).ok_or(ExclusionError)
    }
}

/// Adds an entry to a list, `/etc/nvme/exclusions.conf` or a drop-in of it, in one step; the file is made when there is none. `false`: it is there already.
///
/// # Errors
/// [`ConfigError`]: the file cannot be read or written.
pub fn exclude(path: &Path, new: &NewExclusion) -> Result<bool, ConfigError> {
    let text = files::text(path)?.map(|text| text.to_string()).unwrap_or_default();
    if entries(&text).any(|(_, line)| new.is_it(line)) {
        return Ok(false);
    }
    let line = format!("exclusion = {new}");
    // At the end of the first section of its kind, so that what belongs together stands together.
    let mut after = None;
    let mut is_inside = false;
    for (position, read) in lines(&text) {
        match read {
            Ok(Line::Section(name)) if is_inside && name != SECTION => break,
            Ok(Line::Section(name)) => is_inside = name == SECTION,
            _ => {}
        }
        after = is_inside.then_some(position.line);
    }
    let mut all: Vec<String> = text.lines().map(str::to_owned).collect();
    match after.and_then(|line| usize::try_from(line).ok()).filter(|at| *at <= all.len()) {
        Some(at) => all.insert(at, line),
        None => {
            if !all.is_empty() {
                all.push(String::new());
            }
            all.extend([format!("[{SECTION}]"), line]);
        }
    }
    files::replace(path, &(all.join("\n") + "\n"), Readers::Everybody)?;
    Ok(true)
}

/// Takes an entry out of a list again, every time it is there. `false`: it is not there.
///
/// # Errors
/// As [`exclude`].
pub fn include(path: &Path, old: &NewExclusion) -> Result<bool, ConfigError> {
    let Some(text) = files::text(path)? else { return Ok(false) };
    let gone: Vec<u32> = entries(&text).filter(|(_, line)| old.is_it(line)).map(|(at, _)| at).collect();
    if gone.is_empty() {
        return Ok(false);
    }
    let stays = (1_u32..).zip(text.lines()).filter(|(number, _)| !gone.contains(number));
    let all: Vec<&str> = stays.map(|(_, line)| line).collect();
    files::replace(path, &(all.join("\n") + "\n"), Readers::Everybody)?;
    Ok(true)
}

/// The entries of a list, with their lines.
fn entries(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let mut is_inside = false;
    lines(text).filter_map(move |(position, line)| match line {
        Ok(Line::Section(name)) => {
            is_inside = name == SECTION;
            None
        }
        Ok(Line::Pair { key: "exclusion", value, .. }) if is_inside => Some((position.line, value)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Exclusions;
    use super::*;
    use crate::identity::HostIdentity;

    fn options(nqn: &str) -> ConnectOptions {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        ConnectOptions::tcp("fd00::1".parse().unwrap(), 4420, nqn.parse().unwrap(), host).unwrap()
    }

    #[test]
    fn what_is_written_is_heeded_and_can_be_taken_out() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("etc/nvme/exclusions.conf");
        let entry = NewExclusion::path(&options("vol1")).unwrap();
        assert!(exclude(&path, &entry).unwrap());
        assert!(!exclude(&path, &entry).unwrap(), "once is enough");
        let found = |nqn| Exclusions::at(root.path()).find(&options(nqn)).is_some();
        assert!(found("vol1") && !found("vol2"));
        assert!(exclude(&path, &NewExclusion::subsystem(&"vol2".parse().unwrap()).unwrap()).unwrap());
        assert!(found("vol1") && found("vol2"));
        assert!(include(&path, &entry).unwrap());
        assert!(!found("vol1") && found("vol2"));
        assert!(!include(&path, &entry).unwrap());
        assert!(!include(&root.path().join("none"), &entry).unwrap());
    }

    #[test]
    fn the_rest_of_the_file_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.conf");
        let before = "# mine\n[exclusions]\nexclusion = nqn=a # odd\n\n[future]\nkey = 1\n";
        fs::write(&path, before).unwrap();
        let entry: NewExclusion = "trsvcid=4420;traddr=::1".parse().unwrap();
        exclude(&path, &entry).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "# mine\n[exclusions]\nexclusion = nqn=a # odd\nexclusion = trsvcid=4420;traddr=::1\n\n[future]\nkey = 1\n"
        );
        assert!(!exclude(&path, &"traddr=::1; trsvcid=4420".parse().unwrap()).unwrap(), "in another order");
        include(&path, &"traddr=::1;trsvcid=4420".parse().unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        fs::write(&path, "[future]\nkey = 1\n").unwrap();
        exclude(&path, &entry).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "[future]\nkey = 1\n\n[exclusions]\nexclusion = trsvcid=4420;traddr=::1\n"
        );
    }

    #[test]
    fn what_would_match_nothing_is_refused() {
        for text in ["", ";", "nqn", "nqn=", "port=4420", "nqn=a;colour=red", "nqn=a\nexclusion = nqn=b"] {
            assert_eq!(text.parse::<NewExclusion>(), Err(ExclusionError), "{text:?}");
        }
        let odd = SubsysNqn::new("a;b").unwrap();
        assert_eq!(NewExclusion::subsystem(&odd), Err(ExclusionError));
        assert_eq!(NewExclusion::path(&options("a;b")), Err(ExclusionError));
    }
}
