//! A TCP segment out of a packet of a link: Ethernet (with VLAN tags), Linux "cooked" (both versions), raw IP and loopback.

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::Linktype;

use super::capture::{Segment, Time};

/// Raw IP by the numbers that some systems write in place of [`Linktype::RAW`].
const RAW_ELSEWHERE: [i32; 2] = [12, 14];

/// The kind of link is in these bits; in those above stands how long the check sum behind each frame is.
const LINK_MASK: i32 = 0xffff;

/// What a packet is to the dissector.
#[derive(Debug)]
pub enum Packet<'a> {
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// Something else, or in a tunnel.
    Other,
    /// Part of a TCP segment: IP split it up, and that is not put together here.
    Fragment,
    /// TCP, but the capture ends within the headers.
    Cut,
    /// From a link of a kind that is not known here.
    UnknownLink,
}

/// Reads a packet that is `cut` bytes shorter in the capture than it was sent.
pub fn packet(link: Linktype, time: Time, data: &[u8], cut: usize) -> Packet<'_> {
    let Some(read) = slice(Linktype(link.0 & LINK_MASK), data) else { return Packet::UnknownLink };
    let Some(sliced) = read else { return Packet::Other };
    let Some(net) = &sliced.net else { return Packet::Other };
    let Some((from, to, announced)) = ends(net) else { return Packet::Other };
    let Some(payload) = net.ip_payload_ref().filter(|payload| payload.ip_number == IpNumber::TCP) else {
        return Packet::Other;
    };
    match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            let missing = match announced {
                Some(announced) => announced.saturating_sub(extensions(net) + tcp.slice().len()),
                None => cut,
            };
            Packet::Tcp(Segment {
                time,
                from: SocketAddr::new(from, tcp.source_port()),
                to: SocketAddr::new(to, tcp.destination_port()),
                sequence: tcp.sequence_number(),
                syn: tcp.syn(),
                fin: tcp.fin(),
                acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
                payload: tcp.payload(),
                missing,
            })
        }
        _ if payload.fragmented => Packet::Fragment,
        _ => Packet::Cut,
    }
}

/// The layers of a packet: `None` where the link is unknown, `Some(None)` where the packet is too short for it.
#[allow(clippy::option_option, reason = "two different answers to two questions")]
fn slice(link: Linktype, data: &[u8]) -> Option<Option<LaxSlicedPacket<'_>>> {
    let ether_type = |at: usize| {
        data.get(at..at + 2)
            .and_then(|kind| kind.first_chunk())
            .map(|kind| EtherType(u16::from_be_bytes(*kind)))
    };
    let behind =
        |len: usize, kind: Option<EtherType>| Some(LaxSlicedPacket::from_ether_type(kind?, data.get(len..)?));
    let ip = |len: usize| LaxSlicedPacket::from_ip(data.get(len..)?).ok();
    Some(match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(data).ok(),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => ip(0),
        Linktype(other) if RAW_ELSEWHERE.contains(&other) => ip(0),
        // BSD loopback: four bytes with the protocol family.
        Linktype::NULL | Linktype::LOOP => ip(4),
        Linktype::LINUX_SLL => behind(16, ether_type(14)),
        Linktype::LINUX_SLL2 => behind(20, ether_type(0)),
        _ => return None,
    })
}

/// Source, destination, and the bytes behind the IP header by that header. Large segments of a local interface may carry length 0: then the
/// packet is as long as it was captured.
fn ends(net: &LaxNetSlice<'_>) -> Option<(IpAddr, IpAddr, Option<usize>)> {
    match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let announced = usize::from(header.total_len()).checked_sub(header.slice().len());
            Some((header.source_addr().into(), header.destination_addr().into(), announced))
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let announced = Some(usize::from(header.payload_length())).filter(|len| *len > 0);
            Some((header.source_addr().into(), header.destination_addr().into(), announced))
        }
        LaxNetSlice::Arp(_) => None,
    }
}

fn extensions(net: &LaxNetSlice<'_>) -> usize {
    match net {
        LaxNetSlice::Ipv6(ip) => ip.extensions().slice().len(),
        _ => 0,
    }
}
