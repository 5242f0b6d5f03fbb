//! What is to be sent.

use super::slot::{Stage, give_back};
use super::{Controller, Phase, Reply, SuccessFlag};
use crate::cqe::Cqe;
use crate::machine::Lent;
use crate::pdu::{C2hData, CapsuleResp, Negotiated, R2t};

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Controller<R, W> {
    /// The bytes to send, in order: everything that is ready, up to [`Config::batch`](super::Config::batch) PDUs, as chunks for one `writev`.
    /// Data are lent from the buffers given to [`respond_with_data`](Self::respond_with_data) and not copied.
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

    /// Encodes what the slots have to send, each in its turn one PDU (and the completion behind its last data), as long as there is room.
    fn fill(&mut self) {
        let (Phase::Ready, Some(agreed)) = (self.phase, self.agreed) else { return };
        while self.outbox.has_room() {
            let Some(slot) = self.work.pop() else { return };
            let Some(entry) = self.slots.get(usize::from(slot)) else { continue };
            match entry.stage {
                Stage::Fetching => self.send_r2t(slot, &agreed),
                // The data that were asked for have to come first.
                Stage::Answering(_) if entry.r2ts > 0 => {}
                Stage::Answering(reply) if entry.sent < entry.send_len => {
                    self.send_data(slot, reply, &agreed);
                }
                Stage::Answering(reply) => self.send_completion(slot, reply, &agreed),
                Stage::Free | Stage::Open | Stage::Answered => {}
            }
        }
    }

    /// Asks for the next piece of data, if one more R2T may be outstanding.
    fn send_r2t(&mut self, slot: u16, agreed: &Negotiated) {
        let window = self.r2t_window(agreed);
        let piece = self.config.max_r2t_data;
        let bits = self.slot_bits;
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else { return };
        if entry.r2ts >= window || entry.asked >= entry.transfer {
            return;
        }
        let tag = transfer_tag(bits, slot, entry.r2t.wrapping_add(entry.r2ts));
        let len = entry.transfer.saturating_sub(entry.asked).min(piece);
        let header = R2t::new(entry.cid, tag, entry.asked, len);
        if self.outbox.push_pdu(header, agreed.to_host, None) {
            entry.asked = entry.asked.saturating_add(len);
            entry.r2ts = entry.r2ts.saturating_add(1);
            if entry.r2ts < window && entry.asked < entry.transfer {
                self.work.push(slot);
            }
        }
    }

    /// R2Ts that may be outstanding for a command.
    pub(super) fn r2t_window(&self, agreed: &Negotiated) -> u16 {
        // A slot has this many transfer tags.
        let tags = u16::MAX.checked_shr(self.slot_bits).unwrap_or(0).saturating_add(1);
        let host = u16::try_from(agreed.max_r2ts).unwrap_or(u16::MAX);
        self.config.max_r2ts.min(host).min(tags)
    }

    /// Sends the next piece of data to the host; the last one may stand for the completion.
    fn send_data(&mut self, slot: u16, reply: Reply, agreed: &Negotiated) {
        let may_leave_out = match self.config.success {
            SuccessFlag::Never => false,
            SuccessFlag::WithoutFlowControl => self.queue.is_some_and(|queue| queue.no_flow_control),
            SuccessFlag::Always => true,
        };
        let piece = self.config.max_c2h_data;
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else { return };
        let rest = entry.send_len.saturating_sub(entry.sent);
        let (len, is_last) = if rest <= piece { (rest, true) } else { (piece, false) };
        let mut header = C2hData::new(entry.cid, entry.sent, len);
        let is_all =
            is_last && may_leave_out && reply == Reply::success() && entry.send_len == entry.transfer;
        if is_all {
            header = header.success();
        } else if is_last {
            header = header.last();
        }
        let Some(lent) = Lent::of(slot, entry.bytes(), entry.sent, len, agreed.digests) else { return };
        if !self.outbox.push_pdu(header, agreed.to_host, Some(lent)) {
            return;
        }
        entry.lent = entry.lent.saturating_add(1);
        entry.sent = entry.sent.saturating_add(len);
        if is_all {
            self.answered(slot);
        } else if is_last && self.outbox.has_room() {
            // Right behind its data: behind the data of all others it would keep the host waiting for nothing.
            self.send_completion(slot, reply, agreed);
        } else {
            self.work.push(slot);
        }
    }

    fn send_completion(&mut self, slot: u16, reply: Reply, agreed: &Negotiated) {
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else { return };
        let no_flow_control = self.queue.is_some_and(|queue| queue.no_flow_control);
        let sqhd = match (no_flow_control, entry.connect) {
            (true, Some(_)) if reply.status.is_success() => Cqe::SQHD_DISABLED,
            (true, _) => 0,
            (false, _) => self.sq_head,
        };
        let mut cqe = Cqe::success(entry.cid).with_result(reply.result).with_sqhd(sqhd);
        cqe.status = reply.status;
        let header = CapsuleResp::new(cqe.encode());
        if self.outbox.push_pdu(header, agreed.to_host, None) {
            self.answered(slot);
        }
    }

    /// The last PDU of a command is encoded: its identifier is free, since the host can use it again only when it has read that PDU.
    fn answered(&mut self, slot: u16) {
        let Some(entry) = self.slots.get_mut(usize::from(slot)) else { return };
        entry.stage = Stage::Answered;
        if core::mem::take(&mut entry.owns_cid) {
            self.cids.remove(entry.cid);
        }
        if entry.lent == 0 {
            self.over.push(slot);
        }
    }
}

/// The transfer tag of the R2T with this number of the command in a slot.
pub(super) fn transfer_tag(slot_bits: u32, slot: u16, number: u16) -> u16 {
    slot | number.checked_shl(slot_bits).unwrap_or(0)
}
