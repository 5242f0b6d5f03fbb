//! `discovery.conf` of nvme-cli 2: one discovery controller a line, as options of `nvme discover`.
//!
//! | line | meaning |
//! |---|---|
//! | blank, or `#` as the first character | nothing |
//! | `--transport=tcp --traddr=192.0.2.20`, `-t tcp -a 192.0.2.20` | a discovery controller; without `-s` at the transport's port |
//!
//! Parts end at blanks and at `=`; nothing is quoted. Long options may have `_` for `-`. A line without address and transport, and one with an option that is not
//! known, counts for nothing, as with nvme-cli, which says nothing of it. Unlike there, no option leaks into the next line.

use std::path::Path;

use nvme_proto::{HostNqn, SubsysNqn};

use super::connection::{Connection, ConnectionKind, PathAddress, Persona, transport};
use super::error::{BadValue, Consequence, Fault, Finding, Position};
use super::ini::{column, counted};
use super::key::{Key, Kind};
use super::settings::{Level, Settings};

/// Lines of one file.
const MAX_LINES: usize = 4096;

/// Options of `nvme discover` that say how it prints or what it keeps, and not what is connected.
const NO_CONNECTION: [(&str, char, bool); 8] = [
    ("device", 'd', true),
    ("output-format", 'o', true),
    ("raw", 'r', true),
    ("config", 'J', true),
    ("quiet", '\0', false),
    ("verbose", 'v', false),
    ("dump-config", 'O', false),
    ("force", '\0', false),
];

/// An address or an identity, by name and letter.
const PLACES: [(&str, char); 8] = [
    ("transport", 't'),
    ("traddr", 'a'),
    ("trsvcid", 's'),
    ("host-traddr", 'w'),
    ("host-iface", 'f'),
    ("nqn", 'n'),
    ("hostnqn", 'q'),
    ("hostid", 'I'),
];

/// The connections of a file, and what is wrong with it.
pub(super) fn parse(path: &Path, text: &str) -> (Vec<Connection>, Vec<Finding>) {
    let finding =
        |position, fault, consequence| Finding { path: path.to_owned(), position, fault, consequence };
    let (mut connections, mut notes) = (Vec::new(), Vec::new());
    for (n, raw) in text.lines().enumerate() {
        let position = Position { line: counted(n), column: 1 };
        if raw.starts_with('#') || raw.trim_ascii().is_empty() {
            continue;
        }
        let result = match n < MAX_LINES {
            true => line(path, raw, position.line),
            false => Err((position, Fault::TooMany { what: "lines", max: MAX_LINES })),
        };
        match result {
            Ok((connection, ignored)) => {
                notes.extend(
                    ignored
                        .into_iter()
                        .map(|(position, fault)| finding(position, fault, Consequence::Ignored)),
                );
                connections.push(connection);
            }
            Err((position, fault)) => notes.push(finding(position, fault, Consequence::EntryUnusable)),
        }
        if n >= MAX_LINES {
            break;
        }
    }
    (connections, notes)
}

type At<T> = Result<T, (Position, Fault)>;

/// One part of a line: a name, or a value.
#[derive(Clone, Copy)]
struct Part<'l> {
    text: &'l str,
    at: Position,
}

fn parts(raw: &str, line: u32) -> impl Iterator<Item = Part<'_>> {
    let parts = raw.split(|c: char| c.is_ascii_whitespace() || c == '=').filter(|part| !part.is_empty());
    parts.map(move |text| Part { text, at: Position { line, column: column(raw, text) } })
}

fn line(path: &Path, raw: &str, line: u32) -> At<(Connection, Vec<(Position, Fault)>)> {
    let begin = Position { line, column: 1 };
    let mut settings = Settings::default();
    let mut places: [Option<Part<'_>>; 8] = [None; 8];
    let (mut persistent, mut ignored) = (false, Vec::new());
    let mut rest = parts(raw, line);
    while let Some(part) = rest.next() {
        let mut value = || rest.next().ok_or((part.at, Fault::Expected("a value after the option")));
        match option(part)? {
            Meaning::Place(n) => {
                if let Some(slot) = places.get_mut(n) {
                    *slot = Some(value()?);
                }
            }
            Meaning::Setting(key) => {
                let text = if key.kind == Kind::Flag { Part { text: "1", at: part.at } } else { value()? };
                settings.set(key, text.text, Level::Path, text.at).map_err(|fault| (text.at, fault))?;
            }
            Meaning::Persistent => persistent = true,
            Meaning::Nothing { has_value } => {
                if has_value {
                    value()?;
                }
                ignored.push((part.at, Fault::NoEffect("this option does not say what to connect")));
            }
        }
    }
    let [name, traddr, trsvcid, host_traddr, host_iface, nqn, hostnqn, hostid] = places;
    let owned = |part: Option<Part<'_>>| part.map(|p| p.text.to_owned());
    let name = name.ok_or((begin, Fault::Missing("`--transport`")))?;
    let transport =
        transport(name.text).map_err(|cause| (name.at, Fault::Value { key: "transport", cause }))?;
    if traddr.is_none() && transport != crate::TransportName::Loop {
        return Err((begin, Fault::Missing("`--traddr`")));
    }
    let bad = |key, at| move |cause: BadValue| (at, Fault::Value { key, cause });
    let nqn = match nqn {
        Some(p) => SubsysNqn::new(p.text).map_err(|e| bad("nqn", p.at)(e.into()))?,
        None => SubsysNqn::discovery(),
    };
    let persona = Persona {
        nqn: hostnqn.map(|p| HostNqn::new(p.text).map_err(|e| bad("hostnqn", p.at)(e.into()))).transpose()?,
        id: hostid
            .map(|p| p.text.parse().map_err(|e| bad("hostid", p.at)(BadValue::HostId(e))))
            .transpose()?,
        symbolic_name: None,
    };
    let connection = Connection {
        kind: ConnectionKind::Discovery,
        nqn,
        persona,
        address: PathAddress {
            transport,
            traddr: owned(traddr),
            trsvcid: owned(trsvcid),
            host_traddr: owned(host_traddr),
            host_iface: owned(host_iface),
        },
        // What is asked for holds for all that is found, as with nvme-cli.
        offered: settings.clone().for_all(),
        settings: settings.for_all(),
        persistent,
        application: None,
        path: path.to_owned(),
        position: begin,
    };
    Ok((connection, ignored))
}

enum Meaning {
    /// Index of [`PLACES`].
    Place(usize),
    Setting(&'static Key),
    Persistent,
    Nothing {
        has_value: bool,
    },
}

fn option(part: Part<'_>) -> At<Meaning> {
    let unknown = || Err((part.at, Fault::UnknownOption(part.text.to_owned())));
    let (name, letter) = match (part.text.strip_prefix("--"), part.text.strip_prefix('-')) {
        (Some(name), _) => (name.replace('_', "-"), None),
        (None, Some(letter)) if letter.chars().count() == 1 => (String::new(), letter.chars().next()),
        _ => return unknown(),
    };
    let is = |long: &str, short: char| long == name || (letter == Some(short) && short != '\0');
    if let Some(n) = PLACES.iter().position(|(long, short)| is(long, *short)) {
        return Ok(Meaning::Place(n));
    }
    if is("persistent", 'p') {
        return Ok(Meaning::Persistent);
    }
    if let Some((.., has_value)) = NO_CONNECTION.iter().find(|(long, short, _)| is(long, *short)) {
        return Ok(Meaning::Nothing { has_value: *has_value });
    }
    match Key::named(&name).or(letter.and_then(Key::of_letter)) {
        Some(key) => Ok(Meaning::Setting(key)),
        None => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::HostIdentity;

    fn system() -> HostIdentity {
        HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap())
    }

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let (connections, notes) = parse(Path::new("discovery.conf"), text);
        let strings =
            connections.iter().map(|c| c.options(&system()).unwrap().to_option_string().expose().to_owned());
        (strings.collect(), notes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn long_and_short_options_comments_and_the_default_port() {
        let (got, notes) = read(
            "# comment\n\n--transport=tcp --traddr=192.0.2.20 --host-iface=eth1 --ctrl_loss_tmo=30 -g\n\
             -t tcp -a ::1 -s 4420 -w ::2 -n nqn.2024-01.com.example:disc --persistent\n\
             -t fc -a nn-0x201700a09890f5bf:pn-0x201900a09890f5bf -w nn-0x200000109b579ef6:pn-0x100000109b579ef6\n",
        );
        assert_eq!(notes, [""; 0]);
        assert_eq!(got.len(), 3);
        assert!(
            got[0].starts_with("transport=tcp,traddr=192.0.2.20,trsvcid=8009,host_iface=eth1,"),
            "{}",
            got[0]
        );
        assert!(got[0].contains("ctrl_loss_tmo=30") && got[0].contains("hdr_digest"), "{}", got[0]);
        assert!(
            got[1].contains("traddr=::1,trsvcid=4420,host_traddr=::2,") && got[1].contains(",discovery"),
            "{}",
            got[1]
        );
        assert!(!got[1].contains("ctrl_loss"), "nothing leaks into the next line: {}", got[1]);
        assert!(got[2].starts_with("transport=fc,"), "{}", got[2]);
    }

    #[test]
    fn a_line_that_cannot_be_used_is_named_and_the_others_count() {
        let (got, notes) = read(
            "--traddr=192.0.2.1\n-t tcp\n -t tcp -a 192.0.2.2 --frobnicate\n-t tcp -a\n-t tcp -a ::1 -q \x01\n-t tcp -a 192.0.2.3 -v\ntcp 192.0.2.1\n",
        );
        assert_eq!(got.len(), 1);
        let want = [
            "discovery.conf:1:1: `--transport` is missing (this",
            "discovery.conf:2:1: `--traddr` is missing",
            "discovery.conf:3:22: the option `--frobnicate` is unknown",
            "discovery.conf:4:8: a value after the option was expected",
            "discovery.conf:5:18: `hostnqn`: ",
            "discovery.conf:6:21: this option does not say what to connect (ignored)",
            "discovery.conf:7:1: the option `tcp` is unknown",
        ];
        assert_eq!(notes.len(), want.len(), "{notes:#?}");
        for (note, want) in notes.iter().zip(want) {
            assert!(note.starts_with(want), "{note} and not {want}");
        }
    }

    #[test]
    fn settings_hold_for_what_is_found_too() {
        let (connections, _) = parse(Path::new("d"), "-t tcp -a ::1 -i 4 -G\n");
        let [discovery] = &connections[..] else { panic!("{connections:?}") };
        assert!(!discovery.options(&system()).unwrap().to_option_string().expose().contains("nr_io_queues"));
        let found =
            crate::ConnectOptions::tcp("::1".parse().unwrap(), 4420, "x".parse().unwrap(), system()).unwrap();
        let text = discovery.tune(found).unwrap().to_option_string().expose().to_owned();
        assert!(text.contains("nr_io_queues=4") && text.contains("data_digest"), "{text}");
    }
}
