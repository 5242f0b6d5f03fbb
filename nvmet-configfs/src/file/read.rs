//! From a tree of values to a spec. Every fault has a pointer.

use nvme_proto::{HostNqn, Nsid, SubsysNqn};
use serde_json::{Map, Value as Json};

use super::{FieldFault, FileError, VERSION, push_segment};
use crate::attr;
use crate::object::Object;
use crate::spec::{
    AnaGroupId, AnaState, DevicePath, HostAccess, HostSpec, NamespaceSpec, PassthruSpec, PortId, PortSpec,
    PortTransport, ReferralSpec, Settings, SubsystemSpec, TargetSpec,
};
use crate::tree::Name;

type Result<T> = std::result::Result<T, FileError>;

/// A value and where it is.
pub(super) struct At<'j> {
    pub(super) pointer: String,
    pub(super) json: &'j Json,
}

impl<'j> At<'j> {
    pub(super) fn root(json: &'j Json) -> Self {
        Self { pointer: String::new(), json }
    }

    fn fault<T>(&self, fault: FieldFault) -> Result<T> {
        let pointer = if self.pointer.is_empty() { "/".to_owned() } else { self.pointer.clone() };
        Err(FileError::Field { pointer, place: None, fault })
    }

    fn expected<T>(&self, what: &'static str) -> Result<T> {
        self.fault(FieldFault::Expected(what))
    }

    fn inside(&self, key: impl std::fmt::Display, json: &'j Json) -> Self {
        let mut pointer = self.pointer.clone();
        push_segment(&mut pointer, key);
        Self { pointer, json }
    }

    pub(super) fn map(&self) -> Result<&'j Map<String, Json>> {
        self.json.as_object().map_or_else(|| self.expected("a table"), Ok)
    }

    fn entries(&self) -> Result<Vec<(&'j str, Self)>> {
        Ok(self.map()?.iter().map(|(key, json)| (key.as_str(), self.inside(key, json))).collect())
    }

    fn list(&self) -> Result<Vec<Self>> {
        let Json::Array(list) = self.json else { return self.expected("a list") };
        Ok(list.iter().enumerate().map(|(i, json)| self.inside(i, json)).collect())
    }

    pub(super) fn text(&self) -> Result<&'j str> {
        self.json.as_str().map_or_else(|| self.expected("a text"), Ok)
    }

    fn flag(&self) -> Result<bool> {
        self.json.as_bool().map_or_else(|| self.expected("true or false"), Ok)
    }

    /// A text that is parsed.
    pub(super) fn parsed<T>(&self, text: &str) -> Result<T>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        text.parse().or_else(|e: T::Err| self.fault(FieldFault::Value(e.to_string())))
    }

    /// The value of an attribute: a text, a number or a flag.
    fn value(&self) -> Result<String> {
        match self.json {
            Json::String(text) => Ok(text.clone()),
            Json::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
            Json::Bool(flag) => Ok(if *flag { "1" } else { "0" }.to_owned()),
            _ => self.expected("a text, a whole number, true or false"),
        }
    }

    fn set(&self, settings: &mut Settings, name: &str) -> Result<()> {
        settings.set(name, self.value()?).or_else(|e| self.fault(FieldFault::Value(e.to_string())))
    }

    /// A field that is an attribute, `extra`, or an error.
    fn attribute(&self, settings: &mut Settings, name: &str) -> Result<()> {
        match attr::attribute(settings.owner(), name) {
            Some(known) if known.secret => self.fault(FieldFault::Secret),
            Some(known) if !known.is_structural() => self.set(settings, name),
            None if name == "extra" => {
                for (name, at) in self.entries()? {
                    if Name::new(name).is_ok_and(|n| attr::is_secret(&n)) {
                        return at.fault(FieldFault::Secret);
                    }
                    at.set(settings, name)?;
                }
                Ok(())
            }
            _ => self.fault(FieldFault::Unknown),
        }
    }

    /// Checks the version and gives the fields beside it.
    pub(super) fn versioned(&self) -> Result<Vec<(&'j str, Self)>> {
        match self.map()?.get("version") {
            None => Err(FileError::NoVersion),
            Some(found) if found.as_u64() == Some(VERSION) => {
                Ok(self.entries()?.into_iter().filter(|(key, _)| *key != "version").collect())
            }
            Some(found) => Err(FileError::Version { found: found.to_string() }),
        }
    }
}

pub(super) fn target(json: &Json) -> Result<TargetSpec> {
    let mut spec = TargetSpec::new();
    for (key, at) in At::root(json).versioned()? {
        match key {
            "hosts" => {
                for (nqn, at) in at.entries()? {
                    spec.hosts.insert(at.parsed::<HostNqn>(nqn)?, host(&at)?);
                }
            }
            "subsystems" => {
                for (nqn, at) in at.entries()? {
                    spec.subsystems.insert(at.parsed::<SubsysNqn>(nqn)?, subsystem(&at)?);
                }
            }
            "ports" => {
                for (id, at) in at.entries()? {
                    spec.ports.insert(at.parsed::<PortId>(id)?, port(&at)?);
                }
            }
            name => at.attribute(&mut spec.settings, name)?,
        }
    }
    Ok(spec)
}

fn host(at: &At<'_>) -> Result<HostSpec> {
    let mut spec = HostSpec::new();
    for (name, at) in at.entries()? {
        at.attribute(&mut spec.settings, name)?;
    }
    Ok(spec)
}

fn subsystem(at: &At<'_>) -> Result<SubsystemSpec> {
    let mut spec = SubsystemSpec::nobody();
    let mut access = None;
    for (key, at) in at.entries()? {
        match key {
            "hosts" if at.json.as_str() == Some("any") => access = Some(HostAccess::Any),
            "hosts" if at.json.is_string() => return at.expected("\"any\" or a list of host NQNs"),
            "hosts" => {
                let hosts: Result<_> = at.list()?.iter().map(|at| at.parsed(at.text()?)).collect();
                access = Some(HostAccess::Only(hosts?));
            }
            "namespaces" => {
                for (nsid, at) in at.entries()? {
                    spec.namespaces.insert(at.parsed::<Nsid>(nsid)?, namespace(&at)?);
                }
            }
            "passthru" => spec.passthru = Some(passthru(&at)?),
            name => at.attribute(&mut spec.settings, name)?,
        }
    }
    match access {
        Some(access) => spec.access = access,
        None => return at.fault(FieldFault::Missing("hosts")),
    }
    Ok(spec)
}

/// What a namespace and a pass-through share: a device, whether it is enabled (yes, unless it says otherwise), and attributes.
fn device(at: &At<'_>, settings: &mut Settings) -> Result<(Option<DevicePath>, bool)> {
    let (mut path, mut enabled) = (None, true);
    for (key, at) in at.entries()? {
        match key {
            "device_path" => path = Some(at.parsed(at.text()?)?),
            "enable" => enabled = at.flag()?,
            name => at.attribute(settings, name)?,
        }
    }
    Ok((path, enabled))
}

fn namespace(at: &At<'_>) -> Result<NamespaceSpec> {
    let mut spec = NamespaceSpec::without_device();
    (spec.device_path, spec.enabled) = device(at, &mut spec.settings)?;
    Ok(spec)
}

fn passthru(at: &At<'_>) -> Result<PassthruSpec> {
    let mut spec = PassthruSpec::disabled();
    (spec.device_path, spec.enabled) = device(at, &mut spec.settings)?;
    Ok(spec)
}

fn port(at: &At<'_>) -> Result<PortSpec> {
    let map = at.map()?;
    let text = |key: &str| match map.get(key) {
        Some(json) => at.inside(key, json).value(),
        None => Ok(String::new()),
    };
    let (trtype, adrfam) = (text("addr_trtype")?, text("addr_adrfam")?);
    let (traddr, trsvcid) = (text("addr_traddr")?, text("addr_trsvcid")?);
    let transport = PortTransport::from_texts(&trtype, &adrfam, &traddr, &trsvcid)
        .or_else(|e| at.fault(FieldFault::Value(e.to_string())))?;
    let mut spec = PortSpec::new(transport);
    for (key, at) in at.entries()? {
        match key {
            "addr_trtype" | "addr_adrfam" | "addr_traddr" | "addr_trsvcid" => {}
            "subsystems" => {
                let exported: Result<_> = at.list()?.iter().map(|at| at.parsed(at.text()?)).collect();
                spec.subsystems = exported?;
            }
            "ana_groups" => {
                for (id, at) in at.entries()? {
                    let state: AnaState = at.parsed(at.text()?)?;
                    spec.ana_groups.insert(at.parsed::<AnaGroupId>(id)?, state);
                }
            }
            "referrals" => {
                for (name, at) in at.entries()? {
                    spec.referrals.insert(at.parsed::<Name>(name)?, referral(&at)?);
                }
            }
            name => at.attribute(&mut spec.settings, name)?,
        }
    }
    Ok(spec)
}

fn referral(at: &At<'_>) -> Result<ReferralSpec> {
    let mut spec = ReferralSpec::new();
    for (key, at) in at.entries()? {
        match key {
            "enable" => spec.enabled = at.flag()?,
            name => at.attribute(&mut spec.settings, name)?,
        }
    }
    Ok(spec)
}

/// The keys of hosts, from a file of secrets.
pub(super) fn secrets(json: &Json) -> Result<Vec<(HostNqn, Settings)>> {
    let mut all = Vec::new();
    for (key, at) in At::root(json).versioned()? {
        if key != "hosts" {
            return at.fault(FieldFault::Unknown);
        }
        for (nqn, at) in at.entries()? {
            let mut settings = Settings::of(Object::Host);
            for (name, at) in at.entries()? {
                if !attr::attribute(Object::Host, name).is_some_and(|a| a.secret) {
                    return at.fault(FieldFault::Unknown);
                }
                at.set(&mut settings, name)?;
            }
            all.push((at.parsed::<HostNqn>(nqn)?, settings));
        }
    }
    Ok(all)
}
