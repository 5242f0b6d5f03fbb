//! The attributes, object by object, in the order in which they are stored.
//!
//! Within a subsystem text comes first and `attr_cntlid_max` before `attr_cntlid_min`, since the kernel compares each with the other
//! (a plan that lowers both turns the pair round); a port's `addr_trtype` clears `addr_tsas`, which overwrites `addr_treq`; `enable` is
//! last everywhere, since it locks the rest.

use super::{Attribute, Effect, Since, ValueKind, Writable, attr};
use crate::object::Object as O;

const TRTYPES: &[&str] = &["tcp", "rdma", "fc", "loop", "pci"];
const ADRFAMS: &[&str] = &["ipv4", "ipv6", "ib", "fc", "loop", "pci"];
const TREQS: &[&str] = &["not specified", "required", "not required"];
const HASHES: &[&str] = &["hmac(sha256)", "hmac(sha384)", "hmac(sha512)"];
const GROUPS: &[&str] = &["null", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"];
const STATES: &[&str] = &["optimized", "non-optimized", "inaccessible", "persistent-loss", "change"];

const FLAG: ValueKind = ValueKind::Flag;
const TRADDR: ValueKind = ValueKind::Word { max: 255 };
const TRSVCID: ValueKind = ValueKind::Word { max: 31 };
const CNTLID: ValueKind = ValueKind::Number { min: 1, max: 65535 };
const ANY: ValueKind = ValueKind::Number { min: 0, max: u32::MAX };

const AUTH: &str = "NVME_TARGET_AUTH";
const PASSTHRU: &str = "NVME_TARGET_PASSTHRU";
const INTEGRITY: &str = "BLK_DEV_INTEGRITY";

/// Every attribute this crate knows, from Linux 5.10 to 7.3. Others are carried as they are: see [`ValueKind::Opaque`].
#[rustfmt::skip]
pub const ATTRIBUTES: &[Attribute] = &[
    // ---- the target ----
    attr(O::Root, "discovery_nqn", ValueKind::Line { max: 223 }, Since(6, 9))
        .fresh("nqn.2014-08.org.nvmexpress.discovery").source("nvmet_root_discovery_nqn_store")
        .quirk("A newline behind it is refused although the value was stored. The kernel overwrites memory when it is written in \
                releases before 6.12.33. No subsystem may have a name that begins with it."),

    // ---- hosts ----
    attr(O::Host, "dhchap_hash", ValueKind::Choice(HASHES), Since(6, 0)).build(AUTH).fresh("hmac(sha256)")
        .source("nvmet_host_dhchap_hash_store").quirk("Used from the next connect on."),
    attr(O::Host, "dhchap_dhgroup", ValueKind::Choice(GROUPS), Since(6, 0)).build(AUTH).fresh("null")
        .source("nvmet_host_dhchap_dhgroup_store").quirk("The kernel must have the algorithm (ffdhe groups: CRYPTO_DH)."),
    attr(O::Host, "dhchap_key", ValueKind::Key, Since(6, 0)).build(AUTH).secret()
        .source("auth.c:nvmet_auth_set_key")
        .quirk("Asked for only from hosts that are permitted by name, never under `attr_allow_any_host`. Readable by every local user \
                until this crate writes it, which takes that away. Once set, it can be cleared only by removing the host (before 6.12)."),
    attr(O::Host, "dhchap_ctrl_key", ValueKind::Key, Since(6, 0)).build(AUTH).secret()
        .source("auth.c:nvmet_auth_set_key").quirk("The target's own key, for authentication both ways. Else as `dhchap_key`."),

    // ---- subsystems ----
    attr(O::Subsystem, "attr_version", ValueKind::Version, Since(5, 10)).fresh("1.3 (2.1 since 6.13)").writable(Writable::UntilIdentified)
        .source("nvmet_subsys_attr_version_store_locked").quirk("Set by pass-through while that is enabled."),
    attr(O::Subsystem, "attr_serial", ValueKind::Ascii { max: 20 }, Since(5, 10)).fresh("(random)").writable(Writable::UntilIdentified)
        .source("nvmet_subsys_attr_serial_store").quirk("Read back padded with blanks to 20 characters. A hexadecimal number in 5.10."),
    attr(O::Subsystem, "attr_model", ValueKind::Ascii { max: 40 }, Since(5, 10)).fresh("Linux").writable(Writable::UntilIdentified)
        .source("nvmet_subsys_attr_model_store"),
    attr(O::Subsystem, "attr_firmware", ValueKind::Ascii { max: 8 }, Since(6, 3)).fresh("(the kernel's release)")
        .writable(Writable::UntilIdentified).source("nvmet_subsys_attr_firmware_store"),
    attr(O::Subsystem, "attr_ieee_oui", ValueKind::Number { min: 0, max: 0xff_ffff }, Since(6, 3)).fresh("0x000000")
        .writable(Writable::UntilIdentified).source("nvmet_subsys_attr_ieee_oui_store"),
    attr(O::Subsystem, "attr_cntlid_max", CNTLID, Since(5, 10)).fresh("65519")
        .source("nvmet_subsys_attr_cntlid_max_store").quirk("Must be above `attr_cntlid_min`; may be equal since 6.8."),
    attr(O::Subsystem, "attr_cntlid_min", CNTLID, Since(5, 10)).fresh("1")
        .source("nvmet_subsys_attr_cntlid_min_store").quirk("Must be below `attr_cntlid_max`; may be equal since 6.8."),
    attr(O::Subsystem, "attr_qid_max", ValueKind::Number { min: 1, max: 128 }, Since(6, 1)).fresh("128")
        .effect(Effect::DisconnectsSubsystem).source("nvmet_subsys_attr_qid_max_store")
        .quirk("Every write disconnects all hosts of the subsystem, whatever the value (since 6.6 at the latest; not in 6.1)."),
    attr(O::Subsystem, "attr_vendor_id", ValueKind::Number { min: 0, max: 0xffff }, Since(6, 14)).fresh("0x0")
        .source("nvmet_subsys_attr_vendor_id_store"),
    attr(O::Subsystem, "attr_subsys_vendor_id", ValueKind::Number { min: 0, max: 0xffff }, Since(6, 14)).fresh("0x0")
        .source("nvmet_subsys_attr_subsys_vendor_id_store"),
    attr(O::Subsystem, "attr_pi_enable", FLAG, Since(5, 10)).build(INTEGRITY).fresh("0")
        .source("nvmet_subsys_attr_pi_enable_store").quirk("Protection information; only RDMA ports can carry it."),
    attr(O::Subsystem, "attr_allow_any_host", FLAG, Since(5, 10)).fresh("0").structural("access").writable(Writable::WhileNobodyPermitted)
        .source("nvmet_subsys_attr_allow_any_host_store").quirk("Hosts that are connected stay so when it becomes 0."),

    // ---- namespaces ----
    attr(O::Namespace, "buffered_io", FLAG, Since(5, 10)).fresh("0").writable(Writable::WhileDisabled)
        .source("nvmet_ns_buffered_io_store")
        .quirk("EINVAL, not EBUSY, while enabled. Never enable with it and without a device: the kernel follows a null pointer."),
    attr(O::Namespace, "resv_enable", FLAG, Since(6, 13)).fresh("0").writable(Writable::WhileDisabled)
        .source("nvmet_ns_resv_enable_store").quirk("EINVAL, not EBUSY, while enabled."),
    attr(O::Namespace, "p2pmem", ValueKind::Peer, Since(5, 10)).build("PCI_P2PDMA").fresh("0").writable(Writable::WhileDisabled)
        .source("nvmet_ns_p2pmem_store").quirk("ENODEV for a device that is not there or has no such memory."),
    attr(O::Namespace, "device_path", ValueKind::Path, Since(5, 10)).fresh("(null)").structural("device_path")
        .writable(Writable::WhileDisabled).source("nvmet_ns_device_path_store")
        .quirk("Looked at when the namespace is enabled, in the mount namespace of the process that does it. Cannot be unset. The kernel \
                stores 4095 bytes, and reading those back overwrites a byte of its memory: 4094 are the most that this crate writes."),
    attr(O::Namespace, "device_uuid", ValueKind::Uuid, Since(5, 10)).fresh("(random)").writable(Writable::WhileDisabled)
        .source("nvmet_ns_device_uuid_store"),
    attr(O::Namespace, "device_nguid", ValueKind::Nguid, Since(5, 10)).fresh("00000000-0000-0000-0000-000000000000")
        .writable(Writable::WhileDisabled).source("nvmet_ns_device_nguid_store"),
    attr(O::Namespace, "ana_grpid", ValueKind::Number { min: 1, max: 127 }, Since(5, 10)).fresh("1")
        .source("nvmet_ns_ana_grpid_store")
        .quirk("128 is stored as 0 (since 6.1), a group that every port lets through. In a group that a port does not have, the namespace \
                is inaccessible there."),
    attr(O::Namespace, "revalidate_size", FLAG, Since(5, 10)).write_only().structural("revalidate_size")
        .writable(Writable::WhileEnabled).source("nvmet_ns_revalidate_size_store").quirk("Only 1 can be written."),
    attr(O::Namespace, "enable", FLAG, Since(5, 10)).fresh("0").structural("enabled").source("nvmet_ns_enable_store")
        .quirk("Succeeds without doing anything while pass-through is enabled. Writing 0 waits for outstanding I/O."),

    // ---- pass-through ----
    attr(O::Passthru, "device_path", ValueKind::Path, Since(5, 10)).build(PASSTHRU).fresh("(null)").structural("device_path")
        .writable(Writable::WhileDisabled).source("nvmet_passthru_device_path_store").quirk("Cannot be unset."),
    attr(O::Passthru, "admin_timeout", ANY, Since(5, 11)).build(PASSTHRU).fresh("0")
        .source("nvmet_passthru_admin_timeout_store").quirk("0 is the driver's own; else in jiffies."),
    attr(O::Passthru, "io_timeout", ANY, Since(5, 11)).build(PASSTHRU).fresh("0")
        .source("nvmet_passthru_io_timeout_store").quirk("0 is the driver's own; else in jiffies."),
    attr(O::Passthru, "clear_ids", ANY, Since(6, 0)).build(PASSTHRU).fresh("0")
        .source("nvmet_passthru_clear_ids_store").quirk("The kernel sets it to 1 when a host connects over loop."),
    attr(O::Passthru, "enable", FLAG, Since(5, 10)).build(PASSTHRU).fresh("0").structural("enabled")
        .source("passthru.c:nvmet_passthru_ctrl_enable")
        .quirk("Needs a subsystem without enabled namespaces (without any since 6.13). Replaces `attr_version`; 0 resets that."),

    // ---- ports and referrals ----
    attr(O::Port, "addr_trtype", ValueKind::Choice(TRTYPES), Since(5, 10)).structural("transport").writable(Writable::WhileIdle)
        .source("nvmet_addr_trtype_store").quirk("Clears `addr_tsas`. Cannot be unset. `pci` since 6.14."),
    attr(O::Port, "addr_adrfam", ValueKind::Choice(ADRFAMS), Since(5, 10)).structural("transport").writable(Writable::WhileIdle)
        .source("nvmet_addr_adrfam_store").quirk("Cannot be unset. `pci` since 6.14."),
    attr(O::Port, "addr_traddr", TRADDR, Since(5, 10)).structural("transport").writable(Writable::WhileIdle)
        .source("nvmet_addr_traddr_store").quirk("Cut at white space. Checked when the port goes into service."),
    attr(O::Port, "addr_trsvcid", TRSVCID, Since(5, 10)).structural("transport").writable(Writable::WhileIdle)
        .source("nvmet_addr_trsvcid_store").quirk("Cut at white space; a leading 0 makes it octal."),
    attr(O::Port, "addr_tsas", ValueKind::Choice(&["none", "tls1.3"]), Since(6, 7)).writable(Writable::WhileIdle)
        .source("nvmet_addr_tsas_store")
        .quirk("TCP only. `none` resets `addr_treq`, `tls1.3` raises it to `required`; the latter needs NVME_TARGET_TCP_TLS and the \
                NVMe key ring, which must exist when the port is made."),
    attr(O::Port, "addr_treq", ValueKind::Choice(TREQS), Since(5, 10)).fresh("not specified").writable(Writable::WhileIdle)
        .source("nvmet_addr_treq_store").quirk("`not specified` is refused while `addr_tsas` is `tls1.3`."),
    attr(O::Port, "param_inline_data_size", ValueKind::Auto { min: 0, max: 0x7fff_ffff }, Since(5, 10)).fresh("-1")
        .writable(Writable::WhileIdle).source("nvmet_param_inline_data_size_store")
        .quirk("Filled in when the port goes into service (TCP: 16384), and kept."),
    attr(O::Port, "param_max_queue_size", ValueKind::Auto { min: 16, max: 1024 }, Since(6, 9)).fresh("-1")
        .writable(Writable::WhileIdle).source("nvmet_param_max_queue_size_store")
        .quirk("Filled in when the port goes into service (TCP: 1024), and kept; limited to 16 to 1024 then (RDMA: 256)."),
    attr(O::Port, "param_mdts", ValueKind::Auto { min: 0, max: 255 }, Since(7, 1)).fresh("-1")
        .writable(Writable::WhileIdle).source("nvmet_param_mdts_store").quirk("Its first value, -1, cannot be written back."),
    attr(O::Port, "param_pi_enable", FLAG, Since(5, 10)).build(INTEGRITY).fresh("0").writable(Writable::WhileIdle)
        .source("nvmet_param_pi_enable_store").quirk("A port of another transport than RDMA cannot go into service with it."),
    attr(O::AnaGroup, "ana_state", ValueKind::Choice(STATES), Since(5, 10)).fresh("inaccessible (group 1: optimized)")
        .structural("ana_groups").source("nvmet_ana_group_ana_state_store").quirk("Hosts are told; nobody is disconnected."),
    attr(O::Referral, "addr_trtype", ValueKind::Choice(TRTYPES), Since(5, 10)).writable(Writable::WhileDisabled)
        .source("nvmet_addr_trtype_store").quirk("Cannot be unset."),
    attr(O::Referral, "addr_adrfam", ValueKind::Choice(ADRFAMS), Since(5, 10)).writable(Writable::WhileDisabled)
        .source("nvmet_addr_adrfam_store").quirk("Cannot be unset. A new referral has `pci` since 6.14."),
    attr(O::Referral, "addr_traddr", TRADDR, Since(5, 10)).writable(Writable::WhileDisabled)
        .source("nvmet_addr_traddr_store").quirk("Nothing about a referral is checked by the kernel."),
    attr(O::Referral, "addr_trsvcid", TRSVCID, Since(5, 10)).writable(Writable::WhileDisabled).source("nvmet_addr_trsvcid_store"),
    attr(O::Referral, "addr_portid", ValueKind::Number { min: 0, max: 0xffff }, Since(5, 10)).fresh("0")
        .writable(Writable::WhileDisabled).source("nvmet_addr_portid_store").quirk("The number of the port over there."),
    attr(O::Referral, "addr_treq", ValueKind::Choice(TREQS), Since(5, 10)).fresh("not specified").writable(Writable::WhileDisabled)
        .source("nvmet_addr_treq_store"),
    attr(O::Referral, "enable", FLAG, Since(5, 10)).fresh("0").structural("enabled").source("nvmet_referral_enable_store"),
];
