//! What this crate knows about attributes: their order, which of them are secret, how an old value is put back.
//!
//! | object | order in which values are stored | why |
//! |---|---|---|
//! | host | hash, group, keys | keys are checked against nothing else |
//! | subsystem | text first, `attr_cntlid_max` before `attr_cntlid_min` | the kernel compares each with the other |
//! | namespace | everything before `enable` | an enabled namespace refuses most of them |
//! | port | `addr_trtype` first, `addr_tsas` before `addr_treq` | the first clears `addr_tsas`, that one overwrites `addr_treq` |
//! | referral | `enable` last | an enabled referral refuses its address |

use crate::object::Object;
use crate::tree::Name;

/// Attributes in the order they are stored in; those not named here follow, by name; `enable` is always last.
const ORDER: &[&str] = &[
    "dhchap_hash",
    "dhchap_dhgroup",
    "dhchap_key",
    "dhchap_ctrl_key",
    "attr_version",
    "attr_serial",
    "attr_model",
    "attr_firmware",
    "attr_ieee_oui",
    "attr_cntlid_max",
    "attr_cntlid_min",
    "attr_qid_max",
    "attr_vendor_id",
    "attr_subsys_vendor_id",
    "attr_pi_enable",
    "buffered_io",
    "resv_enable",
    "p2pmem",
    "device_path",
    "device_uuid",
    "device_nguid",
    "ana_grpid",
    "addr_trtype",
    "addr_adrfam",
    "addr_traddr",
    "addr_trsvcid",
    "addr_portid",
    "addr_tsas",
    "addr_treq",
    "param_inline_data_size",
    "param_max_queue_size",
    "param_mdts",
    "param_pi_enable",
    "attr_allow_any_host",
];

/// The values the kernel rewrites when a port goes into service (`core.c:nvmet_enable_port`), and keeps afterwards.
pub(crate) const REWRITTEN_BY_ENABLE: &[&str] =
    &["param_inline_data_size", "param_max_queue_size", "param_mdts"];

/// Where an attribute stands among those of its object.
pub(crate) fn rank(name: &Name) -> (bool, usize, &Name) {
    let known = ORDER.iter().position(|n| n.as_bytes() == name.as_bytes()).unwrap_or(ORDER.len());
    (name.as_bytes() == b"enable", known, name)
}

/// Whether a value must not be shown.
pub(crate) fn is_secret(name: &Name) -> bool {
    name.as_bytes().starts_with(b"dhchap_") && name.as_bytes().ends_with(b"key")
}

/// How an old value of an attribute comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Restore {
    /// By writing this.
    Value(Vec<u8>),
    /// Only a new object has it: the kernel prints it but does not take it.
    OnlyFresh,
}

/// How `value` (as printed, without its newline) of the attribute `name` of an object comes back.
pub(crate) fn restore(object: Object, name: &Name, value: &[u8]) -> Restore {
    let only_fresh = match name.to_str().unwrap_or("") {
        "device_path" => value == b"(null)",
        "addr_trtype" | "addr_adrfam" => value.is_empty(),
        // `none` and `connected` come with the transport.
        "addr_tsas" => value != b"tls1.3",
        "param_mdts" => value.starts_with(b"-"),
        "dhchap_key" | "dhchap_ctrl_key" => value.is_empty(),
        "dhchap_hash" | "dhchap_dhgroup" => value == b"none",
        _ => false,
    };
    match (name.as_bytes(), value) {
        _ if only_fresh => Restore::OnlyFresh,
        // 128 is stored as 0 since Linux 6.1 (`configfs.c:nvmet_ns_ana_grpid_store`).
        (b"ana_grpid", b"0") if object == Object::NamespaceAttribute => Restore::Value(b"128".to_vec()),
        // An empty address is stored by white space; an empty write is refused.
        (_, b"") => Restore::Value(b"\n".to_vec()),
        _ => Restore::Value(value.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enable_is_last_and_the_transport_first() {
        let mut names: Vec<Name> = ["enable", "zzz_new", "addr_treq", "addr_tsas", "addr_trtype"]
            .iter()
            .map(|n| n.parse().unwrap())
            .collect();
        names.sort_by(|a, b| rank(a).cmp(&rank(b)));
        let names: Vec<String> = names.iter().map(Name::to_string).collect();
        assert_eq!(names, ["addr_trtype", "addr_tsas", "addr_treq", "zzz_new", "enable"]);
    }

    #[test]
    fn values_that_only_a_new_object_has() {
        let back =
            |object, name: &str, value: &str| restore(object, &name.parse().unwrap(), value.as_bytes());
        assert_eq!(back(Object::NamespaceAttribute, "device_path", "(null)"), Restore::OnlyFresh);
        assert_eq!(back(Object::PortAttribute, "addr_trtype", ""), Restore::OnlyFresh);
        assert_eq!(back(Object::PortAttribute, "addr_traddr", ""), Restore::Value(b"\n".to_vec()));
        assert_eq!(back(Object::PortAttribute, "param_mdts", "-1"), Restore::OnlyFresh);
        assert_eq!(
            back(Object::PortAttribute, "param_inline_data_size", "-1"),
            Restore::Value(b"-1".to_vec())
        );
        assert_eq!(back(Object::NamespaceAttribute, "ana_grpid", "0"), Restore::Value(b"128".to_vec()));
    }

    #[test]
    fn keys_are_secret() {
        for (name, secret) in [("dhchap_key", true), ("dhchap_ctrl_key", true), ("dhchap_hash", false)] {
            assert_eq!(is_secret(&name.parse().unwrap()), secret, "{name}");
        }
    }
}
