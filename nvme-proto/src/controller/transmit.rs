//! What is to be sent.

use super::event::Reply;
use super::slot::{Slot, Stage, Tags, give_back};
use super::{Controller, Phase, SuccessFlag};
use crate::cqe::Cqe;
use crate::machine::{Lent, Outbox};
use crate::pdu::{C2hData, CapsuleResp, Format, R2t};

/// What holds for all that is encoded: it changes with the handshake and with Connect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How PDUs to the host are laid out.
    format: Format,
    tags: Tags,
    /// R2Ts that may be outstanding for a command.
    window: u16,
    /// Most bytes that one R2T asks for, and that one C2HData has.
    max_r2t_data: u32,
    max_c2h_data: u32,
    /// The last data of a command may stand for its completion.
    may_leave_out: bool,
    no_flow_control: bool,
}

impl Terms {
    /// Before the handshake: nothing is encoded.
    pub(super) const NONE: Self = Self {
        format: Format::PLAIN,
        tags: Tags::new(1),
        window: 0,
        max_r2t_data: 0,
        max_c2h_data: 0,
        may_leave_out: false,
        no_flow_control: false,
    };
}

/// What of an answer is encoded.
enum Sent {
    /// All of it.
    All,
    /// The data; the completion has to follow.
    Data,
    /// A part of the data.
    Part,
    /// Nothing: the buffer has fewer bytes than it had.
    Nothing,
}

impl<R: AsMut<[u8]>, W: AsRef<[u8]>> Controller<R, W> {
    /// The bytes to send, in order: everything that is ready, up to [`Config::batch`](super::Config::batch) PDUs, as chunks for one `writev`.
    /// Data are lent from the buffers given to [`respond_with_data`](Self::respond_with_data) and not copied.
    ///
    /// Asking again without [`transmitted`](Self::transmitted) gives the same bytes, and maybe more behind them.
    #[inline]
    pub fn transmit(&mut self) -> impl Iterator<Item = &[u8]> {
        if !self.work.is_empty() {
            self.fill();
        }
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

    /// The handshake is through, or Connect is answered.
    #[cold]
    pub(super) fn renew_terms(&mut self) {
        let Some(agreed) = self.agreed else { return };
        let no_flow_control = self.queue.is_some_and(|queue| queue.no_flow_control);
        let host = u16::try_from(agreed.max_r2ts).unwrap_or(u16::MAX);
        self.terms = Terms {
            format: agreed.to_host,
            tags: self.tags,
            window: self.config.max_r2ts.min(host).min(self.tags.each()),
            max_r2t_data: self.config.max_r2t_data,
            max_c2h_data: self.config.max_c2h_data,
            may_leave_out: match self.config.success {
                SuccessFlag::Never => false,
                SuccessFlag::WithoutFlowControl => no_flow_control,
                SuccessFlag::Always => true,
            },
            no_flow_control,
        };
    }

    /// Encodes what the slots have to send, each in its turn one PDU (and the completion behind its last data), as long as there is room.
    fn fill(&mut self) {
        if self.phase != Phase::Ready {
            return;
        }
        // Said to the compiler, which then leaves out what is about digests and padding.
        if self.terms.format == Format::PLAIN {
            self.fill_on(&Terms { format: Format::PLAIN, ..self.terms });
        } else {
            self.fill_on(&{ self.terms });
        }
    }

    #[inline(always)]
    fn fill_on(&mut self, terms: &Terms) {
        let Self { outbox, work, slots, cids, over, free, sq_head, .. } = self;
        let sq_head = *sq_head;
        while outbox.has_room() {
            let Some(slot) = work.pop() else { return };
            let Some(entry) = slots.get_mut(usize::from(slot)) else { continue };
            let sent = match entry.stage {
                Stage::Fetching => {
                    if entry.send_r2t(slot, terms, outbox) {
                        work.push(slot);
                    }
                    continue;
                }
                // The data that were asked for have to come first.
                Stage::Answering(_) if entry.r2ts > 0 => continue,
                Stage::Answering(reply) if entry.sent < entry.send_len => {
                    match entry.send_data(slot, reply, terms, outbox) {
                        // Right behind its data: behind the data of all others it would keep the host waiting for nothing.
                        Sent::Data if outbox.has_room() => {
                            entry.send_completion(reply, sq_head, terms, outbox)
                        }
                        Sent::Data => Sent::Part,
                        sent => sent,
                    }
                }
                Stage::Answering(reply) => entry.send_completion(reply, sq_head, terms, outbox),
                Stage::Free | Stage::Open | Stage::Answered => continue,
            };
            match sent {
                // The last PDU of a command is encoded: its identifier is free, since the host can use it again only when it has read that PDU.
                Sent::All => {
                    entry.stage = Stage::Answered;
                    if core::mem::take(&mut entry.owns_cid) {
                        cids.remove(entry.cid);
                    }
                    if entry.has_buffers() {
                        if entry.lent == 0 {
                            over.push(slot);
                        }
                    } else {
                        entry.stage = Stage::Free;
                        free.push(slot);
                    }
                }
                Sent::Data | Sent::Part => work.push(slot),
                Sent::Nothing => {}
            }
        }
    }
}

impl<R, W: AsRef<[u8]>> Slot<R, W> {
    /// Asks for the next piece of data, if one more R2T may be outstanding; whether that may go on.
    #[inline(always)]
    fn send_r2t(&mut self, slot: u16, terms: &Terms, outbox: &mut Outbox) -> bool {
        if self.r2ts >= terms.window || self.asked >= self.transfer {
            return false;
        }
        let tag = terms.tags.of(slot, self.r2t.wrapping_add(self.r2ts));
        let len = self.transfer.wrapping_sub(self.asked).min(terms.max_r2t_data);
        if !outbox.push_pdu(R2t::new(self.cid, tag, self.asked, len), terms.format, None) {
            return false;
        }
        self.asked = self.asked.wrapping_add(len);
        self.r2ts = self.r2ts.wrapping_add(1);
        self.r2ts < terms.window && self.asked < self.transfer
    }

    /// Sends the next piece of data to the host; the last one may stand for the completion.
    #[inline(always)]
    fn send_data(&mut self, slot: u16, reply: Reply, terms: &Terms, outbox: &mut Outbox) -> Sent {
        let rest = self.send_len.wrapping_sub(self.sent);
        let len = rest.min(terms.max_c2h_data);
        let is_last = len == rest;
        let is_all =
            is_last && terms.may_leave_out && reply == Reply::success() && self.send_len == self.transfer;
        let mut header = C2hData::new(self.cid, self.sent, len);
        if is_all {
            header = header.success();
        } else if is_last {
            header = header.last();
        }
        let Some(lent) = Lent::of(slot, self.bytes(), self.sent, len, terms.format.digests) else {
            return Sent::Nothing;
        };
        if !outbox.push_pdu(header, terms.format, Some(lent)) {
            return Sent::Nothing;
        }
        self.lent = self.lent.wrapping_add(1);
        self.sent = self.sent.wrapping_add(len);
        match (is_all, is_last) {
            (true, _) => Sent::All,
            (false, true) => Sent::Data,
            (false, false) => Sent::Part,
        }
    }

    #[inline(always)]
    fn send_completion(&self, reply: Reply, sq_head: u16, terms: &Terms, outbox: &mut Outbox) -> Sent {
        let sqhd = match (terms.no_flow_control, self.connect) {
            (true, Some(_)) if reply.status.is_success() => Cqe::SQHD_DISABLED,
            (true, _) => 0,
            (false, _) => sq_head,
        };
        let mut cqe = Cqe::success(self.cid).with_result(reply.result).with_sqhd(sqhd);
        cqe.status = reply.status;
        if outbox.push_pdu(CapsuleResp::new(cqe.encode()), terms.format, None) {
            Sent::All
        } else {
            Sent::Nothing
        }
    }
}
