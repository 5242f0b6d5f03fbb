//! Two states of a target that differ in every part and together use all that a spec can say, for cases that go from one to another.

use std::collections::BTreeSet;
use std::path::Path;

use nvmet_configfs::file::{self, Secrets};
use nvmet_configfs::{Consent, Foreign, OsTree, Policy, TargetSpec, Unknown, observe, plan, reconcile};

use super::scene;
use crate::guest::{Ctx, Failure, nvmet};
use crate::{ensure, ensure_eq};

/// Everything that another state may have set has a value, so that the same state always gives the same tree. On `/dev/ram0` to `/dev/ram3`.
const FIRST: &str = r#"
version = 1

[hosts."nqn.2024-05.org.example:alice"]
dhchap_hash = "hmac(sha384)"
dhchap_dhgroup = "ffdhe2048"

[hosts."nqn.2024-05.org.example:bob"]

[subsystems."nqn.2024-05.org.example:open"]
hosts = "any"
attr_serial = "FIRST1"
attr_model = "First Model"
attr_firmware = "1.0"
attr_version = "1.4"
attr_ieee_oui = 0x123456
attr_cntlid_min = 10
attr_cntlid_max = 19
attr_qid_max = 8
attr_vendor_id = 0x1af4
attr_subsys_vendor_id = 7
attr_pi_enable = false

[subsystems."nqn.2024-05.org.example:open".namespaces.1]
device_path = "/dev/ram0"
device_uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6b01"
device_nguid = "01234567-89ab-cdef-0123-456789abcd01"
ana_grpid = 1
buffered_io = false

[subsystems."nqn.2024-05.org.example:open".namespaces.2]
device_path = "/dev/ram1"
device_uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6b02"
ana_grpid = 2
resv_enable = true

[subsystems."nqn.2024-05.org.example:open".namespaces.7]
device_path = "/dev/ram2"
device_uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6b07"
enable = false

[subsystems."nqn.2024-05.org.example:closed"]
hosts = ["nqn.2024-05.org.example:alice"]
attr_serial = "FIRST2"
attr_firmware = "1.0"

[subsystems."nqn.2024-05.org.example:closed".namespaces.1]
device_path = "/dev/ram3"
device_uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6b11"
buffered_io = true

[subsystems."nqn.2024-05.org.example:through"]
hosts = []
attr_serial = "FIRST3"
attr_firmware = "1.0"
passthru = { enable = false, device_path = "/dev/nvme7", admin_timeout = 100, io_timeout = 200, clear_ids = 1 }

[ports.1]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = "4420"
addr_tsas = "none"
addr_treq = "not required"
param_inline_data_size = 8192
param_max_queue_size = 128
subsystems = ["nqn.2024-05.org.example:open", "nqn.2024-05.org.example:closed"]
ana_groups = { 1 = "optimized", 2 = "non-optimized" }

[ports.1.referrals.there]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "192.0.2.7"
addr_trsvcid = "8009"
addr_portid = 7
addr_treq = "required"

[ports.2]
addr_trtype = "tcp"
addr_adrfam = "ipv6"
addr_traddr = "::1"
addr_trsvcid = "4421"
addr_treq = "not specified"
subsystems = ["nqn.2024-05.org.example:closed"]
"#;

const SECOND: &str = r#"
version = 1

[hosts."nqn.2024-05.org.example:alice"]
dhchap_hash = "hmac(sha512)"
dhchap_dhgroup = "null"

[hosts."nqn.2024-05.org.example:carol"]

[subsystems."nqn.2024-05.org.example:open"]
hosts = ["nqn.2024-05.org.example:carol", "nqn.2024-05.org.example:alice"]
attr_serial = "SECOND1"
attr_model = "Second Model"
attr_firmware = "2.0"
attr_version = "2.0.1"
attr_ieee_oui = 0
attr_cntlid_min = 400
attr_cntlid_max = 65519
attr_qid_max = 128
attr_vendor_id = 0
attr_subsys_vendor_id = 0x1af4
attr_pi_enable = true

[subsystems."nqn.2024-05.org.example:open".namespaces.1]
device_path = "/dev/ram1"
device_uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6c01"
device_nguid = "01234567-89ab-cdef-0123-456789abcd02"
ana_grpid = 3
buffered_io = true

[subsystems."nqn.2024-05.org.example:open".namespaces.7]
device_path = "/dev/ram2"
device_uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6b07"

[subsystems."nqn.2024-05.org.example:new"]
hosts = "any"
attr_serial = "SECOND3"
attr_firmware = "2.0"

[subsystems."nqn.2024-05.org.example:new".namespaces.1]
device_path = "/dev/ram0"
device_uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6c11"

[subsystems."nqn.2024-05.org.example:through"]
hosts = "any"
attr_serial = "SECOND4"
attr_firmware = "2.0"
passthru = { enable = false, device_path = "/dev/nvme8", admin_timeout = 0, io_timeout = 0, clear_ids = 0 }

[ports.1]
addr_trtype = "tcp"
addr_adrfam = "ipv6"
addr_traddr = "::1"
addr_trsvcid = "4420"
addr_tsas = "tls1.3"
addr_treq = "required"
param_inline_data_size = 0
param_max_queue_size = 1024
subsystems = ["nqn.2024-05.org.example:open"]
ana_groups = { 1 = "non-optimized", 3 = "optimized" }

[ports.1.referrals.there]
addr_trtype = "tcp"
addr_adrfam = "ipv6"
addr_traddr = "2001:db8::7"
addr_trsvcid = "4420"
addr_portid = 8
addr_treq = "not specified"

[ports.1.referrals.elsewhere]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "192.0.2.8"
addr_trsvcid = "4420"
enable = false

[ports.3]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = "4423"
subsystems = ["nqn.2024-05.org.example:open", "nqn.2024-05.org.example:new"]
ana_groups = { 3 = "inaccessible" }
"#;

/// Keys of the hosts of both states. Not secrets of anyone.
const KEYS: [&str; 2] = [
    r#"
version = 1
[hosts."nqn.2024-05.org.example:alice"]
dhchap_key = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:"
dhchap_ctrl_key = ""
"#,
    r#"
version = 1
[hosts."nqn.2024-05.org.example:alice"]
dhchap_key = "DHHC-1:01:hz0G18jRd/Apnc51duyyy1iDFhL+hZaDwVcQLiuwip4FEvAv:"
dhchap_ctrl_key = "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"
"#,
];

fn spec(text: &str, keys: &str) -> Result<TargetSpec, Failure> {
    let mut spec = file::parse(text.as_bytes())?.spec;
    let without = Secrets::parse(keys.as_bytes())?.add_to(&mut spec);
    ensure!(without.is_empty(), "keys without a host: {without:?}");
    Ok(spec)
}

/// The two states, and the modules and disks they need.
pub(super) fn both(ctx: &mut Ctx) -> Result<[TargetSpec; 2], Failure> {
    scene::load(ctx)?;
    ctx.ram_disk(3)?;
    Ok([spec(FIRST, KEYS[0])?, spec(SECOND, KEYS[1])?])
}

/// What a kernel does not have is left out, what the spec does not name is removed, and hosts may be disturbed.
pub(super) fn exactly() -> Policy {
    Policy::foreign(Foreign::Remove).unknown(Unknown::Ignore).consent(Consent::Given)
}

/// The whole tree as text, keys of hosts included.
pub(super) fn whole() -> Result<String, Failure> {
    nvmet::dump(Path::new(nvmet::ROOT))
}

/// Whether a tree is as it should be; if not, shows the lines in which it differs.
pub(super) fn ensure_same(seen: &str, wanted: &str, what: impl std::fmt::Display) -> Result<(), Failure> {
    let only = |one: &str, other: &str| -> Vec<String> {
        let other: BTreeSet<&str> = other.lines().collect();
        one.lines().filter(|line| !other.contains(line)).map(str::to_owned).collect()
    };
    let (new, gone) = (only(seen, wanted), only(wanted, seen));
    ensure!(new.is_empty() && gone.is_empty(), "{what}: there is {new:#?}, there should be {gone:#?}");
    Ok(())
}

/// Brings the target to exactly this state, and sees that it is there. Gives the whole tree.
pub(super) fn reach(tree: &OsTree, spec: &TargetSpec) -> Result<String, Failure> {
    reconcile(tree, spec, &exactly())?;
    ensure_reached(tree, spec)?;
    whole()
}

/// A further change would write nothing that this kernel has, and all objects are there, and no others.
pub(super) fn ensure_reached(tree: &OsTree, spec: &TargetSpec) -> Result<(), Failure> {
    let again = reconcile(tree, spec, &exactly())?;
    ensure!(!again.changed(), "still to do: {:?}", again.steps());
    let observed = observe(tree)?;
    let counts = (observed.hosts.len(), observed.subsystems.len(), observed.ports.len());
    ensure_eq!(counts, (spec.hosts.len(), spec.subsystems.len(), spec.ports.len()), "objects");
    Ok(())
}

/// How many steps lead from here to there.
pub(super) fn steps(tree: &OsTree, spec: &TargetSpec) -> Result<usize, Failure> {
    Ok(plan(tree, spec, &exactly())?.len())
}
