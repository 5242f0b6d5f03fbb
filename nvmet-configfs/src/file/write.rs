//! From a spec to a tree of values.

use serde_json::{Map, Value as Json, json};

use super::VERSION;
use crate::attr;
use crate::spec::{HostAccess, PortSpec, Settings, SubsystemSpec, TargetSpec};

/// Attributes by name; those that are not known under `extra`. Values that are not text cannot come from a file, nor go into one.
fn settings(from: &Settings) -> Map<String, Json> {
    let (mut out, mut extra) = (Map::new(), Map::new());
    for (name, value) in from.iter() {
        let (Some(name), Some(text)) = (name.to_str(), value.to_str()) else { continue };
        let known = attr::attribute(from.owner(), name).is_some();
        if known { &mut out } else { &mut extra }.insert(name.to_owned(), text.into());
    }
    if !extra.is_empty() {
        out.insert("extra".to_owned(), extra.into());
    }
    out
}

fn table<K: ToString>(entries: impl IntoIterator<Item = (K, Json)>) -> Json {
    Json::Object(entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
}

pub(super) fn target(spec: &TargetSpec) -> Json {
    let mut out = settings(&spec.settings);
    out.insert("version".to_owned(), VERSION.into());
    let mut put = |key: &str, value: Json| {
        if value.as_object().is_some_and(|map| !map.is_empty()) {
            out.insert(key.to_owned(), value);
        }
    };
    put("hosts", table(spec.hosts.iter().map(|(nqn, host)| (nqn, settings(&host.settings).into()))));
    put("subsystems", table(spec.subsystems.iter().map(|(nqn, s)| (nqn, subsystem(s)))));
    put("ports", table(spec.ports.iter().map(|(id, p)| (id, port(p)))));
    out.into()
}

fn subsystem(spec: &SubsystemSpec) -> Json {
    let mut out = settings(&spec.settings);
    let hosts = match &spec.access {
        HostAccess::Any => json!("any"),
        HostAccess::Only(hosts) => hosts.iter().map(ToString::to_string).collect::<Vec<_>>().into(),
    };
    out.insert("hosts".to_owned(), hosts);
    let namespaces = spec.namespaces.iter().map(|(nsid, namespace)| {
        let mut out = settings(&namespace.settings);
        if let Some(device) = &namespace.device_path {
            out.insert("device_path".to_owned(), device.as_str().into());
        }
        if !namespace.enabled {
            out.insert("enable".to_owned(), false.into());
        }
        (nsid, Json::Object(out))
    });
    if !spec.namespaces.is_empty() {
        out.insert("namespaces".to_owned(), table(namespaces));
    }
    if let Some(passthru) = &spec.passthru {
        let mut inner = settings(&passthru.settings);
        if let Some(device) = &passthru.device_path {
            inner.insert("device_path".to_owned(), device.as_str().into());
        }
        if !passthru.enabled {
            inner.insert("enable".to_owned(), false.into());
        }
        out.insert("passthru".to_owned(), inner.into());
    }
    out.into()
}

fn port(spec: &PortSpec) -> Json {
    let mut out = settings(&spec.settings);
    for (name, value) in spec.transport.attributes() {
        out.insert(name.to_owned(), value.into());
    }
    if !spec.subsystems.is_empty() {
        let exported: Vec<String> = spec.subsystems.iter().map(ToString::to_string).collect();
        out.insert("subsystems".to_owned(), exported.into());
    }
    if !spec.ana_groups.is_empty() {
        let groups = spec.ana_groups.iter().map(|(id, state)| (id, state.word().into()));
        out.insert("ana_groups".to_owned(), table(groups));
    }
    if !spec.referrals.is_empty() {
        let referrals = spec.referrals.iter().filter_map(|(name, referral)| {
            let mut out = settings(&referral.settings);
            if !referral.enabled {
                out.insert("enable".to_owned(), false.into());
            }
            Some((name.to_str()?, Json::Object(out)))
        });
        out.insert("referrals".to_owned(), table(referrals));
    }
    out.into()
}
