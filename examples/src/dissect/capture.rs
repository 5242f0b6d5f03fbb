//! TCP segments out of a capture file: pcap and pcapng.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use pcap_parser::{
    Block, InterfaceDescriptionBlock, Linktype, OptionCode, PcapBlockOwned, PcapError, create_reader,
};

use super::input;
use super::link::{self, Packet};

/// Room for one block of a capture file; a longer one cannot be read.
pub(super) const BLOCK_CAPACITY: usize = 1 << 20;

/// What is wrong with a longer one.
pub(super) const LONG: &str = "a block is longer than 1 MiB";

/// Kinds of links that are told apart in a [`Tally`].
const MAX_LINKS: usize = 16;

/// The obsolete block for a packet, which old programs wrote in place of the enhanced one.
const OBSOLETE_PACKET: u32 = 2;

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
    /// The sender sends no more.
    pub fin: bool,
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
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no pcap or pcapng file.
    #[error("{} is no capture: {what}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        what: &'static str,
    },
    /// It is broken.
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

/// What a capture held, in packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub packets: u64,
    /// TCP segments that were read.
    pub segments: u64,
    /// Fragments of TCP segments, which IP split up. They are not put together: their bytes are missing.
    pub fragments: u64,
    /// TCP whose headers are not all in the capture.
    pub cut: u64,
    /// Packets of links that are not known here, by the number of the link's kind; only so many kinds are counted apart.
    pub unknown_links: BTreeMap<i32, u64>,
    /// Packets of an interface that the file does not describe.
    pub no_interface: u64,
}

/// Where a packet came from.
#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    /// Bytes of a packet that are captured at most; 0 for no limit.
    most: u32,
    /// Units of a time stamp per second.
    resolution: u64,
    /// Seconds to add to a time stamp.
    offset: i64,
}

/// A packet in the file.
struct Captured<'a> {
    interface: usize,
    stamp: u64,
    data: &'a [u8],
    /// Bytes that it had when it was sent.
    sent: u32,
}

/// A file and what is known about it so far.
struct Capture<'p> {
    path: &'p Path,
    interfaces: Vec<Interface>,
    big_endian: bool,
    tally: Tally,
}

/// Reads a file (`-` is standard input) and hands each TCP segment to `segment`, in the order of the file. Other packets are passed over, and
/// counted.
///
/// # Errors
/// [`CaptureError`]; segments before the broken place have been handed over.
pub fn read(
    path: &Path,
    mut segment: impl FnMut(Segment<'_>) -> io::Result<()>,
) -> Result<Tally, CaptureError> {
    let mut capture = Capture { path, interfaces: Vec::new(), big_endian: false, tally: Tally::default() };
    let mut reader = create_reader(BLOCK_CAPACITY, input::open(path)?)
        .map_err(|_| capture.broken(0, "its header is wrong"))?;
    let mut at = 0u64;
    loop {
        let have = reader.data().len();
        let consumed = match reader.next() {
            Ok((len, block)) => {
                capture.block(&block, &mut segment)?;
                Some(len)
            }
            Err(PcapError::Eof) => return Ok(capture.tally),
            Err(PcapError::Incomplete(_)) => None,
            Err(PcapError::UnexpectedEof) => {
                return Err(CaptureError::Truncated { path: path.to_owned(), at });
            }
            Err(PcapError::BufferTooSmall) => return Err(capture.broken(at, LONG)),
            Err(PcapError::ReadError) => return Err(capture.broken(at, "the file cannot be read")),
            Err(_) => return Err(capture.broken(at, "this is no block of a capture file")),
        };
        if let Some(len) = consumed {
            at += len as u64;
            reader.consume(len);
            continue;
        }
        reader.refill().map_err(|_| capture.broken(at, "the file cannot be read"))?;
        if reader.data().len() == have && !reader.reader_exhausted() {
            return Err(capture.broken(at, LONG));
        }
    }
}

impl Capture<'_> {
    fn broken(&self, at: u64, what: &'static str) -> CaptureError {
        CaptureError::Broken { path: self.path.to_owned(), at, what }
    }

    fn block(
        &mut self,
        block: &PcapBlockOwned<'_>,
        segment: &mut impl FnMut(Segment<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(captured) = self.captured(block) else { return Ok(()) };
        self.tally.packets += 1;
        let Some(interface) = self.interfaces.get(captured.interface) else {
            self.tally.no_interface += 1;
            return Ok(());
        };
        let cut = usize::try_from(captured.sent).unwrap_or(usize::MAX).saturating_sub(captured.data.len());
        match link::packet(interface.link, nanoseconds(captured.stamp, interface), captured.data, cut) {
            Packet::Tcp(found) => {
                self.tally.segments += 1;
                return segment(found);
            }
            Packet::Other => {}
            Packet::Fragment => self.tally.fragments += 1,
            Packet::Cut => self.tally.cut += 1,
            Packet::UnknownLink => {
                let links = &mut self.tally.unknown_links;
                if links.len() < MAX_LINKS || links.contains_key(&interface.link.0) {
                    *links.entry(interface.link.0).or_default() += 1;
                }
            }
        }
        Ok(())
    }

    /// The packet of a block. What other blocks say is kept.
    fn captured<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Option<Captured<'a>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let resolution = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
                self.interfaces =
                    vec![Interface { link: header.network, most: header.snaplen, resolution, offset: 0 }];
                None
            }
            PcapBlockOwned::Legacy(packet) => {
                let resolution = self.interfaces.first()?.resolution;
                let stamp = u64::from(packet.ts_sec)
                    .saturating_mul(resolution)
                    .saturating_add(u64::from(packet.ts_usec));
                Some(Captured { interface: 0, stamp, data: packet.data, sent: packet.origlen })
            }
            PcapBlockOwned::NG(Block::SectionHeader(section)) => {
                self.big_endian = section.big_endian();
                self.interfaces.clear();
                None
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
                self.interfaces.push(interface(description, self.big_endian));
                None
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let stamp = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let interface = usize::try_from(packet.if_id).unwrap_or(usize::MAX);
                let data = first(packet.data, packet.caplen);
                Some(Captured { interface, stamp, data, sent: packet.origlen })
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                // How much was captured is not written.
                let most = self.interfaces.first().map(|interface| interface.most).filter(|most| *most > 0);
                let data = first(packet.data, packet.origlen.min(most.unwrap_or(u32::MAX)));
                Some(Captured { interface: 0, stamp: 0, data, sent: packet.origlen })
            }
            PcapBlockOwned::NG(Block::Unknown(block)) => {
                // The parser takes all kinds for little-endian.
                let kind = if self.big_endian { block.block_type.swap_bytes() } else { block.block_type };
                (kind == OBSOLETE_PACKET).then(|| obsolete(block.data, self.big_endian)).flatten()
            }
            PcapBlockOwned::NG(_) => None,
        }
    }
}

/// An interface of a pcapng file. Options of the same kind count by the first one.
fn interface(description: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Interface {
    let option = |code| {
        let options = &description.options;
        options.iter().find(|option| option.code == code).and_then(|option| option.as_bytes().ok())
    };
    let resolution = option(OptionCode::IfTsresol).and_then(|value| match *value.first()? {
        power @ 0x80.. => 1u64.checked_shl(u32::from(power & 0x7f)),
        power => 10u64.checked_pow(power.into()),
    });
    let offset = option(OptionCode::IfTsoffset)
        .and_then(|value| value.first_chunk())
        .map_or(0, |value| if big_endian { i64::from_be_bytes(*value) } else { i64::from_le_bytes(*value) });
    Interface {
        link: description.linktype,
        most: description.snaplen,
        resolution: resolution.unwrap_or(1_000_000),
        offset,
    }
}

/// The packet of an obsolete block: interface and drops (2 bytes each), time (upper, lower), bytes captured, bytes sent, the packet.
fn obsolete(body: &[u8], big_endian: bool) -> Option<Captured<'_>> {
    let field = |at: usize| {
        let bytes = body.get(at..at + 4)?.first_chunk()?;
        Some(if big_endian { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) })
    };
    let interface = if big_endian { field(0)? >> 16 } else { field(0)? & 0xffff };
    Some(Captured {
        interface: usize::try_from(interface).unwrap_or(usize::MAX),
        stamp: u64::from(field(4)?) << 32 | u64::from(field(8)?),
        data: first(body.get(20..)?, field(12)?),
        sent: field(16)?,
    })
}

/// The first bytes of a packet; padding is behind them.
fn first(data: &[u8], len: u32) -> &[u8] {
    data.get(..usize::try_from(len).unwrap_or(usize::MAX)).unwrap_or(data)
}

fn nanoseconds(stamp: u64, interface: &Interface) -> Time {
    let (seconds, rest) = (stamp / interface.resolution, stamp % interface.resolution);
    let fraction = u128::from(rest) * 1_000_000_000 / u128::from(interface.resolution);
    let seconds = i128::from(seconds) + i128::from(interface.offset);
    let total = seconds * 1_000_000_000 + i128::try_from(fraction).unwrap_or(0);
    Time(u64::try_from(total).unwrap_or(0))
}
