//! `nvme-fabrics.conf` of nvme-cli 3, one file of it.
//!
//! | section | how often | keys |
//! |---|---|---|
//! | `[Discovery Controller Defaults]` | once | all of the table of keys |
//! | `[I/O Controller Defaults]` | once | all of the table of keys |
//! | `[Host]` | once | `hostnqn`, `hostid`, `hostsymname`, all of the table of keys |
//! | `[Discovery Controller]` | any | `nqn` (else the well-known one), `controller`, all of the table of keys |
//! | `[Subsystem]` | any | `nqn`, `controller`, all of the table of keys |
//!
//! `controller = transport=tcp;traddr=192.0.2.10;trsvcid=4420;host-iface=eth1;ctrl-loss-tmo=1800`: one path each. Besides the address (`transport`, `traddr`,
//! `trsvcid`, `host-traddr`, `host-iface`) it takes settings of that path, except those of security.
//!
//! | what | consequence |
//! |---|---|
//! | unknown section, unknown key in a section | ignored, and told |
//! | unknown key on a `controller` line, a bad value, a key in the wrong place | the configuration is not used at all |

use std::path::{Path, PathBuf};

use nvme_proto::{HostId, HostNqn, SubsysNqn};

use super::connection::{Connection, ConnectionKind, PathAddress, Persona, transport};
use super::error::{BadValue, Consequence, Fault, Finding, Position};
use super::ini::{Line, fields, lines};
use super::key::{Class, Key};
use super::settings::{Level, Settings};

/// Sections and paths of one file together.
const MAX_ENTRIES: usize = 4096;

/// One file, as it stands there.
#[derive(Debug, Default)]
pub(super) struct FabricsConf {
    pub(super) path: PathBuf,
    discovery_defaults: Option<Settings>,
    io_defaults: Option<Settings>,
    pub(super) host: Option<Host>,
    endpoints: Vec<Endpoint>,
    pub(super) notes: Vec<Finding>,
}

/// `[Host]`.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) persona: Persona,
    settings: Settings,
    pub(super) position: Position,
}

#[derive(Debug)]
struct Endpoint {
    kind: ConnectionKind,
    nqn: Option<SubsysNqn>,
    settings: Settings,
    paths: Vec<(PathAddress, Settings, Position)>,
    position: Position,
}

/// Where the lines belong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    None,
    Unknown,
    DiscoveryDefaults,
    IoDefaults,
    Host,
    Endpoint,
}

pub(super) fn parse(path: &Path, text: &str) -> Result<FabricsConf, Box<Finding>> {
    let mut file = FabricsConf { path: path.to_owned(), ..FabricsConf::default() };
    let fatal = |position, fault| {
        Box::new(Finding { path: path.to_owned(), position, fault, consequence: Consequence::FileUnusable })
    };
    let mut section = Section::None;
    let mut entries = 0;
    for (position, line) in lines(text) {
        match line.map_err(|fault| fatal(position, fault))? {
            Line::Section(name) => {
                section = file.enter(name, position).map_err(|fault| fatal(position, fault))?;
                entries += 1;
            }
            Line::Pair { key, value, value_at } => {
                entries += usize::from(key == "controller");
                file.pair(section, key, value, position, value_at).map_err(|(at, fault)| fatal(at, fault))?;
            }
        }
        if entries > MAX_ENTRIES {
            return Err(fatal(
                position,
                Fault::TooMany { what: "sections and controllers", max: MAX_ENTRIES },
            ));
        }
    }
    for endpoint in &file.endpoints {
        if endpoint.kind == ConnectionKind::Subsystem && endpoint.nqn.is_none() {
            return Err(fatal(endpoint.position, Fault::Missing("`nqn`")));
        }
    }
    Ok(file)
}

type At<T> = Result<T, (Position, Fault)>;

fn value<E: Into<BadValue>>(key: &'static str, at: Position) -> impl Fn(E) -> (Position, Fault) {
    move |cause| (at, Fault::Value { key, cause: cause.into() })
}

impl FabricsConf {
    fn note(&mut self, position: Position, fault: Fault) {
        self.notes.push(Finding {
            path: self.path.clone(),
            position,
            fault,
            consequence: Consequence::Ignored,
        });
    }

    fn enter(&mut self, name: &str, position: Position) -> Result<Section, Fault> {
        let kind = match name {
            "Discovery Controller Defaults" | "I/O Controller Defaults" => {
                let (slot, section, twice) = match name.starts_with('D') {
                    true => (
                        &mut self.discovery_defaults,
                        Section::DiscoveryDefaults,
                        "`[Discovery Controller Defaults]`",
                    ),
                    false => (&mut self.io_defaults, Section::IoDefaults, "`[I/O Controller Defaults]`"),
                };
                // The two are taken together; it is rarely meant.
                if slot.is_some() {
                    self.note(position, Fault::Twice(twice));
                } else {
                    *slot = Some(Settings::default());
                }
                return Ok(section);
            }
            "Host" if self.host.is_some() => return Err(Fault::Twice("`[Host]`")),
            "Host" => {
                self.host =
                    Some(Host { persona: Persona::default(), settings: Settings::default(), position });
                return Ok(Section::Host);
            }
            "Discovery Controller" => ConnectionKind::Discovery,
            "Subsystem" => ConnectionKind::Subsystem,
            unknown => {
                self.note(position, Fault::UnknownSection(unknown.to_owned()));
                return Ok(Section::Unknown);
            }
        };
        self.endpoints.push(Endpoint {
            kind,
            nqn: None,
            settings: Settings::default(),
            paths: Vec::new(),
            position,
        });
        Ok(Section::Endpoint)
    }

    fn pair(
        &mut self,
        section: Section,
        key: &str,
        text: &str,
        position: Position,
        value_at: Position,
    ) -> At<()> {
        let misplaced = |belongs| Err((position, Fault::Misplaced { key: key.to_owned(), belongs }));
        match section {
            Section::Unknown => return Ok(()),
            Section::None => return misplaced("no section has begun yet"),
            _ => {}
        }
        if let Some(known) = Key::named(key) {
            let (settings, level) = match section {
                Section::DiscoveryDefaults => (self.discovery_defaults.as_mut(), Level::Defaults),
                Section::IoDefaults => (self.io_defaults.as_mut(), Level::Defaults),
                Section::Host => (self.host.as_mut().map(|h| &mut h.settings), Level::Host),
                _ => (self.endpoints.last_mut().map(|e| &mut e.settings), Level::Endpoint),
            };
            return match settings {
                Some(settings) => {
                    settings.set(known, text, level, value_at).map_err(|fault| (value_at, fault))
                }
                None => Ok(()),
            };
        }
        match key {
            "controller" | "nqn" => {
                match self.endpoints.last_mut().filter(|_| section == Section::Endpoint) {
                    None => return misplaced("it stands in `[Subsystem]` and `[Discovery Controller]`"),
                    Some(endpoint) if key == "nqn" => {
                        endpoint.nqn = Some(SubsysNqn::new(text).map_err(value("nqn", value_at))?);
                    }
                    Some(endpoint) => endpoint.paths.push(path(text, value_at)?),
                }
            }
            "hostnqn" | "hostid" | "hostsymname" => {
                match self.host.as_mut().filter(|_| section == Section::Host) {
                    None => return misplaced("it stands in `[Host]`"),
                    Some(host) => identity(&mut host.persona, key, text, value_at)?,
                }
            }
            unknown => self.note(position, Fault::UnknownKey(unknown.to_owned())),
        }
        Ok(())
    }

    /// The connections, one for each path. `main` has the defaults for all files.
    pub(super) fn connections<'a>(&'a self, main: &'a Self) -> impl Iterator<Item = Connection> + 'a {
        let host = self.host.as_ref().map(|h| h.settings.clone()).unwrap_or_default();
        let persona = self.host.as_ref().map(|h| h.persona.clone()).unwrap_or_default();
        let of_kind = move |kind| {
            let [outer, inner] = [main, self].map(|f| match kind {
                ConnectionKind::Discovery => f.discovery_defaults.clone().unwrap_or_default(),
                ConnectionKind::Subsystem => f.io_defaults.clone().unwrap_or_default(),
            });
            outer.overlaid(&inner).overlaid(&host)
        };
        let paths = self.endpoints.iter().flat_map(|e| e.paths.iter().map(move |p| (e, p)));
        paths.map(move |(endpoint, (address, settings, position))| Connection {
            kind: endpoint.kind,
            nqn: endpoint.nqn.clone().unwrap_or_else(SubsysNqn::discovery),
            persona: persona.clone(),
            address: address.clone(),
            settings: of_kind(endpoint.kind).overlaid(&endpoint.settings).overlaid(settings),
            offered: match endpoint.kind {
                ConnectionKind::Discovery => of_kind(ConnectionKind::Subsystem),
                ConnectionKind::Subsystem => Settings::default(),
            },
            persistent: false,
            application: None,
            path: self.path.clone(),
            position: *position,
        })
    }
}

fn identity(persona: &mut Persona, key: &str, text: &str, at: Position) -> At<()> {
    match key {
        // Set to nothing: the system's.
        _ if text.is_empty() => {}
        "hostnqn" => persona.nqn = Some(HostNqn::new(text).map_err(value("hostnqn", at))?),
        "hostid" => {
            let id: HostId = text.parse().map_err(value("hostid", at))?;
            if *id.as_bytes() == [0; 16] {
                return Err(value("hostid", at)(BadValue::ZeroHostId));
            }
            persona.id = Some(id);
        }
        _ => persona.symbolic_name = Some(text.to_owned()),
    }
    Ok(())
}

/// A `controller` line. A misspelt part would be another connection, so nothing on it is ignored.
fn path(text: &str, at: Position) -> At<(PathAddress, Settings, Position)> {
    let (mut name, mut settings) = (None, Settings::default());
    let mut address: [(&'static str, Option<String>); 4] =
        [("traddr", None), ("trsvcid", None), ("host-traddr", None), ("host-iface", None)];
    for (position, field) in fields(text, at) {
        let Some((key, text)) = field else { return Err((position, Fault::Expected("`key=value`"))) };
        if key == "transport" {
            if name.is_some() {
                return Err((position, Fault::Twice("`transport`")));
            }
            name = Some(transport(text).map_err(value("transport", position))?);
        } else if let Some((key, slot)) = address.iter_mut().find(|(name, _)| *name == key) {
            if text.is_empty() {
                return Err(value(key, position)(BadValue::Empty));
            }
            if slot.replace(text.to_owned()).is_some() {
                return Err((position, Fault::Twice(key)));
            }
        } else {
            match Key::named(key) {
                None => return Err((position, Fault::UnknownKey(key.to_owned()))),
                Some(Key { class: Class::Security, .. }) => {
                    let belongs = "it is the same for all paths: set it in the section";
                    return Err((position, Fault::Misplaced { key: key.to_owned(), belongs }));
                }
                Some(key) => {
                    settings.set(key, text, Level::Path, position).map_err(|fault| (position, fault))?;
                }
            }
        }
    }
    let [traddr, trsvcid, host_traddr, host_iface] = address.map(|(_, value)| value);
    let transport = name.ok_or((at, Fault::Missing("`transport`")))?;
    if traddr.is_none() && transport != crate::TransportName::Loop {
        return Err((at, Fault::Missing("`traddr`")));
    }
    Ok((PathAddress { transport, traddr, trsvcid, host_traddr, host_iface }, settings, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::HostIdentity;

    const MAIN: &str = "\
# two kinds of defaults
[Discovery Controller Defaults]
keep-alive-tmo = 30
ctrl-loss-tmo = 450

[I/O Controller Defaults]
ctrl-loss-tmo = 450
reconnect-delay = 7

[Discovery Controller]
controller = transport=tcp;traddr=192.0.2.1

[Subsystem]
nqn = nqn.2024-01.com.example:vol1
ctrl-loss-tmo =
controller = transport=tcp;traddr=192.0.2.10;trsvcid=4420;host-iface=eth0;keep-alive-tmo=9;
controller = transport=tcp;traddr=192.0.2.11
";

    fn system() -> HostIdentity {
        HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap())
    }

    fn parsed(text: &str) -> FabricsConf {
        parse(Path::new("nvme-fabrics.conf"), text).unwrap()
    }

    fn strings(file: &FabricsConf, main: &FabricsConf) -> Vec<String> {
        let text = |c: Connection| c.options(&system()).unwrap().to_option_string().expose().to_owned();
        file.connections(main).map(text).collect()
    }

    fn fails(text: &str) -> String {
        parse(Path::new("f"), text).unwrap_err().to_string()
    }

    #[test]
    fn each_path_is_a_connection_with_the_innermost_settings() {
        let main = parsed(MAIN);
        let got = strings(&main, &main);
        assert_eq!(got.len(), 3);
        let has = |n: usize, want: &str| assert!(got[n].contains(want), "{want} in {}", got[n]);
        for want in [
            "traddr=192.0.2.1,trsvcid=8009",
            "org.nvmexpress.discovery",
            "keep_alive_tmo=30",
            "ctrl_loss_tmo=450",
        ] {
            has(0, want);
        }
        for want in
            ["traddr=192.0.2.10,trsvcid=4420,host_iface=eth0", "keep_alive_tmo=9", "reconnect_delay=7"]
        {
            has(1, want);
        }
        has(2, "traddr=192.0.2.11,trsvcid=4420");
        assert!(
            !got[1].contains("ctrl_loss") && !got[2].contains("keep_alive"),
            "taken back, and of the other path"
        );
        assert!(main.notes.is_empty());
        let offered = main.connections(&main).next().unwrap().offered;
        assert_eq!((offered.get("ctrl-loss-tmo"), offered.get("keep-alive-tmo")), (Some("450"), None));
    }

    #[test]
    fn a_drop_in_overlays_the_defaults_for_itself_and_its_host_goes_before_them() {
        let main = parsed(MAIN);
        let drop_in = parsed(
            "[Subsystem]\nnqn=nqn.2024-01.com.example:p\ncontroller=transport=tcp;traddr=::1\n\
             [I/O Controller Defaults]\nreconnect-delay=20\nkeep-alive-tmo=3\n[Host]\nhostnqn=nqn.2024-01.com.example:other\nkeep-alive-tmo=4\n",
        );
        let got = strings(&drop_in, &main);
        for want in [
            "reconnect_delay=20",
            "keep_alive_tmo=4",
            "ctrl_loss_tmo=450",
            "hostnqn=nqn.2024-01.com.example:other",
        ] {
            assert!(got[0].contains(want), "{want} in {}", got[0]);
        }
        assert!(strings(&main, &main)[2].contains("reconnect_delay=7"));
    }

    #[test]
    fn what_is_unknown_is_named_with_its_place() {
        let file = parsed(
            "[Future]\nanything = 1\n[Subsystem]\n nqn = x\n  retries = 3\n[I/O Controller Defaults]\n[I/O Controller Defaults]\n",
        );
        let notes: Vec<_> = file.notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            [
                "nvme-fabrics.conf:1:1: the section `[Future]` is unknown (ignored)",
                "nvme-fabrics.conf:5:3: the key `retries` is unknown (ignored)",
                "nvme-fabrics.conf:7:1: `[I/O Controller Defaults]` is there twice (ignored)",
            ]
        );
    }

    #[test]
    fn what_would_mean_another_connection_makes_the_file_unusable() {
        for (text, want) in [
            ("nqn = x\n", "f:1:1: `nqn` does not belong here: no section has begun yet"),
            ("[Host]\n[Host]\n", "f:2:1: `[Host]` is there twice"),
            ("[Subsystem]\ncontroller = transport=tcp;traddr=::1\n", "f:1:1: `nqn` is missing"),
            (
                "[Subsystem]\nnqn=x\ncontroller = transport=tcp;taddr=::1\n",
                "f:3:28: the key `taddr` is unknown",
            ),
            ("[Subsystem]\ncontroller = transport=tcp\n", "f:2:14: `traddr` is missing"),
            ("[Subsystem]\ncontroller = traddr=::1\n", "f:2:14: `transport` is missing"),
            ("[Subsystem]\ncontroller = transport=udp;traddr=::1\n", "f:2:14: `transport`: `udp` is none of"),
            (
                "[Subsystem]\ncontroller = transport=tcp;traddr=::1;traddr=::2\n",
                "f:2:39: traddr is there twice",
            ),
            (
                "[Subsystem]\ncontroller = transport=tcp;traddr=::1;tls=1\n",
                "f:2:39: `tls` does not belong here",
            ),
            ("[Subsystem]\ncontroller = transport=tcp;traddr=\n", "f:2:28: `traddr`: it has no value"),
            ("[Host]\nhostid = 0000\n", "f:2:10: `hostid`: "),
            (
                "[Host]\nhostid = 00000000-0000-0000-0000-000000000000\n",
                "f:2:10: `hostid`: a host id of only zeros",
            ),
            ("[Host]\ncontroller = transport=tcp\n", "f:2:1: `controller` does not belong here"),
            ("[Subsystem]\nhostnqn = x\n", "f:2:1: `hostnqn` does not belong here"),
            ("[Subsystem]\nctrl-loss-tmo = soon\n", "f:2:17: `ctrl-loss-tmo`: `soon` is no whole number"),
            ("[Subsystem]\ntls = maybe\n", "f:2:7: `tls`: `maybe` is neither"),
            ("[Host\n", "f:1:1: `]` at the end"),
        ] {
            let got = fails(text);
            assert!(got.starts_with(want), "{got} and not {want}");
        }
        let many = "[Host]\n".replace("Host", "X").repeat(MAX_ENTRIES + 1);
        assert!(fails(&many).contains("more than 4096"));
    }
}
