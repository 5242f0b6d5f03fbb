//! What the controller sends.

use super::event::Event;
use super::slot::{Grant, Slot, Stage};
use super::{Host, Phase};
use crate::cqe::Cqe;
use crate::frame::{DataDigest, Placed};
use crate::machine::{Direct, Failure, Space};
use crate::pdu::{C2hData, CapsuleResp, Header, IcResp, PduType, ProtocolError, R2t, Rule};

/// What is in the middle of arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arriving {
    /// A header comes next.
    Nothing,
    /// Data for a slot, into its buffer from byte `at` on.
    Data { slot: u16, at: usize, len: usize, end: Last },
}

/// Whether data are the command's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// More may follow.
    No,
    /// No more data follow, a completion does.
    Yes,
    /// Neither follows: the command has succeeded.
    Success,
}

/// What the received bytes led to.
pub(super) enum Step<R, W> {
    /// Something to tell.
    Event(Event<R, W>),
    /// Commands are over.
    Over,
    /// More bytes are needed.
    Starved,
}

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Host<R, W> {
    /// Where the next bytes from the controller go; then say by [`received`](Self::received) how many came.
    pub fn space(&mut self) -> Space<'_> {
        let payload = match self.arriving {
            Arriving::Data { slot, .. } if self.direct.missing > 0 => self
                .slots
                .get_mut(usize::from(slot))
                .map(|entry| entry.place(self.direct.from, self.direct.missing))
                .unwrap_or_default(),
            _ => &mut [],
        };
        Space { payload, buffer: self.framer.space() }
    }

    /// `n` bytes came into [`space`](Self::space): first the payload was filled, then the buffer.
    pub fn received(&mut self, n: usize) {
        if !matches!(self.phase, Phase::Handshake | Phase::Ready) {
            return; // what comes after the end is not looked at
        }
        let placed = self.direct.received(n);
        if placed > 0 {
            self.framer.placed(placed);
        }
        self.framer.filled(n.saturating_sub(placed));
    }

    /// Copies bytes in, for callers that have them already; says how many fitted. [`poll`](Self::poll) makes room for more.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let n = self.space().copy(bytes);
        self.received(n);
        n
    }

    /// Handles what was received, up to the first thing that is to be told.
    pub(super) fn step(&mut self) -> Result<Step<R, W>, Failure> {
        while self.over.is_empty() {
            if let Arriving::Data { slot, at, len, end } = self.arriving {
                if !self.place(slot, at, len, end) {
                    return Ok(Step::Starved);
                }
                continue;
            }
            // Those that come by the million, the short way.
            if let Some(data) = self.framer.next_usual() {
                self.start_data(&data)?;
                continue;
            }
            if let Some(CapsuleResp { cqe, .. }) = self.framer.next_usual() {
                self.complete(&Cqe::from_bytes(&cqe))?;
                continue;
            }
            if let Some(request) = self.framer.next_usual() {
                self.grant(&request)?;
                continue;
            }
            let Some(header) = self.framer.next_header()? else {
                return Ok(Step::Starved);
            };
            match header {
                Header::C2hData(data) => self.start_data(&data)?,
                Header::CapsuleResp(response) => self.complete(&Cqe::from_bytes(&response.cqe))?,
                Header::R2t(request) => self.grant(&request)?,
                Header::IcResp(response) => return self.agree(&response),
                Header::TermReq(request) => {
                    return Err(Failure::PeerTerminated { fes: request.fes, fei: request.fei });
                }
                // Framing lets no other type through to a host.
                other => {
                    let pdu_type = other.pdu_type();
                    return Err(violation(pdu_type, Rule::WrongDirection, pdu_type.code().into()));
                }
            }
        }
        Ok(Step::Over)
    }

    fn agree(&mut self, response: &IcResp) -> Result<Step<R, W>, Failure> {
        let agreed = response.negotiate(&self.asked)?;
        let required = self.config.digests;
        if !required.is_subset_of(agreed.digests) {
            return Err(Failure::DigestsRefused { required, granted: agreed.digests });
        }
        self.framer.ready(agreed.to_host, super::limits(&self.config));
        self.agreed = Some(agreed);
        self.phase = Phase::Ready;
        Ok(Step::Event(Event::Ready(agreed)))
    }

    /// The slot of the outstanding command with this identifier on the wire.
    fn issued(&mut self, wire: u16) -> Option<(u16, &mut Slot<R, W>)> {
        let mask = 1_u16.checked_shl(self.slot_bits).unwrap_or(0).wrapping_sub(1);
        let slot = wire & mask;
        let entry = self.slots.get_mut(usize::from(slot))?;
        (entry.stage == Stage::Issued && entry.wire == wire).then_some((slot, entry))
    }

    fn complete(&mut self, cqe: &Cqe) -> Result<(), Failure> {
        let Some((slot, _)) = self.issued(cqe.cid) else {
            return Err(violation(PduType::CapsuleResp, Rule::UnknownCompletion, cqe.cid.into()));
        };
        self.sq_head = cqe.sqhd;
        self.finish(slot, *cqe);
        Ok(())
    }

    /// The command of a slot has its completion. It is told when nothing is being sent from its buffer any more.
    fn finish(&mut self, slot: u16, cqe: Cqe) {
        self.deadlines.remove(slot);
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else { return };
        entry.stage = Stage::Over(entry.judge(cqe));
        if entry.lent == 0 {
            self.over.push(slot);
        }
    }

    fn start_data(&mut self, data: &C2hData) -> Result<(), Failure> {
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
        match data.offset.checked_add(data.len) {
            Some(end) if end <= entry.len => {
                if end < entry.len && !data.is_last() && data.len.checked_rem(4) != Some(0) {
                    return refuse(Rule::DataLenUnaligned, data.len);
                }
            }
            _ => return refuse(Rule::OutOfRange, data.len),
        }
        let end = match (data.is_success(), data.is_last()) {
            (true, _) => Last::Success,
            (false, true) => Last::Yes,
            (false, false) => Last::No,
        };
        // Both are within the buffer.
        let at = usize::try_from(data.offset).unwrap_or(usize::MAX);
        let len = usize::try_from(data.len).unwrap_or(usize::MAX);
        self.arriving = Arriving::Data { slot, at, len, end };
        Ok(())
    }

    /// Puts what came of the data of a PDU into the slot's buffer; whether that were all.
    fn place(&mut self, slot: u16, at: usize, len: usize, end: Last) -> bool {
        self.direct = Direct::default();
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else {
            self.arriving = Arriving::Nothing;
            return true;
        };
        let digest = match self.framer.place(entry.place(at, len)) {
            Ok(Placed::Done(digest)) => digest,
            Ok(Placed::More { filled, missing }) => {
                self.direct = Direct { from: at.saturating_add(filled), missing };
                return false;
            }
            // The buffer has shrunk while the machine had it: the data have no place any more, and the framer throws them away.
            Err(_) => DataDigest::Absent,
        };
        self.arriving = Arriving::Nothing;
        entry.moved = entry.moved.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        entry.last = end != Last::No;
        if let DataDigest::Bad { received, computed } = digest {
            entry.damaged.get_or_insert((received, computed));
        }
        if end == Last::Success {
            let cqe = Cqe::success(entry.wire).with_sqhd(self.sq_head);
            self.finish(slot, cqe);
        }
        true
    }

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
        if end < entry.len && request.len.checked_rem(4) != Some(0) {
            return refuse(Rule::DataLenUnaligned, request.len);
        }
        if entry.grants.len() >= max_r2ts {
            return refuse(Rule::R2tLimit, request.transfer_tag.into());
        }
        entry.granted = end;
        entry.grants.push_back(Grant { transfer_tag: request.transfer_tag, len: request.len });
        self.work.push(slot);
        Ok(())
    }
}

fn violation(pdu_type: PduType, rule: Rule, found: u32) -> Failure {
    Failure::Violation(ProtocolError::new(pdu_type, rule, found))
}
