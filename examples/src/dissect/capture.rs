//! TCP segments out of a capture file: pcap and pcapng; Ethernet, Linux "cooked", raw IP and loopback links.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

/// Room for one block of a capture file; a longer one cannot be read.
const BLOCK_CAPACITY: usize = 1 << 20;

/// When a packet was captured, nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// Nanoseconds from another time to this one; 0 when the other is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Time {
    /// Seconds with nine digits behind the point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// One TCP segment as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// When.
    pub time: Time,
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// Sequence number of the first byte, or of the SYN.
    pub sequence: u32,
    /// A connection begins.
    pub syn: bool,
    /// The sequence number that the sender expects next: everything before it has reached it.
    pub acknowledged: Option<u32>,
    /// The payload that was captured.
    pub payload: &'a [u8],
    /// Bytes of payload that were sent and are not in the capture (cut by a snapshot length).
    pub missing: usize,
}

/// Why a capture file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// It cannot be opened.
    #[error("cannot open {}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no pcap or pcapng file, or it is broken.
    #[error("{} is broken at byte {at}: {what}", .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where, in bytes.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// It ends within a block.
    #[error("{} ends in the middle of a packet, at byte {at}; what came before was read", .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where, in bytes.
        at: u64,
    },
    /// The consumer of the segments failed.
    #[error("cannot print")]
    Output(#[from] io::Error),
}

/// Where a packet came from.
#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    /// Units of a time stamp per second.
    resolution: u64,
    /// Seconds to add to a time stamp.
    offset: i64,
}

/// Reads a file and hands each TCP segment to `segment`, in the order of the file. Other packets are passed over.
///
/// # Errors
/// [`CaptureError`]; segments before the broken place have been handed over.
pub fn read(path: &Path, mut segment: impl FnMut(Segment<'_>) -> io::Result<()>) -> Result<(), CaptureError> {
    let file = File::open(path).map_err(|source| CaptureError::Open { path: path.to_owned(), source })?;
    let broken = |at, what| CaptureError::Broken { path: path.to_owned(), at, what };
    let mut reader = create_reader(BLOCK_CAPACITY, file)
        .map_err(|_| broken(0, "this is neither a pcap nor a pcapng file"))?;
    let mut at = 0u64;
    let mut interfaces: Vec<Interface> = Vec::new();
    loop {
        let have = reader.data().len();
        let consumed = match reader.next() {
            Ok((len, block)) => {
                block_segments(&block, &mut interfaces, &mut segment)?;
                Some(len)
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => None,
            Err(PcapError::UnexpectedEof) => {
                return Err(CaptureError::Truncated { path: path.to_owned(), at });
            }
            Err(PcapError::BufferTooSmall) => return Err(broken(at, "a block is longer than 1 MiB")),
            Err(PcapError::ReadError) => return Err(broken(at, "the file cannot be read")),
            Err(_) => return Err(broken(at, "this is no block of a capture file")),
        };
        if let Some(len) = consumed {
            at += len as u64;
            reader.consume(len);
            continue;
        }
        reader.refill().map_err(|_| broken(at, "the file cannot be read"))?;
        if reader.data().len() == have && !reader.reader_exhausted() {
            return Err(broken(at, "a block is longer than 1 MiB"));
        }
    }
}

fn block_segments(
    block: &PcapBlockOwned<'_>,
    interfaces: &mut Vec<Interface>,
    segment: &mut impl FnMut(Segment<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let (interface, stamp, data, sent) = match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let resolution = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
            *interfaces = vec![Interface { link: header.network, resolution, offset: 0 }];
            return Ok(());
        }
        PcapBlockOwned::Legacy(packet) => {
            let Some(interface) = interfaces.first() else { return Ok(()) };
            let stamp = u64::from(packet.ts_sec)
                .saturating_mul(interface.resolution)
                .saturating_add(u64::from(packet.ts_usec));
            (interface, stamp, packet.data, packet.origlen)
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            return Ok(());
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
            interfaces.push(Interface {
                link: description.linktype,
                resolution: description.ts_resolution().filter(|r| *r > 0).unwrap_or(1_000_000),
                offset: description.ts_offset(),
            });
            return Ok(());
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let index = usize::try_from(packet.if_id).unwrap_or(usize::MAX);
            let Some(interface) = interfaces.get(index) else { return Ok(()) };
            let captured = usize::try_from(packet.caplen).unwrap_or(usize::MAX).min(packet.data.len());
            let stamp = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
            (interface, stamp, &packet.data[..captured], packet.origlen)
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
            let Some(interface) = interfaces.first() else { return Ok(()) };
            let sent = usize::try_from(packet.origlen).unwrap_or(usize::MAX).min(packet.data.len());
            (interface, 0, &packet.data[..sent], packet.origlen)
        }
        PcapBlockOwned::NG(_) => return Ok(()),
    };
    let cut = usize::try_from(sent).unwrap_or(usize::MAX).saturating_sub(data.len());
    match tcp(interface.link, data) {
        Some(found) => segment(Segment {
            time: nanoseconds(stamp, interface),
            missing: found.missing.max(if found.whole { 0 } else { cut }),
            ..found.segment
        }),
        None => Ok(()),
    }
}

fn nanoseconds(stamp: u64, interface: &Interface) -> Time {
    let (seconds, rest) = (stamp / interface.resolution, stamp % interface.resolution);
    let fraction = u128::from(rest) * 1_000_000_000 / u128::from(interface.resolution);
    let seconds = i128::from(seconds) + i128::from(interface.offset);
    let total = seconds * 1_000_000_000 + i128::try_from(fraction).unwrap_or(0);
    Time(u64::try_from(total).unwrap_or(0))
}

struct Found<'a> {
    segment: Segment<'a>,
    /// By the IP header.
    missing: usize,
    /// Whether the IP header says how long the packet is (so that padding of the link is told apart).
    whole: bool,
}

fn tcp(link: Linktype, data: &[u8]) -> Option<Found<'_>> {
    let packet = match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(data).ok()?,
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => LaxSlicedPacket::from_ip(data).ok()?,
        // BSD loopback: four bytes with the protocol family.
        Linktype::NULL | Linktype::LOOP => LaxSlicedPacket::from_ip(data.get(4..)?).ok()?,
        Linktype::LINUX_SLL => {
            let kind = u16::from_be_bytes([*data.get(14)?, *data.get(15)?]);
            LaxSlicedPacket::from_ether_type(EtherType(kind), data.get(16..)?)
        }
        Linktype::LINUX_SLL2 => {
            let kind = u16::from_be_bytes([*data.first()?, *data.get(1)?]);
            LaxSlicedPacket::from_ether_type(EtherType(kind), data.get(20..)?)
        }
        _ => return None,
    };
    let (from, to, announced): (IpAddr, IpAddr, usize) = match packet.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let announced = usize::from(header.total_len()).checked_sub(header.slice().len());
            (header.source_addr().into(), header.destination_addr().into(), announced?)
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let announced = usize::from(header.payload_length());
            (header.source_addr().into(), header.destination_addr().into(), announced)
        }
        _ => return None,
    };
    let TransportSlice::Tcp(tcp) = packet.transport.as_ref()? else { return None };
    let payload = tcp.payload();
    // Large segments of a local interface may carry length 0: then the packet is as long as it was captured.
    let whole = announced > 0;
    let missing = announced.saturating_sub(tcp.slice().len());
    let extensions = match packet.net.as_ref()? {
        LaxNetSlice::Ipv6(ip) => ip.extensions().slice().len(),
        _ => 0,
    };
    Some(Found {
        segment: Segment {
            time: Time(0),
            from: SocketAddr::new(from, tcp.source_port()),
            to: SocketAddr::new(to, tcp.destination_port()),
            sequence: tcp.sequence_number(),
            syn: tcp.syn(),
            acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
            payload,
            missing: 0,
        },
        missing: if whole { missing.saturating_sub(extensions) } else { 0 },
        whole,
    })
}
