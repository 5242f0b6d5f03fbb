//! Data that the host sends because they were asked for.

use super::event::Reply;
use super::receive::{Step, violation};
use super::slot::{Slot, Stage};
use super::{Arriving, Controller};
use crate::Status;
use crate::frame::DataDigest;
use crate::machine::{Direct, Failure};
use crate::pdu::{H2cData, PduType, Rule};

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Controller<R, W> {
    /// Where the data of a PDU go: the slot, the first byte in its buffer, and how many bytes of the command are there then.
    #[inline(always)]
    pub(super) fn start_data(&mut self, data: &H2cData) -> Result<(u16, usize, u32), Failure> {
        let refuse = |rule, found| Err(violation(PduType::H2cData, rule, found));
        let piece = self.config.max_r2t_data;
        let slot = data.transfer_tag & self.tags.mask;
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else {
            return refuse(Rule::UnknownTag, data.transfer_tag.into());
        };
        // R2Ts of a command are served in order, so that only the oldest can get data.
        let is_oldest = is_asking(entry) && self.tags.of(slot, entry.r2t) == data.transfer_tag;
        if !is_oldest {
            let is_tag = |ahead: u16| self.tags.of(slot, entry.r2t.wrapping_add(ahead)) == data.transfer_tag;
            return match is_asking(entry) && (1..entry.r2ts).any(is_tag) {
                false => refuse(Rule::UnknownTag, self.tags.number(data.transfer_tag).into()),
                true if data.command_id != entry.cid => refuse(Rule::ForeignTag, data.command_id.into()),
                true => refuse(Rule::OutOfOrder, data.offset),
            };
        }
        if data.command_id != entry.cid {
            return refuse(Rule::ForeignTag, data.command_id.into());
        }
        if data.offset != entry.got {
            return refuse(Rule::OutOfOrder, data.offset);
        }
        let r2t_end = entry.r2t_end(piece);
        let end = match data.offset.checked_add(data.len) {
            Some(end) if end <= r2t_end => end,
            _ => return refuse(Rule::OutOfRange, data.len),
        };
        if end < r2t_end && data.len & 3 != 0 {
            return refuse(Rule::DataLenUnaligned, data.len);
        }
        if data.is_last() != (end == r2t_end) {
            return refuse(Rule::LastFlag, data.offset);
        }
        // It is within the buffer.
        Ok((slot, usize::try_from(data.offset).unwrap_or(usize::MAX), end))
    }

    /// Copies what came of plain data into the slot's buffer; whether that were all.
    #[inline(always)]
    pub(super) fn place_plain(&mut self, slot: u16) -> bool {
        let Direct { from, missing } = self.direct;
        if missing == 0 {
            return true;
        }
        let place = self.slots.get_mut(usize::from(slot)).map(|entry| entry.place(from, missing));
        self.framer.fill_place(place.unwrap_or_default(), &mut self.direct)
    }

    /// Puts what came of the data of a PDU into the slot's buffer; whether that were all.
    pub(super) fn place_framed(&mut self, slot: u16, at: usize, len: usize) -> bool {
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else { return true };
        let digest = self.framer.place_at(entry.place(at, len), at, &mut self.direct);
        entry.damaged |= matches!(digest, Some(DataDigest::Bad { .. }));
        digest.is_some()
    }

    /// The data of a PDU are in their place: `got` bytes of the command are there.
    #[inline(always)]
    pub(super) fn placed(&mut self, slot: u16, got: u32) -> Option<Step> {
        self.arriving = Arriving::Nothing;
        let entry = self.slots.get_mut(usize::from(slot))?;
        let r2t_end = entry.r2t_end(self.config.max_r2t_data);
        entry.got = got;
        if got < r2t_end {
            return None;
        }
        entry.r2t_start = r2t_end;
        entry.r2t = entry.r2t.wrapping_add(1);
        entry.r2ts = entry.r2ts.wrapping_sub(1);
        if entry.stage != Stage::Fetching || got < entry.transfer {
            // Room for one more R2T, or the last one is served and the answer can go.
            self.work.push(slot);
            return None;
        }
        entry.fetchable = false;
        if entry.damaged {
            self.damaged(slot);
            return Some(Step::FetchFailed(slot));
        }
        entry.stage = Stage::Open;
        Some(Step::Fetched(slot))
    }

    /// The data of a command have come, and not as they were sent.
    #[cold]
    fn damaged(&mut self, slot: u16) {
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else { return };
        entry.stage = Stage::Answering(Reply::failed(Status::TRANSIENT_TRANSPORT_ERROR));
        self.connecting &= entry.connect.take().is_none();
        self.work.push(slot);
    }
}

/// Whether R2Ts of a slot may be outstanding.
#[inline(always)]
fn is_asking<R, W>(entry: &Slot<R, W>) -> bool {
    entry.r2ts > 0 && matches!(entry.stage, Stage::Fetching | Stage::Answering(_))
}
