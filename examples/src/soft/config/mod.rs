//! The configuration of the kernel's target, as nvmetcli saves it, for the soft target.

mod error;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use nvme_fabrics::target::{
    AnaGroup, AnaState, CntlidRange, Hosts, Namespace, Port, PortId, Referral, Settings, Subsystem,
};
use nvme_proto::{Cntlid, IpTraddr, Nsid, SubsysNqn};
use nvmet_configfs::{
    HostAccess, NamespaceSpec, PortSpec, PortTransport, ReferralSpec, SubsystemSpec, TargetSpec,
};

pub use error::ConfigError;

use self::error::Cause;
use super::device::{Caching, Device, Devices};
use super::rules;
use super::wanted::Wanted;
use crate::host;

/// Translates a specification.
///
/// # Errors
/// The first thing that the soft target cannot do, by name; see [`ConfigError`].
pub fn translate(spec: &TargetSpec, devices: &mut Devices) -> Result<Wanted, ConfigError> {
    rules::check(&spec.settings, "the target")?;
    for (nqn, host) in &spec.hosts {
        rules::check(&host.settings, &format!("host {nqn}"))?;
    }
    let mut wanted = Wanted { settings: limits(spec)?, ..Wanted::default() };
    for (nqn, subsystem) in &spec.subsystems {
        wanted.subsystems.push(translate_subsystem(nqn, subsystem, devices)?);
    }
    for (id, port) in &spec.ports {
        wanted.ports.push(translate_port(id.0, port, spec)?);
    }
    Ok(wanted)
}

/// What the kernel has for each port and the soft target for all of them.
fn limits(spec: &TargetSpec) -> Result<Settings, ConfigError> {
    let common = |name: &'static str| {
        let mut found: Option<i64> = None;
        for port in spec.ports.values() {
            // -1 leaves it to the target.
            let Some(value) = port.settings.number(name).filter(|value| *value >= 0) else { continue };
            match found {
                Some(one) if one != value => {
                    return Err(ConfigError::PortsDisagree { name, one, other: value });
                }
                _ => found = Some(value),
            }
        }
        Ok(found)
    };
    let mut settings = Settings::new();
    if let Some(nqn) = spec.settings.text("discovery_nqn") {
        settings = settings.discovery_nqn(value("the target", "discovery_nqn", nqn)?);
    }
    let wrong = |name, number: i64, source: Cause| ConfigError::Value {
        object: "the ports".to_owned(),
        name,
        value: number.to_string(),
        source,
    };
    if let Some(bytes) = common("param_inline_data_size")? {
        let name = "param_inline_data_size";
        let bytes_32 = u32::try_from(bytes).map_err(|error| wrong(name, bytes, error.into()))?;
        settings = settings.in_capsule(bytes_32).map_err(|error| wrong(name, bytes, error.into()))?;
    }
    if let Some(entries) = common("param_max_queue_size")? {
        let name = "param_max_queue_size";
        let entries_16 = u16::try_from(entries).map_err(|error| wrong(name, entries, error.into()))?;
        settings = settings.queue_entries(entries_16).map_err(|error| wrong(name, entries, error.into()))?;
    }
    // 0 is no limit, which here is the largest there is.
    if let Some(exponent) = common("param_mdts")?.filter(|exponent| *exponent > 0) {
        let bytes = u32::try_from(exponent)
            .ok()
            .and_then(|exponent| 4096u32.checked_shl(exponent))
            .unwrap_or(u32::MAX);
        settings =
            settings.max_transfer(bytes).map_err(|error| wrong("param_mdts", exponent, error.into()))?;
    }
    Ok(settings)
}

fn translate_subsystem(
    nqn: &SubsysNqn,
    spec: &SubsystemSpec,
    devices: &mut Devices,
) -> Result<Subsystem, ConfigError> {
    let object = format!("subsystem {nqn}");
    rules::check(&spec.settings, &object)?;
    if spec.passthru.as_ref().is_some_and(|passthru| passthru.enabled) {
        return Err(ConfigError::Passthru(nqn.clone()));
    }
    let hosts = match &spec.access {
        HostAccess::Any => Hosts::Any,
        HostAccess::Only(hosts) => hosts.iter().cloned().collect(),
    };
    let mut subsystem = Subsystem::new(nqn.clone()).hosts(hosts);
    let settings = &spec.settings;
    if let Some(text) = settings.text("attr_serial") {
        subsystem = subsystem.serial(value(&object, "attr_serial", text)?);
    }
    if let Some(text) = settings.text("attr_model") {
        subsystem = subsystem.model(value(&object, "attr_model", text)?);
    }
    if let Some(text) = settings.text("attr_firmware") {
        subsystem = subsystem.firmware(value(&object, "attr_firmware", text)?);
    }
    if let Some(queues) = settings.number("attr_qid_max") {
        let wrong = |source: Cause| wrong_number(&object, "attr_qid_max", queues, source);
        let number = u16::try_from(queues).map_err(|error| wrong(error.into()))?;
        subsystem = subsystem.io_queues(number).map_err(|error| wrong(error.into()))?;
    }
    if settings.text("attr_cntlid_min").or_else(|| settings.text("attr_cntlid_max")).is_some() {
        let number = |name: &'static str, otherwise: u16| {
            let number = settings.number(name).unwrap_or(otherwise.into());
            u16::try_from(number)
                .map(Cntlid)
                .map_err(|error| wrong_number(&object, name, number, error.into()))
        };
        let (first, last) = (number("attr_cntlid_min", 1)?, number("attr_cntlid_max", Cntlid::MAX.0)?);
        let range = CntlidRange::new(first, last)
            .map_err(|error| wrong_number(&object, "attr_cntlid_min", first.0.into(), error.into()))?;
        subsystem = subsystem.cntlids(range);
    }
    for (nsid, namespace) in &spec.namespaces {
        rules::check(&namespace.settings, &format!("namespace {nsid} of {nqn}"))?;
        if namespace.enabled {
            let namespace = translate_namespace(nqn, *nsid, namespace, devices)?;
            let add = subsystem.namespace(namespace);
            subsystem =
                add.map_err(|error| wrong_number(&object, "namespaces", nsid.get().into(), error.into()))?;
        }
    }
    Ok(subsystem)
}

fn translate_namespace(
    nqn: &SubsysNqn,
    nsid: Nsid,
    spec: &NamespaceSpec,
    devices: &mut Devices,
) -> Result<Namespace, ConfigError> {
    let object = format!("namespace {nsid} of {nqn}");
    let path = spec.device_path.as_ref();
    let path = path.ok_or_else(|| ConfigError::NoDevice { subsystem: nqn.clone(), nsid })?;
    let device = Device::File(PathBuf::from(path.as_str()));
    let caching = match spec.settings.flag("buffered_io") {
        Some(true) => Caching::PageCache,
        _ => Caching::Direct,
    };
    let backend = devices.open(&device, caching, 0).map_err(|source| ConfigError::Device {
        subsystem: nqn.clone(),
        nsid,
        source,
    })?;
    let mut namespace = Namespace::new(nsid, backend);
    if let Some(text) = spec.settings.text("device_uuid") {
        namespace = namespace.uuid(value::<nvmet_configfs::NsUuid>(&object, "device_uuid", text)?.0);
    }
    if let Some(text) = spec.settings.text("device_nguid") {
        let nguid = value::<nvmet_configfs::Nguid>(&object, "device_nguid", text)?.0;
        // All zeroes: none.
        if nguid != [0; 16] {
            namespace = namespace.nguid(nguid);
        }
    }
    if let Some(group) = spec.settings.number("ana_grpid") {
        namespace = namespace.ana_group(ana_group(&object, group)?);
    }
    Ok(namespace)
}

fn translate_port(id: u16, spec: &PortSpec, target: &TargetSpec) -> Result<Port, ConfigError> {
    let object = format!("port {id}");
    rules::check(&spec.settings, &object)?;
    let PortTransport::Tcp { traddr, trsvcid } = &spec.transport else {
        return Err(ConfigError::Transport { port: id, transport: format!("{:?}", spec.transport) });
    };
    let mut port = Port::tcp(PortId(id), socket_address(&object, traddr, *trsvcid)?);
    let mut groups = BTreeSet::new();
    for nqn in &spec.subsystems {
        let subsystem = target.subsystems.get(nqn);
        let subsystem =
            subsystem.ok_or_else(|| ConfigError::NoSubsystem { port: id, subsystem: nqn.clone() })?;
        port = port.export(nqn.clone());
        groups.extend(subsystem.namespaces.values().filter_map(|ns| ns.settings.number("ana_grpid")));
    }
    for (group, state) in &spec.ana_groups {
        port = port.ana(ana_group(&object, group.number().into())?, ana_state(&object, *state)?);
        groups.remove(&i64::from(group.number()));
    }
    // Namespaces in a group that the port does not have are inaccessible there; group 1 every port has.
    for group in groups.into_iter().filter(|group| *group != 1) {
        port = port.ana(ana_group(&object, group)?, AnaState::Inaccessible);
    }
    for (name, referral) in &spec.referrals {
        let object = format!("referral {name} of port {id}");
        rules::check(&referral.settings, &object)?;
        if referral.enabled {
            port = port.referral(translate_referral(&object, id, referral)?);
        }
    }
    Ok(port)
}

fn translate_referral(object: &str, port: u16, spec: &ReferralSpec) -> Result<Referral, ConfigError> {
    let text = |name| spec.settings.text(name).unwrap_or_default();
    if text("addr_trtype") != "tcp" {
        return Err(ConfigError::Transport { port, transport: format!("{object}: {}", text("addr_trtype")) });
    }
    let traddr: IpTraddr = value(object, "addr_traddr", text("addr_traddr"))?;
    let trsvcid: u16 = value(object, "addr_trsvcid", text("addr_trsvcid"))?;
    let referral = Referral::tcp(socket_address(object, &traddr, trsvcid)?);
    match spec.settings.number("addr_portid") {
        None => Ok(referral),
        Some(number) => {
            let wrong =
                |error: std::num::TryFromIntError| wrong_number(object, "addr_portid", number, error.into());
            Ok(referral.port(PortId(u16::try_from(number).map_err(wrong)?)))
        }
    }
}

fn socket_address(object: &str, traddr: &IpTraddr, port: u16) -> Result<SocketAddr, ConfigError> {
    host::socket_address(traddr, port).map_err(|source| ConfigError::Value {
        object: object.to_owned(),
        name: "addr_traddr",
        value: traddr.to_string(),
        source: source.into(),
    })
}

fn ana_group(object: &str, number: i64) -> Result<AnaGroup, ConfigError> {
    let wrong = |source: Cause| wrong_number(object, "ana_grpid", number, source);
    let group = u32::try_from(number).map_err(|error| wrong(error.into()))?;
    AnaGroup::new(group).map_err(|error| wrong(error.into()))
}

fn ana_state(object: &str, state: nvmet_configfs::AnaState) -> Result<AnaState, ConfigError> {
    Ok(match state {
        nvmet_configfs::AnaState::Optimized => AnaState::Optimized,
        nvmet_configfs::AnaState::NonOptimized => AnaState::NonOptimized,
        nvmet_configfs::AnaState::Inaccessible => AnaState::Inaccessible,
        nvmet_configfs::AnaState::PersistentLoss => AnaState::PersistentLoss,
        nvmet_configfs::AnaState::Change => AnaState::Change,
        other => {
            let (object, name) = (object.to_owned(), "ana_state".to_owned());
            return Err(ConfigError::Setting { object, name, value: other.to_string() });
        }
    })
}

fn wrong_number(object: &str, name: &'static str, number: i64, source: Cause) -> ConfigError {
    ConfigError::Value { object: object.to_owned(), name, value: number.to_string(), source }
}

fn value<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    object: &str,
    name: &'static str,
    text: impl Display,
) -> Result<T, ConfigError> {
    let text = text.to_string();
    text.trim_end().parse().map_err(|error: T::Err| ConfigError::Value {
        object: object.to_owned(),
        name,
        value: text.clone(),
        source: error.into(),
    })
}

#[cfg(test)]
mod tests {
    use nvmet_configfs::nvmetcli;
    use serde_json::{Value, json};

    use super::*;

    fn file() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        file
    }

    /// What nvmetcli saves of a target with two namespaces in two groups, a referral and one allowed host.
    fn saved(path: &str) -> Value {
        json!({
            "hosts": [{ "nqn": "nqn.2024-05.org.example:host" }],
            "subsystems": [{
                "nqn": "nqn.2024-05.org.example:disk",
                "attr": { "allow_any_host": "0", "serial": "0123456789abcdef0123", "model": "Linux", "version": "1.3", "cntlid_min": "1", "cntlid_max": "65519", "pi_enable": "0", "ieee_oui": "0x000000", "qid_max": "8" },
                "allowed_hosts": ["nqn.2024-05.org.example:host"],
                "namespaces": [
                    { "nsid": 1, "enable": 1, "ana_grpid": 1,
                      "device": { "path": path, "nguid": "00000000-0000-0000-0000-000000000000", "uuid": "91fdba0d-f87b-4c25-b80f-db7be1418b9e" } },
                    { "nsid": 7, "enable": 1, "ana_grpid": 3, "device": { "path": path } },
                    { "nsid": 9, "enable": 0, "device": { "path": "/nowhere/at/all" } },
                ],
            }],
            "ports": [{
                "portid": 5,
                "addr": { "trtype": "tcp", "adrfam": "ipv4", "traddr": "127.0.0.1", "trsvcid": "4420", "treq": "not specified" },
                "param": { "inline_data_size": "16384", "pi_enable": "0" },
                "subsystems": ["nqn.2024-05.org.example:disk"],
                "ana_groups": [{ "grpid": 1, "ana": { "state": "non-optimized" } }],
                "referrals": [{ "name": "other", "enable": 1,
                    "addr": { "trtype": "tcp", "adrfam": "ipv4", "traddr": "192.0.2.9", "trsvcid": "8009", "portid": "2" } }],
            }],
        })
    }

    fn translated(value: &Value) -> Result<Wanted, ConfigError> {
        let document = nvmetcli::Document::parse(value.to_string().as_bytes()).unwrap();
        let read = document.to_spec();
        assert!(read.notes.is_empty(), "{}", read.notes[0]);
        translate(&read.spec, &mut Devices::default())
    }

    #[test]
    fn what_nvmetcli_saves_is_served() {
        let file = file();
        let path = file.path().to_str().unwrap();
        let wanted = translated(&saved(path)).unwrap();
        let host = "nqn.2024-05.org.example:host".parse().unwrap();
        let disk = wanted.subsystems[0].namespaces().next().unwrap().backend().clone();
        let other = wanted.subsystems[0].namespaces().nth(1).unwrap().backend().clone();
        let nqn: SubsysNqn = "nqn.2024-05.org.example:disk".parse().unwrap();
        let uuid: nvmet_configfs::NsUuid = "91fdba0d-f87b-4c25-b80f-db7be1418b9e".parse().unwrap();
        let subsystem = Subsystem::new(nqn.clone())
            .allow(host)
            .serial("0123456789abcdef0123".parse().unwrap())
            .model("Linux".parse().unwrap())
            .io_queues(8)
            .unwrap()
            .namespace(Namespace::new(Nsid::new(1).unwrap(), disk).uuid(uuid.0))
            .unwrap()
            .namespace(Namespace::new(Nsid::new(7).unwrap(), other).ana_group(AnaGroup::new(3).unwrap()))
            .unwrap();
        assert_eq!(wanted.subsystems, [subsystem]);
        let port = Port::tcp(PortId(5), "127.0.0.1:4420".parse().unwrap())
            .export(nqn)
            .ana(AnaGroup::ONE, AnaState::NonOptimized)
            .ana(AnaGroup::new(3).unwrap(), AnaState::Inaccessible)
            .referral(Referral::tcp("192.0.2.9:8009".parse().unwrap()).port(PortId(2)));
        assert_eq!(wanted.ports, [port]);
        assert_eq!(wanted.settings, Settings::new().in_capsule(16384).unwrap());
    }

    #[test]
    fn what_cannot_be_served_is_named() {
        let file = file();
        let path = file.path().to_str().unwrap();
        type Change = fn(&mut Value);
        let changes: [(&str, Change); 7] = [
            ("authentication key", |v| {
                v["hosts"][0]["dhchap"]["key"] =
                    "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:".into();
            }),
            ("pi_enable = 1", |v| v["subsystems"][0]["attr"]["pi_enable"] = "1".into()),
            ("port 5 is no TCP port", |v| v["ports"][0]["addr"]["trtype"] = "rdma".into()),
            ("addr_treq = required", |v| v["ports"][0]["addr"]["treq"] = "required".into()),
            ("exports", |v| v["ports"][0]["subsystems"] = json!(["nqn.2024-05.org.example:absent"])),
            ("namespace 9", |v| v["subsystems"][0]["namespaces"][2]["enable"] = 1.into()),
            ("attr_from_the_future = 1", |v| v["subsystems"][0]["attr"]["from_the_future"] = "1".into()),
        ];
        for (wanted, change) in changes {
            let mut value = saved(path);
            change(&mut value);
            let error = translated(&value).unwrap_err().to_string();
            assert!(error.contains(wanted), "{wanted:?} in {error}");
            assert!(!error.contains("DHHC"), "{error}");
        }
    }
}
