//! From a target to a document.

use serde_json::{Map, Value as Json, json};

use super::{Document, Note, NoteKind};
use crate::attr;
use crate::errno::Errno;
use crate::observe::{
    Attributes, LinkTarget, Observed, ObservedNamespace, ObservedPort, ObservedSubsystem, namespace_id,
    port_id,
};
use crate::text;
use crate::tree::{Name, RelPath};

/// A document made from a target.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Written {
    /// What nvmetcli would have saved.
    pub document: Document,
    /// What of the target is not in it, or would not come back from it.
    pub notes: Vec<Note>,
}

impl Document {
    /// The document that describes a target, as nvmetcli would save it, with the keys of hosts in it.
    ///
    /// Of the target it needs everything: see [`observe`](crate::observe()).
    pub fn from_observed(observed: &Observed) -> Written {
        let mut writer = Writer { notes: Vec::new() };
        let root = writer.target(observed);
        Written { document: Self::from_root(root), notes: writer.notes }
    }
}

/// The groups of attributes of each object: `attr_serial` is `{"attr": {"serial": …}}`.
const SUBSYSTEM: &[&str] = &["attr"];
const NAMESPACE: &[&str] = &["device", "ana", "resv"];
const PORT: &[&str] = &["addr", "param"];

struct Writer {
    notes: Vec<Note>,
}

impl Writer {
    fn note(&mut self, path: &RelPath, kind: NoteKind) {
        self.notes.push(Note::on(path, kind));
    }

    /// The attributes of an object in their groups. Others are noted, except those in `placed`, which have a place of their own.
    fn groups(
        &mut self,
        path: &RelPath,
        values: &Attributes,
        groups: &[&str],
        placed: &[&str],
    ) -> Map<String, Json> {
        let mut out: Map<String, Json> = groups.iter().map(|g| ((*g).to_owned(), json!({}))).collect();
        for (name, value) in values.entries() {
            let attr = path.join(name);
            let value = match value {
                Ok(value) => value,
                // For writing only, so there is nothing to save.
                Err(Errno::EACCES) if attr::is_write_only(name) => continue,
                Err(_) => {
                    self.note(&attr, NoteKind::Unreadable);
                    continue;
                }
            };
            let (Some(name), Ok(text)) = (name.to_str(), str::from_utf8(value)) else {
                self.note(&attr, NoteKind::NotText);
                continue;
            };
            match name.split_once('_').filter(|(group, _)| groups.contains(group)) {
                Some((group, key)) => {
                    if let Some(Json::Object(group)) = out.get_mut(group) {
                        group.insert(key.to_owned(), text.trim().into());
                    }
                }
                None if placed.contains(&name) => {}
                // What a new object has is not missed.
                None if matches!(text, "0" | "") => {}
                None => self.note(&attr, NoteKind::NotHeld { value: text.to_owned() }),
            }
        }
        out
    }

    /// A name as text; noted when it is none.
    fn text(&mut self, path: &RelPath, name: &Name) -> Option<String> {
        let text = name.to_str().map(str::to_owned);
        if text.is_none() {
            self.note(path, NoteKind::NotText);
        }
        text
    }

    /// What links point to, by name.
    fn links<'l>(
        &mut self,
        group: &RelPath,
        links: impl IntoIterator<Item = (&'l Name, &'l LinkTarget)>,
    ) -> Json {
        let mut names = Vec::new();
        for (link, target) in links {
            let (LinkTarget::Host(name) | LinkTarget::Subsystem(name)) = target else { continue };
            let path = group.join(link);
            let Some(text) = self.text(&path, name) else { continue };
            if link != name {
                self.note(&path, NoteKind::LinkName { target: text.clone() });
            }
            names.push(text);
        }
        names.sort();
        names.into()
    }

    fn target(&mut self, observed: &Observed) -> Map<String, Json> {
        let root = RelPath::root();
        let mut discovery = Map::new();
        if let Some(nqn) = observed.attributes.text("discovery_nqn") {
            discovery.insert("nqn".to_owned(), nqn.into());
            if nqn != "nqn.2014-08.org.nvmexpress.discovery" {
                self.note(&root.at("discovery_nqn"), NoteKind::NotRestored);
            }
        }
        self.groups(&root, &observed.attributes, &["discovery"], &[]);
        let mut hosts = Vec::new();
        for (name, there) in &observed.hosts {
            let path = root.at("hosts").join(name);
            let Some(nqn) = self.text(&path, name) else { continue };
            let mut host = self.groups(&path, &there.attributes, &["dhchap"], &[]);
            host.insert("nqn".to_owned(), nqn.into());
            hosts.push(Json::Object(host));
        }
        let mut subsystems = Vec::new();
        for (name, there) in &observed.subsystems {
            subsystems.extend(self.subsystem(&root.at("subsystems").join(name), name, there));
        }
        let mut ports = Vec::new();
        for (name, there) in &observed.ports {
            ports.extend(self.port(&root.at("ports").join(name), name, there));
        }
        ports.sort_by_key(|port| port.get("portid").and_then(Json::as_u64));
        let mut out = Map::new();
        out.insert("discovery".to_owned(), discovery.into());
        out.insert("hosts".to_owned(), hosts.into());
        out.insert("subsystems".to_owned(), subsystems.into());
        out.insert("ports".to_owned(), ports.into());
        out
    }

    fn subsystem(&mut self, path: &RelPath, name: &Name, there: &ObservedSubsystem) -> Option<Json> {
        let nqn = self.text(path, name)?;
        let mut out = self.groups(path, &there.attributes, SUBSYSTEM, &[]);
        out.insert("nqn".to_owned(), nqn.into());
        let hosts = self.links(&path.at("allowed_hosts"), &there.allowed_hosts);
        out.insert("allowed_hosts".to_owned(), hosts);
        let mut namespaces = Vec::new();
        for (name, there) in &there.namespaces {
            namespaces.extend(self.namespace(&path.at("namespaces").join(name), name, there));
        }
        namespaces.sort_by_key(|ns| ns.get("nsid").and_then(Json::as_u64));
        out.insert("namespaces".to_owned(), namespaces.into());
        if let Some(values) = &there.passthru {
            let path = path.at("passthru");
            let numbers = ["admin_timeout", "io_timeout", "clear_ids"];
            let mut placed = numbers.to_vec();
            placed.push("enable");
            let mut passthru = self.groups(&path, values, &["device"], &placed);
            for key in numbers {
                let value = values.get(key).and_then(|v| text::unsigned(v, u64::from(u32::MAX)).ok());
                if let Some(value) = value {
                    passthru.insert(key.to_owned(), value.into());
                }
            }
            if there.is_passthru() {
                self.note(&path.at("enable"), NoteKind::NotHeld { value: "1".to_owned() });
            }
            out.insert("passthru".to_owned(), vec![Json::Object(passthru)].into());
        }
        Some(out.into())
    }

    fn namespace(&mut self, path: &RelPath, name: &Name, there: &ObservedNamespace) -> Option<Json> {
        let nsid = namespace_id(name)?;
        let mut out = self.groups(path, &there.attributes, NAMESPACE, &["enable"]);
        out.insert("nsid".to_owned(), nsid.get().into());
        out.insert("enable".to_owned(), u8::from(there.is_enabled()).into());
        let group = there.attributes.get("ana_grpid").and_then(|g| text::unsigned(g, 128).ok());
        if let Some(group) = group {
            out.insert("ana_grpid".to_owned(), group.into());
        }
        Some(out.into())
    }

    fn port(&mut self, path: &RelPath, name: &Name, there: &ObservedPort) -> Option<Json> {
        let id = port_id(name)?;
        let mut out = self.groups(path, &there.attributes, PORT, &[]);
        out.insert("portid".to_owned(), id.0.into());
        out.insert("subsystems".to_owned(), self.links(&path.at("subsystems"), &there.subsystems));
        let mut groups = Vec::new();
        for (name, values) in &there.ana_groups {
            let path = path.at("ana_groups").join(name);
            let Ok(id) = text::unsigned(name.as_bytes(), 128) else { continue };
            let mut group = self.groups(&path, values, &["ana"], &[]);
            group.insert("grpid".to_owned(), id.into());
            groups.push(Json::Object(group));
        }
        groups.sort_by_key(|group| group.get("grpid").and_then(Json::as_u64));
        out.insert("ana_groups".to_owned(), groups.into());
        let mut referrals = Vec::new();
        for (name, values) in &there.referrals {
            let path = path.at("referrals").join(name);
            let Some(text) = self.text(&path, name) else { continue };
            let mut referral = self.groups(&path, values, &["addr"], &["enable"]);
            referral.insert("name".to_owned(), text.into());
            let enabled = values.get("enable").and_then(text::boolean) == Some(true);
            referral.insert("enable".to_owned(), u8::from(enabled).into());
            referrals.push(Json::Object(referral));
        }
        out.insert("referrals".to_owned(), referrals.into());
        Some(out.into())
    }
}
