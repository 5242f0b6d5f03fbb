//! PDUs out of the bytes of one direction, and how to go on where bytes are missing or wrong.
//!
//! This stands on [`Rules`], which is what a receiver judges with, and keeps its own buffer: unlike a receiver, a dissector goes on
//! behind a PDU that is refused. It then looks for a place where a PDU that obeys all rules is followed by another one, or by the end of what was
//! captured so far.

use nvme_proto::digest::Digests;
use nvme_proto::frame::{Front, Limits, Phase, Rules};
use nvme_proto::pdu::{CommonHeader, Flags, Format, Header, PduType, ProtocolError, Role, Shape};

use super::event::{Completeness, Passed, Why};

/// Longest PDU that is believed while looking for one.
const LONGEST_GUESS: usize = 1 << 20;

/// How the layout of PDUs is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// From the handshake.
    Negotiated,
    /// From the flags of each PDU, since the handshake was not seen.
    Guessed,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The buffer starts with a PDU.
    Aligned,
    /// A PDU is looked for; so many bytes were passed over.
    Looking { passed: u64, why: Why },
}

/// What comes next in a direction.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "taken apart at once")]
pub enum Step {
    /// A PDU; [`Direction::taken`] has its bytes.
    Pdu(u64, Header, Shape, Completeness),
    /// One that violates a rule, at this position.
    Refused(u64, ProtocolError),
    /// Bytes were passed over.
    Passed(Passed),
    /// More has to come.
    Wait,
}

/// One direction of a connection.
#[derive(Debug)]
pub struct Direction {
    sender: Role,
    rules: Rules,
    layout: Layout,
    buffer: Vec<u8>,
    /// Where in the buffer the next PDU starts.
    start: usize,
    /// The bytes of the PDU that was given last start here.
    last: usize,
    /// Bytes of the direction before `start`.
    position: u64,
    state: State,
    completeness: Completeness,
    /// Bytes that are missing behind the PDU in the buffer.
    missing_behind: u64,
}

impl Direction {
    /// At the beginning of a connection.
    pub fn new(sender: Role) -> Self {
        let mut limits = Limits::default();
        // What was agreed on is not in the wire; 16 MiB is more than anybody takes.
        limits.in_capsule_data = 16 << 20;
        limits.h2c_data = 16 << 20;
        Self {
            sender,
            rules: Rules::new(sender.other(), limits),
            layout: Layout::Negotiated,
            buffer: Vec::new(),
            start: 0,
            last: 0,
            position: 0,
            state: State::Aligned,
            completeness: Completeness::Whole,
            missing_behind: 0,
        }
    }

    /// From here on the layout is that of the flags, and everything but a handshake may come.
    pub fn guess(&mut self) {
        self.layout = Layout::Guessed;
        self.rules = self.rules.ready(Format::PLAIN, self.rules.limits);
    }

    /// The same, without knowing where a PDU starts.
    pub fn look(&mut self) {
        self.guess();
        self.state = State::Looking { passed: 0, why: Why::NotFound };
    }

    /// From here on the layout is `format`.
    pub fn negotiated(&mut self, format: Format, max_h2c_data: u32) {
        let mut limits = self.rules.limits;
        limits.h2c_data = max_h2c_data;
        self.layout = Layout::Negotiated;
        self.rules = self.rules.ready(format, limits);
    }

    /// Whether the handshake of this direction is to come.
    pub fn awaits_handshake(&self) -> bool {
        self.rules.phase == Phase::Handshake
    }

    /// Whether nothing of this direction was seen, and its handshake is to come.
    pub fn is_silent(&self) -> bool {
        self.awaits_handshake() && self.position == 0 && self.pending().is_empty()
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// So many bytes are missing. The part of them that belongs to the data of a PDU whose header is there is filled with zeros.
    pub fn gap(&mut self, missing: u64) -> Lost {
        let have = self.pending().len();
        if let (State::Aligned, Some(len)) = (self.state, self.pdu_len()) {
            let rest = len.saturating_sub(have) as u64;
            let filled = rest.min(missing);
            self.completeness = Completeness::Holes;
            self.buffer.resize(self.buffer.len() + usize::try_from(filled).unwrap_or(0), 0);
            self.missing_behind = missing - filled;
            if missing == filled { Lost::Data } else { Lost::Pdus }
        } else {
            let (before, why) = match self.state {
                State::Looking { passed, why } if passed > 0 => (passed, why),
                _ => (0, Why::Missing),
            };
            if self.awaits_handshake() {
                self.guess();
            }
            let passed = have as u64 + missing;
            self.buffer.truncate(self.start);
            self.position += passed;
            self.state = State::Looking { passed: before + passed, why };
            Lost::Pdus
        }
    }

    /// The next thing. Call it until it waits. `end` says that nothing more will come.
    pub fn next(&mut self, end: End) -> Step {
        if let State::Looking { passed, why } = self.state {
            return self.look_for(passed, why, end);
        }
        let judged = self.rules_for(self.pending()).front(self.pending());
        match judged {
            Ok(Front::Header(header, shape)) => {
                let len = usize::try_from(shape.pdu_len).unwrap_or(usize::MAX);
                if self.pending().len() < len {
                    return self.rest(end);
                }
                let position = self.position;
                let completeness = std::mem::replace(&mut self.completeness, Completeness::Whole);
                self.last = self.start;
                self.advance(len);
                if self.missing_behind > 0 {
                    let missing = std::mem::take(&mut self.missing_behind);
                    self.position += missing;
                    self.state = State::Looking { passed: missing, why: Why::Missing };
                }
                Step::Pdu(position, header, shape, completeness)
            }
            Ok(Front::Need(_)) => self.rest(end),
            Err(error) => {
                let position = self.position;
                self.state = State::Looking { passed: 0, why: Why::NotFound };
                // The first byte is not tried again.
                self.advance(1);
                if let State::Looking { passed, .. } = &mut self.state {
                    *passed = 1;
                }
                Step::Refused(position, error)
            }
        }
    }

    /// The bytes of the PDU that [`next`](Self::next) gave last.
    pub fn taken(&self) -> &[u8] {
        self.buffer.get(self.last..self.start).unwrap_or_default()
    }

    fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn advance(&mut self, len: usize) {
        let len = len.min(self.pending().len());
        self.start += len;
        self.position += len as u64;
    }

    /// Bytes of the PDU in the buffer, if its header is there and right.
    fn pdu_len(&self) -> Option<usize> {
        let bytes = self.pending();
        match self.rules_for(bytes).front(bytes) {
            Ok(Front::Header(_, shape)) => usize::try_from(shape.pdu_len).ok(),
            _ => None,
        }
    }

    /// What a PDU that starts with these bytes is judged by.
    fn rules_for(&self, bytes: &[u8]) -> Rules {
        let Some(common) = bytes.first_chunk().filter(|_| self.layout == Layout::Guessed) else {
            return self.rules;
        };
        let common = CommonHeader::decode(common);
        let defined = PduType::from_code(common.code).map_or(Flags::NONE, PduType::defined_flags);
        let flag = |flag| defined.contains(flag) && common.flags.contains(flag);
        let digests = Digests { header: flag(Flags::HDGSTF), data: flag(Flags::DDGSTF) };
        self.rules.ready(Format { digests, ..Format::PLAIN }, self.rules.limits)
    }

    /// Waits, or at the end says what is left.
    fn rest(&mut self, end: End) -> Step {
        let bytes = self.pending().len() as u64;
        if end == End::Open || bytes == 0 {
            return Step::Wait;
        }
        let position = self.position;
        self.advance(usize::MAX);
        self.completeness = Completeness::Whole;
        Step::Passed(Passed { from: self.sender, position, bytes, why: Why::CutOff })
    }

    fn look_for(&mut self, mut passed: u64, why: Why, end: End) -> Step {
        let from = self.sender;
        loop {
            let bytes = self.pending();
            let verdict = self.verdict(bytes, end);
            if bytes.is_empty() {
                if end == End::Open || passed == 0 {
                    self.state = State::Looking { passed, why };
                    return Step::Wait;
                }
                self.state = State::Looking { passed: 0, why };
                return Step::Passed(Passed { from, position: self.position - passed, bytes: passed, why });
            }
            match verdict {
                Verdict::Wait => {
                    self.state = State::Looking { passed, why };
                    return Step::Wait;
                }
                Verdict::Pdu => {
                    self.state = State::Aligned;
                    if passed == 0 {
                        return self.next(end);
                    }
                    let position = self.position - passed;
                    return Step::Passed(Passed { from, position, bytes: passed, why });
                }
                Verdict::No => {
                    self.advance(1);
                    passed += 1;
                }
            }
        }
    }

    /// Whether a PDU starts with these bytes.
    fn verdict(&self, bytes: &[u8], end: End) -> Verdict {
        let more = if end == End::Open { Verdict::Wait } else { Verdict::No };
        let rules = self.rules_for(bytes);
        let shape = match rules.front(bytes) {
            Err(_) => return Verdict::No,
            Ok(Front::Need(_)) => return more,
            Ok(Front::Header(_, shape)) => shape,
        };
        let len = usize::try_from(shape.pdu_len).unwrap_or(usize::MAX);
        if len > LONGEST_GUESS {
            return Verdict::No;
        }
        let Some(behind) = bytes.get(len..) else { return more };
        let follows = match behind.first_chunk() {
            Some(common) => self.rules_for(behind).shape(common).is_ok(),
            // Too little to tell more.
            None => behind.first().is_none_or(|code| {
                PduType::from_code(*code).is_some_and(|pdu_type| pdu_type.sender() == self.sender)
            }),
        };
        if follows { Verdict::Pdu } else { Verdict::No }
    }
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Data of one PDU.
    Data,
    /// More than that: whole PDUs, maybe.
    Pdus,
}

/// Whether more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Maybe.
    Open,
    /// No.
    Reached,
}

enum Verdict {
    Pdu,
    No,
    Wait,
}

#[cfg(test)]
mod tests {
    use super::*;
    use nvme_proto::pdu::{CapsuleResp, R2t};

    fn responses(n: u16) -> Vec<u8> {
        (0..n).flat_map(|n| CapsuleResp::new([n.to_le_bytes()[0]; 16]).encode()).collect()
    }

    fn ready() -> Direction {
        let mut direction = Direction::new(Role::Controller);
        direction.negotiated(Format::PLAIN, 8192);
        direction
    }

    fn run(direction: &mut Direction, end: End) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            found.push(match direction.next(end) {
                Step::Pdu(at, header, _, whole) => format!("{at} {} {whole:?}", header.pdu_type()),
                Step::Refused(at, error) => format!("{at} {:?}", error.rule),
                Step::Passed(passed) => format!("{} {:?} {}", passed.position, passed.why, passed.bytes),
                Step::Wait => return found,
            });
        }
    }

    #[test]
    fn a_wrong_pdu_is_named_and_the_next_one_found() {
        let mut bytes = responses(3);
        bytes[24 + 2] = 25;
        for cut in 0..bytes.len() {
            let mut direction = ready();
            let mut found = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                direction.push(part);
                found.extend(run(&mut direction, End::Open));
            }
            found.extend(run(&mut direction, End::Reached));
            let expected = ["0 CapsuleResp Whole", "24 HeaderLen", "24 NotFound 24", "48 CapsuleResp Whole"];
            assert_eq!(found, expected, "cut at {cut}");
        }
    }

    #[test]
    fn missing_bytes_between_pdus_are_passed_over() {
        let bytes = responses(4);
        for (from, to) in [(24, 48), (10, 30), (24, 50), (47, 60)] {
            let mut direction = ready();
            direction.push(&bytes[..from]);
            let mut found = run(&mut direction, End::Open);
            direction.gap((to - from) as u64);
            direction.push(&bytes[to..]);
            found.extend(run(&mut direction, End::Reached));
            assert!(found.iter().any(|found| found.contains("Missing")), "{found:?}");
            assert_eq!(found.last().unwrap(), "72 CapsuleResp Whole", "{from} {to}");
        }
    }

    #[test]
    fn what_is_left_at_the_end_is_said() {
        let mut direction = ready();
        direction.push(&R2t::new(1, 2, 0, 4).encode()[..20]);
        assert_eq!(run(&mut direction, End::Open), [""; 0]);
        assert_eq!(run(&mut direction, End::Reached), ["0 CutOff 20"]);
        assert_eq!(run(&mut direction, End::Reached), [""; 0]);
        let mut direction = ready();
        direction.look();
        direction.push(&[0xff; 100]);
        assert_eq!(run(&mut direction, End::Reached), ["0 NotFound 100"]);
    }
}
