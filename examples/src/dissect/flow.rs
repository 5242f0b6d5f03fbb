//! A TCP connection: both streams, read in the order in which their bytes caused each other.
//!
//! Packets may be captured out of order. So that no answer is read before its question, bytes wait until the bytes of the other direction that their
//! sender had acknowledged are read.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use nvme_proto::pdu::Role;

use super::authentication::Keys;
use super::capture::{Segment, Time};
use super::connection::Connection;
use super::event::{Event, Opened, Sink, Start, What};
use super::reassembly::{Piece, Stream, WINDOW};

/// What the bytes are.
#[derive(Debug)]
enum Protocol {
    /// Too few bytes to tell: those of this side.
    Undecided(usize, Vec<u8>),
    /// Not NVMe/TCP.
    Other,
    /// NVMe/TCP; the host is on this side.
    Nvme(usize, Box<Connection>),
}

/// A TCP connection.
#[derive(Debug)]
pub struct Flow {
    ends: [SocketAddr; 2],
    streams: [Stream; 2],
    queues: [VecDeque<Piece>; 2],
    /// Bytes in `queues`.
    queued: usize,
    /// Bytes of each direction that were read.
    read: [u64; 2],
    protocol: Protocol,
    /// When the last segment came.
    pub last: Time,
}

/// What a flow needs besides its bytes.
pub struct Surroundings<'a, 's> {
    /// Ports on which controllers listen.
    pub ports: &'a [u16],
    /// Secrets.
    pub keys: &'a Keys,
    /// The number of the connection that was found last.
    pub connections: &'a mut u32,
    /// Where events go.
    pub sink: &'a mut Sink<'s>,
}

impl Flow {
    /// The connection that this segment belongs to.
    pub fn new(segment: &Segment<'_>) -> Self {
        Self {
            ends: [segment.from, segment.to],
            streams: Default::default(),
            queues: Default::default(),
            queued: 0,
            read: [0; 2],
            protocol: Protocol::Undecided(0, Vec::new()),
            last: segment.time,
        }
    }

    /// Whether this segment belongs to a later connection between the same ends.
    pub fn is_over(&self, segment: &Segment<'_>) -> bool {
        if let Protocol::Other = self.protocol {
            return segment.syn && segment.acknowledged.is_none();
        }
        self.side(segment).is_none_or(|side| self.streams.get(side).is_some_and(|s| s.is_other(segment)))
    }

    fn side(&self, segment: &Segment<'_>) -> Option<usize> {
        self.ends.iter().position(|end| *end == segment.from)
    }

    /// Takes a segment.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn push(&mut self, segment: &Segment<'_>, around: &mut Surroundings<'_, '_>) -> io::Result<()> {
        self.last = self.last.max(segment.time);
        let Some(side) = self.side(segment) else { return Ok(()) };
        if let Protocol::Other = self.protocol {
            return Ok(());
        }
        let pieces = self.streams.get_mut(side).map(|stream| stream.push(segment)).unwrap_or_default();
        self.queue(side, pieces);
        self.read_on(around)?;
        while self.queued > WINDOW {
            self.read_anyway(around)?;
            self.read_on(around)?;
        }
        Ok(())
    }

    /// Reads what waits.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn end(mut self, around: &mut Surroundings<'_, '_>) -> io::Result<()> {
        for side in 0..2 {
            let pieces = self.streams.get_mut(side).map(Stream::finish).unwrap_or_default();
            self.queue(side, pieces);
        }
        self.read_on(around)?;
        while self.queues.iter().any(|queue| !queue.is_empty()) {
            self.read_anyway(around)?;
            self.read_on(around)?;
        }
        match self.protocol {
            Protocol::Nvme(_, mut connection) => connection.end(self.last, around.keys, around.sink),
            _ => Ok(()),
        }
    }

    fn queue(&mut self, side: usize, pieces: Vec<Piece>) {
        for piece in pieces {
            if let Piece::Bytes(_, _, bytes) = &piece {
                self.queued += bytes.len();
            }
            if let Some(queue) = self.queues.get_mut(side) {
                queue.push_back(piece);
            }
        }
    }

    /// Reads as long as what is next had all it answers read before.
    fn read_on(&mut self, around: &mut Surroundings<'_, '_>) -> io::Result<()> {
        loop {
            let Some(side) = (0..2).find(|side| self.may_read(*side)) else { return Ok(()) };
            self.read_one(side, around)?;
        }
    }

    fn may_read(&self, side: usize) -> bool {
        let other = 1 - side;
        match self.queues.get(side).and_then(VecDeque::front) {
            None => false,
            Some(Piece::Gap(..)) => true,
            Some(Piece::Bytes(_, acknowledged, _)) => {
                let Some((stream, read)) = self.streams.get(other).zip(self.read.get(other)) else {
                    return true;
                };
                match acknowledged.map(|sequence| stream.position_of(sequence)) {
                    // The other direction may turn up yet.
                    Some(None) if stream.held() > 0 => false,
                    Some(Some(needed)) => *read >= needed,
                    _ => true,
                }
            }
        }
    }

    /// Reads what was captured first, although what it answers has not been read: it is not in the capture.
    fn read_anyway(&mut self, around: &mut Surroundings<'_, '_>) -> io::Result<()> {
        let time = |side: usize| match self.queues.get(side).and_then(VecDeque::front) {
            Some(Piece::Bytes(time, ..) | Piece::Gap(time, _)) => Some(*time),
            None => None,
        };
        let side = match (time(0), time(1)) {
            (Some(a), Some(b)) if b < a => 1,
            (None, _) => 1,
            _ => 0,
        };
        let other = 1 - side;
        if let Some(Piece::Bytes(time, Some(acknowledged), _)) =
            self.queues.get(side).and_then(VecDeque::front)
            && self.queues.get(other).is_some_and(VecDeque::is_empty)
        {
            let (time, acknowledged) = (*time, *acknowledged);
            let pieces = self.streams.get_mut(other).map(|stream| stream.proven(acknowledged, time));
            self.queue(other, pieces.unwrap_or_default());
            self.read_on(around)?;
        }
        self.read_one(side, around)
    }

    fn read_one(&mut self, side: usize, around: &mut Surroundings<'_, '_>) -> io::Result<()> {
        let Some(piece) = self.queues.get_mut(side).and_then(VecDeque::pop_front) else { return Ok(()) };
        let len = match &piece {
            Piece::Bytes(_, _, bytes) => {
                self.queued -= bytes.len();
                bytes.len() as u64
            }
            Piece::Gap(_, missing) => *missing,
        };
        if let Some(read) = self.read.get_mut(side) {
            *read += len;
        }
        self.decide(side, &piece, around)?;
        if let Protocol::Nvme(host, connection) = &mut self.protocol {
            let from = if side == *host { Role::Host } else { Role::Controller };
            match &piece {
                Piece::Bytes(time, _, bytes) => {
                    if !self.streams.get(side).is_some_and(Stream::is_opened) {
                        connection.unopened(from, bytes);
                    }
                    connection.bytes(from, *time, bytes, around.keys, around.sink)?;
                }
                Piece::Gap(time, missing) => {
                    connection.gap(from, *time, *missing, around.keys, around.sink)?;
                }
            }
        }
        Ok(())
    }

    /// Finds out what the bytes are; the piece is read after that.
    fn decide(&mut self, side: usize, piece: &Piece, around: &mut Surroundings<'_, '_>) -> io::Result<()> {
        let Protocol::Undecided(first, seen) = &mut self.protocol else { return Ok(()) };
        let mut all = std::mem::take(seen);
        let before = all.len();
        let first = if before == 0 { side } else { *first };
        let (time, gap) = match piece {
            Piece::Bytes(time, _, bytes) if side == first => {
                all.extend_from_slice(bytes.get(..bytes.len().min(8)).unwrap_or_default());
                (*time, false)
            }
            Piece::Bytes(time, ..) | Piece::Gap(time, _) => (*time, true),
        };
        if all.len() < 8 && !gap {
            self.protocol = Protocol::Undecided(first, all);
            return Ok(());
        }
        let listens = |side: usize| self.ends.get(side).is_some_and(|end| around.ports.contains(&end.port()));
        let opened = self.streams.get(first).is_some_and(Stream::is_opened);
        let asks = is_icreq(&all);
        let host = match (asks, listens(0), listens(1)) {
            (true, ..) => first,
            (false, _, true) => 0,
            (false, true, false) => 1,
            (false, false, false) => {
                self.protocol = Protocol::Other;
                self.streams = Default::default();
                return Ok(());
            }
        };
        let start = match (asks, opened && !gap) {
            (true, _) => Start::Beginning,
            (false, _) if is_tls(&all) => Start::Tls,
            (false, true) if first == host || is_icresp(&all) => Start::Beginning,
            _ => Start::Middle,
        };
        *around.connections += 1;
        let id = *around.connections;
        let (Some(host_end), Some(controller)) = (self.ends.get(host), self.ends.get(1 - host)) else {
            return Ok(());
        };
        let opened = Opened { host: *host_end, controller: *controller, start };
        (around.sink)(&Event { time, connection: id, what: What::Opened(opened) })?;
        if start == Start::Tls {
            self.protocol = Protocol::Other;
            return Ok(());
        }
        let mut connection = Box::new(Connection::new(id, start));
        // What was needed to decide, without the piece that decided.
        let from = if first == host { Role::Host } else { Role::Controller };
        connection.bytes(from, time, all.get(..before).unwrap_or_default(), around.keys, around.sink)?;
        self.protocol = Protocol::Nvme(host, connection);
        Ok(())
    }
}

/// Whether these bytes start with the header of a TLS record: type, version, length.
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x18, 3, 0..=4, high, ..] if *high <= 0x48)
}

/// Whether these bytes start with the common header of an ICResp.
fn is_icresp(bytes: &[u8]) -> bool {
    matches!(bytes, [1, _, 128, _, 128, 0, 0, 0, ..])
}

/// Whether these bytes start with the common header of an ICReq.
fn is_icreq(bytes: &[u8]) -> bool {
    matches!(bytes, [0, _, 128, _, 128, 0, 0, 0, ..])
}
