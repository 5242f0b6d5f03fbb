//! Structures from real peers, read field by field and written back byte by byte.

mod common;

use nvme_proto::discovery::{
    Authentication, DiscoveryEntry, DiscoveryLog, EntryFlags, LogEntry, LogFlags, LogHeader, SecureChannel,
    SubsystemType, TcpSecurity, TransportRequirements,
};
use nvme_proto::identify::{
    AnaCapabilities, AsyncEvents, ControllerAttributes, ControllerType, DiscoveryControllerType,
    IdentifyController, IdentifyNamespace, IoCommands, LbaFormat, LogAttributes, Multipath, PowerState,
    SglSupport, Version,
};
use nvme_proto::{AddressFamily, Cntlid, DISCOVERY_NQN, IpTraddr, SubsysNqn, TransportType};

fn disk1() -> SubsysNqn {
    SubsysNqn::new("nqn.2024-01.org.example:disk1").unwrap()
}

#[test]
fn identify_of_a_linux_io_controller() {
    let bytes = common::identify_controller_io();
    let view = IdentifyController::new_checked(&bytes).unwrap();
    assert_eq!(view.serial(), "96f8a7bc500a8689bc34");
    assert_eq!(view.serial_bytes(), b"96f8a7bc500a8689bc34");
    assert_eq!((view.model().as_str(), view.firmware().as_str()), ("Linux", "6.12.107"));
    assert_eq!(view.subnqn(), Ok(disk1()));
    assert_eq!(view.version().to_string(), "1.3.0");
    assert_eq!(view.controller_type(), ControllerType::IO);
    assert_eq!((view.cntlid(), view.multipath()), (Cntlid(1), Multipath(11)));
    assert_eq!((view.max_data_transfer(), view.max_data_bytes(12)), (0, None));
    assert_eq!((view.async_events(), view.attributes()), (AsyncEvents(0x900), ControllerAttributes(0x41)));
    assert_eq!(view.keep_alive_granularity(), 10);
    assert_eq!((view.sq_entry_size(), view.cq_entry_size(), view.max_commands()), (0x66, 0x44, 1024));
    assert_eq!((view.namespaces(), view.max_allowed_namespaces()), (1024, 1024));
    assert_eq!(
        (view.io_commands(), view.volatile_write_cache(), view.sgl_support()),
        (IoCommands(0x000c), 1, SglSupport(0x0010_0001))
    );
    assert_eq!((view.io_capsule_size(), view.io_response_size(), view.in_capsule_offset()), (1028, 1, 0));
    assert_eq!((view.max_sgl_descriptors(), view.fabrics_attributes(), view.fabrics_commands()), (1, 0, 0));
    assert_eq!((view.ana_capabilities(), view.ana_transition_time()), (AnaCapabilities(0x1f), 10));
    assert_eq!((view.ana_group_max(), view.ana_groups()), (128, 128));
    let states: Vec<_> = view.supported_power_states().collect();
    assert_eq!((states.len(), states[0].max_microwatts()), (1, Some(25_000_000)));
    assert_eq!((states[0].entry_latency(), states[0].exit_latency()), (16, 4));
}

/// The same bytes from the setters: nothing the Linux target sets is missing, and nothing is written beside.
#[test]
fn identify_of_a_linux_io_controller_is_written_byte_by_byte() {
    let mut made = IdentifyController::zeroed();
    made.set_serial(b"96f8a7bc500a8689bc34");
    made.set_model(b"Linux");
    made.set_firmware(b"6.12.107");
    made.set_subnqn(&disk1());
    made.set_arbitration_burst(6);
    made.set_multipath(Multipath(11));
    made.set_cntlid(Cntlid(1));
    made.set_version(Version(0x0001_0300));
    made.set_async_events(AsyncEvents(0x900));
    made.set_attributes(ControllerAttributes(0x41));
    made.set_controller_type(ControllerType::IO);
    made.set_abort_limit(3);
    made.set_async_event_limit(3);
    made.set_firmware_updates(3);
    made.set_log_attributes(LogAttributes(7));
    made.set_error_log_entries(127);
    made.set_keep_alive_granularity(10);
    made.set_ana_transition_time(10);
    made.set_ana_capabilities(AnaCapabilities(0x1f));
    made.set_ana_group_max(128);
    made.set_ana_groups(128);
    made.set_sq_entry_size(0x66);
    made.set_cq_entry_size(0x44);
    made.set_max_commands(1024);
    made.set_namespaces(1024);
    made.set_io_commands(IoCommands(0x000c));
    made.set_volatile_write_cache(1);
    made.set_write_protection(1);
    made.set_sgl_support(SglSupport(0x0010_0001));
    made.set_max_allowed_namespaces(1024);
    made.set_io_capsule_size(1028);
    made.set_io_response_size(1);
    made.set_max_sgl_descriptors(1);
    let bytes = common::identify_controller_io();
    let mut state = PowerState::zeroed();
    state.set_max_power(2500);
    state.set_entry_latency(16);
    state.set_exit_latency(4);
    made.set_power_state(0, &state);
    assert_eq!(made.as_bytes(), bytes);
}

#[test]
fn identify_of_a_linux_discovery_controller() {
    let bytes = common::identify_controller_discovery();
    let view = IdentifyController::new_checked(&bytes).unwrap();
    assert_eq!((view.serial().as_str(), view.model().as_str()), ("68c8e51e65c93f5bf00b", "Linux"));
    assert_eq!(view.subnqn(), Ok(SubsysNqn::discovery()));
    assert_eq!(view.subnqn_text(), DISCOVERY_NQN);
    assert_eq!(view.controller_type(), ControllerType::DISCOVERY);
    assert_eq!(view.discovery_type(), DiscoveryControllerType::NOT_REPORTED);
    assert_eq!(
        (view.async_events(), view.log_attributes(), view.max_commands()),
        (AsyncEvents::DISCOVERY, LogAttributes::EXTENDED_DATA, 1024)
    );
    assert_eq!((view.keep_alive_granularity(), view.namespaces(), view.sq_entry_size()), (0, 0, 0));
}

#[test]
fn identify_with_the_fields_linux_leaves_zero() {
    let bytes = common::identify_controller_made();
    let view = IdentifyController::new_checked(&bytes).unwrap();
    assert_eq!((view.vendor_id(), view.subsystem_vendor_id()), (0x1d0f, 0x1d0f));
    assert_eq!(view.serial(), "NVMEPROTO0001");
    assert_eq!(view.model(), "nvme-proto test controller");
    assert_eq!(view.firmware(), "0.1");
    assert_eq!(view.ieee_oui(), [0xf8, 0x27, 0x00]);
    assert_eq!((view.arbitration_burst(), view.multipath()), (6, Multipath(11)));
    assert_eq!((view.max_data_transfer(), view.max_data_bytes(12)), (5, Some(131_072)));
    assert_eq!((view.version().major(), view.version().minor(), view.version().tertiary()), (2, 1, 0));
    assert_eq!((view.retry_delay_1(), view.retry_delay_2(), view.retry_delay_3()), (20, 0, 0));
    assert_eq!((view.abort_limit(), view.async_event_limit(), view.firmware_updates()), (3, 3, 2));
    assert_eq!((view.log_attributes(), view.error_log_entries()), (LogAttributes(6), 127));
    assert_eq!((view.warning_temperature(), view.critical_temperature()), (343, 353));
    assert_eq!(
        (view.sgl_support(), view.io_capsule_size(), view.io_response_size()),
        (SglSupport(0x0030_0001), 516, 1)
    );
    assert_eq!(view.subnqn(), Ok(disk1()));
    assert_eq!(view.as_bytes(), bytes);
}

#[test]
fn identify_of_a_linux_namespace() {
    let bytes = common::identify_namespace();
    let view = IdentifyNamespace::new_checked(&bytes).unwrap();
    assert_eq!((view.size(), view.capacity(), view.used()), (131_072, 131_072, 131_072));
    assert_eq!((view.block_bytes(), view.size_bytes()), (Some(512), Some(64 << 20)));
    assert_eq!(view.lba_format(), Some(LbaFormat { metadata_bytes: 0, data_log2: 9, performance: 0 }));
    assert_eq!((view.features(), view.format_limit(), view.format_in_use(), view.sharing()), (0x12, 0, 0, 1));
    assert_eq!((view.atomic_write(), view.atomic_write_power_fail(), view.atomic_compare_write()), (7, 7, 7));
    assert_eq!((view.ana_group(), view.nguid(), view.eui64()), (1, [0; 16], [0; 8]));
    assert!(!view.is_inactive());
    assert_eq!(view.into_inner(), &bytes);
}

#[test]
fn discovery_log_of_a_linux_target() {
    let [page, other, _] = common::discovery_pages();
    let log = DiscoveryLog::decode(&page).unwrap();
    assert_eq!((log.generation, log.entries.len()), (6, 3));
    let seen: Vec<_> = log
        .entries
        .iter()
        .map(|entry| {
            assert_eq!(entry.transport_type(), TransportType::TCP);
            assert_eq!((entry.cntlid(), entry.admin_queue_size()), (Cntlid::DYNAMIC, 32));
            assert_eq!((entry.flags(), entry.tcp_security()), (EntryFlags::NONE, Some(TcpSecurity::NONE)));
            let (traddr, port) = (entry.traddr().unwrap(), entry.trsvcid().unwrap().port().unwrap());
            let name = entry.subnqn().unwrap();
            (
                entry.subsystem_type(),
                entry.address_family(),
                traddr.to_string(),
                port,
                name,
                entry.port_id(),
                entry.requirements().0,
            )
        })
        .collect();
    let (v4, v6) = (AddressFamily::IPV4, AddressFamily::IPV6);
    let (here, there) = (String::from("127.0.0.1"), String::from("::1"));
    assert_eq!(
        seen,
        [
            (SubsystemType::CURRENT_DISCOVERY, v4, here.clone(), 4420, SubsysNqn::discovery(), 1, 4),
            (SubsystemType::NVM, v4, here, 4420, disk1(), 1, 4),
            (SubsystemType::REFERRAL, v6, there, 4421, SubsysNqn::discovery(), 2, 0),
        ]
    );
    assert_eq!(log.entries[0].requirements().to_string(), "not specified, sq flow control disable supported");
    // Written back byte by byte, the whole page and each entry.
    assert_eq!(log.encode(), page);
    assert_eq!(DiscoveryLog::decode(&other).unwrap().encode(), other);
}

/// The entries of the target from the constructor: what it writes is what Linux writes.
#[test]
fn discovery_entries_are_written_byte_by_byte() {
    let bytes = common::discovery_entries_2();
    let ip: IpTraddr = "::1".parse().unwrap();
    let mut made = DiscoveryEntry::tcp(SubsystemType::CURRENT_DISCOVERY, &SubsysNqn::discovery(), &ip, 4421);
    made.set_port_id(2);
    assert_eq!(made.encode(), bytes[..1024]);
    let mut made = DiscoveryEntry::tcp(SubsystemType::NVM, &disk1(), &ip, 4421);
    made.set_port_id(2);
    assert_eq!(made.encode(), bytes[1024..]);
    let referral = common::discovery_entries_3();
    let mut made = DiscoveryEntry::tcp(SubsystemType::REFERRAL, &SubsysNqn::discovery(), &ip, 4421);
    made.set_port_id(2);
    made.set_requirements(TransportRequirements(0));
    assert_eq!(made.encode(), referral[2048..]);
}

#[test]
fn discovery_log_with_the_fields_linux_leaves_zero() {
    let [_, _, page] = common::discovery_pages();
    let log = DiscoveryLog::decode(&page).unwrap();
    assert_eq!((log.generation, log.entries.len()), (6, 2));
    let [nvm, referral] = log.entries.as_slice() else { panic!("two entries") };
    assert_eq!(nvm.traddr().unwrap().ip(), Some("192.0.2.10".parse().unwrap()));
    assert!(nvm.requirements().may_disable_flow_control());
    assert_eq!(nvm.requirements().secure_channel(), SecureChannel::NOT_SPECIFIED);
    assert_eq!(referral.requirements().secure_channel(), SecureChannel::REQUIRED);
    assert_eq!(referral.requirements().authentication(), Authentication::NOT_SPECIFIED);
    assert_eq!(referral.flags(), EntryFlags::DUPLICATE_INFORMATION);
    assert_eq!(referral.tcp_security(), Some(TcpSecurity::TLS13));
    assert_eq!(referral.trsvcid().unwrap().port(), Some(8009));
    assert_eq!(referral.traddr_text(), "2001:db8::8009");
    assert_eq!(log.encode(), page);
}

#[test]
fn headers_are_read_from_20_bytes() {
    let header = LogHeader::decode(&common::discovery_header_3()).unwrap();
    assert_eq!(
        (header.generation, header.records, header.flags, header.total_len),
        (6, 3, LogFlags::NONE, 0)
    );
    assert_eq!(header.encode()[..20], common::discovery_header_3());
    let header = LogHeader::decode(&common::discovery_header_2()).unwrap();
    assert_eq!(header, LogHeader::new(6, 2));
}

/// Both paddings of text are in use; SPDK writes blanks where Linux writes NULs.
#[test]
fn entries_padded_with_blanks_read_the_same() {
    let bytes = common::discovery_entries_2();
    let mut padded = bytes.clone();
    for field in [32..64, 512..768] {
        for byte in padded[field].iter_mut().filter(|byte| **byte == 0) {
            *byte = b' ';
        }
    }
    let (linux, spdk) = (LogEntry::new_checked(&bytes).unwrap(), LogEntry::new_checked(&padded).unwrap());
    assert_eq!(spdk.trsvcid(), linux.trsvcid());
    assert_eq!(spdk.traddr(), linux.traddr());
    assert_eq!(spdk.traddr_text(), "::1");
    // And are kept.
    assert_eq!(spdk.encode(), padded[..1024]);
}
