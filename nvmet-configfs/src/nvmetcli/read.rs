//! From a document to a spec.

use nvme_proto::{HostNqn, Nsid, SubsysNqn};
use serde_json::{Map, Value as Json};

use super::{Document, Note, NoteKind};
use crate::file::push_segment;
use crate::spec::{
    AnaGroupId, AnaState, DevicePath, HostAccess, HostSpec, NamespaceSpec, PassthruSpec, PortId, PortSpec,
    PortTransport, ReferralSpec, SettingError, Settings, SubsystemSpec, TargetSpec,
};
use crate::text;
use crate::tree::Name;

/// What a document says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Read {
    /// The target it describes.
    pub spec: TargetSpec,
    /// What of it is not in the spec, and why.
    pub notes: Vec<Note>,
}

impl Document {
    /// The target that the document describes. Never fails: what cannot be used is a note, the rest is in the spec.
    ///
    /// A device path `(null)`, empty values and values that come by themselves (`addr.tsas` of other transports than TCP) say nothing and
    /// are left out without a note. A pass-through is disabled unless the entry has `"enable": 1`, which nvmetcli does not write.
    pub fn to_spec(&self) -> Read {
        let mut reader = Reader { notes: Vec::new() };
        let spec = reader.target(self.root());
        Read { spec, notes: reader.notes }
    }
}

/// nvmetcli's own first value of `discovery_nqn`.
const DISCOVERY: &str = "nqn.2014-08.org.nvmexpress.discovery";

struct Reader {
    notes: Vec<Note>,
}

/// A value as text: texts without the white space around them, numbers, flags; `None` for nothing and for structures.
fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.trim().to_owned()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(if *flag { "1" } else { "0" }.to_owned()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn at(parent: &str, key: impl std::fmt::Display) -> String {
    let mut pointer = parent.to_owned();
    push_segment(&mut pointer, key);
    pointer
}

impl Reader {
    fn note(&mut self, at: &str, kind: NoteKind) {
        self.notes.push(Note::new(at, kind));
    }

    fn object<'j>(&mut self, at: &str, value: &'j Json) -> Option<&'j Map<String, Json>> {
        if value.as_object().is_none() {
            self.note(at, NoteKind::Type { expected: "an object" });
        }
        value.as_object()
    }

    /// The entries of a list with their pointers; a missing list is empty.
    fn list<'j>(&mut self, parent: &str, of: &'j Map<String, Json>, key: &str) -> Vec<(String, &'j Json)> {
        let here = at(parent, key);
        match of.get(key) {
            None | Some(Json::Null) => Vec::new(),
            Some(Json::Array(list)) => list.iter().enumerate().map(|(i, v)| (at(&here, i), v)).collect(),
            Some(_) => {
                self.note(&here, NoteKind::Type { expected: "a list" });
                Vec::new()
            }
        }
    }

    fn unknown_keys(&mut self, parent: &str, of: &Map<String, Json>, known: &[&str]) {
        for key in of.keys().filter(|key| !known.contains(&key.as_str())) {
            self.note(&at(parent, key), NoteKind::UnknownKey);
        }
    }

    /// The name of an entry.
    fn id(&mut self, here: &str, of: &Map<String, Json>, key: &'static str) -> Option<String> {
        let id = of.get(key).and_then(scalar);
        if id.is_none() {
            self.note(here, NoteKind::NoId { key });
        }
        id
    }

    fn number(&mut self, here: &str, text: &str, min: u32, max: u32) -> Option<u32> {
        let number = text::unsigned(text.as_bytes(), u64::from(max)).ok();
        let number = number.and_then(|n| u32::try_from(n).ok()).filter(|n| *n >= min);
        if number.is_none() {
            self.note(here, NoteKind::Id { min, max });
        }
        number
    }

    fn flag(&mut self, here: &str, of: &Map<String, Json>, key: &str) -> bool {
        let Some(text) = of.get(key).and_then(scalar).filter(|t| !t.is_empty()) else { return false };
        let flag = text::boolean(text.as_bytes());
        if flag.is_none() {
            self.note(&at(here, key), NoteKind::Type { expected: "0 or 1" });
        }
        flag == Some(true)
    }

    fn set(&mut self, here: &str, settings: &mut Settings, name: &str, value: &str) {
        if let Err(error) = settings.set(name, value) {
            self.note(here, NoteKind::Setting(error));
        }
    }

    /// A group of attributes, `{"serial": "X"}` under `attr` for `attr_serial`. `skip` says which are not settings.
    fn group(
        &mut self,
        parent: &str,
        of: &Map<String, Json>,
        group: &str,
        settings: &mut Settings,
        skip: impl Fn(&str, &str) -> bool,
    ) {
        let Some(values) = of.get(group) else { return };
        let here = at(parent, group);
        let Some(values) = self.object(&here, values) else { return };
        for (key, value) in values {
            match scalar(value) {
                Some(text) if !text.is_empty() && !skip(key, &text) => {
                    self.set(&at(&here, key), settings, &format!("{group}_{key}"), &text);
                }
                None if !value.is_null() => {
                    self.note(&at(&here, key), NoteKind::Type { expected: "a value" });
                }
                _ => {}
            }
        }
    }

    /// One value of a group; empty when it is not there.
    fn of_group(of: &Map<String, Json>, group: &str, key: &str) -> String {
        of.get(group).and_then(|g| g.get(key)).and_then(scalar).unwrap_or_default()
    }

    fn target(&mut self, root: &Map<String, Json>) -> TargetSpec {
        let mut spec = TargetSpec::new();
        self.unknown_keys("", root, &["discovery", "hosts", "ports", "subsystems"]);
        self.group("", root, "discovery", &mut spec.settings, |_, text| text == DISCOVERY);
        for (here, host) in self.list("", root, "hosts") {
            if let Some((nqn, host)) = self.host(&here, host)
                && spec.hosts.insert(nqn, host).is_some()
            {
                self.note(&here, NoteKind::Again);
            }
        }
        for (here, subsystem) in self.list("", root, "subsystems") {
            if let Some((nqn, subsystem)) = self.subsystem(&here, subsystem)
                && spec.subsystems.insert(nqn, subsystem).is_some()
            {
                self.note(&here, NoteKind::Again);
            }
        }
        for (here, port) in self.list("", root, "ports") {
            if let Some((id, port)) = self.port(&here, port)
                && spec.ports.insert(id, port).is_some()
            {
                self.note(&here, NoteKind::Again);
            }
        }
        spec
    }

    fn host(&mut self, here: &str, host: &Json) -> Option<(HostNqn, HostSpec)> {
        let host = self.object(here, host)?;
        self.unknown_keys(here, host, &["nqn", "dhchap"]);
        let nqn = self.id(here, host, "nqn")?;
        let nqn = HostNqn::new(nqn).map_err(|e| self.note(&at(here, "nqn"), NoteKind::Nqn(e))).ok()?;
        let mut spec = HostSpec::new();
        self.group(here, host, "dhchap", &mut spec.settings, |_, _| false);
        Some((nqn, spec))
    }

    fn subsystem(&mut self, here: &str, subsystem: &Json) -> Option<(SubsysNqn, SubsystemSpec)> {
        let subsystem = self.object(here, subsystem)?;
        self.unknown_keys(here, subsystem, &["nqn", "allowed_hosts", "attr", "namespaces", "passthru"]);
        let nqn = self.id(here, subsystem, "nqn")?;
        let nqn = SubsysNqn::new(nqn).map_err(|e| self.note(&at(here, "nqn"), NoteKind::Nqn(e))).ok()?;
        let mut spec = SubsystemSpec::nobody();
        for (here, host) in self.list(here, subsystem, "allowed_hosts") {
            match scalar(host).map(HostNqn::new) {
                Some(Ok(host)) => spec = spec.allow(host),
                Some(Err(error)) => self.note(&here, NoteKind::Nqn(error)),
                None => self.note(&here, NoteKind::Type { expected: "the name of a host" }),
            }
        }
        let any = text::boolean(Self::of_group(subsystem, "attr", "allow_any_host").as_bytes()) == Some(true);
        match &spec.access {
            HostAccess::Only(hosts) if any && hosts.is_empty() => spec.access = HostAccess::Any,
            HostAccess::Only(_) if any => self.note(here, NoteKind::AnyHostAndSome),
            _ => {}
        }
        self.group(here, subsystem, "attr", &mut spec.settings, |key, _| key == "allow_any_host");
        for (here, namespace) in self.list(here, subsystem, "namespaces") {
            if let Some((nsid, namespace)) = self.namespace(&here, namespace)
                && spec.namespaces.insert(nsid, namespace).is_some()
            {
                self.note(&here, NoteKind::Again);
            }
        }
        if let Some((here, passthru)) = self.list(here, subsystem, "passthru").into_iter().next() {
            spec.passthru = self.passthru(&here, passthru);
        }
        Some((nqn, spec))
    }

    fn device(&mut self, here: &str, of: &Map<String, Json>) -> Option<DevicePath> {
        let path = Self::of_group(of, "device", "path");
        if path.is_empty() || path == "(null)" {
            return None;
        }
        DevicePath::new(path).map_err(|e| self.note(&format!("{here}/device/path"), NoteKind::Device(e))).ok()
    }

    fn namespace(&mut self, here: &str, namespace: &Json) -> Option<(Nsid, NamespaceSpec)> {
        let namespace = self.object(here, namespace)?;
        self.unknown_keys(here, namespace, &["nsid", "enable", "ana_grpid", "device", "ana", "resv"]);
        let nsid = self.id(here, namespace, "nsid")?;
        let nsid = self.number(&at(here, "nsid"), &nsid, 1, 0xffff_fffe)?;
        let nsid = Nsid::new(nsid).ok()?;
        let mut spec = NamespaceSpec::without_device();
        spec.device_path = self.device(here, namespace);
        spec.enabled = self.flag(here, namespace, "enable");
        self.group(here, namespace, "device", &mut spec.settings, |key, _| key == "path");
        self.group(here, namespace, "resv", &mut spec.settings, |_, _| false);
        // The same twice; nvmetcli stores `ana_grpid` last.
        let group = namespace.get("ana_grpid").and_then(scalar).filter(|g| !g.is_empty());
        match group {
            Some(group) => self.set(&at(here, "ana_grpid"), &mut spec.settings, "ana_grpid", &group),
            None => self.group(here, namespace, "ana", &mut spec.settings, |_, _| false),
        }
        Some((nsid, spec))
    }

    fn passthru(&mut self, here: &str, passthru: &Json) -> Option<PassthruSpec> {
        let passthru = self.object(here, passthru)?;
        let numbers = ["admin_timeout", "io_timeout", "clear_ids"];
        self.unknown_keys(here, passthru, &["admin_timeout", "io_timeout", "clear_ids", "device", "enable"]);
        let mut spec = PassthruSpec::disabled();
        spec.device_path = self.device(here, passthru);
        spec.enabled = self.flag(here, passthru, "enable");
        for key in numbers {
            // 0 is what a kernel without pass-through has too.
            if let Some(value) = passthru.get(key).and_then(scalar).filter(|v| !v.is_empty() && v != "0") {
                self.set(&at(here, key), &mut spec.settings, key, &value);
            }
        }
        Some(spec)
    }

    fn port(&mut self, here: &str, port: &Json) -> Option<(PortId, PortSpec)> {
        let port = self.object(here, port)?;
        self.unknown_keys(here, port, &["portid", "addr", "param", "subsystems", "ana_groups", "referrals"]);
        let id = self.id(here, port, "portid")?;
        let id = self.number(&at(here, "portid"), &id, 0, 65535)?;
        let id = PortId(u16::try_from(id).ok()?);
        let mut spec = PortSpec::new(self.transport(here, port)?);
        let tcp = Self::of_group(port, "addr", "trtype") == "tcp";
        self.group(here, port, "addr", &mut spec.settings, |key, _| {
            matches!(key, "trtype" | "adrfam" | "traddr" | "trsvcid") || (key == "tsas" && !tcp)
        });
        self.group(here, port, "param", &mut spec.settings, |_, _| false);
        for (here, subsystem) in self.list(here, port, "subsystems") {
            match scalar(subsystem).map(SubsysNqn::new) {
                Some(Ok(nqn)) => spec = spec.export(nqn),
                Some(Err(error)) => self.note(&here, NoteKind::Nqn(error)),
                None => self.note(&here, NoteKind::Type { expected: "the name of a subsystem" }),
            }
        }
        for (here, group) in self.list(here, port, "ana_groups") {
            if let Some((id, state)) = self.ana_group(&here, group) {
                spec.ana_groups.insert(id, state);
            }
        }
        for (here, referral) in self.list(here, port, "referrals") {
            if let Some((name, referral)) = self.referral(&here, referral)
                && spec.referrals.insert(name, referral).is_some()
            {
                self.note(&here, NoteKind::Again);
            }
        }
        Some((id, spec))
    }

    fn transport(&mut self, here: &str, port: &Map<String, Json>) -> Option<PortTransport> {
        let text = |key: &str| Self::of_group(port, "addr", key);
        let (trtype, adrfam, traddr, trsvcid) =
            (text("trtype"), text("adrfam"), text("traddr"), text("trsvcid"));
        let transport = PortTransport::from_texts(&trtype, &adrfam, &traddr, &trsvcid);
        transport.map_err(|error: SettingError| self.note(&at(here, "addr"), NoteKind::Setting(error))).ok()
    }

    fn ana_group(&mut self, here: &str, group: &Json) -> Option<(AnaGroupId, AnaState)> {
        let group = self.object(here, group)?;
        self.unknown_keys(here, group, &["grpid", "ana"]);
        let id = self.id(here, group, "grpid")?;
        let id = self.number(&at(here, "grpid"), &id, 1, u32::MAX)?;
        let id =
            AnaGroupId::new(id).map_err(|e| self.note(&at(here, "grpid"), NoteKind::AnaGroup(e))).ok()?;
        let state = Self::of_group(group, "ana", "state");
        let fresh = if id == AnaGroupId::ONE { AnaState::Optimized } else { AnaState::Inaccessible };
        if state.is_empty() {
            return Some((id, fresh));
        }
        let state = state.parse().map_err(|e| self.note(&format!("{here}/ana/state"), NoteKind::AnaState(e)));
        Some((id, state.unwrap_or(fresh)))
    }

    fn referral(&mut self, here: &str, referral: &Json) -> Option<(Name, ReferralSpec)> {
        let referral = self.object(here, referral)?;
        self.unknown_keys(here, referral, &["name", "enable", "addr"]);
        let name = self.id(here, referral, "name")?;
        let name = Name::new(name).map_err(|e| self.note(&at(here, "name"), NoteKind::Name(e))).ok()?;
        let mut spec = ReferralSpec::new();
        spec.enabled = self.flag(here, referral, "enable");
        self.group(here, referral, "addr", &mut spec.settings, |_, _| false);
        Some((name, spec))
    }
}
