//! The byte stream of one direction of a TCP connection out of its segments: retransmissions and overlaps are dropped,
//! what came early waits, what never came is a gap.
//!
//! A stream begins at its SYN. Where that is not in the capture, the first segments are held for a while, so that the one that comes first in
//! the stream need not come first in the file.

use std::collections::BTreeMap;

use super::capture::{Segment, Time};

/// Bytes that may wait for a missing segment; beyond that the missing ones are given up as a gap.
pub const WINDOW: usize = 8 << 20;

/// Bytes that are held at the beginning of a stream whose SYN was not seen.
pub const OPENING: usize = 64 << 10;

/// Segments that may wait, each of which costs memory of its own.
const SEGMENTS: usize = 1 << 16;

/// What a segment adds to the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The next bytes, captured at this time, and what their sender had received by then ([`Segment::acknowledged`]).
    Bytes(Time, Option<u32>, Vec<u8>),
    /// So many bytes are not in the capture.
    Gap(Time, u64),
}

#[derive(Clone, Debug)]
struct Waiting {
    time: Time,
    acknowledged: Option<u32>,
    bytes: Vec<u8>,
}

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Position of the next byte; counts from the first byte.
    next: u64,
    /// Sequence number of position 0, once that is settled.
    base: Option<u32>,
    /// Whether the SYN was seen.
    opened: bool,
    /// Before the base is settled: segments by their distance from the first one, offset so that it is positive.
    opening: BTreeMap<i64, (u32, Waiting)>,
    /// What came early, by position.
    waiting: BTreeMap<u64, Waiting>,
    /// Bytes in `opening` and `waiting`.
    held: usize,
    /// The sequence number of the FIN.
    fin: Option<u32>,
    /// A place that the sender has passed, although not all bytes before it are in the capture (cut segments).
    passed: Option<(u64, Time)>,
}

impl Stream {
    /// Whether this SYN belongs to another connection on the same ports.
    pub fn is_other(&self, segment: &Segment<'_>) -> bool {
        let first = segment.sequence.wrapping_add(1);
        let earliest = self.opening.values().next().map(|(first, _)| *first);
        segment.syn
            && match (self.base, earliest) {
                (Some(base), _) => base != first,
                // What is held may be the beginning of this connection, if it is behind the SYN.
                (None, Some(earliest)) => earliest.wrapping_sub(first) as usize > WINDOW,
                (None, None) => false,
            }
    }

    /// Whether it is known where the stream begins: its SYN was seen.
    pub const fn is_opened(&self) -> bool {
        self.opened
    }

    /// Bytes that wait.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Takes a segment and gives what can be read now.
    pub fn push(&mut self, segment: &Segment<'_>) -> Vec<Piece> {
        let first = segment.sequence.wrapping_add(u32::from(segment.syn));
        let waiting = Waiting {
            time: segment.time,
            acknowledged: segment.acknowledged,
            bytes: segment.payload.to_vec(),
        };
        if segment.fin {
            let len = u32::try_from(segment.payload.len() + segment.missing).unwrap_or(0);
            self.fin = Some(first.wrapping_add(len));
        }
        if segment.syn && self.base.is_none() {
            self.opened = true;
            self.settle(first);
        }
        match self.base {
            Some(base) => self.place(base, first, waiting, segment.missing),
            None => {
                let start = self.opening.values().next().map_or(first, |(start, _)| *start);
                let anchor = self.opening.keys().next().copied().unwrap_or(0);
                let key = anchor + i64::from(first.wrapping_sub(start).cast_signed());
                let empty = waiting.bytes.is_empty() && segment.missing == 0;
                if !empty
                    && self.opening.get(&key).is_none_or(|(_, old)| old.bytes.len() < waiting.bytes.len())
                {
                    self.held += waiting.bytes.len();
                    if let Some((_, old)) = self.opening.insert(key, (first, waiting)) {
                        self.held -= old.bytes.len();
                    }
                }
                if self.held > OPENING || segment.missing > 0 || self.opening.len() > 256 {
                    self.begin();
                    if let Some(base) = self.base {
                        let end = first.wrapping_add(u32::try_from(segment.payload.len()).unwrap_or(0));
                        let nothing = Waiting { time: segment.time, acknowledged: None, bytes: Vec::new() };
                        self.place(base, end, nothing, segment.missing);
                    }
                }
            }
        }
        self.read(segment.time)
    }

    /// Ends the stream: what still waits comes behind a gap.
    pub fn finish(&mut self) -> Vec<Piece> {
        self.begin();
        let mut pieces = self.ready();
        while let Some((first, time)) =
            self.waiting.iter().next().map(|(first, waiting)| (*first, waiting.time))
        {
            pieces.extend(self.give_up(first, time));
        }
        if let Some((place, time)) = self.passed.take() {
            pieces.extend(self.give_up(place, time));
        }
        pieces
    }

    /// The receiver has everything before this sequence number: the next bytes, if they are among that, are not in the capture.
    pub fn proven(&mut self, sequence: u32, time: Time) -> Vec<Piece> {
        let Some(position) = self.position_of(sequence) else { return Vec::new() };
        let first = self.waiting.keys().next().copied().unwrap_or(position);
        // The last sequence number may be that of the FIN, which is no byte.
        if position > self.next + 1 { self.give_up(position.min(first), time) } else { Vec::new() }
    }

    /// The position of a sequence number; `None` before anything is known, or when it is before the beginning.
    pub fn position_of(&self, sequence: u32) -> Option<u64> {
        // The FIN has a number and is no byte.
        let behind_fin = self.fin.is_some_and(|fin| fin.wrapping_add(1) == sequence);
        let sequence = sequence.wrapping_sub(u32::from(behind_fin));
        self.position(sequence.wrapping_sub(self.base?))
    }

    /// The position of an offset from the base, taken as near to the next byte as it can be.
    fn position(&self, offset: u32) -> Option<u64> {
        let low = u32::try_from(self.next & u64::from(u32::MAX)).unwrap_or(0);
        // As a signed distance: ahead of the next byte, or behind it.
        let ahead = i64::from(offset.wrapping_sub(low).cast_signed());
        u64::try_from(i64::try_from(self.next).ok()?.checked_add(ahead)?).ok()
    }

    /// Begins at the earliest segment that is held, if there is one.
    fn begin(&mut self) {
        if let (None, Some(first)) = (self.base, self.opening.values().next().map(|(first, _)| *first)) {
            self.settle(first);
        }
    }

    fn settle(&mut self, base: u32) {
        self.base = Some(base);
        self.held = 0;
        for (first, waiting) in std::mem::take(&mut self.opening).into_values() {
            self.place(base, first, waiting, 0);
        }
    }

    fn place(&mut self, base: u32, first: u32, waiting: Waiting, missing: usize) {
        let Some(start) = self.position(first.wrapping_sub(base)) else { return };
        let (time, len) = (waiting.time, waiting.bytes.len());
        self.hold(start, waiting);
        if missing > 0 {
            let end = start + (len + missing) as u64;
            self.passed = Some(self.passed.map_or((end, time), |old| old.max((end, time))));
        }
    }

    fn hold(&mut self, start: u64, mut waiting: Waiting) {
        let skip = usize::try_from(self.next.saturating_sub(start)).unwrap_or(usize::MAX);
        if skip >= waiting.bytes.len() {
            return;
        }
        waiting.bytes.drain(..skip);
        let start = start.max(self.next);
        let longer = self.waiting.get(&start).is_none_or(|old| old.bytes.len() < waiting.bytes.len());
        if longer {
            self.held += waiting.bytes.len();
            if let Some(old) = self.waiting.insert(start, waiting) {
                self.held -= old.bytes.len();
            }
        }
    }

    fn read(&mut self, time: Time) -> Vec<Piece> {
        let mut pieces = self.ready();
        while self.held > WINDOW || self.waiting.len() > SEGMENTS {
            let Some(first) = self.waiting.keys().next().copied() else { break };
            pieces.extend(self.give_up(first, time));
        }
        // Cut by the capture: when all that comes before is there, what was cut is not awaited.
        if let Some((place, _)) = self.passed {
            let cut_at_next = self.waiting.keys().next().is_none_or(|first| *first >= place);
            if place <= self.next {
                self.passed = None;
            } else if cut_at_next {
                self.passed = None;
                pieces.extend(self.give_up(place, time));
            }
        }
        pieces
    }

    /// What follows on the last byte without a hole.
    fn ready(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Some(start) = self.waiting.keys().next().copied().filter(|start| *start <= self.next) {
            let Some(Waiting { time, acknowledged, mut bytes }) = self.waiting.remove(&start) else { break };
            self.held -= bytes.len();
            let known = usize::try_from(self.next - start).unwrap_or(usize::MAX).min(bytes.len());
            bytes.drain(..known);
            if !bytes.is_empty() {
                self.next += bytes.len() as u64;
                pieces.push(Piece::Bytes(time, acknowledged, bytes));
            }
        }
        pieces
    }

    /// Goes on at a position although bytes before it never came.
    fn give_up(&mut self, at: u64, time: Time) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if at > self.next {
            pieces.push(Piece::Gap(time, at - self.next));
            self.next = at;
        }
        pieces.extend(self.ready());
        pieces
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn segment(sequence: u32, payload: &[u8]) -> Segment<'_> {
        let any: SocketAddr = "127.0.0.1:1".parse().unwrap();
        Segment {
            time: Time(1),
            from: any,
            to: any,
            sequence,
            syn: false,
            fin: false,
            acknowledged: None,
            payload,
            missing: 0,
        }
    }

    fn bytes(pieces: &[Piece]) -> Vec<u8> {
        let of = |piece: &Piece| match piece {
            Piece::Bytes(_, _, bytes) => bytes.clone(),
            Piece::Gap(_, n) => format!("<{n}>").into_bytes(),
        };
        pieces.iter().flat_map(of).collect()
    }

    fn stream(start: u32) -> Stream {
        let mut stream = Stream::default();
        assert!(stream.push(&Segment { syn: true, ..segment(start, b"") }).is_empty());
        stream
    }

    #[test]
    fn retransmissions_and_overlaps_count_once() {
        let mut s = stream(100);
        assert_eq!(bytes(&s.push(&segment(101, b"abcd"))), b"abcd");
        assert_eq!(bytes(&s.push(&segment(101, b"abcd"))), b"");
        assert_eq!(bytes(&s.push(&segment(103, b"cdef"))), b"ef");
    }

    #[test]
    fn early_segments_wait_for_their_turn() {
        let mut s = stream(0);
        assert_eq!(bytes(&s.push(&segment(4, b"d"))), b"");
        assert_eq!(bytes(&s.push(&segment(3, b"cd"))), b"");
        assert_eq!(bytes(&s.push(&segment(1, b"ab"))), b"abcd");
        assert_eq!(s.held, 0);
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut s = stream(u32::MAX - 2);
        assert_eq!(bytes(&s.push(&segment(u32::MAX - 1, b"abcd"))), b"abcd");
        assert_eq!(bytes(&s.push(&segment(2, b"ef"))), b"ef");
        // Before the SYN is known, too.
        let mut s = Stream::default();
        s.push(&segment(2, b"ef"));
        s.push(&segment(u32::MAX - 1, b"abcd"));
        assert_eq!(bytes(&s.finish()), b"abcdef");
    }

    #[test]
    fn what_never_comes_is_a_gap() {
        let mut s = stream(0);
        s.push(&segment(1, b"ab"));
        s.push(&segment(6, b"fg"));
        assert_eq!(bytes(&s.finish()), b"<3>fg");
        let mut cut = stream(0);
        let first = Segment { missing: 5, ..segment(1, b"ab") };
        assert_eq!(bytes(&cut.push(&first)), b"ab<5>");
        assert_eq!(bytes(&cut.push(&segment(8, b"h"))), b"h");
    }

    #[test]
    fn what_was_acknowledged_and_is_not_there_is_a_gap() {
        let mut s = stream(0);
        s.push(&segment(1, b"ab"));
        assert_eq!(bytes(&s.proven(3, Time(1))), b"");
        assert_eq!(bytes(&s.proven(4, Time(1))), b"");
        assert_eq!(bytes(&s.proven(9, Time(1))), b"<6>");
        s.push(&segment(12, b"l"));
        assert_eq!(bytes(&s.proven(20, Time(1))), b"<3>l");
    }

    #[test]
    fn the_end_of_a_cut_segment_is_a_gap_too() {
        let mut s = stream(0);
        s.push(&Segment { missing: 4, ..segment(3, b"c") });
        assert_eq!(bytes(&s.push(&segment(1, b"ab"))), b"abc<4>");
        let mut s = Stream::default();
        assert_eq!(bytes(&s.push(&Segment { missing: 4, ..segment(3, b"c") })), b"c<4>");
    }

    #[test]
    fn a_fin_is_no_byte() {
        let mut s = stream(0);
        s.push(&segment(1, b"ab"));
        assert_eq!(s.position_of(4), Some(3));
        s.push(&Segment { fin: true, ..segment(3, b"") });
        assert_eq!((s.position_of(3), s.position_of(4)), (Some(2), Some(2)));
        assert_eq!(bytes(&s.proven(4, Time(1))), b"");
    }

    #[test]
    fn memory_is_bounded() {
        let mut s = stream(0);
        let payload = vec![7; 60_000];
        let mut gaps = 0;
        for n in 0..400u32 {
            let pieces = s.push(&segment(1000 + n * 60_000, &payload));
            gaps += pieces.iter().filter(|p| matches!(p, Piece::Gap(..))).count();
            assert!(s.held <= WINDOW + payload.len());
        }
        assert_eq!(gaps, 1);
    }

    #[test]
    fn the_beginning_may_come_late() {
        let mut s = Stream::default();
        assert_eq!(bytes(&s.push(&segment(103, b"cd"))), b"");
        assert_eq!(bytes(&s.push(&segment(101, b"ab"))), b"");
        assert_eq!(bytes(&s.push(&Segment { syn: true, ..segment(100, b"") })), b"abcd");
        assert!(s.is_opened());
        // A retransmitted SYN is the same connection, one with another number is not.
        assert!(!s.is_other(&Segment { syn: true, ..segment(100, b"") }));
        assert!(s.is_other(&Segment { syn: true, ..segment(5000, b"") }));
        // While it is not settled, a SYN far away is another one.
        let mut s = Stream::default();
        s.push(&segment(103, b"cd"));
        assert!(!s.is_other(&Segment { syn: true, ..segment(100, b"") }));
        assert!(s.is_other(&Segment { syn: true, ..segment(105, b"") }));
        assert!(s.is_other(&Segment { syn: true, ..segment(u32::MAX / 2, b"") }));
        // Without any SYN what came first is the beginning.
        let mut s = Stream::default();
        s.push(&segment(103, b"cd"));
        s.push(&segment(101, b"ab"));
        assert_eq!((bytes(&s.finish()), s.is_opened()), (b"abcd".to_vec(), false));
    }
}
