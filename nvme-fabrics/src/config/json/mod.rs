//! `config.json` of nvme-cli 2, and the fragments of that format in `/run/nvme`.
//!
//! | level | keys |
//! |---|---|
//! | top | a list of hosts; an object with the list as `hosts`, as the published schema has it, is read too (nvme-cli refuses it) |
//! | host | `hostnqn` (needed), `hostid`, `hostsymname`, `dhchap_key`, `persistent_discovery_ctrl`, `subsystems` |
//! | subsystem | `nqn` (needed), `application`, `ports` |
//! | port | `transport` (needed), `traddr`, `trsvcid`, `host_traddr`, `host_iface`, `persistent`, `discovery`, the keys of the table of keys |
//!
//! Numbers and flags may be texts as well. Unknown keys are named and ignored; a host, subsystem or port with something unusable in it is named and left out; text
//! that is no JSON makes the file unusable.
//!
//! | nvme-cli 2.16 | here |
//! |---|---|
//! | `ctrl_loss_tmo` and `tos` are ignored | they count |
//! | `"persistent": false`, `"discovery": false` mean true | false |
//! | a host's `dhchap_key` is overwritten by that of a port | each port has its own, else the host's |

mod value;

use std::path::Path;

use nvme_proto::{HostId, HostNqn, SubsysNqn};

use super::connection::{Connection, ConnectionKind, PathAddress, Persona, transport};
use super::error::{BadValue, Consequence, Fault, Finding, Position};
use super::key::{Key, flag};
use super::settings::{Level, Settings};
use value::{Json, Value};

/// Ports of one file.
const MAX_PORTS: usize = 4096;

/// The connections of a file, and what is wrong with it.
pub(super) fn parse(path: &Path, text: &str) -> Result<(Vec<Connection>, Vec<Finding>), Box<Finding>> {
    let unusable = |(position, fault)| {
        Box::new(Finding { path: path.to_owned(), position, fault, consequence: Consequence::FileUnusable })
    };
    let json = value::parse(text).map_err(unusable)?;
    let mut reader = Reader { path, connections: Vec::new(), notes: Vec::new() };
    reader.hosts(&json).map_err(unusable)?;
    Ok((reader.connections, reader.notes))
}

type At<T> = Result<T, (Position, Fault)>;

struct Reader<'p> {
    path: &'p Path,
    connections: Vec<Connection>,
    notes: Vec<Finding>,
}

/// What a host says for all its ports.
struct HostLevel {
    persona: Persona,
    settings: Settings,
    persistent: bool,
}

impl Reader<'_> {
    fn note(&mut self, position: Position, fault: Fault, consequence: Consequence) {
        self.notes.push(Finding { path: self.path.to_owned(), position, fault, consequence });
    }

    fn unknown(&mut self, key: &str, position: Position) {
        self.note(position, Fault::UnknownKey(key.to_owned()), Consequence::Ignored);
    }

    /// What went wrong keeps one entry out and no other.
    fn left_out(&mut self, result: At<()>) {
        if let Err((position, fault)) = result {
            self.note(position, fault, Consequence::EntryUnusable);
        }
    }

    fn hosts(&mut self, json: &Json) -> At<()> {
        let list = match &json.value {
            Value::List(list) => list,
            Value::Object(fields) => {
                let mut hosts = None;
                for (key, at, value) in fields {
                    match (key.as_str(), &value.value) {
                        ("hosts", Value::List(list)) => hosts = Some(list),
                        _ => self.unknown(key, *at),
                    }
                }
                hosts.ok_or((json.at, Fault::Missing("the list of hosts")))?
            }
            _ => return Err((json.at, Fault::Expected("a list of hosts"))),
        };
        for host in list {
            let result = self.host(host);
            self.left_out(result);
        }
        Ok(())
    }

    fn host(&mut self, json: &Json) -> At<()> {
        let mut level =
            HostLevel { persona: Persona::default(), settings: Settings::default(), persistent: false };
        let mut subsystems = None;
        for (key, at, value) in object(json)? {
            match key.as_str() {
                "hostnqn" => level.persona.nqn = Some(parsed("hostnqn", value, |t| HostNqn::new(t))?),
                "hostid" => level.persona.id = Some(parsed("hostid", value, |t| t.parse::<HostId>())?),
                "hostsymname" => level.persona.symbolic_name = Some(text("hostsymname", value)?.to_owned()),
                "persistent_discovery_ctrl" => level.persistent = truth("persistent_discovery_ctrl", value)?,
                "dhchap_key" => set(&mut level.settings, "dhchap_key", value, Level::Host)?,
                "subsystems" => subsystems = Some(list(value)?),
                unknown => self.unknown(unknown, *at),
            }
        }
        if level.persona.nqn.is_none() {
            return Err((json.at, Fault::Missing("`hostnqn`")));
        }
        for subsystem in subsystems.unwrap_or_default() {
            let result = self.subsystem(&level, subsystem);
            self.left_out(result);
        }
        Ok(())
    }

    fn subsystem(&mut self, host: &HostLevel, json: &Json) -> At<()> {
        let (mut nqn, mut application, mut ports) = (None, None, None);
        for (key, at, value) in object(json)? {
            match key.as_str() {
                "nqn" => nqn = Some(parsed("nqn", value, |t| SubsysNqn::new(t))?),
                "application" => application = Some(text("application", value)?.to_owned()),
                "ports" => ports = Some(list(value)?),
                unknown => self.unknown(unknown, *at),
            }
        }
        let nqn = nqn.ok_or((json.at, Fault::Missing("`nqn`")))?;
        for port in ports.unwrap_or_default() {
            if self.connections.len() >= MAX_PORTS {
                return Err((port.at, Fault::TooMany { what: "ports", max: MAX_PORTS }));
            }
            let result = self.port(host, &nqn, application.as_ref(), port);
            self.left_out(result);
        }
        Ok(())
    }

    fn port(
        &mut self,
        host: &HostLevel,
        nqn: &SubsysNqn,
        application: Option<&String>,
        json: &Json,
    ) -> At<()> {
        let mut settings = Settings::default();
        let mut name = None;
        let mut address: [(&'static str, Option<String>); 4] =
            [("traddr", None), ("trsvcid", None), ("host_traddr", None), ("host_iface", None)];
        let (mut persistent, mut discovery) = (false, nqn.is_discovery());
        for (key, at, value) in object(json)? {
            if let Some((key, slot)) = address.iter_mut().find(|(name, _)| name == key) {
                *slot = Some(scalar(key, value)?).filter(|text| !text.is_empty() && text != "none");
                continue;
            }
            match key.as_str() {
                "transport" => {
                    let word = text("transport", value)?;
                    name = Some(transport(word).map_err(|cause| bad("transport", value, cause))?);
                }
                "persistent" => persistent = truth("persistent", value)?,
                "discovery" => discovery |= truth("discovery", value)?,
                known if Key::in_json(known).is_some() => set(&mut settings, known, value, Level::Path)?,
                unknown => self.unknown(unknown, *at),
            }
        }
        let transport = name.ok_or((json.at, Fault::Missing("`transport`")))?;
        let [traddr, trsvcid, host_traddr, host_iface] = address.map(|(_, value)| value);
        let settings = host.settings.overlaid(&settings);
        self.connections.push(Connection {
            kind: if discovery { ConnectionKind::Discovery } else { ConnectionKind::Subsystem },
            nqn: nqn.clone(),
            persona: host.persona.clone(),
            address: PathAddress { transport, traddr, trsvcid, host_traddr, host_iface },
            offered: if discovery { settings.clone().for_all() } else { Settings::default() },
            settings: if discovery { settings.for_all() } else { settings },
            persistent: persistent || (discovery && host.persistent && !nqn.is_discovery()),
            application: application.cloned(),
            path: self.path.to_owned(),
            position: json.at,
        });
        Ok(())
    }
}

fn object(json: &Json) -> At<&[(String, Position, Json)]> {
    match &json.value {
        Value::Object(fields) => Ok(fields),
        _ => Err((json.at, Fault::Expected("an object"))),
    }
}

fn list(json: &Json) -> At<&[Json]> {
    match &json.value {
        Value::List(list) => Ok(list),
        _ => Err((json.at, Fault::Expected("a list"))),
    }
}

fn bad(key: &'static str, json: &Json, cause: impl Into<BadValue>) -> (Position, Fault) {
    (json.at, Fault::Value { key, cause: cause.into() })
}

fn text<'j>(key: &'static str, json: &'j Json) -> At<&'j str> {
    match &json.value {
        Value::Text(text) => Ok(text),
        _ => Err(bad(key, json, BadValue::Kind("a text"))),
    }
}

fn parsed<T, E: Into<BadValue>>(
    key: &'static str,
    json: &Json,
    parse: impl Fn(&str) -> Result<T, E>,
) -> At<T> {
    parse(text(key, json)?).map_err(|e| bad(key, json, e))
}

fn truth(key: &'static str, json: &Json) -> At<bool> {
    match &json.value {
        Value::Bool(is) => Ok(*is),
        Value::Text(text) => flag(text).map_err(|e| bad(key, json, e)),
        _ => Err(bad(key, json, BadValue::Kind("true or false"))),
    }
}

/// A text, a number or a flag as the text that stands for it elsewhere.
fn scalar(key: &'static str, json: &Json) -> At<String> {
    match &json.value {
        Value::Text(text) => Ok(text.to_string()),
        Value::Number(text) => Ok(text.clone()),
        Value::Bool(is) => Ok(is.to_string()),
        _ => Err(bad(key, json, BadValue::Kind("a text, a number, true or false"))),
    }
}

fn set(settings: &mut Settings, name: &str, json: &Json, level: Level) -> At<()> {
    let Some(key) = Key::in_json(name) else { return Ok(()) };
    let value = zeroize::Zeroizing::new(scalar(key.json, json)?);
    settings.set(key, &value, level, json.at).map_err(|fault| (json.at, fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::HostIdentity;

    const UUID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn read(text: &str) -> (Vec<Connection>, Vec<String>) {
        let (connections, notes) = parse(Path::new("config.json"), text).unwrap();
        (connections, notes.iter().map(ToString::to_string).collect())
    }

    fn string(connection: &Connection) -> String {
        let system = HostIdentity::from_uuid(UUID.parse().unwrap());
        connection.options(&system).unwrap().to_option_string().expose().to_owned()
    }

    fn one(port: &str) -> String {
        format!(r#"[{{"hostnqn":"h","subsystems":[{{"nqn":"s","ports":[{port}]}}]}}]"#)
    }

    #[test]
    fn hosts_subsystems_and_ports() {
        let text = format!(
            r#"[{{"hostnqn":"nqn.2014-08.org.nvmexpress:uuid:{UUID}", "hostid":"{UUID}", "persistent_discovery_ctrl": true,
  "subsystems":[
    {{"nqn":"nqn.2024-01.com.example:subsys1", "application": "stas",
      "ports":[{{"transport":"tcp","traddr":"192.0.2.10","trsvcid":"4420","ctrl_loss_tmo":1800,"tos":4,"hdr_digest":true,"data_digest":false}}]}},
    {{"nqn":"nqn.2014-08.org.nvmexpress.discovery",
      "ports":[{{"transport":"tcp","traddr":"192.0.2.1","nr_io_queues":4,"persistent":false}}]}},
    {{"nqn":"nqn.2024-01.com.example:disc", "ports":[{{"transport":"loop","discovery":true}}]}}]}}]"#
        );
        let (got, notes) = read(&text);
        assert_eq!(notes, [""; 0]);
        assert_eq!(got.len(), 3);
        let first = string(&got[0]);
        for want in ["traddr=192.0.2.10,trsvcid=4420", "ctrl_loss_tmo=1800", "tos=4", "hdr_digest", UUID] {
            assert!(first.contains(want), "{want} in {first}");
        }
        assert!(!first.contains("data_digest"));
        assert_eq!(got[0].application.as_deref(), Some("stas"));
        assert_eq!((got[1].kind, got[1].persistent), (ConnectionKind::Discovery, false));
        assert!(string(&got[1]).contains("trsvcid=8009"));
        assert!(!string(&got[1]).contains("nr_io_queues"));
        assert_eq!(got[1].offered.get("nr-io-queues"), Some("4"));
        assert!(got[2].persistent && string(&got[2]).contains(",discovery"));
    }

    #[test]
    fn the_published_schemas_object_is_read_too() {
        let (got, notes) = read(&format!(r#"{{"hosts":{},"version":1}}"#, one(r#"{"transport":"loop"}"#)));
        assert_eq!(got.len(), 1);
        assert_eq!(notes.len(), 1);
        assert!(notes[0].contains("the key `version` is unknown (ignored)"), "{}", notes[0]);
    }

    #[test]
    fn what_is_wrong_keeps_its_own_entry_out() {
        for (text, at, want, left) in [
            (
                one(r#"{"transport":"loop","colour":"red"}"#),
                "\"colour",
                "the key `colour` is unknown (ignored)",
                1,
            ),
            (
                one(r#"{"traddr":"::1"},{"transport":"loop"}"#),
                "{\"traddr",
                "`transport` is missing (this connection",
                1,
            ),
            (
                one(r#"{"transport":"loop","queue_size":[]}"#),
                "[]}",
                "`queue_size`: it must be a text, a number",
                0,
            ),
            (one(r#"{"transport":7}"#), "7}", "`transport`: it must be a text", 0),
            (r#"[{"hostid":"x"}]"#.to_owned(), "\"x", "`hostid`", 0),
            (r#"[{},7]"#.to_owned(), "{}", "`hostnqn` is missing", 0),
        ] {
            let (got, notes) = read(&text);
            let want = format!("config.json:1:{}: {want}", text.find(at).unwrap() + 1);
            assert_eq!(got.len(), left, "{text}");
            assert!(notes[0].starts_with(&want), "{} and not {want}", notes[0]);
        }
        let error = parse(Path::new("config.json"), "{}").unwrap_err();
        assert_eq!(error.fault, Fault::Missing("the list of hosts"));
        let error = parse(Path::new("config.json"), "[\n {\"hostnqn\": \"h\",}\n]").unwrap_err();
        assert_eq!(error.to_string(), "config.json:2:18: a key in quotes was expected");
        assert!(parse(Path::new("c"), "7").is_err());
    }

    #[test]
    fn a_ports_secret_is_its_own() {
        let secret = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:";
        let text = format!(
            r#"[{{"hostnqn":"h","dhchap_key":"{secret}","subsystems":[{{"nqn":"s","ports":[{{"transport":"loop"}},{{"transport":"loop","dhchap_key":""}}]}}]}}]"#
        );
        let (got, _) = read(&text);
        assert!(string(&got[0]).contains("dhchap_secret=") && !string(&got[1]).contains("dhchap_secret"));
        let (got, notes) = read(&text.replace("DHHC-1:00", "DHHC-1:77"));
        assert!(got.is_empty() && !notes[0].contains("ia6zGod"), "{notes:?}");
    }
}
