//! One command that is outstanding.

use super::event::{AnswerError, Reply};
use crate::machine::Ring;

/// Where a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// No command.
    Free,
    /// The caller has it.
    Open,
    /// Its data are being fetched.
    Fetching,
    /// It has its answer, which is still to be sent, and before it data, or R2Ts are still to be served.
    Answering(Reply),
    /// The answer is on its way; the buffers are still in use.
    Answered,
}

#[derive(Debug)]
pub(super) struct Slot<R, W> {
    pub(super) stage: Stage,
    pub(super) serial: u32,
    /// The command identifier.
    pub(super) cid: u16,
    /// Whether the identifier is marked as taken; not so for a command whose identifier was taken already.
    pub(super) owns_cid: bool,
    /// What the command is about, when it is the Connect of this queue.
    pub(super) connect: Option<Queue>,
    /// Bytes that are to be transferred outside of the capsule.
    pub(super) transfer: u32,
    /// The caller may fetch them: they go to the controller, and it has not done so yet.
    pub(super) fetchable: bool,
    pub(super) fetch: Option<R>,
    /// Bytes asked for, and bytes that came.
    pub(super) asked: u32,
    pub(super) got: u32,
    /// The oldest R2T that is not served, counted from the command's first; its first byte; and how many there are.
    pub(super) r2t: u16,
    pub(super) r2t_start: u32,
    pub(super) r2ts: u16,
    /// A data digest was wrong.
    pub(super) damaged: bool,
    pub(super) send: Option<W>,
    pub(super) send_len: u32,
    pub(super) sent: u32,
    /// PDUs in the outbox that have data of this slot.
    pub(super) lent: usize,
}

/// What Connect says about the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) id: u16,
    /// Entries of the submission queue.
    pub(super) entries: u32,
    /// The host wants no flow control of the submission queue.
    pub(super) no_flow_control: bool,
}

impl<R, W> Slot<R, W> {
    pub(super) const fn new() -> Self {
        Self {
            stage: Stage::Free,
            serial: 0,
            cid: 0,
            owns_cid: false,
            connect: None,
            transfer: 0,
            fetchable: false,
            fetch: None,
            asked: 0,
            got: 0,
            r2t: 0,
            r2t_start: 0,
            r2ts: 0,
            damaged: false,
            send: None,
            send_len: 0,
            sent: 0,
            lent: 0,
        }
    }

    /// Takes a command. Its buffers are gone: a slot is free when it has given them back.
    #[inline]
    pub(super) fn start(&mut self, serial: u32, cid: u16, owns_cid: bool) {
        self.stage = Stage::Open;
        self.serial = serial;
        self.cid = cid;
        self.owns_cid = owns_cid;
        self.connect = None;
        self.transfer = 0;
        self.fetchable = false;
        (self.asked, self.got) = (0, 0);
        (self.r2t, self.r2t_start, self.r2ts) = (0, 0, 0);
        self.damaged = false;
        (self.send_len, self.sent) = (0, 0);
    }

    /// Why it does not take data of `have` bytes for the host.
    #[cold]
    pub(super) const fn refusal(&self, have: usize) -> AnswerError {
        match self.stage {
            Stage::Fetching => AnswerError::Fetching,
            Stage::Open if self.asked > 0 => AnswerError::Fetching,
            Stage::Open => AnswerError::TooMuchData { max: self.transfer, have },
            _ => AnswerError::Over,
        }
    }

    /// Whether it has buffers that are to be given back.
    #[inline]
    pub(super) const fn has_buffers(&self) -> bool {
        self.fetch.is_some() || self.send.is_some()
    }

    /// End of the oldest R2T that is not served, when each asks for `piece` bytes.
    #[inline]
    pub(super) fn r2t_end(&self, piece: u32) -> u32 {
        self.r2t_start.saturating_add(piece).min(self.asked)
    }
}

impl<R, W: AsRef<[u8]>> Slot<R, W> {
    /// The data to send.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.send.as_ref().map_or(&[], |buffer| buffer.as_ref())
    }
}

impl<R: AsMut<[u8]>, W> Slot<R, W> {
    /// `len` bytes from byte `at` of the buffer that is fetched into.
    #[inline]
    pub(super) fn place(&mut self, at: usize, len: usize) -> &mut [u8] {
        let buffer = self.fetch.as_mut().map_or(&mut [][..], |buffer| buffer.as_mut());
        buffer.get_mut(at..).and_then(|rest| rest.get_mut(..len)).unwrap_or_default()
    }
}

/// A PDU has done with the data of a slot: when it was the last one of a command that is answered, the slot is over.
#[inline]
pub(super) fn give_back<R, W>(slots: &mut [Slot<R, W>], over: &mut Ring<u16>, slot: u16) {
    if let Some(entry) = slots.get_mut(usize::from(slot)) {
        entry.lent = entry.lent.saturating_sub(1);
        if entry.lent == 0 && entry.stage == Stage::Answered {
            over.push(slot);
        }
    }
}

/// How transfer tags are made: the lower bits are the slot, the others count the R2Ts of its command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tags {
    pub(super) mask: u16,
    bits: u32,
}

impl Tags {
    /// For so many slots.
    pub(super) const fn new(slots: u16) -> Self {
        let bits = u16::BITS.saturating_sub(slots.saturating_sub(1).leading_zeros());
        // 16 bits leave no number.
        let mask = match 1_u16.checked_shl(bits) {
            Some(next) => next.wrapping_sub(1),
            None => u16::MAX,
        };
        Self { mask, bits }
    }

    /// The tag of the R2T with this number of the command in a slot.
    #[inline]
    pub(super) fn of(self, slot: u16, number: u16) -> u16 {
        slot | number.checked_shl(self.bits).unwrap_or(0)
    }

    /// The number in a tag.
    pub(super) fn number(self, tag: u16) -> u16 {
        tag.checked_shr(self.bits).unwrap_or(0)
    }

    /// Tags that a slot has.
    pub(super) fn each(self) -> u16 {
        self.number(u16::MAX).saturating_add(1)
    }
}
