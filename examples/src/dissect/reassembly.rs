//! The byte stream of one direction of a TCP connection out of its segments: retransmissions and overlaps are dropped,
//! what came early waits, what never came is a gap.

use std::collections::BTreeMap;

use super::capture::{Segment, Time};

/// Bytes that may wait for a missing segment; beyond that the missing ones are given up as a gap.
pub const WINDOW: usize = 8 << 20;

/// What a segment adds to the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The next bytes, captured at this time.
    Bytes(Time, Vec<u8>),
    /// So many bytes are not in the capture.
    Gap(Time, u64),
}

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Position of the next byte; counts from the first byte seen.
    next: u64,
    /// Sequence number of position 0.
    base: Option<u32>,
    /// What came early, by position.
    waiting: BTreeMap<u64, (Time, Vec<u8>)>,
    /// Bytes in `waiting`.
    held: usize,
}

impl Stream {
    /// Takes a segment and gives what can be read now.
    pub fn push(&mut self, segment: &Segment<'_>) -> Vec<Piece> {
        let first = segment.sequence.wrapping_add(u32::from(segment.syn));
        if segment.syn {
            // A new connection on the same ports begins anew.
            *self = Self { base: Some(first), ..Self::default() };
        }
        let base = *self.base.get_or_insert(first);
        let Some(start) = self.position(first.wrapping_sub(base)) else { return Vec::new() };
        self.hold(start, segment.time, segment.payload);
        let mut pieces = self.ready();
        if segment.missing > 0 {
            // Cut by the capture: what follows cannot be awaited.
            let end = start + (segment.payload.len() + segment.missing) as u64;
            pieces.extend(self.give_up(end, segment.time));
        }
        while self.held > WINDOW {
            let Some(first) = self.waiting.keys().next().copied() else { break };
            pieces.extend(self.give_up(first, segment.time));
        }
        pieces
    }

    /// Ends the stream: what still waits comes behind a gap.
    pub fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Some((&first, &(time, _))) = self.waiting.iter().next() {
            pieces.extend(self.give_up(first, time));
        }
        pieces
    }

    /// The position of a sequence number, taken as near to the next byte as it can be; `None` when that is before the
    /// beginning.
    fn position(&self, offset: u32) -> Option<u64> {
        let low = u32::try_from(self.next & u64::from(u32::MAX)).unwrap_or(0);
        // As a signed distance: ahead of the next byte, or behind it.
        let ahead = i64::from(offset.wrapping_sub(low).cast_signed());
        u64::try_from(i64::try_from(self.next).ok()?.checked_add(ahead)?).ok()
    }

    fn hold(&mut self, start: u64, time: Time, payload: &[u8]) {
        let skip = usize::try_from(self.next.saturating_sub(start)).unwrap_or(usize::MAX);
        let Some(fresh) = payload.get(skip..).filter(|fresh| !fresh.is_empty()) else { return };
        let start = start.max(self.next);
        let longer = self.waiting.get(&start).is_none_or(|(_, old)| old.len() < fresh.len());
        if longer {
            self.held += fresh.len();
            if let Some((_, old)) = self.waiting.insert(start, (time, fresh.to_vec())) {
                self.held -= old.len();
            }
        }
    }

    /// What follows on the last byte without a hole.
    fn ready(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Some((&start, _)) = self.waiting.iter().next().filter(|(start, _)| **start <= self.next) {
            let Some((time, mut bytes)) = self.waiting.remove(&start) else { break };
            self.held -= bytes.len();
            let known = usize::try_from(self.next - start).unwrap_or(usize::MAX).min(bytes.len());
            bytes.drain(..known);
            if !bytes.is_empty() {
                self.next += bytes.len() as u64;
                pieces.push(Piece::Bytes(time, bytes));
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
            reset: false,
            payload,
            missing: 0,
        }
    }

    fn bytes(pieces: &[Piece]) -> Vec<u8> {
        let of = |piece: &Piece| match piece {
            Piece::Bytes(_, bytes) => bytes.clone(),
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
    fn a_new_connection_on_the_same_ports_begins_anew() {
        let mut s = stream(0);
        s.push(&segment(1, b"old"));
        s.push(&Segment { syn: true, ..segment(5000, b"") });
        assert_eq!(bytes(&s.push(&segment(5001, b"new"))), b"new");
    }
}
