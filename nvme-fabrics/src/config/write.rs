//! A configuration as `nvme-fabrics.conf` with its drop-ins.
//!
//! | connections of | file |
//! |---|---|
//! | the machine's own identity | the file itself |
//! | another host NQN | a drop-in of its own, `10-<first 40 characters of it that suit a file's name>-<number>.conf` |
//!
//! Connections of one subsystem with the same settings of security are one section with a `controller` line each; what such a line may not have stands in the section.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::connection::{Connection, ConnectionKind, Persona};
use super::error::ConfigError;
use super::files::{Readers, drop_in_dir, replace};
use super::key::{Class, Key};
use super::settings::Settings;

/// One file to be written. Its text may hold secrets.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFile {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub text: zeroize::Zeroizing<String>,
    /// Whether a secret is in it: only its owner may read the file then.
    pub has_secret: bool,
}

impl std::fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigFile")
            .field("path", &self.path)
            .field("has_secret", &self.has_secret)
            .finish_non_exhaustive()
    }
}

impl ConfigFile {
    /// Writes it, replacing what is there, in one step.
    ///
    /// # Errors
    /// [`ConfigError::Write`].
    pub fn save(&self) -> Result<(), ConfigError> {
        replace(&self.path, &self.text, if self.has_secret { Readers::Owner } else { Readers::Everybody })
    }
}

/// The files that want these connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFiles {
    /// In the order of the hosts.
    pub files: Vec<ConfigFile>,
    /// Connections that the format has no words for: their indices, and the key that is the trouble.
    pub left_out: Vec<(usize, &'static str)>,
}

/// The files that want these connections. `main` is the path of the first one: `/etc/nvme/nvme-fabrics.conf`.
///
/// Reading them gives the same connections. Not kept are the files that they came from, `persistent`, `application`, and the settings for what a discovery
/// controller offers. Left out, and told, are connections with a value that a line cannot hold (`;`, blanks at an end, control characters), without an
/// address where the transport needs one, with an identifier and no NQN of the host, and with half of another file's identity.
#[must_use]
pub fn to_files(connections: &[Connection], main: &Path) -> ConfigFiles {
    let mut personas: Vec<(&Persona, Vec<&Connection>)> = Vec::new();
    let mut left_out = Vec::new();
    for (index, connection) in connections.iter().enumerate() {
        if let Some(key) = unwritable(connection) {
            left_out.push((index, key));
            continue;
        }
        let (nqn, id) = (&connection.persona.nqn, connection.persona.id);
        if let Some((_, list)) = personas.iter_mut().find(|(p, _)| p.nqn == *nqn && p.id == id) {
            list.push(connection);
        } else if nqn.is_some() && personas.iter().any(|(p, _)| p.nqn == *nqn) {
            left_out.push((index, "hostnqn"));
        } else if id.is_some() && personas.iter().any(|(p, _)| p.id == id) {
            left_out.push((index, "hostid"));
        } else {
            personas.push((&connection.persona, vec![connection]));
        }
    }
    let files = personas.into_iter().enumerate().map(|(n, (persona, list))| {
        let path = match &persona.nqn {
            None => main.to_owned(),
            Some(nqn) => drop_in_dir(main).join(format!("10-{}-{n}.conf", for_a_file(nqn.as_str()))),
        };
        one_file(path, persona, &list)
    });
    ConfigFiles { files: files.collect(), left_out }
}

/// The key whose value no line can hold, or which cannot stand alone.
fn unwritable(c: &Connection) -> Option<&'static str> {
    let (a, p) = (&c.address, &c.persona);
    if a.traddr.is_none() && a.transport != crate::TransportName::Loop {
        return Some("traddr");
    }
    let plain =
        |text: &str| !text.is_empty() && text.trim_ascii() == text && !text.contains(char::is_control);
    let on_a_line = |text: &str| plain(text) && !text.contains(';');
    let bad = |text: Option<&str>, fits: &dyn Fn(&str) -> bool| text.is_some_and(|text| !fits(text));
    let texts = [
        ("traddr", &a.traddr),
        ("trsvcid", &a.trsvcid),
        ("host-traddr", &a.host_traddr),
        ("host-iface", &a.host_iface),
    ];
    if let Some((key, _)) = texts.into_iter().find(|(_, text)| bad(text.as_deref(), &on_a_line)) {
        return Some(key);
    }
    let names = [
        ("nqn", Some(c.nqn.as_str())),
        ("hostnqn", p.nqn.as_ref().map(|n| n.as_str())),
        ("hostsymname", p.symbolic_name.as_deref()),
    ];
    if let Some((key, _)) = names.into_iter().find(|(_, text)| bad(*text, &plain)) {
        return Some(key);
    }
    if let Some((key, _)) = c.settings.iter().find(|(_, text)| bad(*text, &on_a_line)) {
        return Some(key);
    }
    let is_zero = p.id.is_some_and(|id| *id.as_bytes() == [0; 16]);
    (is_zero || (p.nqn.is_none() && p.id.is_some())).then_some("hostid")
}

fn for_a_file(name: &str) -> String {
    let suits = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    name.chars().map(suits).take(40).collect()
}

fn one_file(path: PathBuf, persona: &Persona, connections: &[&Connection]) -> ConfigFile {
    let mut text = String::new();
    if persona.nqn.is_some() || persona.id.is_some() || persona.symbolic_name.is_some() {
        text.push_str("[Host]\n");
        line(&mut text, "hostnqn", persona.nqn.as_ref().map(|n| n.as_str()));
        line(&mut text, "hostid", persona.id.map(|id| id.to_string()).as_deref());
        line(&mut text, "hostsymname", persona.symbolic_name.as_deref());
    }
    // In the order in which they first appear.
    let mut sections: Vec<(&Connection, BTreeMap<&str, &str>, Vec<&Connection>)> = Vec::new();
    for c in connections {
        let security = of_class(&c.settings, Class::Security);
        match sections
            .iter_mut()
            .find(|(first, s, _)| first.kind == c.kind && first.nqn == c.nqn && *s == security)
        {
            Some((.., list)) => list.push(c),
            None => sections.push((c, security, vec![c])),
        }
    }
    for (first, security, list) in &sections {
        let name = if first.kind == ConnectionKind::Discovery { "Discovery Controller" } else { "Subsystem" };
        let _ = writeln!(text, "{}[{name}]", if text.is_empty() { "" } else { "\n" });
        if !first.nqn.is_discovery() || first.kind == ConnectionKind::Subsystem {
            line(&mut text, "nqn", Some(first.nqn.as_str()));
        }
        for (key, value) in security {
            line(&mut text, key, Some(value));
        }
        for c in list {
            controller(&mut text, c);
        }
    }
    let has_secret = connections.iter().any(|c| {
        c.settings.iter().any(|(name, value)| value.is_some() && Key::named(name).is_none_or(Key::is_secret))
    });
    ConfigFile { path, text: text.into(), has_secret }
}

fn line(text: &mut String, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        let _ = writeln!(text, "{key} = {value}");
    }
}

fn of_class(settings: &Settings, class: Class) -> BTreeMap<&str, &str> {
    let of_class = |name: &str| Key::named(name).is_some_and(|k| k.class == class);
    settings
        .iter()
        .filter(|(name, _)| of_class(name))
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn controller(text: &mut String, c: &Connection) {
    let a = &c.address;
    let _ = write!(text, "controller = transport={}", a.transport);
    let parts = [
        ("traddr", &a.traddr),
        ("trsvcid", &a.trsvcid),
        ("host-traddr", &a.host_traddr),
        ("host-iface", &a.host_iface),
    ];
    let parts = parts.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
    // What does not go with this connection was for others.
    let tuning = of_class(&c.settings, Class::Tuning).into_iter().filter(|(key, _)| c.takes(key));
    for (key, value) in parts.chain(tuning) {
        let _ = write!(text, ";{key}={value}");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{discovery_conf, fabrics_conf, json};
    use super::*;
    use crate::identity::HostIdentity;

    fn strings(connections: &[Connection]) -> Vec<String> {
        let system = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        let mut all: Vec<_> = connections
            .iter()
            .map(|c| c.options(&system).unwrap().to_option_string().expose().to_owned())
            .collect();
        all.sort();
        all
    }

    fn read_again(files: &[ConfigFile]) -> Vec<Connection> {
        let parsed: Vec<_> = files.iter().map(|f| fabrics_conf::parse(&f.path, &f.text).unwrap()).collect();
        let none = fabrics_conf::FabricsConf::default();
        assert!(parsed.iter().all(|f| f.notes.is_empty()));
        parsed.iter().flat_map(|f| f.connections(&none).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn old_configurations_become_the_new_one_and_mean_the_same() {
        let secret = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:";
        let (mut all, notes) = discovery_conf::parse(
            Path::new("discovery.conf"),
            "-t tcp -a 192.0.2.1 -k 30 -f eth0\n-t tcp -a ::1 -s 4420 -n nqn.2024-01.com.example:disc\n",
        );
        assert!(notes.is_empty());
        let text = format!(
            r#"[{{"hostnqn":"nqn.2024-01.com.example:Host+1","hostid":"f81d4fae-7dec-11d0-a765-00a0c91e6bf7","subsystems":[{{"nqn":"vol","ports":[
            {{"transport":"tcp","traddr":"192.0.2.10","trsvcid":"4420","ctrl_loss_tmo":-1,"dhchap_key":"{secret}"}},
            {{"transport":"tcp","traddr":"192.0.2.11","dhchap_key":"{secret}","data_digest":true}},{{"transport":"loop"}}]}}]}}]"#
        );
        all.extend(json::parse(Path::new("config.json"), &text).unwrap().0);
        let ConfigFiles { files, left_out } = to_files(&all, Path::new("/etc/nvme/nvme-fabrics.conf"));
        assert_eq!(left_out, []);
        let paths: Vec<_> = files.iter().map(|f| f.path.to_str().unwrap()).collect();
        assert_eq!(
            paths,
            [
                "/etc/nvme/nvme-fabrics.conf",
                "/etc/nvme/nvme-fabrics.conf.d/10-nqn.2024-01.com.example_Host_1-1.conf"
            ]
        );
        assert_eq!((files[0].has_secret, files[1].has_secret), (false, true));
        assert_eq!(
            *files[0].text,
            "[Discovery Controller]\ncontroller = transport=tcp;traddr=192.0.2.1;host-iface=eth0;keep-alive-tmo=30\n\n\
             [Discovery Controller]\nnqn = nqn.2024-01.com.example:disc\ncontroller = transport=tcp;traddr=::1;trsvcid=4420\n"
        );
        assert_eq!(files[1].text.matches("[Subsystem]").count(), 2, "{}", *files[1].text);
        assert_eq!(files[1].text.matches("controller = ").count(), 3);
        assert_eq!(strings(&read_again(&files)), strings(&all));
        assert!(!format!("{files:?}").contains("DHHC"));
    }

    #[test]
    fn what_has_no_words_is_left_out_and_told() {
        let port = |port: &str| format!(r#"{{"nqn":"s","ports":[{port}]}}"#);
        let host = |nqn: &str, id: &str, ports: &[String]| {
            format!(r#"{{"hostnqn":"{nqn}","hostid":"{id}","subsystems":[{}]}}"#, ports.join(","))
        };
        let (a, b) = ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf7");
        let plain = port(r#"{"transport":"loop"}"#);
        let semicolon = port(r#"{"transport":"loop","traddr":"a;b"}"#);
        let text = format!(
            "[{},{},{}]",
            host("x", a, &[plain.clone(), semicolon]),
            host("x", b, std::slice::from_ref(&plain)),
            host("y", a, &[plain])
        );
        let all = json::parse(Path::new("c"), &text).unwrap().0;
        let got = to_files(&all, Path::new("n.conf"));
        assert_eq!(got.left_out, [(1, "traddr"), (2, "hostnqn"), (3, "hostid")]);
        assert_eq!(read_again(&got.files).len(), 1);
    }

    #[test]
    fn what_was_for_others_is_not_written_at_a_discovery_controller() {
        let (all, _) = discovery_conf::parse(Path::new("d"), "-t tcp -a ::1 -i 4 -k 7\n");
        let got = to_files(&all, Path::new("n.conf"));
        assert_eq!(strings(&read_again(&got.files)), strings(&all));
        assert!(!got.files[0].text.contains("nr-io-queues"), "{}", *got.files[0].text);
    }
}
