//! Inventories as JSON. The shape is described by `examples/schema/list.json`, which the tests hold against what is printed.
//!
//! | command | members |
//! |---|---|
//! | `list --json` | `version`, `namespaces` |
//! | `list --subsys --json` | `version`, `subsystems`, `incomplete` |
//! | `list --verbose --json` | `version`, `hosts`, `subsystems`, `incomplete`, everything that is known in each |
//!
//! What the kernel does not tell is left out, never `null`. Members are added without notice; when one changes its meaning or goes, the version is raised.

use std::path::PathBuf;

use nvme_fabrics::{
    Controller, ControllerLoss, FastIoFail, Inventory, Namespace, NamespaceParent, Subsystem,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::host::JSON_VERSION;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What a person looks for.
    Short,
    /// Everything that is known.
    All,
}

/// What `list --json` prints.
pub fn namespaces(inventory: &Inventory) -> Value {
    let namespaces: Vec<_> = inventory
        .namespaces()
        .map(|(subsystem, ns)| NamespaceJson::new(Some(subsystem), ns, Detail::Short))
        .collect();
    json!({ "version": JSON_VERSION, "namespaces": namespaces })
}

/// What `list --subsys --json` prints, and with all details what `list --verbose --json` does.
pub fn subsystems(inventory: &Inventory, detail: Detail) -> Value {
    let subsystems: Vec<_> = inventory.subsystems.iter().map(|s| SubsystemJson::new(s, detail)).collect();
    let incomplete: Vec<_> = inventory.incomplete.iter().map(|c| ControllerJson::new(c, detail)).collect();
    let mut all = json!({ "version": JSON_VERSION, "subsystems": subsystems, "incomplete": incomplete });
    if detail == Detail::All {
        all["hosts"] = inventory
            .hosts()
            .iter()
            .map(|host| {
                let controllers: Vec<_> = host.controllers.iter().map(|(_, c)| c.name.to_string()).collect();
                let subsystems: Vec<_> = host.subsystems().iter().map(|s| s.name.to_string()).collect();
                serde_json::to_value(HostJson { nqn: host.nqn, id: host.id, subsystems, controllers })
                    .unwrap_or_default()
            })
            .collect();
    }
    all
}

/// A host identity with what it has connected, by name.
#[derive(Debug, Serialize)]
struct HostJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    nqn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    subsystems: Vec<String>,
    controllers: Vec<String>,
}

/// A namespace.
#[derive(Debug, Serialize)]
struct NamespaceJson {
    device: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    generic: Option<PathBuf>,
    nsid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    subsystem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<String>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_blocks: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata_bytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    paths: Vec<PathJson>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    more: Option<MoreOfNamespace>,
}

/// What only `--verbose` shows of a namespace.
#[derive(Debug, Serialize)]
struct MoreOfNamespace {
    #[serde(skip_serializing_if = "Option::is_none")]
    controller: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nguid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eui64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wwid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_set: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ana_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ana_group: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delayed_removal_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_number: Option<String>,
    read_only: bool,
}

/// One path to a namespace.
#[derive(Debug, Serialize)]
struct PathJson {
    controller: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ana_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ana_group: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_depth: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    numa_nodes: Option<String>,
}

/// A controller.
#[derive(Debug, Serialize)]
struct ControllerJson {
    name: String,
    transport: String,
    address: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cntlid: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_nqn: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    more: Option<MoreOfController>,
}

/// What only `--verbose` shows of a controller. Of secrets it says whether there is one.
#[derive(Debug, Serialize)]
struct MoreOfController {
    #[serde(skip_serializing_if = "Option::is_none")]
    subsystem_nqn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controller_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discovery_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconnect_delay_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controller_loss_seconds: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fast_io_fail_seconds: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    numa_node: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_secret: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controller_secret: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_key: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_keyring: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quirks: Option<Vec<String>>,
}

/// A subsystem with its controllers and namespaces: the namespaces by device, or whole with all details.
#[derive(Debug, Serialize)]
struct SubsystemJson {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nqn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    io_policy: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    controllers: Vec<ControllerJson>,
    namespaces: Vec<Value>,
}

impl NamespaceJson {
    fn new(subsystem: Option<&Subsystem>, ns: &Namespace, detail: Detail) -> Self {
        let of = |pick: fn(&Subsystem) -> &Option<String>| subsystem.and_then(|s| pick(s).clone());
        Self {
            device: ns.name.dev_path(),
            generic: ns.generic.map(|g| g.dev_path()),
            nsid: ns.nsid,
            subsystem: of(|s| &s.nqn),
            serial: of(|s| &s.serial),
            model: of(|s| &s.model),
            firmware: of(|s| &s.firmware),
            bytes: ns.bytes,
            block_size: ns.block_size,
            used_blocks: ns.used_blocks,
            metadata_bytes: ns.metadata_bytes,
            uuid: ns.uuid.clone(),
            paths: ns.paths.iter().map(|path| PathJson::new(path, detail)).collect(),
            more: (detail == Detail::All).then(|| MoreOfNamespace::new(ns)),
        }
    }
}

impl MoreOfNamespace {
    fn new(ns: &Namespace) -> Self {
        Self {
            controller: match ns.parent {
                NamespaceParent::Controller(name) => Some(name.to_string()),
                NamespaceParent::Subsystem => None,
            },
            nguid: ns.nguid.clone(),
            eui64: ns.eui64.map(|bytes| bytes.iter().map(|b| format!("{b:02x}")).collect()),
            wwid: ns.wwid.clone(),
            command_set: ns.command_set,
            ana_state: ns.ana_state.as_ref().map(ToString::to_string),
            ana_group: ns.ana_group,
            delayed_removal_seconds: ns.delayed_removal.map(|time| time.as_secs()),
            device_number: ns.device.map(|number| number.to_string()),
            read_only: ns.read_only,
        }
    }
}

impl PathJson {
    fn new(path: &nvme_fabrics::NamespacePath, detail: Detail) -> Self {
        let all = detail == Detail::All;
        Self {
            controller: path.controller.to_string(),
            name: all.then(|| path.name.to_string()),
            ana_state: path.ana_state.as_ref().map(ToString::to_string),
            ana_group: path.ana_group.filter(|_| all),
            queue_depth: path.queue_depth.filter(|_| all),
            numa_nodes: path.numa_nodes.clone().filter(|_| all),
        }
    }
}

impl ControllerJson {
    fn new(c: &Controller, detail: Detail) -> Self {
        Self {
            name: c.name.to_string(),
            transport: c.transport.clone(),
            address: c.address.to_string(),
            state: c.state.to_string(),
            cntlid: c.cntlid,
            host_nqn: c.host_nqn.clone(),
            more: (detail == Detail::All).then(|| MoreOfController::new(c)),
        }
    }
}

impl MoreOfController {
    fn new(c: &Controller) -> Self {
        Self {
            subsystem_nqn: c.subsystem_nqn.clone(),
            host_id: c.host_id.clone(),
            controller_type: c.controller_type.clone(),
            discovery_type: c.discovery_type.clone(),
            model: c.model.clone(),
            serial: c.serial.clone(),
            firmware: c.firmware.clone(),
            queue_count: c.queue_count,
            queue_size: c.queue_size,
            keep_alive_seconds: c.keep_alive.map(|time| time.as_secs()),
            reconnect_delay_seconds: c.reconnect_delay.map(|time| time.as_secs()),
            controller_loss_seconds: c.controller_loss.map(|loss| match loss {
                ControllerLoss::After(time) => time.as_secs().into(),
                ControllerLoss::Never => "never".into(),
            }),
            fast_io_fail_seconds: c.fast_io_fail.map(|fail| match fail {
                FastIoFail::After(time) => time.as_secs().into(),
                FastIoFail::Off => "off".into(),
            }),
            numa_node: c.numa_node,
            host_secret: c.host_secret,
            controller_secret: c.controller_secret,
            tls_key: c.tls_key.map(|key| key.as_u32()),
            tls_keyring: c.tls_keyring.clone(),
            quirks: c.quirks.clone(),
        }
    }
}

impl SubsystemJson {
    fn new(s: &Subsystem, detail: Detail) -> Self {
        let namespace = |ns: &Namespace| match detail {
            Detail::Short => json!(ns.name.dev_path()),
            Detail::All => serde_json::to_value(NamespaceJson::new(Some(s), ns, detail)).unwrap_or_default(),
        };
        Self {
            name: s.name.to_string(),
            nqn: s.nqn.clone(),
            io_policy: s.io_policy.clone(),
            kind: s.subsystem_type.clone(),
            controllers: s.controllers.iter().map(|c| ControllerJson::new(c, detail)).collect(),
            namespaces: s.namespaces.iter().map(namespace).collect(),
        }
    }
}
