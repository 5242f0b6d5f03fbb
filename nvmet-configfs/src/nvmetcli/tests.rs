//! Documents of nvmetcli, read and written.

use nvme_proto::{HostNqn, Nsid, SubsysNqn};

use super::*;
use crate::spec::{AnaGroupId, AnaState, HostAccess, PassthruSpec, PortId, PortTransport};

#[test]
fn documents_come_back_as_they_were() {
    let text = r#"{
  "hosts": [
    {
      "from_tomorrow": [
        1,
        2.5,
        null
      ],
      "nqn": "h"
    }
  ],
  "subsystems": [
    {
      "namespaces": [
        {
          "device": {
            "path": "(null)"
          },
          "nsid": "1"
        }
      ],
      "nqn": "s"
    }
  ]
}
"#;
    let document = Document::parse(text).unwrap();
    assert_eq!(document.to_json().to_str(), Some(text));
}

#[test]
fn what_is_not_nvmetclis_is_refused_with_a_reason() {
    assert!(Document::parse("{").unwrap_err().to_string().contains("line 1"));
    assert!(matches!(Document::parse("[]"), Err(ParseError::NoObject)));
    assert!(matches!(Document::parse(r#"{"version": 1}"#), Err(ParseError::OwnFormat)));
}

#[test]
fn keys_are_not_shown() {
    let document = Document::parse(r#"{"hosts": [{"nqn": "h", "dhchap": {"key": "hush"}}]}"#).unwrap();
    assert!(!format!("{document:?}").contains("hush"));
}

fn read(text: &str) -> Read {
    Document::parse(text).unwrap().to_spec()
}

#[test]
fn a_saved_target_is_understood_whole() {
    let read = read(include_str!("../../tests/nvmetcli/saved.json"));
    assert_eq!(read.notes, []);
    let spec = read.spec;
    let host: HostNqn = "nqn.2024-05.lab.example:client-a".parse().unwrap();
    let subsystem = &spec.subsystems[&"nqn.2024-05.lab.example:disk0".parse::<SubsysNqn>().unwrap()];
    assert_eq!(subsystem.access, HostAccess::Only([host.clone()].into()));
    assert!(spec.hosts[&host].settings.secret("dhchap_key").unwrap().starts_with("DHHC-1:"));
    assert_eq!(subsystem.settings.text("attr_serial"), Some("LAB0001"));
    assert_eq!(subsystem.passthru, Some(PassthruSpec::disabled()));
    let namespace = &subsystem.namespaces[&Nsid::new(1).unwrap()];
    assert_eq!(namespace.device_path.as_ref().unwrap().as_str(), "/dev/vg0/export0");
    assert_eq!(namespace.settings.number("ana_grpid"), Some(2));
    assert_eq!(subsystem.namespaces[&Nsid::new(2).unwrap()].device_path, None);
    let port = &spec.ports[&PortId(7)];
    assert_eq!(port.transport.to_string(), "tcp 192.0.2.10 port 4420");
    assert_eq!(port.settings.text("addr_treq"), Some("required"));
    assert_eq!(port.settings.number("param_inline_data_size"), Some(16384));
    assert_eq!(port.ana_groups[&AnaGroupId::new(2).unwrap()], AnaState::NonOptimized);
    let referral = &port.referrals[&"r1".parse().unwrap()];
    assert!(referral.enabled && referral.settings.text("addr_traddr") == Some("192.0.2.99"));
    assert_eq!(spec.ports[&PortId(8)].transport, PortTransport::Loop);
}

#[test]
fn every_oddity_is_a_note_and_the_rest_is_used() {
    let read = read(
        r#"{"hosts": [{}, {"nqn": "h,h"}, {"nqn": "h"}, 7],
                "subsystems": [{"nqn": "s", "attr": {"allow_any_host": 1, "qid_max": "129", "attr_new": 5},
                                "allowed_hosts": ["h"], "extra": 1,
                                "namespaces": [{"nsid": 0}, {"nsid": "0x3", "enable": 1, "ana_grpid": 128,
                                                "device": {"path": "relative", "uuid": "x"}}]},
                               {"nqn": "t", "attr": {"allow_any_host": true}}],
                "ports": [{"portid": 1, "addr": {"trtype": "TCP"}}, {"portid": 2}, {"portid": 70000},
                          {"portid": "3", "addr": {"trtype": "rdma", "tsas": "connected"},
                           "ana_groups": [{"grpid": 128}, {"grpid": 2, "ana": {"state": "odd"}}],
                           "referrals": [{"name": "a/b"}], "subsystems": "s"}]}"#,
    );
    let lines: Vec<String> = read.notes.iter().map(ToString::to_string).collect();
    for (pointer, word) in [
        ("/hosts/0:", "no `nqn`"),
        ("/hosts/1/nqn:", "cannot be the name"),
        ("/hosts/3:", "an object"),
        ("/subsystems/0/extra:", "not part"),
        ("/subsystems/0:", "only those may connect"),
        ("/subsystems/0/attr/qid_max:", "1 to 128"),
        ("/subsystems/0/namespaces/0/nsid:", "from 1"),
        ("/subsystems/0/namespaces/1/device/path:", "from the root"),
        ("/subsystems/0/namespaces/1/device/uuid:", "UUID"),
        ("/subsystems/0/namespaces/1/ana_grpid:", "1 to 127"),
        ("/ports/0/addr:", "one of `tcp`"),
        ("/ports/2/portid:", "65535"),
        ("/ports/3/ana_groups/0/grpid:", "127"),
        ("/ports/3/ana_groups/1/ana/state:", "one of optimized"),
        ("/ports/3/referrals/0/name:", "cannot be a name"),
        ("/ports/3/subsystems:", "a list"),
    ] {
        assert!(
            lines.iter().any(|l| l.starts_with(pointer) && l.contains(word)),
            "{pointer} {word}: {lines:#?}"
        );
    }
    assert_eq!(lines.len(), 16, "{lines:#?}");
    assert_eq!((read.spec.hosts.len(), read.spec.subsystems.len(), read.spec.ports.len()), (1, 2, 2));
    let s = &read.spec.subsystems[&"s".parse::<SubsysNqn>().unwrap()];
    assert_eq!(s.settings.text("attr_attr_new"), Some("5"), "unknown attributes are carried");
    assert!(s.namespaces[&Nsid::new(3).unwrap()].enabled);
    assert_eq!(read.spec.subsystems[&"t".parse::<SubsysNqn>().unwrap()].access, HostAccess::Any);
}
