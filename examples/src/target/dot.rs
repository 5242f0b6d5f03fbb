//! The topology of a target in the language of Graphviz: `target show --dot | dot -Tsvg > target.svg`.

use std::fmt::Write as _;

use nvmet_configfs::{LinkTarget, Observed};

/// A text between quotation marks.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Hosts on the left, ports in the middle, subsystems with their namespaces on the right.
pub fn draw(observed: &Observed) -> String {
    let mut out = String::from("digraph target {\n  rankdir=LR;\n  node [shape=box, fontname=sans];\n");
    // Writing to a String cannot fail, so its results are dropped.
    for name in observed.hosts.keys() {
        let _ = writeln!(out, "  {} [shape=ellipse];", quoted(&format!("host {name}")));
    }
    for (name, subsystem) in &observed.subsystems {
        let mut label = name.to_string();
        for (nsid, namespace) in &subsystem.namespaces {
            let device = namespace.device_path().map_or("no device".into(), String::from_utf8_lossy);
            let state = if namespace.is_enabled() { "" } else { " (disabled)" };
            let _ = write!(label, "\n{nsid}: {device}{state}");
        }
        let node = quoted(&format!("subsystem {name}"));
        let _ = writeln!(out, "  {node} [label={}];", quoted(&label).replace('\n', "\\l"));
        if subsystem.allows_any_host() {
            let _ = writeln!(
                out,
                "  \"any host\" [shape=ellipse, style=dashed];\n  \"any host\" -> {node} [style=dashed];"
            );
        }
        for target in subsystem.allowed_hosts.values() {
            if let LinkTarget::Host(host) = target {
                let _ = writeln!(out, "  {} -> {node} [style=dashed];", quoted(&format!("host {host}")));
            }
        }
    }
    for (id, port) in &observed.ports {
        let address = [port.trtype(), port.traddr(), port.trsvcid()].join(" ");
        let style = if port.is_live() { "rounded" } else { "\"rounded,dotted\"" };
        let node = quoted(&format!("port {id}"));
        let label = quoted(&format!("port {id}: {}", address.trim()));
        let _ = writeln!(out, "  {node} [label={label}, style={style}];");
        for target in port.subsystems.values() {
            if let LinkTarget::Subsystem(subsystem) = target {
                let _ = writeln!(out, "  {node} -> {};", quoted(&format!("subsystem {subsystem}")));
            }
        }
    }
    out.push_str("}\n");
    out
}

#[cfg(test)]
mod tests {
    use nvmet_configfs::{
        FakeKernel, FakeTree, NamespaceSpec, Policy, PortId, PortSpec, SubsystemSpec, TargetSpec, observe,
        reconcile,
    };

    use super::*;

    #[test]
    fn everything_that_is_connected_is_drawn() {
        let tree = FakeTree::new(FakeKernel::V6_12);
        let disk = NamespaceSpec::new("/dev/ram0".parse().unwrap());
        let spec = TargetSpec::new()
            .host("alice".parse().unwrap())
            .subsystem("s".parse().unwrap(), SubsystemSpec::any_host().namespace(nvme_proto::Nsid::ONE, disk))
            .subsystem("t".parse().unwrap(), SubsystemSpec::nobody().allow("alice".parse().unwrap()))
            .port(PortId(1), PortSpec::tcp("127.0.0.1".parse().unwrap(), 4420).export("s".parse().unwrap()));
        reconcile(&tree, &spec, &Policy::default()).unwrap();
        let text = draw(&observe(&tree).unwrap());
        for wanted in [
            "\"any host\" -> \"subsystem s\"",
            "\"host alice\" -> \"subsystem t\"",
            "\"port 1\" -> \"subsystem s\"",
            "label=\"s\\l1: /dev/ram0\"",
            "port 1: tcp 127.0.0.1 4420",
        ] {
            assert!(text.contains(wanted), "{wanted}:\n{text}");
        }
        assert_eq!(quoted("a\"b\\"), "\"a\\\"b\\\\\"");
    }
}
