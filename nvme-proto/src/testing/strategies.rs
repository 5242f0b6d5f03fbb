//! Values of the crate's types, evenly spread over their forms rather than over their bits.

use alloc::format;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::discovery::{
    DiscoveryEntry, DiscoveryLog, EntryFlags, SubsystemType, TcpSecurity, TransportRequirements,
};
use crate::types::{Cntlid, HostId, HostNqn, IpTraddr, Nqn, Nsid, SubsysNqn, Traddr, TransportType, Trsvcid};
use crate::{AddressFamily, DISCOVERY_NQN, Status};

/// Any host identifier.
pub fn host_id() -> impl Strategy<Value = HostId> {
    any::<[u8; 16]>().prop_map(HostId::from_bytes)
}

/// Text that is an NQN, of every form and up to the longest.
pub fn nqn_text() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[a-z0-9:._-]{1,40}",
        2 => "nqn\\.20[0-9]{2}-0[1-9]\\.[a-z]{2,3}\\.[a-z0-9-]{1,12}:[a-zA-Z0-9:._ -]{0,30}[a-z]",
        1 => host_id().prop_map(|id| format!("nqn.2014-08.org.nvmexpress:uuid:{id}")),
        1 => Just(String::from(DISCOVERY_NQN)),
        1 => "[^\\p{Cc}\\p{Z},/.]{1,55}",
        1 => "[!-+.0-~]{221,223}",
    ]
    .prop_filter("an NQN", |text| Nqn::new(text.as_str()).is_ok())
}

/// Any NQN.
pub fn nqn() -> impl Strategy<Value = Nqn> {
    nqn_text().prop_filter_map("an NQN", |text| Nqn::new(text).ok())
}

/// Any name of a subsystem.
pub fn subsys_nqn() -> impl Strategy<Value = SubsysNqn> {
    nqn().prop_map(SubsysNqn::from)
}

/// Any name of a host.
pub fn host_nqn() -> impl Strategy<Value = HostNqn> {
    nqn().prop_map(HostNqn::from)
}

/// Any IP address, IPv6 ones with and without scope.
pub fn ip_traddr() -> impl Strategy<Value = IpTraddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| IpTraddr::new(IpAddr::V4(Ipv4Addr::from(octets)))),
        any::<[u8; 16]>().prop_map(|octets| IpTraddr::new(IpAddr::V6(Ipv6Addr::from(octets)))),
        (any::<u64>(), "[a-z][a-z0-9.@_-]{0,14}").prop_filter_map("an interface", |(host, scope)| {
            let link_local = Ipv6Addr::from(0xfe80_u128 << 112 | u128::from(host));
            IpTraddr::with_scope(link_local, scope).ok()
        }),
    ]
}

/// Any transport address: mostly IP addresses.
pub fn traddr() -> impl Strategy<Value = Traddr> {
    prop_oneof![
        3 => ip_traddr().prop_map(|ip| Traddr::from(&ip)),
        1 => "[!-+.-~-]{1,255}".prop_filter_map("an address", |text| Traddr::new(text).ok()),
    ]
}

/// Any transport service: mostly ports.
pub fn trsvcid() -> impl Strategy<Value = Trsvcid> {
    prop_oneof![
        3 => any::<u16>().prop_map(Trsvcid::from),
        1 => "[!-+.-~-]{1,31}".prop_filter_map("a service", |text| Trsvcid::new(text).ok()),
    ]
}

/// Any namespace identifier: small ones, and the largest.
pub fn nsid() -> impl Strategy<Value = Nsid> {
    prop_oneof![1..=32_u32, 1..=Nsid::MAX, Just(Nsid::MAX)]
        .prop_filter_map("an id", |nsid| Nsid::new(nsid).ok())
}

/// Any status.
pub fn status() -> impl Strategy<Value = Status> {
    (0..=0x7fff_u16).prop_map(Status)
}

/// A discovery log entry whose text fields are valid and whose numbers are arbitrary.
pub fn discovery_entry() -> impl Strategy<Value = DiscoveryEntry> {
    let numbers = (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>(), any::<[u16; 4]>(), any::<u8>());
    (numbers, any::<bool>(), trsvcid(), subsys_nqn(), traddr()).prop_map(
        |((transport, family, kind, treq, words, security), tcp, trsvcid, subnqn, traddr)| {
            let [port_id, cntlid, admin_queue_size, flags] = words;
            let mut entry = DiscoveryEntry::zeroed();
            entry.set_transport_type(if tcp { TransportType::TCP } else { TransportType(transport) });
            entry.set_address_family(AddressFamily(family));
            entry.set_subsystem_type(SubsystemType(kind));
            entry.set_requirements(TransportRequirements(treq));
            entry.set_port_id(port_id);
            entry.set_cntlid(Cntlid(cntlid));
            entry.set_admin_queue_size(admin_queue_size);
            entry.set_flags(EntryFlags(flags));
            entry.set_trsvcid(&trsvcid);
            entry.set_subnqn(&subnqn);
            entry.set_traddr(&traddr);
            entry.set_tcp_security(TcpSecurity(security));
            entry
        },
    )
}

/// A discovery log of up to 12 entries.
pub fn discovery_log() -> impl Strategy<Value = DiscoveryLog> {
    (any::<u64>(), vec(discovery_entry(), 0..12))
        .prop_map(|(generation, entries)| DiscoveryLog::new(generation, entries))
}
