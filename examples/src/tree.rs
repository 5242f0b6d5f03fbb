//! The target's tree for people and as JSON.

use std::fmt::Write as _;

use nvmet_configfs::{Attributes, LinkTarget, Observed};
use serde_json::{Map, Value, json};

use crate::host::JSON_VERSION;

/// The whole target, one object a block, attributes behind their names.
pub fn text(observed: &Observed) -> String {
    let mut out = String::new();
    if observed.is_empty() {
        return "the target is empty: no subsystem, no port, no host\n".to_owned();
    }
    for (name, subsystem) in &observed.subsystems {
        let _ = writeln!(out, "subsystem {name}");
        if subsystem.allows_any_host() {
            out.push_str("  hosts: any\n");
        } else if subsystem.allowed_hosts.is_empty() {
            out.push_str("  hosts: nobody may connect\n");
        }
        for (link, target) in &subsystem.allowed_hosts {
            let _ = writeln!(out, "  host {}", described(target, &link.to_string()));
        }
        attributes(&mut out, "  ", &subsystem.attributes, &["attr_allow_any_host"]);
        for (nsid, ns) in &subsystem.namespaces {
            let state = if ns.is_enabled() { "enabled" } else { "disabled" };
            let path = ns.device_path().map(|p| String::from_utf8_lossy(p).into_owned());
            let _ = writeln!(out, "  namespace {nsid}: {state}, {}", path.as_deref().unwrap_or("no device"));
            attributes(&mut out, "    ", &ns.attributes, &["enable", "device_path"]);
        }
    }
    for (id, port) in &observed.ports {
        let state = if port.is_live() { "enabled" } else { "not enabled: it exports nothing" };
        let address = [port.trtype(), port.traddr(), port.trsvcid()].join(" ");
        let _ = writeln!(out, "port {id}: {state}, {}", address.trim());
        attributes(&mut out, "  ", &port.attributes, &["addr_trtype", "addr_traddr", "addr_trsvcid"]);
        for (link, target) in &port.subsystems {
            let _ = writeln!(out, "  exports {}", described(target, &link.to_string()));
        }
        for (group, values) in &port.ana_groups {
            let _ = writeln!(out, "  ANA group {group}: {}", values.text("ana_state").unwrap_or("unknown"));
        }
        for (name, values) in &port.referrals {
            let _ = writeln!(out, "  referral {name}");
            attributes(&mut out, "    ", values, &[]);
        }
    }
    for name in observed.hosts.keys() {
        let _ = writeln!(out, "host {name}");
    }
    out
}

fn attributes(out: &mut String, indent: &str, values: &Attributes, but: &[&str]) {
    let shown: Vec<String> = readable(values)
        .filter(|(name, value)| !but.contains(&name.as_str()) && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    for line in shown.chunks(4) {
        let _ = writeln!(out, "{indent}{}", line.join("  "));
    }
}

/// Attributes that can be read, as text. Some cannot by their nature (`revalidate_size` is for writing only).
fn readable(values: &Attributes) -> impl Iterator<Item = (String, String)> {
    values.iter().filter_map(|(name, value)| {
        Some((name.to_string(), String::from_utf8_lossy(value.ok()?).trim_end().to_owned()))
    })
}

/// The linked object, and the link's own name where it differs.
fn described(target: &LinkTarget, link: &str) -> String {
    let name = match target {
        LinkTarget::Host(name) | LinkTarget::Subsystem(name) => name.to_string(),
        LinkTarget::Elsewhere(path) => String::from_utf8_lossy(path).into_owned(),
        _ => link.to_owned(),
    };
    if name == link { name } else { format!("{name} (link {link})") }
}

/// The whole target as JSON: every attribute by its file name.
pub fn json(observed: &Observed) -> Value {
    let subsystems: Map<_, _> = observed
        .subsystems
        .iter()
        .map(|(name, s)| {
            let namespaces: Map<_, _> =
                s.namespaces.iter().map(|(id, ns)| (id.to_string(), attributes_json(&ns.attributes))).collect();
            let hosts: Vec<_> =
                s.allowed_hosts.iter().map(|(link, target)| described(target, &link.to_string())).collect();
            let value = json!({
                "attributes": attributes_json(&s.attributes), "allowed_hosts": hosts, "namespaces": namespaces,
            });
            (name.to_string(), value)
        })
        .collect();
    let ports: Map<_, _> = observed
        .ports
        .iter()
        .map(|(id, p)| {
            let exported: Vec<_> =
                p.subsystems.iter().map(|(link, target)| described(target, &link.to_string())).collect();
            let groups: Map<_, _> =
                p.ana_groups.iter().map(|(id, values)| (id.to_string(), attributes_json(values))).collect();
            let referrals: Map<_, _> =
                p.referrals.iter().map(|(id, values)| (id.to_string(), attributes_json(values))).collect();
            let value = json!({
                "attributes": attributes_json(&p.attributes), "subsystems": exported, "ana_groups": groups,
                "referrals": referrals,
            });
            (id.to_string(), value)
        })
        .collect();
    let hosts: Vec<_> = observed.hosts.keys().map(ToString::to_string).collect();
    json!({ "version": JSON_VERSION, "subsystems": subsystems, "ports": ports, "hosts": hosts })
}

fn attributes_json(values: &Attributes) -> Value {
    Value::Object(readable(values).map(|(name, value)| (name, value.into())).collect())
}
