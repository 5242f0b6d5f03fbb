//! Which attributes and default groups an object is born with, on each kernel.

use std::collections::BTreeMap;

use super::{Dir, FakeKernel, Node};
use crate::tree::Name;

fn dir(made_by_user: bool, attrs: Vec<(&'static str, &str)>, groups: Vec<(&'static str, Dir)>) -> Dir {
    let attrs = attrs.into_iter().map(|(n, v)| (Name::fixed(n), Node::Attr(v.as_bytes().to_vec())));
    let groups = groups.into_iter().map(|(n, d)| (Name::fixed(n), Node::Dir(d)));
    Dir { made_by_user, nodes: attrs.chain(groups).collect() }
}

fn empty() -> Dir {
    Dir { made_by_user: false, nodes: BTreeMap::new() }
}

/// `configfs.c:nvmet_init_configfs`.
pub(super) fn root(kernel: FakeKernel) -> Dir {
    let mut attrs = Vec::new();
    if kernel >= FakeKernel::V6_12 {
        attrs.push(("discovery_nqn", super::DISCOVERY_NQN));
    }
    dir(false, attrs, vec![("hosts", empty()), ("subsystems", empty()), ("ports", empty())])
}

/// `configfs.c:nvmet_hosts_make_group`. Debian's 6.1 is built without authentication.
pub(super) fn host(kernel: FakeKernel) -> Dir {
    let attrs = if kernel >= FakeKernel::V6_12 {
        vec![
            ("dhchap_key", ""),
            ("dhchap_ctrl_key", ""),
            ("dhchap_hash", "hmac(sha256)"),
            ("dhchap_dhgroup", "null"),
        ]
    } else {
        Vec::new()
    };
    dir(true, attrs, Vec::new())
}

/// `configfs.c:nvmet_subsys_make`. Debian's 6.1 is built without pass-through.
pub(super) fn subsystem(kernel: FakeKernel, serial: &str) -> Dir {
    let mut attrs = vec![
        ("attr_allow_any_host", "0"),
        ("attr_cntlid_max", "65519"),
        ("attr_cntlid_min", "1"),
        ("attr_model", "Linux"),
        ("attr_pi_enable", "0"),
        ("attr_qid_max", "128"),
        ("attr_serial", serial),
        ("attr_version", kernel.version()),
    ];
    let mut groups = vec![("namespaces", empty()), ("allowed_hosts", empty())];
    if kernel >= FakeKernel::V6_12 {
        attrs.extend([("attr_firmware", kernel.firmware()), ("attr_ieee_oui", "0x000000")]);
        let passthru = vec![
            ("admin_timeout", "0"),
            ("clear_ids", "0"),
            ("device_path", "(null)"),
            ("enable", "0"),
            ("io_timeout", "0"),
        ];
        groups.push(("passthru", dir(false, passthru, Vec::new())));
    }
    if kernel >= FakeKernel::V7_3 {
        attrs.extend([("attr_vendor_id", "0x0"), ("attr_subsys_vendor_id", "0x0")]);
    }
    dir(true, attrs, groups)
}

/// `configfs.c:nvmet_ns_make`.
pub(super) fn namespace(kernel: FakeKernel, uuid: &str) -> Dir {
    let mut attrs = vec![
        ("ana_grpid", "1"),
        ("buffered_io", "0"),
        ("device_nguid", "00000000-0000-0000-0000-000000000000"),
        ("device_path", "(null)"),
        ("device_uuid", uuid),
        ("enable", "0"),
        ("revalidate_size", ""),
    ];
    if kernel >= FakeKernel::V7_3 {
        attrs.extend([("p2pmem", "0"), ("resv_enable", "0")]);
    }
    dir(true, attrs, Vec::new())
}

/// `configfs.c:nvmet_ports_make`.
pub(super) fn port(kernel: FakeKernel) -> Dir {
    let mut attrs = vec![
        ("addr_adrfam", ""),
        ("addr_traddr", ""),
        ("addr_treq", "not specified"),
        ("addr_trsvcid", ""),
        ("addr_trtype", ""),
        ("param_inline_data_size", "-1"),
        ("param_pi_enable", "0"),
    ];
    if kernel >= FakeKernel::V6_12 {
        attrs.extend([("addr_tsas", ""), ("param_max_queue_size", "-1")]);
    }
    if kernel >= FakeKernel::V7_3 {
        attrs.push(("param_mdts", "-1"));
    }
    let mut first = ana_group("optimized");
    first.made_by_user = false;
    let groups = vec![
        ("subsystems", empty()),
        ("referrals", empty()),
        ("ana_groups", dir(false, Vec::new(), vec![("1", first)])),
    ];
    dir(true, attrs, groups)
}

/// `configfs.c:nvmet_referral_make`. Since 6.14 the address family of a new one prints as `pci`, number 0.
pub(super) fn referral(kernel: FakeKernel) -> Dir {
    let adrfam = if kernel >= FakeKernel::V7_3 { "pci" } else { "" };
    let attrs = vec![
        ("addr_adrfam", adrfam),
        ("addr_portid", "0"),
        ("addr_traddr", ""),
        ("addr_treq", "not specified"),
        ("addr_trsvcid", ""),
        ("addr_trtype", ""),
        ("enable", "0"),
    ];
    dir(true, attrs, Vec::new())
}

/// `configfs.c:nvmet_ana_groups_make_group`.
pub(super) fn ana_group(state: &str) -> Dir {
    dir(true, vec![("ana_state", state)], Vec::new())
}
