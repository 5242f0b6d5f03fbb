//! What is to be sent.

use super::slot::{Grant, Slot, Stage, give_back};
use super::{Host, Phase};
use crate::machine::{Lent, Outbox};
use crate::pdu::{H2cData, Negotiated};
use crate::sgl::Sgl;
use crate::sqe::Sqe;

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Host<R, W> {
    /// The bytes to send, in order: everything that is ready, up to [`Config::batch`](super::Config::batch) PDUs, as chunks for one `writev`.
    /// Data are lent from the commands' buffers and not copied.
    ///
    /// Asking again without [`transmitted`](Self::transmitted) gives the same bytes, and maybe more behind them.
    #[inline]
    pub fn transmit(&mut self) -> impl Iterator<Item = &[u8]> {
        if !self.work.is_empty() {
            self.fill();
        }
        self.outbox.give();
        let slots = &self.slots;
        self.outbox.chunks(move |slot| slots.get(usize::from(slot)).map_or(&[][..], |slot| slot.bytes()))
    }

    /// Whether there is something to send.
    #[must_use]
    #[inline]
    pub fn wants_transmit(&self) -> bool {
        !self.outbox.is_empty() || (self.phase == Phase::Ready && !self.work.is_empty())
    }

    /// The first `n` of the bytes that [`transmit`](Self::transmit) gave are sent. More than it gave count as all.
    #[inline]
    pub fn transmitted(&mut self, n: usize) {
        let Self { outbox, slots, over, .. } = self;
        outbox.sent(n, |slot| give_back(slots, over, slot));
    }

    /// Whether a PDU can be encoded at once: nothing waits for its turn, and there is room.
    #[inline(always)]
    pub(super) fn is_clear(&mut self) -> bool {
        self.phase == Phase::Ready && self.work.is_empty() && self.outbox.has_room()
    }

    /// Encodes what the slots have to send, each in its turn one PDU, as long as there is room.
    fn fill(&mut self) {
        let (Phase::Ready, Some(agreed)) = (self.phase, self.agreed) else { return };
        let Self { outbox, work, slots, .. } = self;
        while outbox.has_room() {
            let Some(slot) = work.pop() else { return };
            let Some(entry) = slots.get_mut(usize::from(slot)) else { continue };
            match entry.stage {
                Stage::Waiting => {
                    let sqe = entry.sqe;
                    // Not sent only when the buffer has shrunk: half a capsule is worse than none.
                    entry.send_capsule(slot, &sqe, &agreed, outbox);
                }
                Stage::Issued => {
                    if entry.send_data(slot, &agreed, outbox) && entry.grants.first().is_some() {
                        work.push(slot);
                    }
                }
                Stage::Free | Stage::Over(_) => {}
            }
        }
    }
}

impl<R, W: AsRef<[u8]>> Slot<R, W> {
    /// Encodes the capsule. `false`: the buffer has fewer bytes than it had.
    #[inline(always)]
    pub(super) fn send_capsule(
        &mut self,
        slot: u16,
        sqe: &Sqe,
        agreed: &Negotiated,
        outbox: &mut Outbox,
    ) -> bool {
        let sent = if self.in_capsule {
            self.send_with_data(slot, sqe, agreed, outbox)
        } else {
            outbox.push_command((sqe, self.wire, Sgl::transport(self.len)), agreed.to_controller, None)
        };
        if sent {
            self.stage = Stage::Issued;
            self.ticket = outbox.ticket();
        }
        sent
    }

    /// Encodes a capsule with the data in it.
    #[inline(never)]
    fn send_with_data(&mut self, slot: u16, sqe: &Sqe, agreed: &Negotiated, outbox: &mut Outbox) -> bool {
        let lent = Lent::of(slot, self.bytes(), 0, self.len, agreed.digests);
        let command = (sqe, self.wire, Sgl::in_capsule(self.len));
        if lent.is_none() || !outbox.push_command(command, agreed.to_controller, lent) {
            return false;
        }
        self.lent = self.lent.wrapping_add(1);
        self.moved = self.len;
        true
    }

    /// Encodes the next piece of what the controller asked for first. `false`: the buffer has fewer bytes than it had.
    #[inline]
    fn send_data(&mut self, slot: u16, agreed: &Negotiated, outbox: &mut Outbox) -> bool {
        let Some(grant) = self.grants.first() else { return false };
        let Grant { transfer_tag, len } = *grant;
        let piece = len.min(agreed.max_h2c_data);
        let mut header = H2cData::new(self.wire, transfer_tag, self.moved, piece);
        if piece == len {
            header = header.last();
        }
        let Some(lent) = Lent::of(slot, self.bytes(), self.moved, piece, agreed.digests) else {
            return false;
        };
        if !outbox.push_pdu(header, agreed.to_controller, Some(lent)) {
            return false;
        }
        self.lent = self.lent.wrapping_add(1);
        // Both lengths are within that of the data.
        self.moved = self.moved.wrapping_add(piece);
        self.grants.shorten(piece);
        true
    }
}
