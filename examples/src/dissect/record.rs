//! A capture file out of bytes that two ends send: for tests, which give what this crate encodes to decoders that others wrote.

use std::net::SocketAddrV4;

use nvme_proto::pdu::Role;

/// Payload of a packet at most, bytes.
const MOST: usize = 32 << 10;

const FIN: u8 = 1;
const SYN: u8 = 2;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// One TCP connection over IPv4 over Ethernet, packet by packet.
#[derive(Clone, Debug)]
pub struct Conversation {
    host: SocketAddrV4,
    controller: SocketAddrV4,
    /// The next sequence number of the host and of the controller.
    next: [u32; 2],
    micros: u64,
    packets: Vec<(u64, Vec<u8>)>,
}

impl Conversation {
    /// Opens a connection: three packets.
    pub fn open(host: SocketAddrV4, controller: SocketAddrV4) -> Self {
        // The host's numbers wrap soon.
        let mut conversation = Self {
            host,
            controller,
            next: [0xffff_fc00, 7000],
            micros: 1_700_000_000_000_000,
            packets: Vec::new(),
        };
        conversation.packet(Role::Host, SYN, &[]);
        conversation.packet(Role::Controller, SYN | ACK, &[]);
        conversation.packet(Role::Host, ACK, &[]);
        conversation
    }

    /// One end sends bytes.
    pub fn send(&mut self, from: Role, bytes: &[u8]) {
        for part in bytes.chunks(MOST) {
            self.packet(from, PSH | ACK, part);
        }
    }

    /// Both ends have no more.
    pub fn close(&mut self) {
        self.end(Role::Host);
        self.end(Role::Controller);
    }

    /// One end has no more.
    pub fn end(&mut self, from: Role) {
        self.packet(from, FIN | ACK, &[]);
    }

    /// The packets, each with its time in microseconds since 1970.
    pub fn packets(&self) -> &[(u64, Vec<u8>)] {
        &self.packets
    }

    /// The capture file.
    pub fn pcap(&self) -> Vec<u8> {
        pcap(&self.packets)
    }

    fn packet(&mut self, from: Role, flags: u8, payload: &[u8]) {
        let (source, destination, own, other) = match from {
            Role::Host => (self.host, self.controller, 0, 1),
            Role::Controller => (self.controller, self.host, 1, 0),
        };
        let sequence = self.next[own];
        let acknowledged = if flags & ACK == 0 { 0 } else { self.next[other] };
        let mut tcp = Vec::with_capacity(20 + payload.len());
        tcp.extend(source.port().to_be_bytes());
        tcp.extend(destination.port().to_be_bytes());
        tcp.extend(sequence.to_be_bytes());
        tcp.extend(acknowledged.to_be_bytes());
        tcp.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(payload);
        let tcp_len = u16::try_from(tcp.len()).unwrap_or(u16::MAX);
        let mut pseudo = [source.ip().octets(), destination.ip().octets()].concat();
        pseudo.extend([0, 6]);
        pseudo.extend(tcp_len.to_be_bytes());
        let sum = checksum(pseudo.iter().chain(&tcp));
        if let Some(field) = tcp.get_mut(16..18) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        let mut ip = vec![0x45, 0];
        ip.extend(tcp_len.saturating_add(20).to_be_bytes());
        ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        ip.extend(source.ip().octets());
        ip.extend(destination.ip().octets());
        let sum = checksum(ip.iter());
        if let Some(field) = ip.get_mut(10..12) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        let ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        self.packets.push((self.micros, [&ethernet[..], &ip, &tcp].concat()));
        self.micros += 100;
        let len = u32::try_from(payload.len()).unwrap_or(0) + u32::from(flags & (SYN | FIN) != 0);
        self.next[own] = sequence.wrapping_add(len);
    }
}

/// A pcap file of Ethernet packets, each with its time in microseconds since 1970.
pub fn pcap(packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(262_144_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for (micros, packet) in packets {
        let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        let seconds = u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX);
        let rest = u32::try_from(micros % 1_000_000).unwrap_or(0);
        for field in [seconds, rest, len, len] {
            file.extend(field.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// The checksum of the Internet protocols.
fn checksum<'a>(bytes: impl Iterator<Item = &'a u8>) -> u16 {
    let sum = bytes.enumerate().fold(0_u64, |sum, (at, byte)| {
        sum + if at % 2 == 0 { u64::from(*byte) << 8 } else { u64::from(*byte) }
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded & 0xffff).unwrap_or(0)
}
