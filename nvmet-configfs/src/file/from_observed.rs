//! The spec that describes a target as it is.

use crate::attr;
use crate::nvmetcli::{Note, NoteKind};
use crate::observe::{
    Attributes, LinkTarget, Observed, ObservedPort, ObservedSubsystem, namespace_id, port_id,
};
use crate::spec::{
    AnaGroupId, AnaState, DevicePath, HostAccess, HostSpec, NamespaceSpec, PassthruSpec, PortSpec,
    PortTransport, ReferralSpec, Settings, SubsystemSpec, TargetSpec,
};
use crate::text;
use crate::tree::{Name, RelPath};

/// A spec made from a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FromObserved {
    /// The spec, with the keys of hosts in it.
    pub spec: TargetSpec,
    /// What of the target it cannot say.
    pub notes: Vec<Note>,
}

/// The spec that describes everything that was observed: applied to an empty target of the same kernel it makes the same target.
///
/// Not in it, and noted: what is not text, names that are no NQN, the names of links, ANA group 128 (which the kernel confuses with 0).
pub fn spec_of(observed: &Observed) -> FromObserved {
    let mut maker = Maker { notes: Vec::new() };
    let spec = maker.target(observed);
    FromObserved { spec, notes: maker.notes }
}

struct Maker {
    notes: Vec<Note>,
}

impl Maker {
    fn note(&mut self, path: &RelPath, kind: NoteKind) {
        self.notes.push(Note::on(path, kind));
    }

    fn settings(&mut self, path: &RelPath, values: &Attributes, into: &mut Settings) {
        for (name, value) in values.entries() {
            let Some(text) = name.to_str() else { continue };
            let known = attr::attribute(into.owner(), text);
            let Ok(value) = value else {
                if !attr::is_write_only(name) {
                    self.note(&path.join(name), NoteKind::Unreadable);
                }
                continue;
            };
            if known.is_some_and(|a| a.is_structural()) {
                continue;
            }
            let value = if known.is_some() { value.trim_ascii_end() } else { value };
            // What comes by itself and cannot be written.
            let unset = value.is_empty() || (text == "addr_tsas" && !matches!(value, b"none" | b"tls1.3"));
            if unset {
                continue;
            }
            if let Err(error) = into.set(text, value) {
                self.note(&path.join(name), NoteKind::Setting(error));
            }
        }
    }

    /// A name that parses.
    fn named<T: std::str::FromStr<Err = nvme_proto::NqnError>>(
        &mut self,
        path: &RelPath,
        name: &Name,
    ) -> Option<T> {
        let Some(text) = name.to_str() else {
            self.note(path, NoteKind::NotText);
            return None;
        };
        text.parse().map_err(|e| self.note(path, NoteKind::Nqn(e))).ok()
    }

    fn device(&mut self, path: &RelPath, value: Option<&[u8]>) -> Option<DevicePath> {
        let value = value.filter(|v| *v != b"(null)")?;
        let Ok(text) = str::from_utf8(value) else {
            self.note(path, NoteKind::NotText);
            return None;
        };
        DevicePath::new(text).map_err(|e| self.note(path, NoteKind::Device(e))).ok()
    }

    fn target(&mut self, observed: &Observed) -> TargetSpec {
        let root = RelPath::root();
        let mut spec = TargetSpec::new();
        self.settings(&root, &observed.attributes, &mut spec.settings);
        for (name, there) in &observed.hosts {
            let path = root.at("hosts").join(name);
            let Some(nqn) = self.named(&path, name) else { continue };
            let mut host = HostSpec::new();
            self.settings(&path, &there.attributes, &mut host.settings);
            spec.hosts.insert(nqn, host);
        }
        for (name, there) in &observed.subsystems {
            let path = root.at("subsystems").join(name);
            if let Some(nqn) = self.named(&path, name) {
                let subsystem = self.subsystem(&path, there);
                spec.subsystems.insert(nqn, subsystem);
            }
        }
        for (name, there) in &observed.ports {
            let path = root.at("ports").join(name);
            if let (Some(id), Some(port)) = (port_id(name), self.port(&path, there)) {
                spec.ports.insert(id, port);
            }
        }
        spec
    }

    fn subsystem(&mut self, path: &RelPath, there: &ObservedSubsystem) -> SubsystemSpec {
        let mut spec = SubsystemSpec::nobody();
        if there.allows_any_host() {
            spec.access = HostAccess::Any;
        }
        for (link, target) in &there.allowed_hosts {
            let link = path.at("allowed_hosts").join(link);
            if let LinkTarget::Host(name) = target
                && let Some(host) = self.named(&link, name)
            {
                spec = spec.allow(host);
            }
        }
        self.settings(path, &there.attributes, &mut spec.settings);
        for (name, there) in &there.namespaces {
            let path = path.at("namespaces").join(name);
            let Some(nsid) = namespace_id(name) else { continue };
            let mut namespace = NamespaceSpec::without_device();
            namespace.device_path = self.device(&path, there.attributes.get("device_path"));
            namespace.enabled = there.is_enabled();
            self.settings(&path, &there.attributes, &mut namespace.settings);
            spec.namespaces.insert(nsid, namespace);
        }
        if let Some(values) = &there.passthru {
            let path = path.at("passthru");
            let mut passthru = PassthruSpec::disabled();
            passthru.device_path = self.device(&path, values.get("device_path"));
            passthru.enabled = there.is_passthru();
            self.settings(&path, values, &mut passthru.settings);
            // What every subsystem of such a kernel has says nothing.
            let fresh = passthru.settings.iter().all(|(_, value)| **value == *b"0");
            if passthru.enabled {
                spec.settings.unset("attr_version"); // which is the controller's
            }
            if passthru.enabled || passthru.device_path.is_some() || !fresh {
                spec.passthru = Some(passthru);
            }
        }
        spec
    }

    fn port(&mut self, path: &RelPath, there: &ObservedPort) -> Option<PortSpec> {
        let adrfam = there.attributes.text("addr_adrfam").unwrap_or("");
        let transport = PortTransport::from_texts(there.trtype(), adrfam, there.traddr(), there.trsvcid());
        let transport = transport.map_err(|e| self.note(path, NoteKind::Setting(e))).ok()?;
        let mut spec = PortSpec::new(transport);
        self.settings(path, &there.attributes, &mut spec.settings);
        if there.trtype() != "tcp" {
            spec.settings.unset("addr_tsas");
        }
        for (link, target) in &there.subsystems {
            let link = path.at("subsystems").join(link);
            if let LinkTarget::Subsystem(name) = target
                && let Some(nqn) = self.named(&link, name)
            {
                spec = spec.export(nqn);
            }
        }
        for (name, values) in &there.ana_groups {
            let path = path.at("ana_groups").join(name);
            let id = text::unsigned(name.as_bytes(), 128).ok().and_then(|id| u32::try_from(id).ok());
            match AnaGroupId::new(id.unwrap_or(0)) {
                Ok(id) => {
                    let state = values.text("ana_state").and_then(|s| s.parse().ok());
                    spec.ana_groups.insert(id, state.unwrap_or(AnaState::Inaccessible));
                }
                Err(error) => self.note(&path, NoteKind::AnaGroup(error)),
            }
        }
        for (name, values) in &there.referrals {
            let path = path.at("referrals").join(name);
            let mut referral = ReferralSpec::new();
            referral.enabled = values.get("enable").and_then(text::boolean) == Some(true);
            self.settings(&path, values, &mut referral.settings);
            if name.to_str().is_none() {
                self.note(&path, NoteKind::NotText);
            } else {
                spec.referrals.insert(name.clone(), referral);
            }
        }
        Some(spec)
    }
}
