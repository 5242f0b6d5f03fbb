//! Specs made from bytes.

use nvme_proto::{HostNqn, Nsid, SubsysNqn};

use super::{Choices, Must};
use crate::spec::{
    AnaGroupId, AnaState, Buffering, DevicePath, HostAccess, HostSpec, Model, NamespaceSpec, Nguid, NsUuid,
    PassthruSpec, PortId, PortSpec, PortTransport, ReferralSpec, Serial, SubsystemSpec, TargetSpec,
};
use crate::tree::FakeKernel;

/// Not a secret of anyone.
const KEYS: [&str; 2] = [
    "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:",
    "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
];

const STATES: [AnaState; 5] = [
    AnaState::Optimized,
    AnaState::NonOptimized,
    AnaState::Inaccessible,
    AnaState::PersistentLoss,
    AnaState::Change,
];

/// Whether the machine has the controller `/dev/nvme0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    There,
    Absent,
}

pub(super) fn host(n: u8) -> HostNqn {
    HostNqn::new(format!("nqn.2014-08.org.example:host{n}")).must("a host NQN")
}

pub(super) fn nqn(n: u8) -> SubsysNqn {
    SubsysNqn::new(format!("nqn.2014-08.org.example:s{n}")).must("a subsystem NQN")
}

/// Sets some attributes to one of their values each. `$set` is a spec that has `settings`.
macro_rules! maybe_set {
    ($choices:expr, $spec:expr, $($name:literal: [$($value:expr),+];)*) => {$(
        if $choices.below(3) == 0 {
            let values = [$($value),+];
            let value = values[usize::from($choices.byte()) % values.len()];
            $spec.settings.set($name, value).must("a value");
        }
    )*};
}

fn namespace(choices: &mut Choices<'_>, kernel: FakeKernel) -> NamespaceSpec {
    let device = DevicePath::new(format!("/dev/ram{}", choices.below(4))).must("a path");
    let mut namespace = NamespaceSpec::new(device);
    match choices.below(8) {
        0 | 1 => namespace.enabled = false,
        2 => namespace = NamespaceSpec::without_device(),
        _ => {}
    }
    if choices.flag() {
        namespace = namespace.uuid(NsUuid([choices.byte(); 16]));
    }
    if choices.flag() {
        namespace = namespace.nguid(Nguid([choices.byte(); 16]));
    }
    maybe_set!(choices, namespace, "ana_grpid": ["1", "2", "3", "127"];);
    if kernel >= FakeKernel::V7_3 {
        maybe_set!(choices, namespace, "resv_enable": ["0", "1"];);
    }
    match choices.below(4) {
        0 => namespace.buffered(Buffering::PageCache),
        1 => namespace.buffered(Buffering::Direct),
        _ => namespace,
    }
}

fn host_spec(choices: &mut Choices<'_>, kernel: FakeKernel) -> HostSpec {
    let mut host = HostSpec::new();
    if kernel >= FakeKernel::V6_12 {
        maybe_set!(choices, host,
            "dhchap_key": [KEYS[0], KEYS[1], ""];
            "dhchap_ctrl_key": [KEYS[0], KEYS[1], ""];
            "dhchap_hash": ["hmac(sha256)"];
            "dhchap_dhgroup": ["null"];
        );
    }
    host
}

fn subsystem(choices: &mut Choices<'_>, kernel: FakeKernel) -> SubsystemSpec {
    let mut subsystem = SubsystemSpec::nobody();
    if choices.flag() {
        subsystem = subsystem.serial(Serial::new(format!("S{}", choices.byte())).must("a serial number"));
    }
    if choices.flag() {
        subsystem = subsystem.model(Model::new(format!("M{}", choices.byte())).must("a model"));
    }
    // Each pair in turn crosses the others.
    if choices.below(3) == 0 {
        let (min, max) =
            [("1", "9"), ("10", "19"), ("5", "300"), ("400", "65519")][usize::from(choices.below(4))];
        subsystem.settings.set("attr_cntlid_min", min).must("a value");
        subsystem.settings.set("attr_cntlid_max", max).must("a value");
    }
    maybe_set!(choices, subsystem,
        "attr_version": ["1.4", "2.0.1"];
        "attr_qid_max": ["4", "128"];
        "attr_pi_enable": ["0", "1"];
    );
    if kernel >= FakeKernel::V6_12 {
        maybe_set!(choices, subsystem, "attr_firmware": ["F1", "F2"]; "attr_ieee_oui": ["0x1234", "0"];);
    }
    if kernel >= FakeKernel::V7_3 {
        maybe_set!(choices, subsystem, "attr_vendor_id": ["0x1af4"]; "attr_subsys_vendor_id": ["7", "0"];);
    }
    subsystem
}

fn referral(choices: &mut Choices<'_>) -> ReferralSpec {
    let mut referral = match choices.below(3) {
        0 => ReferralSpec::new(),
        1 => ReferralSpec::tcp("192.0.2.7".parse().must("an address"), 8009),
        _ => ReferralSpec::tcp("2001:db8::7".parse().must("an address"), 4420).disabled(),
    };
    maybe_set!(choices, referral, "addr_portid": ["0", "7"]; "addr_treq": ["required", "not required"];);
    referral
}

fn port(choices: &mut Choices<'_>, kernel: FakeKernel, id: PortId) -> PortSpec {
    // Service numbers of different ports differ, so that they do not collide.
    let trsvcid = 4000 + id.0 * 10 + u16::from(choices.below(3));
    let address = ["127.0.0.1", "::1", "0.0.0.0"][usize::from(choices.below(3))];
    let traddr = address.parse().must("an address");
    let transport = match choices.below(8) {
        0 if kernel >= FakeKernel::V6_12 => PortTransport::Loop,
        _ => PortTransport::Tcp { traddr, trsvcid },
    };
    let tcp = transport != PortTransport::Loop;
    let mut port = PortSpec::new(transport);
    if choices.flag() {
        port = port.inline_data_size(u32::from(choices.byte()) * 4096);
    }
    maybe_set!(choices, port, "param_pi_enable": ["0"]; "addr_treq": ["required", "not required"];);
    if kernel >= FakeKernel::V6_12 {
        maybe_set!(choices, port, "param_max_queue_size": ["16", "128", "1024", "-1"];);
        if tcp {
            maybe_set!(choices, port, "addr_tsas": ["none", "tls1.3"];);
        }
    }
    if kernel >= FakeKernel::V7_3 {
        maybe_set!(choices, port, "param_mdts": ["0", "5", "-1"];);
    }
    for _ in 0..choices.below(3) {
        let group = AnaGroupId::new(u32::from(choices.below(4)) + 1).must("a group");
        port = port.ana_group(group, STATES[usize::from(choices.below(5))]);
    }
    for _ in 0..choices.below(3) {
        let name = ["there", "elsewhere"][usize::from(choices.below(2))];
        port = port.referral(name.parse().must("a name"), referral(choices));
    }
    port
}

/// A valid spec for any target that has `/dev/ram0` to `/dev/ram3`: up to four hosts, subsystems and ports, with everything that this
/// kernel knows.
pub(super) fn spec(choices: &mut Choices<'_>, kernel: FakeKernel, controller: Controller) -> TargetSpec {
    let mut spec = TargetSpec::new();
    for n in 0..choices.below(4) {
        spec = spec.host_with(host(n), host_spec(choices, kernel));
    }
    for _ in 0..choices.below(4) {
        let mut subsystem = subsystem(choices, kernel);
        if choices.flag() {
            subsystem.access = HostAccess::Any;
        } else {
            for _ in 0..choices.below(3) {
                let host = host(choices.below(4));
                spec = spec.host(host.clone());
                subsystem = subsystem.allow(host);
            }
        }
        for _ in 0..choices.below(4) {
            let nsid = Nsid::new(u32::from(choices.below(4)) + 1).must("a namespace id");
            subsystem = subsystem.namespace(nsid, namespace(choices, kernel));
        }
        spec = spec.subsystem(nqn(choices.below(4)), subsystem);
    }
    // Of its own and not exported: a path that was set for the first time can only be taken back while nobody uses the subsystem.
    if controller == Controller::There && kernel >= FakeKernel::V6_12 && choices.below(4) == 0 {
        let mut passthru = PassthruSpec::new(DevicePath::new("/dev/nvme0").must("a path"));
        passthru.enabled = choices.flag();
        maybe_set!(choices, passthru, "admin_timeout": ["0", "100"]; "clear_ids": ["0", "1"];);
        spec = spec.subsystem(nqn(9), SubsystemSpec::any_host().passthru(passthru));
    }
    for _ in 0..choices.below(4) {
        let id = PortId(u16::from(choices.below(4)) + 1);
        let mut port = port(choices, kernel, id);
        for _ in 0..choices.below(3) {
            let nqn = nqn(choices.below(4));
            if !spec.subsystems.contains_key(&nqn) {
                spec = spec.subsystem(nqn.clone(), SubsystemSpec::any_host());
            }
            port = port.export(nqn);
        }
        spec = spec.port(id, port);
    }
    spec
}
