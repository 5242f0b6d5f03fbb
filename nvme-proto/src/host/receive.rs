//! What the controller sends.

use super::slot::{Grant, Slot, Stage};
use super::{Host, Phase};
use crate::cqe::Cqe;
use crate::frame::DataDigest;
use crate::machine::{Direct, Failure, Space};
use crate::pdu::{C2hData, CapsuleResp, Header, IcResp, PduType, ProtocolError, R2t, Rule};

const CAPSULE_RESP: u8 = PduType::CapsuleResp.code();
const C2H_DATA: u8 = PduType::C2hData.code();
const R2T: u8 = PduType::R2t.code();

/// What is in the middle of arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arriving {
    /// A header comes next.
    Nothing,
    /// Data for a slot, without padding and digest; [`Direct`] tells where to.
    Plain { slot: u16, end: End },
    /// Data for a slot, into its buffer from byte `at` on, of which the framer keeps account.
    Framed { slot: u16, at: usize, len: usize, end: End },
}

impl Arriving {
    /// Whether nothing can be done before more bytes come, when none are left and `missing` are missing of those that were to be placed.
    #[inline(always)]
    pub(super) const fn is_waiting(self, missing: usize) -> bool {
        matches!(self, Self::Nothing) || matches!(self, Self::Plain { .. }) && missing > 0
    }

    /// The slot whose buffer the data go to.
    #[inline]
    const fn slot(self) -> Option<u16> {
        match self {
            Self::Nothing => None,
            Self::Plain { slot, .. } | Self::Framed { slot, .. } => Some(slot),
        }
    }
}

/// What there is to say when the data of a PDU are all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Bytes of the command's data that are there then.
    moved: u32,
    last: Last,
}

/// Whether data are the command's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// More may follow.
    No,
    /// No more data follow, a completion does.
    Yes,
    /// Neither follows: the command has succeeded.
    Success,
}

/// What the received bytes led to.
pub(super) enum Step {
    /// A command has its completion.
    Complete(u16, Cqe),
    /// The handshake is through.
    Ready,
    /// More bytes are needed.
    Starved,
}

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Host<R, W> {
    /// Where the next bytes from the controller go; then say by [`received`](Self::received) how many came.
    #[inline]
    pub fn space(&mut self) -> Space<'_> {
        let payload = match self.arriving.slot() {
            Some(slot) if self.direct.missing > 0 => self
                .slots
                .get_mut(usize::from(slot))
                .map(|entry| entry.place(self.direct.from, self.direct.missing))
                .unwrap_or_default(),
            _ => &mut [],
        };
        Space { payload, buffer: self.framer.space() }
    }

    /// `n` bytes came into [`space`](Self::space): first the payload was filled, then the buffer.
    #[inline]
    pub fn received(&mut self, n: usize) {
        if !matches!(self.phase, Phase::Handshake | Phase::Ready) {
            return; // what comes after the end is not looked at
        }
        let placed = self.direct.received(n);
        if placed > 0 {
            match self.arriving {
                Arriving::Framed { .. } => self.framer.placed(placed),
                _ => self.framer.passed(placed),
            }
        }
        self.framer.filled(n.wrapping_sub(placed));
    }

    /// Copies bytes in, for callers that have them already; says how many fitted. [`poll`](Self::poll) makes room for more.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let n = self.space().copy(bytes);
        self.received(n);
        n
    }

    /// Handles what was received, up to the first thing that is to be told.
    #[inline(always)]
    pub(super) fn step(&mut self) -> Result<Step, Failure> {
        loop {
            match self.arriving {
                Arriving::Nothing => {}
                Arriving::Plain { slot, end } => {
                    if !self.place_plain(slot) {
                        return Ok(Step::Starved);
                    }
                    if let Some(cqe) = self.placed(slot, end) {
                        return Ok(Step::Complete(slot, cqe));
                    }
                }
                Arriving::Framed { slot, at, len, end } => {
                    if !self.place_framed(slot, at, len) {
                        return Ok(Step::Starved);
                    }
                    if let Some(cqe) = self.placed(slot, end) {
                        return Ok(Step::Complete(slot, cqe));
                    }
                }
            }
            // Those that come by the million, the short way.
            match self.framer.plain_code() {
                Some(C2H_DATA) => {
                    if let Some((data, len)) = self.framer.take_plain::<C2hData>() {
                        let (slot, at, end) = self.start_data(&data)?;
                        self.direct = Direct { from: at, missing: len };
                        // Short data have mostly come with their header.
                        if !self.place_plain(slot) {
                            self.arriving = Arriving::Plain { slot, end };
                            return Ok(Step::Starved);
                        }
                        match self.placed(slot, end) {
                            Some(cqe) => return Ok(Step::Complete(slot, cqe)),
                            None => continue,
                        }
                    }
                }
                Some(CAPSULE_RESP) => {
                    if let Some((CapsuleResp { cqe, .. }, _)) = self.framer.take_plain() {
                        return self.complete(Cqe::from_bytes(&cqe));
                    }
                }
                Some(R2T) => {
                    if let Some((request, _)) = self.framer.take_plain() {
                        self.grant(&request)?;
                        continue;
                    }
                }
                _ => {}
            }
            if let Some(step) = self.unusual()? {
                return Ok(step);
            }
        }
    }

    /// Takes a header that is not as most are, or not all there.
    #[inline(never)]
    fn unusual(&mut self) -> Result<Option<Step>, Failure> {
        let Some(header) = self.framer.next_header()? else {
            return Ok(Some(Step::Starved));
        };
        match header {
            Header::C2hData(data) => {
                let (slot, at, end) = self.start_data(&data)?;
                self.arriving = Arriving::Framed { slot, at, len: self.framer.data_len(), end };
            }
            Header::CapsuleResp(response) => {
                return self.complete(Cqe::from_bytes(&response.cqe)).map(Some);
            }
            Header::R2t(request) => self.grant(&request)?,
            Header::IcResp(response) => return self.agree(&response).map(Some),
            Header::TermReq(request) => {
                return Err(Failure::PeerTerminated { fes: request.fes, fei: request.fei });
            }
            // Framing lets no other type through to a host.
            other => {
                let pdu_type = other.pdu_type();
                return Err(violation(pdu_type, Rule::WrongDirection, pdu_type.code().into()));
            }
        }
        Ok(None)
    }

    fn agree(&mut self, response: &IcResp) -> Result<Step, Failure> {
        let agreed = response.negotiate(&self.asked)?;
        let required = self.config.digests;
        if !required.is_subset_of(agreed.digests) {
            return Err(Failure::DigestsRefused { required, granted: agreed.digests });
        }
        self.framer.ready(agreed.to_host, super::limits(&self.config));
        self.agreed = Some(agreed);
        self.phase = Phase::Ready;
        Ok(Step::Ready)
    }

    /// The slot of the outstanding command with this identifier on the wire.
    #[inline(always)]
    fn issued(&mut self, wire: u16) -> Option<(u16, &mut Slot<R, W>)> {
        let slot = wire & self.slot_mask;
        let entry = self.slots.get_mut(usize::from(slot))?;
        let is_issued =
            entry.stage == Stage::Issued && entry.wire == wire && self.outbox.is_given(entry.ticket);
        is_issued.then_some((slot, entry))
    }

    #[inline(always)]
    fn complete(&mut self, cqe: Cqe) -> Result<Step, Failure> {
        let Some((slot, _)) = self.issued(cqe.cid) else {
            return Err(violation(PduType::CapsuleResp, Rule::UnknownCompletion, cqe.cid.into()));
        };
        self.sq_head = cqe.sqhd;
        Ok(Step::Complete(slot, cqe))
    }

    /// Where the data of a PDU go: the slot, the first byte in its buffer, and what is to be said then.
    #[inline(always)]
    fn start_data(&mut self, data: &C2hData) -> Result<(u16, usize, End), Failure> {
        let refuse = |rule, found| Err(violation(PduType::C2hData, rule, found));
        let Some((slot, entry)) = self.issued(data.command_id) else {
            return refuse(Rule::UnknownCommand, data.command_id.into());
        };
        if !entry.is_read() || entry.last {
            return refuse(Rule::NoDataExpected, data.command_id.into());
        }
        if data.offset != entry.moved {
            return refuse(Rule::OutOfOrder, data.offset);
        }
        let end = match data.offset.checked_add(data.len) {
            Some(end) if end <= entry.len => end,
            _ => return refuse(Rule::OutOfRange, data.len),
        };
        if end < entry.len && !data.is_last() && data.len & 3 != 0 {
            return refuse(Rule::DataLenUnaligned, data.len);
        }
        let last = match (data.is_success(), data.is_last()) {
            (true, _) => Last::Success,
            (false, true) => Last::Yes,
            (false, false) => Last::No,
        };
        // It is within the buffer.
        Ok((slot, usize::try_from(data.offset).unwrap_or(usize::MAX), End { moved: end, last }))
    }

    /// Copies what came of plain data into the slot's buffer; whether that were all.
    #[inline(always)]
    fn place_plain(&mut self, slot: u16) -> bool {
        let Direct { from, missing } = self.direct;
        if missing == 0 {
            return true;
        }
        let place = self.slots.get_mut(usize::from(slot)).map(|entry| entry.place(from, missing));
        self.framer.fill_place(place.unwrap_or_default(), &mut self.direct)
    }

    /// Puts what came of the data of a PDU into the slot's buffer; whether that were all.
    fn place_framed(&mut self, slot: u16, at: usize, len: usize) -> bool {
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else { return true };
        let digest = self.framer.place_at(entry.place(at, len), at, &mut self.direct);
        if let Some(DataDigest::Bad { received, computed }) = digest {
            entry.damaged.get_or_insert((received, computed));
        }
        digest.is_some()
    }

    /// The data of a PDU are in their place; the completion that they stand for, if they do.
    #[inline(always)]
    fn placed(&mut self, slot: u16, end: End) -> Option<Cqe> {
        self.arriving = Arriving::Nothing;
        let entry = self.slots.get_mut(usize::from(slot))?;
        entry.moved = end.moved;
        entry.last = end.last != Last::No;
        (end.last == Last::Success).then(|| Cqe::success(entry.wire).with_sqhd(self.sq_head))
    }

    #[inline(always)]
    fn grant(&mut self, request: &R2t) -> Result<(), Failure> {
        let max_r2ts = usize::from(self.config.max_r2ts);
        let refuse = |rule, found| Err(violation(PduType::R2t, rule, found));
        let Some((slot, entry)) = self.issued(request.command_id) else {
            return refuse(Rule::UnknownCommand, request.command_id.into());
        };
        if !entry.is_transfer_write() {
            return refuse(Rule::NoDataExpected, request.command_id.into());
        }
        if request.offset != entry.granted {
            return refuse(Rule::OutOfOrder, request.offset);
        }
        let end = match request.offset.checked_add(request.len) {
            Some(end) if end <= entry.len => end,
            _ => return refuse(Rule::OutOfRange, request.len),
        };
        if end < entry.len && request.len & 3 != 0 {
            return refuse(Rule::DataLenUnaligned, request.len);
        }
        if entry.grants.len() >= max_r2ts {
            return refuse(Rule::R2tLimit, request.transfer_tag.into());
        }
        entry.granted = end;
        entry.grants.push(Grant { transfer_tag: request.transfer_tag, len: request.len });
        self.work.push(slot);
        Ok(())
    }
}

#[cold]
fn violation(pdu_type: PduType, rule: Rule, found: u32) -> Failure {
    Failure::Violation(ProtocolError::new(pdu_type, rule, found))
}
