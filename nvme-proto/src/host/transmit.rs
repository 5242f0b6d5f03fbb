//! What is to be sent.

use super::slot::{Grant, Stage, give_back};
use super::{Host, Phase};
use crate::machine::Lent;
use crate::pdu::{CapsuleCmd, H2cData, Negotiated};

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Host<R, W> {
    /// The bytes to send, in order: everything that is ready, up to [`Config::batch`](super::Config::batch) PDUs, as chunks for one `writev`.
    /// Data are lent from the commands' buffers and not copied.
    ///
    /// Asking again without [`transmitted`](Self::transmitted) gives the same bytes, and maybe more behind them.
    pub fn transmit(&mut self) -> impl Iterator<Item = &[u8]> {
        self.fill();
        let slots = &self.slots;
        self.outbox.chunks(move |slot| slots.get(usize::from(slot)).map_or(&[][..], |slot| slot.bytes()))
    }

    /// Whether there is something to send.
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        !self.outbox.is_empty() || (self.phase == Phase::Ready && !self.work.is_empty())
    }

    /// The first `n` of the bytes that [`transmit`](Self::transmit) gave are sent. More than it gave count as all.
    pub fn transmitted(&mut self, n: usize) {
        let Self { outbox, slots, over, .. } = self;
        outbox.sent(n, |slot| give_back(slots, over, slot));
    }

    /// Encodes what the slots have to send, each in its turn one PDU, as long as there is room.
    fn fill(&mut self) {
        let (Phase::Ready, Some(agreed)) = (self.phase, self.agreed) else { return };
        while self.outbox.has_room() {
            let Some(slot) = self.work.pop() else { return };
            let Some(entry) = self.slots.get(usize::from(slot)) else { continue };
            match entry.stage {
                Stage::Waiting => self.send_capsule(slot, &agreed),
                Stage::Issued => self.send_data(slot, &agreed),
                Stage::Free | Stage::Over(_) => {}
            }
        }
    }

    fn send_capsule(&mut self, slot: u16, agreed: &Negotiated) {
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else { return };
        let lent = if entry.in_capsule {
            match Lent::of(slot, entry.bytes(), 0, entry.len, agreed.digests) {
                Some(lent) => Some(lent),
                None => return, // the buffer has shrunk: half a capsule is worse than none
            }
        } else {
            None
        };
        if self.outbox.push_pdu(CapsuleCmd::new(entry.sqe.encode()), agreed.to_controller, lent) {
            entry.stage = Stage::Issued;
            if lent.is_some() {
                entry.lent = entry.lent.saturating_add(1);
                entry.moved = entry.len;
            }
        }
    }

    /// Sends the next piece of what the controller asked for first.
    fn send_data(&mut self, slot: u16, agreed: &Negotiated) {
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else { return };
        let Some(Grant { transfer_tag, len }) = entry.grants.front().copied() else { return };
        let (piece, is_last) =
            if len <= agreed.max_h2c_data { (len, true) } else { (agreed.max_h2c_data, false) };
        let mut header = H2cData::new(entry.wire, transfer_tag, entry.moved, piece);
        if is_last {
            header = header.last();
        }
        let Some(lent) = Lent::of(slot, entry.bytes(), entry.moved, piece, agreed.digests) else { return };
        if !self.outbox.push_pdu(header, agreed.to_controller, Some(lent)) {
            return;
        }
        entry.lent = entry.lent.saturating_add(1);
        entry.moved = entry.moved.saturating_add(piece);
        match entry.grants.front_mut() {
            Some(grant) if !is_last => grant.len = len.saturating_sub(piece),
            _ => {
                entry.grants.pop_front();
            }
        }
        if !entry.grants.is_empty() {
            self.work.push(slot);
        }
    }
}
