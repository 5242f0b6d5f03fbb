//! Identify, features and log pages of controllers with namespaces.

use nvme_proto::command::admin::{FeatureSelect, GetFeatures, SetFeatures};
use nvme_proto::command::io::Read;
use nvme_proto::fabrics::{Capabilities, Connect, Property, PropertyGet};
use nvme_proto::feature::{
    FeatureId, HostBehavior, NumberOfQueues, TemperatureThreshold, Timestamp, WriteProtection,
    WriteProtectionState,
};
use nvme_proto::identify::{
    Cns, CommandSet, CommandSetCombinations, ControllerList, IdentifyCommand, IdentifyController,
    IdentifyNamespace, IndependentNamespace, NamespaceIds, NamespaceList,
};
use nvme_proto::log::{
    AnaLog, EffectsLog, FeatureEffectsLog, FirmwareLog, GetLogPage, HealthLog, LogId, SupportedLogPages,
};
use nvme_proto::machine::Time;

use super::*;
use crate::target::{AnaGroup, AnaState, Settings, WriteProtect};

fn identify(line: &mut Line, cns: Cns, nsid: u32) -> Vec<u8> {
    data(line.fetch(IdentifyCommand::new(cns, nsid).to_sqe(), 4096))
}

fn log(line: &mut Line, lid: LogId, len: u32) -> Vec<u8> {
    data(line.fetch(GetLogPage::new(lid, 0, len).unwrap().to_sqe(), len))
}

fn ids(line: &mut Line, cns: Cns, behind: u32) -> Vec<u32> {
    NamespaceList::new_checked(identify(line, cns, behind)).unwrap().ids().collect()
}

/// Values that a Linux host computes with; where the Linux target has the same structure, its values.
#[test]
fn a_controller_is_what_a_linux_host_expects() {
    let target = target();
    let (mut admin, _io, cntlid) = association(&target, 1, &Host::number(1));
    let id = IdentifyController::new_checked(identify(&mut admin, Cns::CONTROLLER, 0)).unwrap();
    assert_eq!(id.oddities().collect::<Vec<_>>(), []);
    assert_eq!(
        (id.subnqn_text(), id.cntlid(), id.version().to_string()),
        (nqn("disk").to_string(), cntlid, "2.0.0".into())
    );
    assert_eq!((id.model().as_str(), id.serial().len()), ("nvme-fabrics soft target", 20));
    assert_eq!((id.sq_entry_size(), id.cq_entry_size(), id.max_commands()), (0x66, 0x44, 128));
    assert_eq!((id.multipath().0, id.controller_type().0), (0x0b, 1));
    assert_eq!((id.async_events().0, id.attributes().0), (0x900, 0x41));
    assert_eq!((id.keep_alive_granularity(), id.abort_limit(), id.async_event_limit()), (10, 3, 3));
    assert_eq!((id.error_log_entries(), id.power_states(), id.volatile_write_cache()), (127, 0, 5));
    assert_eq!((id.namespaces(), id.max_allowed_namespaces()), (1024, 1024));
    assert_eq!((id.sgl_support().0, id.max_sgl_descriptors()), (0x0010_0001, 1));
    assert_eq!(
        (id.io_capsule_size(), id.io_response_size(), id.in_capsule_offset()),
        ((8192 + 64) / 16, 1, 0)
    );
    assert_eq!(
        (id.ana_capabilities().0, id.ana_transition_time(), id.ana_group_max(), id.ana_groups()),
        (0x1f, 10, 128, 128)
    );
    assert_eq!(id.max_data_bytes(12), Some(1 << 20));
    assert_eq!((id.fabrics_commands(), id.fabrics_attributes()), (1, 0));
    assert_eq!((id.io_commands().0, id.fused_operations(), id.write_protection()), (0xfd, 0, 1));
    assert_eq!((id.admin_commands().0, id.firmware_updates(), id.log_attributes().0), (0, 3, 0x27));
    // The properties say the same.
    let mut property = |property| admin.plain(PropertyGet::new(property).to_sqe()).result();
    let cap = Capabilities(property(Property::CAP));
    assert_eq!((cap.max_queue_entries(), cap.timeout(), cap.min_page(), cap.max_page()), (127, 15, 0, 0));
    assert!(
        cap.nvm_command_set() && cap.io_command_sets() && cap.ready_with_media() && cap.contiguous_queues()
    );
    assert_eq!((property(Property::VS), property(Property::CRTO)), (0x0002_0000, 15));
}

#[test]
fn settings_are_seen_by_hosts() {
    let settings =
        Settings::new().queue_entries(64).unwrap().max_transfer(64 << 10).unwrap().in_capsule(4096).unwrap();
    let target = Target::with_settings(settings);
    target.add_subsystem(Subsystem::new(nqn("disk")).allow_any_host().io_queues(2).unwrap()).unwrap();
    target.add_port(Port::tcp(PortId(1), "192.0.2.1:4420".parse().unwrap()).export(nqn("disk"))).unwrap();
    let (mut admin, _) = Line::admin(&target, 1, &nqn("disk"), &Host::number(1));
    let id = IdentifyController::new_checked(identify(&mut admin, Cns::CONTROLLER, 0)).unwrap();
    assert_eq!((id.max_commands(), id.max_data_bytes(12), id.io_capsule_size()), (64, Some(64 << 10), 260));
    let machine = admin.connection.machine();
    assert_eq!((machine.depth, machine.max_transfer, machine.io_in_capsule), (64, 64 << 10, 4096));
    assert_eq!(admin.plain(SetFeatures::of(NumberOfQueues::pairs(99)).to_sqe()).result(), 0x0001_0001);
    assert_eq!(admin.plain(SetFeatures::of(NumberOfQueues::pairs(0)).to_sqe()).result(), 0);
    assert_eq!(admin.plain(GetFeatures::new(FeatureId::NUMBER_OF_QUEUES).to_sqe()).result(), 0);
    // More than MDTS.
    let sqe = Read::new(1, 0, 127).to_sqe();
    refused(&admin.fetch(sqe, (64 << 10) + 4), Status::DATA_SGL_LENGTH_INVALID);
    let outcome = Line::open(&target, 1).connect(
        Connect::admin(64, 0),
        Cntlid::DYNAMIC,
        &nqn("disk"),
        &Host::number(1),
    );
    refused(&outcome, Status::CONNECT_INVALID_PARAMETERS);
}

#[test]
fn a_namespace_is_described() {
    let target = target();
    let uuid = [0x11; 16];
    let third = Namespace::new(nsid(4), memory()).uuid(uuid).nguid([0x22; 16]).eui64([0x33; 8]);
    target.add_namespace(&nqn("disk"), third.ana_group(AnaGroup::new(5).unwrap())).unwrap();
    let (mut admin, _io, cntlid) = association(&target, 1, &Host::number(1));
    let id = IdentifyNamespace::new_checked(identify(&mut admin, Cns::NAMESPACE, 3)).unwrap();
    assert_eq!((id.size(), id.capacity(), id.used(), id.block_bytes()), (256, 256, 256, Some(4096)));
    assert_eq!((id.sharing(), id.reservations().0, id.ana_group(), id.attributes()), (1, 0xfe, 1, 0));
    assert_eq!((id.format_limit(), id.format_in_use(), id.nvm_capacity()), (0, 0, MIB.into()));
    assert_eq!(id.deallocation(), 9);
    assert_eq!(identify(&mut admin, Cns::ALLOCATED_NAMESPACE, 3), id.into_inner());
    let id = IdentifyNamespace::new_checked(identify(&mut admin, Cns::NAMESPACE, 4)).unwrap();
    assert_eq!(
        (id.nguid(), id.eui64(), id.ana_group(), id.block_bytes()),
        ([0x22; 16], [0x33; 8], 5, Some(512))
    );
    let found = NamespaceIds::decode(&identify(&mut admin, Cns::NAMESPACE_DESCRIPTORS, 4)).unwrap();
    assert_eq!((found.uuid, found.nguid, found.eui64), (Some(uuid), Some([0x22; 16]), Some([0x33; 8])));
    let found = NamespaceIds::decode(&identify(&mut admin, Cns::NAMESPACE_DESCRIPTORS, 1)).unwrap();
    assert!(found.uuid.is_some() && found.nguid.is_some() && found.eui64.is_none());
    assert_eq!(found.command_set, Some(CommandSet::NVM));
    let id = IndependentNamespace::new_checked(identify(&mut admin, Cns::INDEPENDENT_NAMESPACE, 4)).unwrap();
    assert!(id.is_ready() && id.ana_group() == 5 && id.attributes() == 0);
    // Lists.
    for cns in [Cns::ACTIVE_NAMESPACES, Cns::ALLOCATED_NAMESPACES, Cns::IO_ACTIVE_NAMESPACES] {
        assert_eq!((ids(&mut admin, cns, 0), ids(&mut admin, cns, 3)), (vec![1, 3, 4], vec![4]));
    }
    for (cns, nsid) in [(Cns::CONTROLLERS, 0), (Cns::ATTACHED_CONTROLLERS, 1)] {
        let list = ControllerList::new_checked(identify(&mut admin, cns, nsid)).unwrap();
        assert_eq!(list.ids().collect::<Vec<_>>(), [cntlid]);
    }
    let sets = CommandSetCombinations::new_checked(identify(&mut admin, Cns::IO_COMMAND_SETS, 0)).unwrap();
    assert_eq!(sets.combinations().map(|(index, set)| (index, set.0)).collect::<Vec<_>>(), [(0, 1)]);
    assert_eq!(identify(&mut admin, Cns::IO_CONTROLLER, 0).len(), 4096);
    // Over a path that does not work, and when it is protected.
    target.set_ana_state(PortId(1), AnaGroup::ONE, AnaState::Inaccessible).unwrap();
    target.set_write_protect(&nqn("disk"), nsid(3), WriteProtect::Protected).unwrap();
    let id = IdentifyNamespace::new_checked(identify(&mut admin, Cns::NAMESPACE, 3)).unwrap();
    assert_eq!((id.size(), id.used(), id.attributes()), (256, 0, 1));
}

#[test]
fn features_are_kept_and_have_defaults() {
    let target = target();
    let (mut admin, _io, _) = association(&target, 1, &Host::number(1));
    let get = |line: &mut Line, feature, select| {
        line.plain(with!(GetFeatures::new(feature), select: select, nsid: 1).to_sqe())
    };
    for (feature, value, default) in [
        (FeatureId::ARBITRATION, 0x0102_0303, 7),
        (FeatureId::POWER_MANAGEMENT, 0, 0),
        (FeatureId::ERROR_RECOVERY, 5, 0),
        (FeatureId::VOLATILE_WRITE_CACHE, 1, 1),
        (FeatureId::WRITE_ATOMICITY, 1, 0),
        (FeatureId::ASYNC_EVENT_CONFIGURATION, 0x100, 0x900),
        (FeatureId::KEEP_ALIVE_TIMER, 7000, 0),
        (FeatureId::IO_COMMAND_SET_PROFILE, 0, 0),
        (FeatureId::TEMPERATURE_THRESHOLD, 300, 0xffff),
    ] {
        let set = SetFeatures::new(feature, value);
        done(&admin.plain(set.to_sqe()));
        assert_eq!(get(&mut admin, feature, FeatureSelect::CURRENT).result(), u64::from(value), "{feature}");
        if feature != FeatureId::KEEP_ALIVE_TIMER {
            assert_eq!(get(&mut admin, feature, FeatureSelect::DEFAULT).result(), default, "{feature}");
            assert_eq!(get(&mut admin, feature, FeatureSelect::SAVED).result(), default, "{feature}");
        }
        let of_namespace = with!(set, nsid: 1);
        refused(&admin.plain(of_namespace.to_sqe()), Status::FEATURE_NOT_NAMESPACE_SPECIFIC);
    }
    let under = TemperatureThreshold::default().with_kind(1).with_temperature(250);
    done(&admin.plain(SetFeatures::of(under).to_sqe()));
    let part = with!(GetFeatures::new(FeatureId::TEMPERATURE_THRESHOLD), part: TemperatureThreshold::default().with_kind(1).0);
    assert_eq!(admin.plain(part.to_sqe()).result(), 250);
    for (feature, value, status) in [
        (FeatureId::POWER_MANAGEMENT, 1, Status::INVALID_FIELD),
        (FeatureId::ERROR_RECOVERY, 1 << 16, Status::INVALID_FIELD),
        (FeatureId::VOLATILE_WRITE_CACHE, 0, Status::FEATURE_NOT_CHANGEABLE),
        (FeatureId::IO_COMMAND_SET_PROFILE, 1, Status::IO_COMMAND_SET_COMBINATION_REJECTED),
        (FeatureId::TEMPERATURE_THRESHOLD, 1 << 16, Status::INVALID_FIELD),
        (FeatureId::AUTONOMOUS_POWER_STATE, 0, Status::INVALID_FIELD),
    ] {
        let outcome = match feature {
            FeatureId::AUTONOMOUS_POWER_STATE => {
                admin.bring(SetFeatures::new(feature, value).to_sqe(), &[0; 256])
            }
            _ => admin.plain(SetFeatures::new(feature, value).to_sqe()),
        };
        assert_eq!(outcome.status(), Some(status), "{feature}");
    }
    // After the first I/O queue their number is fixed.
    refused(&admin.plain(SetFeatures::of(NumberOfQueues::pairs(3)).to_sqe()), Status::COMMAND_SEQUENCE_ERROR);
}

#[test]
fn features_with_data() {
    let target = target();
    let host = Host::number(1);
    let (mut admin, _io, _) = association(&target, 1, &host);
    let set = SetFeatures::new(FeatureId::TIMESTAMP, 0).to_sqe();
    admin.now = Time::from_millis(1000);
    done(&admin.bring(set, &Timestamp::new(1_700_000_000_000).encode()));
    admin.now = Time::from_millis(3500);
    let get = |line: &mut Line, feature, part, len| {
        data(line.fetch(with!(GetFeatures::new(feature), part: part).to_sqe(), len))
    };
    let timestamp = Timestamp::decode(&get(&mut admin, FeatureId::TIMESTAMP, 0, 8)).unwrap();
    assert_eq!((timestamp.millis(), timestamp.attributes.origin()), (1_700_000_002_500, 1));
    let mut behavior = HostBehavior::default();
    behavior.advanced_retry = 1;
    let set = SetFeatures::new(FeatureId::HOST_BEHAVIOR_SUPPORT, 0).to_sqe();
    done(&admin.bring_late(set, &behavior.encode()));
    assert_eq!(get(&mut admin, FeatureId::HOST_BEHAVIOR_SUPPORT, 0, 512), behavior.encode());
    assert_eq!(get(&mut admin, FeatureId::HOST_IDENTIFIER, 1, 16), host.id.as_bytes());
}

#[test]
fn a_host_protects_a_namespace() {
    let target = target();
    let (mut admin, _io, _) = association(&target, 1, &Host::number(1));
    let protect = |line: &mut Line, nsid, state| {
        let value = WriteProtection::default().with_state(state);
        line.plain(with!(SetFeatures::of(value), nsid: nsid).to_sqe())
    };
    let state = |line: &mut Line| {
        let get = with!(GetFeatures::new(FeatureId::NAMESPACE_WRITE_PROTECTION), nsid: 1);
        line.plain(get.to_sqe()).result()
    };
    done(&protect(&mut admin, 1, WriteProtectionState::PROTECTED));
    assert_eq!(state(&mut admin), 1);
    done(&protect(&mut admin, 1, WriteProtectionState::NONE));
    refused(&protect(&mut admin, 1, WriteProtectionState::UNTIL_POWER_CYCLE), Status::INVALID_FIELD);
    refused(&protect(&mut admin, 1, WriteProtectionState::PERMANENT), Status::INVALID_FIELD);
    refused(&protect(&mut admin, 2, WriteProtectionState::PROTECTED), Status::INVALID_NAMESPACE_OR_FORMAT);
    refused(
        &protect(&mut admin, u32::MAX, WriteProtectionState::PROTECTED),
        Status::INVALID_NAMESPACE_OR_FORMAT,
    );
    target.set_write_protect(&nqn("disk"), nsid(1), WriteProtect::Permanent).unwrap();
    refused(&protect(&mut admin, 1, WriteProtectionState::NONE), Status::FEATURE_NOT_CHANGEABLE);
    assert_eq!(state(&mut admin), 3);
}

#[test]
fn log_pages_of_the_device() {
    let target = target();
    let (mut admin, _io, _) = association(&target, 1, &Host::number(1));
    let supported = SupportedLogPages::new_checked(log(&mut admin, LogId::SUPPORTED, 1024)).unwrap();
    let pages: Vec<u8> = supported.supported().map(|(lid, _)| lid.0).collect();
    assert_eq!(pages, [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x0c, 0x12, 0x80]);
    // What is said to be supported can be read.
    for lid in &pages {
        assert_eq!(log(&mut admin, LogId(*lid), 64).len(), 64);
    }
    let firmware = FirmwareLog::new_checked(log(&mut admin, LogId::FIRMWARE, 512)).unwrap();
    assert_eq!((firmware.active_slot(), firmware.revision(1)), (1, Some(env!("CARGO_PKG_VERSION").into())));
    admin.now = Time::from_millis(3 * 3_600_000);
    let health = HealthLog::new_checked(log(&mut admin, LogId::HEALTH, 512)).unwrap();
    assert_eq!((health.warning().0, health.spare(), health.used(), health.power_on()), (0, 100, 0, 3));
    let mut of_none = GetLogPage::new(LogId::HEALTH, 0, 512).unwrap();
    of_none.nsid = 77;
    refused(&admin.fetch(of_none.to_sqe(), 512), Status::INVALID_NAMESPACE_OR_FORMAT);
    // What is said to be supported is, and nothing else.
    let effects = EffectsLog::new_checked(log(&mut admin, LogId::EFFECTS, 4096)).unwrap();
    let admin_commands: Vec<u8> = effects.admin_commands().map(|(opcode, _)| opcode).collect();
    assert_eq!(admin_commands, [0x02, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x18]);
    let io_commands: Vec<(u8, u32)> =
        effects.io_commands().map(|(opcode, effects)| (opcode, effects.0)).collect();
    assert_eq!(
        io_commands,
        [
            (0, 1),
            (1, 3),
            (2, 1),
            (5, 1),
            (8, 3),
            (9, 3),
            (0x0c, 1),
            (0x0d, 1),
            (0x0e, 1),
            (0x11, 1),
            (0x15, 1)
        ]
    );
    let features = FeatureEffectsLog::new_checked(log(&mut admin, LogId::FEATURE_EFFECTS, 1024)).unwrap();
    let all: Vec<u8> = features.features().map(|(feature, _)| feature).collect();
    assert_eq!(all, [1, 2, 4, 5, 6, 7, 0x0a, 0x0b, 0x0e, 0x0f, 0x16, 0x19, 0x81, 0x82, 0x83, 0x84]);
    for feature in all {
        let command =
            with!(GetFeatures::new(FeatureId(feature)), nsid: 1, select: FeatureSelect::CAPABILITIES);
        let command = with!(command, part: u32::from(feature == 0x81));
        done(&admin.plain(command.to_sqe()));
    }
}

#[test]
fn asymmetric_access_as_the_port_has_it() {
    let target = target();
    let group = AnaGroup::new(7).unwrap();
    target.set_ana_group(&nqn("disk"), nsid(3), group).unwrap();
    target.set_ana_state(PortId(2), group, AnaState::PersistentLoss).unwrap();
    let (mut first, _io, _) = association(&target, 1, &Host::number(1));
    let (mut second, _io, _) = association(&target, 2, &Host::number(1));
    let groups = |line: &mut Line, lsp| {
        let mut command = GetLogPage::new(LogId::ANA, 0, 8208).unwrap();
        command.nsid = u32::MAX;
        command.lsp = lsp;
        let log = AnaLog::new_checked(data(line.fetch(command.to_sqe(), 8208))).unwrap();
        let all = log.groups().map(|g| g.unwrap());
        all.map(|g| (g.id, g.state.0, g.nsids().collect::<Vec<_>>())).collect::<Vec<_>>()
    };
    assert_eq!(groups(&mut first, 0), [(1, 1, vec![1]), (7, 1, vec![3])]);
    assert_eq!(groups(&mut second, 0), [(1, 1, vec![1]), (7, 4, vec![3])]);
    assert_eq!(groups(&mut second, 1), [(1, 1, vec![]), (7, 4, vec![])]);
}
